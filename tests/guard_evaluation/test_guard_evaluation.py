from __future__ import annotations

import shutil
import warnings
from dataclasses import replace

import pandas as pd
import pytest
import torch
from tiny_guard_evaluation import NOISE, STYLE, make_guard, make_images, make_plan

from radversary.auditing.measure import handled
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import AccessError, DataError, InputError, ModelError
from radversary.core.types import AttackerKnowledge
from radversary.guard_evaluation import measure as guard_measure
from radversary.guard_evaluation.measure import filed, judged, measured
from radversary.guard_evaluation.result import GuardEvaluationResult
from radversary.guard_evaluation.run import evaluate_guard
from radversary.guard_evaluation.setup import guard_sha256, prepare_guard_evaluation
from radversary.guard_evaluation.units import item_hashes, unit_key
from radversary.imaging.reencoding import HARMLESS
from radversary.report.guard.page import write_guard_evaluation
from radversary.screening.guard import Guard
from radversary.screening.seen import marks_of

QUICK = {"attacks": [NOISE], "gallery": 0}
AWARE = {"label": "aware", "name": "evasive-pgd", "strengths": [8 / 255], "options": {"steps": 2}, "images": 4}


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    torch.set_num_threads(1)
    return make_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def guard(images) -> Guard:
    return make_guard(images)


def by_view(guard, images, *, views=("AP", "PA")) -> Guard:
    """The guard calibrated by view, on the training films of some views."""
    shown = images.table.frame["view"]
    rows = [row for row in images.rows("train") if shown.iloc[row] in views]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # groups are small
        return replace(guard, record={"grouped_by": "view"}).calibrate(
            images.tensor(rows), [images.patients[row] for row in rows], [shown.iloc[row] for row in rows], alpha=0.25)


@pytest.fixture(scope="session")
def finished(images, guard, tmp_path_factory):
    """An evaluation that nobody stopped: its result and its folder; do not write there."""
    folder = tmp_path_factory.mktemp("evaluation")
    return evaluate_guard(make_plan(), guard, images, folder), folder


def stop_after(patch: pytest.MonkeyPatch, pieces: int) -> list[str]:
    real, calls = guard_measure.judged, []

    def stopping(context, label, rows):
        if len(calls) == pieces:
            raise KeyboardInterrupt
        calls.append(label)
        return real(context, label, rows)

    patch.setattr(guard_measure, "judged", stopping)
    return calls


def outcome_of(folder) -> tuple[bytes, bytes]:
    return (folder / "scores.parquet").read_bytes(), (folder / "guard-evaluation.json").read_bytes()


@pytest.mark.slow
def test_every_attack_stands_at_every_strength_and_the_harmless_changes_apart(finished, images):
    result, folder = finished
    assert [(row.condition.attack, row.condition.strength) for row in result.rows] == [
        ("noise", 0.02), ("noise", 0.2), ("style", 0.5)]
    assert [row.name for row in result.harmless] == ["clean", *HARMLESS]
    frame = pd.read_parquet(folder / "scores.parquet")
    assert set(frame.loc[frame["kind"] == "attack", "attack"]) == {"noise", "style"}
    assert len(frame) == len(images.rows("test")) * (1 + len(HARMLESS) + 1 + 3)
    assert GuardEvaluationResult.load(folder / "guard-evaluation.json") == result


@pytest.mark.slow
def test_ends_sum_to_one_and_more_noise_is_noticed_more(finished):
    result, _ = finished
    for row in (*result.rows, result.identity):
        ends = row.outcome
        assert ends.correct_accepted.value + ends.flagged.value + ends.wrong_accepted.value == pytest.approx(1.0)
        assert ends.flagged.value == row.alarms.value
    weak, strong = (row.auroc.value for row in result.rows[:2])
    assert weak < strong


