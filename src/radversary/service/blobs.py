"""Where uploads and the folders of jobs lie: under home, which all share, or in a bucket of which home is a cache.

In a bucket a tree (an upload, a job's folder) is a set of contents named by their SHA-256, and states: documents that
say which file has which content. A state is one object and appears at once, so nobody sees half a folder; each attempt
at a job writes states of its own number, and the highest counts, so a worker that was taken to be gone and is not
changes nothing. No object is named after a film: names may hold a patient's.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, Final

from filelock import FileLock

from radversary.core.errors import StorageError
from radversary.service.blob_trees import Entry, Hashes, State, drop_others, read_state, take, walked
from radversary.service.bucket import Bucket
from radversary.service.errors import FullError
from radversary.service.operations.moving import renamed
from radversary.service.settings import Settings

MARK: Final = "blobs:"
"""What stands for home in references that every machine understands."""

UNSEEN: Final = ("data", "units", "images")
"""Folders of a run that only its job needs."""

TOGETHER: Final = 8
"""Objects that are moved at a time."""

TRIES: Final = 4
"""How often a folder that changes meanwhile is looked through anew."""


class Blobs:
    """The shared folder: everything is in its place already.

    Args:
        settings: Where home is.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.home = settings, settings.home

    def portable(self, content: Any) -> Any:  # noqa: ANN401
        """Return plain values whose paths under home every machine understands."""
        return content

    def place(self, reference: str) -> Path:
        """Return the path of what a reference names, fetched where it is not here."""
        return Path(reference)

    def job(self, job: str) -> Path:
        """Return the folder of a job, to be read."""
        return self.home / "jobs" / job

    def workplace(self, job: str) -> Path:
        """Return the folder in which this machine works at a job."""
        return self.home / "jobs" / job

    def keep_upload(self, folder: Path) -> None:
        """Keep a folder that was uploaded, whole or not at all."""

    def forget(self, folder: Path) -> None:
        """Remove an upload or a job's folder from where it is kept, beside ``folder`` itself."""

    def bring_records(self) -> None:
        """Bring the records of all jobs here."""

    def faults(self, reference: str) -> Iterator[str]:  # noqa: ARG002 - nothing is kept elsewhere
        """Yield what is missing of a tree, a sentence each."""
        yield from ()


