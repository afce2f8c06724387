"""Attacks of a guard evaluation that learn do so once, on images of patients who are not tested."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_audit import SIZE
from tiny_guard_evaluation import make_guard, make_images, make_plan

from radversary.attacks.universal.uap import UniversalPerturbation
from radversary.core.errors import PlanError
from radversary.data.prepared import PreparedImages
from radversary.data.table import ImageTable
from radversary.guard_evaluation.measure import attacked
from radversary.guard_evaluation.setup import prepare_guard_evaluation
from radversary.guard_evaluation.units import unit_key
from random_parts import smooth_images

UAP = {"label": "universal", "name": "uap", "strengths": [0.03, 0.1], "options": {"epochs": 2, "examples": 8}}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return make_images(tmp_path_factory.mktemp("images"))


def divided(images, part):
    """The same images with a training part of the images of ``part`` alone; the rest are tested."""
    own = images.table.frame["split"].to_numpy()
    frame = images.table.frame.assign(split=np.where(own == part, "train", "test"))
    return PreparedImages(images.folder, ImageTable(frame, images.classes), images.images, images.rule, (), "0" * 64)


@pytest.mark.slow
def test_it_learns_once_and_all_batches_get_the_same(images, monkeypatch):
    calls, real = [], UniversalPerturbation.learn

    def counted(self, *given, **options):
        calls.append(self.epsilon)
        return real(self, *given, **options)

    monkeypatch.setattr(UniversalPerturbation, "learn", counted)
    context = prepare_guard_evaluation(make_plan(attacks=[UAP]), make_guard(images), images)
    assert set(images.table.frame["split"].iloc[list(context.attacks["universal"].examples)]) == {"train"}
    rows = context.rows[:4]
    whole = [made for _, made, _ in attacked(context, "universal", rows, (0.03, 0.1))]
    parts = [[made for _, made, _ in attacked(context, "universal", some, (0.03, 0.1))]
             for some in (rows[:1], rows[1:])]
    assert calls == [0.03, 0.1]
    for place, one in enumerate(whole):
        assert torch.equal(one, torch.cat([part[place] for part in parts]))
        assert not torch.equal(one, images.tensor(rows))


@pytest.mark.slow
def test_the_key_holds_its_examples_and_without_any_it_is_refused(images):
    plan = make_plan(attacks=[UAP])
    guard = make_guard(images).calibrate(smooth_images(40, SIZE), [f"other-{place}" for place in range(40)], alpha=0.2)
    keys = [unit_key(prepare_guard_evaluation(plan, guard, chosen), "judge", "universal")
            for chosen in (images, divided(images, "validation"))]
    assert keys[0] != keys[1]
    with pytest.raises(PlanError, match="learns from images of other patients, and outside the test part"):
        prepare_guard_evaluation(plan, guard, divided(images, "no part"))
