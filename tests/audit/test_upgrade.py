"""Results of earlier versions are read as those of today: most measured runs of docs/results are of version 1."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from radversary.auditing.result import AuditResult
from radversary.auditing.upgrade import SCHEMA_VERSION, upgraded
from radversary.core.errors import DataError
from radversary.core.types import AttackContract, AttackerKnowledge, AttackFamily, Colour, Norm
from radversary.guard_evaluation.families.result import FamiliesResult
from radversary.guard_evaluation.result import GuardEvaluationResult, find_result
from radversary.report.html import render_report

RESULTS = Path(__file__).parents[2] / "docs" / "results"
KINDS = {"result.json.gz": AuditResult, "guard-evaluation.json.gz": GuardEvaluationResult,
         "families.json.gz": FamiliesResult}
STORED = sorted(path for name in KINDS for path in RESULTS.glob(f"*/{name}"))


def unpacked(path: Path, folder: Path) -> Path:
    (plain := folder / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    return plain


@pytest.mark.slow
@pytest.mark.parametrize("path", STORED, ids=lambda path: path.parent.name)
def test_every_measured_run_is_read_and_written_as_the_newest(path, tmp_path):
    kind, plain = KINDS[path.name], unpacked(path, tmp_path)
    found = kind.load(plain)
    assert found.schema_version == SCHEMA_VERSION
    again = found.save(tmp_path / "again.json")
    assert kind.load(again) == found
    assert json.loads(again.read_text())["schema_version"] == SCHEMA_VERSION


def test_there_are_measured_runs_of_each_kind():
    assert {path.name for path in STORED} == set(KINDS)
    first = [path for path in STORED if b'"schema_version"' not in gzip.decompress(path.read_bytes())]
    assert {path.name for path in first} == set(KINDS)


@pytest.mark.slow
def test_what_version_1_said_of_attacks_and_attackers_is_said_in_today_s_words(tmp_path):
    result = AuditResult.load(unpacked(RESULTS / "honest" / "result.json.gz", tmp_path))
    cells = {cell.condition.description.partition("(")[0]: cell.condition for cell in result.cells}
    pgd = next(cell.condition for cell in result.cells if cell.condition.attack == "pgd"
               and cell.condition.knowledge == AttackerKnowledge.GRAY_BOX)
    assert (pgd.family, pgd.contract, pgd.norm) == (AttackFamily.GRADIENT, AttackContract.FIXED_BUDGET, Norm.LINF)
    assert pgd.epsilon == pgd.strength
    styles = {cell.condition.colour: cell.condition for cell in result.cells
              if cell.condition.description.startswith("StyleTransferAttack")}
    assert {(style.family, style.mixture) for style in styles.values()} == {(AttackFamily.STYLE, True)}
    assert set(styles) == {Colour.GREY, Colour.RGB}
    assert cells["EqualNoise"].family == AttackFamily.NOISE
    assert result.gallery
    assert result.training_overlap


@pytest.mark.slow
def test_the_report_of_an_old_result_is_drawn(tmp_path):
    result = AuditResult.load(unpacked(RESULTS / "cxr-honest" / "result.json.gz", tmp_path))
    assert "</html>" in render_report(result, tmp_path)


def test_names_that_users_gave_are_left_alone():
    assert upgraded({"curves": {"rung": "exhibits"}, "model": {"familiar": "x"}}) == {
        "curves": {"rung": "exhibits"}, "model": {"familiar": "x"}, "schema_version": SCHEMA_VERSION}


NOTES = "adversarial training, 50% of images attacked by PGD(epsilon=0.1) on victim"
DEFENCES = {  # label: what versions 1 and 2 said of it, and what follows: model, transforms, restorers, adversarial
    "none": ("the classifier alone", "victim", [], [], None),
    "jpeg-75": ("JpegCompression(quality=75) before model victim", "victim", ["jpeg"], [], None),
    "stacked": ("CanonicalInput(low=0.5), then Restoration('destyle', unet, sha256=2e6826a2) before model other",
                "other", ["canonical", "destyle"], ["unet"], None),
    "gan": ("Restoration('mine', cyclegan, sha256=b4356a33) before model victim", "victim", ["mine"], ["cyclegan"],
            None),
    "at": (f"model robust (resnet18): {NOTES}", "robust", [], [], True),
    "hgd": ("Restore(folder=PosixPath('hgd')) before model victim", "victim", ["restore"], ["unet"], None),
}


def test_facts_of_defences_are_read_from_what_earlier_versions_said():
    texts = {label: text for label, (text, *_) in DEFENCES.items()}
    found = upgraded({"schema_version": 2, "defences": texts})["defences"]
    assert {label: tuple(defence.values()) for label, defence in found.items()} == DEFENCES


def test_noise_of_version_2_names_the_labels_of_its_attack():
    attack = {"attack": "a", "strength": 0.5, "description": "PGD(epsilon=0.5)", "like": ""}
    noise = {"attack": "n", "strength": 0.5, "description": "EqualNoise()", "like": "PGD(epsilon=0.5)"}
    cells = [{"condition": item} for item in (attack, {**attack, "knowledge": "adaptive"}, {**attack, "attack": "b"},
                                              noise, {**noise, "like": "PGD(epsilon=0.1)"})]
    found = upgraded({"schema_version": 2, "cells": cells, "defences": {}})["cells"]
    assert [cell["condition"]["like"] for cell in found] == [[], [], [], ["a", "b"], []]


@pytest.mark.parametrize("version", [{}, {"schema_version": 2}])
def test_detection_rates_of_earlier_versions_go_by_the_field_s_word(version):
    row = {"at_1": 0.5, "at_5": 0.8, "at_1_flipped": None, "at_5_flipped": 0.9}
    assert upgraded({**version, "rows": [row]})["rows"] == [
        {"tpr_at_fpr_1": 0.5, "tpr_at_fpr_5": 0.8, "tpr_at_fpr_1_flipped": None, "tpr_at_fpr_5_flipped": 0.9}]


def test_a_colour_attack_of_version_1_stays_one():
    condition = {"attack": "a", "strength": 0.5, "description": "StyleTransferAttack(opacity=0.5, colour='rgb')"}
    assert upgraded({"condition": condition})["condition"]["colour"] == "rgb"


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 10**9])
def test_a_newer_result_is_one_sentence(version, tmp_path):
    (tmp_path / "result.json").write_text(json.dumps({"schema_version": version}))
    with pytest.raises(DataError, match=rf"schema version {version}, written by a newer radversary"):
        AuditResult.load(tmp_path / "result.json")


@pytest.mark.parametrize("content", [[], "x", None, {"schema_version": "two"}, {"schema_version": None},
                                     {"attack": 1, "strength": [], "description": {}}, {"rule": [], "rung": {}}])
def test_what_is_no_result_is_refused_not_upgraded(content, tmp_path):
    (tmp_path / "result.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="is not an audit result"):
        AuditResult.load(tmp_path / "result.json")


def test_a_guard_s_result_under_its_old_name_is_found(tmp_path):
    assert find_result(tmp_path) is None
    (tmp_path / "watch.json").write_text("{}")
    assert find_result(tmp_path) == tmp_path / "watch.json"
    (tmp_path / "guard-evaluation.json").write_text("{}")
    assert find_result(tmp_path) == tmp_path / "guard-evaluation.json"
