"""A guard knows the films that it has seen, and is not tested on them."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from radversary.core.errors import InputError, ModelError
from radversary.detectors.registry import REFERENCE_FREE
from radversary.imaging.intensity import quantise
from radversary.screening.bundle import GUARD, LEARNED, load_guard, save_guard
from radversary.screening.fitting import fit_guard
from radversary.screening.seen import distinct, marks_of, refuse_seen

PEOPLE = [f"p{number}" for number in range(60)]


def known(images):
    return marks_of(images).kept("fitted")["fitted"]


@pytest.mark.slow
def test_a_film_is_known_by_its_pixels_at_eight_bits(clean):
    hashes = known(clean[:40])
    assert (hashes.dtype, hashes.shape) == (torch.int64, (40,))
    assert torch.equal(known(clean[:40].flip(0)), hashes)
    assert torch.equal(known(quantise(clean[:40], 8)), hashes)
    assert torch.equal(known(clean[:40].expand(-1, 3, -1, -1)), hashes)
    assert int(torch.isin(known(clean[30:50]), hashes).sum()) == 10
    assert int(torch.isin(known((clean[:40] + 1 / 255).clamp(0, 1)), hashes).sum()) == 0
    assert known(clean[:0]).shape == (0,)


@pytest.mark.slow
def test_a_blank_film_is_nobody_s(clean):
    blank = torch.stack([torch.zeros(1, 32, 32), torch.full((1, 32, 32), 0.5)])
    assert [len(part) for part in marks_of(blank).kept("fitted").values()] == [0, 0]
    refuse_seen(marks_of(blank), marks_of(torch.cat([blank, clean[:3]])).kept("fitted"), "fitted", "check")


@pytest.fixture
def fitted(victim, clean):
    return fit_guard(victim, clean[:40], names=("energy",))


@pytest.mark.slow
@pytest.mark.parametrize("shared", [1, 40])
def test_calibrating_on_what_was_fitted_is_refused_with_the_number(fitted, clean, shared):
    films = torch.cat([clean[:shared], clean[60:120 - shared]])
    with pytest.raises(InputError, match=f"^{shared} of 60 films are among those that this guard was fitted on; calib"):
        fitted.calibrate(films, PEOPLE, alpha=0.1)


@pytest.mark.slow
def test_it_is_refused_after_a_trip_through_a_bundle(fitted, clean, tmp_path):
    loaded = load_guard(save_guard(fitted, tmp_path))
    with pytest.raises(InputError, match="40 of 60 films are among those that this guard was fitted on"):
        loaded.calibrate(clean[:60], PEOPLE, alpha=0.1)
    ready = loaded.calibrate(clean[60:], PEOPLE, alpha=0.1)
    again = load_guard(save_guard(ready, tmp_path))
    with pytest.raises(InputError, match="60 of 120 films are among those that this guard was calibrated on; check on"):
        again.refuse_seen(clean, ("calibrated",), "check")
    with pytest.raises(InputError, match="10 of 20 films are among those that this guard was fitted on"):
        again.refuse_seen(clean[30:50], ("fitted",), "check")
    again.refuse_seen(clean[40:60], ("fitted",), "check")
    again.refuse_seen(clean[:60], ("calibrated",), "check")


@pytest.mark.slow
def test_calibrating_anew_on_the_same_films_is_no_fault(fitted, clean):
    ready = fitted.calibrate(clean[60:], PEOPLE, alpha=0.1).calibrate(clean[60:], PEOPLE, alpha=0.2)
    assert ready.alpha == 0.2
    other = ready.calibrate(clean[40:100], PEOPLE, alpha=0.1)
    assert torch.equal(other.seen["calibrated"], known(clean[40:100]))


@pytest.mark.slow
def test_attacked_films_of_the_fit_are_known_too(victim, clean, monkeypatch):
    monkeypatch.setitem(REFERENCE_FREE._own, "learned", "tiny_learned:OneEpoch")
    attacked = (1 - clean[:12]).clamp(0, 1)
    taught = fit_guard(victim, clean[:40], names=("learned",), attacked=attacked)
    with pytest.raises(InputError, match="12 of 60 films are among those that this guard was fitted on"):
        taught.calibrate(torch.cat([attacked, clean[60:108]]), PEOPLE, alpha=0.1)


def saved_as_jpeg(images):
    return torch.cat([decoded_jpeg(image) for image in images])


def decoded_jpeg(image):
    file = io.BytesIO()
    Image.fromarray((image[0] * 255).round().byte().numpy()).save(file, "JPEG", quality=95)
    return torch.from_numpy(np.asarray(Image.open(file), dtype=np.float32) / 255)[None, None]


COPIES = {"jpeg": saved_as_jpeg, "gamma": lambda images: images**0.95,
          "one grey level": lambda images: (images + 1 / 255).clamp(0, 1), "mirrored": lambda images: images.flip(-1),
          "inverted": lambda images: 1 - images,
          "one pixel": lambda images: images.index_put(
              (torch.arange(len(images)), *[torch.tensor(0)] * 3), (images[:, 0, 0, 0] - 0.1).abs())}


@pytest.mark.slow
@pytest.mark.parametrize("change", COPIES)
def test_a_film_is_known_re_encoded(fitted, clean, change):
    copies = COPIES[change](clean[:40])
    assert not torch.equal(copies, clean[:40])
    with pytest.raises(InputError, match=r"^40 of 60 films look like films that this guard was fitted on \(re-encoded"):
        fitted.calibrate(torch.cat([copies, clean[60:80]]), PEOPLE, alpha=0.1)


@pytest.mark.slow
def test_one_film_alike_of_many_is_a_warning(fitted, clean):
    with pytest.warns(UserWarning, match="^1 of 60 films look like films that this guard was fitted on"):
        fitted.calibrate(torch.cat([COPIES["one grey level"](clean[:1]), clean[60:119]]), PEOPLE, alpha=0.1)


@pytest.mark.slow
def test_a_bundle_of_earlier_versions_knows_exact_films_alone(fitted, clean, tmp_path):
    old = replace(fitted, seen={"fitted": fitted.seen["fitted"]})
    loaded = load_guard(save_guard(old, tmp_path))
    loaded.refuse_seen(COPIES["one grey level"](clean[:40]), ("fitted",), "check")
    with pytest.raises(InputError, match="40 of 40 films are among those"):
        loaded.refuse_seen(clean[:40], ("fitted",), "check")


@pytest.mark.slow
@pytest.mark.parametrize("marks", [torch.zeros(3, 9, dtype=torch.uint8), torch.zeros(64, dtype=torch.uint8),
                                   torch.zeros(3, 64), torch.zeros(3, 64, dtype=torch.int64)])
def test_marks_of_another_kind_are_refused(fitted, tmp_path, marks):
    folder = save_guard(replace(fitted, seen={**fitted.seen, "fitted alike": marks}), tmp_path)
    with pytest.raises(ModelError, match="holds of films fitted alike is of another kind"):
        load_guard(folder)


@pytest.mark.slow
def test_copies_in_a_calibration_are_one_film_and_their_owners_one_patient(fitted, clean):
    films = torch.cat([clean[60:], clean[60:70], COPIES["jpeg"](clean[70:80])])
    once = fitted.calibrate(clean[60:], PEOPLE, alpha=0.1)
    with pytest.warns(UserWarning, match="^20 of 80 films are copies of others among them"):
        ready = fitted.calibrate(films, [*PEOPLE, *(f"q{number}" for number in range(20))], alpha=0.1)
    assert ready.fusion == once.fusion
    assert ready.record["calibrated_images"] == 60


@pytest.mark.slow
def test_few_films_many_times_are_too_few(fitted, clean):
    with pytest.warns(UserWarning, match="^57 of 60"), pytest.raises(InputError, match=r"patients at least.*got 3$"):
        fitted.calibrate(clean[60:63].repeat(20, 1, 1, 1), PEOPLE, alpha=0.1)


def test_who_shares_a_film_is_one_patient(clean):
    films = torch.stack([clean[0], clean[1], clean[1], clean[2], clean[3], clean[3]])
    with pytest.warns(UserWarning, match="^2 of 6 films are copies"):
        rows, patients = distinct(marks_of(films), ["a", "a", "b", "b", "c", "d"])
    assert (rows, patients) == ([0, 1, 3, 4], ["a", "a", "a", "c"])


@pytest.mark.parametrize("film", [torch.zeros(1, 32, 32), None])
def test_one_film_thirty_times_teaches_nothing(victim, clean, film):
    films = (clean[0] if film is None else film).repeat(30, 1, 1, 1)
    with pytest.warns(UserWarning, match="^29 of 30"), pytest.raises(InputError, match=r"images at least.*got 1$"):
        fit_guard(victim, films, names=("neighbours", "energy"))


def test_a_film_is_learned_from_once(victim, clean):
    with pytest.warns(UserWarning, match="^10 of 50 films are copies"):
        twice = fit_guard(victim, torch.cat([clean[:40], clean[:10]]), names=("neighbours",))
    once = fit_guard(victim, clean[:40], names=("neighbours",))
    assert all(torch.equal(value, once.detectors["neighbours"].learned[key])
               for key, value in twice.detectors["neighbours"].learned.items())
    assert twice.record["fitted_images"] == 40


@pytest.mark.slow
def test_a_bundle_holds_short_hashes_and_no_names_or_patients(fitted, clean, tmp_path):
    names = [f"Erika Mustermann {number}" for number in range(60)]
    save_guard(fitted.calibrate(clean[60:], names, alpha=0.1), tmp_path)
    plain, told = save_guard(replace(fitted, seen={}), tmp_path / "plain"), (tmp_path / LEARNED).stat().st_size
    assert told - (plain / LEARNED).stat().st_size < 72 * 100 + 600
    for path in (tmp_path / LEARNED, tmp_path / GUARD):
        assert b"Mustermann" not in path.read_bytes()
