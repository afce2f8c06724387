from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_guard_evaluation import STYLE, make_images, make_plan

from radversary.attacks.style.transfer import StyleTransferAttack
from radversary.auditing.plan import AttackPlan
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import AccessError, CancelledError, DataError, InputError, ModelError, PlanError
from radversary.detectors.learned import LearnedDetector
from radversary.execution.cancellation import Cancellation
from radversary.execution.work import Relay
from radversary.guard_evaluation.families import run as families
from radversary.guard_evaluation.families.result import FamiliesResult
from radversary.guard_evaluation.families.run import leave_one_family_out
from radversary.guard_evaluation.families.setup import (
    ALL,
    family_of,
    in_training,
    prepare_families,
)
from radversary.training.learned_detector import DetectorTraining
from random_parts import count_calls, tiny_classifier

GRAIN = {"label": "grain", "name": "noise", "strengths": [0.05, 0.3]}
STEP = {"label": "step", "name": "fgsm", "strengths": [0.1]}
AWARE = {"label": "aware", "name": "evasive-pgd"}
QUICK = {"attacks": [GRAIN, STYLE, STEP], "batch_size": 5}
DETECTOR = LearnedDetector(width=4, epochs=3, batch_size=8, learning_rate=0.01)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    torch.set_num_threads(1)
    return make_images(tmp_path_factory.mktemp("families"))


@pytest.fixture(scope="module")
def victim(images) -> TorchClassifier:
    return tiny_classifier(images.classes, 48)


@pytest.fixture(scope="module")
def finished(images, victim, tmp_path_factory):
    """A run that nobody stopped: its result and its folder; do not write there."""
    folder = tmp_path_factory.mktemp("run")
    plan = make_plan(**{**QUICK, "attacks": [GRAIN, STYLE, STEP, AWARE]})
    return leave_one_family_out(plan, victim, images, folder, train_images=12, detector=DETECTOR), folder


def context_of(images, victim, **changes):
    return prepare_families(make_plan(**{**QUICK, **changes}), victim, images, train_images=12, detector=DETECTOR)


@pytest.mark.parametrize(("name", "options", "family"), [
    ("fgsm", {}, "gradient"), ("stm", {}, "gradient"), ("noise", {}, "noise"),
    ("style-transfer", {}, "adain"), ("worst-style", {"generator": "veil"}, "veil"), ("style-code", {}, "adain"),
    ("style-transfer", {"generator": "distorted"}, "adain"), ("style-transfer", {"generator": "fourier"}, "fourier"),
    ("equal-noise", {"like": {"name": "fgsm"}}, "noise")])
def test_attacks_that_are_one_belong_to_one_family(name, options, family):
    assert family_of(AttackPlan(label="a", name=name, options=options)) == family


@pytest.mark.slow
def test_every_attack_stands_at_every_strength_in_and_out_of_its_family(finished, images):
    result, folder = finished
    assert [(row.family, row.condition.attack, row.condition.strength) for row in result.rows] == [
        ("noise", "grain", 0.05), ("noise", "grain", 0.3), ("fourier", "style", 0.5), ("gradient", "step", 0.1)]
    assert result.families == {"noise": ("grain",), "fourier": ("style",), "gradient": ("step",)}
    assert result.taught_attacked == {"noise": 12, "fourier": 12, "gradient": 12}
    assert all(row.in_family.auroc.n == result.images == len(images.rows("test")) for row in result.rows)
    assert all(0 <= side.auroc.low <= side.auroc.high <= 1 for row in result.rows
               for side in (row.in_family, row.out_of_family))
    assert FamiliesResult.load(folder / "families.json") == result


@pytest.mark.slow
def test_coarse_grain_is_noticed_and_nothing_is_not(finished):
    result, _ = finished
    coarse = next(row for row in result.rows if row.condition.strength == 0.3)
    assert coarse.in_family.auroc.value > 0.9
    assert coarse.in_family.tpr_at_fpr_5.value > 0.5
    assert result.identity.low <= 0.5 <= result.identity.high


@pytest.mark.slow
def test_what_readers_must_know_is_said(finished):
    said = " ".join(finished[0].warnings)
    assert "1 of the plan's attacks know the detectors" in said
    assert "13 clean test images" in said


@pytest.mark.slow
def test_each_detector_is_shown_all_families_but_one(images, victim, tmp_path, monkeypatch):
    context, seen = context_of(images, victim), []

    def fit_on(self, clean, attacked):
        seen.append(attacked.tensor(range(len(attacked))))
        self._keep({"shown": torch.zeros(1)})
        return self

    monkeypatch.setattr(LearnedDetector, "fit_on", fit_on)
    names = list(context.taught_detectors(tmp_path))
    assert names == [ALL, "noise", "fourier", "gradient"]
    assert [len(images) for images in seen] == [36, 24, 24, 24]
    whole = {image.numpy().tobytes() for image in seen[0]}
    kept_away = [whole - {image.numpy().tobytes() for image in part} for part in seen[1:]]
    assert [len(own) for own in kept_away] == [12, 12, 12]
    assert set.union(*kept_away) == whole


