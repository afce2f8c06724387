"""How a served model is asked: retries, time limits, the token, and to whom images are sent."""

from __future__ import annotations

import logging
import pickle
import re
import signal
import ssl
import subprocess
import sys
import time
from email.utils import formatdate
from threading import Event, Thread
from typing import Any

import pytest
import torch

from model_server import ModelServer, Raw, plain, write_served
from radversary.attacks.metering import Ledger, MeteredClassifier
from radversary.classifiers import http_client
from radversary.classifiers.card import ModelCard
from radversary.classifiers.http_client import bearer
from radversary.classifiers.http_files import Served
from radversary.classifiers.http_model import HttpClassifier
from radversary.classifiers.registry import load
from radversary.core.errors import CancelledError, ModelError
from radversary.execution.cancellation import Cancellation
from radversary.execution.progress import reporting
from radversary.execution.work import Progress
from random_parts import smooth_images, tiny_classifier

pytestmark = pytest.mark.slow

DRAWN = tiny_classifier()
CARD = ModelCard(name="lungs", architecture="served", classes=("a", "b", "c"), size=32)
SECRET = "abc.DEF-123"


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    monkeypatch.setattr(http_client, "FIRST", 0.01)
    monkeypatch.delenv("RADVERSARY_TOKEN", raising=False)
    monkeypatch.delenv("RADVERSARY_TOKEN_HOST", raising=False)


def served(server: ModelServer | str, **changes: Any) -> HttpClassifier:
    url = server if isinstance(server, str) else server.root
    return HttpClassifier(Served(url=url, card=CARD, **changes))


def after(failures: list[Any]):
    """Answer with these first, and then as the model does."""
    waiting = list(failures)
    return lambda asked: waiting.pop(0) if waiting else plain(DRAWN.module)(asked)


# What is asked again, and what is not.

@pytest.mark.parametrize("failure", [Raw(429), Raw(502), Raw(503, b"starting"), Raw(504), None,
                                     Raw(200, b"{", {"Content-Length": "50", "Connection": "close"})])
def test_what_may_pass_is_asked_again_and_counted_once(failure):
    ledger, images = Ledger(), smooth_images(3)
    with ModelServer(after([failure, failure])) as server:
        metered = MeteredClassifier(served(server, timeout=5), ledger)
        torch.testing.assert_close(metered.logits(images), DRAWN.logits(images))
        assert len(server.posts()) == 3
    assert ledger.settle(0.0).queries == 3  # images, however often a request was sent


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 500, 501])
def test_what_does_not_pass_is_asked_once(status):
    with ModelServer(lambda asked: Raw(status, b"no")) as server:
        with pytest.raises(ModelError, match=rf"^model 'lungs' at http://127.0.0.1:\d+ answers {status} \(no\)"):
            served(server).logits(smooth_images(1))
        assert len(server.posts()) == 1


def test_retries_end(monkeypatch):
    with ModelServer(lambda asked: Raw(503, b"starting")) as server:
        with pytest.raises(ModelError, match=r"answers 503 \(starting\), asked 3 times; see that its server runs"):
            served(server, retries=2).logits(smooth_images(1))
        assert len(server.posts()) == 3


