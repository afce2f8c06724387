"""Films, patients and files are told apart by facts, not by names taken at face value."""

from __future__ import annotations

import os
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_dicom import write as write_dicom

from radversary.core.errors import DataError, UnreadableImageError
from radversary.data.checks import check_data
from radversary.data.csv_files import read_csv
from radversary.data.csv_table import CsvTable
from radversary.data.files import films_under
from radversary.data.folders import ClassFolders
from radversary.data.nih import NihChestXray14
from radversary.data.prepare_folder import prepare_images
from radversary.data.prepared import PreparedImages
from radversary.data.splits import split_by_patient
from radversary.data.table import ImageTable

pytestmark = pytest.mark.filterwarnings("ignore:the patients of")


def film(path: Path, seed: int | None = None, **how: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(zlib.crc32(os.fsencode(path)) if seed is None else seed)
    Image.fromarray(rng.integers(0, 256, (40, 40), dtype=np.uint8)).save(path, format=how.get("format", "PNG"))
    return path


def restarted(root: Path, header: str, row: str, count: int = 4) -> Path:
    """Class folders whose numbering restarts, and a table with one line each."""
    lines = [header]
    for offset, label in ((0, "Normal"), (100, "Pneumonia")):
        for number in range(1, count + 1):
            film(root / label / f"{number:04d}.png")
            lines.append(row.format(name=f"{number:04d}", label=label, lower=label.lower(), patient=offset + number))
    (root / "labels.csv").write_text("\n".join(lines) + "\n")
    return root


def patients(table: ImageTable) -> dict[str, str]:
    return {f"{Path(path).parent.name}/{Path(path).name}": patient
            for path, patient in zip(table.frame["path"], table.frame["patient_id"], strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize(("header", "row"), [
    ("file,class,patient_id", "{name}.png,{label},P{patient}"), ("file,class,patient_id", "{name},{lower},P{patient}"),
    ("image_id,label,patient_id", "{name}, {label} ,P{patient}"), ("file,patient_id", "{label}/{name}.png,P{patient}"),
    ("file,patient_id", "{label}/{name},P{patient}"), ("file,patient_id", "films\\{label}\\{name}.png,P{patient}"),
    ("file,patient_id", "./{label}/{name}.png ,P{patient}"), (" File ,PATIENT_ID ", "{label}/{name}.png,P{patient}")])
def test_equal_names_in_two_class_folders_are_joined_by_class_or_path(tmp_path, header, row) -> None:
    table = ClassFolders(root=restarted(tmp_path / "films", header, row)).table(tmp_path)
    assert patients(table) == {f"{label}/{number:04d}.png": f"P{offset + number}" for offset, label in (
        (0, "Normal"), (100, "Pneumonia")) for number in range(1, 5)}
    assert table.left_out == ()


@pytest.mark.parametrize(("header", "row"), [
    ("file,patient_id", "{name}.png,P{patient}"), ("image_id,patient_id", "{name},P{patient}"),
    ("file,class,patient_id", "{name}.png,1,P{patient}")])
def test_a_join_that_facts_cannot_settle_is_refused_by_name(tmp_path, header, row) -> None:
    root = restarted(tmp_path, header, row)
    with pytest.raises(DataError, match=r"names '0001(\.png)?', which may be Normal/0001.png or Pneumonia/0001.png"):
        ClassFolders(root=root).table(tmp_path)


def test_rows_that_say_different_things_of_one_film_are_refused_and_equal_ones_are_one(tmp_path) -> None:
    for name in ("Normal/1.png", "Pneumonia/2.png"):
        film(tmp_path / name)
    (tmp_path / "labels.csv").write_text("file,class,patient_id\n1.png,Normal,7\n1.png,Normal,7.0\n2.png,Pneumonia,8\n")
    assert ClassFolders(root=tmp_path).table(tmp_path).frame["patient_id"].tolist() == ["7", "8"]
    (tmp_path / "labels.csv").write_text("file,class,patient_id\n1.png,Normal,7\nNormal/1.png,Normal,9\n")
    with pytest.raises(DataError, match=r"speaks of 'Normal/1.png' in rows 2 and 3, which differ"):
        ClassFolders(root=tmp_path).table(tmp_path)


def test_a_namesake_of_another_class_is_missing_not_joined(tmp_path) -> None:
    root = restarted(tmp_path, "file,class,patient_id", "{name}.png,{label},P{patient}")
    (root / "Normal" / "0002.png").unlink()
    table = ClassFolders(root=root).table(tmp_path)
    assert patients(table)["Pneumonia/0002.png"] == "P102"
    assert [name for name, _ in table.left_out] == ["0002.png"]


def test_the_split_of_the_folders_settles_a_name_too(tmp_path) -> None:
    for part in ("train", "test"):
        for label in ("Normal", "Pneumonia"):
            film(tmp_path / part / label / "1.png")
    (tmp_path / "labels.csv").write_text("file,class,split,patient_id\n" + "".join(
        f"1.png,{label},{part},{label[0]}{part}\n" for label in ("Normal", "Pneumonia") for part in ("train", "test")))
    frame = ClassFolders(root=tmp_path).table(tmp_path).frame
    assert (frame["patient_id"] == frame["label"].str[0] + frame["split"]).all()


def test_a_table_of_another_class_than_the_folder_is_counted(tmp_path) -> None:
    for name in ("Normal/1.png", "Pneumonia/2.png"):
        film(tmp_path / name)
    (tmp_path / "labels.csv").write_text("file,class,patient_id\nNormal/1.png,Pneumonia,7\n"
                                         "Pneumonia/2.png,Pneumonia,8\n")
    table = ClassFolders(root=tmp_path).table(tmp_path)
    assert table.notes == ("the table's class differs from the folder's for 1 of 2 films; the folder's was taken",)
    assert table.frame["label"].tolist() == ["Normal", "Pneumonia"]


def nih(root: Path, *rows: str) -> Path:
    (root / "Data_Entry_2017.csv").write_text("\n".join([
        "Image Index,Finding Labels,Follow-up #, Patient ID ,Patient Age", *rows]) + "\n")
    return root


def test_nih_files_of_one_name_that_differ_are_refused_and_copies_count_once(tmp_path) -> None:
    for place, seed in (("images_001", 1), ("images_002", 1)):
        film(tmp_path / place / "1.png", seed)
    film(tmp_path / "images_002" / "2.png")
    root = nih(tmp_path, " 1.png ,No Finding,0,7.0,50", "2.png, Pneumonia ,0, 8,50", "3.png,Pneumonia,0,9,50")
    table = NihChestXray14(root=root).table(tmp_path)
    assert table.frame[["image_id", "label", "patient_id"]].to_numpy().tolist() == [
        ["1", "Normal", "7"], ["2", "Pneumonia", "8"]]
    assert [name for name, _ in table.left_out] == ["3.png"]
    film(tmp_path / "images_003" / "1.png", 2)
    with pytest.raises(DataError, match="have one name and differ"):
        NihChestXray14(root=root).table(tmp_path)


@pytest.mark.parametrize("spelt", [
    ("104", "104 "), ("104", " 104"), ("104", "104.0"), ("104", "104.00"), ("104", '"104"'), ("104", ' "104" '),
    ("104", "104\xa0"), ("P7", "P7\t"), ("104", "\u200b104"), ("-3", "-3.0")])
def test_one_patient_is_one_however_the_cell_is_formatted(tmp_path, spelt) -> None:
    (tmp_path / "t.csv").write_text(f"file,label,patient_id\na.png,Normal,{spelt[0]}\nb.png,Pneumonia,{spelt[1]}\n")
    assert CsvTable(path=tmp_path / "t.csv").table(tmp_path).frame["patient_id"].tolist() == [spelt[0]] * 2


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["", " ", "nan", "NaN", "None", "N/A", "null", "unknown", "-", "Anonymous"])
def test_what_stands_for_nobody_is_no_patient(tmp_path, cell) -> None:
    (tmp_path / "t.csv").write_text(f"file,label,patient_id\na.png,Normal,{cell}\nb.png,Pneumonia,{cell}\n")
    table = CsvTable(path=tmp_path / "t.csv").table(tmp_path)
    assert not table.patients_known
    assert table.frame["patient_id"].nunique() == 2


@pytest.mark.parametrize("table", [
    "file,label,patient_id\na.png,Normal ,7\nb.png, Pneumonia,8\nc.png,\"Normal\" ,9\n",
    "file,label,patient_id\na.png,Normal,7,\nb.png,Pneumonia,8,\nc.png,Normal,9,\n",
    "file,label,patient_id,\na.png,Normal,7,\nb.png,Pneumonia,8,\nc.png,Normal,9,\n",
    "file,label,patient_id\na.png,Normal,7, ,\nb.png,Pneumonia,8\nc.png,Normal,9,\n",
    "\ufeff\"file\",\"label\",\"patient_id\"\r\na.png,Normal,7\r\nb.png,Pneumonia,8\r\n\r\nc.png,Normal,9\r\n,,\r\n",
    " file , label , patient_id \na.png,Normal,7\nb.png,Pneumonia,8\nc.png,Normal,9\n",
    "File,Label,Patient_ID\na.png ,Normal,7\n b.png,Pneumonia,8\nc.png,Normal,9.0\n"])
def test_blanks_and_commas_that_mean_nothing_change_nothing(tmp_path, table) -> None:
    (tmp_path / "t.csv").write_text(table, "utf-8", newline="")
    found = CsvTable(path=tmp_path / "t.csv").table(tmp_path)
    assert found.frame[["image_id", "label", "patient_id"]].to_numpy().tolist() == [
        ["a", "Normal", "7"], ["b", "Pneumonia", "8"], ["c", "Normal", "9"]]
    assert found.frame["path"].tolist() == [str(tmp_path / f"{name}.png") for name in "abc"]


def test_a_cell_beyond_the_header_is_named(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("file,label\na.png,Normal\nb.png,Pneumonia,left\n")
    with pytest.raises(DataError, match="row 3 has 3 cells, the header 2: the first too many is 'left'"):
        CsvTable(path=tmp_path / "t.csv").table(tmp_path)


def test_labels_that_are_numbers_are_one_class_each(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("file,label\na.png,0\nb.png,0.0\nc.png,1\nd.png, 1.0\n")
    assert CsvTable(path=tmp_path / "t.csv").table(tmp_path).classes == ("0", "1")


def test_a_file_whose_name_ends_in_a_blank_is_found_as_it_is_written(tmp_path) -> None:
    film(tmp_path / "a.png "), film(tmp_path / "b.png")
    (tmp_path / "t.csv").write_text("file,label\na.png ,Normal\nb.png ,Pneumonia\n")
    paths = CsvTable(path=tmp_path / "t.csv").table(tmp_path).frame["path"]
    assert paths.tolist() == [str(tmp_path / "a.png "), str(tmp_path / "b.png")]


@pytest.mark.slow
def test_leading_zeros_and_case_are_warned_of_not_merged(tmp_path) -> None:
    lines = ["file,label,patient_id"]
    for number, (label, patient) in enumerate([("Normal", "007"), ("normal", "7"), ("Pneumonia", "P08"),
                                               ("Pneumonia", "p8"), ("Normal", "70")]):
        film(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{label},{patient}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    table = CsvTable(path=tmp_path / "t.csv").table(tmp_path)
    assert table.frame["patient_id"].nunique() == 5
    warned = " ".join(check_data(prepare_images(table, size=32, folder=tmp_path / "out")).warnings)
    assert "4 patient ids differ from another only in how they are written" in warned
    assert "2 classes differ from another only in how they are written ('Normal' and 'normal')" in warned


def headed(root: Path, rows: list[tuple[str, dict[str, object]]], **more: object) -> Path:
    rng = np.random.default_rng(0)
    for name, tags in rows:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        samples = rng.integers(0, 256, (64, 64), dtype=np.uint8)
        write_dicom(root / name, samples, **{"Modality": "CR", **more, **tags})
    return root


def wards(root: Path, count: int = 8, **tags: object) -> Path:
    """Two films of each of ``count`` patients a class; view tells the classes apart."""
    return headed(root, [(f"{label}/film{number}{place}.dcm", {
        "PatientID": f"HX-{label[0]}{number}", "ViewPosition": view, "PatientSex": "F", "PatientAge": "045Y", **tags})
        for label, view in (("Normal", "PA"), ("Pneumonia", "AP")) for number in range(count) for place in "ab"])


@pytest.mark.slow
def test_patients_and_views_come_from_the_headers(tmp_path) -> None:
    table = ClassFolders(root=wards(tmp_path / "films")).table(tmp_path)
    assert table.patients_known
    frame = table.frame
    assert frame["patient_id"].nunique() == 16
    assert (frame["view"] == frame["label"].map({"Normal": "PA", "Pneumonia": "AP"})).all()
    assert (set(frame["sex"]), set(frame["age"]), set(frame["modality"])) == ({"F"}, {45.0}, {"CR"})
    report = check_data(prepare_images(split_by_patient(table), size=32, folder=tmp_path / "out"))
    assert report.errors == ()
    assert report.estimates["view"].value == 1
    assert report.proved == ("no patient is in two parts", "no film is in two parts")
    assert report.unproved == ()


def test_a_csv_without_patients_takes_them_from_the_headers(tmp_path) -> None:
    wards(tmp_path, count=2)
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.dcm"))
    (tmp_path / "t.csv").write_text("file,label\n" + "".join(f"{name},{name.split('/')[0]}\n" for name in names))
    table = CsvTable(path=tmp_path / "t.csv").table(tmp_path)
    assert table.patients_known
    assert set(table.frame["view"]) == {"PA", "AP"}


@pytest.mark.slow
def test_the_table_wins_over_the_header_and_contradictions_are_counted(tmp_path) -> None:
    root = wards(tmp_path / "films", count=4)
    lines = ["file,patient_id,view,age"]
    for path in sorted(root.rglob("*.dcm")):
        label, number = path.parent.name, path.stem[4]
        patient = "other" if number == "0" else f"hx-{label[0]}0{number}"  # spelt otherwise is no contradiction
        lines.append(f"{label}/{path.name},{patient},{'LL' if number == '1' else ''},{46 if number != '2' else 60}")
    (root / "labels.csv").write_text("\n".join(lines))
    table = ClassFolders(root=root).table(tmp_path)
    assert table.notes == tuple(
        f"table and DICOM headers contradict each other on {what} for 4 of {both} films of which both say it; the "
        "table was believed" for what, both in (("patient", 16), ("view", 4), ("age", 16)))
    assert (table.frame["patient_id"] == "other").sum() == 4
    assert (table.frame["view"] == "LATERAL").sum() == 4
    prepared = prepare_images(table, size=32, folder=tmp_path / "out")
    assert set(table.notes) <= set(check_data(prepared).warnings)
    assert not any("HX" in text for text in check_data(prepared).warnings)


def test_the_header_goes_before_the_pattern_and_the_pattern_fills_in(tmp_path) -> None:
    headed(tmp_path, [("Normal/12_a.dcm", {"PatientID": "HX1"}), ("Normal/13_a.dcm", {"PatientID": "Anonymous"}),
                      ("Pneumonia/14_a.dcm", {})])
    frame = ClassFolders(root=tmp_path, patient_pattern=r"(\d+)_").table(tmp_path).frame
    assert frame["patient_id"].tolist() == ["HX1", "13", "14"]


@pytest.mark.slow
def test_a_damaged_header_stops_nobody(tmp_path) -> None:
    root = wards(tmp_path / "films", count=2)
    whole = (root / "Normal" / "film0a.dcm").read_bytes()
    (root / "Normal" / "film0a.dcm").write_bytes(whole[:150])
    table = ClassFolders(root=root).table(tmp_path)
    assert len(prepare_images(table, size=32, folder=tmp_path / "out")) == 7


@pytest.mark.slow
def test_nothing_is_proved_of_unknown_patients_or_an_undivided_table(make_table, tmp_path) -> None:
    table = make_table()
    undivided = check_data(prepare_images(table, size=32, folder=tmp_path / "a"))
    assert undivided.proved == ()
    assert undivided.unproved == tuple(f"whether a {what} is in two parts: 36 of 36 images are in no part"
                                       for what in ("patient", "film"))
    strangers = ImageTable(table.frame.assign(patient_id=["", *table.frame["patient_id"][1:]]))
    report = check_data(prepare_images(split_by_patient(strangers), size=32, folder=tmp_path / "b"))
    assert report.proved == ("no film is in two parts",)
    assert report.unproved == ("whether a patient is in two parts: the patients of 1 of 36 images are not known",)
    alone = check_data(prepare_images(table.with_split(["test"] * 36), size=32, folder=tmp_path / "c"))
    assert alone.proved == ()
    assert all("all images are in one part" in text for text in alone.unproved)


def test_links_are_followed_loops_end_and_a_film_reached_twice_counts_once(tmp_path) -> None:
    root, disk = tmp_path / "root", tmp_path / "disk"
    own = [film(root / "a" / "1.png"), film(root / "b" / "2.png")]
    film(disk / "3.png"), film(disk / "deep" / "4.png")
    (root / "other").symlink_to(disk)
    (root / "relative").symlink_to("../disk/deep")
    (disk / "back").symlink_to(root)
    (root / "a" / "loop").symlink_to("..")
    (root / "a" / "self").symlink_to(".")
    (root / "again.png").symlink_to("b/2.png")
    (root / "0_first_in_order.png").symlink_to("a/1.png")
    os.link(own[0], root / "hard.png")
    found = [path.relative_to(root).as_posix() for path in films_under(root)]
    assert {"a/1.png", "b/2.png", "other/3.png"} <= set(found)
    assert len(found) == 5  # with the hard link, which is a name like any other, and deep/4.png by one of its two ways
    assert len([name for name in found if name.endswith("4.png")]) == 1


@pytest.mark.slow
def test_links_that_lead_nowhere_are_missed_by_name(tmp_path) -> None:
    for name in ("Normal/1.png", "Pneumonia/2.png"):
        film(tmp_path / "films" / name)
    (tmp_path / "films" / "Normal" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "films" / "Normal" / "circle.png").symlink_to("circle.png")
    prepared = prepare_images(ClassFolders(root=tmp_path / "films").table(tmp_path), size=32, folder=tmp_path / "out")
    assert len(prepared) == 2
    assert len(prepared.left_out) == 2
    assert all(any(name in reason for reason in prepared.left_out) for name in ("gone.png", "circle.png"))


def test_linked_class_folders_and_a_film_linked_into_another_class(tmp_path) -> None:
    root = tmp_path / "films"
    film(root / "Normal" / "1.png"), film(tmp_path / "disk" / "pneu" / "2.png")
    (root / "Pneumonia").symlink_to(tmp_path / "disk" / "pneu")
    (tmp_path / "disk" / "pneu" / "3.png").symlink_to(root / "Normal" / "1.png")
    table = ClassFolders(root=root).table(tmp_path)
    assert table.frame[["label", "image_id"]].to_numpy().tolist() == [["Normal", "1"], ["Pneumonia", "2"]]
    assert [Path(name).name for name, _ in table.left_out] == ["3.png"]


@pytest.mark.slow
def test_what_a_source_misses_is_counted_and_listed(tmp_path) -> None:
    root = nih(tmp_path / "nih", *(f"{n}.png,{'Pneumonia' if n % 2 else 'No Finding'},0,{n},50" for n in range(24))) \
        if (tmp_path / "nih").mkdir() is None else tmp_path
    for number in range(12):
        film(root / "images" / f"{number}.png")
    prepared = prepare_images(NihChestXray14(root=root).table(tmp_path), size=32, folder=tmp_path / "out")
    assert len(prepared) == 12
    assert sorted(read_csv(tmp_path / "out" / "left_out.csv")["path"]) == sorted(f"{n}.png" for n in range(12, 24))
    assert "cannot read 12.png: Data_Entry_2017.csv names it" in prepared.left_out[0]
    film(root / "images" / "12.png")
    again = prepare_images(NihChestXray14(root=root).table(tmp_path), size=32, folder=tmp_path / "out")
    assert (len(again), len(again.left_out)) == (13, 11)
    folder = restarted(tmp_path / "folder", "file,class,patient_id", "{name}.png,{label},P{patient}")
    shutil.rmtree(folder / "Pneumonia")
    film(folder / "Pneumonia" / "0001.png")
    film(folder / "loose.png")
    left_out = ClassFolders(root=folder).table(tmp_path).left_out
    assert sorted(Path(name).name for name, _ in left_out) == ["0002.png", "0003.png", "0004.png", "loose.png"]


@pytest.mark.slow
@pytest.mark.parametrize("names", [
    ("train", "val", "test"), ("Train", "VALIDATION", "Test"), ("training", "valid", "testing"), ("train", "test"),
    ("train_set", "val_set", "test_set"), ("01_train", "02_val", "03_test")])
@pytest.mark.parametrize("order", ["part/class", "class/part"])
def test_folders_of_a_split_are_no_classes(tmp_path, names, order) -> None:
    for part in names:
        for label in ("Normal", "Pneumonia"):
            folder = tmp_path / part / label if order == "part/class" else tmp_path / label / part
            film(folder / f"{part}{label}.png")
    table = ClassFolders(root=tmp_path).table(tmp_path)
    assert table.classes == ("Normal", "Pneumonia")
    wanted = {"tr": "train", "va": "validation", "te": "test"}
    for _, row in table.frame.iterrows():
        named = next(part for part in names if part in str(row["image_id"]))
        assert row["split"] == wanted[named.lower().lstrip("0123_")[:2]]
        assert row["label"] in str(row["image_id"])


@pytest.mark.parametrize(("names", "says"), [
    (("train/1.png", "test/2.png"), "holds test, train with no class folders below"),
    (("train/Normal/1.png", "Normal/2.png", "Pneumonia/3.png"), "holds train, by name a part of a split, beside No")])
def test_a_split_without_classes_or_beside_classes_is_refused(tmp_path, names, says) -> None:
    for name in names:
        film(tmp_path / name)
    with pytest.raises(DataError, match=says):
        ClassFolders(root=tmp_path).table(tmp_path)


AWKWARD = ["caf\udce9.png", "new\nline.png", "tab\tand\x1b[31mred.png", "comma,quote\".png", "\udcff\udcfe.png",
           " .png"]


@pytest.mark.slow
def test_awkward_file_names_are_read_and_written_with_escapes(tmp_path) -> None:
    for label in ("Normal", "Pneumonia"):
        for number, name in enumerate(AWKWARD):
            film(tmp_path / "films" / label / name, number)
    (tmp_path / "films" / "Normal").rename(tmp_path / "films" / "Normal\udcff")
    (tmp_path / "films" / "Pneumonia" / "damaged\udcff.png").write_text("no film")
    table = split_by_patient(ClassFolders(root=tmp_path / "films").table(tmp_path))
    prepared = prepare_images(table, size=32, folder=tmp_path / "out")
    assert len(prepared) == 2 * len(AWKWARD)
    assert prepared.classes == ("Normal\\udcff", "Pneumonia")
    assert all(name.isprintable() for name in prepared.image_ids)
    assert len(set(prepared.image_ids)) == len(prepared)
    assert "damaged\\udcff.png: by its content" in prepared.left_out[0]
    assert check_data(prepared).save(tmp_path / "check.json").is_file()
    again = PreparedImages.load(tmp_path / "out")
    assert again.image_ids == prepared.image_ids
    assert again.sha256 == prepare_images(table, size=32, folder=tmp_path / "out").sha256


def test_an_unreadable_film_is_named_with_escapes(tmp_path) -> None:
    path = tmp_path / "a\x1b[31m\n\udcff.png"
    path.write_text("no film")
    from radversary.data.reading import read_image

    with pytest.raises(UnreadableImageError) as caught:
        read_image(path)
    assert str(caught.value).isprintable()
    assert "a\\x1b[31m\\n\\udcff.png" in str(caught.value)


def test_only_films_count_as_films(tmp_path) -> None:
    kept = [film(tmp_path / "a" / name) for name in ("1.png", "2.PNG", "no_ending", "4.json")]
    kept += [film(tmp_path / "a" / "5.jpg", format="JPEG")]
    damaged = tmp_path / "a" / "6.png"
    damaged.write_text("no film, and named as one")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "1.json", "notes.txt", "labels.csv", "._1.png", "LICENSE"):
        (tmp_path / "a" / name).write_text("x" * 200)
    film(tmp_path / "__MACOSX" / "a" / "1.png"), film(tmp_path / ".hidden" / "1.png")
    assert films_under(tmp_path) == sorted([*kept, damaged])


@pytest.mark.slow
def test_file_kind_is_told_by_content(tmp_path) -> None:
    for number in range(12):
        film(tmp_path / "Normal" / f"a{number}.png", format="JPEG"), film(tmp_path / "Pneumonia" / f"b{number}.png")
    table = split_by_patient(ClassFolders(root=tmp_path).table(tmp_path))
    prepared = prepare_images(table, size=32, folder=tmp_path / "out")
    assert set(zip(prepared.table.frame["label"], prepared.table.frame["kind"], strict=True)) == {
        ("Normal", "JPEG"), ("Pneumonia", "PNG")}
    report = check_data(prepared)
    assert report.estimates["file kind"].value == 1
    assert any("file kind alone reaches 100.0 %" in text for text in report.warnings)
