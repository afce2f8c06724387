"""Where a film is suspicious: the film, and the same under a heat map of the detector that can tell."""

from __future__ import annotations

from itertools import chain, count
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from radversary.core.text import marked_file_name, plain_file_name
from radversary.core.types import Images
from radversary.imaging.png import encode_png
from radversary.screening.guard import Guard
from radversary.screening.screen import Screened
from radversary.screening.verdicts import Verdict
from radversary.storage.files import write_whole

OPACITY = 0.55
"""How much of the colour lies over the film where it is most suspicious."""

FAINT, FULL = 0.6, 2.5
"""Heat at which colour begins and is full, where 1 is what about one place of clean films in a hundred exceeds."""

LONGEST = 150
"""Bytes of a heat map's name at most, before what tells it from others; file systems take 255."""


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
    from matplotlib import colormaps  # imported where it is used: half a second, which screening without maps spares

    colours = torch.from_numpy(colormaps["inferno"](heat.cpu().numpy())[..., :3]).float().permute(0, 3, 1, 2)
    films = images.expand(-1, 3, -1, -1)
    share = OPACITY * heat[:, None]
    return torch.cat([films, (films * (1 - share) + colours * share).clamp(0, 1)], dim=3)


class HeatMaps:
    """A folder of heat maps, each called after its film's place and name; none is written over another.

    Args:
        guard: The guard.
        out: The folder; made with the first picture.
    """

    def __init__(self, guard: Guard, out: Path) -> None:
        self.guard, self.out = guard, out
        self._taken: set[str] = set()

    def draw(self, screened: Screened) -> Path | None:
        """Write the picture of one film.

        Args:
            screened: The film and its verdict.

        Returns:
            The file; None where the film could not be read, or no detector of the guard can tell where.

        Raises:
            StorageError: Writing failed.
        """
        heat = None if screened.image is None else heat_maps(self.guard, screened.image)
        if screened.image is None or heat is None:
            return None
        content = encode_png(overlay(screened.image, heat)[0])
        path = self.out / f"{self._name(screened.verdict)}.heat.png"
        return write_whole(path, lambda part: part.write_bytes(content))

    def _name(self, verdict: Verdict) -> str:
        """Return a name that no other film here has; on some file systems upper and lower case are one."""
        wanted = file_name(verdict)
        names = chain([wanted], (f"{wanted}-{number}" for number in count(2)))
        name = next(name for name in names if name.casefold() not in self._taken)
        self._taken.add(name.casefold())
        return name


def file_name(verdict: Verdict) -> str:
    """Return a film's place and name as one file name.

    Example:
        >>> from radversary.screening.verdicts import refused
        >>> file_name(refused("ward/1.png", "", place="../studies/a")), file_name(refused("1.png", "", place="x/1.png"))
        ('studies_a_ward_1.png', 'x_1.png')
    """
    own = Path(verdict.place).name == verdict.image  # the place is the film itself
    full = verdict.place if own else f"{verdict.place}/{verdict.image}"
    name = plain_file_name(full)
    return name if len(name.encode()) <= LONGEST else marked_file_name(full, LONGEST)
