"""What every registered attack promises."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

from attack_options import SMALL, STYLES
from radversary.attacks.base import Attack, Batch, run_attack
from radversary.attacks.corruption.levels import CHEST
from radversary.attacks.learning import taught
from radversary.attacks.metering import Ledger, metered
from radversary.attacks.registry import ATTACKS
from radversary.attacks.style.transfer import StyleTransferAttack
from radversary.core import registry as registry_file
from radversary.core.errors import AccessError, PlanError
from radversary.core.seeds import Streams
from radversary.core.types import Access, AttackContract
from radversary.imaging.intensity import quantise
from radversary.storage.hashes import component_hash
from radversary.stylization.generators import GENERATORS
from random_parts import Climbing, guarded_classifier, smooth_images, tiny_classifier, write_microast, write_vgg
from tiny_attacks import SmallestDarkening

QUICK = {"gatys": {"steps": 3}}
DRAWN_FROM_NOTHING = {"Identity", "FGSM", "IterativeFGSM", "MomentumFGSM", "FastAdaptiveBoundary", "CarliniWagner",
                      "DDN", "DeepFool", "TranslationInvariantFGSM", "ScaleInvariantFGSM",
                      "UniversalPerturbation", "DataFreePerturbation"}
DRAWN_CORRUPTIONS = {"gaussian-noise", "speckle-noise", "impulse-noise", "shot-noise"}
LEARNS_ONCE = {"EvasiveFeatures"}  # for all strengths
LEAVES_MISREAD_ALONE = {"FastAdaptiveBoundary", "AutoAttack", "SquareAttack", "SimBA"}
CASES = [(name, SMALL.get(name, {})) for name in ATTACKS.names()] + [
    ("worst-style", {**SMALL["worst-style"], "least_ssim": 0.9}),
    ("worst-style", {**SMALL["worst-style"], "colour": "rgb"}),
    ("evasive-style", {**SMALL["evasive-style"], "tuned": "yes"}),
    ("evasive-pgd", {**SMALL["evasive-pgd"], "colour": "rgb"}),
    ("equal-noise", {"like": {"name": "evasive-pgd", "options": SMALL["evasive-pgd"]}}),
    ("hopskipjump", {**SMALL["hopskipjump"], "norm": "linf"}),
    ("hopskipjump", {**SMALL["hopskipjump"], "colour": "rgb"}), ("boundary", {**SMALL["boundary"], "colour": "rgb"}),
    ("carlini-wagner", {**SMALL["carlini-wagner"], "colour": "rgb"}),
    ("square", {**SMALL["square"], "norm": "l2"}), ("square", {**SMALL["square"], "colour": "rgb"}),
    ("simba", {**SMALL["simba"], "basis": "pixel"}), ("simba", {**SMALL["simba"], "colour": "rgb"}),
    ("zoo", {"queries": 1500, "colour": "rgb", "start_side": 8}),
    ("zoo", {**SMALL["zoo"], "start_side": 8, "doublings": 1}),
    ("apgd", {**SMALL["apgd"], "norm": "l2", "restarts": 2}), ("apgd", {**SMALL["apgd"], "colour": "rgb"}),
    ("apgd-t", {**SMALL["apgd-t"], "norm": "l2"}), ("fab", {**SMALL["fab"], "norm": "l2", "colour": "rgb"}),
    ("pgd", {**SMALL["pgd"], "colour": "rgb"}), ("stm", {**SMALL["stm"], "colour": "rgb"}),
    ("vmi-fgsm", {**SMALL["vmi-fgsm"], "colour": "rgb"}), ("admix", {**SMALL["admix"], "colour": "rgb"}),
    ("si-fgsm", {**SMALL["si-fgsm"], "lookahead": "nesterov"}),
    ("uap", {**SMALL["uap"], "norm": "l2"}), ("uap", {**SMALL["uap"], "colour": "rgb"}),
    ("uap-data-free", {**SMALL["uap-data-free"], "norm": "l2"}), ("patch", {**SMALL["patch"], "colour": "rgb"}),
    ("equal-noise", {"like": {"name": "uap", "options": SMALL["uap"]}}),
    ("equal-noise", {"like": {"name": "worst-style", "options": SMALL["worst-style"]}}),
    *((name, {"search": "queries", "queries": 12}) for name in ("affine", "bias-field", "curve", "line-pattern")),
    *(("corruption", {"kind": kind}) for kind in CHEST)] + [
    ("style-transfer", {**STYLES, "generator": generator, "colour": colour, "options": QUICK.get(generator, {})})
    for generator in GENERATORS.names() for colour in ("grey", "rgb")]
NAMES = ("image-0", "image-1", "image-2")


@pytest.fixture(scope="module", autouse=True)
def _weights(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADVERSARY_WEIGHTS", str(write_vgg(tmp_path_factory.mktemp("weights"), layers=5).parent))
        write_microast(Path(os.environ["RADVERSARY_WEIGHTS"]))
        yield


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join([case[0], *map(str, case[1].values())][:5]))
def attack(request, _weights) -> Attack:
    name, options = request.param
    return ATTACKS.create(name, **options)


@pytest.fixture(scope="module")
def victim():
    return guarded_classifier()  # tiny_classifier with a detector, for the attacks that evade detectors


def labels_of(names):
    """An image keeps its label wherever it stands; the victim reads the first two so, the third otherwise."""
    return torch.tensor([(1 - int(name[-1])) % 3 for name in names])


def full(attack):
    """A strength at which an attack does what it can; the smallest change may be far away after few questions."""
    return 100.0 if attack.contract == AttackContract.SMALLEST_CHANGE and attack.most > 1 else 0.7


EXAMPLES = Batch(images=quantise(smooth_images(5, seed=9), 8), labels=torch.arange(5) % 3,
                 image_ids=tuple(f"example-{place}" for place in range(5)))


def ready(attack, victim, *strengths):
    """The attack as it is applied: one that learns has learnt from images of others."""
    return taught(attack, victim, EXAMPLES, strengths, seed=7, step="contract")[0]


def perturbed(attack, victim, images, names=NAMES, strength=0.7):
    streams = Streams.for_images(names, seed=7, step="contract")
    return ready(attack, victim, strength).at(strength).perturb(victim, images, labels_of(names), streams)


def outcomes_of(attack, victim, images, names=NAMES, strengths=(0.7,), bits=8, labels=None):
    batch = Batch(images=images, labels=labels_of(names) if labels is None else labels, image_ids=tuple(names),
                  bits=bits)
    return list(run_attack(attack, victim, batch, seed=7, step="contract", strengths=strengths, examples=EXAMPLES))


def on_the_path(attack, victim, images, **options):
    return [(outcome.strength, outcome.images) for outcome in outcomes_of(attack, victim, images, **options)]


def keeps_a_fixed_budget(attack, outcome, images):
    """Its change lies within its norm's epsilon, rounding to the stored depth included where the norm is L∞."""
    budget = attack.at(outcome.strength).budget
    reached, slack = {"linf": (outcome.linf, 0.0), "l2": (outcome.l2, 0.5 / 255 * images[0].numel()**0.5)}[budget.norm]
    assert (reached <= budget.epsilon + slack + 1e-5).all()


