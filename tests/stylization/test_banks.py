from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from radversary.core.errors import DataError, UnknownNameError
from radversary.stylization.bank import folder_bank, procedural_bank, read_style, style_bank
from radversary.stylization.textures import POOLS


def save(path, size=(20, 12), colour=(255, 0, 0), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).convert(mode).save(path)


def test_families_take_turns_under_unique_names():
    bank = procedural_bank("test", count=8, size=16)
    assert [name.split("-")[0] for name in bank.names[:6]] == list(POOLS["test"])
    assert len(set(bank.names)) == len(bank) == len(bank.images) == 8
    assert torch.equal(bank.images, procedural_bank("test", count=8, size=16).images)


def test_a_longer_bank_begins_with_the_shorter_one():
    assert torch.equal(procedural_bank("train", count=7, size=16).images[:3],
                       procedural_bank("train", count=3, size=16).images)


def test_take_picks_one_style_an_image():
    bank = procedural_bank("test", count=3, size=16)
    assert torch.equal(bank.take(torch.tensor([2, 0, 2])), bank.images[[2, 0, 2]])


def test_a_folder_is_read_with_its_sub_folders_in_any_mode(tmp_path):
    save(tmp_path / "b.png", mode="L")
    save(tmp_path / "a" / "c.JPG", colour=(0, 0, 255))
    save(tmp_path / "d.png", mode="P")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.warns(UserWarning, match=r"^1 of 4 files of style folder .* left out, such as broken.png$"):
        bank = style_bank(str(tmp_path), size=10)
    assert bank.names == ("a/c.JPG", "b.png", "d.png")
    assert (bank.images.shape, bank.images.dtype) == ((3, 3, 10, 10), torch.float32)
    assert bank.images[0, 2].min() > 0.9
    assert bank.images[1].std() < 1e-6


def test_the_middle_of_a_picture_is_taken(tmp_path):
    pixels = np.zeros((8, 24, 3), np.uint8)
    pixels[:, 8:16] = 255
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    assert read_style(tmp_path / "wide.png", size=4).min() > 0.9


def test_sixteen_bit_grey_is_scaled_not_cut_off(tmp_path):
    ramp = np.tile(np.linspace(0, 65535, 16).astype(np.uint16), (16, 1))
    for name in ("deep.png", "deep.tif"):
        Image.fromarray(ramp).save(tmp_path / name)
        style = read_style(tmp_path / name, size=16)
        np.testing.assert_allclose(style, np.broadcast_to(ramp / 65535, (3, 16, 16)), atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize("content", [[], ["notes.txt"], ["broken.png"]])
def test_a_folder_without_an_image_is_one_sentence(tmp_path, content):
    for name in content:
        (tmp_path / name).write_text("no image")
    with pytest.raises(DataError, match=r"^style folder .* holds no readable image \(.*\.png"):
        style_bank(str(tmp_path))


def test_a_missing_folder_and_a_misspelt_pool_are_one_sentence(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        folder_bank(tmp_path / "none")
    with pytest.raises(UnknownNameError, match=r"unknown style source .* 'tset'; did you mean 'test'\?"):
        style_bank("tset")
    with pytest.raises(UnknownNameError, match="texture pool 'both'"):
        procedural_bank("both")


def test_an_empty_bank_is_refused():
    with pytest.raises(DataError, match="at least one style, got count 0"):
        procedural_bank("test", count=0)
