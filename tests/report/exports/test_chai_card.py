"""The Applied Model Card against the schema's elements, their order and what is required, written down here anew."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from run_factory import write_run
from score_factory import World

from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.types import Estimate
from radversary.report.exports.chai import NAMESPACE, Entry, chai_card, put, value_json
from radversary.report.exports.facts import Run
from radversary.report.exports.maker_card import MakerCard, read_maker_card, template

GROUP = ["MetricGoal", ("Results", ["MetricResult+"]), "Interpretation", "TestType", "TestingDataDescription",
         "ValidationProcessAndJustification"]
SCHEMA = [  # mc.chai.org/v0.2/schema.xsd; ? may be absent, * any number, + one at least
    ("BasicInfo", ["ModelName", "ModelDeveloper", "DeveloperContact"]),
    ("ReleaseInfo", ["ReleaseStage", "ReleaseDate", "ReleaseVersion", "GlobalAvailability", "EHRCompatibility?",
                     "RegulatoryApproval?"]),
    ("ModelSummary", ["Summary", ("Keywords", ["Keyword*"])]),
    ("UsesAndDirections", ["IntendedUseAndWorkflow", "PrimaryIntendedUsers", "HowToUse", "TargetedPatientPopulation",
                           "CautionedOutOfScopeSettings"]),
    ("Warnings", ["KnownRisksAndLimitations", "KnownBiasesOrEthicalConsiderations", "ClinicalRiskLevel"]),
    ("TrustIngredients", [
        ("AISystemFacts", ["OutcomesAndOutputs", "ModelType", "FoundationModels?", "InputDataSource",
                           "OutputAndInputDataTypes", "DevelopmentDataCharacterization", "BiasMitigationApproaches",
                           "OngoingMaintenance", "Security?", "Transparency?"]),
        ("TransparencyInformation", ["FundingSource", "ThirdPartyInformation?", "StakeholdersConsulted"])]),
    ("KeyMetrics", [("UsefulnessUsabilityEfficacy", GROUP), ("FairnessEquity", GROUP), ("SafetyReliability", GROUP)]),
    ("Resources", ["EvaluationReferences?", "ClinicalTrial?", "PeerReviewedPublications", "ReimbursementStatus?",
                   "PatientConsentOrDisclosure"]),
    "Bibliography"]
FULL = {"developer": "Ward 7", "keywords": ["chest"], "release": {"ehr": ["one", "two"], "regulatory_approval": "none"},
        "use": {"intended_use": "triage"}, "warnings": {"risks": "small lungs"},
        "development": {"foundation_models": "none", "third_parties": "none"},
        "resources": {"trial": "none", "reimbursement": "none"}}


def check(element, content):
    """Walk an element's children along the schema's sequence."""
    inner = list(element)
    for item in content:
        name, below = item if isinstance(item, tuple) else (item, None)
        plain, most = name.rstrip("?*+"), name[-1] in "*+"
        found = []
        while inner and inner[0].tag == f"{{{NAMESPACE}}}{plain}" and (most or not found):
            found.append(inner.pop(0))
        assert found or name[-1] in "?*", f"{element.tag} lacks {name}"
        for child in found:
            assert (child.text or "").strip() or below or plain in ("EHRCompatibility", "MetricResult"), plain
            if below:
                check(child, below)
    assert inner == []


def text_of(root, path):
    return root.find("/".join(f"{{{NAMESPACE}}}{name}" for name in path.split("/"))).text


@pytest.fixture
def run(tmp_path):
    write_run(tmp_path)
    return Run.read(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("maker", [{}, FULL], ids=["nothing stated", "stated"])
def test_the_card_follows_the_schema(run, maker):
    text, _ = chai_card(run, MakerCard.model_validate(maker))
    root = ET.fromstring(text)
    assert root.tag == f"{{{NAMESPACE}}}AppliedModelCard"
    check(root, SCHEMA)


@pytest.mark.slow
def test_what_nobody_stated_says_so_and_is_a_gap(run):
    text, gaps = chai_card(run, MakerCard())
    root = ET.fromstring(text)
    assert text_of(root, "BasicInfo/ModelDeveloper") == "Not stated"
    assert "BasicInfo/ModelDeveloper: not stated; --card, key developer" in gaps
    assert text_of(root, "Warnings/KnownRisksAndLimitations").startswith("By the maker: Not stated.")
    assert any(gap.startswith("Warnings/KnownRisksAndLimitations") for gap in gaps)
    assert text_of(root, "Bibliography") == "@comment{Not stated}"
    stated = sum(element.text == "Not stated" for element in root.iter())
    assert len(gaps) == stated + 4  # risks, biases, the bibliography and the missing figure of fairness hold more


@pytest.mark.slow
def test_every_key_that_a_gap_names_closes_it(run):
    _, gaps = chai_card(run, MakerCard())
    keys = [gap.partition("--card, key ")[2] for gap in gaps if "--card" in gap]
    content = {}
    for key in keys:
        *above, last = key.split(".")
        place = content
        for name in above:
            place = place.setdefault(name, {})
        place[last] = "said"
    _, left = chai_card(run, MakerCard.model_validate(content))
    assert len(keys) > 20
    assert left == ["KeyMetrics/FairnessEquity/Results/MetricResult/ValueJson: not stated"]


@pytest.mark.slow
def test_figures_are_those_of_the_result_with_interval_and_n(run):
    root = ET.fromstring(chai_card(run, MakerCard())[0])
    figures = {item[0].text: json.loads(item[1].text) for item in root.iter(f"{{{NAMESPACE}}}MetricResult")}
    clean = run.view.clean("none").performance.accuracy
    made = figures[f"Accuracy (n = {clean.n})"]
    assert made == {"kind": "estimate_ci", "estimate": round(100 * clean.value, 2), "lower": round(100 * clean.low, 2),
                    "upper": round(100 * clean.high, 2), "level": 95, "unit": "%"}
    assert figures["Accuracy, no defence, all 8 attacks and strengths together, attacker: oblivious (n = 300)"][
        "estimate"] == 31.0
    assert "unit" not in next(value for label, value in figures.items() if label.startswith("Macro AUROC"))
    assert all(value["kind"] in ("estimate_ci", "single") for value in figures.values())


@pytest.mark.slow
def test_a_score_stands_in_safety_and_security(tmp_path):
    World.of(10).result().save(tmp_path / "result.json")
    run = Run.read(tmp_path)
    root = ET.fromstring(chai_card(run, MakerCard())[0])
    labels = {item[0].text: item[1].text for item in root.iter(f"{{{NAMESPACE}}}MetricResult")}
    (score,) = run.scores
    assert json.loads(labels["Security score of 100 (mirs-1.0), no defence"])["value"] == score.value
    assert score.vector in text_of(root, "TrustIngredients/AISystemFacts/Security")


@pytest.mark.slow
def test_a_result_without_labels_has_no_accuracy(tmp_path):
    write_run(tmp_path, labels="own readings")
    text, gaps = chai_card(Run.read(tmp_path), MakerCard())
    assert "Stability, no defence, worst single attack" in text
    assert "Accuracy" not in text
    assert any("UsefulnessUsabilityEfficacy/Results" in gap for gap in gaps)


@pytest.mark.slow
@given(st.text(min_size=1))
def test_any_text_of_a_maker_stays_xml(text):
    root = ET.Element("Card")
    put(root, Entry("Text", text), [], "")
    assert ET.fromstring(ET.tostring(root, encoding="unicode"))[0].text


@pytest.mark.slow
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.integers(1, 10**6))
def test_values_are_strict_json(value, low, high, n):
    found = json.loads(value_json(Estimate(value, low, high, n)))
    assert found["estimate"] == pytest.approx(100 * value, abs=0.0051)


def test_the_template_is_an_empty_card(tmp_path):
    (tmp_path / "card.yaml").write_text(template())
    assert read_maker_card(tmp_path / "card.yaml") == MakerCard()
    assert MakerCard.model_validate(yaml.safe_load(template())) == MakerCard()
    assert read_maker_card(None) == MakerCard()


@pytest.mark.parametrize(("content", "kind", "said"), [
    ("develper: x", UnknownNameError, "did you mean 'developer'"), ("use: {userz: x}", UnknownNameError, "'users'"),
    ("developer: [1]", PlanError, "developer"), ("a: b: c", PlanError, "not valid YAML")])
def test_a_wrong_card_is_one_sentence(tmp_path, content, kind, said):
    (tmp_path / "card.yaml").write_text(content)
    with pytest.raises(kind, match=said):
        read_maker_card(tmp_path / "card.yaml")
