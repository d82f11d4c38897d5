"""LlamaIndex's models, unchanged, to model servers of every dialect through weir: chat, stream, tools, vision, error,
cancel. Run by .venv-older: its releases want older clients of OpenAI and Anthropic than the other tests."""

import base64
import gc

import anthropic
import ollama
import openai
import pytest
from dialects import CITIES, CLAUDES, QUESTION, SAID, TOOLS_SAID, scripted
from golden_cases import PIXEL
from harness import KEY, eventually
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, TextBlock
from llama_index.core.tools import FunctionTool
from llama_index.llms.anthropic import Anthropic
from llama_index.llms.ollama import Ollama
from llama_index.llms.openai import OpenAIResponses
from llama_index.llms.openai_like import OpenAILike

ERRORS = (openai.APIError, anthropic.APIError, ollama.ResponseError)
PATIENCE = {"max_retries": 0, "timeout": 10}


def by_openai(weir, model):
    return OpenAILike(
        model=model, api_base=weir.url + "/v1", api_key=KEY, is_chat_model=True, is_function_calling_model=True,
        additional_kwargs={"stream_options": {"include_usage": True}}, **PATIENCE,
    )  # fmt: skip


def by_responses(weir, model):
    return OpenAIResponses(model=model, api_base=weir.url + "/v1", api_key=KEY, context_window=8192, **PATIENCE)


def by_anthropic(weir, model):
    return Anthropic(model=CLAUDES[model.removeprefix("to-")], base_url=weir.url, api_key=KEY, max_tokens=100, **PATIENCE)


def by_ollama(weir, model):
    return Ollama(model=model, base_url=weir.url, headers={"Authorization": "Bearer " + KEY}, request_timeout=10)


def get_weather(city: str) -> str:
    """The weather of a city."""
    return {"Paris": "rain", "Lima": "sun"}[city]


TOOLS = [FunctionTool.from_defaults(get_weather)]


@pytest.fixture(params=[by_openai, by_responses, by_anthropic, by_ollama])
def llm(request, dialect_house, dialect_model):
    return request.param(dialect_house, dialect_model)


def asked(text: str) -> list[ChatMessage]:
    return [ChatMessage(role="user", content=text)]


def tokens(answer) -> tuple[int, int]:
    """What the answer cost, wherever this model keeps it."""
    raw = answer.raw if isinstance(answer.raw, dict) else dict(answer.raw)
    usage = raw.get("usage") or answer.additional_kwargs["usage"]
    usage = usage if isinstance(usage, dict) else usage.model_dump()
    return tuple(usage[new] if new in usage else usage[old] for new, old in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens")))


def test_chat(llm):
    answer = llm.chat(asked(scripted({"text": SAID})))
    assert answer.message.content == SAID
    assert tokens(answer) == (12, 20)


def test_stream(llm):
    pieces = list(llm.stream_chat(asked(scripted({"text": SAID}))))
    assert [p.delta for p in pieces if p.delta] == ["A", " river", " flows", " to", " the", " sea."]
    assert pieces[-1].message.content == SAID
    if not isinstance(llm, Anthropic):  # it gives each event, and its last one has no usage
        assert tokens(pieces[-1]) == (12, 20)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_tools(llm, stream):
    history = asked(scripted({"tools": 2}))
    more = {"tools": TOOLS, "allow_parallel_tool_calls": True}
    if stream:
        *_, answer = llm.stream_chat_with_tools(chat_history=list(history), **more)
    else:
        answer = llm.chat_with_tools(chat_history=list(history), **more)
    calls = llm.get_tool_calls_from_response(answer)
    assert [(c.tool_name, c.tool_kwargs) for c in calls] == [("get_weather", city) for city in CITIES]
    history.append(answer.message)
    for call in calls:
        ids = {"tool_call_id": call.tool_id, "name": call.tool_name}
        history.append(ChatMessage(role="tool", content=get_weather(**call.tool_kwargs), additional_kwargs=ids))
    assert llm.chat_with_tools(chat_history=history, **more).message.content == TOOLS_SAID


def test_vision(llm):
    picture = ImageBlock(image=base64.b64decode(PIXEL), image_mimetype="image/png")
    said = llm.chat([ChatMessage(role="user", blocks=[TextBlock(text=scripted({"received": True}, "Look.")), picture])]).message.content
    assert f"image image/png {len(PIXEL)} base64 bytes" in said and "text 'Look.'" in said


def test_error(llm, dialect_server):
    dialect_server.plan("next", {"fault": "too_long"})
    with pytest.raises(ERRORS, match="context length|too long|exceed") as refused:
        llm.chat(asked(QUESTION))
    assert refused.value.status_code == 400


def test_error_inside_a_stream(llm, dialect_server):
    dialect_server.plan("next", {"fault": "error_event", "after": 2, "text_seed": 3})
    pieces = []

    def read():
        for piece in llm.stream_chat(asked(QUESTION)):
            pieces.extend([piece] if piece.delta else [])

    if isinstance(llm, OpenAIResponses):  # it passes over error events; what shows is that nothing more came
        read()
    else:
        with pytest.raises(ERRORS, match="mock overload"):
            read()
    assert len(pieces) == 2


def test_cancel(llm, dialect_server):
    before = dialect_server.stats()["left"]
    dialect_server.plan("next", {"frames": 1_000_000, "frame_delay_ms": 5})
    stream = llm.stream_chat(asked(QUESTION))
    assert next(p.delta for p in stream if p.delta) == " token"
    stream.close()
    gc.collect()  # what LlamaIndex leaves the client's connection to
    eventually(lambda: dialect_server.stats()["left"] == before + 1, "the model server was not told that the client left")
