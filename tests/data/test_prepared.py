from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import radversary.data.preparing as preparing
from radversary.core.errors import CancelledError, DataError, PlanError, StorageError, UnknownNameError
from radversary.core.types import check_images
from radversary.data.prepare_folder import prepare_images
from radversary.data.prepared import PreparedImages
from radversary.data.preparing import parallel
from radversary.data.reading import read_image
from radversary.data.splits import split_by_patient
from radversary.data.table import ImageTable
from radversary.execution.cancellation import Cancellation
from radversary.execution.work import Relay
from radversary.imaging.image import InputRule, to_model_input
from radversary.imaging.intensity import resize, rotate
from radversary.imaging.png import png_round_trip
from radversary.storage.checksums import sha256_file

FILES = ["images.npy", "left_out.csv", "prepared.json", "table.csv"]


@pytest.mark.slow
def test_pixels_are_those_of_the_files_resized_and_rounded(make_table, tmp_path) -> None:
    table = split_by_patient(make_table())
    prepared = prepare_images(table, size=32, folder=tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
    assert (prepared.images.dtype, prepared.images.shape) == (np.uint8, (36, 1, 32, 32))
    assert set(prepared.bits) == {8}
    for row in (0, 7, 35):
        film = torch.from_numpy(read_image(table.frame["path"][row]).pixels)[None]
        expected = (resize(film, 32) * 255).round()
        torch.testing.assert_close(prepared.tensor([row]) * 255, expected, rtol=0, atol=1e-4)
    check_images(prepared.tensor(prepared.rows("test")))
    assert prepared.labels.tolist() == table.labels.tolist()
    assert prepared.patients == table.frame["patient_id"].tolist()
    assert prepared.patients is prepared.patients
    assert prepared.image_ids is prepared.image_ids
    assert prepared.classes == table.classes
    assert prepared.table.frame.loc[0, ["width", "height", "stored_bits"]].tolist() == ["48", "48", "8"]


@pytest.mark.slow
def test_at_its_own_size_a_film_comes_back_bit_for_bit(make_table, tmp_path) -> None:
    table = make_table()
    prepared = prepare_images(table, size=48, folder=tmp_path / "out")
    for row, path in enumerate(table.frame["path"]):
        np.testing.assert_array_equal(prepared.images[row, 0], np.asarray(Image.open(path)))


@pytest.mark.slow
def test_used_again_until_a_file_or_a_setting_changes(make_table, tmp_path, monkeypatch) -> None:
    table, folder = make_table(), tmp_path / "out"
    first = prepare_images(table, size=16, folder=folder)
    monkeypatch.setattr(preparing, "read_image", lambda path: pytest.fail("it was read again"))
    assert prepare_images(table, size=16, folder=folder).sha256 == first.sha256
    monkeypatch.undo()
    assert prepare_images(table, size=16, channels=3, folder=folder).images.shape[1] == 3
    again = prepare_images(table, size=16, folder=folder)
    assert again.sha256 == first.sha256, "the same inputs must give the same bytes"
    Image.new("L", (48, 48), 3).save(table.frame["path"][0])
    assert prepare_images(table, size=16, folder=folder).sha256 != first.sha256
    assert prepare_images(split_by_patient(table), size=16, folder=folder).rows("test").size


@pytest.mark.slow
def test_unreadable_files_are_left_out_by_name(make_table, tmp_path) -> None:
    table = make_table()
    bad, absent = Path(table.frame["path"][3]), Path(table.frame["path"][5])
    bad.write_text("no film")
    absent.unlink()
    prepared = prepare_images(table, size=16, folder=tmp_path / "out")
    assert len(prepared) == len(prepared.images) == 34
    assert prepared.left_out == (f"cannot read {bad}: by its content it is neither PNG, JPEG nor DICOM",
                                 f"cannot read {absent}: no such file or directory")
    assert prepared.image_ids == [name for row, name in enumerate(table.frame["image_id"]) if row not in (3, 5)]
    film = torch.from_numpy(read_image(table.frame["path"][6]).pixels)[None]
    torch.testing.assert_close(prepared.tensor([4]) * 255, (resize(film, 16) * 255).round(), rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("deep", [0, 20, 35])
def test_each_film_of_a_mixed_folder_keeps_its_own_depth(make_table, tmp_path, deep) -> None:
    table = make_table()
    path = table.frame["path"][deep]
    codes = np.random.default_rng(0).integers(0, 65536, (48, 48), dtype=np.uint16)
    Image.fromarray(codes).save(path)
    prepared = prepare_images(table, size=48, folder=tmp_path / "out")
    assert prepared.images.dtype == np.uint16
    assert prepared.bits.tolist() == [16 if row == deep else 8 for row in range(36)]
    for row, path in enumerate(table.frame["path"]):
        np.testing.assert_array_equal(prepared.images[row, 0], np.asarray(Image.open(path)))
        pixels = torch.from_numpy(read_image(path).pixels)
        assert prepared.tensor([row])[0].equal(pixels)
    everything = prepared.tensor(range(36))
    assert png_round_trip(everything, prepared.depths(range(36))).equal(everything)


@pytest.mark.slow
def test_a_film_has_the_same_pixels_whatever_lies_beside_it(make_table, tmp_path) -> None:
    """Rounded to the deepest film of the set, it had levels that it was never stored with."""
    table = make_table()
    alone = prepare_images(table, size=20, folder=tmp_path / "alone")
    Image.fromarray(np.full((48, 48), 4095, np.uint16)).save(table.frame["path"][0])
    beside = prepare_images(table, size=20, folder=tmp_path / "beside")
    assert beside.tensor([7]).equal(alone.tensor([7]))
    assert beside.table.frame["pixels_sha256"][7] == alone.table.frame["pixels_sha256"][7]


@pytest.mark.slow
@pytest.mark.parametrize("rule", [{"resize": "pad"}, {"resize": "centre-crop"}, {"interpolation": "bicubic"}])
def test_the_folder_records_the_rule_and_another_rule_prepares_anew(make_table, tmp_path, rule) -> None:
    table = make_table()
    wide = np.random.default_rng(1).integers(0, 256, (30, 90), dtype=np.uint8)
    Image.fromarray(wide).save(table.frame["path"][0])
    plain = prepare_images(table, size=24, folder=tmp_path / "out")
    prepared = prepare_images(table, size=24, folder=tmp_path / "out", **rule)
    assert prepared.rule == PreparedImages.load(tmp_path / "out").rule == InputRule(size=24, **rule)
    assert prepared.tensor([0]).equal(to_model_input(read_image(table.frame["path"][0]), prepared.rule))
    assert prepared.sha256 != plain.sha256
    assert plain.rule == InputRule(size=24)


def test_a_rule_that_does_not_exist_is_named(make_table, tmp_path) -> None:
    with pytest.raises(UnknownNameError, match="unknown resize 'crop'; did you mean 'centre-crop'"):
        prepare_images(make_table(), size=24, resize="crop", folder=tmp_path / "out")


@pytest.mark.slow
def test_deep_films_are_prepared_at_eight_bits_in_colour(make_table, tmp_path) -> None:
    table = make_table()
    codes = np.random.default_rng(0).integers(0, 65536, (48, 48), dtype=np.uint16)
    Image.fromarray(codes).save(table.frame["path"][0])
    prepared = prepare_images(table, size=48, channels=3, folder=tmp_path / "out")
    assert (set(prepared.bits), prepared.images.dtype) == ({8}, np.uint8)
    np.testing.assert_array_equal(prepared.images[0], np.repeat(np.rint(codes / 257)[None], 3, axis=0))
    assert prepared.table.frame["stored_bits"][0] == "16"
    assert png_round_trip(prepared.tensor([0]), prepared.depths([0])).equal(prepared.tensor([0]))


@pytest.mark.slow
def test_colour_is_projected_or_kept(make_table, tmp_path) -> None:
    table = make_table()
    Image.new("RGB", (48, 48), (255, 0, 0)).save(table.frame["path"][0])
    grey = prepare_images(table, size=8, folder=tmp_path / "grey").images
    colour = prepare_images(table, size=8, channels=3, folder=tmp_path / "colour").images
    assert set(grey[0].ravel()) == {76}
    assert colour[0].mean(axis=(1, 2)).tolist() == [255, 0, 0]
    assert (colour[1, 0] == grey[1, 0]).all()


@pytest.mark.slow
def test_rotation_of_a_row_is_applied(make_table, tmp_path) -> None:
    table = make_table()
    turned = ImageTable(table.frame.assign(rotation=[5.0] + [0.0] * 35), table.classes)
    prepared = prepare_images(turned, size=48, folder=tmp_path / "out")
    film = torch.from_numpy(read_image(table.frame["path"][0]).pixels)[None]
    expected = (rotate(film, torch.tensor([5.0])) * 255).round()
    torch.testing.assert_close(prepared.tensor([0]) * 255, expected, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_the_hash_of_a_part_ignores_order_and_place_but_not_pixels(make_table, tmp_path) -> None:
    table = split_by_patient(make_table())
    backwards = ImageTable(table.frame.iloc[::-1], table.classes)
    one = prepare_images(table, size=16, folder=tmp_path / "a")
    assert one.part_hash("test") == prepare_images(backwards, size=16, folder=tmp_path / "b").part_hash("test")
    assert one.part_hash("test") != prepare_images(table, size=17, folder=tmp_path / "c").part_hash("test")
    assert one.part_hash("test") != one.part_hash("train")


@pytest.mark.slow
def test_hash_is_the_same_in_another_place(make_table, tmp_path) -> None:
    table = make_table()
    shutil.copytree(tmp_path / "films", tmp_path / "moved")
    moved = ImageTable(table.frame.assign(path=table.frame["path"].str.replace("/films/", "/moved/")), table.classes)
    one = prepare_images(table, size=16, folder=tmp_path / "a")
    assert one.sha256 == prepare_images(moved, size=16, folder=tmp_path / "b").sha256


def test_nothing_readable_or_a_class_lost_or_bad_settings(make_table, tmp_path) -> None:
    table, folder = make_table(classes=("Normal", "Pneumonia")), tmp_path / "out"
    with pytest.raises(PlanError, match="1 or 3 channels"):
        prepare_images(table, size=16, channels=2, folder=folder)
    for path in table.frame["path"][:12]:
        Path(path).write_bytes(b"")
    with pytest.raises(DataError, match="none of the images of class 'Normal' can be read"):
        prepare_images(table, size=16, folder=folder)
    for path in table.frame["path"]:
        Path(path).write_bytes(b"")
    with pytest.raises(DataError, match="none of the 24 images can be read; the first"):
        prepare_images(table, size=16, folder=folder)
    assert not folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), KeyboardInterrupt()])
