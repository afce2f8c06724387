"""Training of our own feed-forward style network (``radversary train stylizer``).

The losses are Gatys' on VGG-19 features, relative to their targets, averaged over five depths; the network never sees a
test-pool texture. Needs a VGG-19 weights file at training time only.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import lightning
import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors.torch import save
from torch.utils.data import DataLoader, Dataset

from radversary.core.errors import DataError, PlanError
from radversary.core.seeds import derive_seed, generator, global_seed
from radversary.core.types import Images
from radversary.imaging.intensity import to_grey
from radversary.storage.documents import Seed
from radversary.storage.files import sha256_file, write_json, write_whole
from radversary.storage.locks import locked
from radversary.stylization.bank import StyleBank, procedural_bank
from radversary.stylization.features import Vgg19, gram, load_vgg19
from radversary.stylization.gatys import relative_error
from radversary.stylization.network import Stylizer
from radversary.training.loop import calm, make_trainer, read_state, write_state

CHUNK = 200
"""Steps between checkpoints."""


class StylizerPlan(BaseModel):
    """How the style network is trained.

    Attributes:
        steps: Gradient steps.
        batch_size: Pairs of content and style a step.
        size: Side of the training crops in pixels, a multiple of 16.
        styles: Textures drawn from the ``train`` pool.
        learning_rate: Peak of a one-cycle schedule.
        style_weight: Style loss against content loss.
        grey_share: Share of pairs with a grey style.
        content_layer: Layer of the content loss.
        seed: Of everything random.
        vgg: Weights file; None takes the best known (see ``stylization/features.py``).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(default=4000, ge=1, le=10**6)
    batch_size: int = Field(default=8, ge=1, le=2**16)
    size: int = Field(default=96, ge=32, le=1024, multiple_of=16)
    styles: int = Field(default=600, ge=1, le=10**5)
    learning_rate: float = Field(default=2e-3, gt=0)
    style_weight: float = Field(default=3.0, ge=0)
    grey_share: float = Field(default=0.5, ge=0, le=1)
    content_layer: str = "relu3_1"
    seed: Seed = 42
    vgg: str | None = None


class Pairs(Dataset[tuple[Images, Images]]):
    """Random pairs of a content crop and a style crop; each depends on (seed, its place in the training) alone.

    Args:
        contents: (N, 1 or 3, H, W) in [0, 1].
        bank: The styles.
        plan: Sizes, shares and seed.
    """

    def __init__(self, contents: Images, bank: StyleBank, *, plan: StylizerPlan) -> None:
        self.contents, self.bank, self.plan, self.chunk = contents, bank, plan, 0

    def __len__(self) -> int:
        return CHUNK * self.plan.batch_size

    def __getitem__(self, index: int) -> tuple[Images, Images]:
        """Draw one pair, each (3, size, size)."""
        stream = generator(self.plan.seed, "stylizer", self.chunk * len(self) + index)
        content = self._crop(self._pick(self.contents, stream), stream)
        # One content in eight is itself a texture, so that the network learns more than thoraxes.
        if torch.rand((), generator=stream) < 0.125:
            content = self._crop(self._pick(self.bank.images, stream), stream)
        contrast = 0.6 + 0.4 * torch.rand((), generator=stream)
        content = content.expand(3, -1, -1) * contrast + (1 - contrast) * torch.rand((), generator=stream)
        style = self._crop(self._pick(self.bank.images, stream), stream)
        style = style[torch.randperm(3, generator=stream)]
        if torch.rand((), generator=stream) < self.plan.grey_share:
            style = to_grey(style.unsqueeze(0))[0].expand(3, -1, -1)
        return content, style

    @staticmethod
    def _pick(images: Images, stream: torch.Generator) -> Images:
        return images[int(torch.randint(len(images), (), generator=stream))]

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
        content, style, _ = self.losses((torch.stack([pair[0] for pair in chosen]),
                                         torch.stack([pair[1] for pair in chosen])))
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
    """Give each feature map zero mean and unit deviation, so that content is what no style can change."""
    result: torch.Tensor = torch.nn.functional.instance_norm(features)
    return result


def style_error(found: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the relative Gram error plus that of the means, averaged over the batch; bounded below by zero."""
    error: torch.Tensor = (relative_error(gram(found), gram(target)).clamp(max=10).mean()
            + relative_error(found.mean((2, 3)), target.mean((2, 3))).clamp(max=10).mean())
    return error


def train_stylizer(contents: Images, plan: StylizerPlan, out: Path, *, about: str) -> Path:
    """Train the style network; a stopped training goes on from its last checkpoint.

    Args:
        contents: Radiographs, (N, 1 or 3, H, W) in [0, 1], sides at least ``plan.size``.
        plan: The hyper-parameters.
        out: Folder for checkpoints, ``stylizer.safetensors`` and ``stylizer.json``.
        about: What the contents are, for the record: number, size and seed.

    Returns:
        The weights file.

    Raises:
        MissingPartError: No VGG-19 weights.
        PlanError: The checkpoint in ``out`` is of another plan, other contents or other features.
        BusyError: Another process trains in the folder.
        StorageError: The disk refused.
    """
    with locked(out):
        return _trained(contents, plan, out, about=about)


def _trained(contents: Images, plan: StylizerPlan, out: Path, *, about: str) -> Path:
    """Train in a folder that nobody else writes."""
    vgg = load_vgg19(plan.vgg)
    bank = procedural_bank("train", count=plan.styles, size=plan.size * 3 // 2, seed=derive_seed(plan.seed, "styles"))
    recipe, pairs = seeded_recipe(plan, vgg), Pairs(contents, bank, plan=plan)
    state = out / "last.ckpt"
    inputs = {"plan": plan.model_dump(), "contents": fingerprint(contents), "vgg": vgg.source}
    # Each stretch is a fit of its own around one optimiser: Lightning 2.6 miscounts when it resumes without validation.
    for chunk in range(recipe.restore(state, inputs), -(-plan.steps // CHUNK)):
        pairs.chunk = chunk
        with calm():
            trainer = make_trainer(epochs=1, precision="auto", device=torch.device("cpu"), callbacks=[], folder=out,
                                   steps=min(CHUNK, plan.steps - chunk * CHUNK))
            trainer.fit(recipe, DataLoader(pairs, batch_size=plan.batch_size))
        recipe.keep(state, chunk + 1, inputs)
    weights = {name: value.contiguous() for name, value in recipe.network.state_dict().items()}
    packed = save(weights)
    path = write_whole(out / "stylizer.safetensors", lambda part: part.write_bytes(packed))
    write_json(out / "stylizer.json", {"plan": plan.model_dump(), "contents": about, "sha256": sha256_file(path),
                                       "vgg": vgg.source, **recipe.unseen_losses(pairs)})
    return path


def fingerprint(images: Images) -> str:
    """Return the shape of images and the SHA-256 of their values."""
    return f"{tuple(images.shape)} {sha256(images.numpy().tobytes()).hexdigest()}"


def seeded_recipe(plan: StylizerPlan, vgg: Vgg19) -> StylizerRecipe:
    """Return the recipe with weights that depend on the seed alone; the global generator stays as it was."""
    with global_seed(plan.seed, "weights"):
        return StylizerRecipe(plan, vgg)
