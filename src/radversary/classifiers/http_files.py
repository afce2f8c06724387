"""Where a served model lies: a file ``NAME.http.json`` with its address and its card."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, ValidationError

from radversary.classifiers.card import ModelCard, make_card
from radversary.classifiers.card_files import LARGEST
from radversary.core.errors import ModelError, UnknownNameError
from radversary.core.text import first_fault, quoted
from radversary.storage.documents import Document, read_document

if TYPE_CHECKING:
    from radversary.classifiers.http_model import HttpClassifier

ENDING: Final = ".http.json"
"""How the name of such a file ends."""

SCHEMES: Final = ("http", "https")


class Served(Document):
    """A model behind an address, and what it is known to be.

    Attributes:
        url: Its address, ``http`` or ``https``. One that ends with ``/v2/models/NAME``, with or without
            ``/versions/VERSION`` and ``/infer``, is asked by the Open Inference Protocol v2, any other by plain JSON.
        card: What is known of the model; ``output`` says whether its scores are logits or probabilities.
        answers: Whether it answers with ``scores`` or with ``labels`` alone; where None, as the type of its output says
            (Open Inference Protocol), or scores.
        layout: Order of an image's axes in a request: ``NCHW`` or ``NHWC``; where None, as the shape of its input says
            (Open Inference Protocol), or ``NCHW``.
        input_name: The input that images are sent as, where the model has several or does not name any.
        output_name: The output that is read, where the model has several.
        max_batch_size: Images of one request, at most.
        concurrency: Requests that are on their way at the same time, at most.
        timeout: Seconds that one answer may take.
        retries: How often a request is sent again that a busy or restarting server did not answer.

    Example:
        >>> card = ModelCard(name="m", architecture="served", classes=("Normal", "Pneumonia"), size=224)
        >>> Served(url="https://models.example/v2/models/lungs", card=card).max_batch_size
        8
    """

    url: str
    card: ModelCard
    answers: Literal["scores", "labels"] | None = None
    layout: Literal["NCHW", "NHWC"] | None = None
    input_name: str = ""
    output_name: str = ""
    max_batch_size: int = Field(default=8, ge=1, le=1024)
    concurrency: int = Field(default=4, ge=1, le=64)
    timeout: float = Field(default=60.0, gt=0, le=3600)
    retries: int = Field(default=4, ge=0, le=20)

    @property
    def who(self) -> str:
        """The model's name and address, for error texts."""
        return f"model {self.card.name!r} at {shown_url(self.url)}"


class ServedModels:
    """A model behind HTTP: a file ``NAME.http.json`` with its url and card."""

    def recognises(self, reference: str) -> bool:
        """Return whether the reference is such a file, by its name, or an address of the web."""
        return is_url(reference) or reference.endswith(ENDING)

    def load(self, reference: str) -> HttpClassifier:
        """Read the file and ask the server what the model takes.

        Raises:
            ModelError: The file is absent or wrong, the server does not answer as it must, or an address is given
                without the file that says what the model behind it is.
        """
        from radversary.classifiers.http_model import HttpClassifier, drafted

        if is_url(reference):
            raise ModelError(f"the address {shown_url(reference)} says nothing of the model's classes and pixels; "
                             f"write the line below into a file such as lungs{ENDING}, put in what is true of the "
                             "model, and give the file", advice=(json.dumps(drafted(checked_url(reference))),))
        return HttpClassifier(read_served(Path(reference)))

    def facts(self, reference: str) -> dict[str, Any]:
        """Return what the server says of the model's input and output by the Open Inference Protocol."""
        from radversary.classifiers.http_model import served_facts

        return served_facts(checked_url(url_in(reference)))

    def load_as(self, reference: str, card: ModelCard) -> HttpClassifier:
        """Ask the model behind an address with a card that is given; errors as in :meth:`load`."""
        from radversary.classifiers.http_model import HttpClassifier

        return HttpClassifier(Served(url=url_in(reference), card=card))


