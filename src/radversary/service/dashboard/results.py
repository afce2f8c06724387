"""Results of audits, held while people look at them: a large one takes seconds to read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

from fastapi import Depends, Request

from radversary.service.access.scopes import Actor
from radversary.service.catalogue.results import file_of, result_of
from radversary.service.errors import NotFoundError
from radversary.service.platform import Platform

if TYPE_CHECKING:
    from radversary.auditing.result import AuditResult

HELD: Final = 6
"""Results that are held in memory."""


class Results:
    """Results, read on first use and again where their file was changed."""

    def __init__(self) -> None:
        self._lock, self._held = threading.Lock(), OrderedDict[tuple[Any, ...], Any]()

    def of(self, platform: Platform, by: Actor, job: str) -> AuditResult:
        """Return the result of an audit.

        Args:
            platform: The platform.
            by: Who asks; whether it is theirs is looked at each time.
            job: The job's id.

        Raises:
            NotFoundError: No such job.
            ConflictError: It has no result yet.
        """
        try:
            state = file_of(platform, by, job, "result.json").stat()
        except NotFoundError:
            return result_of(platform, by, job)  # says what is missing
        key = (by.tenant, job, state.st_mtime_ns, state.st_size)
        with self._lock:
            found: AuditResult | None = self._held.get(key)
        if found is None:
            found = result_of(platform, by, job)
            with self._lock:
                self._held[key] = found
                while len(self._held) > HELD:
                    self._held.popitem(last=False)
        return found


def results_of(request: Request) -> Results:
    """Return the results that an application holds."""
    return cast("Results", request.app.state.results)


ResultsGiven = Annotated[Results, Depends(results_of)]
