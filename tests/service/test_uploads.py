"""Uploads: whole or not at all, unpacked with care, seen by their tenant alone."""

from __future__ import annotations

import asyncio
import io
import os
import stat
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from radversary.core.errors import InputError
from radversary.service.catalogue.uploads import keep_upload
from radversary.service.errors import ForbiddenError, TooLargeError
from radversary.service.platform import Platform
from service.conftest import actor


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def link(name):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


def damaged(content):
    at = content.index(b"film.png") + 12
    return content[:at] + bytes(byte ^ 0x5A for byte in content[at:at + 30]) + content[at + 30:]


def left(platform):
    return [path for path in platform.settings.folder("tenants").rglob("*") if path.is_file()]


@pytest.mark.slow
@pytest.mark.parametrize("body", [
    zipped({"../out.png": b"x"}), zipped({"a/../../out.png": b"x"}), zipped({"/etc/out.png": b"x"}),
    zipped({"C:/out.png": b"x"}), zipped({"..\\out.png": b"x"}), zipped({link("out.png"): b"/etc/passwd"}),
    zipped({"zeros": bytes(3_000_000)}), zipped({}), zipped({"a": b"1", "a/b": b"2"}),
    zipped({"n" * 300: b"x"}), b"PK\x03\x04 no zip", zipped({"film.png": os.urandom(500)})[:-40],
    damaged(zipped({"film.png": b"abcdefgh" * 100}))])
def test_a_zip_that_is_not_plain_leaves_nothing(client, platform, body):
    answer = client.post("/v1/uploads/films.zip", content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), answer.text
    assert left(platform) == []
    assert not list(platform.settings.home.rglob("out.png"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["..", "a b.zip", ".zip", "Müller.zip", "a%2Fb.zip", "a%00.zip", "x" * 200])
def test_a_name_with_a_path_or_odd_characters_is_refused(client, platform, name):
    assert client.post(f"/v1/uploads/{name}", content=b"x").status_code in (404, 405, 422)
    assert left(platform) == []


def test_an_upload_that_is_cut_short_or_empty_or_too_large_leaves_nothing(settings):
    async def cut():
        yield b"half"
        raise ConnectionError

    async def parts(*given):
        for part in given:
            yield part

    platform = Platform.open(replace(settings, upload=10))
    for body, error in ((cut(), ConnectionError), (parts(), InputError), (parts(b"123456", b"123456"), TooLargeError)):
        with pytest.raises(error):
            asyncio.run(keep_upload(platform, actor(), "a.onnx", body))
        assert not list(platform.settings.folder("tenants", "main", "uploads").iterdir())
    platform.close()


@pytest.mark.slow
def test_a_file_s_name_is_not_kept(client, platform):
    for name, body in (("MUELLER-Erika.onnx", b"x"), ("MUELLER-Erika.zip", zipped({"MUELLER/film.png": b"x"}))):
        answer = client.post(f"/v1/uploads/{name}", content=body)
        assert answer.status_code == 201
        assert "MUELLER" not in answer.text
        assert Path(answer.json()["path"]).exists()


@pytest.mark.slow
def test_paths_that_lead_elsewhere_are_refused(client, platform, key, shelf):
    path = client.post("/v1/uploads/films.zip", content=zipped({"Normal/1.png": b"x"})).json()["path"]
    home = platform.settings.home
    own = platform.settings.folder("tenants", "spy")
    (own / "link").symlink_to(path)
    (shelf / "out").symlink_to(home)
    (shelf / "loop").symlink_to(shelf / "loop")
    headers = {"Authorization": f"Bearer {key('operator', tenant='spy')}"}
    try:
        for given in (path, f"{own}/../main/uploads", f"{own}/link", f"{shelf}/../", f"{shelf}/out/store.sqlite",
                      str(home), str(home / "salt"), "/etc/passwd", "relative", "~root", "\x7f", f"{shelf}/loop",
                      "/" + "n" * 3000, "http://127.0.0.1/model"):
            answer = client.post("/v1/models", json={"name": "a", "path": given}, headers=headers)
            assert answer.status_code in (403, 422), (given, answer.text)
            for options in ({"root": given}, {"root": str(shelf), "labels": given},
                            {"root": str(shelf), "options": {"labels": given}}):
                answer = client.post("/v1/datasets", json={"name": "a", "options": options}, headers=headers)
                assert answer.status_code in (403, 422), (given, options, answer.text)
                assert answer.headers["content-type"] == "application/problem+json"
    finally:
        (shelf / "out").unlink()
        (shelf / "loop").unlink()


def test_a_home_below_an_allowed_folder_is_not_opened_by_it(settings, tmp_path):
    platform = Platform.open(replace(settings, roots=(tmp_path,)))
    platform.settings.folder("tenants", "other", "uploads", "x")
    for given in (settings.home / "tenants" / "other" / "uploads" / "x", settings.home, tmp_path):
        with pytest.raises(ForbiddenError):
            platform.place(actor(), str(given))
    (tmp_path / "films").mkdir()
    assert platform.place(actor(), str(tmp_path / "films")) == (tmp_path / "films").resolve()
    platform.close()


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["../../{other}/1.png", "{whole}"])
def test_a_table_that_names_another_tenant_s_films_is_refused(client, platform, key, cell):
    theirs = Path(client.post("/v1/uploads/films.zip", content=zipped({"Normal/1.png": b"x"})).json()["path"]) / "1.png"
    assert theirs.is_file()
    headers = {"Authorization": f"Bearer {key('operator', tenant='spy')}"}
    row = cell.format(other=theirs.parent.parent.name, whole=theirs)
    if row.startswith(".."):
        row = f"../../../../{theirs.relative_to(platform.settings.home / 'tenants')}"
    body = zipped({"labels.csv": f"file,label\n{row},Normal\n", "a.txt": b""})
    path = client.post("/v1/uploads/t.zip", content=body, headers=headers).json()["path"]
    answer = client.post("/v1/datasets", headers=headers, json={
        "name": "a", "source": "csv", "options": {"path": f"{path}/labels.csv"}})
    assert (answer.status_code, "lead out of its folder" in answer.text) == (422, True), answer.text


@pytest.mark.slow
def test_an_archive_s_options_stay_in_the_archive(client, shelf):
    (shelf / "films.zip").write_bytes(zipped({"Normal/1.png": b"x"}))
    for labels in ("../../x.csv", "/etc/passwd"):
        answer = client.post("/v1/datasets", json={"name": "a", "source": "zip", "options": {
            "path": str(shelf / "films.zip"), "options": {"labels": labels}}})
        assert (answer.status_code, "in the archive" in answer.text) == (422, True), answer.text


@pytest.mark.slow
def test_an_uploaded_description_of_a_model_behind_an_address_is_refused(client):
    path = client.post("/v1/uploads/m.zip", content=zipped({"m.http.json": b"{}", "b": b"x"})).json()["path"]
    answer = client.post("/v1/models", json={"name": "a", "path": f"{path}/m.http.json"})
    assert (answer.status_code, "behind an address" in answer.text) == (403, True)


@pytest.mark.slow
def test_an_upload_is_never_held_in_memory(settings, tmp_path):
    import tracemalloc

    async def parts():
        for _ in range(400):
            yield bytes(1_000_000)

    platform = Platform.open(settings)
    tracemalloc.start()
    path = asyncio.run(keep_upload(platform, actor(), "a.onnx", parts()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size == 400_000_000
    assert peak < 20_000_000
    path.unlink()
    platform.close()
