"""What requests bring and answers hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from radversary.service.access.keys import Given
from radversary.service.api.plain import plain_name, plain_text, plain_values
from radversary.service.catalogue.paging import Page
from radversary.service.retention.purging import Removed
from radversary.service.store.tables import Owned

Shown = TypeVar("Shown", bound="Row")

Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(plain_name)]
Title = Annotated[str, Field(max_length=200), AfterValidator(plain_text)]
Id = Annotated[str, Field(pattern="^[0-9a-f]{24}$")]
Place = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(plain_text)]
Word = Annotated[str, Field(max_length=40), AfterValidator(plain_text)]
Values = Annotated[dict[str, JsonValue], Field(max_length=200), AfterValidator(plain_values)]


class Body(BaseModel):
    """What a request brings; an unknown key is refused, and so is a value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewModel(Body):
    """A model to register: a path on the server, or what an upload answered."""

    name: Name
    path: Place


class NewDataset(Body):
    """Images to register: name and options of a data source."""

    name: Name
    source: Word = "auto"
    options: Values = {}


class PlanBody(Body):
    """A plan, or the name of one."""

    preset: Word = "quick"
    battery: Literal["", "quick", "standard", "full"] = ""
    plan: Values | None = None


class PlanFor(PlanBody):
    """A plan, or the name of one, for registered images."""

    dataset: Id
    model: Id | Literal[""] = ""


class CostRow(BaseModel):
    """What an audit costs at most: answers and gradients of the model, and the seconds of the same one before."""

    model_config = ConfigDict(from_attributes=True)

    images: int
    attacks: int
    readings: int
    unknown: list[str]
    seconds: float | None


class NewAudit(PlanBody):
    """An audit to put into the queue."""

    model: Id
    dataset: Id
    guard: Id | Literal[""] = ""
    title: Title = ""
    workers: int = Field(default=1, ge=1, le=256)
    priority: int = Field(default=5, ge=1, le=10)


class NewGuard(Body):
    """A guard to fit and calibrate."""

    model: Id
    dataset: Id
    preset: Literal["quick", "thorough", "black-box"] = "quick"
    alpha: float = Field(default=0.05, gt=0, lt=1)
    seed: int = Field(default=42, ge=0, lt=2**31)
    title: Title = ""


class NewEvaluation(Body):
    """An evaluation of a guard: attacks of a battery, of a plan, or of both, on registered clean films."""

    dataset: Id
    battery: Literal["", "quick", "standard", "full"] = ""
    plan: Values | None = None
    title: Title = ""


class NewBatch(Body):
    """Films to be judged: what an upload answered, or a path on the server."""

    path: Place


class NewKey(Body):
    """A key to give."""

    name: Name
    scopes: list[Word] = Field(min_length=1, max_length=10)
    days: float | None = Field(default=None, gt=0, le=3660)


class Uploaded(BaseModel):
    """What was uploaded: the path that models, datasets and batches are registered by."""

    path: str


class Row(BaseModel):
    """Something registered."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    created: float


class ModelRow(Row):
    """A registered model."""

    name: str
    sha256: str
    card: dict[str, Any]
    warnings: list[str]


class DatasetRow(Row):
    """Registered images."""

    name: str
    images: int
    classes: dict[str, int]
    notes: list[str]


class JobRow(Row):
    """A job."""

    kind: str
    title: str
    state: str
    progress: dict[str, Any]
    summary: dict[str, Any]
    error: str
    attempts: int
    priority: int
    started: float | None
    ended: float | None


class GuardRow(Row):
    """A calibrated guard."""

    name: str
    model_id: str
    promise: dict[str, Any]


class KeyRow(Row):
    """A key, without its secret."""

    name: str
    scopes: list[str]
    expires: float | None
    revoked: float | None
    used: float | None


class GivenKey(KeyRow):
    """A key that was just given, with its secret, which is shown this once."""

    token: str

    @classmethod
    def of(cls, given: Given) -> GivenKey:
        """Return a key with its secret."""
        return cls(**KeyRow.model_validate(given.key).model_dump(), token=given.token)


class ScreeningRow(Row):
    """A verdict on a film."""

    guard_id: str
    verdict: str
    p_value: float | None
    cue: str
    prediction: str
    group: str
    milliseconds: float


class GateVerdict(BaseModel):
    """What became of one rule of a gate; ``line`` is what the command line prints."""

    model_config = ConfigDict(from_attributes=True)

    rule: str
    kept: bool
    sentence: str
    line: str


class RemovedBody(BaseModel):
    """What was removed: files, their bytes and the number of the audit log's line that says so.

    ``left`` files stay for the reason that ``kept`` gives; where it is empty, nothing is left.
    """

    files: int
    bytes: int
    left: int
    kept: str
    log: int

    @classmethod
    def of(cls, removed: Removed) -> RemovedBody:
        """Return what was removed as an answer."""
        return cls(files=removed.files, bytes=removed.bytes, left=removed.left, kept=removed.kept,
                   log=removed.lines[-1])


class EntryRow(BaseModel):
    """A line of the audit log."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    created: float
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    previous: str
    digest: str


class Listed(BaseModel, Generic[Shown]):
    """A page of a list, newest first; ``next`` is the cursor of the next page, empty where this is the last."""

    items: list[Shown]
    next: str


def listed(kind: type[Shown], page: Page[Any]) -> Listed[Shown]:
    """Return a page as an answer.

    Args:
        kind: Of its rows.
        page: The page.
    """
    rows: Sequence[Owned] = page.items
    return Listed(items=[kind.model_validate(item) for item in rows], next=page.following)
