"""How the style network is trained."""

from __future__ import annotations

from pydantic import Field

from radversary.storage.documents import Seed
from radversary.storage.plans import Plan


class StylizerPlan(Plan):
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
