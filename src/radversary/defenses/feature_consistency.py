"""The thesis' feature consistency: an image is given the style of a trusted clean one before classification."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from radversary.core.errors import DataError, PlanError
from radversary.core.types import Images
from radversary.data.reading import read_image
from radversary.defenses.base import Follows, Transform
from radversary.imaging.intensity import resize, to_grey
from radversary.storage.checksums import sha256_file
from radversary.stylization import gatys
from radversary.stylization.features import find_weights, load_vgg19

BATCH = 16
"""Images optimised at once; each comes out as it would alone."""

SUFFIXES = {".png", ".jpg", ".jpeg", ".dcm"}


@dataclass(frozen=True, kw_only=True)
class FeatureConsistency(Transform):
    """Optimises the image: content of the suspect, Gram matrices of the trusted film (the thesis' Algorithm 1).

    Source: Gatys et al., CVPR 2016, turned from attack to defence. It starts from the suspect; both are grey and of one
    size. Seconds an image where ``restyle`` takes milliseconds.

    Attributes:
        trusted: A clean radiograph, or a folder of them, of which the first by name is taken; best a film that the
            classifier was trained on, never one that it is tested on.
        steps: Gradient steps.
        style_weight: Style loss against content loss, the thesis' λ.
        vgg: VGG-19 weights file; None takes the best known.

    Raises:
        PlanError: Steps or weight below 0.
        DataError: No trusted film there.
        UnreadableImageError: It cannot be read.
        MissingPartError: No VGG-19 weights.
    """

    follows: ClassVar[Follows] = "its values"

    trusted: Path
    steps: int = 100
    style_weight: float = 30.0
    vgg: str | None = None

    def __post_init__(self) -> None:
        if self.steps < 0 or self.style_weight < 0:
            raise PlanError("feature-consistency needs steps and style_weight ≥ 0, "
                            f"got {self.steps} and {self.style_weight}")
        # Looked for at once, so that an audit is refused before it starts.
        trusted_film(self.film())
        find_weights(self.vgg)

    def film(self) -> Path:
        """Return the file of the trusted film."""
        path = Path(self.trusted)
        films = sorted(film for film in path.rglob("*") if film.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not films or not films[0].is_file():
            raise DataError(f"feature-consistency needs a trusted clean radiograph, and there is none at {path}")
        return films[0]

    @torch.no_grad()
    def __call__(self, images: Images) -> Images:
        """Optimise images (N, C, H, W) towards the trusted style; colour comes back as three equal channels."""
        if not len(images):
            return images.clone()
        grey = to_grey(images)
        trusted = resize(trusted_film(self.film()), (grey.shape[-2], grey.shape[-1]))
        return torch.cat([self._optimised(part, trusted) for part in torch.split(grey, BATCH)]).expand_as(images)

    def bpda(self, images: Images) -> Images:
        """Do the same, with the gradient of the grey projection alone (BPDA: Athalye et al. 2018, arXiv 1802.00420).

        A hundred steps of Adam have no useful gradient, but the result is near its input: the identity replaces them.
        """
        grey = to_grey(images).expand_as(images)
        return grey + (self(images) - grey).detach()

    def content_hashes(self) -> tuple[str, ...]:
        """Return the hashes of the trusted film and of the VGG-19 file."""
        return sha256_file(self.film()), sha256_file(find_weights(self.vgg))

    def _optimised(self, grey: Images, trusted: Images) -> Images:
        # The features live on the CPU.
        contents, styles = (part.detach().cpu().expand(len(grey), 3, -1, -1) for part in (grey, trusted))
        with torch.enable_grad():
            found = gatys.transfer(contents, styles, load_vgg19(self.vgg), steps=self.steps,
                                   style_weight=self.style_weight)
        return to_grey(found).to(grey.device)


def trusted_film(path: Path) -> Images:
    """Read one film as grey (1, 1, H, W) in [0, 1].

    Raises:
        UnreadableImageError: It cannot be read.
    """
    return to_grey(torch.from_numpy(read_image(path).pixels)[None])
