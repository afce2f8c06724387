"""Pieces of units of work, picklable, so that any process can measure them into the cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from radversary.attacks.kept import keeping
from radversary.auditing.measure import measure_unit
from radversary.auditing.plan import AuditPlan
from radversary.auditing.setup import AuditContext, AuditInputs, prepare_context, test_rows
from radversary.auditing.units import WorkUnit, work_units
from radversary.core.errors import InputError, PlanError
from radversary.storage.checksums import sha256_json
from radversary.storage.results import DIGITS, ResultCache

UNITS, STEPS = "units", "steps"
"""Folder of cached measurements in a run folder, and the one in it of finished steps of attacks that go on."""


@dataclass(frozen=True)
class Piece:
    """Some rows of a unit that are to be measured.

    Attributes:
        unit: The unit's place in :func:`radversary.auditing.units.work_units`.
        key: Its key, under which the measurements are kept.
        rows: Rows of the prepared images.
        defences: Labels of the defended classifiers that predict them, each with its hash.
    """

    unit: int
    key: str
    rows: tuple[int, ...]
    defences: tuple[tuple[str, str], ...]


def measure_piece(context: AuditContext, units: Sequence[WorkUnit], cache: ResultCache, piece: Piece) -> pd.DataFrame:
    """Measure a piece, keep the rows in the cache under its key, and return them.

    Args:
        context: What is run.
        units: Its units of work.
        cache: Where measurements are kept.
        piece: What to measure.
    """
    steps = cache.folder / STEPS / sha256_json([piece.key, piece.rows])[:DIGITS]
    with keeping(steps):
        frame = measure_unit(context, units[piece.unit], np.array(piece.rows), dict(piece.defences))
        cache.add(piece.key, frame)
    return frame


@dataclass(frozen=True)
class AuditJob:
    """All that another process needs to measure pieces of an audit: picklable, if ``rebuild`` is.

    It writes only into the run folder's cache and takes no lock; the process that hands out the pieces holds it.

    Attributes:
        plan: What to do.
        rebuild: Makes inputs equal to those of the process that hands out the pieces.
        out: The run folder.
        fingerprints: Name to fingerprint of each classifier there, so that none is measured for another.
        images_sha256: Identity of the prepared images there.
    """

    plan: AuditPlan
    rebuild: Callable[[], AuditInputs]
    out: Path
    fingerprints: Mapping[str, str]
    images_sha256: str

    @classmethod
    def of(cls, plan: AuditPlan, inputs: AuditInputs, out: Path) -> AuditJob:
        """Describe an audit for other processes.

        Raises:
            PlanError: A classifier exists in this process only.
        """
        if inputs.rebuild is None:
            names = ", ".join(sorted({classifier.card.name for classifier in inputs.classifiers.values()}))
            raise PlanError(f"models that live in this process alone ({names}) cannot be shared out among workers: "
                            "save them and audit their folders, or use workers=1")
        return cls(plan, inputs.rebuild, out.resolve(), fingerprints_of(inputs), inputs.images.sha256)

    def open(self) -> Callable[[Piece], pd.DataFrame]:
        """Build what pieces need and return the function that measures one.

        Raises:
            InputError: Models or images are others than where the pieces were handed out.
        """
        inputs = self.rebuild()
        if (fingerprints_of(inputs), inputs.images.sha256) != (self.fingerprints, self.images_sha256):
            raise InputError("a model or the prepared images were changed while they were audited; start again")
        context = prepare_context(self.plan, inputs)
        units = work_units(context, test_rows(self.plan, inputs.images))
        cache = ResultCache(self.out / UNITS)
        return lambda piece: measure_piece(context, units, cache, piece)


def fingerprints_of(inputs: AuditInputs) -> dict[str, str]:
    """Return the fingerprint of each classifier by name, and that of each trained transform."""
    transforms = {f"transform {name}": "/".join(item.content_hashes()) for name, item in inputs.transforms.items()}
    return {name: item.fingerprint() for name, item in inputs.classifiers.items()} | transforms
