"""What every registered generator, transform, detector, architecture and data source promises."""

from __future__ import annotations

import dataclasses
import inspect
from importlib.metadata import EntryPoint

import pytest
import torch

from radversary.attacks.registry import ATTACKS
from radversary.classifiers.networks import LAYOUTS, NETWORKS, build_network
from radversary.classifiers.registry import CLASSIFIERS
from radversary.core import registry as registry_file
from radversary.core.errors import InputError, ModelError, RadversaryError, UnknownNameError
from radversary.data.registry import DATASETS
from radversary.defenses.defended import Defended
from radversary.defenses.registry import TRANSFORMS
from radversary.detectors.registry import DETECTORS
from radversary.stylization.generators import GENERATORS
from random_parts import smooth_images, tiny_classifier, transform_options, write_microast, write_vgg

FAMILIES = {"attacks": ATTACKS, "generators": GENERATORS, "transforms": TRANSFORMS, "detectors": DETECTORS,
            "networks": NETWORKS, "datasets": DATASETS, "classifiers": CLASSIFIERS}
PARTS = [(family, name) for family, registry in FAMILIES.items() for name in registry.names()]


@pytest.fixture(autouse=True)
def _weights(tmp_path, monkeypatch):
    monkeypatch.setenv("RADVERSARY_WEIGHTS", str(write_vgg(tmp_path, layers=5).parent))
    write_microast(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("family", "name"), PARTS)
def test_every_part_is_there_documented_and_built_by_keywords(family, name):
    part = FAMILIES[family].get(name)
    assert inspect.getdoc(part)
    kinds = {parameter.kind for parameter in inspect.signature(part).parameters.values()}
    assert kinds <= {inspect.Parameter.KEYWORD_ONLY}
    if dataclasses.is_dataclass(part):
        assert part.__dataclass_params__.frozen


@pytest.mark.parametrize("family", FAMILIES)
def test_a_misspelt_name_is_answered_with_the_nearest(family):
    name = FAMILIES[family].names()[-1]
    with pytest.raises(UnknownNameError, match=f"did you mean '{name}'"):
        FAMILIES[family].get(name[:-1] + "_")


@pytest.mark.parametrize("family", FAMILIES)
def test_other_packages_can_join_each_family(family, monkeypatch):
    point = EntryPoint("flip", "random_parts:Flip", f"radversary.{family}")
    monkeypatch.setattr(registry_file, "entry_points", lambda group: [point] if group == point.group else [])
    assert FAMILIES[family].get("flip").__name__ == "Flip"


@pytest.mark.parametrize("name", CLASSIFIERS.names())
def test_a_kind_of_model_recognises_its_own_references_alone(name, tmp_path):
    loader = CLASSIFIERS.create(name)
    for foreign in ("", "oracle://example.org/model", str(tmp_path), str(tmp_path / "gone"), "film.png"):
        assert not loader.recognises(foreign)
    assert loader.recognises("https://example.org/model") == (name == "http")
    with pytest.raises(ModelError):
        loader.load(str(tmp_path / "gone"))


@pytest.mark.slow
@pytest.mark.parametrize("name", GENERATORS.names())
def test_generator(name):
    make = {"gatys": {"steps": 2}}.get(name, {})
    images, styles = smooth_images(2, channels=3), smooth_images(2, 24, channels=3, seed=5)
    before = images.clone(), styles.clone()
    generator = GENERATORS.create(name, **make)
    stylised = generator.stylise(images, styles)
    assert (stylised.shape, stylised.dtype) == (images.shape, torch.float32)
    assert 0 <= stylised.min() <= stylised.max() <= 1
    assert not stylised.requires_grad
    assert torch.equal(images, before[0])
    assert torch.equal(styles, before[1])
    assert not torch.equal(stylised, generator.stylise(images, styles.flip(0)))
    alone = generator.stylise(images[1:], styles[1:])
    torch.testing.assert_close(alone, stylised[1:], atol=1e-5, rtol=0)
    assert eval(repr(generator), {type(generator).__name__: type(generator)}) == generator


@pytest.fixture
def transform(name, tmp_path):
    return TRANSFORMS.create(name, **transform_options(name, tmp_path / "restorer"))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", TRANSFORMS.names())
