"""Every registered part works where the classifier, or the images, lie on another device than the CPU.

The second device is :mod:`elsewhere`'s, on which tensors compute as on the CPU and raise where they meet those of it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from test_attack_contract import CASES, EXAMPLES, QUICK
from test_reference_free_contract import ATTACKED, CLEAN, FRESH, PEOPLE, teach
from test_reference_free_contract import make as make_detector

from elsewhere import Elsewhere, elsewhere
from radversary.attacks.base import Batch, run_attack
from radversary.attacks.learning import taught
from radversary.attacks.metering import Ledger, metered
from radversary.attacks.registry import ATTACKS
from radversary.classifiers.networks import TRAINABLE, build_network
from radversary.classifiers.registry import load
from radversary.classifiers.torch_module import wrap
from radversary.core.seeds import Streams
from radversary.defenses.base import Stack
from radversary.defenses.defended import Defended
from radversary.defenses.jpeg import JpegCompression
from radversary.defenses.registry import TRANSFORMS
from radversary.defenses.restoration import RESTORERS, Restoration, RestorerCard, build_restorer
from radversary.detectors.registry import DETECTORS, REFERENCE_FREE
from radversary.detectors.shallow import texture
from radversary.guard_evaluation.guarded import GuardedClassifier
from radversary.imaging.intensity import rotate
from radversary.imaging.png import png_round_trip
from radversary.imaging.reencoding import HANDLINGS, HARMLESS
from radversary.screening.bundle import load_guard, save_guard
from radversary.screening.fitting import PRESETS, fit_guard
from radversary.screening.guard import Guard
from radversary.screening.heat import heat_maps
from radversary.stylization.generators import GENERATORS
from random_parts import (
    Darken,
    TinyNetwork,
    guarded_classifier,
    smooth_images,
    tiny_classifier,
    transform_options,
    write_microast,
    write_vgg,
)

NAMES = ("image-0", "image-1", "image-2")
LABELS = torch.tensor([0, 1, 2])

KINDS = [*TRAINABLE, "torchvision-resnet18", "torchvision-densenet121", "monai-densenet121", "monai-efficientnet-b0",
         "monai-resnet18", "monai-seresnet50", "monai-vit"]
"""Every network that is trained here, and one of each kind that is loaded."""

SHORTER = {"auto-attack": {"steps": 2, "targets": 1, "queries": 10}, "carlini-wagner": {"searches": 2, "steps": 5},
           "ddn": {"steps": 8}, "simba": {"queries": 40, "steps": 10}, "square": {"queries": 10},
           "zoo": {"queries": 80}, "hopskipjump": {"queries": 80}, "boundary": {"queries": 60}}
"""Options of attacks that go the same way again and again: here it counts where each operation finds its tensors."""

def shortened():
    """Every attack in short, and before a release with each set of options."""
    seen = set()
    for name, options in CASES:
        yield pytest.param(name, {**options, **SHORTER.get(name, {})}, marks=[pytest.mark.long] if name in seen else [])
        seen.add(name)


@pytest.fixture(scope="module", autouse=True)
def _weights(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADVERSARY_WEIGHTS", str(write_vgg(tmp_path_factory.mktemp("weights"), layers=5).parent))
        write_microast(Path(os.environ["RADVERSARY_WEIGHTS"]))
        yield


def network_classifier():
    """A victim that shows features, built alike each time."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return wrap(TinyNetwork(classes=3), classes=("a", "b", "c"), size=32)


def guard_of(names=("energy", "msp")) -> Guard:
    """A calibrated guard."""
    guard = fit_guard(network_classifier(), CLEAN, names=names)
    return guard.calibrate(smooth_images(40, seed=8), [f"q{number}" for number in range(40)], alpha=0.2)


@pytest.fixture(scope="module")
def guarded() -> GuardedClassifier:
    return GuardedClassifier(guard_of())


def here(tensor):
    """Return a tensor as it is on the CPU, having checked that it was elsewhere."""
    assert isinstance(tensor, Elsewhere)
    return tensor.numbers.detach()


