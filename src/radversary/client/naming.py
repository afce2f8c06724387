"""Models, images and guards as people name them: a file or folder here, which is sent, or what a platform has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from radversary.client.client import Client
from radversary.core.errors import InputError, UnknownNameError
from radversary.storage.files import is_file

SENT: Final = ("root", "labels", "path")
"""Options of data sources that name a file or a folder."""


class Named(Protocol):
    """What a platform has."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def name(self) -> str:
        """What people call it."""


def model_of(client: Client, given: str) -> str:
    """Return the id of a model, which is sent and registered where it lies here.

    Args:
        client: The platform.
        given: A model's folder, or file with what belongs to it beside it; or a name or id on the platform.

    Raises:
        InputError: It is code, which a platform does not run.
        UnknownNameError: There is none, here or there.
    """
    place = Path(given)
    if os.path.isdir(given):  # noqa: PTH112 - Path raises where a name is long
        return client.register_model(place.resolve().name, client.upload(place)).id
    if is_file(place):
        own = {path.name: path for path in sorted(place.parent.iterdir())
               if path.is_file() and (path.name == place.name or path.name.startswith(f"{place.stem}."))}
        return client.register_model(place.stem, f"{client.upload_packed(own)}/{place.name}").id
    if ":" in given:
        raise InputError(f"--model {given}: a platform runs no code of its users; save the model "
                         "(radversary.save_model) and name its folder")
    return of_name("model", given, client.models())


def registered_images(client: Client, source: Mapping[str, Any], known: Iterable[str]) -> str | None:
    """Return the id of images that a platform has; None where they lie here. Nothing is sent.

    Args:
        client: The platform.
        source: Name and options of a data source; or the name or id of registered images.
        known: Names of data sources.

    Raises:
        InputError: A table whose films would not be sent with it.
        UnknownNameError: There are none of that name.
    """
    name = str(source["name"])
    if name == "csv":
        raise InputError("--data csv: the films of a table are not sent with it; give a folder or a zip that holds "
                         "both by --root, or what is registered on the platform by its name")
    return None if name in known else of_name("data", name, client.datasets())


def send_images(client: Client, source: Mapping[str, Any]) -> str:
    """Send images that lie here and register them; returns their id.

    Args:
        client: The platform.
        source: Name and options of a data source.
    """
    name, options = str(source["name"]), dict(source["options"])
    title = name
    for option in SENT:
        if option in options and os.path.exists(str(options[option])):  # noqa: PTH110 - Path raises where a name is long
            place = Path(str(options[option]))
            title = place.resolve().name
            options[option] = client.upload(place)
    return client.register_dataset(title, source=name, **options).id


def guard_of(client: Client, given: str) -> str:
    """Return the id of a guard of the platform.

    Args:
        client: The platform.
        given: Its name or id.

    Raises:
        UnknownNameError: There is none.
    """
    return of_name("guard", given, client.guards())


def of_name(kind: str, given: str, found: Iterable[Named]) -> str:
    """Return the id of what has a name or id: of several of one name, the newest.

    Args:
        kind: What it is, for the error.
        given: Name or id.
        found: All there are, newest first.

    Raises:
        UnknownNameError: None has it.
    """
    things = list(found)
    for thing in things:
        if given in (thing.id, thing.name):
            return thing.id
    raise UnknownNameError(f"{kind} on the platform", given, {thing.name for thing in things})
