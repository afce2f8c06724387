from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from tiny_audit import NOISE, STYLE, files_in, make_plan, stop_after, with_models
from torch import nn

from radversary.auditing import run as run_file
from radversary.auditing.run import run_audit
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import BusyError, StorageError
from radversary.storage.locks import locked
from random_parts import tiny_classifier

TABLES = ("predictions.parquet", "detections.parquet", "outcomes.parquet")
QUICK = {"gallery": 0, "defences": [], "attacks": [NOISE]}


def tables(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in TABLES]


PIECES = 12
"""Of the plan here: clean, identity and two attacks, each over three batches."""


@pytest.mark.slow
@pytest.mark.parametrize("pieces", [5, *(pytest.param(count, marks=pytest.mark.slow) for count in (0, 1, 11))])
def test_killed_and_started_again_it_ends_with_the_same_bytes(inputs, finished, tmp_path, monkeypatch, pieces):
    with monkeypatch.context() as patch:
        stop_after(patch, pieces)
        with pytest.raises(KeyboardInterrupt):
            run_audit(make_plan(), inputs, tmp_path)
    assert files_in(tmp_path) == ["plan.yaml"]
    calls = stop_after(monkeypatch, 99)
    run_audit(make_plan(), inputs, tmp_path)
    assert len(calls) == PIECES - pieces
    assert tables(tmp_path) == tables(finished[1])
    assert files_in(tmp_path) == files_in(finished[1])


@pytest.mark.slow
def test_another_attack_repeats_nothing_that_is_known(inputs, tmp_path, monkeypatch):
    run_audit(make_plan(**QUICK), inputs, tmp_path)
    before, calls = pd.read_parquet(tmp_path / "predictions.parquet"), stop_after(monkeypatch, 99)
    run_audit(make_plan(**{**QUICK, "attacks": [NOISE, STYLE]}), inputs, tmp_path)
    assert {label for label, _, _ in calls} == {"style"}
    after = pd.read_parquet(tmp_path / "predictions.parquet")
    assert after[after["attack"] != "style"].reset_index(drop=True).equals(before)
    calls.clear()
    run_audit(make_plan(**QUICK), inputs, tmp_path)  # back to the first plan
    assert calls == []
    assert pd.read_parquet(tmp_path / "predictions.parquet").equals(before)


