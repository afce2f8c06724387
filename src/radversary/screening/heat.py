"""Where a film is suspicious: the film, and the same under a heat map of the detector that can tell."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import torch
from matplotlib import colormaps
from torch import Tensor
from torch.nn import functional

from radversary.core.files import write_whole
from radversary.core.types import Images
from radversary.imaging.png import encode_png
from radversary.screening.guard import Guard
from radversary.screening.screen import batches

OPACITY = 0.55
"""How much of the colour lies over the film where it is most suspicious."""

FAINT, FULL = 0.6, 2.5
"""Heat at which colour begins and is full, where 1 is what about one place of clean films in a hundred exceeds."""


def heat_maps(guard: Guard, images: Images) -> Tensor | None:
    """Return where images are suspicious, (N, S, S) in [0, 1], all on one scale; None where no detector can tell.

    A clean film stays almost without heat; a manipulation of the whole film may be hot all over.

    Args:
        guard: The guard.
        images: (N, C, S, S) in [0, 1].
    """
    with torch.no_grad():
        features = guard.features(images)
        found = (detector.heat_map(images, features) for detector in guard.detectors.values())
        first = next((heat for heat in found if heat is not None), None)
    if first is None:
        return None
    wide = functional.interpolate(first[:, None].float(), size=images.shape[-2:], mode="bilinear")[:, 0]
    return ((wide - FAINT) / (FULL - FAINT)).clamp(0.0, 1.0)


def overlay(images: Images, heat: Tensor) -> Images:
    """Return each film beside itself under its heat map, (N, 3, S, 2 S)."""
    colours = torch.from_numpy(colormaps["inferno"](heat.cpu().numpy())[..., :3]).float().permute(0, 3, 1, 2)
    films = images.expand(-1, 3, -1, -1)
    share = OPACITY * heat[:, None]
    return torch.cat([films, (films * (1 - share) + colours * share).clamp(0, 1)], dim=3)


def draw_heat_maps(guard: Guard, places: Sequence[Path], names: Collection[str], out: Path, *,
                   part: str = "test") -> Iterator[Path]:
    """Write a picture of each named film at some places.

    Args:
        guard: The guard.
        places: As in :func:`radversary.screening.screen.screen_place`.
        names: Names of the films that are drawn.
        out: Folder of the PNGs, each called after its film.
        part: Which part of a run's images.

    Yields:
        The files; none where no detector of the guard can tell where.

    Raises:
        StorageError: The disk refused.
    """
    for place in places:
        for films in batches(guard, place, [], part):
            chosen = [row for row, name in enumerate(films.names) if name in names]
            heat = heat_maps(guard, films.images[chosen]) if chosen else None
            if heat is None:
                continue
            for row, picture in zip(chosen, overlay(films.images[chosen], heat), strict=True):
                path = out / f"{films.names[row].replace('/', '_')}.heat.png"
                content = encode_png(picture)
                yield write_whole(path, lambda part, content=content: part.write_bytes(content))  # type: ignore[misc]
