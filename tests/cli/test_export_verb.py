"""``radversary export`` on the result of an audit."""

from __future__ import annotations

import json
import sys

import pytest
from run_factory import write_run

FILES = {"chai": "model-card.chai.xml", "huggingface": "README.md", "sbom": "sbom.cdx.json"}


@pytest.fixture
def run(tmp_path):
    write_run(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("form", FILES)
def test_each_format_writes_its_file_into_the_run_and_again_the_same(run, radversary, form):
    said = radversary("export", run, "--format", form)
    assert (said.code, said.out.strip()) == (0, f"{form}: {run / FILES[form]}")
    first = (run / FILES[form]).read_bytes()
    assert radversary("export", run, "--format", form).code == 0
    assert (run / FILES[form]).read_bytes() == first


@pytest.mark.slow
def test_gaps_are_named_on_standard_error_and_the_missing_score_too(run, radversary):
    said = radversary("export", run, "--format", "chai")
    assert "gap: BasicInfo/ModelDeveloper: not stated; --card, key developer" in said.err
    assert "note: no security score:" in said.err


@pytest.mark.slow
def test_a_template_is_written_once_and_read_as_a_card(run, radversary):
    assert radversary("export", run, "--format", "chai", "--template").code == 0
    card = run / "maker-card.yaml"
    card.write_text(card.read_text().replace("developer: ''", "developer: Ward 7"))
    again = radversary("export", run, "--format", "chai", "--template")
    assert (again.code, "Ward 7" in card.read_text()) == (2, True)
    said = radversary("export", run, "--format", "chai", "--card", card, "--out", run / "new" / "card.xml")
    assert said.code == 0
    assert "ModelDeveloper" not in said.err
    assert "<ModelDeveloper>Ward 7</ModelDeveloper>" in (run / "new" / "card.xml").read_text()


@pytest.mark.slow
def test_a_page_that_is_not_ours_is_kept(run, radversary):
    (run / "README.md").write_text("my own page")
    left = radversary("export", run, "--format", "huggingface")
    assert (left.code, left.err.count("\n")) == (2, 1)
    assert (run / "README.md").read_text() == "my own page"


@pytest.mark.slow
@pytest.mark.parametrize(("words", "said"), [
    (("--format", "chai", "--profile", "mirs-1.1"), "unknown profile 'mirs-1.1'; did you mean 'mirs-1.0'?"),
    (("--format", "sbom", "--profile", "mirs-1.0"), "--profile is for --format chai and huggingface and mlflow"),
    (("--format", "smob"), "unknown format 'smob'; did you mean 'sbom'?"),
    (("--format", "sbom", "--card", "x.yaml"), "--card is for --format chai and huggingface, not for sbom"),
    (("--format", "mlflow", "--out", "x"), "--out is for --format chai and huggingface and sbom"),
    (("--format", "chai", "--tracking-uri", "x"), "--tracking-uri is for --format mlflow"),
    (("--format", "sbom", "--with-identifiers"), "--with-identifiers is for --format mlflow, not for sbom"),
    (("--format", "chai", "--card", "none.yaml"), "cannot read plan none.yaml")])
def test_bad_input_is_one_sentence(run, radversary, words, said):
    left = radversary("export", run, *words)
    assert left.code == 2
    assert said in left.err
    assert left.err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(("form", "module", "extra"), [("sbom", "cyclonedx.output.json", "sbom"),
                                                       ("mlflow", "mlflow", "mlflow")])
def test_a_missing_extra_is_named(run, radversary, monkeypatch, form, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    left = radversary("export", run, "--format", form)
    assert left.code == 2
    assert f"pip install 'radversary[{extra}]'" in left.err


@pytest.mark.slow
def test_a_run_that_was_changed_is_refused(run, radversary):
    document = json.loads((run / "result.json").read_text())
    document["provenance"]["predictions sha256"] = "00" * 32
    (run / "result.json").write_text(json.dumps(document))
    (run / "predictions.parquet").write_bytes(b"other")
    left = radversary("export", run, "--format", "sbom")
    assert left.code == 2
    assert not (run / "sbom.cdx.json").exists()


@pytest.mark.slow
def test_mlflow_says_where_and_that_it_lay_there(run, radversary, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    first, again = (radversary("export", run, "--format", "mlflow") for _ in range(2))
    assert (first.code, again.code) == (0, 0)
    assert f" in sqlite:///{run / 'mlflow.db'}" in first.out
    assert "note: report.html was not sent, and what was sent names no image, site or path" in first.err
    assert "lay already in" in again.out
    assert "note: nothing was sent" in again.err
    whole = radversary("export", run, "--format", "mlflow", "--with-identifiers", "--experiment", "whole")
    assert "result.json, plan.yaml, environment.json were sent as they lie" in whole.err
