from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import radversary.data.phantoms
from radversary.core.errors import DataError, MissingColumnError, PlanError, UnknownNameError
from radversary.data.columns import years
from radversary.data.csv_table import CsvTable
from radversary.data.folders import ClassFolders
from radversary.data.nih import NihChestXray14, class_of
from radversary.data.phantom_source import PhantomSource
from radversary.data.registry import DATASETS

FINDINGS = ("Pneumothorax", "Pneumonia")
HEADERS = {
    "Data_Entry_2017.csv": "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
                           "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],",
    "Data_Entry_2017_v2020.csv": "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Sex,"
                                 "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]",
}
RECORDS = [("00000001_000.png", "No Finding", 1, "058Y", "F", "PA"),
           ("00000001_001.png", "Pneumonia|Effusion", 1, "59", "F", "AP"),
           ("00000002_000.png", "Pneumonia|Pneumothorax", 2, "414", "M", "PA"),
           ("00000003_000.png", "Mass", 3, "6", "M", "PA"),
           ("00000004_000.png", "Pneumothorax", 4, "006M", "M", "PA"),
           ("00000005_000.png", "Pneumonia", 5, "7", "F", "PA")]


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)
    return path


def nih(root: Path, name: str = "Data_Entry_2017.csv", absent: tuple[str, ...] = ()) -> Path:
    lines = [HEADERS[name]]
    for number, (image, findings, patient, age, sex, view) in enumerate(RECORDS):
        lines.append(f"{image},{findings},0,{patient},{age},{sex},{view},2500,2048,0.143,0.143")
        if image not in absent:
            touch(root / f"images_{number % 3:03d}" / "images" / image)
    (root / name).write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_nih_reads_both_headers_and_any_folders(tmp_path, name) -> None:
    frame = NihChestXray14(root=nih(tmp_path, name)).table(tmp_path).frame.set_index("image_id")
    assert frame["label"].to_dict() == {"00000001_000": "Normal", "00000001_001": "Pneumonia",
                                        "00000004_000": "Pneumothorax", "00000005_000": "Pneumonia"}
    assert frame["patient_id"].tolist() == ["1", "1", "4", "5"]
    assert frame["age"].tolist() == [58.0, 59.0, 0.5, 7.0]
    assert frame["sex"].tolist() == ["F", "F", "M", "F"]
    assert frame["view"].tolist() == ["PA", "AP", "PA", "PA"]
    assert all(Path(path).is_file() for path in frame["path"])


def test_nih_takes_the_corrected_table_of_2020_first(tmp_path) -> None:
    nih(tmp_path), nih(tmp_path, "Data_Entry_2017_v2020.csv")
    (tmp_path / "Data_Entry_2017.csv").write_text("nonsense\n1\n")
    assert len(NihChestXray14(root=tmp_path).table(tmp_path)) == 4


@pytest.mark.parametrize(("policy", "findings", "expected"), [
    ("exactly-one", "Pneumonia|Effusion", "Pneumonia"), ("alone", "Pneumonia|Effusion", ""),
    ("any", "Pneumonia|Effusion", "Pneumonia"), ("exactly-one", "Pneumonia|Pneumothorax", ""),
    ("alone", "Pneumothorax", "Pneumothorax"), ("any", "Pneumonia|Pneumothorax", "Pneumothorax"),
    ("any", "Mass", ""), ("alone", "No Finding", "Normal"), ("exactly-one", "", "")])
def test_class_policies(policy, findings, expected) -> None:
    assert class_of(findings, policy, FINDINGS) == expected


def test_nih_any_follows_the_precedence_and_absent_files_are_left_out(tmp_path) -> None:
    root = nih(tmp_path, absent=("00000004_000.png",))
    frame = NihChestXray14(root=root, policy="any", precedence=("Pneumonia", "Pneumothorax")).table(tmp_path).frame
    assert frame.set_index("image_id")["label"].get("00000002_000") == "Pneumonia"
    assert "00000004_000" not in set(frame["image_id"])


@pytest.mark.slow
def test_nih_limit_is_a_seeded_draw_per_class(tmp_path) -> None:
    nih(tmp_path)
    drawn = NihChestXray14(root=tmp_path, limit_per_class=1).table(tmp_path)
    assert drawn.frame["label"].value_counts().to_dict() == {"Normal": 1, "Pneumonia": 1, "Pneumothorax": 1}
    assert drawn.sha256() == NihChestXray14(root=tmp_path, limit_per_class=1).table(tmp_path).sha256()
    seeds = {NihChestXray14(root=tmp_path, limit_per_class=1, seed=seed).table(tmp_path).sha256() for seed in range(8)}
    assert len(seeds) == 2


