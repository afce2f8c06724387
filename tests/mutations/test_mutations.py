"""A share of the trials, and that a trial can fail."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radversary.core.errors import DataError

from . import trial
from .mutators import damage
from .readers import READERS, Reader
from .seeds import Seeds
from .trial import GOOD, judged, run_drawn, run_trial

QUICK = [name for name, reader in READERS.items() if not reader.slow and not reader.nightly]
SUITE = [name for name, reader in READERS.items() if not reader.nightly]


@pytest.fixture(scope="session")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Seeds:
    return Seeds(tmp_path_factory.mktemp("seeds"))


def failures(count: int, names: list[str], seeds: Seeds, scratch: Path) -> list[str]:
    outcomes = (run_trial(index, seed=2026, seeds=seeds, scratch=scratch, names=names) for index in range(count))
    return [
        f"{found.index} {found.reader}, {found.file} by {found.how}: {found.verdict} {found.text}\n{found.trace}"
        for found in outcomes
        if found.verdict not in GOOD
    ]


@pytest.mark.slow
def test_every_reader_finds_files_to_damage(seeds):
    assert not [(name, files) for name, reader in READERS.items() for files in reader.files
                if not any(path.is_file() for path in getattr(seeds, reader.seed).glob(files))]


@pytest.mark.slow
def test_damaged_inputs_are_read_or_refused(seeds, tmp_path):
    assert not failures(100, QUICK, seeds, tmp_path / "trial")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_damaged_inputs_of_every_kind_are_read_or_refused(seeds, tmp_path):
    assert not failures(150, SUITE, seeds, tmp_path / "trial")


def check_drawn(count, names, harm, seeds, scratch) -> None:
    """Have hypothesis make the choices of trials; a failure is given with the fewest and smallest that bring it."""

    @settings(max_examples=count, deadline=None, database=None, derandomize=True,
              suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example])
    @given(st.randoms(use_true_random=False), st.data())
    def trial_drawn(rng, data):
        found = run_drawn(rng, partial(harm, data), seeds=seeds, scratch=scratch, names=names)
        assert found.verdict in GOOD, f"{found.reader}, {found.file}: {found.verdict} {found.text}\n{found.trace}"

    trial_drawn()


def by_mutator(_data, path, rng) -> str:
    return damage(path, rng)


def by_edits(data, path, _rng) -> str:
    """Put bytes in the place of others, or of all."""
    content = path.read_bytes()
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(content)))
        end = data.draw(st.one_of(st.integers(begin, min(begin + 16, len(content))), st.just(len(content))))
        content = content[:begin] + data.draw(st.one_of(st.binary(max_size=32), TEXTS)) + content[end:]
    path.write_bytes(content)
    return "edits"


TEXTS = st.text(max_size=16).map(str.encode)


@pytest.mark.slow
@pytest.mark.parametrize("harm", [by_mutator, by_edits])
def test_inputs_that_hypothesis_damages_are_read_or_refused(seeds, tmp_path, harm):
    check_drawn(8, QUICK, harm, seeds, tmp_path / "trial")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("harm", [by_mutator, by_edits])
def test_inputs_of_every_kind_that_hypothesis_damages_are_read_or_refused(seeds, tmp_path, harm):
    check_drawn(50, SUITE, harm, seeds, tmp_path / "trial")


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
def test_what_is_sound_is_accepted(seeds, tmp_path, name):
    reader = READERS[name]
    assert judged(lambda: reader.call(getattr(seeds, reader.seed), tmp_path, seeds))[:2] == ("accepted", "")


@pytest.mark.slow
@pytest.mark.parametrize("harm", [by_mutator, by_edits])
def test_a_trial_that_hypothesis_draws_can_fail(seeds, tmp_path, monkeypatch, harm):
    monkeypatch.setitem(READERS, "broken", Reader("plans", ("option.yaml",), lambda *_given: 1 / 0))
    with pytest.raises(AssertionError, match=r"broken, option\.yaml: internal ZeroDivisionError"):
        check_drawn(1, ["broken"], harm, seeds, tmp_path / "trial")


@pytest.mark.slow
def test_a_trial_can_fail(seeds, tmp_path, monkeypatch):
    def verdict(call) -> str:
        monkeypatch.setitem(READERS, "broken", Reader("plans", ("*.yaml",), call))
        return run_trial(0, seed=1, seeds=seeds, scratch=tmp_path / "trial", names=["broken"]).verdict

    def refuse(*_given):
        raise DataError("no")

    def forever(*_given):
        while True:
            pass

    def unclean(*_given):
        error = DataError("no")
        error.args = ("\x1b[31m",)
        raise error

    monkeypatch.setattr(trial, "SECONDS", 0.2)
    assert verdict(lambda *_given: None) == "accepted"
    assert verdict(refuse) == "refused"
    assert verdict(lambda *_given: 1 / 0) == "internal"
    assert verdict(forever) == "hang"
    assert verdict(unclean) == "unclean"
    assert verdict(lambda given, _out, _seeds: (given / "new.txt").write_text("x")) == "touched"
    assert verdict(lambda given, _out, _seeds: (given.parent / "elsewhere" / "kept.txt").write_text("y")) == "touched"
    assert verdict(lambda _given, out, _seeds: (out / "new.txt").write_text("x")) == "accepted"
