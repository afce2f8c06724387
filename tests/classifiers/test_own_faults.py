"""What a model's own code raises is said of the model, and a gradient that is not there counts as zero."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from radversary.attacks.base import Batch, run_attack
from radversary.attacks.goal import image_gradient
from radversary.attacks.registry import ATTACKS
from radversary.classifiers.probe import check_answers, check_gradients
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import AccessError, ModelError, TensorError

SIZE = 16


class Network(nn.Module):
    """A linear classifier that reads its input, and answers, in a way of its own."""

    def __init__(self, before=lambda inputs: inputs, after=lambda logits: logits) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layer = nn.Linear(3 * SIZE**2, 2)
        self.before, self.after = before, after

    def forward(self, inputs):
        return self.after(self.layer(self.before(inputs).flatten(1)))


class WithoutGradient(Network):
    forward = torch.no_grad()(Network.forward)


class Inferring(Network):
    forward = torch.inference_mode()(Network.forward)


class Clearing(Network):
    """Changes its input once it has computed with it."""

    def forward(self, inputs):
        answer = self.layer((inputs * inputs).flatten(1))
        inputs.zero_()
        return answer


def at_most(count):
    def check(inputs):
        if len(inputs) > count:
            raise ValueError(f"at most {count} images")
        return inputs
    return check


SILENT = {
    "detached": lambda: Network(after=torch.Tensor.detach),
    "no grad": WithoutGradient,
    "inference": Inferring,
    "bytes": lambda: Network(lambda inputs: (inputs * 255).round().to(torch.uint8).float() / 255),
    "through an array": lambda: Network(lambda inputs: torch.from_numpy(inputs.detach().numpy().copy())),
}
FAILING = {
    "array": (lambda: Network(lambda inputs: torch.from_numpy(inputs.numpy())), "RuntimeError: Can't call numpy"),
    "in place": (Clearing, "as the gradient of its answer is taken: RuntimeError: one of the variables needed"),
}


def victim(network):
    return wrap(network, classes=("a", "b"), size=SIZE, name="mine")


def films(count: int = 6) -> torch.Tensor:
    return torch.rand(count, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", SILENT)
def test_a_model_that_lets_no_gradient_through_is_refused_where_one_is_followed(kind):
    model = victim(SILENT[kind]())
    check_answers(model)
    with pytest.raises(AccessError, match=r"^attack PGD follows gradients, and model 'mine' lets none through"):
        check_gradients(model, "attack PGD")


@pytest.mark.parametrize("name", ["fgsm", "pgd", "mi-fgsm", "di-fgsm"])
@pytest.mark.parametrize("kind", SILENT)
def test_a_gradient_that_is_not_there_counts_as_zero(name, kind):
    model, attack = victim(SILENT[kind]()), ATTACKS.create(name)
    batch = Batch(images=films(), labels=torch.zeros(6, dtype=torch.int64), image_ids=tuple("abcdef"))
    (outcome,) = run_attack(attack, model, batch, seed=1, step="x", strengths=[8 / 255])
    assert outcome.cost.gradients == outcome.cost.queries > 0
    assert outcome.cost.zero_gradients == outcome.cost.gradients
    assert not image_gradient(model, batch.images, batch.labels).any()


@pytest.mark.parametrize("kind", FAILING)
def test_a_model_that_fails_once_a_gradient_is_asked_for_is_named(kind):
    make, words = FAILING[kind]
    model = victim(make())
    check_answers(model)
    for ask in (lambda: check_gradients(model, "attack PGD"),
                lambda: image_gradient(model, films(), torch.zeros(6, dtype=torch.int64))):
        with pytest.raises(ModelError, match=f"^model 'mine' fails .*{words}") as caught:
            ask()
        assert "\n" not in str(caught.value)


def test_what_a_network_raises_names_the_model_and_what_it_was_asked():
    model = victim(Network(at_most(4)))
    check_answers(model)
    check_gradients(model, "attack PGD")
    for ask in (model.logits, model.predict, model.features):
        with pytest.raises(ModelError, match=r"^model 'mine' fails on 6 images of 16 x 16 .*: at most 4"):
            ask(films())
    with pytest.raises(TensorError):  # ours
        model.logits(films() + 1)


def test_memory_that_ran_out_is_no_fault_of_the_model():
    def full(inputs):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
    with pytest.raises(RuntimeError, match="allocate memory"):
        victim(Network(full)).logits(films())


def test_a_model_with_gradients_passes_even_where_they_are_zero():
    check_gradients(victim(Network()), "attack PGD")
    check_gradients(victim(Network(lambda inputs: inputs.round())), "attack PGD")
