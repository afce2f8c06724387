"""How verbs open the bundle of a guard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from radversary.cli.console import say

if TYPE_CHECKING:
    from radversary.screening.guard import Guard


def open_guard(folder: Path, device: str) -> Guard:
    """Load a guard onto a device, and say where its model lies if that is behind an address.

    Raises:
        InputError: It cannot be loaded, or there is no such device.
    """
    from radversary.execution.devices import select_device
    from radversary.screening.bundle import load_guard

    return load_guard(folder, device=select_device(device), remote=lambda address: say(
        f"note: this guard asks the model at {address}; the films that it looks at are sent there"))
