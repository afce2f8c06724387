"""Networks saved with their models, for tests: scripted, traced, exported, and archives made by hand."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from radversary.core.seeds import generator

CLASSES = ["a", "b", "c"]
SIDE = 32


class Small(nn.Module):
    """A network with everything that has two modes: a convolution, BatchNorm, dropout."""

    def __init__(self, side: int = SIDE) -> None:
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(3, 4, 3, stride=4), nn.BatchNorm2d(4), nn.Dropout(0.5)
        self.head = nn.Linear(64, 3)
        self.pool = nn.AdaptiveAvgPool2d(4)
        stream = generator(0, "small")
        with torch.no_grad():
            for value in (*self.parameters(), self.norm.running_mean):
                value.copy_(torch.randn(value.shape, generator=stream))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        maps = torch.relu(self.norm(self.conv(inputs)))
        return self.head(self.drop(self.pool(maps).flatten(1)))


def small(*, training: bool = False) -> Small:
    return Small().train(training)


def write_card(path: Path, **fields: Any) -> Path:
    card = {"name": path.stem, "architecture": "small", "classes": CLASSES, "size": SIDE, **fields}
    path.with_name(f"{path.stem}.card.json").write_text(json.dumps(card))
    return path


def scripted(network: nn.Module, path: Path, **fields: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = network if isinstance(network, torch.jit.ScriptModule) else torch.jit.script(network)
        torch.jit.save(made, path)
    return write_card(path, **fields)


def traced(network: nn.Module, path: Path, **fields: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.jit.trace(network, torch.rand(2, 3, SIDE, SIDE), check_trace=False)
    return scripted(made, path, **fields)


def exported(network: nn.Module, path: Path, *, images: torch.Tensor | None = None, batch: Any = None,
             **fields: Any) -> Path:
    """Export for the images' own batch, or for any that ``batch``, a ``torch.export.Dim``, allows."""
    images = torch.rand(3, 3, SIDE, SIDE) if images is None else images
    shapes = None if batch is None else ({0: batch},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(network, (images,), dynamic_shapes=shapes), path)
    return write_card(path, **fields)


def repacked(path: Path, change: Callable[[dict[str, bytes]], None], compression: int = zipfile.ZIP_STORED) -> Path:
    """Change the members of an archive, by their names below its folder."""
    with zipfile.ZipFile(path) as archive:
        members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"model/{name}", content)
    return path


def edited(path: Path, change: Callable[[Any], None], member: str = "models/model.json") -> Path:
    """Change a JSON member of an archive."""
    def change_member(members: dict[str, bytes]) -> None:
        content = json.loads(members[member])
        change(content)
        members[member] = json.dumps(content).encode()

    return repacked(path, change_member)
