"""How figures, times and sizes look on a page: the report's own writing, and what a platform adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from markupsafe import Markup

from radversary.auditing.wording import level, measure_name
from radversary.report import formats

REPORTED: Final = ("percent", "interval", "p_value", "duration", "milliseconds", "capitalize_first")


def moment(seconds: float | None) -> str:
    """Write a time, in UTC, as an element that a machine reads too.

    Example:
        >>> moment(0.0)
        Markup('<time datetime="1970-01-01T00:00:00+00:00">1 Jan 1970, 00:00 UTC</time>')
    """
    if seconds is None:
        return "–"
    found = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        found.isoformat(timespec="seconds"), f"{found.day} {found:%b %Y, %H:%M} UTC")


def size(count: int) -> str:
    """Write a number of bytes.

    Example:
        >>> size(999), size(1_500_000)
        ('999 B', '1.5 MB')
    """
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.0f} B" if units[0] == "B" else f"{value:.3g} {units[0]}"


def system_name(label: str) -> str:
    """Return what a defence is called in tables.

    Example:
        >>> system_name("none")
        'no defence'
    """
    return "no defence" if label == "none" else label


def counted(count: int, what: str) -> str:
    """Write a number of things.

    Example:
        >>> counted(1, "model"), counted(2, "model")
        ('1 model', '2 models')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


FILTERS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType({
    **{name: getattr(formats, name) for name in REPORTED}, "level": level, "measure_name": measure_name,
    "moment": moment, "size": size, "system_name": system_name, "counted": counted})
"""Name to filter."""
