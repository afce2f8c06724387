"""The schema is what the migrations make; the audit log shows what was done to it."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from radversary.core.errors import StorageError
from radversary.service.platform import Platform
from radversary.service.store.log import FIRST, faults, length, note
from radversary.service.store.tables import Table, new_id


def test_migrations_make_the_tables(platform):
    with platform.database.engine.connect() as connection:
        assert not compare_metadata(MigrationContext.configure(connection), Table.metadata)


def test_a_store_is_opened_again(platform, settings):
    Platform.open(settings).close()


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


def test_ids_are_of_one_length_and_differ():
    made = {new_id() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(item) for item in made} == {24}
