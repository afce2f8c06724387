"""A model behind HTTP as a victim that is known by its scores, or by its labels, alone."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

from radversary.classifiers.base import Classifier
from radversary.classifiers.facts import output_facts, shape_facts
from radversary.classifiers.http_answers import decisions, scores_of
from radversary.classifiers.http_client import ModelClient
from radversary.classifiers.http_files import Served, checked_url, shown_url
from radversary.classifiers.http_wire import drafted_card, infer_url, model_name, model_url, tensors, wire_of
from radversary.classifiers.inputs import network_input
from radversary.classifiers.outputs import logits_of
from radversary.classifiers.probe import COUNT, answered, probe_images
from radversary.core.errors import ModelError, RadversaryError
from radversary.core.types import Access, Images, Labels, Task, check_images
from radversary.storage.checksums import sha256_json

DIGITS: Final = 2
"""Decimals of the logits by which a served model is known again: servers round the last digits otherwise."""

LABELLED: Final = 32
"""Images by whose labels a model is known again that answers with nothing else."""


class HttpClassifier(Classifier):
    """A model behind an address; every image that it is asked about is sent there.

    Images are made the network's inputs here, by the card, as for a model that runs in this process. Any number of
    threads may ask at the same time. A copy in another process opens connections of its own.

    Args:
        served: Its address and card.

    Raises:
        ModelError: The address is none, the server cannot be reached, or what it says of the model does not fit the
            card.

    Example:
        >>> from radversary.classifiers.card import ModelCard
        >>> card = ModelCard(name="m", architecture="served", classes=("Normal", "Pneumonia"), size=224)
        >>> HttpClassifier(Served(url="https://models.example/predict", card=card))
        HttpClassifier('m', https://models.example/predict, scores)
    """

    knows_answers: ClassVar[bool] = True

    def __init__(self, served: Served) -> None:
        checked_url(served.url)
        if served.card.sha256:
            raise ModelError(f"the card of {served.who} has a sha256, and nothing behind an address can be compared "
                             "with it: leave it out")
        self.served, self.card = served, served.card
        self._client = ModelClient(served.who, timeout=served.timeout, retries=served.retries)
        self._wire = wire_of(served, self._metadata())
        self.access = Access.LABELS if self._wire.labels else Access.SCORES

    def __repr__(self) -> str:
        return f"HttpClassifier({self.card.name!r}, {shown_url(self.served.url)}, {self.access.name.lower()})"

    def close(self) -> None:
        """Close all connections; a later question opens new ones."""
        self._client.close()

    def fingerprint(self) -> str:
        """Return a hash of address, card, what the server says of the model, and what it answers now.

        The answers are those to the probe images: logits to two decimals, or labels. The server is asked each time, so
        that another model behind the same address is another model.

        Raises:
            ModelError: It does not answer.
        """
        labels = self._wire.labels
        found = answered(self, probe_images(self.card, LABELLED if labels else COUNT))
        rounded = [[round(value, DIGITS) + 0.0 for value in row] for row in found.tolist()]  # +0.0: no negative zero
        return sha256_json([self.served.url, self.card.model_dump(mode="json"), self._metadata(), rounded])

    @torch.no_grad()
    def logits(self, images: Images) -> Tensor:
        """Return logits on the device of ``images``, without gradients.

        Args:
            images: (N, 1 or 3, H, W) in [0, 1].

        Returns:
            float32 (N, K), (N, 2) where the task is ``binary``.

        Raises:
            AccessError: The model answers with labels alone.
            TensorError: Images outside the pixel contract, or of another size than the card's.
            ModelError: The server does not answer, or with something else than finite scores for each image.
            CancelledError: The work was asked to stop.
        """
        if self._wire.labels:
            return super().logits(images)
        parts = [logits_of(scores_of(answers, self.served), self.card, len(answers)) for answers in self._asked(images)]
        return (torch.cat(parts) if parts else torch.zeros(0, len(self.card.classes))).to(images.device)

    @torch.no_grad()
    def decide(self, images: Images) -> Labels:
        """Return what the model decides, int64 (N,), (N, K) where the task is ``multilabel``.

        Args:
            images: (N, 1 or 3, H, W) in [0, 1].

        Raises:
            TensorError: Images outside the pixel contract, or of another size than the card's.
            ModelError: The server does not answer, or with something else than a class for each image.
            CancelledError: The work was asked to stop.
        """
        if not self._wire.labels:
            return super().decide(images)
        shape = (0, len(self.card.classes)) if self.card.task == Task.MULTILABEL else (0,)
        parts = [decisions(answers, self.served) for answers in self._asked(images)]
        return (torch.cat(parts) if parts else torch.zeros(shape, dtype=torch.int64)).to(images.device)

    def _asked(self, images: Images) -> list[list[Any]]:
        """Return what the server says of each image, by request."""
        check_images(images)
        inputs, whole = network_input(images.detach().cpu(), self.card), self._wire.batch
        if not len(inputs):
            return []
        parts = torch.split(inputs, whole or self.served.max_batch_size)
        full = [_filled(part, whole or len(part)) for part in parts]
        replies = self._client.post(infer_url(self.served.url), [partial(self._wire.request, part) for part in full],
                                    at_once=self.served.concurrency)
        return [self._wire.answers(reply, len(sent))[:len(part)]
                for reply, sent, part in zip(replies, full, parts, strict=True)]

    def _metadata(self) -> Any:  # noqa: ANN401
        """Return what the server says of the model; None where its protocol has no such thing."""
        url = model_url(self.served.url)
        return None if url is None else self._client.get(url)


def drafted(url: str) -> dict[str, Any]:
    """Return the content of a file for a model behind an address, to be completed by a person.

    Args:
        url: The address, checked; by the Open Inference Protocol v2 its server is asked what the model takes. Where it
            does not answer, the figures are examples.
    """
    address, metadata = model_url(url), None
    if address is not None:
        try:
            metadata = ModelClient(shown_url(url), timeout=5.0, retries=0).get(address)
        except RadversaryError:
            metadata = None
    return {"url": shown_url(url), "card": drafted_card(model_name(url) or "lungs", metadata)}


def served_facts(url: str) -> dict[str, Any]:
    """Return what a server says of its model, as facts of :mod:`radversary.classifiers.facts`.

    Args:
        url: The address, checked.
    """
    address, name = model_url(url), model_name(url)
    facts: dict[str, Any] = {"architecture": "served", "source": shown_url(url), **({"name": name} if name else {})}
    if address is None:
        return facts
    metadata = ModelClient(shown_url(url), timeout=5.0, retries=0).get(address)
    for side, read in (("inputs", shape_facts), ("outputs", output_facts)):
        listed = tensors(metadata, side, shown_url(url))
        if len(listed) == 1:
            facts |= read([None if length < 1 else length for length in listed[0]["shape"]])
    return facts


def _filled(inputs: Tensor, length: int) -> Tensor:
    """Return inputs with the last one repeated to some length, for a server that takes that many and no fewer."""
    lacking = length - len(inputs)
    return torch.cat([inputs, inputs[-1:].expand(lacking, -1, -1, -1)]) if lacking else inputs
