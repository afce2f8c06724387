"""Asking a server: time limits, retries, several requests at once, a bearer token from the environment."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from email.utils import parsedate_to_datetime
from functools import partial
from threading import Event, Lock, Thread
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import httpx

from radversary.classifiers.http_files import is_local, shown_url
from radversary.core.errors import ModelError
from radversary.core.text import sentence
from radversary.execution.progress import check_cancelled
from radversary.storage.json_files import parse_json

TOKEN: Final = "RADVERSARY_TOKEN"  # noqa: S105 - the variable's name
"""Environment variable of the bearer token."""

TOKEN_HOST: Final = "RADVERSARY_TOKEN_HOST"  # noqa: S105
"""Environment variable of the one host, with its port where it has one, that the token is sent to; any where unset."""

BEARER: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""A bearer token (RFC 6750)."""

AGAIN: Final = frozenset({429, 502, 503, 504})
"""Answers of a server that is busy or is being started: the request is sent again."""

FIRST, LONGEST = 0.5, 60.0
"""Seconds before the first retry, doubled for each further one, and those that are waited at most."""

CONNECT: Final = 10.0
"""Seconds that a connection may take."""

LARGEST: Final = 16 * 2**20
"""Bytes of one answer, at most."""

WORDS: Final = 120
"""Characters of an error's body that are quoted."""

PATIENCE: Final = 0.2
"""Seconds between checks for cancellation while requests are on their way."""


class Reply(NamedTuple):
    """What a server sent back.

    Attributes:
        status: HTTP's status.
        body: The first bytes of the body; all where the status is 200.
        headers: HTTP's headers.
    """

    status: int
    body: bytes
    headers: httpx.Headers


class _AgainError(Exception):
    """A request was not answered and may be sent again.

    Args:
        reason: Why, after the model's name.
        pause: Seconds that the server asks to be left alone for.
    """

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.pause = reason, pause


