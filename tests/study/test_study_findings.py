"""A study of films with findings: it trains models that read them, audits those, and writes its report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_study import FOURIER, content, training

from radversary.classifiers.files import load_classifier
from radversary.core.types import Task
from radversary.data.prepared import PreparedImages
from radversary.data.registry import DATASETS
from radversary.data.table import ImageTable
from radversary.guard_evaluation.plan import GuardEvaluationPlan
from radversary.guard_evaluation.run import evaluate_guard
from radversary.imaging.png import encode_png
from radversary.screening.bundle import load_guard, save_guard
from radversary.screening.films import read_films
from radversary.screening.fitting import fit_guard
from radversary.screening.screen import screen_place
from radversary.storage.json_files import read_json
from radversary.storage.plans import parse_plan
from radversary.study.plan import StudyPlan
from radversary.study.run import run_study
from random_parts import smooth_images

pytestmark = pytest.mark.slow

NAMES = ("Left", "Right", "Seldom")
ATTACKS = [{"label": "style", "name": "style-transfer", "options": FOURIER, "strengths": [0.5]},
           {"label": "hide", "name": "pgd", "options": {"epsilon": 0.2, "steps": 3, "goal": "hide Left"}},
           {"label": "invent", "name": "pgd", "options": {"epsilon": 0.2, "steps": 3, "goal": "invent Right"}}]


@dataclass(frozen=True, kw_only=True)
class Films:
    """Films with a bright left or right side; one finding in six is not known."""

    def table(self, workspace: Path) -> ImageTable:
        workspace.mkdir(parents=True, exist_ok=True)
        return ImageTable(write_films(workspace))


def write_films(folder: Path) -> pd.DataFrame:
    stream, films = np.random.default_rng(4), 0.6 * smooth_images(90, 48)
    states = np.stack([stream.random(90) < 0.5, stream.random(90) < 0.5, stream.random(90) < 0.2], 1).astype(int)
    films[states[:, 0] == 1, :, :, :20] += 0.35
    films[states[:, 1] == 1, :, :, 28:] += 0.35
    cells = np.where(stream.random(states.shape) < 1 / 6, "", states.astype(str))
    for number, film in enumerate(films):
        (folder / f"{number}.png").write_bytes(encode_png(film.clamp(0, 1)))
    return pd.DataFrame({"image_id": [str(number) for number in range(90)],
                         "path": [str(folder / f"{number}.png") for number in range(90)],
                         "patient_id": [f"p{number}" for number in range(90)],
                         **{f"finding:{name}": cells[:, place] for place, name in enumerate(NAMES)}})


@pytest.fixture(scope="module", autouse=True)
def _films():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS._own, "films", f"{__name__}:Films")
        yield


def study_of(data=None, **changes) -> StudyPlan:
    phase = {"name": "all", "trunk": "trained", "epochs": 12, "learning_rate": 2e-2, "schedule": "one-cycle"}
    attack = {"label": "train styles", "name": "style-transfer", "options": {**FOURIER, "styles": "train"}}
    source = {"source": {"name": "films"}, "size": 48, **(data or {})}
    return parse_plan(StudyPlan, content(**{
        "data": source, "attacks": ATTACKS,
        "models": {"hardened": {"training": training("victim"),
                                "adversarial": {"attacks": [attack], "views": 1, "norm": "shared"}},
                   "victim": {"training": training(phases=[phase], positives="balanced")}}, **changes}), source="test")


@pytest.fixture(scope="module")
def finished(_tiny, _films, tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "run"
    return run_study(study_of(), folder, device="cpu"), folder


def test_it_trains_a_model_that_reads_findings(finished):
    folder = finished[1]
    victim = load_classifier(folder / "models" / "victim")
    assert (victim.card.task, victim.card.classes) == (Task.MULTILABEL, NAMES)
    curves = read_json(folder / "models" / "victim" / "curves.json")
    assert curves["val_auroc"][-1] > 0.7
    assert len(curves["val_auroc"]) == len(curves["val_loss"])


def test_it_audits_that_model_and_writes_its_report(finished):
    result, folder = finished
    assert result.task == Task.MULTILABEL
    clean = next(cell for cell in result.cells if cell.condition.attack == "clean" and cell.defence == "none")
    left = next(finding for finding in clean.findings.findings if finding.name == "Left")
    assert left.auroc.value > 0.7
    hidden = next(cell for cell in result.cells if cell.condition.attack == "hide" and cell.defence == "none")
    assert hidden.performance.accuracy.value < clean.performance.accuracy.value
    assert set(result.defences) == {"none", "jpeg", "hardened"}
    assert "<html" in (folder / "report.html").read_text().lower()


def test_one_finding_of_the_same_table_is_trained_as_binary(tmp_path):
    plan = study_of({"classes": ["no finding", "Left"], "task": "binary"}, attacks=ATTACKS[:1],
                    defences=[], models={"victim": {"training": training()}})
    result = run_study(plan, tmp_path / "run", device="cpu")
    victim = load_classifier(tmp_path / "run" / "models" / "victim")
    assert (victim.card.task, victim.card.findings) == (Task.BINARY, ("Left",))
    assert result.task == Task.BINARY


@pytest.mark.slow
def test_restorers_oracles_and_robust_models_are_trained_on_findings(tmp_path):
    styles = {"label": "train styles", "name": "style-transfer", "copies": 1, "options": {**FOURIER, "styles": "train"}}
    hiding = {"label": "hide", "name": "pgd", "copies": 1, "options": {"epsilon": 0.1, "steps": 2, "goal": "hide Left"}}
    plan = study_of(
        models={"victim": {"training": training()},
                "robust": {"training": training(), "robust": {"epsilon": 0.05}},
                "oracle": {"oracle": True, "training": training("victim"), "adversarial": {"attacks": [hiding]}}},
        restorers={"cleaner": {"denoiser": {"width": 2, "epochs": 1, "batch_size": 8, "precision": "float32"},
                               "attacks": [styles, hiding]}},
        defences=[{"label": "cleaner", "transforms": ["cleaner"]}, {"label": "robust", "model": "robust"},
                  {"label": "oracle", "model": "oracle"}])
    result = run_study(plan, tmp_path / "run", device="cpu")
    assert set(result.defences) == {"none", "cleaner", "robust", "oracle"}
    for name in ("robust", "oracle"):
        assert load_classifier(tmp_path / "run" / "models" / name).card.task == Task.MULTILABEL


def test_its_model_is_guarded_and_the_guard_evaluated_on_the_run(finished, tmp_path):
    folder = finished[1]
    victim = load_classifier(folder / "models" / "victim")
    parts = {part: read_films(folder, victim.card, part=part, clean=True) for part in ("train", "validation", "test")}
    fitted = fit_guard(victim, parts["train"].images, names=("integrity", "msp", "consistency"))
    guard = load_guard(save_guard(fitted.calibrate(parts["validation"].images, parts["validation"].patients,
                                                   alpha=0.2), tmp_path / "bundle"))
    verdicts = list(screen_place(guard, folder))
    assert {finding for verdict in verdicts for finding in verdict.findings} <= set(NAMES)
    assert len({verdict.prediction for verdict in verdicts}) > 1
    plan = GuardEvaluationPlan.model_validate({"attacks": ATTACKS[1:], "bootstrap": 100, "gallery": 1})
    result = evaluate_guard(plan, guard, PreparedImages.load(folder / "data" / "prepared"), tmp_path / "evaluation")
    assert [row.condition.goal for row in result.rows] == ["hide Left", "invent Right"]
    assert all(row.flipped.value > 0 for row in result.rows)
