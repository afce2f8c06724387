from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from guard_evaluation_factory import guard_evaluation_result
from PIL import Image

from radversary.auditing.cells import Condition
from radversary.auditing.result import Finding, FindingKind
from radversary.data.attacked import ATTACKED
from radversary.data.phantoms import Phantoms, write_phantoms
from radversary.detectors.registry import REFERENCE_FREE
from radversary.screening.bundle import load_guard
from radversary.screening.fitting import PRESETS
from radversary.screening.verdicts import CUES
from tiny_learned import OneEpoch

USE = ("--use", "energy", "--use", "neighbours")


@pytest.fixture
def films(tmp_path, phantoms):
    """Clean films, one a patient, as three folders: to learn from, to calibrate on, to screen."""
    listed = sorted(phantoms.rglob("Normal/*.png")) + sorted(phantoms.rglob("Pneumonia/*.png"))
    listed = [path for path in listed if "masks" not in path.parts]
    parts = {"fit": listed[:12], "calibrate": listed[12:-4], "new": listed[-4:]}
    for part, chosen in parts.items():
        (tmp_path / part).mkdir()
        for path in chosen:
            (tmp_path / part / path.name).write_bytes(path.read_bytes())
    return tmp_path


def table_of(folder, views):
    """A table of a folder's films with a view each."""
    names = sorted(path.name for path in folder.glob("*.png"))
    pd.DataFrame({"file": names, "patient_id": names, "view": views}).to_csv(folder / "films.csv", index=False)
    return folder / "films.csv"


@pytest.fixture
def bundle(radversary, films, make_model):
    model = make_model("a", "b")
    assert radversary("detector", "fit", films / "fit", "--model", model, "--out", films / "guard", *USE).code == 0
    assert radversary("detector", "calibrate", films / "calibrate", "--detector", films / "guard",
                      "--alpha", 0.2).code == 0
    return films / "guard"


@pytest.mark.slow
def test_fit_and_calibrate_say_what_comes_next_and_what_is_promised(radversary, films, make_model):
    fitted = radversary("detector", "fit", films / "fit", "--model", make_model("a", "b"), "--out", films / "g", *USE)
    assert "fitted on 12 images; next: radversary detector calibrate" in fitted.out
    early = radversary("screen", films / "new", "--detector", films / "g")
    assert early.code == 2
    assert "no thresholds yet" in early.err
    ready = radversary("detector", "calibrate", films / "calibrate", "--detector", films / "g", "--alpha", 0.2)
    assert "at most 20.0% of clean films" in ready.out
    greedy = radversary("detector", "calibrate", films / "calibrate", "--detector", films / "g", "--alpha", 0.01)
    assert greedy.code == 2
    assert "needs 198 clean calibration patients" in greedy.err


@pytest.mark.slow
def test_a_guard_is_audited_beside_its_model(radversary, bundle, films, tmp_path, phantoms):
    plan = tmp_path / "plan.yaml"
    plan.write_text(yaml.safe_dump({
        "attacks": [{"label": "noise", "name": "noise", "strengths": [0.2]},
                    {"label": "aware", "name": "evasive-pgd", "strengths": [8 / 255], "options": {"steps": 2}}],
        "bootstrap": 100, "gallery": 0, "probe_images": 0}))
    write_phantoms(Phantoms(count=30, size=48, seed=9), tmp_path / "drawn")
    for own, name in (("Normal", "a"), ("Pneumonia", "b")):
        shutil.copytree(next((tmp_path / "drawn").rglob(own)), tmp_path / "fresh" / name)
    given = ("--root", tmp_path / "fresh", "--plan", plan, "--out", tmp_path / "run", "--detector")
    done = radversary("audit", "--model", bundle / "model", *given, bundle)
    assert done.code == 0, done.err
    assert "Guards: images flagged" in done.out
    assert "aware" in done.out
    other = radversary("audit", "--model", bundle / "model", *given, tmp_path / "nothing")
    assert (other.code, "holds no guard.json" in other.err) == (2, True)


