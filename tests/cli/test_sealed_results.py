"""A sealed run whose result was changed since is neither scored, gated, compared nor exported."""

from __future__ import annotations

import pytest
from score_factory import World

from radversary.evidence.manifest import read_manifest, write_manifest
from radversary.evidence.seal import seal

VERBS = (("score", "RUN"), ("gate", "RUN", "--min", "accuracy@clean:0"), ("compare", "RUN", "RUN"),
         ("gate", "OTHER", "--baseline", "RUN", "--max-drop", "3"), ("compare", "RUN", "--measure", "score"),
         ("export", "RUN", "--format", "chai"))


@pytest.fixture
def runs(tmp_path):
    """A sealed run and one that is not sealed."""
    result = World.of(10).result()
    for name in ("RUN", "OTHER"):
        (tmp_path / name).mkdir()
        result.save(tmp_path / name / "result.json")
    seal(tmp_path / "RUN")
    return tmp_path


def said(radversary, runs, words):
    return radversary(*(runs / word if word in ("RUN", "OTHER") else word for word in words))


@pytest.mark.slow
@pytest.mark.parametrize("words", VERBS)
def test_a_result_that_was_changed_since_is_refused_in_one_sentence(runs, radversary, words):
    path = runs / "RUN" / "result.json"
    path.write_bytes(path.read_bytes() + b"\n")
    left = said(radversary, runs, words)
    assert (left.code, left.err.count("\n")) == (2, 1)
    assert "is not the one that was sealed; see what else was changed with: radversary verify" in left.err


@pytest.mark.slow
@pytest.mark.parametrize("words", VERBS)
def test_a_result_that_is_as_sealed_is_read_although_other_files_were_added(runs, radversary, words):
    (runs / "RUN" / "report.html").write_text("<p>")
    assert said(radversary, runs, words).code == 0


@pytest.mark.slow
def test_a_manifest_that_does_not_list_the_result_is_refused(runs, radversary):
    write_manifest(runs / "RUN", read_manifest(runs / "RUN").model_copy(update={"files": ()}))
    assert radversary("score", runs / "RUN").code == 2
    (runs / "RUN" / "evidence.json").write_text("{")
    left = radversary("score", runs / "RUN")
    assert (left.code, left.err.count("\n")) == (2, 1)
