"""Files of a run folder as answers, with a mark by which a copy that is still good is known."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

from fastapi import Header, Response
from fastapi.responses import FileResponse

from radversary.service.catalogue.results import FILES

Asked = Annotated[str, Header(alias="If-None-Match", max_length=1000, description=(
    "The `ETag` of a copy: where it is still good, the answer is 304 without a body."))]

HEADERS: Final[Mapping[str, str]] = MappingProxyType({
    "Cache-Control": "private, no-cache", "Content-Security-Policy": "sandbox allow-scripts"})
"""Headers of a file: it is kept by who asked alone, asked about each time, and cannot act as a page of the platform."""

FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file", "content": {kind.partition(";")[0]: {} for kind in FILES.values()}},
    206: {"description": "The part of it that the header Range asked for"},
    304: {"description": "The copy with that ETag is still good"}}
"""The answers of an endpoint that sends a file."""


def send_file(path: Path, asked: str = "") -> Response:
    """Return a file as an answer, or that a copy is still good.

    Args:
        path: The file, of one of the endings in :data:`FILES`.
        asked: The header ``If-None-Match``.
    """
    state = path.stat()
    mark = f'"{hashlib.sha256(f"{state.st_mtime_ns}-{state.st_size}-{state.st_ino}".encode()).hexdigest()[:32]}"'
    headers = {**HEADERS, "ETag": mark}
    if asked.strip() == "*" or mark in {part.strip().removeprefix("W/") for part in asked.split(",")}:
        return Response(status_code=304, headers=headers)
    return FileResponse(path, media_type=FILES[path.suffix], headers=headers, stat_result=state)
