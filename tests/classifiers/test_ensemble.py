from __future__ import annotations

import pytest
import torch

from radversary.attacks.gradient.fgsm import FGSM
from radversary.classifiers.base import Classifier
from radversary.classifiers.ensemble import Ensemble, members_of
from radversary.classifiers.probe import check_answers, check_gradients
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import AccessError, ModelError
from radversary.core.types import Access
from radversary.defenses.defended import Defended
from radversary.defenses.jpeg import JpegCompression
from random_parts import smooth_images, tiny_classifier


def weights_of(classifier):
    return classifier.module[2].weight


def both():
    return tiny_classifier(seed=1), tiny_classifier(seed=2)


def test_its_logits_and_their_gradients_are_the_means_of_those_of_its_members():
    first, second = both()
    one = tiny_classifier()
    with torch.no_grad():  # the models are linear, so that the mean of their weights is the mean of their logits
        weights_of(one).copy_((weights_of(first) + weights_of(second)) / 2)
    images = smooth_images(4)
    ensemble = Ensemble([first, second])
    torch.testing.assert_close(ensemble.logits(images), one.logits(images))
    labels = torch.tensor([0, 1, 2, 0])
    torch.testing.assert_close(FGSM().run(ensemble, images, labels).images, FGSM().run(one, images, labels).images)
    assert torch.equal(ensemble.predict(images), one.predict(images))


def test_it_is_named_after_all_and_known_by_all():
    first, second = both()
    ensemble = Ensemble([first, second])
    assert repr(ensemble) == "Ensemble('tiny + tiny')"
    assert ensemble.card.classes == first.card.classes
    marks = {made.fingerprint() for made in (ensemble, first, second, Ensemble([first]), Ensemble([second, first]),
                                             Ensemble([first, tiny_classifier(seed=3)]))}
    assert len(marks) == 6
    assert Ensemble(both()).fingerprint() == ensemble.fingerprint()


def test_it_is_a_model_like_others():
    ensemble = Ensemble(both())
    check_answers(ensemble)
    check_gradients(ensemble, "test")
    assert ensemble.to("cpu") is ensemble
    assert ensemble.device == torch.device("cpu")
    assert members_of(ensemble) == ensemble.members
    assert members_of(ensemble.members[0]) == (ensemble.members[0],)


def test_all_its_members_are_moved(monkeypatch):
    moved, ensemble = [], Ensemble(both())
    for member in ensemble.members:
        monkeypatch.setattr(member, "to", lambda device, member=member: moved.append((member, device)))
    ensemble.to("meta")
    assert moved == [(member, "meta") for member in ensemble.members]


def test_its_access_is_the_least_and_says_why():
    first, second = both()
    behind = Defended(second, JpegCompression())
    behind.withheld = "a reason"
    ensemble = Ensemble([first, behind])
    assert (ensemble.access, ensemble.withheld) == (Access.SCORES, "a reason")
    with pytest.raises(AccessError, match=r"model 'tiny \+ tiny' gives only scores: a reason"):
        check_gradients(ensemble, "test")
    assert ensemble.each(lambda member: member if member is first else second).access == Access.GRADIENTS


def test_what_answers_with_labels_alone_has_no_logits_to_average():
    labels_alone = Classifier()
    labels_alone.card, labels_alone.access = tiny_classifier().card, Access.LABELS
    with pytest.raises(AccessError, match=r"an ensemble, which averages logits, needs scores but model 'tiny' gives"):
        Ensemble([tiny_classifier(), labels_alone])


@pytest.mark.parametrize(("other", "said"), [
    (lambda: tiny_classifier(classes=("a", "c", "b")), "the classes of the first is a, b, c, of the second a, c, b"),
    (lambda: tiny_classifier(size=48), r"the height and width of the first is \(32, 32\), of the second \(48, 48\)"),
    (lambda: wrap(tiny_classifier().module, classes=("a", "b", "c"), size=32, task="multilabel"),
     "the task of the first is multiclass, of the second multilabel")])
def test_what_does_not_fit_is_refused_in_a_sentence(other, said):
    with pytest.raises(ModelError, match=f"cannot stand in one ensemble: {said}"):
        Ensemble([tiny_classifier(), other()])


def test_there_is_none_without_members():
    with pytest.raises(ModelError, match="one model at least"):
        Ensemble([])
