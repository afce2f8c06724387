"""What is refused before a study begins: devices and weights that are not there, styles that would be seen twice."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from radversary.attacks.base import Attack
from radversary.attacks.gradient.linf import LinfAttack
from radversary.audit.plan import AttackPlan
from radversary.classifiers.pretrained import find_imagenet
from radversary.core.errors import PlanError
from radversary.core.files import sha256_file
from radversary.defenses.base import Stack, Transform
from radversary.execution.devices import select_device
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
    """Refuse at once what would otherwise stop a study after its data was prepared.

    Raises:
        PlanError: The device does not exist here.
        MissingPartError: ImageNet weights that a model starts from cannot be had.
        ModelError: They are damaged.
    """
    select_device(device)
    for architecture in sorted({model.training.architecture for model in plan.models.values()
                                if model.training.start == "imagenet"}):
        find_imagenet(architecture)


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
    """Return who trains on which attacks, such as ``model 'robust'``."""
    return {**{f"model {name!r}": model.attacks() for name, model in plan.models.items()},
            **{f"restorer {name!r}": restorer.attacks for name, restorer in plan.restorers.items()}}


def check_defences(plan: StudyPlan) -> None:
    """Refuse a defence whose transforms do not exist; those that the study trains are taken on trust.

    Raises:
        UnknownNameError: No such transform, restorer or hyper-parameter.
        PlanError: Options for a restorer.
    """
    promised: dict[str, Transform] = dict.fromkeys(plan.restorers, Stack(()))
    for defence in plan.defences:
        defence.build(promised)


def familiar_with(plan: StudyPlan) -> dict[str, list[str]]:
    """Return who was trained with what of each audited attack: model or restorer to labels of attacks.

    A style attack is familiar where its generator was trained on, a bounded one where its surrogate was.
    """
    trained = {**{name: model.attacks() for name, model in plan.models.items()},
               **{name: restorer.attacks for name, restorer in plan.restorers.items()}}
    return {name: [audited.label for audited in plan.attacks if any(is_kin(audited, given) for given in attacks)]
            for name, attacks in trained.items()}


def is_kin(audited: AttackPlan, given: TrainingAttack) -> bool:
    """Return whether training on one attack prepares for another: the same style generator, or the same surrogate."""
    first, second = audited.build(), given.build()
    if (generator := getattr(first, "generator", None)) is not None:
        return bool(generator == getattr(second, "generator", None))
    return isinstance(second, LinfAttack) and isinstance(first, LinfAttack) and given.model == (
        audited.surrogate or "victim")


def styles_of(attack: Attack) -> dict[str, str]:
    """Return what tells an attack's styles from another's, each with a name for people.

    Two textures of one family are one style whatever their size and seed; two pictures are one where their files are.
    """
    if not isinstance(attack, Styled):
        return {mark: mark[:12] for mark in attack.material()}
    names = attack.bank().names
    if attack.styles in POOLS:
        return {family: family for family in (name.rpartition("-")[0] for name in names)}
    return {sha256_file(Path(attack.styles) / name): name for name in names}
