"""What answers cost: the header, the metric, the record; and that an unknown price is an alarm."""

import json
import subprocess

from harness import CHAT_ANSWER, UPSTREAM_KEY, always, answer_bytes

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100, "prompt_tokens_details": {"cached_tokens": 400}}


def config(url, **more):
    named = {"name": "p", "kind": "openai", "base_url": url + "/v1", "api_key": UPSTREAM_KEY, "models": ["*"]}
    registry = [{"provider": "p", "model": "gpt-*", "context_tokens": 5000, "input_usd": 2.5, "output_usd": 10, "cache_read_usd": 1.25}]
    return {"providers": [named], "models": None, "registry": registry, **more}


def test_an_answer_says_what_it_cost(gateway, upstream):
    server = upstream(always(answer_bytes({**CHAT_ANSWER, "usage": USAGE})))
    weir = gateway(config(server.url, server={"receipts": True}))
    answer = weir.chat(model="gpt-x")
    assert answer.headers["x-weir-cost-usd"] == "0.003000000"  # 600 x 2.5 + 400 x 1.25 + 100 x 10, for a million
    metrics = weir.wait_metric("weir_cost_usd_total", 0.003, provider="p", model="gpt-x")
    assert metrics.get("weir_unpriced_answers_total") == 0
    assert weir.wait_log(model="gpt-x")["cost_nanodollars"] == 3_000_000
    assert weir.get("/v1/models/gpt-x").json()["context_length"] == 5000


def test_an_unknown_price_is_an_alarm(gateway, upstream):
    server = upstream(always(answer_bytes({**CHAT_ANSWER, "usage": USAGE})))
    weir = gateway(config(server.url, server={"receipts": True}))
    answer = weir.chat(model="gpt4")  # no row, and the name of a server's own model says nothing
    assert answer.status == 200 and "x-weir-cost-usd" not in answer.headers
    metrics = weir.wait_metric("weir_unpriced_answers_total", 1, provider="p", model="gpt4")
    assert metrics.get("weir_cost_usd_total") == 0
    assert weir.wait_log(model="gpt4")["unpriced"] is True


def test_receipts_are_off_unless_switched_on(gateway, upstream):
    server = upstream(always(answer_bytes({**CHAT_ANSWER, "usage": USAGE})))
    weir = gateway(config(server.url))
    assert "x-weir-cost-usd" not in weir.chat(model="gpt-x").headers


def test_weir_models(binary):
    said = subprocess.run([binary, "models", "gpt-4o", "--provider", "openai", "--json"], capture_output=True, text=True, check=True)
    rows = {row["model"]: row for row in map(json.loads, said.stdout.splitlines())}
    assert rows["gpt-4o"]["input_nanodollars_per_mtok"] == 2_500_000_000 and rows["gpt-4o"]["tools"] is True
    assert all(name.startswith("gpt-4o") for name in rows)
    assert subprocess.run([binary, "models", "no-such-model"], capture_output=True).returncode == 1


def test_azure(gateway, upstream):
    server = upstream(always(answer_bytes(CHAT_ANSWER)))
    azure = {"name": "az", "kind": "azure", "base_url": server.url + "/openai", "api_key": UPSTREAM_KEY, "models": ["*"]}
    weir = gateway({"providers": [{**azure, "api_version": "2025-04-01"}], "models": None})
    assert weir.chat(model="my-gpt").status == 200
    request = server.requests[-1]
    assert request.line == "POST /openai/deployments/my-gpt/chat/completions?api-version=2025-04-01 HTTP/1.1"
    assert request.headers["api-key"] == UPSTREAM_KEY and "authorization" not in request.headers
