"""Names of classes from outside neither break the tables of a report nor run anything where they are opened."""

from __future__ import annotations

import csv
import io
import re

import pytest
from findings_factory import class_result, finding_result

from radversary.core.types import Task
from radversary.report.compare import rows_of_all
from radversary.report.finding_texts import findings_csv, findings_markdown
from radversary.report.html import write_report
from radversary.report.markdown import accuracy_table, recall_table, standing_table

NAMES = ("a|b", "=HYPERLINK(\"http://x\")", "<script>x</script>\nnext")


@pytest.fixture(params=["multilabel", "multiclass"])
def result(request, tmp_path):
    if request.param == "multiclass":
        return class_result(tmp_path, names=NAMES, task=Task.MULTICLASS)
    return finding_result(tmp_path, findings=(*NAMES, "Mass", "Nodule"))


def tables(text: str) -> list[list[str]]:
    """The tables of a Markdown page, line by line."""
    return [block.splitlines() for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]


@pytest.mark.slow
def test_a_row_of_markdown_has_as_many_cells_as_its_head(result):
    for text in (findings_markdown(result), accuracy_table(result), recall_table(result), standing_table(result)):
        assert "<script" not in text
        assert tables(text)
        for head, *rows in tables(text):
            assert rows
            for row in rows:
                assert len(re.findall(r"(?<!\\)\|", row)) == len(re.findall(r"(?<!\\)\|", head))


@pytest.mark.slow
def test_no_cell_of_csv_is_a_formula(result):
    for text in (findings_csv(result), rows_of_all({"=run": result})):
        rows = list(csv.reader(io.StringIO(text)))
        assert any("'=" in cell for row in rows for cell in row)
        assert not [cell for row in rows for cell in row if re.match(r"[=+@]|-[^\d]", cell)]


@pytest.mark.slow
def test_the_page_holds_names_as_text(result, tmp_path):
    result.save(tmp_path / "result.json")
    assert "<script>x" not in write_report(tmp_path).read_text()
