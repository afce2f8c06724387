from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import typer
import yaml
from PIL import Image

from radversary import __version__
from radversary.attacks.registry import ATTACKS
from radversary.classifiers.files import save_classifier
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import wrap
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


@pytest.mark.slow
@pytest.mark.parametrize("words", verbs(), ids=lambda words: " ".join(words) or "radversary")
def test_every_verb_explains_itself(radversary, words):
    outcome = radversary(*words, "--help")
    assert outcome.code == 0
    assert "Usage: " in outcome.out
    assert outcome.err == ""


@pytest.mark.slow
def test_the_verbs_are_those_of_the_issues():
    assert {words[0] for words in verbs() if words} == {"demo", "run", "data", "train", "attack", "detect", "audit",
                                                        "report", "compare", "figures", "list", "detector", "screen",
                                                        "model", "score", "gate", "seal", "verify", "export", "serve",
                                                        "worker", "admin"}
    assert {words[1] for words in verbs() if words[:1] == ("detector",) and len(words) > 1} == {
        "fit", "calibrate", "check", "evaluate", "families"}
    assert {words[1] for words in verbs() if words[:1] == ("data",) and len(words) > 1} == {"prepare", "check",
                                                                                           "phantoms"}


def test_version(radversary):
    assert radversary("--version") == (0, f"radversary {__version__}\n", "")


@pytest.mark.slow
def test_list_names_everything_or_one_family(radversary):
    everything = radversary("list").out
    assert all(name in everything for name in (*ATTACKS.names(), *DETECTORS.names(), "jpeg", "phantoms", "resnet50",
                                             "restorers.denoiser", "models.robust"))
    detectors = radversary("list", "detectors").out
    assert all(name in detectors for name in DETECTORS.names())
    assert "style-transfer" not in detectors


@pytest.mark.slow
def test_attack_writes_one_file_a_strength_and_names_it(radversary, film, tmp_path):
    outcome = radversary("attack", film, "--out", tmp_path / "out", "--strength", 0, "--strength", 0.5, "--size", 48,
                         "--option", "generator=fourier", "--option", "count=3")
    assert outcome.code == 0
    assert outcome.out.split() == [str(tmp_path / "out" / name) for name in ("film-0.png", "film-0.5.png")]
    assert "1 of 1 images attacked with StyleTransferAttack(goal='untargeted', generator='fourier'" in outcome.err
    untouched, attacked = (np.asarray(Image.open(path), dtype=float) for path in outcome.out.split())
    assert untouched.shape == attacked.shape == (48, 48)
    assert np.abs(untouched - attacked).max() > 3


@pytest.mark.slow
def test_attack_takes_a_folder_leaves_out_what_is_no_image_and_repeats_itself(radversary, film, tmp_path):
    (tmp_path / "in").mkdir()
    film.rename(tmp_path / "in" / "film.png")
    for name in ("notes.txt", ".DS_Store", "Thumbs.db", "desktop.ini", "film.json"):
        (tmp_path / "in" / name).write_text("no image")
    (tmp_path / "in" / "__MACOSX").mkdir()
    (tmp_path / "in" / "__MACOSX" / "._film.png").write_text("no image")
    (tmp_path / "in" / "damaged.png").write_text("no image")
    made = []
    for name in "ab":
        outcome = radversary("attack", tmp_path / "in", "--out", tmp_path / name, "--name", "noise", "--strength", 0.1)
        assert outcome.code == 0
        assert outcome.err.count("left out: cannot read") == 1
        assert "damaged.png: by its content it is neither PNG, JPEG nor DICOM" in outcome.err
        assert "1 of 2 images attacked" in outcome.err
        made.append((tmp_path / name / "film-0.1.png").read_bytes())
    assert made[0] == made[1]


@pytest.mark.slow
@pytest.mark.parametrize("names", [("a/film.png", "b/film.png"), ("film.png", "film.jpg"), ("a_b.png", "a/b.png")])
def test_outputs_of_films_of_one_name_do_not_overwrite_each_other(radversary, film, tmp_path, names):
    for name in names:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.open(film).save(tmp_path / "in" / name)
    for places in ([tmp_path / "in"], [tmp_path / "in" / name for name in names]):
        outcome = radversary("attack", *places, "--out", tmp_path / "out", "--name", "noise", "--strength", 0.1)
        assert outcome.code == 0
        assert len(set(outcome.out.split())) == 2
        assert all(Path(path).is_file() for path in outcome.out.split())


