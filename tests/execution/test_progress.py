from __future__ import annotations

import io
import re
import threading
import time

import pytest
from rich.console import Console

from radversary.cli import console
from radversary.core.errors import CancelledError
from radversary.execution.bars import Bars
from radversary.execution.cancellation import Cancellation
from radversary.execution.progress import check_cancelled, reporting, track, working
from radversary.execution.progress_lines import Lines, in_words
from radversary.execution.work import Progress, Relay, Work


@pytest.fixture
def heard():
    """Lines that are written whenever nothing was said for a twentieth of a second."""
    stream = io.StringIO()
    with reporting(Lines(stream, patience=0.05)):
        yield lambda: stream.getvalue().splitlines()


def wait_for(condition) -> None:
    """Wait until something is so, ten seconds at most."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "it did not come to be in ten seconds"
        time.sleep(0.01)


def test_short_work_writes_nothing_to_a_pipe(capfd):
    assert list(track(iter(range(3)), "working", total=3)) == [0, 1, 2]
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_work_without_a_terminal_is_heard_of_again_and_again_while_one_item_takes_long(heard):
    for _ in track(range(2), "attacking"):
        before = len(heard())
        wait_for(lambda before=before: len(heard()) >= before + 2)
    assert heard()[0] == "attacking 0 of 2"
    assert heard()[-1].startswith("attacking 1 of 2, ")
    assert heard()[-1].endswith(" left")


@pytest.mark.slow
def test_nested_work_is_told_from_the_outside_in_and_ends_with_its_block(heard):
    with working("audit"):
        for _ in track([1], "reading"):
            wait_for(heard)
    said = len(heard())
    assert "audit: reading 0 of 1" in heard()
    time.sleep(0.2)
    assert len(heard()) == said


def test_a_step_is_announced_at_once(heard):
    with reporting(None) as progress:
        progress.announce("train victim …")
    assert heard() == ["train victim …"]


def test_the_time_left_follows_the_pace_so_far():
    work = Work("x", total=10, done=4, started=time.monotonic() - 8)
    assert work.left == pytest.approx(12, abs=0.1)
    assert Work("x", total=10).left is None
    assert Work("x", done=3).left is None
    assert in_words([work]) == "x 4 of 10, 12 s left"


def test_a_terminal_shows_nested_bars_and_names_with_brackets():
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100, highlight=False, color_system=None)
    with reporting(Bars(console=terminal)) as progress:
        progress.announce("step [red]one[/]")
        for _ in track([1, 2], "outer [x]"):
            for _ in track([1], "inner"):
                pass
    shown = terminal.file.getvalue()
    assert "step [red]one[/]" in shown
    assert "outer [x]" in shown


def on_screen(written: str) -> list[str]:
    """Return the lines that a terminal shows after what was written to it; it scrolls without end."""
    lines, row, column = [""], 0, 0
    for mark in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|[^\x1b]", written):
        if mark == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif mark == "\r":
            column = 0
        elif mark == "\x1b[2K":
            lines[row] = ""
        elif mark == "\x1b[1A":
            row -= 1
        elif len(mark) == 1:
            lines[row] = lines[row][:column].ljust(column) + mark + lines[row][column + 1:]
            column += 1
    return [line.rstrip() for line in lines]


def test_bars_and_lines_of_results_do_not_run_into_each_other(monkeypatch):
    terminal = io.StringIO()
    bars = Bars(console=Console(file=terminal, force_terminal=True, width=60, color_system=None))
    monkeypatch.setattr(console, "RESULTS", Console(file=terminal, width=60))
    monkeypatch.setattr(console, "NOTES", Console(file=terminal, width=60))
    with reporting(bars):
        for item in track(range(2), "Screening"):
            console.tell_lines(f'{{"image": {item}}}')
            console.say(f"heat map of {item}")
            assert "Screening" in on_screen(terminal.getvalue())[-1]
    assert [line for line in on_screen(terminal.getvalue()) if line] == [
        '{"image": 0}', "heat map of 0", '{"image": 1}', "heat map of 1"]


def test_items_are_drawn_one_at_a_time():
    drawn = []
    bar = track((drawn.append(item) or item for item in range(3)), "working")
    next(bar)
    assert drawn == [0]
    bar.close()


def test_errors_inside_the_loop_pass():
    def work() -> None:
        for _ in track([1], "working"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()


def test_a_service_hears_of_the_beginning_each_item_and_the_end_also_of_work_that_failed():
    heard = []

    def fail() -> None:
        for item in track("ab", "counting"):
            if item == "b":
                raise ValueError("spoilt")

    with reporting(Relay(lambda work: heard.append((work.description, work.done, work.total)))), \
            pytest.raises(ValueError, match="spoilt"):
        fail()
    assert heard == [("counting", 0, 2), ("counting", 1, 2), ("counting", 1, 2)]


def test_another_thread_stops_work_before_its_next_item():
    token, done, started = Cancellation(), [], threading.Event()

    def work() -> None:
        with reporting(Progress(token)):
            for item in track(range(1000), "working"):
                done.append(item)
                started.set()
                time.sleep(0.01)

    def attempt() -> None:
        with pytest.raises(CancelledError, match="stopped on request; the same call goes on"):
            work()

    thread = threading.Thread(target=attempt)
    thread.start()
    assert started.wait(10)
    token.cancel()
    thread.join(10)
    assert not thread.is_alive()
    assert 0 < len(done) < 100


def test_what_has_no_loop_can_ask():
    token = Cancellation()
    with reporting(Progress(token)):
        check_cancelled()
        token.cancel()
        with pytest.raises(CancelledError):
            check_cancelled()
    check_cancelled()
