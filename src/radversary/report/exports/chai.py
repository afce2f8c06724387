"""Model card in the form of the Coalition for Health AI: Applied Model Card, schema v0.2 (2024), as XML.

Namespace, elements, their order and which of them are required are those of ``https://mc.chai.org/v0.2/schema.xsd``;
values of figures are JSON of the kinds ``estimate_ci`` and ``single``, as in the cards published beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

from radversary.core.text import page
from radversary.core.types import Estimate
from radversary.report.exports.chai_texts import (
    AREA,
    NOT_STATED,
    Figures,
    Texts,
    fairness,
    joined,
    safety,
    usefulness,
)
from radversary.report.exports.facts import Run
from radversary.report.exports.maker_card import MakerCard, Reading

FILE: Final = "model-card.chai.xml"
NAMESPACE: Final = "https://mc.chai.org/v0.2/schema.xsd"
FORBIDDEN: Final = dict.fromkeys((0xFFFE, 0xFFFF), "\N{REPLACEMENT CHARACTER}")
"""What no XML 1.0 document may hold and :func:`radversary.core.text.page` leaves."""


@dataclass(frozen=True)
class Entry:
    """One element of the card.

    Attributes:
        name: Its name; a section where ``inner`` is not None.
        text: What it says; empty where nobody said it.
        key: Key of the maker's card that would say it.
        optional: Whether it may be left out.
        missing: Whether it is a gap although it has a text.
        inner: The elements of a section.
    """

    name: str
    text: str = ""
    key: str = ""
    optional: bool = False
    missing: bool = False
    inner: tuple[Entry, ...] | None = None


def chai_card(run: Run, maker: MakerCard) -> tuple[str, list[str]]:
    """Return the card of a run's model as XML, and its gaps.

    Args:
        run: The run: what was measured, and what the model's own card says.
        maker: What the maker says.

    Returns:
        The document, and a sentence for each required element that nobody stated.
    """
    root = ET.Element("AppliedModelCard", {"xmlns": NAMESPACE})
    gaps: list[str] = []
    for entry in sections(run, maker):
        put(root, entry, gaps, "")
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode", short_empty_elements=True)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n', gaps


def put(parent: ET.Element, entry: Entry, gaps: list[str], path: str) -> None:
    """Add an element to its parent; a required one that nobody stated says so and is a gap.

    Args:
        parent: The parent.
        entry: What to add.
        gaps: Receives the sentences.
        path: Names of the elements above.
    """
    if entry.inner is None and entry.optional and not entry.text:
        return
    made = ET.SubElement(parent, entry.name)
    if entry.inner is None:
        made.text = page(entry.text).translate(FORBIDDEN) or NOT_STATED
        if entry.missing or not entry.text:
            gaps.append(f"{path}{entry.name}: not stated" + (f"; --card, key {entry.key}" if entry.key else ""))
        return
    for inner in entry.inner:
        put(made, inner, gaps, f"{path}{entry.name}/")


def sections(run: Run, maker: MakerCard) -> Iterator[Entry]:
    """Yield the sections of the card in the schema's order."""
    texts, release, resources = Texts(run, maker), maker.release, maker.resources
    yield section("BasicInfo", ("ModelName", texts.name, ""), ("ModelDeveloper", maker.developer, "developer"),
                  ("DeveloperContact", maker.contact, "contact"))
    systems = Entry("EHRCompatibility", inner=tuple(Entry("EHR", name) for name in release.ehr))
    first = section("ReleaseInfo", ("ReleaseStage", release.stage, "release.stage"),
                    ("ReleaseDate", release.date, "release.date"),
                    ("ReleaseVersion", release.version, "release.version"),
                    ("GlobalAvailability", release.availability, "release.availability"))
    yield Entry("ReleaseInfo", inner=(*(first.inner or ()), *([systems] if release.ehr else []),
                                      Entry("RegulatoryApproval", release.regulatory_approval, optional=True)))
    yield Entry("ModelSummary", inner=(Entry("Summary", maker.summary, "summary"), Entry(
        "Keywords", inner=tuple(Entry("Keyword", word) for word in maker.keywords))))
    yield section("UsesAndDirections", ("IntendedUseAndWorkflow", maker.use.intended_use, "use.intended_use"),
                  ("PrimaryIntendedUsers", maker.use.users, "use.users"),
                  ("HowToUse", maker.use.how_to_use, "use.how_to_use"),
                  ("TargetedPatientPopulation", maker.use.population, "use.population"),
                  ("CautionedOutOfScopeSettings", maker.use.out_of_scope, "use.out_of_scope"))
    said = maker.warnings
    yield Entry("Warnings", inner=(
        Entry("KnownRisksAndLimitations", texts.risks, "warnings.risks", missing=not said.risks),
        Entry("KnownBiasesOrEthicalConsiderations", texts.biases, "warnings.biases", missing=not said.biases),
        Entry("ClinicalRiskLevel", said.clinical_risk, "warnings.clinical_risk")))
    yield Entry("TrustIngredients", inner=tuple(ingredients(maker, texts)))
    yield Entry("KeyMetrics", inner=(
        metrics("UsefulnessUsabilityEfficacy", usefulness(run), maker.usefulness, "usefulness", texts, texts.goals[0]),
        metrics("FairnessEquity", fairness(run), maker.fairness, "fairness", texts, texts.goals[1]),
        metrics("SafetyReliability", safety(run), maker.safety, "safety", texts, texts.goals[2])))
    yield Entry("Resources", inner=(
        Entry("EvaluationReferences", texts.evaluation), Entry("ClinicalTrial", resources.trial, optional=True),
        Entry("PeerReviewedPublications", resources.publications, "resources.publications"),
        Entry("ReimbursementStatus", resources.reimbursement, optional=True),
        Entry("PatientConsentOrDisclosure", resources.consent, "resources.consent")))
    yield Entry("Bibliography", resources.bibliography or f"@comment{{{NOT_STATED}}}", "resources.bibliography",
                missing=not resources.bibliography)


