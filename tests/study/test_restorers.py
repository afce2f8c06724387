from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest
from tiny_study import FOURIER, content, make_study, training

from radversary.core.errors import DataError, PlanError, UnknownNameError
from radversary.core.types import AttackerKnowledge
from radversary.data.prepared import PreparedImages
from radversary.defenses.restoration import load_restoration
from radversary.execution.work import Relay
from radversary.storage.plans import parse_plan
from radversary.study.audit_model import audit_model, restorers_of
from radversary.study.model_folders import SeenImages, seen_images
from radversary.study.plan import StudyPlan
from radversary.study.run import run_study

STYLES = {"label": "train styles", "name": "style-transfer", "copies": 1, "options": {**FOURIER, "styles": "train"}}
SHARP = {"label": "fgsm", "name": "fgsm", "model": "friend", "copies": 1}
RESTORERS = {
    "cleaner": {"denoiser": {"width": 2, "epochs": 1, "batch_size": 8, "precision": "float32"},
                "attacks": [STYLES, SHARP]},
    "cycle": {"cyclegan": {"width": 2, "blocks": 0, "epochs": 1, "images": 8, "precision": "float32"},
              "attacks": [STYLES]},
    "calm": {"restyle": {"amount": 0.5, "images": 8}}}
MODELS = {
    "victim": {"training": training()}, "friend": {"training": training()},
    "stranger": {"training": training(), "input": ["canonical"]},
    "oracle": {"oracle": True, "training": training("victim"), "adversarial": {"attacks": [
        {"label": "seen", "name": "style-transfer", "options": FOURIER}]}}}
DEFENCES = [{"label": "cleaner", "transforms": ["cleaner"]}, {"label": "cycle", "transforms": ["cycle"]},
            {"label": "stack", "transforms": ["canonical", "calm"]}, {"label": "stranger", "model": "stranger"},
            {"label": "oracle", "model": "oracle"}]
ATTACKS = [{"label": "style", "name": "style-transfer", "options": FOURIER},
           {"label": "fgsm", "name": "fgsm", "surrogate": "friend", "images": 6}]


