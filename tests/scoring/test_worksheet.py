"""The worksheet of docs/score.md, computed by hand there, is what the code computes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from score_factory import World

from radversary.scoring.bounds import wilson_low
from radversary.scoring.profile import load_profile
from radversary.scoring.score import scores_of
from radversary.scoring.subscores import normalised

PAGE = (Path(__file__).parents[2] / "docs" / "score.md").read_text(encoding="utf-8").partition("## A worksheet")[2]
ROW = re.compile(r"^\| ([^|]+) \| (\d+, \d+, \d+) \| ([\d., ]+) \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)
ROWS = {name: ([int(item) for item in kept.split(", ")], [float(item) for item in lows.split(", ")], float(bound),
               float(value)) for name, kept, lows, bound, value in ROW.findall(PAGE)}
SIZE = 50


def kept(condition) -> list[int]:
    """How many of each class withstand a condition."""
    family, strength = str(condition.family), condition.strength
    if condition.attack == "clean":
        return ROWS["clean"][0]
    if family == "gradient" and condition.attack == "auto-attack":
        times = 255 * strength
        return ROWS["L∞ 4/255 and 8/255" if times > 3 else f"L∞ {times:g}/255"][0]
    if condition.attack == "square" and strength > 3 / 255:
        return ROWS["black-box 4/255"][0]
    if family == "corruption":
        return ROWS["each corruption"][0]
    if family in ("style", "acquisition", "patch"):
        tier = {0.1: "faint", 0.3: "medium", 0.5: "medium"}.get(strength, "strong")
        return ROWS[tier if family != "patch" else "strong"][0]
    return ROWS["clean"][0]


def reads(condition, labels):
    place = np.arange(len(labels)) % SIZE
    right = place < np.array(kept(condition))[labels]
    return np.where(right, labels, (labels + 1) % 3), np.zeros(len(labels), dtype=bool)


@pytest.fixture(scope="module")
def made():
    (found,) = scores_of(World.of(SIZE, none=reads).result(), load_profile())
    return found


def test_every_bound_is_that_of_the_page():
    assert len(ROWS) == 10
    for counts, lows, bound, value in ROWS.values():
        found = [wilson_low(count / SIZE, SIZE) for count in counts]
        assert found == pytest.approx(lows, abs=5.1e-5)
        assert np.mean(found) == pytest.approx(bound, abs=5.1e-5)
        assert normalised(float(np.mean(found)), 3) == pytest.approx(value, abs=1e-4)


def test_so_are_the_parts(made):
    titles = {item.title: item for part in made.parts for item in part.parts}
    for title, row in (("clean images", "clean"), ("L∞ 0.5/255", "L∞ 0.5/255"), ("L∞ 2/255", "L∞ 2/255"),
                       ("L∞ 8/255", "L∞ 4/255 and 8/255"), ("faint", "faint"), ("medium", "medium"),
                       ("strong", "strong"), ("pixelate 0.6", "each corruption")):
        assert titles[title].low == pytest.approx(ROWS[row][2], abs=5.1e-5), title
        assert titles[title].missing == ()


def test_so_are_the_sub_scores_and_the_number(made):
    said = dict(re.findall(r"\b(WB|ST|BB|DT|CO|CU) = (?:[^;.]*?= )?(?:100 · [^;]*= )?([\d.]+?)[;.](?:\s|$)", PAGE))
    assert set(said) == {"WB", "ST", "BB", "DT", "CO", "CU"}
    assert {part.key: part.value for part in made.parts} == {key: float(value) for key, value in said.items()}
    total = float(re.search(r"^S = .* = ([\d.]+)\.", PAGE, re.MULTILINE)[1])
    assert (made.value, made.uncapped, made.letter) == (total, total, "")
    assert [cap.code for cap in made.caps] == ["G5", "G4"]
    bound = float(re.search(r"the bound of 22 of 47 is ([\d.]+),", PAGE)[1])
    assert wilson_low(22 / 47, 47) == pytest.approx(bound, abs=5.1e-5)
