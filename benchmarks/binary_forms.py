"""One binary decision as a single logit, two logits, probabilities and a finding among several, attacked one by one."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

import torch
from torch import Tensor, nn

from benchmarks.form_weights import Weights
from radversary.attacks.base import Attack, AttackOutcome, Batch, run_attack
from radversary.attacks.gradient.fgsm import FGSM
from radversary.attacks.gradient.iterative import IterativeFGSM, MomentumFGSM
from radversary.attacks.gradient.pgd import PGD
from radversary.attacks.style.worst import WorstStyleAttack
from radversary.classifiers.base import Classifier
from radversary.classifiers.inputs import network_input
from radversary.classifiers.torch_module import wrap
from radversary.core.seeds import generator
from radversary.core.types import UNKNOWN, Images, Labels, Task
from radversary.imaging.intensity import quantise

SEED, MOST, EPSILON, STEPS = 7, 24, 2 / 255, 5
"""Films at most, and how far and in how many steps they are attacked."""

ATTACKS: Final[dict[str, Attack]] = {
    "fgsm": FGSM(epsilon=EPSILON), "pgd": PGD(epsilon=EPSILON, steps=STEPS),
    "i-fgsm": IterativeFGSM(epsilon=EPSILON, steps=STEPS), "mi-fgsm": MomentumFGSM(epsilon=EPSILON, steps=STEPS),
    "worst-style": WorstStyleAttack(opacity=0.3, k=5, generator="adain")}

Form = Callable[[Tensor], Tensor]
"""Makes of a single logit (N, 1) what a network returns."""

FORMS: Final[dict[str, tuple[Task, Form, str]]] = {
    "single logit": (Task.BINARY, lambda x: x, "logits"),
    "two logits": (Task.BINARY, lambda x: torch.cat([torch.zeros_like(x), x], 1), "logits"),
    "sigmoid": (Task.BINARY, torch.sigmoid, "probabilities"),
    "softmax": (Task.BINARY, lambda x: torch.cat([torch.zeros_like(x), x], 1).softmax(1), "probabilities"),
    "one finding of three": (Task.MULTILABEL, lambda x: torch.cat([x - 5, x, -x - 5], 1), "logits")}


class Decision(nn.Module):
    """A network with one output, and the form in which its answer is given."""

    def __init__(self, network: nn.Module, form: Form) -> None:
        super().__init__()
        self.network, self.form = network, form

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what the form makes of the single logit."""
        return self.form(self.network(inputs))


def single_logit(weights: Weights, no: int, yes: int) -> nn.Module:
    """Return the network with the one output by which it tells one class from another."""
    network = deepcopy(weights.network)
    dense = nn.Linear(network.fc.in_features, 1)
    with torch.no_grad():
        dense.weight.copy_(network.fc.weight[yes:yes + 1] - network.fc.weight[no:no + 1])
        dense.bias.copy_(network.fc.bias[yes:yes + 1] - network.fc.bias[no:no + 1])
    network.fc = dense
    return network.eval().requires_grad_(requires_grad=False)


def binary_forms(weights: Weights, images: Images, truth: Labels) -> dict[str, Any]:
    """Attack one decision in all forms, and by a cross-entropy over its one output.

    Args:
        weights: Of the network of three classes; the decision is that between the first and the last.
        images: (N, 1, H, W) in [0, 1].
        truth: Their classes (N,).

    Returns:
        Success by form and attack of the films that the model reads rightly, and how many these are.
    """
    names, last = weights.card.classes, len(weights.card.classes) - 1
    network = single_logit(weights, 0, last)
    victims = {name: victim(network, name, (names[0], names[last]), weights.card.size) for name in FORMS}
    plain = victims["single logit"]
    rows = torch.nonzero((truth == 0) | (truth == last))[:, 0]
    films, labels = images[rows], (truth[rows] == last).long()
    right = torch.nonzero(plain.predict(films) == labels)[:MOST, 0]
    films, labels = films[right], labels[right]
    found = {name: {label: run(attack, name, own, films, labels) for label, attack in ATTACKS.items()}
             for name, own in victims.items()}
    first = found["single logit"]
    made = [{"form": name, "attacks": {label: cell(outcome, first[label]) for label, outcome in own.items()}}
            for name, own in found.items()]
    return {"n": len(films), "classes": [names[0], names[last]], "findings": int(labels.sum()),
            "attacks": {label: repr(attack) for label, attack in ATTACKS.items()}, "forms": made,
            "cross-entropy over one output": over_one_output(network, plain, films, labels),
            "foolbox": by_foolbox(network, plain, films, labels)}


