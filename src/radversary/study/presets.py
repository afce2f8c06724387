"""Audit plans by name: what is run where nobody wrote a plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from radversary.auditing.batteries import named
from radversary.auditing.plan import AuditPlan, DefencePlan, with_named_battery
from radversary.core.errors import UnknownNameError
from radversary.storage.files import is_file
from radversary.storage.plans import parse_plan, plan_content, read_plan

DEFAULT: Final = "quick"
"""The plan of an audit for which none is given."""

JPEG: Final = {"label": "jpeg-75", "transforms": ({"name": "jpeg", "options": {"quality": 75}},)}

PRESETS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType({
    "quick": {"name": "quick", "bootstrap": 500, "gallery": 3, "probe_images": 8, "defences": (JPEG,),
              "battery": "quick"},
    "standard": {"name": "standard", "defences": (JPEG,), "battery": "standard"},
    "full": {"name": "full", "defences": (JPEG,), "battery": "full"}})
"""Plan by name, each around the battery of that name (:mod:`radversary.auditing.batteries`)."""

GUARD: Final = "guard"
"""Label of the defence that stands for a guard which a command line names."""


def given_plan(plan: AuditPlan | Mapping[str, Any] | str | Path) -> AuditPlan | str:
    """Return the plan that a person gives, or its name where it is one of :data:`PRESETS`.

    Args:
        plan: The plan, its fields, its file, or its name; a text is a file where it ends in ``.yaml`` or ``.yml`` or
            where there is a file of that name.

    Raises:
        PlanError: The file cannot be read, or a field is missing or wrong.
        UnknownNameError: No such plan, or no such key of one.

    Example:
        >>> given_plan("quik")
        Traceback (most recent call last):
        radversary.core.errors.UnknownNameError: unknown plan 'quik'; did you mean 'quick'? Known: full, quick, standard
    """
    if isinstance(plan, AuditPlan):
        return plan
    if isinstance(plan, Mapping):
        return parse_plan(AuditPlan, plan, source="the plan")
    if isinstance(plan, Path) or (plan not in PRESETS and (plan.endswith((".yaml", ".yml")) or is_file(Path(plan)))):
        return read_plan(AuditPlan, Path(plan))
    if plan not in PRESETS:
        raise UnknownNameError("plan", plan, PRESETS)
    return plan


def chosen_plan(plan: str | None, battery: str | None) -> AuditPlan | str:
    """Return the plan of two options of a command line: a plan or its name, and a battery.

    Args:
        plan: A file, or one of :data:`PRESETS`; None for that of the battery's name, or :data:`DEFAULT`.
        battery: A battery whose attacks come before those of the plan's file.

    Raises:
        PlanError: Both name a battery, or the file cannot be read or is wrong.
        UnknownNameError: No such plan or battery.

    Example:
        >>> chosen_plan(None, "standard"), chosen_plan(None, None)
        ('standard', 'quick')
    """
    if battery is None:
        return given_plan(plan or DEFAULT)
    named(battery)
    if plan is None:
        return battery
    source = f"plan {plan}"
    content = PRESETS[plan] if plan in PRESETS else plan_content(Path(plan), source=source)
    return with_named_battery(AuditPlan, content, battery, source=source)


def told_plan(content: Mapping[str, Any] | None, preset: str, battery: str) -> AuditPlan:
    """Return the plan of a request, written out: a plan's fields or the name of a preset, and a battery.

    Args:
        content: A plan's fields; None or nothing for the preset.
        preset: One of :data:`PRESETS`.
        battery: A battery whose attacks come before the plan's own, or instead of the default preset; empty for none.

    Raises:
        PlanError: Plan or preset has a battery of its own, or is wrong.
        UnknownNameError: No such preset or battery.

    Example:
        >>> told_plan(None, "quick", "standard").battery
        'battery-2026.1/standard'
    """
    if content:
        return with_named_battery(AuditPlan, content, battery or None, source="the plan")
    chosen = chosen_plan(None if battery and preset == DEFAULT else preset, battery or None)
    return whole_preset(chosen) if isinstance(chosen, str) else chosen


def whole_preset(name: str) -> AuditPlan:
    """Return the plan of a name, with all its attacks.

    Raises:
        UnknownNameError: No such plan.

    Example:
        >>> whole_preset("quick").battery
        'battery-2026.1/quick'
    """
    if name not in PRESETS:
        raise UnknownNameError("plan", name, PRESETS)
    return parse_plan(AuditPlan, PRESETS[name], source=f"the plan {name!r}")


def with_guard(plan: AuditPlan | str, folder: str | Path | None) -> AuditPlan | str:
    """Return a plan with a guard of the victim among its defences.

    Args:
        plan: The plan, or the name of one.
        folder: The guard's folder; None leaves the plan as it is.

    Raises:
        PlanError: A defence of the plan is called :data:`GUARD`.
    """
    if folder is None:
        return plan
    chosen = whole_preset(plan) if isinstance(plan, str) else plan
    guard = DefencePlan(label=GUARD, guard=str(folder))
    return parse_plan(AuditPlan, {**chosen.model_dump(), "defences": (*chosen.defences, guard)},
                      source=f"the plan with the guard {folder}")
