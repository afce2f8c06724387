"""MONAI bundles: a folder of configurations and weights, loaded without running anything that it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from radversary.classifiers.archives import kind_of
from radversary.classifiers.base import Classifier
from radversary.classifiers.card import ModelCard
from radversary.classifiers.exported import load_exported
from radversary.classifiers.facts import refused_facts
from radversary.classifiers.files import refuse_unsafe
from radversary.classifiers.monai_card import bundle_card
from radversary.classifiers.monai_config import INFERENCE, METADATA, find_inference, read_config, resolved
from radversary.classifiers.monai_networks import build, network_name
from radversary.classifiers.programs import Intake
from radversary.classifiers.torch_module import TorchClassifier
from radversary.classifiers.torchscript import load_script
from radversary.core.errors import ModelError
from radversary.storage.checksums import sha256_file, sha256_json
from radversary.storage.files import is_file

WEIGHTS: Final = ("models/model.pt2", "models/model.ts", "models/model.safetensors", "models/model.pt")
"""Where a bundle's network may lie; the first that is there is taken. A ``.pt`` is taken where it is TorchScript."""


class Turned(nn.Module):
    """A network that sees rows as columns.

    Args:
        network: The network.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what the network answers to (N, C, H, W), of which it is given (N, C, W, H)."""
        return self.network(inputs.transpose(-1, -2))  # type: ignore[no-any-return]


class BundleClassifier(TorchClassifier):
    """A network of MONAI that was built as a bundle's configuration defines it.

    Args:
        module: The network.
        card: What is known of it.
        definition: Everything else that its answers depend on, as a hash.
    """

    def __init__(self, module: nn.Module, card: ModelCard, definition: str) -> None:
        super().__init__(module, card)
        self.definition = definition

    def fingerprint(self) -> str:
        """Return a hash of weights, definition and input."""
        said = self.card.model_dump(mode="json", exclude={"name", "licence", "source", "trained_on", "notes"})
        return sha256_json([said, self.definition])


class MonaiBundles:
    """A MONAI bundle: a folder with ``configs/metadata.json`` or a configuration for inference, and ``models``."""

    def recognises(self, reference: str) -> bool:
        """Return whether the folder has the configurations of a bundle."""
        return "://" not in reference and any(is_file(Path(reference) / name) for name in (METADATA, *INFERENCE))

    def load(self, reference: str) -> Classifier:
        """Load the bundle; errors as in :func:`load_bundle`."""
        return load_bundle(Path(reference))

    def facts(self, reference: str) -> dict[str, Any]:
        """Return the card that the bundle's metadata and transforms make.

        Raises:
            ModelError: Its network sees rows as columns, which a card would not say: the bundle needs none.
        """
        try:
            card, turned = bundle_card(Path(reference))
        except ModelError as error:
            return {"architecture": "MONAI bundle", **refused_facts(error)}
        if turned:
            raise ModelError(f"{reference} is a MONAI bundle that says all that is needed, and whose network sees rows "
                             "as columns; a card would decide alone and show it images upright, so none is written")
        return {**card.model_dump(mode="json", exclude_unset=True), "planes": len(card.mean)}

    def load_as(self, reference: str, card: ModelCard) -> Classifier:
        """Load the bundle with a card that is given; errors as in :func:`load_bundle`."""
        return load_bundle(Path(reference), card)


def load_bundle(folder: Path, card: ModelCard | None = None) -> Classifier:
    """Load a MONAI bundle.

    Args:
        folder: The bundle.
        card: Its card, which then decides alone; None reads it.

    Returns:
        The classifier, on the CPU. Its input is what ``card.json`` in the folder says, else what metadata and declared
        transforms say.

    Raises:
        UnsafeModelError: Its weights are a pickle, or a program that does more than compute.
        UnknownNameError: It defines a network that is not known by name.
        ModelError: Something is missing, damaged, would have to be run, or is not read here, such as volumes.
    """
    weights = _weights(folder)
    card, turned = bundle_card(folder) if card is None else (card, False)
    if weights.suffix == ".pt2":
        return load_exported(weights, card, Intake(turned=turned))
    if weights.suffix != ".safetensors":
        return load_script(weights, card, Intake(turned=turned))
    actual = sha256_file(weights)
    if card.sha256 and card.sha256 != actual:
        raise ModelError(f"{weights} is damaged or was changed: its sha256 is {actual}, the card says {card.sha256}")
    return _built(folder, weights, card.model_copy(update={"sha256": actual}), Turned if turned else None)


def _weights(folder: Path) -> Path:
    found = [folder / name for name in WEIGHTS if is_file(folder / name)]
    if not found:
        raise ModelError(f"{folder} is a MONAI bundle without a network that can be loaded: expected one of "
                         f"{', '.join(WEIGHTS)}")
    if found[0].suffix == ".pt" and kind_of(found[0]) != "script":
        refuse_unsafe(found[0])
    return found[0]


def _built(folder: Path, weights: Path, card: ModelCard, turned: type[Turned] | None) -> BundleClassifier:
    """Build the network that a bundle defines."""
    path = find_inference(folder)
    config = {} if path is None else read_config(path)
    definition = resolved(config.get("network_def"), config, path)
    if not isinstance(definition, dict):
        raise ModelError(f"{path or folder} defines no network (network_def), which {weights.name} needs; save the "
                         "network itself as TorchScript (models/model.ts) or exported program (models/model.pt2)")
    network = build(definition, weights, path)
    card = card.model_copy(update={"architecture": f"MONAI {network_name(definition['_target_'], path)}"})
    made = sha256_json([definition, turned is not None])
    return BundleClassifier(network if turned is None else turned(network), card, made)
