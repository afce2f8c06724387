"""The attacks by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from radversary.core.registry import Registry

if TYPE_CHECKING:  # names are known without PyTorch
    from radversary.attacks.base import Attack

ATTACKS: Registry[Attack] = Registry("attack", {
    "admix": "radversary.attacks.transfer.admix:Admix",
    "affine": "radversary.attacks.acquisition.affine:Affine",
    "apgd": "radversary.attacks.gradient.apgd:AutoPGD",
    "apgd-t": "radversary.attacks.gradient.apgd:AutoPGDTargeted",
    "auto-attack": "radversary.attacks.ensemble:AutoAttack",
    "bias-field": "radversary.attacks.acquisition.bias_field:BiasField",
    "boundary": "radversary.attacks.decision.boundary:BoundaryAttack",
    "carlini-wagner": "radversary.attacks.smallest.carlini_wagner:CarliniWagner",
    "corruption": "radversary.attacks.corruption.attack:Corruption",
    "curve": "radversary.attacks.acquisition.curve:Curve",
    "ddn": "radversary.attacks.smallest.ddn:DDN",
    "deepfool": "radversary.attacks.smallest.deepfool:DeepFool",
    "di-fgsm": "radversary.attacks.gradient.iterative:DiverseFGSM",
    "equal-noise": "radversary.attacks.controls.equal_noise:EqualNoise",
    "evasive-features": "radversary.attacks.evasive.matching:EvasiveFeatures",
    "evasive-pgd": "radversary.attacks.evasive.pgd:EvasivePGD",
    "evasive-style": "radversary.attacks.evasive.style:EvasiveStyleAttack",
    "fab": "radversary.attacks.gradient.fab:FastAdaptiveBoundary",
    "fgsm": "radversary.attacks.gradient.fgsm:FGSM",
    "hopskipjump": "radversary.attacks.decision.hopskipjump:HopSkipJump",
    "i-fgsm": "radversary.attacks.gradient.iterative:IterativeFGSM",
    "identity": "radversary.attacks.controls.identity:Identity",
    "line-pattern": "radversary.attacks.acquisition.line_pattern:LinePattern",
    "mi-fgsm": "radversary.attacks.gradient.iterative:MomentumFGSM",
    "noise": "radversary.attacks.controls.noise:Noise",
    "patch": "radversary.attacks.universal.patch:AdversarialPatch",
    "pgd": "radversary.attacks.gradient.pgd:PGD",
    "pgd-l2": "radversary.attacks.gradient.pgd_l2:L2PGD",
    "si-fgsm": "radversary.attacks.transfer.scaled:ScaleInvariantFGSM",
    "simba": "radversary.attacks.score.simba:SimBA",
    "square": "radversary.attacks.score.square:SquareAttack",
    "stm": "radversary.attacks.gradient.stm:StyleTransferMethod",
    "style-code": "radversary.attacks.style.code:StyleCodeAttack",
    "style-transfer": "radversary.attacks.style.transfer:StyleTransferAttack",
    "ti-fgsm": "radversary.attacks.transfer.translation:TranslationInvariantFGSM",
    "uap": "radversary.attacks.universal.uap:UniversalPerturbation",
    "uap-data-free": "radversary.attacks.universal.data_free:DataFreePerturbation",
    "vmi-fgsm": "radversary.attacks.transfer.tuned:VarianceTunedFGSM",
    "worst-style": "radversary.attacks.style.worst:WorstStyleAttack",
    "zoo": "radversary.attacks.score.zoo:ZOO",
}, group="radversary.attacks")
