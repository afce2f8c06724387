"""Cancellation: the token by which a service stops work at its next item."""

from __future__ import annotations

import threading

from radversary.core.errors import CancelledError


class Cancellation:
    """A token by which one thread cancels another's work.

    Example:
        >>> token = Cancellation()
        >>> token.cancel()
        >>> token.cancelled
        True
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Request cancellation; the work stops before its next item."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether cancellation was requested."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise an error where cancellation was requested.

        Raises:
            CancelledError: It was requested.
        """
        if self.cancelled:
            raise CancelledError("stopped on request; the same call goes on where this one was")
