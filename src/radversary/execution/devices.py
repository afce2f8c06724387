"""The device and the precision that work runs on."""

from __future__ import annotations

import torch

from radversary.core.errors import PlanError


def select_device(name: str = "auto") -> torch.device:
    """Return the device called ``name``.

    Args:
        name: ``auto`` (a GPU where there is one), or a torch device such as ``cpu`` or ``cuda:1``.

    Returns:
        The device.

    Raises:
        PlanError: The device does not exist here.

    Example:
        >>> select_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise PlanError(f"device {name!r} is not available here; use 'auto' or 'cpu'") from error
    return device


def training_precision(name: str, device: torch.device) -> str:
    """Return Lightning's name of the arithmetic used in training.

    ``auto`` takes bfloat16 where the chip multiplies matrices in it (measured here: 2.5 times float32 for a
    ResNet-50 on a CPU with AMX) and float32 elsewhere. Scoring is always float32.

    Args:
        name: ``auto``, ``float32`` or ``bfloat16``.
        device: Where training runs.

    Returns:
        ``32-true`` or ``bf16-mixed``.

    Raises:
        PlanError: Another name.

    Example:
        >>> training_precision("float32", torch.device("cpu"))
        '32-true'
    """
    known = {"float32": "32-true", "bfloat16": "bf16-mixed"}
    if name in known:
        return known[name]
    if name != "auto":
        raise PlanError(f"precision must be 'auto', 'float32' or 'bfloat16', got {name!r}")
    if device.type == "cuda":
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if torch.cpu._is_amx_tile_supported() else "32-true"
