"""One self-contained page from one result: no script, no network, nothing computed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from radversary.audit.result import AuditResult
from radversary.core.errors import InputError
from radversary.core.files import write_text
from radversary.report import formats
from radversary.report.confusion import matrices
from radversary.report.figures import Drawing, draw_figures
from radversary.report.gallery import cards
from radversary.report.headline import conclusion, critical_misses
from radversary.report.reading import Reading

FILTERS = ("percent", "signed", "interval", "signed_interval", "area", "area_interval", "p_value", "duration",
           "shorten", "emphasised")
LISTED = 100
"""Left-out files named on the page; the rest are in result.json."""


def render_report(result: AuditResult, folder: Path) -> str:
    """Draw an audit's result as one HTML page.

    The page needs no other file, script or network. Pictures that are absent are said to be absent.

    Args:
        result: What the audit found.
        folder: The run folder; the pictures of ``result.exhibits`` are relative to it.

    Returns:
        The page.
    """
    reading = Reading(result)
    return _page(reading, folder, draw_figures(reading))


def write_report(folder: Path) -> Path:
    """Write ``report.html`` and ``figures/*.svg`` of a run folder, each whole or absent.

    Args:
        folder: A run folder with ``result.json``.

    Returns:
        The page's path.

    Raises:
        InputError: The folder has no result, or one that cannot be read.
        StorageError: The disk refused.
    """
    reading = Reading(_load(folder / "result.json"))
    figures = draw_figures(reading)
    for drawing in (drawing for group in figures.values() for drawing in group):
        write_text(folder / "figures" / f"{drawing.name}.svg", drawing.svg)
    return write_text(folder / "report.html", _page(reading, folder, figures))


def _load(path: Path) -> AuditResult:
    if not path.is_file():
        raise InputError(f"{path.parent} has no result.json; run an audit there first, or give its run folder")
    return AuditResult.load(path)


def _page(reading: Reading, folder: Path, figures: dict[str, list[Drawing]]) -> str:
    return _environment().get_template("report.html").render(
        result=reading.result, data=reading.result.data, reading=reading, figures=figures,
        conclusion=conclusion(reading), matrices=matrices(reading), cards=cards(reading.result, folder),
        critical_misses=critical_misses, listed=LISTED)


@cache
def _environment() -> Environment:
    environment = Environment(loader=PackageLoader("radversary.report"), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    environment.filters.update({name: getattr(formats, name) for name in FILTERS})
    return environment
