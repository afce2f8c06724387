"""Which model an attack is made on, by what the attacker knows.

Oblivious and transfer attacks give every defence the same images; gray-box and adaptive ones make images of their own
against each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from radversary.attacks.base import Attack
from radversary.attacks.controls.equal_noise import evades
from radversary.auditing.guarded import Guarded
from radversary.classifiers.base import Classifier
from radversary.classifiers.ensemble import Ensemble
from radversary.core.errors import PlanError
from radversary.core.types import Access, AttackerKnowledge
from radversary.defenses.defended import Defended

EXPECTATION = 10
"""Gradients averaged a step against a defence that is random (Athalye et al. 2018, arXiv:1802.00420), at least."""


SHARED = (AttackerKnowledge.OBLIVIOUS, AttackerKnowledge.TRANSFER)
"""Knowledge at which all defences get the same images."""


@dataclass(frozen=True)
class Aim:
    """One model to attack, and the defences that the attacked images are evaluated with.

    Attributes:
        core: The classifier that is attacked.
        target: The same as this attacker sees it.
        defences: Labels of the defences that predict the attacked images.
        random: Whether the target answers the same image differently.
    """

    core: Classifier
    target: Classifier
    defences: tuple[str, ...]
    random: bool = False

    @classmethod
    def at(cls, core: Classifier, defences: Iterable[str]) -> Aim:
        """Return the aim at a classifier in its white-box view."""
        return cls(core=core, target=white_box_view(core), defences=tuple(defences), random=is_random(core))


def possible_knowledge(attack: Attack, *, surrogate: bool) -> tuple[AttackerKnowledge, ...]:
    """Return the knowledge levels that apply to an attack.

    One that uses no model is oblivious only, one that evades detectors adaptive only.

    Args:
        attack: The attack.
        surrogate: Whether there is a surrogate to make it on.
    """
    if attack.needs == Access.NONE:
        return (AttackerKnowledge.OBLIVIOUS,)
    if evades(attack):
        return (AttackerKnowledge.ADAPTIVE,)
    return tuple(knowledge for knowledge in AttackerKnowledge if surrogate or knowledge != AttackerKnowledge.TRANSFER)


def aims(knowledge: AttackerKnowledge, defended_classifiers: Mapping[str, Classifier],
         surrogate: Classifier | None) -> tuple[Aim, ...]:
    """Return the models that an attacker with some knowledge attacks.

    Args:
        knowledge: What is known.
        defended_classifiers: Defence label to the classifier behind it; ``none`` is the victim.
        surrogate: The model of a transfer attack.

    Returns:
        The aims; each defence is in exactly one.

    Raises:
        PlanError: A transfer without a surrogate.

    Example:
        >>> from radversary.classifiers import wrap
        >>> import torch
        >>> victim = wrap(torch.nn.Flatten(), classes=[str(i) for i in range(256)], size=16)
        >>> [aim.defences for aim in aims(AttackerKnowledge.ADAPTIVE, {"none": victim, "other": victim}, None)]
        [('none', 'other')]
    """
    if knowledge == AttackerKnowledge.TRANSFER:
        if surrogate is None:
            raise PlanError("a transfer attack needs a surrogate; name one of the models")
        return (Aim.at(surrogate, defended_classifiers),)
    if knowledge == AttackerKnowledge.OBLIVIOUS:
        return (Aim.at(defended_classifiers["none"], defended_classifiers),)
    grouped: dict[int, list[str]] = {}
    seen: dict[int, Classifier] = {}
    for label, defended in defended_classifiers.items():
        # A guard changes no answer: attacks that do not ask it are made on its model.
        known = knowledge == AttackerKnowledge.ADAPTIVE and not isinstance(defended, Guarded)
        target = defended if known else base_classifier(defended)
        seen[id(target)] = target
        grouped.setdefault(id(target), []).append(label)
    return tuple(Aim.at(seen[mark], labels) for mark, labels in grouped.items())


def guards(defended_classifiers: Mapping[str, Classifier]) -> tuple[Aim, ...]:
    """Return the aims of an attack that evades detectors: every guarded model.

    Args:
        defended_classifiers: Defence label to the classifier behind it.

    Returns:
        One aim a guarded model. The model without any defence reads the images of the first: it is shown all attacks.
    """
    guarded = {label: defended for label, defended in defended_classifiers.items() if isinstance(defended, Guarded)}
    return tuple(Aim(core=defended, target=defended, defences=(label, *(["none"] if place == 0 else [])))
                 for place, (label, defended) in enumerate(guarded.items()))


def base_classifier(defended: Classifier) -> Classifier:
    """Return the classifier behind a defence's transforms or guard; what a model does to its input is part of it."""
    if isinstance(defended, Guarded):
        return defended.classifier
    return defended.classifier if isinstance(defended, Defended) and not defended.inherent else defended


def without_transforms(classifier: Classifier) -> Classifier:
    """Return the model behind all transforms, which may draw at random where a model may not."""
    if isinstance(classifier, Guarded):
        return without_transforms(classifier.classifier)
    return without_transforms(classifier.classifier) if isinstance(classifier, Defended) else classifier


def white_box_view(defended: Classifier) -> Classifier:
    """Return a classifier with gradients through each transform (BPDA), as a white-box attacker sees it."""
    if isinstance(defended, Ensemble):
        return defended.each(white_box_view)
    if not isinstance(defended, Defended):
        return defended
    return Defended(white_box_view(defended.classifier), defended.transform, adaptive=True, inherent=defended.inherent)


def is_random(defended: Classifier) -> bool:
    """Return whether a transform before a classifier draws at random and its ``bpda`` is not the mean of all draws."""
    if isinstance(defended, Ensemble):
        return any(map(is_random, defended.members))
    if not isinstance(defended, Defended):
        return False
    return (defended.transform.random and not defended.transform.exact) or is_random(defended.classifier)


def with_eot(attack: Attack, aim: Aim) -> Attack:
    """Return the attack with as many gradient samples as a random target calls for."""
    if not (aim.random and "eot" in {item.name for item in fields(attack)}):
        return attack
    changes: dict[str, Any] = {"eot": max(getattr(attack, "eot"), EXPECTATION)}  # noqa: B009
    return replace(attack, **changes)
