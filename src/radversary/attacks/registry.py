"""The attacks by name."""

from __future__ import annotations

from radversary.attacks.base import Attack
from radversary.core.registry import Registry

ATTACKS = Registry[Attack]("attack", {
    "identity": "radversary.attacks.identity:Identity",
    "noise": "radversary.attacks.noise:Noise",
    "style-transfer": "radversary.attacks.style.transfer:StyleTransferAttack",
}, group="radversary.attacks")
