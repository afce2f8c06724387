from __future__ import annotations

import numpy as np
import pytest
import torch
import typer
import yaml
from PIL import Image

from radversary import __version__
from radversary.attacks.registry import ATTACKS
from radversary.cli.main import app
from radversary.data.prepared import PreparedImages
from radversary.detectors.registry import DETECTORS
from radversary.study.plan import DataPlan
from radversary.study.prepare import prepare

CLASSES = ("Normal", "Pneumonia", "Pneumothorax")


def verbs(command=None, path=()):
    """All verbs of the command line, groups included, as tuples of words."""
    command = command or typer.main.get_command(app)
    found = [path]
    for name, inner in getattr(command, "commands", {}).items():
        found += verbs(inner, (*path, name))
    return found


@pytest.mark.parametrize("words", verbs(), ids=lambda words: " ".join(words) or "radversary")
def test_every_verb_explains_itself(radversary, words):
    outcome = radversary(*words, "--help")
    assert outcome.code == 0
    assert "Usage: " in outcome.out
    assert outcome.err == ""


def test_the_verbs_are_those_of_the_issues():
    assert {words[0] for words in verbs() if words} == {"demo", "run", "data", "train", "attack", "detect", "audit",
                                                        "report", "compare", "figures", "list", "detector", "screen"}
    assert {words[1] for words in verbs() if words[:1] == ("detector",) and len(words) > 1} == {
        "fit", "calibrate", "check", "evaluate", "families"}
    assert {words[1] for words in verbs() if words[:1] == ("data",) and len(words) > 1} == {"prepare", "check",
                                                                                           "phantoms"}


def test_version(radversary):
    assert radversary("--version") == (0, f"radversary {__version__}\n", "")


def test_list_names_everything_or_one_family(radversary):
    everything = radversary("list").out
    assert all(name in everything for name in (*ATTACKS.names(), *DETECTORS.names(), "jpeg", "phantoms", "resnet50",
                                             "restorers.denoiser", "models.robust"))
    detectors = radversary("list", "detectors").out
    assert all(name in detectors for name in DETECTORS.names())
    assert "style-transfer" not in detectors


def test_attack_writes_one_file_a_strength_and_names_it(radversary, film, tmp_path):
    outcome = radversary("attack", film, "--out", tmp_path / "out", "--strength", 0, "--strength", 0.5, "--size", 48,
                         "--option", "generator=fourier", "--option", "count=3")
    assert outcome.code == 0
    assert outcome.out.split() == [str(tmp_path / "out" / name) for name in ("film-0.png", "film-0.5.png")]
    assert "1 of 1 images attacked with StyleTransferAttack(generator='fourier'" in outcome.err
    untouched, attacked = (np.asarray(Image.open(path), dtype=float) for path in outcome.out.split())
    assert untouched.shape == attacked.shape == (48, 48)
    assert np.abs(untouched - attacked).max() > 3


def test_attack_takes_a_folder_leaves_out_what_is_no_image_and_repeats_itself(radversary, film, tmp_path):
    (tmp_path / "in").mkdir()
    film.rename(tmp_path / "in" / "film.png")
    (tmp_path / "in" / "notes.txt").write_text("no image")
    made = []
    for name in "ab":
        outcome = radversary("attack", tmp_path / "in", "--out", tmp_path / name, "--name", "noise", "--strength", 0.1)
        assert outcome.code == 0
        assert "left out: cannot read" in outcome.err
        assert "1 of 2 images attacked" in outcome.err
        made.append((tmp_path / name / "film-0.1.png").read_bytes())
    assert made[0] == made[1]


def test_detect_says_what_changed_by_words_and_by_exit_code(radversary, film, tmp_path):
    radversary("attack", film, "--out", tmp_path, "--strength", 1, "--size", 64, "--option", "generator=fourier")
    clean = radversary("detect", film, film)
    assert (clean.code, clean.out.splitlines()[-1]) == (0, "verdict: no sign of manipulation")
    assert "ssim: 1.0000 (1 is equal)" in clean.out
    attacked = radversary("detect", film, tmp_path / "film-1.png", "--evidence", tmp_path / "evidence.png")
    assert (attacked.code, attacked.out.splitlines()[-1]) == (1, "verdict: manipulated")
    assert Image.open(tmp_path / "evidence.png").width > 200


