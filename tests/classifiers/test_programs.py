"""One network as a module, as TorchScript and as an exported program is one classifier."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from torch import nn

from programs_on_disk import CLASSES, SIDE, exported, scripted, small, traced, write_card
from radversary.attacks.base import Batch, run_attack
from radversary.attacks.registry import ATTACKS
from radversary.classifiers.base import require_features
from radversary.classifiers.probe import check_answers, check_gradients
from radversary.classifiers.programs import ProgramClassifier
from radversary.classifiers.registry import load
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import AccessError, ModelError, TensorError
from radversary.core.types import Access
from random_parts import smooth_images
from threads import at_once

KINDS = ("scripted.pt", "traced.ts", "frozen.torchscript", "any.pt2", "range.pt2", "one.pt2", "three.pt2")


def frozen(network):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.freeze(torch.jit.script(network))


def saved(name, folder):
    """Save the same network in one of the ways."""
    network, path, dim = small(), folder / name, torch.export.Dim
    if name == "frozen.torchscript":
        return scripted(frozen(network), path)
    if name.endswith(".pt2"):
        batch = {"any.pt2": dim("b"), "range.pt2": dim("b", min=2, max=3)}.get(name)
        return exported(network, path, batch=batch, images=torch.rand(1 if name == "one.pt2" else 3, 3, SIDE, SIDE))
    return traced(network, path) if name == "traced.ts" else scripted(network, path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("programs")


@pytest.fixture(scope="module", params=KINDS)
def program(request, folder):
    return load(saved(request.param, folder))


@pytest.fixture(scope="module")
def module():
    return wrap(small(), classes=CLASSES, size=SIDE)


def attacked(victim, images):
    batch = Batch(images=images, labels=torch.arange(len(images)) % 3, bits=8,
                  image_ids=tuple(f"image-{place}" for place in range(len(images))))
    (outcome,) = run_attack(ATTACKS.create("pgd", steps=4), victim, batch, seed=3, step="pgd", strengths=(0.03,))
    return outcome.images


@pytest.mark.slow
def test_logits_gradients_and_attacked_images_are_those_of_the_module(program, module):
    images = smooth_images(5, SIDE)
    assert isinstance(program, ProgramClassifier)
    assert program.access == Access.GRADIENTS
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(program.logits(images), module.logits(images), **close)
    slopes = []
    for victim in (program, module):
        at = images.clone().requires_grad_()
        slopes.append(torch.autograd.grad(victim.logits(at)[:, 1].sum(), at)[0])
    torch.testing.assert_close(*slopes, **close)
    assert float(slopes[0].abs().amax((1, 2, 3)).min()) > 0
    if program.card.name in ("scripted", "traced", "any"):  # others fold BatchNorm, or take batches of another size
        assert torch.equal(attacked(program, images), attacked(module, images))
    assert not torch.equal(attacked(program, images), images)


@pytest.mark.slow
def test_it_passes_what_is_asked_of_every_model(program):
    check_answers(program)
    check_gradients(program, "a test")
    assert program.logits(torch.zeros(0, 1, SIDE, SIDE)).shape == (0, 3)
    assert program.to("cpu") is program
    with pytest.raises(TensorError, match="32 x 32 pixels, got 16 x 16"):
        program.logits(torch.zeros(1, 1, 16, 16))
    with pytest.raises(AccessError, match="shows none: it needs a PyTorch module"):
        require_features(program, "gram")


@pytest.mark.slow
def test_any_number_of_threads_may_ask_it(program):
    images = [smooth_images(5, SIDE, seed=seed) for seed in range(8)]
    alone = [program.logits(part) for part in images]
    for _ in range(3):
        found = at_once([lambda part=part: program.logits(part) for part in images])
        assert all(torch.equal(*pair) for pair in zip(found, alone, strict=True))


@pytest.mark.slow
def test_its_answers_do_not_depend_on_how_many_are_asked_at_once(program):
    images = smooth_images(7, SIDE)
    whole = program.logits(images)
    torch.testing.assert_close(torch.cat([program.logits(image[None]) for image in images]), whole,
                               rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_its_reference_is_enough_to_load_it_again(program):
    again = load(program.reference)
    assert again.fingerprint() == program.fingerprint()
    assert torch.equal(again.logits(smooth_images(2, SIDE)), program.logits(smooth_images(2, SIDE)))


@pytest.mark.slow
def test_it_moves_whole(program):
    moved = program.program.moved(torch.device("cpu"))
    given = torch.rand(program.intake.most or 2, 3, SIDE, SIDE)
    assert torch.equal(moved(given), program.program(given))


@pytest.mark.slow
def test_constants_of_an_exported_program_move_too(tmp_path):
    class Shifted(nn.Module):
        def forward(self, images):
            return images.flatten(1)[:, :3] + torch.ones(3, device="cpu")

    program = load(exported(Shifted(), tmp_path / "model.pt2"))
    assert program.to("meta").device.type == "meta"
    assert program.program(torch.rand(3, 3, SIDE, SIDE, device="meta")).device.type == "meta"


def test_a_file_that_was_changed_is_not_moved_to_another_device(tmp_path):
    program = load(scripted(small(), tmp_path / "model.pt"))
    network = small()
    with torch.no_grad():
        network.head.bias += 1
    scripted(network, tmp_path / "model.pt")
    with pytest.raises(ModelError, match="was changed since it was loaded"):
        program.to("meta")


@pytest.mark.slow
def test_the_fingerprint_changes_with_the_file_and_with_what_the_card_says_of_the_input(tmp_path):
    path = scripted(small(), tmp_path / "model.pt")
    before, notes = load(path).fingerprint(), load(write_card(path, notes="seen")).fingerprint()
    assert before == notes
    network = small()
    with torch.no_grad():
        network.head.bias += 1
    prints = {before, load(write_card(path, mean=[0.5] * 3, std=[0.5] * 3)).fingerprint(),
              load(write_card(path, input_range=[0, 2], mean=[0] * 3, std=[1] * 3)).fingerprint(),
              load(scripted(network, path)).fingerprint()}
    assert len(prints) == 4


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.small = small()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.small(inputs.detach())


class Rounded(Detached):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.small((inputs * 255).to(torch.int32).to(torch.float32))


class WithoutGradients(Detached):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return self.small(inputs)


@pytest.mark.slow
@pytest.mark.parametrize("network", [Detached, Rounded, WithoutGradients])
@pytest.mark.parametrize("save", [scripted, exported])
def test_where_no_gradient_comes_back_it_shows_scores_and_says_why(network, save, tmp_path):
    path = tmp_path / ("model.pt2" if save is exported else "model.pt")
    program, images = load(save(network().eval(), path)), smooth_images(3, SIDE)
    assert program.access == Access.SCORES
    assert "scores, no gradient reaches its input" in repr(program)
    assert torch.isfinite(program.scores(images)).all()
    with pytest.raises(AccessError, match=r"gives only scores: no gradient reaches its input, as it detaches"):
        attacked(program, images)


@pytest.mark.slow
@pytest.mark.parametrize("last", [nn.Softmax(1), nn.Sigmoid()])
@pytest.mark.parametrize("kind", ["exported.pt2", "scripted.pt"])
def test_probabilities_become_logits(kind, last, tmp_path):
    network, path = nn.Sequential(small(), last).eval(), tmp_path / kind
    said = {"output": "probabilities", "task": "multilabel" if isinstance(last, nn.Sigmoid) else "multiclass"}
    if kind == "exported.pt2":
        exported(network, path, **said)
    else:
        scripted(network, path, **said)
    expected = wrap(copy.deepcopy(network[0]), classes=CLASSES, size=SIDE).logits(smooth_images(3, SIDE))
    found = load(path).logits(smooth_images(3, SIDE))
    if kind == "exported.pt2":  # the input of the last softmax is taken
        torch.testing.assert_close(found, expected)
    elif isinstance(last, nn.Sigmoid):
        torch.testing.assert_close(found, expected.clamp(-17, 17), atol=0.4, rtol=1e-3)
    else:
        torch.testing.assert_close(found, expected.log_softmax(1), atol=1e-3, rtol=1e-3)


@pytest.mark.slow
def test_one_card_serves_a_binary_program(tmp_path):
    network = nn.Sequential(small(), nn.Linear(3, 1)).eval()
    program = load(exported(network, tmp_path / "model.pt2", task="binary", output="logits", classes=["no", "yes"]))
    assert program.logits(smooth_images(2, SIDE)).shape == (2, 2)


def test_what_it_returns_is_checked_as_it_is_loaded(tmp_path):
    with pytest.raises(ModelError, match=r"gave \(4, 3\) for 4 images and 2 classes"):
        load(scripted(small(), tmp_path / "model.pt", classes=["a", "b"]))
