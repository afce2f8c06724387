"""Other people's implementations take the same steps: of two classes, cross-entropy and margin have one direction."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from radversary.attacks.goal import image_gradient
from radversary.attacks.gradient.fgsm import FGSM
from radversary.attacks.gradient.iterative import IterativeFGSM, MomentumFGSM
from radversary.attacks.gradient.pgd import PGD

EPSILON, STEPS = 8 / 255, 7
OURS = {
    "fgsm": FGSM(epsilon=EPSILON, colour="rgb"),
    "i-fgsm": IterativeFGSM(epsilon=EPSILON, steps=STEPS, colour="rgb"),
    "mi-fgsm": MomentumFGSM(epsilon=EPSILON, steps=STEPS, momentum=0.8, colour="rgb"),
    "pgd": PGD(epsilon=EPSILON, steps=STEPS, reach=2.5, random_start=False, colour="rgb"),
}


class Logits(nn.Module):
    """What other libraries want: a module that maps images in [0, 1] to logits."""

    def __init__(self, classifier) -> None:
        super().__init__()
        self.module, self.classifier = classifier.module, classifier

    def forward(self, images):
        return self.classifier.logits(images)


@pytest.fixture
def labels():
    return torch.tensor([0, 1, 1, 0])


@pytest.fixture
def colourful(images):
    """Three channels of their own, some pixels at the ends of the range."""
    return (torch.cat([images, images.flip(-1), images.flip(-2)], 1) * 1.3 - 0.15).clamp(0, 1)


@pytest.fixture
def ours(request, binary_victim, colourful, labels, streams):
    return OURS[request.param].perturb(binary_victim, colourful, labels, streams())


def test_no_gradient_of_these_images_is_nearly_zero(binary_victim, colourful, labels):
    gradient = image_gradient(binary_victim, colourful, labels).abs()
    assert (gradient / gradient.amax((1, 2, 3), keepdim=True)).min() > 1e-6
    assert ((colourful == 0) | (colourful == 1)).any()


def foolbox_attack(name):
    foolbox = pytest.importorskip("foolbox")
    attacks = foolbox.attacks

    class PaperMomentum(attacks.LinfMomentumIterativeFastGradientMethod):
        """Theirs adds up signs; the paper adds up gradients, each divided by its L1 norm."""

        def normalize(self, gradients, *, x, bounds):
            return foolbox.attacks.gradient_descent_base.normalize_lp_norms(gradients, p=1)

    made = {"fgsm": lambda: attacks.FGSM(random_start=False),
            "i-fgsm": lambda: attacks.LinfBasicIterativeAttack(rel_stepsize=1 / STEPS, steps=STEPS, random_start=False),
            "mi-fgsm": lambda: PaperMomentum(rel_stepsize=1 / STEPS, steps=STEPS, momentum=0.8, random_start=False),
            "pgd": lambda: attacks.LinfPGD(rel_stepsize=2.5 / STEPS, steps=STEPS, random_start=False)}
    return foolbox, made[name]()


@pytest.mark.slow
@pytest.mark.parametrize(("ours", "name"), [(name, name) for name in OURS], indirect=["ours"])
def test_foolbox_reaches_the_same_pixels(ours, name, binary_victim, colourful, labels):
    foolbox, attack = foolbox_attack(name)
    model = foolbox.PyTorchModel(Logits(binary_victim).eval(), bounds=(0, 1), device="cpu")
    theirs = attack.run(model, colourful, foolbox.criteria.Misclassification(labels), epsilon=EPSILON)
    assert (theirs - colourful).abs().max() > 0.9 * EPSILON
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def art_attack(name, estimator):
    evasion = pytest.importorskip("art.attacks.evasion")
    common = {"eps": EPSILON, "batch_size": 4}
    steps = {**common, "max_iter": STEPS, "verbose": False}
    made = {"fgsm": lambda: evasion.FastGradientMethod(estimator, norm=np.inf, **common),
            "i-fgsm": lambda: evasion.BasicIterativeMethod(estimator, eps_step=EPSILON / STEPS, **steps),
            "mi-fgsm": lambda: evasion.MomentumIterativeMethod(estimator, eps_step=EPSILON / STEPS, decay=0.8, **steps),
            "pgd": lambda: evasion.ProjectedGradientDescent(estimator, eps_step=2.5 * EPSILON / STEPS,
                                                            num_random_init=0, **steps)}
    return made[name]()


@pytest.mark.slow  # importing ART takes seconds
@pytest.mark.parametrize(("ours", "name"), [(name, name) for name in OURS], indirect=["ours"])
def test_art_reaches_the_same_pixels(ours, name, binary_victim, colourful, labels):
    estimators = pytest.importorskip("art.estimators.classification")
    estimator = estimators.PyTorchClassifier(Logits(binary_victim), nn.CrossEntropyLoss(), (3, 16, 16), 2,
                                             clip_values=(0.0, 1.0), device_type="cpu")
    theirs = art_attack(name, estimator).generate(colourful.numpy(), np.eye(2, dtype=np.float32)[labels])
    torch.testing.assert_close(ours, torch.from_numpy(theirs), atol=1e-6, rtol=0)
