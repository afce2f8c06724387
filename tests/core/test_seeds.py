from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from radversary.core.seeds import Streams, derive_seed, generator, global_seed, numpy_generator
from threads import at_once

PARTS = st.lists(st.one_of(st.integers(), st.text()), max_size=4)


@pytest.mark.slow
@given(PARTS, PARTS)
def test_equal_parts_and_only_these_give_equal_seeds(first, second):
    a, b = derive_seed(*first), derive_seed(*second)
    assert 0 <= a < 2**63
    # The separator may occur in a text; nobody's image is called so.
    if not any("\x1f" in str(part) for part in (*first, *second)):
        assert (a == b) == (first == second)


def test_a_seed_is_the_same_for_ever():
    assert derive_seed(42, "split") == 4826197817373562208
    assert derive_seed(1) != derive_seed("1")


def test_generators_leave_the_global_ones_alone():
    torch.manual_seed(0)
    np.random.seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    generator(1).initial_seed()
    numpy_generator(1).random()
    Streams.for_images(["a"], seed=1, step="s").normal(3)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


def test_an_image_draws_the_same_whoever_is_beside_it():
    together = Streams.for_images(["a", "b", "c"], seed=1, step="s")
    backwards = Streams.for_images(["c", "a"], seed=1, step="s")
    for draw in (lambda s: s.integers(1000), lambda s: s.uniform(2, 3), lambda s: s.normal(4)):
        many, few = draw(together), draw(backwards)
        assert torch.equal(many[0], few[1])
        assert torch.equal(many[2], few[0])


def test_steps_seeds_and_images_differ():
    draws = {Streams.for_images([name], seed=seed, step=step).uniform(1).item()
             for name in "ab" for seed in (1, 2) for step in ("s", "t")}
    assert len(draws) == 8


def test_slices_share_their_generators():
    streams = Streams.for_images(["a", "b", "c"], seed=1, step="s")
    assert len(streams[1:]) == 2
    assert list(streams[1:]) == [streams[1], streams[2]]


def test_distributions():
    streams = Streams.for_images([str(index) for index in range(400)], seed=1, step="s")
    assert stats.kstest(streams.normal(10).flatten(), "norm").pvalue > 1e-3
    assert stats.kstest(streams.uniform(10).flatten(), "uniform").pvalue > 1e-3
    assert set(streams.integers(3).tolist()) == {0, 1, 2}


def test_layers_draw_the_same_first_weights_in_every_thread():
    def drawn(seed: int) -> torch.Tensor:
        for _ in range(20):
            with global_seed(seed, "weights"):
                found = torch.cat([torch.randn(4) for _ in range(20)])
        return found

    torch.manual_seed(0)
    before, expected = torch.get_rng_state(), [drawn(seed) for seed in range(6)]
    assert all(map(torch.equal, at_once([lambda seed=seed: drawn(seed) for seed in range(6)]), expected))
    assert torch.equal(torch.get_rng_state(), before)
