"""The page for people who work from Python: its code runs as it stands, block by block."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[1] / "docs" / "python.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
TITLES = re.findall(r"^## (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("code", BLOCKS, ids=TITLES)
def test_the_code_of_the_page_runs(code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, str(PAGE), "exec"), {"__name__": "page"})
    assert capsys.readouterr().out.strip()


def test_the_audit_on_the_page_leaves_a_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    there: dict = {"__name__": "page"}
    exec(compile(BLOCKS[0], str(PAGE), "exec"), there)
    assert (tmp_path / "runs" / "own" / "report.html").is_file()
    result = there["result"]
    assert len(repr(result)) < 400
    assert "<table" in result._repr_html_()
    assert there["rv"].AuditResult.load(tmp_path / "runs" / "own" / "kept.json") == result
    assert {"fourier", "apgd", "noise"} <= set(result.table()["attack"])


def test_the_blocks_are_ten_lines_or_about():
    assert BLOCKS
    for code in BLOCKS:
        lines = [line for line in code.splitlines() if line.strip() and not line.startswith(("import", "from"))]
        assert len(lines) <= 12
