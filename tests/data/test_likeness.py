"""Copies of a film have codes that are near, strangers' are far."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from radversary.data.likeness import FARTHEST, alike_pairs, have_alike, likeness_codes
from radversary.imaging.intensity import resize, to_grey
from random_parts import smooth_images


def apart(one, other):
    """Return in how many bits codes differ, (N, M)."""
    bits = [np.unpackbits(codes.numpy(), axis=1).astype(int) for codes in (one, other)]
    return (bits[0][:, None] != bits[1][None]).sum(-1)


def test_codes_are_the_same_on_every_machine():
    board = torch.zeros(1, 1, 32, 32)
    board[..., ::5, ::3] = 1.0
    code = likeness_codes(board)
    assert (code.dtype, code.shape) == (torch.uint8, (1, 64))
    assert code[0, :4].tolist() == [153, 180, 40, 118]
    assert torch.equal(likeness_codes(board.expand(-1, 3, -1, -1)), code)


def test_brightness_and_contrast_change_little_and_strangers_are_far():
    films = smooth_images(40, size=48)
    codes = likeness_codes(films)
    assert np.diag(apart(codes, likeness_codes(films * 0.8 + 0.1))).max() <= 2
    assert np.diag(apart(codes, likeness_codes(resize(films, 96)))).max() <= FARTHEST
    strangers = apart(codes, codes)[~np.eye(40, dtype=bool)]
    assert strangers.min() > 4 * FARTHEST


def test_each_film_is_linked_with_its_copies_and_none_without_contrast_with_any(monkeypatch):
    monkeypatch.setattr("radversary.data.likeness._QUERIES", 3)
    monkeypatch.setattr("radversary.data.likeness._KNOWN", 4)
    codes = likeness_codes(torch.cat([smooth_images(5, size=32), torch.zeros(2, 1, 32, 32), smooth_images(5, size=32)]))
    links = {tuple(sorted(pair)) for pair in alike_pairs(codes).tolist() if pair[0] != pair[1]}
    assert links == {(row, row + 7) for row in range(5)}
    assert have_alike(codes[:7], codes[7:9]).tolist() == [True, True] + [False] * 5
    assert have_alike(codes, codes[:0]).tolist() == [False] * 12
    assert alike_pairs(codes[:0]).shape == (0, 2)


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 224])
def test_no_two_patients_radiographs_are_alike(cxr, size):
    paths = sorted(cxr.glob("*/*.png"))
    films = torch.cat([resize(to_grey(torch.from_numpy(np.array(Image.open(path).convert("L")))[None, None] / 255),
                              size) for path in paths])
    people = np.array([path.name.partition("_")[0] for path in paths])
    found = apart(likeness_codes(films), likeness_codes(films))
    assert found[people[:, None] != people[None]].min() > 2 * FARTHEST
