from __future__ import annotations

import errno
import os
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from tiny_audit import NOISE, STYLE, files_in, make_plan, stop_after, with_models

from radversary.audit import run as run_file
from radversary.audit.run import run_audit
from radversary.core.errors import StorageError
from random_parts import tiny_classifier

TABLES = ("predictions.parquet", "detections.parquet")
QUICK = {"exhibits": 0, "defences": [], "attacks": [NOISE]}


def tables(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in TABLES]


@pytest.mark.parametrize("batches", [1, *(pytest.param(count, marks=pytest.mark.slow) for count in (0, 2))])
def test_killed_and_started_again_it_ends_with_the_same_bytes(subject, finished, tmp_path, monkeypatch, batches):
    with monkeypatch.context() as patch:
        stop_after(patch, batches)
        with pytest.raises(KeyboardInterrupt):
            run_audit(make_plan(), subject, tmp_path)
    assert not [name for name in files_in(tmp_path) if not name.startswith(".audit-") and name != "plan.yaml"]
    calls = stop_after(monkeypatch, 99)
    run_audit(make_plan(), subject, tmp_path)
    assert len(calls) == 3 - batches
    assert tables(tmp_path) == tables(finished[1])
    assert files_in(tmp_path) == files_in(finished[1])


@pytest.mark.slow
def test_a_kill_between_the_two_files_of_a_batch(subject, finished, tmp_path, monkeypatch):
    real, written = run_file.write_whole, []

    def stopping(path, write):
        if len(written) == 3:
            raise KeyboardInterrupt
        written.append(path)
        return real(path, write)

    with monkeypatch.context() as patch:
        patch.setattr(run_file, "write_whole", stopping)
        with pytest.raises(KeyboardInterrupt):
            run_audit(make_plan(), subject, tmp_path)
    run_audit(make_plan(), subject, tmp_path)
    assert tables(tmp_path) == tables(finished[1])


def test_a_second_run_measures_nothing(subject, tmp_path, monkeypatch):
    first = run_audit(make_plan(**QUICK), subject, tmp_path)
    before = tables(tmp_path)
    stop_after(monkeypatch, 0)
    second = run_audit(make_plan(**QUICK, bootstrap=200, name="renamed"), subject, tmp_path)
    assert tables(tmp_path) == before
    assert [cell.performance.accuracy.value for cell in second.cells] == [
        cell.performance.accuracy.value for cell in first.cells]


def changed_model(plan, subject):
    return plan, with_models(subject, victim=tiny_classifier(subject.images.classes, 48, seed=9))


@pytest.mark.parametrize("change", [
    lambda plan, subject: (plan.model_copy(update={"seed": 43}), subject),
    pytest.param(lambda plan, subject: (plan.model_copy(update={"limit": 5}), subject), marks=pytest.mark.slow),
    pytest.param(lambda plan, subject: (make_plan(**{**QUICK, "attacks": [{**NOISE, "strengths": [0.2]}]}), subject),
                 marks=pytest.mark.slow),
    changed_model,
], ids=["seed", "limit", "strength", "weights"])
def test_whatever_the_predictions_depend_on_makes_them_anew(subject, tmp_path, change):
    plan = make_plan(**QUICK)
    run_audit(plan, subject, tmp_path)
    before = tables(tmp_path)
    run_audit(*change(plan, subject), tmp_path)
    assert tables(tmp_path) != before


@pytest.mark.slow
def test_other_pictures_in_the_style_folder_make_them_anew(subject, tmp_path):
    styles = tmp_path / "styles"
    styles.mkdir()
    made = []
    for size, shade in ((31, 255), (33, 0)):  # the size too, because a bank is read once a process
        Image.effect_noise((64, 64), shade + 20).save(styles / "a.png")
        attack = {**STYLE, "options": {"generator": "fourier", "styles": str(styles), "style_size": size}}
        run_audit(make_plan(**{**QUICK, "attacks": [attack]}), subject, tmp_path / "run")
        made.append(tables(tmp_path / "run"))
    assert made[0] != made[1]


def test_tables_of_two_plans_are_never_taken_for_one_another(subject, tmp_path, monkeypatch):
    first, second = make_plan(**QUICK), make_plan(**QUICK, seed=43)
    run_audit(first, subject, tmp_path)
    wanted = tables(tmp_path)

    def stopping(*_given):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_file, "write_json", stopping)
        with pytest.raises(KeyboardInterrupt):
            run_audit(second, subject, tmp_path)
    run_audit(first, subject, tmp_path)
    assert tables(tmp_path) == wanted


@pytest.mark.parametrize("batches", [0, 1])
def test_a_full_disk_is_one_sentence_and_nothing_half_written(subject, tmp_path, monkeypatch, batches):
    real, calls = pd.DataFrame.to_parquet, []

    def full(self, path, **options):
        calls.append(1)
        if len(calls) > 2 * batches:
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(pd.DataFrame, "to_parquet", full)
        with pytest.raises(StorageError, match=r"no space left on device; free some space .* it resumes"):
            run_audit(make_plan(**QUICK), subject, tmp_path)
    kept = [name for name in files_in(tmp_path) if name != "plan.yaml"]
    assert len(kept) == 3 * batches  # two tables and the time it took
    assert all(name.startswith(".audit-") for name in kept)
    assert all(pd.read_parquet(tmp_path / name).size for name in kept if name.endswith(".parquet"))
    calls = stop_after(monkeypatch, 99)
    run_audit(make_plan(**QUICK), subject, tmp_path)
    assert len(calls) == 3 - batches
