"""The description of the API (OpenAPI 3.1): readable names of operations, and one definition of every refusal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from radversary.service.api.problems import MEDIA, Problem

TAGS: Final[Mapping[str, str]] = MappingProxyType({
    "models": "Classifiers: registered by an upload or a path of the server, loaded without running code of theirs.",
    "datasets": "Images: registered by an upload, a path of the server, or as phantoms.",
    "uploads": "Files sent as bodies; what is cut short leaves nothing.",
    "plans": "Plans of audits, checked before they are run.",
    "jobs": "Long work: put into the queue, followed, stopped, gone on with.",
    "results": "What audits found: results, scores, reports, rankings.",
    "guards": "Calibrated guards, which judge whether films were manipulated.",
    "screenings": "Films judged by a guard, one by one or as a batch.",
    "keys": "Keys of people and programs.",
    "log": "The audit log, whose lines hold each other's hashes.",
    "operation": "Signs of life, for those who run the server."})
"""Name of a group of operations to what it is about."""

REFUSALS: Final[Mapping[int, str]] = MappingProxyType({
    400: "The body cannot be read.",
    401: "There is no key, or one that is unknown, expired or revoked.",
    403: "The key does not allow it, or the path lies elsewhere than it may.",
    404: "There is nothing of that id; what another tenant has is not there either.",
    409: "It stands in the way of something that is there, or cannot be asked in the present state.",
    413: "The body is larger than it may be.",
    416: "The part of the file that was asked for is not there.",
    422: "What was given cannot be used; the sentence says why.",
    429: "The key asks too often; the header Retry-After says when to ask again.",
    501: "An optional library is not installed on the server.",
    503: "The database or the disk does not answer; the header Retry-After may say when to ask again.",
    507: "The disk is nearly full, so that no new work is taken."})
"""Status of a refusal to what it means."""

METHODS: Final = ("get", "post", "put", "delete", "patch")


def describe(app: FastAPI) -> None:
    """Have an application describe itself: operations by their functions' names, refusals by one definition each.

    Args:
        app: The application, with all its routes.
    """
    app.openapi_tags = [{"name": name, "description": says} for name, says in TAGS.items()]
    made = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            with_refusals(made())
        return dict(app.openapi_schema or {})

    app.openapi = described  # type: ignore[method-assign]


def operation_id(route: APIRoute) -> str:
    """Return the id of an operation: its function's name."""
    return route.name


def with_refusals(schema: dict[str, Any]) -> None:
    """Put into a description what each operation refuses, in place.

    Args:
        schema: As FastAPI makes it.
    """
    parts = schema["components"]
    for name in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(name, None)
    definition = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    parts["schemas"] |= {**definition.pop("$defs"), "Problem": definition}
    parts["responses"] = {name_of(status): {
        "description": says, "content": {MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
        for status, says in REFUSALS.items()}
    for path, methods in schema["paths"].items():
        for method in set(METHODS) & set(methods):
            responses = methods[method]["responses"]
            for status in sorted(refused_by(path, method, methods[method])):
                responses[str(status)] = {"$ref": f"#/components/responses/{name_of(status)}"}


def name_of(status: int) -> str:
    """Return the name under which a refusal is defined.

    Example:
        >>> name_of(404)
        'NotFound'
    """
    return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")


def refused_by(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[int]:
    """Yield the statuses with which an operation may refuse.

    Args:
        path: Its path, with names in braces.
        method: Its method, in small letters.
        operation: Its description.
    """
    if not operation.get("security"):  # signs of life
        yield from (503, 507)
        return
    yield from (401, 403, 422, 429, 503)
    if "{" in path or any(tag in ("results", "jobs", "guards") for tag in operation["tags"]) or method == "post":
        yield 404
    if method in ("post", "delete") or "results" in operation["tags"]:
        yield 409
    if "206" in operation["responses"]:
        yield from (400, 416)
    if method == "post":
        yield from (501, 507)
    if "requestBody" in operation:
        yield from (400, 413)
