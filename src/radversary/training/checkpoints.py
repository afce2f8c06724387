"""Checkpoints of a training: written whole, read without executing code, resumed by the same training only."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from radversary.core.errors import DataError
from radversary.core.text import FAULT, sentence
from radversary.storage.files import write_whole

LAST, BEST = "last.ckpt", "best.ckpt"


class WholeCheckpoints(TorchCheckpointIO):  # type: ignore[misc]
    """Writes checkpoints whole or not at all; a full disk raises one error with one sentence."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:  # noqa: ANN401, ARG002
        """Write ``checkpoint`` to ``path``.

        Raises:
            StorageError: Writing failed.
        """
        write_state(Path(path), checkpoint)


def write_state(path: Path, state: dict[str, Any]) -> Path:
    """Write what PyTorch can save, whole or not at all.

    Through bytes, because ``torch.save`` reports a full disk as an error of its own kind.

    Raises:
        StorageError: Writing failed.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return write_whole(path, lambda part: part.write_bytes(buffer.getbuffer()))


def read_state(path: Path) -> dict[str, Any]:
    """Read what :func:`write_state` wrote, on the CPU; nothing in it is run.

    Raises:
        DataError: It is absent or damaged.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged archive, a damaged pickle in it: errors of many kinds
        raise DataError(f"{path} is no state of a training, or is damaged ({sentence(str(error), FAULT)}); remove "
                        f"{path.parent} to train anew") from error
    if not isinstance(state, dict):
        raise DataError(f"{path} is no state of a training; remove {path.parent} to train anew")
    return state


def read_weights(path: Path, network: nn.Module) -> None:
    """Load the weights of a checkpoint into a network.

    Raises:
        DataError: The checkpoint is absent, damaged, or of another network.
    """
    try:
        network.load_state_dict(read_state(path)["state_dict"])
    except (KeyError, RuntimeError, TypeError, AttributeError) as error:
        raise DataError(f"{path} does not hold the weights of this training; remove {path.parent} to train anew"
                        ) from error


def resumable(path: Path) -> Path | None:
    """Return a checkpoint to go on from, None where there is none yet.

    Raises:
        DataError: It is damaged.
    """
    if not path.is_file():
        return None
    read_state(path)
    return path


class MovableCheckpoint(ModelCheckpoint):  # type: ignore[misc]
    """A checkpoint callback that keeps its best score when the run folder was moved or is reached by another path."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a checkpoint's state up, its files sought in this callback's folder."""
        def here(path: str) -> str:
            return str(Path(self.dirpath) / Path(path).name) if path else path

        paths = {name: here(state_dict[name]) for name in ("best_model_path", "kth_best_model_path", "last_model_path")}
        kept = {here(path): score for path, score in state_dict["best_k_models"].items()}
        super().load_state_dict({**state_dict, **paths, "best_k_models": kept, "dirpath": self.dirpath})


def checkpoints(folder: Path) -> list[ModelCheckpoint]:
    """Return the callbacks that keep the best weights and the last whole state in ``folder``."""
    common: dict[str, Any] = {"dirpath": folder, "save_on_train_epoch_end": True, "enable_version_counter": False}
    best = MovableCheckpoint(filename="best", monitor="val_loss", save_weights_only=True, **common)
    return [best, MovableCheckpoint(filename="last", **common)]
