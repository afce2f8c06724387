"""Films with planted bytes and names go through an audit, a guard and a batch; removed, no file anywhere holds them."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import pytest

from radversary.imaging.png import encode_png
from radversary.service.blobs import BucketBlobs
from radversary.service.operations.checking import faults_of
from radversary.service.retention.sweeping import Sweep
from radversary.service.retention.trees import Kind, left_of, purge_tree
from radversary.service.store.database import Database
from service.conftest import PLAN, ended
from service.retention.conftest import RUN, holders, names_in, written
from service.running import within
from service.test_buckets import bucket, done, machine, opened, s3, uploaded  # noqa: F401 - fixtures

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NAME, PATIENT = b"MUSTERMANN-Erika-19431224", b"PID74219"


def planted(*, labelled):
    """A zip of films, and a piece of the bytes of each; every name and number in it is planted."""
    import torch

    out, pieces, rows = io.BytesIO(), [], ["file,label,patient_id"]
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(24 if labelled else 4):
            film = encode_png(torch.rand(1, 48, 48, generator=torch.Generator().manual_seed(number + 100 * labelled)))
            name = f"{NAME.decode()}-{number}.png"
            archive.writestr(f"films/{name}", film)
            pieces.append(film[200:240])
            rows.append(f"{name},{('Normal', 'Pneumonia', 'Pneumothorax')[number % 3]},{PATIENT.decode()}-{number}")
        if labelled:
            archive.writestr("films/labels.csv", "\n".join(rows) + "\n")
    return out.getvalue(), pieces


def sent(client, content):
    return client.post("/v1/uploads/films.zip", content=content).json()["path"]


def audited(client, model, path):
    """Register uploaded films and audit them; returns the dataset and the job."""
    data = client.post("/v1/datasets", json={"name": "films", "source": "auto", "options": {"root": path}})
    assert data.status_code == 201, data.text
    job = client.post("/v1/audits", json={"model": model, "dataset": data.json()["id"], "plan": {**PLAN, "gallery": 1}})
    return data.json()["id"], job.json()["id"]


def swept(platform):
    database = Database(replace(platform.settings, retention=0.0))
    Sweep(database).turn()
    database.close()


def check_still_works(client, job):
    """What people look at of an audit whose working copies are gone."""
    for path in ("result", "scores", "files/report.html", "gate?min_score=0"):
        assert client.get(f"/v1/jobs/{job}/{path}").status_code == 200, path
    assert client.get("/v1/comparisons", params={"run": job}).status_code == 200


def test_nothing_holds_a_removed_film_where_machines_share_a_folder(client, platform, worker, shelf, guard):
    labelled, pieces = planted(labelled=True)
    batch, more = planted(labelled=False)
    words = [*pieces, *more, NAME, PATIENT]
    model = client.post("/v1/models", json={"name": "victim", "path": str(shelf / "model")}).json()["id"]
    data, job = audited(client, model, sent(client, labelled))
    assert (found := ended(client, job))["state"] == "done", found["error"]
    films = client.post(f"/v1/guards/{guard}/batches", json={"path": sent(client, batch)}).json()["id"]
    assert (found := ended(client, films))["state"] == "done", found["error"]
    before = holders(platform.settings.home, *words)
    assert any(name.startswith(f"jobs/{job}/data/") for name in before)
    assert len([name for name in before if "/uploads/" in name]) == 24 + 4 + 1
    swept(platform)
    names = names_in(platform.settings.home / "jobs" / job)
    assert {name.partition("/")[0] for name in names} & {"data", "units", "images"} == set()
    assert len([name for name in holders(platform.settings.home, *words) if "/uploads/" in name]) == 24 + 1
    check_still_works(client, job)
    report = client.post(f"/v1/jobs/{job}/report").json()["id"]
    assert (found := ended(client, report))["state"] == "done", found["error"]
    check_still_works(client, job)
    assert list(faults_of(platform.settings, platform.database)) == []
    removed = client.delete(f"/v1/datasets/{data}").json()
    assert (removed["files"], removed["left"]) == (25, 0)
    for name in (report, job, films):
        answer = client.delete(f"/v1/jobs/{name}")
        assert (answer.status_code, answer.json().get("left")) == (200, 0), answer.text
    assert client.delete(f"/v1/guards/{guard}").json()["left"] == 0
    assert client.get("/v1/screenings").json()["items"] == []
    assert client.get("/v1/log/check").json()["faults"] == []
    platform.database.overwrite_deleted()
    assert holders(platform.settings.home, *words) == []
    assert list(faults_of(platform.settings, platform.database)) == []


def test_nothing_holds_a_removed_film_where_they_share_a_bucket(settings, postgres, shelf, tmp_path):
    apart = replace(settings, home=tmp_path / "server", database=postgres.fresh(), blobs=f"file://{tmp_path}/bucket")
    labelled, pieces = planted(labelled=True)
    words = [*pieces, NAME, PATIENT]
    with opened(apart) as (platform, client):
        model, _ = uploaded(client, shelf)
        path = sent(client, labelled)
        with machine(replace(apart, retention=0.0), "first"):
            data, job = audited(client, model, path)
            done(platform, job)
            check_still_works(client, job)
        before = holders(tmp_path, *words)
        assert {name.partition("/")[0] for name in before} == {"server", "first", "bucket"}
        swept(platform)
        assert not any(name.startswith(("data/", "units/")) for name in platform.blobs.state(f"jobs/{job}"))
        check_still_works(client, job)
        assert list(faults_of(apart, platform.database)) == []
        with machine(replace(apart, retention=0.0), "first"):
            report = client.post(f"/v1/jobs/{job}/report").json()["id"]
            done(platform, report)
            assert client.delete(f"/v1/datasets/{data}").json()["left"] == 0
            for name in (report, job):
                assert client.delete(f"/v1/jobs/{name}").json()["left"] == 0
        with machine(replace(apart, retention=0.0), "first"):  # which sweeps as it starts
            within(60, lambda: holders(tmp_path, *words) == [])
        assert client.get("/v1/log/check").json()["faults"] == []
        assert list(faults_of(apart, platform.database)) == []


def test_a_tree_is_gone_from_an_s3_server_and_what_stays_is_whole(settings, bucket):  # noqa: F811
    blobs = BucketBlobs(replace(settings, blobs=bucket))
    folder = written(blobs.home / "jobs/1", *RUN, "job.json")
    blobs.put("jobs/1", folder, 1)
    purge_tree(blobs, "jobs/1", Kind.COPIES)
    assert sorted(blobs.state("jobs/1")) == ["figures/film.png", "job.json", "report.html", "result.json"]
    assert list(blobs.faults("blobs:/jobs/1")) == []
    assert len(blobs.bucket.below("jobs/1")) == 1 + 4
    purge_tree(blobs, "jobs/1", Kind.JOB)
    assert blobs.bucket.below("jobs/1") == {}
    assert left_of(blobs, "jobs/1", Kind.JOB) == 0