class BucketBlobs(Blobs):
    """A bucket, of which home is a cache.

    Args:
        settings: Where the bucket and home are.

    Raises:
        InputError: No URL, or one with credentials.
        MissingPartError: The library for its protocol is not installed.
        StorageError: It cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.home = settings.folder().resolve()
        self.bucket, self._hashes = Bucket(settings.blobs), Hashes()
        self._states, self._lock = dict[str, tuple[Any, State]](), threading.Lock()
        self._written = dict[tuple[str, str], State]()

    def portable(self, content: Any) -> Any:  # noqa: ANN401
        """Return plain values whose paths under home every machine understands."""
        return renamed(renamed(content, str(self.home), MARK), str(self.settings.home), MARK)

    def place(self, reference: str, *, heed: Callable[[], None] = lambda: None) -> Path:
        """Return the path of what a reference names, fetched where it is not here.

        Args:
            reference: The reference, or a path under home.
            heed: Called between files; raises where it is to stop.

        Raises:
            FullError: The disk has no room for it.
            StorageError: It cannot be fetched.
        """
        name = inner(self.portable(reference))
        if name is None:
            return Path(reference)
        self.fetch(tree_of(name), self.home / tree_of(name), wanted=needed(name), heed=heed)
        return self.home / name

    def job(self, job: str) -> Path:
        """Return the folder of a job, to be read: without what only its work needs."""
        return self.place(f"{MARK}/jobs/{job}")

    def workplace(self, job: str) -> Path:
        """Return the folder in which this machine works at a job; others read the one of :meth:`job`."""
        return self.home / "work" / job

    def keep_upload(self, folder: Path) -> None:
        """Keep a folder that was uploaded, whole or not at all."""
        self.put(folder.resolve().relative_to(self.home).as_posix(), folder, 1)

    def forget(self, folder: Path) -> None:
        """Remove an upload or a job's folder from the bucket: its states first, so that it is absent from then on."""
        tree = folder.resolve().relative_to(self.home).as_posix()
        for part in ("states", "content"):
            self.bucket.remove([f"{tree}/{part}/{name}" for name in self.bucket.under(f"{tree}/{part}")])

    def bring_records(self) -> None:
        """Bring the records of all jobs here."""
        for name in self.bucket.under("jobs"):
            self.job(name)

    def number(self, tree: str) -> int:
        """Return the highest number of a tree's states; 0 where there is none."""
        return max(map(number_of, self.bucket.under(f"{tree}/states")), default=0)

    def state(self, tree: str) -> State:
        """Return which file of a tree has which content: the highest state, and what reports added to it."""
        listing = self.bucket.under(f"{tree}/states")
        with self._lock:
            seen, state = self._states.get(tree, (None, {}))
        if listing == seen:
            return state
        highest = max(map(number_of, listing), default=0)
        state = {}
        for name in sorted(listing, key=lambda name: (len(name), name)):  # the state itself, then what adds to it
            if number_of(name) != highest:
                continue
            state |= read_state(self.bucket.read(f"{tree}/states/{name}"))
        with self._lock:
            self._states[tree] = listing, state
        return state

    def fetch(self, tree: str, folder: Path, *, wanted: Callable[[str], bool] = lambda _name: True,
              heed: Callable[[], None] = lambda: None) -> None:
        """Have a folder hold what a tree does; each file is whole or absent, and checked by its hash.

        Args:
            tree: The tree's name.
            folder: The folder; wanted files that the tree lacks are removed from it.
            wanted: Says of a name whether it is needed.
            heed: Called between files; raises where it is to stop.

        Raises:
            FullError: The disk has no room for it.
            StorageError: An object is missing, damaged or cannot be reached.
        """
        state = {name: entry for name, entry in self.state(tree).items() if wanted(name)}
        with FileLock(self.settings.folder("fetching") / f"{tree.replace('/', '-')}.lock", thread_local=False):
            missing = {name: entry for name, entry in state.items() if not self._hashes.holds(folder / name, entry)}
            self._check_room(missing)

            def bring(item: tuple[str, Entry]) -> None:
                heed()
                key = f"{tree}/content/{item[1].sha256}"
                take(folder / item[0], item[1], lambda part: self.bucket.receive(key, part))

            last = missing.pop("result.json", None)  # what tells that a run is whole comes last
            with ThreadPoolExecutor(TOGETHER) as pool:
                list(pool.map(bring, missing.items()))
            if last is not None:
                bring(("result.json", last))
            if folder.is_dir():
                drop_others(folder, {name for name in walked(folder) if wanted(name)} - set(state))

    def put(self, tree: str, folder: Path, number: int, *, part: str = "") -> bool:
        """Store a folder as a tree's state.

        Args:
            tree: The tree's name.
            folder: The folder.
            number: Of the state; those with lower numbers count no longer.
            part: Name of a state that adds to the one of that number; empty for that one itself.

        Returns:
            Whether the folder kept still long enough to be stored.

        Raises:
            StorageError: It cannot be stored.
        """
        known = self.state(tree)
        sent = {entry.sha256 for entry in known.values()}
        for _ in range(TRIES):
            before = walked(folder)
            found = {name: entry for name in before if (entry := self._hashes.of(folder / name)) is not None}
            new = {entry.sha256: name for name, entry in found.items() if entry.sha256 not in sent}
            with ThreadPoolExecutor(TOGETHER) as pool:
                sent.update(pool.map(lambda item: self._send(tree, folder, *item), new.items()))
            if walked(folder) == before:
                self._write(tree, f"{number:08d}{'-' + part if part else ''}.json", {
                    name: entry for name, entry in found.items() if not part or known.get(name) != entry})
                return True
        return False

    def _send(self, tree: str, folder: Path, sha256: str, name: str) -> str:
        """Send a content; returns its hash, or nothing where the file went or changed meanwhile."""
        key = f"{tree}/content/{sha256}"
        try:
            self.bucket.send(folder / name, key)
        except StorageError:
            if (folder / name).exists():
                raise
            return ""
        now = self._hashes.of(folder / name)
        if now is None or now.sha256 != sha256:
            self.bucket.remove([key])
            return ""
        return sha256

    def _write(self, tree: str, name: str, state: State) -> None:
        if self._written.get((tree, name)) != state:
            self.write_state(tree, name, state)
            self._written = {(tree, name): state}

    def write_state(self, tree: str, name: str, state: State) -> None:
        """Write a state of a tree."""
        self.bucket.write(f"{tree}/states/{name}", json.dumps(
            {"files": {file: list(entry) for file, entry in state.items()}}, sort_keys=True).encode())

    def tidy(self, tree: str) -> None:
        """Remove contents and states of a tree that count no longer; by who alone may change it."""
        names, used = self.bucket.under(f"{tree}/states"), {entry.sha256 for entry in self.state(tree).values()}
        highest = max(map(number_of, names), default=0)
        self.bucket.remove([f"{tree}/states/{name}" for name in names if number_of(name) < highest])
        self.bucket.remove([f"{tree}/content/{name}" for name in self.bucket.under(f"{tree}/content")
                            if name not in used])

    def faults(self, reference: str) -> Iterator[str]:
        """Yield what is missing of a tree, a sentence each; names of uploaded files are not told."""
        if (name := inner(self.portable(reference))) is None:
            return
        tree = tree_of(name)
        state = self.state(tree)
        if not state:
            yield f"nothing of it is at {self.settings.blobs}"
        sizes = {key: size for key, (size, _) in self.bucket.under(f"{tree}/content").items()} if state else {}
        missing = {entry.sha256 for entry in state.values() if sizes.get(entry.sha256) != entry.size}
        if missing:
            yield (f"{len(missing)} contents are missing or cut short at {self.settings.blobs}, such as "
                   f"{tree}/content/{min(missing)}")

    def _check_room(self, missing: Mapping[str, Entry]) -> None:
        size = sum(entry.size for entry in missing.values())
        if size and shutil.disk_usage(self.home).free - size < self.settings.reserve:
            raise FullError("the disk is nearly full: there is no room for what lies in the bucket")


