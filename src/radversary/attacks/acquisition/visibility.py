"""What keeps a change of the acquisition believable: how alike the images are, and where the lung fields lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import torch
from torch import Tensor

from radversary.attacks.problem import CHUNK, Look, Problem
from radversary.core.types import Images
from radversary.imaging.intensity import quantise, to_grey
from radversary.imaging.lung_field import dice, small_field
from radversary.imaging.similarity import ssim

Map: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Images (N, C, H, W) and parameters (N, P) in [-1, 1] to changed images; zeros change nothing."""

BITS: Final = 8
"""Depth at which images are judged whose stored depth is not known: what a viewer shows."""

ROUNDS: Final = 6
"""Shares of the parameters that are tried; the greatest that holds is then known to a thirty-second."""


@dataclass(frozen=True)
class Rule:
    """What is asked of an attacked image, in grey and as it is stored.

    Attributes:
        least_ssim: Least structural similarity to the original.
        least_dice: Least Dice coefficient of the estimated lung fields of both
            (:func:`radversary.imaging.lung_field.small_field`); an image in which none is found passes.
    """

    least_ssim: float
    least_dice: float

    def kept(self, images: Images, fields: Tensor, attacked: Images) -> Tensor:
        """Return which attacked images keep the rule, bool (N,).

        Args:
            images: The originals, (N, C, H, W).
            fields: Their estimated lung fields.
            attacked: What is stored of them after the attack.
        """
        kept = ssim(to_grey(images), to_grey(attacked)) >= self.least_ssim
        rows = torch.nonzero(kept)[:, 0]
        same = dice(fields[rows.cpu()], small_field(attacked[rows])) >= self.least_dice
        kept[rows] = same.to(kept.device)
        return kept


@dataclass(frozen=True, eq=False)
class Sought:
    """Images, the map that changes them, and the rule that what is found must keep.

    Attributes:
        problem: The images and what is wanted of them.
        change: The map.
        parameters: How many numbers the map takes.
        amount: What parameters are multiplied by.
        rule: What attacked images must keep.
        fields: The originals' estimated lung fields.
    """

    problem: Problem
    change: Map
    parameters: int
    amount: float
    rule: Rule
    fields: Tensor

    def __len__(self) -> int:
        return len(self.problem)

    def only(self, rows: Tensor) -> Sought:
        """Return the same for some images, each as often as it is named."""
        return replace(self, problem=self.problem.only(rows), fields=self.fields[rows.cpu()])

    def points(self, parameters: Tensor) -> Images:
        """Return the images that parameters make, float32 in [0, 1]; zeros give the originals bit for bit.

        Args:
            parameters: float64 (N, P) in [-1, 1]: in single precision the last digit would depend on batch mates.
        """
        images = self.problem.images
        changed = self.change(images.double(), self.amount * parameters).float().clamp(0, 1)
        still = (parameters.detach() == 0).all(1).reshape(-1, 1, 1, 1)
        return changed + torch.where(still, images - changed.detach(), 0.0)

    @torch.no_grad()
    def broken(self, parameters: Tensor) -> Tensor:
        """Return which parameters break the rule, bool (N,)."""
        problem, points = self.problem, self.points(parameters)
        saved = quantise(points, BITS) if problem.bits is None else problem.saved(points)
        return ~self.rule.kept(problem.images, self.fields, saved)

    def believable(self, parameters: Tensor) -> Tensor:
        """Return parameters drawn towards 0, image by image, by the share that keeps the rule.

        The share is found by halving what lies between one that keeps it and one that does not. Each that is returned
        was tried; 0, the original, where none was found.

        Args:
            parameters: (N, P).
        """
        low, high = torch.zeros(len(parameters)), torch.ones(len(parameters))
        tried = high.clone()
        for _ in range(ROUNDS):
            rows = torch.nonzero(low < 1)[:, 0]
            if not len(rows):
                break
            shares = self.scaled(parameters, tried)[rows.to(parameters.device)]
            broken = torch.cat([self.only(some).broken(part) for some, part in
                                zip(torch.split(rows, CHUNK), torch.split(shares, CHUNK), strict=True)]).cpu()
            low[rows], high[rows] = (torch.where(broken, low[rows], tried[rows]),
                                     torch.where(broken, tried[rows], high[rows]))
            tried = (low + high) / 2
        return self.scaled(parameters, low)

    def look(self, parameters: Tensor) -> tuple[Look, Tensor, Images]:
        """Return what the victim shows of the images that parameters make, the parameters' slope, and those images.

        Args:
            parameters: (N, P).

        Returns:
            The look, the gradient of the margin (N, P), and the images.
        """
        with torch.enable_grad():
            at = parameters.detach().requires_grad_()
            points = self.points(at)
            look = self.problem.look(points.detach())
            (slope,) = torch.autograd.grad(points, at, look.gradient)
        return look, slope.nan_to_num(0.0, 0.0, 0.0), points.detach()

    def drawn(self, count: int) -> Tensor:
        """Draw ``count`` parameters an image uniformly from [-1, 1], float64 (N, count, P)."""
        return 2 * self.problem.streams.uniform(count, self.parameters).double().to(self.problem.images.device) - 1

    @staticmethod
    def scaled(parameters: Tensor, shares: Tensor) -> Tensor:
        """Return each image's parameters times its share."""
        return parameters * shares.to(parameters)[:, None]


def sought(problem: Problem, change: Map, parameters: int, amount: float, rule: Rule) -> Sought:
    """Return what is sought of a problem's images.

    Args:
        problem: The problem.
        change: The map.
        parameters: How many numbers it takes.
        amount: What they are multiplied by.
        rule: What attacked images must keep.
    """
    return Sought(problem, change, parameters, amount, rule, small_field(problem.images))
