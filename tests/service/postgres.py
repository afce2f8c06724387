"""A PostgreSQL server of the tests' own, from Debian's package, on a free port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

BINARIES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


class Postgres:
    """A server; each database is used by one test."""

    def __init__(self):
        self.folder, self.count = Path(tempfile.mkdtemp(prefix="radversary-pg-")), 0
        self.user = {"user": "postgres"} if os.geteuid() == 0 else {}
        if self.user:
            shutil.chown(self.folder, "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._do("initdb", "-D", "data", "-U", "tester", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")
        self.start()

    def _do(self, program, *arguments):
        done = subprocess.run([BINARIES / program, *arguments], cwd=self.folder, **self.user, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr + done.stdout

    def start(self):
        self._do("pg_ctl", "-D", "data", "-l", "log", "-w", "-o",
                 f"-p {self.port} -k {self.folder} -c fsync=off -c listen_addresses=127.0.0.1", "start")

    def stop(self, how="fast"):
        self._do("pg_ctl", "-D", "data", "-w", "-m", how, "stop")

    def fresh(self):
        """Make a database; returns its URL."""
        self.count += 1
        self._do("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "tester", f"test{self.count}")
        return f"postgresql+psycopg://tester@127.0.0.1:{self.port}/test{self.count}"

    def end(self):
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


def started():
    """Start one, or skip the test loudly."""
    if BINARIES is None:
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    return Postgres()
