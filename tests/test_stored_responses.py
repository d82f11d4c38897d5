"""Responses that build on earlier ones, with any model server behind: kept by weir, for their owner, as long as configured."""

import sqlite3

import openai
import pytest

from harness import CHAT_ANSWER, KEY, OTHER_KEY, STREAM_HEAD, always, answer_bytes, chunked, delta

ON = {"responses": {"store": True}}


@pytest.fixture
def model(upstream):
    return upstream(always(answer_bytes(CHAT_ANSWER)))


@pytest.fixture
def start(gateway, model):
    def configured(behind=None, **more):
        url = (behind or model).url + "/v1"
        return gateway(
            {
                "auth": {"keys": [{"name": "all", "key": KEY}, {"name": "two", "key": OTHER_KEY}]},
                "providers": [{"name": "mock", "kind": "openai", "base_url": url, "models": ["*"]}],
                "models": None,
                **ON,
                **more,
            }
        )

    return configured


def client(weir, key=KEY):
    return openai.OpenAI(base_url=weir.url + "/v1", api_key=key, max_retries=0, timeout=10)


def said(server):
    """What the model server was last asked, a line a message."""
    return [(m["role"], m["content"]) for m in server.requests[-1].json()["messages"]]


def test_a_conversation_goes_on_from_its_id(start, model):
    weir = start()
    with client(weir) as gpt:
        first = gpt.responses.create(model="m", input="What is a river?", instructions="Be brief.")
        assert first.store is True and first.previous_response_id is None
        second = gpt.responses.create(model="m", input="And a lake?", previous_response_id=first.id)
        assert second.previous_response_id == first.id
        assert said(model) == [("user", "What is a river?"), ("assistant", "A river."), ("user", "And a lake?")]
        gpt.responses.create(model="m", input=[{"role": "user", "content": "And a sea?"}], previous_response_id=second.id)
        assert [content for _, content in said(model)] == ["What is a river?", "A river.", "And a lake?", "A river.", "And a sea?"]
        again = gpt.responses.retrieve(second.id)
        assert again.id == second.id and again.output_text == "A river."
        items = gpt.responses.input_items.list(second.id, order="asc")
        assert [i.content[0].text for i in items.data] == ["What is a river?", "A river.", "And a lake?"]
        newest = gpt.responses.input_items.list(second.id, limit=1)
        assert newest.data[0].content[0].text == "And a lake?" and newest.has_more
        gpt.responses.delete(second.id)
        with pytest.raises(openai.NotFoundError):
            gpt.responses.retrieve(second.id)
        with pytest.raises(openai.BadRequestError):
            gpt.responses.cancel(first.id)


def test_a_streamed_answer_is_kept(start, upstream):
    def answer(connection, _request):
        connection.sendall(STREAM_HEAD + chunked(delta("A ") + delta("river.") + delta("", "stop") + b"data: [DONE]\n\n") + b"0\r\n\r\n")
        return True

    server = upstream(answer)
    weir = start(server)
    with client(weir) as gpt:
        events = list(gpt.responses.create(model="m", input="What?", stream=True))
        done = events[-1].response
        assert events[-1].type == "response.completed" and done.store is True
        assert gpt.responses.retrieve(done.id).output_text == "A river."
        list(gpt.responses.create(model="m", input="More", previous_response_id=done.id, stream=True))
        assert [content for _, content in said(server)] == ["What?", "A river.", "More"]


def test_another_keys_answers_do_not_exist(start):
    weir = start()
    with client(weir) as mine, client(weir, OTHER_KEY) as theirs:
        kept = mine.responses.create(model="m", input="secret")
        for call in (theirs.responses.retrieve, theirs.responses.delete, theirs.responses.cancel, theirs.responses.input_items.list):
            with pytest.raises(openai.NotFoundError):
                call(kept.id)
        with pytest.raises(openai.NotFoundError) as refused:
            theirs.responses.create(model="m", input="x", previous_response_id=kept.id)
        assert (refused.value.param, refused.value.code) == ("previous_response_id", "previous_response_not_found")
        assert mine.responses.retrieve(kept.id).id == kept.id
    assert weir.get(f"/v1/responses/{kept.id}", key=None).status == 401


def test_what_is_not_to_be_stored_is_not(start):
    weir = start()
    with client(weir) as gpt:
        answer = gpt.responses.create(model="m", input="a-marker-of-this-test", store=False)
        assert answer.store is False
        with pytest.raises(openai.NotFoundError):
            gpt.responses.retrieve(answer.id)
    data = b"".join(p.read_bytes() for p in (weir.folder / "weir-data").rglob("*") if p.is_file())
    assert b"a-marker-of-this-test" not in data


def test_nothing_is_kept_unless_configured(start):
    weir = start(responses=None)
    with client(weir) as gpt:
        answer = gpt.responses.create(model="m", input="a-marker-of-this-test", store=True)
        assert answer.store is False
        with pytest.raises(openai.NotFoundError):
            gpt.responses.retrieve(answer.id)
        with pytest.raises(openai.BadRequestError):
            gpt.responses.create(model="m", input="x", previous_response_id=answer.id)
    assert not (weir.folder / "weir-data" / "responses.db").exists()


def test_the_oldest_go_first(start):
    weir = start(responses={"store": True, "keep_bytes": 1 << 20})
    with client(weir) as gpt:
        first = gpt.responses.create(model="m", input="x" * 300_000)
        for _ in range(100):  # the limit is looked after every hundred answers
            gpt.responses.create(model="m", input="y" * 20_000)
        with pytest.raises(openai.NotFoundError):
            gpt.responses.retrieve(first.id)
    with sqlite3.connect(weir.folder / "weir-data" / "responses.db") as db:
        assert db.execute("SELECT sum(bytes) FROM response").fetchone()[0] <= (1 << 20) + 100 * 21_000


def test_they_outlive_a_restart(start, gateway, binary):
    weir = start()
    with client(weir) as gpt:
        kept = gpt.responses.create(model="m", input="x")
    weir.stop()
    again = start(data={"directory": str(weir.folder / "weir-data")})
    with client(again) as gpt:
        assert gpt.responses.retrieve(kept.id).id == kept.id


def test_a_conversation_has_a_limit(start, model):
    weir = start(server={"limits": {"body_bytes": 20_000}})
    with client(weir) as gpt:
        first = gpt.responses.create(model="m", input="x" * 15_000)
        with pytest.raises(openai.APIStatusError) as refused:
            gpt.responses.create(model="m", input="y" * 15_000, previous_response_id=first.id)
        assert (refused.value.status_code, refused.value.param) == (413, "previous_response_id")
        assert len(model.requests) == 1


def test_an_answer_that_can_not_be_kept_is_not_given(start):
    weir = start()
    path = weir.folder / "weir-data" / "responses.db"
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE response")
    with client(weir) as gpt:
        with pytest.raises(openai.InternalServerError) as failed:
            gpt.responses.create(model="m", input="x")
        assert (failed.value.status_code, failed.value.code) == (503, "not_stored") and str(path) not in str(failed.value)
        assert gpt.responses.create(model="m", input="x", store=False).output_text == "A river."
