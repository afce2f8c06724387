"""Each bad input: exit code 2, one sentence on standard error, nothing half-written."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from radversary.attacks.registry import ATTACKS

CLASSES = ("Normal", "Pneumonia", "Pneumothorax")
NOISE = {"label": "noise", "name": "noise", "strengths": [0.1]}


def written(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def refused(radversary):
    """Run the command line, expect a refusal, and return its sentence."""
    def call(*arguments: object) -> str:
        outcome = radversary(*arguments)
        assert outcome.code == 2, outcome
        sentences = [line for line in outcome.err.splitlines() if line.startswith("error: ")]
        assert len(sentences) == 1, outcome.err
        assert "Traceback" not in outcome.err + outcome.out
        # Nothing follows but the lines that say how a pickle is converted.
        assert outcome.err.splitlines()[-1] == sentences[0] or "convert it with" in sentences[0]
        return sentences[0].removeprefix("error: ")
    return call


def plan_file(tmp_path, **changes) -> Path:
    path = tmp_path / "plan.yaml"
    phase = {"name": "all", "trunk": "trained", "epochs": 1, "learning_rate": 1e-3}
    training = {"architecture": "resnet18", "start": "random", "batch_size": 8, "phases": [phase]}
    data = {"source": {"name": "phantoms", "options": {"count": 45, "size": 48}}, "size": 48}
    content = {"name": "bad", "bootstrap": 100, "attacks": [NOISE], "models": {"victim": {"training": training}},
               "data": data, **changes}
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.slow
def test_an_image_that_cannot_be_read(refused, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert "cannot read" in refused("attack", tmp_path / "broken.png", "--out", tmp_path / "out")
    assert "cannot read" in refused("detect", tmp_path / "broken.png", tmp_path / "broken.png")
    assert written(tmp_path) == ["broken.png"]


@pytest.mark.slow
def test_a_file_that_is_not_there(refused, tmp_path, film):
    for arguments in (("attack", tmp_path / "none.png"), ("detect", film, tmp_path / "none.png"),
                      ("run", tmp_path / "none.yaml"), ("report", tmp_path / "none"),
                      ("data", "check", tmp_path / "none"),
                      ("data", "prepare", "folder", "--root", tmp_path / "none", "--out", tmp_path / "out"),
                      ("data", "prepare", "csv", "--labels", tmp_path / "none.csv", "--out", tmp_path / "out"),
                      ("data", "prepare", "nih", "--root", tmp_path / "none", "--out", tmp_path / "out")):
        assert "none" in refused(*arguments)
    assert written(tmp_path) == ["film.png"]


@pytest.mark.slow
def test_a_csv_without_the_column(refused, tmp_path):
    (tmp_path / "films.csv").write_text("path,diagnosys\na.png,Normal\n")
    text = refused("data", "prepare", "csv", "--labels", tmp_path / "films.csv", "--out", tmp_path / "out")
    assert "has no column 'label'" in text
    assert "path, diagnosys" in text
    text = refused("data", "prepare", "csv", "--labels", tmp_path / "films.csv", "--out", tmp_path / "out", "--option",
                   "columns={label: diagnosis}")
    assert "did you mean 'diagnosys'" in text
    assert written(tmp_path) == ["films.csv"]


@pytest.mark.slow
def test_one_class_only(refused, tmp_path):
    (tmp_path / "films" / "Normal").mkdir(parents=True)
    for number in range(6):
        Image.fromarray(np.full((40, 40), 40 * number, np.uint8)).save(tmp_path / "films" / "Normal" / f"{number}.png")
    assert "class" in refused("data", "prepare", "folder", "--root", tmp_path / "films", "--out", tmp_path / "out")
    assert not written(tmp_path / "out")


@pytest.mark.slow
def test_no_image_at_all(refused, tmp_path):
    (tmp_path / "films" / "Normal").mkdir(parents=True)
    assert "holds no class folder" in refused("data", "prepare", "folder", "--root", tmp_path / "films", "--out",
                                              tmp_path / "out")
    assert "no image in" in refused("attack", tmp_path / "films", "--out", tmp_path / "out")


@pytest.mark.slow
def test_fewer_images_than_a_batch(refused, tmp_path):
    plan = plan_file(tmp_path)
    content = yaml.safe_load(plan.read_text())
    content["models"]["victim"]["training"]["batch_size"] = 4000
    plan.write_text(yaml.safe_dump(content))
    assert "fewer than one batch of 4000" in refused("run", plan, "--out", tmp_path / "run")
    assert not (tmp_path / "run" / "result.json").exists()


@pytest.mark.slow
def test_a_style_folder_with_no_image(refused, tmp_path, film):
    (tmp_path / "styles").mkdir()
    text = refused("attack", film, "--out", tmp_path / "out", "--option", f"styles={tmp_path / 'styles'}")
    assert "holds no readable image" in text
    styles = {"label": "s", "name": "style-transfer", "options": {"styles": str(tmp_path / "styles")}}
    assert "holds no readable image" in refused("run", plan_file(tmp_path, attacks=[styles]), "--out", tmp_path / "run")
    assert written(tmp_path) == ["film.png", "plan.yaml"]


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "words"), [
    (("--name", "stlye-transfer"), "did you mean 'style-transfer'"),
    (("--strength", "1.5"), "opacity must lie in [0, 1], got 1.5"),
    (("--option", "generator=adian"), "did you mean 'adain'"),
    (("--option", "opactiy=1"), "did you mean 'opacity'"),
    (("--option", "generator"), "--option must be name=value"),
    (("--option", "generator=["), "not valid YAML"),
    (("--option", "name=x"), "unknown parameter of attack 'style-transfer' 'name'"),
    (("--option", "count=many"), "should be a valid integer"),
    (("--option", "styles=tset"), "did you mean 'test'"),
    (("--option", "generator=gatys"), "no VGG-19 weights found"),
])
def test_an_attack_that_cannot_be_built(refused, film, tmp_path, monkeypatch, arguments, words):
    monkeypatch.setenv("RADVERSARY_WEIGHTS", str(tmp_path / "none"))
    assert words in refused("attack", film, "--out", tmp_path / "out", "--size", 48, *arguments)
    assert written(tmp_path) == ["film.png"]


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "words"), [
    ({"atacks": []}, "did you mean 'attacks'"),
    ({"attacks": [{**NOISE, "name": "nose"}]}, "did you mean 'noise'"),
    ({"attacks": [NOISE, NOISE]}, "used twice"),
    ({"attacks": [{**NOISE, "strengths": [1.5]}]}, "deviation must lie in [0, 1]"),
    ({"defences": [{"label": "x", "model": "hardened"}]}, "not among the models"),
    ({"models": {}}, "one called 'victim'"),
    ({"data": {"source": {"name": "phantoms", "options": {"cuont": 5}}}}, "did you mean 'count'"),
    ({"data": {"source": {"name": "phantoms", "options": {"count": "many"}}}}, "should be a valid integer"),
    ({"models": {"victim": {"training": {"architecture": "resnet19", "start": "random"}}}}, "resnet18"),
])
def test_a_plan_that_contradicts_itself(refused, tmp_path, changes, words):
    assert words in refused("run", plan_file(tmp_path, **changes), "--out", tmp_path / "run")
    assert not (tmp_path / "run" / "result.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("classes", [("Normal", "Pneumonia"), ("a", "b", "c")])
def test_a_model_of_the_wrong_classes(refused, make_model, phantoms, tmp_path, classes):
    model = make_model(*classes)
    text = refused("audit", "--model", model, "--root", phantoms, "--out", tmp_path / "run")
    assert f"the model knows {len(classes)} classes" in text
    assert not written(tmp_path / "run")


@pytest.mark.slow
def test_models_that_are_refused(refused, make_model, phantoms, tmp_path):
    for name, content in (("model.pt", b"\x80\x02}q\x00."), ("renamed.safetensors", b"PK\x03\x04rest")):
        (tmp_path / name).write_bytes(content)
        assert "can run code when it is loaded" in refused_text(refused, tmp_path / name, phantoms, tmp_path)
    (tmp_path / "empty").mkdir()
    assert "holds no model.safetensors" in refused_text(refused, tmp_path / "empty", phantoms, tmp_path)
    assert "no model at" in refused_text(refused, tmp_path / "none", phantoms, tmp_path)
    model = make_model(*CLASSES)
    (model / "model.safetensors").write_bytes(b"damaged")
    assert "damaged" in refused_text(refused, model, phantoms, tmp_path)


def refused_text(refused, model, phantoms, tmp_path) -> str:
    return refused("audit", "--model", model, "--root", phantoms, "--out", tmp_path / "run")


@pytest.mark.slow
def test_a_device_that_is_not_here(refused, tmp_path):
    assert "device 'cuda:99' is not available" in refused("run", plan_file(tmp_path), "--out", tmp_path / "run",
                                                          "--device", "cuda:99")


@pytest.mark.slow
def test_unknown_families_formats_and_sources(refused, tmp_path):
    assert "did you mean 'attacks'" in refused("list", "atacks")
    assert "did you mean 'markdown'" in refused("report", tmp_path, "--format", "markdwon")
    assert "did you mean 'phantoms'" in refused("data", "prepare", "phantom", "--out", tmp_path / "out")
    assert "channels" in refused("data", "prepare", "phantoms", "--out", tmp_path / "out", "--channels", 2)
    assert "multiple of 16" in refused("train", "stylizer", "--out", tmp_path / "out", "--size", 50)
    assert written(tmp_path) == []


@pytest.mark.parametrize("content", ["", "{}", "not json"])
def test_a_run_folder_that_is_damaged(refused, tmp_path, content):
    (tmp_path / "result.json").write_text(content)
    assert "result.json is not an audit result" in refused("report", tmp_path)


def test_prepared_images_that_are_damaged(refused, tmp_path):
    (tmp_path / "prepared.json").write_text("{")
    assert "no whole set of prepared images" in refused("data", "check", tmp_path)


@pytest.mark.slow
def test_a_file_in_the_place_of_the_run_folder(refused, tmp_path, film):
    assert "film.png is in the way" in refused("run", plan_file(tmp_path), "--out", film)
    assert "film.png is in the way" in refused("attack", film, "--out", film, "--name", "noise")


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("attack",), ("run",), ("data", "phantoms", "--count", "1"), ("nonsense",),
                                       ("detect", "a.png"), ("attack", "a.png", "--strength", "much")])
def test_wrong_usage_has_exit_code_two_as_well(radversary, arguments):
    outcome = radversary(*arguments)
    assert outcome.code == 2
    assert "Traceback" not in outcome.err


def test_a_full_disk(refused, film, tmp_path, monkeypatch):
    def full(*_given):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    text = refused("attack", film, "--out", tmp_path / "out", "--name", "noise")
    assert "no space left on device" in text
    assert written(tmp_path) == ["film.png"]


def console_script(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "radversary.cli.main", *map(str, arguments)], text=True,
                          capture_output=True, timeout=120, check=False, **options)


@pytest.mark.slow
def test_a_real_process_ends_with_exit_code_two_and_one_line(film, tmp_path):
    done = console_script("attack", film, "--out", tmp_path / "out", "--name", "stlye-transfer")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("error: unknown attack 'stlye-transfer'; did you mean 'style-transfer'? "
                           f"Known: {', '.join(ATTACKS.names())}\n")


@pytest.mark.slow
def test_a_disk_that_really_refuses(phantoms, tmp_path):
    """The system's own limit on file size stands in for a full disk: the kernel refuses, not a mock."""
    done = console_script("data", "prepare", "folder", "--root", phantoms, "--out", tmp_path / "out", "--size", 64,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: cannot write ")
    assert written(tmp_path) == []