class ModelClient:
    """Asks one address for JSON. Any number of threads may share one; a copy in another process connects anew.

    Nothing is followed: a redirect is an error, so that neither images nor the token reach another host.

    Args:
        who: The model and its address, for error texts.
        timeout: Seconds that one answer may take.
        retries: How often a request is sent again.
    """

    def __init__(self, who: str, *, timeout: float, retries: int) -> None:
        self.who, self.timeout, self.retries = who, timeout, retries
        self._lock, self._made = Lock(), dict[bool, httpx.Client]()

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings alone: no connection and no token is copied."""
        return {"who": self.who, "timeout": self.timeout, "retries": self.retries}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def close(self) -> None:
        """Close all connections; a later request opens new ones."""
        with self._lock:
            while self._made:
                self._made.popitem()[1].close()

    def get(self, url: str) -> Any:  # noqa: ANN401
        """Return the JSON at an address.

        Raises:
            ModelError: There is none, or none can be had.
            CancelledError: The work was asked to stop.
        """
        return self._all([lambda stop: self._ask("GET", url, b"", stop)], 1)[0]

    def post(self, url: str, bodies: Sequence[Callable[[], bytes]], *, at_once: int) -> list[Any]:
        """Send some bodies of JSON to an address and return the JSON that comes back for each, in order.

        Args:
            url: The address.
            bodies: Make the bodies, when they are due.
            at_once: Requests that are on their way at the same time, at most.

        Raises:
            ModelError: One was not answered with JSON; the others are given up.
            CancelledError: The work was asked to stop.
        """
        return self._all([partial(self._post, url, body) for body in bodies], at_once)

    def _post(self, url: str, body: Callable[[], bytes], stop: Event) -> Any:  # noqa: ANN401
        return self._ask("POST", url, body(), stop)

    def _all(self, requests: Sequence[Callable[[Event], Any]], at_once: int) -> list[Any]:
        stop, futures = Event(), [Future[Any]() for _ in requests]
        todo = iter(list(zip(futures, requests, strict=True)))
        for _ in range(min(at_once, len(requests))):
            # Threads of a pool would keep the program from ending while a server does not answer.
            Thread(target=_work, args=(todo, stop), name="served-model", daemon=True).start()
        try:
            waiting: set[Future[Any]] = set(futures)
            while waiting and not any(future.exception() for future in set(futures) - waiting):
                _, waiting = wait(waiting, timeout=PATIENCE, return_when=FIRST_EXCEPTION)
                check_cancelled()
        finally:
            stop.set()
        failed = next((future for future in futures if future.done() and future.exception()), None)
        return [failed.result()] if failed is not None else [future.result() for future in futures]

    def _ask(self, method: str, url: str, body: bytes, stop: Event) -> Any:  # noqa: ANN401
        """Send one request, again where that may help, and return the JSON that comes back."""
        for attempt in range(self.retries + 1):
            try:
                return self._once(method, url, body)
            except _AgainError as error:
                reason, pause = error.reason, min(LONGEST, FIRST * 2**attempt) * random.uniform(0.5, 1.0)
                if attempt == self.retries or stop.wait(max(pause, error.pause)):
                    break
        times = "once" if attempt == 0 else f"{attempt + 1} times"
        raise ModelError(f"{self.who} {reason}, asked {times}; see that its server runs, then give the same command "
                         "again")

    def _once(self, method: str, url: str, body: bytes) -> Any:  # noqa: ANN401
        """Send one request once and return the JSON that comes back.

        Raises:
            _AgainError: It may be answered when it is sent again.
        """
        try:
            reply = self._sent(method, url, body)
        except httpx.RequestError as error:
            reason = f"cannot be reached ({sentence(str(error) or type(error).__name__, WORDS)})"
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise ModelError(f"{self.who} {reason}: its certificate is not trusted here; name the file of its "
                                 "authority in the environment variable SSL_CERT_FILE") from error
            raise _AgainError(reason) from error
        except httpx.InvalidURL as error:
            raise ModelError(f"{self.who} has an address that cannot be asked: {error}") from error
        if reply.status not in AGAIN:
            return self._read(reply, url)
        reason, pause = self._refusal(reply, url), _retry_after(reply.headers)
        if pause > LONGEST:
            raise ModelError(f"{self.who} {reason} and asks to be left alone for {pause:.0f} s; give the same command "
                             "again then")
        raise _AgainError(reason, pause)

    def _sent(self, method: str, url: str, body: bytes) -> Reply:
        client, started, content = self._client(url), time.monotonic(), bytearray()
        headers = {"Content-Type": "application/json"} if body else {}
        if token := bearer(url):
            headers["Authorization"] = f"Bearer {token}"
        with client.stream(method, url, content=body or None, headers=headers) as reply:
            for part in reply.iter_bytes():
                content += part
                if time.monotonic() - started > self.timeout:
                    raise httpx.ReadTimeout(f"no whole answer within {self.timeout:g} s")
                if len(content) > LARGEST and reply.status_code == httpx.codes.OK:
                    raise ModelError(f"{self.who} sends an answer longer than {LARGEST // 2**20} MiB")
                if len(content) > LARGEST:
                    break
            return Reply(reply.status_code, bytes(content), reply.headers)

    def _read(self, reply: Reply, url: str) -> Any:  # noqa: ANN401
        """Return the JSON in a reply."""
        if 300 <= reply.status < 400:
            goal = shown_url(sentence(reply.headers.get("location", "nowhere"), WORDS))
            raise ModelError(f"{self.who} answers {reply.status}, a redirect to {goal}; images are sent to the address "
                             "that was given and to no other: state that one where it is right")
        if reply.status != httpx.codes.OK:
            raise ModelError(f"{self.who} {self._refusal(reply, url)}")
        try:
            return parse_json(reply.body.decode("utf-8"), constants=True)
        except ValueError as error:
            kind = reply.headers.get("content-type", "").partition(";")[0] or "no content type"
            raise ModelError(f"{self.who} answers with no JSON but {sentence(kind, WORDS)} {self._words(reply)}: is "
                             "this the address that predictions are asked at?") from error

    def _refusal(self, reply: Reply, url: str) -> str:
        hint = ""
        if reply.status in (401, 403):
            sent = "RADVERSARY_TOKEN is not taken" if bearer(url) else f"set the environment variable {TOKEN}"
            hint = f"; {sent}"
        return f"answers {reply.status} {self._words(reply)}{hint}"

    def _words(self, reply: Reply) -> str:
        """Return the first words of a body, without the token where the server repeats it."""
        text = " ".join(reply.body[:2000].decode("utf-8", "replace").split())
        token = os.environ.get(TOKEN, "")
        return f"({sentence(text.replace(token, '…') if token else text, WORDS) or 'nothing'})"

    def _client(self, url: str) -> httpx.Client:
        """Return the client; an environment's proxies are for other machines than this one."""
        local = is_local(url)
        with self._lock:
            if local not in self._made:
                self._made[local] = httpx.Client(
                    verify=httpx.create_ssl_context(), trust_env=not local, follow_redirects=False,
                    timeout=httpx.Timeout(self.timeout, connect=min(CONNECT, self.timeout)),
                    headers={"Accept": "application/json", "Accept-Encoding": "identity"})
            return self._made[local]


def _work(todo: Iterator[tuple[Future[Any], Callable[[Event], Any]]], stop: Event) -> None:
    """Make requests until none is left, or until they are to stop; several threads share them."""
    for future, request in todo:
        if stop.is_set():
            return
        try:
            future.set_result(request(stop))
        except Exception as error:  # raised again where the answers are waited for
            future.set_exception(error)


def bearer(url: str) -> str:
    """Return the token that is sent to an address; nothing where none is.

    Args:
        url: The address.

    Raises:
        ModelError: There is a token that cannot be one, or that would cross a network unencrypted.
    """
    token, only = os.environ.get(TOKEN, ""), os.environ.get(TOKEN_HOST, "")
    parts = urlsplit(url)
    if not token or (only and only.lower() not in ((parts.hostname or "").lower(), parts.netloc.lower())):
        return ""
    if not BEARER.fullmatch(token):
        raise ModelError(f"the environment variable {TOKEN} holds a character that no bearer token has, such as a "
                         "space or a line's end")
    if parts.scheme != "https" and not is_local(url):
        raise ModelError(f"the token in {TOKEN} is not sent to {shown_url(url)}, where everybody on the way could read "
                         f"it: give an https address, or unset {TOKEN}")
    return token


def _retry_after(headers: httpx.Headers) -> float:
    """Return the seconds that a server asks to be left alone for, 0 where it says nothing."""
    said = headers.get("retry-after", "").strip()
    if said.isdecimal() and len(said) < 10:
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
