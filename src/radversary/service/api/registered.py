"""Endpoints: models, datasets, plans, guards, uploads."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from radversary.core.errors import ModelError
from radversary.service.access.scopes import Scope
from radversary.service.api.asking import ActorGiven, OnceGiven, PlatformGiven
from radversary.service.api.bodies import (
    CostRow,
    DatasetRow,
    GuardRow,
    JobRow,
    Listed,
    ModelRow,
    NewDataset,
    NewEvaluation,
    NewGuard,
    NewModel,
    PlanBody,
    PlanFor,
    RemovedBody,
    Uploaded,
    listed,
)
from radversary.service.api.repeating import once
from radversary.service.catalogue.costs import plan_cost
from radversary.service.catalogue.datasets import register_dataset
from radversary.service.catalogue.evaluations import ask_for_evaluation
from radversary.service.catalogue.guards import known_of
from radversary.service.catalogue.jobs import ask_for_guard, checked_plan
from radversary.service.catalogue.models import register_model
from radversary.service.catalogue.paging import page_of
from radversary.service.catalogue.removing import remove_guard, remove_registered
from radversary.service.catalogue.uploads import keep_upload
from radversary.service.monitoring.shown import GuardLevels
from radversary.service.store.database import owned
from radversary.service.store.tables import Dataset, Guard, Model

router = APIRouter()

Cursor = Annotated[str, Query(max_length=24, description="the `next` of the page before")]
FileName = Annotated[str, Path(description="the file's name; its ending alone is kept")]
Limit = Annotated[int, Query(ge=1, le=200)]


@router.post("/models", status_code=201, tags=["models"])
def add_model(platform: PlatformGiven, by: ActorGiven, body: NewModel, key: OnceGiven = None) -> ModelRow:
    """Register a model that lies on the server or was uploaded; it is loaded and asked about images first."""
    made = once(platform, by, key, "models", body.model_dump(), lambda: ModelRow.model_validate(
        register_model(platform, by, name=body.name, path=body.path)).model_dump(mode="json"))
    return ModelRow.model_validate(made)


@router.get("/models", tags=["models"])
def list_models(platform: PlatformGiven, by: ActorGiven, cursor: Cursor = "", limit: Limit = 50) -> Listed[ModelRow]:
    """List registered models, newest first."""
    by.need(Scope.READ)
    with platform.database.reading() as session:
        return listed(ModelRow, page_of(session, Model, by.tenant, cursor=cursor, limit=limit))


@router.get("/models/{model}", tags=["models"])
def show_model(platform: PlatformGiven, by: ActorGiven, model: str) -> ModelRow:
    """Show a model with its card."""
    by.need(Scope.READ)
    with platform.database.reading() as session:
        return ModelRow.model_validate(owned(session, Model, model, by.tenant))


@router.delete("/models/{model}", tags=["models"])
def forget_model(platform: PlatformGiven, by: ActorGiven, model: str) -> RemovedBody:
    """Remove a model and the upload behind it; what lies in a folder of `--allow` is not touched."""
    return RemovedBody.of(remove_registered(platform, by, model, Model))


@router.post("/datasets", status_code=201, tags=["datasets"])
def add_dataset(platform: PlatformGiven, by: ActorGiven, body: NewDataset, key: OnceGiven = None) -> DatasetRow:
    """Register images that lie on the server or were uploaded; they are listed first."""
    source = {"name": body.source, "options": body.options}
    made = once(platform, by, key, "datasets", body.model_dump(), lambda: DatasetRow.model_validate(
        register_dataset(platform, by, name=body.name, source=source)).model_dump(mode="json"))
    return DatasetRow.model_validate(made)


@router.get("/datasets", tags=["datasets"])
def list_datasets(platform: PlatformGiven, by: ActorGiven, cursor: Cursor = "",
                  limit: Limit = 50) -> Listed[DatasetRow]:
    """List registered images, newest first."""
    by.need(Scope.READ)
    with platform.database.reading() as session:
        return listed(DatasetRow, page_of(session, Dataset, by.tenant, cursor=cursor, limit=limit))


@router.get("/datasets/{dataset}", tags=["datasets"])
def show_dataset(platform: PlatformGiven, by: ActorGiven, dataset: str) -> DatasetRow:
    """Show what is known of registered images."""
    by.need(Scope.READ)
    with platform.database.reading() as session:
        return DatasetRow.model_validate(owned(session, Dataset, dataset, by.tenant))


@router.delete("/datasets/{dataset}", tags=["datasets"])
def forget_dataset(platform: PlatformGiven, by: ActorGiven, dataset: str) -> RemovedBody:
    """Remove registered images and the upload behind them; what lies in a folder of `--allow` is not touched."""
    return RemovedBody.of(remove_registered(platform, by, dataset, Dataset))


@router.post("/plans/check", tags=["plans"])
def check_plan(by: ActorGiven, body: PlanBody) -> dict[str, Any]:
    """Return a plan as it would be run, every field of it, or refuse it in a sentence."""
    by.need(Scope.READ)
    return dict(checked_plan(body.plan, body.preset, body.battery))


@router.post("/plans/cost", tags=["plans"])
def tell_cost(platform: PlatformGiven, by: ActorGiven, body: PlanFor) -> CostRow:
    """Return how often a plan asks the model at most; of an audit that was done before, how long it took."""
    return CostRow.model_validate(plan_cost(platform, by, **body.model_dump()))


@router.post("/guards", status_code=202, tags=["guards"])
def add_guard(platform: PlatformGiven, by: ActorGiven, body: NewGuard, key: OnceGiven = None) -> JobRow:
    """Fit and calibrate a guard on clean films; the job's summary is what it promises, and the guard is then listed."""
    made = once(platform, by, key, "guards", body.model_dump(), lambda: JobRow.model_validate(
        ask_for_guard(platform, by, **body.model_dump())).model_dump(mode="json"))
    return JobRow.model_validate(made)


