from __future__ import annotations

from pathlib import Path

import pytest
import torch

from radversary.core.errors import DataError, MissingPartError, PlanError, UnreadableImageError
from radversary.defenses import feature_consistency as file
from radversary.defenses.feature_consistency import FeatureConsistency
from radversary.defenses.registry import TRANSFORMS
from radversary.imaging.codec import to_picture
from radversary.stylization.features import gram, load_vgg19
from radversary.stylization.gatys import relative_error
from random_parts import smooth_images, write_vgg

SUSPECTS = smooth_images(3)


@pytest.fixture
def films(tmp_path) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    for name, image in zip("ba", smooth_images(2, 48, seed=7) ** 2, strict=True):
        to_picture(image).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def defence(films, tmp_path) -> FeatureConsistency:
    return FeatureConsistency(trusted=films, steps=6, vgg=str(write_vgg(tmp_path, layers=5)))


def test_the_style_comes_nearer_to_that_of_the_trusted_film(defence, films):
    vgg, trusted = load_vgg19(defence.vgg), file.trusted_film(films / "a.png")
    restored = defence(SUSPECTS)
    for layer in ("relu1_1", "relu2_1"):
        target = gram(vgg(trusted, (layer,))[layer])
        before, after = (relative_error(gram(vgg(x, (layer,))[layer]), target) for x in (SUSPECTS, restored))
        assert (after < before).all()


@pytest.mark.slow
def test_the_first_film_by_name_is_trusted(defence, films):
    assert defence.film() == films / "a.png"
    one = FeatureConsistency(trusted=films / "a.png", steps=6, vgg=defence.vgg)
    assert torch.equal(one(SUSPECTS), defence(SUSPECTS))
    other = FeatureConsistency(trusted=films / "b.png", steps=6, vgg=defence.vgg)
    assert not torch.equal(other(SUSPECTS), defence(SUSPECTS))
    assert other.content_hashes()[0] != defence.content_hashes()[0]
    assert other.content_hashes()[1] == defence.content_hashes()[1]


@pytest.mark.slow
def test_an_image_comes_out_the_same_in_any_batch(defence, monkeypatch):
    together = defence(SUSPECTS)
    monkeypatch.setattr(file, "BATCH", 2)
    torch.testing.assert_close(defence(SUSPECTS), together, atol=1e-3, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_backwards_it_is_the_grey_projection(defence, channels):
    images = smooth_images(2, channels=channels).requires_grad_()
    weights = smooth_images(2, channels=channels, seed=9)
    approximation = defence.bpda(images)
    torch.testing.assert_close(approximation.detach(), defence(images.detach()))
    (slope,) = torch.autograd.grad((approximation * weights).sum(), images)
    luma = torch.tensor([0.299, 0.587, 0.114] if channels == 3 else [1.0]).view(1, -1, 1, 1)
    torch.testing.assert_close(slope, weights.sum(1, keepdim=True) * luma)


def test_what_is_missing_is_said_before_the_first_image(films, tmp_path, monkeypatch):
    monkeypatch.setenv("RADVERSARY_WEIGHTS", str(tmp_path / "nowhere"))
    with pytest.raises(MissingPartError, match="no VGG-19 weights found"):
        TRANSFORMS.create("feature-consistency", trusted=str(films))
    (tmp_path / "empty").mkdir()
    for place in ("empty", "none.png"):
        with pytest.raises(DataError, match="needs a trusted clean radiograph"):
            TRANSFORMS.create("feature-consistency", trusted=str(tmp_path / place))
    with pytest.raises(PlanError, match="trusted: field required"):
        TRANSFORMS.create("feature-consistency")
    (films / "a.png").write_bytes(b"not a picture")
    with pytest.raises(UnreadableImageError):
        TRANSFORMS.create("feature-consistency", trusted=str(films))
    with pytest.raises(PlanError, match="steps and style_weight ≥ 0"):
        FeatureConsistency(trusted=films, steps=-1)


def test_no_image_at_all_is_no_error(defence):
    assert defence(SUSPECTS[:0]).shape == (0, 1, 32, 32)
