"""``radversary score`` on the result of an audit."""

from __future__ import annotations

import json

import pytest
from score_factory import World, weak

from radversary.scoring.profile import load_profile
from radversary.scoring.score import from_vector


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with the result of two systems."""
    labels = World.of(60).labels
    folder = tmp_path_factory.mktemp("run")
    World.of(60, none=weak(labels), jpeg=weak(labels, seed=1, clean=0.8)).result().save(folder / "result.json")
    return folder


@pytest.mark.slow
def test_each_system_has_a_line_its_caps_and_three_changes(run, radversary):
    said = radversary("score", run)
    assert said.code == 0
    for word in ("no defence", "jpeg", "no letter", "(E2)", "G3, at most 64", "G4: a class"):
        assert word in said.out
    assert said.out.count("MIRS:1.0/P:") == 2
    assert said.out.count(" at most: ") + said.out.count("under this cap") == 6
    assert "no score proves robustness" in said.err


@pytest.mark.slow
def test_json_holds_the_same(run, radversary):
    profile = load_profile()
    found = json.loads(radversary("score", run, "--format", "json", "--system", "jpeg").out)
    (made,) = found["scores"]
    assert (found["profile"], made["system"]) == ("mirs-1.0", "jpeg")
    assert from_vector(made["vector"], profile) == made["value"]
    assert len(made["changes"]) == 3


@pytest.mark.slow
@pytest.mark.parametrize(("words", "said"), [
    (("--system", "jpg"), "unknown defence 'jpg'; did you mean 'jpeg'?"),
    (("--profile", "mirs-1"), "unknown profile 'mirs-1'; did you mean 'mirs-1.0'?"),
    (("--format", "xml"), "unknown format 'xml'")])
def test_bad_input_is_one_sentence(run, radversary, words, said):
    left = radversary("score", run, *words)
    assert left.code == 2
    assert said in left.err
    assert left.err.count("\n") == 1


@pytest.mark.slow
def test_a_folder_without_a_result_and_an_older_result_are_one_sentence(run, radversary, tmp_path):
    assert radversary("score", tmp_path).code == 2
    older = json.loads((run / "result.json").read_text()) | {"readings": None}
    (tmp_path / "result.json").write_text(json.dumps(older))
    left = radversary("score", tmp_path)
    assert (left.code, left.err.count("\n")) == (2, 1)
    assert "holds no readings" in left.err


@pytest.mark.slow
def test_compare_ranks_the_systems_of_runs_by_their_score(run, radversary, tmp_path):
    said = radversary("compare", run, "--measure", "score")
    assert said.code == 0
    assert said.out.index("no defence") < said.out.index("jpeg")
    assert said.out.count("MIRS:1.0/P:") == 2
    World.of(60).but(battery=None).result().save(tmp_path / "result.json")
    refused = radversary("compare", run, tmp_path, "--measure", "score")
    assert (refused.code, refused.out) == (2, "")
    assert "scores of different batteries cannot be ranked" in refused.err
    assert radversary("compare", run, "--measure", "score", "--profile", "mirs-9").code == 2
