from __future__ import annotations

import copy
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_study import FOURIER, content, make_study, training

from radversary.attacks.registry import ATTACKS
from radversary.classifiers.pretrained import PLACE
from radversary.core.errors import MissingPartError, PlanError, RadversaryError, UnknownNameError
from radversary.defenses.base import Stack
from radversary.defenses.jpeg import JpegCompression
from radversary.storage.plans import parse_plan, read_plan
from radversary.study.checks import check_start, check_styles
from radversary.study.models import notes
from radversary.study.plan import DataPlan, StudyPlan
from radversary.stylization.bank import StyleBank, style_bank
from radversary.training.classifier.plan import Objective, RobustPlan
from random_parts import Darken

PLANS = [*Path(__file__).parents[2].joinpath("plans").glob("cxr-*.yaml"),
         Path(str(files("radversary.study") / "plans" / "demo.yaml"))]


@pytest.mark.slow
@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_the_plans_that_come_along_are_whole(path):
    plan = read_plan(StudyPlan, path)
    check_styles(plan)
    assert StudyPlan.model_validate_json(plan.model_dump_json()) == plan


def hardened(**changes: Any) -> dict[str, Any]:
    """The models of the tiny study; changes go to the adversarial part of the second."""
    models = copy.deepcopy(content()["models"])
    models["hardened"]["adversarial"] |= changes
    return models


def renamed(name: str) -> dict[str, Any]:
    return {"victim": {"training": training()}, name: {"training": training()}}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../victim", "..", "a/b", "", "-x", "a b", "/tmp/x", ".hidden"])
def test_a_model_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(PlanError, match="should match pattern"):
        make_study(models=renamed(name), defences=[])
    make_study(models=renamed("Model_2-b"), defences=[])


ATTACK = {"label": "train styles", "name": "style-transfer"}


@pytest.mark.slow
@pytest.mark.parametrize(("models", "kind", "words"), [
    (lambda: hardened(opacity=[0.9, 0.1]), PlanError, "two rising figures in 0 to 1"),
    (lambda: hardened(opacity=[0.1, 1.1]), PlanError, "two rising figures in 0 to 1"),
    (lambda: hardened(opacity=[float("nan"), 1]), PlanError, "finite"),
    (lambda: hardened(attacks=[{**ATTACK, "strengths": [0.5]}]), UnknownNameError, "key in test 'strengths'"),
    (lambda: hardened(attacks=[]), PlanError, "at least 1 item"),
    (lambda: hardened(attacks=[ATTACK, ATTACK]), PlanError, "label 'train styles' is used twice"),
    (lambda: hardened(attacks=[{**ATTACK, "label": "../x"}]), PlanError, "should match pattern"),
    (lambda: hardened(attacks=[{**ATTACK, "model": "nobody"}]), PlanError, "crafted on model 'nobody'"),
    (lambda: hardened(attacks=[{**ATTACK, "model": "hardened"}]), PlanError, "hardened needs hardened"),
    (lambda: hardened(norm="dual"), PlanError, "dual norm needs views"),
    (lambda: hardened(views=1) | {"hardened": hardened(views=1)["hardened"] | {"robust": {}}}, PlanError,
     "cannot come as several views"),
    (lambda: {"victim": {"training": training(), "robust": {"norm": "dual", "share": 1}}}, PlanError,
     "a share below 1"),
    (lambda: {"victim": {"training": training(), "augmentation": {"name": "afine"}}}, UnknownNameError,
     "did you mean 'affine'"),
    (lambda: hardened(views=1, consistency=1) | {"hardened": hardened(views=1, consistency=1)["hardened"] | {
        "augmentation": {"name": "augmix", "options": {"views": 2}}}}, PlanError, "weigh consistency differently"),
    (lambda: {"victim": {"training": training(architecture="resnet5")}}, PlanError, "did you mean 'resnet50'"),
    (lambda: {"victim": {"training": training("victim")}}, PlanError, "the victim is made first"),
    (lambda: {"victim": hardened()["hardened"] | {"training": training()}}, PlanError, "the victim is made first"),
    (lambda: {"victim": {"training": training()}, "b": {"training": training("victim", architecture="resnet18")}},
     PlanError, "'b' starts from the victim, so it must be a tiny too, not a resnet18"),
])
def test_models_that_cannot_be_made_are_refused_when_the_plan_is_read(models, kind, words):
    with pytest.raises(kind, match=words) as caught:
        make_study(models=models(), defences=[])
    assert "\n" not in str(caught.value)


def crafted_on(**models: str) -> dict[str, Any]:
    """A victim, and models each trained on an attack crafted on another."""
    return {"victim": {"training": training()}} | {
        name: {"training": training(), "adversarial": {"attacks": [{**ATTACK, "model": other}]}}
        for name, other in models.items()}


def test_models_are_made_after_those_that_they_look_at_and_the_victim_first():
    models = {"last": crafted_on(last="second")["last"], "second": crafted_on(second="surrogate")["second"],
              "surrogate": {"training": training()}, "victim": {"training": training()}}
    order = make_study(models=models, defences=[]).training_order()
    assert order == ("victim", "surrogate", "second", "last")


def test_models_that_need_each_other_are_refused():
    with pytest.raises(PlanError, match=r"cannot be made before each other: (a needs b needs a|b needs a needs b)"):
        make_study(models=crafted_on(a="b", b="a"), defences=[])


