"""Files that pages load: style, scripts, and the parts of others; each is asked for with its hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from radversary.service.errors import NotFoundError

STATIC: Final = Path(__file__).parent / "static"
"""The folder of the files."""

KINDS: Final[Mapping[str, str]] = MappingProxyType({
    ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8", ".json": "application/json"})

KEPT: Final = "public, max-age=31536000, immutable"
"""How long a browser keeps a file that it asked for by its hash."""

router = APIRouter(include_in_schema=False)


@cache
def contents() -> Mapping[str, bytes]:
    """Return all files: path under :data:`STATIC` to content."""
    return MappingProxyType({path.relative_to(STATIC).as_posix(): path.read_bytes()
                             for path in sorted(STATIC.rglob("*")) if path.suffix in KINDS})


@cache
def asset(name: str) -> str:
    """Return the address of a file, with the beginning of its hash.

    Raises:
        KeyError: There is none of that name.

    Example:
        >>> asset("vendor/htmx.min.js").partition("?")[0]
        '/static/vendor/htmx.min.js'
    """
    return f"/static/{name}?{hashlib.sha256(contents()[name]).hexdigest()[:12]}"


@router.get("/static/{name:path}")
def send_asset(name: str) -> Response:
    """Send a file."""
    if name not in contents():
        raise NotFoundError("file", name[:80])
    return Response(contents()[name], media_type=KINDS[Path(name).suffix], headers={"Cache-Control": KEPT})


@router.get("/favicon.ico")
def send_icon() -> Response:
    """Send the icon to browsers that ask for it by its usual name."""
    return send_asset("icon.svg")