def read_served(path: Path) -> Served:
    """Read a file that says where a model is served.

    Args:
        path: The file. The card in it may leave out ``name``, which is then the file's, and ``architecture``.

    Raises:
        ModelError: It is absent or damaged, or holds a value that cannot be.
        UnknownNameError: A field that no such file, or no card, has.
    """
    fields = read_document(path, dict[str, Any], what="the file of a served model", error=ModelError)
    for field in fields:
        if field not in Served.model_fields:
            raise UnknownNameError(f"field in {path}", field, Served.model_fields)
    if not isinstance(fields.get("card"), dict):
        raise ModelError(f"{path} has no 'card': an object with the model's classes, size and what else is known of it")
    card = make_card(str(path), {"name": path.name.removesuffix(ENDING), "architecture": "served", **fields["card"]})
    if max(card.sides) > LARGEST:
        raise ModelError(f"the card in {path} says that the model reads images of {max(card.sides)} pixels a side, "
                         f"more than {LARGEST}")
    try:
        served = Served.model_validate({**fields, "card": card})
    except ValidationError as problem:
        raise ModelError(f"{path} is wrong: {first_fault(problem)}") from problem
    checked_url(served.url)
    return served


def url_in(reference: str) -> str:
    """Return the address that a reference is, or that its file names, whatever else the file lacks.

    Raises:
        ModelError: The file cannot be read, or names none.
    """
    if is_url(reference):
        return reference
    fields = read_document(Path(reference), dict[str, Any], what="the file of a served model", error=ModelError)
    if not isinstance(url := fields.get("url"), str):
        raise ModelError(f"{reference} has no 'url': the address of the model")
    return url


def address_of(reference: str) -> str:
    """Return the address that images are sent to where a reference leads to a served model; nothing where none are.

    Args:
        reference: As for :func:`radversary.classifiers.registry.load`.

    Raises:
        ModelError: It is a file of a served model that cannot be read.

    Example:
        >>> address_of("https://models.example/lungs"), address_of("runs/model")
        ('https://models.example/lungs', '')
    """
    if "://" in reference:
        return reference
    return read_served(Path(reference)).url if reference.endswith(ENDING) else ""


def is_url(reference: str) -> bool:
    """Return whether a text is an address of the web, whatever else is wrong with it.

    Example:
        >>> is_url("HTTPS://models.example"), is_url("file:///etc/passwd"), is_url("models/lungs")
        (True, False, False)
    """
    return reference.partition("://")[0].lower() in SCHEMES and "://" in reference


def checked_url(url: str) -> str:
    """Return an address, once it is known to be one that models may be asked at.

    Raises:
        ModelError: It is not of http or https, has no host, or holds a name or a password.

    Example:
        >>> checked_url("file:///etc/passwd")
        Traceback (most recent call last):
        radversary.core.errors.ModelError: the address of a model begins with http:// or https:// and a host, got \
'file:///etc/passwd'
    """
    try:
        parts, port = urlsplit(url), urlsplit(url).port
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), 0
    if "@" in (parts.netloc if parts.hostname else url):
        raise ModelError("the address of a model holds a name or password before its host (…@host), which files and "
                         "logs would show; leave them out, and put a bearer token into the environment variable "
                         "RADVERSARY_TOKEN")
    if parts.scheme not in SCHEMES or not parts.hostname or port == 0:
        shown = quoted(shown_url(url))
        raise ModelError(f"the address of a model begins with http:// or https:// and a host, got {shown}")
    return url


def shown_url(url: str) -> str:
    """Return an address without what may be secret in it: its query, a name and a password.

    Example:
        >>> shown_url("https://name:word@models.example:8443/lungs?key=word")
        'https://models.example:8443/lungs'
    """
    scheme, separator, rest = url.partition("?")[0].partition("#")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def is_local(url: str) -> bool:
    """Return whether an address leads to this machine, so that nothing crosses a network.

    Example:
        >>> is_local("http://127.0.0.1:8000/"), is_local("http://localhost/"), is_local("http://10.0.0.1/")
        (True, True, False)
    """
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
