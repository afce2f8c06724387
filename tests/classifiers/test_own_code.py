from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from radversary.classifiers.own_code import names_code
from radversary.classifiers.registry import load
from radversary.core.errors import ModelError, UnknownNameError, UnsafeModelError
from radversary.study.from_python import audit
from radversary.study.placing import load_alone, load_model

CODE = dedent("""
    import torch
    from radversary.classifiers import wrap
    import weights_beside

    class Network(torch.nn.Sequential):
        def __init__(self):
            super().__init__(torch.nn.Flatten(), torch.nn.Linear(3 * 64, 2))

    def build():
        network = Network()
        torch.nn.init.constant_(network[1].weight, weights_beside.VALUE)
        return wrap(network, classes=["Normal", "Pneumonia"], size=8, name="mine")

    victim = build()
    bare = Network()
    nothing = {"classes": 2}

    def one_class():
        return wrap(Network(), classes=["Normal"], size=8)

    def of(what):
        return what

    def broken():
        raise KeyError("layer3")

    def left():
        raise SystemExit(4)
""")


@pytest.fixture
def code(tmp_path, monkeypatch) -> Iterator[Path]:
    """A file with models of a person's own, in the working folder, and a module that it imports beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    (tmp_path / "weights_beside.py").write_text("VALUE = 0.25\n", encoding="utf-8")
    (tmp_path / "my_model.py").write_text(CODE, encoding="utf-8")
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "networks.py").write_text(CODE, encoding="utf-8")
    yield tmp_path / "my_model.py"
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize("reference", ["my_model.py:build", "./my_model.py:victim", "my_model:build",
                                       "my_package.networks:victim", "my_package/networks.py:build"])
def test_code_that_a_person_names_gives_its_classifier(code, reference):
    assert names_code(reference)
    classifier = load(reference, allow_code=True)
    assert (classifier.card.name, classifier.card.architecture, classifier.card.classes) == (
        "mine", "Network", ("Normal", "Pneumonia"))
    assert classifier.logits(torch.zeros(2, 1, 8, 8)).shape == (2, 2)
    assert len(classifier.fingerprint()) == 64


def test_code_is_found_by_its_whole_path_and_read_anew(code, monkeypatch):
    monkeypatch.chdir(code.parent / "my_package")
    before = load(f"{code}:victim", allow_code=True).card.name
    code.write_text(CODE.replace('name="mine"', 'name="other"'), encoding="utf-8")
    assert (before, load(f"{code}:victim", allow_code=True).card.name) == ("mine", "other")


@pytest.mark.parametrize(("reference", "kind", "problem"), [
    ("absent.py:build", ModelError, "there is no file absent.py to import a model from"),
    ("absent:build", ModelError, "there is no model at absent, and no module 'absent' to import one from"),
    ("my_package.absent:build", ModelError, "no module 'my_package.absent' to import one from"),
    ("my_model.py", ModelError, r"my_model.py names no model in that file; add the name .* my_model.py:build"),
    ("my_model.py:biuld", UnknownNameError, "unknown attribute of my_model.py 'biuld'; did you mean 'build'"),
    ("my_model.py:nothing", ModelError, "gives a dict, expected a classifier: a torch.nn.Module as wrap"),
    ("my_model.py:Path", UnknownNameError, "unknown attribute of my_model.py 'Path'"),
    ("my_model.py:bare", ModelError, r"gives a Network without a card, .* classes, size .* wrap\(network, "),
    ("my_model.py:Network", ModelError, "gives a Network without a card"),
    ("my_model.py:one_class", ModelError, "a classifier needs two classes at least"),
    ("my_model.py:of", ModelError, r"calling my_model.py:of without arguments ended with TypeError: .*'what'"),
    ("my_model.py:broken", ModelError, r"ended with KeyError: 'layer3' \(my_model.py, line 26\)"),
    ("my_model.py:left", ModelError, "ended with SystemExit: 4"),
])
def test_code_that_gives_no_classifier_is_refused_in_a_sentence(code, reference, kind, problem):
    with pytest.raises(kind, match=problem) as raised:
        load(reference, allow_code=True)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("content", "problem"), [
    ("def build(:\n", "importing my_model.py ended with SyntaxError: .*line 1"),
    ("\nimport absent_library\n", r"ModuleNotFoundError: No module named 'absent_library' \(my_model.py, line 2\)"),
    ("1 / 0\n", r"ZeroDivisionError: division by zero \(my_model.py, line 1\)"),
    ("raise SystemExit\n", "SystemExit"),
    ("raise ValueError('a\\nb')\n", r"ValueError: a\\nb \(my_model.py, line 1\)"),
])
def test_code_that_ends_with_an_error_is_one_sentence(code, content, problem):
    code.write_text(content, encoding="utf-8")
    for reference in ("my_model.py:build", "my_model:build"):
        with pytest.raises(ModelError, match=problem.replace("my_model.py ended", r"my_model(\.py)? ended")) as raised:
            load(reference, allow_code=True)
        assert "\n" not in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["my_model.py:build", "my_model:build", "my_package.networks:victim",
                                       "my_model.py"])
def test_code_is_refused_and_not_run_unless_it_is_allowed(code, reference):
    ran = code.with_name("ran")
    for file in (code, code.parent / "my_package" / "networks.py"):
        file.write_text(f"open({str(ran)!r}, 'w').close()\n" + CODE, encoding="utf-8")
    for loading in (load, load_model, load_alone):
        with pytest.raises(UnsafeModelError, match=r"is Python code, .* add --allow-code \(in Python"):
            loading(reference)
    with pytest.raises(UnsafeModelError, match="allow_code=True"):
        audit(reference, {"name": "phantoms", "options": {"count": 3}})
    assert not ran.exists()


def test_code_beside_a_library_of_its_name_replaces_it_for_nobody(code):
    (code.parent / "json.py").write_text(CODE, encoding="utf-8")
    assert load("json.py:build", allow_code=True).card.name == "mine"
    assert sys.modules["json"].__name__ == "json"
    assert hasattr(sys.modules["json"], "dumps")


def test_what_no_person_named_as_code_is_none(code):
    for reference in ("runs/model", "model.safetensors", "remote://host.py:443", "a b:c", "model:", "x" * 5000, "\0:a"):
        assert not names_code(reference), reference
    (code.parent / "mine").write_bytes(b"")
    assert not names_code(str(code.parent / "mine"))


@pytest.mark.slow
def test_a_saved_model_loads_although_its_folder_is_named_like_code(code, make_saved):
    for name in ("model.py", "model.py:build"):
        assert not names_code(str(make_saved(code.parent / name)))
        assert load(code.parent / name).card.architecture == "vgg"


@pytest.fixture
def make_saved():
    from radversary.classifiers import save_classifier, wrap
    from radversary.classifiers.networks import build_network

    def make(folder: Path) -> Path:
        save_classifier(wrap(build_network("vgg", classes=2), classes=("a", "b"), size=32, architecture="vgg"), folder)
        return folder
    return make