def section(name: str, *entries: tuple[str, str, str]) -> Entry:
    """Return a section of required elements, each with its text and the key of the maker's card."""
    return Entry(name, inner=tuple(Entry(*entry) for entry in entries))


def ingredients(maker: MakerCard, texts: Texts) -> Iterator[Entry]:
    """Yield the facts on the system and on how it was made."""
    own = maker.development
    facts = section("AISystemFacts", ("OutcomesAndOutputs", texts.outputs, ""), ("ModelType", texts.model_type, ""))
    further = section("", ("InputDataSource", own.input_data, "development.input_data"),
                      ("OutputAndInputDataTypes", texts.data_types, ""),
                      ("DevelopmentDataCharacterization", texts.development, "development.data"),
                      ("BiasMitigationApproaches", own.bias_mitigation, "development.bias_mitigation"),
                      ("OngoingMaintenance", own.maintenance, "development.maintenance"))
    yield Entry("AISystemFacts", inner=(
        *(facts.inner or ()), Entry("FoundationModels", own.foundation_models, optional=True), *(further.inner or ()),
        Entry("Security", texts.security, optional=True), Entry("Transparency", texts.transparency, optional=True)))
    yield Entry("TransparencyInformation", inner=(
        Entry("FundingSource", own.funding, "development.funding"),
        Entry("ThirdPartyInformation", own.third_parties, optional=True),
        Entry("StakeholdersConsulted", own.stakeholders, "development.stakeholders")))


def metrics(name: str, figures: Figures, maker: Reading, key: str, texts: Texts, goal: str) -> Entry:
    """Return one group of figures.

    Args:
        name: Of the element.
        figures: Label to estimate, or to a number without interval.
        maker: What the maker says of them.
        key: Of the maker's card.
        texts: What the run says of test and data.
        goal: What the audit measures; it stands where the maker names no goal.
    """
    nothing = json.dumps({"kind": "single", "value": NOT_STATED}, separators=(",", ":"))
    results = tuple(result(label, value) for label, value in figures) or (Entry("MetricResult", inner=(
        Entry("Label", "No figure in this run"), Entry("ValueJson", nothing, missing=True))),)
    return Entry(name, inner=(
        Entry("MetricGoal", maker.goal or goal), Entry("Results", inner=results),
        Entry("Interpretation", maker.interpretation, f"{key}.interpretation"), Entry("TestType", texts.test_type),
        Entry("TestingDataDescription", texts.test_data),
        Entry("ValidationProcessAndJustification", joined([maker.justification, texts.validation]))))


def result(label: str, value: Estimate | float) -> Entry:
    """Return one figure; shares in per cent, areas as they are, n in the label."""
    text = value_json(value, unit="" if label == AREA else "%")
    if isinstance(value, Estimate):
        label = f"{label} (n = {value.n})"
    return Entry("MetricResult", inner=(Entry("Label", label), Entry("ValueJson", text)))


def value_json(value: Estimate | float, unit: str = "%") -> str:
    """Write a figure with its interval, or a number as it is.

    Args:
        value: The figure.
        unit: ``%`` for a share in [0, 1], which is written in per cent; empty for others.

    Example:
        >>> value_json(Estimate(0.914, 0.88, 0.94, 300))
        '{"kind":"estimate_ci","estimate":91.4,"lower":88.0,"upper":94.0,"level":95,"unit":"%"}'
        >>> value_json(31.5)
        '{"kind":"single","value":31.5}'
    """
    content: dict[str, str | float]
    if isinstance(value, Estimate):
        ends = {"estimate": value.value, "lower": value.low, "upper": value.high}
        content = {"kind": "estimate_ci", **{name: round(100 * end, 2) if unit else round(end, 4)
                                             for name, end in ends.items()}, "level": 95}
        content |= {"unit": unit} if unit else {}
    else:
        content = {"kind": "single", "value": value}
    return json.dumps(content, separators=(",", ":"), allow_nan=False)