def test_a_full_disk_or_ctrl_c_leaves_nothing_behind(make_table, tmp_path, monkeypatch, stopped) -> None:
    table, folder = make_table(), tmp_path / "out"

    def fail(*_: object, **__: object) -> None:
        raise stopped

    monkeypatch.setattr(preparing, "_write_header", fail)
    with pytest.raises((StorageError, KeyboardInterrupt)) as caught:
        prepare_images(table, size=16, folder=folder)
    assert not folder.exists()
    if isinstance(stopped, OSError):
        assert "no space left" in str(caught.value)
    monkeypatch.undo()
    assert len(prepare_images(table, size=16, folder=folder)) == 36


@pytest.mark.slow
def test_a_half_set_is_refused_by_name(make_table, tmp_path) -> None:
    folder = tmp_path / "out"
    prepare_images(make_table(), size=16, folder=folder)
    np.save(folder / "images.npy", np.zeros((2, 1, 16, 16), np.uint8))
    with pytest.raises(DataError, match=r"images\.npy was changed after it was written"):
        PreparedImages.load(folder)
    (folder / "prepared.json").unlink()
    with pytest.raises(DataError, match="no whole set"):
        PreparedImages.load(folder)


def test_parallel_keeps_order_over_chunks() -> None:
    assert list(parallel(lambda number: number * 2, iter(range(301)), chunk=7)) == list(range(0, 602, 2))


