"""The page of a guard, batches of films and the gate: as the report and the command line have them."""

from __future__ import annotations

import re
import shutil

import pytest
from guard_evaluation_factory import guard_evaluation_result
from sqlalchemy import select

from radversary.report.guard.figures import draw_guard_evaluation
from radversary.service.store.tables import Dataset, Guard, Job
from service.dashboard.conftest import word
from service.dashboard.evaluated import add_batch, add_evaluation
from service.monitoring.conftest import bundle  # noqa: F401

pytestmark = pytest.mark.slow


@pytest.fixture
def evaluated(platform, things, bundle):  # noqa: F811
    return {**things, "evaluation": add_evaluation(platform, things, bundle, alpha=0.1)}


def pictures(client, text):
    """Addresses of a page's figures, to what they show."""
    found = [address.replace("&amp;", "&") for address in re.findall(r'<img src="(/guards/[^"]+)"', text)]
    return {address: client.get(address) for address in found}


def test_curves_and_calibration_are_the_drawings_of_the_report(visitor, evaluated, tmp_path):
    client = visitor("viewer")
    text = client.get(f"/guards/{evaluated['guard']}").text
    sent = {address.partition("?")[0].rpartition("/")[2]: answer for address, answer in pictures(client, text).items()}
    drawn = draw_guard_evaluation(guard_evaluation_result(tmp_path, alpha=0.1))
    for item in (*drawn["roc"], *drawn["levels"]):
        answer = sent[f"{item.name}.svg"]
        assert answer.text == item.standalone
        assert answer.headers["content-type"] == "image/svg+xml"
        assert "script" not in answer.headers["content-security-policy"]
        assert f'alt="{item.text}"' in text
    assert set(sent) == {f"{item.name}.svg" for item in (*drawn["roc"], *drawn["levels"])} | {
        "guard-alarms-1.svg", "guard-stream.svg"}
    report = client.get(f"/jobs/{evaluated['evaluation']}/report").text
    for figure in ("0.860", "0.972", "0.911", "0.720"):
        assert (figure[:4] in text) == (figure[:4] in report)
    assert "how &lt;it&gt; does" in text
    assert "Beware of &lt;b&gt;this&lt;/b&gt;." in text
    assert "25.0" in text.split("aware-style", 1)[1].split("</tr>", 1)[0]  # as the attacker made it; re-encoded 21 %
    assert client.get(f"/guards/{evaluated['guard']}/figures/nothing.svg").status_code == 404


def test_levels_stand_beside_what_was_found(visitor, evaluated, client):
    (levels,) = client.get(f"/v1/guards/{evaluated['guard']}/levels").json()
    by_level = {row["level"]: row for row in levels["rows"]}
    assert (levels["group"], levels["alpha"], sorted(by_level)) == ("all", 0.1, [0.05, 0.1, 0.2])
    assert by_level[0.05]["evaluated"]["value"] == 0.04  # of the evaluation's levels
    assert (by_level[0.1]["evaluated"]["value"], by_level[0.2]["evaluated"]) == (0.044, None)
    assert by_level[0.1]["stream"]["n"] > 100
    text = visitor("viewer").get(f"/guards/{evaluated['guard']}").text
    row = next(part for part in text.split("<tr") if "its own" in part)
    assert f"{1000 * by_level[0.1]['promised']['value']:.1f} [" in row
    assert f"{1000 * by_level[0.1]['stream']['value']:.1f} [" in row


def test_a_guard_that_nobody_evaluated_says_what_to_run(visitor, things, platform, bundle):  # noqa: F811
    with platform.database.session() as session:
        session.get(Guard, things["guard"]).folder = str(bundle[0])
    text = visitor("operator").get(f"/guards/{things['guard']}").text
    assert "Nobody has attacked it yet" in text
    assert 'href="#evaluate"' in text
    assert f'href="/audits/new?model={things["model"]}"' in text
    assert "An operator has it evaluated" in visitor("viewer").get(f"/guards/{things['guard']}").text