def test_phantoms_are_drawn_prepared_and_checked(radversary, tmp_path):
    drawn = radversary("data", "phantoms", "--out", tmp_path / "films", "--count", 45, "--size", 48)
    assert (drawn.code, drawn.out) == (0, f"45 phantoms in {tmp_path / 'films'}\n")
    prepared = radversary("data", "prepare", "folder", "--root", tmp_path / "films", "--out", tmp_path / "set",
                          "--size", 32)
    assert prepared.code == 0
    assert "45 images prepared" in prepared.out
    assert "a classifier that sees only brightness: balanced accuracy" in prepared.out
    assert "patients" not in prepared.err  # all known, from labels.csv; the masks are no class
    images = PreparedImages.load(tmp_path / "set" / "prepared")
    assert (len(images), images.classes, images.parts) == (45, CLASSES, ("train", "validation", "test"))
    checked = radversary("data", "check", tmp_path / "set")
    assert checked.code == 0
    assert checked.out.splitlines()[-1] == "no patient and no film is in two parts"


def test_check_finds_a_patient_in_two_parts(radversary, phantoms, tmp_path):
    plan = DataPlan.model_validate({"source": {"name": "folder", "options": {"root": str(phantoms)}}, "size": 32,
                                    "split": "leaky", "balance": False})
    prepare(plan, tmp_path / "set", seed=1)
    outcome = radversary("data", "check", tmp_path / "set")
    assert outcome.code == 2
    assert "error: the data leaks: " in outcome.err
    assert "in more than one part" in outcome.err


@pytest.mark.slow
def test_a_saved_model_is_audited_and_its_report_drawn_again(radversary, make_model, phantoms, tmp_path):
    torch.manual_seed(0)
    plan = tmp_path / "plan.yaml"
    plan.write_text(yaml.safe_dump({"attacks": [{"label": "noise", "name": "noise", "strengths": [0.1]}],
                                    "bootstrap": 100, "exhibits": 0, "false_alarms": 0.2}))
    outcome = radversary("audit", "--model", make_model(*CLASSES), "--data", "folder", "--root", phantoms,
                         "--plan", plan, "--out", tmp_path / "run")
    assert outcome.code == 0
    assert "Accuracy, %" in outcome.out
    report = tmp_path / "run" / "report.html"
    assert outcome.out.splitlines()[-1] == f"report: {report.resolve()}"
    before = report.read_bytes()
    report.unlink()
    assert radversary("report", tmp_path / "run").code == 0
    assert report.read_bytes() == before
    assert "| noise | 0.1 |" in radversary("report", tmp_path / "run", "--format", "markdown").out


def test_a_study_runs_from_its_plan(radversary, make_model, phantoms, tmp_path):
    make_model("a", "b")  # registers the tiny architecture
    phase = {"name": "all", "trunk": "trained", "epochs": 1, "learning_rate": 1e-2, "schedule": "one-cycle"}
    plan = tmp_path / "plan.yaml"
    plan.write_text(yaml.safe_dump({
        "name": "tiny", "bootstrap": 100, "exhibits": 0, "false_alarms": 0.2,
        "data": {"source": {"name": "folder", "options": {"root": str(phantoms)}}, "size": 48},
        "models": {"victim": {"training": {"architecture": "tiny", "start": "random", "batch_size": 8,
                                           "phases": [phase]}}},
        "attacks": [{"label": "noise", "name": "noise", "strengths": [0.1]}]}))
    trained = radversary("train", "classifier", plan, "--out", tmp_path / "run", "--device", "cpu")
    assert trained.code == 0
    assert "victim: " in trained.err
    outcome = radversary("run", plan, "--out", tmp_path / "run", "--device", "cpu")
    assert outcome.code == 0
    assert "Where the time went" in outcome.out
    assert (tmp_path / "run" / "report.html").is_file()


def test_ctrl_c_is_one_line(radversary, film, tmp_path, monkeypatch):
    def stopped(*_given, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("radversary.cli.pictures.attack_file", stopped)
    outcome = radversary("attack", film, "--out", tmp_path / "out", "--name", "noise")
    assert outcome.code == 130
    assert outcome.err.splitlines() == ["stopped; the same command goes on where this one was"]
