"""The page of a battery's figures, as docs/results/battery holds it: ``python -m benchmarks.battery_page RUN OUT``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.form_page import table
from radversary.auditing.cell_table import defence_name
from radversary.auditing.cells import Condition, OutcomeSummary
from radversary.auditing.result import AuditResult
from radversary.core.types import AttackFamily, Estimate
from radversary.report.families import families_markdown
from radversary.report.html import load_result
from radversary.report.measurement import measurement_line
from radversary.scoring.bounds import by_patient
from radversary.scoring.systems import NONE, Flags, Read, System, systems_of
from radversary.storage.files import write_text

HEADS = ("attack", "strength", "n", "accuracy, %", "ill read as normal, %", "normal read as ill, %", "median L∞, /255",
         "median L2", "queries", "median SSIM", "AUROC, edges / SSIM")

ABOUT = """[The page](../battery.md)

The model without a defence, attacked by who sees it (`oblivious`: nothing more is to be known). Accuracy with its
95 % interval over patients; the next two of the readings that are right when clean, mean over patients. Distances are
medians over all images, of attacks that look for the smallest change over those that it misled; queries are means an
image; SSIM is that of the attacked image beside its original. AUROC: how well the two detectors that are given the
original tell attacked images from clean ones, both re-encoded.
"""


def main(run: Path, out: Path) -> None:
    """Write the tables of a run."""
    result = load_result(run)
    undefended = systems_of(result, ())[NONE]
    visible = pd.read_parquet(run / "detections.parquet")
    body = [line(condition, result, undefended, visible) for condition in attacked(result)]
    write_text(out / "attacks.md", f"# Each attack\n\n{ABOUT}\n{table(HEADS, body)}")
    write_text(out / "families.md", "\n".join([
        "# Which defence against which family of attacks", "", "[The page](../battery.md)", "",
        families_markdown(result), *worst(result), "", measurement_line(result), ""]))


def attacked(result: AuditResult) -> Iterator[Condition]:
    """Yield the conditions of no defence that change images, each once."""
    for cell in result.cells:
        condition = cell.condition
        if cell.defence == NONE and condition.family != AttackFamily.CONTROL and condition.knowledge == "oblivious":
            yield condition


def line(condition: Condition, result: AuditResult, system: System, visible: pd.DataFrame) -> tuple[str, ...]:
    """Return the row of one condition."""
    own = next(item for item in result.cells if item.condition.key == condition.key and item.defence == NONE)
    cost = next((item for item in result.outcomes if item.condition.key == condition.key and item.target == NONE), None)
    read = next(item for item in system.attacked if item.condition.key == condition.key)
    normal = result.classes.index("Normal")
    seen = visible[(visible["attack"] == condition.attack) & (visible["strength"] == condition.strength)
                   & (visible["knowledge"] == str(condition.knowledge))]
    return (condition.attack, strength_of(condition), str(own.performance.accuracy.n), shown(own.performance.accuracy),
            turned(system, read, system.group != normal, read.read == normal),
            turned(system, read, system.group == normal, read.read != normal),
            *distances(cost), "–" if cost is None else f"{cost.queries:.0f}", f"{seen['similarity'].median():.3f}",
            " / ".join(noticed(condition, result, name) for name in ("edges", "ssim")))


def noticed(condition: Condition, result: AuditResult, detector: str) -> str:
    """Return how well a detector that is given the original notices an attack."""
    found = [item.auroc for item in result.detections if item.condition.key == condition.key
             and item.detector == detector]
    return f"{found[0].value:.3f}" if found and found[0] else "–"


def strength_of(condition: Condition) -> str:
    """Return a strength as people write it."""
    return f"{255 * condition.strength:.3g}/255" if condition.norm == "linf" else f"{condition.strength:g}"


def shown(estimate: Estimate) -> str:
    """Return a share with its interval."""
    return f"{100 * estimate.value:.1f} [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def turned(system: System, read: Read, there: Flags, misread: Flags) -> str:
    """Return the share of usable readings of what is there that are misread in one direction."""
    among = np.asarray(there & system.usable & read.covered)
    share, patients = by_patient(np.asarray(misread[among]), system.patients[among])
    return f"{100 * share:.1f} (n={patients})" if patients else "–"


def distances(cost: OutcomeSummary | None) -> tuple[str, str]:
    """Return the median distances of an attack."""
    if cost is None or cost.linf is None or cost.l2 is None:
        return "–", "–"
    return f"{255 * cost.linf:.2f}", f"{cost.l2:.2f}"


def worst(result: AuditResult) -> Iterator[str]:
    """Yield the worst case of each defence over all aimed attacks together, by what the attackers know."""
    yield "## Under all aimed attacks at once\n"
    rows = [(defence_name(case.defence), str(case.knowledge), shown(case.accuracy),
             str(case.accuracy.n), str(case.conditions), case.least) for case in result.worst_cases]
    yield table(("defence", "attackers know", "accuracy, %", "n", "conditions", "the worst alone"), rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
