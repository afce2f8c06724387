"""What is sent to a served model and what comes back: the Open Inference Protocol v2, and plain JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import numpy as np
from torch import Tensor

from radversary.classifiers.http_files import Served
from radversary.core.errors import ModelError, UnknownNameError
from radversary.core.text import quoted

MODEL: Final = re.compile(r"(?P<model>.*/v2/models/(?P<name>[^/]+)(/versions/[^/]+)?)(/infer)?/?")
"""The path of an address that is asked by the Open Inference Protocol v2."""

SCORES: Final = frozenset({"FP16", "FP32", "FP64", "BF16"})
"""Types of an output of scores."""

LABELS: Final = frozenset({"BYTES", "BOOL", *(f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))})
"""Types of an output of labels."""

INPUTS: Final = frozenset({"FP32", "FP64"})
"""Types of an input that images are sent as."""

ANSWERS: Final = ("predictions", "outputs", "logits", "probabilities", "labels")
"""What a plain JSON answer may be called."""


class Wire(Protocol):
    """How one kind of server is asked."""

    @property
    def labels(self) -> bool:
        """Whether it answers with labels alone."""
        ...

    @property
    def batch(self) -> int | None:
        """Images that every request must have; None where any number goes."""
        ...

    def request(self, inputs: Tensor) -> bytes:
        """Return the body that asks about a network's inputs, (N, C, H, W)."""
        ...

    def answers(self, reply: Any, images: int) -> list[Any]:  # noqa: ANN401
        """Return what a reply says of each image.

        Raises:
            ModelError: It is not what the protocol says.
        """
        ...


@dataclass(frozen=True)
class PlainJson:
    """``{"instances": [image, …]}`` is sent, and ``{"predictions": [answer, …]}``, or a list alone, comes back.

    Attributes:
        served: The model.

    Example:
        >>> import torch
        >>> from radversary.classifiers.card import ModelCard
        >>> card = ModelCard(name="m", architecture="x", classes=("a", "b"), size=1, mean=(0,), std=(1,))
        >>> wire = PlainJson(Served(url="http://localhost/m", card=card))
        >>> wire.request(torch.zeros(2, 1, 1, 1)), wire.answers({"logits": [[0.5, -1], [2, 0]]}, 2)
        (b'{"instances":[[[[0]]],[[[0]]]]}', [[0.5, -1], [2, 0]])
    """

    served: Served

    @property
    def labels(self) -> bool:
        """Whether the model's file says that it answers with labels alone."""
        return self.served.answers == "labels"

    @property
    def batch(self) -> int | None:
        """None: any number goes."""
        return None

    def request(self, inputs: Tensor) -> bytes:
        """Return the body that asks about a network's inputs, (N, C, H, W)."""
        images = in_layout(inputs, self.served.layout or "NCHW")
        return f'{{"instances":{numbers_text(images)}}}'.encode()

    def answers(self, reply: Any, images: int) -> list[Any]:  # noqa: ANN401
        """Return what a reply says of each image.

        Raises:
            ModelError: It holds no list of that length under the name that is looked for.
        """
        found = self._named(reply) if isinstance(reply, Mapping) else reply
        if not isinstance(found, list) or len(found) != images:
            what = f"{len(found)} answers" if isinstance(found, list) else f"a {type(found).__name__}"
            raise ModelError(f"{self.served.who} gave {what} for {images} images, expected a list with one for each")
        return [self._chosen(item) for item in found]

    def _named(self, reply: Mapping[str, Any]) -> Any:  # noqa: ANN401
        kind = "labels" if self.labels else self.served.card.output
        for name in (kind, "predictions", "outputs"):
            if name in reply:
                return reply[name]
        if other := next((name for name in ANSWERS if name in reply), ""):
            way = "answers: labels beside its url" if other == "labels" else f"output: {other} in its card"
            way = "answers: scores beside its url" if self.labels else way
            raise ModelError(f"{self.served.who} answers with {other}, and {kind} are expected: state {way}")
        raise ModelError(f"{self.served.who} answers with {quoted(sorted(reply))}, expected one of "
                         f"{', '.join((kind, 'predictions', 'outputs'))}")

    def _chosen(self, item: Any) -> Any:  # noqa: ANN401
        """Return the one output that is read, where an answer has several by name."""
        if not isinstance(item, Mapping):
            return item
        if self.served.output_name not in item:
            raise ModelError(f"{self.served.who} answers with several outputs for each image; name one of "
                             f"{quoted(sorted(item))} as output_name beside its url, got {self.served.output_name!r}")
        return item[self.served.output_name]


