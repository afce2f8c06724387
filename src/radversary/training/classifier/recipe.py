"""Supervised training on labelled images: the thesis' transfer learning, and adversarial training."""

from __future__ import annotations

from typing import Self

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import LRSchedulerTypeUnion, OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from radversary.classifiers.card import ModelCard
from radversary.classifiers.inputs import network_input
from radversary.core.errors import ModelError
from radversary.core.types import Images, Task
from radversary.training.classifier.losses import accuracy, decided, macro_auroc, task_loss
from radversary.training.classifier.plan import Objective
from radversary.training.classifier.plan import Phase as Phase
from radversary.training.classifier.plan import TrainingPlan as TrainingPlan

DROP, DROP_PATIENCE, DROP_MARGIN = 0.1, 2, 1e-4
"""Factor on the learning rate, after so many epochs whose validation loss is not better by this margin."""


class SupervisedRecipe(LightningModule):  # type: ignore[misc]
    """One phase of training a classifier: Adam on the cross-entropy, of classes or of findings by the card's task.

    Args:
        network: Maps normalised images to logits; needs ``.trunk`` where the phase freezes it.
        card: Says what the network sees of an image; the same function prepares it here and in prediction.
        phase: What is trained and how fast.
        objective: Further terms of the loss; none here, subclasses add them.
        weights: How much findings that are there count (:func:`radversary.training.classifier.losses.task_loss`).

    Raises:
        ModelError: The phase freezes a trunk that the network does not have.
    """

    def __init__(self, *, network: nn.Module, card: ModelCard, phase: Phase,
                 objective: Objective = Objective(), weights: Tensor | None = None) -> None:
        super().__init__()
        self.network, self.card, self.phase, self.objective = network, card, phase, objective
        self.weights, self.validated = weights, list[tuple[Tensor, Tensor]]()
        network.requires_grad_(requires_grad=True)
        if phase.trunk == "frozen":
            self._trunk().requires_grad_(requires_grad=False)
        self.train()

    def _trunk(self) -> nn.Module:
        trunk = getattr(self.network, "trunk", None)
        if not isinstance(trunk, nn.Module):
            raise ModelError(f"phase {self.phase.name!r} freezes the trunk, "
                             f"but a {type(self.network).__name__} has none")
        return trunk

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - PyTorch's own signature
        """Switch to training mode; a frozen trunk stays in evaluation mode, its BatchNorm statistics untouched."""
        super().train(mode)
        if self.phase.trunk == "frozen":
            self._trunk().eval()
        return self

    def forward(self, images: Images) -> Tensor:
        """Return logits (N, K) of images (N, C, S, S) in [0, 1]."""
        inputs = network_input(images, self.card).contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.network(inputs)
        return logits

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the loss of one batch of images and labels."""
        images, labels = batch
        return self.judge(self(images), labels, "train")

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """Record loss and accuracy of one batch; where the task is ``multilabel``, keep what the area is taken of."""
        images, labels = batch
        logits = self(images)
        self.judge(logits, labels, "val")
        if self.card.task == Task.MULTILABEL:  # the epoch's end says what diverged
            self.validated.append((logits.detach().float().nan_to_num(), decided(labels, self.card)))

    def on_validation_epoch_end(self) -> None:
        """Record the mean area under the curve of the findings, where there are findings that have one."""
        seen, self.validated = self.validated, []
        if seen and (area := macro_auroc(*map(torch.cat, zip(*seen, strict=True)))) is not None:
            self.log("val_auroc", area)

    def judge(self, logits: Tensor, labels: Tensor, part: str, *, extra: Tensor | float = 0.0) -> Tensor:
        """Record and return the loss of some answers.

        Args:
            logits: (N, K).
            labels: (N,); (N, K) where the task is ``multilabel``.
            part: ``train`` or ``val``.
            extra: Further loss terms; added to the cross-entropy.

        Raises:
            ModelError: Not one score for each class of the card.
        """
        logits = self.shaped(logits)
        weights = None if self.weights is None else self.weights.to(logits)
        loss = task_loss(logits, labels, self.card.task, weights=weights) + extra
        self.log_dict({f"{part}_loss": loss.detach(), f"{part}_accuracy": accuracy(logits, labels, self.card)},
                      on_step=False, on_epoch=True, batch_size=len(labels))
        return loss

    def shaped(self, logits: Tensor) -> Tensor:
        """Return logits in float32.

        Raises:
            ModelError: Not one score for each class of the card.
        """
        if logits.shape[1] != len(self.card.classes):
            raise ModelError(f"the network gives {logits.shape[1]} scores, "
                             f"the card names {len(self.card.classes)} classes")
        return logits.float()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return Adam over what is trained, and the phase's schedule."""
        trained = [weights for weights in self.parameters() if weights.requires_grad]
        adam = Adam(trained, lr=self.phase.learning_rate)
        if self.phase.schedule == "one-cycle":
            steps = int(self.trainer.estimated_stepping_batches)
            cycle = OneCycleLR(adam, max_lr=self.phase.learning_rate, total_steps=steps)
            return {"optimizer": adam, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}
        # Keras, which the thesis used, counts the epochs themselves and an absolute margin; PyTorch counts the excess.
        plateau = ReduceLROnPlateau(adam, factor=DROP, patience=DROP_PATIENCE - 1, threshold=DROP_MARGIN,
                                    threshold_mode="abs")
        return {"optimizer": adam, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}

    def lr_scheduler_step(self, scheduler: LRSchedulerTypeUnion, metric: Tensor | None) -> None:
        """Advance the one-cycle schedule; the plateau's turn comes in :meth:`on_train_epoch_end`."""
        if not isinstance(scheduler, ReduceLROnPlateau):
            super().lr_scheduler_step(scheduler, metric)

    def on_train_epoch_end(self) -> None:
        """Advance the plateau schedule.

        Lightning would do so after the checkpoint is written and never for the epoch it resumes from, so that a stopped
        training would go on at another learning rate than one that was never stopped.
        """
        scheduler = self.lr_schedulers()
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(float(self.trainer.callback_metrics["val_loss"]))
