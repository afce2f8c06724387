"""What an attack wants: the loss it climbs and what counts as success, in one place for all of them.

Binary, single-logit and multi-label models will be told apart here, and nowhere else.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from radversary.classifiers.base import Classifier
from radversary.core.types import Images, Labels


def attack_loss(logits: Tensor, labels: Labels) -> Tensor:
    """Return the loss that an untargeted attack climbs: each image's cross-entropy.

    Written as log(1 + Σ exp(z_wrong − z_right)). Taken from the softmax in float32, the right class's share of the
    gradient is rounded to nothing once the model is surer than 1 − 6e-8, and the attack would follow the other half.

    Args:
        logits: (N, K).
        labels: True classes (N,).

    Returns:
        (N,), not reduced: no image's gradient depends on its batch mates.

    Example:
        >>> [round(value, 4) for value in attack_loss(torch.zeros(1, 2), torch.tensor([0])).tolist()]
        [0.6931]
    """
    logits, right = logits.float(), labels[:, None]
    wrong = logits.scatter(1, right, -torch.inf).logsumexp(1)
    return F.softplus(wrong - logits.gather(1, right)[:, 0])


def margin(logits: Tensor, labels: Labels) -> Tensor:
    """Return how far the best wrong class lies above the right one, (N,); above 0 the classifier is fooled.

    Args:
        logits: (N, K), K of at least 2; log-probabilities give the same differences.
        labels: True classes (N,).

    Example:
        >>> margin(torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([0])).item()
        2.0
    """
    right = logits.gather(1, labels[:, None])
    wrong = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    return wrong - right[:, 0]


def fooled(logits: Tensor, labels: Labels) -> Tensor:
    """Return whether each image is read wrongly, bool (N,).

    Example:
        >>> fooled(torch.tensor([[1.0, 3.0]]), torch.tensor([1])).item()
        False
    """
    return logits.argmax(1) != labels


def image_gradient(classifier: Classifier, images: Images, labels: Labels) -> Tensor:
    """Return the gradient of each image's loss with respect to that image, (N, C, H, W).

    No gradient of a weight is computed. The model's mode and its parameters are left as they are.

    Args:
        classifier: One that gives gradients.
        images: (N, C, H, W) in [0, 1].
        labels: True classes (N,).
    """
    with torch.enable_grad():
        at = images.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(attack_loss(classifier.logits(at), labels).sum(), at)
    return gradient
