"""A PostgreSQL server of the tests' own, from Debian's package, on a free port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from radversary.service.platform import Platform
from radversary.service.settings import Settings

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
        done = subprocess.run([BINARIES / program, *arguments], cwd=self.folder, capture_output=True, text=True,
                              **self.user)
        assert done.returncode == 0, done.stderr + done.stdout

    def start(self):
        self._do("pg_ctl", "-D", "data", "-l", "log", "-w", "-o",
                 f"-p {self.port} -k {self.folder} -c fsync=off -c listen_addresses=127.0.0.1", "start")

    def stop(self, how="fast"):
        self._do("pg_ctl", "-D", "data", "-w", "-m", how, "stop")

    def url(self, name):
        return f"postgresql+psycopg://tester@127.0.0.1:{self.port}/{name}"

    def fresh(self):
        """Make a database with the platform's tables; returns its URL."""
        if not self.count:
            self.count = 1
            opened = Platform.open(Settings(home=Path(self.folder, "home"), database=self.empty("pattern")))
            _ = opened.engine
            opened.close()
        self.count += 1
        return self.empty(f"test{self.count}", template="pattern")

    def empty(self, name, template="template1"):
        """Make a database as another is; returns its URL."""
        with psycopg.connect(f"host=127.0.0.1 port={self.port} user=tester dbname=postgres", autocommit=True) as made:
            made.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def end(self):
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


def started():
    """Start one, or skip the test loudly."""
    if BINARIES is None:
        pytest.skip("no PostgreSQL server is installed: apt-get install postgresql")
    return Postgres()
