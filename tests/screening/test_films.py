from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tiny_dicom import dicom

from radversary.classifiers.card import ModelCard
from radversary.core.errors import DataError, InputError, MissingColumnError
from radversary.data.attacked import ATTACKED
from radversary.data.folders import ClassFolders
from radversary.data.prepare_folder import prepare_images
from radversary.imaging.png import encode_png
from radversary.screening.films import films_at, read_films, refuse_attacked, refuse_attacked_rows
from radversary.screening.screen import screen_place
from radversary.storage.checksums import sha256_file

CARD = ModelCard(name="m", architecture="tiny", classes=("a", "b"), size=32)


@pytest.fixture
def folder(tmp_path, clean):
    for row in range(4):
        (tmp_path / f"f{row}.png").write_bytes(encode_png(clean[row]))
    return tmp_path


def test_a_film_that_several_rows_name_is_learned_from_once(folder):
    (folder / "films.csv").write_text("file,view\nf0.png,AP\n./f0.png,PA\nf1.png,PA\nf0.png,AP\n")
    films = read_films(folder / "films.csv", CARD)
    assert films.names == ("f0.png", "f1.png")
    assert films.groups("view") == ["AP", "PA"]


def test_a_folder_s_films_come_sorted_at_the_classifier_s_size(folder, clean):
    (folder / "notes.txt").write_text("not a film")
    films = read_films(folder, CARD)
    assert films.names == ("f0.png", "f1.png", "f2.png", "f3.png")
    assert films.patients == films.names
    assert torch.allclose(films.images.tensor(range(4)), clean[:4], atol=1 / 500)
    assert read_films(folder, CARD.model_copy(update={"size": 16})).images.tensor(range(4)).shape == (4, 1, 16, 16)


def test_a_table_knows_patients_views_and_age_bands(folder):
    pd.DataFrame({"file": ["f0.png", "f1.png", "f2.png"], "patient_id": ["x", "x", "y"],
                  "View Position": ["AP", "PA", ""], "age": ["61", "79", ""]}).to_csv(folder / "films.csv", index=False)
    films = read_films(folder / "films.csv", CARD)
    assert films.patients == ("x", "x", "y")
    assert films.groups("view") == ["AP", "PA", "unknown"]
    assert films.groups("age") == ["60-79", "60-79", "unknown"]
    assert films.groups(None) is None
    with pytest.raises(InputError, match="known of them: view, age"):
        films.groups("sex")


def test_a_table_of_clean_films_says_where_patients_are_in_doubt_and_counts_a_row_once(folder):
    table = folder / "films.csv"
    table.write_text("file,patient_id\nf0.png,0104\nf1.png,104\nf2.png,105\u2009\nf3.png,105\nf3.png,105.0\n", "utf-8")
    with pytest.warns(UserWarning, match="2 patient ids differ from another only in how they are written"):
        films = read_films(table, CARD, clean=True)
    assert films.patients == ("0104", "104", "105", "105")


