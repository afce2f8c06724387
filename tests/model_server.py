"""A server of models on this machine: plain JSON and the Open Inference Protocol v2, by the standard library."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, NamedTuple

import torch
from torch import Tensor

Network = Callable[[Tensor], Tensor]


class Raw(NamedTuple):
    """A reply as it is sent."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


class Asked(NamedTuple):
    """What a server was asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: Any


class ModelServer:
    """A server that answers by a function, notes what it is asked, and can be stopped as if it were killed.

    Args:
        answer: Makes a reply of what is asked: content for JSON, a :class:`Raw` reply, or None for no reply at all.
        port: 0 takes a free one.
        lives: Requests with a body that it answers before it dies; None for all.
    """

    def __init__(self, answer: Callable[[Asked], Any], *, port: int = 0, lives: int | None = None) -> None:
        self.answer, self.lives = answer, lives
        self.asked: list[Asked] = []
        self.now = self.most = 0
        self._lock, self._dead, self._closed = Lock(), False, Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def __enter__(self) -> ModelServer:
        return self

    def __exit__(self, *_given: object) -> None:
        self.die()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def posts(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.method == "POST"]

    def die(self) -> None:
        """Answer nothing any more and close the port."""
        with self._lock:
            alive, self._dead = not self._dead, True
        if alive:
            self._server.shutdown()
            self._server.server_close()
            self._closed.set()
        self._closed.wait(10)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_given: object) -> None:
                pass

            def do_GET(self) -> None:
                owner._reply(self, None)

            def do_POST(self) -> None:
                owner._reply(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        return Handler

    def _reply(self, handler: BaseHTTPRequestHandler, content: Any) -> None:
        asked = Asked(handler.command, handler.path, dict(handler.headers), content)
        with self._lock:
            self.asked.append(asked)
            self.now += 1
            self.most = max(self.most, self.now)
            last = self.lives is not None and content is not None and len(self.posts()) > self.lives
        try:
            if last:
                Thread(target=self.die).start()
            made = None if last or self._dead else self.answer(asked)
        finally:
            with self._lock:
                self.now -= 1
        if made is None:
            handler.close_connection = True
            return
        kind = {"Content-Type": "application/json"}
        raw = made if isinstance(made, Raw) else Raw(200, json.dumps(made).encode(), kind)
        handler.send_response(raw.status)
        for name, value in {"Content-Length": str(len(raw.body)), **raw.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(raw.body)


def plain(network: Network, name: str = "logits") -> Callable[[Asked], Any]:
    """Answer plain JSON."""
    return lambda asked: {name: network(torch.tensor(asked.content["instances"], dtype=torch.float32)).tolist()}


def metadata(shape: list[int], classes: int = 3, datatype: str = "FP32") -> dict[str, Any]:
    """What a server says of a model of one input and one output."""
    return {"name": "lungs", "versions": ["1"], "platform": "test",
            "inputs": [{"name": "image", "datatype": "FP32", "shape": shape}],
            "outputs": [{"name": "score", "datatype": datatype, "shape": [-1, classes]}]}


def open_inference(network: Network, facts: dict[str, Any]) -> Callable[[Asked], Any]:
    """Answer by the Open Inference Protocol v2, strictly."""
    def answer(asked: Asked) -> Any:
        if asked.path == "/v2/models/lungs" and asked.method == "GET":
            return facts
        if asked.path != "/v2/models/lungs/infer" or asked.method != "POST":
            return Raw(404, b'{"error": "no such model"}')
        (given,), shape = asked.content["inputs"], facts["inputs"][0]["shape"] if facts["inputs"] else None
        if shape and not all(own in (-1, length) for own, length in zip(shape, given["shape"], strict=True)):
            return Raw(400, json.dumps({"error": f"unexpected shape {given['shape']}, expected {shape}"}).encode())
        made = network(torch.tensor(given["data"], dtype=torch.float32).reshape(given["shape"]))
        kind = {torch.float32: "FP32", torch.int64: "INT64"}[made.dtype]
        return {"model_name": "lungs", "outputs": [{"name": "score", "datatype": kind, "shape": list(made.shape),
                                                    "data": made.flatten().tolist()}]}
    return answer


def write_served(path: Path, url: str, card: Mapping[str, Any], **more: Any) -> Path:
    """Write the file that leads to a served model."""
    path.write_text(json.dumps({"url": url, "card": dict(card), **more}), encoding="utf-8")
    return path
