"""What every entrance to the platform is given: its settings, its store, its engine and its keys."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from radversary.core.errors import InputError
from radversary.service.access.keys import Keyring
from radversary.service.access.scopes import Actor
from radversary.service.blobs import Blobs
from radversary.service.catalogue.query_watch import QueryWatch
from radversary.service.errors import ForbiddenError, FullError
from radversary.service.jobs.engine import Engine
from radversary.service.monitoring.remembered import Remembered
from radversary.service.settings import Settings
from radversary.service.store.database import Database
from radversary.service.tracing import UNTRACED, Tracing

if TYPE_CHECKING:
    from radversary.service.monitoring.shown import Overview

OVERVIEWS: Final = 32
"""Overviews that are remembered, of some 60 kB each."""


@dataclass(frozen=True, eq=False)
class Platform:
    """A server's or a command's hold on the platform.

    Attributes:
        settings: Where it keeps its things, and its limits.
        database: The store.
        keyring: Knows keys.
        tracing: Where traces go.
    """

    settings: Settings
    database: Database
    keyring: Keyring
    tracing: Tracing = UNTRACED

    @classmethod
    def open(cls, settings: Settings, tracing: Tracing = UNTRACED) -> Platform:
        """Open a store, made or brought up to date where need be.

        Args:
            settings: Where it is.
            tracing: Where traces go.

        Raises:
            StorageError: It cannot be used.
        """
        database = Database(settings)
        _ = database.blobs  # refused here, where it cannot be used
        return cls(settings, database, Keyring(database), tracing)

    @cached_property
    def engine(self) -> Engine:
        """The job engine, opened on first use."""
        return Engine(self.settings)

    @property
    def blobs(self) -> Blobs:
        """Where uploads and the folders of jobs lie."""
        return self.database.blobs

    @cached_property
    def query_watch(self) -> QueryWatch:
        """Notices keys that have one film judged again and again with small changes."""
        return QueryWatch()

    @cached_property
    def overviews(self) -> Remembered[Overview]:
        """What is shown of guards in use, as long as no film has come since."""
        return Remembered(OVERVIEWS)

    def close(self) -> None:
        """Close all connections."""
        if "engine" in self.__dict__:
            self.engine.close()
        self.database.close()
        self.tracing.close()

    def check_room(self, more: int = 0) -> None:
        """Refuse new work where the disk is nearly full.

        Args:
            more: Bytes that the work is known to write.

        Raises:
            FullError: It is.
        """
        if shutil.disk_usage(self.settings.folder()).free - more < self.settings.reserve:
            raise FullError("the disk is nearly full, so no new work is taken; make room, or lower the reserve")

    def place(self, by: Actor, given: str) -> Path:
        """Return a path of this machine that a person names, where it may be looked at.

        Args:
            by: Who names it.
            given: The path.

        Raises:
            ForbiddenError: It lies outside the folders that the server was started with, or leads to what the platform
                keeps for itself or for another tenant.
            InputError: There is nothing.
        """
        try:
            path = Path(given).resolve()
        except (OSError, RuntimeError, ValueError):  # too long, a loop of links, a zero byte
            raise InputError("that is no path") from None
        home, own = self.settings.folder().resolve(), self.settings.folder("tenants", by.tenant).resolve()
        allowed = any(path.is_relative_to(root.resolve()) for root in self.settings.roots)
        beside = not path.is_relative_to(home) and not home.is_relative_to(path)
        if not (path.is_relative_to(own) or (allowed and beside)):
            raise ForbiddenError("that path lies outside the folders that the server was started with (--allow DIR)")
        if path.is_relative_to(own):
            self.blobs.place(str(path))
        if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises where a name is too long
            raise InputError("there is nothing at that path")
        return path
