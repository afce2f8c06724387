"""What lies at a path is recognised: folders, tables, archives, arrays, DICOM trees."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_dicom import write

from radversary.cli.data import source_of
from radversary.core.errors import DataError, MissingColumnError, PlanError, RadversaryError, UnknownNameError
from radversary.core.types import Task
from radversary.data.auto_source import AutoSource
from radversary.data.csv_table import CsvTable
from radversary.data.dicom_tree import DicomTree
from radversary.data.folders import ClassFolders
from radversary.data.image_folder import ImageFolder
from radversary.data.medmnist import CLASSES, MedMnist
from radversary.data.nih import NihChestXray14
from radversary.data.places import check_source
from radversary.data.recognise import recognise
from radversary.data.registry import DATASETS
from radversary.data.table import ImageTable
from radversary.data.zipped import ZippedSource
from radversary.study.class_order import in_order


def films(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 10 + number, np.uint8)).save(root / name)
    return root


def text(root: Path, name: str, *lines: str) -> Path:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join(lines) + "\n")
    return root / name


def auto(root: Path, workspace: Path, **options: object) -> ImageTable:
    return AutoSource(root=root, options=options).table(workspace / "work")


def archive(path: Path, root: Path, *, below: str = "") -> Path:
    with ZipFile(path, "w", ZIP_DEFLATED) as opened:
        for file in sorted(root.rglob("*")):
            if file.is_file():
                opened.write(file, f"{below}{file.relative_to(root).as_posix()}")
    return path


@pytest.mark.slow
def test_class_folders_with_and_without_a_split(tmp_path) -> None:
    plain = films(tmp_path / "a", "Normal/1.png", "Pneumonia/2.png")
    assert recognise(plain).what == "class folders: Normal, Pneumonia"
    assert auto(plain, tmp_path).classes == ("Normal", "Pneumonia")
    split = films(tmp_path / "b", *(f"{part}/{label}/{part}{label}.png" for part in ("train", "valid", "test")
                                    for label in "AB"))
    table = auto(split, tmp_path)
    assert recognise(split).name == "folder"
    assert table.frame["split"].value_counts().to_dict() == {"train": 2, "validation": 2, "test": 2}


@pytest.mark.parametrize("names", [("1.png", "2.png"), ("p1/1.png", "p7/2.png"), ("p1/s1/1.png", "p2/s1/2.png"),
                                   tuple(f"{n:05d}/{n}.png" for n in range(12))])
def test_films_without_class_folders_are_unlabelled(tmp_path, names) -> None:
    root = films(tmp_path / "films", *names)
    assert recognise(root).options["labels"] == "none"
    table = auto(root, tmp_path)
    assert (table.labelled, len(table), table.classes) == (False, len(names), ())
    assert any("films without labels" in note for note in table.notes)


def test_folders_called_by_few_numbers_are_classes(tmp_path) -> None:
    assert recognise(films(tmp_path, "0/1.png", "1/2.png", "2/3.png")).name == "folder"
    assert "labels" not in recognise(tmp_path).options


@pytest.mark.slow
def test_labels_none_takes_class_folders_without_their_names(tmp_path) -> None:
    root = films(tmp_path / "x", "Normal/1.png", "Pneumonia/2.png")
    table = ClassFolders(root=root, labels="none", patient_pattern=r"(\d)").table(tmp_path)
    assert not table.labelled
    assert table.frame["patient_id"].tolist() == ["1", "2"]
    assert not auto(root, tmp_path, labels="none").labelled
    check_source("auto", {"root": str(root), "labels": "none"})  # there is no table of that name to look for
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no film"):
        ClassFolders(root=tmp_path / "empty", labels="none").table(tmp_path)


@pytest.mark.slow
def test_a_table_beside_films(tmp_path) -> None:
    root = films(tmp_path / "x", "a.png", "b.png")
    text(root, "anything.csv", "file,label", "a.png,Normal", "b.png,Mass")
    text(root, "notes.csv", "question,answer", "1,2")
    found = recognise(root)
    assert (found.name, found.what) == ("csv", "a table of films (anything.csv)")
    assert auto(root, tmp_path).classes == ("Mass", "Normal")
    assert recognise(root / "anything.csv").name == "csv"
    text(root, "second.csv", "file,label", "a.png,Normal")
    with pytest.raises(DataError, match=r"2 tables .*anything.csv, second.csv.*name one with --labels"):
        recognise(root)
    assert recognise(root, table=root / "second.csv").options["path"].endswith("second.csv")


def test_a_table_without_labels(tmp_path) -> None:
    root = films(tmp_path / "x", "a.png", "b.png")
    text(root, "t.csv", "file,patient_id", "a.png,1", "b.png,2")
    table = auto(root, tmp_path)
    assert (table.labelled, table.patients_known) == (False, True)


@pytest.mark.slow
def test_nih_is_recognised_by_its_table(tmp_path) -> None:
    root = films(tmp_path / "x", "images_001/images/1.png", "images_002/images/2.png")
    text(root, "Data_Entry_2017_v2020.csv", "Image Index,Finding Labels,Patient ID", "1.png,Mass|Edema,1",
         "2.png,No Finding,2")
    assert recognise(root).name == "nih"
    assert auto(root, tmp_path, policy="multilabel").labels.sum(axis=1).tolist() == [2, 0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize("split", [True, False])
def test_metadata_of_an_imagefolder(tmp_path, kind, split) -> None:
    root, places = tmp_path / "x", ("train", "test") if split else ("",)
    for place in places:
        films(root / place, f"images/{place}1.png", f"{place}2.png")
        rows = [{"file_name": f"images/{place}1.png", "label": "Mass", "age": 7}, {
            "file_name": f"{place}2.png", "label": "Normal", "age": None}]
        lines = [json.dumps(row) for row in rows] if kind == "jsonl" else [
            "file_name,label,age", *(f"{row['file_name']},{row['label']},{row['age'] or ''}" for row in rows)]
        text(root / place, f"metadata.{kind}", *lines)
    assert recognise(root).name == "imagefolder"
    table = auto(root, tmp_path)
    assert all(Path(path).is_file() for path in table.frame["path"])
    assert table.frame["label"].tolist() == ["Mass", "Normal"] * len(places)
    assert set(table.frame["split"]) == set(places)
    assert table.frame["age"].fillna(0).tolist()[:2] == [7, 0]


def test_lists_in_metadata_are_findings(tmp_path) -> None:
    root = films(tmp_path / "x", "1.png", "2.png", "3.png")
    text(root, "metadata.jsonl", '{"file_name": "1.png", "labels": ["Mass", "Edema"], "boxes": [[1, 2]]}',
         '{"file_name": "2.png", "labels": ["Mass"]}', '{"file_name": "3.png", "labels": ["No Finding"]}')
    table = ImageFolder(root=root).table(tmp_path)
    assert (table.task, table.classes) == (Task.MULTILABEL, ("Edema", "Mass"))
    assert table.labels.tolist() == [[1, 1], [0, 1], [0, 0]]


@pytest.mark.parametrize(("lines", "says"), [(("{",), "line 1 of .* is no JSON"), (("[1]",), "no JSON object"),
                                             (('{"label": "x"}',), "file_name")])
def test_metadata_that_is_none(tmp_path, lines, says) -> None:
    text(tmp_path, "metadata.jsonl", *lines)
    with pytest.raises((DataError, MissingColumnError), match=says):
        ImageFolder(root=tmp_path).table(tmp_path)


@pytest.mark.slow
def test_a_zip_is_what_it_holds_and_is_unpacked_once(tmp_path) -> None:
    root = films(tmp_path / "x", "Normal/1.png", "Pneumonia/2.png")
    text(root, ".hidden/x.txt", "x")
    path = archive(tmp_path / "films.zip", root, below="films/")
    assert recognise(path).name == "zip"
    table = auto(path, tmp_path)
    assert table.classes == ("Normal", "Pneumonia")
    assert any("archive was taken for class folders" in note for note in table.notes)
    first = Path(table.frame["path"][0])
    assert first.read_bytes() == (root / "Normal/1.png").read_bytes()
    before = first.stat().st_mtime_ns
    assert Path(auto(path, tmp_path).frame["path"][0]).stat().st_mtime_ns == before
    archive(path, films(root, "Normal/3.png"))
    assert len(auto(path, tmp_path)) == 3
    assert not auto(path, tmp_path, labels="none").labelled
    text(root, "t.csv", "file,label", "Normal/1.png,x", "Pneumonia/2.png,y")
    named = ZippedSource(path=archive(path, root), source="csv", options={"path": "t.csv"}).table(tmp_path)
    assert named.classes == ("x", "y")


@pytest.mark.parametrize(("name", "says"), [
    ("../out.png", "leads out"), ("/etc/out.png", "leads out"), ("C:\\out.png", "leads out"),
    ("a/../../b.png", "leads out"),
    ("link", "is a link"), ("bomb.png", "bytes packed into"), ("twice.png", "twice")])
def test_an_archive_that_cannot_be_trusted_is_refused_whole(tmp_path, name, says) -> None:
    path = tmp_path / "bad.zip"
    with ZipFile(path, "w", ZIP_DEFLATED) as opened:
        opened.writestr("Normal/good.png", b"x")
        info = ZipInfo(name)
        info.compress_type = ZIP_DEFLATED
        if name == "link":
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(info, bytes(2**23) if name == "bomb.png" else b"/etc/passwd")
        if name == "twice.png":
            with pytest.warns(UserWarning, match="Duplicate"):
                opened.writestr("twice.png", b"y")
    with pytest.raises(DataError, match=says):
        ZippedSource(path=path).table(tmp_path / "work")
    assert not list((tmp_path / "work").rglob("*.png"))
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive", bytes(100)])
def test_a_file_that_is_no_archive(tmp_path, content) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(DataError, match="no ZIP archive"):
        ZippedSource(path=tmp_path / "x.zip").table(tmp_path / "work")


def test_a_damaged_archive_leaves_nothing(tmp_path) -> None:
    path = archive(tmp_path / "x.zip", films(tmp_path / "x", "A/1.png", "B/2.png"))
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match="no ZIP archive that can be read"):
        ZippedSource(path=path).table(tmp_path / "work")
    assert not list((tmp_path / "work").rglob("*.png"))


def arrays(path: Path, count: int = 6, shape: tuple[int, ...] = (28, 28), labels: int = 2, width: int = 1) -> Path:
    rng = np.random.default_rng(0)
    np.savez(path, **{f"{part}_images": rng.integers(0, 256, (count, *shape), dtype=np.uint8)
                      for part in ("train", "val", "test")},
             **{f"{part}_labels": (np.arange(count * width) % labels).reshape(count, width).astype(np.uint8)
                for part in ("train", "val", "test")})
    return path


def test_a_line_of_metadata_need_not_say_what_the_others_say(tmp_path) -> None:
    root = films(tmp_path / "a", "1.png", "2.png", "3.png")
    text(root, "metadata.jsonl", '{"file_name": "1.png", "label": "A"}',
         '{"file_name": "2.png", "label": "B", "age": 4}', '{"label": "A"}', '{"file_name": "3.png"}')
    table = auto(root, tmp_path)
    assert table.frame["label"].tolist() == ["A", "B"]
    assert len(table.left_out) == 2


@pytest.mark.parametrize("header", [b"{'descr': '|u1', " + b"(" * 150, b"\xff" * 80, b"{}", b"", b"{'descr': ("])
def test_a_damaged_header_of_an_array_is_one_sentence(tmp_path, header) -> None:
    with ZipFile(tmp_path / "x.npz", "w") as opened:
        for name in ("test_images.npy", "test_labels.npy"):
            opened.writestr(name, b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(DataError, match=r"x\.npz"):
        MedMnist(path=tmp_path / "x.npz").table(tmp_path)


@pytest.mark.parametrize("name", [".", "./", "/", ""])
def test_a_member_of_a_zip_without_a_name_is_one_sentence(tmp_path, name) -> None:
    with ZipFile(tmp_path / "x.zip", "w") as opened:
        member = ZipInfo("file")
        member.filename = name
        opened.writestr(member, b"x")
    with pytest.raises(DataError):
        ZippedSource(path=tmp_path / "x.zip").table(tmp_path / "work")


@pytest.mark.parametrize("shape", [(2**40, 2**10, 2**2), (2**62, 2, 2), (10**7, 10**4, 10**2)])
def test_an_array_that_says_it_is_larger_than_any_memory_is_one_sentence(tmp_path, shape) -> None:
    start = io.BytesIO()
    np.lib.format.write_array_header_1_0(start, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with ZipFile(tmp_path / "x.npz", "w") as opened:
        opened.writestr("test_images.npy", start.getvalue() + b"x" * 100)
        opened.writestr("test_labels.npy", start.getvalue())
    with pytest.raises(DataError, match=r"x\.npz"):
        MedMnist(path=tmp_path / "x.npz").table(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "classes"), [("pneumoniamnist.npz", ("normal", "pneumonia")),
                                               ("pneumoniamnist_224.npz", ("normal", "pneumonia")),
                                               ("other.npz", ("0", "1"))])
@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3), (64, 64, 1)])
def test_medmnist(tmp_path, name, classes, shape) -> None:
    path = arrays(tmp_path / name, shape=shape)
    table = auto(path, tmp_path)
    assert (table.classes, table.labels.tolist()) == (classes, [0, 1] * 9)
    assert table.frame["split"].value_counts().to_dict() == {"train": 6, "validation": 6, "test": 6}
    with np.load(path) as stored, Image.open(table.frame["path"][17]) as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.squeeze(stored["test_images"][5]))
    few = MedMnist(path=path, limit=4).table(tmp_path)
    assert len(few) == 12
    assert set(few.frame["image_id"]) < set(table.frame["image_id"])
    assert few.frame["image_id"].tolist() == MedMnist(path=path, limit=4).table(tmp_path).frame["image_id"].tolist()


@pytest.mark.slow
def test_medmnist_of_findings(tmp_path) -> None:
    table = MedMnist(path=arrays(tmp_path / "chestmnist.npz", width=14)).table(tmp_path)
    assert (table.task, table.classes) == (Task.MULTILABEL, CLASSES["chestmnist"])
    assert table.labels[0].tolist() == [0, 1] * 7
    assert MedMnist(path=arrays(tmp_path / "x.npz", width=2)).table(tmp_path).classes == ("finding 0", "finding 1")


@pytest.mark.parametrize(("change", "says"), [
    ({"shape": (28, 28, 28)}, "volumes"), ({"shape": (28, 28, 28, 1)}, "volumes"),
    ({"labels": 3, "width": 2}, "from 0"), ({"shape": (28,)}, "expected uint8")])
def test_arrays_of_other_shapes_are_refused(tmp_path, change, says) -> None:
    with pytest.raises(DataError, match=says):
        MedMnist(path=arrays(tmp_path / "x.npz", **change)).table(tmp_path)


def test_arrays_of_other_names_and_pickles_are_refused(tmp_path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(DataError, match="holds a; expected train_images"):
        MedMnist(path=tmp_path / "x.npz").table(tmp_path)
    np.savez(tmp_path / "x.npz", train_images=np.array([{}], dtype=object), train_labels=np.zeros(1))
    with pytest.raises(DataError, match="without running code"):
        MedMnist(path=tmp_path / "x.npz").table(tmp_path)
    np.savez(tmp_path / "x.npz", test_images=np.zeros((1, 2, 2), np.uint8))
    with pytest.raises(DataError, match="images without labels"):
        MedMnist(path=tmp_path / "x.npz").table(tmp_path)
    (tmp_path / "x.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="without running code"):
        MedMnist(path=tmp_path / "x.npz").table(tmp_path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "dicom"
    for number, patient in enumerate(["7", "7", "8", "9"]):
        folder = root / f"p{patient}" / f"s{number}"
        folder.mkdir(parents=True)
        write(folder / f"IM{number}.dcm", PatientID=patient, SOPInstanceUID=f"1.2.{number}")
    return root


@pytest.mark.slow
def test_dicom_files_joined_by_their_uid(tree, tmp_path) -> None:
    text(tree, "t.csv", "SOPInstanceUID,label", "1.2.0,Normal", "1.2.3,Mass", "1.2.99,Mass")
    assert recognise(tree).name == "dicom"
    table = auto(tree, tmp_path)
    assert table.frame["patient_id"].tolist() == ["7", "9"]
    assert table.frame["label"].tolist() == ["Normal", "Mass"]
    said = dict(table.left_out)
    assert said["row 4"] == "cannot use row 4 of t.csv: no file has its SOPInstanceUID"
    assert sum("no row of t.csv speaks of it" in reason for reason in said.values()) == 2


@pytest.mark.slow
def test_dicom_files_joined_by_patient(tree, tmp_path) -> None:
    text(tree, "t.csv", "PatientID,Edema,Mass", "7,1,0", "8,0,", "5,1,1")
    table = auto(tree, tmp_path)
    assert table.classes == ("Edema", "Mass")
    assert table.labels.tolist() == [[1, 0], [1, 0], [0, -1]]
    assert any("counts for all 3 images of its 2 patients" in note for note in table.notes)
    assert "row 4" in dict(table.left_out)
    assert table.frame["patient_id"].tolist() == ["7", "7", "8"]


@pytest.mark.slow
def test_dicom_files_joined_by_study(tmp_path) -> None:
    root = tmp_path / "dicom"
    root.mkdir()
    for number in range(4):
        write(root / f"{number}.dcm", StudyInstanceUID=f"1.{number // 2}", PatientID="7")
    text(root, "t.csv", "subject_id,StudyInstanceUID,Edema,Mass", "7,1.0,1,0", "7,1.1,0,1")
    table = auto(root, tmp_path)
    assert table.labels.tolist() == [[1, 0], [1, 0], [0, 1], [0, 1]]
    assert any("all 4 images of its 2 studies" in note for note in table.notes)


@pytest.mark.slow
def test_dicom_files_joined_by_name(tree, tmp_path) -> None:
    text(tree, "t.csv", "file,label,who", "IM0,Normal,x", "C:\\x\\IM2.dcm,Mass,y")
    table = auto(tree, tmp_path)
    assert [Path(path).name for path in table.frame["path"]] == ["IM0.dcm", "IM2.dcm"]
    with pytest.raises(DataError, match="by PatientID; its columns are file, label, who"):
        DicomTree(root=tree, path=tree / "t.csv", by="patient").table(tmp_path)
    with pytest.raises(PlanError, match="instance, name, study, patient"):
        DicomTree(root=tree, path=tree / "t.csv", by="series")


def test_a_dicom_tree_without_a_table_is_unlabelled(tree, tmp_path) -> None:
    table = auto(tree, tmp_path)
    assert (table.labelled, table.patients_known) == (False, True)


def test_what_cannot_be_recognised_is_one_sentence(tmp_path) -> None:
    with pytest.raises(DataError, match="there is no folder or file"):
        recognise(tmp_path / "absent")
    with pytest.raises(DataError, match=r"holds no film$"):
        recognise(tmp_path)
    (tmp_path / "x.zip").write_bytes(b"")
    with pytest.raises(DataError, match=r"holds no film; x\.zip can be given"):
        recognise(tmp_path)
    (tmp_path / "x.bin").write_bytes(b"")
    with pytest.raises(DataError, match="name the source with --data"):
        recognise(tmp_path / "x.bin")


@pytest.mark.slow
def test_the_command_line_names_a_source_and_its_options(tmp_path) -> None:
    root = films(tmp_path / "set", "Normal/1.png", "Pneumonia/2.png")
    found = source_of("auto", root, None, [r"patient_pattern='(\d)'"])
    assert found == {"name": "auto", "options": {"root": str(root), "options": {"patient_pattern": r"(\d)"}}}
    table = DATASETS.create(found["name"], **found["options"]).table(tmp_path)
    assert table.frame["patient_id"].tolist() == ["1", "2"]
    assert "the data was taken for class folders: Normal, Pneumonia" in table.notes
    none = source_of("auto", root, Path("none"), None)
    assert not DATASETS.create("auto", **none["options"]).table(tmp_path).labelled
    assert source_of("csv", root, Path("t.csv"), None)["options"] == {"root": str(root), "path": "t.csv"}
    assert source_of("zip", root, None, None)["options"] == {"path": str(root)}
    with pytest.raises(PlanError, match="--root"):
        DATASETS.create("auto", **source_of("auto", None, None, None)["options"])
    with pytest.raises(UnknownNameError, match="polcy"):
        auto(root, tmp_path, polcy="any")


@pytest.mark.slow
@pytest.mark.shared
def test_real_films_are_recognised(cxr, tmp_path) -> None:
    table = auto(cxr, tmp_path)
    assert (table.classes, table.patients_known) == (("Normal", "Pneumonia", "Pneumothorax"), True)
    findings = NihChestXray14(root=cxr, policy="multilabel").table(tmp_path)
    by_csv = CsvTable(path=cxr / "labels.csv", columns={"label": "Finding Labels", "path": "file"}).table(tmp_path)
    assert by_csv.task == findings.task == Task.MULTILABEL
    ordered, other = in_order(findings, ("Pneumonia", "Effusion")), in_order(by_csv, ("Pneumonia", "Effusion"))
    order = [other.frame["path"].tolist().index(path) for path in ordered.frame["path"]]
    np.testing.assert_array_equal(ordered.labels, other.labels[order])
    assert ordered.labels.sum(axis=0).min() > 20


NAMES = ("1.png", "Normal/1.png", "Normal/2.png", "Mass/3.png", "train/Normal/4.png", "test/x/5.png", "p1/s1/6.png",
         "t.csv", "u.csv", "labels.csv", "metadata.csv", "metadata.jsonl", "train/metadata.csv", "Data_Entry_2017.csv",
         "masks/1.png", "a.zip", "b.npz", "notes.txt", "0/1.png", "1/1.png", "x.dcm", "empty/none.txt")
CONTENTS = (b"", b"file,label\n1.png,x\nNormal/1.png,y\n", b"file_name,A,B\n1.png,1,0\nNormal/2.png,,1\n",
            b"Image Index,Finding Labels,Patient ID\n1.png,Mass,1\n3.png,No Finding,2\n", b"\x89PNG\r\n\x1a\n",
            b'{"file_name": "1.png", "label": 3}\n', b"PK\x05\x06" + bytes(18), b"\xff\xfe\x00", b"PatientID\n7\n")


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(CONTENTS), max_size=6),
       st.sampled_from([{}, {"labels": "none"}]))
def test_any_folder_is_recognised_or_refused_in_a_sentence(tmp_path_factory, files, options):
    root = tmp_path_factory.mktemp("any")
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    try:
        table = auto(root, tmp_path_factory.mktemp("work"), **options)
    except RadversaryError:
        return
    assert len(table) == len(table.labels)
