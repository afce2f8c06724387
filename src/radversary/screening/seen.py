"""Films that a guard was fitted or calibrated on, as short pixel hashes, so that it is never tested on them.

Hashes tell neither a film's name nor its patient, and nobody can draw a film from one: 8 bytes of the pixels, and 64 of
the signs of random sums, by which a film is known again where it was re-encoded, resized or re-exposed. Patients are
not kept in any form: ids are short, so that whoever holds a bundle could try out all of them against any hash.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from radversary.core.errors import InputError, ModelError
from radversary.core.types import Images
from radversary.data.batches import tracked_batches
from radversary.data.likeness import BITS, alike_pairs, have_alike, likeness_codes
from radversary.imaging.intensity import to_grey
from radversary.imaging.source import ImagesOrSource
from radversary.metrics.bootstrap import checked_patients

BYTES = 8
"""Of each hash: that two of a million different films share one has a chance of one in 37 million."""

ALIKE: Final = " alike"
"""How the name of films' codes ends, which stand beside the hashes of the same films."""

FEW: Final = 0.02
"""Share of films that may be like films seen before, with a warning; more are refused."""


class Marks(NamedTuple):
    """What films are known again by, in their order.

    Attributes:
        hashes: Of each film at eight bits, int64 (N,).
        blank: Which films have no contrast, bool (N,).
        codes: Of likeness (:func:`radversary.data.likeness.likeness_codes`), uint8 (N, 64).
        mirrored: The same of the mirrored films.
    """

    hashes: Tensor
    blank: Tensor
    codes: Tensor
    mirrored: Tensor

    def kept(self, how: str) -> dict[str, Tensor]:
        """Return what a guard keeps of films: hashes and codes, rising, each once, none of a film without contrast.

        Args:
            how: What it did with them: ``fitted`` or ``calibrated``.
        """
        return {how: torch.unique(self.hashes[~self.blank]),
                how + ALIKE: torch.unique(self.codes[~self.blank], dim=0)}


def marks_of(*images: ImagesOrSource) -> Marks:
    """Return the marks of films, one set after the other, each film read once, a batch at a time.

    Args:
        images: Sets of (N, C, H, W) in [0, 1], as the classifier reads them; or sources of such images.

    Example:
        >>> marks_of(torch.tensor([0.0, 0.2]).reshape(2, 1, 1, 1).expand(-1, -1, 1, 2)).blank.tolist()
        [True, True]
    """
    none = torch.zeros(0, BITS // 8, dtype=torch.uint8)
    parts = [Marks(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.bool), none, none)]
    parts += [Marks(*_hashes(part), likeness_codes(part), likeness_codes(part.flip(-1)))
              for films in images for part in tracked_batches(films, "Comparing films by their pixels")]
    return Marks(*map(torch.cat, zip(*parts, strict=True)))


def refuse_seen(marks: Marks, seen: Mapping[str, Tensor], how: str, verb: str, *, who: str = "this guard") -> None:
    """Refuse films that were seen before, as they were or re-encoded; warn where a few are like some.

    Args:
        marks: Of the films.
        seen: What :meth:`Marks.kept` returned; films without codes, as earlier versions kept them, are known by their
            exact pixels alone.
        how: What was done with them: ``fitted`` or ``calibrated``.
        verb: What the films are wanted for, for the error.
        who: Who has seen films, for the error.

    Raises:
        InputError: One was seen, or more than :data:`FEW` are like films that were; the text says how many.
    """
    films, count = len(marks.hashes), 0
    remedy = f"{verb} on films of other patients, or its false alarms are not those that it promises"
    if how in seen:
        count = int(torch.isin(marks.hashes, seen[how]).sum())
    if count:
        raise InputError(f"{count} of {films} films are among those that {who} was {how} on; {remedy}")
    if how + ALIKE not in seen:
        return
    known = seen[how + ALIKE]
    alike = int((have_alike(marks.codes, known) | have_alike(marks.mirrored, known)).sum())
    said = f"{alike} of {films} films look like films that {who} was {how} on (re-encoded, resized, mirrored)"
    if alike > FEW * films:
        raise InputError(f"{said}; {remedy}")
    if alike:
        warnings.warn(f"{said}; leave them out where they are the same films", UserWarning, stacklevel=2)


def checked_seen(seen: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what a bundle holds of films seen.

    Raises:
        ModelError: It is nothing that :meth:`Marks.kept` returned.
    """
    for name, marks in seen.items():
        kind, shape = (torch.uint8, (BITS // 8,)) if name.endswith(ALIKE) else (torch.int64, ())
        if marks.dtype != kind or marks.ndim != len(shape) + 1 or marks.shape[1:] != shape:
            raise ModelError(f"what a bundle holds of films {name} is of another kind than this version keeps; fit "
                             "and calibrate anew")
    return dict(seen)


def distinct(marks: Marks, patients: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return which films to count, each once however often it is there, and whose they are; a warning counts the rest.

    A film and its copy, of equal pixels or re-encoded, are one; whoever owns either is one person.

    Args:
        marks: Of N films.
        patients: The patient of each.

    Returns:
        The rows, rising, and the patient of each of them; all as they were where no film is a copy.

    Raises:
        InputError: Patients that are not one an image.
    """
    people, films = list(checked_patients(patients, len(marks.hashes))), _films(marks)
    rows = np.sort(np.unique(films, return_index=True)[1]).tolist()
    if len(rows) == len(films):
        return rows, people
    warnings.warn(f"{len(films) - len(rows)} of {len(films)} films are copies of others among them (equal or "
                  "re-encoded) and do not count", UserWarning, stacklevel=2)
    persons = np.unique(people, return_inverse=True)[1]
    one = _joined(films, len(films) + persons, len(films) + len(people))[films]
    first = np.unique(one, return_index=True)[1]
    owner = dict(zip(one[first].tolist(), (people[row] for row in first), strict=True))
    return rows, [owner[int(one[row])] for row in rows]


def _films(marks: Marks) -> NDArray[np.int64]:
    """Return the number of the film that each row shows, (N,): copies share it."""
    _, first, number = np.unique(marks.hashes.numpy(), return_index=True, return_inverse=True)
    pairs = alike_pairs(marks.codes[torch.from_numpy(first)])
    return _joined(pairs[:, 0], pairs[:, 1], len(first))[number]


def _joined(one: ArrayLike, other: ArrayLike, count: int) -> NDArray[np.int64]:
    """Return the number of the group that each of some things belongs to where pairs of them belong together."""
    links = coo_array((np.ones(len(np.atleast_1d(one))), (one, other)), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def _hashes(images: Images) -> tuple[Tensor, Tensor]:
    """Return the hash of each image at eight bits, and which have no contrast."""
    codes = (to_grey(images) * 255.0).round().to(torch.uint8).cpu().flatten(1)
    found = [int.from_bytes(sha256(code.numpy().tobytes()).digest()[:BYTES], "little", signed=True) for code in codes]
    return torch.tensor(found, dtype=torch.int64), codes.amin(1) == codes.amax(1)
