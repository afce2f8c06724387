"""The memory of a server does not grow with the films that it screens; a server that keeps them is found out."""

from __future__ import annotations

import os
import sys

import pytest
from benchmarks.soak import slope, soaked

FLAT = 8.0
"""MB per 1,000 screenings, at most, of the first that fill what a server needs: a film that stayed would take 11."""

LEAKING = """
from radversary.service.catalogue import screenings
looked, kept = screenings.Guards.look, []

def look(self, folder, image):
    kept.append(bytearray(b"x" * 30_000))
    return looked(self, folder, image)

screenings.Guards.look = look
from radversary.cli.main import run
run()
"""
"""A server that keeps 30 kB of each film."""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path / "home"


@pytest.mark.slow
@pytest.mark.long
def test_the_memory_of_a_server_is_flat(home):
    seen = soaked(home, 1500, every=100, keys=1)
    assert seen.slope(500) < FLAT, seen.memory


@pytest.mark.slow
@pytest.mark.long
def test_a_server_that_keeps_films_is_found_out(home):
    seen = soaked(home, 1000, program=LEAKING, every=100, keys=1)
    assert seen.slope(500) > 2 * FLAT, seen.memory


def test_the_slope_is_of_pairs_and_not_of_a_step():
    rising = {count: 100.0 + count / 1000 for count in range(0, 5000, 250)}
    assert slope(rising) == pytest.approx(1.0)
    assert slope({count: 100.0 + 50.0 * (count > 4500) for count in range(0, 5000, 250)}) == pytest.approx(0.0)