def close(found, expected):
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "options"), [*shortened()], ids=lambda case: str(case)[:60])
class TestAttack:
    @pytest.mark.slow
    def test_an_attack_works_at_the_classifier_and_answers_at_the_images(self, name, options, guarded):
        batch = Batch(images=smooth_images(3), labels=LABELS, image_ids=NAMES, bits=torch.tensor([8, 12, 16]))

        def outcomes():
            return list(run_attack(ATTACKS.create(name, **options), guarded, batch, seed=7, step="contract",
                                   strengths=(0.3, 0.7), examples=EXAMPLES))

        expected, given = outcomes(), []
        with elsewhere() as device:
            guarded.guard.classifier.to(device)
            try:
                given = outcomes()
            finally:
                guarded.guard.classifier.to("cpu")
        for one, other in zip(given, expected, strict=True):
            assert not isinstance(one.images, Elsewhere)
            close(one.images, other.images)
            close(one.linf, other.linf)
            close(one.l2, other.l2)
            assert (one.success is None) == (other.success is None)
            assert not isinstance(one.success, Elsewhere)

    @pytest.mark.slow
    def test_images_elsewhere_stay_there(self, name, options):
        victim, images = guarded_classifier(), smooth_images(3)
        untaught = ATTACKS.create(name, **options)
        attack, _ = taught(untaught, victim, EXAMPLES, [untaught.current], seed=7, step="x")
        expected = attack.perturb(victim, images, LABELS, Streams.for_images(NAMES, seed=7, step="x"))
        with elsewhere() as device:
            found = attack.perturb(victim, images.to(device), LABELS.to(device),
                                   Streams.for_images(NAMES, seed=7, step="x"))
        close(here(found), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", TRANSFORMS.names())
def test_transforms_work_where_the_images_are(name, tmp_path):
    transform, images = TRANSFORMS.create(name, **transform_options(name, tmp_path / "restorer")), smooth_images(2)
    expected = [change(images) for change in (transform, transform.bpda)]
    with elsewhere() as device:
        there = images.to(device).requires_grad_()
        found = [change(there) for change in (transform, transform.bpda)]
        (slope,) = torch.autograd.grad(found[1].sum(), there)
    for one, other in zip(found, expected, strict=True):
        close(here(one), other)
    assert here(slope).abs().max() > 0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), [("unet", {"width": 4}), ("restyle", {}),
                                               ("cyclegan", {"width": 4, "blocks": 1})])
def test_restorers_work_where_the_images_are(name, options):
    restoration = Restoration(build_restorer(RestorerCard(name="x", architecture=name, options=options)),
                              RestorerCard(name="x", architecture=name, options=options))
    images = smooth_images(2, 35)
    expected = restoration(images)
    with elsewhere() as device:
        found = restoration(images.to(device))
    close(here(found), expected)


def test_every_restorer_is_tried():
    assert set(RESTORERS.names()) == {"unet", "restyle", "cyclegan"}