def finds_the_smallest(outcome, images, labels, victim):
    """Where it misleads, a little less does not; where the image is misread anyway, it changes nothing.

    The victim is linear, so that all of a line between two images that it reads alike is read alike.
    """
    needless = victim.predict(images) != labels
    assert (outcome.linf[needless] == 0).all()
    assert not (outcome.success & ~needless & (outcome.linf == 0)).any()
    assert torch.equal(outcome.success, victim.predict(outcome.images) != labels)
    less = victim.predict(images + 0.9 * (outcome.images - images)) != labels
    assert not (less & outcome.success & ~needless).any()


def promises_nothing(attack, outcome, images):
    budget = attack.at(outcome.strength).budget
    assert (budget.norm, budget.epsilon) == (None, None)


def keeps_its_contract(attack, victim, images):
    """Run an attack at several strengths and check what it promises of its change and of its queries."""
    labels = (victim.predict(images) + torch.tensor([0, 0, 1])) % 3  # two are read correctly, the last one is not
    outcomes = outcomes_of(attack, victim, images, strengths=(0.05, full(attack)), labels=labels)
    for outcome in outcomes:
        match attack.contract:
            case AttackContract.FIXED_BUDGET:
                keeps_a_fixed_budget(attack, outcome, images)
            case AttackContract.SMALLEST_CHANGE:
                finds_the_smallest(outcome, images, labels, victim)
            case AttackContract.UNRESTRICTED:
                promises_nothing(attack, outcome, images)
        declared = attack.at(outcome.strength).budget.queries
        assert declared is None or 0 < outcome.cost.queries <= declared * len(images)
        assert outcome.queries.sum().item() == pytest.approx(outcome.cost.queries)
        passes = attack.at(outcome.strength).passes
        assert outcome.cost.queries + outcome.cost.gradients <= passes * len(images)
    return outcomes


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_range_shape_type_and_an_untouched_input(attack, victim, channels):
    images = smooth_images(3, channels=channels)
    before = images.clone()
    attacked = perturbed(attack, victim, images, strength=1.0)
    colour = channels == 3 or getattr(attack, "colour", "grey") == "rgb"
    assert attacked.shape == (3, 3 if colour else 1, 32, 32)
    assert attacked.dtype == torch.float32
    assert attacked.device == images.device
    assert 0 <= attacked.min() <= attacked.max() <= 1
    assert not attacked.requires_grad
    assert torch.equal(images, before)
    assert attacked.data_ptr() != images.data_ptr()


