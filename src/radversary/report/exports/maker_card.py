"""What only the maker of a model knows of it, as one YAML file: developer, intended use, warnings, training data."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Final

import yaml
from pydantic import Field

from radversary.storage.plans import Plan, read_plan

FILE: Final = "maker-card.yaml"


class Release(Plan):
    """The release that the card is of."""

    stage: str = Field(default="", description="such as research, pilot, cleared, commercial")
    date: str = Field(default="", description="of this version's release")
    version: str = Field(default="", description="of the product that holds the model")
    availability: str = Field(default="", description="regions or markets in which it is offered")
    ehr: tuple[str, ...] = Field(default=(), description="electronic health records that it works with")
    regulatory_approval: str = Field(default="", description="clearances with their numbers")


class Use(Plan):
    """How the model is meant to be used."""

    intended_use: str = Field(default="", description="intended use and its place in the workflow")
    users: str = Field(default="", description="primary intended users")
    how_to_use: str = Field(default="", description="what a user does with an answer")
    population: str = Field(default="", description="targeted patients: age, setting, inclusion and exclusion")
    out_of_scope: str = Field(default="", description="settings and uses that are cautioned against")


class Warnings(Plan):
    """Risks that the maker knows; what the audit measured is added to them."""

    risks: str = Field(default="", description="known risks and limitations")
    biases: str = Field(default="", description="known biases or ethical considerations")
    clinical_risk: str = Field(default="", description="clinical risk level and by which rule")


class Development(Plan):
    """How the model was made and is kept."""

    foundation_models: str = Field(default="", description="models that it is built on")
    input_data: str = Field(default="", description="where the data that it reads in use comes from")
    data: str = Field(default="", description="data it was developed on: sources, numbers, demographics, years")
    bias_mitigation: str = Field(default="", description="approaches to bias mitigation")
    maintenance: str = Field(default="", description="ongoing maintenance and monitoring")
    security: str = Field(default="", description="security practices; the measured robustness is added")
    transparency: str = Field(default="", description="how the maker discloses what the model does")
    funding: str = Field(default="", description="source of funding of the technical implementation")
    third_parties: str = Field(default="", description="third-party information")
    stakeholders: str = Field(default="", description="stakeholders consulted in design")


class Reading(Plan):
    """What the maker wanted of a measurement and says of it."""

    goal: str = Field(default="", description="goal of the metrics")
    interpretation: str = Field(default="", description="what the figures mean in use")
    justification: str = Field(default="", description="validation process and why it suffices")


class Resources(Plan):
    """Where more is to be found."""

    evaluation: str = Field(default="", description="references of evaluations")
    trial: str = Field(default="", description="clinical trial")
    publications: str = Field(default="", description="peer-reviewed publications")
    reimbursement: str = Field(default="", description="reimbursement status")
    consent: str = Field(default="", description="patient consent or disclosure required or suggested")
    bibliography: str = Field(default="", description="in BibTeX")


class Hub(Plan):
    """What the Hugging Face Hub wants to know."""

    license: str = Field(default="", description="identifier of the Hub's list, such as apache-2.0, or other")
    license_name: str = Field(default="", description="where license is other: an identifier of the licence")
    license_link: str = Field(default="", description="where license is other: LICENSE or a URL")
    dataset: str = Field(default="", description="identifier of the test images on the Hub, such as owner/name")
    datasets: tuple[str, ...] = Field(default=(), description="identifiers of the training data on the Hub")
    language: tuple[str, ...] = Field(default=(), description="ISO 639-1 codes, where language matters")


class MakerCard(Plan):
    """A model's maker on the model. Everything is text; what is left empty is stated as not stated, never invented."""

    name: str = Field(default="", description="of the model; the run's card names it otherwise")
    developer: str = Field(default="", description="who made it")
    contact: str = Field(default="", description="of the developer")
    summary: str = Field(default="", description="what the model is, in a few sentences")
    keywords: tuple[str, ...] = Field(default=(), description="for catalogues")
    release: Release = Release()
    use: Use = Use()
    warnings: Warnings = Warnings()
    development: Development = Development()
    usefulness: Reading = Reading()
    fairness: Reading = Reading()
    safety: Reading = Reading()
    resources: Resources = Resources()
    hub: Hub = Hub()


def read_maker_card(path: Path | None) -> MakerCard:
    """Read a maker's card; an empty one without a file.

    Raises:
        PlanError: It cannot be read, or a value does not fit.
        UnknownNameError: A key that no card has.
    """
    return read_plan(MakerCard, path) if path else MakerCard()


def template() -> str:
    r"""Return an empty card in YAML, each key with what belongs there.

    Example:
        >>> print("\n".join(template().splitlines()[4:7]))
        # of the model; the run's card names it otherwise
        name: ''
        # who made it
    """
    head = ("What only the maker of a model knows of it, for radversary export --card. Leave empty what is not known: "
            "it is written as not stated and named as a gap. Text may hold Markdown; long text stands after | on lines "
            "of its own.")
    lines = [f"# {line}" for line in textwrap.wrap(head, 110)]
    return "\n".join([*lines, "", *_lines(MakerCard)]) + "\n"


def _lines(model: type[Plan], indent: str = "") -> list[str]:
    lines: list[str] = []
    for name, field in model.model_fields.items():
        if isinstance(field.default, Plan):
            lines += ["", f"{indent}{name}:", *_lines(type(field.default), indent + "  ")]
        else:
            value = list(field.default) if isinstance(field.default, tuple) else field.default
            entry = yaml.safe_dump({name: value}, default_flow_style=False).strip()
            lines += [f"{indent}# {field.description}", f"{indent}{entry}"]
    return lines
