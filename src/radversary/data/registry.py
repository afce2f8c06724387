"""The data sources by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from radversary.core.registry import Registry

if TYPE_CHECKING:  # names are known without pandas
    from radversary.data.table import ImageTable


class DataSource(Protocol):
    """Where images come from; a frozen dataclass of its parameters."""

    def table(self, workspace: Path) -> ImageTable:
        """Return the table of images.

        Args:
            workspace: A folder in which a source that makes images may write them.

        Returns:
            One row an image.

        Raises:
            DataError: There are no usable images.
        """
        ...


DATASETS: Registry[DataSource] = Registry("dataset", {
    "auto": "radversary.data.auto_source:AutoSource",
    "nih": "radversary.data.nih:NihChestXray14",
    "folder": "radversary.data.folders:ClassFolders",
    "csv": "radversary.data.csv_table:CsvTable",
    "imagefolder": "radversary.data.image_folder:ImageFolder",
    "dicom": "radversary.data.dicom_tree:DicomTree",
    "medmnist": "radversary.data.medmnist:MedMnist",
    "zip": "radversary.data.zipped:ZippedSource",
    "phantoms": "radversary.data.phantom_source:PhantomSource",
}, group="radversary.datasets")
"""All data sources."""
