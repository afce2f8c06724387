from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from radversary.core.errors import InputError
from radversary.imaging.edges import edge_retention
from radversary.metrics.classification import proportion
from radversary.metrics.visibility import BIN_NAMES, VISIBILITY_BINS, accuracy_by_visibility, visibility, visibility_bin
from random_parts import smooth_images


def test_it_measures_grey_against_grey():
    original, attacked = smooth_images(3), smooth_images(3, channels=3, seed=2)
    similar, kept = visibility(original, attacked)
    grey = (attacked * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1).numpy()
    expected = [structural_similarity(a, b, gaussian_weights=True, sigma=1.5, data_range=1.0,
                                      use_sample_covariance=False)
                for a, b in zip(original[:, 0].double().numpy(), grey.astype(np.float64), strict=True)]
    np.testing.assert_allclose(similar, expected, atol=1e-5)
    torch.testing.assert_close(kept, edge_retention(original, attacked))


def test_an_image_is_wholly_visible_in_itself():
    images = smooth_images(2)
    similar, kept = visibility(images, images.expand(-1, 3, -1, -1))
    assert similar.tolist() == kept.tolist() == [1.0, 1.0]


def test_edges_of_the_bins_belong_to_the_less_visible_bin():
    assert visibility_bin(VISIBILITY_BINS).tolist() == list(BIN_NAMES[:-1])
    assert visibility_bin(torch.tensor(VISIBILITY_BINS)).tolist() == list(BIN_NAMES[:-1])
    assert visibility_bin(np.nextafter(VISIBILITY_BINS, 0)).tolist() == list(BIN_NAMES[1:])
    assert visibility_bin([]).tolist() == []
    with pytest.raises(InputError, match="no number"):
        visibility_bin([0.5, float("nan")])


def test_accuracy_of_a_bin_is_that_of_its_images_alone():
    similar = np.array([0.99, 0.99, 0.99, 0.85, 0.85, -0.2])
    right = np.array([True, True, False, False, True, False])
    patients = list("aabbcd")
    found = dict(accuracy_by_visibility(similar, right, patients, draws=200, seed=3))
    assert list(found) == list(BIN_NAMES)
    assert found["≥ 0.98"] == proportion(right[:3], patients=patients[:3], draws=200, seed=3)
    assert found["0.80–0.90"] == proportion(right[3:5], patients=patients[3:5], draws=200, seed=3)
    assert found["< 0.80"].n == 1
    assert found["0.95–0.98"] is found["0.90–0.95"] is None


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="one an image"):
        accuracy_by_visibility([0.9, 0.9], [True], ["a", "b"])
    with pytest.raises(InputError, match="one an image"):
        accuracy_by_visibility([0.9, 0.9], [True, False], ["a"])
