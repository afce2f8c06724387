"""One trial: damage a copy of a sound input, have it read, and judge what came of it."""

from __future__ import annotations

import random
import shutil
import signal
import traceback
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from time import perf_counter
from types import FrameType

from radversary.core.errors import RadversaryError
from radversary.core.text import HIDDEN, SENTENCE

from .mutators import damage
from .readers import READERS, chosen
from .seeds import Seeds

SECONDS = 60
"""What one call may take."""
GOOD = ("accepted", "refused")


@dataclass(frozen=True)
class Outcome:
    """What came of one trial.

    Attributes:
        index: Its number, which with the seed gives it again.
        reader: What read.
        file: What was damaged.
        how: By which mutator.
        verdict: ``accepted``, ``refused``, ``internal``, ``unclean``, ``touched`` or ``hang``.
        text: The sentence or the error.
        trace: Where it was raised, for what is neither accepted nor refused.
        seconds: What the call took.
    """

    index: int
    reader: str
    file: str
    how: str
    verdict: str
    text: str = ""
    trace: str = ""
    seconds: float = 0.0


class Hang(BaseException):
    """A call took too long."""


def run_trial(index: int, *, seed: int, seeds: Seeds, scratch: Path, names: Sequence[str] = tuple(READERS)) -> Outcome:
    """Run one trial; its random choices depend on seed and index alone.

    Args:
        index: Its number.
        seed: Seed of the round.
        seeds: The sound inputs.
        scratch: A folder of this trial's own; left as it is for who wants to look.
        names: Readers to choose from.
    """
    return run_drawn(random.Random(f"{seed}/{index}"), damage, index=index, seeds=seeds, scratch=scratch, names=names)


def run_drawn(
    rng: random.Random,
    harm: Callable[[Path, random.Random], str],
    *,
    index: int = 0,
    seeds: Seeds,
    scratch: Path,
    names: Sequence[str],
) -> Outcome:
    """Run one trial; what is random in it is drawn from ``rng``.

    Args:
        rng: Where choices come from.
        harm: Damages a file in place and says how.
        index: Its number.
        seeds: The sound inputs.
        scratch: A folder of this trial's own.
        names: Readers to choose from.
    """
    name = chosen(rng, list(names))
    reader = READERS[name]
    shutil.rmtree(scratch, ignore_errors=True)
    given, out, elsewhere = scratch / "given", scratch / "out", scratch / "elsewhere"
    shutil.copytree(getattr(seeds, reader.seed), given)
    out.mkdir()
    elsewhere.mkdir()
    (elsewhere / "kept.txt").write_text("kept")
    files = sorted(given.glob(rng.choice(reader.files)))
    path = rng.choice([file for file in files if file.is_file()])
    how = harm(path, rng)
    if reader.reseal is not None and rng.random() < 0.7:
        try:
            reader.reseal(given)
        except Exception:  # what was damaged beyond that stays unsealed
            how += ", unsealed"
    before = snapshot(scratch, () if not reader.writes else (given,), out)
    started = perf_counter()
    verdict, text, trace = judged(lambda: reader.call(given, out, seeds))
    if verdict in GOOD and snapshot(scratch, () if not reader.writes else (given,), out) != before:
        verdict = "touched"
    return Outcome(index, name, path.relative_to(given).as_posix(), how, verdict, text, trace, perf_counter() - started)


def judged(call) -> tuple[str, str, str]:
    """Run a call and judge how it ends."""
    try:
        with quiet(), limited(SECONDS):
            call()
    except RadversaryError as error:
        said = str(error)
        marks = {mark for mark in said.replace("\n  ", "") if unicodedata.category(mark) in HIDDEN}
        clean = not marks and len(said) <= 2 * SENTENCE
        return ("refused", said, "") if clean else ("unclean", said, traceback.format_exc())
    except Hang:
        return "hang", f"longer than {SECONDS} s", traceback.format_exc()
    except (Exception, SystemExit) as error:
        return "internal", f"{type(error).__name__}: {error}"[:300], traceback.format_exc()
    return "accepted", "", ""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Stop what takes longer, where it comes back to Python."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings(), redirect_stderr(StringIO()), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        yield


def snapshot(scratch: Path, *left_out: object) -> list[tuple[str, int, int]]:
    """List all files of a trial with size and time, but for the folders that may be written to."""
    flat = [item for part in left_out for item in (part if isinstance(part, tuple) else (part,))]
    found = []
    for path in sorted(scratch.rglob("*")):
        if path.is_file() and not any(path.is_relative_to(folder) for folder in flat):
            state = path.stat()
            found.append((str(path), state.st_size, state.st_mtime_ns))
    return found
