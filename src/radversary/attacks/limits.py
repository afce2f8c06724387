"""Whether an attack keeps to the budget that it declares."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from radversary.core.errors import BudgetError
from radversary.core.types import AttackContract, Budget, Norm

ROUNDING = 1e-3
"""Share by which a change may exceed its bound: float32, and bounds that are written with three digits."""

SLACK = 1e-6
"""By how much a distance may exceed what it is compared with, in units of the full grey range, and above 1 as a share
of it: float32. A fifteenth of a grey level of 16 bits."""


def distance(change: Tensor, norm: Norm) -> Tensor:
    """Return the size of each image's change by a norm over all pixels and channels, (N,).

    Args:
        change: Attacked images less the originals, (N, C, H, W).
        norm: The norm.

    Example:
        >>> distance(torch.tensor([[[[0.3, -0.4]]]]), Norm.L2).item()
        0.5
    """
    sizes: Tensor = torch.linalg.vector_norm(change.flatten(1), ord=torch.inf if norm == Norm.LINF else 2, dim=1)
    return sizes


def is_within(distances: Tensor, reach: float) -> Tensor:
    """Return which distances are no more than a reach, bool (N,).

    Distances are differences of stored grey levels in float32, which lie on either side of what they are exactly: a
    change of one level of 8 bits measures a little more or less than 1/255. Those within :data:`SLACK` of the reach are
    within it.

    Args:
        distances: By any norm, (N,); infinite where nothing was found.
        reach: The greatest that counts, at least 0.

    Example:
        >>> is_within(torch.tensor([0.0039215981960297, 0.0039241]), 1 / 255).tolist()
        [True, False]
    """
    return distances <= reach + SLACK * max(1.0, reach)


def check_budget(who: str, contract: AttackContract, budget: Budget, change: Tensor, *, queries: int) -> None:
    """Refuse what an attack did where it went beyond its budget.

    The change is that before pixels are rounded to the stored depth, which moves each by half a grey level at most:
    rounding belongs to the file, not to the attack.

    Args:
        who: The attack and its strength, for the error.
        contract: What it promises of the size of its change.
        budget: What it declares.
        change: What it changed, (N, C, H, W).
        queries: Images that the classifier answered, for all images together.

    Raises:
        BudgetError: A change is beyond epsilon, the images took more queries each, on average, than are declared, or a
            fixed budget is promised and no norm with an epsilon declared.
    """
    if contract == AttackContract.FIXED_BUDGET and (budget.norm is None or budget.epsilon is None):
        raise BudgetError(f"{who} promises a fixed budget, but its budget declares no norm with an epsilon")
    if len(change) and (faults := "; ".join(excesses(budget, change, queries / len(change)))):
        raise BudgetError(f"{who} breaks its budget: {faults}")


def excesses(budget: Budget, change: Tensor, queries: float) -> Iterator[str]:
    """Yield what is declared beside what was measured, wherever it is more.

    Args:
        budget: What is declared.
        change: What was changed, (N, C, H, W), N of at least 1.
        queries: Queries an image.

    Example:
        >>> list(excesses(Budget(norm=Norm.L2, epsilon=0.1, queries=2), torch.ones(1, 1, 2, 2), 3.0))
        ['it declares l2 of at most 0.1, measured 2', 'it declares at most 2 queries an image, measured 3']
    """
    if budget.norm is not None and budget.epsilon is not None:
        reached = float(distance(change, budget.norm).max())
        if reached > budget.epsilon * (1 + ROUNDING) + 1e-6:
            yield f"it declares {budget.norm} of at most {budget.epsilon:.4g}, measured {reached:.4g}"
    if budget.queries is not None and queries > budget.queries:
        yield f"it declares at most {budget.queries} queries an image, measured {queries:.4g}"
