"""Trees in a bucket: whole or absent, the highest state counts, and what is damaged is not taken in."""

from __future__ import annotations

import json
import tarfile
import uuid
from pathlib import Path

import pytest

from radversary.core.errors import CancelledError, InputError, StorageError
from radversary.service.access.scopes import SYSTEM
from radversary.service.blob_trees import read_state, walked
from radversary.service.blobs import MARK, Blobs, BucketBlobs, blobs_of
from radversary.service.bucket import Bucket
from radversary.service.catalogue.jobs import ask_for
from radversary.service.errors import FullError
from radversary.service.jobs.carrying import clear_work
from radversary.service.jobs.record import record_of, write_record
from radversary.service.operations.backup import back_up
from radversary.service.operations.rebuilding import rebuild
from radversary.service.platform import Platform
from radversary.service.settings import Settings
from radversary.service.store.tables import Job

TREE = "jobs/1"


@pytest.fixture(params=["memory", "file"])
def url(request, tmp_path):
    return f"memory://{uuid.uuid4().hex}/prefix" if request.param == "memory" else f"file://{tmp_path}/bucket"


def machine(tmp_path, url, name="one", **more):
    return BucketBlobs(Settings(home=tmp_path / name, blobs=url, reserve=more.pop("reserve", 1), **more))


