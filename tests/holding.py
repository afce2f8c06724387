"""Another process that holds the right to write a folder, until it is killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOLDER = "import sys, time, pathlib; from radversary.storage.locks import locked\n" \
         "with locked(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


@contextmanager
def held(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Have another process hold a folder; at the end it is killed, so that it gives nothing back itself."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