@pytest.mark.slow
def test_the_attack_that_changes_nothing_and_what_no_file_tells(finished):
    result, _ = finished
    assert result.identity_holds
    assert result.identity.flipped.value == 0.0 or result.identity.undetected_success_rate_direct.value == 0.0
    assert result.identity.undetected_success_rate_direct.value == 0.0
    assert all(area.low <= 0.5 <= area.high for area in result.identity.floors.values())
    assert result.rows[0].floors["channels of the file"].value == 0.5


@pytest.mark.slow
def test_films_as_they_are_stored_are_judged_as_screening_judges_them(finished, images, guard):
    frame = pd.read_parquet(finished[1] / "scores.parquet")
    stored = frame[frame["attack"] == "as stored"]
    verdicts = guard.screen(images.tensor(images.rows("test")))
    assert stored["alarm"].tolist() == [item.verdict == "review" for item in verdicts]
    assert stored["p_value"].tolist() == pytest.approx([item.p_value for item in verdicts])
    overall = finished[0].promises[0]
    assert overall.bound == pytest.approx(guard.calibrated().final.bounds()["all"])
    assert overall.every_image.value == stored["alarm"].mean()


@pytest.mark.slow
def test_both_sides_are_reencoded_and_saved_before_anyone_looks(images, guard, monkeypatch):
    seen = []
    look = Guard.look
    monkeypatch.setattr(Guard, "look", lambda self, given, **more: seen.append(given) or look(self, given, **more))
    context, rows = prepare_guard_evaluation(make_plan(**QUICK), guard, images), images.rows("test")[:4]
    for label in ("clean", "noise"):
        judged(context, label, rows)
    clean, attacked, sent = seen[:3]
    names = [images.image_ids[row] for row in rows]
    assert torch.equal(clean, filed(handled(images.tensor(rows), names, attack="clean"))[0])
    assert torch.equal(attacked, filed(handled(sent, names, attack="noise"))[0])
    assert not torch.equal(clean, images.tensor(rows))
    assert not torch.equal(attacked, sent)


def test_a_file_keeps_the_depth_it_is_given_and_says_its_size():
    deep = (torch.arange(4096.0) / 4095).reshape(1, 1, 64, 64)
    loaded, (size,) = filed(deep, 12)
    assert torch.equal(loaded, deep)
    shallow, (smaller,) = filed(deep)
    assert len(shallow.unique()) == 256
    assert smaller < size


@pytest.mark.slow
def test_colour_gives_itself_away_by_its_channels(images, guard):
    colour = {**STYLE, "options": {**STYLE["options"], "colour": "rgb"}}
    context = prepare_guard_evaluation(make_plan(attacks=[colour]), guard, images)
    assert set(judged(context, "style", context.rows[:2])["channels"]) == {3}
    assert set(judged(context, "clean", context.rows[:2])["channels"]) == {1}


@pytest.mark.slow
@pytest.mark.parametrize("pieces", [21, pytest.param(0, marks=pytest.mark.slow),
                                    pytest.param(1, marks=pytest.mark.slow)])
def test_killed_and_started_again_it_ends_with_the_same_bytes(images, guard, finished, tmp_path, monkeypatch, pieces):
    with monkeypatch.context() as patch:
        stop_after(patch, pieces)
        with pytest.raises(KeyboardInterrupt):
            evaluate_guard(make_plan(), guard, images, tmp_path)
    assert not (tmp_path / "guard-evaluation.json").exists()
    calls = stop_after(monkeypatch, 99)
    evaluate_guard(make_plan(), guard, images, tmp_path)
    assert len(calls) == 2 * (2 + len(HARMLESS) + 2) - pieces
    assert outcome_of(tmp_path) == outcome_of(finished[1])


