"""One self-contained page from one result: no script, no network, nothing computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from radversary.auditing.result import AuditResult
from radversary.auditing.wording import goal_beside, goal_words, level, measure_name
from radversary.report import formats
from radversary.report.confusion import matrices
from radversary.report.families import family_table
from radversary.report.figures import Drawing, draw_figures
from radversary.report.finding_tables import attack_lines, finding_tables, listed_attacks
from radversary.report.found import check_result
from radversary.report.gallery import cards
from radversary.report.grid import grids, visibility_grids
from radversary.report.guarded import guarded_table
from radversary.report.headline import conclusion
from radversary.report.limitations import limitations
from radversary.report.measurement import measurement_table
from radversary.report.regulatory.mapping import SECTIONS, RegulatoryMap, load_map
from radversary.report.regulatory.table import regulatory_table
from radversary.report.reproduction import reproduction
from radversary.report.result_view import ResultView
from radversary.report.standing import listed_knowledge, profiles, standings
from radversary.report.subgroups import subgroup_page, title_of
from radversary.report.threats import threat_model
from radversary.report.transitions import transition_page
from radversary.report.words import threshold_text
from radversary.scoring.board import scoreboard, worksheet
from radversary.scoring.profile import Profile, load_profile
from radversary.scoring.subscores import TITLES as SCORE_TITLES
from radversary.storage.files import write_page
from radversary.storage.tables import refuse_changed

FILTERS = ("percent", "signed", "interval", "signed_interval", "area", "area_interval", "p_value", "duration",
           "shorten", "emphasised", "milliseconds", "span", "area_span")
TABLES = ("predictions", "detections", "outcomes", "scores")
"""Tables of runs, which results are made from; their provenance holds the hash of each, as ``predictions sha256``."""
LISTED = 100
"""Left-out files named on the page; the rest are in result.json."""


def render_report(result: AuditResult, folder: Path, profile: Profile | None = None, *,
                  regulations: RegulatoryMap | None = None) -> str:
    """Draw an audit's result as one HTML page.

    The page needs no other file, script or network. Pictures that are absent are said to be absent.

    Args:
        result: What the audit found.
        folder: The run folder; the pictures of ``result.gallery`` are relative to it.
        profile: What its score is made of; the newest shipped one where None.
        regulations: The regulatory map; None takes the one that is shipped.

    Returns:
        The page.
    """
    view = ResultView(result)
    return page_of(view, folder, draw_figures(view), profile, regulations)


def write_report(folder: str | Path, profile: Profile | None = None, *,
                 regulations: RegulatoryMap | None = None) -> Path:
    """Write ``report.html`` and ``figures/*.svg`` of a run folder, each whole or absent.

    Args:
        folder: A run folder with ``result.json``.
        profile: What its score is made of; the newest shipped one where None.
        regulations: The regulatory map; None takes the one that is shipped.

    Returns:
        The page's path.

    Raises:
        InputError: The folder has no result, or one that cannot be read.
        StorageError: Writing failed.
    """
    folder = Path(folder)
    view = ResultView(load_result(folder))
    figures = draw_figures(view)
    for drawing in (drawing for group in figures.values() for drawing in group):
        write_page(folder / "figures" / f"{drawing.name}.svg", drawing.svg)
    return write_page(folder / "report.html", page_of(view, folder, figures, profile, regulations))


def load_result(folder: Path) -> AuditResult:
    """Read the result of a run folder.

    Raises:
        InputError: The folder has none, one that cannot be read, or tables that were changed since.
    """
    check_result(folder)
    result = AuditResult.load(folder / "result.json")
    refuse_changed(folder, tables_of(result.provenance), remedy="run the audit again into a new folder")
    return result


def tables_of(provenance: Mapping[str, str]) -> dict[str, str]:
    """Return the tables that a result was made from, file name to SHA-256, as its provenance says.

    Example:
        >>> tables_of({"predictions sha256": "ab", "radversary": "0.1.0"})
        {'predictions.parquet': 'ab'}
    """
    return {f"{name}.parquet": provenance[key] for name in TABLES if (key := f"{name} sha256") in provenance}


def load_results(folders: Iterable[Path]) -> dict[str, AuditResult]:
    """Read several run folders, each under its name, or under its path where two have one name.

    Raises:
        InputError: A folder has no result, or one that cannot be read.
    """
    listed = list(dict.fromkeys(folder.resolve() for folder in folders))
    names = [folder.name for folder in listed]
    return {str(folder) if names.count(folder.name) > 1 else folder.name: load_result(folder) for folder in listed}


def page_of(view: ResultView, folder: Path, figures: Mapping[str, Sequence[Drawing]],
            profile: Profile | None = None, regulations: RegulatoryMap | None = None, *, paged: bool = False) -> str:
    """Return the page of a result.

    Args:
        view: The result.
        folder: The run folder.
        figures: Of :func:`radversary.report.figures.draw_figures`.
        profile: What its score is made of; the newest shipped one where None.
        regulations: The regulatory map; None takes the one that is shipped.
        paged: Whether it is for pages of paper, with a table of contents and everything unfolded.
    """
    chosen = profile or load_profile()
    return environment().get_template("report.html").render(
        result=view.result, data=view.result.data, view=view, figures=figures,
        conclusion=conclusion(view), matrices=matrices(view), cards=cards(view.result, folder),
        listed=LISTED, grids=grids(view), standings=standings(view), profiles=profiles(view),
        knowledge_levels=listed_knowledge(view), visibility=visibility_grids(view), words=view.words,
        threshold=threshold_text(view.result), finding_tables=finding_tables(view),
        attack_lines=attack_lines(view, listed_attacks(view)), measurement=measurement_table(view.result),
        families=family_table(view), guarded=guarded_table(view), worksheet=worksheet, score_titles=SCORE_TITLES,
        board=scoreboard(view.result, chosen), subgroups=subgroup_page(view), paged=paged, threats=threat_model(view),
        transitions=transition_page(view, chosen), limitations=limitations(view), sections=SECTIONS,
        regulatory=regulatory_table(view, regulations or load_map()), again=reproduction(view.result, folder))


@cache
def environment() -> Environment:
    """Return the templates: everything escaped, an undefined name is an error."""
    found = Environment(loader=PackageLoader("radversary.report"), autoescape=True, undefined=StrictUndefined,
                        trim_blocks=True, lstrip_blocks=True)
    found.filters.update({name: getattr(formats, name) for name in FILTERS}, level=level, measure_name=measure_name,
                         goal_words=goal_words, goal_beside=goal_beside, moment=title_of,
                         capitalize_first=formats.capitalize_first)
    return found