@pytest.mark.slow
def test_real_films(cxr, tmp_path) -> None:
    names = sorted(cxr.glob("*/*.png"))[::40]
    frame = pd.DataFrame({"image_id": [path.stem for path in names], "path": [str(path) for path in names],
                          "label": [path.parent.name for path in names]})
    prepared = prepare_images(ImageTable(frame), size=320, folder=tmp_path)
    for row, path in enumerate(names):
        np.testing.assert_array_equal(prepared.images[row, 0], np.asarray(Image.open(path)))


@pytest.fixture
def prepared_folder(make_table, tmp_path) -> Path:
    prepare_images(make_table(), size=16, folder=tmp_path / "out")
    return tmp_path / "out"


def changed_record(folder: Path, **changes: object) -> None:
    record = json.loads((folder / "prepared.json").read_text())
    hashes = {name: sha256_file(folder / name) for name in record["sha256"]}
    record = {**record, "sha256": hashes, **changes}
    (folder / "prepared.json").write_text(json.dumps(record))


@pytest.mark.slow
@pytest.mark.parametrize("changes", [
    {"bits": 99}, {"bits": "8"}, {"channels": 2}, {"size": 0}, {"size": 17}, {"classes": ["Normal"]}, {"classes": None},
    {"sha256": {}}, {"sha256": None}, {"inputs": 3}, {"extra": 1}, {"bits": 16}])
