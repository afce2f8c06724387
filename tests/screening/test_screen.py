"""Films of several places: each known by its place, none stopped by another."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from tiny_dicom import dicom

from radversary.core.errors import DataError, InputError
from radversary.imaging.png import encode_png
from radversary.screening import screen as screen_file
from radversary.screening.fitting import fit_guard
from radversary.screening.guard import Guard
from radversary.screening.heat import HeatMaps, file_name, heat_maps, overlay
from radversary.screening.screen import screen_place, screen_places
from radversary.screening.verdicts import refused


@pytest.fixture(scope="module")
def by_view(victim, clean) -> Guard:
    """Calibrated by view: AP and PA."""
    fitted = fit_guard(victim, clean[:40], names=("energy", "neighbours"), record={"grouped_by": "view"})
    people = [f"p{number}" for number in range(80)]
    return fitted.calibrate(clean[40:], people, ["PA", "AP"] * 40, alpha=0.2)


@pytest.fixture
def board() -> torch.Tensor:
    checked = torch.zeros(1, 32, 32)
    checked[..., ::2, ::2] = 1.0
    return checked


def write(path, image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(image))


@pytest.fixture
def studies(tmp_path, clean, board):
    """Two folders with films of the same two names; three of the four are painted, two of them alike."""
    for study, name, image in (("A", "1.png", board), ("A", "2.png", clean[101]), ("B", "1.png", board),
                               ("B", "2.png", board.flip(-1))):
        write(tmp_path / study / name, image)
    return [tmp_path / "A", tmp_path / "B"]


@pytest.fixture
def telling(guard, monkeypatch):
    """The guard, one of whose detectors can tell where a film is suspicious."""
    monkeypatch.setattr(type(guard.detectors["energy"]), "heat_map", lambda self, images, features: images[:, 0])
    return guard


def test_films_of_equal_names_are_told_apart_by_their_place(telling, studies, tmp_path):
    maps, drawn = HeatMaps(telling, tmp_path / "heat"), {}
    found = list(screen_places(telling, studies))
    assert [(item.verdict.place, item.verdict.image) for item in found] == [
        (str(study), name) for study in studies for name in ("1.png", "2.png")]
    assert [item.verdict.verdict for item in found] == ["review", "pass", "review", "review"]
    for item in found:
        if item.verdict.verdict == "review":
            drawn[item.verdict.place, item.verdict.image] = maps.draw(item)
    assert len(set(drawn.values())) == 3
    assert sorted(path.name for path in (tmp_path / "heat").iterdir()) == sorted(path.name for path in drawn.values())
    for (place, image), path in drawn.items():
        assert f"{place}/{image}".replace("/", "_").endswith(path.name.removesuffix(".heat.png")[-20:])


def test_a_place_that_is_given_twice_is_screened_once(guard, studies):
    assert len(list(screen_places(guard, [studies[0], studies[1], studies[0] / ".." / "A"]))) == 4


def test_films_themselves_may_be_given(telling, studies, tmp_path):
    films = [study / "1.png" for study in studies]
    maps = HeatMaps(telling, tmp_path / "heat")
    paths = [maps.draw(item) for item in screen_places(telling, films)]
    assert len(set(paths)) == 2
    assert [path.name.removesuffix(".heat.png")[-7:] for path in paths] == ["A_1.png", "B_1.png"]


def test_rows_of_one_file_in_a_table_are_one_film(guard, studies, tmp_path):
    table = tmp_path / "films.csv"
    rows = pd.DataFrame({"file": ["A/1.png", "A/1.png", "./A/1.png", "B/../A/1.png", "A/2.png"],
                         "view": ["AP", "PA", "AP", "AP", "PA"]})
    rows.to_csv(table, index=False)
    found = [item.verdict for item in screen_places(guard, [table])]
    assert [verdict.image for verdict in found] == ["A/1.png", "A/2.png"]


def test_a_film_that_several_places_lead_to_is_screened_once(guard, studies, tmp_path):
    first, second = studies
    (tmp_path / "link").symlink_to(second)
    (tmp_path / "link.png").symlink_to(first / "1.png")
    (tmp_path / "films.csv").write_text("file\nA/1.png\nB/2.png\nabsent.png\n")
    for places, count in (([tmp_path, first], 4), ([first, tmp_path], 4), ([first / "1.png", first], 2),
                          ([second, tmp_path / "link"], 2), ([tmp_path / "link.png", first / "1.png"], 1),
                          ([tmp_path / "films.csv", first, second], 5)):
        found = [item.verdict for item in screen_places(guard, places)]
        assert len(found) == count
        assert found[0].place == str(places[0])


@pytest.mark.parametrize("names", [("a/b.png", "a_b.png"), ("Film.png", "film.png"), ("a b.png", "a/b.png"),
                                   ("x" * 400 + "/1.png", "x" * 401 + "/1.png"), ("../../1.png", "1.png"),
                                   ("\udcff.png", "\udcfe.png"), ("ä.png", "a.png"), (".", "..")])
def test_no_two_films_have_one_heat_map(telling, clean, names, tmp_path):
    maps = HeatMaps(telling, tmp_path / "heat")
    paths = [maps.draw(screen_file.Screened(refused(name, "", place="study"), clean[:1])) for name in names]
    assert len({path.name.casefold() for path in paths}) == 2
    assert all(path.parent == tmp_path / "heat" for path in paths)
    assert all(len(path.name.encode()) < 200 for path in paths)


def test_a_file_name_says_place_and_film():
    assert file_name(refused("ward/1.png", "", place="/data/studies")) == "data_studies_ward_1.png"
    assert file_name(refused("1.png", "", place="../x/1.png")) == "x_1.png"
    assert file_name(refused("1.png", "", place="films.csv")) == "films.csv_1.png"
    assert file_name(refused("/", "", place="")) == "film"


def films_with_views(folder, views):
    folder.mkdir()
    for number, view in enumerate(views):
        dicom(folder / f"{number}.dcm", seed=number, **({"ViewPosition": view} if view else {}))
    return folder


@pytest.mark.slow
def test_a_film_of_no_known_group_is_refused_and_the_others_get_their_verdicts(by_view, tmp_path):
    folder = films_with_views(tmp_path / "new", ["AP", "PA", "", "LL", "AP", "PA"])
    (folder / "6.dcm").write_bytes(b"no film")
    found = list(screen_place(by_view, folder))
    assert [item.image for item in found] == [f"{number}.dcm" for number in range(7)]
    assert [item.verdict == "refused" for item in found] == [False, False, True, True, False, False, True]
    assert [item.group for item in found[:2]] == ["AP", "PA"]
    assert found[2].reason == "its view is not known, and this guard promises nothing but for view AP, PA"
    assert "never calibrated; known: AP, PA" in found[3].reason
    assert "6.dcm" in found[6].reason
    for item in (found[2], found[3], found[6]):
        assert (item.p_value, item.prediction, item.detectors, item.probabilities) == (None, "", {}, {})
    for item in (found[0], found[1]):
        assert item.p_value is not None
        assert item.prediction


@pytest.mark.slow
def test_no_film_of_a_known_group_is_no_reason_to_stop(by_view, studies, tmp_path):
    folder = films_with_views(tmp_path / "new", ["AP"])
    found = list(screen_places(by_view, [*studies, folder]))
    assert [item.verdict.verdict == "refused" for item in found] == [True] * 4 + [False]


@pytest.mark.slow
def test_a_film_s_verdict_does_not_depend_on_its_neighbours_headers(by_view, tmp_path, monkeypatch):
    folder = films_with_views(tmp_path / "new", ["", "AP", "", ""])
    together = list(screen_place(by_view, folder))
    monkeypatch.setattr(screen_file, "BATCH", 1)
    alone = list(screen_place(by_view, folder))
    assert [(item.verdict, item.reason) for item in alone] == [(item.verdict, item.reason) for item in together]
    assert [item.verdict == "refused" for item in alone] == [True, False, True, True]


def test_a_film_that_a_detector_cannot_score_is_refused_alone(guard, studies, monkeypatch):
    kind, judge = type(guard.detectors["energy"]), type(guard.detectors["energy"]).judge

    def broken(self, measured):
        scores = judge(self, measured)
        return torch.where(scores == scores.max(), torch.nan, scores) if len(scores) > 1 else scores

    # of several films one gets no score; alone each has one again
    monkeypatch.setattr(kind, "judge", broken)
    assert [item.verdict.verdict for item in screen_places(guard, studies)].count("refused") == 0
    monkeypatch.setattr(kind, "judge", lambda self, measured: torch.full((len(measured),), torch.nan))
    found = list(screen_place(guard, studies[0]))
    assert {item.verdict for item in found} == {"refused"}
    assert {item.reason for item in found} == {"detector 'energy' gives a score that is no finite number"}


def test_a_film_that_the_model_cannot_answer_is_refused_alone(guard, studies, monkeypatch, board):
    forward = type(guard.classifier.module).forward

    def failing(self, inputs):
        answers = forward(self, inputs)
        bright = inputs.flatten(1).amax(1) == inputs.amax()  # the painted ones
        return torch.where(bright[:, None], torch.nan, answers)

    monkeypatch.setattr(type(guard.classifier.module), "forward", failing)
    found = list(screen_place(guard, studies[0]))
    assert found[0].verdict == "refused"
    assert "gave logits that are not finite numbers for 1 of 1 images" in found[0].reason


def test_places_that_are_not_there_are_said_before_any_film_is_looked_at(guard, studies, tmp_path, monkeypatch):
    monkeypatch.setattr(Guard, "look", None)
    with pytest.raises(DataError, match="does not exist"):
        list(screen_places(guard, [*studies, tmp_path / "none"]))
    with pytest.raises(InputError, match="no thresholds yet"):
        list(screen_places(Guard(classifier=guard.classifier, detectors=guard.detectors), studies))


def test_pictures_of_what_is_suspicious(telling, studies, tmp_path):
    (film, *_) = screen_places(telling, studies)
    path = HeatMaps(telling, tmp_path / "heat").draw(film)
    assert path.is_file()
    assert heat_maps(telling, film.image).shape == (1, 32, 32)


def test_no_picture_of_what_cannot_be_read_or_told(guard, studies, tmp_path):
    (film, *_) = screen_places(guard, studies)
    maps = HeatMaps(guard, tmp_path / "heat")
    assert maps.draw(film) is None
    assert maps.draw(screen_file.Screened(film.verdict, None)) is None
    assert not (tmp_path / "heat").exists()


def test_an_overlay_leaves_what_is_not_suspicious(clean):
    heat = torch.zeros(1, 32, 32)
    heat[:, 8:, :] = 1.0
    pictures = overlay(clean[:1], heat)
    assert pictures.shape == (1, 3, 32, 64)
    assert torch.equal(pictures[..., :8, 32:], clean[:1].expand(-1, 3, -1, -1)[..., :8, :])
    assert not torch.allclose(pictures[..., 8:, 32:], clean[:1].expand(-1, 3, -1, -1)[..., 8:, :])
