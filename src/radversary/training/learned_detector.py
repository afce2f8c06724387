"""Training of the learned detector: clean images against attacked copies of them, by family of attack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import save

from radversary.attacks.base import Attack, Batch, run_attack
from radversary.attacks.unlabelled import labels_or_readings
from radversary.classifiers.base import Classifier
from radversary.core.errors import DataError
from radversary.core.seeds import Streams
from radversary.core.types import Images, Labels
from radversary.data.prepared import PreparedImages
from radversary.data.splits import some_rows
from radversary.data.stored import StoredTensors
from radversary.detectors.learned import LearnedDetector
from radversary.execution.progress import track
from radversary.imaging.intensity import to_grey
from radversary.imaging.png import png_round_trip
from radversary.imaging.source import ChosenSource, JoinedSource
from radversary.storage.arrays import read_tensors
from radversary.storage.checksums import checksum_matches, write_checksum
from radversary.storage.files import write_whole


class TaughtAttack(NamedTuple):
    """An attack that training images are attacked with.

    Attributes:
        family: What it belongs to.
        attack: The attack.
        strengths: Its strengths, each above 0.
        images: At most so many images; None takes all.
    """

    family: str
    attack: Attack
    strengths: tuple[float, ...]
    images: int | None = None


class Piece(NamedTuple):
    """Training images that one attack is made on at one strength.

    Attributes:
        label: The attack's label.
        strength: Its strength.
        rows: Rows of the prepared images.
    """

    label: str
    strength: float
    rows: np.ndarray


@dataclass(frozen=True, eq=False)
class DetectorTraining:
    """Training data of the learned detector.

    Attributes:
        classifier: The target of gradient attacks.
        images: The prepared images.
        rows: The training rows.
        attacks: Label to attack.
        seed: Of everything random.
        batch_size: Images at a time.
    """

    classifier: Classifier
    images: PreparedImages
    rows: np.ndarray
    attacks: Mapping[str, TaughtAttack]
    seed: int
    batch_size: int

    @cached_property
    def labels(self) -> Labels:
        """Labels of the prepared images (:func:`radversary.attacks.unlabelled.labels_or_readings`)."""
        return labels_or_readings(self.images, self.classifier, self.rows)

    def pieces(self) -> list[Piece]:
        """Divide the training images among each attack's strengths, drawn for each image, and into batches.

        Images on which an attack's goal makes no sense are left out of its.
        """
        pieces, own = [], self.images
        for label, (_, attack, strengths, limit) in self.attacks.items():
            sensible = attack.wants.applies(self.classifier.card, self.labels[torch.from_numpy(self.rows)]).numpy()
            rows = some_rows(self.rows[sensible], own, limit=limit or len(self.rows), seed=self.seed)
            streams = Streams.for_images([own.image_ids[row] for row in rows], seed=self.seed,
                                         step=f"{label}: strength")
            drawn = streams.integers(len(strengths)).numpy()
            for place, strength in enumerate(strengths):
                chosen = rows[drawn == place]
                parts = np.array_split(chosen, range(self.batch_size, len(chosen), self.batch_size))
                pieces += [Piece(label, strength, part) for part in parts if len(part)]
        return pieces

    def attacked_copies(self, piece: Piece) -> Images:
        """Attack some training images, save them and load them; grey, (n, 1, S, S)."""
        own, depths = self.images, self.images.depths(piece.rows)
        batch = Batch(images=own.tensor(piece.rows), labels=self.labels[piece.rows], bits=depths,
                      image_ids=tuple(own.image_ids[row] for row in piece.rows))
        (outcome,) = run_attack(self.attacks[piece.label].attack, self.classifier, batch, seed=self.seed,
                                step=f"{piece.label}: training", strengths=(piece.strength,))
        # Pillow stores no 16-bit colour.
        return to_grey(png_round_trip(outcome.images, depths if outcome.images.shape[1] == 1 else 8))

    def copies(self) -> dict[str, StoredTensors]:
        """Return the attacked training images of each family, put aside on disk.

        Raises:
            StorageError: There is no room in the folder for temporary files.
        """
        made = {item.family: StoredTensors() for item in self.attacks.values()}
        for piece in track(self.pieces(), "Attacking training images"):
            made[self.attacks[piece.label].family].add(self.attacked_copies(piece))
        return made


def teach(detector: LearnedDetector, training: DetectorTraining, paths: Mapping[str, Path]) -> dict[str,
                                                                                                    LearnedDetector]:
    """Return one detector a name, each trained on the attacked copies of all families but the one it is named after.

    Args:
        detector: The detector, not yet fitted.
        training: Its training data.
        paths: Name to the safetensors file that the detector is cached in; a name that is
            no family's stands for all of them.

    Raises:
        InputError: Too few training images.
        StorageError: Writing failed.
    """
    missing = {name: path for name, path in paths.items() if not checksum_matches(path)}
    if missing:
        clean, copies = ChosenSource(training.images, training.rows.tolist()), training.copies()
        for name, path in missing.items():
            attacked = JoinedSource([images for family, images in copies.items() if family != name])
            content = save(dict(replace(detector).fit_on(clean, attacked).learned))
            write_whole(path, lambda part, content=content: part.write_bytes(content))  # type: ignore[misc]
            write_checksum(path)
    return {name: replace(detector).restore(read_tensors(path, error=DataError)) for name, path in paths.items()}
