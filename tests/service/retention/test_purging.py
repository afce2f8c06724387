"""What is noted is removed once, whoever is killed or comes at the same time, and the log says so."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from radversary.core.errors import StorageError
from radversary.service.retention import purging
from radversary.service.retention.purging import carry_out, mark
from radversary.service.retention.sweeping import Sweep
from radversary.service.retention.trees import Kind
from radversary.service.store.database import Database
from radversary.service.store.log import faults
from radversary.service.store.retention_tables import Purge
from service.conftest import BOTH
from service.retention.conftest import PLANTED, holders, lines, upload_of


def noted(platform, tree):
    with platform.database.session() as session:
        return mark(session, "main", tree, Kind.UPLOAD, "tester")


@pytest.mark.slow
def test_a_removal_is_proved_by_one_line_without_names(either):
    tree = upload_of(either, names=("files/Mustermann.png", "files/b.png"))
    name = noted(either, tree)
    for _ in range(2):
        (row,) = carry_out(either.database, [name])
    (line,) = lines(either)
    assert (line.subject, line.actor) == (tree[-24:], "tester")
    assert line.detail == {"kind": "upload", "files": row.files, "bytes": row.size, "left": 0}
    assert (row.line, row.files) == (line.number, 4 if either.settings.blobs else 2)
    assert holders(either.settings.home.parent, PLANTED) == []


@pytest.mark.slow
@pytest.mark.parametrize("step", ["_count", "purge_tree", "_prove"])
def test_an_end_between_any_two_steps_is_made_up_for(either, monkeypatch, step):
    tree = upload_of(either)
    name = noted(either, tree)
    with monkeypatch.context() as patch:
        patch.setattr(purging, step, lambda *_given: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            carry_out(either.database, [name])
    Sweep(either.database).turn()
    (line,) = lines(either)
    assert line.detail["files"] > 0
    assert holders(either.settings.home.parent, PLANTED) == []


KILLED = """
import os, sys
from pathlib import Path
from radversary.service.settings import Settings
from radversary.service.store.database import Database
from radversary.service.retention.purging import carry_out

count, unlink = iter(range(100)), Path.unlink
def killing(path, *given, **more):
    if next(count) == 20:
        os.kill(os.getpid(), 9)
    return unlink(path, *given, **more)

Path.unlink = killing
home, url, blobs, name = sys.argv[1:]
carry_out(Database(Settings(home=Path(home), database=url, blobs=blobs, reserve=1)), [name])
"""


@pytest.mark.slow
@BOTH
def test_a_process_that_is_killed_in_the_middle_leaves_what_the_next_sweep_finishes(platform):
    tree = upload_of(platform, names=[f"files/{number}.png" for number in range(40)])
    name, settings = noted(platform, tree), platform.settings
    ended = subprocess.run([sys.executable, "-c", KILLED, str(settings.home), settings.database, settings.blobs, name],
                           check=False)
    assert ended.returncode == -9
    assert 0 < len(holders(settings.home, PLANTED)) < 40
    Sweep(platform.database).turn()
    (line,) = lines(platform)
    assert line.detail["files"] == 40, "what the killed process removed counts too"
    assert holders(settings.home, PLANTED) == []


@pytest.mark.slow
@BOTH
def test_many_sweeps_at_once_remove_each_tree_once(platform):
    trees = [upload_of(platform, names=[f"files/{number}.png" for number in range(30)]) for _ in range(6)]
    for tree in trees:
        noted(platform, tree)
    databases = [Database(platform.settings) for _ in range(4)]
    threads = [threading.Thread(target=Sweep(database).turn) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    for database in databases:
        database.close()
    assert sorted(line.subject for line in lines(platform)) == sorted(tree[-24:] for tree in trees)
    assert [line.detail["files"] for line in lines(platform)] == [30] * 6
    with platform.database.reading() as session:
        assert list(faults(session)) == []


@pytest.mark.slow
@BOTH
def test_nobody_waits_to_write_while_files_are_removed(platform, monkeypatch):
    tree, begun, goes_on = upload_of(platform), threading.Event(), threading.Event()
    purge = purging.purge_tree

    def slow(*given):
        begun.set()
        goes_on.wait(20)
        purge(*given)

    monkeypatch.setattr(purging, "purge_tree", slow)
    name = noted(platform, tree)
    thread = threading.Thread(target=carry_out, args=(platform.database, [name]))
    thread.start()
    assert begun.wait(20)
    before = time.monotonic()
    with platform.database.session() as session:
        mark(session, "main", "jobs/" + "1" * 24, Kind.COPIES, "system")
        session.get(Purge, name).actor = "another"
    assert time.monotonic() - before < 2
    goes_on.set()
    thread.join(timeout=20)
    assert len(lines(platform)) == 1


@pytest.mark.slow
def test_a_bucket_that_cannot_be_reached_is_tried_again(settings, tmp_path, monkeypatch, caplog):
    from dataclasses import replace

    from radversary.service.platform import Platform

    platform = Platform.open(replace(settings, blobs=f"file://{tmp_path}/bucket"))
    tree = upload_of(platform)
    name = noted(platform, tree)
    with monkeypatch.context() as patch:
        patch.setattr(platform.blobs.bucket, "remove", lambda _names: (_ for _ in ()).throw(StorageError("Mustermann")))
        with pytest.raises(StorageError):
            carry_out(platform.database, [name])
        Sweep(platform.database).turn()
    assert "StorageError" in caplog.text
    assert "Mustermann" not in caplog.text
    assert lines(platform) == []
    Sweep(platform.database).turn()
    assert len(lines(platform)) == 1
    platform.close()
