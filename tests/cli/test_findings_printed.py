"""``audit`` and ``run`` say in the terminal which measurements were too weak, as the pages and ``compare`` do."""

from __future__ import annotations

from pathlib import Path

import pytest
from audit_factory import audit_result

import radversary.study.audit_model
import radversary.study.run
from radversary.auditing.result import Finding, FindingKind

DEMO = Path(radversary.study.run.__file__).parent / "plans" / "demo.yaml"
VERBS = {"audit": (radversary.study.audit_model, "audit_model", ("audit", "--model", ".", "--out")),
         "run": (radversary.study.run, "run_study", ("run", DEMO, "--out"))}


@pytest.fixture(scope="module")
def weak(tmp_path_factory):
    made = audit_result(tmp_path_factory.mktemp("run"), images=0, defences=("none",), attacks=("fourier",))
    condition = made.cells[-1].condition
    findings = tuple(Finding(kind=kind, defence="none", condition=condition, value=0.5, threshold=0.0,
                             sentence=f"{kind} of \x1b[31m{condition.attack}\nat strength 1.") for kind in FindingKind)
    return made.model_copy(update={"findings": findings})


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_findings_follow_the_table_a_clean_line_each(verb, weak, radversary, monkeypatch, tmp_path):
    place, name, arguments = VERBS[verb]
    monkeypatch.setattr(place, name, lambda *_, **__: weak)
    done = radversary(*arguments, tmp_path)
    assert done.code == 0
    said = [line for line in done.err.splitlines() if line.startswith(("warning:", "note:"))]
    assert said == [*(f"warning: {kind} of \\x1b[31mfourier\\nat strength 1." for kind in FindingKind),
                    f"note: {weak.data.warnings[0]}"]
    assert "fourier" in done.out
