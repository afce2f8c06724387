"""Each planted fault raises its own flag and no other; a sound model, trained on attacked films, raises none."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from planted import Detached, Loud, Nearest, Noisy, Polishing, Rounded, SaidNoisy, Squashed, planted_inputs, victim
from tiny_audit import make_plan
from torch import nn

from radversary.auditing.measurement import measured
from radversary.auditing.measurement.checks import RULES, Sign, Verdict
from radversary.auditing.measurement.measured import FILE
from radversary.auditing.result import AuditResult
from radversary.auditing.run import run_audit
from radversary.core.errors import AccessError, CancelledError

pytestmark = pytest.mark.slow
PGD = {"label": "pgd", "name": "pgd", "options": {"steps": 20}, "strengths": [2 / 255, 4 / 255, 8 / 255]}
FGSM = {"label": "fgsm", "name": "fgsm", "strengths": [4 / 255]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    torch.set_num_threads(1)
    return planted_inputs(tmp_path_factory.mktemp("films"))


def plan_of(*attacks, **changes):
    return make_plan(**{"attacks": list(attacks) or [PGD, FGSM], "defences": [], "detectors": [], "gallery": 0,
                        "probe_images": 24, **changes})


def audited(trained, folder, network=None, *, transform=None, plan=None) -> AuditResult:
    inputs, own = trained
    changes = {"classifiers": {"victim": victim(network or own, inputs.images)}}
    plan = plan or plan_of()
    if transform is not None:
        changes["transforms"] = {"planted": transform}
        plan = plan.model_copy(update={"defences": make_plan(defences=[
            {"label": "planted", "transforms": ["planted"]}]).defences})
    return run_audit(plan, replace(inputs, **changes), folder)


def suspects(result: AuditResult, defence: str = "none") -> set[Sign]:
    return {item.kind for item in result.measurement if item.verdict == Verdict.SUSPECT and item.defence == defence}


def verdicts(result: AuditResult, defence: str = "none") -> dict[Sign, Verdict]:
    return {item.kind: item.verdict for item in result.measurement if item.defence == defence}


def test_a_network_trained_on_attacked_films_raises_none(trained, tmp_path):
    result = audited(trained, tmp_path)
    assert result.cell("clean", 0, "none").performance.accuracy.value > 0.9
    assert 0.5 < result.cell("pgd", 4 / 255, "none").performance.accuracy.value < 0.95
    assert suspects(result) == set()
    assert verdicts(result) == dict.fromkeys(Sign, Verdict.FINE)
    assert [item.kind for item in result.measurement] == list(Sign)
    assert all(item.sentence and not item.advice and item.figure is not None for item in result.measurement)


@pytest.mark.parametrize(("wrapped", "sign"), [(Rounded, Sign.ZERO_GRADIENTS), (Loud, Sign.SATURATED),
                                               (Polishing, Sign.INNER_GRADIENTS), (Squashed, Sign.DOUBTFUL_LOGITS)])
def test_a_planted_fault_raises_its_own_flag_alone(trained, tmp_path, wrapped, sign):
    result = audited(trained, tmp_path, wrapped(trained[1]))
    assert suspects(result) == {sign}
    (found,) = (item for item in result.measurement if item.verdict == Verdict.SUSPECT)
    assert found.advice == RULES[sign].advice


@pytest.mark.parametrize(("transform", "sign"), [(Noisy(), Sign.UNSTABLE_ANSWERS), (Detached(), Sign.NO_GRADIENT)])
def test_a_planted_fault_of_a_defence_is_its_own(trained, tmp_path, transform, sign):
    result = audited(trained, tmp_path, transform=transform)
    assert suspects(result) == set()
    assert suspects(result, "planted") == {sign}
    assert verdicts(result, "planted")[Sign.UNFINISHED] == Verdict.NOT_APPLICABLE


def test_chance_that_is_declared_is_no_fault(trained, tmp_path):
    result = audited(trained, tmp_path, transform=SaidNoisy(), plan=plan_of(
        {**PGD, "options": {"steps": 5}, "strengths": [4 / 255], "knowledge": ["adaptive"]}, probe_images=8))
    assert suspects(result, "planted") == set()
    (found,) = (item for item in result.measurement
                if (item.kind, item.defence) == (Sign.UNSTABLE_ANSWERS, "planted"))
    assert found.figure.value > 0.5
    assert "says that it draws at random" in found.sentence
    assert {verdicts(result, "planted")[kind] for kind in (Sign.UNFINISHED, Sign.SILENT_SUCCESS)} == {
        Verdict.NOT_APPLICABLE}


def test_a_set_of_attacks_is_compared_by_its_first_and_not_by_a_weaker_attack_of_the_plan(trained, tmp_path):
    many = {"label": "many", "name": "auto-attack", "options": {"steps": 20, "targets": 2, "queries": 400},
            "strengths": [4 / 255]}
    weak = {"label": "weak", "name": "pgd", "options": {"steps": 2, "reach": 0.4, "random_start": False},
            "strengths": [4 / 255]}
    result = audited(trained, tmp_path, plan=plan_of(weak, many))
    (found,) = (item for item in result.measurement if item.kind == Sign.UNFINISHED)
    assert "the first of many, ε 4/255 (AutoPGD)" in found.sentence
    assert suspects(result) == set()


def test_a_look_up_table_is_read_without_its_gradients(trained, tmp_path):
    """Gradients that mislead are one fact that several checks see, and nothing else is suspect.

    They look at what such gradients lead to: at chance, at a step along them, at an attack of any size, at a search
    that does without them. None is the cause of another, so all of them may be raised.
    """
    inputs, _ = trained
    rows = inputs.images.rows("train")
    table = Nearest(inputs.images.tensor(rows), inputs.images.labels[torch.from_numpy(rows)], 3)
    found = suspects(audited(trained, tmp_path, table))
    assert Sign.BLACK_BOX in found
    assert found <= {Sign.BLACK_BOX, Sign.UNREACHED, Sign.NOT_UPHILL, Sign.MISLEADING_GRADIENTS}


def test_an_attack_that_stops_early_is_noticed(trained, tmp_path):
    short = {**PGD, "options": {"steps": 2, "reach": 0.4, "random_start": False}, "strengths": [8 / 255]}
    assert Sign.UNFINISHED in suspects(audited(trained, tmp_path, plan=plan_of(short)))


def test_a_model_that_gives_no_gradient_at_all_is_refused_before_anything_runs(trained, tmp_path):
    class Cut(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, inputs):
            return self.inner(inputs.detach())

    with pytest.raises(AccessError, match="lets none through"):
        audited(trained, tmp_path, Cut(trained[1]))


def test_stopped_and_gone_on_it_repeats_no_probe_and_ends_with_the_same_checks(trained, tmp_path, monkeypatch):
    plan = plan_of(PGD, probe_images=6)
    whole = audited(trained, tmp_path / "whole", transform=Detached(), plan=plan)
    real, seen = measured.probes_of, []

    def stopping(context, target, rows, outcomes):
        seen.append(target.label)
        if len(seen) == 2:
            raise CancelledError("stopped")
        yield from real(context, target, rows, outcomes)

    with monkeypatch.context() as patch:
        patch.setattr(measured, "probes_of", stopping)
        with pytest.raises(CancelledError):
            audited(trained, tmp_path / "stopped", transform=Detached(), plan=plan)
    assert seen == ["none", "planted"]
    monkeypatch.setattr(measured, "probes_of", lambda *given: seen.append(given[1].label) or real(*given))
    again = audited(trained, tmp_path / "stopped", transform=Detached(), plan=plan)
    assert seen == ["none", "planted", "planted"]
    assert again.measurement == whole.measurement
    assert (tmp_path / "stopped" / FILE).read_bytes() == (tmp_path / "whole" / FILE).read_bytes()
    assert audited(trained, tmp_path / "stopped", transform=Detached(), plan=plan).measurement == whole.measurement
    assert seen == ["none", "planted", "planted"]


def test_probes_that_are_switched_off_are_said_to_be(trained, tmp_path):
    result = audited(trained, tmp_path, plan=plan_of(FGSM, probe_images=0))
    found = {item.kind: item.sentence for item in result.measurement if item.verdict == Verdict.NOT_APPLICABLE}
    assert found[Sign.UNREACHED] == "The plan's probe_images is 0."
    assert Sign.ZERO_GRADIENTS not in found
