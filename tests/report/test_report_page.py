"""The page as a whole: it renders whatever is missing, escapes whatever is strange and needs nothing else."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from audit_factory import audit_result, changed, paired, performance, wilson

from radversary.auditing.result import AuditResult
from radversary.core.errors import DataError, InputError
from radversary.core.types import Estimate
from radversary.report import gallery
from radversary.report.html import render_report, write_report
from radversary.report.run_folder import RunFolder

VOID = {"meta", "img", "br", "hr", "input", "link"}


class Outline(HTMLParser):
    """Checks that elements nest, and keeps ids, links and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.ids: Counter[str] = Counter()
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.text = ""
        self.feed(page)
        assert self.stack == []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        values = dict(attrs)
        self.ids.update([values["id"]] if "id" in values else [])
        self.links += [v for k, v in attrs if k in ("href", "src", "xlink:href")]
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if self.stack and self.stack[-1] != "style":
            self.text += data


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    audit_result(folder).save(folder / "result.json")
    write_report(folder)
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> tuple[AuditResult, Path]:
    folder = tmp_path_factory.mktemp("small")
    result = audit_result(folder, defences=("none", "jpeg-75"), attacks=("style",), images=1)
    detections = tuple(d for d in result.detections if d.condition.strength == 1 and d.detector.startswith("edges"))
    curves = {"baseline": {"val_loss": (1.0, 0.5)}}
    return changed(result, detections=detections, curves=curves), folder


def page_text(result: AuditResult, folder: Path, **update) -> str:
    return Outline(render_report(changed(result, **update), folder)).text


@pytest.mark.slow
def test_the_page_is_whole_small_and_needs_nothing_else(run):
    page = (run / "report.html").read_text()
    outline = Outline(page)
    assert len(page) < 6e6
    assert outline.tags["script"] == 0
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in outline.links)
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/)", page)
    assert max(outline.ids.values()) == 1, outline.ids.most_common(3)
    anchors = [link[1:] for link in outline.links if link.startswith("#")]
    assert set(anchors) <= set(outline.ids)
    assert outline.tags["img"] == 8 * 5


@pytest.mark.slow
def test_figures_are_files_of_their_own_with_text_as_text(run):
    files = sorted((run / "figures").iterdir())
    assert {file.suffix for file in files} == {".svg"}
    assert {"accuracy-1-style-texture.svg", "classes-recall.svg", "roc-2-fourier.svg"} <= {file.name for file in files}
    for file in files:
        assert ElementTree.parse(file).getroot().tag.endswith("svg")
    texts = ElementTree.parse(run / "figures" / "classes-recall.svg").iter("{http://www.w3.org/2000/svg}text")
    assert "Pneumothorax" in {text.text for text in texts}


@pytest.mark.slow
def test_same_result_same_bytes(small):
    result, folder = small
    assert render_report(result, folder) == render_report(result, folder)


@pytest.mark.slow
def test_saved_and_loaded_result_gives_the_same_page(small, tmp_path):
    result, folder = small
    loaded = AuditResult.load(result.save(tmp_path / "result.json"))
    assert render_report(loaded, folder) == render_report(result, folder)


@pytest.mark.slow
def test_every_percentage_carries_interval_and_count(run):
    page = (run / "report.html").read_text()
    body = re.sub(r"<svg.*?</svg>|<style>.*?</style>|<header.*?</header>", "", page, flags=re.DOTALL)
    text = " ".join(Outline(body).text.split()).replace("95 % interval", "interval")
    found = list(re.finditer(r"\d %", text))
    assert found
    for match in found:
        tail = text[match.end(): match.end() + 60]
        assert re.match(r" \[[\d.]+, [\d.]+\] (n = \d+|recall)", tail), text[match.start() - 20: match.end() + 60]


def cover_figures(page: str) -> list[str]:
    return re.findall(r'<p class="big">([^<]+)</p>', page)


@pytest.mark.slow
def test_the_cover_shows_clean_worst_and_best_defended(run):
    result = AuditResult.load(run / "result.json")
    expected = [result.cell("clean", 0, "none"), result.cell("style (texture)", 1.0, "none"),
                result.cell("style (texture)", 1.0, "adversarial training")]
    shown = [f"{100 * cell.performance.accuracy.value:.1f}\u202f%" for cell in expected]
    page = (run / "report.html").read_text()
    assert cover_figures(page) == shown
    assert "Not a medical device" in page
    assert "Read this first" in page


WITHOUT = {
    "detections": {"detections": ()}, "gallery": {"gallery": ()}, "curves": {"curves": {}},
    "defences": {"defences": {}},
    "seconds": {"seconds": {}}, "provenance": {"provenance": {}, "model": {}}, "cells": {"cells": ()},
}


