"""What every registered detector that needs no original promises."""

from __future__ import annotations

import dataclasses
import inspect
import json

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from radversary.attacks.controls.identity import Identity
from radversary.classifiers.torch_module import TorchClassifier, wrap
from radversary.core.errors import InputError
from radversary.core.seeds import Streams, generator
from radversary.detectors.reference_free import ReferenceFreeDetector
from radversary.detectors.registry import REFERENCE_FREE
from radversary.imaging.source import BATCH
from radversary.metrics.detection import auroc_estimate
from random_parts import smooth_images

CLEAN, FRESH = smooth_images(24, seed=1), smooth_images(6, seed=2)
NOISE = torch.randn(24, 1, 32, 32, generator=generator(4, "attacked"))
ATTACKED = (smooth_images(24, seed=4) + 0.08 * NOISE).clamp(0, 1)
PEOPLE = [f"p{index}" for index in range(len(FRESH))]
QUICK = {"learned": {"epochs": 2}, "grain": {"epochs": 2}}


def teach(detector: ReferenceFreeDetector, clean: torch.Tensor = CLEAN) -> ReferenceFreeDetector:
    """Fit it, on attacked images too where it is supervised."""
    return detector.fit_on(clean, ATTACKED) if detector.supervised else detector.fit(clean)


def make(name: str) -> ReferenceFreeDetector:
    return REFERENCE_FREE.create(name, **QUICK.get(name, {}))


@pytest.fixture(params=REFERENCE_FREE.names())
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def victim() -> TorchClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                                nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                                nn.Linear(8 * 64, 12), nn.ReLU(), nn.Linear(12, 3))
    return wrap(network, classes=("a", "b", "c"), size=32)


@pytest.fixture
def fitted(name: str, victim: TorchClassifier) -> ReferenceFreeDetector:
    return teach(make(name).bind(victim))


def test_it_is_a_frozen_documented_dataclass_of_keywords(name):
    part = REFERENCE_FREE.get(name)
    assert inspect.getdoc(part)
    assert issubclass(part, ReferenceFreeDetector)
    assert part.__dataclass_params__.frozen
    kinds = {parameter.kind for parameter in inspect.signature(part).parameters.values()}
    assert kinds <= {inspect.Parameter.KEYWORD_ONLY}


def test_options_make_an_equal_detector_again(name):
    detector = REFERENCE_FREE.create(name)
    options = json.loads(json.dumps(detector.options()))
    assert set(options) <= {field.name for field in dataclasses.fields(detector)}
    assert REFERENCE_FREE.create(name, **options) == detector


@pytest.mark.slow
def test_fit_returns_the_detector(name, victim):
    detector = make(name).bind(victim)
    assert teach(detector) is detector
    assert not detector.needs_original


def test_only_the_supervised_take_attacked_images_and_they_need_them(name, victim):
    detector = make(name).bind(victim)
    with pytest.raises(InputError, match="attacked"):
        detector.fit(CLEAN) if detector.supervised else detector.fit_on(CLEAN, ATTACKED)
    assert detector.learned == {}


@pytest.mark.slow
def test_scores_are_one_finite_number_an_image(fitted):
    before = FRESH.clone()
    scores = fitted.score(FRESH)
    assert (scores.shape, scores.dtype) == ((len(FRESH),), torch.float32)
    assert scores.isfinite().all()
    assert scores.unique().numel() > 1
    assert not scores.requires_grad
    assert torch.equal(FRESH, before)
    assert fitted.score(FRESH[:0]).shape == (0,)


@pytest.mark.slow
def test_a_blank_image_and_a_known_one_get_finite_scores(fitted):
    odd = torch.cat([torch.zeros_like(FRESH[:1]), torch.ones_like(FRESH[:1]), CLEAN[:1]])
    assert fitted.score(odd).isfinite().all()


@pytest.mark.slow
def test_colour_gets_a_score_too(fitted):
    assert fitted.score(smooth_images(2, channels=3, seed=3)).isfinite().all()


@pytest.mark.slow
def test_a_score_does_not_depend_on_batch_mates(fitted):
    many = FRESH.repeat(BATCH // len(FRESH) + 1, 1, 1, 1)
    together, scale = fitted.score(many), float(fitted.score(FRESH).std()) + 1e-12
    for index in (0, 5, BATCH):
        alone = fitted.score(many[index:index + 1])
        assert (together[index] - alone[0]).abs() < 1e-3 * scale


@pytest.mark.slow
def test_what_it_learned_gives_equal_scores_again(fitted, name, victim):
    learned = load(save(dict(fitted.learned)))
    again = REFERENCE_FREE.create(name, **fitted.options()).bind(victim).restore(learned)
    assert torch.equal(again.score(FRESH), fitted.score(FRESH))


@pytest.mark.slow
def test_fitting_anew_forgets_what_was_learned_before(fitted, name, victim):
    others = smooth_images(24, seed=8)
    fresh = teach(make(name).bind(victim), others)
    assert torch.equal(teach(fitted, others).score(FRESH), fresh.score(FRESH))


@pytest.mark.slow
def test_the_identity_attack_is_not_told_from_clean_images(fitted, victim):
    untouched = Identity().perturb(victim, FRESH, torch.zeros(len(FRESH), dtype=torch.int64),
                                   Streams.for_images(PEOPLE, seed=0, step="identity"))
    estimate = auroc_estimate(fitted.score(FRESH), fitted.score(untouched), patients_clean=PEOPLE,
                              patients_suspect=PEOPLE, draws=200)
    assert estimate.value == 0.5
    assert estimate.low <= 0.5 <= estimate.high


@pytest.mark.slow
def test_one_that_reads_must_be_bound_first(name):
    detector = make(name)
    if not detector.needs_features:
        assert teach(detector).score(FRESH).isfinite().all()
        return
    with pytest.raises(InputError, match=type(detector).__name__):
        detector.fit(CLEAN)
    with pytest.raises(InputError, match=type(detector).__name__):
        detector.score(FRESH)


def test_one_image_is_too_few_to_learn_from(name, victim):
    with pytest.raises(InputError, match="two clean images at least to learn from, got 1"):
        teach(make(name).bind(victim), CLEAN[:1])


@pytest.mark.slow
def test_an_attacker_gets_a_gradient(fitted, victim):
    images = FRESH.clone().requires_grad_()
    features = victim.features(images) if fitted.needs_features else None
    scores = fitted.judge(fitted.measure(images, features))
    torch.testing.assert_close(scores.detach(), fitted.score(FRESH), atol=1e-4, rtol=1e-3)
    gradient, = torch.autograd.grad(scores.sum(), images)
    assert gradient.isfinite().all()
    assert gradient.flatten(1).abs().amax(dim=1).gt(0).all()
