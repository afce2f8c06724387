"""A server of one network on this machine: plain JSON and the Open Inference Protocol v2, by the standard library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import torch
from torch import nn

from benchmarks.form_weights import Weights

PROTOCOL = "/v2/models/forms"


@contextmanager
def serving(weights: Weights) -> Iterator[str]:
    """Serve a network for as long as the context is open; yields the server's address, without a path."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(weights))
    server.daemon_threads = True
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def handler(weights: Weights) -> type[BaseHTTPRequestHandler]:
    """Return what answers one request: ``/predict`` in plain JSON, all else by the Open Inference Protocol v2."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_said: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self.reply(metadata(weights))

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.reply((plain if self.path == "/predict" else inferred)(weights.network, asked))

        def reply(self, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def metadata(weights: Weights) -> dict[str, Any]:
    """Return what the protocol says of the network's input and output."""
    return {"name": "forms", "versions": ["1"], "platform": "pytorch",
            "inputs": [{"name": "images", "datatype": "FP32", "shape": [-1, *weights.shape]}],
            "outputs": [{"name": "logits", "datatype": "FP32", "shape": [-1, len(weights.card.classes)]}]}


@torch.no_grad()
def plain(network: nn.Module, asked: dict[str, Any]) -> dict[str, Any]:
    """Answer plain JSON."""
    return {"logits": network(torch.tensor(asked["instances"], dtype=torch.float32)).tolist()}


@torch.no_grad()
def inferred(network: nn.Module, asked: dict[str, Any]) -> dict[str, Any]:
    """Answer by the Open Inference Protocol v2."""
    (given,) = asked["inputs"]
    logits = network(torch.tensor(given["data"], dtype=torch.float32).reshape(given["shape"]))
    return {"model_name": "forms", "outputs": [{"name": "logits", "datatype": "FP32", "shape": list(logits.shape),
                                                "data": logits.flatten().tolist()}]}
