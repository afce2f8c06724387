"""What is refused before a study begins: devices and weights that are not there, styles that would be seen twice."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, runtime_checkable

from radversary.attacks.base import Attack
from radversary.attacks.equal_noise import EqualNoise
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


def check_attacks(plan: StudyPlan) -> None:
    """Refuse attacks that could not be run, before anything is trained for them.

    Raises:
        PlanError: A rung that makes no sense for an attack, or a surrogate that is the victim.
        MissingPartError: Weights that an attack draws on cannot be had.
        DataError: A style folder is absent or empty.
    """
    for attack in plan.attacks:
        attack.known()
        if attack.surrogate == "victim":
            raise PlanError(f"the surrogate of attack {attack.label!r} is the victim itself; the transfer rung needs a "
                            "model that the victim's owner does not have")
        attack.build().material()
    for given in [given for attacks in training_attacks(plan).values() for given in attacks]:
        given.build().material()
    for model in plan.models.values():
        model.before().material()


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