@pytest.mark.slow
def test_it_does_something_unless_it_is_the_identity(attack, victim):
    images = smooth_images(3)
    change = (perturbed(attack, victim, images, strength=full(attack)) - images).abs().amax((1, 2, 3))
    if attack.contract == AttackContract.SMALLEST_CHANGE or type(attack).__name__ in LEAVES_MISREAD_ALONE:
        needed = victim.predict(images) == labels_of(NAMES)  # nothing where the image is misread already
        assert torch.equal(change > 0, needed)
        assert needed.any()
        assert not needed.all()
    else:
        assert (change == 0).all() if type(attack).__name__ == "Identity" else (change > 0.01).all()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(attack, victim):
    images = smooth_images(3)
    strong = {"strengths": (full(attack),)}
    ((_, first),), ((_, second),) = (on_the_path(attack, victim, images, **strong) for _ in range(2))
    assert torch.equal(first, second)
    other = ["another-0", "another-1", "another-2"]
    ((_, third),) = on_the_path(attack, victim, images, names=other, **strong)
    draws_nothing = type(attack).__name__ in DRAWN_FROM_NOTHING or getattr(attack, "kind", None) in set(CHEST) - (
        DRAWN_CORRUPTIONS)
    assert torch.equal(first, third) == draws_nothing


@pytest.mark.slow
def test_batch_mates_and_order_do_not_matter(attack, victim):
    images = smooth_images(3)
    strong, victim = {"strength": full(attack)}, metered(victim, Ledger())  # asked about in fours, as audits ask
    together = perturbed(attack, victim, images, **strong)
    backwards = perturbed(attack, victim, images.flip(0), names=NAMES[::-1], **strong).flip(0)
    alone = torch.cat([perturbed(attack, victim, images[i:i + 1], names=NAMES[i:i + 1], **strong) for i in range(3)])
    torch.testing.assert_close(backwards, together, atol=1e-4, rtol=0)  # a fortieth of an 8-bit grey level
    torch.testing.assert_close(alone, together, atol=1e-4, rtol=0)


def test_zero_strength_is_the_identity(attack, victim):
    images = smooth_images(3)
    assert torch.equal(perturbed(attack, victim, images, strength=0.0), images.expand_as(images))


@pytest.mark.slow
def test_no_images_are_an_empty_batch(attack, victim):
    images = smooth_images(3)[:0]
    strengths = (full(attack), 0.0)
    for outcome in outcomes_of(attack, victim, images, names=(), strengths=strengths,
                               labels=torch.zeros(0, dtype=torch.int64)):
        assert (len(outcome.images), outcome.images.shape[2:]) == (0, images.shape[2:])
        assert (outcome.cost.queries, outcome.cost.gradients) == (0, 0)
        assert outcome.success is None or len(outcome.success) == 0


@pytest.mark.slow
def test_one_run_at_several_strengths_equals_one_run_each(attack, victim):
    images, strengths = smooth_images(3), (1.0, 0.0, 0.4)
    streams = Streams.for_images(NAMES, seed=7, step="contract")
    found = list(ready(attack, victim, *strengths).ladder(victim, images, labels_of(NAMES), streams, strengths))
    assert [strength for strength, _ in found] == list(strengths)
    for strength, attacked in found:
        torch.testing.assert_close(attacked, perturbed(attack, victim, images, strength=strength), atol=1e-6, rtol=0)


@pytest.mark.slow
def test_it_keeps_its_contract(attack, victim):
    outcomes = keeps_its_contract(attack, victim, quantise(smooth_images(3), 8))
    if attack.needs in (Access.LABELS, Access.SCORES):  # what takes gradients counts those instead
        assert attack.budget.queries is not None
    assert all((outcome.success is None) == (attack.needs == Access.NONE) for outcome in outcomes)