@pytest.mark.slow
def test_another_batch_size_repeats_nothing_that_is_known(inputs, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        stop_after(patch, 5)  # of two batches of five images, the second half done
        with pytest.raises(KeyboardInterrupt):
            run_audit(make_plan(**QUICK), inputs, tmp_path)
    calls = stop_after(monkeypatch, 99)
    run_audit(make_plan(**QUICK, batch_size=4), inputs, tmp_path)
    images = len(inputs.images.rows("test"))
    assert {label: sum(count for name, count, _ in calls if name == label) for label in ("clean", "identity", "noise")
            } == {"clean": images - 10, "identity": images - 10, "noise": images - 5}


@pytest.mark.slow
def test_another_defence_reads_alone(inputs, tmp_path, monkeypatch):
    run_audit(make_plan(**QUICK), inputs, tmp_path)
    calls = stop_after(monkeypatch, 99)
    run_audit(make_plan(**{**QUICK, "defences": [{"label": "other", "model": "other"}]}), inputs, tmp_path)
    assert {defended_classifiers for _, _, defended_classifiers in calls} == {1}
    calls.clear()
    run_audit(make_plan(**{**QUICK, "defences": [{"label": "renamed", "model": "other"}]}), inputs, tmp_path)
    assert calls == []
    assert set(pd.read_parquet(tmp_path / "predictions.parquet")["defence"]) == {"none", "renamed"}


@pytest.mark.slow
def test_a_part_changed_by_hand_is_measured_anew(inputs, tmp_path, monkeypatch):
    run_audit(make_plan(**QUICK), inputs, tmp_path)
    before = tables(tmp_path)
    forged = next(path for path in (tmp_path / "units").rglob("*.parquet"))
    pd.read_parquet(forged).assign(p0=1.0, p1=0.0, p2=0.0).to_parquet(forged)
    pd.read_parquet(tmp_path / "predictions.parquet").assign(predicted="Normal").to_parquet(
        tmp_path / "predictions.parquet")
    calls = stop_after(monkeypatch, 99)
    run_audit(make_plan(**QUICK), inputs, tmp_path)
    assert len(calls) == 1
    assert tables(tmp_path) == before


@pytest.mark.slow
def test_two_jobs_on_one_folder_do_not_meet(inputs, tmp_path):
    with locked(tmp_path), ThreadPoolExecutor(1) as other:
        job = other.submit(run_audit, make_plan(**QUICK), inputs, tmp_path)
        with pytest.raises(BusyError, match=r"is being written by another radversary \(process \d+\); wait"):
            job.result()
    assert files_in(tmp_path) == []
    run_audit(make_plan(**QUICK), inputs, tmp_path)


@pytest.mark.slow
def test_a_second_run_measures_nothing(inputs, tmp_path, monkeypatch):
    first = run_audit(make_plan(**QUICK), inputs, tmp_path)
    before = tables(tmp_path)
    calls = stop_after(monkeypatch, 99)
    second = run_audit(make_plan(**QUICK, bootstrap=200, name="renamed"), inputs, tmp_path)
    assert calls == []
    assert tables(tmp_path) == before
    assert [cell.performance.accuracy.value for cell in second.cells] == [
        cell.performance.accuracy.value for cell in first.cells]


def changed_model(plan, inputs):
    return plan, with_models(inputs, victim=tiny_classifier(inputs.images.classes, 48, seed=9))


@pytest.mark.slow
@pytest.mark.parametrize("change", [
    lambda plan, inputs: (plan.model_copy(update={"seed": 43}), inputs),
    pytest.param(lambda plan, inputs: (plan.model_copy(update={"limit": 5}), inputs), marks=pytest.mark.slow),
    pytest.param(lambda plan, inputs: (make_plan(**{**QUICK, "attacks": [{**NOISE, "strengths": [0.2]}]}), inputs),
                 marks=pytest.mark.slow),
    changed_model,
], ids=["seed", "limit", "strength", "weights"])
def test_whatever_the_predictions_depend_on_makes_them_anew(inputs, tmp_path, change):
    plan = make_plan(**QUICK)
    run_audit(plan, inputs, tmp_path)
    before = tables(tmp_path)
    run_audit(*change(plan, inputs), tmp_path)
    assert tables(tmp_path) != before


@pytest.mark.slow
def test_other_pictures_in_the_style_folder_make_them_anew(inputs, tmp_path):
    styles = tmp_path / "styles"
    styles.mkdir()
    made = []
    for size, shade in ((31, 255), (33, 0)):  # the size too, because a bank is read once a process
        Image.effect_noise((64, 64), shade + 20).save(styles / "a.png")
        attack = {**STYLE, "options": {"generator": "fourier", "styles": str(styles), "style_size": size}}
        run_audit(make_plan(**{**QUICK, "attacks": [attack]}), inputs, tmp_path / "run")
        made.append(tables(tmp_path / "run"))
    assert made[0] != made[1]


@pytest.mark.slow
def test_tables_of_two_plans_are_never_taken_for_one_another(inputs, tmp_path, monkeypatch):
    first, second = make_plan(**QUICK), make_plan(**QUICK, seed=43)
    run_audit(first, inputs, tmp_path)
    wanted = tables(tmp_path)

    def stopping(*_given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_file, "write_json", stopping)
        with pytest.raises(KeyboardInterrupt):
            run_audit(second, inputs, tmp_path)
    assert not (tmp_path / "result.json").exists()
    run_audit(first, inputs, tmp_path)
    assert tables(tmp_path) == wanted


class Rewritten(TorchClassifier):
    """The same weights and card, and code that was changed."""

    def logits(self, images):
        return super().logits(images).flip(1)


def other_constants(victim):
    """The same weights under other constants of pre-processing, by an adapter that keeps its fingerprint."""
    return Rewritten(victim.module, victim.card)


def changed_network(victim):
    """The same weights in a network that was changed in place."""
    return TorchClassifier(nn.Sequential(victim.module, nn.Softsign()), victim.card)


@pytest.mark.slow
@pytest.mark.parametrize("change", [other_constants, changed_network])
def test_changed_code_under_the_same_weights_makes_figures_anew(inputs, tmp_path, change, monkeypatch):
    """Same weights, same card, same fingerprint: 58 % was printed where a fresh folder said 20 %."""
    victim = inputs.classifiers["victim"]
    monkeypatch.setattr(TorchClassifier, "fingerprint", lambda self: "the same")
    run_audit(make_plan(**QUICK), inputs, tmp_path / "used")
    changed = with_models(inputs, victim=change(victim))
    run_audit(make_plan(**QUICK), changed, tmp_path / "used")
    run_audit(make_plan(**QUICK), changed, tmp_path / "fresh")
    assert tables(tmp_path / "used") == tables(tmp_path / "fresh")


@pytest.mark.slow
@pytest.mark.parametrize("pieces", [0, 1])
def test_a_full_disk_is_one_sentence_and_nothing_half_written(inputs, tmp_path, monkeypatch, pieces):
    real, calls = Path.write_bytes, []

    def full(self, content):
        calls.append(1)
        if len(calls) > pieces:
            real(self, b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, content)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(StorageError, match=r"no space left on device; free some space .* it resumes"):
            run_audit(make_plan(**QUICK), inputs, tmp_path)
    assert files_in(tmp_path) == ["plan.yaml"]
    kept = list((tmp_path / "units").rglob("*.parquet"))
    assert len(kept) == pieces
    calls = stop_after(monkeypatch, 99)
    run_audit(make_plan(**QUICK), inputs, tmp_path)
    assert len(calls) == 9 - pieces
