"""Official clients, unchanged, to model servers of every dialect through weir: chat, stream, tools, vision, error, cancel."""

import base64
import json

import anthropic
import ollama
import openai
import pytest

from dialects import CITIES, QUESTION, SAID, TOOLS_SAID, scripted
from golden_cases import PIXEL, SCHEMA
from harness import KEY, eventually


class Gpt:
    """OpenAI's client, chat completions."""

    errors = (openai.APIError,)

    def __init__(self, weir):
        self.client = openai.OpenAI(base_url=weir.url + "/v1", api_key=KEY, max_retries=0, timeout=10)

    def close(self):
        self.client.close()

    def ask(self, model, text, images=(), **more):
        parts = [{"type": "text", "text": text}]
        parts += [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + image}} for image in images]
        messages = [{"role": "user", "content": parts if images else text}]
        return self.client.chat.completions.create(model=model, messages=messages, **more)

    def text(self, model, text, images=()):
        answer = self.ask(model, text, images)
        assert answer.choices[0].finish_reason == "stop"
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (12, 20)
        return answer.choices[0].message.content

    def stream(self, model, text):
        for chunk in self.ask(model, text, stream=True, stream_options={"include_usage": True}):
            if chunk.usage:
                assert (chunk.usage.prompt_tokens, chunk.usage.completion_tokens) == (12, 20)
            if chunk.choices and chunk.choices[0].delta.content:
                yield chunk.choices[0].delta.content

    def tools(self, model, script, stream):
        """Two calls; then their results are brought. The arguments and the last words."""
        tools = [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}]
        messages = [{"role": "user", "content": script}]
        if stream:
            with self.client.chat.completions.stream(model=model, messages=messages, tools=tools) as events:
                message = events.get_final_completion().choices[0].message
        else:
            answer = self.client.chat.completions.create(model=model, messages=messages, tools=tools)
            assert answer.choices[0].finish_reason == "tool_calls"
            message = answer.choices[0].message
        assert len({c.id for c in message.tool_calls}) == 2
        messages.append(message.model_dump(exclude_none=True))
        for call, said in zip(message.tool_calls, ("rain", "sun")):
            assert call.function.name == "get_weather"
            messages.append({"role": "tool", "tool_call_id": call.id, "content": said})
        last = self.client.chat.completions.create(model=model, messages=messages, tools=tools)
        return [json.loads(c.function.arguments) for c in message.tool_calls], last.choices[0].message.content


