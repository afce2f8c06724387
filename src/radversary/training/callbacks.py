"""What goes along with a training: the order of each epoch, its seeds, its history, its progress."""

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
from radversary.training.curves import METRICS, Curves


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
