"""Server-sent events, read line by line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from radversary.client.rows import Event


def events_in(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events of a stream; comments and events that end with the connection are left out.

    Args:
        lines: Without their ends.

    Example:
        >>> [event.kind for event in events_in(["event: job", 'data: {"state": "done"}', "", ": alive", ""])]
        ['job']
    """
    found: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not line and "data" in found:
            yield Event(kind=found.get("event", "message"), data=json.loads(found["data"]), id=found.get("id", ""))
        if not line:
            found = {}
        elif colon and name:
            value = value.removeprefix(" ")
            found[name] = f"{found[name]}\n{value}" if name == "data" and name in found else value
