"""The official Ollama client for Python, unchanged, against weir in front of a model server of the OpenAI kind."""

import ollama
import pytest

from harness import KEY, MESSAGES

WHOLE = "A river is a natural stream of water that flows to a sea or a lake."


@pytest.fixture
def client(weir):
    return ollama.Client(host=weir.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=10)


def test_chat(client):
    answer = client.chat(model="river", messages=MESSAGES)
    assert answer.message.role == "assistant" and answer.message.content == WHOLE
    assert answer.model == "river" and answer.done and answer.done_reason == "stop"
    assert (answer.prompt_eval_count, answer.eval_count) == (12, 20)
    assert answer.total_duration > 0


def test_the_default_tag_is_the_same_model(client):
    assert client.chat(model="river:latest", messages=MESSAGES).message.content == WHOLE


def test_stream(client):
    parts = list(client.chat(model="river", messages=MESSAGES, stream=True))
    assert "".join(p.message.content or "" for p in parts) == " token" * 8
    assert [p.done for p in parts] == [False] * (len(parts) - 1) + [True]
    assert (parts[-1].prompt_eval_count, parts[-1].eval_count) == (12, 20)


def test_generate(client):
    assert client.generate(model="river", prompt="What is a river?").response == WHOLE
    parts = list(client.generate(model="river", prompt="What is a river?", stream=True))
    assert "".join(p.response for p in parts) == " token" * 8


def test_generate_without_prompt_loads(client):
    answer = client.generate(model="river")
    assert answer.done and answer.done_reason == "load" and answer.response == ""


def test_embeddings_of_both_kinds(client):
    many = client.embed(model="river", input=["a", "b"])
    assert [list(v) for v in many.embeddings] == [[0.1, 0.2, 0.3, 0.4]] * 2
    assert list(client.embeddings(model="river", prompt="a").embedding) == [0.1, 0.2, 0.3, 0.4]


def test_lists(client):
    assert "river:latest" in [m.model for m in client.list().models]
    assert "completion" in client.show("river").capabilities
    with pytest.raises(ollama.ResponseError) as unknown:
        client.show("nobody")
    assert unknown.value.status_code == 404


def test_errors_are_its_own(client, weir):
    with pytest.raises(ollama.ResponseError) as unknown:
        client.chat(model="nobody", messages=MESSAGES)
    assert unknown.value.status_code == 404 and "nobody" in unknown.value.error
    with pytest.raises(ollama.ResponseError) as stranger:
        ollama.Client(host=weir.url, headers={"Authorization": "Bearer wrong"}).chat(model="river", messages=MESSAGES)
    assert stranger.value.status_code == 401


def test_models_are_not_the_callers_to_manage(client):
    for manage in (lambda: client.pull("river"), lambda: client.delete("river"), lambda: client.copy("river", "x")):
        with pytest.raises(ollama.ResponseError) as refused:
            manage()
        assert refused.value.status_code == 403
