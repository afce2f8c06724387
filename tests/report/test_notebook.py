"""What results and other public objects show at a prompt and in a notebook."""

from __future__ import annotations

from html.parser import HTMLParser

import pandas as pd
import pytest
from audit_factory import audit_result, changed
from guard_evaluation_factory import guard_evaluation_result
from tiny_guard_evaluation import make_guard, make_images

from radversary.classifiers.card import ModelCard
from radversary.core.text import FAULT
from radversary.data.table import ImageTable
from radversary.study.plan import StudyPlan

HOSTILE = "<script>alert(1)</script>\x1b[31m" + "x" * 500


class Reader(HTMLParser):
    """Collects tags and the texts of cells."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag, attrs):
        assert not attrs
        self.tags.append(tag)
        self.rows += [[]] if tag == "tr" else []

    def handle_data(self, data):
        if self.tags[-1] in ("td", "th"):
            self.rows[-1].append(data)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return audit_result(tmp_path_factory.mktemp("run"))


def study_plan(name: str) -> StudyPlan:
    return StudyPlan.model_validate({
        "name": name, "attacks": [{"label": f"attack {n}", "name": "fgsm"} for n in range(40)],
        "models": {"victim": {}}, "data": {"source": {"name": "phantoms", "options": {"count": 9}}}})


def table_of(classes: tuple[str, ...]) -> ImageTable:
    rows = [{"image_id": f"{n}", "path": f"{n}.png", "label": classes[n % len(classes)], "patient_id": f"p{n // 2}",
             "split": ("train", "test")[n % 2]} for n in range(2 * len(classes))]
    return ImageTable(pd.DataFrame(rows))


@pytest.mark.slow
def test_one_line_says_what_a_person_asks_first(result, tmp_path):
    assert repr(result) == str(result)
    clean = result.cell("clean", 0.0, "none").performance.accuracy
    assert f"accuracy on clean images {clean}" in repr(result)
    assert result.name[:20] in repr(result)
    images = make_images(tmp_path / "images")
    assert f"{len(images)} images of" in repr(images)
    assert images.sha256[:12] in repr(images)
    guard = make_guard(images)
    assert all(name in repr(guard) for name in guard.detectors)
    assert f"promised false alarms {guard.alpha:.1%}" in repr(guard)
    assert "promised false alarms" in repr(guard_evaluation_result(tmp_path))
    assert repr(ModelCard(name="lungs", architecture="resnet18", classes=("a", "b"), size=64)) == (
        "ModelCard('lungs', resnet18, multiclass: a, b; 64 x 64 px, channels=1, unsaved)")
    assert "trains victim on phantoms" in repr(study_plan("s"))
    assert repr(table_of(("a", "b"))) == ("ImageTable(4 images of 2 patients; classes a, b; train 2, test 2; "
                                          "0 left out)")


@pytest.mark.slow
def test_no_line_is_long_or_holds_a_control_character(result, tmp_path):
    many = tuple(f"class {n}" for n in range(100))
    card = ModelCard(name=HOSTILE, architecture=HOSTILE, classes=many, size=8)
    for shown in (changed(result, name=HOSTILE), card, study_plan(HOSTILE), table_of(many),
                  guard_evaluation_result(tmp_path, name=HOSTILE)):
        assert len(repr(shown)) <= FAULT
        assert "\x1b" not in repr(shown)
        assert "\n" not in repr(shown)


@pytest.mark.slow
def test_a_notebook_shows_a_small_page_without_markup_from_names(result):
    reader = Reader()
    page = changed(result, name=HOSTILE)._repr_html_()
    reader.feed(page)
    assert set(reader.tags) <= {"p", "b", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert "&lt;script&gt;" in page
    assert len(page.encode()) < 8_000
    heads, clean = reader.rows[0], reader.rows[1]
    assert heads[:3] == ["attack", "knowledge", "none"]
    assert clean[2] == str(result.cell("clean", 0.0, "none").performance.accuracy)


@pytest.mark.slow
def test_the_table_has_each_figure_of_each_condition_and_defence(result):
    table = result.table()
    assert len(table) == len(result.cells)
    assert list(table) == ["attack", "strength", "measure", "knowledge", "defence", "n", "accuracy", "low", "high",
                           "success", "success_low", "success_high", "oracle"]
    for cell in result.cells:
        what = cell.condition
        row = table[(table["attack"] == what.attack) & (table["strength"] == what.strength)
                    & (table["knowledge"] == str(what.knowledge)) & (table["defence"] == cell.defence)]
        assert row[["accuracy", "low", "high", "n"]].to_numpy().tolist() == [
            [cell.performance.accuracy.value, cell.performance.accuracy.low, cell.performance.accuracy.high,
             cell.performance.accuracy.n]]
        assert row["success"].isna().item() == (cell.success is None)
    assert set(table[table["oracle"]]["defence"]) == set(result.oracles)


def test_all_figures_stand_one_a_row(result):
    long = result.to_pandas()
    recall = long[(long["attack"] == "clean") & (long["defence"] == "none") & (long["figure"] == "recall")]
    own = result.cell("clean", 0.0, "none").performance
    assert dict(zip(recall["class"], recall["value"], strict=True)) == {
        "": own.recall.value, **{part.name: part.recall.value for part in own.classes}}
    wide = result.table()
    assert long[(long["figure"] == "accuracy")]["value"].tolist() == wide["accuracy"].tolist()
