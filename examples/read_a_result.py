"""Read the result of an audit from Python: figures with intervals, findings, and single predictions.

Run: python examples/read_a_result.py [RUN]   (after `radversary demo`, or examples/own_model.py)
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

import radversary as rv


def main(run: Path) -> None:
    """Print what a release manager would ask first."""
    result = rv.AuditResult.load(run / "result.json")  # its JSON Schema: docs/schema/audit-result.json
    print(f"{result.name}: {result.model.get('name', '')} on {result.data.source}")

    clean = next(cell for cell in result.cells if cell.condition.attack == "clean" and cell.defence == "none")
    print(f"clean accuracy {clean.performance.accuracy.value:.1%} (n={clean.performance.accuracy.n})")
    for worst in result.worst_cases:
        print(f"worst case behind {worst.defence} ({worst.knowledge}): {worst.accuracy.value:.1%} "
              f"[{worst.accuracy.low:.1%}, {worst.accuracy.high:.1%}], over {worst.conditions} conditions")
    for finding in result.findings:
        print(f"finding: {finding.sentence}")

    table = pd.read_parquet(run / "predictions.parquet")  # one row an image × condition × defence
    print(f"{len(table)} predictions: {', '.join(table.columns)}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/demo"))
