from __future__ import annotations

import pytest
import torch

from radversary.attacks.base import blend
from radversary.attacks.goal import margin
from radversary.attacks.style.code import StyleCodeAttack, code_space, within
from radversary.classifiers.torch_module import wrap
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.imaging.intensity import to_grey
from radversary.stylization.bank import procedural_bank
from radversary.stylization.network import shipped_stylizer
from random_parts import smooth_images, tiny_classifier

NAMES = ("a", "b", "c")
LABELS = torch.tensor([0, 1, 2])
STYLES = {"count": 6, "style_size": 32}


@pytest.fixture(scope="module")
def victim():
    return tiny_classifier()


def attacked(victim, images, **options):
    streams = Streams.for_images(NAMES, seed=3, step="code")
    return StyleCodeAttack(**STYLES, **options).perturb(victim, images, LABELS, streams)


@pytest.mark.slow
def test_no_step_is_the_starts_own_style(victim):
    images = smooth_images(3)
    bank, picks = procedural_bank("test", count=6, size=32), Streams.for_images(NAMES, seed=3, step="code").integers(6)
    network = shipped_stylizer()
    with torch.no_grad():
        styles = to_grey(bank.take(picks)).expand(-1, 3, -1, -1)
        expected = to_grey(network(images.expand(-1, 3, -1, -1), network.style(styles)))
    found = attacked(victim, images, steps=0, radius=1000.0, opacity=0.6)
    torch.testing.assert_close(found, blend(images, expected, 0.6), atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("opacity", [0.3, 1.0])
def test_it_climbs_and_keeps_the_best_step(victim, opacity):
    images = smooth_images(3)
    reached = [margin(victim.logits(attacked(victim, images, steps=steps, opacity=opacity, learning_rate=0.5)), LABELS)
               for steps in (0, 8)]
    assert (reached[1] > reached[0] + 0.02).all()
    # Huge steps overshoot; what is kept is never worse than the start.
    wild = margin(victim.logits(attacked(victim, images, steps=3, opacity=opacity, learning_rate=100.0)), LABELS)
    assert (wild >= reached[0] - 1e-4).all()


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_it_climbs_alike_at_every_scale_of_the_logits(victim, scale):
    images = smooth_images(3)
    scaled = wrap(torch.nn.Module(), classes=victim.card.classes, size=victim.card.size)
    scaled.module.forward = lambda inputs: victim.module(inputs) * scale
    expected, found = (attacked(who, images, steps=3, learning_rate=0.5) for who in (victim, scaled))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


@pytest.mark.slow
def test_codes_stay_in_the_ball(victim, monkeypatch):
    norms = []
    drawn = StyleCodeAttack.drawn
    monkeypatch.setattr(StyleCodeAttack, "drawn", lambda self, images, points: (
        norms.append(points.detach().norm(dim=1)), drawn(self, images, points))[1])
    attacked(victim, smooth_images(3), steps=4, radius=1.5, learning_rate=2.0)
    assert torch.stack(norms).max() <= 1.5 + 1e-5
    assert (torch.stack(norms)[1:] > 1.4).any()


@pytest.mark.slow
def test_a_wider_ball_holds_worse_styles(victim):
    images = smooth_images(3)
    near, far = (margin(victim.logits(attacked(victim, images, steps=8, radius=radius)), LABELS)
                 for radius in (1.0, 12.0))
    assert (far > near).all()


def test_the_space_describes_the_bank():
    space = code_space("test", count=6, size=32, seed=42)
    torch.testing.assert_close(space.mean, space.codes.mean(0))
    points = space.whitened(space.codes)
    torch.testing.assert_close(space.code(points), space.codes, atol=1e-4, rtol=1e-4)
    precision = torch.linalg.inv((space.root @ space.root.mT).double())
    offset = (space.codes - space.mean).double()
    distance = torch.einsum("ni,ij,nj->n", offset, precision, offset).sqrt()
    torch.testing.assert_close(points.norm(dim=1).double(), distance, rtol=1e-2, atol=1e-2)


def test_within_moves_only_what_lies_outside():
    points = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    torch.testing.assert_close(within(points, 1.0), torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))


@pytest.mark.slow
def test_gradients_are_averaged_over_answers(victim):
    class Counting(type(victim)):
        def logits(self, images):
            self.turn = getattr(self, "turn", 0) + 1
            return super().logits(images)

    counting = Counting(victim.module, victim.card)
    images = smooth_images(3)
    found = attacked(counting, images, steps=2, eot=3)
    assert counting.turn == 9
    torch.testing.assert_close(found, attacked(victim, images, steps=2), atol=1e-5, rtol=0)


@pytest.mark.slow
def test_it_leaves_no_gradient_and_works_where_gradients_are_off(victim):
    images = smooth_images(3)
    with torch.no_grad():
        found = attacked(victim, images, steps=2)
    assert not found.requires_grad
    assert torch.equal(found, attacked(victim, images, steps=2))
    assert all(parameter.grad is None for parameter in victim.module.parameters())


@pytest.mark.parametrize("options", [{"steps": -1}, {"eot": 0}, {"count": 1}, {"style_size": 8}, {"learning_rate": 0.0},
                                     {"radius": float("nan")}, {"opacity": 1.1}])
def test_bad_choices_are_refused(options):
    with pytest.raises(PlanError, match=next(iter(options))):
        StyleCodeAttack(**{**STYLES, **options})


def test_a_folder_of_one_style_has_no_ball(victim, tmp_path):
    from PIL import Image

    Image.new("RGB", (32, 32)).save(tmp_path / "one.png")
    with pytest.raises(PlanError, match="at least two styles"):
        StyleCodeAttack(**{**STYLES, "styles": str(tmp_path)}).space()
