"""Trained transforms: a network that restores attacked images, with a card, saved as safetensors."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import ClassVar

import torch
from pydantic import Field, JsonValue, field_validator
from safetensors.torch import save
from torch import Tensor, nn

from radversary.classifiers.card_files import CARD
from radversary.classifiers.files import WEIGHTS, refuse_unsafe
from radversary.classifiers.pretrained import describe_misfits
from radversary.core.errors import ModelError
from radversary.core.registry import Registry
from radversary.core.seeds import global_seed
from radversary.core.text import quoted
from radversary.core.types import Images
from radversary.defenses.base import Follows, Transform
from radversary.imaging.intensity import to_grey
from radversary.storage.arrays import read_tensors
from radversary.storage.checksums import sha256_file, sha256_json
from radversary.storage.documents import Document, read_document
from radversary.storage.files import write_whole
from radversary.storage.json_files import write_json

WIDEST = 1024
"""Largest value of a restorer's numeric options, such as its width."""

BATCH = 32
"""Images that go through a network at once."""

_COPYING = Lock()

RESTORERS: Registry[nn.Module] = Registry("restorer", {
    "cyclegan": "radversary.defenses.restorers.cyclegan:cyclegan",
    "restyle": "radversary.defenses.restorers.restyle:restyle",
    "unet": "radversary.defenses.restorers.unet:unet",
}, group="radversary.restorers")
"""Name to factory; a factory takes options and returns a module that maps grey (N, 1, H, W) in [0, 1] to the restored
(N, 1, H, W), not clamped, for any H and W."""


class RestorerCard(Document):
    """The card of a trained transform: the facts beside its weights.

    Attributes:
        name: What people call it.
        architecture: A name in :data:`RESTORERS`.
        options: The factory's arguments.
        trained_on: The data and the attacks it was trained on.
        source: Where the weights come from.
        notes: Anything else a reader should know.
        sha256: Hash of the weights file; empty until it is saved.
        licence: Licence of the weights.
    """

    name: str
    architecture: str
    options: dict[str, JsonValue] = Field(default_factory=dict)
    trained_on: str = ""
    source: str = ""
    notes: str = ""
    sha256: str = ""
    licence: str = ""

    @field_validator("options")
    @classmethod
    def _can_be_built(cls, options: dict[str, JsonValue]) -> dict[str, JsonValue]:
        # Networks are built before their weights are compared, so options decide how much memory is taken.
        if large := [name for name, value in options.items() if isinstance(value, int | float) and abs(value) > WIDEST]:
            raise ValueError(f"{quoted(large[0])} is beyond {WIDEST}")
        return options


class Restoration(Transform):
    """A trained network before the classifier: always in evaluation mode, always grey, always float32.

    The network's parameters are frozen in place. It works where the images are, by a copy of the network on each of
    their devices; the network itself is never moved.

    Args:
        network: What a factory in :data:`RESTORERS` returns.
        card: What is known of it.

    Example:
        >>> card = RestorerCard(name="mine", architecture="unet", options={"width": 4})
        >>> restoration = Restoration(build_restorer(card), card)
        >>> restoration, restoration(torch.rand(2, 3, 20, 30)).shape
        (Restoration('mine', unet, sha256=unsaved), torch.Size([2, 3, 20, 30]))
    """

    follows: ClassVar[Follows] = "exactly"

    def __init__(self, network: nn.Module, card: RestorerCard) -> None:
        network = network.eval().requires_grad_(requires_grad=False)
        self.network: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.card = card
        self._copies: dict[torch.device, nn.Module] = {}

    def __repr__(self) -> str:
        weights = self.card.sha256[:8] or "unsaved"
        return f"Restoration({self.card.name!r}, {self.card.architecture}, sha256={weights})"

    @torch.no_grad()
    def __call__(self, images: Images) -> Images:
        """Restore images (N, 1 or 3, H, W); colour comes back as three equal channels."""
        return self.bpda(images)

    def bpda(self, images: Images) -> Images:
        """Do the same with gradients."""
        if not len(images):
            return images.clone()
        network = self._network_on(images.device)
        restored = torch.cat([network(part) for part in torch.split(to_grey(images), BATCH)])
        return restored.float().clamp(0, 1).expand_as(images)

    def _network_on(self, device: torch.device) -> nn.Module:
        """Return the network, or its copy on another device."""
        if self.network.training:
            self.network.eval()
        home = next(self.network.parameters(), torch.zeros(0)).device
        if home == device:
            return self.network
        with _COPYING:
            if device not in self._copies:
                self._copies[device] = deepcopy(self.network).to(device)
            return self._copies[device]

    def fingerprint(self) -> str:
        """Return the SHA-256 of the weights: the card's, or of those in memory where they were never saved."""
        return self.card.sha256 or sha256(_packed(self.network)).hexdigest()

    def content_hashes(self) -> tuple[str, ...]:
        """Return the hash of the weights and of what the network is built with: neither tells the other's changes."""
        return (sha256_json([self.fingerprint(), self.card.architecture, self.card.options]),)


