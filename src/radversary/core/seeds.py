"""Randomness that depends on (seed, step, image) and on nothing else.

No result may depend on batch size, order or worker count, so there is no global generator: each image
draws from a generator of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch

_GLOBAL = RLock()


def derive_seed(*parts: int | str) -> int:
    """Hash ``parts`` to a 63-bit seed.

    Args:
        parts: What the seed stands for, such as ``(42, "attack", "00000013_005")``.

    Returns:
        An integer in [0, 2**63).

    Example:
        >>> derive_seed(42, "split") == derive_seed(42, "split")
        True
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*parts: int | str) -> torch.Generator:
    """Return a CPU generator seeded from ``parts``."""
    import torch

    return torch.Generator().manual_seed(derive_seed(*parts))


def numpy_generator(*parts: int | str) -> np.random.Generator:
    """Return a NumPy generator seeded from ``parts``."""
    import numpy as np

    return np.random.default_rng(derive_seed(*parts))


@contextmanager
def global_seed(*parts: int | str) -> Iterator[None]:
    """Seed PyTorch's global CPU generator within the context, for layers that draw their first weights from no other.

    One thread at a time: the generator belongs to the whole process. Afterwards it is as it was.

    Args:
        parts: As for :func:`derive_seed`.
    """
    import torch

    with _GLOBAL, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(*parts))
        yield


class Streams(Sequence["torch.Generator"]):
    """One random generator an image, so that results do not depend on batch mates.

    Args:
        generators: One generator an image, in the order of the batch.

    Example:
        >>> streams = Streams.for_images(["a", "b"], seed=42, step="attack")
        >>> streams.integers(10).shape
        torch.Size([2])
    """

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self._generators = list(generators)

    @classmethod
    def for_images(cls, image_ids: Sequence[str], *, seed: int, step: str) -> Streams:
        """Make the generators of ``image_ids`` for one step of one plan.

        Args:
            image_ids: Image ids, in the order of the batch.
            seed: The plan's seed.
            step: The step's name; two steps never share random numbers.

        Returns:
            One fresh generator an image.
        """
        return cls([generator(seed, step, image_id) for image_id in image_ids])

    def __len__(self) -> int:
        return len(self._generators)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        """Return the generator of one image, or the streams of a slice."""
        if isinstance(index, slice):
            return Streams(self._generators[index])
        return self._generators[index]

    def __iter__(self) -> Iterator[torch.Generator]:
        return iter(self._generators)

    def at(self, rows: Iterable[int]) -> Streams:
        """Return the streams of some images by their places; what they draw, the images' own streams have drawn."""
        return Streams([self._generators[row] for row in rows])

    def integers(self, high: int) -> torch.Tensor:
        """Draw one integer in [0, high) an image, shape (N,)."""
        import torch

        return torch.stack([torch.randint(high, (), generator=stream) for stream in self])

    def uniform(self, *shape: int) -> torch.Tensor:
        """Draw uniform numbers in [0, 1) of ``shape`` an image, shape (N, *shape)."""
        import torch

        return torch.stack([torch.rand(shape, generator=stream) for stream in self])

    def normal(self, *shape: int) -> torch.Tensor:
        """Draw standard normal numbers of ``shape`` an image, shape (N, *shape)."""
        import torch

        return torch.stack([torch.randn(shape, generator=stream) for stream in self])
