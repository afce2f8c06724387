"""Cancellation: the token by which a service stops work at its next item."""

from __future__ import annotations

import threading

from radversary.core.errors import CancelledError


class Cancellation:
    """A token by which one thread asks another's work to stop.

    Example:
        >>> token = Cancellation()
        >>> token.cancel()
        >>> token.cancelled
        True
    """

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop; it does so before its next item."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether it was asked to."""
        return self._event.is_set()

    def check(self) -> None:
        """Stop the work that calls this, where it was asked to.

        Raises:
            CancelledError: It was.
        """
        if self.cancelled:
            raise CancelledError("stopped on request; the same call goes on where this one was")
