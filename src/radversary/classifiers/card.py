"""Model cards: the facts about a model beside its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from radversary.core.errors import ModelError, UnknownNameError
from radversary.core.text import first_fault
from radversary.core.types import Task
from radversary.imaging.image import Resize
from radversary.imaging.intensity import Interpolation
from radversary.storage.documents import Document

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of ImageNet's red, green and blue in [0, 1], as every torchvision weights file expects it."""

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of the same."""


class ModelCard(Document):
    """The facts that turn a network into a classifier of radiographs.

    Attributes:
        name: What people call the model.
        architecture: A name in :data:`radversary.classifiers.networks.NETWORKS`, or what a foreign module calls itself.
        task: What it decides of an image; only ``multiclass`` is read.
        classes: Class names in the order of the logits; two at least, as one logit has neither a loss nor a margin
            here.
        size: Side of the square images it reads, in pixels.
        channels: 1: images are radiographs and colour is projected away before anything else; 3: colour is read.
        resize: How a film that is not square becomes one: ``stretch``, ``pad`` (black at both sides), ``centre-crop``.
        interpolation: How pixels between pixels are found: ``bilinear``, ``bicubic``, ``nearest`` or ``area``.
        mean: Subtracted from the network's input, which has one channel for each figure here (1 or 3).
        std: Divides the network's input afterwards.
        licence: Licence of the weights.
        source: Where the weights come from.
        trained_on: The data it was trained on.
        notes: Anything else a reader should know.
        sha256: Hash of the weights file; empty until the model is saved.

    Example:
        >>> card = ModelCard(name="mine", architecture="resnet18", classes=("Normal", "Pneumonia"), size=64)
        >>> card.channels, card.as_text()["classes"]
        (1, 'Normal, Pneumonia')
    """

    name: str
    architecture: str
    task: Task = Task.MULTICLASS
    classes: tuple[str, ...]
    size: int = Field(gt=0)
    channels: Literal[1, 3] = 1
    resize: Resize = "stretch"
    interpolation: Interpolation = "bilinear"
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    licence: str = ""
    source: str = ""
    trained_on: str = ""
    notes: str = ""
    sha256: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.classes) < 2:
            raise ValueError(f"a classifier needs two classes at least, got {', '.join(self.classes) or 'none'}; where "
                             "the network gives one logit x, have it give the two logits (0, x)")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes repeat: {', '.join(self.classes)}")
        if len(self.mean) != len(self.std) or len(self.mean) not in (1, 3):
            raise ValueError("mean and std must both have 1 or 3 figures")
        if self.channels == 3 and len(self.mean) == 1:
            raise ValueError("a model that reads colour needs 3 figures in mean and std")
        if min(self.std) <= 0:
            raise ValueError("std must be above 0")
        return self

    def as_text(self) -> dict[str, str]:
        """Return every field as a person would read it."""
        return {name: ", ".join(f"{item}" for item in value) if isinstance(value, tuple) else str(value)
                for name, value in self.model_dump().items()}


def make_card(where: str, fields: Mapping[str, Any]) -> ModelCard:
    """Check ``fields`` and make a card of them.

    Args:
        where: What the fields belong to, for error texts.
        fields: The card's fields.

    Returns:
        The card.

    Raises:
        UnknownNameError: A field that no card has, or a task that is not read.
        ModelError: A field is missing or has a value that the card refuses.

    Example:
        >>> make_card("model x", {"name": "x", "architecture": "resnet18", "classes": ["a", "b"], "size": 0})
        Traceback (most recent call last):
        radversary.core.errors.ModelError: the card of model x is wrong: size: input should be greater than 0 (got 0)
    """
    for field in fields:
        if field not in ModelCard.model_fields:
            raise UnknownNameError(f"field in the card of {where}", str(field), ModelCard.model_fields)
    if (task := fields.get("task", Task.MULTICLASS)) not in list(Task):
        raise UnknownNameError(f"task in the card of {where}", str(task), [known.value for known in Task])
    try:
        return ModelCard.model_validate(fields)
    except ValidationError as error:
        raise ModelError(f"the card of {where} is wrong: {first_fault(error)}") from error