@pytest.mark.slow
@pytest.mark.parametrize("name", TRANSFORMS.names())
def test_a_defended_classifier_answers_where_the_images_are(name, tmp_path):
    victim, images = tiny_classifier(), smooth_images(2)
    defended = Defended(victim, Stack([TRANSFORMS.create(name, **transform_options(name, tmp_path / "restorer"))]),
                        adaptive=True)
    expected = defended.logits(images)
    with elsewhere() as device:
        assert defended.to(device).device == device
        mine = images.clone().requires_grad_()
        found = defended.logits(mine)
        (slope,) = torch.autograd.grad(found.sum(), mine)
        assert not isinstance(defended.decide(images), Elsewhere)
        close(here(defended.logits(images.to(device))), expected)
    assert not isinstance(found, Elsewhere)
    assert not isinstance(slope, Elsewhere)
    close(found.detach(), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_a_classifier_answers_where_the_images_are(name):
    side = 224 if name == "monai-vit" else 64  # a transformer of patches is of one size
    images = smooth_images(2, side)
    victim = wrap(build_network(name, classes=3, seed=1), classes=("a", "b", "c"), size=side)
    expected = victim.features(images)
    with elsewhere() as device:
        victim.to(device)
        answers = {where: [victim.logits(given), victim.scores(given), victim.decide(given), victim.predict(given),
                           (features := victim.features(given)).logits, features.embedding, *features.maps]
                   for where, given in (("cpu", images), ("there", images.to(device)))}
        assert metered(victim, Ledger()).device == device
    assert not any(isinstance(answer, Elsewhere) for answer in answers["cpu"])
    close(answers["cpu"][0], expected.logits)
    close(answers["cpu"][5], expected.embedding)
    for one, other in zip(answers["there"], answers["cpu"], strict=True):
        close(here(one), other)


@pytest.mark.slow
@pytest.mark.parametrize("name", DETECTORS.names())
def test_detectors_with_the_original_score_where_the_images_are(name):
    films, changed = smooth_images(3, 48), smooth_images(3, 48, seed=4)
    expected = DETECTORS.create(name).score(changed, films)
    with elsewhere() as device:
        found = DETECTORS.create(name).score(changed.to(device), films.to(device))
    close(here(found), expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCE_FREE.names())
def test_detectors_without_one_are_fitted_here_and_look_there(name):
    victim = network_classifier()
    detector = teach(make_detector(name).bind(victim))
    expected = detector.score(FRESH)
    with elsewhere() as device:
        victim.to(device)
        try:
            close(detector.score(FRESH), expected)  # the model is there, the images are not
            there = FRESH.to(device).requires_grad_()
            features = victim.features(there) if detector.needs_features else None
            found, heat = detector.judge(detector.measure(there, features)), detector.heat_map(there, features)
            again = teach(make_detector(name).bind(victim))
        finally:
            victim.to("cpu")
    close(here(found).float(), expected)
    assert heat is None or isinstance(heat, Elsewhere)
    assert not any(isinstance(tensor, Elsewhere) for tensor in again.learned.values())
    close(again.score(FRESH), expected)


def test_texture_is_measured_where_the_maps_are():
    maps = smooth_images(2, 16, channels=3)
    with elsewhere() as device:
        found = texture(maps.to(device), rank=2)
    close(here(found), texture(maps, rank=2))


@pytest.mark.slow
@pytest.mark.parametrize("names", [PRESETS["quick"], ("consistency", "squeezing")])
def test_a_guard_looks_at_its_classifiers_device(names):
    guard = guard_of(names)
    expected, warm = guard.screen(FRESH, names=PEOPLE), heat_maps(guard, FRESH)
    with elsewhere() as device:
        guard.classifier.to(device)
        found, heat = guard.screen(FRESH, names=PEOPLE), heat_maps(guard, FRESH)
        alarms = GuardedClassifier(guard).alarms(FRESH.to(device))
    assert here(alarms).tolist() == [item.verdict == "review" for item in expected]
    assert [(item.verdict, item.prediction) for item in found] == [(item.verdict, item.prediction) for item in expected]
    assert [item.p_value for item in found] == [item.p_value for item in expected]
    assert (heat is None) == (warm is None)


@pytest.mark.slow
@pytest.mark.parametrize("name", GENERATORS.names())
def test_generators_draw_where_the_images_are(name):
    images, styles = smooth_images(2, channels=3), smooth_images(2, 24, channels=3, seed=5)
    generator = GENERATORS.create(name, **QUICK.get(name, {}))
    expected = generator.stylise(images, styles)
    with elsewhere() as device:
        found = generator.stylise(images.to(device), styles.to(device))
    close(here(found), expected)


@pytest.mark.slow
@pytest.mark.parametrize("handle", [*HANDLINGS.values(), *HARMLESS.values()])
def test_re_encoding_stays_where_the_images_are(handle):
    images = smooth_images(2)
    with elsewhere() as device:
        found = handle(images.to(device))
    close(here(found), handle(images))


def test_turning_and_filing_stay_where_the_images_are():
    images, degrees = smooth_images(2), torch.tensor([0.0, 10.0])
    with elsewhere() as device:
        turned, filed = rotate(images.to(device), degrees), png_round_trip(images.to(device), torch.tensor([8, 16]))
    close(here(turned), rotate(images, degrees))
    close(here(filed), png_round_trip(images, torch.tensor([8, 16])))


@pytest.mark.slow
def test_a_model_and_a_guard_are_loaded_where_they_shall_compute(tmp_path):
    guard = fit_guard(wrap(build_network("resnet18", classes=3, seed=1), classes=("a", "b", "c"), size=32,
                           architecture="resnet18"), CLEAN, names=("energy",))
    save_guard(guard, tmp_path)
    with elsewhere() as device:
        assert load(tmp_path / "model", device=device).device == device
        loaded = load_guard(tmp_path, device=device)
        assert loaded.classifier.device == device
        seen, look = [], loaded.detectors["energy"].measure
        loaded.detectors["energy"].__dict__["measure"] = lambda images, features: seen.append(
            type(images)) or look(images, features)
        assert loaded.look(FRESH).scores.shape == (len(FRESH), 1)
    assert set(seen) == {Elsewhere}


def test_an_attack_is_given_images_at_the_classifier():
    seen = []

    class Spy(Darken):
        def perturb(self, classifier, images, labels, streams):
            seen.append((type(images), type(labels)))
            return images

    batch = Batch(images=smooth_images(3), labels=LABELS, image_ids=NAMES)
    with elsewhere() as device:
        list(run_attack(Spy(), tiny_classifier().to(device), batch, seed=7, step="x", strengths=(0.5,)))
    assert seen == [(Elsewhere, Elsewhere)]


def test_a_part_that_forgets_the_device_is_found():
    class Forgetful(JpegCompression):
        def __call__(self, images):
            return images + torch.zeros(images.shape)

    with elsewhere() as device, pytest.raises(RuntimeError, match="on the CPU"):
        Defended(tiny_classifier().to(device), Forgetful()).logits(smooth_images(2))


def test_the_supervised_are_among_those_tried():
    assert len(ATTACKED) == len(CLEAN)
