"""Drafts the card of a model from what its file says, what it answers to generated images, and what a person knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from radversary.classifiers.card import IMAGENET_MEAN, IMAGENET_STD, ModelCard, make_card
from radversary.classifiers.draft import NEEDED, OPTIONS, Draft, DraftField, Origin
from radversary.classifiers.facts import Facts, beside_facts
from radversary.classifiers.http_files import ENDING, is_url, shown_url, url_in
from radversary.classifiers.places import card_place, weights_file
from radversary.classifiers.probe import COUNT, ProbeResult, probe
from radversary.classifiers.registry import CLASSIFIERS, ClassifierLoader, DescribesItself
from radversary.core.errors import ModelError, RadversaryError, UnknownNameError
from radversary.core.types import Access, Task
from radversary.storage.checksums import sha256_file
from radversary.storage.files import absent

DEFAULTS: Final[Mapping[str, Any]] = {
    "channels": 1, "resize": "stretch", "interpolation": "bilinear", "thresholds": (), "licence": "", "source": "",
    "trained_on": "", "outputs": (), "crop": None}
"""What is taken for granted where nobody says otherwise."""

UNSIGNED: Final = ("outputs", "crop", "source", "trained_on")
"""Of these, fields whose default says nothing that could be wrong: they are left out of the table."""

SIZE: Final = 224
"""Side of the generated images where the size is not known yet."""



def describe(reference: str | Path, answers: Mapping[str, Any] | None = None) -> Draft:
    """Draft the card of a model.

    The file is read as its kind's loader reads it, without running code of it, and the model is asked about generated
    images with what is known so far, to see whether it answers with probabilities.

    Args:
        reference: A model's file or folder, its address, or a file ``NAME.http.json`` with one.
        answers: Fields of the card that a person knows; they win over what is read. ``input_range`` may be
            ``"imagenet"``.

    Returns:
        The draft; nothing is written.

    Raises:
        UnsafeModelError: The file could run code when it is loaded.
        ModelError: There is no model, it is damaged, or of a kind that brings its card itself.
        UnknownNameError: An answer that is no field of a card.

    Example:
        >>> from tempfile import mkdtemp
        >>> from safetensors.torch import save_file
        >>> from radversary.classifiers.networks import build_network
        >>> file = Path(mkdtemp()) / "lungs.safetensors"
        >>> state = build_network("resnet18", classes=2).state_dict()
        >>> save_file({name: value.contiguous() for name, value in state.items()}, file)
        >>> draft = describe(file, {"size": 64, "input_range": "imagenet"})
        >>> draft.value("architecture"), draft.count, list(draft.missing), draft.path.name
        ('resnet18', 2, ['classes'], 'lungs.card.json')
    """
    text, given = str(reference), {name: value for name, value in (answers or {}).items() if value is not None}
    for name in given:
        if name not in OPTIONS:
            raise UnknownNameError("field of a card", name, OPTIONS)
    kind, loader = loader_of(text)
    read = {**beside_facts(text), **(loader.facts(text) if isinstance(loader, DescribesItself) else {})}
    fields = _known(text, read, given)
    count = read.get("count")
    _decide_task(fields, count, read)
    _input(fields, read)
    remarks = [str(remark) for remark in read.get("remarks", ())]
    remarks += _ask(text, loader, fields, count, read)
    _defaults(fields)
    ordered = tuple(fields[name] for name in OPTIONS if name in fields)
    hashed = _hash_field(text, kind)
    served = url_in(text) if kind == "http" else ""
    return Draft(text, kind, card_place(text), (*ordered, *hashed), count, tuple(remarks), served)


def loader_of(reference: str) -> tuple[str, ClassifierLoader]:
    """Return the kind of a model and its loader.

    Args:
        reference: The model.

    Raises:
        UnsafeModelError: It could run code when it is loaded.
        ModelError: There is none, or it brings its card itself.
    """
    for name in CLASSIFIERS.names():
        loader = CLASSIFIERS.create(name)
        if not loader.recognises(reference):
            continue
        if name == "code":
            raise ModelError(f"{reference} is Python code, which gives its model a card itself: "
                             "wrap(network, classes=[...], size=224)")
        if not is_url(reference) and absent(Path(reference)):
            break
        return name, loader
    weights_file(Path(reference))  # which says what is missing there, or why it is not read
    raise ModelError(f"{reference} is no model of a known kind ({', '.join(CLASSIFIERS.names())})")


def _known(reference: str, read: Facts, given: Mapping[str, Any]) -> dict[str, DraftField]:
    """Return what was read and what a person answered; what a person says wins."""
    found = {name: DraftField(name, value, "read") for name, value in read.items() if name in OPTIONS}
    found |= {name: DraftField(name, value, "answered", _contradicted(name, value, read))
              for name, value in given.items()}
    if "name" not in found:
        place = Path(shown_url(reference)) if is_url(reference) else Path(reference).resolve()
        name = place.name.removesuffix(ENDING) if is_url(reference) or place.is_dir() else place.stem.partition(".")[0]
        found["name"] = DraftField("name", name or "model", "read", "name of the file")
    for name in NEEDED:
        found.setdefault(name, DraftField(name, None, "unknown"))
    return found


def _contradicted(name: str, value: object, read: Facts) -> str:
    same = name not in read or (list(read[name]) if isinstance(read[name], list | tuple) else read[name]) == (
        list(value) if isinstance(value, list | tuple) else value)
    return "" if same else f"the file says {DraftField(name, read[name], 'read').text}"


def _decide_task(fields: dict[str, DraftField], count: int | None, read: Facts) -> None:
    """Settle the task where outputs and classes leave one only."""
    if fields["outputs"].value if "outputs" in fields else ():
        _settle(fields, "task", Task.MULTILABEL.value, "read", "outputs are left out")
        _settle(fields, "classes", [name for name in fields["outputs"].value if name], "answered", "all outputs")
    classes = len(fields["classes"].value or ())
    if count == 1 and classes in (1, 2):
        task = Task.BINARY if classes == 2 else Task.MULTILABEL
        _settle(fields, "task", task.value, "read", f"one output for {classes} class{'es' if classes > 1 else ''}")
    elif (count is None or count > 1) and read.get("activation") != "sigmoid":
        _settle(fields, "task", Task.MULTICLASS.value, "assumed", "one class of several")


def _settle(fields: dict[str, DraftField], name: str, value: object, origin: Origin, why: str = "") -> None:
    """Fill a field in that is not known."""
    if name not in fields or fields[name].origin == "unknown":
        fields[name] = DraftField(name, value, origin, why)


def _input(fields: dict[str, DraftField], read: Facts) -> None:
    """Bring range, mean and std together: as many figures as the network takes channels."""
    given = fields["input_range"]
    planes = 3 if fields.get("channels", DraftField("", 1, "assumed")).value == 3 else read.get("planes", 3)
    if isinstance(given.value, str) and given.value.lower() == "imagenet":
        mean, std = (IMAGENET_MEAN, IMAGENET_STD) if planes == 3 else ((0.449,), (0.226,))
        fields["input_range"] = DraftField("input_range", (0.0, 1.0), given.origin, "ImageNet's mean and std")
        fields["mean"], fields["std"] = (DraftField(name, value, given.origin) for name, value in (
            ("mean", mean), ("std", std)))
    elif given.origin == "unknown" and "mean" in fields and "std" in fields:
        fields["input_range"] = DraftField("input_range", (0.0, 1.0), "assumed", "mean and std are of [0, 1]")
    for name, plain in (("mean", 0.0), ("std", 1.0)):
        if fields["input_range"].origin != "unknown":
            _settle(fields, name, (plain,) * planes, fields["input_range"].origin, "the range alone")
            if len(value := tuple(fields[name].value)) == 1:
                fields[name] = DraftField(name, value * planes, fields[name].origin, fields[name].why)


def _defaults(fields: dict[str, DraftField]) -> None:
    """Fill in what is taken for granted."""
    task = fields["task"].value
    for name, value in DEFAULTS.items():
        if name in fields or name in UNSIGNED or (name == "thresholds" and task == Task.MULTICLASS):
            continue
        why = "0.5 each" if name == "thresholds" else "grey: colour is projected away" if name == "channels" else ""
        fields[name] = DraftField(name, value, "assumed", why)
    if "thresholds" in fields and len(bars := tuple(fields["thresholds"].value)) == 1 and task == Task.MULTILABEL:
        fields["thresholds"] = DraftField("thresholds", bars * len(fields["classes"].value or ()),
                                          fields["thresholds"].origin, "one for all")


def _ask(reference: str, loader: ClassifierLoader, fields: dict[str, DraftField], count: int | None,
         read: Facts) -> list[str]:
    """Ask the model about generated images, and settle what its answers tell; return what is to be said of it."""
    if not isinstance(loader, DescribesItself):
        return ["this kind of model can be loaded with its card alone, so it was not asked"]
    trial = _trial(reference, fields, count, read)
    if trial is None:
        return ["it was not asked about generated images, as its architecture or outputs are not known yet"]
    try:
        classifier = loader.load_as(reference, trial)
        found = probe(classifier)
    except RadversaryError as error:
        return [f"it could not be asked about generated images: {error}"]
    seen = f"answers to {COUNT} generated images"
    if trial.output == "logits":
        _settle(fields, "output", "probabilities" if found.probabilities or found.unit_range else "logits", "probed",
                f"{seen} {_range_text(found)}")
    if found.unit_range and not found.probabilities and (count or 2) > 1 and fields["task"].origin == "assumed":
        fields["task"] = DraftField("task", None, "unknown")  # several sigmoids: findings, or classes without a softmax
    if classifier.access < Access.GRADIENTS and classifier.withheld:
        return [f"it gives no gradients: {classifier.withheld}"]
    return []


def _range_text(found: ProbeResult) -> str:
    if found.probabilities:
        return "lie in [0, 1] and sum to 1"
    return "all lie in [0, 1]" if found.unit_range else "leave [0, 1]"


def _trial(reference: str, fields: Mapping[str, DraftField], count: int | None, read: Facts) -> ModelCard | None:
    """Return a card to ask the model with, whose unknown fields are placeholders; None where too little is known."""
    outputs = count or len(fields["classes"].value or ())
    if not outputs or fields["architecture"].value is None:
        return None
    known = {name: field.value for name, field in fields.items() if name in (
        "name", "architecture", "size", "crop", "channels", "output", "input_range", "mean", "std")
        and field.value is not None}
    task = Task.BINARY if outputs == 1 else Task.MULTILABEL if read.get("activation") == "sigmoid" else Task.MULTICLASS
    planes = read.get("planes", 3)
    try:
        return make_card(reference, {
            "size": SIZE, "mean": (0.0,) * planes, "std": (1.0,) * planes, "output": "logits", **known,
            "task": task.value, "classes": [f"class {place}" for place in range(max(2, outputs))]})
    except RadversaryError:
        return None


def _hash_field(reference: str, kind: str) -> tuple[DraftField, ...]:
    """Return the hash of a model's file, by which damage is noticed; none where the model is no single file."""
    path = Path(reference)
    if kind == "folder":
        path = weights_file(path)
    if kind in ("http", "monai-bundle") or not path.is_file():
        return ()
    return (DraftField("sha256", sha256_file(path), "read"),)