class Impatient:
    """Notes how long it was to wait, and does not."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def wait(self, pause: float) -> bool:
        self.pauses.append(pause)
        return False


def test_pauses_grow_and_vary(monkeypatch):
    monkeypatch.setattr(http_client, "FIRST", 1.0)
    stop = Impatient()
    with ModelServer(lambda asked: Raw(503)) as server, pytest.raises(ModelError, match="asked 9 times"):
        served(server, retries=8)._client._ask("POST", server.root, b"{}", stop)
    pauses = stop.pauses
    for place, pause in enumerate(pauses):
        top = min(60.0, 2.0**place)
        assert top / 2 <= pause <= top
    assert len(set(pauses)) == 8


def test_a_server_that_asks_for_a_pause_gets_it():
    with ModelServer(after([Raw(429, b"", {"Retry-After": "1"})])) as server:
        started = time.monotonic()
        served(server).logits(smooth_images(1))
        assert 1 <= time.monotonic() - started < 3
    date = formatdate(time.time() + 900, usegmt=True)
    for said in ("900", date):
        with ModelServer(lambda asked, said=said: Raw(429, b"slow", {"Retry-After": said})) as server:
            with pytest.raises(ModelError, match=r"answers 429 \(slow\) and asks to be left alone for (900|89\d) s"):
                served(server).logits(smooth_images(1))
            assert len(server.posts()) == 1


@pytest.mark.parametrize("said", ["soon", "-5", "nan", "9" * 400, "Thu, 99 Foo 9999 99:99:99 GMT", ""])
def test_a_pause_that_is_none_is_passed_over(said):
    assert http_client._retry_after(http_client.httpx.Headers({"Retry-After": said})) == 0


def test_nobody_there_is_one_sentence():
    with ModelServer(plain(DRAWN.module)) as server:
        url = server.root
    with pytest.raises(ModelError, match=r"cannot be reached \(.*refused.*\), asked 2 times; see that its server runs"):
        served(url, retries=1).logits(smooth_images(1))


def test_an_answer_that_takes_too_long_is_given_up():
    def late(asked):
        time.sleep(0.6)
        return {"logits": [[0.0, 1.0, 2.0]]}

    with ModelServer(late) as server:
        started = time.monotonic()
        with pytest.raises(ModelError, match=r"cannot be reached \(.*timed out.*\), asked once"):
            served(server, timeout=0.2, retries=0).logits(smooth_images(1))
        assert time.monotonic() - started < 0.6


def test_one_request_that_fails_ends_the_others():
    def some(asked):
        bright = torch.tensor(asked.content["instances"]).mean() > 0
        return Raw(500, b"bright") if bright else time.sleep(3)

    images = torch.cat([torch.zeros(3, 1, 32, 32), torch.ones(1, 1, 32, 32)])
    with ModelServer(some) as server:
        started = time.monotonic()
        with pytest.raises(ModelError, match=r"500 \(bright\)"):
            served(server, max_batch_size=1).logits(images)
        assert time.monotonic() - started < 2


def test_a_person_need_not_wait_for_a_server_that_does_not_answer():
    progress = Progress(cancellation=Cancellation())
    with ModelServer(lambda asked: time.sleep(5)) as server, reporting(progress):
        Thread(target=lambda: (time.sleep(0.2), progress.cancellation.cancel())).start()
        started = time.monotonic()
        with pytest.raises(CancelledError):
            served(server).logits(smooth_images(1))
        assert time.monotonic() - started < 2


def test_a_program_ends_while_a_server_does_not_answer():
    code = """
