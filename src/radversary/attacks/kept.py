"""Steps of a long attack that are kept on disk, so that one that is stopped repeats no finished step.

Nothing is kept unless somebody opened a folder for it (:func:`keeping`), as an audit does in its run folder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from pathlib import Path
from shutil import rmtree
from typing import Final

import torch
from safetensors.torch import save
from torch import Tensor

from radversary.attacks.metering import Meter, MeteredClassifier
from radversary.attacks.problem import Problem
from radversary.attacks.searching import SearchingAttack
from radversary.core.errors import StorageError
from radversary.core.types import Images
from radversary.storage.arrays import read_tensors
from radversary.storage.files import write_whole
from radversary.storage.hashes import component_hash
from radversary.storage.results import DIGITS

FOLDER: ContextVar[Path | None] = ContextVar("kept steps", default=None)
"""Where steps are kept; None where they are not."""

ENDING: Final = "safetensors"


@contextmanager
def keeping(folder: Path) -> Iterator[None]:
    """Keep the finished steps of attacks in a folder within the context, and remove them when it ends as it should.

    Args:
        folder: The folder; made when the first step is kept.
    """
    before = FOLDER.set(folder)
    try:
        yield
    finally:
        FOLDER.reset(before)
    rmtree(folder, ignore_errors=True)


def solved(attack: SearchingAttack, problem: Problem) -> Images:
    """Return what an attack finds, or what it found before it was stopped; what that cost is counted all the same.

    Args:
        attack: One step: an attack with all its hyper-parameters.
        problem: What it is given.

    Raises:
        StorageError: A step cannot be written.
    """
    folder = FOLDER.get()
    if folder is None:
        return attack.solve(problem)
    meter = problem.classifier.meter if isinstance(problem.classifier, MeteredClassifier) else Meter()
    name = key_of(attack, problem)
    if (found := read(folder, name)) is not None:
        points, cost = found
        meter.add(cost)
        return points.to(problem.images.device)
    before = meter.plus(Meter())
    points = attack.solve(problem)
    write(folder, name, points, meter.less(before))
    return points


def key_of(attack: SearchingAttack, problem: Problem) -> str:
    """Return a hash of all that the outcome of a step depends on."""
    found = sha256(repr((component_hash(attack), problem.classifier.fingerprint(), problem.goal, problem.colour,
                         problem.ball, problem.eot, problem.images.shape)).encode())
    places = problem.classifier.places if isinstance(problem.classifier, MeteredClassifier) else None
    bits = problem.bits if isinstance(problem.bits, Tensor) else torch.tensor(problem.bits or 0)
    told = torch.zeros(0) if places is None else places
    for tensor in (problem.images, problem.aims, bits, told, *(stream.get_state() for stream in problem.streams)):
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:DIGITS]


def write(folder: Path, name: str, points: Images, cost: Meter) -> None:
    """Keep a step: its points and what it asked.

    Raises:
        StorageError: It cannot be written.
    """
    about = torch.tensor(sorted(cost.about.items()), dtype=torch.int64).reshape(-1, 2)
    counts = torch.tensor([cost.queries, cost.gradients, cost.zero_gradients])
    content = save({"points": points.detach().cpu().contiguous(), "counts": counts, "about": about})
    path = folder / f"{name}-{sha256(content).hexdigest()[:DIGITS]}.{ENDING}"
    write_whole(path, lambda part: part.write_bytes(content))


def read(folder: Path, name: str) -> tuple[Images, Meter] | None:
    """Return a step that was kept; None where none is, or it was damaged."""
    for path in sorted(folder.glob(f"{name}-*.{ENDING}")):
        try:
            whole = f"{name}-{sha256(path.read_bytes()).hexdigest()[:DIGITS]}" == path.stem
            tensors = read_tensors(path, error=StorageError) if whole else {}
        except (OSError, StorageError):
            continue
        if tensors:
            queries, gradients, zeros = tensors["counts"].tolist()
            about = Counter({int(place): int(count) for place, count in tensors["about"].tolist()})
            return tensors["points"], Meter(queries, gradients, zeros, about)
    return None