@pytest.mark.slow
def test_two_folders_of_films_of_equal_names_are_told_apart(radversary, film, tmp_path):
    for place in ("studyA", "studyB"):
        (tmp_path / place).mkdir()
        Image.open(film).save(tmp_path / place / "film.png")
    outcome = radversary("attack", tmp_path / "studyA", tmp_path / "studyB", "--out", tmp_path / "out", "--name",
                         "noise", "--strength", 0.1)
    assert sorted(Path(path).name for path in outcome.out.split()) == ["studyA_film-0.1.png", "studyB_film-0.1.png"]


@pytest.mark.slow
def test_attack_and_detect_keep_colour_and_depth(radversary, tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "colour.png")
    Image.fromarray(rng.integers(0, 65536, (64, 64), dtype=np.uint16)).save(tmp_path / "deep.png")
    outcome = radversary("attack", tmp_path / "colour.png", tmp_path / "deep.png", "--out", tmp_path / "out", "--name",
                         "noise", "--strength", 0, "--size", 64)
    assert outcome.code == 0
    for name in ("colour", "deep"):
        before, after = (np.asarray(Image.open(path)) for path in (
            tmp_path / f"{name}.png", tmp_path / "out" / f"{name}-0.png"))
        np.testing.assert_array_equal(before, after)
    tinted = np.asarray(Image.open(tmp_path / "colour.png")).copy()
    tinted[..., 2] = 255 - tinted[..., 2]  # the luma changes little, the blue channel entirely
    Image.fromarray(tinted).save(tmp_path / "tinted.png")
    seen = radversary("detect", tmp_path / "colour.png", tmp_path / "tinted.png")
    assert (seen.code, seen.out.splitlines()[-1]) == (1, "verdict: manipulated")


@pytest.mark.slow
def test_awkward_file_names_stop_nothing(radversary, film, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("caf\udce9.png", "new\nline.png", "red\x1b[31m.png"):
        Image.open(film).save(tmp_path / "in" / name)
    (tmp_path / "in" / "damaged\udcff.png").write_text("no image")
    outcome = radversary("attack", tmp_path / "in", "--out", tmp_path / "out", "--name", "noise", "--strength", 0.1)
    assert outcome.code == 0
    assert "3 of 4 images attacked" in outcome.err
    assert "damaged\\udcff.png: by its content it is neither" in outcome.err
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == [
        "caf\\udce9-0.1.png", "new\\nline-0.1.png", "red\\x1b[31m-0.1.png"]


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 30])
def test_files_left_out_are_listed_up_to_a_number_and_counted(radversary, tmp_path, count):
    lines = ["Image Index,Finding Labels,Patient ID"]
    for number in range(12 + count):
        lines.append(f"{number}.png,{'Pneumonia' if number % 2 else 'No Finding'},{number}")
        if number < 12:
            Image.new("L", (40, 40), 20 * number).save(tmp_path / f"{number}.png")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    outcome = radversary("data", "prepare", "nih", "--root", tmp_path, "--out", tmp_path / "out", "--size", 32)
    assert outcome.code == 0
    assert f"12 images prepared in {tmp_path / 'out' / 'prepared'}, {count} left out" in outcome.out
    assert outcome.err.count("left out: cannot read") == min(count, 20)
    assert ("left out: 10 more" in outcome.err) == (count == 30)


@pytest.mark.slow
def test_check_says_what_was_not_checked(radversary, film, tmp_path):
    for label in ("Normal", "Pneumonia"):
        for number in range(6):
            path = tmp_path / "films" / label / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng([number, len(label)])
            Image.fromarray(rng.integers(0, 256, (40, 40), dtype=np.uint8)).save(path)
    prepared = radversary("data", "prepare", "folder", "--root", tmp_path / "films", "--out", tmp_path / "out",
                          "--size", 32)
    assert prepared.code == 0
    checked = radversary("data", "check", tmp_path / "out")
    assert checked.code == 0
    assert checked.out.splitlines()[-2:] == [
        "no film is in two parts",
        "not checked: whether a patient is in two parts: the patients of 12 of 12 images are not known"]


