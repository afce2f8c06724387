"""Rows of tables find their films: by name whatever its case or form, and say why where they do not."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radversary.core.errors import DataError
from radversary.data.csv_table import CsvTable
from radversary.data.folders import ClassFolders
from radversary.data.nih import NihChestXray14, class_of
from radversary.data.table import ImageTable

pytestmark = pytest.mark.filterwarnings("ignore:the patients of")


def films(root: Path, *names: str) -> Path:
    for seed, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (4, 4), dtype=np.uint8)
        Image.fromarray(pixels).save(root / name, format="PNG")
    return root


def written(root: Path, *lines: str, name: str = "labels.csv") -> Path:
    (root / name).write_text("\n".join(lines) + "\n", "utf-8")
    return root


def of_folder(root: Path) -> ImageTable:
    return ClassFolders(root=root).table(root)


def form(name: str, text: str) -> str:
    return unicodedata.normalize(name, text)


@pytest.mark.slow
@pytest.mark.parametrize(("disk", "cell"), [
    ("Normal/a1.png", "Normal/a1.PNG"), ("Normal/a1.png", "a1.PNG"), ("Normal/A1.PNG", "normal/a1.png"),
    ("Normal/a1.png", "C:\\films\\Normal\\A1.png"), (form("NFD", "Normal/ü1.png"), form("NFC", "Normal/ü1.png")),
    (form("NFC", "Normal/ü1.png"), form("NFD", "ü1")), ("Normal/a 1.png", "Normal/a\xa01.png")])
def test_case_and_the_form_of_unicode_lose_no_fact(tmp_path, disk, cell) -> None:
    root = written(films(tmp_path, disk, "Pneumonia/b.png"), "file,patient_id", f"{cell},7", "Pneumonia/b.png,8")
    table = of_folder(root)
    assert (table.frame["patient_id"].tolist(), table.left_out) == (["7", "8"], ())
    written(root, "file,label,patient_id", f"{disk.rpartition('/')[0]}/{Path(cell.replace(chr(92), '/')).name},x,7",
            "Pneumonia/b.png,y,8", name="t.csv")
    if "." in Path(cell).name:  # a table of paths needs the ending
        assert CsvTable(path=root / "t.csv").table(root).frame["path"].tolist() == [
            str(root / disk), str(root / "Pneumonia/b.png")]


@pytest.mark.slow
def test_a_name_that_case_leaves_ambiguous_goes_to_the_exact_one_or_nowhere(tmp_path) -> None:
    root = written(films(tmp_path, "Normal/x.png", "Normal/X.png", "Pneumonia/b.png"),
                   "file,patient_id", "X.png,7", "x.png,8")
    assert of_folder(root).frame["patient_id"].tolist()[:2] == ["7", "8"]
    with pytest.raises(DataError, match=r"'x.PNG', which may be Normal/X.png or Normal/x.png"):
        of_folder(written(root, "file,patient_id", "x.PNG,7"))
    written(root, "file,label", "Normal/x.PNG,1", "b.png,2", name="t.csv")
    table = CsvTable(path=root / "t.csv").table(root)  # of x.PNG there are two: missed by name when it is read
    assert table.frame["path"].tolist() == [str(root / "Normal/x.PNG"), str(root / "Pneumonia/b.png")]
    assert any("found by their names below the folder: 1" in note for note in table.notes)


def test_a_class_folder_and_a_table_in_two_forms_of_unicode_agree(tmp_path) -> None:
    root = films(tmp_path, *(f"{form('NFD', label)}/1.png" for label in ("Normal", "Entzündung")))
    table = of_folder(written(root, "file,class,patient_id", "1.png,Normal,7", f"1.png,{form('NFC', 'Entzündung')},8"))
    assert dict(zip(table.frame["label"], table.frame["patient_id"], strict=True)) == {"Normal": "7", "Entzündung": "8"}
    assert table.notes == ()


def test_a_film_of_a_unique_name_keeps_its_facts_when_the_class_differs(tmp_path) -> None:
    root = written(films(tmp_path, "Normal/1.png", "Pneumonia/2.png", "Pneumonia/3.png"),
                   "file,class,patient_id", "1.png,Normal,7", "2.png,Normal,8", "3.png,Pneumonia,9")
    table = of_folder(root)
    assert table.frame["patient_id"].tolist() == ["7", "8", "9"]
    assert table.left_out == ()
    assert table.notes == ("the table's class differs from the folder's for 1 of 3 films; the folder's was taken",)


def test_a_row_of_a_class_that_lacks_the_film_is_left_out_with_the_reason(tmp_path) -> None:
    root = written(films(tmp_path, "Normal/1.png", "Pneumonia/1.png", "Pneumonia/2.png"), "file,class,patient_id",
                   "1.png,Normal,7", "1.png,Pneumonia,8", "2.png,Normal,9", "2.png,Pneumonia,10", "gone.png,Normal,11",
                   ",Normal,12")
    table = of_folder(root)
    assert table.frame["patient_id"].tolist() == ["7", "8", "10"]
    assert [reason for _, reason in table.left_out] == [
        "cannot read gone.png: labels.csv names it, and there is no such file in the class folders",
        "row 7 of labels.csv names no film",
        "cannot use row 4 of labels.csv: there is no 2.png of its class, only Pneumonia/2.png"]


def test_a_second_row_of_another_class_is_counted_as_a_difference(tmp_path) -> None:
    root = written(films(tmp_path, "Normal/1.png", "Pneumonia/2.png"), "file,class,patient_id", "Normal/1.png,Normal,7",
                   "Normal/1.png,Pneumonia,7", "Pneumonia/2.png,Pneumonia,8", "Pneumonia/2.png,Pneumonia,8")
    assert of_folder(root).notes == (
        "rows of the table that repeat another in every column: 1; each counts once",
        "the table's class differs from the folder's for 1 of 2 films; the folder's was taken")


def test_a_name_whose_class_does_not_settle_it_asks_for_the_path_alone(tmp_path) -> None:
    root = films(tmp_path, "Normal/a/1.png", "Normal/b/1.png", "Pneumonia/2.png")
    with pytest.raises(DataError, match=r"give the path below the folder$"):
        of_folder(written(root, "file,class,patient_id", "1.png,Normal,7"))


def test_an_empty_column_of_paths_gives_way_to_the_ids(tmp_path) -> None:
    root = films(tmp_path, "Normal/1.png", "Pneumonia/2.png")
    table = of_folder(written(root, "path,image_id,patient_id", ",1,7", ",2.png,8"))
    assert table.frame["patient_id"].tolist() == ["7", "8"]


UNUSED = ("tables (.csv or .tsv) beside the class folders that were not used: {}; give one that speaks of the films as "
          "the option 'labels'")
LONE = "what is known of the films comes from the only table beside the class folders, though not called labels.csv"


@pytest.mark.parametrize(("names", "known", "notes"), [
    (("Labels.csv",), True, ()), (("LABELS.CSV",), True, ()), (("metadata.csv",), True, (LONE,)),
    (("films.tsv",), True, (LONE,)), (("a.csv", "b.csv"), False, (UNUSED.format(2),)),
    (("labels.csv", "b.csv"), True, (UNUSED.format(1),)), (("._labels.csv",), False, ())])
def test_a_table_beside_the_classes_is_used_or_said_not_to_be(tmp_path, names, known, notes) -> None:
    root = films(tmp_path, "Normal/1.png", "Pneumonia/2.png")
    for name in names:
        written(root, "file,patient_id", "1.png,7", "2.png,8", name=name)
    table = of_folder(root)
    assert (table.patients_known, table.notes) == (known, notes)


@pytest.mark.parametrize("lines", [("a,b", "1,2"), ("file,patient_id", "other.png,7"), ('file,"patient_id', "1.png,7")])
def test_a_lone_table_that_does_not_speak_of_the_films_is_said_not_to_be_used(tmp_path, lines) -> None:
    root = written(films(tmp_path, "Normal/1.png", "Pneumonia/2.png"), *lines, name="notes.csv")
    assert of_folder(root).notes == (UNUSED.format(1),)
    with pytest.raises(DataError):
        of_folder(written(root, *lines))


NIH = "Image Index,Finding Labels,Patient ID"


def of_nih(root: Path, *rows: str, count: int = 4) -> ImageTable:
    films(root, *(f"images_001/images/{number}.png" for number in range(count)))
    return NihChestXray14(root=written(root, NIH, *rows)).table(root)


@pytest.mark.parametrize("cells", [
    ("No\xa0Finding", "No_Finding", "PNEUMONIA", "Pneumonia\u200b"),
    ("no finding", "No  Finding", "pneumonia", "Pneumonia "),
    ("No Finding", "NO_FINDING", "Effusion;Pneumonia", '"Pneumonia, Pleural thickening"')])
def test_findings_of_nih_are_known_however_they_are_written(tmp_path, cells) -> None:
    table = of_nih(tmp_path, *(f"{number}.png,{cell},{number}" for number, cell in enumerate(cells)))
    assert table.frame["label"].tolist() == ["Normal", "Normal", "Pneumonia", "Pneumonia"]
    assert (table.left_out, table.notes) == ((), ())


def test_rows_without_a_known_finding_are_named_and_others_that_have_no_class_are_counted(tmp_path) -> None:
    table = of_nih(tmp_path, "0.png,No Finding,0", "1.png,Pneumonia|Foo,1", "2.png,Healthy,2", "3.png,,3",
                   "3.png,Mass,3", "3.png,Pneumonia|Pneumothorax,3", ",Pneumonia,3")
    assert table.frame["label"].tolist() == ["Normal", "Pneumonia"]
    assert [reason for _, reason in table.left_out] == [
        "row 8 of labels.csv names no film",
        "cannot use 2.png: row 4 of labels.csv says 'Healthy' of it, which is no finding",
        "cannot use 3.png: row 5 of labels.csv says no finding of it"]
    assert table.notes == (
        "rows of the table that the policy gives no class, their findings being others or several: 2",
        "rows with words beside their class that are no finding that NIH knows: 1")
    assert class_of("Pneumonia|Foo", "exactly-one", ("Pneumonia",)) == "Pneumonia"
    assert class_of("Pneumonia|Foo", "alone", ("Pneumonia",)) == ""


@pytest.mark.parametrize("cell", [
    "{}", "{}.PNG", "images_001/images/{}.png", "images\\{}.png", "D:\\nih\\all\\{}.png", " {}.png"])
def test_nih_films_are_found_by_path_or_by_name_without_ending(tmp_path, cell) -> None:
    table = of_nih(tmp_path, *(f"{cell.format(number)},{'Pneumonia' if number else 'No Finding'},{number}"
                               for number in range(4)))
    assert table.frame["image_id"].tolist() == ["0", "1", "2", "3"]
    assert table.left_out == ()


def test_a_row_of_nih_that_is_repeated_counts_once(tmp_path) -> None:
    table = of_nih(tmp_path, "0.png,No Finding,0", "0,No_Finding,0.0", "1.png,Pneumonia,1")
    assert table.frame["image_id"].tolist() == ["0", "1"]
    assert table.notes == ("rows of the table that repeat another in every column: 1; each counts once",)
