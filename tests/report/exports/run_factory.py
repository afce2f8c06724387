"""A finished run in a folder, without any image: result, plan, environment."""

from __future__ import annotations

import json
from pathlib import Path

from audit_factory import audit_result, changed

from radversary.auditing.cells import WorstCase
from radversary.auditing.result import AuditResult
from radversary.core.types import AttackerKnowledge, Estimate

DISTRIBUTIONS = [
    {"name": "radversary", "version": "0.1.0", "licence": "Apache-2.0", "requires": ["torch", "numpy"]},
    {"name": "torch", "version": "2.13.0+cpu", "licence": "BSD-3-Clause AND MIT", "requires": ["numpy"]},
    {"name": "numpy", "version": "2.4.6", "licence": "", "requires": []},
    {"name": "odd", "version": "1", "licence": "a licence of our own", "requires": ["never-installed"]}]
ENVIRONMENT = {"python": "3.11.9", "system": "Linux", "machine": "x86_64", "processor": "a processor", "gpu": None,
               "packages": {"radversary": "0.1.0", "torch": "2.13.0+cpu", "monai": None},
               "command": ["radversary", "run"], "distributions": DISTRIBUTIONS, "time": "2026-11-30T11:00:00+00:00"}
PLAN = "name: small\nseed: 42\nattacks:\n- name: pgd\n  options: {steps: 10}\n  strengths: [0.01, 0.02]\nlimit: null\n"
TOGETHER = WorstCase(defence="none", knowledge=AttackerKnowledge.OBLIVIOUS, accuracy=Estimate(0.31, 0.26, 0.37, 300),
                     least="fourier@1", conditions=8)


def write_run(folder: Path, **update) -> AuditResult:
    """Write a run of two attacks and three defences; ``update`` changes fields of its result."""
    result = audit_result(folder, images=0)
    result = changed(result, worst_cases=(TOGETHER,), gallery=(), provenance={
        **result.provenance, "audit key": "ab12" * 16, "adversarial training sha256": "5e" * 32}, **update)
    result.save(folder / "result.json")
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    (folder / "plan.yaml").write_text(PLAN)
    return result