@pytest.mark.slow
def test_screen_tells_people_in_a_table_and_machines_in_lines(radversary, bundle, films):
    board = np.zeros((48, 48), np.uint8)
    board[::2, ::2] = 255
    Image.fromarray(board).save(films / "new" / "board.png")
    (films / "new" / "broken.png").write_bytes(b"no picture")
    table = radversary("screen", films / "new", "--detector", bundle)
    assert table.code == 1
    assert "review" in table.out
    assert "refused" in table.out
    assert "refused: broken.png in" in table.err
    lines = radversary("screen", films / "new", "--detector", bundle, "--json")
    found = {item["image"]: item for item in map(json.loads, lines.out.splitlines())}
    assert len(found) == 6
    assert found["board.png"]["verdict"] == "review"
    flagged = sum(item["verdict"] == "review" for item in found.values())
    assert f"{flagged} of 6 films to review, 1 refused" in table.err
    assert {item["place"] for item in found.values()} == {str(films / "new")}
    broken = found["broken.png"]
    assert (broken["verdict"], broken["p_value"], broken["prediction"]) == ("refused", None, "")
    assert "broken.png" in broken["reason"]
    assert found["board.png"]["verdict"] == "review"
    assert found["board.png"]["p_value"] <= 0.2
    assert found["board.png"]["cue"].partition(": ")[2] in CUES.values()


@pytest.mark.slow
def test_screen_of_clean_films_that_pass_ends_with_0(radversary, bundle, films):
    every = radversary("screen", films / "calibrate", "--detector", bundle, "--json")
    calm = next(item["image"] for item in map(json.loads, every.out.splitlines()) if item["verdict"] == "pass")
    outcome = radversary("screen", films / "calibrate" / calm, "--detector", bundle)
    assert outcome.code == 0
    assert "0 of 1 films to review, at a promised false-alarm rate of 20.0%" in outcome.err


@pytest.mark.slow
def test_check_counts_false_alarms_by_group(radversary, bundle, films):
    outcome = radversary("detector", "check", table_of(films / "new", ["AP", "PA"] * 2), "--detector", bundle)
    assert "view AP" in outcome.out
    assert "drift from the calibration" in outcome.out


@pytest.mark.slow
def test_films_that_the_guard_has_seen_are_refused_with_their_number(radversary, bundle, films):
    for words, said in ((("calibrate", films / "fit"), "12 of 12 films are among those that this guard was fitted on"),
                        (("check", films / "fit"), "12 of 12 films are among those that this guard was fitted on"),
                        (("check", films / "calibrate"), "films are among those that this guard was calibrated on")):
        outcome = radversary("detector", *words, "--detector", bundle)
        assert outcome.code == 2
        assert said in outcome.err


@pytest.mark.slow
def test_copies_of_films_count_once_and_are_told_beside_an_error(radversary, bundle, films):
    for number, path in enumerate(sorted((films / "new").iterdir())[:3]):
        for copy in range(4):
            (films / "new" / f"again-{number}-{copy}.png").write_bytes(path.read_bytes())
    few = radversary("detector", "calibrate", films / "new", "--detector", bundle, "--alpha", 0.2)
    assert few.code == 2
    assert "note: 12 of 16 films are copies of others among them" in few.err
    assert "8 clean calibration patients at least, half of them for each step, got 4" in few.err
    checked = radversary("detector", "check", films / "new", "--detector", bundle)
    assert "note: 12 of 16 films are copies of others among them" in checked.err
    assert any(row.split("│")[1:3] == [" all   ", "        4 "] for row in checked.out.splitlines()), checked.out


@pytest.mark.slow
def test_check_leaves_out_films_of_a_group_that_was_never_calibrated(radversary, bundle, films):
    count = len(list((films / "calibrate").iterdir()))
    views = table_of(films / "calibrate", [("AP", "PA")[number % 2] for number in range(count)])
    assert radversary("detector", "calibrate", views, "--detector", bundle, "--alpha", 0.2, "--by", "view").code == 0
    films_of_today = table_of(films / "new", ["AP", "LATERAL", "PA", ""])
    outcome = radversary("detector", "check", films_of_today, "--detector", bundle)
    assert "left out: 2 films of a view that was never calibrated (LATERAL, unknown)" in outcome.err
    assert "drift from the calibration" in outcome.out
    none = radversary("detector", "check", table_of(films / "new", ["LATERAL"] * 4), "--detector", bundle)
    assert none.code == 2
    assert "none of 4 films is of a view that was calibrated (AP, PA), but of LATERAL" in none.err