def blobs_of(settings: Settings) -> Blobs:
    """Return where uploads and the folders of jobs lie."""
    return BucketBlobs(settings) if settings.blobs else Blobs(settings)


def inner(reference: str) -> str | None:
    """Return the path within home that a portable reference names; None where it names none.

    Example:
        >>> inner("blobs:/jobs/1/guard"), inner("/films")
        ('jobs/1/guard', None)
    """
    mark, _, name = reference.partition("/")
    return PurePosixPath(name).as_posix() if mark == MARK and name and ".." not in PurePosixPath(name).parts else None


def tree_of(name: str) -> str:
    """Return the tree that a path within home belongs to: a job's folder, or an upload.

    Example:
        >>> tree_of("jobs/1/guard"), tree_of("tenants/main/uploads/2/files/a.png")
        ('jobs/1', 'tenants/main/uploads/2')
    """
    parts = PurePosixPath(name).parts
    return "/".join(parts[:2 if parts[0] == "jobs" else 4])


def needed(name: str) -> Callable[[str], bool]:
    """Return what says which files of a tree are needed by who asks for a path within home.

    Example:
        >>> guard = needed("jobs/1/guard")
        >>> guard("guard/card.json"), guard("report.html"), needed("jobs/1")("units/1"), needed("jobs/1")("report.html")
        (True, False, False, True)
    """
    parts = PurePosixPath(name).parts
    if parts[0] != "jobs":
        return lambda _file: True
    if len(parts) > 2:
        return lambda file: PurePosixPath(file).parts[0] == parts[2]
    return lambda file: PurePosixPath(file).parts[0] not in UNSEEN


def number_of(state: str) -> int:
    """Return the number of a state's name.

    Example:
        >>> number_of("00000003-0190.json")
        3
    """
    return int(state[:8]) if state[:8].isdecimal() else 0


def named(content: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield the paths within home that plain values name.

    Example:
        >>> list(named({"model": "blobs:/tenants/main/uploads/1/upload.onnx", "plan": {"a": ["/films", 2]}}))
        ['tenants/main/uploads/1/upload.onnx']
    """
    if isinstance(content, str):
        if (name := inner(content)) is not None:
            yield name
    elif isinstance(content, Mapping | list):
        for value in content.values() if isinstance(content, Mapping) else content:
            yield from named(value)