class TestTransform:
    def test_range_shape_and_an_untouched_input(self, transform, channels):
        images = smooth_images(2, 35, channels)
        before = images.clone()
        for change in (transform, transform.bpda):
            changed = change(images)
            assert (changed.shape, changed.dtype) == (images.shape, torch.float32)
            assert 0 <= changed.min() <= changed.max() <= 1
            assert torch.equal(images, before)

    @pytest.mark.slow
    def test_bpda_is_near_and_passes_gradients(self, transform, channels):
        images = smooth_images(2, 32, channels).requires_grad_()
        approximation, real = transform.bpda(images), transform(images.detach())
        assert (approximation - real).abs().mean() < 0.02
        if transform.follows != "roughly" and not transform.random:
            torch.testing.assert_close(approximation.detach(), real, atol=1e-6, rtol=0)
        weights = smooth_images(2, 32, channels, seed=9)
        (slope,) = torch.autograd.grad((approximation * weights).sum(), images)
        assert torch.isfinite(slope).all()
        assert (slope.flatten(1).norm(dim=1) > 0.01).all()

    def test_images_do_not_see_each_other(self, transform, channels):
        images = smooth_images(3, 32, channels)
        torch.testing.assert_close(transform(images)[1:2], transform(images[1:2]), atol=1e-5, rtol=0)

    def test_an_adaptive_attacker_gets_gradients_through_it(self, transform, channels):
        victim = tiny_classifier()
        images = smooth_images(2, 32, channels).requires_grad_()
        defended = Defended(victim, transform, adaptive=True)
        (slope,) = torch.autograd.grad(defended.logits(images)[:, 0].sum(), images)
        assert slope.abs().max() > 0


@pytest.mark.parametrize("name", DETECTORS.names())
class TestDetector:
    def test_fit_returns_self_and_the_identity_scores_nothing(self, name):
        films, detector = smooth_images(4, 48), DETECTORS.create(name)
        assert detector.fit(films) is detector
        scores = detector.score(films, films.clone())
        assert (scores.shape, scores.tolist()) == ((4,), [0.0] * 4)

    def test_a_change_is_more_suspicious_than_none_and_each_image_counts_alone(self, name):
        films, detector = smooth_images(4, 48), DETECTORS.create(name)
        changed = films.clone()
        changed[1:] = smooth_images(3, 48, seed=4)
        scores = detector.score(changed, films)
        assert scores[0] == 0
        assert (scores[1:] > 0).all()
        torch.testing.assert_close(detector.score(changed[2:3], films[2:3]), scores[2:3], atol=1e-5, rtol=1e-5)

    def test_it_asks_for_the_original(self, name):
        detector = DETECTORS.create(name)
        if detector.needs_original:
            with pytest.raises(InputError, match="no originals were given"):
                detector.score(smooth_images(1))
            with pytest.raises(InputError, match="one number and size"):
                detector.score(smooth_images(1), smooth_images(2))

    def test_it_scores_what_is_not_there(self, name):
        assert DETECTORS.create(name).score(smooth_images(1)[:0], smooth_images(1)[:0]).shape == (0,)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NETWORKS.names() if name not in LAYOUTS])
def test_architecture(name):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    network = build_network(name, classes=3, seed=1).eval()
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        logits = network(smooth_images(2, 64, channels=3))
    assert logits.shape == (2, 3)
    trunk = {id(weight) for weight in network.trunk.parameters()}
    head = {id(weight) for weight in network.head.parameters()}
    assert trunk
    assert head
    assert trunk | head == {id(weight) for weight in network.parameters()}
    again = build_network(name, classes=3, seed=1).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", DATASETS.names())
def test_data_source_that_is_not_there_is_one_sentence(name, tmp_path):
    options = {"root": str(tmp_path / "none"), "path": str(tmp_path / "none.csv"), "count": 0}
    wanted = inspect.signature(DATASETS.get(name)).parameters
    given = {key: value for key, value in options.items() if key in wanted}
    with pytest.raises(RadversaryError) as caught:
        DATASETS.create(name, **given).table(tmp_path / "work")
    assert "\n" not in str(caught.value)
