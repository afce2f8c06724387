"""How verbs open the bundle of a guard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radversary.cli.console import say

if TYPE_CHECKING:
    from radversary.screening.guard import Guard


def open_guard(folder: Path, device: str, model: str | None = None, *, allow_code: bool = False) -> Guard:
    """Load a guard onto a device, and say where its model lies if that is behind an address.

    Args:
        folder: Its folder.
        device: ``auto`` or a torch device.
        model: The reference of a model that it is to be compared with, if any; only looked for here.
        allow_code: Whether that reference may name Python code.

    Raises:
        InputError: It cannot be loaded, there is no such device, or there is no such model.
    """
    from radversary.classifiers.places import check_place
    from radversary.core.errors import ModelError
    from radversary.storage.files import absent

    if model is not None:
        check_place(model, allow_code=allow_code)
    if absent(folder / "guard.json"):
        raise ModelError(f"{folder} holds no guard.json; make a guard with: radversary detector fit")

    from radversary.execution.devices import select_device
    from radversary.screening.bundle import load_guard

    return load_guard(folder, device=select_device(device), remote=lambda address: say(
        f"note: this guard asks the model at {address}; the films that it looks at are sent there"))
