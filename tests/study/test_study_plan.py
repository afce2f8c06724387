from __future__ import annotations

import copy
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_study import content, make_study, training

from radversary.audit.plan_files import parse_plan, read_plan
from radversary.classifiers.pretrained import PLACE
from radversary.core.errors import MissingPartError, PlanError, RadversaryError, UnknownNameError
from radversary.study.models import check_start, check_styles
from radversary.study.plan import StudyPlan

PLANS = [*Path(__file__).parents[2].joinpath("plans").glob("cxr-*.yaml"),
         Path(str(files("radversary.study") / "plans" / "demo.yaml"))]


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


@pytest.mark.parametrize("name", ["../victim", "..", "a/b", "", "-x", "a b", "/tmp/x", ".hidden"])
def test_a_model_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(PlanError, match="should match pattern"):
        make_study(models=renamed(name), defences=[])
    make_study(models=renamed("Model_2-b"), defences=[])


ATTACK = {"label": "train styles", "name": "style-transfer"}


@pytest.mark.parametrize(("models", "kind", "words"), [
    (lambda: hardened(opacity=[0.9, 0.1]), PlanError, "two rising figures in 0 to 1"),
    (lambda: hardened(opacity=[0.1, 1.1]), PlanError, "two rising figures in 0 to 1"),
    (lambda: hardened(opacity=[float("nan"), 1]), PlanError, "finite"),
    (lambda: hardened(attack={**ATTACK, "strengths": [0.5]}), UnknownNameError, "key in test 'strengths'"),
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


def with_styles(tested: dict[str, Any], trained: dict[str, Any]) -> StudyPlan:
    changed = copy.deepcopy(content())
    changed["attacks"][0]["options"] |= tested
    changed["models"]["hardened"]["adversarial"]["attack"]["options"] |= trained
    return parse_plan(StudyPlan, changed, source="test")


@pytest.mark.parametrize("changes", [{}, {"style_seed": 7}, {"style_size": 40}, {"count": 1}, {"colour": "rgb"}])
def test_textures_of_one_family_are_refused_whatever_their_seed_and_size(changes):
    plan = with_styles({"styles": "train"}, {"styles": "train", **changes})
    with pytest.raises(PlanError, match=r"fractal.*use the other pool or another folder") as caught:
        check_styles(plan)
    assert "style_seed" not in str(caught.value)


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
