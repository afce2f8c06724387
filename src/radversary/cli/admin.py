"""``radversary admin``: back a platform up, restore it, check it, make its store anew, give a key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radversary.cli.console import say, tell_lines, tell_result
from radversary.cli.serve import HOME, BlobsOption, DatabaseOption, HomeOption, settings_of
from radversary.core.errors import InputError

if TYPE_CHECKING:
    from radversary.service.settings import Settings

app = typer.Typer(no_args_is_help=True, help="A platform's upkeep: back it up, restore it, check it, give a key.")


StoreOption = Annotated[bool, typer.Option("--store-only", help=(
    "Leave out the folders of jobs and uploads, which may be large: copy them by other means."))]


@app.command()
def backup(
    out: Annotated[Path, typer.Argument(help="The file to write, a tar archive; none may be there.")],
    home: HomeOption = HOME,
    database: DatabaseOption = "",
    blobs: BlobsOption = "",
    store_only: StoreOption = False,  # noqa: FBT002
) -> None:
    """Copy the store, the jobs' folders and the uploads into one file, whole or not at all.

    The platform may run meanwhile. The file holds films and the hashes of keys: its owner alone may read it. PostgreSQL
    is backed up with pg_dump.
    """
    settings = settings_of(home, database, "cpu", blobs=blobs)
    from radversary.service.operations.backup import back_up

    kept = back_up(settings, out, files=not store_only)
    what = "the store" if store_only or blobs else f"the store, and the folders of {kept.jobs} jobs"
    tell_result(f"{kept.path} holds {what}: {kept.size:,} bytes")
    if blobs:
        say(f"jobs and uploads lie in {blobs} and are not in it: copy the bucket too, or have it keep versions")


@app.command()
def restore(
    archive: Annotated[Path, typer.Argument(help="What `radversary admin backup` wrote.")],
    home: HomeOption = HOME,
) -> None:
    """Make a home folder of a backup: one that is absent or empty. What ran when it was made goes on with `serve`."""
    settings = settings_of(home, "", "cpu")
    from radversary.service.operations.backup import restore as put_back
    from radversary.storage.files import refuse_absent

    refuse_absent([archive])
    about = put_back(settings, archive)
    tell_result(f"{home} is what it was, with an audit log of {about['lines']} lines; check it: radversary admin check")


@app.command()
def check(home: HomeOption = HOME, database: DatabaseOption = "", blobs: BlobsOption = "") -> None:
    """Check the audit log's chain and the files of jobs, guards and models, and look for keys in clear text.

    One line a fault; exit code 1 where there is one. Nothing is changed.
    """
    settings = existing(settings_of(home, database, "cpu", blobs=blobs))
    from radversary.service.operations.checking import faults_of
    from radversary.service.store.database import Database

    store = Database(settings)
    found = list(faults_of(settings, store))
    store.close()
    if found:
        tell_lines("\n".join(found))
        raise typer.Exit(1)
    say("no fault was found")


@app.command()
def rebuild(home: HomeOption = HOME, database: DatabaseOption = "", blobs: BlobsOption = "") -> None:
    """Put jobs back into a store that was lost, from what their folders say; guards come with them.

    Models, images and keys are registered and given anew. A job that had not ended is paused.
    """
    settings = settings_of(home, database, "cpu", blobs=blobs)
    if not blobs and not (settings.home / "jobs").is_dir():
        raise InputError(f"{home} holds no jobs")
    from radversary.service.operations.rebuilding import rebuild as made_anew
    from radversary.service.store.database import Database

    store = Database(settings)
    found = made_anew(settings, store)
    store.close()
    for line in found.skipped:
        say(f"passed over {line}")
    tell_result(f"{len(found.jobs)} jobs were put into the store")


@app.command()
def key(
    name: Annotated[str, typer.Argument(help="Whose it is.")],
    role: Annotated[str, typer.Option(help="viewer, operator, auditor, administrator, or a scope.")] = "administrator",
    days: Annotated[float | None, typer.Option(help="After how many it ends; never where it is not given.")] = None,
    home: HomeOption = HOME,
    database: DatabaseOption = "",
) -> None:
    """Give a key, and print it this once: for who lost the first one and can read the platform's folder anyway."""
    settings = existing(settings_of(home, database, "cpu"))
    from radversary.service.access.keys import give_key
    from radversary.service.access.scopes import SYSTEM
    from radversary.service.store.database import Database

    store = Database(settings)
    with store.session() as session:
        token = give_key(session, SYSTEM, name, [role], days=days).token
    store.close()
    tell_result(token)


def existing(settings: Settings) -> Settings:
    """Return settings, unless there is no platform where they say.

    Raises:
        InputError: There is none.
    """
    if settings.kind == "sqlite" and not (settings.home / "store.sqlite").is_file():
        raise InputError(f"{settings.home} holds no platform: it has no store.sqlite")
    return settings
