"""Write an attack of your own and have it audited like every other.

Run: python examples/add_an_attack.py [FOLDER]   (a quarter of a minute)

In a package, name it in pyproject.toml instead of calling ATTACKS.add, and every plan and `radversary list` knows it:
    [project.entry-points."radversary.attacks"]
    vignette = "my_package.vignette:Vignette"
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

import radversary as rv
from radversary.attacks.base import Attack, check_strength
from radversary.core.seeds import Streams
from radversary.core.types import Access, AttackFamily, Images, Labels


@dataclass(frozen=True, kw_only=True)
class Vignette(Attack):
    """Darkens an image towards its corners, as a badly aligned collimator does.

    Attributes:
        darkness: Share of the light that the corners lose.
    """

    needs: ClassVar[Access] = Access.NONE  # looks at no model
    strength: ClassVar[str] = "darkness"  # what a plan's `strengths` are
    family: ClassVar[AttackFamily] = AttackFamily.STYLE

    darkness: float = 0.5

    def __post_init__(self) -> None:
        check_strength("darkness", self.darkness)

    def perturb(self, classifier: rv.Classifier, images: Images, aims: Labels, streams: Streams) -> Images:  # noqa: ARG002
        """Return the darkened images; random choices would be drawn from ``streams``, one generator an image."""
        down, across = (torch.linspace(-1, 1, pixels, device=images.device) for pixels in images.shape[-2:])
        return images * (1 - self.darkness * (down[:, None].square() + across.square()) / 2)


def main(folder: Path) -> None:
    """Audit a saved network with it and print how accuracy falls."""
    rv.ATTACKS.add("vignette", Vignette)
    plan = rv.AuditPlan.model_validate({
        "attacks": [{"label": "vignette", "name": "vignette", "strengths": [0.25, 0.5, 1.0]}]})
    films = {"name": "phantoms", "options": {"count": 60, "size": 96}}
    result = rv.audit(f"{Path(__file__).with_name('own_model.py')}:build", films, plan, out=folder, allow_code=True)
    for cell in result.cells:
        accuracy = cell.performance.accuracy
        print(f"{cell.condition.title:24} {accuracy.value:6.1%} [{accuracy.low:.1%}, {accuracy.high:.1%}]")
    print(f"report: {folder / 'report.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples/add-an-attack"))
