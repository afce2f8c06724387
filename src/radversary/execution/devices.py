"""The device and the precision that work runs on."""

from __future__ import annotations

import torch

from radversary.core.errors import PlanError


def select_device(name: str = "auto") -> torch.device:
    """Return the device called ``name``, ready for work that can be repeated.

    CUDA then multiplies in whole float32, never in TF32's shorter one, and takes convolutions that add up in one order.

    Args:
        name: ``auto`` (a CUDA device where there is one, else the CPU), or a torch device such as ``cpu``, ``cuda:1``
            or ``mps``, which has no double precision and is taken only by its name.

    Returns:
        The device; one of several by its number.

    Raises:
        PlanError: The device does not exist here.

    Example:
        >>> select_device("cpu")
        device(type='cpu')
    """
    chosen = name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.empty(0, device=chosen).device
    except (RuntimeError, AssertionError) as error:
        raise PlanError(f"device {name!r} is not available here; use 'auto' or 'cpu'") from error
    if device.type == "meta":  # where tensors have shapes and no numbers
        raise PlanError(f"device {name!r} is not available here; use 'auto' or 'cpu'")
    if device.type == "cuda":
        repeatable()
    return device


def repeatable() -> None:
    """Set CUDA to deterministic kernels and full float32 for the whole process."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False


def image_device(model: torch.device) -> torch.device:
    """Return where images are worked on for a model: on its device, or on the CPU where that lacks double precision.

    Args:
        model: The model's device.

    Example:
        >>> image_device(torch.device("mps"))
        device(type='cpu')
    """
    return torch.device("cpu") if model.type == "mps" else model


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
