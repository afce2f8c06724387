"""Files of a run folder beside its result: gallery, plan, scores of single images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from pydantic import AliasPath, BaseModel, Field

from radversary.auditing.result import AuditResult, DefenceSummary, GalleryImage
from radversary.auditing.standing import OPACITY
from radversary.imaging.strict import whole_files
from radversary.report.gallery import picture_path
from radversary.report.html import load_result
from radversary.report.result_view import ResultView
from radversary.report.thesis.figures import Pixels
from radversary.storage.files import read_text
from radversary.storage.plain_yaml import LIMIT, parse_yaml
from radversary.storage.tables import read_table

LARGEST = 50_000_000
"""Pixels of a picture at most."""
RESTORERS = {"HGD": "unet", "CycleGAN": "cyclegan"}
"""The thesis' restoring defences: name to the architecture of the trained transform."""


class StoredPhase(BaseModel):
    """The fields that are read of a training phase.

    Attributes:
        epochs: Passes over the training images.
        trunk: ``frozen`` or ``trained``.
    """

    epochs: int = Field(ge=0)
    trunk: str = ""


class StoredPlan(BaseModel):
    """The fields that are read of ``plan.yaml``.

    Attributes:
        phases: The victim's phases of training.
    """

    phases: tuple[StoredPhase, ...] = Field(validation_alias=AliasPath("models", "victim", "training", "phases"))


@dataclass(frozen=True)
class RunFolder:
    """A run folder, read.

    Attributes:
        path: The folder.
        result: Its result.
    """

    path: Path
    result: AuditResult

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Read a run folder.

        Raises:
            InputError: It has no result, or one that cannot be read.
        """
        return cls(path, load_result(path))

    @cached_property
    def view(self) -> ResultView:
        """Views of the result."""
        return ResultView(self.result)

    @cached_property
    def phases(self) -> tuple[StoredPhase, ...]:
        """The victim's phases of training, as the plan has them; none where there is no plan that says so."""
        try:
            content = parse_yaml(read_text(self.path / "plan.yaml", limit=LIMIT))
            return StoredPlan.model_validate(content).phases
        except (OSError, ValueError):  # pydantic's errors are values
            return ()

    def pixels(self, name: str | None) -> Pixels | None:
        """Return a picture of the folder, None where it is absent, no PNG, or outside the folder."""
        path = picture_path(self.path, name)
        if path is None:
            return None
        try:
            with whole_files(), Image.open(path) as picture:
                if picture.width * picture.height > LARGEST:
                    return None
                return np.asarray(picture.convert("L" if picture.mode in ("L", "1", "I;16", "I") else "RGB"))
        except Exception:  # Pillow's readers have errors of many kinds; a picture that cannot be read is absent
            return None

    def style_image(self) -> tuple[GalleryImage, Pixels, Pixels] | None:
        """Return the first gallery image of an attack by opacity, the headline's first, with its two pictures."""
        worst = self.view.worst
        found = sorted((e for e in self.result.gallery if by_opacity(e)),
                       key=lambda e: worst is None or e.condition.attack != worst.attack)
        for image in found:
            original, attacked = self.pixels(image.original), self.pixels(image.attacked)
            if original is not None and attacked is not None:
                return image, original, attacked
        return None

    @staticmethod
    def at_opacity(image: GalleryImage, original: Pixels, attacked: Pixels, opacity: float) -> tuple[Pixels,
                                                                                                     str] | None:
        """Return a gallery image at some opacity and where the picture comes from, None where it does not follow.

        The others follow only where the attack is a mixture by definition and its picture at full opacity is there.
        """
        if image.condition.strength == opacity:
            return attacked, "as the run kept it"
        if not (image.condition.strength == 1 and image.condition.mixture):
            return None
        if original.ndim < attacked.ndim:
            original = np.repeat(original[..., None], 3, axis=2)
        if original.shape != attacked.shape:
            return None
        mixed = np.rint((1 - opacity) * original.astype(float) + opacity * attacked).astype(np.uint8)
        return mixed, "mixed from the run's pictures at opacity 0 and 1, as the attack defines opacity"

    def evidence(self, label: str) -> tuple[GalleryImage, Pixels] | None:
        """Return the first gallery image of a class with evidence maps, styles before others."""
        for image in sorted(self.result.gallery, key=lambda e: not by_opacity(e)):
            if image.label == label and (pixels := self.pixels(image.evidence)) is not None:
                return image, pixels
        return None

    def scores(self, image: GalleryImage) -> str:
        """Return each score of one image with its alarm threshold, as text; empty where the run keeps no scores."""
        path, what = self.path / "detections.parquet", image.condition
        if not path.is_file():
            return ""
        frame = read_table(path, columns=("image_id", "attack", "strength"), remedy="run the audit again")
        rows = frame[(frame["image_id"] == image.image_id) & (frame["attack"] == what.attack)
                     & (frame["strength"] == what.strength)]
        if "knowledge" in rows:
            rows = rows[rows["knowledge"] == str(what.knowledge)]
        limits = {d.detector: d.threshold for d in self.result.detections
                  if d.condition.key == what.key and d.threshold is not None}
        found = {name: float(pd.to_numeric(rows[name], errors="coerce").iloc[0]) for name in limits
                 if name in rows and len(rows)}
        said = [f"{name} {score:.3g}, {'an' if score > limits[name] else 'no'} alarm (above {limits[name]:.3g})"
                for name, score in found.items()]
        return f"Scores of the re-encoded image: {'; '.join(said)}." if said else ""

    def defences_like(self, kind: str) -> list[str]:
        """Return the defences of one kind, a key of ``RESTORERS``."""
        return [name for name, defence in self.competitors() if RESTORERS[kind] in defence.restorers]

    def adversarial(self) -> tuple[str, str] | None:
        """Return the first adversarially trained defence and the name of its model."""
        return next(((name, defence.model) for name, defence in self.competitors() if defence.adversarial), None)

    def competitors(self) -> list[tuple[str, DefenceSummary]]:
        """Return the real defences with what is known of them."""
        known = self.result.defences
        return [(name, known[name]) for name in self.view.competitors if name in known]

    def restored(self, labels: list[str]) -> tuple[GalleryImage, list[tuple[str, Pixels]]] | None:
        """Return a gallery image with raw, attacked and restored picture, if the gallery shows one of some defences."""
        for image, label in product(self.result.gallery, labels):
            names = {"raw": image.original, "attacked": image.attacked, "restored": image.restored.get(label)}
            found = [(head, pixels) for head, name in names.items() if (pixels := self.pixels(name)) is not None]
            if len(found) == len(names):
                return image, found
        return None

    def unfrozen_at(self, epochs: int) -> int | None:
        """Return the epoch, from 0, before which the victim's deeper layers were unfrozen; None where unknown.

        Args:
            epochs: Epochs in its learning curve.
        """
        frozen = sum(phase.epochs for phase in self.phases if phase.trunk == "frozen")
        if frozen == 0 and self.phases:
            return 0
        if all(phase.trunk == "frozen" for phase in self.phases) and self.phases:
            return epochs
        return frozen if self.phases and sum(phase.epochs for phase in self.phases) == epochs else None


def by_opacity(image: GalleryImage) -> bool:
    """Tell whether a gallery image's attack has an opacity."""
    return image.condition.measure == OPACITY
