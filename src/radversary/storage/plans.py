"""Plans: frozen, typed, read from and written to YAML; errors on unknown keys suggest the nearest one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from radversary.core.errors import PlanError, RadversaryError, UnknownNameError
from radversary.core.renamed import warn_renamed
from radversary.core.text import first_fault
from radversary.storage.files import read_text
from radversary.storage.plain_yaml import LIMIT, parse_yaml

AnyPlan = TypeVar("AnyPlan", bound=BaseModel)


class Plan(BaseModel):
    """A frozen part of a plan; unknown keys are refused.

    Attributes:
        renamed: Keys of earlier versions to those of today; they are read with a warning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    renamed: ClassVar[Mapping[str, str]] = MappingProxyType({})

    @model_validator(mode="before")
    @classmethod
    def _today_s_keys(cls, given: Any) -> Any:  # noqa: ANN401
        if not isinstance(given, dict):
            return given
        found = {old: new for old, new in cls.renamed.items() if old in given and new not in given}
        for old, new in found.items():
            warn_renamed("plan key", old, new)
        return {found.get(key, key): value for key, value in given.items()} if found else given


class Part(Plan):
    """A registered part by name.

    Attributes:
        name: Its name in the registry.
        options: Its hyper-parameters.
    """

    name: str
    options: dict[str, Any] = {}


def models_in(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401
    """Return the pydantic models anywhere inside a type annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in models_in(inner)]


def known_keys(model: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """Return the keys known where ``place`` leads to inside ``model``."""
    for step in place:
        field = model.model_fields.get(str(step))
        if field is not None:
            inner = models_in(field.annotation)
            if not inner:
                return []
            model = inner[0]
    return list(model.model_fields)


def parse_plan(model: type[AnyPlan], content: Any, *, source: str) -> AnyPlan:  # noqa: ANN401
    """Build a plan from plain values.

    Args:
        model: The plan's class.
        content: What YAML or JSON gave.
        source: Where it came from, for the error.

    Returns:
        The plan.

    Raises:
        UnknownNameError: A key nobody knows.
        PlanError: A value that does not fit.

    Example:
        >>> parse_plan(Part, {"name": "jpeg", "options": {"quality": 50}}, source="example").name
        'jpeg'
    """
    if not isinstance(content, dict):
        raise PlanError(f"{source} must hold keys and values, got {type(content).__name__}")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise plan_error(model, error, source=source) from error


def plan_error(model: type[BaseModel], error: ValidationError, *, source: str) -> RadversaryError:
    """Turn pydantic's findings into one sentence about the first of them."""
    first = error.errors(include_url=False)[0]
    place = first["loc"]
    if first["type"] == "extra_forbidden":
        return UnknownNameError(f"key in {source}", str(place[-1]), known_keys(model, place[:-1]))
    return PlanError(f"{source}: {'' if place else 'the plan: '}{first_fault(error)}")


def read_plan(model: type[AnyPlan], path: Path) -> AnyPlan:
    """Read a plan from a YAML or JSON file.

    Args:
        model: The plan's class.
        path: The file.

    Returns:
        The plan.

    Raises:
        PlanError: No such file, no YAML within limits (:func:`radversary.storage.plain_yaml.parse_yaml`), or a value
            that does not fit.
        UnknownNameError: A key nobody knows.
    """
    source = f"plan {path}"
    return parse_plan(model, plan_content(path, source=source), source=source)


def plan_content(path: Path, *, source: str) -> Any:  # noqa: ANN401
    """Read what stands in a YAML or JSON file, checked against no plan.

    Args:
        path: The file.
        source: What it is called in errors.

    Raises:
        PlanError: No such file, or no YAML within limits.
    """
    try:
        return parse_yaml(read_text(path, limit=LIMIT))
    except OSError as error:
        raise PlanError(f"cannot read {source}: {error.strerror or error}") from error
    except ValueError as error:
        raise PlanError(f"{source} is not valid YAML: {error}") from error


def plan_text(plan: BaseModel) -> str:
    """Write a plan as YAML."""
    text: str = yaml.safe_dump(plan.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    return text
