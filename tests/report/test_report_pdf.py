"""The report as PDF: pages with a title, the result attached byte for byte, marked as PDF/A-3."""

from __future__ import annotations

import sys

import pytest
from audit_factory import audit_result

from radversary.core.errors import InputError, MissingPartError
from radversary.report.figures.canvas import Drawing
from radversary.report.pdf import paper, printed, write_pdf

pypdf = pytest.importorskip("pypdf")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    audit_result(folder, defences=("none", "jpeg-75"), attacks=("style",), images=1).save(folder / "result.json")
    return folder


@pytest.mark.slow
def test_the_document_is_whole_and_holds_its_result(run):
    path = write_pdf(run)
    document = pypdf.PdfReader(path)
    assert len(document.pages) > 5
    assert document.metadata.title == "ResNet-50 on NIH ChestX-ray14 (three classes) · robustness audit"
    assert document.attachments["result.json"] == [(run / "result.json").read_bytes()]
    stated = document.trailer["/Root"]["/Metadata"].get_data().decode()
    assert 'pdfaid:part="3"' in stated or "<pdfaid:part>3<" in stated
    pages = [page.extract_text() for page in document.pages]
    contents = next(text for text in pages if "Contents" in text)
    assert "Regulatory" in contents or "Regulation" in contents
    assert f"{len(pages)} of {len(pages)}" in pages[-1]
    assert all("<svg" not in text for text in pages)
    assert any("not proved" in text for text in pages)


def test_figures_on_paper_hold_no_variables():
    drawing = Drawing("a", "A", '<svg width="1pt"><path style="stroke: #16242d"/></svg>', "a line")
    assert "var(--ink)" in drawing.inline
    shown = printed(drawing).inline
    assert "var(" not in shown
    assert paper()["--ink"] in shown
    assert shown.__html__() == shown


def test_without_weasyprint_the_error_says_what_to_install(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(MissingPartError, match=r"radversary\[pdf\].*libpango"):
        write_pdf(run)


@pytest.mark.slow
def test_a_folder_without_a_result_is_refused_and_left_alone(tmp_path):
    with pytest.raises(InputError):
        write_pdf(tmp_path)
    assert not list(tmp_path.iterdir())
