"""Limits and budgets of keys, from outside: refusals in every dialect, warnings, streams that end where the money does, what
survives kill -9, what a caller may say its request belongs to, receipts, and `weir usage`."""

import json
import re
import subprocess

import pytest

from harness import CHAT_ANSWER, KEY, always, answer_bytes, chat_body, events, eventually, post_bytes, provider

REGISTRY = [{"provider": "mock", "model": "mock-1", "input_usd": "1", "output_usd": "10"}]  # dollars a million
SCRIPT = {"input_tokens": 10, "output_tokens": 20}  # 210,000 nano-dollars
COST = 210_000


def keys(limits: dict) -> dict:
    return {"auth": {"keys": [{"name": "all", "key": KEY, "limits": limits}]}, "registry": REGISTRY}


def budget(usd: str, period: str = "total") -> dict:
    return keys({"budgets": [{"period": period, "usd": usd}]})


def query(binary, gateway, sql: str) -> list[dict]:
    out = subprocess.run(
        [binary, "events", "query", "--config", gateway.file, "--json", sql], check=True, capture_output=True, text=True
    ).stdout
    return [json.loads(line) for line in out.splitlines()]


def usage(binary, gateway, *arguments) -> str:
    return subprocess.run(
        [binary, "usage", "--config", gateway.file, *arguments], check=True, capture_output=True, text=True
    ).stdout


def test_requests_a_minute(gateway):
    g = gateway(keys({"requests_per_minute": 3}))
    assert [g.chat(SCRIPT).status for _ in range(3)] == [200] * 3
    refused = g.chat(SCRIPT)
    assert refused.status == 429
    assert refused.error["code"] == "rate_limit_exceeded" and refused.error["type"] == "rate_limit_error"
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    g.wait_metric("weir_limited_total", 1, scope="key", limit="requests")


def test_requests_a_minute_are_refused_before_the_body_is_read(gateway):
    g = gateway(keys({"requests_per_minute": 1}))
    assert g.chat(SCRIPT).status == 200
    raw = g.raw()
    raw.send(post_bytes("/v1/chat/completions", b"", {"Content-Length": "1000000"}))
    status, headers = raw.head()
    assert status == 429


