"""CycleGAN: two generators and two discriminators learn from unpaired images (Zhu et al. 2017, arXiv 1703.10593)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import lightning
import torch
from monai.losses import PatchAdversarialLoss
from monai.networks.nets import PatchDiscriminator
from torch import Tensor, nn
from torch.nn import functional as F

from radversary.core.errors import PlanError
from radversary.core.seeds import derive_seed, generator, global_seed
from radversary.core.types import Images
from radversary.defenses.restoration import RestorerCard, build_restorer
from radversary.training.cyclegan.plan import CycleGanPlan

LOSSES = ("adversarial", "cycle", "identity", "discriminator")

STATE = "cyclegan"
"""Key of a checkpoint under which the pools and the curves are."""


class ImagePool:
    """A pool of earlier generated images for a discriminator (Shrivastava et al. 2017, arXiv 1612.07828).

    Args:
        size: Images it keeps; 0 keeps none.
        key: What its randomness stands for, such as ``(42, "pool", "clean")``.

    Example:
        >>> pool = ImagePool(2, (42, "pool"))
        >>> pool.exchange(torch.ones(2, 1, 4, 4)).shape, len(pool.kept)
        (torch.Size([2, 1, 4, 4]), 2)
    """

    def __init__(self, size: int, key: tuple[int | str, ...]) -> None:
        self.size, self.stream = size, generator(*key)
        self.kept: list[Tensor] = []

    def exchange(self, images: Images) -> Images:
        """Return as many images as come in, each either itself or, half the time, one kept before that it replaces."""
        return torch.stack([self._exchanged(image) for image in images.detach().clone()])

    def _exchanged(self, image: Tensor) -> Tensor:
        if len(self.kept) < self.size:
            self.kept.append(image)
            return image
        if not self.size or torch.rand((), generator=self.stream) < 0.5:
            return image
        place = int(torch.randint(self.size, (), generator=self.stream))
        old, self.kept[place] = self.kept[place], image
        return old.to(image.device)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed training needs."""
        return {"kept": [image.cpu() for image in self.kept], "stream": self.stream.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state of a checkpoint up again."""
        self.kept = list(state["kept"])
        self.stream.set_state(state["stream"].cpu())


class CycleGanRecipe(lightning.LightningModule):  # type: ignore[misc]
    """Both directions, trained together; least-squares adversarial losses.

    Args:
        plan: The hyper-parameters, with a seed.
        card: Of the generator from attacked to clean, which is what will be kept.
    """

    automatic_optimization = False

    def __init__(self, plan: CycleGanPlan, card: RestorerCard) -> None:
        super().__init__()
        self.plan, seed = plan, cast("int", plan.seed)
        self.restorer = build_restorer(card, seed=seed)
        self.attacker = build_restorer(card, seed=derive_seed(seed, "attacker"))
        with global_seed(seed, "discriminators"):
            self.judges = nn.ModuleDict({kind: PatchDiscriminator(2, plan.width, 1, norm="INSTANCE")
                                         for kind in ("clean", "attacked")})
        self.least_squares = PatchAdversarialLoss(criterion="least_squares", no_activation_leastsq=True)
        self.pools = {kind: ImagePool(plan.pool, (seed, STATE, "pool", kind)) for kind in self.judges}
        self.curves: dict[str, list[float]] = {name: [] for name in LOSSES}
        self._seen: list[Tensor] = []

    def training_step(self, batch: tuple[Images, Images], _index: int) -> None:
        """Take one step of the generators, then one of the discriminators."""
        attacked, clean = batch
        for_generators, for_judges = self.optimizers()
        # The generators' step needs no gradients of the discriminators' weights.
        self.judges.requires_grad_(requires_grad=False)
        drawn = {"clean": self.restorer(attacked), "attacked": self.attacker(clean)}
        parts = self.generator_losses(attacked, clean, drawn)
        self._descend(for_generators, parts[0] + self.plan.cycle * (parts[1] + self.plan.identity * parts[2]))
        self.judges.requires_grad_(requires_grad=True)
        shown = {kind: self.pools[kind].exchange(images) for kind, images in drawn.items()}
        judged = self.judge_loss({"clean": clean, "attacked": attacked}, shown)
        self._descend(for_judges, judged)
        self._seen.append(torch.stack([part.detach() for part in (*parts, judged)]))

    def generator_losses(self, attacked: Images, clean: Images, drawn: dict[str, Images]) -> tuple[Tensor, ...]:
        """Return adversarial, cycle and identity loss of what the generators drew, each the sum of both directions."""
        adversarial = sum(self._verdict(kind, images, real=True, judging=False) for kind, images in drawn.items())
        cycle = F.l1_loss(self.attacker(drawn["clean"]), attacked) + F.l1_loss(self.restorer(drawn["attacked"]), clean)
        identity = F.l1_loss(self.restorer(clean), clean) + F.l1_loss(self.attacker(attacked), attacked)
        return cast("Tensor", adversarial), cycle, identity

    def judge_loss(self, real: dict[str, Images], drawn: dict[str, Images]) -> Tensor:
        """Return the discriminators' loss: half for what is real, half for what was drawn."""
        halves = [self._verdict(kind, images, real=genuine, judging=True) / 2
                  for genuine, shown in ((True, real), (False, drawn)) for kind, images in shown.items()]
        return torch.stack(halves).sum()

    def _verdict(self, kind: str, images: Images, *, real: bool, judging: bool) -> Tensor:
        verdict: Tensor = self.least_squares(self.judges[kind](images)[-1].float(), target_is_real=real,
                                             for_discriminator=judging)
        return verdict

    def _descend(self, optimiser: Any, loss: Tensor) -> None:  # noqa: ANN401
        optimiser.zero_grad()
        self.manual_backward(loss)
        optimiser.step()

    def on_train_epoch_end(self) -> None:
        """Keep the mean losses of the epoch and lower the learning rates.

        Raises:
            PlanError: A loss is not a finite number.
        """
        means = dict(zip(LOSSES, torch.stack(self._seen).mean(0).tolist(), strict=True))
        self._seen = []
        if not all(abs(value) < float("inf") for value in means.values()):
            raise PlanError(f"training diverged in epoch {self.current_epoch + 1}: {means}; lower the learning rate or "
                            "use precision 'float32'")
        for name, value in means.items():
            self.curves[name].append(value)
        for schedule in self.lr_schedulers():
            schedule.step()

    def configure_optimizers(self) -> Any:  # noqa: ANN401
        """Return Adam for the generators and for the discriminators, each with its schedule."""
        optimisers = [self._adam((self.restorer, self.attacker)), self._adam(self.judges.values())]
        return optimisers, [torch.optim.lr_scheduler.LambdaLR(each, self.rate) for each in optimisers]

    def _adam(self, networks: Iterable[nn.Module]) -> torch.optim.Optimizer:
        weights = [weight for network in networks for weight in network.parameters()]
        return torch.optim.Adam(weights, self.plan.learning_rate, betas=(0.5, 0.999))

    def rate(self, epoch: int) -> float:
        """Return the share of the learning rate in an epoch: 1 in the first half, then a line to 0 after the last."""
        falling = self.plan.epochs // 2
        return 1 - max(0, epoch + 1 - (self.plan.epochs - falling)) / (falling + 1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Write the pools and the curves into a checkpoint."""
        pools = {kind: pool.state_dict() for kind, pool in self.pools.items()}
        checkpoint[STATE] = {"pools": pools, "curves": {name: list(values) for name, values in self.curves.items()}}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the pools and the curves of a checkpoint up again."""
        for kind, pool in self.pools.items():
            pool.load_state_dict(checkpoint[STATE]["pools"][kind])
        self.curves = checkpoint[STATE]["curves"]
