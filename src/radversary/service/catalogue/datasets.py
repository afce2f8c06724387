"""Images: registered by path, upload or as phantoms, and looked through."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from radversary.core.errors import InputError
from radversary.service.access.scopes import Actor, Scope
from radversary.service.platform import Platform
from radversary.service.store.database import owned
from radversary.service.store.log import note
from radversary.service.store.tables import Dataset

PATHS: Final = ("root", "path")
"""Options of a data source that name a place on the server."""


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
    options = dict(source.get("options") or {})
    for option in set(PATHS) & set(options):
        options[option] = str(platform.place(by, str(options[option])))
    chosen = {"name": str(source.get("name", "auto")), "options": options}
    counts, notes = listed(chosen)
    dataset = Dataset(tenant=by.tenant, name=name.strip()[:200], source=chosen, images=sum(counts.values()),
                      classes=counts, notes=notes)
    with platform.database.session() as session:
        session.add(dataset)
        session.flush()
        note(session, tenant=by.tenant, actor=by.id, action="dataset.register", subject=dataset.id,
             detail={"name": dataset.name, "images": dataset.images})
    return dataset


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
            [f"{known} patients", *dict.fromkeys(str(item.message) for item in heard
                                                  if issubclass(item.category, UserWarning))])


def remove_dataset(platform: Platform, by: Actor, given: str) -> None:
    """Forget a dataset; its files stay.

    Raises:
        ForbiddenError: The key does not allow it.
        NotFoundError: There is none of that id.
    """
    by.need(Scope.WRITE)
    with platform.database.session() as session:
        session.delete(owned(session, Dataset, given, by.tenant))
        note(session, tenant=by.tenant, actor=by.id, action="dataset.remove", subject=given)
