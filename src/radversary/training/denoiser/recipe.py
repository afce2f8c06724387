"""High-level guided denoising (HGD): a denoiser trained on the features of a frozen classifier.

Liao et al. 2018, arXiv:1712.02976. Features and logits of the denoised image, not only its pixels, are drawn to those
of the clean one.
"""

from __future__ import annotations

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam
from torch.optim.lr_scheduler import OneCycleLR

from radversary.classifiers.inputs import network_input
from radversary.classifiers.outputs import logits_of
from radversary.classifiers.torch_module import TorchClassifier
from radversary.core.errors import ModelError
from radversary.training.classifier.losses import accuracy
from radversary.training.denoiser.plan import DenoiserPlan

POOLS = (nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


def seen(network: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return the last feature maps of a network and its logits, in one pass.

    The last maps are what the trunk's last global pooling is given, or where there is none what its last convolution
    gives; a network without a ``.trunk`` is searched as a whole.

    Args:
        network: A classifier's network.
        inputs: Its normalised input, (N, C, H, W).

    Returns:
        (N, F, h, w) and (N, K), as differentiable as the input.

    Raises:
        ModelError: The network has neither.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        >>> [tuple(part.shape) for part in seen(network, torch.rand(1, 1, 8, 8))]
        [(1, 4, 6, 6), (1, 2)]
    """
    trunk = getattr(network, "trunk", network)
    pools = [part for part in trunk.modules() if isinstance(part, POOLS)]
    convolutions = [part for part in trunk.modules() if isinstance(part, nn.Conv2d)]
    found: list[Tensor] = []
    if pools:
        handle = pools[-1].register_forward_pre_hook(lambda _, given: found.append(given[0]))
    elif convolutions:
        handle = convolutions[-1].register_forward_hook(lambda _part, _given, made: found.append(made))
    else:
        raise ModelError(f"a {type(network).__name__} has no convolution whose features could guide a denoiser")
    with handle:
        logits: Tensor = network(inputs)
    return found[-1], logits


class DenoiserRecipe(LightningModule):  # type: ignore[misc]
    """Trains a denoiser on pairs; the classifier is frozen.

    Args:
        network: The denoiser, grey (N, 1, S, S) to the same.
        classifier: Gives the features of the loss; frozen, in evaluation mode, not among this module's weights.
        plan: How.
    """

    def __init__(self, network: nn.Module, classifier: TorchClassifier, plan: DenoiserPlan) -> None:
        super().__init__()
        self.network, self.classifier, self.plan = network, classifier, plan

    def on_fit_start(self) -> None:
        """Move the classifier, which Lightning does not manage, to the training's device."""
        self.classifier.to(self.device).module.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return denoised images (N, 1, S, S) of attacked ones, not clamped."""
        denoised: Tensor = self.network(images.contiguous(memory_format=torch.channels_last))
        return denoised

    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the classifier's last maps and logits of images (N, 1, S, S) in [0, 1]."""
        inputs = network_input(images, self.classifier.card).contiguous(memory_format=torch.channels_last)
        maps, logits = seen(self.classifier.module, inputs)
        # The errors are small differences of large numbers: they are taken in float32.
        return maps.float(), logits.float()

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Return the loss of one batch of attacked and clean images and their labels."""
        return self.judge(batch, "train")

    def validation_step(self, batch: tuple[Tensor, Tensor, Tensor]) -> None:
        """Record loss and accuracy of one batch."""
        self.judge(batch, "val")

    def judge(self, batch: tuple[Tensor, Tensor, Tensor], part: str) -> Tensor:
        """Record and return the loss of one batch.

        Args:
            batch: Attacked and clean images (N, 1, S, S) and labels, (N,) or (N, K).
            part: ``train`` or ``val``; the accuracy is the classifier's on the denoised images.
        """
        attacked, clean, labels = batch
        denoised = self(attacked).float()
        # Used, an image is clamped before it is read; the pixels' own error still pulls those outside back.
        maps, logits = self.look(denoised.clamp(0, 1))
        with torch.no_grad():
            clean_maps, clean_logits = self.look(clean)
        weight = self.plan.guidance
        loss: Tensor = (weight.pixels * F.l1_loss(denoised, clean) + weight.features * F.l1_loss(maps, clean_maps)
                        + weight.logits * F.l1_loss(logits, clean_logits))
        # In the task's form; that a loss is not finite is said at the epoch's end.
        said = logits_of(logits.detach().nan_to_num(), self.classifier.card, len(labels))
        self.log_dict({f"{part}_loss": loss.detach(),
                       f"{part}_accuracy": accuracy(said, labels, self.classifier.card)},
                      on_step=False, on_epoch=True, batch_size=len(labels))
        return loss

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Return Adam over the denoiser's weights under a one-cycle schedule."""
        adam = Adam(self.network.parameters(), lr=self.plan.learning_rate)
        steps = int(self.trainer.estimated_stepping_batches)
        cycle = OneCycleLR(adam, max_lr=self.plan.learning_rate, total_steps=steps)
        return {"optimizer": adam, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}
