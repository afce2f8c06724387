"""What a platform refuses, beside what the library refuses.

RadversaryError
└── InputError
    └── ServiceError          refused by the platform; carries the HTTP status that an API answers with
        ├── NotFoundError         nothing of that id, or it is another tenant's
        ├── SignInError           no key, or one that is unknown, expired or revoked
        ├── ForbiddenError        the key's scopes do not allow it
        ├── ConflictError         it stands in the way of something that is there
        ├── TooLargeError         an upload beyond its limit
        ├── TooManyError          more requests than a key may make
        ├── ProviderError         an identity provider that does not answer, or not as it should
        └── FullError             the disk is nearly full, so no new work is taken
"""

from __future__ import annotations

from typing import ClassVar

from radversary.core.errors import InputError


class ServiceError(InputError):
    """Something that the platform refuses."""

    status: ClassVar[int] = 400


class NotFoundError(ServiceError):
    """There is nothing of that id, or it belongs to another tenant.

    Args:
        kind: What was looked for, such as ``model``.
        given: Its id.
    """

    status = 404

    def __init__(self, kind: str, given: str) -> None:
        super().__init__(f"there is no {kind} {given!r}")


class SignInError(ServiceError):
    """No key was given, or one that is unknown, expired or revoked."""

    status = 401


class ForbiddenError(ServiceError):
    """The key that was given does not allow it."""

    status = 403


class ConflictError(ServiceError):
    """It cannot be done in the present state."""

    status = 409


class TooLargeError(ServiceError):
    """An upload is larger than its limit."""

    status = 413


class TooManyError(ServiceError):
    """A key made more requests than it may.

    Args:
        wait: Seconds until it may make the next.
    """

    status = 429

    def __init__(self, wait: float) -> None:
        super().__init__(f"too many requests; try again in {wait:.1f} s")
        self.wait = wait


class ProviderError(ServiceError):
    """An identity provider does not answer, or what it says of a person does not hold."""

    status = 502


class FullError(ServiceError):
    """The disk is nearly full, so that no new work is taken."""

    status = 507
