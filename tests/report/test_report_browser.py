"""The page in a real browser: nothing runs over the edge of a phone, and it prints."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from audit_factory import audit_result, table_result
from findings_factory import finding_result
from PIL import Image
from readings_factory import with_readings

from radversary.report.html import write_report

CHROMIUM = shutil.which("chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")]


@pytest.fixture(scope="module", params=["two defences", "the large table", "18 findings"])
def page(tmp_path_factory, request) -> Path:
    folder = tmp_path_factory.mktemp("run")
    long = "AnExtraordinarilyLongClassNameWithoutAnySpaceAtAll"
    large = request.param == "the large table"
    result = table_result(folder) if large else audit_result(folder, classes=("Normal", "Pneumonia", long))
    if request.param == "18 findings":
        result = finding_result(folder)
    result = with_readings(result, findings=len(result.classes) if result.task == "multilabel" else 0)
    result.save(folder / "result.json")
    return write_report(folder)


def chromium(tmp_path: Path, page: Path, *flags: str) -> str:
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.parametrize("width", [390, 820, 1200])
def test_nothing_runs_over_the_edge(page, tmp_path, width):
    html = page.read_text().replace("default-src 'none'", "script-src 'unsafe-inline'")
    # An inner frame has the width it is told; a headless window has a least width of its own.
    probe = page.with_name("probe.html")
    probe.write_text(html)
    host = page.with_name(f"host-{width}.html")
    host.write_text(f"""<iframe id="f" src="probe.html" style="width:{width}px;height:900px;border:0"></iframe>
<p id="out"></p><script>const frame = document.getElementById("f");
frame.onload = () => {{ const root = frame.contentDocument.documentElement;
document.getElementById("out").textContent = "seen=" + root.clientWidth + " needed=" + root.scrollWidth; }}</script>""")
    dom = chromium(tmp_path, host, "--window-size=1400,1000", "--allow-file-access-from-files",
                   "--virtual-time-budget=8000", "--dump-dom")
    seen, needed = map(int, re.search(r"seen=(\d+) needed=(\d+)", dom).groups())
    assert seen == width
    assert needed <= width


def test_a_screenshot_is_not_blank(page, tmp_path):
    shot = tmp_path / "shot.png"
    chromium(tmp_path, page, "--window-size=1200,2000", f"--screenshot={shot}")
    with Image.open(shot) as image:
        assert image.size == (1200, 2000)
        assert len(image.convert("RGB").getcolors(1 << 20)) > 100


def test_it_prints(page, tmp_path):
    paper = tmp_path / "report.pdf"
    chromium(tmp_path, page, "--no-pdf-header-footer", f"--print-to-pdf={paper}")
    assert paper.read_bytes().startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes())) > 5