def cell(outcome: AttackOutcome, first: AttackOutcome) -> dict[str, int]:
    """Return on how many films an attack succeeds, and how many of its images are those of the first form."""
    alike = (outcome.images == first.images).flatten(1).all(1)
    return {"success": 0 if outcome.success is None else int(outcome.success.sum()), "equal images": int(alike.sum())}


def victim(network: nn.Module, form: str, classes: tuple[str, str], size: Any) -> Classifier:  # noqa: ANN401
    """Return the decision in a form, as a classifier."""
    task, made, output = FORMS[form]
    findings = ("other", classes[1], "another") if task == Task.MULTILABEL else classes
    return wrap(Decision(network, made), classes=findings, size=size, task=task, output=output, name=form)


def run(attack: Attack, form: str, classifier: Classifier, films: Images, labels: Labels) -> AttackOutcome:
    """Attack films by the decision alone: of other findings nothing is known."""
    if FORMS[form][0] == Task.MULTILABEL:
        labels = torch.stack([torch.full_like(labels, UNKNOWN), labels, torch.full_like(labels, UNKNOWN)], 1)
    batch = Batch(films, labels, tuple(f"film {place}" for place in range(len(films))))
    (outcome,) = run_attack(attack, classifier, batch, seed=SEED, step="binary", strengths=[attack.current])
    return outcome


def over_one_output(network: nn.Module, classifier: Classifier, films: Images, labels: Labels) -> dict[str, Any]:
    """Return the success of the same attacks where the loss is the cross-entropy of classes, of which there is one."""
    kinds = {"fgsm": (1, 0.0, 0.0), "pgd": (STEPS, 2.5, 0.0), "i-fgsm": (STEPS, 0.0, 0.0), "mi-fgsm": (STEPS, 0.0, 1.0)}
    noise = 2 * torch.rand(films.shape, generator=generator("one output", SEED)) - 1
    found = {}
    for label, (steps, reach, momentum) in kinds.items():
        start = films + EPSILON * noise if reach else films
        moved, slope = climbed(network, classifier, films, start.clamp(0, 1), steps, reach or 1.0, momentum)
        found[label] = {"success": int((classifier.predict(quantise(moved, 8)) != labels).sum()),
                        "greatest gradient": slope}
    return found


def climbed(network: nn.Module, classifier: Classifier, films: Images, start: Images, steps: int, reach: float,
            momentum: float) -> tuple[Images, float]:
    """Climb the cross-entropy of class 0, the only index that one output has; written without the library's attacks."""
    moved, direction, greatest = start, torch.zeros_like(films), 0.0
    for _ in range(steps):
        at = moved.clone().requires_grad_()
        outputs = network(network_input(at, classifier.card))
        loss = nn.functional.cross_entropy(outputs, torch.zeros(len(at), dtype=torch.int64), reduction="sum")
        (slope,) = torch.autograd.grad(loss, at)
        greatest = max(greatest, float(slope.abs().amax()))
        direction = momentum * direction + slope / slope.abs().mean((1, 2, 3), keepdim=True).clamp_min(1e-12)
        moved = moved + reach * EPSILON / steps * direction.sign()
        moved = torch.minimum(torch.maximum(moved, films - EPSILON), films + EPSILON).clamp(0, 1)
    return moved, greatest


def by_foolbox(network: nn.Module, classifier: Classifier, films: Images, labels: Labels) -> dict[str, Any] | None:
    """Return what foolbox's FGSM says of the single logit, for each label; None where it is not installed."""
    try:
        import foolbox
    except ImportError:
        return None

    class Seen(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return network(network_input(images, classifier.card))  # type: ignore[no-any-return]

    model, found = foolbox.PyTorchModel(Seen().eval(), bounds=(0, 1)), {}
    for label in (0, 1):
        rows = labels == label
        try:
            _, _, success = foolbox.attacks.FGSM()(model, films[rows], labels[rows], epsilons=EPSILON)
            found[str(label)] = f"{int(success.sum())} of {int(rows.sum())}"
        except Exception as error:  # what another library raises is the result
            found[str(label)] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return {"version": foolbox.__version__, "success by label": found}
