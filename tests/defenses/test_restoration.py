from __future__ import annotations

import pickle

import pytest
import torch
from torch.nn import functional as F

from radversary.classifiers.files import load_classifier
from radversary.core.errors import InputError, ModelError, PlanError, UnknownNameError, UnsafeModelError
from radversary.defenses.base import Stack
from radversary.defenses.defended import Defended
from radversary.defenses.jpeg import JpegCompression
from radversary.defenses.registry import TRANSFORMS
from radversary.defenses.restoration import (
    Restoration,
    RestorerCard,
    build_restorer,
    load_restoration,
    save_restoration,
)
from radversary.defenses.restorers.padding import reflected
from radversary.defenses.restorers.unet import STAGES, unet, widened
from radversary.storage.checksums import sha256_file
from radversary.storage.json_files import read_json, write_json
from random_parts import Flip, random_restoration, smooth_images, tiny_classifier


@pytest.mark.slow
def test_it_starts_as_the_identity_and_then_is_not():
    images = smooth_images(2, 35)
    for network in (unet(width=4).eval(), unet(width=4).train()):
        assert torch.equal(network(images), images)
    assert not torch.allclose(random_restoration()(images), images, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (16, 16), (17, 40)])
def test_any_size_comes_back_in_its_size(shape):
    images = smooth_images(2, 48)[..., : shape[0], : shape[1]]
    restored = random_restoration()(images)
    assert restored.shape == images.shape
    assert torch.isfinite(restored).all()


@pytest.mark.parametrize("sides", [(20, 29), (32, 16)])
def test_padding_mirrors_as_pytorch_does(sides):
    images = smooth_images(2, 48)[..., : sides[0], : sides[1]]
    expected = F.pad(images, (0, -sides[1] % 16, 0, -sides[0] % 16), "reflect")
    assert torch.equal(reflected(images, 16), expected)


def test_the_whole_image_is_seen_and_only_through_the_network():
    """The coarsest stage joins what the finest keep apart."""
    network = random_restoration().network
    images = smooth_images(1, 32).requires_grad_()
    (slope,) = torch.autograd.grad(network(images)[0, 0, 0, 0], images)
    assert slope[0, 0, 16:, 16:].abs().max() > 0
    assert len(network.up) == len(STAGES) - 1


def test_twice_the_resolution_keeps_its_gradient():
    features = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(widened, features, check_undefined_grad=False)


def test_colour_is_read_as_grey_and_given_back_in_its_shape():
    restoration, colour = random_restoration(), smooth_images(2, 32, channels=3)
    restored = restoration(colour)
    grey = 0.299 * colour[:, :1] + 0.587 * colour[:, 1:2] + 0.114 * colour[:, 2:]
    torch.testing.assert_close(restored, restoration(grey).expand(-1, 3, -1, -1))


@pytest.mark.slow
def test_it_predicts_in_evaluation_mode_in_parts_and_without_gradients():
    restoration, images = random_restoration(), smooth_images(70, 16)
    restoration.network.train()
    together = restoration(images)
    assert not restoration.network.training
    torch.testing.assert_close(together, torch.cat([restoration(part) for part in images.split(7)]), atol=1e-6, rtol=0)
    leaf = images[:2].clone().requires_grad_()
    assert not restoration(leaf).requires_grad
    assert torch.equal(restoration.bpda(leaf), restoration(leaf))
    assert restoration(images[:0]).shape == (0, 1, 16, 16)


@pytest.mark.slow
def test_saved_and_loaded_it_is_the_same(tmp_path):
    restoration, images = random_restoration(), smooth_images(2, 20)
    before = restoration.fingerprint()
    saved = save_restoration(restoration, tmp_path / "a")
    loaded = load_restoration(tmp_path / "a")
    again = save_restoration(loaded, tmp_path / "b")
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()
    assert torch.equal(loaded(images), restoration(images))
    assert loaded.card == saved.card == again.card
    assert loaded.card.sha256 == sha256_file(tmp_path / "a" / "model.safetensors")
    assert before == loaded.fingerprint()
    assert loaded.content_hashes() == again.content_hashes()
    assert repr(loaded) == f"Restoration('random', unet, sha256={loaded.card.sha256[:8]})"


