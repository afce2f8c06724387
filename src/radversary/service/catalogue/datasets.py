"""Images: registered by path, upload or as phantoms, and looked through."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from radversary.core.errors import InputError
from radversary.data.places import UNLABELLED
from radversary.service.access.scopes import Actor, Scope
from radversary.service.discretion import discreet
from radversary.service.platform import Platform
from radversary.service.retention.naming import refuse_removed
from radversary.service.store.log import note
from radversary.service.store.tables import Dataset

PATHS: Final = ("root", "path", "labels")
"""Options of a data source that name a place on the server."""

MOST_PHANTOMS: Final = 100_000_000
"""Pixels of all phantoms that one dataset may have."""


def register_dataset(platform: Platform, by: Actor, *, name: str, source: Mapping[str, Any]) -> Dataset:
    """Register images that lie on the server, after they were listed.

    Args:
        platform: The platform.
        by: Who asks.
        name: What people will call them.
        source: ``name`` of a data source, such as ``auto``, and its ``options``, such as ``root``.

    Raises:
        ForbiddenError: The key does not allow it, or a path lies elsewhere than it may.
        InputError: No name, no such source, or no images.
    """
    by.need(Scope.WRITE)
    platform.check_room()
    if not name.strip():
        raise InputError("a dataset has a name")
    chosen = {"name": str(source.get("name", "auto")),
              "options": placed(platform, by, source.get("options") or {}, inside=source.get("name") == "zip")}
    check_phantoms(chosen)
    from radversary.data.joining import tables_confined

    with tables_confined():
        counts, notes = listed(chosen)
    dataset = Dataset(tenant=by.tenant, name=name.strip()[:200], source=platform.blobs.portable(chosen),
                      images=sum(counts.values()), classes=counts, notes=notes)
    with platform.database.session() as session:
        session.add(dataset)
        session.flush()
        note(session, tenant=by.tenant, actor=by.id, action="dataset.register", subject=dataset.id,
             detail={"name": dataset.name, "images": dataset.images})
        refuse_removed(session, platform.settings, dataset.source)
    return dataset


def placed(platform: Platform, by: Actor, options: Mapping[str, Any], *, inside: bool) -> dict[str, Any]:
    """Return options of a data source whose paths are whole and may be looked at; options within options, too.

    Args:
        platform: The platform.
        by: Who asks.
        options: As given.
        inside: Whether paths of options within options are those in an archive.

    Raises:
        ForbiddenError: A path lies elsewhere than it may.
        InputError: There is nothing, or it leads out of the archive.
    """
    made = dict(options)
    for option, value in options.items():
        if isinstance(value, Mapping):
            made[option] = _archived(value) if inside else placed(platform, by, value, inside=False)
        elif option in PATHS and value is not None and (option, value) != ("labels", UNLABELLED):
            made[option] = str(platform.place(by, str(value)))
    return made


def _archived(options: Mapping[str, Any]) -> dict[str, Any]:
    for option in set(PATHS) & set(options):
        path = PurePosixPath(str(options[option]))
        if path.is_absolute() or ".." in path.parts:
            raise InputError(f"the option {option!r} names a file in the archive, by its path from the archive's top")
    return dict(options)


def check_phantoms(source: Mapping[str, Any]) -> None:
    """Refuse phantoms that would fill memory or disk.

    Raises:
        InputError: They have more pixels than :data:`MOST_PHANTOMS`.
    """
    count, size = (source["options"].get(name, 128) for name in ("count", "size"))
    if source["name"] == "phantoms" and isinstance(count, int) and isinstance(size, int) \
            and count * size * size > MOST_PHANTOMS:
        raise InputError(f"{count} phantoms of {size} × {size} pixels are more than a server draws "
                         f"({MOST_PHANTOMS} pixels in all)")


def listed(source: Mapping[str, Any]) -> tuple[dict[str, int], list[str]]:
    """List the images of a source; returns label to number of images, and what a reader must know.

    Raises:
        DataError: There are none that can be used.
    """
    import warnings

    from radversary.data.registry import DATASETS

    found = DATASETS.create(source["name"], **source["options"])
    with tempfile.TemporaryDirectory() as workspace, warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", UserWarning)
        table = found.table(Path(workspace))
    labels = table.frame["label"].fillna("").replace("", "label not known")
    known = table.frame["patient_id"].nunique()
    return ({str(label): int(count) for label, count in labels.value_counts().items()},
            [f"{known} patients", *dict.fromkeys(discreet(str(item.message)) for item in heard
                                                  if issubclass(item.category, UserWarning))])
