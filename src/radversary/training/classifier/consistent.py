"""Training with a consistency loss over several views of an image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from radversary.core.types import Task
from radversary.training.classifier.dual_norm import dual_norms, normalised_as
from radversary.training.classifier.recipe import SupervisedRecipe


def jensen_shannon(logits: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence between the predictions on several views of an image.

    The mean over the views of KL(p_v || mean p), the mixture clamped as in AugMix (Hendrycks et al. 2020, 1912.02781).

    Args:
        logits: (N, V, K).

    Returns:
        The mean over the images, a number in 0 to log V.

    Example:
        >>> float(jensen_shannon(torch.zeros(1, 2, 3)))
        0.0
        >>> round(float(jensen_shannon(torch.tensor([[[50.0, 0.0], [0.0, 50.0]]]))), 4)  # log 2
        0.6931
    """
    views = logits.log_softmax(dim=2)
    mixture = views.exp().mean(dim=1, keepdim=True).clamp(1e-7, 1).log().expand_as(views)
    # In logarithms, because p log p has no gradient at a probability that has underflowed to 0.
    return F.kl_div(mixture, views, reduction="sum", log_target=True) / (len(logits) * logits.shape[1])


def divergence_of(logits: Tensor, task: Task) -> Tensor:
    """Return the Jensen-Shannon divergence of logits (N, V, K); of findings, the mean of each one's divergence.

    A finding is there or not, which is a prediction of its own.

    Args:
        logits: (N, V, K).
        task: Of the model's card.

    Example:
        >>> round(float(divergence_of(torch.tensor([[[50.0, 7.0], [-50.0, 7.0]]]), Task.MULTILABEL)), 4)  # log 2 / 2
        0.3466
    """
    if task != Task.MULTILABEL:
        return jensen_shannon(logits)
    each = logits.transpose(1, 2).flatten(0, 1)
    return jensen_shannon(torch.stack([torch.zeros_like(each), each], dim=2))


class ConsistentRecipe(SupervisedRecipe):
    """Cross-entropy on every view of an image, plus a weight times the divergence between the answers.

    A batch's images are (N, V, C, S, S), the clean view first. All views go through the network at once, or the clean
    and the other ones apart where each have a BatchNorm of their own.
    """

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the loss of one batch of views and labels."""
        views, labels = batch
        logits = self.answers(views)
        apart = divergence_of(logits, self.card.task)
        count = logits.shape[1]
        return self.judge(logits.flatten(0, 1), labels.repeat_interleave(count, dim=0), "train",
                          extra=self.objective.consistency * apart)

    def answers(self, views: Tensor) -> Tensor:
        """Return logits (N, V, K) of views (N, V, C, S, S)."""
        if not dual_norms(self.network):
            return self.shaped(self(views.flatten(0, 1))).reshape(*views.shape[:2], -1)
        with normalised_as(self.network, "clean"):
            clean = self.shaped(self(views[:, 0])).unsqueeze(1)
        with normalised_as(self.network, "attacked"):
            others = self.shaped(self(views[:, 1:].flatten(0, 1))).reshape(len(views), views.shape[1] - 1, -1)
        return torch.cat([clean, others], dim=1)
