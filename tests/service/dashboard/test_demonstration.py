"""A home is filled with a demonstration by the same functions as people use."""

from __future__ import annotations

import pytest

from radversary.core.errors import InputError
from radversary.service.demonstration import fill
from radversary.service.platform import Platform
from radversary.service.settings import Settings
from radversary.service.store.tables import Guard, Job, Model, Screening
from service.conftest import PLAN


@pytest.mark.slow
def test_a_home_is_filled(tmp_path):
    settings, said = Settings(home=tmp_path / "home", reserve=1, device="cpu"), []
    token = fill(settings, tell=said.append, images=90, epochs=1, audited=150, audit=PLAN, films=4)
    platform = Platform.open(settings)
    with platform.database.session() as session:
        assert [session.query(kind).count() for kind in (Model, Guard, Screening)] == [2, 1, 4]
        assert [job.state for job in session.query(Job)] == ["done"] * 4
    assert platform.keyring.actor(token).name == "administrator"
    platform.close()


def test_a_home_that_is_in_use_is_left_alone(tmp_path):
    (tmp_path / "store.sqlite").write_text("something")
    with pytest.raises(InputError, match="not empty"):
        fill(Settings(home=tmp_path), tell=print)
    assert (tmp_path / "store.sqlite").read_text() == "something"
