"""A collector of traces: a server that takes OTLP over HTTP, and keeps what comes."""

from __future__ import annotations

import gzip
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """What came.

    Attributes:
        address: Of the server.
        bodies: As they came.
        waits: Set to have requests answered; they wait until then where it was cleared.
    """

    def __init__(self, port):
        self.address, self.bodies, self.waits = f"http://127.0.0.1:{port}", [], threading.Event()
        self.waits.set()

    def spans(self):
        """All spans: name, attributes, and the message itself."""
        found = [span for body in self.bodies for resource in ExportTraceServiceRequest.FromString(body).resource_spans
                 for scope in resource.scope_spans for span in scope.spans]
        return [(span.name, attributes(span), span) for span in found]

    def named(self, name):
        return [(found, span) for named, found, span in self.spans() if named == name]

    def services(self):
        return {attributes(resource.resource)["service.name"] for body in self.bodies
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans}


def attributes(thing):
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in thing.attributes}


@contextmanager
def collecting():
    """Run a collector, until the block is left."""
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.bodies.append(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            collector.waits.wait(60)
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_given):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector = Collector(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.waits.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
