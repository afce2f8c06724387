"""Model cards: the facts about a model beside its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import ValidationError, model_validator

from radversary.core.errors import ModelError, UnknownNameError
from radversary.core.text import FAULT, VALUE, first_fault, sentence
from radversary.core.types import Task
from radversary.imaging.rules import Interpolation, Resize, Size, sides_of
from radversary.storage.documents import Document

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of ImageNet's red, green and blue in [0, 1], as every torchvision weights file expects it."""

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of the same."""


Output = Literal["logits", "probabilities"]
"""What a network returns: logits, or what a softmax (one class of several) or a sigmoid made of them."""

class ModelCard(Document):
    """The facts that turn a network into a classifier of radiographs.

    Attributes:
        name: What people call the model.
        architecture: A name in :data:`radversary.classifiers.networks.NETWORKS`, or what a foreign module calls itself.
        task: What it decides of an image: ``multiclass``, ``binary`` or ``multilabel``.
        classes: Class names in the order of the logits, two at least; where the task is ``binary``, two, the second of
            which is the finding; where it is ``multilabel``, the findings that are read, one at least.
        outputs: Names of all the network's outputs in their order, where the task is ``multilabel`` and not every one
            is read, as they were never trained; empty where they are the classes.
        output: What the network returns, ``logits`` or ``probabilities``.
        thresholds: Probabilities from which on a finding is read as there: one where the task is ``binary``, one a
            finding where it is ``multilabel``; 0.5 where empty.
        size: Side of the square images it reads, in pixels, or height and width.
        crop: Side, or height and width, of the centre of an image that the network is given; all where None.
        channels: 1: images are radiographs and colour is projected away before anything else; 3: colour is read.
        resize: How a film of another shape becomes one: ``stretch``, ``pad`` (black at both sides), ``centre-crop``.
        interpolation: How pixels between pixels are found: ``bilinear``, ``bicubic``, ``nearest`` or ``area``.
        input_range: What the network is given for black and for white, before ``mean`` and ``std``: such as (0, 255),
            (-1, 1), (-1024, 1024).
        mean: Subtracted from the network's input, which has one channel for each figure here (1 or 3); ImageNet's where
            nothing is said of mean, std and input_range, 0 where a range is given alone.
        std: Divides the network's input afterwards; likewise, and 1 where a range is given alone.
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
    outputs: tuple[str, ...] = ()
    output: Output = "logits"
    thresholds: tuple[float, ...] = ()
    size: Size
    crop: Size | None = None
    channels: Literal[1, 3] = 1
    resize: Resize = "stretch"
    interpolation: Interpolation = "bilinear"
    input_range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    licence: str = ""
    source: str = ""
    trained_on: str = ""
    notes: str = ""
    sha256: str = ""

    @model_validator(mode="before")
    @classmethod
    def _range_alone(cls, fields: Any) -> Any:  # noqa: ANN401
        """Take ImageNet's mean and std for granted only where nothing is said of the input."""
        if isinstance(fields, dict) and "input_range" in fields and not {"mean", "std"} & set(fields):
            return {**fields, "mean": (0.0,) * _channels(fields), "std": (1.0,) * _channels(fields)}
        return fields

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for fault in (*_output_faults(self), *_input_faults(self)):
            raise ValueError(fault)
        return self

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the images it reads, in pixels."""
        return sides_of(self.size)

    @property
    def network_sides(self) -> tuple[int, int]:
        """Height and width of what the network is given: the centre crop, where there is one."""
        return sides_of(self.size if self.crop is None else self.crop)

    @property
    def bars(self) -> tuple[float, ...]:
        """The probability from which on each finding is read as there; none where the task is ``multiclass``."""
        findings = {Task.MULTICLASS: 0, Task.BINARY: 1, Task.MULTILABEL: len(self.classes)}[self.task]
        return self.thresholds or (0.5,) * findings

    @property
    def findings(self) -> tuple[str, ...]:
        """What may be found: the second class where the task is ``binary``, else all classes."""
        return self.classes[1:] if self.task == Task.BINARY else self.classes

    def __repr__(self) -> str:
        height, width = self.sides
        saved = f"sha256={self.sha256[:12]}" if self.sha256 else "unsaved"
        return sentence(f"ModelCard({sentence(self.name, VALUE)!r}, {self.architecture}, {self.task}: "
                        f"{sentence(', '.join(self.classes), VALUE)}; {height} x {width} px, channels={self.channels}, "
                        f"{saved})", FAULT)

    __str__ = __repr__

    def as_text(self) -> dict[str, str]:
        """Return every field as a person would read it."""
        return {name: ", ".join(f"{item}" for item in value) if isinstance(value, tuple) else str(value)
                for name, value in self.model_dump().items()}


def _channels(fields: Mapping[str, Any]) -> int:
    return 3 if fields.get("channels") == 3 else 1


def _output_faults(card: ModelCard) -> Iterator[str]:
    """Yield what is wrong with a card's classes, and with their outputs and thresholds."""
    names = ", ".join(card.classes) or "none"
    if card.task == Task.MULTICLASS and len(card.classes) < 2:
        yield (f"a classifier needs two classes at least, got {names}; where the network gives one logit, its task is "
               "binary, and its classes are the name of no finding and that of the finding")
    if card.task == Task.BINARY and len(card.classes) != 2:
        yield f"a binary model has two classes, the second of which is the finding, got {names}"
    if not card.classes:
        yield "a multilabel model has one finding at least, got none"
    if len(set(card.classes)) != len(card.classes):
        yield f"classes repeat: {names}"
    yield from _threshold_faults(card)


def _threshold_faults(card: ModelCard) -> Iterator[str]:
    """Yield what is wrong with a card's outputs and thresholds."""
    if card.outputs and card.task != Task.MULTILABEL:
        yield f"outputs can be left out where the task is multilabel, not where it is {card.task}"
    for name in card.classes if card.outputs else ():
        if card.outputs.count(name) != 1:
            yield f"class {name!r} must be named once in outputs ({', '.join(card.outputs)})"
    counts = {Task.MULTICLASS: 0, Task.BINARY: 1, Task.MULTILABEL: len(card.classes)}
    if len(card.thresholds) not in (0, counts[card.task]):
        yield f"a {card.task} model of these classes has {counts[card.task]} thresholds, got {len(card.thresholds)}"
    if not all(0 < bar < 1 for bar in card.thresholds):
        yield f"thresholds are probabilities between 0 and 1, got {', '.join(map(str, card.thresholds))}"


def _input_faults(card: ModelCard) -> Iterator[str]:
    """Yield what is wrong with what a card says of the network's input."""
    if len(card.mean) != len(card.std) or len(card.mean) not in (1, 3):
        yield "mean and std must both have 1 or 3 figures"
    if card.channels == 3 and len(card.mean) == 1:
        yield "a model that reads colour needs 3 figures in mean and std"
    if min(card.std, default=0) <= 0:
        yield "std must be above 0"
    if card.input_range[0] >= card.input_range[1]:
        yield f"input_range must rise, got {card.input_range[0]:g} to {card.input_range[1]:g}"
    if any(part > whole for part, whole in zip(card.network_sides, card.sides, strict=True)):
        yield f"crop {card.crop} is larger than the images, {card.size}"


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
        radversary.core.errors.ModelError: the card of model x is wrong: size.side: input should be greater than 0 \
(got 0)
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
