"""``radversary gate``: one line a rule, and exit codes that a pipeline can go by."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from score_factory import Weak, World


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of a run and of a baseline that is better."""
    world, folder = World.of(40), tmp_path_factory.mktemp("runs")
    system = world.systems["none"]
    falls = world.but(keep=lambda item: item.attack in ("style", "fourier"), systems={
        "none": Weak(system.right & (world.labels != 2), system.bears, system.misread)})
    for name, made in (("candidate", falls), ("released", world.but(keep=falls.keep))):
        (folder / name).mkdir()
        made.result().save(folder / name / "result.json")
    return folder


@pytest.mark.slow
def test_kept_rules_end_with_0_and_broken_ones_with_1(runs, radversary, tmp_path, monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    kept = radversary("gate", runs / "candidate", "--min", "accuracy@clean:0.5")
    assert (kept.code, kept.out.count("\n")) == (0, 1)
    assert kept.out.startswith("kept: accuracy@clean ≥ 0.5: 90.0 %")
    broken = radversary("gate", runs / "candidate", "--baseline", runs / "released", "--max-drop", "3",
                        "--min", "accuracy@style=0.5:0.99", "--junit", tmp_path / "gate.xml")
    assert broken.code == 1
    assert [line.partition(":")[0] for line in broken.out.splitlines()] == ["BROKEN", "BROKEN"]
    suite = ElementTree.parse(tmp_path / "gate.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")


@pytest.mark.slow
def test_rules_of_a_file_are_added_to_and_annotated_on_github(runs, radversary, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (tmp_path / "gate.yaml").write_text("min: [accuracy@clean:0.5]\nmin_score: 90\n", encoding="utf-8")
    found = radversary("gate", runs / "candidate", "--rules", tmp_path / "gate.yaml", "--min", "accuracy@style=1:0",
                       "--min-score", "0")
    assert found.code == 0
    assert found.out.count("kept: ") == 3
    assert found.out.count("::notice title=radversary gate::") == 3


@pytest.mark.slow
@pytest.mark.parametrize(("words", "said"), [
    ((), "there is no rule to keep"), (("--max-drop", "3"), "give one"),
    (("--min", "accuracy@style=0.5"), "a floor is MEASURE@ATTACK=STRENGTH:LEAST"),
    (("--min", "accuracy@stile=0.5:1"), "did you mean 'style=0.5'"), (("--system", "jpg", "--min-score", "1"), "'jpg'"),
    (("--min-score", "101"), "less than or equal to 100")])
def test_what_cannot_be_told_ends_with_2_and_a_sentence(runs, radversary, words, said):
    left = radversary("gate", runs / "candidate", *words)
    assert (left.code, left.err.count("\n")) == (2, 1)
    assert said in left.err
