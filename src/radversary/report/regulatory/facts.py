"""Facts of a run that an entry of a regulatory map can need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from radversary.auditing.cells import UNTARGETED
from radversary.auditing.measurement.checks import Verdict
from radversary.auditing.packed import NOT_KNOWN
from radversary.core.types import AttackerKnowledge, AttackFamily
from radversary.report.result_view import ResultView


class Fact(NamedTuple):
    """Something that a run has or has not.

    Attributes:
        holds: Tells whether it has it.
        missing: What is missing where it has not.
    """

    holds: Callable[[ResultView], bool]
    missing: str


def knows(view: ResultView, knowledge: AttackerKnowledge) -> bool:
    """Return whether an aimed attack was run at some knowledge."""
    return any(condition.knowledge == knowledge for condition in view.aimed)


def has_family(view: ResultView, *families: AttackFamily) -> bool:
    """Return whether an attack of one of some families was run."""
    return any(condition.family in families for condition in view.attacked)


def disjoint(view: ResultView) -> bool:
    """Return whether it is known that no patient is in the training part and in the test part."""
    data = view.result.data
    return data.patients_known and not data.leaks and {"train", "test"} <= set(data.patients)


def no_doubt(view: ResultView) -> bool:
    """Return whether the measurement was checked and nothing of it is suspect."""
    found = view.result
    suspect = any(check.verdict == Verdict.SUSPECT for check in found.measurement)
    return bool(found.measurement) and not suspect and not found.findings


FACTS: Mapping[str, Fact] = MappingProxyType({
    "acquisition": Fact(lambda view: has_family(view, AttackFamily.STYLE, AttackFamily.ACQUISITION),
                        "no change of style or acquisition was tried"),
    "adaptive": Fact(lambda view: knows(view, AttackerKnowledge.ADAPTIVE),
                     "no attacker who knows the defences was run"),
    "attacks": Fact(lambda view: bool(view.aimed), "no aimed attack was run"),
    "battery": Fact(lambda view: view.result.battery is not None, "no standard battery was run"),
    "black-box": Fact(lambda view: knows(view, AttackerKnowledge.TRANSFER) or has_family(view, AttackFamily.QUERY),
                      "no attacker without sight of the model was run"),
    "by-finding": Fact(lambda view: any(cell.findings for cell in view.result.cells),
                       "figures by class, calibration among them, are not in the result"),
    "characteristics": Fact(
        lambda view: any(name != "class" and set(values) - {NOT_KNOWN}
                         for name, values in view.result.data.characteristics.items()),
        "nothing is known of the patients or the machines"),
    "corruption": Fact(lambda view: has_family(view, AttackFamily.CORRUPTION), "no natural corruption was tried"),
    "defences": Fact(lambda view: bool(view.competitors), "no defence was audited"),
    "detection": Fact(lambda view: bool(view.result.detections or view.guards), "detection was not assessed"),
    "disjoint": Fact(disjoint, "it is not known that no patient is in training and test part"),
    "gallery": Fact(lambda view: bool(view.result.gallery), "no example images were kept"),
    "intended-use": Fact(lambda view: view.result.intended_use is not None,
                         "the intended use is not stated by the maker"),
    "labels": Fact(lambda view: view.labelled, "no image had a label"),
    "measurement": Fact(lambda view: bool(view.result.measurement), "the measurement itself was not checked"),
    "no-doubt": Fact(no_doubt, "the measurement was not checked, or a check is suspect"),
    "patients": Fact(lambda view: view.result.data.patients_known, "the patients of some images are not known"),
    "real-images": Fact(lambda view: not view.result.data.synthetic, "the images are phantoms"),
    "score": Fact(lambda view: view.result.readings is not None and view.result.battery is not None,
                  "no score can be counted: no standard battery, or a result of an earlier version"),
    "subgroups": Fact(lambda view: bool(view.result.subgroups.tests),
                      "no subgroup can be assessed"),
    "targeted": Fact(lambda view: any(condition.goal != UNTARGETED for condition in view.aimed),
                     "no attack wanted a particular wrong reading"),
    "techniques": Fact(lambda view: bool(view.result.techniques), "the result does not name the attacks' techniques"),
    "training": Fact(lambda view: bool(view.result.curves), "the models were not trained in this run"),
    "transitions": Fact(lambda view: bool(view.result.transitions),
                        "which class is read as which was not counted"),
})
"""Facts by the names that a map's ``needs`` use."""
