"""`weir mock` itself: every dialect by its official client, and its plan."""

import json

import anthropic
import ollama
import openai
import pytest

from harness import Raw, eventually, request

MESSAGES = [{"role": "user", "content": "What is a river?"}]
CHAT = {"model": "m", "messages": MESSAGES}


def post(server, path, body):
    return request(server.url, "POST", path, body)


def test_official_clients(mock):
    gpt = openai.OpenAI(base_url=mock.url + "/v1", api_key="x", max_retries=0)
    claude = anthropic.Anthropic(base_url=mock.url, api_key="x", max_retries=0)
    llama = ollama.Client(mock.url)
    script = {"text_seed": 5, "frames": 3}
    answer = gpt.chat.completions.create(**CHAT, extra_body={"mock": script}).choices[0].message.content
    assert answer == claude.messages.create(**CHAT, max_tokens=9, extra_body={"mock": script}).content[0].text
    in_text = "mock: " + json.dumps(script) + "\nWhat is a river?"
    assert answer == llama.chat("m", [{"role": "user", "content": in_text}]).message.content
    assert answer == gpt.responses.create(model="m", input=in_text).output_text
    assert answer.startswith(" 0-") and len(answer.split()) == 3
    assert claude.messages.count_tokens(**CHAT).input_tokens == 12
    assert [m.model for m in llama.list().models] == ["mock:latest"]
    assert llama.embed("m", ["one", "two"]).embeddings == [[0.1, 0.2, 0.3, 0.4]] * 2


def test_the_plan_counts_over_the_request(model_server):
    server = model_server({"text": "from the plan"}, [{"status": 500, "times": 2}, {"status": 429, "headers": {"retry-after": "7"}}])
    body = {**CHAT, "mock": {"text": "from the request", "status": 200}}
    answers = [post(server, "/v1/chat/completions", body) for _ in range(4)]
    assert [a.status for a in answers] == [500, 500, 429, 200]
    assert answers[2].headers["retry-after"] == "7"
    assert answers[3].json()["choices"][0]["message"]["content"] == "from the request"
    assert post(server, "/v1/chat/completions", CHAT).json()["choices"][0]["message"]["content"] == "from the plan"
    assert [json.loads(r["body"]) for r in server.requests()] == [body] * 4 + [CHAT]
    assert request(server.url, "POST", "/mock/next", {"framez": 1}).status == 400
    server.plan("get", {"status": 503})
    assert request(server.url, "GET", "/v1/models").status == 503
    server.reset()
    assert request(server.url, "GET", "/v1/models").status == 200 and server.requests() == []


TOO_LONG = {
    "/v1/chat/completions": lambda e: e["error"]["code"] == "context_length_exceeded",
    "/v1/messages": lambda e: "prompt is too long" in e["error"]["message"],
    "/api/chat": lambda e: "context length" in e["error"],
    "/v1beta/models/m:generateContent": lambda e: e["error"]["status"] == "INVALID_ARGUMENT" and "exceeds" in e["error"]["message"],
}


@pytest.mark.parametrize("path", TOO_LONG)
def test_errors_are_each_providers_own(mock, path):
    body = {"contents": [{"parts": [{"text": "Hi"}]}]} if "gen" in path else {**CHAT, "max_tokens": 9}
    answer = post(mock, path, {**body, "mock": {"fault": "too_long"}})
    assert answer.status == 400 and TOO_LONG[path](answer.json())


def test_claude_is_overloaded_refuses_prefill_and_foreign_thoughts(mock):
    claude = anthropic.Anthropic(base_url=mock.url, api_key="x", max_retries=0)

    def ask(messages, **script):
        return claude.messages.create(model="m", max_tokens=9, messages=messages, extra_body={"mock": script})

    with pytest.raises(anthropic.InternalServerError) as overloaded:
        ask(MESSAGES, fault="overloaded")
    assert overloaded.value.status_code == 529 and overloaded.value.body["error"]["type"] == "overloaded_error"
    begun = [*MESSAGES, {"role": "assistant", "content": "A river"}]
    assert ask(begun, text="A river flows.").content[0].text == " flows."
    with pytest.raises(anthropic.BadRequestError, match="prefill"):
        ask(begun, prefill="refuse")
    with pytest.raises(anthropic.BadRequestError, match="whitespace"):
        ask([*MESSAGES, {"role": "assistant", "content": "A river "}])
    thought = ask(MESSAGES, thinking="Hm, rivers.").content
    assert thought[0].thinking == "Hm, rivers." and thought[1].type == "text"
    again = [*MESSAGES, {"role": "assistant", "content": thought}, {"role": "user", "content": "Go on."}]
    assert ask(again).stop_reason == "end_turn"
    thought[0].signature = "forged"
    with pytest.raises(anthropic.BadRequestError, match="signature"):
        ask(again)
    assert ask(MESSAGES, finish="refusal", text="No.").stop_reason == "refusal"


def test_faults_of_the_transport(mock):
    def ask(**script):
        return post(mock, "/v1/chat/completions", {**CHAT, "stream": script.pop("stream", False), "mock": script})

    with pytest.raises(ConnectionError):
        ask(fault="reset")
    assert ask(fault="html").headers["content-type"] == "text/html"
    assert ask(content_type="text/plain").headers["content-type"] == "text/plain"
    assert sum(len(v) for n, v in ask(header_bytes=20_000).header_list if n == "x-filler") == 20_000
    whole = ask(stream=True, frames=3)
    dripped = ask(stream=True, frames=3, piece_bytes=3, piece_delay_ms=0)
    assert dripped.body == whole.body and whole.body.endswith(b"data: [DONE]\n\n")
    assert ask(stream=True, frames=3, fault="no_done").body + b"data: [DONE]\n\n" == whole.body
    stalled = ask(stream=True, frames=3, fault="hang_mid", after=1, stall_ms=1)
    assert stalled.body == whole.body


def test_a_silent_server_notices_who_leaves(mock):
    before = mock.stats()["left"]
    host, port = mock.url.removeprefix("http://").split(":")
    raw = Raw((host, int(port)))
    body = json.dumps({**CHAT, "mock": {"fault": "hang_after_head"}}).encode()
    raw.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    eventually(lambda: mock.stats()["open"] == 1, "the request did not arrive")
    raw.close()
    eventually(lambda: mock.stats()["left"] == before + 1, "the mock did not notice")