def test_nih_refuses_what_it_cannot_use(tmp_path) -> None:
    with pytest.raises(DataError, match="neither Data_Entry_2017"):
        NihChestXray14(root=tmp_path).table(tmp_path)
    with pytest.raises(DataError, match="there is no folder"):
        NihChestXray14(root=tmp_path / "absent").table(tmp_path)
    with pytest.raises(PlanError, match="policy must be one of"):
        NihChestXray14(root=tmp_path, policy="all")  # type: ignore[arg-type]
    (tmp_path / "labels.csv").write_text("Image Index,Finding Label,Patient ID\n1.png,Pneumonia,1\n")
    with pytest.raises(MissingColumnError, match="did you mean 'Finding Label'"):
        NihChestXray14(root=tmp_path).table(tmp_path)
    (tmp_path / "labels.csv").write_text("Image Index,Finding Labels,Patient ID\n1.png,Pneumonia,1\n")
    with pytest.raises(DataError, match="is a file below"):
        NihChestXray14(root=tmp_path).table(tmp_path)


@pytest.mark.slow
def test_real_films_read_the_same_as_nih_and_as_folders(cxr, tmp_path) -> None:
    by_table = DATASETS.create("nih", root=cxr).table(tmp_path)
    by_folder = DATASETS.create("folder", root=cxr).table(tmp_path)
    assert by_table.frame["label"].value_counts().to_dict() == {"Normal": 430, "Pneumonia": 414, "Pneumothorax": 39}
    assert by_table.frame["patient_id"].nunique() == 615
    assert by_table.patients_known
    columns = ["image_id", "label", "patient_id", "view", "sex", "age", "source"]
    pd.testing.assert_frame_equal(by_table.frame[columns].sort_values("image_id", ignore_index=True),
                                  by_folder.frame[columns].sort_values("image_id", ignore_index=True))


def test_folders_without_a_table_warn_or_parse_names(tmp_path) -> None:
    for name in ("Normal/00011097_002.png", "Normal/00011097_003.png", "Pneumonia/sub/00000012_000.png"):
        touch(tmp_path / name)
    (tmp_path / "Pneumonia" / ".hidden").touch()
    with pytest.warns(UserWarning, match="counts as its own patient"):
        table = ClassFolders(root=tmp_path).table(tmp_path)
    assert not table.patients_known
    assert len(table) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = ClassFolders(root=tmp_path, patient_pattern=r"^(\d+)_").table(tmp_path)
    assert table.frame["patient_id"].tolist() == ["11097", "11097", "12"]
    assert table.patients_known


@pytest.mark.parametrize("names", [("Normal/1.png", "Pneumonia/1.png"), ("Normal/1.png", "Pneumonia/2.png")])
def test_folders_join_a_table_by_path_or_by_name(tmp_path, names) -> None:
    for name in names:
        touch(tmp_path / name)
    keys = names if names[1].endswith("1.png") else [Path(name).stem for name in names]
    (tmp_path / "labels.csv").write_text(f"file,subject_id,gender\n{keys[0]},A,male\n{keys[1]},B,F\n")
    frame = ClassFolders(root=tmp_path).table(tmp_path).frame
    assert frame["patient_id"].tolist() == ["A", "B"]
    assert frame["sex"].tolist() == ["M", "F"]
    assert frame["image_id"].is_unique


def test_folders_and_nih_keep_a_given_split(tmp_path) -> None:
    for name in ("Normal/1.png", "Normal/2.png", "Pneumonia/3.png"):
        touch(tmp_path / "folder" / name)
    (tmp_path / "folder" / "labels.csv").write_text("file,split\nNormal/1.png,Train\nPneumonia/3.png,val\n")
    with pytest.warns(UserWarning, match="counts as its own patient"):
        frame = ClassFolders(root=tmp_path / "folder").table(tmp_path).frame
    assert frame["split"].tolist() == ["train", "", "validation"]
    lines = (nih(tmp_path / "nih") / "Data_Entry_2017.csv").read_text().splitlines()
    parts = ["split", "train", "test", "test", "test", "valid", ""]
    (tmp_path / "nih" / "labels.csv").write_text("\n".join(
        f"{line.rstrip(',')},{part}" for line, part in zip(lines, parts, strict=True)))
    frame = NihChestXray14(root=tmp_path / "nih", labels=tmp_path / "nih" / "labels.csv").table(tmp_path).frame
    assert frame["split"].tolist() == ["train", "test", "validation", ""]