@pytest.mark.slow
def test_attacked_films_are_refused_as_clean(radversary, bundle, films, make_model):
    one = next((films / "new").iterdir())
    assert radversary("attack", one, "--name", "noise", "--out", films / "bad", "--size", 48).code == 0
    assert (films / "bad" / ATTACKED).is_file()
    for words in (("detector", "calibrate", films / "bad", "--detector", bundle),
                  ("detector", "fit", films / "bad", "--model", films / "model", "--out", films / "other")):
        outcome = radversary(*words)
        assert outcome.code == 2
        assert "was attacked by radversary" in outcome.err
    assert not (films / "other").exists()


@pytest.mark.slow
def test_another_model_is_refused(radversary, bundle, films, make_model):
    outcome = radversary("screen", films / "new", "--detector", bundle, "--model", make_model("a", "b", "c"))
    assert outcome.code == 2
    assert "fit and calibrate a detector for it" in outcome.err


@pytest.mark.slow
def test_a_guard_is_evaluated_on_a_run_s_images(radversary, bundle, films, phantoms):
    assert radversary("data", "prepare", "folder", "--root", phantoms, "--out", films / "run", "--size", 48).code == 0
    plan = films / "evaluation.yaml"
    plan.write_text(yaml.safe_dump({"bootstrap": 100, "gallery": 1, "attacks": [{"label": "noise", "name": "noise"}]}))
    words = ("detector", "evaluate", films / "run", "--detector", bundle, "--plan", plan, "--out", films / "evaluation")
    refused = radversary(*words)
    assert refused.code == 2  # the guard's model knows two classes, the run's films three
    assert "classes" in refused.err
    missing = radversary("detector", "evaluate", films / "new", "--detector", bundle)
    assert missing.code == 2
    assert "radversary data prepare" in missing.err


@pytest.mark.slow
def test_findings_of_an_evaluation_are_said_in_the_terminal(radversary, bundle, films, phantoms, monkeypatch):
    finding = Finding(kind=FindingKind.ZERO_GRADIENTS, defence="the classifier", value=1.0, threshold=0.01,
                      condition=Condition(attack="stm", strength=8 / 255), sentence="Nothing to follow.")
    monkeypatch.setattr("radversary.guard_evaluation.run.evaluate_guard", lambda plan, guard, images, out: (
        found := guard_evaluation_result(films, findings=(finding,), gallery=(), provenance={}),
        found.save(out / "guard-evaluation.json"))[0])
    assert radversary("data", "prepare", "folder", "--root", phantoms, "--out", films / "run", "--size", 48).code == 0
    told = radversary("detector", "evaluate", films / "run", "--detector", bundle, "--out", films / "evaluation")
    assert told.code == 0
    assert "warning: Nothing to follow." in told.err


@pytest.mark.slow
def test_a_group_that_is_too_small_is_a_note_and_films_without_one_are_refused_one_by_one(radversary, films, bundle):
    table = films / "calibrate" / "films.csv"
    names = sorted(path.name for path in (films / "calibrate").glob("*.png"))
    table.write_text("file,view\n" + "".join(f"{name},{'AP' if row % 2 else 'PA'}\n" for row, name in enumerate(names)))
    outcome = radversary("detector", "calibrate", table, "--detector", bundle, "--alpha", 0.2, "--by", "view")
    assert outcome.code == 0
    assert "note: group 'AP' has" in outcome.err
    assert "UserWarning" not in outcome.err
    refused = radversary("screen", films / "new", "--detector", bundle)
    assert refused.code == 1
    assert "0 of 4 films to review, 4 refused" in refused.err
    assert "its view is not known, and this guard promises nothing but for view AP, PA" in refused.out
    mixed = radversary("screen", table_of(films / "new", ["AP", "", "PA", "LL"]), "--detector", bundle, "--json")
    assert mixed.code == 1
    assert [json.loads(line)["verdict"] == "refused" for line in mixed.out.splitlines()] == [False, True, False, True]