def test_each_agent_has_limits_of_its_own(gateway):
    g = gateway(keys({"each_agent": {"requests_per_minute": 2, "streams": 1}}))

    def ask(agent):
        return g.chat(SCRIPT, headers={"x-weir-agent": agent} if agent else None)

    assert [ask("planner").status for _ in range(2)] == [200] * 2
    refused = ask("planner")
    assert refused.status == 429 and refused.error["code"] == "rate_limit_exceeded" and "this agent" in refused.error["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert ask("writer").status == 200, "another agent has its own"
    assert [ask(None).status for _ in range(4)] == [200] * 4, "who names none has none of these"
    g.wait_metric("weir_limited_total", 1, scope="agent", limit="requests")


def test_a_budget_in_every_dialect(gateway, binary):
    g = gateway(budget("0.0003"))
    assert g.chat(SCRIPT, max_tokens=1).status == 200
    messages = [{"role": "user", "content": "Hi"}]
    refused = g.request("POST", "/v1/chat/completions", {"model": "river", "messages": messages, "max_tokens": 20})
    assert refused.status == 429 and "retry-after" not in refused.headers  # a total never ends
    assert refused.error["code"] == refused.error["type"] == "insufficient_quota"
    refused = g.request("POST", "/v1/responses", {"model": "river", "input": "Hi", "max_output_tokens": 20, "store": False})
    assert refused.status == 429 and refused.error["code"] == "insufficient_quota"
    refused = g.request("POST", "/v1/messages", {"model": "river", "messages": messages, "max_tokens": 20})
    assert refused.status == 429
    assert refused.json()["type"] == "error" and refused.json()["error"]["type"] == "rate_limit_error"
    refused = g.request("POST", "/api/chat", {"model": "river", "messages": messages, "options": {"num_predict": 20}})
    assert refused.status == 429 and set(refused.json()) == {"error"}
    g.wait_metric("weir_limited_total", 4, scope="key", limit="budget")


def test_a_budget_of_a_day_says_when_it_ends_and_warns_before(gateway):
    g = gateway(budget("0.01", "day"))  # 47 of them
    warned = []
    for _ in range(60):
        answer = g.chat(SCRIPT, max_tokens=20)
        if answer.status != 200:
            break
        warned.append(answer.headers.get("x-weir-budget-warning"))
    assert answer.status == 429 and 1 <= int(answer.headers["retry-after"]) <= 86400
    assert len(warned) > 44
    first = next(i for i, text in enumerate(warned) if text)
    assert first == 39 and warned[first] == "key day 81%"  # 39 answers cost 81.9 %
    assert all(re.fullmatch(r"key day [89]\d%", text) for text in warned[first:])


def test_a_stream_ends_where_the_money_does(gateway, binary):
    """Of a model of which nothing is known but its price, and which does not stop."""
    g = gateway(budget("0.06"))  # 6,000 tokens
    stream = g.stream({"frames": 20_000, "usage": "none", "piece_bytes": 0, "frame_delay_ms": 0})
    body = stream.read()
    last = events(body)[-1]
    assert json.loads(last)["error"]["code"] == "insufficient_quota"
    said = body.count(b'"content"')
    assert 4096 < said < 6100
    row = eventually(lambda: query(binary, g, "SELECT * FROM events"), "no event")[0]
    assert row["usage_estimated"] == 1 and row["outcome"] == "rate_limited"
    assert row["cost_nanodollars"] <= 60_000_000 + 512 * 10_000
    assert g.chat(SCRIPT).status == 429


def test_streams_at_once(gateway, left):
    g = gateway(keys({"streams": 1}))
    first = g.stream({"frames": 100_000, "frame_delay_ms": 10})
    first.next_piece()
    second = g.request("POST", "/v1/chat/completions", chat_body(SCRIPT, stream=True))
    assert second.status == 429 and second.headers["retry-after"] == "1"
    assert g.chat(SCRIPT).status == 200  # not a stream
    first.leave()
    eventually(
        lambda: g.request("POST", "/v1/chat/completions", chat_body(SCRIPT, stream=True)).status == 200, "the place never came back"
    )


def test_a_caller_that_leaves_pays(gateway, binary, left):
    g = gateway(budget("1"))
    stream = g.stream({"frames": 100_000, "frame_delay_ms": 1})
    for _ in range(20):
        stream.next_piece()
    stream.leave()
    row = eventually(lambda: query(binary, g, "SELECT * FROM events"), "no event")[0]
    assert row["outcome"] == "client_left" and row["usage_estimated"] == 1
    assert row["output_tokens"] >= 20 and row["cost_nanodollars"] > 0


def test_what_is_spent_survives_kill_9(gateway, binary, mock):
    g = gateway(budget("0.0021"))  # ten
    assert [g.chat(SCRIPT, max_tokens=1).status for _ in range(5)] == [200] * 5
    g.kill()
    again = gateway({**budget("0.0021"), "data": {"directory": str(g.folder / "weir-data")}})
    served = 0
    while again.chat(SCRIPT, max_tokens=1).status == 200:
        served += 1
        assert served < 20
    assert 3 <= served <= 5
    g.finish = lambda: ""  # it was killed


def test_limits_change_and_counts_stay(gateway):
    g = gateway(budget("0.0003"))
    assert g.chat(SCRIPT, max_tokens=1).status == 200
    assert g.chat(SCRIPT, max_tokens=20).status == 429
    g.configure(budget("0.01"))
    eventually(lambda: g.chat(SCRIPT, max_tokens=1).status == 200, "the new budget was never taken")
    g.configure(budget("0.0002"))
    eventually(lambda: g.chat(SCRIPT, max_tokens=1).status == 429, "the smaller budget was never taken")


@pytest.mark.parametrize("name", ["agent", "run", "tag"])
def test_what_a_request_belongs_to(gateway, binary, upstream, name):
    header = f"x-weir-{name}"
    server = upstream(always(answer_bytes(CHAT_ANSWER)))
    g = gateway({"providers": [provider(server.url)]})
    assert g.chat(headers={header: f"my {name} 1"}).status == 200
    row = eventually(lambda: query(binary, g, "SELECT * FROM events"), "no event")[0]
    assert row[name] == f"my {name} 1"
    assert header not in server.requests[0].headers
    for bad in ("x" * 65, "t\xe4g"):
        refused = g.chat(headers={header: bad.encode("latin-1")})
        assert refused.status == 400, bad
        assert refused.error["param"] == header and header in refused.error["message"], bad
    assert len(server.requests) == 1


def test_receipts(gateway):
    g = gateway({"server": {"receipts": True}, "registry": REGISTRY})
    answer = g.chat({**SCRIPT, "cached_tokens": 4})
    assert answer.headers["x-weir-model"] == "mock-1" and answer.headers["x-weir-provider"] == "mock"
    assert answer.headers["x-weir-cost-usd"] == "0.000210000"
    assert answer.headers["x-weir-tokens"] == "input=10, cached=4, output=20"
    assert re.fullmatch(r"\d+\.\d{3} ms", answer.headers["x-weir-latency"])
    assert answer.headers["x-weir-decision"] == "first"
    stream = g.stream(SCRIPT)
    assert stream.headers["x-weir-model"] == "mock-1" and "x-weir-cost-usd" not in stream.headers
    stream.read()


def test_weir_budgets_and_the_admin_api(gateway, binary, tmp_path):
    config = budget("0.0021", "month")
    config["auth"]["keys"][0]["roles"] = ["owner"]
    g = gateway(config)
    assert [g.chat(SCRIPT, max_tokens=1).status for _ in range(2)] == [200] * 2
    shown = g.get("/admin/v1/budgets").json()["data"]
    assert [(b["scope"], b["id"], b["period"], b["spent_nanodollars"]) for b in shown] == [("key", "all", "month", 2 * COST)]
    assert shown[0]["usd"] == "0.002100000" and shown[0]["share"] == 0.2 and shown[0]["resets_at"] > 1e12
    sums = eventually(
        lambda: [s for s in g.get("/admin/v1/usage?by=key,model").json()["data"] if s["requests"] == 2], "two requests in the ledger"
    )
    assert sums[0]["key"] == "all" and sums[0]["model"] == "river" and sums[0]["nanodollars"] == 2 * COST
    key = tmp_path / "key"
    key.write_text(KEY)
    table = subprocess.run([binary, "budgets", "--url", g.url, "--key-file", key], capture_output=True, text=True)
    assert table.returncode == 0, table.stderr
    assert table.stdout.splitlines()[1].split()[:2] == ["key", "all"] and "20.0%" in table.stdout


def test_weir_usage(gateway, binary):
    g = gateway({"registry": REGISTRY})
    for tag in ("a", "a", "b"):
        assert g.chat(SCRIPT, headers={"x-weir-tag": tag}).status == 200
    eventually(lambda: json.loads(usage(binary, g, "--json") or "{}").get("requests") == 3, "three requests in the ledger")
    rows = [json.loads(line) for line in usage(binary, g, "--json", "--by", "tag,key").splitlines()]
    assert [(r["tag"], r["key"], r["requests"], r["nanodollars"]) for r in rows] == [("a", "all", 2, 2 * COST), ("b", "all", 1, COST)]
    assert rows[1]["usd"] == "0.000210000" and rows[1]["input_nanodollars"] + rows[1]["output_nanodollars"] == COST
    csv = usage(binary, g, "--csv", "--by", "model,price_version", "--from", "2d").splitlines()
    assert csv[0].startswith("model,price_version,requests,failed") and csv[1].startswith("river,2026")
    table = usage(binary, g, "--by", "day").splitlines()
    assert table[0].split()[:2] == ["day", "requests"] and table[1].split()[1] == "3"
    bad = subprocess.run([binary, "usage", "--config", g.file, "--by", "colour"], capture_output=True, text=True)
    assert bad.returncode == 1 and "colour" in bad.stderr
