from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from radversary.core.errors import StorageError
from radversary.data.stored import StoredTensors
from radversary.imaging.intensity import quantise


@pytest.mark.parametrize(("bits", "size"), [(8, 1), (12, 2), (16, 2), (None, 4)])
def test_images_come_back_to_the_last_bit(bits, size):
    images = torch.rand(5, 1, 6, 7, generator=torch.Generator().manual_seed(0))
    images = images if bits is None else quantise(images, bits)
    stored = StoredTensors()
    for start in (0, 2):
        stored.add(images[start:start + 3 if start else 2], bits=bits)
    assert len(stored) == 5
    assert stored.tensor([4, 0, 4]).equal(images[[4, 0, 4]])
    assert stored._end == 5 * 6 * 7 * size


def test_films_of_several_depths_lie_side_by_side():
    images = torch.rand(4, 1, 3, 3, generator=torch.Generator().manual_seed(1))
    stored, depths = StoredTensors(), (8, 16, 10, 8)
    for image, bits in zip(images, depths, strict=True):
        stored.add(quantise(image[None], bits), bits=bits)
    assert stored.tensor(range(4)).equal(quantise(images, torch.tensor(depths)))


def test_threads_read_what_lies_there():
    images = torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    stored = StoredTensors()
    stored.add(images)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: stored.tensor([row]), range(64)))
    assert torch.cat(found).equal(images)


def test_a_full_disk_is_one_sentence(monkeypatch):
    class Full:
        def write(self, _):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    with pytest.raises(StorageError, match="no space left on device"):
        StoredTensors().add(torch.zeros(1, 1, 2, 2), bits=8)