def written(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_json", ".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def texts(folder):
    return {name: (folder / name).read_text() for name in walked(folder)}


def test_what_one_machine_stores_another_fetches_with_the_same_bytes_and_times(tmp_path, url):
    one, other = machine(tmp_path, url), machine(tmp_path, url, "other")
    given = written(tmp_path / "run", result_json="{}", units__a="1", units__b="1")
    assert one.put(TREE, given, 1)
    other.fetch(TREE, tmp_path / "got")
    assert texts(tmp_path / "got") == {"result.json": "{}", "units/a": "1", "units/b": "1"}
    assert (tmp_path / "got/units/a").stat().st_mtime_ns == (given / "units/a").stat().st_mtime_ns


def test_a_fetched_folder_loses_what_the_state_no_longer_has_and_keeps_locks(tmp_path, url):
    one, got = machine(tmp_path, url), written(tmp_path / "got", old="old", same="s")
    (got / ".lock").write_text("7")
    one.put(TREE, written(tmp_path / "run", same="s", new="n"), 1)
    one.fetch(TREE, got)
    assert texts(got) == {"same": "s", "new": "n"}
    assert (got / ".lock").exists()


def test_a_worker_that_was_taken_to_be_gone_changes_nothing(tmp_path, url):
    late, now = machine(tmp_path, url), machine(tmp_path, url, "now")
    late.put(TREE, written(tmp_path / "late", a="1"), 1)
    now.put(TREE, written(tmp_path / "now-run", a="1", b="2"), 2)
    now.tidy(TREE)
    late.put(TREE, written(tmp_path / "late", c="3"), 1)
    now.fetch(TREE, tmp_path / "got")
    assert texts(tmp_path / "got") == {"a": "1", "b": "2"}


def test_what_is_added_to_a_state_stands_beside_it(tmp_path, url):
    one = machine(tmp_path, url)
    one.put(TREE, written(tmp_path / "run", result_json="{}", gone="g"), 3)
    for name in ("x", "y"):
        one.put(TREE, written(tmp_path / name, **{name: name}), 3, part=name)
    one.tidy(TREE)
    one.fetch(TREE, tmp_path / "got")
    assert texts(tmp_path / "got") == {"result.json": "{}", "gone": "g", "x": "x", "y": "y"}


def test_tidying_leaves_what_counts_alone(tmp_path, url):
    one = machine(tmp_path, url)
    one.put(TREE, written(tmp_path / "run", a="first"), 1)
    one.put(TREE, written(tmp_path / "run", a="second", b="third"), 2)
    assert len(one.bucket.under(f"{TREE}/content")) == 3
    one.tidy(TREE)
    assert list(one.bucket.under(f"{TREE}/states")) == ["00000002.json"]
    assert len(one.bucket.under(f"{TREE}/content")) == 2
    assert list(one.faults(f"{MARK}/{TREE}")) == []


def test_no_object_is_named_after_a_file(tmp_path, url):
    one = machine(tmp_path, url)
    one.put(TREE, written(tmp_path / "run", Mustermann="1"), 1)
    names = [name for part in ("states", "content") for name in one.bucket.under(f"{TREE}/{part}")]
    assert len(names) == 2
    assert not any("Mustermann" in name for name in names)


def test_a_folder_that_changes_while_it_is_stored_is_not_stored_half(tmp_path, url, monkeypatch):
    one, folder = machine(tmp_path, url), written(tmp_path / "run", a="0")
    send, count = one.bucket.send, iter(range(100))

    def changing(path, name):
        send(path, name)
        written(folder, a=str(next(count)), b="later")

    monkeypatch.setattr(one.bucket, "send", changing)
    assert not one.put(TREE, folder, 1)
    assert one.state(TREE) == {}


def test_a_content_that_is_damaged_or_missing_is_noticed_and_not_taken_in(tmp_path, url):
    one, folder = machine(tmp_path, url), tmp_path / "got"
    one.put(TREE, written(tmp_path / "run", a="right"), 1)
    (name,) = one.bucket.under(f"{TREE}/content")
    one.bucket.write(f"{TREE}/content/{name}", b"wrong")
    with pytest.raises(StorageError, match="damaged"):
        one.fetch(TREE, folder)
    one.bucket.remove([f"{TREE}/content/{name}"])
    with pytest.raises(StorageError, match="missing"):
        one.fetch(TREE, folder)
    assert list(folder.iterdir()) == []
    (fault,) = one.faults(f"{MARK}/{TREE}")
    assert "1 contents are missing" in fault
    one.forget(one.home / TREE)
    assert ["nothing of it is at" in fault for fault in one.faults(f"{MARK}/{TREE}")] == [True]


def test_what_is_changed_here_is_fetched_anew_and_what_is_there_is_not(tmp_path, url, monkeypatch):
    one, folder = machine(tmp_path, url), tmp_path / "got"
    one.put(TREE, written(tmp_path / "run", a="right", b="b"), 1)
    one.fetch(TREE, folder)
    (folder / "a").write_text("wrong")
    received, receive = [], one.bucket.receive
    monkeypatch.setattr(one.bucket, "receive", lambda *given: (received.append(given), receive(*given)))
    one.fetch(TREE, folder)
    assert (len(received), texts(folder)) == (1, {"a": "right", "b": "b"})


def test_an_upload_is_wanted_whole_and_of_a_run_not_what_its_work_alone_needs(tmp_path, url):
    one, other = machine(tmp_path, url), machine(tmp_path, url, "other")
    upload = written(one.home / "tenants/main/uploads/9", files__table="t", images__film="f")
    one.keep_upload(upload)
    one.put(TREE, written(tmp_path / "run", result_json="{}", units__a="1", guard__card="c"), 1)
    place = other.place(one.portable(str(upload / "files/table")))
    assert place == other.home / "tenants/main/uploads/9/files/table"
    assert texts(other.home / "tenants") == {"main/uploads/9/files/table": "t", "main/uploads/9/images/film": "f"}
    other.place(f"{MARK}/{TREE}/guard")
    assert texts(other.home / TREE) == {"guard/card": "c"}
    other.job("1")
    assert texts(other.home / TREE) == {"guard/card": "c", "result.json": "{}"}


def test_fetching_stops_where_it_is_asked_to_and_where_the_disk_is_full(tmp_path, url):
    one, folder = machine(tmp_path, url), tmp_path / "got"
    one.put(TREE, written(tmp_path / "run", a="a"), 1)

    def stop():
        raise CancelledError("stop")

    with pytest.raises(CancelledError):
        one.fetch(TREE, folder, heed=stop)
    with pytest.raises(FullError):
        machine(tmp_path, url, "full", reserve=10**18).fetch(TREE, folder)
    assert not folder.exists()


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", ""])
def test_a_state_that_names_a_file_outside_its_folder_is_refused(name):
    with pytest.raises(StorageError, match="outside"):
        read_state(json.dumps({"files": {name: ["ab", 1, 1]}}).encode())


@pytest.mark.parametrize("content", [b"", b"[]", b'{"files": [1]}', b'{"files": {"a": [1]}}', b"\xff"])
def test_a_damaged_state_is_refused(content):
    with pytest.raises(StorageError, match="damaged"):
        read_state(content)


@pytest.mark.parametrize(("url", "says"), [
    ("bucket", "by a URL"), ("s3://", "by a URL"), ("s3://key:secret@bucket", "credentials"),
    ("s3://bucket?secret=1", "credentials")])
def test_a_url_that_is_none_or_holds_credentials_is_refused_without_being_repeated(url, says):
    with pytest.raises(InputError, match=says) as refused:
        Bucket(url)
    assert "secret" not in str(refused.value)


def test_what_a_file_system_says_of_a_failure_is_not_repeated(tmp_path, monkeypatch):
    bucket = Bucket(f"file://{tmp_path}")

    def fail(*_given, **_more):
        raise ValueError("key=AKIASECRET")

    monkeypatch.setattr(bucket.files, "cat_file", fail)
    with pytest.raises(StorageError) as refused:
        bucket.read("a")
    assert "AKIASECRET" not in str(refused.value)


def test_without_a_bucket_everything_stays_where_it_is(tmp_path):
    shared = blobs_of(Settings(home=tmp_path))
    assert type(shared) is Blobs
    assert shared.portable({"a": str(tmp_path / "jobs")}) == {"a": str(tmp_path / "jobs")}
    assert shared.place("/films") == Path("/films")
    assert shared.job("1") == shared.workplace("1") == tmp_path / "jobs/1"
    assert list(shared.faults("x")) == []


def test_work_at_jobs_that_have_ended_elsewhere_is_removed_and_other_work_is_not(tmp_path):
    for name in ("ended", "ended-run", "runs"):
        written(tmp_path / "work" / name, film="f")
    clear_work(tmp_path, lambda name: name == "ended")
    assert [path.name for path in tmp_path.joinpath("work").iterdir()] == ["runs"]


@pytest.mark.slow
def test_a_backup_leaves_a_bucket_out_and_a_lost_store_is_made_anew_from_it(tmp_path):
    settings = Settings(home=tmp_path / "home", blobs=f"file://{tmp_path}/bucket", reserve=1)
    platform = Platform.open(settings)
    job = ask_for_report_of_nothing(platform)
    run = tmp_path / "run"
    write_record(run, record_of(job))
    platform.blobs.put(f"jobs/{job.id}", run, 1)
    platform.blobs.job(job.id)
    assert back_up(settings, tmp_path / "backup.tar", files=True).jobs == 0
    with tarfile.open(tmp_path / "backup.tar") as archive:
        assert sorted(archive.getnames()) == ["backup.json", "store.sqlite"]
    platform.close()
    anew = Platform.open(Settings(home=tmp_path / "anew", blobs=settings.blobs, reserve=1))
    assert rebuild(anew.settings, anew.database).jobs == [job.id]
    with anew.database.session() as session:
        assert session.get(Job, job.id).spec["run"] == "blobs:/jobs/1"
    anew.close()


def ask_for_report_of_nothing(platform):
    return ask_for(platform, SYSTEM, "report", {"run": str(platform.settings.home / "jobs/1")}, title="report")
