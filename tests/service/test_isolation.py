"""What each role may do, and that no tenant sees what another has."""

from __future__ import annotations

import pytest

from service.things import everything_of

ZERO = "0" * 24

READ, WRITE, SCREEN, LOG, ADMIN = "read", "write", "screen", "log", "admin"

OPERATIONS = {
    "add_model": (WRITE, "POST", "/models", {"name": "a", "path": "/etc"}),
    "list_models": (READ, "GET", "/models", None),
    "show_model": (READ, "GET", "/models/{model}", None),
    "forget_model": (WRITE, "DELETE", "/models/{model}", None),
    "add_dataset": (WRITE, "POST", "/datasets", {"name": "a", "source": "folder", "options": {"root": "/etc"}}),
    "list_datasets": (READ, "GET", "/datasets", None),
    "show_dataset": (READ, "GET", "/datasets/{dataset}", None),
    "forget_dataset": (WRITE, "DELETE", "/datasets/{dataset}", None),
    "forget_guard": (ADMIN, "DELETE", "/guards/{guard}", None),
    "forget_job": (ADMIN, "DELETE", "/jobs/{job}", None),
    "check_plan": (READ, "POST", "/plans/check", {"preset": "nothing"}),
    "tell_cost": (READ, "POST", "/plans/cost", {"dataset": "{dataset}"}),
    "add_guard": (WRITE, "POST", "/guards", {"model": "{model}", "dataset": "{dataset}"}),
    "list_guards": (READ, "GET", "/guards", None),
    "show_guard": (READ, "GET", "/guards/{guard}", None),
    "evaluate_guard": (WRITE, "POST", "/guards/{guard}/evaluations", {"dataset": "{dataset}"}),
    "show_levels": (READ, "GET", "/guards/{guard}/levels", None),
    "upload": (WRITE, "POST", "/uploads/-", None),
    "add_audit": (WRITE, "POST", "/audits", {"model": "{model}", "dataset": "{dataset}"}),
    "list_jobs": (READ, "GET", "/jobs", None),
    "show_job": (READ, "GET", "/jobs/{job}", None),
    "change_job": (WRITE, "POST", "/jobs/{job}/cancel", None),
    "follow_job": (READ, "GET", "/jobs/{job}/events", None),
    "show_result": (READ, "GET", "/jobs/{job}/result", None),
    "show_scores": (READ, "GET", "/jobs/{job}/scores", None),
    "show_file": (READ, "GET", "/jobs/{job}/files/report.html", None),
    "judge_run": (READ, "GET", "/jobs/{job}/gate?min_score=50", None),
    "add_report": (WRITE, "POST", "/jobs/{job}/report", None),
    "compare_runs": (READ, "GET", "/comparisons?run={job}", None),
    "screen": (SCREEN, "POST", "/guards/{guard}/screenings", {"no": "film"}),
    "screen_batch": (SCREEN, "POST", "/guards/{guard}/batches", {"path": "/etc"}),
    "list_screenings": (READ, "GET", "/screenings", None),
    "add_key": (ADMIN, "POST", "/keys", {"name": "a", "scopes": ["nothing"]}),
    "list_keys": (LOG, "GET", "/keys", None),
    "change_key": (ADMIN, "POST", "/keys/{key}/rotate", None),
    "end_key": (ADMIN, "DELETE", "/keys/{key}", None),
    "show_log": (LOG, "GET", "/log", None),
    "check_log": (LOG, "GET", "/log/check", None),
    "show_monitoring": (READ, "GET", "/guards/{guard}/monitoring", None),
    "look_through_log": (READ, "POST", "/guards/{guard}/streams", {"no": "log"}),
    "list_alerts": (READ, "GET", "/alerts", None),
    "look_after_alert": (WRITE, "POST", "/alerts/{alert}/acknowledge", None),
    "new_channel": (ADMIN, "POST", "/channels", {"kind": "webhook", "address": "ftp://nowhere"}),
    "list_channels": (ADMIN, "GET", "/channels", None),
    "end_channel": (ADMIN, "DELETE", "/channels/{channel}", None),
    "new_schedule": (WRITE, "POST", "/schedules", {"model": "{model}", "dataset": "{dataset}", "cron": "0 3 * * *",
                                                   "baseline": "{job}"}),
    "list_schedules": (READ, "GET", "/schedules", None),
    "new_baseline": (WRITE, "POST", "/schedules/{schedule}/accept", {"job": "{job}"}),
    "end_schedule": (WRITE, "DELETE", "/schedules/{schedule}", None),
}
"""Operation to the scope that it needs, and a request that does no harm where it is allowed."""

ALLOWED = {"viewer": {READ}, "operator": {READ, WRITE, SCREEN}, "auditor": {READ, LOG}, "screen": {SCREEN},
           "administrator": {READ, WRITE, SCREEN, LOG, ADMIN}}


