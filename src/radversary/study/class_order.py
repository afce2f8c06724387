"""Brings the classes of a table of images into the order and the form that a model has them in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import pandas as pd

from radversary.core.errors import DataError, ModelError
from radversary.core.types import Task
from radversary.data.findings import ABSENT, FINDING, PRESENT, findings_of
from radversary.data.spelling import bare, identity
from radversary.data.table import ImageTable

NEGATIVE: Final = frozenset({"normal", "nofinding", "nofindings", "negative", "healthy"})
"""Classes that stand for no finding, as :func:`radversary.data.spelling.bare` writes them."""

NAMED: Final = 20
"""Classes that a sentence names, at most."""


def in_order(table: ImageTable, classes: Sequence[str] | None, task: Task | None = None) -> ImageTable:
    """Put a table's classes into the order that a model has them in.

    Names are the same where they differ in case, blanks, underscores and forms of Unicode alone; two names of one
    disease stay two. Where all classes of the table are whole numbers below the number of the model's classes, they
    are places in the model's order. A class of the model of which the table has no image stays, with a note.

    Where the model is ``multilabel``, findings that it does not read are left out and findings that the table does not
    know are unknown, with a note for either; a table of one class an image says of that class that it is there, of
    the table's other classes that they are not, and nothing of further findings. Where the table is ``multilabel`` and
    the model decides between classes that are findings of the table, and one for none, images that are not known to be
    of exactly one are left out. An unlabelled table gets the model's classes and stays unlabelled.

    Args:
        table: The images.
        classes: Class names of the model in the order of its logits; None takes the table as it is.
        task: What the model decides; None takes the table's.

    Returns:
        A table whose classes are the model's.

    Raises:
        ModelError: The table has a class that the model does not know, or nothing that the model reads.
        DataError: There is no model, and all images are of one class.

    Example:
        >>> import pandas as pd
        >>> rows = {"image_id": ["a", "b"], "path": ["a", "b"], "label": ["no_finding", "Pneumonia"]}
        >>> in_order(ImageTable(pd.DataFrame(rows)), ("Pneumonia", "No Finding", "Edema")).labels.tolist()
        [1, 0]
    """
    if classes is None:
        _refuse_one_class(table)
        return table
    names, wanted = tuple(classes), task or table.task
    if wanted == Task.MULTILABEL:
        return _as_findings(table, names)
    if table.task == Task.MULTILABEL and table.labelled:
        table = _as_one_class(table, names)
    if not table.labelled:
        frame = table.frame.drop(columns=[f"{FINDING}{name}" for name in findings_of(table.frame)])
        return replace(table, frame=frame, classes=names)
    return _as_classes(table, names)


def _refuse_one_class(table: ImageTable) -> None:
    if table.task == Task.MULTICLASS and len(table.classes) == 1:
        raise DataError(f"a classifier needs at least two classes, all {len(table)} images are {table.classes[0]!r}")


def _as_classes(table: ImageTable, classes: tuple[str, ...]) -> ImageTable:
    known = same_names(table.classes, classes)
    notes: Iterator[str] = iter(())
    if not known and (places := _places(table.classes, len(classes))):
        known = {name: classes[place] for name, place in places.items()}
        notes = iter(["the table writes classes as numbers: each is taken for the model's class at that place, the "
                      f"first being 0 ({', '.join(f'{number} {name}' for number, name in known.items())})"])
    if unknown := [name for name in table.classes if name not in known]:
        raise ModelError(f"the model knows {len(classes)} classes ({_listed(classes)}), the data has "
                         f"{len(table.classes)} ({_listed(table.classes)}); the model does not know "
                         f"{_listed(unknown)}")
    without = [name for name in classes if name not in set(known.values())]
    labels = table.frame["label"].map({**known, "": ""})
    return replace(table, frame=table.frame.assign(label=labels), classes=classes,
                   notes=(*table.notes, *notes, *_without_film(without)))


def _without_film(names: Sequence[str]) -> Iterator[str]:
    if names:
        yield (f"the model decides between classes of which the data has no film: {_listed(names)}; nothing is said of "
               "how well it knows them")


def _as_findings(table: ImageTable, classes: tuple[str, ...]) -> ImageTable:
    if table.task == Task.MULTICLASS:
        table = _findings_of_classes(table, classes)
    known = same_names(table.classes, classes)
    if not known and table.labelled:
        raise ModelError(f"the model reads {_listed(classes)}, the data says nothing of them but of "
                         f"{_listed(table.classes)}")
    cells = {f"{FINDING}{name}": table.frame[f"{FINDING}{own}"] for own, name in known.items()}
    unread = [name for name in table.classes if name not in known]
    unsaid = [name for name in classes if name not in set(known.values())]
    frame = table.frame.drop(columns=[f"{FINDING}{name}" for name in table.classes])
    return replace(table, frame=frame.assign(**cells, **{f"{FINDING}{name}": "" for name in unsaid}), classes=classes,
                   notes=(*table.notes, *_left_aside(unread, unsaid if table.labelled else ())))


def _left_aside(unread: Sequence[str], unsaid: Sequence[str]) -> Iterator[str]:
    if unread:
        yield f"findings of the data that the model does not read are left aside: {_listed(unread)}"
    if unsaid:
        yield f"the data does not say whether these findings of the model are there: {_listed(unsaid)}"


def _findings_of_classes(table: ImageTable, classes: tuple[str, ...]) -> ImageTable:
    """Return a table of one class an image as findings: the class is there, the table's other classes are not.

    Raises:
        ModelError: A class is no finding of the model and no word for none.
    """
    if not table.labelled:
        return replace(table, frame=table.frame.assign(**{f"{FINDING}{name}": "" for name in classes}), classes=classes)
    known = same_names(table.classes, classes)
    if unknown := [name for name in table.classes if name not in known and bare(name) not in NEGATIVE]:
        raise ModelError(f"the model reads {_listed(classes)}; the data has images of the class {_listed(unknown)}, "
                         "which is none of them")
    label = table.frame["label"]
    cells = {f"{FINDING}{name}": (label == name).map({True: PRESENT, False: ABSENT}) for name in known}
    note = ("the data gives each image one class: the others of its classes count as absent, and nothing is known of "
            "further findings")
    return replace(table, frame=table.frame.assign(**cells), classes=tuple(known), notes=(*table.notes, note))


def _as_one_class(table: ImageTable, classes: tuple[str, ...]) -> ImageTable:
    """Return a table of findings as one class an image, for a model that decides between classes.

    An image is of a class where that finding is there and those of the other classes are not; of the model's class for
    no finding (:data:`NEGATIVE`, or the first of two of which the second alone is a finding) where none is.

    Raises:
        ModelError: None of the model's classes is a finding, or no image has one class.
    """
    known = same_names(table.classes, classes)
    clear = [name for name in classes if name not in set(known.values())]
    if not known or len(clear) > 1 or (clear and len(classes) > 2 and bare(clear[0]) not in NEGATIVE) or (
            clear and len(classes) == 2 and clear[0] != classes[0] and bare(clear[0]) not in NEGATIVE):
        raise ModelError(f"the model decides between {_listed(classes)}, but the data names findings of which an image "
                         f"may have several ({_listed(table.classes)}); choose the images of one class each, or a "
                         "model of the task multilabel")
    cells = pd.DataFrame({name: table.frame[f"{FINDING}{own}"] for own, name in known.items()})
    sure = (cells != "").all(axis=1)
    label = pd.Series("", index=cells.index, dtype=object)
    first = (cells == PRESENT).idxmax(axis=1).astype(object)
    label = label.mask(sure & ((cells == PRESENT).sum(axis=1) == 1), first)
    if clear:
        label = label.mask(sure & (cells == ABSENT).all(axis=1), clear[0])
    kept = (label != "").to_numpy()
    if not kept.any():
        raise ModelError(f"no image of the data is known to be of one of the classes {_listed(classes)} alone")
    frame = table.frame.drop(columns=[f"{FINDING}{name}" for name in table.classes]).assign(label=label)[kept]
    left_out = tuple((str(name), f"cannot use {name}: it is not known to be of exactly one of the model's classes")
                     for name in table.frame["image_id"][~kept])
    note = (f"of images with findings, those known to be of exactly one of the model's classes are used: {len(frame)}",)
    return replace(table, frame=frame, classes=tuple(name for name in classes if (frame["label"] == name).any()),
                   left_out=(*table.left_out, *left_out), notes=(*table.notes, *note))


def same_names(names: Sequence[str], others: Sequence[str]) -> Mapping[str, str]:
    """Return which of some names are which of others, by spelling alone.

    Args:
        names: Unique names.
        others: Unique names.

    Returns:
        Name to other name, in the order of ``names``: equal ones, and those that alone compare equal in one form of
        Unicode or, failing that, when case, blanks and underscores are passed over.

    Example:
        >>> same_names(["Pleural Thickening", "Effusion"], ["Pleural_Thickening", "Pleural Effusion"])
        {'Pleural Thickening': 'Pleural_Thickening'}
    """
    found: dict[str, str] = {}
    for form in (str, identity, bare):
        left = [name for name in names if name not in found]
        right = [name for name in others if name not in set(found.values())]
        for name in left:
            same = [other for other in right if form(other) == form(name)]
            if len(same) == 1 and sum(form(other) == form(name) for other in left) == 1:
                found[name] = same[0]
    return {name: found[name] for name in names if name in found}


def _places(names: Sequence[str], count: int) -> dict[str, int]:
    """Return the places that names are, where all are whole numbers below a count; else nothing."""
    numbers = {name: int(name) for name in names if name.isascii() and name.isdecimal()}
    return numbers if len(numbers) == len(names) and all(place < count for place in numbers.values()) else {}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
