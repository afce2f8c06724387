from __future__ import annotations

import pytest
import torch

from radversary.core.errors import PlanError
from radversary.imaging.intensity import to_grey
from radversary.stylization.distorted import distorted
from radversary.stylization.generators import AdaIn, Distorted
from radversary.stylization.network import shipped_stylizer
from radversary.stylization.weightless import moments
from random_parts import smooth_images


def correlation(first, second):
    return torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1]


def test_without_disturbance_it_is_the_stylizer_up_to_brightness_and_contrast():
    images, styles = smooth_images(2, 32, channels=3), smooth_images(2, 24, channels=3, seed=5)
    calm = distorted(images, styles, shipped_stylizer(), spread=0, swapped=0, negated=0)
    drawn = to_grey(shipped_stylizer().drawn(images, shipped_stylizer().style(styles)))
    for made, wanted in zip(calm[:, :1], drawn, strict=True):
        assert correlation(made, wanted) > 0.98


def test_the_disturbance_follows_from_the_style_not_from_the_batch():
    images, styles = smooth_images(3, 32, channels=3), smooth_images(3, 24, channels=3, seed=5)
    together = Distorted().stylise(images, styles)
    torch.testing.assert_close(Distorted().stylise(images[2:], styles[2:]), together[2:], atol=1e-5, rtol=0)
    assert correlation(together, AdaIn().stylise(images, styles)) < 0.95


def test_results_have_the_brightness_of_the_style_and_never_less_than_some_contrast():
    images, flat = smooth_images(1, 32, channels=3), torch.full((1, 3, 24, 24), 0.5)
    mean, deviation = moments(Distorted().stylise(images, flat))
    assert float(deviation[0, 0]) > 0.08
    assert abs(float(mean[0, 0]) - 0.5) < 0.05


@pytest.mark.parametrize("options", [{"spread": -1}, {"swapped": 1.2}, {"negated": -0.1}])
def test_shares_outside_the_scale_are_refused(options):
    with pytest.raises(PlanError, match="distorted needs"):
        Distorted(**options)
