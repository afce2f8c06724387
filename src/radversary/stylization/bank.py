"""The style bank: images whose style an attack transfers to radiographs."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from radversary.core.errors import DataError, UnknownNameError
from radversary.core.types import Images
from radversary.imaging.strict import whole_files
from radversary.stylization.textures import POOLS, texture

LARGEST = 4096
"""Side of a style image at most, in pixels."""
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True, kw_only=True)
class StyleBank:
    """Named style images of one size.

    Attributes:
        names: One name a style, unique.
        images: float32 (M, 3, S, S) in [0, 1].
    """

    names: tuple[str, ...]
    images: Images

    def __len__(self) -> int:
        return len(self.names)

    def take(self, indices: torch.Tensor) -> Images:
        """Return the styles at ``indices`` (N,), shape (N, 3, S, S)."""
        return self.images[indices]

    def hashes(self) -> frozenset[str]:
        """Return one hash a style, to prove that two banks share none."""
        return frozenset(hashlib.sha256(image.numpy().tobytes()).hexdigest() for image in self.images)


def procedural_bank(pool: str = "test", *, count: int = 24, size: int = 128, seed: int = 42) -> StyleBank:
    """Draw a bank of procedural textures, families taking turns.

    Args:
        pool: ``train`` or ``test``; the two share no family.
        count: Number of styles.
        size: Side in pixels.
        seed: Seed of the collection.

    Returns:
        The bank.

    Raises:
        UnknownNameError: No such pool.
        DataError: ``count`` is not positive, or ``size`` is none that a style image has.

    Example:
        >>> procedural_bank("train", count=2, size=16).names
        ('fractal-0', 'waves-0')
    """
    if pool not in POOLS:
        raise UnknownNameError("texture pool", pool, POOLS)
    if count < 1:
        raise DataError(f"a style bank needs at least one style, got count {count}")
    if not 8 <= size <= LARGEST:
        raise DataError(f"style images have sides of 8 to {LARGEST} pixels, got size {size}")
    families = list(POOLS[pool])
    chosen = [(families[index % len(families)], index // len(families)) for index in range(count)]
    images = [torch.from_numpy(texture(family, index, size=size, seed=seed)) for family, index in chosen]
    return StyleBank(names=tuple(f"{family}-{index}" for family, index in chosen), images=torch.stack(images))


def read_style(path: Path, *, size: int) -> Images:
    """Read one style image of 8 or 16 bits: the central square, resized; shape (3, size, size) in [0, 1]."""
    with whole_files(), Image.open(path) as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = _at_eight_bits(image).convert("RGB").resize(
            (size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    return torch.from_numpy(np.asarray(square, dtype=np.float32) / 255).permute(2, 0, 1).contiguous()


def folder_bank(folder: Path, *, size: int = 128) -> StyleBank:
    """Read a folder of images as a bank.

    Args:
        folder: Any folder; sub-folders are read too.
        size: Side in pixels.

    Returns:
        The bank, in the order of the paths; files that cannot be read are left out, and a warning says so.

    Raises:
        DataError: No such folder, or no image in it.
    """
    if not folder.is_dir():
        raise DataError(f"style folder {folder} does not exist")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    styles, unread = {}, []
    for path in paths:
        try:
            styles[str(path.relative_to(folder))] = read_style(path, size=size)
        except (OSError, Image.DecompressionBombError):
            unread.append(str(path.relative_to(folder)))
    if not styles:
        raise DataError(f"style folder {folder} holds no readable image ({', '.join(sorted(SUFFIXES))})")
    if unread:
        warnings.warn(f"{len(unread)} of {len(paths)} files of style folder {folder} cannot be read and are left out, "
                      f"such as {unread[0]}", UserWarning, stacklevel=2)
    return StyleBank(names=tuple(styles), images=torch.stack(list(styles.values())))


def style_bank(source: str = "test", *, count: int = 24, size: int = 128, seed: int = 42) -> StyleBank:
    """Open a bank by one word: a texture pool or a folder.

    Args:
        source: ``train``, ``test`` or the path of a folder of images.
        count: Number of procedural textures; a folder is read whole.
        size: Side in pixels.
        seed: Seed of the procedural collection.

    Returns:
        The bank.

    Raises:
        DataError: Neither a pool nor a folder with images.
    """
    if source in POOLS:
        return procedural_bank(source, count=count, size=size, seed=seed)
    if not Path(source).exists():
        raise UnknownNameError("style source (a texture pool or a folder)", source, POOLS)
    return folder_bank(Path(source), size=size)


def _at_eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey, which Pillow would cut off at 255, to 8 bits."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray(np.clip(np.rint(np.asarray(image) / 257), 0, 255).astype(np.uint8))
