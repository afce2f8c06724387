"""The guard of a classifier: its detectors, calibrated on clean images, and what they say of a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radversary.calibration.combining import known_rule
from radversary.calibration.conformal import group_names
from radversary.calibration.fusion import Fusion, fuse
from radversary.calibration.thresholds import images_needed
from radversary.classifiers.base import Classifier, Features
from radversary.classifiers.card import ModelCard
from radversary.classifiers.tasks import decisions_of, probabilities_of
from radversary.core.errors import InputError
from radversary.core.text import FAULT, VALUE, sentence
from radversary.core.types import Access, Images
from radversary.data.batches import tracked_batches
from radversary.defenses.base import Transform
from radversary.detectors.reference_free import ReferenceFreeDetector, shown
from radversary.execution.devices import image_device
from radversary.execution.progress import reporting
from radversary.execution.work import Progress
from radversary.imaging.source import ImagesOrSource, batches, source_of
from radversary.screening.seen import Marks, distinct, marks_of, refuse_seen
from radversary.screening.verdicts import CUES, Verdict, findings_read, prediction_of


@dataclass(frozen=True)
class Look:
    """What classifier and detectors see in some images.

    Attributes:
        scores: Anomaly scores, (N, D) in double precision, one column a detector.
        decisions: The decided classes, int64 (N,); 0 or 1 a finding (N, K) where the task is ``multilabel``.
        probabilities: (N, K); (N, 0) where the classifier gives labels alone.
    """

    scores: NDArray[np.float64]
    decisions: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @classmethod
    def of(cls, scores: Tensor, answers: Tensor, card: ModelCard) -> Look:
        """Return what is seen.

        Args:
            scores: (N, D).
            answers: Logits (N, K) or, of a classifier that gives labels alone, its decisions, int64.
            card: The classifier's card.
        """
        seen = scores.double().cpu().numpy()
        if not answers.is_floating_point():
            return cls(seen, answers.cpu().numpy(), np.empty((len(seen), 0)))
        return cls(seen, decisions_of(answers, card).cpu().numpy(),
                   probabilities_of(answers.double(), card.task).cpu().numpy())


@dataclass(frozen=True, kw_only=True)
class Guard:
    """A classifier with fitted detectors and, once calibrated, thresholds.

    Attributes:
        classifier: The victim; it shows features where a detector reads them, may be known by its scores where
            detectors look at logits and pixels alone, and by its labels where they look at pixels.
        detectors: Name to fitted detector, bound to the classifier.
        fusion: How their scores become one p-value; None before :meth:`calibrate`.
        record: Facts for people: what it was fitted and calibrated on.
        views: Further ways in which the consistency detector has the classifier look, by name.
        seen: By what the films are known again that it was ``fitted`` and ``calibrated`` on
            (:meth:`radversary.screening.seen.Marks.kept`).

    Example:
        >>> from radversary.classifiers.networks import build_network
        >>> from radversary.classifiers.torch_module import wrap
        >>> from radversary.screening.fitting import fit_guard
        >>> victim = wrap(build_network("resnet18", classes=2), classes=("a", "b"), size=64)
        >>> films = torch.rand(60, 1, 64, 64, generator=torch.Generator().manual_seed(0))
        >>> guard = fit_guard(victim, films[:20], names=("energy", "msp"))
        >>> guard = guard.calibrate(films[20:], [f"p{n}" for n in range(40)], alpha=0.1)
        >>> guard.screen(films[:1])[0].verdict in ("pass", "review")
        True
    """

    classifier: Classifier
    detectors: Mapping[str, ReferenceFreeDetector]
    fusion: Fusion | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    views: Mapping[str, Transform] = field(default_factory=dict)
    seen: Mapping[str, Tensor] = field(default_factory=dict, compare=False, repr=False)

    def __repr__(self) -> str:
        kept = {name: self.record[f"{name}_images"] for name in ("fitted", "calibrated")
                if isinstance(self.record.get(f"{name}_images"), int)}
        told = "".join(f", {name} on {count} images" for name, count in kept.items())
        promise = f"promised false alarms {self.alpha:.1%}" if self.fusion else "no thresholds yet"
        return sentence(f"Guard(model {sentence(self.classifier.card.name, VALUE)!r}, detectors "
                        f"{sentence(', '.join(self.detectors), VALUE)}{told}, {promise})", FAULT)

    @property
    def needs_features(self) -> bool:
        """Whether one of the detectors looks at the classifier's features."""
        return any(detector.needs_features for detector in self.detectors.values())

    @property
    def alpha(self) -> float:
        """The promised false-alarm rate.

        Raises:
            InputError: The guard is not calibrated.
        """
        return self.calibrated().final.alpha

    def calibrated(self) -> Fusion:
        """Return the fusion.

        Raises:
            InputError: The guard is not calibrated.
        """
        if self.fusion is None:
            raise InputError("this guard has no thresholds yet: calibrate it on clean images of other patients first")
        return self.fusion

    def look(self, images: ImagesOrSource, *, title: str = "") -> Look:
        """Look at images once, a batch at a time, on the classifier's device; one pass of it serves all detectors.

        Args:
            images: (N, C, S, S) in [0, 1], S the classifier's size; or a source of such images.
            title: Of the progress bar; none where empty.

        Returns:
            What is seen.

        Raises:
            TensorError: Images outside the pixel contract.
        """
        with torch.no_grad():
            seen = [self._seen(part.to(image_device(self.classifier.device)))
                    for part in (tracked_batches(images, title) if title else batches(images))]
        card = self.classifier.card
        if not seen:
            return Look.of(torch.zeros(0, len(self.detectors)), torch.zeros(0, len(card.classes)), card)
        return Look.of(torch.cat([item[0] for item in seen]), torch.cat([item[1] for item in seen]), card)

    def anomaly_score(self, images: Images) -> tuple[Tensor, Tensor]:
        """Return scores (N, D) and logits (N, K), differentiable where gradients are on.

        Raises:
            AccessError: The classifier gives labels alone.
        """
        features = self.features(images)
        logits = self.classifier.logits(images) if features is None else features.logits
        return self._scores(images, features), logits

    def _seen(self, images: Images) -> tuple[Tensor, Tensor]:
        """Return scores (N, D), and logits (N, K) or, where the classifier gives no more, its decisions."""
        if self.classifier.access < Access.SCORES:  # such a one shows no features either
            return self._scores(images, None), self.classifier.decide(images)
        return self.anomaly_score(images)

    def _scores(self, images: Images, features: Features | None) -> Tensor:
        scores = [detector.judge(detector.measure(images, features if detector.needs_features else None)).double()
                  for detector in self.detectors.values()]
        return torch.stack(scores, dim=1)

    def features(self, images: Images) -> Features | None:
        """Return the classifier's features of images, None where no detector reads them; logits where those will do."""
        reading = [detector for detector in self.detectors.values() if detector.needs_features]
        logits_alone = all(detector.logits_alone for detector in reading)
        return shown(self.classifier, images, logits_alone=logits_alone) if reading else None

    def calibrate(self, clean: ImagesOrSource, patients: Sequence[str], groups: Sequence[str] | None = None, *,
                  alpha: float = 0.05, rule: str = "fisher_within_tippett_across", seed: int = 0,
                  progress: Progress | None = None) -> Guard:
        """Set the thresholds on clean images of patients that no detector was fitted on.

        Images that detectors were fitted on are recognised by their pixels, re-encoded too; that their patients are
        others is not checked, as no patient is kept. A film that is there several times counts once, and all patients
        of it as one; a warning says how many copies there were.

        Args:
            clean: (N, C, S, S) in [0, 1], or a source of such images; a batch of them is held at a time.
            patients: The patient of each image.
            groups: What shall keep the promise by itself, such as the view position, one an image.
            alpha: The promised false-alarm rate, in (0, 1).
            rule: Name of one of :data:`radversary.calibration.combining.RULES`.
            seed: Of the choice of each patient's image.
            progress: Receives the progress of the work, and can cancel it.

        Returns:
            The guard with thresholds; ``calibrated_images`` of its record is the number of films that counted.

        Raises:
            CancelledError: It was stopped.
            InputError: An alpha outside (0, 1), too few patients for it, images that detectors were fitted on, or
                arrays that do not fit each other.
            UnknownNameError: No such rule.
        """
        images_needed(alpha)  # both refuse what does not exist, before anything is looked at
        rule = known_rule(rule)
        with reporting(progress):
            marks = marks_of(clean)
            self.refuse_seen(marks, ("fitted",), "calibrate")
            rows, people = distinct(marks, patients)
            look, names = self.look(clean, title="Calibrating"), group_names(groups, len(clean))[rows].tolist()
        return replace(
            self, seen={**self.seen, **marks.kept("calibrated")},
            record={**self.record, "calibrated_images": len(rows)},
            fusion=fuse(look.scores[rows], people, names, alpha=alpha, rule=rule, seed=seed,
                        kinds=[detector.kind for detector in self.detectors.values()]))

    def refuse_seen(self, images: ImagesOrSource | Marks, how: Sequence[str], verb: str) -> None:
        """Refuse images that the guard has seen before, as they were or re-encoded, which would flatter it.

        A warning says where a few are like images that it has seen.

        Args:
            images: (N, C, S, S) in [0, 1], or a source of such images; or their marks.
            how: ``fitted``, ``calibrated`` or both.
            verb: What they are wanted for, for the error.

        Raises:
            InputError: Some were seen (:func:`radversary.screening.seen.refuse_seen`); the text says how many.
        """
        marks = images if isinstance(images, Marks) else marks_of(images)
        for seen in how:
            refuse_seen(marks, self.seen, seen, verb)

    def p_values(self, look: Look, groups: Sequence[str] | None = None) -> NDArray[np.float64]:
        """Return the final p-value of each image, (N,) in (0, 1].

        Raises:
            InputError: The guard is not calibrated, or a group never was.
        """
        return self.calibrated().p_values(look.scores, groups)

    def screen(self, images: ImagesOrSource, groups: Sequence[str] | None = None, *,
               names: Sequence[str] | None = None) -> list[Verdict]:
        """Judge images.

        Args:
            images: (N, C, S, S) in [0, 1], or a source of such images.
            groups: The group of each image where the guard was calibrated by groups.
            names: What to call them; their number by default.

        Returns:
            One verdict an image.

        Raises:
            InputError: The guard is not calibrated, a group never was, or a detector gives no finite score.
        """
        return self.verdicts(self.look(images), groups, names=names)

    def verdicts(self, look: Look, groups: Sequence[str] | None = None, *,
                 names: Sequence[str] | None = None) -> list[Verdict]:
        """Judge images by what was seen in them; see :meth:`screen`.

        Args:
            look: What :meth:`look` saw.
            groups: The group of each image where the guard was calibrated by groups.
            names: What to call them; their number by default.

        Raises:
            InputError: As :meth:`screen`.
        """
        return [verdict for verdict, _ in self.verdicts_with_scores(look, groups, names=names)]

    def verdicts_with_scores(self, look: Look, groups: Sequence[str] | None = None, *,
                             names: Sequence[str] | None = None) -> list[tuple[Verdict, float]]:
        """Return each verdict with the anomaly score that its p-value was made of; see :meth:`verdicts`."""
        fusion, count = self.calibrated(), len(look.scores)
        self._check_finite(look)
        combined, own = fusion.combined_with_own(look.scores, groups)
        final, alarms = fusion.final.p_values(combined, groups), fusion.final.alarms(combined, groups)
        titles = names if names is not None else [str(number) for number in range(count)]
        within = groups if groups is not None else [next(iter(fusion.final.scores))] * count
        return [(self._verdict(titles[row], bool(alarms[row]), float(final[row]), own[row], look.decisions[row],
                               look.probabilities[row], within[row]), float(combined[row])) for row in range(count)]

    def _check_finite(self, look: Look) -> None:
        for column, name in enumerate(self.detectors):
            if not np.isfinite(look.scores[:, column]).all():
                raise InputError(f"detector {name!r} gives a score that is no finite number")

    def _verdict(self, name: str, alarm: bool, p_value: float, own: NDArray[np.float64],  # noqa: FBT001
                 decision: NDArray[np.int64], probabilities: NDArray[np.float64], group: str) -> Verdict:
        card, detectors = self.classifier.card, list(self.detectors)
        strongest = detectors[int(own.argmin())]
        return Verdict(image=name, verdict="review" if alarm else "pass", p_value=p_value,
                       cue=f"{strongest}: {CUES.get(strongest, 'unlike clean films')}",
                       detectors=dict(zip(detectors, map(float, own), strict=True)),
                       prediction=prediction_of(decision, card), findings=findings_read(decision, card), group=group,
                       probabilities=dict(zip(card.classes, map(float, probabilities), strict=False)))


def pixels_sha256(images: ImagesOrSource) -> str:
    """Return the hash of the shape and values of images, which a source gives a batch at a time.

    Example:
        >>> pixels_sha256(torch.zeros(1, 1, 2, 2)) == pixels_sha256(torch.zeros(1, 1, 1, 4))
        False
    """
    source = source_of(images)
    total = sha256(repr((len(source), *source.tensor(range(min(1, len(source)))).shape[1:])).encode())
    for part in tracked_batches(source, "Hashing films"):
        total.update(part.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()
