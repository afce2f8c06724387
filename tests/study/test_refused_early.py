"""What no step could work with is said before any image is listed, read or prepared."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tiny_study import content, make_study
from torch import nn

from radversary.auditing.plan import AuditPlan
from radversary.classifiers.files import save_classifier
from radversary.classifiers.networks import NETWORKS, build_network
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import AccessError, DataError, MissingPartError, ModelError, PlanError, UnknownNameError
from radversary.data.places import check_source
from radversary.data.registry import DATASETS
from radversary.storage.plans import parse_plan
from radversary.study.audit_model import audit_model
from radversary.study.plan import StudyPlan
from radversary.study.run import run_study, train_models

CLASSES = ("a", "b", "c")


@dataclass(frozen=True, kw_only=True)
class Touched:
    """A data source that notes that it was asked, and has nothing."""

    calls: ClassVar[list[Path]] = []

    def table(self, workspace: Path):
        self.calls.append(workspace)
        raise DataError("touched")


class Soft(nn.Module):
    """A network whose answers are probabilities."""

    def __init__(self, *, classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(3, classes)

    def forward(self, inputs):
        return self.head(inputs.mean((2, 3))).softmax(1)


@pytest.fixture(autouse=True)
def _touched(monkeypatch):
    monkeypatch.setitem(DATASETS._own, "touched", f"{__name__}:Touched")
    monkeypatch.setitem(NETWORKS._own, "soft", f"{__name__}:Soft")
    Touched.calls.clear()


def study(**changes: Any) -> StudyPlan:
    data = {"source": {"name": "touched"}, "size": 48, **changes.pop("data", {})}
    return make_study(data=data, **changes)


def attack(name: str = "style-transfer", **changes: Any) -> dict[str, Any]:
    options = changes.pop("options", {"generator": "fourier", "count": 3, "style_size": 32} if "style" in name else {})
    return {"label": "x", "name": name, "options": options, **changes}


def trained_on(**changes: Any) -> dict[str, Any]:
    models = copy.deepcopy(content()["models"])
    (known,) = models["hardened"]["adversarial"]["attacks"]
    known |= changes
    return models


ATTACKS = {
    "misspelt attack": (attack("style-trasfer"), UnknownNameError, "did you mean 'style-transfer'"),
    "misspelt option": (attack("pgd", options={"epsilom": 0.1}), UnknownNameError, "did you mean 'epsilon'"),
    "misspelt generator": (attack(options={"generator": "fourrier"}), UnknownNameError, "did you mean 'fourier'"),
    "misspelt generator option": (attack(options={"generator": "fourier", "options": {"bnad": 1}}), UnknownNameError,
                                  "did you mean 'band'"),
    "misspelt styles": (attack(options={"generator": "fourier", "styles": "tset"}), UnknownNameError, "mean 'test'"),
    "no style folder": (attack(options={"generator": "fourier", "styles": "no/such"}), UnknownNameError, "no/such"),
    "missing weights": (attack(options={"generator": "microast", "options": {"weights": "none"}}), MissingPartError,
                        "no MicroAST weights"),
    "epsilon of 2": (attack("pgd", options={"epsilon": 2}), PlanError, r"epsilon must lie in \[0, 1\], got 2"),
    "epsilon of 2 among strengths": (attack("fgsm", strengths=[0.1, 2]), PlanError, "got 2"),
    "negative opacity": (attack(strengths=[-0.5]), PlanError, "opacity must lie in"),
    "text for a number": (attack("pgd", options={"steps": "many"}), PlanError, "steps"),
    "knowledge level without a model": (attack("noise", knowledge=["adaptive"]), PlanError, "looks at no model"),
    "who evades detectors": (attack("evasive-pgd"), AccessError, "evades detectors, and here are none"),
    "noise of who evades": (attack("equal-noise", options={"like": {"name": "evasive-pgd"}}), AccessError, "here are"),
}

DEFENCES = {
    "misspelt transform": ({"label": "d", "transforms": ["jpg"]}, UnknownNameError, "did you mean 'jpeg'"),
    "misspelt transform option": ({"label": "d", "transforms": [{"name": "jpeg", "options": {"qualty": 1}}]},
                                  UnknownNameError, "did you mean 'quality'"),
    "quality of 400": ({"label": "d", "transforms": [{"name": "jpeg", "options": {"quality": 400}}]}, PlanError,
                       "quality"),
    "restorer that is not there": ({"label": "d", "transforms": [{"name": "restore", "options": {"folder": "no"}}]},
                                   ModelError, "no"),
}

STUDIES = {
    **{name: ({"attacks": [given]}, kind, words) for name, (given, kind, words) in ATTACKS.items()},
    **{name: ({"defences": [given]}, kind, words) for name, (given, kind, words) in DEFENCES.items()},
    "misspelt detector": ({"detectors": ["smim"]}, UnknownNameError, "did you mean 'ssim'"),
    "misspelt detector option": ({"detectors": [{"name": "ssim", "options": {"windw": 3}}]}, UnknownNameError, "windw"),
    "detector named twice": ({"detectors": ["ssim", "ssim"]}, PlanError, "detector label 'ssim' is used twice"),
    "transfer without surrogate": ({"attacks": [attack("pgd", knowledge=["transfer"])]}, PlanError,
                                   "names no surrogate"),
    "transfer from the victim": ({"attacks": [attack("pgd", surrogate="victim")]}, PlanError, "is the victim itself"),
    "unknown surrogate": ({"attacks": [attack("pgd", surrogate="other")]}, PlanError, "'other', which is not among"),
    "transfer from the victim among others": ({"attacks": [attack("pgd", surrogate=["hardened", "victim"])]}, PlanError,
                                              "is the victim itself"),
    "unknown surrogate among others": ({"attacks": [attack("pgd", surrogate=["hardened", "other"])]}, PlanError,
                                       "'other', which is not among"),
    "no surrogate in a list": ({"attacks": [attack("pgd", surrogate=[])]}, PlanError, "an empty list names no surro"),
    "unknown model of a defence": ({"defences": [{"label": "d", "model": "other"}]}, PlanError, "'other', which is no"),
    "unknown defence of an attack": ({"attacks": [attack(defences=["other"])]}, PlanError, "names defence 'other'"),
    "misspelt training attack": ({"models": trained_on(name="styel-transfer")}, UnknownNameError, "mean 'style-tra"),
    "training attack that evades": ({"models": trained_on(name="evasive-pgd", options={})}, AccessError, "here are"),
    "training attack of strength 0": ({"models": trained_on(name="noise", options={"deviation": 0})}, PlanError, "0"),
    "misspelt architecture": ({"models": {"victim": {"training": {"architecture": "resnet1"}}}}, PlanError, "resnet18"),
    "misspelt input": ({"models": {"victim": {"training": {"architecture": "tiny", "start": "random"},
                                              "input": ["jpg"]}}, "defences": []}, UnknownNameError, "mean 'jpeg'"),
    "misspelt augmentation": ({"models": {"victim": {"augmentation": {"name": "agumix"}}}}, UnknownNameError, "mean"),
    "fractions of 1.1": ({"data": {"fractions": [0.6, 0.3, 0.2]}}, PlanError, "sum to 1"),
    "misspelt source": ({"data": {"source": {"name": "toched"}}}, UnknownNameError, "did you mean 'touched'"),
    "misspelt source option": ({"data": {"source": {"name": "touched", "options": {"rot": 1}}}}, UnknownNameError,
                               "'rot'"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_refused_before_its_data_is_touched(name, tmp_path):
    changes, kind, words = STUDIES[name]
    with pytest.raises(kind, match=words) as caught:
        run_study(study(**copy.deepcopy(changes)), tmp_path / "run", device="cpu")
    assert Touched.calls == []
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["misspelt attack", "misspelt transform", "misspelt training attack"])
def test_so_is_a_study_of_which_the_models_alone_are_wanted(name, tmp_path):
    changes, kind, words = STUDIES[name]
    with pytest.raises(kind, match=words):
        train_models(study(**copy.deepcopy(changes)), tmp_path / "run", device="cpu")
    assert Touched.calls == []


def test_a_device_that_is_not_there_is_refused_as_early(tmp_path):
    with pytest.raises(PlanError, match="device"):
        run_study(study(), tmp_path / "run", device="cuda:99")
    assert Touched.calls == []


def test_a_study_that_could_be_run_touches_its_data(tmp_path):
    with pytest.raises(DataError, match="touched"):
        run_study(study(), tmp_path / "run", device="cpu")
    assert len(Touched.calls) == 1


def saved(folder: Path, architecture: str = "tiny", size: int = 48, classes: tuple[str, ...] = CLASSES,
          seed: int = 0) -> Path:
    network = build_network(architecture, classes=len(classes), seed=seed)
    save_classifier(wrap(network, classes=classes, size=size, name=folder.name, architecture=architecture), folder)
    return folder


def audited(tmp_path: Path, plan: AuditPlan, model: Path) -> None:
    audit_model(plan, model, {"name": "touched", "options": {}}, tmp_path / "audit")


def plan_of(**changes: Any) -> AuditPlan:
    return parse_plan(AuditPlan, {"attacks": [attack()], **changes}, source="test")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ATTACKS, *DEFENCES])
def test_an_audit_is_refused_before_its_data_is_touched(name, tmp_path):
    given, kind, words = (ATTACKS | DEFENCES)[name]
    plan = plan_of(**{"attacks" if name in ATTACKS else "defences": [given]})
    with pytest.raises(kind, match=words):
        audited(tmp_path, plan, saved(tmp_path / "model"))
    assert Touched.calls == []


@pytest.mark.slow
@pytest.mark.parametrize(("make", "kind", "words"), [
    (lambda folder: (plan_of(), folder / "none"), ModelError, "there is no model at"),
    (lambda folder: (plan_of(), saved(folder / "soft", "soft")), ModelError, "model 'soft' gives probabilities"),
    (lambda folder: (plan_of(defences=[{"label": "d", "model": "none"}]), saved(folder / "m")), ModelError, "no model"),
    (lambda folder: (plan_of(defences=[{"label": "d", "model": str(saved(folder / "soft", "soft"))}]),
                     saved(folder / "m")), ModelError, "model 'soft' gives probabilities"),
    (lambda folder: (plan_of(defences=[{"label": "d", "model": str(saved(folder / "d", size=32))}]),
                     saved(folder / "m")), ModelError, "of 32 x 32 pixels and the victim of 48 x 48"),
    (lambda folder: (plan_of(defences=[{"label": "d", "model": str(saved(folder / "d", classes=("a", "c", "b")))}]),
                     saved(folder / "m")), ModelError, "class order"),
    (lambda folder: (plan_of(attacks=[attack("pgd", surrogate=str(saved(folder / "s")))]), saved(folder / "m")),
     PlanError, "is the victim itself"),
    (lambda folder: (plan_of(attacks=[attack("pgd", surrogate=[str(saved(folder / "o", seed=3)),
                                                               str(saved(folder / "s"))])]), saved(folder / "m")),
     PlanError, "is the victim itself"),
    (lambda folder: (plan_of(attacks=[attack("pgd", surrogate="victim")]), saved(folder / "m")), PlanError,
     "is the victim itself"),
], ids=["no model", "probabilities", "no defence model", "probabilities of a defence", "another size", "another order",
        "a copy as surrogate", "a copy among surrogates", "victim as surrogate"])
def test_models_that_do_not_fit_are_refused_before_data_is_touched(make, kind, words, tmp_path):
    plan, model = make(tmp_path)
    with pytest.raises(kind, match=words):
        audited(tmp_path, plan, model)
    assert Touched.calls == []


@pytest.mark.slow
@pytest.mark.parametrize("several", [False, True])
def test_an_audit_that_could_be_run_touches_its_data(several, tmp_path):
    one, more = (str(saved(tmp_path / f"other {seed}", seed=seed)) for seed in (3, 4))
    plan = plan_of(attacks=[attack("pgd", surrogate=[one, more] if several else one)])
    with pytest.raises(DataError, match="touched"):
        audited(tmp_path, plan, saved(tmp_path / "model"))


def test_films_without_labels_are_not_looked_for_in_a_table(tmp_path):
    (tmp_path / "films").mkdir()
    for name in ("auto", "folder"):
        check_source(name, {"root": str(tmp_path / "films"), "labels": "none"})
        with pytest.raises(DataError, match="there is no table absent"):
            check_source(name, {"root": str(tmp_path / "films"), "labels": "absent"})