def test_an_attack_that_looks_for_the_smallest_change_keeps_its_contract(victim):
    images = quantise(smooth_images(3), 8)
    near, far = keeps_its_contract(SmallestDarkening(), victim, images)
    assert (near.success.tolist(), far.success.tolist()) == ([False, False, True], [True, False, True])
    assert torch.equal(near.images[~near.success], images[~near.success])


@pytest.mark.slow
@pytest.mark.parametrize("bits", [8, 12])
def test_attacked_images_lie_on_the_stored_grid(attack, victim, bits):
    ((_, attacked),) = on_the_path(attack, victim, smooth_images(3), bits=bits, strengths=(full(attack),))
    codes = attacked * (2**(bits if attacked.shape[1] == 1 else min(bits, 8)) - 1)  # files in colour have 8
    assert (codes - codes.round()).abs().max() < 1e-3


def test_the_repr_is_the_provenance(attack):
    assert eval(repr(attack), {type(attack).__name__: type(attack)}) == attack
    assert repr(attack.at(0.25)) != repr(attack.at(0.5))


def test_it_declares_what_it_is(attack):
    assert attack.needs in Access
    borrowed = attack.other() if hasattr(attack, "other") else attack
    assert attack.strength in borrowed.__dataclass_fields__
    assert attack.at(0.25).current == 0.25
    assert attack.nist.startswith("NISTAML.")
    assert attack.atlas.startswith("AML.T")
    assert type(attack).__dataclass_params__.frozen
    assert all(field.kw_only for field in attack.__dataclass_fields__.values() if field.init)


@pytest.mark.slow
def test_what_is_learnt_is_no_part_of_the_provenance_and_goes_with_every_strength(attack, victim):
    knowing = ready(attack, victim, 0.25, 0.5)
    assert (repr(knowing), knowing, component_hash(knowing)) == (repr(attack), attack, component_hash(attack))
    assert knowing.at(0.5).knows([0.25, 0.5, 0.0])
    assert attack.knows([0.3]) or knowing.knows([0.3]) == (type(attack).__name__ in LEARNS_ONCE)


def test_an_attack_that_learns_is_refused_without_examples(attack, victim):
    batch = Batch(images=smooth_images(3), labels=labels_of(NAMES), image_ids=NAMES)
    if not attack.learns:
        assert attack.most_examples == 0
        return
    with pytest.raises(PlanError, match=r"learns from images of other patients than those it attacks: give examples, "
                                        "or use uap-data-free"):
        next(run_attack(attack, victim, batch, seed=7, step="contract", strengths=[0.5]))
    assert attack.most_examples > 0


def test_a_strength_beyond_one_is_refused(attack):
    for strength in () if type(attack).__name__ == "Identity" else (-0.1, attack.most + 0.5, float("nan")):
        with pytest.raises(PlanError, match=rf"{attack.strength} (must lie in \[0, 1\]|by l(2|inf) must be finite)"):
            attack.at(strength)


@pytest.mark.parametrize("access", [Access.NONE, Access.LABELS, Access.SCORES])
def test_too_little_access_is_refused_by_name(access):
    victim = tiny_classifier()
    victim.access = access
    with pytest.raises(AccessError, match=rf"attack Climbing needs gradients but model 'tiny' gives only "
                                          rf"{access.name.lower()}"):
        on_the_path(Climbing(), victim, smooth_images(3))


def test_enough_access_is_enough(victim):
    ((_, attacked),) = on_the_path(Climbing(), victim, smooth_images(3))
    assert attacked.mean() < 0.5


def test_attacks_of_other_packages_run_like_our_own(victim, monkeypatch):
    point = EntryPoint("darken", "random_parts:Darken", "radversary.attacks")
    monkeypatch.setattr(registry_file, "entry_points", lambda group: [point] if group == point.group else [])
    assert "darken" in ATTACKS.names()
    images = smooth_images(3)
    ((_, attacked),) = on_the_path(ATTACKS.create("darken"), victim, images, strengths=(0.5,))
    torch.testing.assert_close(attacked, images / 2, atol=1 / 255, rtol=0)


def test_rgb_styles_colour_a_grey_image(victim):
    attacked = perturbed(StyleTransferAttack(colour="rgb", **STYLES), victim, smooth_images(3))
    assert (attacked[:, 0] - attacked[:, 2]).abs().max() > 0.02


def test_grey_styles_keep_a_grey_image_grey_in_three_channels(victim):
    attacked = perturbed(StyleTransferAttack(**STYLES), victim, smooth_images(3).expand(-1, 3, -1, -1))
    torch.testing.assert_close(attacked[:, 0], attacked[:, 2], atol=1e-6, rtol=0)
