"""Verbs with ``--server``: what lies here is sent to a platform, what comes out is brought here."""

from __future__ import annotations

import json
import zipfile

import pytest
import yaml

from radversary.client import Client
from radversary.report.html import load_result
from radversary.service.store.tables import Dataset, Job, Model
from service.conftest import PLAN, key, live, platform, settings, shelf, worker
from service.monitoring.conftest import bundle, films, guard

__all__ = ["bundle", "guard", "key", "live", "platform", "settings", "shelf", "worker"]


@pytest.fixture
def signed_in(key, monkeypatch):
    """The command line's key."""
    monkeypatch.setenv("RADVERSARY_KEY", key())


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(PLAN))
    return path


def count(platform, kind):
    with platform.database.session() as session:
        return session.query(kind).count()


@pytest.mark.slow
@pytest.mark.usefixtures("signed_in", "worker")
def test_an_audit_is_done_there_once_and_brought_here(radversary, live, platform, shelf, phantoms, plan, tmp_path):
    out = tmp_path / "run"
    asked = ("audit", "--server", live, "--model", shelf / "model", "--root", phantoms, "--plan", plan, "--out", out)
    outcome = radversary(*asked)
    assert outcome.code == 0, outcome.err
    assert f"report: {out / 'report.html'}" in outcome.out
    result = load_result(out)
    assert {cell.condition.attack for cell in result.cells} == {"clean", "identity", "step"}
    assert (out / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (out / "predictions.parquet").is_file()
    assert result.classes == ("Normal", "Pneumonia", "Pneumothorax")

    again = radversary(*asked)
    assert (again.code, again.out) == (0, outcome.out)
    assert [count(platform, kind) for kind in (Job, Model, Dataset)] == [1, 1, 1]

    other = radversary(*asked[:-4], "--plan", "quick", "--out", out)
    assert other.code == 2
    assert "holds another audit" in other.err
    assert radversary("score", out).code == 0  # the other verbs take it as any run


@pytest.mark.slow
@pytest.mark.usefixtures("signed_in", "worker")
def test_what_is_there_is_named(radversary, live, platform, shelf, phantoms, plan, tmp_path):
    packed = tmp_path / "films.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(phantoms.rglob("*.png")):
            archive.write(path, path.relative_to(phantoms))
    with Client(live) as client:
        client.register_model("victim", str(shelf / "model"))
        client.register_dataset("films", root=client.upload(packed))
    outcome = radversary("audit", "--server", live, "--model", "victim", "--data", "films", "--plan", plan, "--out",
                         tmp_path / "run")
    assert outcome.code == 0, outcome.err
    assert load_result(tmp_path / "run").cells
    assert [count(platform, kind) for kind in (Job, Model, Dataset)] == [1, 1, 1]


@pytest.mark.slow
@pytest.mark.usefixtures("signed_in", "worker")
def test_an_audit_that_fails_there_is_one_sentence_here(radversary, live, shelf, plan, tmp_path):
    films = tmp_path / "films"
    for name in ("Normal", "Other"):
        (films / name).mkdir(parents=True)
        (films / name / "film.png").write_bytes(b"no film")
    asked = ("audit", "--server", live, "--model", shelf / "model", "--root", films, "--plan", plan)
    outcome = radversary(*asked, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "run" / "result.json").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("signed_in")
def test_films_are_judged_there(radversary, live, guard, tmp_path):
    place = tmp_path / "films"
    place.mkdir()
    for number, film in enumerate(films(3, seed=4)):
        (place / f"{number}.png").write_bytes(film)
    (place / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n none")
    outcome = radversary("screen", place, "--server", live, "--detector", "guard", "--json")
    found = [json.loads(line) for line in outcome.out.splitlines()]
    assert [item["image"] for item in found] == ["0.png", "1.png", "2.png", "broken.png"]
    assert [item["verdict"] == "refused" for item in found] == [False, False, False, True]
    assert all(0 < item["p_value"] <= 1 for item in found[:3])
    assert outcome.code == 1
    assert "1 refused" in outcome.err
    alone = radversary("screen", place / "0.png", "--server", live, "--detector", guard)
    assert alone.code == int(found[0]["verdict"] != "pass")
    assert "0.png" in alone.out


@pytest.mark.slow
@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize(("words", "sentence"), [
    (("--model", "vicitm", "--root", "."), "unknown model on the platform 'vicitm'"),
    (("--model", "my_model.py:build", "--root", "."), "a platform runs no code of its users"),
    (("--model", "m", "--data", "films"), "unknown data on the platform 'films'"),
    (("--model", "m", "--data", "csv", "--option", "path=films.csv"), "the films of a table are not sent with it"),
])
def test_what_cannot_be_asked_for_is_one_sentence(radversary, live, words, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "film.png").write_bytes(b"none")
    outcome = radversary("audit", "--server", live, *words)
    assert outcome.code == 2
    assert sentence in outcome.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_without_a_key_or_with_an_address_that_is_none_nothing_is_sent(radversary, monkeypatch, tmp_path):
    monkeypatch.delenv("RADVERSARY_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    assert "RADVERSARY_KEY" in radversary("screen", ".", "--server", "http://localhost:1", "--detector", "g").err
    monkeypatch.setenv("RADVERSARY_KEY", "rv_key")
    assert "begins with http" in radversary("screen", ".", "--server", "localhost:8000", "--detector", "g").err
    refused = radversary("screen", ".", "--server", "http://localhost:1", "--detector", "g", "--heat-maps", "maps")
    assert (refused.code, "--heat-maps" in refused.err) == (2, True)
