"""A guard knows the films that it has seen, and is not tested on them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from radversary.core.errors import InputError
from radversary.detectors.registry import REFERENCE_FREE
from radversary.imaging.intensity import quantise
from radversary.screening.bundle import GUARD, LEARNED, load_guard, save_guard
from radversary.screening.fitting import fit_guard
from radversary.screening.seen import count_seen, film_hashes

PEOPLE = [f"p{number}" for number in range(60)]


def test_a_film_is_known_by_its_pixels_at_eight_bits(clean):
    known = film_hashes(clean[:40])
    assert (known.dtype, known.shape) == (torch.int64, (40,))
    assert torch.equal(film_hashes(clean[:40].flip(0)), known)
    assert torch.equal(film_hashes(quantise(clean[:40], 8)), known)
    assert torch.equal(film_hashes(clean[:40].expand(-1, 3, -1, -1)), known)
    assert count_seen(clean[30:50], known) == 10
    assert count_seen((clean[:40] + 1 / 255).clamp(0, 1), known) == 0
    assert count_seen(clean[:0], known) == 0
    assert film_hashes(clean[:0]).shape == (0,)


def test_a_blank_film_is_nobody_s(clean):
    blank = torch.stack([torch.zeros(1, 32, 32), torch.full((1, 32, 32), 0.5)])
    assert film_hashes(blank).shape == (0,)
    assert count_seen(blank, film_hashes(torch.cat([blank, clean[:3]]))) == 0


@pytest.fixture
def fitted(victim, clean):
    return fit_guard(victim, clean[:40], names=("energy",))


@pytest.mark.parametrize("shared", [1, 40])
def test_calibrating_on_what_was_fitted_is_refused_with_the_number(fitted, clean, shared):
    films = torch.cat([clean[:shared], clean[60:120 - shared]])
    with pytest.raises(InputError, match=f"^{shared} of 60 films are among those that this guard was fitted on; calib"):
        fitted.calibrate(films, PEOPLE, alpha=0.1)


def test_it_is_refused_after_a_trip_through_a_bundle(fitted, clean, tmp_path):
    loaded = load_guard(save_guard(fitted, tmp_path))
    with pytest.raises(InputError, match="40 of 60 films are among those that this guard was fitted on"):
        loaded.calibrate(clean[:60], PEOPLE, alpha=0.1)
    ready = loaded.calibrate(clean[60:], PEOPLE, alpha=0.1)
    again = load_guard(save_guard(ready, tmp_path))
    with pytest.raises(InputError, match="60 of 120 films are among those that this guard was calibrated on; check on"):
        again.refuse_seen(clean, "calibrated", "check")
    with pytest.raises(InputError, match="10 of 20 films are among those that this guard was fitted on"):
        again.refuse_seen(clean[30:50], "fitted", "check")
    again.refuse_seen(clean[40:60], "fitted", "check")
    again.refuse_seen(clean[:60], "calibrated", "check")


def test_calibrating_anew_on_the_same_films_is_no_fault(fitted, clean):
    ready = fitted.calibrate(clean[60:], PEOPLE, alpha=0.1).calibrate(clean[60:], PEOPLE, alpha=0.2)
    assert ready.alpha == 0.2
    other = ready.calibrate(clean[40:100], PEOPLE, alpha=0.1)
    assert count_seen(clean[40:100], other.seen["calibrated"]) == 60
    assert count_seen(clean[100:], other.seen["calibrated"]) == 0


def test_attacked_films_of_the_fit_are_known_too(victim, clean, monkeypatch):
    monkeypatch.setitem(REFERENCE_FREE._own, "learned", "tiny_learned:OneEpoch")
    attacked = (1 - clean[:12]).clamp(0, 1)
    taught = fit_guard(victim, clean[:40], names=("learned",), attacked=attacked)
    with pytest.raises(InputError, match="12 of 60 films are among those that this guard was fitted on"):
        taught.calibrate(torch.cat([attacked, clean[60:108]]), PEOPLE, alpha=0.1)


def test_a_bundle_holds_short_hashes_and_no_names_or_patients(fitted, clean, tmp_path):
    names = [f"Erika Mustermann {number}" for number in range(60)]
    save_guard(fitted.calibrate(clean[60:], names, alpha=0.1), tmp_path)
    plain, told = save_guard(replace(fitted, seen={}), tmp_path / "plain"), (tmp_path / LEARNED).stat().st_size
    assert told - (plain / LEARNED).stat().st_size < 8 * 100 + 300
    for path in (tmp_path / LEARNED, tmp_path / GUARD):
        assert b"Mustermann" not in path.read_bytes()
