from __future__ import annotations

import pytest
import torch

from radversary.attacks.goal import UNTARGETED, margin
from radversary.attacks.guarded_victim import GuardedVictim, require_guarded, standing
from radversary.core.errors import AccessError
from random_parts import guarded_classifier, smooth_images, tiny_classifier


def test_only_what_also_gives_its_anomaly_score_is_guarded():
    victim = guarded_classifier()
    assert isinstance(victim, GuardedVictim)
    assert require_guarded(victim, "who") is victim
    with pytest.raises(AccessError, match=r"^who evades detectors, but none guard model 'tiny': attack a guard"):
        require_guarded(tiny_classifier(), "who")


def test_answers_are_averaged_without_gradients():
    victim, images, labels = guarded_classifier(), smooth_images(2).requires_grad_(), torch.tensor([0, 1])
    turns = iter((1.0, 4.0))
    victim.judged = lambda seen: (next(turns) * victim.logits(seen), victim.excess(seen))
    margins, excess = standing(victim, images, labels, UNTARGETED, answers=2)
    torch.testing.assert_close(margins, 2.5 * margin(victim.logits(images), labels).detach())
    torch.testing.assert_close(excess, victim.excess(images).detach())
    assert not margins.requires_grad
