"""Models behind the transforms that they were trained with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from radversary.auditing.plan import AuditPlan
from radversary.auditing.setup import AuditInputs
from radversary.classifiers.base import Classifier
from radversary.classifiers.registry import load
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import ModelError
from radversary.data.checks import DataReport
from radversary.data.prepared import PreparedImages
from radversary.defenses.base import Stack
from radversary.defenses.defended import Defended
from radversary.defenses.restoration import load_restoration
from radversary.execution.devices import select_device
from radversary.storage.documents import read_document
from radversary.storage.json_files import write_json
from radversary.storage.plans import Part
from radversary.study.guards import guards_of
from radversary.study.model_plan import ModelPlan

INPUT = "input.json"
"""File of a model's folder that names the transforms before its network; absent where there are none."""


def placed(plan: ModelPlan, model: TorchClassifier) -> Classifier:
    """Return a model of a plan as it is used: behind the transforms it was trained with."""
    return Defended(model, plan.before(), inherent=True) if plan.input else model


def note_input(plan: ModelPlan, folder: Path) -> None:
    """Write the transforms before a network into its model's folder, or remove the note of them.

    Raises:
        StorageError: Writing failed.
    """
    if plan.input:
        write_json(folder / INPUT, [part.model_dump(mode="json") for part in plan.input])
    else:
        (folder / INPUT).unlink(missing_ok=True)


def load_model(reference: str | Path, *, device: torch.device | str = "cpu", allow_code: bool = False) -> Classifier:
    """Load a model, a saved one behind the transforms it was trained with.

    Args:
        reference: The model's folder, the weights file in it, or what else :func:`radversary.classifiers.registry.load`
            takes.
        device: Where it shall compute.
        allow_code: Whether Python code that the reference names, such as ``my_model.py:build``, may be imported and so
            run.

    Returns:
        The classifier.

    Raises:
        UnsafeModelError: The reference names Python code, and that is not allowed; or a file that can run code.
        ModelError: The model cannot be loaded, or the note of its transforms is damaged.
        UnknownNameError: A transform that does not exist here.
    """
    model, folder = load(reference, device=device, allow_code=allow_code), folder_of(reference)
    if folder is None or not (folder / INPUT).is_file():
        return model
    return Defended(model, read_input(folder / INPUT), inherent=True)


def load_alone(reference: str | Path, *, device: torch.device | str = "cpu", allow_code: bool = False) -> Classifier:
    """Load a model that is used as its network is, for those who look into the network, such as detectors.

    Args:
        reference: As for :func:`load_model`.
        device: Where it shall compute.
        allow_code: As there.

    Returns:
        The classifier.

    Raises:
        ModelError: It stands behind transforms, cannot be loaded, or the note of its transforms is damaged.
        UnknownNameError: A transform that does not exist here.
    """
    model = load_model(reference, device=device, allow_code=allow_code)
    if isinstance(model, Defended):
        raise ModelError(f"the model at {reference} was trained behind transforms ({model.transform!r}, noted in "
                         f"{INPUT}), and detectors would look at its network without them; give a model without "
                         "'input'")
    return model


def folder_of(reference: str | Path) -> Path | None:
    """Return the folder that a model lies in, with what is noted beside it; None where no path leads to the model.

    Args:
        reference: As for :func:`load_model`.

    Example:
        >>> folder_of("https://example.org/model"), folder_of("my_model.py:victim")
        (None, None)
    """
    place = Path(reference)
    if "://" in str(reference) or not place.exists():
        return None
    return place if place.is_dir() else place.parent


@dataclass(frozen=True)
class SavedInputs:
    """An audit's inputs by their saved files, from which another process builds equal ones.

    Attributes:
        models: Name to the reference of each model, such as its folder.
        restorers: Name to the folder of each trained transform.
        prepared: Folder of the prepared images.
        report: What the data check found.
        device: Where models compute.
        allow_code: Whether the victim's reference may name Python code.
        plan: The plan whose defences may name guards; None where none does.
    """

    models: Mapping[str, str | Path]
    restorers: Mapping[str, Path]
    prepared: Path
    report: DataReport
    device: str
    allow_code: bool = False
    plan: AuditPlan | None = None

    def __call__(self) -> AuditInputs:
        """Load all of it.

        Raises:
            ModelError: A model or transform cannot be loaded.
            DataError: There are no whole prepared images.
            PlanError: The device does not exist here.
        """
        place = select_device(self.device)
        classifiers = {name: load_model(reference, device=place, allow_code=self.allow_code)
                       for name, reference in self.models.items()}
        return AuditInputs(
            classifiers=classifiers, guards={} if self.plan is None else guards_of(self.plan, classifiers, place),
            transforms={name: load_restoration(folder) for name, folder in self.restorers.items()},
            images=PreparedImages.load(self.prepared), report=self.report, source="")


def read_input(note: Path) -> Stack:
    """Read which transforms stand before a network.

    Raises:
        ModelError: The note is damaged.
        UnknownNameError: A transform that does not exist here.
    """
    parts = read_document(note, tuple[Part, ...], what="the list of the transforms before a model", error=ModelError,
                          remedy="train the model anew")
    return ModelPlan(input=parts).before()
