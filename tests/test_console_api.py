"""What the web console is made of, without a browser: its files, and the figures that its charts are drawn from."""

import gzip
import json
import re
import time

import pytest

from harness import KEY, MESSAGES, eventually, request

OWNER = "sk-weir-owner-0123456789abcdef"
VIEWER = "sk-weir-viewer-0123456789abcdef"
KEYS = {"auth": {"keys": [
    {"name": "all", "key": KEY},
    {"name": "boss", "key": OWNER, "roles": ["owner"]},
    {"name": "guest", "key": VIEWER, "roles": ["developer"]},
]}}


@pytest.fixture
def house(gateway):
    return gateway({**KEYS, "models": [{"name": "river", "targets": [{"provider": "mock", "model": "mock-1"}]}],
                    "registry": [{"provider": "mock", "model": "mock-1", "input_usd": "0.5", "output_usd": "2"}]})


def ask(weir, path, key=OWNER, **more):
    return request(weir.url, "GET", path, headers={"Authorization": f"Bearer {key}", **more})


def figures(weir, path, wanted, key=OWNER):
    """The answer, once its figures hold what was asked before: they follow the records by two seconds, a chart's step by its length."""
    def look():
        answer = ask(weir, path, key)
        assert answer.status == 200, answer
        return answer.json() if wanted(answer.json()) else None
    return eventually(look, f"{path} never said so; it says {ask(weir, path, key).body[:2000]}", 40)


# ----------------------------------------------------------------------------------------------------------------------
# Files


def test_the_page_and_what_it_loads(house):
    page = request(house.url, "GET", "/console/")
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    text = page.body.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)", text), "an inline script"
    assert " style=" not in text and "<style" not in text and " onclick=" not in text
    loaded = re.findall(r'(?:src|href)="(/console/[^"]+)"', text)
    assert len(loaded) >= 3
    whole = 0
    for path in loaded:
        plain = request(house.url, "GET", path)
        small = request(house.url, "GET", path, headers={"Accept-Encoding": "br, gzip"})
        assert plain.status == small.status == 200, path
        assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert re.search(r"-[\w-]{8}\.\w+$", path), "its name has the hash of its content"
        assert "content-encoding" not in plain.headers and small.headers["content-encoding"] == "gzip"
        assert gzip.decompress(small.body) == plain.body
        assert small.headers["vary"] == "accept-encoding"
        whole += len(small.body)
    assert whole <= 150 * 1024


def test_a_known_file_is_not_sent_again(house):
    first = request(house.url, "GET", "/console/")
    again = request(house.url, "GET", "/console/", headers={"If-None-Match": first.headers["etag"]})
    assert again.status == 304 and again.body == b""
    other = request(house.url, "GET", "/console/", headers={"If-None-Match": '"something else"'})
    assert other.status == 200


def test_places_are_the_page_and_missing_files_are_missing(house):
    page = request(house.url, "GET", "/console/").body
    for place in ("overview", "requests/req_1", "tenants/x"):
        assert request(house.url, "GET", f"/console/{place}").body == page
    missing = request(house.url, "GET", "/console/assets/index-00000000.js")
    assert missing.status == 404 and "html" not in missing.headers["content-type"]
    moved = request(house.url, "GET", "/console")
    assert moved.status == 308 and moved.headers["location"] == "/console/"


def test_switched_off_there_is_no_console(gateway):
    off = gateway({"admin": {"enabled": False}})
    for path in ("/console/", "/admin/v1/overview"):
        assert request(off.url, "GET", path).status == 404


# ----------------------------------------------------------------------------------------------------------------------
# Who may see what


@pytest.mark.parametrize("path", ["overview", "models", "models/heat", "requests", "requests/req_1", "live", "config"])
def test_figures_take_a_key_with_a_role(house, path):
    assert request(house.url, "GET", f"/admin/v1/{path}").status == 401
    answer = ask(house, f"/admin/v1/{path}", KEY)
    assert answer.status == 403 and answer.error["code"] == "permission_denied"


# ----------------------------------------------------------------------------------------------------------------------
# Figures