@pytest.mark.slow
@pytest.mark.parametrize("missing", WITHOUT)
def test_renders_without(small, missing):
    result, folder = small
    Outline(render_report(changed(result, **WITHOUT[missing]), folder))


@pytest.mark.slow
def test_renders_with_nothing_but_clean_images(small):
    result, folder = small
    bare = {key: value for part in WITHOUT.values() for key, value in part.items()}
    data = result.data.model_copy(update={"counts": {}, "patients": {}, "characteristics": {}, "left_out": (),
                                          "floors": {}, "warnings": (), "sha256": ""})
    only = changed(result, **{**bare, "cells": (result.cell("clean", 0, "none"),), "data": data})
    page = render_report(only, folder)
    text = Outline(page).text
    assert "no attack was run" in text
    assert "The identity attack was not run" in text
    assert 'href="#detection"' not in page
    assert len(cover_figures(page)) == 1


@pytest.mark.slow
def test_renders_without_defences_or_tests_or_areas(small):
    result, folder = small
    cells = tuple(cell.model_copy(update={
        "success": None, "against_clean": None, "against_none": None,
        "performance": performance(0.8, result.classes, 1).__class__(**{**vars(cell.performance), "auroc": None})})
        for cell in result.cells if cell.defence == "none")
    text = page_text(result, folder, cells=cells)
    assert "no defence was measured" in text
    assert "n/a" in text


@pytest.mark.slow
def test_renders_undefined_figures_as_such(small):
    result, folder = small
    nan = float("nan")
    cell = result.cells[0]
    empty = Estimate(nan, nan, nan, 0)
    classes = tuple(figures.__class__(figures.name, empty, empty, empty, 0) for figures in cell.performance.classes)
    broken = cell.performance.__class__(**{**vars(cell.performance), "precision": empty, "classes": classes})
    page = render_report(result.model_copy(update={"cells": (cell.model_copy(update={"performance": broken}),
                                                             *result.cells[1:])}), folder)
    assert "[no interval]" in page
    assert not re.search(r"\bnan\b", Outline(page).text)


@pytest.mark.slow
def test_bare_detections_and_gallery(small):
    result, folder = small
    detections = tuple(d.model_copy(update={"auroc": None, "threshold": None, "curve": None, "histogram": None,
                                            "needs_original": False}) for d in result.detections)
    bare = {"defended": None, "evidence": None, "original": "absent.png", "predictions": {}}
    gallery = tuple(e.model_copy(update=bare) for e in result.gallery)
    text = page_text(result, folder, detections=detections, gallery=gallery)
    assert "picture missing" in text
    assert "Works without the original" in text
    assert "Needs the original" not in text


@pytest.mark.slow
def test_strange_names_are_text_and_never_markup(tmp_path):
    evil = "<script>alert(1)</script>"
    classes = ("Normal", "a & b <b>$x^2$</b>", "_hidden \"quoted\"")
    result = audit_result(tmp_path, classes=classes, attacks=(evil,), defences=("none", "jpeg-75"), images=1)
    cells = tuple(c if c.defence == "none" else c.model_copy(update={"defence": "_<i>jpeg</i>"}) for c in result.cells)
    data = result.data.model_copy(update={
        "warnings": (evil,), "left_out": (evil,), "source": evil, "patients": {evil: 3},
        "characteristics": {evil: {evil: 1}}, "floors": {evil: 0.5}})
    strange = changed(result, name=evil, cells=cells, data=data, curves={evil: {evil: (1.0, 2.0)}},
                      provenance={evil: evil}, model={"name": evil}, seconds={evil: 1.0})
    outline = Outline(render_report(strange, tmp_path))
    assert outline.tags["script"] == outline.tags["i"] == 0
    assert evil in outline.text
    assert "a & b <b>$x^2$</b>" in outline.text


@pytest.mark.slow
def test_a_broken_identity_attack_is_the_first_thing_said(small):
    result, folder = small
    cells = tuple(c.model_copy(update={"against_clean": paired(c.performance, performance(0.5, result.classes, 2))})
                  if c.condition.attack == "identity" else c for c in result.cells)
    page = render_report(changed(result, cells=cells), folder)
    assert "✗ not equal" in page
    assert page.index("The identity attack changed the figures") < page.index("View, sex and age alone")


@pytest.mark.slow
def test_critical_misses_are_marked_and_counted(small):
    result, folder = small
    page = render_report(result, folder)
    confusion = result.cell("style", 1.0, "none").performance.confusion
    missed = confusion[1][0] + confusion[2][0]
    assert f"{missed} of 200 diseased images called Normal" in page
    assert f'{confusion[1][0]}<span class="mark"' in page
    renamed = changed(result, classes=("A", "B", "C"))
    assert "diseased" not in Outline(render_report(renamed, folder)).text


