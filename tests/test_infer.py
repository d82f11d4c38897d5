"""weir's own plain question and answer, and who counts tokens: the model server where it can, else an estimate."""

import anthropic

from harness import CHAT_ANSWER, KEY, OTHER_KEY, UPSTREAM_KEY, always, answer_bytes


def config(url):
    return {
        "providers": [{"name": "p", "kind": "openai", "base_url": url + "/v1", "api_key": UPSTREAM_KEY}],
        "models": [{"name": "river", "targets": [{"provider": "p", "model": "m-1"}]}],
        "registry": [{"provider": "p", "model": "m-1", "input_usd": 3, "output_usd": 15}],
    }


def test_a_prompt_in_an_answer_out(gateway, upstream):
    server = upstream(always(answer_bytes(CHAT_ANSWER)))
    weir = gateway(config(server.url))
    answer = weir.request(
        "POST", "/infer", {"prompt": "What is \"a river\"?", "system": "Be brief.", "constraints": {"max_output_tokens": 60, "temperature": 0, "json_schema": {"type": "object"}}}
    )
    assert answer.status == 200, answer
    said = answer.json()
    assert said["id"] == answer.headers["x-weir-request-id"]
    del said["id"]
    assert said == {
        "answer": "A river.",
        "finish": "stop",
        "decision": {"model": "river", "provider": "p", "provider_model": "m-1", "attempts": 1},
        "usage": {"input_tokens": 1, "output_tokens": 2},
        "cost_usd": "0.000033000",
    }
    asked = server.requests[-1].json()
    assert asked["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is \"a river\"?"}]
    assert (asked["model"], asked["max_tokens"], asked["temperature"]) == ("m-1", 60, 0)
    assert asked["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_infer_refuses_by_name(gateway, upstream):
    server = upstream(always(answer_bytes(CHAT_ANSWER)))
    weir = gateway(config(server.url))
    for body, param in (
        ({}, "prompt"),
        ({"prompt": 1}, "prompt"),
        ({"prompt": "x", "stream": True}, "stream"),
        ({"prompt": "x", "constraints": {"max_cost": 1}}, "constraints.max_cost"),
        ({"prompt": "x", "constraints": {"temperature": "hot"}}, "temperature"),
        ({"prompt": "x", "model": "other"}, "model"),
        ({"prompt": "x", "base_url": "http://x"}, "base_url"),
    ):
        answer = weir.request("POST", "/infer", body)
        assert answer.status in (400, 404) and answer.error["param"] == param, (body, answer)
    assert weir.request("POST", "/infer", {"prompt": "x"}, key=None).status == 401
    assert weir.request("POST", "/infer", {"prompt": "x", "model": "river"}, key=OTHER_KEY).status == 404
    assert weir.get("/infer").status == 405
    tagged = weir.request("POST", "/infer", {"prompt": "x"}, headers={"x-weir-tag": ""})
    assert tagged.status == 400 and tagged.error["param"] == "x-weir-tag", tagged
    assert server.requests == []


def test_a_model_servers_refusal_passes(gateway, upstream):
    server = upstream(always(answer_bytes({"error": {"message": "no", "type": "x", "param": None, "code": None}}, "400 Bad Request")))
    weir = gateway(config(server.url))
    answer = weir.request("POST", "/infer", {"prompt": "x"})
    assert answer.status == 400 and answer.error["message"] == "no"


def test_tokens_are_estimated_where_nobody_counts(weir):
    with anthropic.Anthropic(base_url=weir.url, api_key=KEY, max_retries=0, timeout=10) as client:
        short = client.messages.with_raw_response.count_tokens(model="river", messages=[{"role": "user", "content": "hello"}])
        assert short.headers["x-weir-estimate"] == "input_tokens"
        long = client.messages.count_tokens(model="river", messages=[{"role": "user", "content": "hello " * 1000}])
        assert long.input_tokens > short.parse().input_tokens + 1000


def counted(weir, model="river", text="hello"):
    with anthropic.Anthropic(base_url=weir.url, api_key=KEY, max_retries=0, timeout=10) as client:
        raw = client.messages.with_raw_response.count_tokens(
            model=model, system="Be brief.", messages=[{"role": "user", "content": text}], tools=[{"name": "f", "input_schema": {"type": "object"}}]
        )
    return raw.parse().input_tokens, raw.headers.get("x-weir-estimate")


def llama(url):
    return {**config(url), "providers": [{"name": "p", "kind": "llama.cpp", "base_url": url + "/v1"}]}


def test_llama_cpp_is_asked_for_its_count(gateway, upstream):
    server = upstream(always(answer_bytes({"object": "response.input_tokens", "input_tokens": 4711})))
    weir = gateway(llama(server.url))
    assert counted(weir) == (4711, None)
    (asked,) = server.requests
    assert asked.line == "POST /v1/chat/completions/input_tokens HTTP/1.1"
    assert asked.json()["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]
    assert asked.json()["tools"][0]["function"]["name"] == "f" and asked.json()["model"] == "m-1"
    weir.wait_metric("weir_requests_total", 1, operation="count_tokens")
    assert weir.metrics().get("weir_input_tokens_total") == 0  # counting uses none


def test_an_older_llama_cpp_cannot_count(gateway, upstream):
    server = upstream(always(answer_bytes({"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}, "404 Not Found")))
    tokens, estimate = counted(gateway(llama(server.url)))
    assert 5 < tokens < 100 and estimate == "input_tokens"
    assert len(server.requests) == 1


def test_a_count_that_is_none_is_the_model_servers_failure(gateway, upstream):
    server = upstream(always(answer_bytes({"tokens": 3})))
    weir = gateway(llama(server.url))
    answer = weir.request("POST", "/v1/messages/count_tokens", {"model": "river", "messages": [{"role": "user", "content": "x"}]})
    assert answer.status == 502 and answer.json()["error"]["type"] == "api_error", answer


def test_gemini_is_asked_for_its_count(gateway, upstream):
    server = upstream(always(answer_bytes({"totalTokens": 815, "promptTokensDetails": []})))
    gemini = {**config(server.url), "providers": [{"name": "p", "kind": "gemini", "base_url": server.url + "/v1beta", "api_key": UPSTREAM_KEY}]}
    assert counted(gateway(gemini)) == (815, None)
    (asked,) = server.requests
    assert asked.line == "POST /v1beta/models/m-1:countTokens HTTP/1.1"
    inner = asked.json()["generateContentRequest"]
    assert list(asked.json()) == ["generateContentRequest"] and inner["model"] == "models/m-1"
    assert inner["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert inner["contents"] == [{"role": "user", "parts": [{"text": "hello"}]}] and inner["tools"]


def test_gemini_through_the_mock(dialect_house):
    assert counted(dialect_house, "to-gemini", "hello " * 1000) == (12, None)
