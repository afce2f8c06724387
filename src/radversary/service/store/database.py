"""The database: SQLite beside the files, or PostgreSQL."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from radversary.core.errors import StorageError
from radversary.service.blobs import Blobs, blobs_of
from radversary.service.errors import NotFoundError
from radversary.service.settings import Settings
from radversary.service.store.tables import Owned

Thing = TypeVar("Thing", bound=Owned)

ID = re.compile("[0-9a-f]{24}")

PATIENCE = 30_000
"""Milliseconds that SQLite waits for another writer."""

SHORTLY = 200
"""Milliseconds that SQLite waits for readers before deleted values are overwritten."""

REACHED = 5
"""Seconds within which PostgreSQL must be reached."""


class Database:
    """Sessions of a store whose tables are up to date.

    Args:
        settings: Where it is.

    Raises:
        StorageError: It cannot be reached, or was made by a newer version.
    """

    def __init__(self, settings: Settings) -> None:
        if not os.access(settings.folder(), os.W_OK):
            raise StorageError(f"{settings.home} cannot be written; give another --home, or the right to write it")
        self.settings = settings
        self.engine = engine_of(settings.url)
        try:
            migrate(self.engine)
        except OperationalError as error:
            raise StorageError(f"the database cannot be used: {error.orig}") from error
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._readers = sessionmaker(self.engine.execution_options(reading=True), expire_on_commit=False)

    @cached_property
    def blobs(self) -> Blobs:
        """Where the files lie of which the store tells."""
        return blobs_of(self.settings)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session that only reads, and so waits for no writer in SQLite."""
        with self._readers() as session, session.begin():
            yield session

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a session that is committed at its end, and rolled back where an error leaves it."""
        with self._sessions() as session, session.begin():
            yield session

    def overwrite_deleted(self) -> None:
        """Write what SQLite's log of changes holds into its file, so that deleted values are in neither.

        Where somebody reads at that moment, the next call does it.
        """
        if self.engine.dialect.name == "sqlite":
            with closing(self.engine.raw_connection()) as connection, suppress(DBAPIError, sqlite3.Error):
                cursor = connection.cursor()
                try:
                    for line in (f"busy_timeout={SHORTLY}", "wal_checkpoint(TRUNCATE)"):
                        cursor.execute(f"PRAGMA {line}").fetchall()
                finally:
                    cursor.execute(f"PRAGMA busy_timeout={PATIENCE}")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def engine_of(url: str) -> Engine:
    """Return an engine; SQLite writes ahead, so that readers do not wait for a writer."""
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": REACHED}, hide_parameters=True)
    engine = create_engine(url, connect_args={"timeout": PATIENCE / 1000}, hide_parameters=True)
    event.listen(engine, "connect", _write_ahead)
    event.listen(engine, "begin", _take_the_writer_s_place)
    return engine


def _write_ahead(connection: Any, _record: object) -> None:  # noqa: ANN401
    connection.isolation_level = None  # the driver begins no transaction by itself
    cursor = connection.cursor()
    for line in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON",
                 f"busy_timeout={PATIENCE}"):
        cursor.execute(f"PRAGMA {line}")
    cursor.close()


def _take_the_writer_s_place(connection: Any) -> None:  # noqa: ANN401
    # A transaction that reads first and then writes fails where another wrote between; one that says at its beginning
    # that it will write waits instead.
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def migrate(engine: Engine) -> None:
    """Bring the tables up to date.

    Args:
        engine: Of the database.

    Raises:
        StorageError: They were made by a newer version.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":  # the others wait; SQLite has one writer anyway
            connection.execute(text("SELECT pg_advisory_xact_lock(7238142)"))
        found = MigrationContext.configure(connection).get_current_revision()
        if found is not None and found not in known:
            raise StorageError(f"the database was made by a newer version of radversary (schema {found}); update it")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def owned(session: Session, kind: type[Thing], given: str, tenant: str) -> Thing:
    """Return something that a tenant has.

    Args:
        session: The session.
        kind: Its table.
        given: Its id.
        tenant: Whose it must be.

    Raises:
        NotFoundError: There is none, or it is another's.
    """
    return _of_tenant(session.get(kind, given) if ID.fullmatch(given) else None, kind, given, tenant)


def owned_alone(session: Session, kind: type[Thing], given: str, tenant: str) -> Thing:
    """Return something that a tenant has and that nobody else changes until the session ends.

    Two that read a row and write what follows from it would otherwise write over each other on PostgreSQL.

    Args:
        session: The session.
        kind: Its table.
        given: Its id.
        tenant: Whose it must be.

    Raises:
        NotFoundError: There is none, or it is another's.
    """
    return _of_tenant(session.get(kind, given, with_for_update=True) if ID.fullmatch(given) else None, kind, given,
                      tenant)


def _of_tenant(found: Thing | None, kind: type[Thing], given: str, tenant: str) -> Thing:
    if found is None or found.tenant != tenant:
        raise NotFoundError(kind.__name__.lower(), given)
    return found
