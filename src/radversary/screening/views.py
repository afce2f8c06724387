"""Further ways in which a guard has its classifier look at an image: a canonical input, a trained restoration.

They are transforms that stand before classifiers elsewhere; here the prediction behind one is compared with the
prediction without it. A bundle keeps them beside the detectors, weights and all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from radversary.core.errors import InputError, ModelError
from radversary.core.text import quoted
from radversary.defenses.base import Transform
from radversary.defenses.registry import TRANSFORMS
from radversary.defenses.restoration import Restoration, Restore, load_restoration, save_restoration
from radversary.detectors.consistency import ConsistencyDetector
from radversary.detectors.reference_free import ReferenceFreeDetector
from radversary.storage.checksums import sha256_json

CANONICAL, KEEPER = "canonical", "consistency"
"""The view that needs no training, and the detector that takes views."""


def named_views(names: Sequence[str]) -> dict[str, Transform]:
    """Return views by name.

    Args:
        names: ``canonical``, or the folder of a trained restoration, such as a run's ``restorers/destyle``.

    Returns:
        Name to transform; a restoration is called as its card says.

    Raises:
        ModelError: The folder holds no restoration that can be loaded.
        InputError: No such folder, or two views of one name.

    Example:
        >>> list(named_views(["canonical"]))
        ['canonical']
    """
    made = [(CANONICAL, TRANSFORMS.create(CANONICAL)) if name == CANONICAL else _restoration(Path(name))
            for name in names]
    if len({name for name, _ in made}) < len(made):
        raise InputError(f"views need different names, got {', '.join(name for name, _ in made)}")
    return dict(made)


def _restoration(folder: Path) -> tuple[str, Transform]:
    if not folder.is_dir():
        raise InputError(f"no view {str(folder)!r}: give 'canonical' or the folder of a trained restoration")
    restoration = Restore(folder=folder).restoration
    return restoration.card.name, restoration


def add_views(detectors: Mapping[str, ReferenceFreeDetector],
              views: Mapping[str, Transform]) -> dict[str, ReferenceFreeDetector]:
    """Give views to the detector that takes some; their gradients pass, for attackers who know of them.

    Raises:
        InputError: There is no such detector among them.
        PlanError: A view has the name of one that the detector has anyway.
    """
    if not views:
        return dict(detectors)
    found = detectors.get(KEEPER)
    if not isinstance(found, ConsistencyDetector):
        raise InputError(f"views are for detector {KEEPER!r}, which is not among {', '.join(detectors)}")
    return {**detectors, KEEPER: replace(found, views={name: view.bpda for name, view in views.items()})}


def save_views(views: Mapping[str, Transform], folder: Path) -> list[list[str]]:
    """Save the views that have weights, each in a folder of its own, and return what identifies all of them.

    Raises:
        InputError: A view that is neither canonical nor a restoration, so that it could not be loaded again.
        StorageError: Writing failed.
    """
    for name, view in views.items():
        if isinstance(view, Restoration):
            save_restoration(view, folder / name)
        elif name != CANONICAL:
            raise InputError(f"view {name!r} cannot be saved in a bundle: it is {view!r}, not a trained restoration")
    return identity(views)


def load_views(known: Sequence[Sequence[str]], folder: Path) -> dict[str, Transform]:
    """Load what :func:`save_views` saved.

    Args:
        known: What it returned.
        folder: Where it saved.

    Returns:
        Name to transform.

    Raises:
        ModelError: One is missing, damaged, or another than was saved.
    """
    if away := [name for name, _ in known if Path(name).name != name or name in ("", "..")]:
        raise ModelError(f"a view lies in {folder} under its name, not at {quoted(away[0])}; fit and calibrate anew")
    views = {name: TRANSFORMS.create(name) if name == CANONICAL else load_restoration(folder / name)
             for name, _ in known}
    if identity(views) != [list(item) for item in known]:
        raise ModelError(f"the views in {folder} do not belong to the thresholds beside them; fit and calibrate anew")
    return views


def identity(views: Mapping[str, Transform]) -> list[list[str]]:
    """Return the name of each view and the hash of what it acts with."""
    return [[name, sha256_json([repr(view) if name == CANONICAL else "", *view.content_hashes()])]
            for name, view in views.items()]
