from __future__ import annotations

import pytest
import torch

from radversary.core.errors import InputError, PlanError
from radversary.core.seeds import generator
from radversary.detectors import learned
from radversary.detectors.learned import LearnedDetector, varied
from radversary.detectors.residual_network import ResidualNetwork, log_rings, residuals
from radversary.imaging.intensity import quantise
from radversary.imaging.reencoding import ORDINARY
from radversary.imaging.source import TensorSource
from radversary.metrics.detection import auroc
from random_parts import smooth_images

TINY = {"width": 8, "epochs": 3, "batch_size": 16}


def noisy(images: torch.Tensor, seed: int = 0, deviation: float = 0.06) -> torch.Tensor:
    noise = torch.randn(images.shape, generator=generator(seed, "noisy"))
    return quantise((images + deviation * noise).clamp(0, 1), 8)


CLEAN, FRESH = quantise(smooth_images(40, seed=1), 8), quantise(smooth_images(24, seed=2), 8)
ATTACKED = noisy(smooth_images(40, seed=3), seed=1)


@pytest.fixture(scope="module")
def fitted() -> LearnedDetector:
    return LearnedDetector(**TINY).fit_on(CLEAN, ATTACKED)


@pytest.mark.slow
def test_noisy_images_are_told_from_smooth_ones_that_were_never_shown(fitted):
    assert auroc(fitted.score(FRESH), fitted.score(noisy(FRESH, seed=2))) > 0.95
    shuffled = LearnedDetector(**TINY).fit_on(torch.cat([CLEAN[:20], ATTACKED[:20]]),
                                              torch.cat([CLEAN[20:], ATTACKED[20:]]))
    assert auroc(shuffled.score(FRESH), shuffled.score(noisy(FRESH, seed=2))) < 0.9


@pytest.mark.slow
def test_saving_alone_is_not_told(fitted):
    for name, handle in ORDINARY.items():
        assert auroc(fitted.score(handle(FRESH)), fitted.score(noisy(FRESH, seed=2))) > 0.9, name


def test_attacked_and_clean_images_alike_are_handled_in_every_way(monkeypatch):
    marks = {name: lambda images, level=level: torch.full_like(images, level) for name, level in
             (("dark", 0.2), ("middle", 0.4), ("light", 0.8))}
    monkeypatch.setattr(learned, "ORDINARY", marks)
    targets = (torch.arange(80) >= 40).float()[:, None]
    batches = list(LearnedDetector(**TINY)._batches(TensorSource(torch.cat([CLEAN, ATTACKED])), targets, 0))
    for side in (0.0, 1.0):
        shown = torch.cat([images[wanted[:, 0] == side] for images, wanted in batches])
        assert len(shown) == 40
        assert {round(float(image.mean()), 1) for image in shown} == {0.2, 0.4, 0.8}


@pytest.mark.slow
def test_the_same_seed_learns_the_same_and_leaves_the_global_generator_alone(fitted):
    before = torch.get_rng_state()
    again, other = (LearnedDetector(**TINY, seed=seed).fit_on(CLEAN, ATTACKED) for seed in (0, 1))
    again.score(FRESH)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(again.score(FRESH), fitted.score(FRESH))
    assert not torch.equal(other.score(FRESH), fitted.score(FRESH))


@pytest.mark.slow
def test_rare_attacked_images_weigh_as_much_as_the_clean_ones():
    detector = LearnedDetector(**TINY).fit_on(CLEAN, ATTACKED[:6])
    assert (detector.score(noisy(FRESH, seed=2)) > 0).float().mean() > 0.5


@pytest.mark.slow
def test_any_size_is_read_and_colour_is_ignored(fitted):
    assert fitted.score(smooth_images(2, size=40, seed=5)).isfinite().all()
    torch.testing.assert_close(fitted.score(FRESH.expand(-1, 3, -1, -1)), fitted.score(FRESH))


@pytest.mark.slow
def test_a_gradient_leads_to_a_lower_anomaly_score(fitted):
    images = noisy(FRESH, seed=2).requires_grad_()
    (slope,) = torch.autograd.grad(fitted.judge(fitted.measure(images, None)).sum(), images)
    calmer = (images - 0.02 * slope.sign()).clamp(0, 1).detach()
    assert fitted.score(calmer).mean() < fitted.score(images.detach()).mean()


@pytest.mark.slow
def test_it_learns_with_gradients_switched_off_around_it(fitted):
    with torch.no_grad():
        again = LearnedDetector(**TINY).fit_on(CLEAN, ATTACKED)
    assert torch.equal(again.score(FRESH), fitted.score(FRESH))


def test_residuals_see_no_slope_and_are_limited():
    slope = torch.linspace(0, 1, 16).expand(1, 1, 16, 16)
    assert residuals(slope)[..., 1:-1, 1:-1].abs().max() < 1e-4
    board = ((torch.arange(16)[:, None] + torch.arange(16)) % 2).float()[None, None]
    assert 0.99 < residuals(board).abs().max() <= 1.0


def test_rings_know_fast_from_slow():
    columns = torch.arange(64.0)
    waves = [0.5 + 0.4 * torch.sin(columns * rate).expand(1, 1, 64, 64) for rate in (0.4, 2.5)]
    slow, fast = (log_rings(wave)[0].argmax() for wave in waves)
    assert slow < fast


def test_images_are_varied_each_in_its_way_and_cut_out(monkeypatch):
    marks = {f"way{number}": lambda images, number=number: torch.full_like(images, number / 5) for number in range(6)}
    monkeypatch.setattr(learned, "ORDINARY", marks)
    seen = varied(torch.zeros(60, 1, 20, 30), generator(0), crop=24)
    assert seen.shape == (60, 1, 20, 24)
    assert {round(5 * float(image.max())) for image in seen} == set(range(6))


def test_it_is_small():
    assert sum(part.numel() for part in ResidualNetwork(width=LearnedDetector().width).parameters()) < 30_000


@pytest.mark.slow
def test_a_single_image_is_never_a_batch():
    detector = LearnedDetector(batch_size=4, width=2, epochs=1, crop=16)
    for count in range(4, 40):
        sizes = [len(rows) for rows, _ in detector._batches(
            TensorSource(torch.zeros(count, 1, 16, 16)), torch.zeros(count, 1), 0)]
        assert sum(sizes) == count
        assert 2 <= min(sizes) <= max(sizes) <= 4


@pytest.mark.slow
def test_bad_requests_are_one_sentence(fitted):
    with pytest.raises(InputError, match="supervised: it learns from attacked images"):
        LearnedDetector().fit(CLEAN)
    with pytest.raises(InputError, match="two attacked images at least to learn from, got 1"):
        LearnedDetector().fit_on(CLEAN, ATTACKED[:1])
    with pytest.raises(InputError, match="must be of one size"):
        LearnedDetector().fit_on(CLEAN, ATTACKED[..., :16])
    with pytest.raises(InputError, match="has not learned anything yet"):
        LearnedDetector().score(FRESH)
    with pytest.raises(PlanError, match="learning diverged"):
        LearnedDetector(**TINY, learning_rate=1e30).fit_on(CLEAN, ATTACKED)


@pytest.mark.parametrize("options", [{"width": 0}, {"epochs": 0}, {"batch_size": 3}, {"crop": 8},
                                     {"learning_rate": 0.0}, {"weight_decay": -1.0}, {"learning_rate": float("nan")}])
def test_hyper_parameters_that_make_no_sense_are_refused(options):
    with pytest.raises(PlanError, match=next(iter(options))):
        LearnedDetector(**options)
