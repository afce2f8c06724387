"""The interface of every attack, and the function that runs attacks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import Any, ClassVar, Self

import torch
from numpy.typing import NDArray
from torch import Tensor

from radversary.attacks.batch import Batch as Batch  # base is where whoever runs an attack finds it
from radversary.attacks.batch import batch_from
from radversary.attacks.goal import UNTARGETED, Goal, WrittenGoal, aims_of, check_applies, goal_from
from radversary.attacks.learning import taught
from radversary.attacks.limits import check_budget
from radversary.attacks.metering import Ledger, Meter, metered
from radversary.attacks.storing import stored
from radversary.classifiers.base import Classifier, require_access
from radversary.core.errors import PlanError
from radversary.core.seeds import Streams
from radversary.core.types import (
    Access,
    AttackContract,
    AttackFamily,
    Budget,
    Colour,
    Images,
    Labels,
    Task,
    check_images,
)
from radversary.execution.devices import image_device


@dataclass(frozen=True)
class Attack(ABC):
    """An attack on images; a frozen dataclass of hyper-parameters.

    Attributes:
        goal: What is wanted of the classifier's decisions, as :func:`radversary.attacks.goal.goal_from` reads it.
        needs: How much of the classifier it sees.
        strength: Name of the hyper-parameter that says how strong it is; 0 is the identity.
        family: What it does, broadly.
        contract: What it promises of the size of its change; :attr:`budget` says how much.
        mixture: Whether its strength is the share of its result at full strength that is mixed into the image.
        tasks: What the decisions may be that it turns.
        learns: Whether it learns from images of other patients before it is applied.
        reads_features: Whether it looks at what is inside the classifier, beyond gradients.
        nist: Its class in NIST AI 100-2 E2025 (:mod:`radversary.attacks.taxonomy`).
        atlas: Its technique in MITRE ATLAS.
    """

    needs: ClassVar[Access]
    strength: ClassVar[str]
    family: ClassVar[AttackFamily]
    contract: ClassVar[AttackContract] = AttackContract.UNRESTRICTED
    mixture: ClassVar[bool] = False
    tasks: ClassVar[tuple[Task, ...]] = tuple(Task)
    learns: ClassVar[bool] = False
    reads_features: ClassVar[bool] = False
    nist: ClassVar[str] = "NISTAML.022"
    atlas: ClassVar[str] = "AML.T0043.003"

    goal: WrittenGoal = field(default=repr(UNTARGETED), kw_only=True)

    @abstractmethod
    def perturb(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams) -> Images:
        """Attack images.

        Args:
            classifier: The victim, used no further than ``needs`` allows.
            images: (N, C, H, W) in [0, 1]; not changed.
            aims: What the goal makes of the true labels, (N,) or (N, K); for an untargeted goal the labels themselves.
                :meth:`radversary.attacks.goal.Goal.margin` says how far it is reached.
            streams: One random generator an image.

        Returns:
            Attacked images, (N, C or 3, H, W) in [0, 1].
        """

    @property
    def wants(self) -> Goal:
        """Its goal."""
        return goal_from(self.goal)

    def at(self, strength: float) -> Self:
        """Return the same attack at another strength."""
        changes: dict[str, Any] = {self.strength: strength}
        return replace(self, **changes)

    @property
    def current(self) -> float:
        """Its strength."""
        return float(getattr(self, self.strength))

    @property
    def budget(self) -> Budget:
        """How far it may go at its strength; without a norm unless its contract is a fixed budget."""
        return Budget()

    @property
    def most(self) -> float:
        """The greatest strength that it takes."""
        return 1.0

    @property
    def passes(self) -> int | None:
        """The most answers and gradients that it asks for one image and strength together; None where it does not say.

        An answer is a pass forward through the network, a gradient one back. What it learnt before is not counted.
        """
        return 0 if self.needs == Access.NONE else self.budget.queries

    @property
    def channels(self) -> Colour:
        """The channels that it may touch."""
        return Colour(getattr(self, "colour", Colour.GREY))

    @property
    def most_examples(self) -> int:
        """The most images that it learns from; 0 where it learns from none."""
        return int(getattr(self, "examples", 0)) if self.learns else 0

    def knows(self, strengths: Sequence[float]) -> bool:  # noqa: ARG002
        """Return whether it holds all that it has to learn before it is applied at some strengths."""
        return not self.learns

    def learnt(self, classifier: Classifier, examples: Batch | None, strengths: Sequence[float], *,  # noqa: ARG002
               seed: int, step: str) -> Self:  # noqa: ARG002
        """Return the attack holding what it learnt for some strengths; its repr stays the same.

        Args:
            classifier: The victim.
            examples: Images of other patients than those that are attacked, with their labels; never None where it
                :attr:`learns`.
            strengths: At which it will be applied.
            seed: The plan's seed.
            step: The attack's label in the plan; with the seed it fixes what is drawn.
        """
        return self

    def run(self, classifier: Classifier, images: Images | NDArray[Any], labels: Labels | NDArray[Any] | None = None, *,
            seed: int = 42, examples: Batch | Images | NDArray[Any] | None = None) -> AttackOutcome:
        """Attack images at the attack's own strength; what comes out is what files of their depth would hold.

        Args:
            classifier: The victim.
            images: A tensor or array, as :func:`radversary.imaging.arrays.images_from` takes it.
            labels: True labels, (N,) or (N, K); what the classifier decides of the images where None.
            seed: Seed of the random choices.
            examples: Images of other patients, for an attack that :attr:`learns`; their labels are what the classifier
                decides of them, unless a :class:`Batch` gives others.

        Returns:
            Attacked images, success, distance and cost.

        Raises:
            InputError: The images are of another form, the goal makes no sense for the model or an image, the
                model offers too little access, or there is nothing to learn from.

        Example:
            >>> from torch import nn
            >>> from radversary.attacks.gradient.fgsm import FGSM
            >>> from radversary.classifiers.torch_module import wrap
            >>> victim = wrap(nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 2)), classes=("a", "b"), size=8)
            >>> FGSM(epsilon=8 / 255).run(victim, torch.rand(4, 1, 8, 8)).images.shape
            torch.Size([4, 1, 8, 8])
        """
        others = examples if examples is None or isinstance(examples, Batch) else batch_from(classifier, examples)
        (outcome,) = run_attack(self, classifier, batch_from(classifier, images, labels), seed=seed, step="attack",
                                strengths=[self.current], examples=others)
        return outcome

    def content_hashes(self) -> tuple[str, ...]:
        """Return a hash of each thing it draws on beside the images, such as style pictures.

        The repr names a folder; only this tells whether its pictures are still the same.
        """
        return ()

    def built_parts(self) -> tuple[Any, ...]:
        """Return the parts that it builds by name when it runs, such as a style generator; their code counts as its.

        Parts that it holds as attributes need not be named.
        """
        return ()

    def ladder(self, classifier: Classifier, images: Images, aims: Labels, streams: Streams,
               strengths: Sequence[float]) -> Iterator[tuple[float, Images]]:
        """Attack the same images at several strengths, with the same random choices at each.

        An attack that can share work between strengths overrides this; where it asks the classifier for several of
        them in turn, it asks through :func:`radversary.attacks.metering.charged_to`, so that each strength is charged
        what it cost.

        Yields:
            Strength and attacked images.
        """
        states = [stream.get_state() for stream in streams]
        for strength in strengths:
            for stream, state in zip(streams, states, strict=True):
                stream.set_state(state)
            yield strength, self.at(strength).perturb(classifier, images, aims, streams)


@dataclass(frozen=True, repr=False)
class AttackOutcome:
    """Attacked images of a batch at one strength, with success, distance and cost.

    Attributes:
        strength: The strength.
        images: (N, C or 3, H, W) in [0, 1] on the grid of the stored bit depth.
        success: Whether the attacked classifier's decision on each image as it is stored is what the goal wants, bool
            (N,); None where the attack looks at no classifier, so that none was asked.
        linf: The most that a pixel changed, (N,).
        l2: Euclidean norm of the change over all channels, (N,).
        cost: What the attack asked of the classifier for all images at this strength. What strengths share without
            saying for which they ask is counted at the first.
        queries: The answers that each image took, (N,); what was not charged to one is shared out evenly.
        seconds: What it took, for all images; what strengths share is counted at the first. No table of an audit holds
            it: no two timings are equal, and the tables of a stopped and resumed audit have the bytes of one that was
            never stopped.
        learning: What learning asked before, for all strengths together; counted at the first, in no image's
            ``queries``, and nothing where the attack held it already.
    """

    strength: float
    images: Images
    success: Tensor | None
    linf: Tensor
    l2: Tensor
    cost: Meter
    seconds: float
    queries: Tensor
    learning: Meter = field(default_factory=Meter)

    def __repr__(self) -> str:
        reached = "" if self.success is None else f", {int(self.success.sum())} of {len(self.images)} succeeded"
        far = f"{float(self.linf.max()):.4g}" if len(self.linf) else "0"
        return f"AttackOutcome(strength {self.strength:g}{reached}, L∞ at most {far}, {self.cost.queries} queries)"


def run_attack(attack: Attack, classifier: Classifier, batch: Batch, *, seed: int, step: str,
               strengths: Sequence[float], examples: Batch | None = None) -> Iterator[AttackOutcome]:
    """Run an attack as every audit does: access checked, output checked, pixels re-quantised, costs counted.

    It works on the classifier's device; the outcomes lie where the images of the batch do. Random numbers are drawn on
    the CPU, so that they are the same on every device. An attack is held to the budget that it declares
    (:func:`radversary.attacks.limits.check_budget`). Give it images on which its goal makes sense
    (:meth:`radversary.attacks.goal.Goal.applies`); on others there is nothing to reach.

    Args:
        attack: The attack.
        classifier: The victim.
        batch: The images.
        seed: The plan's seed.
        step: The attack's label in the plan; with the image ids it fixes all random choices.
        strengths: Strengths to run.
        examples: Images of other patients, for an attack that learns and holds nothing yet.

    Yields:
        One outcome a strength.

    Raises:
        AccessError: The classifier offers too little access.
        PlanError: The attack's goal makes no sense for the classifier, or for an image; or it learns, and there are
            no examples.
        BudgetError: The attack went beyond the norm or the queries that it declares, or promises a fixed budget and
            declares none.
        TensorError: The attack broke the pixel contract.
    """
    require_access(classifier, attack.needs, f"attack {type(attack).__name__}")
    ledger, home = Ledger(), batch.images.device
    batch = batch.stored_in(attack.channels).to(image_device(classifier.device))
    streams, started = Streams.for_images(batch.image_ids, seed=seed, step=step), perf_counter()
    attack, learning = taught(attack, classifier, examples, strengths, seed=seed, step=step)
    aims = batch.labels
    if attack.needs != Access.NONE:
        check_applies(attack.wants, classifier.card, batch.labels)
        aims = aims_of(attack.wants, classifier, batch.images, batch.labels)
    asked = len(batch.images) if attack.needs != Access.NONE and attack.wants.keep else 0
    victim = metered(classifier, ledger, batch.bits)
    for strength, attacked in rungs(attack, victim, batch.images, aims, streams, strengths):
        check_images(attacked, name=f"output of {attack!r}")
        budget, cost = attack.at(strength).budget, ledger.settle(strength)
        check_budget(f"attack {step!r} ({type(attack).__name__}) at {attack.strength} {strength:g}", attack.contract,
                     budget, attacked.detach() - batch.images, queries=cost.queries)
        images = stored(attacked.detach(), batch.images, budget, batch.bits)
        change, cost = (images - batch.images).flatten(1), cost.plus(Meter(queries=asked))
        success = None if attack.needs == Access.NONE else attack.wants.reached(
            classifier.card, classifier.predict(images), aims).to(home)
        yield AttackOutcome(
            strength=strength, images=images.to(home), linf=change.abs().amax(1).to(home),
            l2=torch.linalg.vector_norm(change, dim=1).to(home), success=success,
            cost=cost, seconds=perf_counter() - started, queries=cost.shares(len(images)), learning=learning)
        started, asked, learning = perf_counter(), 0, Meter()


def rungs(attack: Attack, victim: Classifier, images: Images, aims: Labels, streams: Streams,
          strengths: Sequence[float]) -> Iterator[tuple[float, Images]]:
    """Return each strength with the attacked images; no image for each where none is given, without the attack."""
    if not len(images):
        return iter([(strength, images.clone()) for strength in strengths])
    return attack.ladder(victim, images, aims, streams, strengths)


def check_strength(name: str, value: float) -> None:
    """Refuse a strength outside [0, 1].

    Raises:
        PlanError: It is outside.
    """
    if not 0 <= value <= 1:
        raise PlanError(f"{name} must lie in [0, 1], got {value}")


def blend(images: Images, changed: Images, amount: float) -> Images:
    """Mix two images: ``amount`` of ``changed``, the rest of ``images``; 0 returns the images' own values.

    Example:
        >>> import torch
        >>> float(blend(torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1), 0.25))
        0.25
    """
    return images + amount * (changed - images)
