"""Synthetic radiographs (phantoms) as a data source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from radversary.core.errors import PlanError
from radversary.data.csv_table import CsvTable
from radversary.data.table import ImageTable
from radversary.storage.checksums import sha256_json
from radversary.storage.json_files import write_json


@dataclass(frozen=True, kw_only=True)
class PhantomSource:
    """Phantoms, drawn once into the workspace and found there again.

    Args:
        count: Images.
        size: Side in pixels.
        seed: Seed of all of them.
    """

    count: int
    size: int = 128
    seed: int = 42

    def __post_init__(self) -> None:
        if self.count < 1 or self.size < 16:
            raise PlanError(f"phantoms need a count of at least 1 and a size of at least 16, "
                            f"got count={self.count}, size={self.size}")

    def table(self, workspace: Path) -> ImageTable:
        """Return the phantoms, drawing them first where they are not in the workspace.

        Args:
            workspace: Folder for generated data; the images go to a sub-folder named after the parameters.

        Returns:
            One row a phantom.

        Raises:
            DataError: What was drawn is no table of images.
            StorageError: Writing failed.
        """
        folder = workspace / f"phantoms-{sha256_json(repr(self))[:12]}"
        done = folder / "phantoms.json"
        if not done.exists():
            self._write(folder)
            write_json(done, {"source": repr(self)})
        return CsvTable(path=folder / "labels.csv").table(workspace)

    def _write(self, folder: Path) -> None:
        # The generator is imported only where it is used.
        from radversary.data.phantoms import Phantoms, write_phantoms

        write_phantoms(Phantoms(count=self.count, size=self.size, seed=self.seed), folder)
