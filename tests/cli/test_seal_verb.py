"""``radversary seal`` and ``radversary verify``: sentences and exit codes."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from run_folders import small_run

from radversary.cli import seal as seal_file


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A run; do not write there."""
    return small_run(tmp_path_factory.mktemp("original"))


@pytest.fixture
def run(original, tmp_path):
    return shutil.copytree(original, tmp_path / "run")


@pytest.fixture
def key(tmp_path, radversary, monkeypatch):
    monkeypatch.setenv(seal_file.PASSWORD, "")
    said = radversary("seal", "--new-key", tmp_path / "key.pem")
    assert said.code == 0
    assert "SHA-256" in said.out
    monkeypatch.delenv(seal_file.PASSWORD)
    return tmp_path / "key.pem"


@pytest.mark.slow
def test_an_unsigned_seal_is_said_to_be_one(run, radversary):
    said = radversary("seal", run)
    assert (said.code, "9 files sealed" in said.out, "not signed" in said.out) == (0, True, True)
    assert "can seal it again" in said.err
    said = radversary("verify", run)
    assert said.code == 0
    assert "signature: none" in said.out
    assert "as sealed: 9 files" in said.out
    assert "1 file not looked at: work of audits in units/" in said.err


@pytest.mark.slow
def test_changes_are_one_line_each_and_exit_code_1(run, radversary):
    radversary("seal", run)
    (run / "plan.yaml").write_text("seed: 2\n")
    (run / "report.html").unlink()
    (run / "more.json").write_text("{}")
    (run / "data" / "prepared" / "images.npy").unlink()
    said = radversary("verify", run)
    assert said.code == 1
    assert said.out.splitlines()[:3] == ["changed: plan.yaml", "missing: report.html", "added: more.json"]
    assert "NOT as sealed" in said.out
    assert "1 prepared images and weights are not here" in said.err
    found = json.loads(radversary("verify", run, "--format", "json").out)
    assert (found["intact"], found["changed"]) == (False, ["plan.yaml"])
    assert found["not_given"] == ["data/prepared/images.npy"]


@pytest.mark.slow
def test_who_signed_is_said(run, key, radversary, tmp_path, monkeypatch):
    public = tmp_path / "key.pem.pub"
    assert "signed by" in radversary("seal", run, "--key", key).out
    said = radversary("verify", run)
    assert (said.code, "which is not known" in said.out) == (0, True)
    said = radversary("verify", run, "--public-key", public)
    assert (said.code, "by the expected key" in said.out) == (0, True)
    monkeypatch.setenv(seal_file.PASSWORD, "secret")
    radversary("seal", "--new-key", tmp_path / "other.pem")
    said = radversary("verify", run, "--public-key", tmp_path / "other.pem.pub")
    assert (said.code, "another signer" in said.out) == (1, True)
    radversary("seal", run)
    assert radversary("verify", run, "--public-key", public).code == 1
    assert radversary("seal", run, "--key", tmp_path / "other.pem").code == 0


@pytest.mark.slow
@pytest.mark.parametrize(("words", "said"), [
    ((), "give the run's folder"),
    (("RUN", "--no-pictures"), "give --export DIR too"),
    (("RUN", "--new-key", "k"), "makes a key and nothing else"),
    (("nowhere",), "has no result.json"),
    (("RUN", "--key", "RUN/plan.yaml"), "no private key in PEM"),
    (("RUN", "--key", "absent.pem"), "cannot read the key"),
    (("RUN", "--export", "RUN/copy"), "lie in each other")])
def test_bad_input_to_seal_is_one_sentence(run, radversary, words, said):
    left = radversary("seal", *(word.replace("RUN", str(run)) for word in words))
    assert left.code == 2
    assert said in left.err
    assert left.err.count("\n") == 1
    assert not (run / "evidence.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, "{", '{"files": []}', "[]"])
def test_no_manifest_and_a_damaged_one_are_one_sentence(run, radversary, content):
    if content is not None:
        (run / "evidence.json").write_text(content)
    left = radversary("verify", run)
    assert (left.code, left.err.count("\n")) == (2, 1)
    assert "radversary seal RUN" in left.err
    assert radversary("verify", run, "--format", "xml").code == 2


def test_a_password_is_needed_where_there_is_no_terminal(radversary, tmp_path, monkeypatch):
    monkeypatch.delenv(seal_file.PASSWORD, raising=False)
    left = radversary("seal", "--new-key", tmp_path / "key.pem")
    assert left.code == 2
    assert seal_file.PASSWORD in left.err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_missing_library_is_said_with_the_way_to_get_it(run, key, radversary, monkeypatch):
    radversary("seal", run, "--key", key)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for words in (("seal", run, "--key", key), ("verify", run)):
        left = radversary(*words)
        assert left.code == 2
        assert "pip install 'radversary[seal]'" in left.err
    assert radversary("seal", run).code == 0


@pytest.mark.slow
def test_a_copy_is_sealed_and_the_run_is_left_as_it_is(run, key, radversary, tmp_path):
    (run / "predictions.parquet").unlink()
    (run / "figures" / "gallery" / "b.png").unlink()
    radversary("seal", run)
    said = radversary("seal", run, "--export", tmp_path / "copy", "--key", key)
    assert said.code == 0, said.err
    assert radversary("verify", tmp_path / "copy", "--public-key", tmp_path / "key.pem.pub").code == 0
    assert radversary("verify", run).out.count("changed") == 0
    assert radversary("report", tmp_path / "copy").code == 0
    assert radversary("verify", tmp_path / "copy").code == 0