@pytest.mark.slow
@pytest.mark.parametrize("side", [1, 2, 10])
def test_images_too_small_to_compare_are_one_sentence(radversary, tmp_path, side):
    Image.new("L", (side, side), 9).save(tmp_path / "a.png")
    outcome = radversary("detect", tmp_path / "a.png", tmp_path / "a.png")
    assert outcome.code == 2
    assert f"comparing a.png with its copy needs images of at least 11 x 11 pixels, got {side} x {side}" in outcome.err


@pytest.mark.slow
def test_detect_says_what_changed_by_words_and_by_exit_code(radversary, film, tmp_path):
    radversary("attack", film, "--out", tmp_path, "--strength", 1, "--size", 64, "--option", "generator=fourier")
    clean = radversary("detect", film, film)
    assert (clean.code, clean.out.splitlines()[-1]) == (0, "verdict: no sign of manipulation")
    assert "ssim: 1.0000 (1 is equal)" in clean.out
    attacked = radversary("detect", film, tmp_path / "film-1.png", "--evidence", tmp_path / "evidence.png")
    assert (attacked.code, attacked.out.splitlines()[-1]) == (1, "verdict: manipulated")
    assert Image.open(tmp_path / "evidence.png").width > 200


@pytest.mark.slow
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


@pytest.mark.slow
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
                                    "bootstrap": 100, "gallery": 0, "probe_images": 0, "false_alarms": 0.2}))
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


@pytest.mark.slow
def test_an_audit_is_shared_out_among_workers(radversary, phantoms, tmp_path):
    save_classifier(wrap(build_network("small-cnn", classes=3, seed=1), classes=CLASSES, size=48,
                         architecture="small-cnn"), tmp_path / "model")
    plan = tmp_path / "plan.yaml"
    plan.write_text(yaml.safe_dump({"attacks": [{"label": "step", "name": "fgsm", "strengths": [0.05]}],
                                    "bootstrap": 100, "gallery": 0, "probe_images": 0, "false_alarms": 0.2}))
    torch.set_num_threads(1)
    for workers in (1, 2):
        outcome = radversary("audit", "--model", tmp_path / "model", "--root", phantoms, "--plan", plan, "--out",
                             tmp_path / str(workers), "--workers", workers)
        assert outcome.code == 0, outcome.err
    one, two = ((tmp_path / str(workers) / "predictions.parquet").read_bytes() for workers in (1, 2))
    assert one == two
    assert radversary("audit", "--model", tmp_path / "model", "--workers", 0).code == 2


@pytest.mark.slow
def test_a_study_runs_from_its_plan(radversary, make_model, phantoms, tmp_path):
    make_model("a", "b")  # registers the tiny architecture
    phase = {"name": "all", "trunk": "trained", "epochs": 1, "learning_rate": 1e-2, "schedule": "one-cycle"}
    plan = tmp_path / "plan.yaml"
    plan.write_text(yaml.safe_dump({
        "name": "tiny", "bootstrap": 100, "gallery": 0, "probe_images": 0, "false_alarms": 0.2,
        "data": {"source": {"name": "folder", "options": {"root": str(phantoms)}}, "size": 48},
        "models": {"victim": {"training": {"architecture": "tiny", "start": "random", "batch_size": 8,
                                           "phases": [phase]}}},
        "attacks": [{"label": "noise", "name": "noise", "strengths": [0.1]}]}))
    trained = radversary("train", "classifier", plan, "--out", tmp_path / "run", "--device", "cpu")
    assert trained.code == 0
    assert "victim: " in trained.err
    outcome = radversary("run", plan, "--out", tmp_path / "run", "--device", "cpu")
    assert outcome.code == 0
    assert "Time of each step" in outcome.out
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.slow
def test_ctrl_c_is_one_line(radversary, film, tmp_path, monkeypatch):
    def stopped(*_given, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("radversary.cli.pictures.attack_file", stopped)
    outcome = radversary("attack", film, "--out", tmp_path / "out", "--name", "noise")
    assert outcome.code == 130
    assert outcome.err.splitlines() == ["stopped; the same command goes on where this one was"]
