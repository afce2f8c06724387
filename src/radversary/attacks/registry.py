"""The attacks by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from radversary.core.registry import Registry

if TYPE_CHECKING:  # names are known without PyTorch
    from radversary.attacks.base import Attack

ATTACKS: Registry[Attack] = Registry("attack", {
    "di-fgsm": "radversary.attacks.gradient.iterative:DiverseFGSM",
    "equal-noise": "radversary.attacks.controls.equal_noise:EqualNoise",
    "evasive-pgd": "radversary.attacks.evasive.pgd:EvasivePGD",
    "evasive-style": "radversary.attacks.evasive.style:EvasiveStyleAttack",
    "fgsm": "radversary.attacks.gradient.fgsm:FGSM",
    "i-fgsm": "radversary.attacks.gradient.iterative:IterativeFGSM",
    "identity": "radversary.attacks.controls.identity:Identity",
    "mi-fgsm": "radversary.attacks.gradient.iterative:MomentumFGSM",
    "noise": "radversary.attacks.controls.noise:Noise",
    "patch": "radversary.attacks.universal.patch:AdversarialPatch",
    "pgd": "radversary.attacks.gradient.pgd:PGD",
    "stm": "radversary.attacks.gradient.stm:StyleTransferMethod",
    "style-code": "radversary.attacks.style.code:StyleCodeAttack",
    "style-transfer": "radversary.attacks.style.transfer:StyleTransferAttack",
    "uap": "radversary.attacks.universal.uap:UniversalPerturbation",
    "uap-data-free": "radversary.attacks.universal.data_free:DataFreePerturbation",
    "worst-style": "radversary.attacks.style.worst:WorstStyleAttack",
}, group="radversary.attacks")
