"""What the lists of models show of providers that the configuration names by a pattern, and callers of Anthropic's API at
servers that speak it beside their own."""

import anthropic
import ollama
import openai
import pytest

from harness import KEY, OTHER_KEY, UPSTREAM_KEY, answer_bytes, eventually, provider

LLAMA = {"object": "list", "models": [{"name": "code"}],
         "data": [{"id": "code", "aliases": ["code", "fim"], "tags": ["small"], "object": "model", "created": 1700000000,
                   "owned_by": "llamacpp", "meta": {"n_ctx_train": 2048}}]}


def lists(body, status="200 OK"):
    """A model server that has nothing but its list."""

    def answer(connection, request):
        path = request.line.split()[1]
        known = path in ("/v1/models", "/api/tags")
        connection.sendall(answer_bytes(body, status) if known else answer_bytes({"error": {"message": "no"}}, "404 Not Found"))
        return True

    return answer


def ids(weir, key=KEY):
    return [m["id"] for m in weir.get("/v1/models", key=key).json()["data"]]


def test_what_a_provider_lists_is_listed(gateway, upstream):
    server = upstream(lists(LLAMA))
    weir = gateway({"providers": [provider(server.url, "llama", models=["*"])], "models": None})
    model = weir.get("/v1/models").json()["data"][0]
    assert model == {"id": "code", "object": "model", "created": 1700000000, "owned_by": "llama", "type": "model", "display_name": "code",
                     "created_at": "2023-11-14T22:13:20.000Z", "aliases": ["code", "fim"], "tags": ["small"], "meta": {"n_ctx_train": 2048}}
    assert weir.get("/v1/models/code").json() == model
    assert [m["name"] for m in weir.get("/api/tags").json()["models"]] == ["code:latest"]
    # It was asked with weir's key, not the caller's.
    assert {r.headers["authorization"] for r in server.requests} == {"Bearer " + UPSTREAM_KEY}


def test_a_key_sees_what_it_may_use(gateway, upstream):
    server = upstream(lists({"data": [{"id": "mock/one"}, {"id": "mock/two"}, {"id": "other"}]}))
    weir = gateway({"providers": [provider(server.url, models=["mock/*"])]})
    assert ids(weir) == ["river", "stream", "mock/one", "mock/two"]  # other: no pattern takes it
    assert ids(weir, OTHER_KEY) == ["mock/one"]
    assert weir.get("/v1/models/mock%2Ftwo", key=OTHER_KEY).status == 404
    before = len(server.requests)
    assert weir.get("/v1/models", key=None).status == 401
    assert len(server.requests) == before  # who is nobody asks nobody


@pytest.mark.parametrize("answer", [lists({"error": "down"}, "500 Internal Server Error"), lists(b"<html>"), lambda *_: False],
                         ids=["500", "html", "closes"])
def test_a_provider_that_does_not_list_hides_nothing(gateway, upstream, answer):
    broken, well = upstream(answer), upstream(lists(LLAMA))
    weir = gateway({"providers": [provider(broken.url, models=["mock/*"]), provider(well.url, "llama", models=["*"])]})
    assert ids(weir) == ["river", "stream", "code"]
    weir.stop()


def test_official_clients_list_every_dialects_models(gateway, upstream):
    openai_like, of_ollama = upstream(lists(LLAMA)), upstream(lists({"models": [{"name": "llama3:8b", "model": "llama3:8b"}]}))
    weir = gateway({"models": None, "providers": [
        {"name": "o", "kind": "ollama", "base_url": of_ollama.url, "models": ["llama3*"]},
        provider(openai_like.url, "llama", models=["*"]),
    ]})
    wanted = ["llama3:8b", "code"]
    assert [m.id for m in openai.OpenAI(base_url=weir.url + "/v1", api_key=KEY).models.list()] == wanted
    assert [m.id for m in anthropic.Anthropic(base_url=weir.url, api_key=KEY).models.list()] == wanted
    listed = ollama.Client(host=weir.url, headers={"Authorization": "Bearer " + KEY}).list()
    assert [m.model for m in listed.models] == ["llama3:8b", "code:latest"]


def test_a_reload_takes_the_new_patterns(gateway, upstream):
    server = upstream(lists({"data": [{"id": "a-1"}, {"id": "b-1"}]}))
    weir = gateway({"providers": [provider(server.url, models=["a-*"])], "models": None})
    assert ids(weir) == ["a-1"]
    weir.configure({"providers": [provider(server.url, models=["b-*"])]})
    eventually(lambda: ids(weir) == ["b-1"], "the new pattern's models")


# ------------------------------------------------------------------------- Anthropic's API, spoken beside its own


@pytest.fixture
def relayed(gateway, model_server):
    """A server of OpenAI's kind that speaks Anthropic's messages too, and Anthropic's own client before weir."""
    server = model_server()
    weir = gateway({"providers": [provider(server.url, models=["*"], messages_api=True)], "models": None})
    return server, weir, anthropic.Anthropic(base_url=weir.url, api_key=KEY, max_retries=0)


def test_messages_go_to_a_server_that_speaks_them(relayed):
    server, weir, client = relayed
    asked = {"model": "m-1", "max_tokens": 50, "messages": [{"role": "user", "content": "What is a river?"}], "extra_body": {"top_k": 7}}
    whole = client.messages.create(**asked)
    assert whole.type == "message" and whole.content[0].text
    (seen,) = server.requests()
    assert seen["path"] == "/v1/messages" and '"top_k"' in seen["body"]
    with client.messages.stream(**asked) as stream:
        kinds = []
        for event in stream:
            kinds.append(event.type)
            if event.type == "message_start":
                # Said by the server at once; a stream of OpenAI's would tell it last.
                assert event.message.usage.input_tokens > 0
        assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
        assert stream.get_final_message().content[0].text
    assert [r["path"] for r in server.requests()] == ["/v1/messages"] * 2
    # What is written down is the same as ever.
    row = weir.wait_log(status=200, stream=True)
    assert row["provider"] == "mock" and row["output_tokens"] == whole.usage.output_tokens


def test_other_dialects_are_not_relayed_as_messages(relayed):
    server, weir, _ = relayed
    assert openai.OpenAI(base_url=weir.url + "/v1", api_key=KEY).chat.completions.create(
        model="m-1", messages=[{"role": "user", "content": "hi"}]).choices[0].message.content
    assert weir.request("POST", "/api/chat", {"model": "m-1", "stream": False, "messages": [{"role": "user", "content": "hi"}]}).status == 200
    assert [r["path"] for r in server.requests()] == ["/v1/chat/completions"] * 2


def test_errors_of_a_relayed_message_keep_their_words(gateway, model_server):
    server = model_server({"status": 400, "message": "prompt too odd"})
    weir = gateway({"providers": [provider(server.url, models=["*"], messages_api=True)], "models": None})
    client = anthropic.Anthropic(base_url=weir.url, api_key=KEY, max_retries=0)
    with pytest.raises(anthropic.BadRequestError) as refused:
        client.messages.create(model="m-1", max_tokens=5, messages=[{"role": "user", "content": "hi"}])
    assert refused.value.body["type"] == "error" and "prompt too odd" in refused.value.body["error"]["message"]