def test_the_overview_adds_up(house):
    for _ in range(5):
        assert house.chat({"input_tokens": 100, "output_tokens": 50}).status == 200
    assert house.chat({"status": 400}).status == 400
    assert house.chat(model="nothing").status == 404
    now = int(time.time())
    path = f"/admin/v1/overview?from={now - 600}&to={now + 600}"
    o = figures(house, path, lambda o: o["totals"]["requests"] == 7)
    t = o["totals"]
    assert (t["ok"], t["refused"], t["limited"], t["errors"], t["left"]) == (5, 2, 0, 0, 0)
    assert (t["input_tokens"], t["output_tokens"]) == (500, 250)
    assert t["cost_nanodollars"] == 500 * 500 + 250 * 2000
    assert 0 < t["p50_ms"] <= t["p95_ms"] <= t["p99_ms"]
    assert o["before"]["requests"] == 0
    lengths = {len(v) for v in o["series"].values()}
    assert lengths == {len(o["times_ms"])}
    o = figures(house, path, lambda o: sum(o["series"]["requests"]) == 7)
    assert sum(o["series"]["ok"]) == 5 and sum(o["series"]["cost_nanodollars"]) == t["cost_nanodollars"]
    past = ask(house, f"/admin/v1/overview?from={now - 7200}&to={now - 3600}").json()
    assert past["totals"]["requests"] == 0 and past["totals"]["p50_ms"] is None


def test_models_and_their_heat_map(house):
    for _ in range(3):
        house.chat({})
    now = int(time.time())
    span = f"from={now - 600}&to={now + 600}"
    m = figures(house, f"/admin/v1/models?{span}", lambda m: m["data"] and m["data"][0]["requests"] == 3)
    row = m["data"][0]
    assert (row["model"], row["provider"], row["share"], row["state"]) == ("river", "mock", 1, "ok")
    assert row["price"] == {"input_usd": "0.5", "output_usd": "2"}
    heat = figures(house, f"/admin/v1/models/heat?{span}&model=river",
                   lambda h: sum(n for column in h["counts"] for n in column) == 3)
    assert len(heat["counts"]) == len(heat["times_ms"])
    assert all(len(column) == len(heat["bounds_ms"]) - 1 for column in heat["counts"])
    assert heat["bounds_ms"] == sorted(heat["bounds_ms"])
    assert ask(house, f"/admin/v1/models/heat?{span}&model=river&metric=mean").error["param"] == "metric"


def test_requests_are_found_paged_and_opened(house):
    ids = []
    for i in range(7):
        ids.append(house.chat({"status": 503} if i == 3 else {}).headers["x-weir-request-id"])
    span = f"from={int(time.time()) - 600}&to={int(time.time()) + 600}"
    figures(house, f"/admin/v1/requests?{span}", lambda p: len(p["data"]) == 7)
    seen, below = [], ""
    while True:
        p = ask(house, f"/admin/v1/requests?{span}&limit=3{below}").json()
        seen += p["data"]
        if not p["next"]:
            break
        below = f"&before={p['next']}"
    assert sorted(r["request_id"] for r in seen) == sorted(ids)
    failed = ask(house, f"/admin/v1/requests?{span}&failed=1").json()["data"]
    assert [r["request_id"] for r in failed] == [ids[3]] and failed[0]["ending"] == "error"
    for narrow, count in (("model=river", 7), ("model=lake", 0), ("key=all", 7), ("ending=ok", 6), ("status=503", 0 if failed[0]["status"] != 503 else 1),
                          ("slower=80000", 0), (f"id={ids[2][:12]}", 1), ("cost=1000", 0)):
        assert len(ask(house, f"/admin/v1/requests?{span}&{narrow}").json()["data"]) == count, narrow
    place = next(r["place"] for r in seen if r["request_id"] == ids[0])
    for path in (f"/admin/v1/requests/{ids[0]}?at={place}", f"/admin/v1/requests/{ids[0]}", f"/admin/v1/requests/{ids[0]}?at=1-999999"):
        one = ask(house, path).json()
        assert one["request_id"] == ids[0] and one["provider"] == "mock"
        assert [s["name"] for s in one["stages"]] == ["read", "connect", "wait", "first_token", "answer"]
        ends = [s["to_us"] for s in one["stages"]]
        assert [s["from_us"] for s in one["stages"]] == [0, *ends[:-1]] and ends == sorted(ends)
        assert sum(line["nanodollars"] for line in one["price_lines"]) == one["cost_nanodollars"]
    assert ask(house, "/admin/v1/requests/req_000000000000000000000000").error["code"] == "request_not_found"


