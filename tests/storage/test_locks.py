from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from radversary.core.errors import BusyError, StorageError
from radversary.storage.locks import LOCK, locked

HOLDER = "import sys, time, pathlib; from radversary.storage.locks import locked\n" \
         "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


def take(folder):
    with locked(folder):
        return "taken"


@pytest.fixture
def holder(tmp_path):
    """Another process that holds a folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


@pytest.mark.slow
def test_another_process_is_refused_by_its_number_and_a_dead_one_keeps_nothing(holder, tmp_path):
    with pytest.raises(BusyError, match=rf"run is being written by another radversary \(process {holder.pid}\); wait"):
        take(tmp_path / "run")
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run" / LOCK).exists()
    assert take(tmp_path / "run") == "taken"


def test_another_thread_is_refused_and_the_holder_itself_is_not(tmp_path):
    with locked(tmp_path), locked(tmp_path / "." ), ThreadPoolExecutor(1) as other, pytest.raises(BusyError):
        other.submit(take, tmp_path).result()
    with ThreadPoolExecutor(1) as other:
        assert other.submit(take, tmp_path).result() == "taken"


def test_nothing_stays_behind_and_what_was_written_does(tmp_path):
    take(tmp_path / "new" / "run")
    assert not (tmp_path / "new" / "run").exists()
    with locked(tmp_path / "run"):
        (tmp_path / "run" / "result").write_text("kept")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["result"]


def test_an_error_inside_gives_the_lock_back(tmp_path):
    with pytest.raises(KeyboardInterrupt), locked(tmp_path):
        raise KeyboardInterrupt
    assert take(tmp_path) == "taken"


def test_a_file_in_the_way_is_one_sentence(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(StorageError, match="is in the way"):
        take(tmp_path / "run")
