"""What is measured of images: decisions as the classifier takes them."""

from __future__ import annotations

import pytest
import torch

from radversary.auditing.measure import read
from radversary.auditing.naming import naming_films
from radversary.classifiers.answers import checked_logits
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import AccessError, ModelError
from random_parts import tiny_classifier

CLASSES, SIZE = ("a", "b", "c"), 16


def films(count: int) -> torch.Tensor:
    return torch.rand(count, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


class Scaled(TorchClassifier):
    """The same decisions from logits of another scale."""

    scale = 1.0

    def logits(self, images):
        return super().logits(images) * self.scale


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1.0, 1e30])
def test_decisions_do_not_depend_on_the_scale_of_the_logits(scale):
    plain, images = tiny_classifier(CLASSES, SIZE), films(20)
    scaled = Scaled(plain.module, plain.card)
    scaled.scale = scale
    found = read(scaled, images)
    assert found["decision"].tolist() == plain.predict(images).tolist()
    assert len(set(found["decision"].tolist())) > 1
    assert found["p0"] == pytest.approx(scaled.scores(images)[:, 0].numpy())


class Failing(TorchClassifier):
    """Fails on dark films."""

    def logits(self, images):
        dark = images.mean((1, 2, 3)) < 0.1
        return super().logits(images) if not dark.any() else checked_logits(
            torch.full((len(images), 3), torch.nan), self.card, len(images))


def test_films_that_a_model_fails_on_are_named():
    plain, images = tiny_classifier(CLASSES, SIZE), films(9)
    failing = Failing(plain.module, plain.card)
    images[[2, 5]] /= 100
    with pytest.raises(ModelError, match=r"for 9 of 9 images \(it fails on 'c', 'f'\)$"), \
            naming_films(images, list("abcdefghi"), [plain, failing], "pgd"):
        failing.answers(images)
    with pytest.raises(ModelError, match=r"\(in 'pgd' of 'a', 'b', 'd', 'e', 'g' and 2 more\)$"), \
            naming_films(images[[0, 1, 3, 4, 6, 7, 8]], list("abdeghi"), [failing], "pgd"):
        failing.answers(images / 100)
    with pytest.raises(AccessError, match=r"^no access$"), naming_films(images, list("abcdefghi"), [failing], "pgd"):
        raise AccessError("no access")
