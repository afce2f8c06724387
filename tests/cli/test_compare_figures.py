"""``compare`` and ``figures`` on a run folder as a large plan makes it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from radversary.core.types import AttackerKnowledge

FACTORY = Path(__file__).parents[1] / "report" / "audit_factory.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    spec = importlib.util.spec_from_file_location("audit_factory_of_reports", FACTORY)
    factory = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(factory)
    folder = tmp_path_factory.mktemp("rich")
    factory.table_result(folder, images=3).save(folder / "result.json")
    return folder


@pytest.mark.slow
def test_compare_prints_every_attack_and_knowledge_whole(radversary, run):
    outcome = radversary("compare", run)
    assert outcome.code == 0
    assert "each defence in a line" in outcome.out
    assert all(f"stm, {knowledge}: accuracy by ε" in outcome.out for knowledge in AttackerKnowledge)
    assert "adversarial training" in outcome.out
    assert outcome.out.count("oracle (style) (ceiling)") == 1
    assert "oracle (style) (oracle)" in outcome.out
    assert "…" not in outcome.out
    assert all(f"warning: {run.name}: The adaptive" in line for line in outcome.err.splitlines() if ": The " in line)


@pytest.mark.slow
@pytest.mark.parametrize(("options", "warned"), [
    ((), True), (("--attack", "stm"), True), (("--knowledge", "adaptive"), True), (("--knowledge", "transfer"), False),
    (("--attack", "Gatys"), False)])
def test_compare_warns_where_the_adaptive_attacker_is_too_weak(radversary, run, options, warned):
    err = " ".join(radversary("compare", run, *options).err.split())
    assert ("The adaptive attacker is too weak against fast PGD-AT: under stm" in err) == warned
    assert ("arXiv:1902.06705" in err) == warned


def test_help_and_page_name_the_figures_that_are_drawn():
    from radversary.cli.figures import figures
    from radversary.report.thesis.plates import RECIPES

    page = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    for text in (figures.__doc__, page[page.index("`radversary figures RUN` writes"):]):
        listed = re.search(r"figures ((?:\d+(?:[-–]\d+)?(?:, | and )?)+)", text)[1]
        spans = [tuple(map(int, re.split("[-–]", span))) for span in re.findall(r"\d+(?:[-–]\d+)?", listed)]
        assert {number for span in spans for number in range(span[0], span[-1] + 1)} == set(RECIPES)


@pytest.mark.slow
def test_compare_narrows_down(radversary, run):
    out = radversary("compare", run, "--attack", "stm", "--knowledge", "adaptive").out
    assert "each defence in a line" not in out
    assert "stm, adaptive" in out
    assert "stm, transfer" not in out
    assert "†" in out


@pytest.mark.slow
def test_compare_writes_markdown_and_csv(radversary, run):
    markdown = radversary("compare", run, "--format", "markdown", "--measure", "macro-recall").out
    assert "stm, adaptive: macro recall by ε, %" in markdown
    assert "| no defence |" in markdown
    lines = radversary("compare", run, "--format", "csv", "--attack", "Gatys").out.splitlines()
    assert len(lines) == 13
    assert lines[0].startswith("run,defence,role,attack,knowledge,strength")


@pytest.mark.slow
def test_compare_says_when_the_test_images_differ(radversary, run, tmp_path):
    (tmp_path / "other").mkdir()
    text = (run / "result.json").read_text().replace("9b" * 32, "aa" * 32)
    (tmp_path / "other" / "result.json").write_text(text)
    outcome = radversary("compare", run, tmp_path / "other", "--attack", "Gatys")
    assert outcome.code == 0
    assert "different test images" in outcome.err
    assert "other: 1 (n=300)" in outcome.out


@pytest.mark.slow
@pytest.mark.parametrize(("options", "sentence"), [
    (("--attack", "stn"), "unknown attack 'stn'; did you mean 'stm'?"),
    (("--knowledge", "adaptve"), "did you mean 'adaptive'?"), (("--measure", "recall"), "did you mean 'macro-recall'?"),
    (("--format", "cvs"), "did you mean 'csv'?"), (("--attack", "stn", "--format", "csv"), "did you mean 'stm'?"),
    (("--attack", "Gatys", "--knowledge", "transfer"), "was not run with knowledge 'transfer'")])
def test_compare_refuses_what_is_not_there(radversary, run, options, sentence):
    outcome = radversary("compare", run, *options)
    assert outcome.code == 2
    assert sentence in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize("verb", ["compare", "figures"])
def test_a_folder_without_result_is_refused(radversary, tmp_path, verb):
    outcome = radversary(verb, tmp_path)
    assert outcome.code == 2
    assert "has no result.json" in outcome.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_figures_draws_the_thesis_and_names_what_lacks(radversary, run, tmp_path):
    outcome = radversary("figures", run, "--out", tmp_path / "out")
    assert outcome.code == 0
    assert outcome.out == f"figures: {(tmp_path / 'out' / 'index.html').resolve()}\n"
    assert "figure 22: the gallery of the run shows no picture behind" in outcome.err
    assert len(list((tmp_path / "out").glob("figure-*.svg"))) > 15