@pytest.mark.slow
def test_places_with_films_of_equal_names_are_told_apart(radversary, films, make_model):
    """Two folders, two names, three of four films painted."""
    guard = films / "told"
    assert radversary("detector", "fit", films / "fit", "--model", make_model("a", "b"), "--out", guard, "--use",
                      "shallow").code == 0
    assert radversary("detector", "calibrate", films / "calibrate", "--detector", guard, "--alpha", 0.1).code == 0
    calm = [path for path in sorted((films / "calibrate").iterdir()) if radversary(
        "screen", path, "--detector", guard).code == 0]
    board = np.zeros((48, 48), np.uint8)
    board[::2, ::2] = 255
    for place, name, painted in (("A", "1.png", True), ("A", "2.png", False), ("B", "1.png", True),
                                 ("B", "2.png", True)):
        (films / place).mkdir(exist_ok=True)
        (films / place / name).write_bytes(calm[0].read_bytes())
        if painted:
            Image.fromarray(board).save(films / place / name)
    words = ("screen", films / "A", films / "B", "--detector", guard, "--heat-maps", films / "heat")
    table = radversary(*words)
    assert table.code == 1
    assert "3 of 4 films to review" in table.err
    rows = [line for line in table.out.splitlines() if ".png" in line]
    assert [f"{place} " in row for row, place in zip(rows, ("A", "A", "B", "B"), strict=True)] == [True] * 4
    drawn = {path.name: path.read_bytes() for path in (films / "heat").iterdir()}
    assert sorted(name[-len("A_1.png.heat.png"):] for name in drawn) == [
        "A_1.png.heat.png", "B_1.png.heat.png", "B_2.png.heat.png"]
    lines = [json.loads(line) for line in radversary(*words, "--json").out.splitlines()]
    assert [(item["place"], item["image"]) for item in lines] == [
        (str(films / place), name) for place in "AB" for name in ("1.png", "2.png")]
    assert {item["heat_map"] for item in lines if "heat_map" in item} == {str(films / "heat" / name) for name in drawn}


@pytest.mark.slow
def test_what_an_evaluation_found_is_told_in_tables_and_kept(radversary, films, make_model, phantoms):
    run, out = films / "run", films / "evaluation"
    assert radversary("data", "prepare", "folder", "--root", phantoms, "--out", run, "--size", 48).code == 0
    model = make_model(*sorted(path.name for path in phantoms.iterdir() if path.is_dir() and path.name != "masks"))
    assert radversary("detector", "fit", run, "--model", model, "--out", films / "guard", *USE).code == 0
    assert radversary("detector", "calibrate", run, "--detector", films / "guard", "--alpha", 0.5).code == 0
    plan = films / "evaluation.yaml"
    plan.write_text(yaml.safe_dump({"bootstrap": 100, "gallery": 1, "attacks": [
        {"label": "noise", "name": "noise", "strengths": [0.2]},
        {"label": "aware", "name": "evasive-pgd", "strengths": [0.05], "options": {"steps": 2}}]}))
    words = ("detector", "evaluate", run, "--detector", films / "guard", "--plan", plan, "--out", out)
    outcome = radversary(*words)
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert [sum(name in line for line in lines) for name in ("noise ", "aware ", "jpeg-75 ")] == [1, 1, 1]
    assert f"page: {out / 'guard-evaluation.html'}" in outcome.out.replace("\n", "")
    names = ("guard-evaluation.json", "guard-evaluation.md", "scores.parquet")
    kept = {name: (out / name).read_bytes() for name in names}
    assert radversary(*words).code == 0
    assert {name: (out / name).read_bytes() for name in kept} == kept
    page = (out / "guard-evaluation.html").read_bytes()
    (out / "guard-evaluation.html").unlink()
    assert radversary("report", out).code == 0
    assert (out / "guard-evaluation.html").read_bytes() == page
    assert radversary("report", out, "--format", "markdown").out == kept["guard-evaluation.md"].decode()


