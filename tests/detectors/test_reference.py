"""Detectors that compare with the original."""

from __future__ import annotations

import pytest
import torch

from radversary.core.errors import InputError, TensorError, UnknownNameError
from radversary.detectors.base import Detector, in_same_channels
from radversary.detectors.reference import BATCH, MEASURES, ReferenceDetector
from radversary.detectors.registry import DETECTORS
from radversary.imaging.edges import edge_difference
from radversary.imaging.similarity import ssim
from radversary.imaging.spectrum import spectrum_difference
from radversary.metrics.detection import auroc


@pytest.fixture
def films() -> torch.Tensor:
    return torch.rand(5, 1, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def forged(films: torch.Tensor) -> torch.Tensor:
    return (films + 0.2 * torch.rand(films.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)


@pytest.mark.parametrize("name", ["edges", "ssim", "spectrum"])
def test_the_identity_scores_exactly_zero(name: str, films: torch.Tensor, forged: torch.Tensor) -> None:
    detector = DETECTORS.create(name)
    clean, suspect = detector.score(films.clone(), films), detector.score(forged, films)
    assert clean.eq(0.0).all()
    assert auroc(clean, clean) == 0.5
    assert (suspect > 0).all()
    assert auroc(clean, suspect) == 1.0


def test_scores_are_the_measures(films: torch.Tensor, forged: torch.Tensor) -> None:
    expected = {"edges": edge_difference(films, forged), "ssim": 1 - ssim(films, forged),
                "spectrum": spectrum_difference(films, forged)}
    for name, scores in expected.items():
        assert DETECTORS.create(name).score(forged, films).equal(scores)


@pytest.mark.parametrize("measure", sorted(MEASURES))
def test_scores_do_not_depend_on_batch_mates(measure: str) -> None:
    films = torch.rand(BATCH + 3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    detector = ReferenceDetector(measure=measure)
    scores = detector.score(films.flip(-1), films)
    assert scores.shape == (BATCH + 3,)
    for index in (0, BATCH - 1, BATCH):
        film = films[index:index + 1]
        assert torch.allclose(scores[index:index + 1], detector.score(film.flip(-1), film), atol=1e-5)
    assert detector.score(films[:0], films[:0]).shape == (0,)


@pytest.mark.parametrize("measure", sorted(MEASURES))
def test_grey_and_colour_are_compared(measure: str, films: torch.Tensor) -> None:
    detector = ReferenceDetector(measure=measure)
    assert detector.score(films.expand(-1, 3, -1, -1), films).abs().max() < 1e-6
    tinted = films.expand(-1, 3, -1, -1) * torch.tensor([1.0, 0.6, 0.2]).reshape(1, 3, 1, 1)
    assert (detector.score(tinted, films) > 0).all()


def test_what_a_detector_needs_is_asked_for(films: torch.Tensor) -> None:
    detector = DETECTORS.create("ssim")
    assert detector.needs_original
    assert detector.fit(films) is detector
    with pytest.raises(InputError, match="no originals were given"):
        detector.score(films)
    with pytest.raises(InputError, match="one number and size"):
        detector.score(films, films[:2])
    with pytest.raises(InputError, match="one number and size"):
        detector.score(films, films[..., :-1])
    with pytest.raises(TensorError, match="originals"):
        detector.score(films, films + 1.0)


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'edges'"):
        ReferenceDetector(measure="edge")
    with pytest.raises(UnknownNameError, match="did you mean 'spectrum'"):
        DETECTORS.create("spectra")


def test_a_detector_is_its_parameters() -> None:
    assert repr(DETECTORS.create("edges")) == "ReferenceDetector(measure='edges')"
    assert DETECTORS.create("edges") == ReferenceDetector(measure="edges")


def test_a_detector_without_an_original_ignores_one(films: torch.Tensor) -> None:
    class Brightness(Detector):
        needs_original = False

        def anomaly_score(self, images, originals):
            assert originals is None
            return images.mean(dim=(1, 2, 3))

    assert Brightness().score(films, films).equal(Brightness().score(films))


def test_channels_are_made_equal() -> None:
    grey, colour = torch.rand(2, 1, 4, 4), torch.rand(2, 3, 4, 4)
    assert in_same_channels(grey, grey)[0].equal(grey)
    assert in_same_channels(colour, grey)[1].equal(grey.expand(-1, 3, -1, -1))
    assert in_same_channels(grey, colour)[0].shape == colour.shape
