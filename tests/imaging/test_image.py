from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from radversary.classifiers.card import ModelCard
from radversary.core.errors import InputError, TensorError
from radversary.imaging.image import Image, InputRule, check_rule, check_side, fitted, to_model_input
from radversary.imaging.intensity import quantise, resize, to_grey

WIDE = torch.rand(1, 1, 30, 90, generator=torch.Generator().manual_seed(0))


def test_stretch_is_what_it_always_was() -> None:
    assert fitted(WIDE, InputRule(size=48)).equal(resize(WIDE, 48))


def test_pad_keeps_the_aspect_ratio_and_adds_black() -> None:
    square = fitted(WIDE, InputRule(size=48, resize="pad"))
    assert square[..., 16:32, :].equal(resize(WIDE, (16, 48)))
    assert not square[..., :16, :].any()
    assert not square[..., 32:, :].any()
    tall = fitted(WIDE.transpose(2, 3), InputRule(size=48, resize="pad"))
    torch.testing.assert_close(tall, square.transpose(2, 3))


def test_centre_crop_takes_the_central_square() -> None:
    square = fitted(WIDE, InputRule(size=48, resize="centre-crop"))
    assert square.equal(resize(WIDE[..., 30:60], 48))


@pytest.mark.parametrize("shape", [(1, 500), (500, 1), (1, 1), (3, 2)])
@pytest.mark.parametrize("how", ["stretch", "pad", "centre-crop"])
def test_extreme_shapes_become_squares(shape, how) -> None:
    square = fitted(torch.ones(1, 1, *shape), InputRule(size=32, resize=how))
    assert square.shape == (1, 1, 32, 32)
    assert square.max() == 1


@pytest.mark.parametrize(("interpolation", "pillow"), [
    ("bilinear", Pillow.Resampling.BILINEAR), ("bicubic", Pillow.Resampling.BICUBIC),
    ("nearest", Pillow.Resampling.NEAREST), ("area", Pillow.Resampling.BOX)])
def test_interpolations_equal_pillows(interpolation, pillow) -> None:
    film = torch.rand(1, 1, 96, 64, generator=torch.Generator().manual_seed(1))
    expected = np.asarray(Pillow.fromarray(film[0, 0].numpy()).resize((32, 32), pillow)).clip(0, 1)
    np.testing.assert_allclose(resize(film, 32, interpolation)[0, 0].numpy(), expected, atol=2e-6)


def test_each_film_is_rounded_to_its_own_depth_and_colour_to_eight_bits() -> None:
    deep = Image(torch.rand(1, 20, 20).numpy(), bits=12)
    codes = to_model_input(deep, InputRule(size=10)) * 4095
    torch.testing.assert_close(codes, codes.round(), atol=1e-3, rtol=0)
    assert to_model_input(deep, InputRule(size=10, channels=3)).equal(
        quantise(resize(torch.from_numpy(deep.pixels)[None], 10), 8).expand(1, 3, 10, 10))
    colour = Image(torch.rand(3, 20, 20).numpy())
    stored = torch.from_numpy(colour.pixels)[None]
    assert to_model_input(colour, InputRule(size=20, channels=3)).equal(quantise(stored, 8))
    assert to_model_input(colour, InputRule(size=20)).equal(quantise(to_grey(stored), 8))


def test_a_card_states_the_rule_and_another_is_refused() -> None:
    card = ModelCard(name="m", architecture="x", classes=("a", "b"), size=48, resize="pad", interpolation="area")
    film = Image(WIDE[0].numpy())
    assert to_model_input(film, card).equal(to_model_input(film, InputRule(48, 1, "pad", "area")))
    check_rule(InputRule(48, 1, "pad", "area"), card, model="m")
    check_rule(InputRule(48, 3, "pad", "area"), card, model="m")
    for other in (InputRule(48, 1, "pad"), InputRule(48, 1, "stretch", "area"), InputRule(32, 1, "pad", "area")):
        with pytest.raises(InputError, match="model 'm' reads 48 pixels a side, pad, area: prepare them again"):
            check_rule(other, card, model="m")


def test_a_side_too_short_is_refused_by_who_needs_it() -> None:
    check_side(WIDE, 30, who="SSIM")
    with pytest.raises(TensorError, match="SSIM needs images of at least 31 x 31 pixels, got 30 x 90"):
        check_side(WIDE, 31, who="SSIM")