@dataclass(frozen=True)
class OpenInference:
    """The Open Inference Protocol v2, as Triton, KServe and MLServer speak it, all in JSON.

    Attributes:
        served: The model.
        input_name: The input that images are sent as.
        datatype: Its type.
        layout: Order of an image's axes there.
        output_name: The output that is read; the first where empty.
        labels: Whether the model answers with labels alone.
        batch: Images that every request must have; None where any number goes.
    """

    served: Served
    input_name: str = "input-0"
    datatype: str = "FP32"
    layout: str = "NCHW"
    output_name: str = ""
    labels: bool = field(default=False)
    batch: int | None = None

    @classmethod
    def of(cls, served: Served, metadata: Any) -> OpenInference:  # noqa: ANN401
        """Return how a model is asked, by what its server says of it.

        Args:
            served: The model.
            metadata: What the server says: ``inputs`` and ``outputs``, each with name, datatype and shape. Where it
                lists none, as servers do that know none, ``input_name``, ``output_name`` and ``answers`` of the file
                hold.

        Raises:
            ModelError: It says something else, or takes what no image of the card is.
        """
        ins, outs = (tensors(metadata, part, served.who) for part in ("inputs", "outputs"))
        given = one_of(ins, served.input_name, "input", served)
        read = one_of(outs, served.output_name, "output", served)
        if given is not None and given["datatype"] not in INPUTS:
            raise ModelError(f"{served.who} takes {given['datatype']}, expected FP32")
        layout, batch = fitted(given["shape"] if given else None, served)
        return cls(served, input_name=given["name"] if given else served.input_name or "input-0",
                   datatype=given["datatype"] if given else "FP32", layout=layout,
                   output_name=read["name"] if read else served.output_name,
                   labels=says_labels(read["datatype"] if read else None, served), batch=batch)

    def request(self, inputs: Tensor) -> bytes:
        """Return the body that asks about a network's inputs, (N, C, H, W)."""
        arranged = in_layout(inputs, self.layout)
        facts = json.dumps({"name": self.input_name, "shape": list(arranged.shape), "datatype": self.datatype})
        wanted = f',"outputs":{json.dumps([{"name": self.output_name}])}' if self.output_name else ""
        return f'{{"inputs":[{facts[:-1]},"data":{numbers_text(arranged.flatten())}}}]{wanted}}}'.encode()

    def answers(self, reply: Any, images: int) -> list[Any]:  # noqa: ANN401
        """Return what a reply says of each image.

        Raises:
            ModelError: It lacks the output, or the output's shape is that of no answer for each image.
        """
        outs = tensors(reply, "outputs", self.served.who)
        read = one_of(outs, self.output_name, "output", self.served)
        if read is None:
            raise ModelError(f"{self.served.who} answers with no output")
        data, shape = np.asarray(read.get("data", ()), dtype=object), read["shape"]
        if not shape or shape[0] != images or min(shape) < 0 or math.prod(shape) != data.size:
            raise ModelError(f"{self.served.who} gave {data.size} values of shape {tuple(shape)} for {images} images")
        return list(data.reshape(shape).tolist())


def wire_of(served: Served, metadata: Any = None) -> Wire:  # noqa: ANN401
    """Return how a model is asked.

    Args:
        served: The model.
        metadata: What its server says of it, where :func:`model_url` gives an address for that.

    Raises:
        ModelError: The metadata are none, or do not fit the card.
    """
    return PlainJson(served) if model_url(served.url) is None else OpenInference.of(served, metadata)


def model_name(url: str) -> str:
    """Return the name of a model in an address of the Open Inference Protocol v2; nothing where it is no such address.

    Example:
        >>> model_name("https://example.org/v2/models/lungs/infer?key=secret")
        'lungs'
    """
    found = MODEL.fullmatch(urlsplit(url).path)
    return "" if found is None else found["name"]


def model_url(url: str) -> str | None:
    """Return where the Open Inference Protocol v2 has a model's metadata; None where an address is none of it.

    Example:
        >>> model_url("http://localhost:8000/v2/models/lungs/infer"), model_url("http://localhost:8000/predict")
        ('http://localhost:8000/v2/models/lungs', None)
    """
    parts = urlsplit(url)
    found = MODEL.fullmatch(parts.path)
    return None if found is None else parts._replace(path=found["model"], fragment="").geturl()


def infer_url(url: str) -> str:
    """Return where a model is asked.

    Example:
        >>> infer_url("http://localhost:8000/v2/models/lungs"), infer_url("http://localhost:8000/predict")
        ('http://localhost:8000/v2/models/lungs/infer', 'http://localhost:8000/predict')
    """
    model = model_url(url)
    if model is None:
        return url
    parts = urlsplit(model)
    return parts._replace(path=f"{parts.path}/infer").geturl()


