"""Which films a model failed on: whoever asks it knows their names, the model does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch

from radversary.classifiers.base import Classifier
from radversary.core.errors import AccessError, ModelError
from radversary.core.types import Images

NAMED = 5
"""Films that are named; of more it is said how many."""


@contextmanager
def naming_films(images: Images, image_ids: Sequence[str], classifiers: Iterable[Classifier], doing: str,
                 ) -> Iterator[None]:
    """Add to a model's error the films that it fails on, alone and unchanged; where it fails on none, all asked about.

    Args:
        images: What the models are asked about, (N, C, H, W), as it is before any attack.
        image_ids: One name an image.
        classifiers: The models that are asked; each is asked again about each image alone, once one has failed.
        doing: What is done with them, such as ``pgd``.

    Raises:
        ModelError: Whatever :class:`ModelError` was raised within, with the names.
    """
    try:
        yield
    except AccessError:  # of the model as a whole
        raise
    except ModelError as error:
        asked = list(classifiers)
        broken = [name for name, image in zip(image_ids, torch.split(images, 1), strict=True)
                  if any(fails(classifier, image) for classifier in asked)]
        films = f"it fails on {listed(broken)}" if broken else f"in {doing!r} of {listed(image_ids)}"
        raise ModelError(f"{error} ({films})") from error


def fails(classifier: Classifier, image: Images) -> bool:
    """Return whether a model fails on one image, (1, C, H, W)."""
    try:
        classifier.answers(image)
    except ModelError:
        return True
    return False


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence holds them.

    Example:
        >>> listed(["a", "b"]), listed(list("abcdefgh"))
        ("'a', 'b'", "'a', 'b', 'c', 'd', 'e' and 3 more")
    """
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(map(repr, names[:NAMED])) + more