@dataclass(frozen=True, kw_only=True)
class Restore(Transform):
    """A trained transform by its folder, so that a plan can name it.

    Attributes:
        folder: What :func:`save_restoration` wrote.

    Raises:
        ModelError: Its weights or its card are missing or damaged.
    """

    follows: ClassVar[Follows] = "exactly"

    folder: Path

    def __post_init__(self) -> None:
        # Read at once, so that an audit is refused before it starts where a defence was never trained.
        _ = self.restoration

    @cached_property
    def restoration(self) -> Restoration:
        """The transform in the folder."""
        return load_restoration(self.folder)

    def __call__(self, images: Images) -> Images:
        """Restore images (N, C, H, W)."""
        return self.restoration(images)

    def bpda(self, images: Images) -> Images:
        """Do the same with gradients."""
        return self.restoration.bpda(images)

    def content_hashes(self) -> tuple[str, ...]:
        """Return the hash of the weights."""
        return self.restoration.content_hashes()


def build_restorer(card: RestorerCard, *, seed: int = 0) -> nn.Module:
    """Build the network of a card with random weights.

    Args:
        card: Names the architecture and its options.
        seed: Of the random weights; the global generator is left as it was.

    Returns:
        The network in training mode.

    Raises:
        UnknownNameError: No such architecture, or no such option.
        PlanError: An option has a value that the architecture refuses.
    """
    with global_seed(seed, "restorer", card.architecture):
        return RESTORERS.create(card.architecture, **card.options)


def save_restoration(restoration: Restoration, folder: Path) -> Restoration:
    """Save a trained transform as ``model.safetensors`` and ``card.json``.

    The card is written last and bears the hash of the weights: a folder with a card is complete.

    Args:
        restoration: A transform whose architecture is registered, so that it can be loaded again.
        folder: Where to save; made if absent.

    Returns:
        The same network with the card that was written.

    Raises:
        UnknownNameError: The card's architecture is not registered.
        StorageError: Writing failed; the folder then has no card.
    """
    RESTORERS.get(restoration.card.architecture)
    (folder / CARD).unlink(missing_ok=True)
    content = _packed(restoration.network)
    path = write_whole(folder / WEIGHTS, lambda part: part.write_bytes(content))
    card = restoration.card.model_copy(update={"sha256": sha256_file(path)})
    write_json(folder / CARD, card.model_dump(mode="json"))
    return Restoration(restoration.network, card)


def load_restoration(folder: Path) -> Restoration:
    """Load what :func:`save_restoration` saved.

    Args:
        folder: Its folder.

    Returns:
        The transform, on the CPU.

    Raises:
        ModelError: The weights or the card are missing, damaged, or do not fit each other.
        UnsafeModelError: The weights file can run code when it is loaded.
        UnknownNameError: The card names an architecture, or an option, that does not exist.
    """
    folder = Path(folder)
    file = folder / WEIGHTS
    if not file.is_file():
        raise _lacking(folder.name, f"{folder} holds no {WEIGHTS}")
    refuse_unsafe(file)
    card = _read_card(folder)
    if (actual := sha256_file(file)) != card.sha256:
        raise _lacking(card.name, f"{file} is damaged or was changed, its sha256 is {actual}, "
                                  f"the card says {card.sha256 or 'nothing'}")
    with torch.device("meta"):  # no memory is taken before the weights are known to fit
        weights = _read_weights(file, card, build_restorer(card))
    network = build_restorer(card)
    network.load_state_dict(weights)
    return Restoration(network, card)


def _lacking(name: str, why: str) -> ModelError:
    return ModelError(f"defence {name!r} needs its trained weights: {why}")


def _packed(network: nn.Module) -> bytes:
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    packed: bytes = save(state, metadata={"format": "pt"})
    return packed


def _read_card(folder: Path) -> RestorerCard:
    if not (folder / CARD).is_file():
        raise _lacking(folder.name, f"{folder} holds no {CARD}")
    try:
        return read_document(folder / CARD, RestorerCard, what="the card of a restorer", error=ModelError)
    except ModelError as error:
        raise _lacking(folder.name, str(error)) from error


def _read_weights(file: Path, card: RestorerCard, network: nn.Module) -> dict[str, Tensor]:
    try:
        state = read_tensors(file, error=ModelError)
    except ModelError as error:
        raise _lacking(card.name, str(error)) from error
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    if misfits := describe_misfits(found, expected):
        raise _lacking(card.name, f"{file} does not hold those of {card.architecture}: {misfits}")
    return state
