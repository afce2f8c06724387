"""Readings drawn at random for a result that was made up, so that what follows from readings can be judged."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from radversary.auditing.packed import Characteristic, Readings, SystemReadings, numbered, packed
from radversary.auditing.result import AuditResult
from radversary.auditing.run import from_readings

PLAN = SimpleNamespace(bootstrap=60, seed=3)


def with_readings(result: AuditResult, *, n: int = 120, findings: int = 0) -> AuditResult:
    """The result with readings of n images, two a patient; women are misread more often, and nine images are lateral.

    Every tenth image is of unknown sex. Where findings are asked for, readings are of findings.
    """
    rng = np.random.default_rng(1)
    classes = 2 if findings else len(result.classes)
    truth = rng.integers(0, classes, (n, max(findings, 1)))
    patients, female = np.arange(n) // 2, (np.arange(n) // 2) % 2 == 1
    sex = np.where(np.arange(n) % 10 == 0, "unknown", np.where(female, "F", "M"))
    view = np.where(np.arange(n) < 9, "LATERAL", np.where(np.arange(n) % 8 < 4, "PA", "AP"))
    conditions = list(dict.fromkeys((cell.condition.key, cell.defence) for cell in result.cells))
    known = {name: Characteristic(values=tuple(dict.fromkeys(values.tolist())), of=packed(numbered(values.tolist())))
             for name, values in (("sex", sex), ("view", view))}

    def read(key: str, defence: str) -> SystemReadings:
        wrong = rng.random(truth.shape) < np.where(female, 0.5, 0.05)[:, None] + 0.2 * (key != "clean@0")
        found = np.where(wrong, (truth + 1) % classes, truth)
        return SystemReadings(defence=defence, condition=key, images=packed(np.arange(n)), read=packed(found))

    readings = Readings(images=n, labels=packed(truth), patients=packed(patients), pictures=packed(np.arange(n)),
                        characteristics=known, read=tuple(read(*pair) for pair in conditions))
    return from_readings(result.model_copy(update={"readings": readings}), PLAN)