def numbers_text(numbers: Tensor) -> str:
    """Return a tensor as nested lists of JSON.

    Nine digits are enough for every single-precision number to be read back as the same; Python's own encoder writes
    seventeen, which takes twice as long.

    Args:
        numbers: float32, of one axis at least.

    Example:
        >>> import torch
        >>> numbers_text(torch.tensor([[0.1, 2.0], [-1e-9, 0.0]]))
        '[[0.100000001,2],[-9.99999972e-10,0]]'
    """
    form = "%.9g"
    for length in reversed(numbers.shape):
        form = f"[{','.join([form] * length)}]"
    return form % tuple(numbers.flatten().tolist())


def in_layout(inputs: Tensor, layout: str) -> Tensor:
    """Return a network's inputs (N, C, H, W) with their axes in the order of a layout."""
    return inputs.permute(0, 2, 3, 1) if layout == "NHWC" else inputs


def tensors(content: Any, part: str, who: str) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return the tensors that metadata or a reply list.

    Args:
        content: The metadata or the reply.
        part: ``inputs`` or ``outputs``.
        who: The model, for error texts.

    Raises:
        ModelError: They are no list of objects with name, datatype and shape.
    """
    listed = content.get(part, []) if isinstance(content, Mapping) else None
    if not isinstance(listed, list) or not all(_is_tensor(item) for item in listed):
        found = quoted(content if listed is None else listed)
        raise ModelError(f"{who} answers otherwise than the Open Inference Protocol v2 has it: {part} must be a list "
                         f"of objects with name, datatype and shape, got {found}")
    return listed


def _is_tensor(item: object) -> bool:
    if not isinstance(item, Mapping) or not isinstance(item.get("shape"), list):
        return False
    whole = all(isinstance(length, int) and not isinstance(length, bool) for length in item["shape"])
    return whole and isinstance(item.get("name"), str) and isinstance(item.get("datatype"), str)


def one_of(listed: Sequence[dict[str, Any]], name: str, kind: str, served: Served) -> dict[str, Any] | None:
    """Return the tensor of a name, or the only one; None where none is listed.

    Raises:
        ModelError: There are several and none is named.
        UnknownNameError: There is none of that name.
    """
    if not listed:
        return None
    names = [item["name"] for item in listed]
    if name and name not in names:
        raise UnknownNameError(f"{kind} of {served.who}", name, names)
    if not name and len(listed) > 1:
        raise ModelError(f"{served.who} has {len(listed)} {kind}s ({', '.join(names)}); name one as {kind}_name beside "
                         "its url")
    return next(item for item in listed if not name or item["name"] == name)


def fitted(shape: Sequence[int] | None, served: Served) -> tuple[str, int | None]:
    """Return the order of axes that fits an input's shape and the card, and the number of images it must have.

    Args:
        shape: Of the input, -1 where any length goes; None where it is not known.
        served: The model.

    Raises:
        ModelError: No order fits.
    """
    (height, width), channels = served.card.network_sides, len(served.card.mean)
    images = {"NCHW": (channels, height, width), "NHWC": (height, width, channels)}
    if shape is None:
        return served.layout or "NCHW", None
    for layout in (served.layout,) if served.layout else images:
        if len(shape) == 4 and all(length in (-1, own) for length, own in zip(shape[1:], images[layout], strict=True)):
            return layout, None if shape[0] < 1 else shape[0]
    expected = (-1, *images[served.layout or "NCHW"])
    raise ModelError(f"{served.who} takes {tuple(shape)}, and its card says {channels} channels (the figures of mean) "
                     f"of {height} x {width} pixels: expected {expected}")


def says_labels(datatype: str | None, served: Served) -> bool:
    """Return whether a model answers with labels alone, by its file or else by the type of its output.

    Raises:
        ModelError: The type is that of neither scores nor labels.
    """
    if served.answers is not None or datatype is None:
        return served.answers == "labels"
    if datatype not in SCORES | LABELS:
        raise ModelError(f"{served.who} answers in {datatype}, which is neither scores nor labels")
    return datatype in LABELS


def drafted_card(name: str, metadata: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a card to be completed by a person, with what a server says of its model's pixels and outputs.

    Args:
        name: What to call it.
        metadata: What the server says; anything else is passed over.

    Example:
        >>> drafted_card("lungs", {"inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 1, 64, 64]}],
        ...                        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}]})["classes"]
        ['class 0', 'class 1', 'class 2']
    """
    ins, outs = (metadata.get(part) if isinstance(metadata, Mapping) else None for part in ("inputs", "outputs"))
    given = ins[0]["shape"] if ins and _is_tensor(ins[0]) else []
    made = outs[0]["shape"] if outs and _is_tensor(outs[0]) else []
    grey = len(given) == 4 and 1 in (given[1], given[3])
    sides = [length for length in given[1:] if length > 3]
    return {"name": name, "classes": [f"class {place}" for place in range(max(2, made[-1] if made else 2))],
            "size": sides[0] if sides else 224, "output": "logits",
            **({"mean": [0.0], "std": [1.0]} if grey else {})}
