"""A finished run in a folder, without any image: result, plan, environment."""

from __future__ import annotations

import json
from pathlib import Path

from audit_factory import audit_result, changed

from radversary.auditing.cells import WorstCase
from radversary.auditing.packed import Characteristic, Readings, packed
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


NAMES = ("/srv/st-mary", "/home/dr_lee", "pacs.st-mary.org", "ward 7", "ward/m.onnx", "MRN-0041", "St Mary", "Charité",
         "films of Dr. Lee")
"""Paths, addresses, ids of images, sites and sources of :func:`write_naming_run`."""


def write_naming_run(folder: Path) -> AuditResult:
    """Write a run that names images, sites and places wherever a run may, and a report with them."""
    result = audit_result(folder, images=2)
    values = {"site": ("St Mary", "Charité"), "source": ("films of Dr. Lee", "unknown"), "sex": ("F", "M")}
    data = result.data.model_copy(update={
        "source": "folder (root=ward 7, size=64), 64 px", "left_out": ("cannot read MRN-0041.png",),
        "warnings": ("films of /srv/st-mary/x are dark",),
        "characteristics": {kind: dict.fromkeys(known, 3) for kind, known in values.items()}})
    gallery = tuple(image.model_copy(update={"image_id": f"MRN-0041-{place}"})
                    for place, image in enumerate(result.gallery))
    known = {kind: Characteristic(values=found, of=packed([0, 1])) for kind, found in values.items()}
    readings = Readings(images=2, labels=packed([0, 1]), patients=packed([0, 1]), pictures=packed([0, 1]),
                        characteristics=known, read=())
    made = write_run(folder, data=data, readings=readings, model={
        **result.model, "notes": "trained in /home/dr_lee, asked at http://pacs.st-mary.org/read"})
    made = changed(made, gallery=gallery, provenance={
        **made.provenance, "command": "radversary audit --root /srv/st-mary --model ward/m.onnx --seed 7"})
    made.save(folder / "result.json")
    command = ["radversary", "audit", "--root", "/srv/st-mary", "--model", "ward/m.onnx", "--seed", "7"]
    (folder / "environment.json").write_text(json.dumps({**ENVIRONMENT, "command": command}))
    (folder / "plan.yaml").write_text(f"{PLAN}data:\n  source:\n    name: folder\n"
                                      "    options: {root: ward 7, size: 64}\n"
                                      "models: {victim: /home/dr_lee/m.onnx}\n")
    (folder / "report.html").write_text("<p>MRN-0041 of St Mary")
    return made


def write_run(folder: Path, **update) -> AuditResult:
    """Write a run of two attacks and three defences; ``update`` changes fields of its result."""
    result = audit_result(folder, images=0)
    result = changed(result, worst_cases=(TOGETHER,), gallery=(), provenance={
        **result.provenance, "audit key": "ab12" * 16, "adversarial training sha256": "5e" * 32}, **update)
    result.save(folder / "result.json")
    (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
    (folder / "plan.yaml").write_text(PLAN)
    return result
