"""Style transfer by optimising the image itself (Gatys, Ecker and Bethge, CVPR 2016).

The public implementations run L-BFGS on a whole batch as one problem, so that an image's result depends on its batch
mates. Here each pixel has its own Adam state and the losses are summed over images: an image alone and in a batch comes
out the same. Both losses are relative to the size of their targets, so that one pair of weights serves every VGG file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from radversary.core.types import Images
from radversary.stylization.features import Vgg19, gram

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


@dataclass(frozen=True)
class Targets:
    """What the optimised image is drawn to.

    Attributes:
        content: Features of the content image by layer.
        style: Gram matrices of the style image by layer.
    """

    content: dict[str, torch.Tensor]
    style: dict[str, torch.Tensor]


def relative_error(value: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return squared error over squared target, one number an image (N,)."""
    return (value - target).square().flatten(1).sum(1) / target.square().flatten(1).sum(1).clamp_min(1e-9)


def losses(features: dict[str, torch.Tensor], targets: Targets) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the content loss and the style loss, each (N,), a mean over their layers."""
    content = [relative_error(features[layer], target) for layer, target in targets.content.items()]
    style = [relative_error(gram(features[layer]), target) for layer, target in targets.style.items()]
    return torch.stack(content).mean(0), torch.stack(style).mean(0)


def transfer(images: Images, styles: Images, vgg: Vgg19, *, steps: int = 100, content_weight: float = 1.0,
             style_weight: float = 30.0, learning_rate: float = 0.02, content_layer: str = "relu3_1",
             style_layers: tuple[str, ...] = (),
             observe: Callable[[int, torch.Tensor], None] | None = None) -> Images:
    """Give each image the style of its style image.

    Args:
        images: Content, (N, 3, H, W) in [0, 1]; the optimisation starts from it.
        styles: One style an image, (N, 3, h, w) in [0, 1].
        vgg: The features.
        steps: Gradient steps.
        content_weight: Weight of the content loss.
        style_weight: Weight of the style loss.
        learning_rate: Adam's, falling to zero along a half cosine.
        content_layer: Layer of the content loss.
        style_layers: Layers of the style loss; empty takes those of Gatys that the weights reach.
        observe: Called with the step and the loss of each image (N,).

    Returns:
        (N, 3, H, W) in [0, 1].

    Raises:
        UnknownNameError: The weights do not reach a layer.
    """
    style_layers = style_layers or tuple(layer for layer in STYLE_LAYERS if layer in vgg.layers)
    wanted = tuple(dict.fromkeys((*style_layers, content_layer)))
    with torch.no_grad():
        targets = Targets(content=vgg(images, (content_layer,)),
                          style={layer: gram(found) for layer, found in vgg(styles, style_layers).items()})
    canvas = images.expand(-1, 3, -1, -1).clone().requires_grad_()
    optimiser = torch.optim.Adam([canvas], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(steps, 1))
    for step in range(steps):
        content, style = losses(vgg(canvas, wanted), targets)
        loss = content_weight * content + style_weight * style
        (canvas.grad,) = torch.autograd.grad(loss.sum(), canvas)
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            canvas.clamp_(0, 1)
        if observe is not None:
            observe(step, loss.detach())
    return canvas.detach()
