"""/metrics: its format, read strictly, and that what it counts is what happened."""

import pytest

from harness import CHAT_ANSWER, KEY, Metrics, always, answer_bytes, provider

EXPECTED = {
    "weir_requests_total": "counter",
    "weir_errors_total": "counter",
    "weir_request_duration_seconds": "histogram",
    "weir_time_to_first_token_seconds": "histogram",
    "weir_input_tokens_total": "counter",
    "weir_output_tokens_total": "counter",
    "weir_unmetered_answers_total": "counter",
    "weir_requests_in_flight": "gauge",
    "weir_log_dropped_total": "counter",
}


@pytest.fixture
def used(gateway):
    """A gateway after one request of each kind."""
    weir = gateway()
    assert weir.chat().status == 200
    assert weir.chat(stream=True).status == 200
    assert weir.chat(model="stream").status == 200  # an alias: counted under the model's own name
    assert weir.chat({"usage": "none"}, stream=True).status == 200
    assert weir.request("POST", "/v1/embeddings", {"model": "river", "input": ["a"]}).status == 200
    assert weir.request("POST", "/v1/completions", {"model": "mock/one", "prompt": "a"}).status == 200
    assert weir.chat(model="lake").status == 404
    assert weir.chat(key="sk-wrong-wrong").status == 401
    assert weir.chat(temperature="x").status == 400
    assert weir.chat({"status": 500}).status == 500
    assert weir.chat({"fault": "cut"}, stream=True).status == 200
    assert weir.get("/v1/models").status == 200
    weir.wait_metric("weir_requests_total", 11)
    return weir


def test_families(used):
    metrics = used.metrics()
    assert EXPECTED.items() <= metrics.types.items()
    assert used.get("/metrics", key=None).headers["content-type"].startswith("text/plain; version=0.0.4")


def test_counts(used):
    m = used.metrics()
    route = {"provider": "mock", "model": "river"}
    assert m.get("weir_requests_total", operation="chat", status="200", **route) == 5
    assert m.get("weir_requests_total", operation="embedding", status="200", **route) == 1
    assert m.get("weir_requests_total", operation="completion", model="mock/one") == 1
    assert m.get("weir_requests_total", status="500", **route) == 1
    assert m.get("weir_requests_total", status="404") == 1
    assert m.get("weir_requests_total", status="401") == 1
    assert m.get("weir_requests_total", status="400") == 1
    assert m.get("weir_errors_total", reason="upstream_status", **route) == 1
    assert m.get("weir_errors_total", reason="stream_cut", **route) == 1
    assert m.get("weir_errors_total", reason="model_not_found") == 1
    assert m.get("weir_errors_total", reason="invalid_api_key") == 1
    assert m.get("weir_errors_total", reason="invalid_value") == 1
    assert m.get("weir_errors_total") == 5
    # Three whole or streamed chats of 12 and 20 tokens, a completion alike, an embedding of 12.
    assert m.get("weir_input_tokens_total", operation="chat") == 36
    assert m.get("weir_output_tokens_total", operation="chat") == 60
    assert m.get("weir_input_tokens_total", operation="embedding") == 12
    assert m.get("weir_output_tokens_total", operation="completion") == 20
    assert m.get("weir_unmetered_answers_total") == 1
    assert m.get("weir_requests_in_flight") == 0


def test_histograms(used):
    m = used.metrics()
    for name in ("weir_request_duration_seconds", "weir_time_to_first_token_seconds"):
        for labels in m.series(name + "_count"):
            buckets = sorted(
                (float(dict(l)["le"]), v)
                for (n, l), v in m.samples.items()
                if n == name + "_bucket" and labels.items() <= dict(l).items()
            )
            counts = [count for _, count in buckets]
            assert counts == sorted(counts)
            assert buckets[-1][0] == float("inf")
            assert counts[-1] == m.get(name + "_count", **labels)
            assert 0 < m.get(name + "_sum", **labels) < 60
    # Refusals that no model server saw have no duration of a model.
    assert m.get("weir_request_duration_seconds_count", operation="chat") == 6
    assert m.get("weir_request_duration_seconds_count", model="lake") == 0


def test_names_of_strangers_become_no_label(used):
    # Whoever may not call must not be able to fill the memory with label values.
    for i in range(200):
        used.chat(model=f"no-such-model-{i}")
        used.chat(model=f"river-{i}", key=f"sk-wrong-wrong-{i}")
    used.wait_metric("weir_requests_total", 411)
    text = used.get("/metrics", key=None).body.decode()
    assert "no-such-model" not in text
    assert "river-1" not in text
    assert len(Metrics(text).series("weir_requests_total")) < 20


def test_label_values_are_escaped(gateway, mock):
    # Names in the configuration hold no quotes, but they hold everything else that is printable.
    odd = "m{a=1},b#c:/d"
    weir = gateway({"models": [{"name": odd, "targets": [{"provider": "mock"}]}]})
    assert weir.chat(model=odd).status == 200
    weir.wait_metric("weir_requests_total", 1, model=odd)


def test_requests_in_flight(gateway):
    weir = gateway()
    stream = weir.stream({"frames": 1_000_000, "frame_delay_ms": 10})
    stream.next_piece()
    weir.wait_metric("weir_requests_in_flight", 1)
    stream.leave()
    weir.wait_metric("weir_requests_in_flight", 0)


def test_cached_and_reasoning_tokens(gateway, upstream):
    usage = {
        "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 64}, "completion_tokens_details": {"reasoning_tokens": 32},
    }  # fmt: skip
    server = upstream(always(answer_bytes({**CHAT_ANSWER, "usage": usage})))
    weir = gateway({"providers": [provider(server.url)]})
    assert weir.chat().json()["usage"] == usage
    m = weir.wait_metric("weir_cached_input_tokens_total", 64)
    assert m.get("weir_reasoning_tokens_total") == 32
    assert m.get("weir_input_tokens_total") == 100


def test_no_secret_in_metrics(used):
    text = used.get("/metrics", key=None).body.decode()
    assert KEY not in text
    assert "sk-" not in text
