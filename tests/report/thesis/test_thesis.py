"""The thesis' pictures from a run folder: drawn where the run holds them, a line where it does not."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
import yaml
from audit_factory import audit_result, changed
from PIL import Image
from test_report_page import Outline

from radversary.auditing.cells import Condition
from radversary.auditing.result import DefenceSummary
from radversary.core.types import AttackFamily
from radversary.report.run_folder import RunFolder
from radversary.report.thesis.plates import RECIPES, plate, write_thesis

pytestmark = pytest.mark.slow

FIGURES = {3, 5, *range(10, 14), *range(15, 34)}
STYLE = Condition(attack="style (texture)", strength=1.0, measure="opacity", family=AttackFamily.STYLE,
                  mixture=True, description="StyleTransferAttack(opacity=1.0)")


RESTORED = DefenceSummary(description="a U-Net", model="victim", transforms=("mine",), restorers=("unet",))
TRAINED = DefenceSummary(description="a model", model="robust", adversarial=True)


def thesis_run(folder, *, phases=({"trunk": "frozen", "epochs": 4}, {"trunk": "trained", "epochs": 5}), **changes):
    """A run with what the thesis has: three classes, a two-phase training, HGD first among the transforms."""
    base = audit_result(folder, images=3)
    defences = {"jpeg-75": RESTORED, "adversarial training": TRAINED}
    update = {"gallery": tuple(e.model_copy(update={"condition": STYLE}) for e in base.gallery), "defences": defences,
              "curves": {"victim": base.curves["baseline"], "robust": base.curves["baseline"]}, **changes}
    result = changed(base, **update)
    result.save(folder / "result.json")
    (folder / "plan.yaml").write_text(yaml.safe_dump({"models": {"victim": {"training": {"phases": list(phases)}}}}))
    return result


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("thesis")
    return folder, thesis_run(folder)


def one(folder, number):
    title, name, recipe = RECIPES[number]
    return plate(RunFolder.open(folder), number, title, name, recipe)


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return *write_thesis(run[0], out), out


def test_every_figure_of_the_issue_is_answered(written):
    made, index, out = written
    assert {plate.number for plate in made} == set(RECIPES) == FIGURES
    absent = {plate.number: plate.absent for plate in made if plate.drawing is None}
    assert absent == {22: "the run has no CycleGAN defence"}
    outline = Outline(index.read_text())
    assert "Not drawn: the run has no CycleGAN defence." in outline.text
    files = {path.name for path in out.glob("figure-*.svg")}
    assert files == {f"{plate.name}.svg" for plate in made if plate.drawing}
    assert files == {link for link in outline.links if link.endswith(".svg")}
    for path in out.glob("*.svg"):
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
    listed = (out / "index.md").read_text()
    assert listed.count("## Figure") == len(FIGURES)
    assert all(f"]({name})" in listed for name in files)


def test_every_drawn_figure_says_its_n(written):
    for item in written[0]:
        assert item.drawing is None or "n = " in item.caption, item
        assert bool(item.drawing) != bool(item.absent)


def test_same_run_same_bytes(run, written):
    for number in (3, 5, 15, 19, 20, 24):
        again = one(run[0], number)
        assert (written[2] / f"{again.name}.svg").read_text() == again.drawing.svg


def test_a_matrix_shows_the_counts_of_the_run(run):
    folder, result = run
    cells = {26: result.cell("clean", 0, "none"), 31: result.cell("style (texture)", 1.0, "none"),
             33: result.cell("style (texture)", 1.0, "adversarial training")}
    for number, cell in cells.items():
        svg = one(folder, number).drawing.svg
        rows = cell.performance.confusion
        assert f">{rows[1][1]}<" in svg
        assert f">{rows[2][0]}!<" in svg


def test_opacities_are_mixtures_of_what_the_run_kept(run):
    opened = RunFolder.open(run[0])
    image, original, attacked = opened.style_image()
    half, how = opened.at_opacity(image, original, attacked, 0.5)
    assert np.abs(half.astype(float) - (original.astype(float) + attacked) / 2).max() <= 0.5
    assert "mixed from" in how
    assert opened.at_opacity(image, original, attacked, 1.0)[0] is attacked
    other = image.model_copy(update={"condition": STYLE.model_copy(update={"mixture": False})})
    assert opened.at_opacity(other, original, attacked, 0.5) is None


def test_the_frozen_phase_ends_where_the_plan_says(run, tmp_path):
    captions = {number: one(run[0], number).caption for number in (23, 24)}
    assert captions[23].startswith("Epochs 1 to 4 of 9")
    assert captions[24].startswith("Epochs 5 to 9 of 9")
    thesis_run(tmp_path, phases=({"trunk": "frozen", "epochs": 10}, {"trunk": "trained", "epochs": 20}))
    assert "stopped early" in one(tmp_path, 23).absent
    assert "frozen part included" in one(tmp_path, 24).caption
    thesis_run(tmp_path, phases=({"trunk": "trained", "epochs": 9},))
    assert "no frozen phase" in one(tmp_path, 23).absent


def test_a_defence_that_the_gallery_does_not_show_is_said_so(run, tmp_path):
    thesis_run(tmp_path, defences={
        "jpeg-75": DefenceSummary(description="HGD, adversarial: words alone are no fact", model="victim"),
        "adversarial training": RESTORED.model_copy(update={"restorers": ("cyclegan",)})})
    assert one(tmp_path, 21).absent == "the run has no HGD defence"
    assert one(tmp_path, 18).absent == "the run has no adversarially trained defence"
    assert "no picture behind 'adversarial training'" in one(tmp_path, 22).absent


BARE = {"gallery": (), "curves": {}, "cells": (), "detections": (), "defences": {}}


@pytest.mark.parametrize("missing", ["cells", "everything"])
def test_whatever_is_missing_costs_a_line_and_nothing_else(tmp_path, missing):
    thesis_run(tmp_path, **(BARE if missing == "everything" else {missing: BARE[missing]}))
    (tmp_path / "plan.yaml").write_text("]")
    made, index = write_thesis(tmp_path, tmp_path / "out")
    assert len(made) == len(FIGURES)
    Outline(index.read_text())


def test_a_damaged_picture_is_as_good_as_none(tmp_path):
    thesis_run(tmp_path)
    for path in (tmp_path / "gallery").iterdir():
        path.write_bytes(path.read_bytes()[:60])
    assert "no image" in one(tmp_path, 5).absent


def test_scores_of_the_single_image_are_told(tmp_path):
    import pandas as pd

    result = thesis_run(tmp_path)
    name = result.gallery[0].image_id
    pd.DataFrame({"image_id": [name], "attack": [STYLE.attack], "strength": [1.0], "knowledge": ["oblivious"],
                  "edges": [50.0]}).to_parquet(tmp_path / "detections.parquet")
    assert "edges 50, an alarm (above" in one(tmp_path, 15).caption


def test_colour_images_are_drawn_in_colour(tmp_path):
    result = thesis_run(tmp_path)
    path = tmp_path / result.gallery[0].attacked
    Image.open(path).convert("RGB").save(path)
    opened = RunFolder.open(tmp_path)
    image, original, attacked = opened.style_image()
    assert (original.ndim, attacked.ndim) == (2, 3)
    assert opened.at_opacity(image, original, attacked, 0.3)[0].shape == attacked.shape
