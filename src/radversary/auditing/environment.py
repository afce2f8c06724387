"""Software versions and machine of a run."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from radversary.auditing.distributions import installed_distributions

PACKAGES = ("radversary", "torch", "lightning", "monai", "kornia", "torchmetrics", "scikit-learn", "scipy", "numpy",
            "pandas", "pyarrow", "pillow", "pydicom", "safetensors")


def environment() -> dict[str, Any]:
    """Return versions, machine, time (UTC) and command of this process; no user or host name, no path but arguments.

    ``packages`` are those that figures rest on; ``distributions`` are all that is installed, as a software bill of
    materials needs it.

    Example:
        >>> environment()["python"].count(".")
        2
    """
    return {"python": platform.python_version(), "system": platform.system(), "machine": platform.machine(),
            "processor": processor(), "cores": os.cpu_count(), "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "packages": {name: installed(name) for name in PACKAGES},
            "distributions": installed_distributions(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": ["radversary", *sys.argv[1:]]}


def installed(package: str) -> str | None:
    """Return a package's version, or None where it is absent."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """Return the processor's name as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown"
