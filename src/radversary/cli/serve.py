"""``radversary serve`` and ``radversary worker``: the platform."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from radversary.cli.console import say, tell_result
from radversary.core.errors import InputError, MissingPartError

if TYPE_CHECKING:
    from radversary.service.settings import Settings

HomeOption = Annotated[Path, typer.Option(envvar="RADVERSARY_HOME", help="Folder of all that the platform keeps.")]
DatabaseOption = Annotated[str, typer.Option(envvar="RADVERSARY_DATABASE", help=(
    "postgresql+psycopg://user@host/name, for workers on several machines; SQLite under --home where it is not given. "
    "Give a password by the environment variable, or by ~/.pgpass."))]
BlobsOption = Annotated[str, typer.Option(envvar="RADVERSARY_BLOBS", help=(
    "s3://bucket/prefix, or another URL that fsspec knows, where uploads and the folders of jobs lie; --home is then "
    "each machine's own. Give credentials by the environment, as AWS_ACCESS_KEY_ID."))]
AllowOption = Annotated[list[Path] | None, typer.Option("--allow", help=(
    "A folder of this machine from which models and images may be registered by their path; repeatable."))]
RetentionOption = Annotated[float, typer.Option(envvar="RADVERSARY_RETENTION", min=0, max=36_500, metavar="DAYS", help=(
    "Days after which a job that is done loses its working copies of films, and a batch its uploaded films; 0 within "
    "a minute of its end. Give the same to server and workers."))]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]

HOME = Path("radversary-home")


def settings_of(home: Path, database: str, device: str, allow: list[Path] | None = None, **more: Any) -> Settings:  # noqa: ANN401
    """Return settings, or say which extra is missing."""
    try:
        import dbos  # noqa: F401
        import fastapi  # noqa: F401

        from radversary.service.settings import Settings
    except ImportError as error:
        raise MissingPartError(f"the platform needs {error.name}: pip install 'radversary[serve]'") from error
    for folder in allow or ():
        if not folder.is_dir():
            raise InputError(f"--allow {folder}: there is no such folder")
    return Settings(home=home.absolute(), database=database, device=device, roots=tuple(allow or ()),
                    mail=os.environ.get("RADVERSARY_MAIL", ""), **more)


def hand_on(database: str, blobs: str) -> None:
    """Have the workers that this process starts use a database; by the environment, which other users cannot read."""
    from radversary.service.jobs.__main__ import BLOBS, DATABASE

    os.environ.update({name: value for name, value in ((DATABASE, database), (BLOBS, blobs)) if value})


def provider_settings(path: Path | None) -> dict[str, Any]:
    """Return the settings of an identity provider; its secret leaves the environment, which workers are given too."""
    if path is None:
        return {}
    try:
        import radversary.service.access.oidc  # noqa: F401 - it says which extra is missing
    except ImportError as error:
        raise MissingPartError(f"the platform needs {error.name}: pip install 'radversary[serve]'") from error
    from radversary.service.provider import SECRET, read_provider

    return {"provider": read_provider(path), "provider_secret": os.environ.pop(SECRET, "")}


def serve(
    home: HomeOption = HOME,
    host: Annotated[str, typer.Option(help="Address to listen at; beyond this machine, give a certificate too or put a "
                                           "proxy with one in front.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")] = 8000,
    database: DatabaseOption = "",
    blobs: BlobsOption = "",
    allow: AllowOption = None,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Worker processes beside the server; 0 where `radversary "
                                                             "worker` runs elsewhere.")] = 1,
    certificate: Annotated[Path | None, typer.Option(help="PEM file of a TLS certificate.")] = None,
    certificate_key: Annotated[Path | None, typer.Option(help="PEM file of its key.")] = None,
    retention: RetentionOption = 0.0,
    device: DeviceOption = "auto",
    batch: Annotated[int, typer.Option(min=1, max=256, help=(
        "Films of one guard that share a pass of the model where several come at once; 1 screens each alone, with "
        "figures that are the same to the last digit however many come."))] = 8,
    plain_webhooks: Annotated[bool, typer.Option("--plain-webhooks", help=(  # noqa: FBT002 - how typer makes a flag
        "Let alerts go to webhooks on other machines without TLS."))] = False,
    oidc: Annotated[Path | None, typer.Option(help=(
        "YAML file of the identity provider (OpenID Connect) at which people may sign in: issuer, client_id, "
        "public_url, roles and more. The client's secret comes from RADVERSARY_OIDC_SECRET alone."))] = None,
) -> None:
    """Open the platform: API, dashboard and a worker, on one folder.

    The first start prints an administrator's key, once. Stop it with Ctrl-C: a job that runs goes on with the next
    start.
    """
    if (certificate is None) != (certificate_key is None):
        raise InputError("--certificate and --certificate-key belong together")
    settings = settings_of(home, database, device, allow, blobs=blobs, batch=batch, retention=retention,
                           plain_webhooks=plain_webhooks, **provider_settings(oidc))
    hand_on(database, blobs)
    from radversary.service.serving import serve as run
    from radversary.service.tracing import in_the_way

    if why := in_the_way():
        say(why)
    tls = (str(certificate), str(certificate_key)) if certificate else None
    run(settings, host=host, port=port, workers=workers, tell=tell_result, certificate=tls)


def worker(
    home: HomeOption = HOME,
    database: DatabaseOption = "",
    blobs: BlobsOption = "",
    together: Annotated[int, typer.Option(min=1, max=64, help="Jobs at a time.")] = 1,
    retention: RetentionOption = 0.0,
    device: DeviceOption = "auto",
) -> None:
    """Do the platform's jobs on this machine, which shares its database, and its folder or its bucket.

    Stop it with Ctrl-C or SIGTERM: a job that runs goes on with another worker. Killed, it is missed after 20 seconds.
    """
    settings = settings_of(home, database, device, blobs=blobs, retention=retention)
    hand_on(database, blobs)
    from radversary.service.serving import run_worker
    from radversary.service.tracing import in_the_way

    if why := in_the_way():
        say(why)
    say("this worker waits for jobs; stop it with Ctrl-C")
    run_worker(settings, together=together)
