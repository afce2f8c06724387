"""One guard, many threads: each verdict is what one thread alone would give."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.gradient.pgd import PGD
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import wrap
from radversary.guard_evaluation.guarded import GuardedClassifier
from radversary.screening.fitting import fit_guard
from threads import at_once

LOOKS, THREADS = 128, 8


@pytest.fixture(scope="module")
def guarding(clean):
    """All kinds of detectors that look at features: maps, embedding, logits, and logits of further passes."""
    victim = wrap(build_network("tiny", classes=2, seed=5), classes=("a", "b"), size=32, architecture="tiny")
    fitted = fit_guard(victim, clean[:40], names=("integrity", "shallow", "neighbours", "energy", "shift"))
    return fitted.calibrate(clean[40:100], [f"p{number}" for number in range(60)], alpha=0.1)


@pytest.mark.slow
def test_eight_threads_screen_as_one(guarding, clean):
    rows = [number % len(clean) for number in range(LOOKS)]
    alone = [(guarding.look(clean[row:row + 1]).scores, guarding.screen(clean[row:row + 1])) for row in rows]

    def screened(thread: int):
        return [(guarding.look(clean[row:row + 1]).scores, guarding.screen(clean[row:row + 1]))
                for row in rows[thread::THREADS]]

    together = at_once([lambda thread=thread: screened(thread) for thread in range(THREADS)])
    for thread, found in enumerate(together):
        assert not isinstance(found, Exception), found
        for (scores, verdicts), (expected_scores, expected) in zip(found, alone[thread::THREADS], strict=True):
            assert np.array_equal(scores, expected_scores)
            assert verdicts == expected


@pytest.mark.slow
def test_an_attack_and_a_screening_do_not_disturb_each_other(guarding, clean):
    victim, images = guarding.classifier, clean[:4]
    labels = victim.predict(images)
    guarded = GuardedClassifier(guarding)

    def attacked():
        batch = Batch(images=images, labels=labels, image_ids=tuple("abcd"))
        attack = PGD(epsilon=8 / 255, steps=12)
        (outcome,) = run_attack(attack, victim, batch, seed=1, step="x", strengths=[8 / 255])
        return outcome.images

    def evaded():
        image = images.clone().requires_grad_()
        (slope,) = torch.autograd.grad(guarded.excess(image).sum(), image)
        return slope

    def screened():
        return [guarding.look(clean[row:row + 1]).scores for row in range(30)]

    expected = attacked(), evaded(), screened()
    found = at_once([attacked, evaded, screened, screened, attacked, evaded])
    for result, known in zip(found, (*expected, expected[2], expected[0], expected[1]), strict=True):
        assert not isinstance(result, Exception), result
        assert np.array_equal(np.asarray(result), np.asarray(known))
    assert all(weights.grad is None for weights in victim.module.parameters())
