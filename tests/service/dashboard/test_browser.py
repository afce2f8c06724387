"""Every page in Chromium: axe-core finds nothing serious, nothing is wider than a phone, and what scripts do works."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from pathlib import Path

import pytest
import uvicorn

from radversary.service.store.log import note
from radversary.service.store.tables import Job
from service.dashboard.conftest import PAGES
from service.dashboard.evaluated import add_batch, add_evaluation
from service.monitoring.conftest import bundle  # noqa: F401

playwright = pytest.importorskip("playwright.sync_api", reason="NO PLAYWRIGHT: pages were not opened in a browser")
axe = pytest.importorskip("axe_core_python", reason="NO AXE: pages were not checked for accessibility")

pytestmark = pytest.mark.slow

RESULT_PAGES = ("/jobs/{job}/images", "/jobs/{job}/score", "/compare?run={job}&run={older}",
                "/compare?run={job}&run={older}&gate={job}&baseline={older}&min_score=99&max_drop=5", "/guards/{guard}",
                "/jobs?removed={removed}", "/jobs/{evaluation}", "/jobs/{batch}", "/jobs/{batch}/verdicts")
AXE = Path(axe.__file__).parent / "axe.min.js"
RUN = "only => axe.run(document, {runOnly: only, iframes: false, resultTypes: ['violations']})"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = {"type": "rule", "values": ["color-contrast"]}


@pytest.fixture
def audited(platform, things, run_folder, bundle):  # noqa: F811
    """Results and reports in the folders of the jobs that are done, and a guard with its files."""
    for name in ("job", "older"):
        shutil.copytree(run_folder, platform.settings.home / "jobs" / things[name])
    with platform.database.session() as session:
        line = note(session, tenant="main", actor="system", action="purge", subject="0" * 24,
                    detail={"kind": "upload", "files": 12, "bytes": 3400, "left": 0}).number
    return {**things, "removed": line, "evaluation": add_evaluation(platform, things, bundle),
            "batch": add_batch(platform, things)}


@pytest.fixture
def site(app):
    """The application behind a real port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    server.force_exit = True
    thread.join(timeout=20)


@pytest.fixture
def browser(chromium):
    with playwright.sync_playwright() as opened:
        browser = opened.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def entered(browser, site, token, **options):
    """A tab that is signed in; what it asks of other hosts, and what goes wrong in it, is written down."""
    tab = browser.new_context(**options).new_page()
    tab.heard = []
    tab.on("console", lambda said: tab.heard.append(said.text) if said.type in ("error", "warning") else None)
    tab.on("pageerror", lambda error: tab.heard.append(str(error)))
    tab.on("request", lambda asked: tab.heard.append(asked.url) if not asked.url.startswith((site, "data:")) else None)
    tab.goto(f"{site}/sign-in")
    tab.fill("#key", token)
    tab.click("button[type=submit]")
    tab.wait_for_url(lambda url: "/sign-in" not in url)
    return tab


def serious(tab, only=TAGS):
    """What axe-core finds that is serious or critical."""
    tab.evaluate(AXE.read_text(encoding="utf-8"))
    found = tab.evaluate(RUN, only)["violations"]
    return [(item["id"], [node["html"][:160] for node in item["nodes"]]) for item in found
            if item["impact"] in ("serious", "critical")]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_every_page_is_accessible_and_no_wider_than_its_screen(browser, site, audited, key, scheme, width):
    """All rules on a desk; in the dark contrast, which alone differs; on a phone all rules on the first page."""
    tab, found = entered(browser, site, key(), color_scheme=scheme, viewport={"width": width, "height": 800}), []
    for path in (*PAGES, *RESULT_PAGES):
        if path in ("/screening/recent", "/screening/batches"):  # parts of a page
            continue
        tab.goto(site + path.format(**audited))
        tab.wait_for_timeout(100)
        if width > 1000 or path == "/":
            found += [(path, item) for item in serious(tab, TAGS if scheme == "light" else COLOURS)]
        wide, screen = tab.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        found += [(path, "wide", wide)] if wide > screen else []
    assert found + tab.heard == []


def test_the_sign_in_page_is_accessible(browser, site):
    tab = browser.new_page()
    tab.goto(f"{site}/sign-in")
    assert serious(tab) == []