def test_a_record_that_contradicts_the_files_is_one_sentence(prepared_folder, changes) -> None:
    changed_record(prepared_folder, **changes)
    with pytest.raises(DataError, match=r"holds no whole set of prepared images \(.*\); prepare them again"):
        PreparedImages.load(prepared_folder)


@pytest.mark.slow
@pytest.mark.parametrize(("change", "words"), [
    (lambda content: content[:-1], "it is damaged"), (lambda content: content + b"x", "it is damaged"),
    (lambda content: content[:100], "no array"), (lambda content: content.replace(b"|u1", b"<u2"), "uint16"),
    (lambda content: content.replace(b"False", b"True "), "shape")])
def test_images_other_than_their_header_are_refused_before_they_are_mapped(prepared_folder, change, words) -> None:
    path = prepared_folder / "images.npy"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError, match=r"images\.npy was changed after it was written"):
        PreparedImages.load(prepared_folder)
    changed_record(prepared_folder)  # with the hash of what lies there
    with pytest.raises(DataError, match=words):
        PreparedImages.load(prepared_folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["table.csv", "left_out.csv"])
def test_tables_changed_by_hand_are_noticed(prepared_folder, name) -> None:
    path = prepared_folder / name
    path.write_text(path.read_text().replace("\n", "\r\n"))
    with pytest.raises(DataError, match=f"{name} was changed after it was written"):
        PreparedImages.load(prepared_folder)
    path.unlink()
    with pytest.raises(DataError, match=f"there is no {name}"):
        PreparedImages.load(prepared_folder)


@pytest.mark.slow
def test_what_was_damaged_is_prepared_anew(make_table, tmp_path) -> None:
    table, folder = make_table(), tmp_path / "out"
    first = prepare_images(table, size=16, folder=folder)
    for name, content in (
            ("images.npy", b""), ("table.csv", b"x"), ("prepared.json", b"{"), ("left_out.csv", b"a,b\n")):
        (folder / name).write_bytes(content)
        assert prepare_images(table, size=16, folder=folder).sha256 == first.sha256


def test_codes_beyond_the_depth_are_refused_when_they_are_read(tmp_path) -> None:
    frame = pd.DataFrame({"image_id": ["a", "b"], "path": "x", "label": ["n", "p"], "bits": [16, 12]})
    codes = np.full((2, 1, 4, 4), 4096, np.uint16)
    images = PreparedImages(tmp_path, ImageTable(frame), codes, InputRule(size=4), (), "")
    assert float(images.tensor([0]).max()) == pytest.approx(4096 / 65535)
    with pytest.raises(DataError, match="holds codes beyond the depth of their images; prepare them again"):
        images.tensor([0, 1])
    sound = PreparedImages(tmp_path, ImageTable(frame), codes - 1, InputRule(size=4), (), "")
    assert float(sound.tensor([1]).max()) == 1.0


def test_preparing_tells_how_far_it_is_and_stops_with_nothing_half_written(make_table, tmp_path) -> None:
    token, told = Cancellation(), []

    def tell(work) -> None:
        told.append((work.description, work.done, work.total))
        if work.done == 5:
            token.cancel()

    with pytest.raises(CancelledError):
        prepare_images(make_table(), size=16, folder=tmp_path / "out", progress=Relay(tell, token))
    assert told[0] == ("reading images", 0, 36)
    assert max(done for _, done, _ in told) == 5
    assert not [name for name in FILES if (tmp_path / "out" / name).exists()]
