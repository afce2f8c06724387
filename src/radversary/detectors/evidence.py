"""A figure of what a manipulation changed: edge maps, SSIM map and spectra (the thesis' Figures 15-17)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from radversary.core.errors import InputError
from radversary.core.types import Images, check_images
from radversary.detectors.base import in_same_channels
from radversary.imaging.edges import canny, edge_difference, edge_retention
from radversary.imaging.similarity import ssim, ssim_map
from radversary.imaging.spectrum import log_magnitude, spectrum_difference
from radversary.storage.files import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, PAPER, QUIET = "#e8eaed", "#14171a", "#9aa0a6"
Colour: TypeAlias = tuple[float, float, float]
LOST, GAINED, KEPT = (0.25, 0.60, 1.00), (1.00, 0.55, 0.10), (0.85, 0.85, 0.85)
"""Colours of edges, apart for colour-blind eyes."""
FIGURE_SIZE = (15.0, 6.7)
"""Inches, at 100 pixels an inch."""


class Panel(NamedTuple):
    """One picture of the figure.

    Attributes:
        title: What it shows.
        note: Its figure, or how to read it.
        pixels: (H, W) or (H, W, 3).
        colours: Matplotlib's colour map; ignored for (H, W, 3).
        low: Value at the map's lower end.
        high: Value at its upper end.
        legend: What colours stand for, written in the lower left corner.
    """

    title: str
    note: str
    pixels: NDArray[np.float32]
    colours: str = "gray"
    low: float = 0.0
    high: float = 1.0
    legend: tuple[tuple[str, Colour], ...] = ()


def draw_evidence(original: torch.Tensor, suspect: torch.Tensor, path: Path) -> Path:
    """Draw what changed between an original and a suspect image.

    Ten panels: both images, their difference, the SSIM map, both edge maps, the edges lost and gained, both spectra
    and their difference, each with its score.

    Args:
        original: The clean image, (C, H, W) or (1, C, H, W) in [0, 1]; sides of 11 pixels at least.
        suspect: The image in question, of the same size.
        path: Where the PNG shall be.

    Returns:
        ``path``.

    Raises:
        InputError: More than one image, or sizes that differ.
        StorageError: Writing failed.
    """
    suspects, originals = in_same_channels(_single(suspect), _single(original))
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # imported where it is used: it takes half a second
    from matplotlib.figure import Figure

    figure = Figure(figsize=FIGURE_SIZE, dpi=100, facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, 5, gridspec_kw={"left": 0.008, "right": 0.992, "top": 0.925, "bottom": 0.015,
                                              "wspace": 0.03, "hspace": 0.17})
    panels = (*_structure(originals, suspects), *_edges(originals, suspects), *_spectra(originals, suspects))
    places = ((0, 0), (0, 1), (1, 0), (1, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4))
    for panel, place in zip(panels, places, strict=True):
        _draw(axes[place], panel)
    # Without matplotlib's version in it, equal images give equal files.
    return write_whole(path, lambda part: figure.savefig(part, format="png", facecolor=PAPER,
                                                         metadata={"Software": None}))


def _single(image: torch.Tensor) -> Images:
    """Return one image as a batch of one."""
    batch = image.detach().cpu()
    batch = batch.unsqueeze(0) if batch.ndim == 3 else batch
    if len(batch) != 1:
        raise InputError(f"evidence is drawn of one image, got {len(batch)}")
    return check_images(batch)


def _pixels(images: torch.Tensor) -> NDArray[np.float32]:
    """Return a batch of one as (H, W), or (H, W, 3) for colour."""
    picture = images[0].movedim(0, -1).numpy()
    return picture[..., 0] if picture.shape[-1] == 1 else picture


def _structure(originals: Images, suspects: Images) -> tuple[Panel, ...]:
    """Return the images, their difference and the SSIM map."""
    change = (suspects - originals).abs().mean(dim=1, keepdim=True)
    return (
        Panel("Original", "clean", _pixels(originals)),
        Panel("Suspect", "in question", _pixels(suspects)),
        Panel("Absolute difference", f"mean {255 * float(change.mean()):.1f} of 255", _pixels(change), "magma", 0.0,
              max(float(change.max()), 8 / 255)),
        Panel("SSIM map", f"SSIM {float(ssim(originals, suspects)):.3f} · bright is similar",
              _pixels(ssim_map(originals, suspects)), "viridis"),
    )


def _edges(originals: Images, suspects: Images) -> tuple[Panel, ...]:
    """Return both edge maps, and which edges were lost and gained."""
    before, after = canny(originals)[0, 0].bool(), canny(suspects)[0, 0].bool()
    changes = np.zeros((*before.shape, 3), dtype=np.float32)
    for edges, colour in ((before & after, KEPT), (before & ~after, LOST), (after & ~before, GAINED)):
        changes[edges.numpy()] = colour
    kept = float(edge_retention(originals, suspects))
    return (
        Panel("Edges, original", f"{int(before.sum())} pixels", before.float().numpy()),
        Panel("Edges, suspect", f"{100 * kept:.0f} % kept within 1 px", after.float().numpy()),
        Panel("Edge difference", f"mean {float(edge_difference(originals, suspects)):.1f} of 255", changes,
              legend=(("lost", LOST), ("new", GAINED))),
    )


def _spectra(originals: Images, suspects: Images) -> tuple[Panel, ...]:
    """Return both log-magnitude spectra and their difference."""
    before, after = log_magnitude(originals), log_magnitude(suspects)
    low, high = (float(end) for end in torch.quantile(before, torch.tensor([0.01, 0.999])))
    change = (after - before).abs()
    return (
        Panel("Spectrum, original", "20 ln(|F| + 1)", _pixels(before), "gray", low, high),
        Panel("Spectrum, suspect", "same scale", _pixels(after), "gray", low, high),
        Panel("Spectrum difference", f"mean {float(spectrum_difference(originals, suspects)):.1f}", _pixels(change),
              "magma", 0.0, max(float(torch.quantile(change, 0.995)), 1.0)),
    )


def _draw(axis: Axes, panel: Panel) -> None:
    """Draw one panel with its title on the left and its note on the right."""
    axis.imshow(panel.pixels, cmap=panel.colours, vmin=panel.low, vmax=panel.high, interpolation="nearest")
    axis.set_title(panel.title, loc="left", color=INK, fontsize=11, fontweight="bold", pad=5)
    axis.set_title(panel.note, loc="right", color=QUIET, fontsize=8, pad=5)
    for place, (word, colour) in enumerate(panel.legend):
        axis.text(0.03 + 0.14 * place, 0.03, word, transform=axis.transAxes, color=colour, fontsize=9,
                  fontweight="bold", bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 2})
    axis.set_axis_off()