def test_a_keyboard_comes_to_the_content_and_sees_where_it_is(browser, site, key, things):
    tab = entered(browser, site, key())
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.closest('main') !== null")


def test_an_error_stays_on_the_page_with_what_was_entered(browser, site, key):
    tab = entered(browser, site, key())
    tab.goto(f"{site}/models")
    tab.fill("#name", "mine")
    tab.fill("#path", "/etc")
    tab.click("text=Register >> nth=-1")
    tab.wait_for_selector("#alerts .alert")
    assert "outside the folders" in tab.inner_text("#alerts")
    assert tab.input_value("#name") == "mine"
    assert tab.url == f"{site}/models"


def test_data_is_registered_and_the_menu_of_a_phone_opens(browser, site, key):
    tab = entered(browser, site, key(), viewport={"width": 390, "height": 800})
    assert not tab.is_visible("nav >> text=Data")
    tab.click("text=Menu")
    tab.click("nav >> text=Data")
    tab.fill("#count", "12")
    tab.fill("#size", "48")
    tab.click("text=Register phantoms")
    tab.wait_for_selector("article >> text=12 images")
    assert tab.heard == []


def test_a_job_that_runs_is_followed_to_its_end(browser, site, key, things, platform):
    tab = entered(browser, site, key())
    tab.goto(f"{site}/jobs/{things['running']}")
    assert "2 of 5" in tab.inner_text(".progress")
    with platform.database.session() as session:
        job = session.get(Job, things["running"])
        job.progress = {**job.progress, "done": 4}
    tab.wait_for_selector("text=4 of 5", timeout=5000)
    with platform.database.session() as session:
        session.get(Job, things["running"]).state = "cancelled"
    tab.wait_for_selector("text=Resume", timeout=5000)
    assert tab.heard == []


def test_the_report_lies_in_a_frame_without_scripts(browser, site, key, audited):
    tab = entered(browser, site, key())
    tab.goto(f"{site}/jobs/{audited['job']}")
    tab.wait_for_selector("#score table", timeout=30_000)
    scores = tab.locator("#score table").first.locator(".score b").all_inner_texts()
    tab.locator("iframe.report").scroll_into_view_if_needed()
    frame = tab.frame_locator("iframe.report")
    frame.locator("h1").first.wait_for(timeout=20_000)
    assert frame.locator(".scores .number").all_inner_texts() == scores
    assert len(scores) == 2
    assert frame.locator("nav a.brand").evaluate("item => getComputedStyle(item).fontWeight") == "700"
    assert tab.heard == []


def test_the_slider_lays_the_attacked_film_over_the_other(browser, site, key, audited):
    tab = entered(browser, site, key())
    tab.goto(f"{site}/jobs/{audited['job']}/images")
    tab.locator("#opacity").fill("20")
    assert tab.eval_on_selector(".over", "item => item.style.opacity") == "0.2"
    assert tab.eval_on_selector_all("main figure img", "all => all.every(item => item.naturalWidth > 0)")
    assert tab.heard == []


def test_the_alarm_rate_is_drawn_and_an_alert_acknowledged_by_keyboard(browser, site, key, things):
    tab = entered(browser, site, key())
    tab.goto(f"{site}/monitoring/{things['guard']}")
    labels = tab.locator("[data-rates] .u-legend th").all_inner_texts()
    assert [label.strip(": ") for label in labels] == ["since", "interval from", "to", "alarms", "promised", "bound"]
    assert tab.eval_on_selector("[data-rates] canvas", "item => item.width > 300 && item.height > 200")
    tab.goto(f"{site}/alerts")
    tab.focus(f"form[action='/alerts/{things['alert']}/acknowledge'] button")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("h2:has-text('Acknowledged')")
    assert tab.heard == []


def test_reasons_are_seen_and_the_worksheet_is_opened_by_whom_wants_it(browser, site, key, audited):
    tab = entered(browser, site, key())
    tab.goto(f"{site}/jobs/{audited['job']}")
    tab.wait_for_selector("#score table", timeout=30_000)
    worksheet = tab.locator("[aria-label='Worksheet of no defence']")
    assert tab.is_visible("text=What speaks against it >> nth=0")
    assert not worksheet.is_visible()
    tab.click("summary:text-is('Worksheet') >> nth=0")
    assert worksheet.is_visible()
