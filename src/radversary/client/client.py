"""The client: a method a thing that people do."""

from __future__ import annotations

import os
import tempfile
import time
import uuid
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Final, Self, TypeVar

import httpx

from radversary.client.errors import error_of
from radversary.client.events import events_in
from radversary.client.rows import (
    Answered,
    Dataset,
    Event,
    GivenKey,
    Guard,
    Job,
    Key,
    Line,
    LogCheck,
    Model,
    Removed,
    Screening,
)
from radversary.client.sending import Sender, nothing_answers, pause
from radversary.core.errors import InputError
from radversary.storage.files import whole

if TYPE_CHECKING:
    from radversary.auditing.result import AuditResult

Row = TypeVar("Row", bound=Answered)

KEY: Final = "RADVERSARY_KEY"
"""The environment variable that holds a key."""

PART: Final = 2**20
"""Bytes of a file that are sent at a time."""

ENDED: Final = frozenset({"done", "failed", "cancelled", "paused"})
"""States of a job in which nothing more happens by itself."""


class Client:
    """Somebody's hold on a platform, over its HTTP API.

    What the server refuses is raised as the library's errors, with the server's sentence. Requests that fail on their
    way are sent again where that does no harm.

    Args:
        url: Where the platform is, such as ``https://audit.example``.
        key: A key; that of the environment variable ``RADVERSARY_KEY`` where None.
        timeout: Seconds that one answer may take.
        retries: How often a request is sent again.
        transport: As httpx takes it, for tests.

    Raises:
        InputError: There is no key, or the URL is none.

    Example:
        >>> with Client("http://localhost:8000", key="rv_example") as client:
        ...     client.url
        'http://localhost:8000'
    """

    def __init__(self, url: str, key: str | None = None, *, timeout: float = 60.0, retries: int = 4,
                 transport: httpx.BaseTransport | None = None) -> None:
        token = key if key is not None else os.environ.get(KEY, "")
        if not token.strip() or not token.strip().isascii():
            raise InputError(f"give a key of the platform by the environment variable {KEY}")
        if not url.startswith(("http://", "https://")):
            raise InputError(f"a platform's address begins with http:// or https://, got {url!r}")
        self.url = url.rstrip("/")
        self.http = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token.strip()}"},
                                 timeout=timeout, transport=transport)
        self.sender = Sender(self.http, retries=retries)

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Close its connections."""
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self.http.close()

    # What is registered

    def upload(self, path: Path | str) -> str:
        """Send a file, or a folder as a zip, part by part; returns the path that it is registered by.

        Raises:
            InputError: There is nothing at the path, or the server refuses it.
        """
        place = Path(path)
        if place.is_dir():
            return self.upload_packed({path.relative_to(place).as_posix(): path for path in sorted(place.rglob("*"))
                                       if path.is_file() and not path.is_symlink()})
        if not place.is_file():
            raise InputError(f"there is no file or folder {place}")
        with place.open("rb") as file:
            return self._upload(f"upload{place.suffix}", file)

    def upload_packed(self, files: Mapping[str, Path]) -> str:
        """Send files as one zip; returns the path of the folder that they are registered by.

        Args:
            files: Name in the folder to the file here.
        """
        with tempfile.TemporaryFile() as packed:
            pack(files, packed)
            return self._upload("folder.zip", packed)

    def _upload(self, name: str, file: IO[bytes]) -> str:
        answer = self.sender.send("POST", f"/v1/uploads/{name}", content=iter(lambda: file.read(PART), b""))
        return str(answer.json()["path"])

    def register_model(self, name: str, path: str) -> Model:
        """Register a model that was uploaded or lies on the server."""
        return self._made(Model, "/v1/models", {"name": name, "path": path})

    def register_dataset(self, name: str, *, source: str = "auto", **options: Any) -> Dataset:  # noqa: ANN401
        """Register images: name and options of a data source, such as ``root`` for those that were uploaded."""
        return self._made(Dataset, "/v1/datasets", {"name": name, "source": source, "options": options})

    def models(self) -> Iterator[Model]:
        """Yield the registered models, newest first."""
        return self._pages(Model, "/v1/models")

    def datasets(self) -> Iterator[Dataset]:
        """Yield the registered images, newest first."""
        return self._pages(Dataset, "/v1/datasets")

    def guards(self) -> Iterator[Guard]:
        """Yield the calibrated guards, newest first."""
        return self._pages(Guard, "/v1/guards")

    def forget_model(self, model: str) -> Removed:
        """Remove a model and the upload behind it; returns how much is gone."""
        return self._removed(f"/v1/models/{model}")

    def forget_dataset(self, dataset: str) -> Removed:
        """Remove registered images and the upload behind them; returns how much is gone."""
        return self._removed(f"/v1/datasets/{dataset}")

    def forget_guard(self, guard: str) -> Removed:
        """Remove a guard with its screenings; returns how much is gone."""
        return self._removed(f"/v1/guards/{guard}")

    def forget_job(self, job: str) -> Removed:
        """Remove a job that has ended, with its folder; returns how much is gone."""
        return self._removed(f"/v1/jobs/{job}")

    def _removed(self, path: str) -> Removed:
        return Removed.model_validate(self.sender.send("DELETE", path).json())

    # Work

    def check_plan(self, plan: Mapping[str, Any] | None = None, *, preset: str = "quick") -> dict[str, Any]:
        """Return a plan as it would be run, every field of it."""
        answer = self.sender.send("POST", "/v1/plans/check", json={"preset": preset, "plan": plan})
        return dict(answer.json())

    def plan_cost(self, dataset: str, *, model: str = "", plan: Mapping[str, Any] | None = None,
                  preset: str = "quick", battery: str = "") -> dict[str, Any]:
        """Return how often a plan asks the model at most, and what the same audit took before."""
        body = {"dataset": dataset, "model": model, "plan": plan and dict(plan), "preset": preset, "battery": battery}
        return dict(self.sender.send("POST", "/v1/plans/cost", json=body).json())

    def audit(self, model: str, dataset: str, *, preset: str = "quick", battery: str = "",
              plan: Mapping[str, Any] | None = None, guard: str = "", title: str = "", workers: int = 1) -> Job:
        """Put an audit into the queue."""
        return self._made(Job, "/v1/audits", {"model": model, "dataset": dataset, "preset": preset, "battery": battery,
                                              "plan": plan, "guard": guard, "title": title, "workers": workers})

    def make_guard(self, model: str, dataset: str, *, preset: str = "quick", alpha: float = 0.05) -> Job:
        """Put the making of a guard into the queue."""
        return self._made(Job, "/v1/guards", {"model": model, "dataset": dataset, "preset": preset, "alpha": alpha})

    def evaluate_guard(self, guard: str, dataset: str, *, battery: str = "", plan: Mapping[str, Any] | None = None,
                       title: str = "") -> Job:
        """Put the evaluation of a guard into the queue: a battery's attacks, a plan's, or ``quick`` without either."""
        return self._made(Job, f"/v1/guards/{guard}/evaluations", {"dataset": dataset, "battery": battery,
                                                                   "plan": plan, "title": title})

    def guard_levels(self, guard: str) -> list[dict[str, Any]]:
        """Return which share of films alarms at each level of a guard: promised, evaluated, and in its stream."""
        return list(self.sender.send("GET", f"/v1/guards/{guard}/levels").json())

    def jobs(self, **where: str) -> Iterator[Job]:
        """Yield jobs, newest first; ``kind`` and ``state`` choose."""
        return self._pages(Job, "/v1/jobs", where)

    def job(self, job: str) -> Job:
        """Return how far a job is."""
        return Job.model_validate(self.sender.send("GET", f"/v1/jobs/{job}").json())

    def ask(self, job: str, wish: str) -> Job:
        """Ask a job to ``cancel``, ``pause`` or ``resume``."""
        return Job.model_validate(self.sender.send("POST", f"/v1/jobs/{job}/{wish}").json())

    def follow(self, job: str) -> Iterator[Event]:
        """Yield what happens to a job until it has ended; a connection that breaks is opened again."""
        last, failed = "", 0
        while True:
            try:
                with self.http.stream("GET", f"/v1/jobs/{job}/events", headers={"Last-Event-ID": last}) as stream:
                    if not stream.is_success:
                        stream.read()
                        raise error_of(stream)
                    for event in events_in(stream.iter_lines()):
                        last, failed = event.id or last, 0
                        yield event
                        if event.kind == "job" and event.data.get("state") in ENDED:
                            return
            except httpx.TransportError as error:
                failed += 1
                if failed > self.sender.retries:
                    raise nothing_answers(self.http, error) from error
            time.sleep(pause(failed))

    def wait(self, job: str) -> Job:
        """Wait until a job has ended; return it."""
        for _ in self.follow(job):
            pass
        return self.job(job)

    # What came out

    def result(self, job: str) -> AuditResult:
        """Return the result of an audit."""
        from radversary.auditing.result import AuditResult

        return AuditResult.model_validate_json(self.sender.send("GET", f"/v1/jobs/{job}/result").content)

    def scores(self, job: str) -> list[dict[str, Any]]:
        """Return the score of each system of an audit with its caps."""
        return list(self.sender.send("GET", f"/v1/jobs/{job}/scores").json())

    def compare(self, *jobs: str) -> list[dict[str, Any]]:
        """Rank the systems of audits by score."""
        return list(self.sender.send("GET", "/v1/comparisons", params={"run": list(jobs)}).json())

    def gate(self, job: str, *, baseline: str = "", min_score: float | None = None, max_drop: float | None = None,
             floors: Iterable[str] = (), system: str = "none") -> list[dict[str, Any]]:
        """Check an audit against rules, as ``radversary gate`` does; each verdict has the line that it prints."""
        asked = {"baseline": baseline, "min_score": min_score, "max_drop": max_drop, "floor": list(floors),
                 "system": system}
        given = {name: value for name, value in asked.items() if value not in (None, "", [])}
        return list(self.sender.send("GET", f"/v1/jobs/{job}/gate", params=given).json())

    def download(self, job: str, name: str, to: Path | str) -> Path:
        """Write a file of a job's folder, such as ``report.html``, whole or not at all."""
        target = Path(to)
        with whole(target) as part, self.http.stream("GET", f"/v1/jobs/{job}/files/{name}") as stream:
            if not stream.is_success:
                stream.read()
                raise error_of(stream)
            with part.open("wb") as file:
                for some in stream.iter_bytes():
                    file.write(some)
        return target

    def draw_report(self, job: str, *, form: str = "html") -> Job:
        """Put the drawing of an audit's report into the queue, as ``html`` or ``pdf``."""
        return self._made(Job, f"/v1/jobs/{job}/report", None, params={"format": form})

    # Screening

    def screen(self, guard: str, film: Path | str | bytes) -> Screening:
        """Have a film judged; neither its name nor the film is kept."""
        content = film if isinstance(film, bytes) else Path(film).read_bytes()
        answer = self.sender.send("POST", f"/v1/guards/{guard}/screenings", content=content)
        return Screening.model_validate(answer.json())

    def screen_batch(self, guard: str, path: str) -> Job:
        """Put the judging of films into the queue: of an upload, or of a path of the server."""
        return self._made(Job, f"/v1/guards/{guard}/batches", {"path": path})

    def screenings(self, **where: str) -> Iterator[Screening]:
        """Yield verdicts, newest first; ``guard`` chooses."""
        return self._pages(Screening, "/v1/screenings", where)

    # Keys and the audit log

    def give_key(self, name: str, *scopes: str, days: float | None = None) -> GivenKey:
        """Give a key; its ``token`` is shown this once."""
        answer = self.sender.send("POST", "/v1/keys", json={"name": name, "scopes": list(scopes), "days": days})
        return GivenKey.model_validate(answer.json())

    def rotate_key(self, key: str) -> GivenKey:
        """Give a key that allows what another does, and revoke that one."""
        return GivenKey.model_validate(self.sender.send("POST", f"/v1/keys/{key}/rotate").json())

    def revoke_key(self, key: str) -> None:
        """Revoke a key."""
        self.sender.send("DELETE", f"/v1/keys/{key}")

    def keys(self) -> Iterator[Key]:
        """Yield keys, without their secrets, newest first."""
        return self._pages(Key, "/v1/keys")

    def log(self, *, after: int = 0) -> Iterator[Line]:
        """Yield the lines of the audit log beyond a number, oldest first."""
        while some := self.sender.send("GET", "/v1/log", params={"after": after, "limit": 200}).json():
            yield from map(Line.model_validate, some)
            after = some[-1]["number"]

    def check_log(self) -> LogCheck:
        """Check that no line of the audit log was changed, put in or taken out."""
        return LogCheck.model_validate(self.sender.send("GET", "/v1/log/check").json())

    def _made(self, kind: type[Row], path: str, body: Mapping[str, Any] | None, **more: Any) -> Row:  # noqa: ANN401
        """Have something made, once however often the request is sent."""
        return kind.model_validate(self.sender.send("POST", path, json=body, headers={
            "Idempotency-Key": uuid.uuid4().hex}, **more).json())

    def _pages(self, kind: type[Row], path: str, where: Mapping[str, str] | None = None) -> Iterator[Row]:
        cursor = ""
        while True:
            page = self.sender.send("GET", path, params={**(where or {}), "cursor": cursor, "limit": 200}).json()
            yield from map(kind.model_validate, page["items"])
            if not (cursor := page["next"]):
                return


def pack(files: Mapping[str, Path], to: IO[bytes]) -> None:
    """Write files into a zip as they are, by their names in it."""
    with zipfile.ZipFile(to, "w", zipfile.ZIP_STORED) as archive:
        for name, path in files.items():
            archive.write(path, name)
    to.seek(0)
