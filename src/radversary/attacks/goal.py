"""What an attacker wants of a model's decisions: by task, in this file and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Final

import torch
from pydantic import BeforeValidator
from torch import Tensor

from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.own_faults import gradient_of
from radversary.classifiers.tasks import excess_of
from radversary.core.errors import PlanError, UnknownNameError
from radversary.core.goal_text import goal_parts, goal_text
from radversary.core.types import UNKNOWN, Images, Labels, Task


class GoalKind(StrEnum):
    """The kinds of goal.

    ``untargeted`` wants a wrong decision; ``targeted`` one class; ``hide`` that what is there is not found, as a missed
    pneumothorax; ``invent`` that something is found that is not there.
    """

    UNTARGETED = "untargeted"
    TARGETED = "targeted"
    HIDE = "hide"
    INVENT = "invent"


@dataclass(frozen=True, repr=False)
class Goal:
    """The goal of an attacker; its repr is how it is written.

    An attack is given its *aims*, which :meth:`aims` makes of the labels: the classes that images shall leave, where
    the goal is untargeted or hides one class of several, else those that they shall reach. Where the task is
    ``multilabel``, aims are (N, K) with :data:`~radversary.core.types.UNKNOWN` for findings of no interest.

    Attributes:
        kind: What is wanted.
        findings: The classes or findings that it is about. ``targeted``, and ``invent`` where the task is
            ``multiclass``, name one; ``hide`` there names one at least; otherwise none stands for all.
        keep: Whether all other findings must stay as the model reads them before the attack; where the task is
            ``multilabel`` and the goal ``hide`` or ``invent``.

    Example:
        >>> Goal(GoalKind.HIDE, ("Pneumothorax",))
        hide Pneumothorax
    """

    kind: GoalKind = GoalKind.UNTARGETED
    findings: tuple[str, ...] = ()
    keep: bool = False

    def __repr__(self) -> str:
        return goal_text(self.kind, self.findings, keep=self.keep)

    def check(self, card: ModelCard) -> None:
        """Refuse a goal that makes no sense for a model.

        Raises:
            PlanError: It does not for the task, or names too many or too few findings.
            UnknownNameError: It names a class that the model does not have.
        """
        for name in self.findings:
            if name not in card.classes:
                raise UnknownNameError(f"finding of the goal {self!r} for model {card.name!r}", name, card.classes)
        many, single = card.task == Task.MULTILABEL, card.task == Task.MULTICLASS
        one = self.kind == GoalKind.TARGETED or (single and self.kind == GoalKind.INVENT)
        if many and self.kind == GoalKind.TARGETED:
            raise PlanError(f"a targeted goal names the one class that is wanted, and model {card.name!r} reads "
                            "several findings at once: hide or invent some")
        if one and len(self.findings) != 1:
            raise PlanError(f"the goal {self.kind} of a {card.task} model names one class, got "
                            f"{', '.join(self.findings) or 'none'}; its classes are {', '.join(card.classes)}")
        if single and self.kind == GoalKind.HIDE and not self.findings:
            raise PlanError(f"the goal hide of a {card.task} model names the classes to hide, such as "
                            f"{card.classes[-1]!r}; its classes are {', '.join(card.classes)}")
        if self.keep and not (many and self.kind in (GoalKind.HIDE, GoalKind.INVENT)):
            raise PlanError(f"the goal {self!r} of a {card.task} model has no other findings to keep")
        if card.task == Task.BINARY and self.kind in (GoalKind.HIDE, GoalKind.INVENT) and (
                set(self.findings) - set(card.findings)):
            raise PlanError(f"what model {card.name!r} finds is {card.findings[0]!r}; {self.kind} that")

    def leaves(self, card: ModelCard) -> bool:
        """Return whether aims are to be left; otherwise they are to be reached."""
        return self.kind == GoalKind.UNTARGETED or (self.kind == GoalKind.HIDE and card.task == Task.MULTICLASS)

    def applies(self, card: ModelCard, labels: Labels) -> Tensor:
        """Return on which images the goal makes sense, bool (N,): there is something to leave, to hide or to invent.

        Args:
            card: The model's card.
            labels: (N,) or (N, K), :data:`~radversary.core.types.UNKNOWN` where not known.
        """
        if card.task == Task.MULTILABEL:
            return (self._changed(card, labels) != UNKNOWN).any(1)
        known = labels != UNKNOWN
        if self.leaves(card):
            return torch.isin(labels, self._indices(card).to(labels)) & known
        return (labels != self._wanted(card)) & known

    def aims(self, card: ModelCard, labels: Labels, decisions: Labels | None = None) -> Labels:
        """Return what an attack on images aims at, of the shape of the labels.

        Args:
            card: The model's card.
            labels: (N,) or (N, K).
            decisions: What the model decides of the images before the attack, which :attr:`keep` needs.
        """
        if card.task != Task.MULTILABEL:
            return labels if self.leaves(card) else torch.full_like(labels, self._wanted(card))
        changed = self._changed(card, labels)
        if not self.keep or decisions is None:
            return changed
        return torch.where(changed == UNKNOWN, decisions.to(changed), changed)

    def margin(self, card: ModelCard, logits: Tensor, aims: Labels) -> Tensor:
        """Return by how much the goal is reached, float32 (N,); above 0 it is. Gradient steps climb it.

        A model whose logits are multiplied by a constant decides alike, but its cross-entropy saturates: the gradient
        underflows to zero, an attack that follows it does not move, and a failed attack looks like robustness. The
        gradient of a margin is multiplied by that constant and nothing else. Of two classes it has the direction of the
        cross-entropy's gradient. Source: Carlini and Wagner 2017, arXiv:1608.04644, f6 without the bound.

        Args:
            card: The model's card.
            logits: (N, K).
            aims: Of :meth:`aims`.
        """
        if card.task == Task.MULTICLASS:
            above = margin(logits.float(), aims)
            return above if self.leaves(card) else -above
        excess = excess_of(logits.float(), card)
        at_aim = torch.where(aims == 1, excess, -excess)
        if card.task == Task.BINARY:
            return -at_aim if self.leaves(card) else at_aim
        counts = aims != UNKNOWN
        if self.leaves(card):  # any one finding that is read wrongly will do
            return (-at_aim).masked_fill(~counts, -torch.inf).amax(1)
        return at_aim.masked_fill(~counts, torch.inf).amin(1)

    def reached(self, card: ModelCard, decisions: Labels, aims: Labels) -> Tensor:
        """Return whether decisions are what the attacker wants, bool (N,).

        Args:
            card: The model's card.
            decisions: What the model decides of the images, (N,) or (N, K).
            aims: Of :meth:`aims`.
        """
        same = decisions == aims
        if card.task != Task.MULTILABEL:
            return ~same if self.leaves(card) else same
        counts = aims != UNKNOWN
        return (~same & counts).any(1) if self.leaves(card) else (same | ~counts).all(1)

    def _indices(self, card: ModelCard) -> Tensor:
        """Return the indices of the classes that the goal is about; all where it names none."""
        return torch.tensor([card.classes.index(name) for name in self.findings or card.classes])

    def _wanted(self, card: ModelCard) -> int:
        """Return the class to be reached."""
        if card.task == Task.BINARY and self.kind != GoalKind.TARGETED:
            return int(self.kind == GoalKind.INVENT)
        return card.classes.index(self.findings[0])

    def _changed(self, card: ModelCard, labels: Labels) -> Labels:
        """Return the aims of a multi-label goal, nothing kept: those findings whose reading is to change."""
        aims = torch.full_like(labels, UNKNOWN)
        chosen = torch.zeros(labels.shape[1], dtype=torch.bool, device=labels.device)
        chosen[self._indices(card).to(labels.device)] = True
        match self.kind:
            case GoalKind.HIDE:
                return torch.where(chosen & (labels == 1), 0, aims)
            case GoalKind.INVENT:
                return torch.where(chosen & (labels == 0), 1, aims)
            case _:
                return torch.where(chosen, labels, aims)


UNTARGETED: Final = Goal()
"""The goal of an attack that is not told another: a wrong decision."""


@lru_cache
def goal_from(text: str) -> Goal:
    """Read a goal as it is written: ``hide``, ``hide Pneumothorax|Mass``, ``hide Mass keep``.

    A name that holds ``|`` or is or ends with ``keep`` stands in quotation marks: ``invent "keep"``.

    Raises:
        UnknownNameError: No such kind of goal.

    Example:
        >>> goal_from("invent Mass|Nodule keep").findings
        ('Mass', 'Nodule')
    """
    kind, findings, keep = goal_parts(text)
    if kind not in list(GoalKind):
        raise UnknownNameError("goal", kind, [known.value for known in GoalKind])
    return Goal(GoalKind(kind), findings, keep)


def written_goal(given: Any) -> str:  # noqa: ANN401
    """Return a goal, or a goal as it is written, as it is written.

    Raises:
        UnknownNameError: No such kind of goal.
    """
    return repr(given if isinstance(given, Goal) else goal_from(str(given)))


WrittenGoal = Annotated[str, BeforeValidator(written_goal)]
"""A goal as :func:`goal_from` reads it."""


def margin(logits: Tensor, labels: Labels) -> Tensor:
    """Return how far the best other class lies above a class, (N,).

    Args:
        logits: (N, K), K of at least 2; log-probabilities give the same differences.
        labels: Classes (N,).

    Example:
        >>> margin(torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([0])).item()
        2.0
    """
    own = logits.gather(1, labels[:, None])
    others = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    return others - own[:, 0]


def aims_of(goal: Goal, classifier: Classifier, images: Images, labels: Labels) -> Labels:
    """Return what an attack with a goal aims at; the model is asked where other findings are to be kept.

    Args:
        goal: The goal.
        classifier: The victim.
        images: (N, C, H, W) in [0, 1], before the attack.
        labels: (N,) or (N, K).

    Raises:
        PlanError: The goal makes no sense for the model.
        UnknownNameError: It names a class that the model does not have.
    """
    goal.check(classifier.card)
    return goal.aims(classifier.card, labels, classifier.predict(images) if goal.keep else None)


def check_applies(goal: Goal, card: ModelCard, labels: Labels) -> None:
    """Refuse images on which a goal makes no sense: nothing is there to leave, to hide or to invent.

    Raises:
        PlanError: It makes none for the model, or for an image.
    """
    goal.check(card)
    if missed := int((~goal.applies(card, labels)).sum()):
        raise PlanError(f"the goal {goal!r} makes no sense for {missed} of {len(labels)} images: what is there is not "
                        "known, or there is nothing to change; leave them out")


def image_gradient(classifier: Classifier, images: Images, aims: Labels, goal: Goal = UNTARGETED) -> Tensor:
    """Return the gradient of each image's margin with respect to that image, (N, C, H, W); zero where there is none.

    No gradient of a weight is computed. The model's mode and its parameters are left as they are.

    Args:
        classifier: One that gives gradients.
        images: (N, C, H, W) in [0, 1].
        aims: What the goal makes of the labels.
        goal: The goal.
    """
    with torch.enable_grad():
        at = images.detach().requires_grad_()
        climbed = goal.margin(classifier.card, classifier.logits(at), aims).sum()
        return gradient_of(climbed, at, classifier.card)
