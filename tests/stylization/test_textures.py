from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radversary.core.errors import UnknownNameError
from radversary.stylization.bank import procedural_bank
from radversary.stylization.textures import POOLS, coloured, fractal, nearest_points, texture

FAMILIES = [*POOLS["train"], *POOLS["test"]]


@pytest.mark.parametrize("family", FAMILIES)
def test_range_type_and_something_to_see(family):
    for index in range(3):
        image = texture(family, index, size=48)
        assert (image.shape, image.dtype) == ((3, 48, 48), np.float32)
        assert 0 <= image.min() <= image.max() <= 1
        assert image.std(axis=(1, 2)).max() > 0.05


@pytest.mark.parametrize("family", FAMILIES)
def test_a_texture_depends_on_family_index_size_and_seed_alone(family):
    np.random.seed(0)
    first = texture(family, 1, size=32, seed=5)
    np.random.seed(1)
    assert np.array_equal(first, texture(family, 1, size=32, seed=5))
    assert not np.array_equal(first, texture(family, 2, size=32, seed=5))
    assert not np.array_equal(first, texture(family, 1, size=32, seed=6))


def test_the_pools_share_no_family_and_no_function():
    assert not set(POOLS["train"]) & set(POOLS["test"])
    assert not set(POOLS["train"].values()) & set(POOLS["test"].values())


@pytest.mark.parametrize("seed", [1, 42])
def test_the_pools_share_no_image(seed):
    train, test = (procedural_bank(pool, count=13, size=24, seed=seed).hashes() for pool in ("train", "test"))
    assert len(train) == len(test) == 13
    assert not train & test


def test_an_unknown_family_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'marble'"):
        texture("marbel", 0)


@settings(deadline=None, max_examples=15)
@given(size=st.integers(16, 60), seed=st.integers(0, 2**31), family=st.sampled_from(FAMILIES))
def test_any_size_and_seed(size, seed, family):
    image = texture(family, 0, size=size, seed=seed)
    assert image.shape == (3, size, size)
    assert np.isfinite(image).all()


def test_clouds_have_the_spectrum_they_are_named_for():
    power = np.mean([np.abs(np.fft.rfft2(fractal(128, np.random.default_rng(seed), slope=1.5))) ** 2
                     for seed in range(8)], axis=0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.rfftfreq(128), indexing="ij"))
    band = (frequency > 0.03) & (frequency < 0.4)
    slope, _ = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)
    assert slope == pytest.approx(-3.0, abs=0.1)


def test_nearest_points_on_a_torus_against_brute_force():
    rng, size, count = np.random.default_rng(3), 12, 4
    points = np.random.default_rng(3).integers(0, size, (count, 2))
    distance, _ = nearest_points(size, rng, count=count)
    rows, columns = np.mgrid[:size, :size]
    gaps = [np.hypot(*[np.minimum(np.abs(axis - at), size - np.abs(axis - at))
                       for axis, at in zip((rows, columns), point, strict=True)]) for point in points]
    np.testing.assert_allclose(distance, np.min(gaps, axis=0))


def test_a_flat_field_still_has_a_colour():
    flat = coloured(np.zeros((8, 8)), np.random.default_rng(0))
    assert np.isfinite(flat).all()
