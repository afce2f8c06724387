"""Fast adversarial training against gradient attacks, with single-step attacks.

Wong, Rice and Kolter 2020, arXiv:2001.03994: one signed gradient step from a random start trains as robust a network as
ten steps do, as long as it does not overfit to the single step (see ``docs/training.md``).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from radversary.core.errors import PlanError
from radversary.core.types import Images, Labels, Task
from radversary.training.classifier.dual_norm import dual_norms, normalised_as
from radversary.training.classifier.losses import summed_loss
from radversary.training.classifier.recipe import SupervisedRecipe

STRIDE = 1.25
"""Length of the step in units of epsilon, the authors'."""


def fast_attack(forward: Callable[[Images], Tensor], images: Images, labels: Labels, epsilon: float, *,
                task: Task = Task.MULTICLASS) -> Images:
    """Attack images by one signed gradient step from a random start, the same change in all channels.

    Args:
        forward: Images to logits (N, K).
        images: (N, C, H, W) in [0, 1].
        labels: (N,); (N, K) where the task is ``multilabel``, of which known findings count.
        epsilon: Largest change of a pixel.
        task: Of the model's card.

    Returns:
        Images of the same shape in [0, 1], no pixel further than ``epsilon`` from where it was.
    """
    start = torch.empty_like(images[:, :1]).uniform_(-epsilon, epsilon).requires_grad_()
    with torch.enable_grad():
        loss = summed_loss(forward((images + start).clamp(0, 1)).float(), labels, task)
        (gradient,) = torch.autograd.grad(loss, start)
    change = (start.detach() + STRIDE * epsilon * gradient.sign()).clamp(-epsilon, epsilon)
    return (images + change).clamp(0, 1)


class RobustRecipe(SupervisedRecipe):
    """Cross-entropy on batches of which a share is attacked on the fly."""

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the loss of one batch of images and labels, the first of which are attacked."""
        if (plan := self.objective.robust) is None:
            raise PlanError("training against gradients needs a robust plan")
        images, labels = batch
        # Batches come in random order, so the first images are any.
        count = max(1, round(plan.share * len(images)))
        attacked = self.attack(images[:count], labels[:count], plan.epsilon)
        if not dual_norms(self.network):
            return self.judge(self(torch.cat([attacked, images[count:]])), labels, "train")
        with normalised_as(self.network, "attacked"):
            worse = self(attacked)
        with normalised_as(self.network, "clean"):
            clean = self(images[count:])
        return self.judge(torch.cat([worse, clean]), labels, "train")

    def attack(self, images: Images, labels: Labels, epsilon: float) -> Images:
        """Attack images with the current weights in evaluation mode, so that BatchNorm statistics are not updated."""
        self.network.eval()
        try:
            with normalised_as(self.network, "attacked"):
                return fast_attack(self, images, labels, epsilon, task=self.card.task)
        finally:
            self.train()
