"""What is printed is clean whatever files are called, and the program ends as it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from radversary.cli import main
from radversary.cli.console import Table, cell, complain, say, show, show_whole, tell_lines, tell_result
from radversary.cli.run import run_folder
from radversary.core.errors import PlanError

ESCAPE, OVERRIDE, BYTE = "\x1b[31mred", "\u202egnp.exe", "film\udcff"
NASTY = f"[bold]{ESCAPE}[/] :smile: {OVERRIDE} {BYTE}\r\x07"
CLEAN = "[bold]\\x1b[31mred[/] :smile: \\u202egnp.exe film\\xff\\r\\x07"


def test_every_way_of_printing_cleans_and_knows_no_markup(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    say(NASTY)
    complain("error", NASTY)
    tell_result(NASTY)
    tell_lines(f"{NASTY}\n{NASTY}")
    table = Table(title=NASTY, caption=NASTY)
    table.add_column(NASTY)
    table.add_row(NASTY)
    show(table)
    show_whole(table)
    out, err = capsys.readouterr()
    assert out.count(CLEAN) == 3 + 8
    assert err.count(CLEAN) == 2
    assert err.splitlines()[1] == f"error: {CLEAN}"


def test_long_sentences_are_cut_and_long_results_are_not(capsys):
    say("x" * 70_000)
    complain("error", "x" * 70_000)
    tell_lines("x" * 70_000)
    out, err = capsys.readouterr()
    assert [len(line) <= 2_100 for line in err.splitlines()] == [True, True]
    assert len(out) == 70_001
    assert len(cell("x" * 70_000).plain) < 400


@pytest.mark.slow
def test_a_file_of_any_name_is_left_out_by_a_clean_name(radversary, film, tmp_path):
    (tmp_path / f"{ESCAPE}[link].png").write_bytes(b"no picture")
    done = radversary("attack", tmp_path, "--out", tmp_path / "out", "--name", "noise", "--size", 32)
    assert done.code == 0
    assert "\x1b" not in done.err + done.out
    assert "\\x1b[31mred[link].png" in done.err


@pytest.mark.parametrize(("error", "code", "words"), [
    (MemoryError(), 3, "not enough memory"),
    (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), 3,
     "not enough memory"),
    (RecursionError(), 2, "nested more deeply"),
    (OSError(36, "File name too long", "a" * 5000), 2, "File name too long"),
    (KeyboardInterrupt(), 130, "stopped"),
    (ZeroDivisionError("x\x1b"), 70, "internal error: ZeroDivisionError: x\\x1b"),
])
def test_what_goes_wrong_is_one_sentence_and_a_code(radversary, monkeypatch, error, code, words):
    def fail(**_given):
        raise error

    monkeypatch.setattr(main, "app", fail)
    done = radversary("list")
    assert done.code == code
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert len(done.err) < 500


def test_wrong_usage_is_cleaned_too(radversary):
    done = radversary("attack", f"--{ESCAPE}")
    assert done.code == 2
    assert "\x1b" not in done.err
    assert done.err.splitlines()[-1].startswith("error: No such option: --\\x1b[31mred")


def test_warnings_are_notes(radversary, monkeypatch):
    monkeypatch.setattr(main, "app", lambda **_given: warnings.warn(f"folder {ESCAPE}", stacklevel=1))
    assert radversary("list").err == "note: folder \\x1b[31mred\n"


@pytest.mark.parametrize("name", ["../up", "/etc", ".", "..", "a/b", "x" * 300])
def test_a_plan_s_name_leads_nowhere_else(name):
    with pytest.raises(PlanError, match="give --out"):
        run_folder(name)


@pytest.mark.slow
def test_a_reader_that_has_gone_ends_the_program_quietly():
    verb = subprocess.Popen([sys.executable, "-m", "radversary.cli.main", "list"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    verb.stdout.close()
    assert verb.stderr.read() == ""
    assert verb.wait(120) == 128 + signal.SIGPIPE


@pytest.mark.slow
def test_a_terminal_of_another_encoding_is_no_error(tmp_path):
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "a.png")
    done = subprocess.run([sys.executable, "-m", "radversary.cli.main", "list", "attacks"], capture_output=True,
                          check=False, timeout=120, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    done.stdout.decode("ascii")
