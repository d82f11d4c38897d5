"""The official OpenAI SDK for Python, unchanged, against weir."""

import json

import openai
import pytest

from harness import KEY, MESSAGES, OTHER_KEY


@pytest.fixture
def client(weir):
    with connect(weir) as c:
        yield c


def connect(weir, key: str = KEY) -> openai.OpenAI:
    return openai.OpenAI(base_url=weir.url + "/v1", api_key=key, max_retries=0, timeout=10)


def chat(client, mock=None, **options):
    body = {"model": "river", "messages": MESSAGES, **options}
    return client.chat.completions.create(**body, extra_body={"mock": mock or {}})


def test_chat(client):
    answer = chat(client)
    assert answer.object == "chat.completion"
    assert answer.model == "mock-1"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content.startswith("A river is")
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (12, 20)


def test_chat_answer_names_who_answered(client):
    answer = client.chat.completions.with_raw_response.create(model="river", messages=MESSAGES)
    assert answer.headers["x-weir-provider"] == "mock"
    assert answer.headers["x-weir-model"] == "mock-1"
    assert answer.headers["x-request-id"] == "req_mock"
    assert answer.headers["x-weir-request-id"].startswith("req_")


def test_alias_and_pass_through(client):
    assert chat(client, model="stream").model == "mock-1"
    assert chat(client, model="mock/anything").model == "mock/anything"


def test_stream(client):
    chunks = list(chat(client, {"frames": 20}, stream=True))
    text = [c.choices[0].delta.content for c in chunks if c.choices[0].delta.content]
    assert text == [" token"] * 20
    assert [c.choices[0].finish_reason for c in chunks] == [None] * 21 + ["stop"]


@pytest.mark.parametrize("usage", ["final", "with_finish", "none"])
def test_stream_without_include_usage_shows_no_usage(client, usage):
    # weir asks the model server for usage; what was not asked for by the caller must not reach it, in any form.
    with client.chat.completions.with_streaming_response.create(
        model="river", messages=MESSAGES, stream=True, extra_body={"mock": {"usage": usage}}
    ) as answer:
        lines = [line for line in answer.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert all("usage" not in c for c in chunks)
    assert all(len(c["choices"]) == 1 for c in chunks)
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert len(chunks) == 10


@pytest.mark.parametrize("usage", ["final", "with_finish"])
def test_stream_with_include_usage_gets_it(client, usage):
    chunks = list(chat(client, {"usage": usage}, stream=True, stream_options={"include_usage": True}))
    with_usage = [c for c in chunks if c.usage]
    assert len(with_usage) == 1
    assert chunks[-1] is with_usage[0]
    assert with_usage[0].usage.total_tokens == 32
    assert len(chunks[-1].choices) == (0 if usage == "final" else 1)


def test_mock_streams_a_role_first(client):
    first = next(iter(chat(client, stream=True)))
    assert first.choices[0].delta.role == "assistant"


def test_stream_helper_accumulates(client):
    with client.chat.completions.stream(model="river", messages=MESSAGES) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert final.choices[0].message.content == " token" * 8


def test_completions(client):
    answer = client.completions.create(model="river", prompt="A river is")
    assert answer.choices[0].text.startswith("A river is")
    assert answer.usage.total_tokens == 32


def test_completions_stream(client):
    chunks = list(client.completions.create(model="river", prompt="A river is", stream=True))
    assert "".join(c.choices[0].text for c in chunks) == " token" * 8
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_embeddings(client):
    # The SDK asks for base64, of 32-bit floats, unless told otherwise.
    for options in ({}, {"encoding_format": "float"}):
        answer = client.embeddings.create(model="river", input=["one", "two", "three"], **options)
        assert [e.index for e in answer.data] == [0, 1, 2]
        assert answer.data[2].embedding == pytest.approx([0.1, 0.2, 0.3, 0.4])
        assert answer.usage.prompt_tokens == 12


def test_models(client, weir):
    assert {m.id for m in client.models.list()} == {"river", "stream"}
    model = client.models.retrieve("river")
    assert (model.id, model.object, model.owned_by) == ("river", "model", "mock")
    with pytest.raises(openai.NotFoundError) as e:
        client.models.retrieve("lake")
    assert e.value.code == "model_not_found"
    with connect(weir, OTHER_KEY) as limited:
        assert list(limited.models.list()) == []


def test_model_names_with_a_slash(gateway):
    with connect(gateway({"models": [{"name": "org/river-7b", "targets": [{"provider": "mock"}]}]})) as client:
        assert client.models.retrieve("org/river-7b").id == "org/river-7b"
        assert chat(client, model="org/river-7b").model == "org/river-7b"


# ----------------------------------------------------------------------------------------------------------------------
# Errors arrive as the SDK's own exceptions


def test_wrong_key(weir):
    with connect(weir, "sk-wrong-wrong-wrong") as client, pytest.raises(openai.AuthenticationError) as e:
        chat(client)
    assert e.value.code == "invalid_api_key"
    assert e.value.type == "authentication_error"
    assert e.value.response.headers["www-authenticate"] == "Bearer"
    assert "sk-wrong" not in e.value.response.text


def test_no_key(weir):
    with connect(weir) as client, pytest.raises(openai.AuthenticationError) as e:
        client.chat.completions.create(
            model="river", messages=MESSAGES, extra_headers={"Authorization": openai.Omit()}
        )
    assert e.value.code == "missing_api_key"


def test_wrong_key_for_models(weir):
    with connect(weir, "sk-wrong-wrong-wrong") as client, pytest.raises(openai.AuthenticationError):
        client.models.list()


@pytest.mark.parametrize("stream", [False, True])
def test_unknown_model(client, stream):
    with pytest.raises(openai.NotFoundError) as e:
        chat(client, model="lake", stream=stream)
    assert (e.value.code, e.value.param) == ("model_not_found", "model")


def test_model_that_the_key_may_not_use(weir):
    with connect(weir, OTHER_KEY) as client:
        assert chat(client, model="mock/one").model == "mock/one"
        for model in ("river", "stream", "mock/two", "lake"):
            with pytest.raises(openai.NotFoundError) as e:
                chat(client, model=model)
            assert e.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"n": 1000}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"stop": 7}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"tools": {}}, "tools"),
        ({"response_format": "json"}, "response_format"),
        ({"model": ""}, "model"),
        ({"model": "with space"}, "model"),
        ({"model": "x" * 257}, "model"),
    ],
)
def test_bad_parameter(client, mock, options, param):
    before = mock.stats()["requests"]
    with pytest.raises(openai.BadRequestError) as e:
        chat(client, **options)
    assert e.value.param == param
    assert e.value.type == "invalid_request_error"
    assert mock.stats()["requests"] == before