@router.get("/guards", tags=["guards"])
def list_guards(platform: PlatformGiven, by: ActorGiven, cursor: Cursor = "", limit: Limit = 50) -> Listed[GuardRow]:
    """List calibrated guards, newest first."""
    by.need(Scope.READ)
    with platform.database.reading() as session:
        return listed(GuardRow, page_of(session, Guard, by.tenant, cursor=cursor, limit=limit))


@router.get("/guards/{guard}", tags=["guards"])
def show_guard(platform: PlatformGiven, by: ActorGiven, guard: str) -> GuardRow:
    """Show a guard with what it promises."""
    by.need(Scope.READ)
    with platform.database.reading() as session:
        return GuardRow.model_validate(owned(session, Guard, guard, by.tenant))


@router.delete("/guards/{guard}", tags=["guards"])
def forget_guard(platform: PlatformGiven, by: ActorGiven, guard: str, request: Request) -> RemovedBody:
    """Remove a guard with its files, its screenings, its stream and the alerts about it."""
    return RemovedBody.of(remove_guard(platform, request.app.state.guards, by, guard))


@router.post("/guards/{guard}/evaluations", status_code=202, tags=["guards"])
def evaluate_guard(platform: PlatformGiven, by: ActorGiven, guard: str, body: NewEvaluation,
                   key: OnceGiven = None) -> JobRow:
    """Attack clean films and measure how a guard judges them; `guard-evaluation.json` is among the job's files."""
    made = once(platform, by, key, f"guards/{guard}/evaluations", body.model_dump(), lambda: JobRow.model_validate(
        ask_for_evaluation(platform, by, guard, **body.model_dump())).model_dump(mode="json"))
    return JobRow.model_validate(made)


@router.get("/guards/{guard}/levels", tags=["guards"])
def show_levels(platform: PlatformGiven, by: ActorGiven, guard: str) -> list[GuardLevels]:
    """Show at each level of the p-value which share of clean films alarms: promised, evaluated, and in the stream."""
    if (known := known_of(platform, by, guard)).fault:
        raise ModelError(known.fault)
    return list(known.levels)


@router.post("/uploads/{name}", status_code=201, tags=["uploads"], openapi_extra={"requestBody": {
    "required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}})
async def upload(platform: PlatformGiven, by: ActorGiven, name: FileName, request: Request) -> Uploaded:
    """Keep a file that is sent as the body: a model, or a zip of a model's folder or of images.

    The answer's `path` is what `POST /models` and `POST /datasets` take. A zip is unpacked; nothing in it is executed.
    """
    return Uploaded(path=str(await keep_upload(platform, by, name, request.stream())))