def full(**changes):
    return content(models=MODELS, restorers=RESTORERS, defences=DEFENCES, attacks=ATTACKS, **changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder, told = tmp_path_factory.mktemp("whole"), []
    plan = parse_plan(StudyPlan, full(), source="test")
    return run_study(plan, folder, progress=Relay(lambda _work: None, announced=told.append)), folder, told


@pytest.mark.slow
def test_restorers_are_trained_between_models_and_audit(whole):
    _, folder, told = whole
    order = [line.removesuffix(" …") for line in told]
    assert order.index("train friend") < order.index("train cleaner") < order.index("audit")
    for name, architecture in (("cleaner", "unet"), ("cycle", "cyclegan"), ("calm", "restyle")):
        card = load_restoration(folder / "restorers" / name).card
        assert (card.name, card.architecture) == (name, architecture)


@pytest.mark.slow
def test_an_audit_is_warned_of_a_restorer_that_learned_from_its_test_images(whole, tmp_path):
    _, folder, _ = whole
    images = PreparedImages.load(folder / "data" / "prepared")
    cleaner = folder / "restorers" / "cleaner"
    assert seen_images(cleaner) == SeenImages.of(images, "train", "validation")
    part = {"name": "restore", "options": {"folder": str(cleaner)}}
    plan = make_study(defences=[{"label": "cleaned", "transforms": [part, part]}]).audit_part()
    assert restorers_of(plan) == [cleaner]
    victim = folder / "models" / "victim"
    forgetful = tmp_path / "victim"
    shutil.copytree(victim, forgetful, ignore=shutil.ignore_patterns("training_images.json"))
    same = {"name": "phantoms", "options": content()["data"]["source"]["options"]}
    with pytest.raises(DataError, match="test images were in this model's training"):
        audit_model(plan, forgetful, same, tmp_path / "audit")


@pytest.mark.slow
def test_defences_use_what_was_trained(whole):
    result, folder, _ = whole
    assert set(result.defences) == {"none", "cleaner", "cycle", "stack", "stranger", "oracle"}
    table = pd.read_parquet(folder / "predictions.parquet")
    clean = table[table["attack"] == "clean"].set_index(["defence", "image_id"])["p_Normal"]
    for label in ("cleaner", "cycle", "stack", "stranger", "oracle"):
        assert (clean[label] - clean["none"]).abs().max() > 1e-6
    assert result.costs["cleaner"].training > 0
    assert result.costs["stack"].training > 0


@pytest.mark.slow
def test_all_knowledge_of_every_defence_is_there(whole):
    result = whole[0]
    for defence in result.defences:
        for knowledge in AttackerKnowledge:
            assert result.cell("fgsm", 8 / 255, defence, knowledge).performance.accuracy.n == 6


@pytest.mark.slow
def test_oracles_and_training_overlap_are_named(whole):
    result = whole[0]
    assert result.oracles == ("oracle",)
    assert set(result.training_overlap) == {"style/cleaner", "style/cycle", "style/oracle", "fgsm@transfer/cleaner"}
    assert "ORACLE" in json.loads((whole[1] / "models/oracle/card.json").read_text())["notes"]


@pytest.mark.slow
def test_a_model_with_transforms_of_its_own_is_audited_behind_them(whole):
    assert "Canonical" in whole[0].defences["stranger"].description


@pytest.mark.slow
def test_a_result_says_what_each_defence_is_made_of(whole):
    known = whole[0].defences
    trained = {label: (item.model, item.restorers) for label, item in known.items() if item.restorers}
    assert trained == {"cleaner": ("victim", ("unet",)), "cycle": ("victim", ("cyclegan",)),
                       "stack": ("victim", ("restyle",))}
    assert known["stack"].transforms == ("canonical", "calm")
    assert {label for label, item in known.items() if item.adversarial} == {"oracle"}
    assert None not in {item.adversarial for item in known.values()}


@pytest.mark.slow
def test_pictures_of_every_restoration_hang_in_the_gallery(whole):
    result, folder, _ = whole
    for image in result.gallery:
        assert set(image.restored) == {"cleaner", "cycle", "stack", "stranger"}
        assert all((folder / path).is_file() for path in image.restored.values())


@pytest.mark.slow
def test_a_changed_restorer_is_trained_and_audited_anew_and_nothing_else_is_trained(whole):
    _, folder, _ = whole
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    before = pd.read_parquet(folder / "predictions.parquet").set_index(["attack", "knowledge", "defence", "image_id"])
    changed = {**RESTORERS, "calm": {"restyle": {"amount": 0.25, "images": 8}}}
    run_study(parse_plan(StudyPlan, {**full(), "restorers": changed}, source="test"), folder)
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    assert {path.parent.name for path, stamp in after.items() if stamps[path] != stamp} == {"calm"}
    read = pd.read_parquet(folder / "predictions.parquet").set_index(["attack", "knowledge", "defence", "image_id"])
    moved = (read["p_Normal"] - before["p_Normal"]).abs().groupby("defence").max()
    assert moved["stack"] > 0
    assert moved["cleaner"] == 0


@pytest.mark.parametrize(("restorer", "problem"), [
    ({}, "this one is none of them"),
    ({"denoiser": {}, "restyle": {}, "attacks": [STYLES]}, "this one is denoiser and restyle"),
    ({"denoiser": {}}, "list some under attacks"),
    ({"restyle": {}, "attacks": [STYLES]}, "needs no attacks"),
    ({"denoiser": {}, "attacks": [{**STYLES, "model": "nobody"}]}, "needs model 'nobody'"),
    ({"denoiser": {}, "model": "nobody", "attacks": [STYLES]}, "needs model 'nobody'")])
def test_restorers_that_make_no_sense_are_refused(restorer, problem):
    with pytest.raises(PlanError, match=problem):
        make_study(restorers={"r": restorer})


def test_a_restorer_may_not_take_the_name_of_a_transform():
    with pytest.raises(PlanError, match="has the name of a model or transform"):
        make_study(restorers={"jpeg": {"restyle": {}}})


def test_a_surrogate_that_no_model_is_is_refused():
    attack = {"label": "fgsm", "name": "fgsm", "surrogate": "nobody"}
    with pytest.raises(PlanError, match="surrogate 'nobody'"):
        make_study(attacks=[attack])


def test_a_restorer_trained_on_audited_styles_is_refused(tmp_path):
    seen = {**STYLES, "options": FOURIER}
    plan = make_study(restorers={"r": {"denoiser": {}, "attacks": [seen]}})
    with pytest.raises(PlanError, match="restorer 'r' trains on"):
        run_study(plan, tmp_path)


def test_a_defence_without_its_restorer_is_answered_with_the_nearest(tmp_path):
    plan = make_study(restorers={"cleaner": RESTORERS["calm"]}, defences=[{"label": "d", "transforms": ["cleanr"]}])
    with pytest.raises(UnknownNameError, match="did you mean 'cleaner'"):
        run_study(plan, tmp_path)


@pytest.mark.slow
def test_files_of_strangers_are_not_removed(tmp_path):
    (tmp_path / "restorers/calm").mkdir(parents=True)
    (tmp_path / "restorers/calm/notes.txt").write_text("mine")
    plan = make_study(restorers={"calm": RESTORERS["calm"]})
    with pytest.raises(PlanError, match="no study wrote"):
        run_study(plan, tmp_path)
    assert (tmp_path / "restorers/calm/notes.txt").read_text() == "mine"


def test_the_victim_is_no_surrogate_of_itself_and_that_is_said_before_training(tmp_path):
    plan = make_study(attacks=[{"label": "fgsm", "name": "fgsm", "surrogate": "victim"}])
    with pytest.raises(PlanError, match="is the victim itself"):
        run_study(plan, tmp_path)
    assert not (tmp_path / "models").exists()


@pytest.mark.slow
def test_a_bound_below_one_grey_level_is_refused_before_training(tmp_path):
    plan = make_study(attacks=[{"label": "fgsm", "name": "fgsm", "strengths": [0.001],
                                "knowledge": ["oblivious"]}])
    with pytest.raises(PlanError, match=r"0\.001"):
        run_study(plan, tmp_path)
    assert not (tmp_path / "models").exists()


def test_a_denoiser_is_guided_by_a_model_that_reads_images_as_they_are():
    models = {"victim": {"training": training()}, "other": {"training": training(), "input": ["canonical"]}}
    with pytest.raises(PlanError, match="guide it by a model without input"):
        make_study(models=models, restorers={"r": {"denoiser": {}, "model": "other", "attacks": [STYLES]}},
                   defences=[])
