"""Whether a model that is saved as weights and a card is the same model when it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from radversary.classifiers.fitting import best_of, fit, lay, nearest
from radversary.classifiers.networks import spellings
from radversary.classifiers.probe import probe_images
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import ModelError, UnknownNameError

ALIKE: Final = 1e-3
"""How far two probabilities may lie apart by rounding: other memory formats and kernels add in another order."""

EXPORT: Final = "export it with torch.export (docs/classifiers.md)"


def reloadable(classifier: TorchClassifier, state: Mapping[str, Tensor]) -> str:
    """Return the registered name of the network that will be built where a classifier's weights are loaded.

    Args:
        classifier: The classifier.
        state: Its weights, on the CPU.

    Raises:
        ModelError: There is no such network, the weights do not fit it, or it answers otherwise with them; the text
            says what to do.
    """
    card = classifier.card
    try:
        tries = [lay(name, state, card) for name in spellings(card.architecture)]
    except UnknownNameError:
        raise ModelError(f"model {card.name!r} cannot be saved: {card.architecture!r} is an unknown architecture; "
                         f"{_way_out(classifier, state)}") from None
    if all(found.misfits for found in tries):
        raise ModelError(f"model {card.name!r} cannot be saved as {card.architecture}: {best_of(tries).misfits}; "
                         f"{_way_out(classifier, state)}")
    network, fitted = fit(state, card, f"model {card.name!r}")
    again = TorchClassifier(network, fitted).to(classifier.device)
    if (apart := _difference(classifier, again)) > ALIKE:
        raise ModelError(f"model {card.name!r} cannot be saved as {fitted.architecture}: with its weights that network "
                         f"answers otherwise (probabilities differ by {apart:.2g}), as its code differs; {EXPORT}")
    return fitted.architecture


@torch.no_grad()
def _difference(one: TorchClassifier, other: TorchClassifier) -> float:
    image = probe_images(one.card, 1)
    return float((one.probabilities(image) - other.probabilities(image)).abs().max())


def _way_out(classifier: TorchClassifier, state: Mapping[str, Tensor]) -> str:
    """Name the network that weights fit, or another way to keep the model."""
    near = nearest(state, classifier.card)
    if near is not None and not near.misfits:
        return f"its weights fit {near.name}: state architecture={near.name!r} in its card"
    return f"its weights fit no network that is known by name (`radversary list architectures`): {EXPORT}"