@pytest.mark.slow
def test_differences_over_zero_are_not_stressed(small):
    result, folder = small
    page = render_report(result, folder)
    for sign, value in re.findall(r'<span class="est (?:up|down)"><b>(▲|▼)&nbsp;([^<]+)</b>', page):
        assert value.startswith("+" if sign == "▲" else "\N{MINUS SIGN}")
    stressed = {cell.against_none.difference for cell in result.cells if cell.against_none
                and cell.against_none.difference.low <= 0 <= cell.against_none.difference.high}
    assert stressed, "the fixture needs an uncertain difference"
    assert page.count('class="est unsure"') >= len(stressed)


@pytest.mark.slow
def test_a_picture_outside_the_run_folder_is_not_carried_away(small, tmp_path):
    result, folder = small
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"\x89PNG\r\n\x1a\nsecret")
    (folder / "text.png").write_text("no picture")
    outside = tuple(e.model_copy(update={"original": str(secret), "attacked": f"../{tmp_path.name}/secret.png",
                                         "difference": "text.png"}) for e in result.gallery)
    page = render_report(result.model_copy(update={"gallery": outside}), folder)
    assert page.count("picture missing") == 3


@pytest.mark.slow
def test_the_long_list_of_left_out_files_is_cut(small):
    result, folder = small
    data = result.data.model_copy(update={"left_out": tuple(f"{i}.png: broken" for i in range(1000))})
    text = page_text(result, folder, data=data)
    assert "1000 files could not be used" in text
    assert "and 900 more" in text


def test_a_folder_without_result_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no result\.json; run an audit"):
        write_report(tmp_path)


@pytest.mark.parametrize("content", ["{", '{"name": "x"}', "\xff"])
def test_a_broken_result_is_refused_and_nothing_is_written(tmp_path, content):
    (tmp_path / "result.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match="is not an audit result"):
        write_report(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_wilson_of_the_fixture_is_an_interval():
    assert wilson(0.5, 100).low == pytest.approx(0.404, abs=2e-3)


@pytest.mark.slow
def test_names_with_control_characters_are_written_as_escapes(tmp_path):
    result = audit_result(tmp_path)
    strange = result.model_copy(update={
        "name": "run\x1b[31m", "data": result.data.model_copy(update={
            "left_out": ("cannot read a\u202egnp: no", "b\x07"), "warnings": ("mind\x00this",)})})
    strange.save(tmp_path / "result.json")
    page = write_report(tmp_path).read_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
    for said in ("run\\x1b[31m", "a\\u202egnp", "b\\x07", "mind\\x00this"):
        assert said in page, said
    for drawing in (tmp_path / "figures").glob("*.svg"):
        ElementTree.parse(drawing)


def test_a_picture_that_cannot_be_carried_is_absent(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(gallery.PNG + bytes(100))
    assert gallery.data_uri(tmp_path, "a.png").startswith("data:image/png;base64,")
    monkeypatch.setattr(gallery, "LARGEST", 50)
    assert gallery.data_uri(tmp_path, "a.png") is None
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    for name in ("a\0.png", "x" * 5000, "../a.png", "loop.png", ""):
        assert gallery.data_uri(tmp_path, name) is None


@pytest.mark.slow
@pytest.mark.parametrize("content", [
    "models: [", "models: {victim: {training: {phases: 3}}}", "models: []", "- a", "a: 1\na: 2", "",
    "models: {victim: null}", "models: {victim: {training: {phases: [{epochs: many}]}}}",
    "models: {victim: {training: {phases: [{epochs: -1}]}}}"])
def test_a_damaged_plan_beside_a_result_says_nothing(tmp_path, content):
    audit_result(tmp_path).save(tmp_path / "result.json")
    (tmp_path / "plan.yaml").write_text(content)
    assert RunFolder.open(tmp_path).phases == ()
    (tmp_path / "plan.yaml").write_text("models: {victim: {training: {phases: [{epochs: 3, trunk: frozen, name: a}]}}}")
    assert RunFolder.open(tmp_path).unfrozen_at(5) == 5


@pytest.mark.slow
def test_pictures_and_tables_of_a_run_folder_may_be_damaged(tmp_path):
    result = audit_result(tmp_path)
    result.save(tmp_path / "result.json")
    run, image = RunFolder.open(tmp_path), result.gallery[0]
    whole = (tmp_path / image.original).read_bytes()
    for content in (whole[:60], whole.replace(b"IDAT", b"IDAX"), gallery.PNG, whole[:16] + b"\x7f" * 8 + whole[24:]):
        (tmp_path / image.original).write_bytes(content)
        assert run.pixels(image.original) is None
    (tmp_path / "detections.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"detections\.parquet is no table, or is damaged"):
        run.scores(image)
