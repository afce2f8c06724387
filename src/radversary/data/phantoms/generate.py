"""Synthetic chest radiographs, each a function of (seed, patient, image) alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count as count_up
from itertools import islice

import numpy as np
import torch

from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.seeds import numpy_generator
from radversary.core.types import Images
from radversary.data.phantoms.acquisition import Exposure, attachments, expose
from radversary.data.phantoms.anatomy import Anatomy, View, lungs_of
from radversary.data.phantoms.fields import Field, Frame, Mask, Pose
from radversary.data.phantoms.pathology import FINDINGS, Finding
from radversary.data.phantoms.tissues import bones, lung_markings, soft_tissue, spine_and_airway

CLASSES = tuple(FINDINGS)
AIR = 0.4
"""What a full thickness of air takes from the attenuation of the chest."""
MIXED = 0.08
"""Share of patient groups whose patients change class at their last image, as patients do."""


@dataclass(frozen=True, kw_only=True)
class PhantomRecord:
    """What is known of one phantom.

    Attributes:
        image_id: Unique within and across seeds, such as ``s42p00007i01``.
        patient: Index of the patient.
        image: Index of the image within the patient.
        label: Class.
        view: PA or AP.
        sex: F or M.
        age: Years at this image.
        subtype: Kind of finding, such as ``lobar`` or ``tension``; ``none`` for Normal.
    """

    image_id: str
    patient: int
    image: int
    label: str
    view: View
    sex: str
    age: int
    subtype: str

    @property
    def patient_id(self) -> str:
        """The patient's name, the image id without its image."""
        return self.image_id.rpartition("i")[0]


@dataclass(frozen=True)
class PhantomBatch:
    """Phantoms with their ground truth.

    Attributes:
        images: float32 (N, 1, S, S) in [0, 1].
        masks: bool (N, 1, S, S): where the finding is; empty for Normal.
        records: What is known of each, N of them.
    """

    images: Images
    masks: torch.Tensor
    records: tuple[PhantomRecord, ...]


@dataclass(frozen=True, kw_only=True)
class Phantoms:
    """A set of synthetic radiographs.

    Patients come in groups of one a class with equally many images, so that classes are balanced to within one
    group. Anatomy belongs to the patient; view, pose, exposure and noise to the image; neither knows the class.

    Args:
        count: Images.
        size: Pixels along a side, at least 32.
        seed: Seed of everything.
        classes: Names out of ``Normal``, ``Pneumonia`` and ``Pneumothorax``.

    Raises:
        PlanError: No image, too small a size, or a class given twice.
        UnknownNameError: A class that is not known.

    Example:
        >>> batch = next(Phantoms(count=3, size=32).generate())
        >>> tuple(batch.images.shape), batch.records[0].image_id
        ((3, 1, 32, 32), 's42p00000i00')
    """

    count: int
    size: int = 128
    seed: int = 42
    classes: tuple[str, ...] = CLASSES

    def __post_init__(self) -> None:
        if not 1 <= self.count <= 10**6:
            raise PlanError(f"count must be at least 1 phantom and at most a million, got {self.count}")
        if not 32 <= self.size <= 4096:
            raise PlanError(f"size must be at least 32 pixels and at most 4096, got {self.size}")
        for name in self.classes:
            if name not in FINDINGS:
                raise UnknownNameError("phantom class", name, FINDINGS)
        if not self.classes or len(set(self.classes)) < len(self.classes):
            raise PlanError(f"classes must be one or more different names, got {self.classes}")

    def records(self) -> Iterator[PhantomRecord]:
        """Yield what is known of each phantom, without painting it."""
        return islice(self._all_records(), self.count)

    def _all_records(self) -> Iterator[PhantomRecord]:
        for group in count_up():
            rng = numpy_generator(self.seed, "phantom group", group)
            order, visits = rng.permutation(len(self.classes)), int(rng.integers(1, 6))
            mixed = rng.random() < MIXED and visits > 1
            for place in range(len(order)):
                for image in range(visits):
                    changed = int(mixed and image == visits - 1)
                    label = self.classes[order[(place + changed) % len(order)]]
                    yield self._record(group * len(order) + place, image, label)

    def _record(self, patient: int, image: int, label: str) -> PhantomRecord:
        person = numpy_generator(self.seed, "phantom person", patient)
        sex, born, portable = "FM"[person.integers(2)], int(person.integers(18, 86)), person.choice([0.15, 0.75])
        visit = numpy_generator(self.seed, "phantom visit", patient, image)
        return PhantomRecord(
            image_id=f"s{self.seed}p{patient:05d}i{image:02d}", patient=patient, image=image, label=label,
            view="AP" if visit.random() < portable else "PA", sex=sex, age=born + image // 2,
            subtype=self._finding(patient, image, label).subtype)

    def _finding(self, patient: int, image: int, label: str) -> Finding:
        return FINDINGS[label](numpy_generator(self.seed, "phantom disease", label, patient),
                               numpy_generator(self.seed, "phantom extent", label, patient, image))

    def paint(self, record: PhantomRecord) -> tuple[Field, Mask]:
        """Paint one phantom.

        Args:
            record: One of :meth:`records`.

        Returns:
            The film, float32 (S, S) in [0, 1], and the mask of the finding, bool (S, S).
        """
        anatomy = Anatomy.draw(numpy_generator(self.seed, "phantom anatomy", record.patient), record.sex)
        rng = numpy_generator(self.seed, "phantom film", record.patient, record.image)
        frame, exposure = Frame.posed(self.size, Pose.draw(rng)), Exposure.draw(rng, record.view)
        finding = self._finding(record.patient, record.image, record.label)
        attenuation, mask = paint_chest(anatomy.seen(record.view), frame, finding)
        attenuation += attachments(frame, rng, record.view)
        return expose(attenuation, exposure, frame, rng), mask

    def generate(self, *, batch: int = 32) -> Iterator[PhantomBatch]:
        """Yield all phantoms.

        Args:
            batch: Phantoms a batch; the images do not depend on it.

        Yields:
            Batches, the last one may be smaller.
        """
        records = self.records()
        while chunk := tuple(islice(records, batch)):
            films, masks = zip(*(self.paint(record) for record in chunk), strict=True)
            yield PhantomBatch(torch.from_numpy(np.stack(films)[:, None]), torch.from_numpy(np.stack(masks)[:, None]),
                               chunk)


def paint_chest(anatomy: Anatomy, frame: Frame, finding: Finding) -> tuple[Field, Mask]:
    """Add up a chest's attenuation.

    Args:
        anatomy: The patient, as the view shows it.
        frame: The film.
        finding: The patient's finding.

    Returns:
        Attenuation, (S, S), and the finding's mask, (S, S).
    """
    moved = finding.displacement
    lungs = lungs_of(anatomy, frame, moved)
    effect = finding.effect(frame, lungs)
    total = soft_tissue(anatomy, frame, lungs, moved.mediastinum)
    total += spine_and_airway(anatomy, frame, moved.mediastinum) + bones(anatomy, frame, lungs)
    total += lungs.air * lung_markings(anatomy, frame, moved.mediastinum) * (1 - effect.bare)
    total += effect.line - AIR * lungs.air * (1 - effect.filled)
    return total, effect.mask
