"""How figures, times and sizes look on a page: the report's own writing, and what a platform adds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from markupsafe import Markup

from radversary.auditing.cells import Condition
from radversary.auditing.wording import level, measure_name
from radversary.report import formats
from radversary.service.monitoring.shown import Figure

REPORTED: Final = ("percent", "interval", "area", "area_interval", "p_value", "duration", "milliseconds",
                   "capitalize_first")


def moment(seconds: float | None) -> str:
    """Write a time, in UTC, as an element that a machine reads too.

    Example:
        >>> moment(0.0)
        Markup('<time datetime="1970-01-01T00:00:00+00:00">1 Jan 1970, 00:00 UTC</time>')
    """
    if seconds is None:
        return "–"
    return Markup('<time datetime="{}">{}</time>').format(
        datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds"), day(seconds))


def day(seconds: float) -> str:
    """Write a day and a time, in UTC, where no element may stand.

    Example:
        >>> day(0.0)
        '1 Jan 1970, 00:00 UTC'
    """
    found = datetime.fromtimestamp(seconds, UTC)
    return f"{found.day} {found:%b %Y, %H:%M} UTC"


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


def share(found: Figure) -> str:
    """Write a share with its interval; a dash where too few films are behind it.

    Example:
        >>> share(Figure(value=0.05, low=0.02, high=0.1, n=200)).replace(formats.SPACE, " "), share(Figure())
        ('5.0 % [2.0, 10.0]', '–')
    """
    return written(found, formats.percent, lambda end: f"{100 * end:.1f}")


def in_thousand(found: Figure) -> str:
    """Write a share as how many of 1,000, with its interval; a dash where nothing is behind it.

    Example:
        >>> in_thousand(Figure(value=0.05, low=0.017, high=0.1, n=99))
        '50.0 [17.0, 100.0]'
    """
    return written(found, lambda value: f"{1000 * value:.1f}", lambda end: f"{1000 * end:.1f}")


def points(found: Figure) -> str:
    """Write a difference of shares in points, with its interval and signs.

    Example:
        >>> points(Figure(value=0.05, low=0.02, high=0.1, n=200))
        '+5.0 [+2.0, +10.0]'
    """
    return written(found, formats.signed, formats.signed)


def took(found: Figure) -> str:
    """Write milliseconds with their interval; an end that is not known is a dash.

    Example:
        >>> took(Figure(value=12.0, low=11.0, n=20)).replace(formats.SPACE, " ")
        '12.0 ms [11.0, –]'
    """
    return written(found, formats.milliseconds, lambda end: f"{end:.{1 if abs(end) < 100 else 0}f}")


def condition(given: Condition) -> str:
    """Write an attack with its strength, as the report of an evaluated guard does."""
    from radversary.report.guard.figures import title_of

    if not given.measure:
        return given.attack
    return f"{title_of(given)}, {measure_name(given.measure)} {level(given.strength, given.measure)}"


def odds(evidence: float) -> str:
    """Write evidence, the decimal logarithm of a martingale, as what it is to one.

    Example:
        >>> odds(2.0), odds(-0.5), odds(12.3)
        ('100 to 1', '0.32 to 1', 'more than a million to 1')
    """
    if evidence > 6:
        return "more than a million to 1"
    return f"{10.0**evidence:,.0f} to 1" if evidence >= 1 else f"{10.0**evidence:.2g} to 1"


def fires(delta: float) -> str:
    """Write the evidence at which a test fires whose false alarms ever have a probability.

    Example:
        >>> fires(0.01)
        '100 to 1'
    """
    return odds(-math.log10(delta))


def written(found: Figure, value: Callable[[float], str], end: Callable[[float], str]) -> str:
    """Write a figure of monitoring with its interval, where it has one.

    Args:
        found: The figure.
        value: Writes its value.
        end: Writes an end of its interval.
    """
    if found.value is None:
        return "–"
    if found.low is None and found.high is None:
        return value(found.value)
    low, high = ("–" if side is None else end(side) for side in (found.low, found.high))
    return f"{value(found.value)} [{low}, {high}]"


FILTERS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType({
    **{name: getattr(formats, name) for name in REPORTED}, "level": level, "measure_name": measure_name,
    "moment": moment, "day": day, "size": size, "system_name": system_name, "counted": counted, "share": share,
    "in_thousand": in_thousand, "condition": condition, "points": points, "took": took, "odds": odds, "fires": fires})
"""Name to filter."""
