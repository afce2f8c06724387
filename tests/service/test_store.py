"""The schema is what the migrations make; the audit log shows what was done to it."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from radversary.core.errors import StorageError
from radversary.service.platform import Platform
from radversary.service.serving import first_key
from radversary.service.store.log import FIRST, faults, length, note
from radversary.service.store.tables import Table, new_id
from service.conftest import BOTH

pytestmark = BOTH


@pytest.mark.slow
def test_migrations_make_the_tables(platform):
    with platform.database.engine.connect() as connection:
        assert not compare_metadata(MigrationContext.configure(connection), Table.metadata)


@pytest.mark.slow
def test_a_store_is_opened_again(platform, settings):
    Platform.open(settings).close()


@pytest.mark.slow
def test_a_store_of_a_newer_version_is_refused_and_left_alone(platform, settings):
    with platform.database.session() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match="newer version of radversary"):
        Platform.open(settings)


def lines(platform, count=5):
    for number in range(count):
        with platform.database.session() as session:
            note(session, tenant="main", actor="tester", action="test", subject=str(number), detail={"a": [1, "ü"]})


def found(platform):
    with platform.database.session() as session:
        return [fault.what for fault in faults(session)]


def test_an_untouched_log_has_no_fault(platform):
    lines(platform)
    assert found(platform) == []
    with platform.database.session() as session:
        assert length(session) == 5
        assert session.execute(text("SELECT previous FROM log WHERE number = 1")).scalar() == FIRST


@pytest.mark.slow
@pytest.mark.parametrize(("change", "said"), [
    ("UPDATE log SET actor = 'nobody' WHERE number = 3", ["line 3 is not what was written"]),
    ("UPDATE log SET created = created + 1 WHERE number = 2", ["line 2 is not what was written"]),
    ("DELETE FROM log WHERE number = 4", ["line 4 is missing"]),
    ("UPDATE log SET detail = '{}' WHERE number = 5", ["line 5 is not what was written"]),
    ("UPDATE log SET digest = previous WHERE number = 2", ["line 2 is not what was written",
                                                           "line 3 does not follow the line before it"])])
def test_what_was_done_to_the_log_is_seen(platform, change, said):
    lines(platform)
    with platform.database.session() as session:
        session.execute(text(change))
    assert found(platform)[:len(said)] == said


def test_a_line_goes_with_what_it_tells_of(platform):
    def broken():
        with platform.database.session() as session:
            note(session, tenant="main", actor="tester", action="test")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert found(platform) == []
    with platform.database.session() as session:
        assert length(session) == 0


@pytest.mark.slow
def test_processes_that_open_a_new_store_at_once_make_it_once(settings, request):
    if settings.database:
        settings = replace(settings, database=request.getfixturevalue("postgres").empty("at_once"))
    code = ("import sys; from pathlib import Path; from radversary.service.platform import Platform;"
            "from radversary.service.settings import Settings;"
            "opened = Platform.open(Settings(home=Path(sys.argv[1]), database=sys.argv[2]));"
            "opened.engine; opened.close()")
    begun = [subprocess.Popen([sys.executable, "-c", code, str(settings.home), settings.database],
                              stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [(process.wait(), process.stderr.read()) for process in begun] == [(0, "")] * 4
    with Platform.open(settings).database.session() as session:
        assert session.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 1


@pytest.mark.slow
def test_writers_at_once_keep_the_chain(platform):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: lines(platform, 5), range(4)))
    assert found(platform) == []
    with platform.database.session() as session:
        assert length(session) == 20


@pytest.mark.slow
def test_two_servers_give_one_first_key(platform, settings):
    with ThreadPoolExecutor(4) as pool:
        given = list(pool.map(lambda _: first_key(platform), range(4)))
    assert [bool(key) for key in sorted(given, reverse=True)] == [True, False, False, False]


def test_ids_are_of_one_length_and_differ(settings):
    made = {new_id() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(item) for item in made} == {24}