@pytest.mark.slow
def test_another_attack_in_the_plan_repeats_none_of_the_others(images, guard, tmp_path, monkeypatch):
    context, more = (prepare_guard_evaluation(make_plan(attacks=attacks, batch_size=32), guard, images)
                     for attacks in ([NOISE], [NOISE, STYLE]))
    before = measured(context, tmp_path)
    calls = stop_after(monkeypatch, 99)
    assert measured(context, tmp_path).equals(before)
    assert calls == []
    after = measured(more, tmp_path)
    assert calls == ["style"]
    assert after[after["attack"] != "style"].equals(before)


def other_threshold(guard: Guard, score: float) -> Guard:
    final = replace(guard.fusion.final, scores={"all": [score] * 12})
    return replace(guard, fusion=replace(guard.fusion, final=final))


@pytest.mark.slow
def test_other_batches_fewer_attacks_and_more_images_repeat_nothing(images, guard, finished, tmp_path, monkeypatch):
    asked = []
    real = guard_measure.judged
    monkeypatch.setattr(guard_measure, "judged", lambda context, label, rows: asked.append((label, len(rows)))
                        or real(context, label, rows))
    few = {**STYLE, "images": 4}

    def look(**plan):
        return measured(prepare_guard_evaluation(make_plan(**plan), guard, images), tmp_path)

    look(attacks=[few], limit=6)
    look(attacks=[few, NOISE], batch_size=3, limit=6)
    assert [length for label, length in asked if label == "clean"] == [6]
    assert [length for label, length in asked if label == "noise"] == [3, 3]
    asked.clear()
    look()
    assert sum(length for label, length in asked if label == "clean") == len(images.rows("test")) - 6
    assert sum(length for label, length in asked if label == "style") == len(images.rows("test")) - 4
    once, pieced = (pd.read_parquet(folder / "scores.parquet") for folder in (finished[1], tmp_path))
    pd.testing.assert_frame_equal(pieced, once, rtol=1e-4)  # another batch may round the last digit otherwise
    asked.clear()
    look(attacks=[NOISE])
    look(batch_size=2)
    assert asked == []


@pytest.mark.slow
def test_an_image_is_known_by_its_pixels_its_label_and_its_group(images, guard):
    plain, viewed = (item_hashes(prepare_guard_evaluation(make_plan(**QUICK), own, images), images.rows("test"))
                     for own in (guard, by_view(guard, images)))
    assert len(set(plain)) == len(plain)
    assert not set(plain) & set(viewed)


@pytest.mark.slow
@pytest.mark.parametrize("change", ["seed", "strength", "options", "model", "threshold", "group"])
def test_whatever_the_scores_depend_on_is_in_the_key(images, guard, change):
    def key(plan, guard, images) -> str:
        context = prepare_guard_evaluation(plan, guard, images)
        return unit_key(context, guard_sha256(context.guard), "noise")

    plan, before = make_plan(**QUICK), key(make_plan(**QUICK), guard, images)
    others = {"bootstrap": 200, "name": "renamed", "prevalence": 0.5, "limit": 3, "batch_size": 2, "gallery": 0,
              "attacks": [STYLE, {**NOISE, "images": 2}]}
    assert key(make_plan(**others), guard, images) == key(plan, guard, replace(images, sha256="0")) == before
    after = {
        "seed": lambda: key(make_plan(**QUICK, seed=7), guard, images),
        "strength": lambda: key(make_plan(attacks=[{**NOISE, "strengths": [0.1]}], gallery=0), guard, images),
        "options": lambda: key(make_plan(attacks=[{**STYLE, "label": "noise"}], gallery=0), guard, images),
        "model": lambda: key(plan, make_guard(images, seed=5), images),
        "threshold": lambda: key(plan, other_threshold(guard, 9.0), images),
        "group": lambda: key(plan, by_view(guard, images), images)}
    assert after[change]() != before


@pytest.mark.slow
def test_who_knows_the_detectors_is_pointed_at_them_and_runs_on_some_images(images, guard, tmp_path):
    result = evaluate_guard(make_plan(attacks=[AWARE, NOISE], gallery=0, batch_size=32), guard, images, tmp_path)
    assert [(row.condition.attack, row.condition.knowledge) for row in result.rows][-1] == ("aware",
                                                                                            AttackerKnowledge.ADAPTIVE)
    assert result.rows[-1].auroc.n == result.rows[-1].outcome.flagged.n == 4
    assert not any("knows the detectors" in line for line in result.warnings)


