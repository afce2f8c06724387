"""Lightning, silent, and set up so that a stopped training goes on as if it had never stopped."""

from __future__ import annotations

import io
import logging
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

from radversary.core.errors import DataError, PlanError
from radversary.core.seeds import derive_seed, generator
from radversary.core.text import FAULT, sentence
from radversary.execution.devices import training_precision
from radversary.execution.progress import working
from radversary.storage.files import write_whole
from radversary.training.curves import METRICS, Curves

LAST, BEST = "last.ckpt", "best.ckpt"


class EpochOrder(Sampler[int]):
    """A random order of the training images that depends on (seed, phase, epoch) alone.

    Args:
        size: Number of images.
        key: What the order stands for, such as ``(42, "frozen")``.

    Example:
        >>> sorted(EpochOrder(3, (42, "frozen")))
        [0, 1, 2]
    """

    def __init__(self, size: int, key: tuple[int | str, ...]) -> None:
        self.size, self.key, self.epoch = size, key, 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        yield from torch.randperm(self.size, generator=generator(*self.key, "order", self.epoch)).tolist()


class EpochSeeds(Callback):  # type: ignore[misc]
    """Seeds everything random at the start of each epoch: the order, the mix of attacked images and dropout.

    Args:
        key: What the phase's randomness stands for, such as ``(42, "frozen")``.
        order: The training images' order.
        training: The training images; told the epoch where they can be told.
        before: Epochs of the phases before, so that no two epochs of a training draw the same mix.
    """

    def __init__(self, key: tuple[int | str, ...], order: EpochOrder, training: Dataset[Any], *, before: int) -> None:
        self.key, self.order, self.training, self.before = key, order, training, before

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Seed the epoch that begins; dropout has no generator of its own, so the global one is set."""
        epoch = trainer.current_epoch
        self.order.epoch = epoch
        torch.manual_seed(derive_seed(*self.key, "epoch", epoch))
        if callable(tell := getattr(self.training, "set_epoch", None)):
            tell(self.before + epoch)


class History(Callback):  # type: ignore[misc]
    """Keeps the curves, through checkpoints too, and stops a training that has left the finite numbers."""

    def __init__(self) -> None:
        self.curves: Curves = {metric: [] for metric in METRICS}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Keep the figures of the epoch that ends.

        Raises:
            PlanError: The loss is not a finite number.
        """
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        measured = {**{name: float(value) for name, value in trainer.callback_metrics.items()}, "learning_rate": rate}
        for metric, values in self.curves.items():
            if not abs(measured[metric]) < float("inf"):
                raise PlanError(f"training diverged in epoch {trainer.current_epoch + 1}: {metric} is "
                                f"{measured[metric]}; lower the learning rate or use precision 'float32'")
            values.append(measured[metric])

    def state_dict(self) -> dict[str, Any]:
        """Return the curves for the checkpoint."""
        return {"curves": {metric: list(values) for metric, values in self.curves.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the curves of the checkpoint up again."""
        self.curves = state_dict["curves"]


class Patience(EarlyStopping):  # type: ignore[misc]
    """Early stopping that remembers, when a training resumes, that its patience had run out.

    Args:
        patience: Epochs without a better validation loss.
    """

    def __init__(self, patience: int) -> None:
        super().__init__("val_loss", patience=patience, check_on_train_epoch_end=True)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Stop at once where the checkpoint was the last."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class Told(Callback):  # type: ignore[misc]
    """Tells how many steps are done, and stops a training that is asked to stop."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._advance: Callable[[], None] = lambda: None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Begin; steps that a stopped training has done already are not counted again."""
        steps = trainer.estimated_stepping_batches
        left = int(steps) - trainer.global_step if steps < float("inf") else None
        self._advance = self._stack.enter_context(working("training", total=left))

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_given: object) -> None:  # noqa: ARG002
        """Count a step.

        Raises:
            CancelledError: The training was asked to stop.
        """
        self._advance()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """End."""
        self._stack.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """End where it was left."""
        self._stack.close()


class WholeCheckpoints(TorchCheckpointIO):  # type: ignore[misc]
    """Writes checkpoints whole or not at all; a full disk is one sentence."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:  # noqa: ANN401, ARG002
        """Write ``checkpoint`` to ``path``.

        Raises:
            StorageError: The disk refused.
        """
        write_state(Path(path), checkpoint)


def write_state(path: Path, state: dict[str, Any]) -> Path:
    """Write what PyTorch can save, whole or not at all.

    Through bytes, because ``torch.save`` reports a full disk as an error of its own kind.

    Raises:
        StorageError: The disk refused.
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


def make_trainer(*, epochs: int, precision: str, device: torch.device, callbacks: Sequence[Callback],
                 folder: Path, steps: int = -1) -> Trainer:
    """Return a Lightning trainer on one device that says nothing itself and tells of its steps.

    Args:
        epochs: At most so many passes.
        precision: ``auto``, ``float32`` or ``bfloat16``.
        device: Where to train.
        callbacks: What happens between steps.
        folder: Where anything is written.
        steps: At most so many steps; -1 is no limit.
    """
    return Trainer(
        accelerator={"cuda": "gpu"}.get(device.type, device.type),
        devices=[device.index or 0] if device.type == "cuda" else 1,
        max_epochs=epochs, max_steps=steps, precision=training_precision(precision, device),
        callbacks=[*callbacks, Told()],
        plugins=[WholeCheckpoints()], default_root_dir=folder, logger=False, enable_progress_bar=False,
        # Otherwise Lightning adds checkpoints of its own, frozen VGG-19 and all.
        enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
        enable_model_summary=False, num_sanity_val_steps=0, use_distributed_sampler=False,
        # CPU kernels repeat themselves already, and the switch would have every new tensor filled.
        deterministic=None if device.type == "cpu" else "warn")


def make_loader(dataset: Dataset[Any], *, batch_size: int, order: EpochOrder | None) -> DataLoader[Any]:
    """Return batches in ``order`` without the incomplete one, or all of them as they lie where it is None.

    The loader has a generator of its own, so that making it draws nothing from the global one.
    """
    return DataLoader(dataset, batch_size=batch_size, sampler=order, shuffle=False, drop_last=order is not None,
                      generator=torch.Generator())


@contextmanager
def calm() -> Iterator[None]:
    """Keep Lightning's talk and this process' global random state to themselves, and Ctrl-C a ``KeyboardInterrupt``.

    Yields:
        Nothing.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed; Lightning would end the process with exit code 1 instead.
    """
    handler: Callable[..., Any] | int | None = signal.getsignal(signal.SIGINT)
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.random.fork_rng():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    except SystemExit as stop:
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from stop
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