def test_what_a_plan_asks_for_is_what_the_training_is_told():
    content = hardened(views=2, consistency=3.0, norm="dual", keep="attacked")
    content["hardened"] |= {"mixstyle": 0.5, "input": ["jpeg"], "augmentation": {"name": "affine"}}
    models = make_study(models=content, defences=[]).models
    assert models["victim"].objective() == Objective()
    assert models["hardened"].objective() == Objective(consistency=3, norm="dual", keep="attacked", mixstyle=0.5)
    assert models["hardened"].before() == Stack((JpegCompression(),))
    augmix = {"name": "augmix", "options": {"views": 2}}
    alone = make_study(models={"victim": {"training": training(), "augmentation": augmix}}, defences=[])
    assert alone.models["victim"].objective() == Objective(consistency=12)
    robust = make_study(models={"victim": {"training": training(), "robust": {"epsilon": 0.1}}}, defences=[])
    assert robust.models["victim"].objective().robust == RobustPlan(epsilon=0.1)


def test_an_attack_without_strength_is_not_trained_on():
    plan = make_study(models=hardened(attacks=[{**ATTACK, "options": {"opacity": 0.0}}]), defences=[])
    with pytest.raises(PlanError, match="its opacity is 0; give it a strength"):
        check_styles(plan)


def with_styles(tested: dict[str, Any], trained: dict[str, Any]) -> StudyPlan:
    changed = copy.deepcopy(content())
    changed["attacks"][0]["options"] |= tested
    changed["models"]["hardened"]["adversarial"]["attacks"][0]["options"] |= trained
    return parse_plan(StudyPlan, changed, source="test")


@pytest.mark.parametrize("changes", [{}, {"style_seed": 7}, {"style_size": 40}, {"count": 1}, {"colour": "rgb"}])
def test_textures_of_one_family_are_refused_whatever_their_seed_and_size(changes):
    plan = with_styles({"styles": "train"}, {"styles": "train", **changes})
    with pytest.raises(PlanError, match=r"fractal.*use the other pool or another folder") as caught:
        check_styles(plan)
    assert "style_seed" not in str(caught.value)


def test_an_oracle_trains_on_the_styles_that_it_is_audited_with():
    plan = with_styles({"styles": "train"}, {"styles": "train"})
    hardened = plan.models["hardened"].model_copy(update={"oracle": True})
    check_styles(plan.model_copy(update={"models": plan.models | {"hardened": hardened}}))
    assert notes(hardened).startswith("ORACLE: trained on the attack it is audited with")
    assert "ORACLE" not in notes(plan.models["hardened"])


@dataclass(frozen=True, kw_only=True)
class Painting(Darken):
    """An attack that is no style transfer but draws on styles, as the gradient attack called STM does."""

    styles: str = "test"

    def bank(self) -> StyleBank:
        """Return the styles."""
        return style_bank(self.styles, count=3, size=32)


@pytest.mark.parametrize(("trained", "refused"), [("train", True), ("test", False)])
def test_every_attack_of_every_model_is_checked_and_all_that_draw_on_styles(trained, refused, monkeypatch):
    monkeypatch.setitem(ATTACKS._own, "painting", f"{__name__}:Painting")
    attacks = [{"label": "dark", "name": "noise"}, {"label": "art", "name": "painting", "options": {"styles": trained}}]
    plan = make_study(models=hardened(attacks=attacks), attacks=[
        {"label": "style", "name": "style-transfer", "options": {**FOURIER, "styles": "train"}}])
    if refused:
        with pytest.raises(PlanError, match="'hardened' trains on 3 of the styles that attack 'style'"):
            check_styles(plan)
    else:
        check_styles(plan)


def test_families_that_are_not_drawn_are_not_shared(tmp_path):
    check_styles(with_styles({"styles": "test"}, {"styles": "train", "count": 12}))


def test_copies_of_a_picture_are_refused_at_any_size(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (3, 40, 40, 3), np.uint8)
    for folder, names in (("a", "xy"), ("b", "zy"), ("c", "z")):
        (tmp_path / folder).mkdir()
        for name in names:
            Image.fromarray(pixels["xyz".index(name)]).save(tmp_path / folder / f"{folder}{name}.png")
    tested = {"styles": str(tmp_path / "a")}
    with pytest.raises(PlanError, match=r"trains on 1 of the styles .* \(by\.png\)"):
        check_styles(with_styles(tested, {"styles": str(tmp_path / "b"), "style_size": 20}))
    check_styles(with_styles(tested, {"styles": str(tmp_path / "c")}))


def test_start_is_checked_before_anything_else(monkeypatch, tmp_path):
    check_start(make_study(), "cpu")
    with pytest.raises(PlanError, match="not available"):
        check_start(make_study(), "cuda:99")
    monkeypatch.setenv(PLACE, str(tmp_path))
    (tmp_path / "resnet18_imagenet.safetensors").write_bytes(b"weights")
    (tmp_path / "resnet18_imagenet.safetensors.sha256").write_text("0" * 64)
    plan = make_study(models={"victim": {"training": training("imagenet", architecture="resnet18")}}, defences=[])
    with pytest.raises(RadversaryError, match="damaged or was changed"):
        check_start(plan, "cpu")


def test_no_weights_and_no_network_is_one_sentence(monkeypatch):
    def offline(_repository: str) -> str:
        raise OSError("no route to host")

    monkeypatch.delenv(PLACE, raising=False)
    monkeypatch.setattr("radversary.classifiers.pretrained._download", offline)
    plan = make_study(models={"victim": {"training": training("imagenet", architecture="resnet18")}}, defences=[])
    with pytest.raises(MissingPartError, match="no ImageNet weights for resnet18"):
        check_start(plan, "cpu")


def test_a_plan_names_two_classes_or_none():
    with pytest.raises(ValueError, match="at least 2 items"):
        DataPlan.model_validate({"source": {"name": "csv"}, "classes": ["Pneumonia"]})