import signal, sys, torch
signal.signal(signal.SIGINT, signal.default_int_handler)  # it is ignored where the tests run in the background
from radversary.classifiers.card import ModelCard
from radversary.classifiers.http_files import Served
from radversary.classifiers.http_model import HttpClassifier
card = ModelCard(name="m", architecture="x", classes=("a", "b"), size=8)
HttpClassifier(Served(url=sys.argv[1], card=card)).logits(torch.zeros(1, 1, 8, 8))
"""
    asked = Event()

    def silent(_asked):
        asked.set()
        time.sleep(120)

    with ModelServer(silent) as server, subprocess.Popen([sys.executable, "-c", code, server.root],
                                                         stderr=subprocess.PIPE, text=True) as process:
        assert asked.wait(120)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
    assert "KeyboardInterrupt" in said


# To whom images and the token go.

def test_a_token_is_sent_and_shown_nowhere(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("RADVERSARY_TOKEN", SECRET)
    with ModelServer(plain(DRAWN.module)) as server:
        remote = load(write_served(tmp_path / "m.http.json", f"{server.root}/predict?key=word", {
            "classes": ["a", "b", "c"], "size": 32}))
        remote.logits(smooth_images(1))
        assert server.posts()[0].headers["Authorization"] == f"Bearer {SECRET}"
        server.answer = lambda asked: Raw(403, f"not for {asked.headers['Authorization']}".encode())
        with pytest.raises(ModelError, match=r"403 \(not for Bearer …\); RADVERSARY_TOKEN is not taken") as caught:
            remote.logits(smooth_images(1))
        shown = "".join(map(str, (caught.value, repr(remote), remote.card, vars(remote), vars(remote._client),
                                  remote._client._made)))
        for secret in (SECRET.encode(), SECRET):
            assert secret not in (pickle.dumps(remote) if isinstance(secret, bytes) else shown + caplog.text)
        assert "word" not in f"{caught.value}{remote!r}"
    assert SECRET not in "".join(path.read_text() for path in tmp_path.iterdir())


def test_no_token_no_header():
    with ModelServer(plain(DRAWN.module)) as server:
        served(server).logits(smooth_images(1))
        assert "Authorization" not in server.posts()[0].headers


@pytest.mark.parametrize(("token", "url", "said"), [
    (SECRET, "http://models.example/x", "is not sent to http://models.example/x, where everybody on the way could"),
    (SECRET, "http://10.0.0.1:8000/x", "give an https address, or unset RADVERSARY_TOKEN"),
    (SECRET, "http://127.0.0.1.example/x", "is not sent to"),
    ("two words", "https://models.example/x", "holds a character that no bearer token has"),
    ("line\nX-Other: 1", "https://models.example/x", "holds a character that no bearer token has"),
])
def test_a_token_that_would_be_read_on_the_way_is_not_sent(monkeypatch, token, url, said):
    monkeypatch.setenv("RADVERSARY_TOKEN", token)
    with pytest.raises(ModelError, match=re.escape(said)) as caught:
        served(url, retries=0).logits(smooth_images(1))
    assert token not in str(caught.value)


@pytest.mark.parametrize(("url", "only", "sent"), [
    ("http://127.0.0.1:8000/x", "", True), ("http://[::1]:8000/x", "", True), ("http://localhost/x", "", True),
    ("https://models.example/x", "", True), ("https://models.example:8443/x", "models.example:8443", True),
    ("https://models.example/x", "MODELS.example", True), ("https://models.example.evil/x", "models.example", False),
    ("https://evil/models.example", "models.example", False), ("http://evil/x", "models.example", False),
])
def test_a_token_may_be_bound_to_one_host(monkeypatch, url, only, sent):
    monkeypatch.setenv("RADVERSARY_TOKEN", SECRET)
    monkeypatch.setenv("RADVERSARY_TOKEN_HOST", only)
    assert bearer(url) == (SECRET if sent else "")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_neither_images_nor_token_elsewhere(monkeypatch, status):
    monkeypatch.setenv("RADVERSARY_TOKEN", SECRET)
    with ModelServer(plain(DRAWN.module)) as other, ModelServer(
            lambda asked: Raw(status, b"", {"Location": f"{other.root}/x?session=word"})) as server:
        with pytest.raises(ModelError, match=rf"answers {status}, a redirect to {other.root}/x; images are sent to the "
                                             "address that was given and to no other"):
            served(server).logits(smooth_images(1))
        assert not other.asked


def test_proxies_of_the_environment_are_not_for_this_machine(monkeypatch):
    with ModelServer(plain(DRAWN.module)) as server, ModelServer(lambda asked: Raw(500)) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.root)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        served(server).logits(smooth_images(1))
        assert not proxy.asked


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of 127.0.0.1 that nobody signed, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=127.0.0.1", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
                       cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed: no certificate could be made")
    return folder


def test_a_certificate_is_verified(certificate, monkeypatch):
    with ModelServer(plain(DRAWN.module)) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
        server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
        url = server.root.replace("http", "https")
        with pytest.raises(ModelError, match="its certificate is not trusted here; name the file of its authority in"):
            served(url).logits(smooth_images(1))
        assert not server.asked
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
        monkeypatch.setenv("RADVERSARY_TOKEN", SECRET)
        assert torch.equal(served(url).predict(smooth_images(2)), DRAWN.predict(smooth_images(2)))
        assert server.asked[0].headers["Authorization"] == f"Bearer {SECRET}"