@pytest.mark.slow
def test_attacked_films_teach_a_supervised_detector_alone(radversary, films, make_model, monkeypatch):
    monkeypatch.setitem(REFERENCE_FREE._own, "learned", "tiny_learned:OneEpoch")
    model, bad = make_model("a", "b"), [films / "noise", films / "weak"]
    for strength, out in zip((0.2, 0.05), bad, strict=True):
        assert radversary("attack", films / "fit", "--name", "noise", "--out", out, "--size", 48,
                          "--strength", strength).code == 0
    fit = ("detector", "fit", films / "fit", "--model", model, "--out", films / "guard")
    folders = [word for out in bad for word in ("--attacked", out)]
    fitted = radversary(*fit, "--use", "learned", "--use", "energy", *folders)
    assert fitted.code == 0
    assert "fitted on 12 images and 24 attacked ones" in fitted.out
    record = json.loads((films / "guard" / "guard.json").read_text())["record"]
    assert (record["fitted_images"], record["attacked_images"], len(record["attacked_sha256"])) == (12, 24, 64)
    for words, said in (((*fit, "--use", "learned"), "'learned' is supervised"),
                        ((*fit, *USE, *folders), "only clean ones teach the chosen detectors")):
        refused = radversary(*words)
        assert refused.code == 2
        assert said in refused.err


@pytest.mark.slow
def test_the_learned_detector_is_measured_on_families_left_out(radversary, films, make_model, phantoms, monkeypatch):
    monkeypatch.setattr("radversary.guard_evaluation.families.run.LearnedDetector", OneEpoch)
    assert radversary("data", "prepare", "folder", "--root", phantoms, "--out", films / "run", "--size", 48).code == 0
    plan = films / "evaluation.yaml"
    plan.write_text(yaml.safe_dump({"bootstrap": 100, "attacks": [
        {"label": "grain", "name": "noise", "strengths": [0.1]}, {"label": "step", "name": "fgsm", "strengths": [0.05]},
        {"label": "aware", "name": "evasive-pgd"}]}))
    model = make_model(*sorted(path.name for path in phantoms.iterdir() if path.is_dir() and path.name != "masks"))
    words = ("detector", "families", films / "run", "--model", model, "--plan", plan, "--out", films / "evaluation",
             "--train-images", 8)
    outcome = radversary(*words)
    assert outcome.code == 0
    assert "AUROC out-of-family" in outcome.out
    assert "gradient" in outcome.out
    assert "1 of the plan's attacks know the detectors" in outcome.err
    assert "out-of-family" in (films / "evaluation" / "families.md").read_text()
    found = json.loads((films / "evaluation" / "families.json").read_text())
    assert found["taught_attacked"] == {"noise": 8, "gradient": 8}
    missing = radversary("detector", "families", films / "new", "--model", model)
    assert missing.code == 2
    assert "radversary data prepare" in missing.err


@pytest.mark.slow
def test_a_view_is_looked_through_and_kept(radversary, films, make_model):
    out = films / "viewed"
    made = radversary("detector", "fit", films / "fit", "--model", make_model("a", "b"), "--out", out,
                      "--use", "consistency", "--view", "canonical")
    assert made.code == 0
    assert list(load_guard(out).views) == ["canonical"]
    wrong = radversary("detector", "fit", films / "fit", "--model", make_model("a", "b"), "--out", films / "none",
                       "--use", "consistency", "--view", "canon")
    assert wrong.code == 2
    assert "give 'canonical' or the folder" in wrong.err
    assert not (films / "none").exists()


@pytest.mark.slow
def test_a_preset_names_the_detectors_and_a_rule_how_they_are_put_together(radversary, films, make_model):
    model, out = make_model("a", "b"), films / "quick"
    assert radversary("detector", "fit", films / "fit", "--model", model, "--out", out, "--preset", "quick").code == 0
    assert radversary("detector", "calibrate", films / "calibrate", "--detector", out, "--alpha", 0.2,
                      "--rule", "harmonic").code == 0
    guard = load_guard(out)
    assert (tuple(guard.detectors), guard.calibrated().rule) == (PRESETS["quick"], "harmonic")
    wrong = radversary("detector", "fit", films / "fit", "--model", model, "--out", films / "none",
                       "--preset", "through")
    assert wrong.code == 2
    assert "thorough" in wrong.err
    assert not (films / "none").exists()
