"""Scores of one result for a page, and the ranking of several runs."""

from __future__ import annotations

import pytest
from score_factory import World, weak

from radversary.core.errors import InputError
from radversary.report.html import render_report
from radversary.report.score import rank_csv, rank_markdown, rank_texts
from radversary.scoring.board import ranked, scoreboard, worksheet
from radversary.scoring.profile import load_profile
from radversary.scoring.score import scores_of

PROFILE = load_profile()
LABELS = World.of(60).labels


@pytest.fixture(scope="module")
def world():
    return World.of(60, none=weak(LABELS), sturdy=weak(LABELS, epsilon=40 / 255, style=3.0))


@pytest.mark.slow
def test_a_board_holds_every_system_with_its_changes(world):
    board = scoreboard(world.result(), PROFILE)
    assert [item.score for item in board.systems] == list(scores_of(world.result(), PROFILE))
    assert all(len(item.changes) == 3 for item in board.systems)
    assert not board.reason


@pytest.mark.slow
def test_what_cannot_be_scored_says_why(world):
    result = world.result().model_copy(update={"readings": None})
    board = scoreboard(result, PROFILE)
    assert board.systems == ()
    assert "holds no readings" in board.reason


@pytest.mark.slow
def test_a_worksheet_sums_to_the_sub_score(world):
    for score in scores_of(world.result(), PROFILE):
        for part in score.parts:
            rows = worksheet(part)
            if part.key in ("DT", "CU"):
                assert rows == part.parts
                continue
            assert sum(row.share for row in rows) == pytest.approx(1)
            assert round(100 * sum(row.share * row.value for row in rows), 1) == pytest.approx(part.value, abs=0.05)
        assert len(worksheet(next(part for part in score.parts if part.key == "CO"))) == 13


@pytest.mark.slow
def test_systems_of_all_runs_are_ranked_and_equals_share_a_place(world):
    found = ranked({"a": world.result(), "b": world.result()}, PROFILE)
    values = [item.score.value for item in found]
    assert values == sorted(values, reverse=True)
    assert [(item.place, item.run, item.score.system) for item in found] == [
        (1, "a", "sturdy"), (1, "b", "sturdy"), (3, "a", "none"), (3, "b", "none")]


@pytest.mark.slow
def test_runs_that_cannot_be_compared_are_refused(world):
    others = world.but(battery="battery-2026.1/full").result()
    with pytest.raises(InputError, match=r"different batteries .*a has battery-2026\.1/standard, b has .*/full"):
        ranked({"a": world.result(), "b": others}, PROFILE)
    data = world.result().data.model_copy(update={"sha256": "1d" * 32})
    with pytest.raises(InputError, match="different test images"):
        ranked({"a": world.result(), "b": world.result().model_copy(update={"data": data})}, PROFILE)


@pytest.mark.slow
def test_the_ranking_is_the_same_as_text(world):
    found = ranked({"=a|b": world.result()}, PROFILE)
    head, first, _ = rank_texts(found)
    assert (head[0], head[-1]) == ("place", "vector")
    assert first[-1] == found[0].score.vector
    assert len(head) == len(first)
    assert rank_csv(found).splitlines()[1].startswith("1,'=a|b,sturdy,")
    assert "| =a\\|b |" in rank_markdown(found)


@pytest.mark.slow
def test_the_page_shows_each_score_its_caps_and_its_worksheet(world, tmp_path):
    page = render_report(world.result(), tmp_path)
    for score in scores_of(world.result(), PROFILE):
        assert score.vector in page
        assert f"{score.value:.1f}" in page
        for cap in score.caps:
            assert cap.reason in page
    assert "What would raise it most" in page
    bare = render_report(world.result().model_copy(update={"readings": None}), tmp_path)
    assert "There is no score: the result holds no readings" in bare
