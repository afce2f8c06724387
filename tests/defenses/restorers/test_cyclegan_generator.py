from __future__ import annotations

import pytest
import torch
from torch import nn

from radversary.core.errors import InputError, PlanError
from radversary.defenses.restoration import RESTORERS
from random_parts import smooth_images


@pytest.mark.slow
def test_it_has_the_papers_layers_at_the_papers_size():
    network = RESTORERS.create("cyclegan", width=64, blocks=9)
    # Counted from the paper's appendix: c7s1-64, d128, d256, nine R256, u128, u64, c7s1-1, biases included, grey.
    convolutions = [(1, 64, 7), (64, 128, 3), (128, 256, 3), *((256, 256, 3),) * 18,
                    (256, 128, 3), (128, 64, 3), (64, 1, 7)]
    assert sum(weight.numel() for weight in network.parameters()) == sum(
        given * made * side**2 + made for given, made, side in convolutions)


@pytest.mark.parametrize("size", [(1, 1), (5, 33), (32, 32), (30, 41)])
def test_any_size_comes_back_in_the_unit_range(size):
    network = RESTORERS.create("cyclegan", width=2, blocks=1)
    images = torch.rand(2, 1, *size)
    found = network(images)
    assert found.shape == images.shape
    assert 0 <= found.min() <= found.max() <= 1
    torch.testing.assert_close(network(images[1:]), found[1:], atol=1e-5, rtol=0)


def test_the_blocks_see_a_quarter_of_the_resolution():
    network, seen = RESTORERS.create("cyclegan", width=2, blocks=2), []
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3) and module.in_channels == module.out_channels:
            module.register_forward_hook(lambda _module, _given, made: seen.append(tuple(made.shape)))
    network(smooth_images(1, 32))
    assert seen == [(1, 8, 8, 8)] * 4


@pytest.mark.parametrize("options", [{"width": 0}, {"blocks": -1}, {"depth": 3}])
def test_what_makes_no_sense_is_refused(options):
    with pytest.raises(InputError) as caught:
        RESTORERS.create("cyclegan", **options)
    assert isinstance(caught.value, PlanError) or "depth" in str(caught.value)
