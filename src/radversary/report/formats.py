"""How figures are written: percentages, points, areas, p-values, durations."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from radversary.core.types import Estimate

UNDEFINED = "n/a"
SPACE = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


def percent(value: float) -> str:
    """Write a share in [0, 1] as a percentage with one decimal.

    Args:
        value: The share; not-a-number becomes ``n/a``.

    Returns:
        Text with a narrow no-break space before the sign.

    Example:
        >>> percent(0.914).replace(SPACE, " "), percent(float("nan"))
        ('91.4 %', 'n/a')
    """
    return f"{100 * value:.1f}{SPACE}%" if math.isfinite(value) else UNDEFINED


def figure(estimate: Estimate) -> str:
    """Write an estimate as percent with its interval.

    Example:
        >>> figure(Estimate(0.5, 0.4, 0.6, 10))
        '50.0 [40.0, 60.0]'
    """
    return f"{100 * estimate.value:.1f} {interval(estimate)}"


def signed(value: float) -> str:
    """Write a difference of shares in points, with its sign.

    Args:
        value: Difference in [-1, 1].

    Returns:
        Text such as ``+3.0`` or ``−51.0``; zero has no sign.

    Example:
        >>> signed(0.03), signed(-0.0001), signed(-0.51) == MINUS + "51.0"
        ('+3.0', '0.0', True)
    """
    if not math.isfinite(value):
        return UNDEFINED
    text = f"{100 * value:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", MINUS)


def interval(estimate: Estimate) -> str:
    """Write the interval of a share, in per cent without the sign.

    Example:
        >>> interval(Estimate(0.914, 0.88, 0.94, 300))
        '[88.0, 94.0]'
    """
    return _pair(estimate, lambda end: f"{100 * end:.1f}")


def span(estimate: Estimate) -> str:
    """Write the interval of a share in short form, in per cent without the sign.

    Example:
        >>> span(Estimate(0.914, 0.88, 0.94, 300))
        '88.0–94.0'
    """
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return "no interval"
    return f"{100 * estimate.low:.1f}–{100 * estimate.high:.1f}"


def signed_interval(estimate: Estimate) -> str:
    """Write the interval of a difference, in points with signs."""
    return _pair(estimate, signed)


def area(value: float) -> str:
    """Write an area under a curve with three decimals."""
    return f"{value:.3f}" if math.isfinite(value) else UNDEFINED


def area_interval(estimate: Estimate) -> str:
    """Write the interval of an area."""
    return _pair(estimate, lambda end: f"{end:.3f}")


def area_span(estimate: Estimate) -> str:
    """Write the interval of an area in short form.

    Example:
        >>> area_span(Estimate(0.914, 0.88, 0.94, 300))
        '0.880–0.940'
    """
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return "no interval"
    return f"{estimate.low:.3f}–{estimate.high:.3f}"


def p_value(value: float) -> str:
    """Write a p-value as journals do.

    Example:
        >>> p_value(0.0321), p_value(1e-9)
        ('p = 0.032', 'p < 0.001')
    """
    if not math.isfinite(value):
        return UNDEFINED
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def duration(seconds: float) -> str:
    """Write a duration for a person.

    Example:
        >>> [duration(s).replace(SPACE, " ") for s in (0.42, 75, 3700)]
        ['0.4 s', '1 min 15 s', '1 h 02 min']
    """
    if not math.isfinite(seconds):
        return UNDEFINED
    if seconds < 59.95:
        return f"{seconds:.1f}{SPACE}s"
    if seconds < 3599.5:
        return "{}{s}min {}{s}s".format(*divmod(round(seconds), 60), s=SPACE)
    return "{}{s}h {:02d}{s}min".format(*divmod(round(seconds / 60), 60), s=SPACE)


def milliseconds(value: float) -> str:
    """Write a time an image.

    Example:
        >>> milliseconds(3.14159).replace(SPACE, " "), milliseconds(250.0).replace(SPACE, " ")
        ('3.1 ms', '250 ms')
    """
    if not math.isfinite(value):
        return UNDEFINED
    return f"{value:.{1 if abs(value) < 100 else 0}f}{SPACE}ms".replace("-", MINUS)


def slug(text: str) -> str:
    """Return ``text`` as part of a file name.

    Example:
        >>> slug("Style / Gatys <1>"), slug("肺")
        ('style-gatys-1', 'x')
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "x"


def capitalize_first(text: str) -> str:
    """Return ``text`` with its first letter in upper case and the rest as it is.

    Example:
        >>> capitalize_first("audit with JPEG")
        'Audit with JPEG'
    """
    return text[:1].upper() + text[1:]


def shorten(text: str, *, limit: int = 26) -> str:
    """Cut ``text`` to ``limit`` characters for an axis, with an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def emphasised(difference: Estimate) -> bool:
    """Return whether the interval of a difference excludes zero; only then a report stresses it.

    Example:
        >>> emphasised(Estimate(0.1, 0.02, 0.2, 90)), emphasised(Estimate(0.1, -0.02, 0.2, 90))
        (True, False)
    """
    return difference.low > 0 or difference.high < 0


def _pair(estimate: Estimate, write: Callable[[float], str]) -> str:
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return "[no interval]"
    return f"[{write(estimate.low)}, {write(estimate.high)}]"
