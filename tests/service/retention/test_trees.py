"""Trees are removed from every place, looked for again, and what is left is an error."""

from __future__ import annotations

import uuid

import pytest

from radversary.core.errors import StorageError
from radversary.service.blobs import Blobs, BucketBlobs
from radversary.service.retention.trees import Kind, count_tree, left_of, purge_tree
from radversary.service.settings import Settings
from service.retention.conftest import RUN, names_in, written

TREE = "jobs/1"
STAYS = {Kind.COPIES: ["figures/film.png", "job.json", "report.html", "result.json"], Kind.ATTEMPT: ["job.json"],
         Kind.JOB: []}


@pytest.fixture(params=["shared", "memory", "file"])
def blobs(request, tmp_path):
    url = {"shared": "", "memory": f"memory://{uuid.uuid4().hex}/prefix", "file": f"file://{tmp_path}/bucket"}
    settings = Settings(home=tmp_path / "home", blobs=url[request.param], reserve=1)
    return BucketBlobs(settings) if settings.blobs else Blobs(settings)


def kept(blobs, tree, *names):
    """A tree that lies here, in the folders of work, and in the bucket where there is one."""
    folder = written(blobs.home / tree, *names)
    if isinstance(blobs, BucketBlobs):
        blobs.put(tree, folder, 1)
    return folder


@pytest.mark.parametrize("kind", STAYS)
def test_what_goes_of_a_job_is_nowhere_and_the_rest_stays(blobs, kind, tmp_path):
    folder = kept(blobs, TREE, *RUN, "job.json")
    written(blobs.home / "work/1", "data/film")
    written(blobs.home / "work/1-run", "film")
    other = kept(blobs, "jobs/11", *RUN)
    before = names_in(other)
    assert count_tree(blobs, TREE, kind).files >= len(RUN) + 1 - len(STAYS[kind])
    purge_tree(blobs, TREE, kind)
    assert left_of(blobs, TREE, kind) == 0
    assert names_in(folder) == STAYS[kind]
    assert folder.exists() == (kind != Kind.JOB)
    assert not (blobs.home / "work/1").exists()
    assert not (blobs.home / "work/1-run").exists()
    assert names_in(other) == before
    if isinstance(blobs, BucketBlobs):
        assert sorted(blobs.state(TREE)) == STAYS[kind]
        assert len(blobs.bucket.below(f"{TREE}/content")) == len(STAYS[kind])
        blobs.fetch(TREE, tmp_path / "got")
        assert names_in(tmp_path / "got") == STAYS[kind] if STAYS[kind] else not (tmp_path / "got").exists()
    purge_tree(blobs, TREE, kind)  # again, which changes nothing


def test_an_upload_is_nowhere(blobs):
    tree = "tenants/main/uploads/" + "0" * 24
    kept(blobs, tree, "upload.png", "files/.hidden/a")
    purge_tree(blobs, tree, Kind.UPLOAD)
    assert not (blobs.home / tree).exists()
    assert left_of(blobs, tree, Kind.UPLOAD) == 0


def test_of_the_job_that_made_a_guard_the_bundle_goes_alone(blobs):
    folder = kept(blobs, TREE, "guard/card.json", "guard/kept/model.pt", "data/film", "job.json")
    purge_tree(blobs, TREE, Kind.GUARD)
    assert names_in(folder) == ["data/film", "job.json"]


def test_links_are_removed_and_not_followed(blobs, tmp_path):
    outside = written(tmp_path / "outside", "film.png")
    folder = written(blobs.home / TREE, "data/a")
    (folder / "data/link").symlink_to(outside)
    (folder / "data/file").symlink_to(outside / "film.png")
    purge_tree(blobs, TREE, Kind.COPIES)
    assert names_in(outside) == ["film.png"]
    assert not (folder / "data").exists()


def test_what_cannot_be_removed_is_an_error_that_names_no_file(blobs, monkeypatch):
    written(blobs.home / TREE, "data/Mustermann.png")
    monkeypatch.setattr("pathlib.Path.unlink", lambda _path: (_ for _ in ()).throw(PermissionError("Mustermann")))
    with pytest.raises(StorageError, match=r"^\d files of copies 1 could not be removed") as refused:
        purge_tree(blobs, TREE, Kind.COPIES)
    assert "Mustermann" not in str(refused.value)


def test_a_folder_that_cannot_be_looked_through_is_not_taken_for_empty(blobs, monkeypatch):
    written(blobs.home / TREE, "data/a")

    def walk(_folder, *, topdown, onerror):
        onerror(PermissionError("Mustermann"))
        return iter(())
    monkeypatch.setattr("radversary.service.retention.trees.os.walk", walk)
    with pytest.raises(StorageError, match="cannot be looked through") as refused:
        purge_tree(blobs, TREE, Kind.COPIES)
    assert "Mustermann" not in str(refused.value)


@pytest.mark.parametrize("blobs", ["file"], indirect=True)
def test_what_a_killed_writer_left_in_a_bucket_goes_and_is_found(blobs):
    kept(blobs, TREE, "result.json", "data/a")
    for part in ("states", "content"):
        blobs.bucket.write(f"{TREE}/{part}/.part-01", b"half a film")
    for kind in (Kind.COPIES, Kind.JOB):
        assert left_of(blobs, TREE, kind) > 0
        purge_tree(blobs, TREE, kind)
    assert blobs.bucket.below(TREE) == {}


@pytest.mark.parametrize("blobs", ["memory"], indirect=True)
def test_what_reports_added_stays_and_contents_that_both_name_do_too(blobs):
    folder = kept(blobs, TREE, "result.json", "data/a")
    (folder / "data/a").write_bytes(b"same")
    (folder / "result.json").write_bytes(b"same")
    blobs.put(TREE, folder, 1)
    blobs.put(TREE, written(blobs.home / "more", "report.html"), 1, part="2")
    purge_tree(blobs, TREE, Kind.COPIES)
    assert sorted(blobs.state(TREE)) == ["report.html", "result.json"]
    assert list(blobs.faults(f"blobs:/{TREE}")) == []


@pytest.mark.parametrize("blobs", ["memory"], indirect=True)
def test_who_fetches_a_tree_is_waited_for(blobs, monkeypatch):
    from filelock import FileLock

    monkeypatch.setattr("radversary.service.retention.trees.PATIENCE", 0.05)
    kept(blobs, TREE, "data/a")
    with FileLock(blobs.settings.folder("fetching") / "jobs-1.lock"), pytest.raises(StorageError, match="fetched"):
        purge_tree(blobs, TREE, Kind.JOB)
