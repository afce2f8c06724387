"""Whether gradients lead anywhere: an attack that follows them has to do better than chance, and than nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from radversary.attacks.base import Attack, Batch
from radversary.attacks.goal import aims_of
from radversary.attacks.storing import stored
from radversary.classifiers.base import Classifier
from radversary.core.seeds import Streams
from radversary.core.types import Access, AttackFamily, Budget, Colour, Images, Norm
from radversary.execution.devices import image_device

DRAWS = 4
"""Changes drawn at random for each image."""


@torch.no_grad()
def outdone(attack: Attack, classifier: Classifier, batch: Batch, attacked: Images, *, seed: int,
            step: str) -> Tensor | None:
    """Return for which images an attack that follows gradients was outdone by chance, or by doing nothing.

    Gradients that are masked need not be zero. Where they point away from the error, or anywhere, changes of the same
    size whose signs are drawn at random bring the image nearer to an error than the attack did; along a gradient that
    is one, the loss of a change of d pixels rises about √d times as far. Source: Carlini et al. 2019, arXiv:1902.06705,
    section 4.3 (compare with random search; the attack must do better than it); Athalye et al. 2018, arXiv:1802.00420,
    section 3.1.

    Args:
        attack: The attack at its strength.
        classifier: The victim as it answers: behind a defence's real transform, not its approximation.
        batch: The images before the attack.
        attacked: What the attack made of them, as it is stored, (N, C or 3, H, W).
        seed: The plan's seed.
        step: The attack's label.

    Returns:
        float64 (N,): 1 where the goal is not reached and a random change, or none, comes nearer to it, else 0;
        not-a-number where it was reached before. None for an attack that follows no gradient or keeps no bound, which a
        random change could keep too.
    """
    if not applies(attack):
        return None
    home = batch.images.device
    batch = batch.stored_in(attack.channels).to(image_device(classifier.device))
    drawn = random_signs(attack, batch, seed=seed, step=step)

    aims = aims_of(attack.wants, classifier, batch.images, batch.labels)

    def reached(images: Images) -> Tensor:
        logits = torch.stack([classifier.logits(images) for _ in range(getattr(attack, "eot", 1))]).mean(0)
        return attack.wants.margin(classifier.card, logits, aims)

    before, after = reached(batch.images), reached(attacked.to(batch.images))
    by_chance = torch.stack([before, *(reached(images) for images in drawn)]).amax(0)
    found = ((after <= 0) & (after < by_chance)).double()
    return torch.where(before > 0, torch.nan, found).to(home)


def applies(attack: Attack) -> bool:
    """Return whether an attack follows gradients within a bound that a random change can keep."""
    budget = attack.budget
    return (attack.needs == Access.GRADIENTS and attack.family == AttackFamily.GRADIENT and budget.norm is not None
            and bool(budget.epsilon))


def random_signs(attack: Attack, batch: Batch, *, seed: int, step: str) -> list[Images]:
    """Return images changed by as much as an attack may change them, each pixel up or down at random.

    Args:
        attack: The attack at its strength; it has a bound.
        batch: The images.
        seed: The plan's seed.
        step: The attack's label.

    Returns:
        :data:`DRAWS` times (N, C or 3, H, W), as they are stored.
    """
    budget, images = attack.budget, batch.images
    streams = Streams.for_images(batch.image_ids, seed=seed, step=f"{step}/random signs")
    channels = 3 if attack.channels == Colour.RGB else 1
    found = []
    for _ in range(DRAWS):
        signs = 2.0 * (streams.uniform(channels, *images.shape[-2:]).to(images) < 0.5) - 1.0
        changed = images + reach_of(budget, signs[0].numel()) * signs
        found.append(stored(changed.clamp(0, 1), images, budget, batch.bits))
    return found


def reach_of(budget: Budget, pixels: int) -> float:
    """Return how far each of so many pixels may change at once within a bound.

    Example:
        >>> reach_of(Budget(norm=Norm.L2, epsilon=1.0), 16)
        0.25
    """
    epsilon = budget.epsilon or 0.0
    return epsilon if budget.norm == Norm.LINF else epsilon / pixels**0.5
