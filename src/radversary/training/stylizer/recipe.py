"""Pairs of content and style, and the losses of the style network on them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
import torch
from torch.utils.data import Dataset

from radversary.core.errors import DataError, PlanError
from radversary.core.seeds import generator
from radversary.core.types import Images
from radversary.imaging.intensity import to_grey
from radversary.imaging.source import ImagesOrSource, ImageSource, source_of
from radversary.stylization.bank import StyleBank
from radversary.stylization.features import Vgg19, gram
from radversary.stylization.gatys import relative_error
from radversary.stylization.network import Stylizer
from radversary.training.checkpoints import read_state, write_state
from radversary.training.stylizer.plan import StylizerPlan

CHUNK = 200
"""Steps between checkpoints."""


class Pairs(Dataset[tuple[Images, Images]]):
    """Random pairs of a content crop and a style crop; each depends on (seed, its place in the training) alone.

    Args:
        contents: (N, 1 or 3, H, W) in [0, 1], or a source of such images, of which one is read for each pair.
        bank: The styles.
        plan: Sizes, shares and seed.
    """

    def __init__(self, contents: ImagesOrSource, bank: StyleBank, *, plan: StylizerPlan) -> None:
        self.contents, self.styles, self.plan = source_of(contents), source_of(bank.images), plan
        self.chunk, self.steps = 0, CHUNK

    def __len__(self) -> int:
        return self.steps * self.plan.batch_size

    def __getitem__(self, index: int) -> tuple[Images, Images]:
        """Draw one pair, each (3, size, size)."""
        stream = generator(self.plan.seed, "stylizer", self.chunk * len(self) + index)
        content = self._crop(self._pick(self.contents, stream), stream)
        # One content in eight is itself a texture, so that the network learns more than thoraxes.
        if torch.rand((), generator=stream) < 0.125:
            content = self._crop(self._pick(self.styles, stream), stream)
        contrast = 0.6 + 0.4 * torch.rand((), generator=stream)
        content = content.expand(3, -1, -1) * contrast + (1 - contrast) * torch.rand((), generator=stream)
        style = self._crop(self._pick(self.styles, stream), stream)
        style = style[torch.randperm(3, generator=stream)]
        if torch.rand((), generator=stream) < self.plan.grey_share:
            style = to_grey(style.unsqueeze(0))[0].expand(3, -1, -1)
        return content, style

    @staticmethod
    def _pick(images: ImageSource, stream: torch.Generator) -> Images:
        return images.tensor([int(torch.randint(len(images), (), generator=stream))])[0]

    def _crop(self, image: Images, stream: torch.Generator) -> Images:
        top, left = (int(torch.randint(side - self.plan.size + 1, (), generator=stream)) for side in image.shape[-2:])
        image = image[:, top : top + self.plan.size, left : left + self.plan.size]
        if torch.rand((), generator=stream) < 0.5:
            image = image.flip(-1)
        return image


class StylizerRecipe(lightning.LightningModule):  # type: ignore[misc]
    """Content and style losses of the stylised images.

    Args:
        plan: The hyper-parameters.
        vgg: The features the losses see; frozen.
    """

    def __init__(self, plan: StylizerPlan, vgg: Vgg19) -> None:
        super().__init__()
        self.plan, self.vgg = plan, vgg
        self.network = Stylizer()
        self.style_layers = tuple(layer for layer in vgg.layers if layer.endswith("_1"))
        self.optimiser = torch.optim.Adam(self.network.parameters(), plan.learning_rate)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimiser, plan.learning_rate, total_steps=plan.steps)

    def training_step(self, batch: tuple[Images, Images], _index: int) -> torch.Tensor:
        """Return the loss of one batch."""
        content, style, smoothness = self.losses(batch)
        loss: torch.Tensor = content + self.plan.style_weight * style + 0.1 * smoothness
        return loss

    @torch.no_grad()
    def unseen_losses(self, pairs: Pairs) -> dict[str, float]:
        """Return content and style loss of pairs that no step was taken on."""
        pairs.chunk = -1
        chosen = [pairs[index] for index in range(32)]
        content, style, _ = self.losses((torch.stack([pair[0] for pair in chosen]).to(self.device),
                                         torch.stack([pair[1] for pair in chosen]).to(self.device)))
        return {"content_loss": float(content), "style_loss": float(style)}

    def keep(self, path: Path, chunks: int, inputs: Mapping[str, Any]) -> None:
        """Write all that a resumed training needs, and what it was made from, whole or not at all."""
        write_state(path, {"chunks": chunks, "inputs": dict(inputs), "network": self.network.state_dict(),
                           "optimiser": self.optimiser.state_dict(), "schedule": self.schedule.state_dict()})

    def restore(self, path: Path, inputs: Mapping[str, Any]) -> int:
        """Read what :meth:`keep` wrote and return the chunks that are done; 0 where there is nothing.

        Raises:
            PlanError: It was made from other inputs.
            DataError: It is damaged.
        """
        if not path.is_file():
            return 0
        state = read_state(path)
        found = known if isinstance(known := state.get("inputs"), dict) else {}
        if changed := [name for name, value in inputs.items() if found.get(name) != value]:
            raise PlanError(f"{path} is of a training with another {' and '.join(changed)}; "
                            "remove it or choose another folder")
        try:
            self.network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.schedule.load_state_dict(state["schedule"])
            return int(state["chunks"])
        except (LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{path} is damaged; remove it to train anew") from error

    def losses(self, batch: tuple[Images, Images]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return content loss, style loss and roughness of a stylised batch."""
        contents, styles = batch
        stylised = self.network(contents, self.network.style(styles))
        found = self._features(stylised, tuple(dict.fromkeys((*self.style_layers, self.plan.content_layer))))
        with torch.no_grad():
            content_target = self._features(contents, (self.plan.content_layer,))
            style_targets = self._features(styles, self.style_layers)
        # Gram matrices overflow or lose their small entries in sixteen bits, so the losses are taken in float32.
        with torch.autocast(self.device.type, enabled=False):
            layer = self.plan.content_layer
            content = relative_error(normalised(found[layer]), normalised(content_target[layer])).mean()
            style = torch.stack([style_error(found[name], style_targets[name]) for name in self.style_layers]).mean()
            smoothness = (stylised.diff(dim=-1).abs().float().mean() + stylised.diff(dim=-2).abs().float().mean()) / 2
        return content, style, smoothness

    def _features(self, images: Images, layers: tuple[str, ...]) -> dict[str, torch.Tensor]:
        return {layer: features.float() for layer, features in self.vgg(images, layers).items()}

    def configure_optimizers(self) -> Any:  # noqa: ANN401
        """Return the one optimiser and schedule that all stretches of the training share."""
        return {"optimizer": self.optimiser, "lr_scheduler": {"scheduler": self.schedule, "interval": "step"}}


def normalised(features: torch.Tensor) -> torch.Tensor:
    """Give each feature map zero mean and unit deviation, so that the content loss does not depend on style."""
    result: torch.Tensor = torch.nn.functional.instance_norm(features)
    return result


def style_error(found: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the relative Gram error plus that of the means, averaged over the batch; bounded below by zero."""
    error: torch.Tensor = (relative_error(gram(found), gram(target)).clamp(max=10).mean()
            + relative_error(found.mean((2, 3)), target.mean((2, 3))).clamp(max=10).mean())
    return error
