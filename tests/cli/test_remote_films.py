"""A film that a platform refuses is refused; what does not concern the film ends the command."""

from __future__ import annotations

import httpx
import pytest

from radversary.cli.remote import judged_there
from radversary.client import Client
from radversary.client.naming import model_of
from radversary.client.sending import UnansweredError
from radversary.core.errors import UnknownNameError
from radversary.service.errors import ForbiddenError, TooManyError


def asked(film, status, error):
    """Have a film judged by a platform that answers with a problem, or not at all."""
    def answer(request):
        if not status:
            raise httpx.ConnectError("nothing there", request=request)
        return httpx.Response(status, json={"detail": "so it is", "error": error})

    with Client("http://x", key="rv_key", retries=0, transport=httpx.MockTransport(answer)) as client:
        return judged_there(client, "guard", film.parent, film)


@pytest.fixture
def sent(tmp_path):
    (tmp_path / "film.png").write_bytes(b"film")
    return tmp_path / "film.png"


@pytest.mark.parametrize(("status", "error"), [
    (422, "InputError"), (413, "TooLargeError"), (422, "UnreadableImageError")])
def test_a_film_that_is_refused_is_told_with_the_reason(sent, status, error):
    found = asked(sent, status, error)
    assert (found.image, found.verdict, found.reason) == ("film.png", "refused", "so it is")


@pytest.mark.parametrize(("status", "error", "kind"), [
    (403, "ForbiddenError", ForbiddenError), (429, "TooManyError", TooManyError), (0, "", UnansweredError)])
def test_what_does_not_concern_the_film_is_no_verdict_on_it(sent, status, error, kind):
    with pytest.raises(kind):
        asked(sent, status, error)


def test_what_cannot_be_read_here_is_refused(tmp_path):
    found = asked(tmp_path / "absent.png", 500, "")
    assert (found.verdict, found.reason) == ("refused", "cannot be read: No such file or directory")


def test_a_name_that_no_file_can_have_is_a_name_on_the_platform():
    def answer(_request):
        return httpx.Response(200, json={"items": [], "next": ""})

    with Client("http://x", key="rv_key", transport=httpx.MockTransport(answer)) as client, pytest.raises(
            UnknownNameError, match="unknown model on the platform"):
        model_of(client, "x" * 5000)
