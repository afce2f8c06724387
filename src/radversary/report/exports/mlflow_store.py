"""Log a run to MLflow, once: a second export of the same audit finds the first."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from radversary.core.errors import InputError, MissingPartError
from radversary.core.text import FAULT, sentence
from radversary.report.exports.facts import Run
from radversary.report.exports.mlflow_facts import KEY, metrics_of, parameters_of, tags_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run as Logged

EXPERIMENT: Final = "radversary"
ARTEFACTS: Final = ("result.json", "report.html", "plan.yaml", "environment.json")
DATABASE: Final = "mlflow.db"
FILE: Final = "sqlite:///"
"""Begin of the address of a store in an SQLite file."""
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


def log_run(run: Run, uri: str, experiment: str = EXPERIMENT) -> Kept:
    """Log metrics, parameters, tags and artefacts of a run; one that was logged whole is left as it is.

    An export that was cut off is taken up again. Nothing is sent but to ``uri``: MLflow's own telemetry is off.

    Args:
        run: The run.
        uri: MLflow's tracking URI.
        experiment: Name of the experiment; it is made where there is none.

    Raises:
        MissingPartError: MLflow is not installed.
        InputError: The store cannot be reached or refuses what is logged.
    """
    client = client_at(uri)
    with refusals(uri):
        place = experiment_id(client, experiment, uri)
        found = logged(client, place, run.key)
        if found is not None and found.info.status == "FINISHED":
            return Kept(found.info.run_id, shown(uri), new=False)
        made = found or client.create_run(place, tags={KEY: run.key}, run_name=sentence(run.result.name, 200))
        send(client, made, run)
        client.set_terminated(made.info.run_id)
    return Kept(made.info.run_id, shown(uri), new=True)


def client_at(uri: str) -> MlflowClient:
    """Return MLflow's client, its telemetry off and its notes silent.

    Raises:
        MissingPartError: MLflow, or the library of its database, is not installed.
        InputError: No such store.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise MissingPartError("logging to MLflow needs mlflow-skinny: pip install 'radversary[mlflow]'") from error
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with refusals(uri):
        return MlflowClient(tracking_uri=uri)


@contextmanager
def refusals(uri: str) -> Iterator[None]:
    """Raise one error with one sentence where MLflow refuses.

    Args:
        uri: The store.

    Raises:
        MissingPartError: The library of its database is not installed.
        InputError: It refuses.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except ImportError as error:
        raise MissingPartError(f"MLflow's store at {shown(uri)} needs {error.name}: pip install 'radversary[mlflow]'"
                               ) from error
    except MlflowException as error:
        raise InputError(f"MLflow at {shown(uri)} refuses: {sentence(shown(str(error)), FAULT)}") from error


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


def send(client: MlflowClient, made: Logged, run: Run) -> None:
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
    for name in ARTEFACTS:
        if (run.folder / name).is_file():
            client.log_artifact(made.info.run_id, str(run.folder / name))


def parts(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    """Yield items in lists of some length at most.

    Example:
        >>> list(parts([1, 2, 3], 2))
        [[1, 2], [3]]
    """
    for start in range(0, len(items), size):
        yield list(items[start:start + size])
