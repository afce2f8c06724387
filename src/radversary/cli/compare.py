"""``radversary compare``: defences × attacks × knowledge of one or several runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radversary.cli.console import say, show_whole, tell_lines

if TYPE_CHECKING:
    from radversary.auditing.result import AuditResult

FORMATS = ("table", "markdown", "csv")


def compare(runs: Annotated[list[Path], typer.Argument(help="Run folders with result.json; several stand side by "
                                                            "side.")],
            attack: Annotated[str | None, typer.Option(help="Only this attack, by its label in the plan.")] = None,
            knowledge: Annotated[str | None, typer.Option(help="Only attackers of this knowledge: oblivious, transfer, "
                                                               "gray-box or adaptive.")] = None,
            rung: Annotated[str | None, typer.Option(hidden=True, help="The name of --knowledge of old.")] = None,
            form: Annotated[str, typer.Option("--format", help="table, markdown or csv.")] = "table",
            measure: Annotated[str, typer.Option(help="accuracy, macro-recall, macro-auroc, success, "
                                                   "hidden, invented; or score, which ranks systems of all runs.")
                               ] = "accuracy",
            profile: Annotated[str, typer.Option(help="Of --measure score: a profile by name, or a YAML file.")] = (
                "mirs-1.0")) -> None:
    """Print defence × attack × knowledge with intervals and n; nothing is computed anew.

    With --measure score, rank the deployed systems of all runs; other test images or batteries are refused.
    """
    from radversary.core.errors import UnknownNameError
    from radversary.core.renamed import current_name, warn_renamed
    from radversary.evidence.changed import refuse_changed_results
    from radversary.report.found import check_results

    if form not in FORMATS:
        raise UnknownNameError("format", form, FORMATS)
    if measure == "score":
        rank(runs, form, profile)
        return
    check_results(runs)
    refuse_changed_results(runs)

    from radversary.cli.tables import grid_table
    from radversary.report.compare import compare as compare_runs
    from radversary.report.compare import different_sets, markdown, rows_of_all
    from radversary.report.families import families_markdown
    from radversary.report.html import load_results
    from radversary.report.markdown import standing_table as standing_markdown

    if rung is not None:
        warn_renamed("option", "--rung", "--knowledge")
        knowledge = knowledge or current_name("knowledge", rung, {"classifier": "gray-box"})
    results = load_results(runs)
    if form == "csv":
        tell_lines(rows_of_all(results, attack=attack, knowledge=knowledge, measure=measure).rstrip("\n"))
        return
    grids = compare_runs(results, attack=attack, knowledge=knowledge, measure=measure)
    whole = attack is None and knowledge is None
    if different_sets(results):
        say("note: the runs were measured on different test images; their figures are not paired")
    warn(results, attack, knowledge)
    if form == "markdown":
        parts = ["\n\n".join([name, *filter(None, (standing_markdown(result), families_markdown(result)))])
                 for name, result in results.items() if whole]
        tell_lines("\n".join([*parts, markdown(grids, measure)]).rstrip("\n"))
        return
    show_whole_runs(results if whole else {})
    for grid in grids:
        show_whole(grid_table(grid, measure))


def rank(runs: list[Path], form: str, profile: str) -> None:
    """Print the systems of all runs by their score.

    Raises:
        InputError: The runs cannot be ranked.
    """
    from radversary.auditing.cell_table import defence_name
    from radversary.cli.tables import rank_table
    from radversary.evidence.changed import refuse_changed_results
    from radversary.report.found import check_results
    from radversary.report.html import load_results
    from radversary.report.score import rank_csv, rank_markdown
    from radversary.scoring.board import ranked
    from radversary.scoring.profile import load_profile

    chosen = load_profile(profile)
    check_results(runs)
    refuse_changed_results(runs)
    found = ranked(load_results(runs), chosen)
    if form == "csv":
        tell_lines(rank_csv(found))
    elif form == "markdown":
        tell_lines(rank_markdown(found))
    else:
        show_whole(rank_table(found, chosen))
        for item in found:
            tell_lines(f"{item.place}. {item.run}, {defence_name(item.score.system)}: {item.score.vector}")


def show_whole_runs(results: Mapping[str, AuditResult]) -> None:
    """Print what is said of runs as wholes: each defence in a line, and what it keeps of each family of attacks."""
    from radversary.cli.tables import families_table, standing_table

    for name, result in results.items():
        show_whole(standing_table(name, result))
        if result.family_cases:
            show_whole(families_table(name, result))


def warn(results: Mapping[str, AuditResult], attack: str | None, knowledge: str | None) -> None:
    """Say on standard error which measurements of the tables shown were too weak."""
    for name, result in results.items():
        for finding in result.findings:
            if attack in (None, finding.condition.attack) and knowledge in (None, finding.condition.knowledge):
                say(f"warning: {name}: {finding.sentence}")
