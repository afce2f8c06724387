"""Log a run to MLflow, once: a second export of the same audit finds the first."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import yaml

from radversary.core.errors import InputError, MissingPartError
from radversary.core.text import FAULT, sentence
from radversary.report.exports.facts import Run
from radversary.report.exports.mlflow_facts import KEY, metrics_of, parameters_of, plan_of, tags_of
from radversary.report.scrubbing import PLAN

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as Logged

EXPERIMENT: Final = "radversary"
RESULT, REPORT, ENVIRONMENT = "result.json", "report.html", "environment.json"
ARTEFACTS: Final = (RESULT, REPORT, PLAN, ENVIRONMENT)
"""Files of a run folder that are sent as they lie where identifiers are wished for, or are pseudonyms."""
DATABASE: Final = "mlflow.db"
FILE: Final = "sqlite:///"
"""Begin of the address of a store in an SQLite file."""
PATIENCE: Final = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
                   "MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "300"}
"""Variables of MLflow while a run is sent: tries again, seconds between them, of a request, of an artefact."""
CONTACT: Final = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
"""The same where it is asked whether a server is there."""
UNREACHABLE: Final = re.compile(r"API request to \S+ failed with (timeout )?exception")
"""What MLflow says where no answer came, or too many that name a fault of the server (``error responses``)."""
PARTS: Final = {"metrics": 1000, "params": 100}
"""Entries that MLflow takes at once."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Kept:
    """Where a run was logged.

    Attributes:
        run_id: MLflow's identifier.
        uri: Where, without a password.
        new: Whether it was logged now; False where it lay there.
    """

    run_id: str
    uri: str
    new: bool


def default_uri(folder: Path) -> str:
    """Return where runs are logged unless told otherwise: ``MLFLOW_TRACKING_URI``, else a database in the run folder.

    Args:
        folder: The run folder.
    """
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{FILE}{(folder / DATABASE).resolve()}"


def log_run(run: Run, uri: str, experiment: str = EXPERIMENT, *, identifiers: bool = False) -> Kept:
    """Log metrics, parameters, tags and artefacts of a run; one that was logged whole is left as it is.

    An export that was cut off is taken up again. Nothing is sent but to ``uri``: MLflow's own telemetry is off.

    Args:
        run: The run.
        uri: MLflow's tracking URI.
        experiment: Name of the experiment; it is made where there is none.
        identifiers: Whether the run's files are sent as they lie, with ids of images, paths and pictures.

    Raises:
        MissingPartError: MLflow is not installed.
        InputError: The store cannot be reached or refuses what is logged.
    """
    client = client_at(uri)
    with patience(CONTACT), refusals(uri):
        place = experiment_id(client, experiment, uri)
    with patience(PATIENCE), refusals(uri):
        found = logged(client, place, run.key)
        if found is not None and found.info.status == "FINISHED":
            return Kept(found.info.run_id, shown(uri), new=False)
        made = found or client.create_run(place, tags={KEY: run.key}, run_name=sentence(run.result.name, 200))
        send(client, made, run, identifiers=identifiers)
        client.set_terminated(made.info.run_id)
    return Kept(made.info.run_id, shown(uri), new=True)