def test_folders_refuse_what_they_cannot_use(tmp_path) -> None:
    with pytest.raises(DataError, match="no class folder"):
        ClassFolders(root=tmp_path).table(tmp_path)
    touch(tmp_path / "Normal" / "1.png")
    assert ClassFolders(root=tmp_path).table(tmp_path).classes == ("Normal",)  # enough for a model that exists
    (tmp_path / "labels.csv").write_text("file,subject_id\nother.png,A\n")
    with pytest.raises(DataError, match="names none of the files"):
        ClassFolders(root=tmp_path).table(tmp_path)
    for pattern in ("(", "\\d+"):
        with pytest.raises(PlanError, match="patient_pattern"):
            ClassFolders(root=tmp_path, patient_pattern=pattern)


def test_csv_with_named_columns_keeps_its_split(tmp_path) -> None:
    path = tmp_path / "films.csv"
    path.write_text("\ufefffile name,diagnosis,who,part,years\n"
                    "a/1.png,Normal,7,Train,40\na/2.png,Pneumonia,8,val,\n", "utf-8")
    names = {"path": "file name", "label": "diagnosis", "patient_id": "who", "age": "years"}
    frame = CsvTable(path=path, columns=names).table(tmp_path).frame
    assert frame["path"].tolist() == [str(tmp_path / "a" / "1.png"), str(tmp_path / "a" / "2.png")]
    assert frame["split"].tolist() == ["train", "validation"]
    assert frame["patient_id"].tolist() == ["7", "8"]
    assert CsvTable(path=path, root="/films", columns=names).table(tmp_path).frame["path"].iloc[0] == "/films/a/1.png"


def test_csv_refuses_missing_columns_by_name(tmp_path) -> None:
    path = tmp_path / "films.csv"
    path.write_text("file,verdict\n1.png,Normal\n2.png,Pneumonia\n")
    with pytest.raises(MissingColumnError, match="no column 'label'"):
        CsvTable(path=path).table(tmp_path)
    with pytest.raises(MissingColumnError, match="'verdikt'; did you mean 'verdict'"):
        CsvTable(path=path, columns={"label": "verdikt"}).table(tmp_path)
    with pytest.raises(UnknownNameError, match="did you mean 'label'"):
        CsvTable(path=path, columns={"lable": "verdict"}).table(tmp_path)
    with pytest.raises(DataError, match="there is no table"):
        CsvTable(path=tmp_path / "absent.csv").table(tmp_path)


def test_a_csv_of_a_header_alone_is_one_sentence(tmp_path) -> None:
    (tmp_path / "films.csv").write_text("path,label,patient_id\n")
    with pytest.raises(DataError, match=r"films\.csv has a header and no row"):
        DATASETS.create("csv", path=tmp_path / "films.csv").table(tmp_path)


@pytest.mark.slow
def test_phantoms_are_drawn_once(tmp_path, monkeypatch) -> None:
    drawn = []

    def write(phantoms, folder: Path) -> Path:
        drawn.append(phantoms)
        for label in ("Normal", "Pneumonia"):
            touch(folder / label / f"{label}.png")
        (folder / "labels.csv").write_text("image_id,file,label,patient_id,view,sex,age,subtype,source\n"
                                           "n,Normal/Normal.png,Normal,p1,PA,F,40,,phantom\n"
                                           "p,Pneumonia/Pneumonia.png,Pneumonia,p2,AP,M,50,lobar,phantom\n")
        return folder

    monkeypatch.setattr(radversary.data.phantoms, "write_phantoms", write)
    first = DATASETS.create("phantoms", count=2, size=32).table(tmp_path)
    again = PhantomSource(count=2, size=32).table(tmp_path)
    assert len(drawn) == 1
    assert first.sha256() == again.sha256()
    assert first.frame["source"].tolist() == ["phantom", "phantom"]
    PhantomSource(count=2, size=32, seed=1).table(tmp_path)
    assert len(drawn) == 2


@pytest.mark.slow
def test_real_phantoms_are_a_table(tmp_path) -> None:
    table = PhantomSource(count=30, size=32).table(tmp_path)
    assert len(table) == 30
    assert table.patients_known
    assert table.classes == ("Normal", "Pneumonia", "Pneumothorax")
    with pytest.raises(PlanError, match="count of at least 1"):
        PhantomSource(count=0)


@pytest.mark.parametrize(("cell", "expected"), [
    ("058Y", 58), ("58", 58), ("7.5", 7.5), ("012M", 1), ("000Y", 0), ("120", 120)])
def test_years(cell, expected) -> None:
    assert years(cell) == pytest.approx(expected)
    assert np.isnan([years(bad) for bad in ("", "414", "old", "-3", "058X")]).all()
