"""Gaussians of clean images' measurements, and the Mahalanobis distance to them; shared by several detectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from radversary.classifiers.base import Features
from radversary.core.errors import InputError
from radversary.core.types import Images
from radversary.detectors.neighbours import taught
from radversary.detectors.reference_free import ReferenceFreeDetector, learned_from, one_below_another
from radversary.imaging.reencoding import ORDINARY
from radversary.imaging.source import ImagesOrSource, source_of

ROWS = 1024
"""Images whose measurements are held in double precision at once."""


def fit_gaussian(features: ImagesOrSource) -> dict[str, Tensor]:
    """Fit a Gaussian with shrunk covariance, for few images and many measurements.

    Measurements are standardised first, which makes the shrinkage independent of their units; one that never varies
    keeps its own unit. Rows are gone through three times, :data:`ROWS` at a time.

    Args:
        features: (N, D), two rows at least; or a source of such rows.

    Returns:
        ``mean`` (D,) and ``root`` (D, D), a square root of the precision: ``root @ root.T`` inverts the covariance.
        Both float64.

    Raises:
        InputError: The rows are too few or too much alike, such as two of them.

    Example:
        >>> cloud = fit_gaussian(torch.tensor([[0.0], [2.0]]))
        >>> cloud["mean"].item(), round(cloud["root"].item() ** -2, 6)  # mean 1, variance 2
        (1.0, 2.0)
    """
    count, total, squares, largest = len(features), torch.zeros(()), torch.zeros(()), torch.zeros(())
    for rows in _blocks(features):
        total, largest = total + rows.sum(dim=0), torch.maximum(largest, rows.abs().amax(dim=0))
    mean = total / count
    for rows in _blocks(features):
        squares = squares + (rows - mean).square().sum(dim=0)
    deviation = (squares / (count - 1)).sqrt()
    constant = ~(deviation > 1e-9 * largest)
    deviation = torch.where(constant, 1.0, deviation)
    standard = (torch.where(constant, 0.0, (rows - mean) / deviation) for rows in _blocks(features))
    # The maximum-likelihood covariance of a standardised column is (N - 1) / N, and should be one.
    covariance = shrunk_covariance(standard) * count / (count - 1) + torch.diag(constant.double())
    try:
        root = torch.linalg.cholesky(torch.linalg.inv(covariance)) / deviation[:, None]
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        raise InputError(f"{count} images that differ in too few ways cannot teach how {len(mean)} measurements vary; "
                         "give more clean images, of different films") from error
    return {"mean": mean, "root": root.contiguous()}


def shrunk_covariance(blocks: Iterable[Tensor]) -> Tensor:
    """Return the maximum-likelihood covariance of centred rows, shrunk towards a multiple of the identity.

    Equal to :func:`sklearn.covariance.ledoit_wolf`, which needs all rows at once. Source: Ledoit and Wolf, J.
    Multivariate Analysis 88, 2004.

    Args:
        blocks: The rows, some at a time: float64 (n, D), each column with a mean of 0 over all blocks.

    Returns:
        float64 (D, D).

    Example:
        >>> shrunk_covariance([torch.tensor([[-1.0]]), torch.tensor([[1.0]])]).tolist()
        [[1.0]]
    """
    count, products, fourth = 0, torch.zeros(()), torch.zeros(())
    for rows in blocks:
        count, products = count + len(rows), products + rows.T @ rows
        fourth = fourth + rows.square().sum(dim=1).square().sum()
    covariance = products / count
    width, level = len(covariance), covariance.trace() / len(covariance)
    squared = covariance.square().sum()
    apart = (squared / width - level.square()).clamp_min(0.0)
    uncertain = torch.minimum(((fourth / count - squared) / (width * count)).clamp_min(0.0), apart)
    share = uncertain / apart if apart > 0 else torch.zeros(())
    return (1 - share) * covariance + share * level * torch.eye(width, dtype=covariance.dtype)


def _blocks(features: ImagesOrSource) -> Iterator[Tensor]:
    """Yield rows in double precision, some at a time."""
    source = source_of(features)
    for start in range(0, len(source), ROWS):
        yield source.tensor(range(start, min(start + ROWS, len(source)))).detach().cpu().double()


def distance(features: Tensor, cloud: Mapping[str, Tensor]) -> Tensor:
    """Return the squared Mahalanobis distance, divided by the number of measurements.

    Args:
        features: (N, D).
        cloud: What :func:`fit_gaussian` returned, ``mean`` (D,) and ``root`` (D, D); or K of them stacked, ``mean``
            (K, D) and ``root`` (K, D, D).

    Returns:
        float64 (N,), about 1 for a row of that Gaussian; or (N, K). Differentiable.

    Example:
        >>> cloud = fit_gaussian(torch.tensor([[0.0], [2.0]]))
        >>> round(distance(torch.tensor([[5.0]]), cloud).item(), 6)  # (5 - 1)^2 / 2
        8.0
    """
    mean, root = (cloud[name].to(features.device, torch.float64) for name in ("mean", "root"))
    whitened = (features.double() - mean.unsqueeze(-2)) @ root
    return whitened.square().mean(dim=-1).movedim(-1, 0)


def fit_clouds(handled: Tensor) -> dict[str, Tensor]:
    """Fit a Gaussian for each handling, and one for all together, which covers what lies between them.

    Args:
        handled: Measurements of the same images as each of K handlings leaves them, (K, N, D).

    Returns:
        ``mean`` (K + 1, D) and ``root`` (K + 1, D, D), as :func:`distance` takes them.
    """
    clouds = [fit_gaussian(features) for features in (*handled, handled.flatten(0, 1))]
    return {name: torch.stack([cloud[name] for cloud in clouds]) for name in ("mean", "root")}


def nearest_cloud(features: Tensor, learned: Mapping[str, Tensor], *, who: object) -> Tensor:
    """Return the distance to the nearest of the clouds that a detector learned.

    Args:
        features: (N, D).
        learned: What the detector learned, with what :func:`fit_clouds` returned among it.
        who: The detector, for the error.

    Returns:
        float64 (N,).

    Raises:
        InputError: The detector was never fitted.
    """
    cloud = {name: taught(learned, name, who=who) for name in ("mean", "root")}
    return distance(features, cloud).amin(dim=1)


def handled(measure: Callable[[Images], Tensor], clean: ImagesOrSource, *, who: object) -> Tensor:
    """Measure clean images as each of the :data:`ORDINARY` handlings leaves them, each read once.

    Args:
        measure: Maps images to (N, D).
        clean: (N, C, H, W) in [0, 1], two at least; or a source of such images.
        who: The detector, for the error.

    Returns:
        (K, N, D), in the order of the table.

    Raises:
        InputError: Fewer than two images.
        TensorError: Images outside the pixel contract.
    """
    with torch.no_grad():
        seen = (torch.stack([measure(handle(part)) for handle in ORDINARY.values()], dim=1)
                for part in learned_from(clean, who=who))
        return one_below_another(seen, count=len(clean)).movedim(1, 0)


@dataclass(frozen=True, kw_only=True)
class MahalanobisDetector(ReferenceFreeDetector):
    """Mahalanobis distance of the classifier's last features from those of clean images, knowing no label.

    A baseline. The published form has one mean a class, perturbs its input and weighs layers by known attacks; here
    there is one Gaussian, no perturbation and no attack, so that it asks for clean images only. It learns from them as
    they are, harmless handling aside, and is the same for every task. Source: Lee et al., NeurIPS 2018,
    arXiv:1807.03888.

    Example:
        >>> MahalanobisDetector().options()
        {}
    """

    needs_features: ClassVar[bool] = True

    def measure(self, images: Images, features: Features | None) -> Tensor:  # noqa: ARG002
        """Return the embedding, (N, D)."""
        assert features is not None  # noqa: S101  (reads is set)
        return features.embedding

    def learn(self, measured: Tensor) -> dict[str, Tensor]:
        """Keep ``mean`` and ``root`` of :func:`fit_gaussian`."""
        return fit_gaussian(measured)

    def judge(self, measured: Tensor) -> Tensor:
        """Return the squared distance a feature, (N,)."""
        cloud = {name: taught(self.learned, name, who=self) for name in ("mean", "root")}
        return distance(measured, cloud).float()
