"""A copy to hand over names no patient, no image, no place, and is read by every verb that reads a run."""

from __future__ import annotations

import json
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_folders import IMAGES, OTHER_PATIENT, PATIENTS, PLACES, SITES, SOURCES, naming_run, small_run

from radversary.core.errors import DataError, InputError
from radversary.evidence.export import export
from radversary.evidence.files import SALT
from radversary.evidence.pseudonyms import Pseudonyms, pseudonym
from radversary.evidence.seal import seal
from radversary.evidence.verify import verify
from radversary.report.html import load_result, write_report
from radversary.report.run_folder import RunFolder
from radversary.report.scrubbing import command_without_values, without_places

pytestmark = pytest.mark.slow

NAMES = (*IMAGES, *(name.removeprefix("image:") for name in PATIENTS), OTHER_PATIENT, *PLACES, *SITES, SOURCES[0],
         "st-mary", "dr_lee", "x-ray-77", "Müller", "Okafor")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder full of names; do not write there."""
    folder = tmp_path_factory.mktemp("run")
    naming_run(folder)
    return folder


@pytest.fixture(scope="module")
def copy(run, tmp_path_factory):
    """Its copy, sealed; do not write there."""
    out = tmp_path_factory.mktemp("out") / "copy"
    left = export(run, out, pictures=True).left_behind
    assert [name.partition(": ")[0] for name in left] == ["notes.txt", "figures/own.svg"]
    seal(out)
    return out


def said_in(path) -> str:
    """All that a file says, its name too."""
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
        return f"{path.name} {list(frame)} {frame.astype(str).to_csv()}"
    return f"{path} {path.read_bytes().decode('utf-8', 'replace')}"


def spellings(name: str) -> set[str]:
    """A name as it stands in texts, in JSON, in HTML, and in file names."""
    return {name, json.dumps(name)[1:-1], name.replace("/", "_"), name.replace(",", "&#44;")}


def test_the_names_are_in_the_run_folder(run):
    text = "".join(said_in(path) for path in run.rglob("*") if path.is_file())
    assert not [name for name in NAMES if name not in text]


def test_no_name_is_in_the_copy(copy):
    files = [path for path in copy.rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        text = said_in(path).replace(str(copy.parent), "")
        raw = path.read_bytes()
        for name in NAMES:
            for spelling in spellings(name):
                assert spelling not in text, (path, spelling)
                assert spelling.encode() not in raw, (path, spelling)


def test_the_salt_stays_and_is_its_owners(run, copy):
    assert (run / SALT).stat().st_mode & 0o777 == 0o600
    assert not list(copy.rglob(".*"))
    salt = (run / SALT).read_text().strip()
    assert salt not in "".join(said_in(path) for path in copy.rglob("*") if path.is_file())


def test_tables_result_and_pictures_agree_on_the_pseudonyms(run, copy):
    names = Pseudonyms(bytes.fromhex((run / SALT).read_text().strip()))
    result = load_result(copy)
    assert [image.image_id for image in result.gallery] == [names.image(name) for name in IMAGES]
    for table in ("predictions", "detections", "outcomes"):
        frame, before = pd.read_parquet(copy / f"{table}.parquet"), pd.read_parquet(run / f"{table}.parquet")
        assert frame["image_id"].tolist() == [names.image(name) for name in IMAGES]
        same = ["strength", "p_Normal", "label", "attack"]
        pd.testing.assert_frame_equal(frame[same], before[same])
    patients = pd.read_parquet(copy / "predictions.parquet")["patient_id"].tolist()
    assert len(set(patients)) == len(PATIENTS)
    assert patients[2] == f"image:{names.image(IMAGES[2])}"
    for image in result.gallery:
        assert (copy / image.original).read_bytes().startswith(b"\x89PNG")
        assert image.image_id in (copy / "report.html").read_text(encoding="utf-8")


def test_figures_are_those_of_the_run(run, copy):
    before, after = load_result(run), load_result(copy)
    for part in ("cells", "detections", "standing", "defences", "classes", "costs", "curves"):
        assert getattr(before, part) == getattr(after, part)
    assert len(after.data.left_out) == len(before.data.left_out)
    assert after.data.sha256 == before.data.sha256


def test_sites_and_sources_have_the_same_pseudonyms_in_the_whole_result_and_other_characteristics_stay(run, copy):
    names, result = Pseudonyms(bytes.fromhex((run / SALT).read_text().strip())), load_result(copy)
    for kind, known in (("site", SITES), ("source", SOURCES)):
        expected = [names.value(kind, value) for value in known]
        assert list(result.readings.characteristics[kind].values)[:2] == expected
        assert list(result.data.characteristics[kind])[:2] == expected
        (table,) = (table for table in result.subgroups.tables if table.name == kind)
        (test,) = result.subgroups.tests_of(kind)
        assert [item.value for item in table.values][:2] == expected == [test.best, test.worst]
        page = (copy / "report.html").read_text(encoding="utf-8")
        assert all(alias in page for alias in expected)
    assert result.readings.characteristics["site"].values[2] == "unknown"
    assert result.readings.characteristics["site"].of == load_result(run).readings.characteristics["site"].of
    assert result.readings.characteristics["sex"].values == ("F", "M")
    said = f"films of {names.value('site', SITES[0])} and {names.value('site', SITES[1])} are darker; images are few"
    assert said in result.data.warnings


def test_what_is_not_the_runs_own_or_cannot_be_judged_is_left_behind_and_named(tmp_path):
    run, out = small_run(tmp_path / "run"), tmp_path / "copy"
    rows = pd.DataFrame({"image_id": [8173412, 9173512], "strength": [0.1, 0.2]})
    for name, frame in (("more", rows), ("figures/predictions", rows), ("outcomes", rows),
                        ("detections", rows.assign(accession=[8173499, 1]))):
        frame.to_parquet(run / f"{name}.parquet", index=False)
    (run / "measurement.json").write_text('{"a": [8173412, 3, 0.5, true, null]}')
    (run / "patients.json").write_text('{"a": 8173412}')
    (run / ".more.json").write_text('{"a": 8173412}')
    left = export(run, out, pictures=False).left_behind
    assert {said.partition(": ")[0] for said in left} == {
        ".more.json", "detections.parquet", "figures/a.svg", "figures/predictions.parquet", "more.parquet",
        "patients.json"}
    assert "detections.parquet: nothing says what its column 'accession' holds" in left
    names = Pseudonyms(bytes.fromhex((run / SALT).read_text().strip()))
    assert pd.read_parquet(out / "outcomes.parquet")["image_id"].tolist() == [names.image("8173412"),
                                                                             names.image("9173512")]
    found = json.loads((out / "measurement.json").read_text())
    assert found == {"a": [names.image("8173412"), 3, 0.5, True, None]}
    assert "81734" not in "".join(said_in(path) for path in out.rglob("*") if path.is_file())


def test_the_copy_is_verified_read_and_drawn_and_a_change_is_found(copy):
    assert verify(copy).intact
    page = (copy / "report.html").read_bytes()
    write_report(copy)
    assert (copy / "report.html").read_bytes() == page
    assert verify(copy).intact
    assert RunFolder.open(copy).phases == ()
    path = copy / "predictions.parquet"
    content = path.read_bytes()
    write_other = pd.read_parquet(path).assign(p_Normal=0.9)
    write_other.to_parquet(path)
    assert verify(copy).changed == ("predictions.parquet",)
    with pytest.raises(DataError, match="was changed after the result"):
        load_result(copy)
    path.write_bytes(content)


def test_without_pictures_there_are_none_in_the_copy(run, tmp_path):
    export(run, tmp_path / "copy", pictures=False)
    assert not list((tmp_path / "copy").rglob("*.png"))
    assert "data:image/png" not in (tmp_path / "copy" / "report.html").read_text(encoding="utf-8")


def test_a_second_copy_has_the_same_pseudonyms_and_one_of_another_salt_has_others(run, copy, tmp_path):
    export(run, tmp_path / "again", pictures=True)
    for name in ("result.json", "predictions.parquet", "report.html"):
        assert (tmp_path / "again" / name).read_bytes() == (copy / name).read_bytes()
    assert pseudonym(bytes(32), "image", "a") != pseudonym(bytes(31) + b"1", "image", "a")
    assert pseudonym(bytes(32), "image", "a") != pseudonym(bytes(32), "patient", "a")


def test_a_place_that_holds_something_is_refused_and_nothing_is_left(run, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("a")
    for place in (tmp_path / "full", run / "copy", run):
        with pytest.raises(InputError):
            export(run, place, pictures=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


def test_a_file_that_cannot_be_read_through_stops_the_copy(tmp_path):
    naming_run(tmp_path / "run")
    (tmp_path / "run" / "measurement.json").write_text("{")
    with pytest.raises(InputError, match="so not pseudonymise it"):
        export(tmp_path / "run", tmp_path / "out", pictures=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


@given(st.lists(st.from_regex(r"[A-Z]{2}[0-9]{3}([_/ .-][a-z0-9]{1,4})?", fullmatch=True), min_size=1, max_size=8,
                unique=True),
       st.lists(st.sampled_from([" ", ", ", "/", "_", "('", "')", ": ", "\n", "x=", ".png"]), min_size=9, max_size=9))
def test_no_id_that_stands_between_marks_stays_in_a_text(ids, marks):
    names = Pseudonyms(bytes(32), ids)
    text = marks[-1] + "".join(name + mark for name, mark in zip(ids, marks, strict=False))
    found = names.text(text)
    longest = [name for name in ids if not any(name != other and name in other for other in ids)]
    assert not [name for name in longest if re.search(rf"(?<![a-zA-Z0-9]){re.escape(name)}(?![a-zA-Z0-9])", found)]


def test_texts_without_ids_and_names_of_classes_stay_as_they_are():
    names = Pseudonyms(bytes(32), ["Normal", "123", "12345", "film"], kept=["Normal"])
    for text in ("123 of 12345 films", "Normal", "films and microfilm", ""):
        assert names.text(text) == text
    assert names.text("film: Normal") == f"{names.image('film')}: Normal"


@pytest.mark.parametrize(("text", "clean"), [
    ("C:\\Users\\lee\\film.png", "[removed]"), ("~/films", "[removed]"), ("root='/a b/c d', n=1",
                                                                                    "root='[removed]', n=1"),
    ("read /srv/x/y.png, then", "read [removed], then"), ("https://h.example/x?y=1 answered", "[removed] answered"),
    ("50/50 and battery-2026.1/standard", "50/50 and battery-2026.1/standard"), ("a / b", "a / b"),
    ("attack/defence", "attack/defence"), ("(\\\\server\\share\\x)", "([removed])")])
def test_places_are_removed_and_nothing_else(text, clean):
    assert without_places(text) == clean


def test_a_command_keeps_its_verbs_options_and_numbers():
    assert command_without_values(["radversary", "run", "plan.yaml", "--out", "lee", "--workers", "2", "-1"]) == [
        "radversary", "run", "plan.yaml", "--out", "[removed]", "--workers", "2", "-1"]
