"""A limit to the bodies of requests that are read whole."""

from __future__ import annotations

import re
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radversary.service.api.problems import problem

BODY: Final = 1_000_000
"""Bytes of a body of JSON, at most."""

STREAMED: Final = re.compile(r"/v1/(uploads/[^/]*|guards/[^/]*/screenings)")
"""Paths of endpoints that read their bodies part by part, and limit them themselves."""


class BodyLimit:
    """Refuses bodies that are too large, before they are read where their length is told.

    Args:
        app: What follows.
        most: Bytes, at most.
    """

    def __init__(self, app: ASGIApp, most: int = BODY) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or STREAMED.fullmatch(scope["path"]):
            await self.app(scope, receive, send)
            return
        told, size = dict(scope["headers"]).get(b"content-length", b"0"), 0
        said = f"the body of this request has {self.most} bytes at most"

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.most:
                raise HTTPException(413, said)  # which who reads the body passes on
            return message

        if told.isdigit() and int(told) > self.most:
            await problem(413, said)(scope, receive, send)
        else:
            await self.app(scope, counted, send)