@pytest.mark.parametrize("query", ["from=5&to=5", "from=x", "ending=good", "before=x", "cost=much", "slower=-1", "limit=0",
                                   f"from=0&to={2**32}"])
def test_questions_that_make_no_sense_are_refused(house, query):
    assert ask(house, f"/admin/v1/requests?{query}").error["param"]


def test_a_restart_keeps_the_charts(gateway, tmp_path):
    data = {"data": {"directory": str(tmp_path / "data")}, **KEYS}
    first = gateway(data)
    first.chat({})
    now = int(time.time())
    path = f"/admin/v1/overview?from={now - 600}&to={now + 600}"
    figures(first, path, lambda o: o["totals"]["requests"] == 1)
    assert first.finish() == ""
    second = gateway(data)
    assert figures(second, path, lambda o: o["totals"]["requests"] > 0)["totals"]["requests"] == 1
    second.chat({})
    figures(second, path, lambda o: o["totals"]["requests"] == 2)


# ----------------------------------------------------------------------------------------------------------------------
# Live, configuration


def beat(raw):
    text = b""
    while b"\n\n" not in text:
        text += raw.chunk()
    event, data = text.decode().split("\n")[:2]
    return event, json.loads(data.removeprefix("data: "))


def test_the_heartbeat_ends_with_the_drain(gateway):
    house = gateway({**KEYS, "server": {"drain_ms": 600_000}})  # a watching console would hold up the end
    raw = house.raw()
    raw.send(f"GET /admin/v1/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OWNER}\r\n\r\n")
    status, headers = raw.head()
    assert status == 200 and ("content-type", "text/event-stream") in [(n.lower(), v) for n, v in headers]
    event, data = beat(raw)
    assert event == "event: beat" and data["in_flight"] >= 0 and data["warnings"] == []
    house.signal(15)
    event, _ = beat(raw)
    assert event == "event: end"
    assert raw.chunk() == b"", "the stream ends well"
    assert house.wait() == 0


def test_watchers_are_bounded(house):
    watchers = []
    for _ in range(200):
        raw = house.raw()
        raw.send(f"GET /admin/v1/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OWNER}\r\n\r\n")
        watchers.append(raw)
    statuses = [raw.head()[0] for raw in watchers]
    assert set(statuses) == {200, 503}
    assert statuses.count(200) <= 128, "64 a core"
    for raw in watchers:
        raw.close()


def test_the_configuration_is_shown_without_its_secrets(house):
    text = ask(house, "/admin/v1/config").json()["text"]
    assert "river" in text and "base_url" in text
    for secret in (KEY, OWNER, VIEWER, "sk-upstream-secret"):
        assert secret not in text
    assert ask(house, "/admin/v1/config", VIEWER).status == 403


def test_a_configuration_is_checked_before_it_is_used(house):
    def check(text):
        answer = request(house.url, "POST", "/admin/v1/config/check", {"text": text}, {"Authorization": f"Bearer {OWNER}"})
        assert answer.status == 200, answer
        return answer.json()

    good = "providers:\n  - name: a\n    kind: openai\n    base_url: http://127.0.0.1:1\n    api_key: ${env:NOT_THERE_AT_ALL}\n"
    assert check(good) == {"ok": True, "problems": []}
    bad = check(good + "    colour: blue\nserver:\n  drain_ms: soon\n")
    assert not bad["ok"]
    assert [(p["line"], p["path"]) for p in bad["problems"]] == [(6, "providers[0]"), (8, "server.drain_ms")]
    assert not check("a: [")["ok"]
