"""Official clients of other dialects, unchanged, against weir in front of a model server of the OpenAI kind."""

import anthropic
import openai
import pytest

from harness import KEY, MESSAGES

WHOLE = "A river is a natural stream of water that flows to a sea or a lake."
TOOL = {
    "name": "get_weather",
    "description": "The weather of a place",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def claude(weir):
    with anthropic.Anthropic(base_url=weir.url, api_key=KEY, max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
def gpt(weir):
    with openai.OpenAI(base_url=weir.url + "/v1", api_key=KEY, max_retries=0, timeout=10) as client:
        yield client


# ----------------------------------------------------------------------------------------------------------------------
# Anthropic's client


def test_anthropic_message(claude):
    answer = claude.messages.create(model="river", max_tokens=100, system="Be brief.", messages=MESSAGES)
    assert answer.type == "message" and answer.role == "assistant" and answer.model == "river"
    assert [block.type for block in answer.content] == ["text"]
    assert answer.content[0].text == WHOLE
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 20)


def test_anthropic_stream(claude):
    with claude.messages.stream(model="river", max_tokens=100, messages=MESSAGES) as stream:
        kinds = [event.type for event in stream]
        answer = stream.get_final_message()
    assert answer.content[0].text == " token" * 8
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 20)
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 1


def test_anthropic_says_what_was_lost(claude):
    raw = claude.messages.with_raw_response.create(
        model="river",
        max_tokens=100,
        tools=[TOOL],
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "Weather?", "cache_control": {"type": "ephemeral"}}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "get_weather", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "rain"}]},
        ],
    )
    assert "messages.content.cache_control" in raw.headers["x-weir-lossy"]
    assert raw.headers["x-weir-provider"] == "mock"
    assert raw.parse().content[0].text == WHOLE


def test_anthropic_errors_are_its_own(claude, weir):
    with pytest.raises(anthropic.NotFoundError) as unknown:
        claude.messages.create(model="nobody", max_tokens=5, messages=MESSAGES)
    assert unknown.value.body["type"] == "error" and unknown.value.body["error"]["type"] == "not_found_error"
    with pytest.raises(anthropic.BadRequestError) as bad:
        claude.messages.create(model="river", max_tokens=5, messages=[{"role": "robot", "content": "x"}])
    assert "messages[0].role" in bad.value.body["error"]["message"] or "role" in bad.value.body["error"]["message"]
    with anthropic.Anthropic(base_url=weir.url, api_key="wrong", max_retries=0) as stranger:
        with pytest.raises(anthropic.AuthenticationError):
            stranger.messages.create(model="river", max_tokens=5, messages=MESSAGES)


def test_anthropic_models(claude):
    models = claude.models.list()
    assert "river" in [m.id for m in models.data]
    assert claude.models.retrieve("river").type == "model"


# ----------------------------------------------------------------------------------------------------------------------
# OpenAI's Responses


def test_response(gpt):
    answer = gpt.responses.create(model="river", instructions="Be brief.", input="What is a river?", metadata={"a": "b"})
    assert answer.object == "response" and answer.status == "completed"
    assert answer.output_text == WHOLE
    assert answer.metadata == {"a": "b"} and answer.instructions == "Be brief."
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (12, 20, 32)


def test_response_stream(gpt):
    events = list(gpt.responses.create(model="river", input=MESSAGES, stream=True))
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == " token" * 8
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    assert events[-1].response.output_text == " token" * 8
    assert events[-1].response.usage.total_tokens == 32


def test_response_takes_what_a_tool_said(gpt):
    answer = gpt.responses.create(
        model="river",
        input=[
            {"role": "user", "content": "Weather?"},
            {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "rain"},
        ],
        tools=[{"type": "function", "name": "get_weather", "parameters": TOOL["input_schema"], "strict": False}],
    )
    assert answer.output_text == WHOLE
    assert answer.tools[0].name == "get_weather"


def test_response_errors_name_the_parameter(gpt):
    with pytest.raises(openai.BadRequestError) as bad:
        gpt.responses.create(model="river", input=[{"role": "robot", "content": "x"}])
    assert bad.value.param == "input[0].role"


# ----------------------------------------------------------------------------------------------------------------------
# Ollama's: which models there are is not the callers' to say


@pytest.mark.parametrize("verb", ["create", "pull", "push", "copy", "delete", "blobs"])
def test_models_are_not_managed(weir, verb):
    path = "/api/" + verb + ("/sha256:" + "0" * 64 if verb == "blobs" else "")
    method = "DELETE" if verb == "delete" else "POST"
    answer = weir.request(method, path, {"model": "river"})
    assert answer.status == 403 and "manage" in answer.json()["error"], answer
    if verb == "blobs":
        assert weir.request("HEAD", path).status == 403