@pytest.mark.slow
def test_styles_and_patients_of_the_test_teach_nobody(images, victim):
    context = context_of(images, victim)
    taught, tested = context.taught["style"].build(), context.evaluation.attacks["style"].attack
    assert isinstance(taught, StyleTransferAttack)
    assert isinstance(tested, StyleTransferAttack)
    assert not set(taught.bank().hashes()) & set(tested.bank().hashes())
    assert not {images.patients[row] for row in context.rows} & {images.patients[row]
                                                                 for row in context.evaluation.rows}
    assert context.taught["step"] == AttackPlan.model_validate(STEP)


@pytest.mark.slow
def test_a_training_image_is_attacked_once_at_a_strength_of_its_own(images, victim):
    context = context_of(images, victim, attacks=[{**GRAIN, "strengths": [0.0, 0.05, 0.3], "images": 9}, STEP])
    grain = [piece for piece in context.training.pieces() if piece.label == "grain"]
    rows = [int(row) for piece in grain for row in piece.rows]
    assert len(rows) == len(set(rows)) == 9
    assert {piece.strength for piece in grain} == {0.05, 0.3}
    again = context_of(images, victim, attacks=[STEP, {**GRAIN, "images": 9}], batch_size=2).training.pieces()
    assert {(piece.strength, int(row)) for piece in grain for row in piece.rows} == {
        (piece.strength, int(row)) for piece in again if piece.label == "grain" for row in piece.rows}
    copies = context.training.attacked_copies(grain[0])
    assert copies.shape[1:] == (1, 48, 48)
    assert not torch.equal(copies, images.tensor(grain[0].rows))


@pytest.mark.slow
def test_a_second_run_repeats_nothing_and_ends_with_the_same_bytes(finished, images, victim, monkeypatch):
    _, folder = finished
    before = (folder / "families.json").read_bytes()
    for module, name in ((DetectorTraining, "attacked_copies"), (families, "scores")):
        counted, calls = count_calls(getattr(module, name))
        monkeypatch.setattr(module, name, counted)
        leave_one_family_out(make_plan(**{**QUICK, "attacks": [GRAIN, STYLE, STEP, AWARE]}), victim, images, folder,
                             train_images=12, detector=DETECTOR)
        assert calls == []
    assert (folder / "families.json").read_bytes() == before


@pytest.mark.slow
def test_who_is_named_is_told_and_may_stop_it(images, victim, tmp_path):
    token, told = Cancellation(), []

    def tell(work) -> None:
        told.append(work.description)
        token.cancel()

    with pytest.raises(CancelledError):
        leave_one_family_out(make_plan(**QUICK), victim, images, tmp_path, train_images=12, detector=DETECTOR,
                             progress=Relay(tell, token))
    assert told
    assert not (tmp_path / "families.json").exists()


@pytest.mark.slow
def test_whatever_a_detector_depends_on_is_in_its_key(images, victim):
    context = context_of(images, victim)
    keys = {name: context.key(name) for name in (ALL, *context.members)}
    assert len(set(keys.values())) == 4
    others = [context_of(images, victim, seed=7), context_of(images, tiny_classifier(images.classes, 48, seed=3)),
              context_of(images, victim, attacks=[{**GRAIN, "strengths": [0.2]}, STYLE, STEP]),
              replace(context, detector=replace(DETECTOR, epochs=4)), replace(context, rows=context.rows[:-1])]
    assert all(other.key(ALL) != keys[ALL] for other in others)
    assert others[2].key("noise") == keys["noise"]


@pytest.mark.slow
def test_bad_requests_are_one_sentence(images, victim):
    with pytest.raises(PlanError, match="two families at least that do not know the detectors, got noise"):
        context_of(images, victim, attacks=[GRAIN, AWARE])
    with pytest.raises(PlanError, match="no strength above 0"):
        in_training(AttackPlan(label="a", name="noise", strengths=(0.0,)))
    with pytest.raises(PlanError, match="in the styles that the detectors are taught with"):
        context_of(images, victim, attacks=[GRAIN, {**STYLE, "options": {**STYLE["options"], "styles": "train"}}])
    with pytest.raises(AccessError, match="evades detectors"):
        context_of(images, victim, attacks=[STEP, {"label": "control", "name": "equal-noise",
                                                   "options": {"like": {"name": "evasive-pgd"}}}])
    small = TorchClassifier(victim.module, victim.card.model_copy(update={"size": 32}))
    with pytest.raises(InputError, match=r"48 pixels a side.* reads 32 pixels"):
        context_of(images, small)
    with pytest.raises(ModelError, match="classes"):
        context_of(images, tiny_classifier(("a", "b"), 48))


def test_a_damaged_result_is_one_sentence(tmp_path):
    (tmp_path / "families.json").write_text("{}")
    with pytest.raises(DataError, match="not a result of families left out"):
        FamiliesResult.load(tmp_path / "families.json")


@pytest.mark.slow
def test_a_model_whose_answers_are_no_logits_is_refused_before_anything_is_attacked(images, victim):
    soft = TorchClassifier(torch.nn.Sequential(victim.module, torch.nn.Softmax(1)), victim.card)
    with pytest.raises(ModelError, match="model 'tiny' gives probabilities"):
        context_of(images, soft)


@pytest.mark.slow
def test_test_images_among_the_training_images_are_refused(images, victim):
    codes = np.array(images.images)
    codes[images.rows("test")[:2]] = codes[images.rows("train")[:2]]
    with pytest.raises(InputError, match=r"^2 of 13 films are among those that the learned detector was taught on; "):
        prepare_families(make_plan(**QUICK), victim, replace(images, images=codes), train_images=99, detector=DETECTOR)