@pytest.mark.slow
def test_each_group_s_attacker_meets_its_own_thresholds(images, guard):
    context = prepare_guard_evaluation(make_plan(attacks=[AWARE]), by_view(guard, images), images)
    tests = images.rows("test")
    met = list(context.targets("aware", tests))
    assert [target.group for target, _ in met] == sorted(set(context.groups_of(tests)))
    assert sorted(place for _, places in met for place in places) == list(range(len(tests)))
    mixed = judged(context, "aware", tests)
    alone = [judged(context, "aware", tests[place:place + 1]) for place in (0, len(tests) - 1)]
    assert mixed["image_id"].tolist() == [images.image_ids[row] for row in tests]
    assert mixed["p_value"].iloc[[0, -1]].tolist() == pytest.approx([part["p_value"][0] for part in alone])


@pytest.mark.slow
def test_the_gallery_shows_missed_attacks_with_their_map_and_false_alarms(finished, images, guard, tmp_path):
    result, folder = finished
    missed = [item for item in result.gallery if item.missed]
    assert len(missed) == 2
    assert {item.condition.attack for item in missed} == {"noise", "style"}
    assert all((folder / name).is_file() for item in missed for name in (item.original, item.shown, item.heat))
    strict = other_threshold(guard, -1.0)  # everything is suspicious
    found = evaluate_guard(make_plan(attacks=[NOISE], gallery=2, batch_size=32), strict, images, tmp_path)
    assert [item.missed for item in found.gallery] == [False, False]
    assert found.gallery[0].condition.attack == "clean"
    assert any("above the promised bound" in line for line in found.warnings)
    assert found.promises[0].rate.value == 1.0
    assert not found.promises[0].inside


@pytest.mark.slow
def test_what_readers_must_know_is_said(finished):
    said = " ".join(finished[0].warnings)
    assert "No attacker who knows the detectors was run" in said
    assert "13 clean test images" in said