def test_a_guard_whose_files_are_gone_says_so(visitor, things, client):
    answer = visitor("viewer").get(f"/guards/{things['guard']}")
    assert (answer.status_code, "holds no guard.json" in answer.text) == (200, True)
    assert client.get(f"/v1/guards/{things['guard']}/levels").status_code == 422


def test_an_evaluation_is_asked_for_on_the_page(visitor, evaluated, platform):
    client = visitor("operator")
    form = {"csrf": word(client), "dataset": evaluated["dataset"], "battery": "quick", "title": "again"}
    answer = client.post(f"/guards/{evaluated['guard']}/evaluations", data=form)
    with platform.database.reading() as session:
        job = session.get(Job, answer.headers["location"].rpartition("/")[2])
        source = session.get(Dataset, evaluated["dataset"]).source
    assert (job.kind, job.title, job.spec["battery"], job.spec["source"]) == (
        "guard-evaluation", "again", "quick", source)
    assert visitor("viewer").post(f"/guards/{evaluated['guard']}/evaluations", data=form).status_code == 403


def test_a_batch_is_asked_for_and_its_verdicts_are_shown(visitor, things, platform, shelf):
    client = visitor("operator")
    where = f"/screening/{things['guard']}/batches"
    answer = client.post(where, data={"csrf": word(client), "path": str(shelf)})
    with platform.database.reading() as session:
        job = session.scalars(select(Job).where(Job.kind == "screening")).one()
    assert (answer.headers["location"], job.spec["of"]) == (f"/jobs/{job.id}", {"guard": things["guard"]})
    assert client.post(where, data={"csrf": word(client), "path": "/etc"}).status_code == 403
    done = add_batch(platform, things)
    assert f'href="/jobs/{done}"' in client.get(f"/screening/batches?guard={things['guard']}").text
    text = client.get(f"/jobs/{done}/verdicts").text
    assert re.findall(r'class="state (\w+)"', text) == ["review", "refused", "pass", "pass"]
    assert "&lt;film&gt;-1.png" in text
    assert "the film is &lt;cut&gt; short" in text
    assert re.findall(r'class="state (\w+)"', client.get(f"/jobs/{done}/verdicts?verdict=pass").text) == ["pass"] * 2
    assert f'hx-get="/jobs/{done}/verdicts"' in client.get(f"/jobs/{done}").text
    assert visitor("viewer", tenant="other").get(f"/jobs/{done}/verdicts").status_code == 404


def test_the_gate_says_what_the_command_line_says(visitor, things, platform, run_folder):
    from typer.testing import CliRunner

    from radversary.cli.main import app

    folders = {name: platform.settings.home / "jobs" / things[name] for name in ("job", "older")}
    for folder in folders.values():
        shutil.copytree(run_folder, folder)
    asked = ["--min-score", "99", "--max-drop", "5", "--baseline", str(folders["older"])]
    printed = CliRunner().invoke(app, ["gate", str(folders["job"]), *asked])
    lines = [line for line in printed.output.splitlines() if line.startswith(("kept: ", "BROKEN: "))]
    assert (printed.exit_code, len(lines)) == (1, 2)
    path = f"/compare?run={things['job']}&run={things['older']}&gate={things['job']}&baseline={things['older']}"
    client = visitor("viewer")
    text = client.get(f"{path}&min_score=99&max_drop=5").text
    shown = re.findall(r'<li class="(good|bad)">(.*?)</li>', text)
    assert [line for _, line in shown] == lines
    assert [kind for kind, _ in shown] == ["bad", "good"]
    for more, said in (("", "there is no rule to keep"), ("&min_score=much", "min_score"), ("&min_score=101", "100")):
        answer = client.get(path + more)
        assert (answer.status_code, said in answer.text.lower()) == (200, True), more
