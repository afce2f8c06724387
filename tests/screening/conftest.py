"""The tiny guard that these tests share."""

from guard_fixtures import _tiny, clean, guard, victim  # noqa: F401
