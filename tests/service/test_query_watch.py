"""Streams of one film with small changes are noticed; streams of different films are not."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from radversary.attacks.decision.hopskipjump import HopSkipJump
from radversary.attacks.score.square import SquareAttack
from radversary.classifiers.networks import build_network
from radversary.classifiers.torch_module import wrap
from radversary.data.phantoms import Phantoms
from radversary.imaging.intensity import to_grey
from radversary.service.catalogue import query_watch
from radversary.service.catalogue.query_watch import NEAR, QueryWatch
from service.conftest import CLASSES

SIZE = 96


@pytest.fixture(scope="module")
def films():
    return torch.cat([batch.images for batch in Phantoms(count=300, size=SIZE, seed=5).generate()])


class Recorder(nn.Module):
    """A network that keeps what it was asked."""

    def __init__(self):
        super().__init__()
        self.network, self.asked = build_network("small-cnn", classes=3, seed=1), []

    def forward(self, images):
        self.asked.append(images.detach().clone())
        return self.network(images)


def noticed(watch, images, key="key"):
    return [found for number, image in enumerate(images) if (found := watch.look(key, str(number), image[None]))]


@pytest.mark.slow
def test_films_of_different_patients_are_not_noticed(films):
    assert noticed(QueryWatch(), films) == []


@pytest.mark.slow
@pytest.mark.parametrize("attack", [
    SquareAttack(epsilon=4 / 255, queries=200), SquareAttack(epsilon=8 / 255, queries=200), HopSkipJump(queries=200),
    HopSkipJump(queries=200, norm="linf")])
def test_an_attack_s_questions_are_noticed_once_among_other_films(films, attack):
    recorder = Recorder()
    attack.run(wrap(recorder, classes=CLASSES, size=SIZE, architecture="small-cnn"), films[:1], seed=1)
    asked = to_grey(torch.cat(recorder.asked)[:120].clamp(0, 1))
    mixed = torch.stack([image for pair in zip(asked, films[1:121], strict=True) for image in pair])
    assert noticed(QueryWatch(), mixed) == [NEAR]


@pytest.mark.slow
def test_one_file_sent_again_and_other_keys_do_not_count(films):
    watch = QueryWatch()
    assert [watch.look("key", "same", films[:1]) for _ in range(3 * NEAR)] == [0] * (3 * NEAR)
    near = films[:1] + 0.001 * torch.randn(2 * NEAR, 1, SIZE, SIZE)
    assert [noticed(watch, [image], key=str(number % 4)) for number, image in enumerate(near)] == [[]] * (2 * NEAR)


@pytest.mark.slow
def test_what_was_long_ago_does_not_count_and_a_key_is_noticed_again_after_a_while(films, monkeypatch):
    watch, now = QueryWatch(), [0.0]
    monkeypatch.setattr(query_watch.time, "monotonic", lambda: now[0])
    near = films[:1] + 0.001 * torch.randn(3 * NEAR, 1, SIZE, SIZE)
    assert noticed(watch, near) == [NEAR]
    now[0] += query_watch.WINDOW + 1
    assert noticed(watch, near[:NEAR]) == []
    assert watch.look("key", "another", near[NEAR:NEAR + 1]) == NEAR