def asked(client, token, operation, ids):
    """Send an operation's request with some ids."""
    _, method, path, body = OPERATIONS[operation]
    body = body and {name: value.format(**ids) if isinstance(value, str) else value for name, value in body.items()}
    return client.request(method, "/v1" + path.format(**ids), json=body, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.slow
def test_the_table_names_every_operation(client):
    paths = client.get("/v1/openapi.json").json()["paths"]
    known = {found["operationId"] for path, methods in paths.items() if path.startswith("/v1/")
             for found in methods.values()}
    assert known - set(OPERATIONS) == set()


@pytest.mark.slow
def test_each_role_may_do_what_its_scopes_say(client, platform, key):
    for role, scopes in ALLOWED.items():
        token = key(role)
        for operation, (scope, *_) in OPERATIONS.items():
            ids = everything_of(platform, "main")
            status = asked(client, token, operation, ids).status_code
            place = operation in ("add_model", "add_dataset", "screen_batch")  # /etc, which nobody may name
            assert (status == 403) == (scope not in scopes or place), (role, operation, status)
            assert status not in (401, 500), (role, operation, status)


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
def test_nobody_is_let_in_without_a_key(client, operation):
    ids = dict.fromkeys(("model", "dataset", "job", "guard", "key", "alert", "channel", "schedule"), ZERO)
    answer = client.request(OPERATIONS[operation][1], "/v1" + OPERATIONS[operation][2].format(**ids),
                            json=OPERATIONS[operation][3], headers={"Authorization": ""})
    assert answer.status_code in (401, 422)  # a body is read before the key
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.slow
def test_a_tenant_sees_nothing_of_another(client, platform, key):
    theirs, token = everything_of(platform, "other"), key("administrator", tenant="mine")
    for operation, (_, _, path, body) in OPERATIONS.items():
        if "{" in path or "{model}" in str(body):
            answer = asked(client, token, operation, theirs)
            assert answer.status_code == 404, (operation, answer.status_code, answer.text)
            assert not any(word in answer.text for word in ("nowhere", "report.html", "<p>"))
    for path in ("models", "datasets", "jobs", "guards", "screenings", "alerts", "channels", "schedules"):
        assert client.get(f"/v1/{path}", headers={"Authorization": f"Bearer {token}"}).json() == {
            "items": [], "next": ""}
    keys = client.get("/v1/keys", headers={"Authorization": f"Bearer {token}"}).json()["items"]
    assert theirs["key"] not in [item["id"] for item in keys]
    lines = client.get("/v1/log", headers={"Authorization": f"Bearer {token}"}).json()
    assert theirs["key"] not in str(lines)


@pytest.mark.slow
def test_a_guard_of_another_tenant_joins_no_audit(client, platform, key):
    mine, theirs = everything_of(platform, "mine"), everything_of(platform, "other")
    answer = client.post("/v1/audits", json={"model": mine["model"], "dataset": mine["dataset"],
                                             "guard": theirs["guard"]},
                         headers={"Authorization": f"Bearer {key('operator', tenant='mine')}"})
    assert (answer.status_code, answer.json()["detail"]) == (404, f"there is no guard '{theirs['guard']}'")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["units/film.png", "../x/report.html", "%2e%2e/%2e%2e/store.sqlite", "../../salt",
                                  "%2e%2e%2f%2e%2e%2fstore.sqlite", "report.html%00.png", "a" * 300 + ".png",
                                  "link.html", ""])
def test_files_that_are_not_handed_out(client, platform, name):
    job = everything_of(platform, "main")["job"]
    (platform.settings.home / "jobs" / job / "link.html").symlink_to(platform.settings.home / "store.sqlite")
    answer = client.get(f"/v1/jobs/{job}/files/{name}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


@pytest.mark.slow
def test_a_copy_of_a_file_that_is_still_good_is_not_sent_again(client, platform):
    job = everything_of(platform, "main")["job"]
    for path in (f"/v1/jobs/{job}/files/report.html", f"/v1/jobs/{job}/result"):
        first = client.get(path)
        assert first.headers["cache-control"] == "private, no-cache"
        assert first.headers["content-security-policy"] == "sandbox allow-scripts"
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    (platform.settings.home / "jobs" / job / "result.json").write_text('{"other": 1}')
    changed = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, changed.json()) == (200, {"other": 1})


@pytest.mark.slow
def test_pages_stay_where_they_are_while_rows_are_added(client, platform):
    before = [everything_of(platform, "main")["model"] for _ in range(7)]
    seen, cursor = [], ""
    while True:
        page = client.get("/v1/models", params={"limit": 2, "cursor": cursor}).json()
        seen += [item["id"] for item in page["items"]]
        everything_of(platform, "main")
        if not (cursor := page["next"]):
            break
    assert seen == sorted(before, reverse=True)


@pytest.mark.slow
def test_a_key_that_asks_too_often_waits(settings, shelf):
    from dataclasses import replace

    from fastapi.testclient import TestClient

    from radversary.service.access.keys import give_key
    from radversary.service.access.scopes import SYSTEM
    from radversary.service.app import make_app
    from radversary.service.platform import Platform

    platform = Platform.open(replace(settings, rate=60))
    with platform.database.session() as session:
        one, other = (give_key(session, SYSTEM, "a", ["viewer"]).token for _ in range(2))
    with TestClient(make_app(platform)) as client:
        answers = [client.get("/v1/models", headers={"Authorization": f"Bearer {one}"}) for _ in range(12)]
        assert [answer.status_code for answer in answers[:10]] == [200] * 10
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert client.get("/v1/models", headers={"Authorization": f"Bearer {other}"}).status_code == 200
