"""Many images are drawn some at a time, each as it would be among all."""

from __future__ import annotations

import pytest
import torch

from radversary.attacks.style import transfer
from radversary.attacks.style.transfer import StyleTransferAttack
from radversary.core.seeds import Streams
from random_parts import smooth_images


@pytest.mark.slow
@pytest.mark.parametrize("generator", ["adain", "fourier"])
def test_many_images_are_drawn_some_at_a_time(generator, monkeypatch):
    attack, images = StyleTransferAttack(generator=generator, count=5, style_size=32), smooth_images(71)
    streams = Streams.for_images([str(number) for number in range(71)], seed=1, step="x")
    picks, sizes = streams.integers(5), []
    whole = attack._drawn(images, picks)
    drawn = transfer.StyleTransferAttack._drawn
    monkeypatch.setattr(transfer.StyleTransferAttack, "_drawn",
                        lambda self, some, chosen: sizes.append(len(some)) or drawn(self, some, chosen))
    found = attack.in_styles(images, picks)
    assert sizes == [36, 35]
    torch.testing.assert_close(found, whole, atol=1e-6, rtol=0)
