"""What of a folder are films, whatever else lies in it, and what is said of the rest."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_dicom import write as write_dicom

from radversary.cli.pictures import image_files
from radversary.core.errors import DataError, PlanError
from radversary.data.checks import check_data
from radversary.data.class_folders import part_of
from radversary.data.files import films_under, list_films
from radversary.data.film_folders import LISTED, films_in_classes
from radversary.data.folders import ClassFolders
from radversary.data.nih import NihChestXray14
from radversary.data.prepare_folder import prepare_images
from radversary.data.reading import kind_of, read_image, read_tags, why_unread
from radversary.data.splits import split_by_patient
from radversary.screening.films import films_at

pytestmark = pytest.mark.filterwarnings("ignore:the patients of")
CLASSES = ("Normal", "Pneumonia")
PARTS = ("train", "val", "test")


def film(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng([seed, *os.fsencode(path)]).integers(0, 256, (32, 32), dtype=np.uint8)
    Image.fromarray(pixels).save(path, format="PNG")
    return path


def films(root: Path, *folders: str, count: int = 2) -> Path:
    for folder in folders or CLASSES:
        for number in range(count):
            film(root / folder / f"{folder.replace('/', '')}{number}.png")
    return root


def named(left_out: list[tuple[str, str]], root: Path) -> dict[str, str]:
    """What was left out by its path below the root, with the reason."""
    return {Path(name).relative_to(root).as_posix(): reason for name, reason in left_out}


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that any user may reach."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def as_nobody(elsewhere) -> Iterator[Path]:
    """The same, looked at without the rights of an administrator where the tests run with them."""
    root = os.geteuid() == 0
    yield elsewhere
    if root:
        os.seteuid(0)


def test_a_link_counts_the_same_however_the_root_is_spelt(tmp_path) -> None:
    root = films(tmp_path / "films")
    (root / "Normal" / "a.png").symlink_to("../Pneumonia/Pneumonia0.png")
    (tmp_path / "link").symlink_to(root)
    for spelt in (root, root / ".." / "films", tmp_path / "link"):
        frame, left_out, notes = films_in_classes(spelt)
        assert frame["label"].value_counts().to_dict() == {"Normal": 2, "Pneumonia": 2}
        assert list(named(left_out, spelt)) == ["Normal/a.png"]
        assert "1 film is listed in two parts or classes by links" in notes[0]


def test_a_folder_linked_into_another_part_is_named_with_its_count(tmp_path) -> None:
    root = films(tmp_path / "films", *(f"{part}/{label}" for part in PARTS for label in CLASSES))
    (root / "test" / "Normal" / "more").symlink_to("../../train/Normal")
    table = ClassFolders(root=root).table(tmp_path)
    reasons = named(list(table.left_out), root)
    assert list(reasons) == ["test/Normal/more"]
    assert reasons["test/Normal/more"].endswith("/films/train/Normal, whose 2 films count there")
    assert set(table.frame[LISTED]) == {"", "test/Normal"}


def test_parts_that_link_to_one_store_are_each_named(tmp_path) -> None:
    films(tmp_path / "store")
    for part in PARTS:
        for label in CLASSES:
            (tmp_path / "films" / part).mkdir(parents=True, exist_ok=True)
            (tmp_path / "films" / part / label).symlink_to(tmp_path / "store" / label)
    frame, left_out, _ = films_in_classes(tmp_path / "films")
    assert frame["split"].tolist() == ["test"] * 4
    assert set(named(left_out, tmp_path / "films")) == {f"{part}/{label}" for part in ("train", "val")
                                                        for label in CLASSES}
    assert set(frame[LISTED]) == {"train/Normal validation/Normal", "train/Pneumonia validation/Pneumonia"}


def test_further_names_of_a_class_or_of_its_folders_are_named_and_loops_are_not(tmp_path) -> None:
    root = films(tmp_path, "Normal", "Normal/sub", "Pneumonia")
    (root / "Healthy").symlink_to("Normal")
    (root / "Pneumonia" / "sub").symlink_to("../Normal/sub")
    (root / "Normal" / "loop").symlink_to("..")
    (root / "Normal" / "self").symlink_to(".")
    frame, left_out, notes = films_in_classes(root)
    reasons = named(left_out, root)
    assert "whose 4 films count" in reasons.pop("Healthy")
    assert "whose 2 films count" in reasons.pop("Pneumonia/sub")
    assert reasons == {}
    assert (len(frame), any("no film counts in the folder Healthy" in note for note in notes)) == (6, True)


def test_a_film_beside_the_classes_counts_where_a_link_gives_it_a_class(tmp_path) -> None:
    for label in CLASSES:
        film(tmp_path / f"{label}.png")
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.png").symlink_to(f"../{label}.png")
    frame, _, _ = films_in_classes(tmp_path)
    assert frame["key"].tolist() == ["Normal/1.png", "Pneumonia/1.png"]


def test_folders_that_lead_nowhere_are_named(tmp_path) -> None:
    root = films(tmp_path)
    for name in ("Normal/part2", "Pneumothorax", "Normal/IM0001", "Normal/v1.2"):
        (root / name).symlink_to("/nowhere/at/all")
    (root / "Normal" / "circle").symlink_to("circle")
    for label in CLASSES:
        (root / label / "gone.png").symlink_to("/nowhere/gone.png")
    (root / "Normal" / "notes.txt").symlink_to("/nowhere/notes.txt")
    _, left_out, _ = films_in_classes(root)
    assert set(named(left_out, root)) == {"Normal/part2", "Pneumothorax", "Normal/IM0001", "Normal/v1.2",
                                          "Normal/circle", "Normal/gone.png", "Pneumonia/gone.png"}
    assert "no such file or directory" in named(left_out, root)["Pneumothorax"]
    assert "part2" in [item.name for item in films_at(root / "Normal")]
    assert root / "Normal" / "part2" in image_files([root / "Normal"])


def test_images_of_kinds_that_are_not_read_are_named_and_what_lies_beside_films_is_not(tmp_path) -> None:
    root = films(tmp_path)
    for name in ("a.dcm.gz", "b.npy", "c.j2k", "d.pgm", "e.avif", "f.zip", "g.nii.gz", "h.tif"):
        (root / "Normal" / name).write_bytes(gzip.compress(b"x" * 200))
    for name in ("notes.txt", "a.json", "b.csv", "c.csv.gz", ".DS_Store", "Thumbs.db", "desktop.ini", "._a.png",
                 "Makefile"):
        (root / "Normal" / name).write_bytes(b"x" * 200)
    _, left_out, _ = films_in_classes(root)
    reasons = {name[7]: reason for name, reason in named(left_out, root).items()}
    assert "".join(sorted(reasons)) == "abcdefgh"
    for letter, kind in zip("abcfg", ("an archive", "an array", "a picture of another kind", "an archive", "a volume"),
                            strict=True):
        assert f"it is {kind} by its name" in reasons[letter]
    assert len(films_at(root / "Normal")) == 10


def test_a_class_folder_without_films_is_said(tmp_path) -> None:
    root = films(tmp_path)
    (root / "Empty").mkdir()
    (root / "TB").mkdir()
    (root / "TB" / "a.dcm.gz").write_bytes(gzip.compress(b"x"))
    table = ClassFolders(root=root).table(tmp_path)
    assert table.notes == ("no film counts in the folders Empty, TB: no class is made of that name",)
    shutil.rmtree(root / "Pneumonia")
    with pytest.raises(DataError, match=r"at least two classes, all 2 images .* the first of 1 left out: .*a\.dcm\.gz"):
        ClassFolders(root=root).table(tmp_path)


@pytest.mark.parametrize("implicit", [True, False])
def test_a_dicom_file_without_preamble_is_read(tmp_path, implicit) -> None:
    from pydicom import dcmread
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_dataset

    samples = np.random.default_rng(0).integers(0, 4096, (24, 24), dtype=np.uint16)
    whole = write_dicom(tmp_path / "whole.dcm", samples, PatientID="P7", BitsStored=12, HighBit=11)
    bare = DicomBytesIO()
    bare.is_little_endian, bare.is_implicit_VR = True, implicit
    write_dataset(bare, dcmread(BytesIO(whole.read_bytes())))
    (tmp_path / "IM0001").write_bytes(bare.getvalue())
    (tmp_path / "IM0002").write_bytes(whole.read_bytes()[132:])  # with the file meta information
    (tmp_path / "IM0003").write_bytes(bare.getvalue()[:300])
    for name in ("IM0001", "IM0002"):
        assert np.array_equal(read_image(tmp_path / name).pixels, read_image(whole).pixels)
        assert read_tags(tmp_path / name)["PatientID"] == "P7"
    assert [path.name for path in films_under(tmp_path)] == ["IM0001", "IM0002", "IM0003", "whole.dcm"]
    for other in (b"\x08\0\x05\0text and more of it", b"\x08\0", b"\x08\0" * 66, bytes(132)):
        assert kind_of(other) is None


@pytest.mark.slow
@pytest.mark.parametrize("names", [("fold1", "fold2", "fold3"), ("set_a", "set_b"), ("siteA", "siteB"),
                                   ("cxr_train", "cxr_test")])
def test_folders_that_each_hold_the_same_folders_are_no_classes_until_it_is_said(tmp_path, names) -> None:
    films(tmp_path, *(f"{name}/{label}" for name in names for label in CLASSES))
    with pytest.raises(DataError, match="each with Normal, Pneumonia below: say which of them are the classes"):
        ClassFolders(root=tmp_path).table(tmp_path)
    assert ClassFolders(root=tmp_path, classes="inner").table(tmp_path).classes == CLASSES
    assert ClassFolders(root=tmp_path, classes="outer").table(tmp_path).classes == tuple(sorted(names))
    with pytest.raises(PlanError, match="classes must be outer or inner, got 'middle'"):
        ClassFolders(root=tmp_path, classes="middle")  # type: ignore[arg-type]


@pytest.mark.slow
def test_folders_of_patients_in_class_folders_are_no_classes(tmp_path) -> None:
    films(tmp_path, *(f"{label}/{number:03d}" for label in CLASSES for number in range(31)), count=1)
    assert ClassFolders(root=tmp_path).table(tmp_path).classes == CLASSES


def test_names_of_parts() -> None:
    for part, names in {"train": "train_1 train2017 split_train tr Training-Set trn fold1_train 01.train",
                        "validation": "val_1 val2017 split_val va dev Valid", "test": "test_1 test2017 te tst TESTING",
                        "": f"Normal latest contest try trauma valve tested positive_test {'1' * 60}x"}.items():
        assert {part_of(name) for name in names.split()} == {part}


def test_one_film_beside_the_parts_leaves_the_split_as_it_is(tmp_path) -> None:
    films(tmp_path, *(f"{label}/{part}" for part in PARTS for label in CLASSES))
    film(tmp_path / "Normal" / "stray.png"), film(tmp_path / "Normal" / "other" / "1.png")
    frame, left_out, _ = films_in_classes(tmp_path)
    assert frame["split"].value_counts().to_dict() == {"train": 4, "validation": 4, "test": 4}
    assert set(named(left_out, tmp_path)) == {"Normal/stray.png", "Normal/other/1.png"}
    assert all("it lies in no part of the split" in reason for _, reason in left_out)
    film(tmp_path / "TB" / "1.png")
    with pytest.raises(DataError, match="Normal, Pneumonia with parts of a split below, beside TB with none"):
        films_in_classes(tmp_path)


@pytest.mark.parametrize("images", ["images", "Images", ""])
@pytest.mark.parametrize("masks", ["masks", "Lung Masks", "mask", "infection_masks"])
def test_masks_beside_images_are_no_films(tmp_path, images, masks) -> None:
    root = films(tmp_path, *(f"{label}/{images}".rstrip("/") for label in CLASSES))
    films(root, *(f"{label}/{masks}" for label in CLASSES), count=3)
    frame, left_out, notes = films_in_classes(root)
    assert (len(frame), left_out) == (4, [])
    assert notes == ("6 files lie in folders of masks beside images: such a file is no film",)


def test_what_systems_leave_behind_is_passed_over_without_a_word(tmp_path) -> None:
    root = films(tmp_path)
    for name in ("a.png~", "a.png.bak", "@eaDir/a.png/thumb.png", "#recycle/a.png", "lost+found/a.png",
                 ".Trash-1/a.png", "System Volume Information/a.png", "__MACOSX/a.png", ".hidden/a.png",
                 "$RECYCLE.BIN/a.png"):
        film(root / "Normal" / name), film(root / name)
    frame, left_out, notes = films_in_classes(root)
    assert (len(frame), left_out, notes) == (4, [], ())
    assert len(films_at(root / "Normal")) == 2


def test_what_may_not_be_looked_into_is_named(as_nobody) -> None:
    root = films(as_nobody / "films")
    film(root / "Normal" / "closed" / "1.png"), film(root / "Normal" / "listed" / "1.png")
    film(as_nobody / "secret" / "in" / "1.png"), film(root / "Normal" / "no_ending")
    (root / "Normal" / "into").symlink_to(as_nobody / "secret" / "in")
    (root / "Normal" / "into.png").symlink_to(as_nobody / "secret" / "in" / "1.png")
    for name, mode in (("films/Normal/closed", 0), ("films/Normal/listed", 0o444), ("secret", 0),
                       ("films/Normal/no_ending", 0)):
        (as_nobody / name).chmod(mode)
    if os.geteuid() == 0:
        os.seteuid(65534)
    found = list_films(root)
    assert [path.name for path in found.unread] == ["closed", "into", "into.png", "no_ending"]
    assert len(found.films) == 5
    for name in ("closed", "into", "no_ending", "listed/1.png", "into.png"):
        assert why_unread(root / "Normal" / name).endswith(": permission denied")


def test_a_path_longer_than_any_may_be_is_named(elsewhere) -> None:
    root = films(elsewhere)
    place = os.open(root / "Normal", os.O_RDONLY)
    for _ in range(45):
        os.mkdir("e" * 100, dir_fd=place)
        deeper = os.open("e" * 100, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = deeper
    os.close(place)
    frame, left_out, _ = films_in_classes(root)
    shutil.rmtree(root / "Normal")
    assert len(frame) == 4
    assert [reason.rpartition(": ")[2] for _, reason in left_out] == ["file name too long"]


def test_a_nih_film_counts_though_a_link_of_its_name_leads_nowhere(tmp_path) -> None:
    rows = ["Image Index,Finding Labels,Patient ID", "1.png,No Finding,1", "2.png,Pneumonia,2"]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    films(tmp_path, "images", count=0)
    film(tmp_path / "images" / "1.png"), film(tmp_path / "images" / "2.png")
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "1.png").symlink_to("/nowhere/1.png")
    assert len(NihChestXray14(root=tmp_path).table(tmp_path)) == 2


@pytest.mark.slow
def test_nothing_is_proved_where_links_list_films_in_two_parts_or_classes(tmp_path) -> None:
    parts = films(tmp_path / "parts", *(f"{part}/{label}" for part in PARTS for label in CLASSES))
    (parts / "test" / "Normal" / "more").symlink_to("../../train/Normal")
    classes = films(tmp_path / "classes", count=6)
    (classes / "Normal" / "a.png").symlink_to("../Pneumonia/Pneumonia0.png")
    for root, says in ((parts, "2 films are listed"), (classes, "1 film is listed")):
        table = ClassFolders(root=root).table(tmp_path)
        table = table if root == parts else split_by_patient(table)
        report = check_data(prepare_images(table, size=32, folder=tmp_path / f"{root.name}_out"))
        assert report.proved == ()
        assert all("of 12 images in two parts or classes" in text for text in report.unproved)
        assert any(f"{says} in two parts or classes by links" in text for text in report.warnings)
