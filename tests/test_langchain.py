"""LangChain's chat models, unchanged, to model servers of every dialect through weir: chat, stream, tools, vision, error,
cancel."""

import anthropic
import ollama
import openai
import pytest
from dialects import CITIES, QUESTION, SAID, TOOLS_SAID, scripted
from golden_cases import PIXEL
from harness import KEY, eventually
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI

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


@pytest.fixture(params=[by_openai, by_responses, by_anthropic, by_ollama])
def chat(request, dialect_house, dialect_model):
    return request.param(dialect_house, dialect_model)


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
    assert [c["args"] for c in answer.tool_calls] == CITIES
    asked += [answer, *(get_weather.invoke(call) for call in answer.tool_calls)]
    assert text_of(armed.invoke(asked)) == TOOLS_SAID


def test_vision(chat):
    said = text_of(chat.invoke([HumanMessage([
        {"type": "text", "text": scripted({"received": True}, "Look.")},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PIXEL}},
    ])]))  # fmt: skip
    assert f"image image/png {len(PIXEL)} base64 bytes" in said and "text 'Look.'" in said


def test_error(chat, dialect_server):
    dialect_server.plan("next", {"fault": "too_long"})
    with pytest.raises(ERRORS, match="context length|too long|exceed") as refused:
        chat.invoke(QUESTION)
    assert refused.value.status_code == 400


def test_error_inside_a_stream(chat, dialect_server):
    dialect_server.plan("next", {"fault": "error_event", "after": 2, "text_seed": 3})
    pieces = []
    with pytest.raises((*ERRORS, ValueError), match="mock overload"):
        for piece in chat.stream(QUESTION):
            pieces += [piece] if text_of(piece) else []
    assert len(pieces) == 2


def test_cancel(chat, dialect_server):
    before = dialect_server.stats()["left"]
    dialect_server.plan("next", {"frames": 1_000_000, "frame_delay_ms": 5})
    stream = chat.stream(QUESTION)
    assert text_of(next(p for p in stream if text_of(p))) == " token"
    stream.close()
    eventually(lambda: dialect_server.stats()["left"] == before + 1, "the model server was not told that the client left")
