"""Nothing that was read, and nothing that another film or attack made, is written over."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radversary.core.errors import InputError
from radversary.data.attacked import read_attacked
from radversary.data.names import folder_names, output_names
from radversary.storage.checksums import sha256_file
from radversary.storage.files import refuse_inputs

NOISE = ("--name", "noise", "--strength", 0.1, "--size", 32)


@pytest.fixture
def films(film, tmp_path) -> Path:
    """Folders A, A/S, B and B/S with a film each, all called 1.png and none like another."""
    pixels = np.asarray(Image.open(film))
    for number, place in enumerate(("A", "A/S", "B", "B/S")):
        (tmp_path / "films" / place).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels // 2 + 20 * np.uint8(number)).save(tmp_path / "films" / place / "1.png")
    return tmp_path / "films"


def state(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_attacked_films_never_lie_among_the_clean_ones(radversary, films):
    shutil.copy(films / "A/1.png", films / "A/1-0.1.png")
    (films / "link").symlink_to(films / "A")
    before = state(films)
    for place, out in (("A", "A"), ("A", "link"), (".", "A"), ("A", "A/../A"), ("A/1.png", "A"), ("link", "A")):
        places = [films / place, *((films / "A/1-0.1.png",) if place.endswith("png") else ())]
        outcome = radversary("attack", *places, "--out", films / out, *NOISE)
        assert outcome.code == 2
        assert "give another folder as --out" in outcome.err or "would overwrite" in outcome.err
        assert state(films) == before


@pytest.mark.slow
def test_a_folder_of_its_own_inside_is_no_place_of_films_until_it_holds_some(radversary, films):
    assert radversary("attack", films / "A", "--out", films / "A/attacked", *NOISE).code == 0
    before = state(films)
    assert "holds the films that are to be attacked" in radversary(
        "attack", films / "A", "--out", films / "A/attacked", *NOISE).err
    assert state(films) == before


@pytest.mark.slow
def test_a_film_beside_its_attacked_copy_may_be_attacked_again(radversary, films):
    for _ in range(2):
        assert radversary("attack", films / "A/1.png", "--out", films / "A", *NOISE).code == 0
    assert sorted(path.name for path in (films / "A").glob("*.*")) == ["1-0.1.png", "1.png", "attacked.json"]


@pytest.mark.slow
def test_what_another_film_or_attack_made_stays(radversary, films, tmp_path):
    out = tmp_path / "out"
    assert radversary("attack", films / "A/1.png", "--out", out, *NOISE).code == 0
    before = state(out)
    for place, more in (("B/1.png", ()), ("A/1.png", ("--seed", 7)), ("A/1.png", ("--size", 48))):
        outcome = radversary("attack", films / place, "--out", out, *NOISE, *more)
        assert outcome.code == 2
        assert "1-0.1.png is there already, of another film or another attack" in outcome.err
        assert state(out) == before
    assert radversary("attack", films / "A/1.png", "--out", out, *NOISE).code == 0
    assert state(out) == before


def test_what_was_made_before_a_refusal_is_known_for_attacked(radversary, films, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "b-0.1.png").write_bytes(b"another")
    for name in "ab":
        shutil.copy(films / "A/1.png", films / f"{name}.png")
    assert radversary("attack", films / "a.png", films / "b.png", "--out", out, *NOISE).code == 2
    assert read_attacked(out) == {sha256_file(out / "a-0.1.png")}
    assert json.loads((out / "attacked.json").read_text())


def test_a_long_name_is_cut_and_equal_strengths_are_one(radversary, films, tmp_path):
    out = tmp_path / "out"
    for name in ("z" * 245, "z" * 246, "b"):
        shutil.copy(films / "A/1.png", films / f"{name}.png")
    given = [films / f"{name}.png" for name in ("z" * 245, "z" * 246, "b")]
    made = radversary("attack", *given, "--out", out, *NOISE, "--strength", 0.1, "--strength", 0.1 + 1e-14)
    assert made.code == 0
    pictures = sorted(path.name for path in out.glob("*.png"))
    assert len(pictures) == len(made.out.split()) == 3
    assert "b-0.1.png" in pictures


def test_folders_of_one_last_name_are_told_by_more(radversary, films, tmp_path):
    outcome = radversary("attack", films / "A/S", films / "B/S", "--out", tmp_path / "out", *NOISE)
    assert sorted(Path(path).name for path in outcome.out.split()) == ["A_S_1-0.1.png", "B_S_1-0.1.png"]
    assert f"{films}/A/S/1.png is called A_S_1 in" in outcome.err


@pytest.mark.parametrize("names", [
    ["X.png", "x.png"], ["a/X.png", "b/x.png"], ["\u00fc.png", "u\u0308.png"], ["a/b/1.png", "a_b/1.png"],
    ["a%2Fb/1.png", "a/b/1.png"], ["STRASSE.png", "stra\u00dfe.png"]])
def test_names_of_outputs_differ_where_case_is_ignored(names):
    found = output_names(names)
    assert len({name.casefold() for name in found}) == len(names)
    assert not any("/" in name for name in found)


def test_names_of_folders():
    assert folder_names([]) == []
    assert folder_names([Path("/")]) == [""]
    assert folder_names([Path("/"), Path("/a"), Path("/b/a")]) == ["", "a", "b/a"]
    assert folder_names([Path("/x/S"), Path("/y/s")]) == ["x/S", "y/s"]
    assert folder_names([Path("/X"), Path("/x")]) == ["X", "x"]
    assert folder_names([Path("/x"), Path("/x")]) == ["x", "x"]


@pytest.mark.slow
@pytest.mark.parametrize("evidence", ["A/1.png", "B/1.png", "link.png", "A/../A/1.png"])
def test_evidence_replaces_neither_film(radversary, films, evidence):
    (films / "link.png").symlink_to(films / "A/1.png")
    before = state(films)
    outcome = radversary("detect", films / "A/1.png", films / "B/1.png", "--evidence", films / evidence)
    assert outcome.code == 2
    assert "would overwrite" in outcome.err
    assert state(films) == before


def test_inputs_are_known_by_any_name(tmp_path):
    film = tmp_path / "film.png"
    film.write_bytes(b"film")
    (tmp_path / "hard.png").hardlink_to(film)
    refuse_inputs([tmp_path / "new.png"], [film, tmp_path / "absent.png"])
    with pytest.raises(InputError, match=r"hard\.png would overwrite .*film\.png"):
        refuse_inputs([tmp_path / "new.png", tmp_path / "hard.png"], [film])
