from __future__ import annotations

import pytest
import torch

from radversary.core.errors import TensorError
from radversary.imaging.source import ChangedSource, ChosenSource, JoinedSource, TensorSource, batches, source_of

IMAGES = torch.arange(12.0).reshape(12, 1, 1, 1) / 12


def rows(source, *wanted):
    return (source.tensor(list(wanted)).flatten() * 12).round().int().tolist()


def test_rows_come_in_the_order_asked_for():
    assert rows(TensorSource(IMAGES), 3, 0, 3) == [3, 0, 3]
    assert rows(ChosenSource(TensorSource(IMAGES), [7, 5]), 1, 0) == [5, 7]
    joined = JoinedSource([TensorSource(IMAGES[:4]), TensorSource(IMAGES[4:4]), TensorSource(IMAGES[4:])])
    assert len(joined) == 12
    assert rows(joined, 11, 0, 4, 3, 11) == [11, 0, 4, 3, 11]
    assert rows(joined, *range(12)) == list(range(12))
    turned = ChangedSource(joined, lambda part, places: part + torch.tensor(places).reshape(-1, 1, 1, 1) / 12)
    assert rows(turned, 5, 1) == [10, 2]


@pytest.mark.parametrize("wanted", [[12], [-1], [0, 12]])
def test_a_row_that_there_is_not_is_no_other_row(wanted):
    with pytest.raises(IndexError, match="rows go from 0 to 11"):
        JoinedSource([TensorSource(IMAGES[:4]), TensorSource(IMAGES[4:])]).tensor(wanted)


def test_batches_are_the_images_in_order_each_checked():
    assert torch.cat(list(batches(IMAGES, size=5))).equal(IMAGES)
    assert [len(part) for part in batches(source_of(IMAGES), size=5)] == [5, 5, 2]
    assert list(batches(IMAGES[:0])) == []
    wrong = torch.cat([IMAGES, torch.full((1, 1, 1, 1), 1.5)])
    found = batches(wrong, size=12, name="clean images")
    assert len(next(found)) == 12
    with pytest.raises(TensorError, match="clean images must lie in"):
        next(found)