class Responses(Gpt):
    """OpenAI's client, responses."""

    def ask(self, model, text, images=(), **more):
        parts = [{"type": "input_text", "text": text}]
        parts += [{"type": "input_image", "image_url": "data:image/png;base64," + image, "detail": "auto"} for image in images]
        return self.client.responses.create(model=model, input=[{"role": "user", "content": parts}], store=False, **more)

    def text(self, model, text, images=()):
        answer = self.ask(model, text, images)
        assert answer.status == "completed"
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 20)
        return answer.output_text

    def stream(self, model, text):
        for event in self.ask(model, text, stream=True):
            if event.type == "response.output_text.delta":
                yield event.delta
            if event.type == "error":
                raise openai.APIError(event.message, None, body=None)

    def tools(self, model, script, stream):
        tools = [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}]
        asked = [{"role": "user", "content": script}]
        if stream:
            with self.client.responses.stream(model=model, input=asked, tools=tools, store=False) as events:
                answer = events.get_final_response()
        else:
            answer = self.client.responses.create(model=model, input=asked, tools=tools, store=False)
        calls = [item for item in answer.output if item.type == "function_call"]
        for call, said in zip(calls, ("rain", "sun")):
            asked.append({"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments})
        for call, said in zip(calls, ("rain", "sun")):
            asked.append({"type": "function_call_output", "call_id": call.call_id, "output": said})
        last = self.client.responses.create(model=model, input=asked, tools=tools, store=False)
        return [json.loads(c.arguments) for c in calls], last.output_text


class Claude:
    """Anthropic's client."""

    errors = (anthropic.APIError,)

    def __init__(self, weir):
        self.client = anthropic.Anthropic(base_url=weir.url, api_key=KEY, max_retries=0, timeout=10)

    def close(self):
        self.client.close()

    def text(self, model, text, images=()):
        parts = [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": i}} for i in images]
        messages = [{"role": "user", "content": [{"type": "text", "text": text}, *parts]}]
        answer = self.client.messages.create(model=model, max_tokens=100, messages=messages)
        assert answer.stop_reason == "end_turn"
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (12, 20)
        return "".join(b.text for b in answer.content)

    def stream(self, model, text):
        with self.client.messages.stream(model=model, max_tokens=100, messages=[{"role": "user", "content": text}]) as stream:
            yield from stream.text_stream
            usage = stream.get_final_message().usage
            assert (usage.input_tokens, usage.output_tokens) == (12, 20)

    def tools(self, model, script, stream):
        messages = [{"role": "user", "content": script}]
        more = {"model": model, "max_tokens": 100, "tools": [{"name": "get_weather", "input_schema": SCHEMA}]}
        if stream:
            with self.client.messages.stream(messages=messages, **more) as events:
                answer = events.get_final_message()
        else:
            answer = self.client.messages.create(messages=messages, **more)
        assert answer.stop_reason == "tool_use"
        calls = [b for b in answer.content if b.type == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": c.id, "content": s} for c, s in zip(calls, ("rain", "sun"))]
        messages += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
        return [c.input for c in calls], self.client.messages.create(messages=messages, **more).content[0].text


class Llama:
    """Ollama's client."""

    errors = (ollama.ResponseError,)

    def __init__(self, weir):
        self.client = ollama.Client(weir.url, headers={"Authorization": "Bearer " + KEY}, timeout=10)

    def close(self):
        self.client._client.close()

    def text(self, model, text, images=()):
        message = {"role": "user", "content": text, "images": [base64.b64decode(i) for i in images]}
        answer = self.client.chat(model, [message])
        assert answer.done and answer.done_reason == "stop"
        assert (answer.prompt_eval_count, answer.eval_count) == (12, 20)
        return answer.message.content

    def stream(self, model, text):
        for part in self.client.chat(model, [{"role": "user", "content": text}], stream=True):
            if part.message.content:
                yield part.message.content

    def tools(self, model, script, stream):
        messages = [{"role": "user", "content": script}]
        tools = [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}]
        if stream:
            calls = [c for p in self.client.chat(model, messages, tools=tools, stream=True) for c in p.message.tool_calls or ()]
        else:
            calls = self.client.chat(model, messages, tools=tools).message.tool_calls
        messages.append({"role": "assistant", "content": "", "tool_calls": [c.model_dump() for c in calls]})
        messages += [{"role": "tool", "tool_name": "get_weather", "content": said} for said in ("rain", "sun")]
        return [c.function.arguments for c in calls], self.client.chat(model, messages, tools=tools).message.content


@pytest.fixture(params=[Gpt, Responses, Claude, Llama])
def client(request, dialect_house):
    made = request.param(dialect_house)
    yield made
    made.close()


def test_chat(client, dialect_model):
    assert client.text(dialect_model, scripted({"text": SAID})) == SAID


def test_stream(client, dialect_model):
    pieces = list(client.stream(dialect_model, scripted({"text": SAID})))
    assert "".join(pieces) == SAID
    assert len(pieces) == len(SAID.split())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_tools(client, dialect_model, stream):
    assert client.tools(dialect_model, scripted({"tools": 2}), stream) == (CITIES, TOOLS_SAID)


def test_vision(client, dialect_model):
    said = client.text(dialect_model, scripted({"received": True}, "Look."), [PIXEL])
    assert f"image image/png {len(PIXEL)} base64 bytes" in said
    assert "text 'Look.'" in said


def test_error(client, dialect_model, dialect_server):
    dialect_server.plan("next", {"fault": "too_long"})
    with pytest.raises(client.errors) as refused:
        client.text(dialect_model, QUESTION)
    assert refused.value.status_code == 400
    assert any(words in str(refused.value) for words in ("context length", "too long", "exceed")), refused.value


def test_error_inside_a_stream(client, dialect_model, dialect_server):
    dialect_server.plan("next", {"fault": "error_event", "after": 2, "text_seed": 3})
    pieces = []
    with pytest.raises(client.errors) as broken:
        for piece in client.stream(dialect_model, QUESTION):
            pieces.append(piece)
    assert len(pieces) == 2 and "mock overload" in str(broken.value)


def test_cancel(client, dialect_model, dialect_server):
    before = dialect_server.stats()["left"]
    dialect_server.plan("next", {"frames": 1_000_000, "frame_delay_ms": 5})
    stream = client.stream(dialect_model, QUESTION)
    assert next(stream) == " token"
    stream.close()
    client.close()
    eventually(lambda: dialect_server.stats()["left"] == before + 1, "the model server was not told that the client left")
