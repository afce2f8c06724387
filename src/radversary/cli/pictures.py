"""Single image files in and out, for the verbs that work on files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from radversary.attacks.base import Attack, Batch, run_attack
from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.core.errors import DataError
from radversary.core.files import sha256_file, write_json, write_whole
from radversary.core.types import Access, Images
from radversary.data.reading import read_picture
from radversary.imaging.intensity import quantise, resize, to_grey
from radversary.imaging.png import encode_png
from radversary.screening.films import ATTACKED, read_attacked


class Unseen(Classifier):
    """Stands in for a victim where an attack looks at none; offers no access and answers nothing."""

    def __init__(self) -> None:
        self.access = Access.NONE
        self.card = ModelCard(name="no model", architecture="none", classes=("none", "nothing"), size=1)

    def logits(self, images: Images) -> torch.Tensor:
        """Refuse: there is no model.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError


def note_attacked(made: Sequence[Path], out: Path) -> None:
    """List the hashes of attacked files in their folder, so that nothing ever takes them for clean ones.

    Raises:
        DataError: The folder has such a list, and it is damaged.
        StorageError: The disk refused.
    """
    if made:
        write_json(out / ATTACKED, sorted(read_attacked(out) | {sha256_file(path) for path in made}))


def image_files(places: Sequence[Path]) -> list[Path]:
    """Return the files among ``places`` and in its folders, sorted within each.

    Raises:
        DataError: A place does not exist, there is no file, or two would be written under one name.
    """
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise DataError(f"{place} does not exist")
        found += sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
    if not found:
        raise DataError(f"no file in {', '.join(map(str, places))}")
    name, times = Counter(path.stem for path in found).most_common(1)[0]
    if times > 1:
        raise DataError(f"{times} files are called {name!r}; their copies would overwrite each other, "
                        "so give their folders one at a time and each its own --out")
    return found


def read_image(path: Path, *, size: int | None) -> tuple[Images, int]:
    """Read one file as a grey image (1, 1, S, S) and its bit depth; ``size`` None keeps its own size.

    Raises:
        UnreadableImageError: It cannot be read.
    """
    picture = read_picture(path)
    image = to_grey(torch.from_numpy(picture.pixels).unsqueeze(0))
    return quantise(image if size is None else resize(image, size), picture.bits), picture.bits


def attack_file(attack: Attack, path: Path, out: Path, *, size: int, seed: int,
                strengths: Sequence[float]) -> list[Path]:
    """Attack one file at several strengths and write PNGs named after file and strength.

    Raises:
        UnreadableImageError: The file cannot be read.
    """
    image, bits = read_image(path, size=size)
    batch = Batch(images=image, labels=torch.zeros(1, dtype=torch.int64), image_ids=(path.stem,), bits=bits)
    written = []
    for outcome in run_attack(attack, Unseen(), batch, seed=seed, step="attack", strengths=strengths):
        depth = 16 if bits > 8 and outcome.images.shape[1] == 1 else 8  # what a PNG can hold
        data = encode_png(outcome.images[0], bits=depth)
        target = out / f"{path.stem}-{outcome.strength:g}.png"
        written.append(write_whole(target, lambda part, data=data: part.write_bytes(data)))  # type: ignore[misc]
    return written
