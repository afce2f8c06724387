"""Lightning trainers and loaders, without output, and resumable with equal results."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader, Dataset

from radversary.execution.devices import training_precision
from radversary.training.callbacks import EpochOrder, ProgressCallback
from radversary.training.checkpoints import WholeCheckpoints


def make_trainer(*, epochs: int, precision: str, device: torch.device, callbacks: Sequence[Callback],
                 folder: Path, steps: int = -1) -> Trainer:
    """Return a Lightning trainer on one device that prints nothing and reports its steps.

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
        callbacks=[*callbacks, ProgressCallback()],
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
    """Suppress Lightning's messages, restore the global random state, and raise ``KeyboardInterrupt`` on Ctrl-C.

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
