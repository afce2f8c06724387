"""Uploads, jobs and guards with planted words, and what searches for them."""

from __future__ import annotations

import os
import secrets
import time

import pytest

from radversary.service.jobs.record import record_of, write_record
from radversary.service.store.tables import Entry, Job
from service.monitoring.conftest import bundle, guard  # noqa: F401 - fixtures

PLANTED = b"PLANTED-film"
RUN = ("data/prepared/Mustermann.npy", "units/1.npz", "images/Mustermann.png", ".guard-evaluation/1/a",
       "figures/.film.png.x1", "figures/film.png", "result.json", "report.html")
"""What the folder of an audit holds."""


def written(folder, *names):
    """Write planted files into a folder; return it."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(PLANTED + name.encode())
    return folder


def names_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def holders(root, *words):
    """The files below a folder that hold one of some words, or whose path does."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and any(
        word in path.read_bytes() or word in os.fsencode(path.relative_to(root)) for word in words))


def id_from(age=0.0):
    """An id as it was made some seconds ago."""
    return f"{int((time.time() - age) * 1000):012x}{secrets.token_hex(6)}"


def upload_of(platform, tenant="main", *, age=0.0, names=("files/Mustermann.png",)):
    """An upload that came some seconds ago; returns its tree."""
    tree = f"tenants/{tenant}/uploads/{id_from(age)}"
    folder = written(platform.settings.folder(*tree.split("/")), *names)
    for path in (folder, *folder.iterdir()):
        os.utime(path, (time.time() - age,) * 2)
    platform.blobs.keep_upload(folder)
    return tree


def job_of(platform, *, state="done", kind="audit", spec=None, ended=0.0, names=RUN, tenant="main"):
    """A job that ended some seconds ago, with its folder; returns its id."""
    with platform.database.session() as session:
        job = Job(tenant=tenant, kind=kind, title="t", spec=spec or {}, state=state, started=1.0, attempts=1,
                  ended=time.time() - ended)
        session.add(job)
    folder = platform.settings.home / "jobs" / job.id
    write_record(written(folder, *names), record_of(job))
    if platform.settings.blobs:
        platform.blobs.put(f"jobs/{job.id}", folder, 1)
    return job.id


def lines(platform, action="purge"):
    """The lines of the audit log that say what is gone."""
    with platform.database.reading() as session:
        return session.query(Entry).filter_by(action=action).order_by(Entry.number).all()


@pytest.fixture(params=["shared", "bucket"])
def either(request, settings, tmp_path):
    """A platform whose machines share a folder, and one with a bucket."""
    from dataclasses import replace

    from radversary.service.platform import Platform

    made = replace(settings, blobs=f"file://{tmp_path}/bucket") if request.param == "bucket" else settings
    opened = Platform.open(made)
    yield opened
    opened.close()