@pytest.mark.slow
def test_what_cannot_be_read_is_left_out_and_named(folder, guard):
    (folder / "f1.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    films = read_films(folder, CARD)
    assert len(films.names) == 3
    assert "f1.png" in films.left_out[0]
    found = {item.image: item for item in screen_place(guard, folder)}
    assert len(found) == 4
    assert found["f1.png"].verdict == "refused"
    assert "f1.png" in found["f1.png"].reason
    assert not any(item.verdict == "refused" for name, item in found.items() if name != "f1.png")


def test_dicom_headers_say_whose_a_film_is_and_how_it_was_made(tmp_path):
    dicom(tmp_path / "a.dcm", PatientID="P1", ViewPosition="PA", PatientSex="F", PatientAge="061Y", Modality="DX")
    dicom(tmp_path / "b.dcm", PatientID="P1", ViewPosition="AP", PatientSex="F", PatientAge="061Y", Modality="CR")
    dicom(tmp_path / "c.dcm")
    films = read_films(tmp_path, CARD)
    assert films.patients == ("P1", "P1", "c.dcm")
    assert films.groups("view") == ["PA", "AP", "unknown"]
    assert films.groups("modality") == ["DX", "CR", "unknown"]
    assert films.groups("age") == ["60-79", "60-79", "unknown"]
    assert films.groups("sex") == ["F", "F", "unknown"]


def test_a_table_goes_before_the_header(tmp_path):
    dicom(tmp_path / "a.dcm", PatientID="P1", ViewPosition="PA", Modality="DX")
    pd.DataFrame({"file": ["a.dcm"], "patient_id": ["x"], "view": ["AP"]}).to_csv(tmp_path / "films.csv", index=False)
    films = read_films(tmp_path / "films.csv", CARD)
    assert (films.patients, films.groups("view"), films.groups("modality")) == (("x",), ["AP"], ["DX"])
    pd.DataFrame({"file": ["a.dcm"], "Modality": ["cr"]}).to_csv(tmp_path / "films.csv", index=False)
    films = read_films(tmp_path / "films.csv", CARD)
    assert (films.patients, films.groups("view"), films.groups("modality")) == (("P1",), ["PA"], ["CR"])


def test_attacked_films_are_never_taken_for_clean(folder):
    (folder / ATTACKED).write_text(json.dumps([sha256_file(folder / "f2.png")]))
    assert len(read_films(folder, CARD).names) == 4
    with pytest.raises(DataError, match=r"f2\.png was attacked by radversary"):
        read_films(folder, CARD, clean=True)


def test_links_to_attacked_films_are_never_taken_for_clean(folder):
    (folder / ATTACKED).write_text(json.dumps([sha256_file(folder / "f2.png")]))
    (folder / "clean").mkdir()
    for name in ("f1.png", "f2.png"):
        (folder / "clean" / f"x{name}").symlink_to(folder / name)
    with pytest.raises(DataError, match=r"clean/xf2\.png was attacked by radversary \(.*attacked\.json lists it\)"):
        read_films(folder / "clean", CARD, clean=True)
    (folder / "clean" / "xf2.png").unlink()
    assert read_films(folder / "clean", CARD, clean=True).names == ("xf1.png",)


def two_classes(folder):
    """Four films of two classes, two of which were attacked; one more of them is a link from elsewhere."""
    for row, path in enumerate(sorted(folder.glob("f*.png"))):
        path.rename(folder / f"{'ab'[row % 2]}-{path.name}")
    for label in "ab":
        (folder / "root" / label).mkdir(parents=True)
        for path in folder.glob(f"{label}-*.png"):
            path.rename(folder / "root" / label / path.name)
    (folder / "elsewhere").mkdir()
    (folder / "root" / "b" / "b-f1.png").rename(folder / "elsewhere" / "b-f1.png")
    (folder / "root" / "b" / "b-f1.png").symlink_to(folder / "elsewhere" / "b-f1.png")
    return folder / "root"


def prepared_of(root, out):
    with pytest.warns(UserWarning, match="own patient"):
        return prepare_images(ClassFolders(root=root).table(root), size=32, folder=out)


@pytest.mark.slow
def test_attacked_films_are_not_prepared_and_a_run_that_has_some_teaches_no_guard(folder, tmp_path):
    root = two_classes(folder)
    before = prepared_of(root, tmp_path / "run")
    assert sorted(Path(name).name for name in before.image_ids) == ["a-f0", "a-f2", "b-f1", "b-f3"]
    (root / "a" / ATTACKED).write_text(json.dumps([sha256_file(root / "a" / "a-f2.png")]))
    (folder / "elsewhere" / ATTACKED).write_text(json.dumps([sha256_file(folder / "elsewhere" / "b-f1.png")]))
    split = before.table.frame.assign(split="train")
    earlier = replace(before, table=replace(before.table, frame=split))
    with pytest.raises(DataError, match=r"(a-f2|b-f1)\.png was attacked by radversary"):
        refuse_attacked_rows(earlier, "train")
    after = prepared_of(root, tmp_path / "run")  # what was prepared before the lists were there is not used again
    assert sorted(Path(name).name for name in after.image_ids) == ["a-f0", "b-f3"]
    assert [f"a-f2.png: it was attacked by radversary ({root / 'a' / ATTACKED} lists it)" in "".join(after.left_out),
            "b-f1.png: it was attacked by radversary" in "".join(after.left_out)] == [True, True]
    (root / "a" / ATTACKED).write_text("[")
    with pytest.raises(DataError, match="not a list of attacked films, or is damaged"):
        prepared_of(root, tmp_path / "run")


@pytest.mark.slow
def test_bad_places_are_one_sentence(tmp_path, guard):
    with pytest.raises(DataError, match="does not exist"):
        read_films(tmp_path / "none", CARD)
    with pytest.raises(DataError, match="no image in"):
        read_films(tmp_path, CARD)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(MissingColumnError):
        read_films(tmp_path / "t.csv", CARD)
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="could be read; the first"):
        read_films(tmp_path / "x.png", CARD)
    for place, words in ((tmp_path / "none", "does not exist"), (tmp_path / "t.csv", "has no column 'path'")):
        with pytest.raises(DataError, match=words):
            list(screen_place(guard, place))


@pytest.mark.parametrize("content", ["", "{}", "[1]", '["x"]', "[[", '["' + "0" * 64 + '"', "null"])
def test_a_damaged_list_of_attacked_films_is_one_sentence(tmp_path, folder, content):
    (folder / ATTACKED).write_text(content)
    with pytest.raises(DataError, match=r"attacked\.json is not a list of attacked films, or is damaged"):
        read_films(folder, CARD, clean=True)


def test_a_table_that_names_what_is_not_there_is_no_error_beside_such_a_list(tmp_path, folder):
    (folder / ATTACKED).write_text(json.dumps(["0" * 64]))
    (folder / "t.csv").write_text(f"file\nnone.png\n{'x' * 5000}.png\n")
    refuse_attacked(films_at(folder / "t.csv"))


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_a_film_is_screened_with_the_very_pixels_that_it_was_prepared_with(tmp_path, channels):
    """In a folder of several depths it had 3,834 grey levels when a guard was fitted and 175 when it was screened."""
    rng = np.random.default_rng(0)
    for number, (top, kind) in enumerate([(256, np.uint8), (65536, np.uint16)] * 3):
        path = tmp_path / "films" / ("Normal", "Pneumonia")[number // 3] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, top, (50, 30)).astype(kind)).save(path)
    card = CARD.model_copy(update={"size": 24, "channels": channels})
    films = read_films(tmp_path / "films", card)
    with pytest.warns(UserWarning, match="own patient"):
        table = ClassFolders(root=tmp_path / "films").table(tmp_path)
    prepared = prepare_images(table, size=24, channels=channels, folder=tmp_path / "out")
    assert [Path(name).stem for name in films.names] == prepared.image_ids
    assert films.images.tensor(range(6)).equal(prepared.tensor(range(6)))
    assert set(prepared.bits) == ({8, 16} if channels == 1 else {8})
