"""Checks before any image is read: unknown names and values, styles that are both trained on and tested."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

from radversary.attacks.base import Attack
from radversary.attacks.controls.equal_noise import EqualNoise, evades
from radversary.auditing.plan import AttackPlan, AuditPlan
from radversary.classifiers.places import check_place
from radversary.classifiers.pretrained import find_imagenet
from radversary.core.errors import AccessError, PlanError
from radversary.defenses.base import Stack, Transform
from radversary.execution.devices import select_device
from radversary.storage.checksums import sha256_file
from radversary.study.model_plan import TrainingAttack
from radversary.study.plan import StudyPlan
from radversary.stylization.bank import StyleBank
from radversary.stylization.textures import POOLS


@runtime_checkable
class Styled(Protocol):
    """An attack that draws on a bank of styles.

    Attributes:
        styles: A texture pool or a folder of pictures.
    """

    styles: str

    def bank(self) -> StyleBank:
        """Return the styles."""
        ...


def check_start(plan: StudyPlan, device: str) -> None:
    """Check what would otherwise fail only after the data was prepared.

    Raises:
        PlanError: The device does not exist here.
        MissingPartError: ImageNet weights that a model starts from cannot be had.
        ModelError: They are damaged.
    """
    select_device(device)
    for architecture in sorted({model.training.architecture for model in plan.models.values()
                                if model.training.start == "imagenet"}):
        find_imagenet(architecture)


def check_study(plan: StudyPlan, device: str) -> None:
    """Refuse a study that could not be run to its end, before its data is touched.

    Args:
        plan: What to do.
        device: ``auto`` or a torch device, for training.

    Raises:
        InputError: A name, value or combination that no step could work with.
        MissingPartError: Weights that a model starts from, or that an attack draws on, cannot be had.
    """
    check_audit(plan, plan.restorers)
    check_training(plan)
    check_styles(plan)
    check_start(plan, device)


def check_audit(plan: AuditPlan, promised: Iterable[str] = ()) -> None:
    """Refuse an audit whose attacks could not be run or whose defences could not be built.

    Args:
        plan: What to do.
        promised: Names of trained transforms that the study will make.

    Raises:
        AccessError: An attack that evades detectors, of which an audit has none.
        DataError: A style folder is absent or empty.
        MissingPartError: Weights that an attack draws on cannot be had.
        ModelError: A saved transform that cannot be loaded.
        PlanError: A strength or hyper-parameter outside its range, knowledge that makes no sense for an attack, a
            surrogate that is the victim, or options for a trained transform.
        UnknownNameError: No such attack, transform, hyper-parameter or style source.
    """
    stand_ins: dict[str, Transform] = dict.fromkeys(promised, Stack(()))
    for defence in plan.defences:
        defence.build(stand_ins)
    plan.build_detectors()
    check_attacks(plan.attacks)
    guarded = any(defence.guard is not None for defence in plan.defences)
    for attack in plan.attacks:
        if not guarded:
            refuse_unguarded(attack.build(), attack.label)
        if "victim" in attack.surrogates():
            raise PlanError(f"the surrogate of attack {attack.label!r} is the victim itself; a transfer attack needs a "
                            "model that the victim's owner does not have")


def check_attacks(attacks: Iterable[AttackPlan]) -> None:
    """Refuse attacks that could not be run, whatever they are to be run on; errors as in :func:`check_audit`."""
    for attack in attacks:
        attack.known()
        attack.build().content_hashes()


def refuse_unguarded(attack: Attack, label: str) -> None:
    """Refuse an attack that evades detectors, itself or as the measure of some noise.

    Raises:
        AccessError: It does.
    """
    if evades(attack):
        raise AccessError(f"attack {label!r} evades detectors, and here are none: a guard is attacked by `radversary "
                          "detector evaluate`")


def check_training(plan: StudyPlan) -> None:
    """Refuse training attacks that could not be run, and inputs that could not be built.

    Raises:
        InputError: A name, value or combination that does not exist.
        MissingPartError: Weights that an attack draws on cannot be had.
    """
    for given in [given for attacks in training_attacks(plan).values() for given in attacks]:
        attack = given.build()
        refuse_unguarded(attack, given.label)
        attack.content_hashes()
    for model in plan.models.values():
        model.before().content_hashes()
        if model.labels_from and not model.labels_from.named:
            check_place(model.labels_from.model)


def check_styles(plan: StudyPlan) -> None:
    """Refuse a plan that trains on styles it is audited with, or whose styles are not there.

    An oracle is meant to: it is the ceiling, and its card says so.

    Raises:
        PlanError: It does.
        DataError: A style folder is absent or empty.
        UnknownNameError: No such attack, hyper-parameter or style source.
    """
    tested = {attack.label: styles_of(attack.build()) for attack in plan.attacks}
    oracles = [f"model {name!r}" for name, model in plan.models.items() if model.oracle]
    for who, attacks in training_attacks(plan).items():
        trained = {mark: style for given in attacks for mark, style in styles_of(given.build()).items()}
        for label, styles in tested.items():
            shared = sorted(trained[mark] for mark in trained.keys() & styles.keys())
            if shared and who not in oracles:
                raise PlanError(f"{who} trains on {len(shared)} of the styles that attack {label!r} is "
                                f"audited with ({', '.join(shared[:3])}{' …' if len(shared) > 3 else ''}); "
                                "use the other pool or another folder")


def training_attacks(plan: StudyPlan) -> dict[str, tuple[TrainingAttack, ...]]:
    """Return the attacks by what trains on them, such as ``model 'robust'``."""
    return {**{f"model {name!r}": model.attacks() for name, model in plan.models.items()},
            **{f"restorer {name!r}": restorer.attacks for name, restorer in plan.restorers.items()}}


def styles_of(attack: Attack) -> dict[str, str]:
    """Return what tells an attack's styles from another's, each with a name for people; nothing where it has none.

    Two textures of one family are one style whatever their size and seed; two pictures are one where their files are.
    Noise of another attack's size has that attack's styles.
    """
    if isinstance(attack, EqualNoise):
        return styles_of(attack.other())
    if not isinstance(attack, Styled):
        return {}
    names = attack.bank().names
    if attack.styles in POOLS:
        return {family: family for family in (name.rpartition("-")[0] for name in names)}
    return {sha256_file(Path(attack.styles) / name): name for name in names}