@pytest.mark.slow
def test_a_guard_without_thresholds_or_of_another_size_is_refused(images, guard, tmp_path):
    with pytest.raises(InputError, match="no thresholds yet"):
        evaluate_guard(make_plan(), replace(guard, fusion=None), images, tmp_path)
    victim = guard.classifier
    assert isinstance(victim, TorchClassifier)
    other = TorchClassifier(victim.module, victim.card.model_copy(update={"size": 32}))
    with pytest.raises(InputError, match=r"48 pixels a side.* reads 32 pixels"):
        evaluate_guard(make_plan(), replace(guard, classifier=other), images, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_noise_of_the_size_of_an_evasive_attack_is_refused_before_anything_runs(images, guard):
    noise = {"label": "control", "name": "equal-noise", "options": {"like": {"name": "evasive-pgd"}}}
    with pytest.raises(AccessError, match="evades detectors"):
        prepare_guard_evaluation(make_plan(attacks=[noise]), guard, images)


def test_a_damaged_result_is_one_sentence(tmp_path):
    (tmp_path / "guard-evaluation.json").write_text("{}")
    with pytest.raises(DataError, match="not a result of an evaluated guard"):
        GuardEvaluationResult.load(tmp_path / "guard-evaluation.json")


@pytest.mark.slow
def test_a_model_that_answers_otherwise_each_time_is_refused_before_anything_is_attacked(images, guard):
    class Drawing(TorchClassifier):
        def logits(self, images):
            return super().logits(images) + torch.rand(len(images), 1)

    drawing = Drawing(guard.classifier.module, guard.classifier.card.model_copy(update={"name": "drawing"}))
    with pytest.raises(ModelError, match="model 'drawing' answers an equal call otherwise"):
        prepare_guard_evaluation(make_plan(), replace(guard, classifier=drawing), images)


@pytest.mark.slow
def test_pieces_that_were_damaged_or_changed_by_hand_are_measured_anew(images, guard, finished, tmp_path, monkeypatch):
    evaluate_guard(make_plan(), guard, images, tmp_path)
    broken, edited = sorted((tmp_path / ".guard-evaluation").rglob("*.parquet"))[:2]
    broken.write_bytes(broken.read_bytes()[:-9])
    pd.read_parquet(edited).assign(alarm=True, p_value=0.0).to_parquet(edited, index=False)
    calls = stop_after(monkeypatch, 99)
    evaluate_guard(make_plan(), guard, images, tmp_path)
    assert len(calls) == 2
    assert outcome_of(tmp_path) == outcome_of(finished[1])


@pytest.mark.slow
def test_scores_changed_by_hand_are_not_taken_for_the_evaluation_s_own(finished, tmp_path):
    shutil.copytree(finished[1], tmp_path / "evaluation")
    write_guard_evaluation(tmp_path / "evaluation")
    path = tmp_path / "evaluation" / "scores.parquet"
    pd.read_parquet(path).assign(alarm=True).to_parquet(path, index=False)
    with pytest.raises(DataError, match=r"scores\.parquet was changed after .* evaluate the guard again"):
        write_guard_evaluation(tmp_path / "evaluation")


@pytest.mark.slow
def test_groups_that_the_guard_cannot_judge_are_said_before_anything_is_attacked(images, guard, tmp_path, monkeypatch):
    monkeypatch.setattr(guard_measure, "judged", None)
    grouped = replace(guard, record={"grouped_by": "view"})
    with pytest.raises(InputError, match="test images are of view AP, PA, which was never calibrated; known: all"):
        evaluate_guard(make_plan(), grouped, images, tmp_path)


@pytest.mark.slow
def test_test_images_of_a_group_that_was_never_calibrated_are_left_out_and_counted(images, guard, tmp_path):
    grouped, tests = by_view(guard, images, views=("PA",)), images.rows("test")
    kept = [row for row in tests if images.table.frame["view"].iloc[row] == "PA"]
    assert 0 < len(kept) < len(tests)
    context = prepare_guard_evaluation(make_plan(attacks=[{**NOISE, "images": 2}]), grouped, images)
    assert context.rows.tolist() == kept
    assert context.left_out == {"AP": len(tests) - len(kept)}
    assert context.attacks["noise"].rows <= set(kept)
    limited = prepare_guard_evaluation(make_plan(**QUICK, limit=len(kept) - 1), grouped, images)
    assert len(limited.rows) == len(kept) - 1


@pytest.mark.slow
def test_the_result_and_its_page_say_how_many_were_left_out(images, guard, tmp_path):
    result = evaluate_guard(make_plan(**QUICK), by_view(guard, images, views=("PA",)), images, tmp_path)
    count = sum(images.table.frame["view"].iloc[images.rows("test")] == "AP")
    said = f"{count} test images are of a view that was never calibrated (AP) and were left out"
    assert result.warnings[0].startswith(said)
    assert result.images == len(images.rows("test")) - count
    assert said in write_guard_evaluation(tmp_path).read_text()


@pytest.mark.slow
@pytest.mark.parametrize("change", [lambda films: films, lambda films: (films + 1 / 255).clamp(0, 1)])
def test_a_guard_that_has_seen_the_test_images_is_not_evaluated_on_them(images, guard, tmp_path, change):
    films = change(images.tensor(images.rows("test")))
    for how in ("fitted", "calibrated"):
        seen = replace(guard, seen=marks_of(films).kept(how))
        with pytest.raises(InputError, match=f"13 of 13 films .* that this guard was {how} on.*; evaluate on films of"):
            prepare_guard_evaluation(make_plan(**QUICK), seen, images)
