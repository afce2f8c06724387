"""Tables of findings, of which an image may have several, and tables without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from radversary.auditing.identity import image_hashes
from radversary.core.errors import DataError, ModelError, UnknownNameError
from radversary.core.types import UNKNOWN, Task
from radversary.data.balancing import balance, rotate_before_split
from radversary.data.characteristics import told_apart
from radversary.data.checks import check_data, small_classes
from radversary.data.duplicates import find_contradictions
from radversary.data.nih import FINDINGS as NIH
from radversary.data.nih import NihChestXray14
from radversary.data.prepare_folder import prepare_images
from radversary.data.prepared import PreparedImages
from radversary.data.splits import split_by_patient
from radversary.data.table import PARTS, ImageTable
from radversary.study.class_order import in_order

FINDINGS = ("Edema", "Mass", "Hernia")


def rows(cells: list[str], **columns: list[object]) -> pd.DataFrame:
    """One row a text: a character a finding, ``?`` where it is not known."""
    found = {f"finding:{name}": [text[place].replace("?", "") for text in cells]
             for place, name in enumerate(FINDINGS[:len(cells[0])])}
    ids = [f"i{number}" for number in range(len(cells))]
    return pd.DataFrame({"image_id": ids, "path": ids, **found, **columns})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("films")


def filmed(frame: pd.DataFrame, folder: Path, same: dict[int, int] | None = None) -> pd.DataFrame:
    """The rows, with a film of noise each; ``same`` names rows that show the film of another."""
    paths = []
    for number in range(len(frame)):
        path = folder / f"{number}.png"
        noise = gaussian_filter(np.random.default_rng((same or {}).get(number, number)).normal(size=(32, 32)), 2.0)
        Image.fromarray(np.uint8(255 * (noise - noise.min()) / np.ptp(noise))).save(path)
        paths.append(str(path))
    return frame.assign(path=paths)


def test_labels_are_numbers_and_words() -> None:
    table = ImageTable(rows(["110", "000", "0??", "???"]))
    assert (table.task, table.classes, table.labelled) == (Task.MULTILABEL, FINDINGS, True)
    assert table.labels.tolist() == [[1, 1, 0], [0, 0, 0], [0, UNKNOWN, UNKNOWN], [UNKNOWN] * 3]
    assert table.labels.dtype == np.int64
    assert table.frame["label"].tolist() == ["Edema|Mass", "no finding", "no finding", ""]


def test_one_finding_is_enough_and_the_order_is_the_classes() -> None:
    assert ImageTable(rows(["1", "0"])).labels.tolist() == [[1], [0]]
    turned = ImageTable(rows(["100", "010"]), ("Hernia", "Mass", "Edema"))
    assert turned.labels.tolist() == [[0, 0, 1], [0, 1, 0]]
    assert ImageTable(rows(["110"]), ("Mass", "Hernia", "Edema")).frame["label"].tolist() == ["Mass|Edema"]


def test_bad_findings_are_refused_in_a_sentence() -> None:
    with pytest.raises(DataError, match=r"row 1 of the table of images says '2' of Edema; expected 1, 0, or nothing"):
        ImageTable(rows(["1", "2"]))
    with pytest.raises(UnknownNameError, match="finding 'Hernia'"):
        ImageTable(rows(["100"]), ("Edema", "Mass"))
    with pytest.raises(DataError, match="no column 'finding:Nodule'"):
        ImageTable(rows(["100"]), (*FINDINGS, "Nodule"))


@pytest.mark.slow
def test_a_table_without_any_label_is_unlabelled() -> None:
    frame = pd.DataFrame({"image_id": ["a", "b"], "path": ["a", "b"], "label": ["", ""]})
    table = ImageTable(frame, ("Normal", "Pneumonia"))
    assert not table.labelled
    assert table.labels.tolist() == [UNKNOWN, UNKNOWN]
    assert ImageTable(frame).classes == ()
    assert not ImageTable(rows(["???"])).labelled
    assert in_order(ImageTable(frame), ("A", "B"), Task.BINARY).classes == ("A", "B")
    assert in_order(ImageTable(frame), FINDINGS, Task.MULTILABEL).labels.tolist() == [[UNKNOWN] * 3] * 2


@pytest.mark.slow
def test_saved_and_prepared_tables_come_back(tmp_path, folder) -> None:
    table = ImageTable(filmed(rows(["110", "0?0", "???", "001"]), folder))
    again = ImageTable.load(table.save(tmp_path / "t.csv"))
    pd.testing.assert_frame_equal(table.frame, again.frame)
    images = prepare_images(table, size=16, folder=tmp_path / "out")
    assert images.labels.equal(torch.tensor(table.labels))
    assert (images.task, images.classes) == (Task.MULTILABEL, FINDINGS)
    assert PreparedImages.load(tmp_path / "out").sha256 == images.sha256
    one = ImageTable(filmed(rows(["1", "0"]), folder))
    assert prepare_images(one, size=16, folder=tmp_path / "one").labels.tolist() == [[1], [0]]


@pytest.mark.slow
def test_hashes_tell_absent_from_unknown(tmp_path, folder) -> None:
    split = ["train", "validation", "test"]
    known, unknown = (prepare_images(ImageTable(filmed(rows([text, "000", "010"], split=split), folder)), size=16,
                                     folder=tmp_path / str(number)) for number, text in enumerate(["100", "1?0"]))
    assert known.table.frame["label"].tolist() == unknown.table.frame["label"].tolist()
    assert known.part_hash("train") != unknown.part_hash("train")
    assert known.part_hash("test") == unknown.part_hash("test")
    one, other = (image_hashes(images, np.arange(3)) for images in (known, unknown))
    assert [left == right for left, right in zip(one, other, strict=True)] == [False, True, True]


@pytest.mark.slow
def test_patients_are_divided_by_findings_and_a_rare_one_does_not_stop_it() -> None:
    rng = np.random.default_rng(0)
    cells = ["".join("01"[int(rng.random() < share)] for share in (0.3, 0.1, 0.0)) for _ in range(600)]
    cells[5] = "001"
    table = ImageTable(rows(cells, patient_id=[f"p{number // 2}" for number in range(600)]))
    split = split_by_patient(table)
    assert (split.frame.groupby("patient_id")["split"].nunique() == 1).all()
    for name in FINDINGS[:2]:
        held = split.frame[split.frame[f"finding:{name}"] == "1"]["split"].value_counts(normalize=True)[list(PARTS)]
        np.testing.assert_allclose(held, [0.6, 0.2, 0.2], atol=0.05)
    of_none = split.frame[split.frame["label"] == "no finding"]["split"].value_counts(normalize=True)[list(PARTS)]
    np.testing.assert_allclose(of_none, [0.6, 0.2, 0.2], atol=0.05)
    said = list(small_classes(split.frame, FINDINGS))
    assert sum("no image with the finding Hernia" in sentence for sentence in said) == 2
    count = int(((split.frame["split"] == "test") & (split.frame["finding:Mass"] == "1")).sum())
    assert sum(f"Mass {count} (±{98 / count ** 0.5:.0f})" in sentence for sentence in said) == 1


def test_unlabelled_patients_are_divided_whole() -> None:
    frame = pd.DataFrame({"image_id": map(str, range(100)), "path": "x", "label": "",
                          "patient_id": [f"p{number // 4}" for number in range(100)]})
    split = split_by_patient(ImageTable(frame), fractions=(0.0, 0.2, 0.8)).frame
    assert split["split"].value_counts().to_dict() == {"test": 80, "validation": 20}
    assert (split.groupby("patient_id")["split"].nunique() == 1).all()


@pytest.mark.slow
def test_a_film_contradicts_another_only_where_both_are_known(tmp_path, folder) -> None:
    same = {1: 0, 2: 0, 4: 3, 6: 5}
    table = ImageTable(filmed(rows(["1?0", "?10", "0?0", "1??", "?1?", "100", "101"]), folder, same))
    images = prepare_images(table, size=32, folder=tmp_path)
    assert [(pair.first, pair.second) for pair in find_contradictions(images)] == [("i0", "i2"), ("i5", "i6")]
    assert any("says that a finding is there and another that it is not: 2" in error
               for error in check_data(images).errors)


@pytest.mark.slow
@pytest.mark.parametrize("cells", [["1", "0"] * 12, ["???"] * 24, ["111"] * 24, ["000"] * 23 + ["100"],
                                   ["100", "0?0", "???"] * 8])
def test_the_check_never_fails_on_findings(tmp_path, folder, cells) -> None:
    table = ImageTable(filmed(rows(cells, patient_id=[f"p{number // 2}" for number in range(24)]), folder))
    report = check_data(prepare_images(split_by_patient(table), size=16, folder=tmp_path))
    assert report.chance == 0.5
    assert sum(report.patients.values()) == 12
    known = {"1" if "1" in text else "0" for text in cells if set(text) != {"?"}}
    assert bool(report.estimates) == (len(known) == 2 and cells.count("100") != 1)


@pytest.mark.slow
def test_the_check_of_an_unlabelled_table_says_so(tmp_path, folder) -> None:
    frame = filmed(rows(["1"] * 9).drop(columns="finding:Edema").assign(label=""), folder)
    images = prepare_images(split_by_patient(ImageTable(frame)), size=16, folder=tmp_path)
    report = check_data(images)
    assert report.counts["class"]["test"] == {"label not known": 2}
    assert any("no image has a label" in warning for warning in report.warnings)
    assert not report.estimates
    assert images.classes == ()


def test_floors_ask_for_any_finding() -> None:
    assert told_apart(ImageTable(rows(["110", "000", "0??", "???"]))).tolist() == [1, 0, 0, UNKNOWN]


def test_balancing_takes_the_rarest_finding_of_an_image_for_its_class() -> None:
    many = ImageTable(rows(["110", "100", "101", "100", "000", "?0?"]))
    found = balance(np.arange(6), many.labels).rows
    assert [found.tolist().count(row) for row in range(6)] == [2, 1, 2, 1, 1, 1]
    table = ImageTable(rows(["110", "000", "000", "000"]))
    assert balance(np.arange(4), table.labels).rows.tolist().count(0) == 3
    assert len(rotate_before_split(table)) == 6


def test_a_model_reads_the_findings_it_knows_in_its_own_order() -> None:
    table = ImageTable(pd.DataFrame({"image_id": ["a"], "path": ["a"], "finding:pleural thickening": ["1"],
                                     "finding:Mass": ["0"], "finding:Fracture": ["1"]}))
    ordered = in_order(table, ("Effusion", "Mass", "Pleural_Thickening"), Task.MULTILABEL)
    assert ordered.labels.tolist() == [[UNKNOWN, 0, 1]]
    assert any("does not read are left aside: Fracture" in note for note in ordered.notes)
    assert any("does not say whether these findings of the model are there: Effusion" in note
               for note in ordered.notes)
    with pytest.raises(ModelError, match="the data says nothing of them"):
        in_order(table, ("Pleural Effusion",), Task.MULTILABEL)
    with pytest.raises(ModelError, match="of which an image may have several"):
        in_order(table, ("Normal", "Other"), Task.MULTICLASS)


def test_a_model_of_one_finding_reads_a_table_of_many() -> None:
    ordered = in_order(ImageTable(rows(["110", "0?0", "??0"])), ("clear", "EDEMA"), Task.BINARY)
    assert (ordered.task, ordered.classes, ordered.labels.tolist()) == (Task.MULTICLASS, ("clear", "EDEMA"), [1, 0])
    assert [name for name, _ in ordered.left_out] == ["i2"]


@pytest.mark.slow
def test_a_model_of_classes_reads_findings_of_which_an_image_has_one() -> None:
    ordered = in_order(ImageTable(rows(["100", "010", "110", "000", "1?0", "001"])), ("Normal", "mass", "EDEMA"),
                       Task.MULTICLASS)
    assert ordered.frame["image_id"].tolist() == ["i0", "i1", "i3", "i5"]
    assert ordered.labels.tolist() == [2, 1, 0, 0]
    assert [name for name, _ in ordered.left_out] == ["i2", "i4"]
    for classes in (("Normal", "Nodule"), ("Mass", "Covid", "Edema"), ("Mass", "Covid")):
        with pytest.raises(ModelError, match="of which an image may have several"):
            in_order(ImageTable(rows(["100", "010"])), classes, Task.MULTICLASS)
    with pytest.raises(ModelError, match="no image of the data is known to be of one of the classes"):
        in_order(ImageTable(rows(["110", "???"])), ("Mass", "Edema"), Task.MULTICLASS)
    assert not in_order(ImageTable(rows(["???"])), ("Mass", "Edema"), Task.BINARY).labelled


def test_a_model_of_findings_reads_classes() -> None:
    table = ImageTable(pd.DataFrame({"image_id": list("abc"), "path": list("abc"),
                                     "label": ["Normal", "Mass", "Edema"]}))
    ordered = in_order(table, FINDINGS, Task.MULTILABEL)
    assert ordered.labels.tolist() == [[0, 0, UNKNOWN], [0, 1, UNKNOWN], [1, 0, UNKNOWN]]
    with pytest.raises(ModelError, match="of the class Edema, which is none of them"):
        in_order(table, ("Mass", "Hernia"), Task.MULTILABEL)


@pytest.mark.slow
def test_a_class_without_film_is_a_warning_and_one_that_the_model_lacks_an_error(tmp_path, folder) -> None:
    frame = filmed(rows(["1"] * 24).drop(columns="finding:Edema").assign(label=["Normal", "Pneumonia"] * 12), folder)
    table = in_order(ImageTable(frame), ("Covid", "Normal", "Pneumonia"))
    assert table.labels.tolist() == [1, 2] * 12
    images = prepare_images(split_by_patient(table), size=16, folder=tmp_path)
    report = check_data(images)
    assert any("of which the data has no film: Covid" in warning for warning in report.warnings)
    assert report.chance == 0.5
    with pytest.raises(ModelError, match="the model does not know Pneumonia"):
        in_order(table, ("Normal", "Covid"))


@pytest.mark.slow
def test_one_class_is_enough_for_a_model_that_exists(tmp_path, folder) -> None:
    frame = filmed(rows(["1"] * 8).drop(columns="finding:Edema").assign(label="Pneumonia"), folder)
    with pytest.raises(DataError, match="at least two classes, all 8 images are 'Pneumonia'"):
        in_order(ImageTable(frame), None)
    table = in_order(ImageTable(frame), ("Normal", "Pneumonia"), Task.BINARY)
    assert table.labels.tolist() == [1] * 8
    report = check_data(prepare_images(split_by_patient(table), size=16, folder=tmp_path))
    assert any("has no film: Normal" in warning for warning in report.warnings)
    assert (report.chance, report.estimates) == (0.5, {})


def test_numbers_are_places_of_the_model_s_classes() -> None:
    frame = pd.DataFrame({"image_id": list("ab"), "path": list("ab"), "label": ["0", "1"]})
    ordered = in_order(ImageTable(frame), ("Normal", "Pneumonia"))
    assert ordered.frame["label"].tolist() == ["Normal", "Pneumonia"]
    assert any("0 Normal, 1 Pneumonia" in note for note in ordered.notes)
    with pytest.raises(ModelError, match="does not know 0, 7"):
        in_order(ImageTable(frame.assign(label=["0", "7"])), ("Normal", "Pneumonia"))


@pytest.mark.slow
def test_all_findings_of_nih(tmp_path, folder) -> None:
    said = {"1.png": "Mass|Edema", "2.png": "No Finding", "3.png": "Hernia", "4.png": "Nonsense"}
    for name in said:
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / name)
    pd.DataFrame({"Image Index": list(said), "Finding Labels": list(said.values()), "Patient ID": range(4)}).to_csv(
        tmp_path / "Data_Entry_2017.csv", index=False)
    table = NihChestXray14(root=tmp_path, policy="multilabel").table(tmp_path)
    assert table.classes == NIH
    assert table.frame["label"].tolist() == ["Edema|Mass", "no finding", "Hernia"]
    assert table.labels.sum(axis=1).tolist() == [2, 0, 1]
    assert [name for name, _ in table.left_out] == ["4.png"]
