"""A model of findings is audited on tables that say less than it reads, or the same under other names."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from radversary.auditing.plan import AuditPlan
from radversary.classifiers.networks import NETWORKS
from radversary.classifiers.operating_points import OPERATING_POINTS
from radversary.core.types import Task
from radversary.data.auto_source import AutoSource
from radversary.imaging.png import encode_png
from radversary.storage.json_files import write_json
from radversary.storage.plans import parse_plan
from radversary.study.audit_model import audit_model
from random_parts import smooth_images

pytestmark = pytest.mark.slow

OUTPUTS = ("Atelectasis", "Effusion", "", "Pleural_Thickening", "Fracture", "")
READ = tuple(filter(None, OUTPUTS))
PLAN = {"attacks": [{"label": "hide", "name": "pgd", "knowledge": ["oblivious"],
                     "options": {"goal": "hide Pleural_Thickening", "steps": 2}}],
        "bootstrap": 100, "gallery": 1, "probe_images": 0, "batch_size": 40}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Weights of one channel with operating points, as torchxrayvision keeps them, and their card."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(3)
    network = NETWORKS.create("torchvision-resnet18", classes=len(OUTPUTS), channels=1)
    points = torch.tensor([0.5 if name else torch.nan for name in OUTPUTS])
    save_file({**network.state_dict(), OPERATING_POINTS: points}, folder / "chest.safetensors")
    write_json(folder / "chest.card.json", {
        "name": "chest", "architecture": "torchvision-resnet18", "task": "multilabel", "classes": READ,
        "outputs": OUTPUTS, "output": "probabilities", "size": 40, "input_range": [-1024, 1024]})
    return folder / "chest.safetensors"


def films(folder, header: str, cells, *, folders=("",)) -> None:
    for number, film in enumerate(smooth_images(40, 48)):
        place = folder / folders[number % len(folders)]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:08d}_000.png").write_bytes(encode_png(film.clamp(0, 1)))
    lines = [header, *(cells(f"{number:08d}_000.png", number) for number in range(40))]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")


def nih_films(folder) -> None:
    drawn = (np.random.default_rng(2).random((40, 2)) < 0.4).tolist()
    words = [["Effusion"] * row[0] + ["Pleural_Thickening"] * row[1] + ["Pneumonia"] * row[0] for row in drawn]
    films(folder, "Image Index,Finding Labels,Patient ID",
          lambda name, number: f"{name},{'|'.join(words[number]) or 'No Finding'},{number}",
          folders=("Normal", "Pneumonia"))  # as selections of NIH's films are kept: folders say less than the table


def table_films(folder) -> None:
    films(folder, "path,Pleural Thickening,effusion,patient",
          lambda name, number: f"{name},{number % 2},{number % 3 == 0:d},{number}")


@pytest.mark.parametrize("written", [nih_films, table_films])
def test_findings_that_the_table_does_not_know_have_no_figures_and_a_reason(model, tmp_path, written):
    written(tmp_path / "films")
    source = {"name": "auto", "options": {"root": str(tmp_path / "films")}}
    result = audit_model(parse_plan(AuditPlan, PLAN, source="test"), model, source, tmp_path / "run", device="cpu")
    assert (result.task, result.classes) == (Task.MULTILABEL, READ)
    clean = next(cell for cell in result.cells if cell.condition.attack == "clean" and cell.defence == "none")
    found = {finding.name: finding for finding in clean.findings.findings}
    assert found["Pleural_Thickening"].auroc is not None
    assert found["Effusion"].positives > 0
    assert found["Fracture"].auroc is None
    assert (found["Fracture"].positives, found["Fracture"].negatives) == (0, 0)
    assert any("Fracture" in warning for warning in result.data.warnings)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "not known of any image" in page


def test_nih_films_are_read_by_finding_for_a_model_of_findings_alone(tmp_path):
    nih_films(tmp_path / "films")
    by_finding = AutoSource(root=tmp_path / "films", task=Task.MULTILABEL).table(tmp_path)
    assert by_finding.task == Task.MULTILABEL
    assert "Effusion" in by_finding.classes
    assert AutoSource(root=tmp_path / "films", task=Task.MULTICLASS).table(tmp_path).task == Task.MULTICLASS
    chosen = AutoSource(root=tmp_path / "films", task=Task.MULTILABEL, options={"policy": "any"}).table(tmp_path)
    assert chosen.task == Task.MULTICLASS
