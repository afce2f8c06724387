"""Single image files in and out, for the verbs that work on files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from radversary.attacks.base import Attack, Batch, run_attack
from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.core.errors import DataError
from radversary.core.text import marked_file_name
from radversary.core.types import Access, Images
from radversary.data.attacked import ATTACKED, read_attacked
from radversary.data.files import films_under, once
from radversary.data.names import folder_names, output_names
from radversary.data.reading import read_image
from radversary.imaging.image import Image, InputRule, depth_for, to_model_input
from radversary.imaging.intensity import quantise
from radversary.imaging.png import encode_png
from radversary.storage.checksums import sha256_file
from radversary.storage.files import is_file, refuse_inputs, write_whole
from radversary.storage.json_files import write_json

LONGEST = 200
"""Bytes of a film's name beyond which a hash stands for its beginning: a file's name has 255 at most."""


class Unseen(Classifier):
    """A placeholder for the victim where an attack uses none; offers no access and no answers.

    Args:
        device: Where the attack shall work.
    """

    def __init__(self, device: torch.device) -> None:
        self.access, self._device = Access.NONE, device
        self.card = ModelCard(name="no model", architecture="none", classes=("none", "nothing"), size=1)

    @property
    def device(self) -> torch.device:
        """Where the attack works."""
        return self._device

    def logits(self, images: Images) -> torch.Tensor:
        """Refuse: there is no model.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError


def note_attacked(made: Sequence[Path], out: Path) -> None:
    """List the hashes of attacked files in their folder, so that they are never taken for clean ones.

    Raises:
        DataError: The folder has such a list, and it is damaged.
        StorageError: Writing failed.
    """
    if made:
        write_json(out / ATTACKED, sorted(read_attacked(out) | {sha256_file(path) for path in made}))


def image_files(places: Sequence[Path]) -> dict[Path, str]:
    """Return the films among ``places`` and in its folders, each with a name that no other has.

    The name is the file's stem where stems are unique, else it tells the folder too.

    Raises:
        DataError: A place does not exist, or there is no film.
    """
    if absent := [place for place in places if not place.exists()]:
        raise DataError(f"{absent[0]} does not exist")
    folders = [place if place.is_dir() else place.parent for place in places]
    found: dict[Path, str] = {}
    for place, folder, name in zip(places, folders, folder_names(folders), strict=True):
        inside = films_under(place) if place.is_dir() else [place]
        head = "" if len(places) == 1 else f"{name}/"
        found.update((path, head + path.relative_to(folder).as_posix()) for path in inside)
    if not found:
        raise DataError(f"no image in {', '.join(map(str, places))}")
    files = once(found)
    return dict(zip(files, output_names([found[path] for path in files]), strict=True))


def refuse_among_inputs(files: Mapping[Path, str], places: Sequence[Path], out: Path,
                        strengths: Sequence[float]) -> None:
    """Refuse a folder in which attacked films would stand among the clean ones, or in the place of one.

    Args:
        files: What :func:`image_files` returned.
        places: What it was given.
        out: The folder for attacked films.
        strengths: The attack's.

    Raises:
        DataError: ``out`` is a folder whose films are to be attacked.
        InputError: An output would replace one of ``files``.
    """
    folders = {os.path.realpath(path.parent) for path in files if path not in places}
    folders |= {os.path.realpath(place) for place in places if place.is_dir()}
    if os.path.realpath(out) in folders:
        raise DataError(f"{out} holds the films that are to be attacked; give another folder as --out")
    refuse_inputs((_target(out, name, strength) for name in files.values() for strength in strengths), files)


def _target(out: Path, name: str, strength: float) -> Path:
    short = name if len(os.fsencode(name)) <= LONGEST else marked_file_name(name)
    return out / f"{short}-{strength:.12g}.png"


def read_film(path: Path) -> Image:
    """Read one file, in colour where it is a film in colour.

    Raises:
        UnreadableImageError: It cannot be read.
    """
    return read_image(path)


def own_size(image: Image) -> Images:
    """Return a film at its own size and depth, (1, C, H, W)."""
    return quantise(torch.from_numpy(image.pixels)[None], depth_for(image.bits, len(image.pixels)))


def attack_file(attack: Attack, path: Path, name: str, out: Path, *, rule: InputRule, seed: int,
                strengths: Sequence[float], device: torch.device) -> Iterator[Path]:
    """Attack one film at several strengths, on a device, and write PNGs named after film and strength.

    A film in colour stays in colour whatever the rule says of channels, and a grey one deeper than 8 bits is written
    at 16.

    Yields:
        Each file as soon as it is written.

    Raises:
        UnreadableImageError: The file cannot be read.
        DataError: There is a file of that name already, and it is not the same picture.
    """
    film = read_film(path)
    rule = replace(rule, channels=3 if len(film.pixels) == 3 else 1)
    bits = depth_for(film.bits, rule.channels)
    batch = Batch(images=to_model_input(film, rule), labels=torch.zeros(1, dtype=torch.int64), image_ids=(name,),
                  bits=bits)
    for outcome in run_attack(attack, Unseen(device), batch, seed=seed, step="attack", strengths=strengths):
        depth = 16 if bits > 8 and outcome.images.shape[1] == 1 else 8  # what a PNG can hold
        yield _write_new(_target(out, name, outcome.strength), encode_png(outcome.images[0], bits=depth))


def _write_new(path: Path, content: bytes) -> Path:
    if is_file(path) and path.read_bytes() != content:
        raise DataError(f"{path} is there already, of another film or another attack; give another folder as --out")
    return write_whole(path, lambda part: part.write_bytes(content))
