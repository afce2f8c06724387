"""Where a platform keeps its things, and its limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from radversary.core.errors import InputError
from radversary.service.provider import SECRET, Provider

KINDS: Final = ("sqlite", "postgresql")
"""Databases that it can use."""

MEGABYTE: Final = 1_000_000

LONGEST: Final = 36_500.0
"""Days of the longest retention."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a server and its workers are told.

    Attributes:
        home: The folder of all its files; made where it is absent.
        database: URL of a PostgreSQL database, ``postgresql+psycopg://…``; empty for SQLite under ``home``.
        blobs: URL of a bucket in which uploads and the folders of jobs lie, ``s3://bucket/prefix``; ``home`` is then
            each machine's own, a cache of it. Empty where all machines share ``home``.
        upload: Bytes of one uploaded file, at most.
        film: Bytes of one film to be screened, at most.
        reserve: Bytes that must be free on the disk for new work to be taken.
        rate: Requests a minute that one key may make, on average; 0 sets no limit.
        session: Seconds after which a person signs in again.
        silence: Seconds without a sign of life after which a worker's jobs are given to others.
        device: ``auto`` or a torch device, for screening.
        batch: Films of one guard that are looked at together where several come at once, at most. 1 looks at each
            alone; its figures are then the same to the last digit however many come.
        roots: Folders of the server, beside its own, from which models and images may be registered by their path.
        mail: The mail server for alerts, ``smtp://USER:PASSWORD@HOST:PORT?from=ADDRESS``; empty for none.
        plain_webhooks: Whether alerts may go to webhooks on other machines without TLS.
        retention: Days after which the working copies of films that a job made go once it is done, and the upload of a
            batch; those of a job that failed or was cancelled stay a day longer.
        provider: The identity provider at which people may sign in; None for keys alone.
        provider_secret: What it knows this platform by.

    Raises:
        InputError: The database is of another kind, or a provider's secret is missing.

    Example:
        >>> Settings(home=Path("/srv/radversary"), database="mysql://host/db")
        Traceback (most recent call last):
        radversary.core.errors.InputError: the database is 'mysql', known: sqlite, postgresql
    """

    home: Path
    database: str = ""
    blobs: str = ""
    upload: int = 20_000 * MEGABYTE
    film: int = 200 * MEGABYTE
    reserve: int = 500 * MEGABYTE
    rate: int = 6000
    session: int = 12 * 3600
    silence: float = 20.0
    device: str = "auto"
    batch: int = 8
    roots: tuple[Path, ...] = ()
    mail: str = field(default="", repr=False)
    plain_webhooks: bool = False
    retention: float = 0.0
    provider: Provider | None = None
    provider_secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if (kind := self.kind) not in KINDS:
            raise InputError(f"the database is {kind!r}, known: {', '.join(KINDS)}")
        if self.batch < 1:
            raise InputError(f"batch must be at least 1, got {self.batch}")
        if not 0.0 <= self.retention <= LONGEST:
            raise InputError(f"retention is 0 to {LONGEST:.0f} days, got {self.retention:g}")
        if self.provider is not None and not self.provider_secret:
            raise InputError(f"the identity provider needs the client's secret: set {SECRET}")

    @property
    def kind(self) -> str:
        """The kind of database: ``sqlite`` or ``postgresql``."""
        return self.url.partition(":")[0].partition("+")[0]

    @property
    def url(self) -> str:
        """SQLAlchemy's URL of the store."""
        return self.database or f"sqlite:///{self.home / 'store.sqlite'}"

    @property
    def jobs_url(self) -> str:
        """SQLAlchemy's URL of the job engine's tables."""
        return self.database or f"sqlite:///{self.home / 'jobs.sqlite'}"

    def folder(self, *parts: str) -> Path:
        """Return a folder under home, made where it is absent.

        Args:
            *parts: Its name, or the names of the folders on the way to it.
        """
        path = self.home.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path
