"""Callbacks of a training: order and seeds of each epoch, history, early stopping, progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from torch.utils.data import Dataset, Sampler

from radversary.core.errors import PlanError
from radversary.core.seeds import derive_seed, generator
from radversary.execution.progress import working
from radversary.training.curves import METRICS, OPTIONAL, Curves


class EpochOrder(Sampler[int]):
    """A random order of the training images that depends on (seed, phase, epoch) alone.

    Args:
        size: Number of images.
        key: Seed of the order, such as ``(42, "frozen")``.

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
        key: Seed of the phase, such as ``(42, "frozen")``.
        order: The training images' order.
        training: The training images; ``set_epoch`` is called where there is one.
        before: Epochs of the phases before, so that no two epochs of a training draw the same mix.
    """

    def __init__(self, key: tuple[int | str, ...], order: EpochOrder, training: Dataset[Any], *, before: int) -> None:
        self.key, self.order, self.training, self.before = key, order, training, before

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Seed the epoch; dropout has no generator of its own, so the global one is seeded."""
        epoch = trainer.current_epoch
        self.order.epoch = epoch
        torch.manual_seed(derive_seed(*self.key, "epoch", epoch))
        if callable(tell := getattr(self.training, "set_epoch", None)):
            tell(self.before + epoch)


class History(Callback):  # type: ignore[misc]
    """Records the learning curves, in checkpoints too, and stops a training whose loss is not finite."""

    def __init__(self) -> None:
        self.curves: Curves = {metric: [] for metric in METRICS}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Keep the figures of the epoch that ends.

        Raises:
            PlanError: The loss is not a finite number.
        """
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        measured = {**{name: float(value) for name, value in trainer.callback_metrics.items()}, "learning_rate": rate}
        for metric in (*METRICS, *(name for name in OPTIONAL if name in measured)):
            if not abs(measured[metric]) < float("inf"):
                raise PlanError(f"training diverged in epoch {trainer.current_epoch + 1}: {metric} is "
                                f"{measured[metric]}; lower the learning rate or use precision 'float32'")
            self.curves.setdefault(metric, []).append(measured[metric])

    def state_dict(self) -> dict[str, Any]:
        """Return the curves for the checkpoint."""
        return {"curves": {metric: list(values) for metric, values in self.curves.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the curves from the checkpoint."""
        self.curves = state_dict["curves"]


class Patience(EarlyStopping):  # type: ignore[misc]
    """Early stopping that stops a resumed training at once where its patience had run out before.

    Args:
        patience: Epochs without a better validation loss.
    """

    def __init__(self, patience: int) -> None:
        super().__init__("val_loss", patience=patience, check_on_train_epoch_end=True)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Stop where the checkpoint had no patience left."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class ProgressCallback(Callback):  # type: ignore[misc]
    """Reports the number of finished steps, and cancels a training on request."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._advance: Callable[[], None] = lambda: None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Open the progress report; steps done before a resume are not counted again."""
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
        """Close the progress report."""
        self._stack.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:  # noqa: ARG002
        """Close the progress report."""
        self._stack.close()
