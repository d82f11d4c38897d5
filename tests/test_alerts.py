"""weir's own alerts, from the rule in the configuration to the receiver's door; the SLA report; what changed as marks."""

import csv
import hashlib
import hmac
import io
import json
import time

import pytest

from harness import KEY, Upstream, eventually

OWNER = "sk-weir-owner-0123456789abcdef"
GUEST = "sk-weir-guest-0123456789abcdef"
SECRET = "a secret that both sides know"
KEYS = [{"name": "all", "key": KEY}, {"name": "boss", "key": OWNER, "roles": ["owner"]}, {"name": "guest", "key": GUEST, "roles": ["developer"]}]
# Sums are kept by ten seconds and follow the requests by some: a shorter span may be over before they are seen.
ERRORS = {"name": "errors", "measure": "error_percent", "above": 20, "severity": "critical", "each": "model",
          "over_ms": 20000, "for_ms": 300, "requests_min": 3}


def checked(request, secret=SECRET, now=None) -> dict:
    """What a receiver does: refuse what is not signed, or was signed long ago; the message."""
    parts = dict(part.split("=", 1) for part in request.headers["x-weir-signature"].split(","))
    wanted = hmac.new(secret.encode(), f"{parts['t']}.".encode() + request.body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(parts["v1"], wanted)
    assert abs((now or time.time()) - int(parts["t"])) < 60
    return json.loads(request.body)


@pytest.fixture
def house(gateway):
    def start(rules, webhooks=(), **more):
        return gateway({"auth": {"keys": KEYS}, "alerts": {"check_ms": 100, "rules": list(rules), "webhooks": list(webhooks)},
                        "registry": [{"provider": "mock", "model": "mock-1", "input_usd": "10", "output_usd": "10"}], **more})
    return start


def shown(weir, key=OWNER, query="") -> dict:
    answer = weir.get("/admin/v1/alerts" + query, key=key)
    assert answer.status == 200, answer
    return answer.json()


def fail(weir, times=6):
    for _ in range(times):
        assert weir.chat({"status": 500}).status == 500


def test_an_alert_fires_once_is_delivered_at_the_third_attempt_and_is_over_once(house, upstream):
    answers = iter(["503 Service Unavailable", "500 Internal Server Error"])

    def answer(connection, request):
        status = next(answers, "204 No Content")
        connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    receiver = upstream(answer)
    weir = house([ERRORS], [{"name": "ops", "url": receiver.url + "/hook?x=1", "secret": SECRET, "retry_ms": 50}])
    fail(weir)
    eventually(lambda: len(receiver.requests) >= 3, "nobody was told three times", 20)
    first, second, third = receiver.requests[:3]
    assert first.line == "POST /hook?x=1 HTTP/1.1" and first.headers["content-type"] == "application/json"
    message = checked(third)
    assert message["event"] == "alert.fired" and message["source"]
    alert = message["alert"]
    assert (alert["rule"], alert["severity"], alert["measure"], alert["subject"]) == ("errors", "critical", "error_percent", "model river")
    assert alert["value"] == 100 and alert["above"] == 20 and alert["ended"] is None
    assert alert["fired"] - alert["since"] >= 300
    # The attempts are of one message, each signed at its own time.
    assert first.body == second.body == third.body
    assert len({r.headers["x-weir-delivery"] for r in (first, second, third)}) == 1
    with pytest.raises(AssertionError):
        checked(third, secret="another secret, which is wrong")

    now = shown(weir)
    assert [a["rule"] for a in now["firing"]] == ["errors"] and now["rules"][0]["firing"] == 1
    assert now["rules"][0]["value"] == 100
    eventually(lambda: shown(weir)["webhooks"][0]["delivered"] == 1, "the delivery was not counted")
    assert weir.metrics().get("weir_alerts_firing", rule="errors", severity="critical") == 1
    assert weir.metrics().get("weir_alert_deliveries_total", webhook="ops", result="delivered") == 1
    assert SECRET not in json.dumps(now) and "x=1" not in json.dumps(now)

    # The span goes by without failures: it is over, and nobody heard of it twice.
    eventually(lambda: not shown(weir)["firing"], "it is never over", 40)
    eventually(lambda: len(receiver.requests) == 4, "nobody was told that it is over")
    over = checked(receiver.requests[3])
    assert over["event"] == "alert.ended" and over["alert"]["ended"] > alert["fired"]
    assert over["alert"]["fired"] == alert["fired"]
    [kept] = shown(weir)["history"]
    assert kept == over["alert"]
    assert weir.metrics().get("weir_alerts_firing") == 0


def test_no_word_of_a_conversation_leaves(house, upstream):
    receiver = upstream(lambda connection, request: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
    weir = house([ERRORS], [{"name": "ops", "url": receiver.url, "secret": SECRET}])
    for _ in range(6):
        weir.chat({"status": 500}, messages=[{"role": "user", "content": "xylophone secret"}])
    eventually(lambda: receiver.requests, "nobody was told", 20)
    assert b"xylophone" not in receiver.requests[0].body and KEY.encode() not in receiver.requests[0].body


def test_a_redirect_is_not_followed(house, upstream):
    other = upstream(lambda connection, request: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    moved = upstream(lambda connection, request: connection.sendall(
        f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {other.url}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()))
    weir = house([ERRORS], [{"name": "ops", "url": moved.url, "retry_ms": 10}])
    fail(weir)
    eventually(lambda: shown(weir)["webhooks"][0]["failed"] == 1, "the redirect was no failure", 20)
    assert len(moved.requests) == 1 and not other.requests
    assert "307" in shown(weir)["webhooks"][0]["trouble"]
    assert "x-weir-signature" not in moved.requests[0].headers  # no secret, no signature


def test_who_wants_critical_ones_only_hears_no_warnings(house, upstream):
    ok = lambda connection, request: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    pager, chat = upstream(ok), upstream(ok)
    weir = house([{**ERRORS, "severity": "warning", "for_ms": 0}],
                 [{"name": "pager", "url": pager.url, "severity": "critical"}, {"name": "chat", "url": chat.url}])
    fail(weir)
    eventually(lambda: chat.requests, "the chat was not told", 20)
    assert not pager.requests


@pytest.mark.parametrize("url, why", [
    ("http://example.com/x", "must start with https://"),
    ("http://10.0.0.1/x", "must start with https://"),
    ("ftp://example.com", "must start with"),
    ("https://user:pw@example.com/", "must not hold a user"),
    ("unix:/run/x.sock", "must start with https://"),
])
def test_an_address_that_no_receiver_may_have(binary, tmp_path, mock, url, why):
    import subprocess
    from harness import merged, sections
    file = tmp_path / "weir.yaml"
    file.write_text(json.dumps(merged(sections(mock.url), {"alerts": {"webhooks": [{"name": "x", "url": url}]}})))
    done = subprocess.run([binary, "check", "--quick", str(file)], capture_output=True, text=True)
    assert done.returncode == 1 and why in done.stderr and "alerts.webhooks[0].url" in done.stderr, done


def test_budgets_money_latency_and_targets(house, mock):
    weir = house([
        {"name": "budget", "measure": "budget_percent", "above": 30, "for_ms": 0},
        {"name": "money", "measure": "usd_per_hour", "above": "0.01", "for_ms": 0, "over_ms": 60000},
        {"name": "slow", "measure": "p95_ms", "above": 20, "for_ms": 0, "over_ms": 60000, "requests_min": 3},
        {"name": "first", "measure": "first_token_p95_ms", "above": 60000, "for_ms": 0, "over_ms": 60000, "requests_min": 3},
        {"name": "down", "measure": "target_down", "for_ms": 0, "provider": "gone"},
    ], providers=[{"name": "mock", "kind": "openai", "base_url": mock.url + "/v1"},
                  {"name": "gone", "kind": "openai", "base_url": "http://127.0.0.1:1/v1"}],
        models=[{"name": "river", "targets": [{"provider": "gone", "model": "m"}, {"provider": "mock", "model": "mock-1"}]}],
        health={"failures": 1, "rest_ms": 600000, "rest_max_ms": 600000, "check_ms": 0},
        auth={"keys": [*KEYS[1:], {**KEYS[0], "limits": {"budgets": [{"period": "day", "usd": "0.003"}]}}]})
    for _ in range(5):
        weir.chat({"delay_ms": 40, "input_tokens": 20, "output_tokens": 20}, max_tokens=20)
    def all_of_them():
        return sorted(a["rule"] for a in shown(weir)["firing"]) == ["budget", "down", "money", "slow"]
    eventually(all_of_them, "not these four alerts", 30)
    by_rule = {a["rule"]: a for a in shown(weir)["firing"]}
    assert by_rule["budget"]["subject"] == "key all, day" and by_rule["budget"]["value"] > 30
    assert by_rule["down"]["subject"] == "m at gone"
    eventually(lambda: weir.metrics().get("weir_budget_share", scope="key", id="all", period="day") > 0.3, "the budget is no metric", 20)
    m = weir.metrics()
    assert m.get("weir_target_resting", provider="gone", model="m") >= 1
    assert m.get("weir_target_resting", provider="mock") == 0


def test_a_budget_that_passes_its_marks_is_told_without_a_rule(house, upstream):
    receiver = upstream(lambda connection, request: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
    limited = {**KEYS[0], "limits": {"budgets": [{"period": "total", "usd": "0.012"}]}}
    weir = house([], [{"name": "ops", "url": receiver.url, "secret": SECRET}], auth={"keys": [limited, *KEYS[1:]]})
    script = {"input_tokens": 10, "output_tokens": 1000}
    assert weir.chat(script, max_tokens=1).status == 200
    eventually(lambda: receiver.requests, "nobody was told", 20)
    message = checked(receiver.requests[0])
    assert message["event"] == "budget.warning" and message["source"]
    assert message["budget"] == {
        "scope": "key", "id": "all", "tenant": "", "period": "total", "percent": 84, "usd": "0.012000000",
        "spent_usd": "0.010100000", "tokens": None, "spent_tokens": 1010, "resets": None,
    }
    weir.wait_log(message="budget warning: key all, total, 84 % are spent")
    # What is left may cover another request or not: either way it is used up.
    assert weir.chat(script, max_tokens=1).status in (200, 429)
    eventually(lambda: len(receiver.requests) == 2, "nobody was told that it is used up", 20)
    assert checked(receiver.requests[1])["event"] == "budget.exhausted"

    def noted():
        return [row["action"] for row in weir.get("/admin/v1/audit?action=budgets.", key=OWNER).json()["data"]]

    eventually(lambda: noted() == ["budgets.exhausted", "budgets.warning"], "it is not in the audit log")


def test_a_key_that_ends_soon_is_an_alert_for_its_tenant(house):
    weir = house([{"name": "keys", "measure": "key_expires", "for_ms": 0, "over_ms": 86400000}])

    def new(name, expires_s):
        answer = weir.request("POST", "/admin/v1/keys", {"name": name, "tenant": "default", "expires": int((time.time() + expires_s) * 1000)}, key=OWNER)
        assert answer.status == 201, answer
        return answer.json()["key"]["id"]

    soon, later = new("soon", 3600), new("later", 10 * 86400)
    [alert] = eventually(lambda: shown(weir)["firing"], "it does not fire", 20)
    assert alert["subject"] == f"key soon ({soon})" and alert["measure"] == "key_expires" and later not in str(alert)
    assert weir.request("POST", f"/admin/v1/keys/{soon}/revoke", key=OWNER).status == 200
    eventually(lambda: not shown(weir)["firing"], "it is never over", 20)


def test_the_history_survives_a_restart_and_what_burned_does_not_fire_again(gateway, upstream, tmp_path):
    receiver = upstream(lambda connection, request: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
    config = {"auth": {"keys": KEYS}, "data": {"directory": str(tmp_path / "data")},
              "alerts": {"check_ms": 100, "rules": [{**ERRORS, "over_ms": 3600000, "for_ms": 0}],
                         "webhooks": [{"name": "ops", "url": receiver.url}]}}
    weir = gateway(config)
    fail(weir)
    eventually(lambda: receiver.requests, "nobody was told", 20)
    [before] = shown(weir)["firing"]
    # Its row of the audit log is written behind it.
    eventually(lambda: weir.get("/admin/v1/audit?action=alerts.", key=OWNER).json()["data"], "it is not in the audit log")
    assert weir.stop() == 0
    weir.finished = True
    weir = gateway(config)
    eventually(lambda: shown(weir)["rules"][0]["value"] is not None, "it reads nothing", 20)
    [after] = shown(weir)["firing"]
    assert after["fired"] == before["fired"] and len(shown(weir)["history"]) == 1
    assert len(receiver.requests) == 1
    # A rule that is taken away takes its alert along.
    weir.configure({"alerts": {"rules": []}})
    eventually(lambda: not shown(weir)["firing"], "it still burns", 20)
    eventually(lambda: len(receiver.requests) == 2, "nobody was told that it is over")
    assert json.loads(receiver.requests[1].body)["event"] == "alert.ended"


def test_the_installations_alerts_are_not_a_tenants_to_see(house):
    weir = house([{**ERRORS, "for_ms": 0}])
    fail(weir)
    eventually(lambda: shown(weir)["firing"], "it does not fire", 20)
    theirs = shown(weir, key=GUEST)
    assert theirs["firing"] == theirs["history"] == theirs["rules"] == theirs["webhooks"] == []


def test_starts_configurations_and_alerts_are_marks_on_the_charts(house):
    weir = house([{**ERRORS, "for_ms": 0}])
    fail(weir)
    weir.configure({"models": [{"name": "river", "aliases": ["creek"], "targets": [{"provider": "mock", "model": "mock-1"}]}]})
    weir.wait_log(message="configuration taken")
    weir.write("nonsense: [")
    weir.wait_log(message="the configuration is broken; the one before stays in force")

    def marks(key=OWNER):
        now = int(time.time())
        return weir.get(f"/admin/v1/overview?from={now - 600}&to={now + 60}", key=key).json()["marks"]

    eventually(lambda: {m["kind"] for m in marks()} == {"start", "config", "alert"}, f"not all marks: {marks()}", 20)
    texts = {m["kind"]: m["text"] for m in marks()}
    assert texts == {"start": "weir started", "config": "configuration: models", "alert": "alert: errors, model river"}
    assert [m["unix_ms"] for m in marks()] == sorted(m["unix_ms"] for m in marks())
    assert marks(GUEST) == []

    def configurations():  # the log says it first, then it is noted
        return sorted(row["result"] for row in weir.get("/admin/v1/audit?action=config.", key=OWNER).json()["data"])

    eventually(lambda: configurations() == ["done", "refused"], "the refused configuration was not noted")


# ----------------------------------------------------------------------------------------------------------------------
# How well everybody was served


def sla(weir, query="", key=OWNER):
    now = int(time.time())
    answer = weir.get(f"/admin/v1/sla?from={now - 600}&to={now + 60}{query}", key=key)
    assert answer.status == 200, answer
    return answer


def test_a_report_by_model_counts_what_was_answered_or_should_have_been(house):
    weir = house([])
    for _ in range(8):
        assert weir.chat({"delay_ms": 5}).status == 200
    fail(weir, 2)
    assert weir.chat(temperature="x").status == 400  # the caller's fault
    assert weir.chat(model="lake").status == 404
    eventually(lambda: sla(weir).json()["all"]["requests"] == 12, "the sums never followed", 20)
    report = sla(weir).json()
    [river] = report["data"]
    assert river["model"] == "river" and river["counted"] == 10 and river["errors"] == 2
    assert river["availability_percent"] == 80 and river["met"] is False
    assert 1 <= river["error_minutes"] <= river["minutes"] <= 2  # they may lie over a minute's end
    assert river["p95_ms"] >= 5
    assert report["objective_percent"] == 99.9 and report["step_s"] == 60
    assert sla(weir, "&objective=79.5").json()["data"][0]["met"] is True
    assert sla(weir, "&bad=50").json()["data"][0]["error_minutes"] <= river["error_minutes"]
    assert sla(weir, "&by=provider").json()["data"][0]["provider"] == "mock"


def test_the_report_as_a_table(house):
    weir = house([])
    weir.chat()
    eventually(lambda: sla(weir).json()["all"]["requests"] == 1, "the sums never followed", 20)
    answer = sla(weir, "&format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    [row] = csv.DictReader(io.StringIO(answer.body.decode()))
    assert row["model"] == "river" and row["availability_percent"] == "100.000" and row["met"] == "yes"
    assert row["ok"] == "1" and row["error_minutes"] == "0" and row["minutes"] == "1"


@pytest.mark.parametrize("query, param", [("&by=colour", "by"), ("&objective=101", "objective"), ("&bad=x", "bad"), ("&format=xml", "format")])
def test_a_report_that_can_not_be_made(house, query, param):
    weir = house([])
    answer = weir.get(f"/admin/v1/sla?{query}", key=OWNER)
    assert answer.status == 400 and answer.error["param"] == param
