"""Fitting the restyle defence: one mean over the style codes of clean films, no gradient."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from radversary.core.errors import DataError
from radversary.core.types import Images, check_images
from radversary.defenses.restoration import Restoration, RestorerCard, build_restorer, save_restoration
from radversary.defenses.restorers.restyle import shipped_hash
from radversary.execution.progress import track
from radversary.imaging.intensity import to_grey
from radversary.storage.locks import locked
from radversary.stylization.network import shipped_stylizer

BATCH = 32
"""Images encoded at once."""


def fit_restyle(images: Images | Iterable[Images], *, name: str, out: Path, amount: float = 0.5,
                trained_on: str = "") -> Restoration:
    """Take the mean style code of clean films and save the transform that draws images in it.

    Args:
        images: Clean training films, (N, 1 or 3, H, W) in [0, 1], or batches of them; they are read as grey.
        name: What people will call the defence.
        out: Folder of ``model.safetensors`` and ``card.json``.
        amount: Opacity of what the style network draws over an image, 0 to 1.
        trained_on: The data, for the card.

    Returns:
        The transform, on the CPU.

    Raises:
        DataError: No image.
        TensorError: Images outside the pixel contract.
        PlanError: An amount outside 0 to 1.
        BusyError: Another process writes the folder.
        StorageError: Writing failed.
    """
    card = RestorerCard(name=name, architecture="restyle", options={"amount": amount, "stylizer": shipped_hash()},
                        trained_on=trained_on)
    network = build_restorer(card)
    network.load_state_dict({"code": mean_code(images)})
    with locked(out):
        return save_restoration(Restoration(network, card), out)


@torch.no_grad()
def mean_code(images: Images | Iterable[Images]) -> Tensor:
    """Return the mean style code of films, read as grey, (128,).

    Args:
        images: (N, 1 or 3, H, W) in [0, 1], or batches of them.

    Raises:
        DataError: No image.
        TensorError: Images outside the pixel contract.
    """
    total, count = torch.zeros((), dtype=torch.float64), 0
    for batch in track(torch.split(images, BATCH) if isinstance(images, Tensor) else images, "style codes"):
        if not len(batch):
            continue
        encode = shipped_stylizer(batch.device).style
        # Summed in float64, so that the size of the batches hardly shows.
        total = total + encode(to_grey(check_images(batch)).expand(-1, 3, -1, -1)).double().sum(0).cpu()
        count += len(batch)
    if not count:
        raise DataError("restyle needs at least one clean image to take its style from")
    return (total / count).float()