def client_at(uri: str) -> MlflowClient:
    """Return MLflow's client, its telemetry off and its notes silent.

    Raises:
        MissingPartError: MLflow, or the library of its database, is not installed.
        InputError: No such store.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise MissingPartError("logging to MLflow needs mlflow-skinny: pip install 'radversary[mlflow]'") from error
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with refusals(uri):
        return MlflowClient(tracking_uri=uri)


@contextmanager
def patience(settings: Mapping[str, str]) -> Iterator[None]:
    """Let MLflow wait no longer for a server than some settings say; variables that are set already stand above them.

    Args:
        settings: Variables of MLflow.
    """
    lacking = {name: value for name, value in settings.items() if name not in os.environ}
    os.environ.update(lacking)
    try:
        yield
    finally:
        for name in lacking:
            os.environ.pop(name, None)


@contextmanager
def refusals(uri: str) -> Iterator[None]:
    """Raise one error with one sentence where MLflow refuses.

    Args:
        uri: The store.

    Raises:
        MissingPartError: The library of its database is not installed.
        InputError: It refuses, or cannot be reached.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except ImportError as error:
        raise MissingPartError(f"MLflow's store at {shown(uri)} needs {error.name}: pip install 'radversary[mlflow]'"
                               ) from error
    except MlflowException as error:
        if UNREACHABLE.search(text := str(error)) and "error responses" not in text:
            raise InputError(f"no MLflow server answers at {shown(uri)}; start it, or give another --tracking-uri"
                             ) from error
        raise InputError(f"MLflow at {shown(uri)} refuses: {sentence(shown(text), FAULT)}") from error


def shown(uri: str) -> str:
    """Return an address without name and password.

    Example:
        >>> shown("https://ward:secret@tracking.example/x")
        'https://tracking.example/x'
    """
    return re.sub(r"://[^/\s@]+@", "://", uri)


def experiment_id(client: MlflowClient, name: str, uri: str) -> str:
    """Return the experiment's identifier; a new one in an SQLite file keeps artefacts beside that file.

    MLflow's own default for such a store is a folder where the command happens to be run.
    """
    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    beside = Path(uri.removeprefix(FILE)).resolve().parent if uri.startswith(FILE) else None
    place = (beside / "mlflow-artefacts").as_uri() if beside else None
    return str(client.create_experiment(name, artifact_location=place))


def logged(client: MlflowClient, experiment: str, key: str) -> Logged | None:
    """Return the run of an audit's key, a finished one before others; None where there is none."""
    found = client.search_runs([experiment], filter_string=f"tags.`{KEY}` = '{key}'")
    return min(found, key=lambda item: item.info.status != "FINISHED", default=None)


def send(client: MlflowClient, made: Logged, run: Run, *, identifiers: bool) -> None:
    """Send everything of a run; what an earlier attempt sent is not sent twice."""
    from mlflow.entities import Metric, Param, RunTag

    known = made.data
    metrics = [Metric(name, value, made.info.start_time, 0) for name, value in metrics_of(run).items()
               if name not in known.metrics]
    params = [Param(name, value) for name, value in parameters_of(run).items() if name not in known.params]
    for part in parts(metrics, PARTS["metrics"]):
        client.log_batch(made.info.run_id, metrics=part)
    for part in parts(params, PARTS["params"]):
        client.log_batch(made.info.run_id, params=part)
    client.log_batch(made.info.run_id, tags=[RunTag(name, value) for name, value in tags_of(run).items()])
    for name, text in {} if identifiers else texts_of(run).items():
        client.log_text(made.info.run_id, text, name)
    for name in files_of(run, identifiers=identifiers):
        client.log_artifact(made.info.run_id, str(run.folder / name))


def texts_of(run: Run) -> dict[str, str]:
    """Return what is sent in place of files of the run folder: without ids of images, names of sites and paths."""
    found = {RESULT: run.result.model_dump_json(indent=1) + "\n"}
    if plan := plan_of(run):
        found[PLAN] = yaml.safe_dump(plan, sort_keys=False, allow_unicode=True)
    if (run.folder / ENVIRONMENT).is_file():
        found[ENVIRONMENT] = json.dumps(run.environment(), indent=1, sort_keys=True) + "\n"
    return found


def files_of(run: Run, *, identifiers: bool) -> tuple[str, ...]:
    """Return the files of the run folder that are sent as they lie."""
    wanted = ARTEFACTS if identifiers else (REPORT,) if run.pseudonymised else ()
    return tuple(name for name in wanted if (run.folder / name).is_file())


def parts(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    """Yield items in lists of some length at most.

    Example:
        >>> list(parts([1, 2, 3], 2))
        [[1, 2], [3]]
    """
    for start in range(0, len(items), size):
        yield list(items[start:start + size])
