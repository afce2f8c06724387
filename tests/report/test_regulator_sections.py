"""Threat model, limitations, regulatory map and annex: each says what this result holds, and what it lacks."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from audit_factory import audit_result, changed
from typer.testing import CliRunner

from radversary.auditing.cells import Condition
from radversary.auditing.declared import IntendedUse
from radversary.auditing.techniques import AttackTechnique, TechniqueId
from radversary.cli.main import app
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.types import AttackContract, AttackerKnowledge, Norm
from radversary.report.html import render_report
from radversary.report.limitations import limitations
from radversary.report.regulatory.facts import FACTS
from radversary.report.regulatory.mapping import DEFAULT, SECTIONS, load_map
from radversary.report.regulatory.table import regulatory_table
from radversary.report.reproduction import reproduction, shortened_path
from radversary.report.result_view import ResultView
from radversary.report.threats import reach, threat_model

USE = IntendedUse(statement="Triage of <chest> films.", users="radiologists")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    return audit_result(folder, defences=("none", "jpeg-75"), attacks=("style",), images=1), folder


def said(result) -> str:
    return " ".join(sentence for group in limitations(ResultView(result)).values() for sentence in group)


def lines(result):
    table = regulatory_table(ResultView(result), load_map())
    return {line.requirement.id: line for _, group in table.groups for line in group}


def test_the_threat_model_holds_attackers_and_names_those_who_were_not_there(small):
    found = threat_model(ResultView(small[0]))
    assert [item.knowledge for item in found.attackers] == ["oblivious"]
    assert found.threats[0].reach == ("strength 0.25 to 1, bounded by no norm",)
    assert not found.threats[0].nist
    text = " ".join(found.gaps)
    assert all(f"No {knowledge} attacker" in text for knowledge in ("transfer", "gray-box", "adaptive"))
    assert "gradient" in text
    assert "style (" not in text
    assert "intended use" in text


@pytest.mark.slow
def test_techniques_of_a_result_stand_in_its_threat_model(small):
    made = AttackTechnique(attack="style", knowledge=AttackerKnowledge.OBLIVIOUS, registered="style-transfer",
                           access="none", nist=TechniqueId(id="NISTAML.022", name="Evasion", version="AI 100-2 E2025"),
                           atlas=TechniqueId(id="AML.T0043.003", name="Manual Modification", version="5.6.0"))
    found = threat_model(ResultView(changed(small[0], techniques=(made,))))
    assert found.threats[0].nist == (made.nist,)
    assert found.versions == ("NIST AI 100-2 E2025", "MITRE ATLAS 5.6.0")
    page = render_report(changed(small[0], techniques=(made,), intended_use=USE), small[1])
    assert "AML.T0043.003" in page
    assert "Triage of &lt;chest&gt; films." in page
    assert "Not stated by the maker" not in page


def test_what_an_attack_may_do_says_norm_and_answers():
    made = [Condition(attack="a", strength=size, measure="epsilon", norm=Norm.L2, epsilon=size, queries=count,
                      contract=AttackContract.FIXED_BUDGET) for size, count in ((0.5, 100), (2.0, 400))]
    assert list(reach(made)) == ["L2 0.5 to 2", "400 answers an image at most"]
    least = made[0].model_copy(update={"contract": AttackContract.SMALLEST_CHANGE, "queries": None})
    assert list(reach([least])) == ["the smallest change by L2 that succeeds"]


def test_limitations_follow_from_the_result(small):
    result, _ = small
    text = said(result)
    assert "not proved" in text
    assert result.data.warnings[0] in text
    assert "No attacker who knows the defence was run against: jpeg-75" in text
    assert "phantoms" not in text
    assert "No image had a label" not in text
    other = changed(result, detections=(), labels="own readings", battery="battery-2026.1/quick",
                    data=result.data.model_copy(update={"synthetic": True, "characteristics": {}}))
    text = said(other)
    assert all(words in text for words in ("phantoms", "No image had a label", "detected was not assessed",
                                           "no subgroup can be looked at"))
    assert "of no standard battery" not in text


def test_the_shipped_map_uses_every_known_name_and_claims_nothing():
    found = load_map()
    assert {item.source for item in found.requirements} == {item.id for item in found.sources}
    assert {key for item in found.requirements for key in item.sections} <= set(SECTIONS)
    assert any(not item.verified for item in found.requirements)
    assert not re.search(r"\b(compli(es|ant|ance)|conforms|certified by)\b", DEFAULT.read_text().lower())


@pytest.mark.slow
def test_the_map_says_section_or_gap_for_this_run(small):
    result, folder = small
    before = lines(result)
    assert before["ai-act-5-evasion"].missing == (FACTS["adaptive"].missing,)
    assert before["tripod-3b"].missing == (FACTS["intended-use"].missing,)
    after = lines(changed(result, intended_use=USE))
    assert after["tripod-3b"].missing == ()
    assert lines(changed(result, detections=()))["fda-controls"].missing == (FACTS["detection"].missing,)
    page = render_report(changed(result, detections=()), folder)
    row = next(row for row in page.split("<tr>") if "XI. Device Performance Monitoring" in row)
    assert "Gap" in row
    row = next(row for row in page.split("<tr>") if "attacks in use" in row)
    assert "not verified" in row
    assert 'href="#detection"' not in row


@pytest.mark.parametrize("name", FACTS)
def test_every_fact_can_be_asked_of_a_result_without_anything(small, name):
    empty = small[0].model_copy(update={"cells": (), "detections": (), "gallery": (), "curves": {}})
    assert FACTS[name].holds(ResultView(empty)) in (True, False)
    assert FACTS[name].missing


def test_a_fact_that_a_result_lacks_is_missing(small):
    empty = ResultView(small[0].model_copy(update={"cells": (), "detections": (), "gallery": (), "curves": {}}))
    assert not any(FACTS[name].holds(empty) for name in ("attacks", "adaptive", "detection", "gallery", "training"))


@pytest.mark.parametrize(("change", "kind", "words"), [
    ({"requirements": [{"sections": ["figgures"]}]}, UnknownNameError, "section in requirement 'x'.*'figures'"),
    ({"requirements": [{"needs": ["adaptiv"]}]}, UnknownNameError, "need in requirement 'x'.*'adaptive'"),
    ({"requirements": [{"source": "t"}]}, UnknownNameError, "source in requirement 'x'"),
    ({"requirements": [{"sections": []}]}, PlanError, "either sections or a gap"),
    ({"requirements": [{"ask": "x"}]}, UnknownNameError, "'ask'; did you mean 'asks'"),
    ({"date": "soon"}, PlanError, "date"),
    ({"sources": []}, PlanError, "sources"),
])
def test_a_map_that_does_not_fit_is_one_sentence(tmp_path, change, kind, words):
    entry = {"id": "x", "source": "s", "clause": "1", "verified": False, "asks": "a", "sections": ["figures"]}
    whole = {"name": "own", "date": "2026-01-01", "note": "n", "requirements": [entry],
             "sources": [{"id": "s", "title": "t", "edition": "e", "read": "r"}]}
    if "requirements" in change:
        change = {"requirements": [{**entry, **change["requirements"][0]}]}
    path = tmp_path / "map.yaml"
    path.write_text(yaml.safe_dump({**whole, **change}))
    with pytest.raises(kind, match=words) as caught:
        load_map(path)
    assert "\n" not in str(caught.value)
    path.write_text(yaml.safe_dump(whole))
    assert load_map(path).name == "own"


def test_a_map_that_is_absent_or_no_yaml_is_one_sentence(tmp_path):
    with pytest.raises(PlanError, match="cannot be read: No such file"):
        load_map(tmp_path / "absent.yaml")
    (tmp_path / "bad.yaml").write_text("a: [")
    with pytest.raises(PlanError, match="is not valid YAML"):
        load_map(tmp_path / "bad.yaml")


@pytest.mark.slow
def test_the_annex_says_how_to_run_it_again_without_names_of_folders(small, tmp_path):
    result, _ = small
    (tmp_path / "plan.yaml").write_text("seed: 7\ndata:\n  root: /data/st mary's/films\n")
    (tmp_path / "environment.json").write_text(json.dumps({
        "python": "3.11.9", "system": "Linux", "machine": "x86_64", "cores": 2, "further": [1],
        "command": ["radversary", "run", "/home/someone/plan.yaml"],
        "distributions": [{"name": "numpy", "version": "2.0", "licence": "BSD-3-Clause", "requires": []}]}))
    found = reproduction(result, tmp_path)
    assert (found.command, found.seed) == ("radversary run …/plan.yaml", "7")
    assert "…/films" in found.plan
    assert [(item.name, item.version) for item in found.packages] == [("numpy", "2.0")]
    assert set(found.hashes) == {"plan.yaml", "environment.json"}
    page = render_report(result, tmp_path)
    assert "st mary" not in page
    assert "someone" not in page
    assert "BSD-3-Clause" in page


def test_an_annex_of_an_empty_folder_says_so(small, tmp_path):
    found = reproduction(small[0], tmp_path)
    assert (found.seed, found.plan, found.packages, found.hashes) == ("", "", (), {})
    assert found.command == small[0].provenance["command"]
    (tmp_path / "plan.yaml").write_text("a: [")
    assert reproduction(small[0], tmp_path).plan == ""


@pytest.mark.parametrize(("text", "short"), [
    ("runs/a", "runs/a"), ("--root=/a/b/c", "--root=…/c"), ("C:\\films\\x", "…/x"), ("~/x/y", "…/y"),
    ("1/255", "1/255"), ("/", "/"), ("plan.yaml", "plan.yaml")])
def test_paths_are_cut_to_their_last_part(text, short):
    assert shortened_path(text) == short


@pytest.mark.parametrize(("options", "words"), [
    (["--format", "word"], "unknown format 'word'"),
    (["--format", "csv", "--regulatory-map", "x.yaml"], "--regulatory-map is for the html and pdf"),
    (["--regulatory-map", "absent.yaml"], "absent.yaml cannot be read")])
def test_the_command_line_refuses_in_a_sentence(small, tmp_path, options, words):
    small[0].save(tmp_path / "result.json")
    found = CliRunner().invoke(app, ["report", str(tmp_path), *options])
    assert found.exit_code != 0
    assert words in str(found.exception)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.slow
def test_provenance_and_card_tell_no_folder(tmp_path):
    result = audit_result(tmp_path, images=0)
    result = result.model_copy(update={
        "provenance": {**result.provenance, "command": "radversary audit --root=/data/st-mary/films /runs/st-mary/a"},
        "model": {**result.model, "notes": "weights of /home/dr-lee/ward-7/m.onnx, as they are"}})
    again, page = reproduction(result, tmp_path), render_report(result, tmp_path)
    assert again.command == "radversary audit --root=…/films …/a" == again.provenance["command"]
    assert again.provenance["plan sha256"] == result.provenance["plan sha256"]
    assert "…/m.onnx, as they are" in page
    assert not [name for name in ("st-mary", "dr-lee") if name in page]
