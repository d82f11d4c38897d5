"""LangChain's chat models, unchanged, to model servers of every dialect through weir: chat, stream, tools, vision, error,
cancel. What the mock does stands in the user's text, which every translation carries, or in its queue."""

import json

import anthropic
import ollama
import openai
import pytest
from golden_cases import PIXEL
from harness import KEY, UPSTREAM_KEY, Gateway, Mock, eventually
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

SAID = "A river flows to the sea."
QUESTION = "What is a river?"
PATHS = {"openai": "/v1", "anthropic": "", "ollama": "", "gemini": "/v1beta"}
ERRORS = (openai.APIError, anthropic.APIError, ollama.ResponseError)


def by_openai(weir, model):
    return ChatOpenAI(model=model, base_url=weir.url + "/v1", api_key=KEY, max_retries=0, timeout=10, stream_usage=True)


def by_responses(weir, model):
    return ChatOpenAI(model=model, base_url=weir.url + "/v1", api_key=KEY, max_retries=0, timeout=10, use_responses_api=True)


def by_anthropic(weir, model):
    return ChatAnthropic(model=model, base_url=weir.url, api_key=KEY, max_retries=0, timeout=10, max_tokens=100)


def by_ollama(weir, model):
    return ChatOllama(model=model, base_url=weir.url, client_kwargs={"headers": {"Authorization": "Bearer " + KEY}, "timeout": 10})


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return {"Paris": "rain", "Lima": "sun"}[city]


@pytest.fixture(scope="module")
def server(binary):
    mock = Mock(binary)
    yield mock
    assert mock.stop() == 0


@pytest.fixture(scope="module")
def house(binary, server, tmp_path_factory):
    weir = Gateway(binary, tmp_path_factory.mktemp("langchain"), "", {
        "providers": [{"name": d, "kind": d, "base_url": server.url + p, "api_key": UPSTREAM_KEY} for d, p in PATHS.items()],
        "models": [{"name": "to-" + d, "targets": [{"provider": d, "model": "mock-1"}]} for d in PATHS],
    })  # fmt: skip
    yield weir
    assert not (problem := weir.finish()), problem


@pytest.fixture(params=list(PATHS))
def model(request, server):
    server.reset()
    return "to-" + request.param


@pytest.fixture(params=[by_openai, by_responses, by_anthropic, by_ollama])
def chat(request, house, model):
    return request.param(house, model)


def scripted(script: dict, text: str = QUESTION) -> str:
    return f"mock: {json.dumps(script)}\n{text}"


def text_of(message) -> str:
    content = message.content
    return content if isinstance(content, str) else "".join(p.get("text", "") for p in content if isinstance(p, dict))


def test_chat(chat):
    answer = chat.invoke(scripted({"text": SAID}))
    assert text_of(answer) == SAID
    assert (answer.usage_metadata["input_tokens"], answer.usage_metadata["output_tokens"]) == (12, 20)


def test_stream(chat):
    pieces = list(chat.stream(scripted({"text": SAID})))
    assert "".join(map(text_of, pieces)) == SAID
    assert len([p for p in pieces if text_of(p)]) == len(SAID.split())
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = whole + piece
    assert (whole.usage_metadata["input_tokens"], whole.usage_metadata["output_tokens"]) == (12, 20)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_tools(chat, stream):
    asked = [HumanMessage(scripted({"tools": 2}))]
    armed = chat.bind_tools([get_weather])
    if stream:
        pieces = list(armed.stream(asked))
        answer = pieces[0]
        for piece in pieces[1:]:
            answer = answer + piece
    else:
        answer = armed.invoke(asked)
    assert [c["args"] for c in answer.tool_calls] == [{"city": "Paris"}, {"city": "Lima"}]
    asked += [answer, *(get_weather.invoke(call) for call in answer.tool_calls)]
    assert text_of(armed.invoke(asked)) == "The tools said: rain sun"


def test_vision(chat):
    said = text_of(chat.invoke([HumanMessage([
        {"type": "text", "text": scripted({"received": True}, "Look.")},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PIXEL}},
    ])]))  # fmt: skip
    assert f"image image/png {len(PIXEL)} base64 bytes" in said and "text 'Look.'" in said


def test_error(chat, server):
    server.plan("next", {"fault": "too_long"})
    with pytest.raises(ERRORS, match="context length|too long|exceed") as refused:
        chat.invoke(QUESTION)
    assert refused.value.status_code == 400


def test_error_inside_a_stream(chat, server):
    server.plan("next", {"fault": "error_event", "after": 2, "text_seed": 3})
    pieces = []
    with pytest.raises((*ERRORS, ValueError), match="mock overload"):
        for piece in chat.stream(QUESTION):
            pieces += [piece] if text_of(piece) else []
    assert len(pieces) == 2


def test_cancel(chat, server):
    before = server.stats()["left"]
    server.plan("next", {"frames": 1_000_000, "frame_delay_ms": 5})
    stream = chat.stream(QUESTION)
    assert text_of(next(p for p in stream if text_of(p))) == " token"
    stream.close()
    eventually(lambda: server.stats()["left"] == before + 1, "the model server was not told that the client left")
