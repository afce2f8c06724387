"""What an attacker knows, rung by rung, and which model each attack is therefore made on.

An attack is a function of a classifier. On the lower rungs every defence meets the same images; on the upper ones each
gets images of its own, made against it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from radversary.attacks.base import Attack
from radversary.classifiers.base import Classifier
from radversary.core.errors import PlanError
from radversary.core.types import Access
from radversary.defenses.defended import Defended

EXPECTATION = 10
"""Gradients averaged a step against a defence that is random (Athalye et al. 2018, arXiv:1802.00420), at least."""


class Rung(StrEnum):
    """How much the attacker knows of what stands between the image and the verdict.

    ``oblivious`` attacks the undefended classifier, or none; ``transfer`` a surrogate of its own; ``classifier`` the
    very classifier of the defence, but not the transforms before it; ``adaptive`` all of it, through the defence.
    """

    OBLIVIOUS = "oblivious"
    TRANSFER = "transfer"
    CLASSIFIER = "classifier"
    ADAPTIVE = "adaptive"


SHARED = (Rung.OBLIVIOUS, Rung.TRANSFER)
"""Rungs on which every defence meets the same images."""


@dataclass(frozen=True)
class Aim:
    """One model to attack, and the defences that meet the result.

    Attributes:
        core: The classifier that is attacked.
        target: The same as this attacker sees it.
        defences: Labels of the defences that read the attacked images.
        random: Whether the target answers the same image differently.
    """

    core: Classifier
    target: Classifier
    defences: tuple[str, ...]
    random: bool = False

    @classmethod
    def at(cls, core: Classifier, defences: Iterable[str]) -> Aim:
        """Aim at a classifier, opened up."""
        return cls(core=core, target=opened(core), defences=tuple(defences), random=is_random(core))


def possible_rungs(attack: Attack, *, surrogate: bool) -> tuple[Rung, ...]:
    """Return the rungs on which an attack makes sense: one that looks at no model is oblivious and nothing else.

    Args:
        attack: The attack.
        surrogate: Whether there is a surrogate to make it on.
    """
    if attack.needs == Access.NONE:
        return (Rung.OBLIVIOUS,)
    return tuple(rung for rung in Rung if surrogate or rung != Rung.TRANSFER)


def aims(rung: Rung, readers: Mapping[str, Classifier], surrogate: Classifier | None) -> tuple[Aim, ...]:
    """Return whom an attacker of one rung attacks.

    Args:
        rung: What is known.
        readers: Defence label to the classifier behind it; ``none`` is the victim.
        surrogate: The model of the transfer rung.

    Returns:
        The aims; each defence is in exactly one.

    Raises:
        PlanError: A transfer without a surrogate.

    Example:
        >>> from radversary.classifiers import wrap
        >>> import torch
        >>> victim = wrap(torch.nn.Flatten(), classes=[str(i) for i in range(256)], size=16)
        >>> [aim.defences for aim in aims(Rung.ADAPTIVE, {"none": victim, "other": victim}, None)]
        [('none', 'other')]
    """
    if rung == Rung.TRANSFER:
        if surrogate is None:
            raise PlanError("the transfer rung needs a surrogate; name one of the models")
        return (Aim.at(surrogate, readers),)
    if rung == Rung.OBLIVIOUS:
        return (Aim.at(readers["none"], readers),)
    grouped: dict[int, list[str]] = {}
    seen: dict[int, Classifier] = {}
    for label, reader in readers.items():
        target = reader if rung == Rung.ADAPTIVE else behind(reader)
        seen[id(target)] = target
        grouped.setdefault(id(target), []).append(label)
    return tuple(Aim.at(seen[mark], labels) for mark, labels in grouped.items())


def behind(reader: Classifier) -> Classifier:
    """Return the classifier behind a defence's transforms; what a model does to its own input is part of it."""
    return reader.classifier if isinstance(reader, Defended) and not reader.inherent else reader


def opened(reader: Classifier) -> Classifier:
    """Return a classifier as one who knows all of it rebuilds it at home: gradients reach through each transform."""
    if not isinstance(reader, Defended):
        return reader
    return Defended(opened(reader.classifier), reader.transform, adaptive=True, inherent=reader.inherent)


def is_random(reader: Classifier) -> bool:
    """Return whether any transform before a classifier draws at random, and its twin is not the mean over all draws."""
    if not isinstance(reader, Defended):
        return False
    return (reader.transform.random and not reader.transform.exact) or is_random(reader.classifier)


def armed(attack: Attack, aim: Aim) -> Attack:
    """Return the attack with as many gradient samples as a random target calls for."""
    if not (aim.random and "eot" in {item.name for item in fields(attack)}):  # type: ignore[arg-type]
        return attack
    return replace(attack, eot=max(getattr(attack, "eot"), EXPECTATION))  # type: ignore[type-var]  # noqa: B009
