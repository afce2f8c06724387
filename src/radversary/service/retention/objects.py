"""Objects of a tree in a bucket that go, removed and looked for."""

from __future__ import annotations

from collections.abc import Callable

from radversary.service.blob_trees import State, read_state
from radversary.service.blobs import BucketBlobs


def objects_of(blobs: BucketBlobs, tree: str, which: Callable[[str], bool], *, whole: bool) -> dict[str, int]:
    """Return the contents of a tree that go, with their sizes.

    Args:
        blobs: The bucket.
        tree: The tree's name.
        which: Says of a file whether it goes.
        whole: Whether all go.
    """
    if whole:
        return {name: size for name, size in blobs.bucket.below(tree).items() if not name.startswith("states/")}
    states = states_of(blobs, tree)
    kept = {entry.sha256 for state in states.values() for name, entry in state.items() if not which(name)}
    return {entry.sha256: entry.size for state in states.values() for name, entry in state.items()
            if which(name) and entry.sha256 not in kept}


def clear_objects(blobs: BucketBlobs, tree: str, which: Callable[[str], bool], *, whole: bool) -> None:
    """Remove objects of a tree: from its states first, so that nobody takes it for whole.

    Args:
        blobs: The bucket.
        tree: The tree's name.
        which: Says of a file whether it goes.
        whole: Whether all go.

    Raises:
        StorageError: The bucket cannot be reached.
    """
    if whole:
        blobs.forget(blobs.home / tree)
        blobs.bucket.remove([f"{tree}/{name}" for name in blobs.bucket.below(tree)])
        return
    for number, state in states_of(blobs, tree).items():
        kept = {name: entry for name, entry in state.items() if not which(name)}
        if kept != state:
            blobs.write_state(tree, number, kept)
    blobs.tidy(tree)
    blobs.bucket.remove([f"{tree}/{name}" for name in blobs.bucket.below(tree) if unfinished(name)])


def objects_left(blobs: BucketBlobs, tree: str, which: Callable[[str], bool], *, whole: bool) -> int:
    """Return how many objects are there of what goes of a tree.

    Args:
        blobs: The bucket.
        tree: The tree's name.
        which: Says of a file whether it goes.
        whole: Whether all go.

    Raises:
        StorageError: The bucket cannot be reached.
    """
    there = blobs.bucket.below(tree)
    if whole:
        return len(there)
    states = states_of(blobs, tree).values()
    used = {entry.sha256 for state in states for entry in state.values()}
    return sum(unfinished(name) or (name.startswith("content/") and name.removeprefix("content/") not in used)
               for name in there) + sum(which(name) for state in states for name in state)


def states_of(blobs: BucketBlobs, tree: str) -> dict[str, State]:
    """Return every state of a tree by its name."""
    return {name: read_state(blobs.bucket.read(f"{tree}/states/{name}"))
            for name in blobs.bucket.under(f"{tree}/states")}


def unfinished(name: str) -> bool:
    """Return whether an object is what a writer that was killed left.

    Example:
        >>> unfinished("content/.part-01"), unfinished("content/01")
        (True, False)
    """
    return name.rpartition("/")[2].startswith(".part-")
