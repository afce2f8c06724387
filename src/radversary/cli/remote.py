"""``--server``: a platform does what a verb asks for, and what comes out is brought here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from radversary.cli.console import say

if TYPE_CHECKING:
    from radversary.auditing.plan import AuditPlan
    from radversary.client import Client
    from radversary.client.rows import Job
    from radversary.screening.verdicts import Verdict

ServerOption = Annotated[str | None, typer.Option("--server", help=(
    "Address of a platform (radversary serve) that does it, such as https://audit.example; your key comes from the "
    "environment variable RADVERSARY_KEY."))]

NOTE: Final = "server.json"
"""In a run's folder: which job of which platform it is of."""

BROUGHT: Final = ("plan.yaml", "environment.json", "predictions.parquet", "outcomes.parquet", "detections.parquet",
                  "measurement.json", "report.html", "result.json")
"""Files of a job's folder that are brought here, the result last: where it is, all are."""


@contextmanager
def connected(server: str) -> Iterator[Client]:
    """Yield a client of a platform.

    Raises:
        MissingPartError: httpx is not installed.
        InputError: There is no key, or the address is none.
    """
    from radversary.core.errors import MissingPartError

    try:
        from radversary.client import Client
    except ImportError as error:
        raise MissingPartError(f"--server needs {error.name}: pip install 'radversary[serve]'") from error
    with Client(server) as client:
        yield client


@dataclass(frozen=True)
class Asked:
    """An audit that a platform is to do.

    Attributes:
        server: Address of the platform.
        model: A model here, or the name of one there.
        source: Images here, or the name of some there.
        plan: What is run, or the name of a plan.
        guard: Name of a guard there, which becomes a defence; empty for none.
        workers: Processes of the audit.
    """

    server: str
    model: str
    source: Mapping[str, Any]
    plan: AuditPlan | str
    guard: str = ""
    workers: int = 1

    @property
    def what(self) -> dict[str, Any]:
        """The plan as the platform is told it."""
        return {"preset": self.plan} if isinstance(self.plan, str) else {"plan": self.plan.model_dump(mode="json")}

    @property
    def digest(self) -> str:
        """By what the same audit is known again."""
        told = {"server": self.server, "model": self.model, "source": dict(self.source), "guard": self.guard,
                **self.what}
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def begin(self, client: Client) -> str:
        """Send what lies here and put the audit into the platform's queue; returns the job's id."""
        from radversary.client.naming import guard_of, model_of, registered_images, send_images
        from radversary.data.registry import DATASETS
        from radversary.execution.progress import working

        guard = guard_of(client, self.guard) if self.guard else ""
        images = registered_images(client, self.source, ["auto", *DATASETS.names()])  # before anything is sent
        with working("Sending model and images", total=2) as sent:
            model = model_of(client, self.model)
            sent()
            images = images or send_images(client, self.source)
            sent()
        return client.audit(model, images, guard=guard, workers=self.workers, **self.what).id


def audit_there(asked: Asked, out: Path) -> None:
    """Have a platform audit a model, tell how far it is, and bring the run here.

    The same command follows the audit that it began before.

    Args:
        asked: What the platform is to do.
        out: Folder for the run; made where it is absent.

    Raises:
        InputError: The audit was cancelled or has failed, or the folder is another's.
    """
    from radversary.core.errors import InputError
    from radversary.storage.json_files import write_json

    job = noted(out, asked.digest)
    with connected(asked.server) as client:
        if job is None:
            job = asked.begin(client)
            out.mkdir(parents=True, exist_ok=True)
            write_json(out / NOTE, {"server": asked.server, "job": job, "asked": asked.digest})
        say(f"{asked.server} does it as job {job}, whether this command runs or not; the same command follows it again")
        ended = followed(client, job)
        if ended.state != "done":
            raise InputError(f"the audit is {ended.state}" + (f": {ended.error}" if ended.error else "")
                             + f"; resume job {job} there and repeat the command, or give another --out")
        bring(client, job, out)


def noted(out: Path, digest: str) -> str | None:
    """Return the job that a folder is of; None where it is new.

    Raises:
        InputError: It holds another run.
    """
    from radversary.core.errors import InputError
    from radversary.storage.json_files import read_json

    if not (out / NOTE).is_file():
        if out.is_dir() and any(out.iterdir()):
            raise InputError(f"--out {out} holds something else; give another folder")
        return None
    note = read_json(out / NOTE)
    if note.get("asked") != digest:
        raise InputError(f"--out {out} holds another audit of {note.get('server')}; give another folder")
    return str(note["job"])


def followed(client: Client, job: str) -> Job:
    """Tell how far a job is until it has ended; return it."""
    from radversary.execution.progress import working

    step, done = None, 0
    with ExitStack() as bar:
        advance = None
        for event in client.follow(job):
            if event.kind == "line":
                say(str(event.data.get("text", "")))
                continue
            now = event.data.get("progress") or {}
            if now.get("step") and now["step"] != step:
                bar.close()
                step, done = now["step"], 0
                advance = bar.enter_context(working(str(step), total=now.get("total")))
            for _ in range(int(now.get("done") or 0) - done if advance else 0):
                advance()  # type: ignore[misc]
            done = max(done, int(now.get("done") or 0))
    return client.job(job)


def bring(client: Client, job: str, out: Path) -> None:
    """Write the files of a job's folder into a folder here; what there is none of is left out."""
    from radversary.service.errors import NotFoundError

    for name in BROUGHT:
        try:
            client.download(job, name, out / name)
        except NotFoundError:
            if name == "result.json":
                raise


def screen_there(server: str, films: Sequence[Path], guard: str) -> Iterator[Verdict]:
    """Have a platform judge films that lie here, one after the other.

    Args:
        server: Address of the platform.
        films: Files and folders.
        guard: Name or id of a guard there.

    Yields:
        The verdict on each film; one that the platform refuses is refused with its sentence.

    Raises:
        InputError: There is nothing at a path.
    """
    from radversary.client.naming import guard_of
    from radversary.core.errors import InputError
    from radversary.data.files import films_under
    from radversary.execution.progress import track

    for place in films:
        if not place.exists():
            raise InputError(f"there is no file or folder {place}")
    found = [(place, path) for place in films for path in (films_under(place) if place.is_dir() else [place])]
    with connected(server) as client:
        chosen = guard_of(client, guard)
        for place, path in track(found, "Screening"):
            yield judged_there(client, chosen, place, path)


def judged_there(client: Client, guard: str, place: Path, path: Path) -> Verdict:
    """Have one film judged; what does not concern the film, such as a server that does not answer, ends the command."""
    from radversary.client.sending import UnansweredError
    from radversary.core.errors import InputError
    from radversary.screening.verdicts import Verdict
    from radversary.service.errors import ServiceError, TooLargeError

    name = path.name if path == place else path.relative_to(place).as_posix()
    try:
        found = client.screen(guard, path.read_bytes())
    except OSError as error:
        return Verdict(name, "refused", None, place=str(place), reason=f"cannot be read: {error.strerror or error}")
    except InputError as error:
        if isinstance(error, ServiceError | UnansweredError) and not isinstance(error, TooLargeError):
            raise
        return Verdict(name, "refused", None, place=str(place), reason=str(error))
    return Verdict(name, found.verdict, found.p_value, cue=found.cue, prediction=found.prediction, group=found.group,  # type: ignore[arg-type]
                   place=str(place))