@pytest.mark.slow
def test_loading_leaves_the_global_random_state_alone(tmp_path):
    save_restoration(random_restoration(), tmp_path)
    before = torch.get_rng_state()
    load_restoration(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
def test_a_plan_names_the_folder(tmp_path):
    restoration, images = save_restoration(random_restoration(), tmp_path / "hgd"), smooth_images(2, 20)
    transform = TRANSFORMS.create("restore", folder=str(tmp_path / "hgd"))
    assert torch.equal(transform(images), restoration(images))
    assert transform.content_hashes() == restoration.content_hashes()
    (tmp_path / "hgd" / "model.safetensors").unlink()
    assert torch.equal(transform(images), restoration(images)), "it was read once"


@pytest.mark.slow
def test_other_weights_are_another_defence():
    victim = tiny_classifier()
    first, second = random_restoration(seed=1), random_restoration(seed=2)
    assert repr(first) == repr(second)
    assert Defended(victim, first).fingerprint() != Defended(victim, second).fingerprint()
    stack = Stack([JpegCompression(), first, second])
    assert stack.content_hashes() == (*first.content_hashes(), *second.content_hashes())
    assert first.content_hashes() != second.content_hashes()
    # Restyling keeps its amount in the card: the weights alone would not tell two of them apart.
    other = Restoration(first.network, first.card.model_copy(update={"options": {"width": 99}}))
    assert other.fingerprint() == first.fingerprint()
    assert other.content_hashes() != first.content_hashes()
    assert (Stack([]).content_hashes(), JpegCompression().content_hashes()) == ((), ())


def test_a_stack_is_as_random_as_what_it_holds():
    class Shaken(Flip):
        random = True

    assert not Stack([Flip()]).random
    assert Stack([Flip(), Shaken()]).random


def damage(folder, what):
    card, weights = folder / "card.json", folder / "model.safetensors"
    if what == "weights gone":
        weights.unlink()
    elif what == "card gone":
        card.unlink()
    elif what == "weights cut":
        weights.write_bytes(weights.read_bytes()[:-4])
    elif what == "card broken":
        card.write_text("{")
    elif what == "card of lists":
        card.write_text("[]")
    elif what == "card of a stranger":
        write_json(card, {**read_json(card), "classes": ["a"]})
    elif what == "other width":
        write_json(card, {**read_json(card), "options": {"width": 8}})
    else:
        weights.write_bytes(b"no tensors here")
        write_json(card, {**read_json(card), "sha256": sha256_file(weights)})


@pytest.mark.parametrize(("what", "text"), [
    ("weights gone", "hgd holds no model.safetensors"), ("card gone", "hgd holds no card.json"),
    ("weights cut", "damaged or was changed"), ("card broken", "is not JSON"),
    ("card of lists", "must hold one JSON object"),
    ("card of a stranger", "classes: extra inputs"), ("other width", "does not hold those of unet"),
    ("no tensors", "not a readable safetensors file"),
])
def test_missing_or_damaged_weights_are_one_sentence(tmp_path, what, text):
    save_restoration(random_restoration(), tmp_path / "hgd")
    damage(tmp_path / "hgd", what)
    with pytest.raises(ModelError, match="defence '(hgd|random)' needs its trained weights: .*" + text) as caught:
        TRANSFORMS.create("restore", folder=tmp_path / "hgd")
    assert "\n" not in str(caught.value)


def test_pickles_are_never_opened(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(pickle.dumps({"weights": [1]}))
    with pytest.raises(UnsafeModelError):
        load_restoration(tmp_path)


def test_a_denoiser_is_no_classifier(tmp_path):
    save_restoration(random_restoration(), tmp_path)
    with pytest.raises(InputError):
        load_classifier(tmp_path)


@pytest.mark.parametrize(("architecture", "options", "error", "text"), [
    ("unett", {}, UnknownNameError, "did you mean 'unet'"),
    ("unet", {"widht": 4}, UnknownNameError, "did you mean 'width'"),
    ("unet", {"width": 0}, PlanError, "width of at least 1"),
])
def test_networks_that_cannot_be_built(architecture, options, error, text):
    with pytest.raises(error, match=text):
        build_restorer(RestorerCard(name="x", architecture=architecture, options=options))


def test_an_architecture_that_could_not_be_loaded_again_is_not_saved(tmp_path):
    restoration = Restoration(unet(width=2), RestorerCard(name="x", architecture="mine"))
    with pytest.raises(UnknownNameError):
        save_restoration(restoration, tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_images_of_another_device_do_not_move_the_network():
    restoration, images = random_restoration(), smooth_images(2)
    expected = restoration(images)
    there = restoration(images.to("meta"))  # the device that every machine has beside its processor
    assert (there.device.type, there.shape) == ("meta", images.shape)
    assert torch.equal(restoration(images), expected)


@pytest.mark.parametrize("options", [{"width": 10**9}, {"width": -(10**9)}, {"blocks": 1e300}])
def test_options_that_would_take_all_memory_are_refused(tmp_path, options):
    save_restoration(random_restoration(), tmp_path)
    card = read_json(tmp_path / "card.json")
    write_json(tmp_path / "card.json", {**card, "options": options})
    with pytest.raises(ModelError, match="beyond 1024"):
        load_restoration(tmp_path)