def test_bad_parameter_of_embeddings(client):
    with pytest.raises(openai.BadRequestError) as e:
        client.embeddings.create(model="river", input=[])
    assert e.value.param == "input"


def test_rate_limit_of_the_model_server_passes(client):
    limited = {"status": 429, "headers": {"retry-after": "7", "x-ratelimit-remaining-requests": "0"}}
    for stream in (False, True):
        with pytest.raises(openai.RateLimitError) as e:
            chat(client, limited, stream=stream)
        assert e.value.code == "mock_429"
        assert e.value.response.headers["retry-after"] == "7"
        assert e.value.response.headers["x-ratelimit-remaining-requests"] == "0"


def test_sdk_retries_a_rate_limit(weir, mock):
    before = mock.stats()["requests"]
    with openai.OpenAI(base_url=weir.url + "/v1", api_key=KEY, max_retries=1) as client:
        with pytest.raises(openai.RateLimitError):
            chat(client, {"status": 429, "headers": {"retry-after-ms": "1"}})
    assert mock.stats()["requests"] == before + 2


# ----------------------------------------------------------------------------------------------------------------------
# Leaving


def test_closing_the_stream_frees_the_model_server(client, mock, left):
    stream = chat(client, {"frames": 1000000, "frame_delay_ms": 5}, stream=True)
    assert next(c for c in stream if c.choices[0].delta.content).choices[0].delta.content == " token"
    assert mock.stats()["open"] == 1
    stream.close()
    left()
    assert mock.stats()["open"] == 0


def test_async_client_many_at_once(weir):
    import asyncio

    async def one(client, i):
        stream = await client.chat.completions.create(
            model=f"mock/{i}", messages=MESSAGES, stream=True, extra_body={"mock": {"frames": 5 + i % 7}}
        )
        chunks = [c async for c in stream]
        assert {c.model for c in chunks} == {f"mock/{i}"}
        return len([c for c in chunks if c.choices[0].delta.content])

    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=weir.url + "/v1", api_key=KEY, max_retries=0) as client:
            return await asyncio.gather(*(one(client, i) for i in range(64)))

    assert asyncio.run(all_of_them()) == [5 + i % 7 for i in range(64)]
