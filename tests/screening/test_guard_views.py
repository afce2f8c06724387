"""Views travel with a guard, and what is looked at through them is what their transforms make."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from scipy.stats import entropy

from radversary.core.errors import InputError, ModelError
from radversary.defenses.canonical import CanonicalInput
from radversary.defenses.jpeg import JpegCompression
from radversary.defenses.restoration import Restoration, RestorerCard, build_restorer, save_restoration
from radversary.detectors.consistency import smoothed
from radversary.imaging.intensity import quantise
from radversary.screening.bundle import GUARD, VIEWS, load_guard, save_guard
from radversary.screening.fitting import fit_guard
from radversary.screening.views import named_views


@pytest.fixture
def restorer(tmp_path):
    """The folder of a restoration with random weights."""
    card = RestorerCard(name="cleaner", architecture="unet", options={"width": 2})
    save_restoration(Restoration(build_restorer(card), card), tmp_path / "somewhere")
    return tmp_path / "somewhere"


@pytest.fixture
def viewed(victim, clean, restorer):
    views = named_views(["canonical", str(restorer)])
    return fit_guard(victim, clean[:20], names=("consistency", "energy"), views=views)


@pytest.mark.slow
def test_views_are_called_by_their_cards(restorer):
    views = named_views(["canonical", str(restorer)])
    assert list(views) == ["canonical", "cleaner"]
    assert isinstance(views["canonical"], CanonicalInput)
    with pytest.raises(InputError, match="different names"):
        named_views([str(restorer), str(restorer)])
    with pytest.raises(InputError, match="no view 'cannonical'"):
        named_views(["cannonical"])


@pytest.mark.slow
def test_predictions_are_compared_across_all_views(viewed, victim, clean):
    films = clean[:4]
    with torch.no_grad():
        seen = [films, smoothed(films, 3), quantise(films, 5), CanonicalInput()(films), viewed.views["cleaner"](films)]
        beliefs = np.exp(log_softmax(np.stack([victim.logits(each).double().numpy() for each in seen]), axis=2))
    expected = entropy(beliefs.mean(axis=0), axis=1) - entropy(beliefs, axis=2).mean(axis=0)
    np.testing.assert_allclose(viewed.look(films).scores[:, 0], expected, rtol=1e-3, atol=1e-7)


@pytest.mark.slow
def test_a_bundle_brings_its_views_along(viewed, clean, tmp_path):
    loaded = load_guard(save_guard(viewed, tmp_path / "bundle"))
    assert list(loaded.views) == ["canonical", "cleaner"]
    assert np.array_equal(loaded.look(clean[:4]).scores, viewed.look(clean[:4]).scores)
    without = fit_guard(viewed.classifier, clean[:20], names=("consistency", "energy"))
    assert not np.allclose(without.look(clean[:4]).scores, viewed.look(clean[:4]).scores)


@pytest.mark.slow
def test_another_view_in_the_bundle_is_refused(viewed, tmp_path):
    folder = save_guard(viewed, tmp_path / "bundle")
    card = RestorerCard(name="cleaner", architecture="unet", options={"width": 2})
    save_restoration(Restoration(build_restorer(card, seed=9), card), folder / VIEWS / "cleaner")
    with pytest.raises(ModelError, match="do not belong to the thresholds"):
        load_guard(folder)


@pytest.mark.slow
def test_a_guard_without_views_has_none(guard, tmp_path):
    folder = save_guard(guard, tmp_path / "bundle")
    assert json.loads((folder / GUARD).read_text())["views"] == []
    assert load_guard(folder).views == {}


def test_views_without_the_detector_that_takes_them_are_refused(victim, clean):
    with pytest.raises(InputError, match="views are for detector 'consistency'"):
        fit_guard(victim, clean[:20], names=("energy",), views=named_views(["canonical"]))


@pytest.mark.slow
def test_a_view_that_no_bundle_could_load_is_refused(victim, clean, tmp_path):
    odd = fit_guard(victim, clean[:20], names=("consistency",), views={"odd": JpegCompression()})
    with pytest.raises(InputError, match="view 'odd' cannot be saved"):
        save_guard(odd, tmp_path / "bundle")


@pytest.mark.slow
def test_attackers_get_gradients_through_views(viewed, clean):
    images = clean[:2].clone().requires_grad_()
    scores, _ = viewed.anomaly_score(images)
    gradient, = torch.autograd.grad(scores[:, 0].sum(), images)
    assert gradient.flatten(1).abs().sum(1).gt(0).all()
