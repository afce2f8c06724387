"""Attacks that make no sense for a model or its images are one sentence, before anything runs."""

from __future__ import annotations

import pytest
from tiny_audit import make_plan

from radversary.auditing.setup import prepare_context
from radversary.core.errors import AccessError, PlanError, RadversaryError, UnknownNameError
from radversary.core.types import Access

REFUSED = {
    "gradients of a model that gives scores": ({"name": "apgd"}, Access.SCORES, AccessError,
                                               "needs gradients but model"),
    "scores of a model that gives labels": ({"name": "square"}, Access.LABELS, AccessError,
                                            r"attack 'own' \(SquareAttack\) needs scores but model 'tiny' gives only"),
    "a bound by l2 of an attack by l-infinity": ({"name": "pgd", "options": {"norm": "l2"}}, Access.GRADIENTS,
                                                 UnknownNameError, "unknown parameter of attack 'pgd' 'norm'"),
    "a bound by l-infinity of an attack by l2": ({"name": "pgd-l2", "options": {"norm": "linf"}}, Access.GRADIENTS,
                                                 PlanError, "bounded by l2, got the norm 'linf'"),
    "a bound of l2 where l-infinity is meant": ({"name": "apgd", "options": {"epsilon": 2.0}}, Access.GRADIENTS,
                                                PlanError, r"epsilon must lie in \[0, 1\], got 2.0; a bound by l2 may"),
    "a class that does not exist": ({"name": "apgd", "options": {"goal": "targeted Nothing"}}, Access.GRADIENTS,
                                    UnknownNameError, "finding of the goal .* 'Nothing'"),
    "findings to keep of a model of classes": ({"name": "square", "options": {"goal": "hide Pneumonia keep"}},
                                               Access.GRADIENTS, PlanError, "has no other findings to keep"),
    "less than a grey level": ({"name": "apgd", "options": {"epsilon": 0.001}}, Access.GRADIENTS, PlanError,
                               "below the quantisation step of 8-bit images"),
    "less than a grey level by l2": ({"name": "fab", "options": {"epsilon": 0.002, "norm": "l2"}}, Access.GRADIENTS,
                                     PlanError, "below the quantisation step of 8-bit images"),
    "no query": ({"name": "hopskipjump", "options": {"queries": 0}}, Access.GRADIENTS, PlanError, "queries")}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_one_sentence_before_anything_runs(inputs, case, monkeypatch):
    attack, access, kind, said = REFUSED[case]
    monkeypatch.setattr(inputs.classifiers["victim"], "access", access)
    with pytest.raises(kind, match=said) as caught:
        prepare_context(make_plan(attacks=[{"label": "own", **attack}], defences=[]), inputs)
    assert isinstance(caught.value, RadversaryError)
    assert "\n" not in str(caught.value)
