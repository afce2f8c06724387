"""Films go from the bucket and from the copies of it that machines have."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from radversary.service.jobs.states import State
from radversary.service.operations.checking import faults_of
from radversary.service.platform import Platform
from radversary.service.retention.keeping import COPIES, DAY, sweep
from radversary.service.retention.removing import remove_dataset, remove_job
from radversary.service.store.tables import Dataset, Job
from service.conftest import actor
from service.retention.test_removing import holding, uploaded
from service.test_buckets import bucket, opened, s3

__all__ = ["bucket", "s3"]  # fixtures
pytestmark = pytest.mark.slow


def objects(platform, tree):
    return [name for part in ("states", "content") for name in platform.blobs.bucket.under(f"{tree}/{part}")]


@pytest.fixture
def shared(settings, bucket):
    return replace(settings, blobs=bucket)


def test_an_upload_goes_from_the_bucket_and_from_every_machine(shared, tmp_path, postgres):
    shared = replace(shared, database=postgres.fresh())
    with opened(shared) as (platform, client):
        dataset, _ = uploaded(client)
        other = Platform.open(replace(shared, home=tmp_path / "other"))
        with other.database.session() as session:
            reference = session.get(Dataset, dataset).source["options"]["root"]
        tree = "/".join(reference.split("/")[1:5])
        other.blobs.place(reference)
        assert len(holding(platform.settings.home)) == len(holding(other.settings.home)) == 12
        assert objects(platform, tree)
        assert remove_dataset(platform, actor(), dataset).files == 12
        assert objects(platform, tree) == []
        assert holding(platform.settings.home) == []
        sweep(other.database)
        assert holding(other.settings.home) == []
        other.close()


def test_copies_of_films_go_from_the_state_and_the_contents_and_the_rest_stays(shared, tmp_path):
    platform, now = Platform.open(shared), time.time()
    row = Job(tenant="main", kind="audit", title="t", spec={}, state=State.DONE, ended=now, attempts=1, started=now)
    with platform.database.session() as session:
        session.add(row)
    work, tree = tmp_path / "work", f"jobs/{row.id}"
    for name in (f"{COPIES}/prepared/films.npy", "units/a.parquet", "result.json"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(name)
    platform.blobs.put(tree, work, 3)
    gone = sweep(platform.database)
    assert gone == (1, len(f"{COPIES}/prepared/films.npy"))
    assert set(platform.blobs.state(tree)) == {"units/a.parquet", "result.json"}
    assert len(objects(platform, tree)) == 1 + 2
    assert (platform.blobs.job(row.id) / "result.json").read_text() == "result.json"
    assert list(faults_of(platform.settings, platform.database)) == []
    assert sweep(platform.database, now + 2 * DAY) == (0, 0)
    assert remove_job(platform, actor(), row.id).files == 2
    assert objects(platform, tree) == []
    assert not list((platform.settings.home / "jobs").rglob("result.json"))
    platform.close()
