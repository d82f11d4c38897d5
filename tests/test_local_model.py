"""The embedded default with real models: answers, and what happens when a child process or a file fails."""

import base64
import json
import math
import os
import pathlib
import signal
import struct
import subprocess

import anthropic
import openai
import pytest

from harness import ROOT, Gateway, Stream, chunks, events, eventually, post_bytes

pytestmark = [pytest.mark.local_model, pytest.mark.timeout(90)]
FILES = ["llama-server", "chat.gguf", "libonnxruntime.so", "embed.onnx", "embed-tokenizer.json"]
LOAD_S = 60  # until a model is ready, on a machine that does much else
CHAT, EMBEDDINGS = "smollm2-135m", "bge-small-en-v1.5"
QUESTION = [{"role": "user", "content": "What is a river? Answer in one sentence."}]


@pytest.fixture(scope="session")
def models() -> pathlib.Path:
    """The folder of the local models: WEIR_MODELS_DIR, or where scripts/setup puts them."""
    folder = os.environ.get("WEIR_MODELS_DIR")
    if not folder:
        folder = subprocess.run([ROOT / "scripts/setup", "--models-dir"], capture_output=True, text=True).stdout.strip()
    missing = [f for f in FILES if not (pathlib.Path(folder) / f).exists()]
    if not folder or missing:
        pytest.skip(f"no local models in {folder!r}: scripts/setup --models")
    return pathlib.Path(folder)


def start(binary, models, folder) -> Gateway:
    folder.mkdir(exist_ok=True)
    command = [binary, "serve", "--default", "--listen", "127.0.0.1:0"]
    command += ["--models-dir", str(models), "--state-dir", str(folder / "state")]
    return Gateway(binary, folder, "", command=command)


def ready(weir) -> bool:
    return weir.get("/ready", key=None).status == 200


@pytest.fixture(scope="module")
def local(binary, models, tmp_path_factory):
    weir = start(binary, models, tmp_path_factory.mktemp("local"))
    eventually(lambda: ready(weir), "the models were never ready", LOAD_S)
    yield weir
    assert not (problem := weir.finish()), problem


def ask(weir, **more):
    body = {"model": CHAT, "messages": QUESTION, "temperature": 0, "max_tokens": 12, **more}
    return weir.request("POST", "/v1/chat/completions", body, key=None)


def default_key(weir) -> str:
    return (weir.folder / "state" / "api_key").read_text().strip()


def children(weir) -> dict[int, str]:
    """The child processes that live, and their command lines."""
    found = {}
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rsplit(") ", 1)[1].split()
            if int(fields[1]) == weir.pid and fields[0] != "Z":
                found[int(status.parent.name)] = (status.parent / "cmdline").read_text().replace("\0", " ")
        except (OSError, IndexError):
            continue  # it ended while we looked
    return found


def child(weir, word: str) -> int:
    (pid,) = [pid for pid, line in children(weir).items() if word in line]
    return pid


def alive(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] != "Z"
    except OSError:
        return False


# ----------------------------------------------------------------------------------------------------------------------
# Answers


def test_models_are_listed(local):
    assert [m["id"] for m in local.get("/v1/models", key=None).json()["data"]] == ["local", CHAT, EMBEDDINGS]


def test_chat(local):
    answer = ask(local)
    assert answer.status == 200
    document = answer.json()
    assert "river" in document["choices"][0]["message"]["content"].lower()
    assert document["usage"]["prompt_tokens"] > 10
    assert 0 < document["usage"]["completion_tokens"] <= 12
    assert (answer.headers["x-weir-provider"], answer.headers["x-weir-model"]) == ("local", CHAT)
    assert ask(local, model="local").json()["choices"] == document["choices"]


def test_stream_is_the_same_answer_in_pieces(local):
    whole = ask(local).json()["choices"][0]["message"]["content"]
    plain = ask(local, stream=True)
    assert events(plain.body)[-1] == "[DONE]"
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks(plain.body)) == whole
    assert len(chunks(plain.body)) > 10
    assert all("usage" not in c for c in chunks(plain.body))
    with_usage = chunks(ask(local, stream=True, stream_options={"include_usage": True}).body)
    assert with_usage[-1]["choices"] == []
    assert with_usage[-1]["usage"]["completion_tokens"] == 12


def test_tool_call(local):
    # With this sentence the small model makes the call; with others it may ramble (docs/decisions/004-local-models.md).
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "get_weather", "description": "Weather of a city", "parameters": parameters}}
    messages = [{"role": "user", "content": "Weather in Berlin, please"}]
    with openai.OpenAI(base_url=local.url + "/v1", api_key=default_key(local), max_retries=0) as client:
        answer = client.chat.completions.create(
            model=CHAT, messages=messages, temperature=0, max_tokens=60, tools=[tool], tool_choice="required"
        )
    (call,) = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "get_weather"
    assert isinstance(json.loads(call.function.arguments), dict)


def test_json_schema(local):
    properties = {"name": {"type": "string", "maxLength": 20}, "rivers": {"type": "integer", "minimum": 0, "maximum": 99}}
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    answer = ask(
        local,
        messages=[{"role": "user", "content": "Describe Paris."}],
        max_tokens=80,
        response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": schema}},
    )
    content = json.loads(answer.json()["choices"][0]["message"]["content"])
    assert set(content) == {"name", "rivers"}
    assert isinstance(content["rivers"], int)


def test_side_by_side_answers_do_not_mix(local):
    ids = set()
    body = {"model": CHAT, "messages": QUESTION, "max_tokens": 8, "stream": True}
    for raw in [local.raw().send(post_bytes("/v1/chat/completions", body, key=None)) for _ in range(6)]:
        stream = Stream(raw)
        assert stream.status == 200
        assert events(stream.read())[-1] == "[DONE]"
        own = {c["id"] for c in chunks(stream.body)}
        assert len(own) == 1
        ids |= own
        raw.close()
    assert len(ids) == 6


def test_client_that_leaves_stops_the_model(local):
    raw = local.raw()
    raw.send(post_bytes("/v1/chat/completions", {"model": CHAT, "messages": QUESTION, "max_tokens": 4000, "stream": True,
                                                 "ignore_eos": True}, key=None))  # fmt: skip
    Stream(raw).next_piece()
    raw.close()
    local.wait_log(message="request", cancelled="client_left")
    local.wait_metric("weir_requests_in_flight", 0)
    assert ask(local, max_tokens=1).status == 200


def embed(weir, texts, **more):
    answer = weir.request("POST", "/v1/embeddings", {"model": EMBEDDINGS, "input": texts, **more}, key=None)
    assert answer.status == 200, answer
    return answer.json()


def test_embeddings(local):
    document = embed(local, ["A cat sits on the mat.", "A kitten rests on a rug.", "The stock market fell today."])
    cat, kitten, market = (e["embedding"] for e in document["data"])
    assert [e["index"] for e in document["data"]] == [0, 1, 2]
    assert document["usage"]["prompt_tokens"] > 15
    for vector in (cat, kitten, market):
        assert len(vector) == 384
        assert math.isclose(math.hypot(*vector), 1, abs_tol=1e-5)

    def similarity(a, b):
        return sum(x * y for x, y in zip(a, b, strict=True))

    assert similarity(cat, kitten) > 0.7 > 0.6 > similarity(cat, market)


def test_embeddings_as_base64_are_the_same_numbers(local):
    plain = embed(local, "A cat sits on the mat.")["data"][0]["embedding"]
    packed = embed(local, "A cat sits on the mat.", encoding_format="base64")["data"][0]["embedding"]
    numbers = struct.unpack("<384f", base64.b64decode(packed, validate=True))
    assert all(math.isclose(a, b, abs_tol=1e-7) for a, b in zip(plain, numbers, strict=True))


def test_embeddings_with_the_official_sdk(local):
    with openai.OpenAI(base_url=local.url + "/v1", api_key=default_key(local), max_retries=0) as client:
        answer = client.embeddings.create(model=EMBEDDINGS, input=["one", "two"])
    assert [len(e.embedding) for e in answer.data] == [384, 384]


def test_model_of_the_other_kind(local):
    answer = local.request("POST", "/v1/chat/completions", {"model": EMBEDDINGS, "messages": QUESTION}, key=None)
    assert 400 <= answer.status < 500
    assert answer.error
    answer = local.request("POST", "/v1/embeddings", {"model": CHAT, "input": "a"}, key=None)
    assert answer.status == 501  # llama-server's own words
    assert "embeddings" in answer.json()["error"]["message"]


# ----------------------------------------------------------------------------------------------------------------------
# Children that die


@pytest.mark.parametrize(("word", "model"), [("llama-server", CHAT), ("embedder", EMBEDDINGS)])
def test_child_that_is_killed_is_started_again(binary, models, tmp_path, word, model):
    weir = start(binary, models, tmp_path / "weir")
    try:
        eventually(lambda: ready(weir), "the models were never ready", LOAD_S)
        first = child(weir, word)
        os.kill(first, signal.SIGKILL)

        def use():
            if word == "embedder":
                return weir.request("POST", "/v1/embeddings", {"model": model, "input": "a"}, key=None)
            return ask(weir, max_tokens=1)

        seen = []

        def answers_again():
            answer = use()
            seen.append(answer)
            return answer.status == 200 and child_now(weir, word) not in (None, first)

        eventually(answers_again, "it does not answer again", LOAD_S)
        # Weir asks again for a while: perhaps nobody saw it missing. Whoever did heard a plain word.
        refusals = [a for a in seen if a.status != 200]
        for answer in refusals:  # the first one may have met the dying process itself
            assert answer.status in (502, 503), answer
            assert model in answer.error["message"] or "'local'" in answer.error["message"]
        assert all(a.headers["retry-after"] for a in refusals if a.status == 503)
        assert {a.error["code"] for a in refusals if a.status == 503} <= {"model_down", "model_loading"}
        weir.said.wait(lambda line: f"local model {model}" in line and "starting it again" in line, "the log says nothing")
        assert weir.stop() == 0
    finally:
        if weir.process.poll() is None:
            weir.kill()


def child_now(weir, word: str) -> int | None:
    found = [pid for pid, line in children(weir).items() if word in line]
    return found[0] if len(found) == 1 else None


def test_stream_of_a_child_that_is_killed(binary, models, tmp_path):
    weir = start(binary, models, tmp_path / "weir")
    try:
        eventually(lambda: ready(weir), "the models were never ready", LOAD_S)
        body = {"model": CHAT, "messages": QUESTION, "max_tokens": 4000, "stream": True, "ignore_eos": True}
        stream = Stream(weir.raw().send(post_bytes("/v1/chat/completions", body, key=None)))
        stream.next_piece()
        os.kill(child(weir, "llama-server"), signal.SIGKILL)
        said = events(stream.read())
        assert "[DONE]" not in said
        assert json.loads(said[-1])["error"]["code"] == "stream_cut"
        assert weir.stop() == 0
    finally:
        if weir.process.poll() is None:
            weir.kill()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_children_end_with_weir(binary, models, tmp_path, end):
    weir = start(binary, models, tmp_path / "weir")
    eventually(lambda: ready(weir), "the models were never ready", LOAD_S)
    pids = list(children(weir))
    sockets = {word for line in children(weir).values() for word in line.split() if word.endswith(".sock")}
    assert len(pids) == 2 and len(sockets) == 2
    weir.signal(end)
    assert weir.wait() == (0 if end == signal.SIGTERM else -signal.SIGKILL)
    eventually(lambda: not any(alive(pid) for pid in pids), "its children live on")
    if end == signal.SIGTERM:
        assert not any(os.path.exists(s) or os.path.exists(os.path.dirname(s)) for s in sockets)


def test_weir_can_be_ended_while_models_load(binary, models, tmp_path):
    weir = start(binary, models, tmp_path / "weir")
    assert weir.stop() == 0


def test_default_key_and_strangers(local):
    assert local.get("/v1/models", key=default_key(local)).status == 200
    assert local.get("/v1/models", key="wr_local_wrong").status == 401
    assert local.get("/v1/models", key=None, headers={"Origin": "https://evil.example"}).status == 401


# ----------------------------------------------------------------------------------------------------------------------
# Files that are none


def damaged(models, folder, kind: str) -> pathlib.Path:
    """A folder of models whose chat model is damaged."""
    folder.mkdir()
    for name in FILES:
        (folder / name).symlink_to((models / name).resolve())
    (folder / "chat.gguf").unlink()
    if kind == "garbage":
        (folder / "chat.gguf").write_bytes(b"this is not a model\n" * 1000)
    elif kind == "truncated":
        with open(models / "chat.gguf", "rb") as whole:
            (folder / "chat.gguf").write_bytes(whole.read(20_000_000))
    elif kind == "empty":
        (folder / "chat.gguf").touch()
    return folder


@pytest.mark.parametrize("kind", ["garbage", "truncated"])
def test_damaged_model_file(binary, models, tmp_path, kind):
    folder = damaged(models, tmp_path / "models", kind)
    file = tmp_path / "weir.yaml"
    chat = {"name": CHAT, "server": str(folder / "llama-server"), "model": str(folder / "chat.gguf")}
    file.write_text(json.dumps({"providers": [{"name": "local", "kind": "local", "chat": chat}]}))
    checked = subprocess.run([binary, "check", file], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 1
    assert CHAT in checked.stderr
    assert "chat.gguf" in checked.stderr  # llama-server's own last lines say which file it is

    weir = start(binary, folder, tmp_path / "weir")
    try:
        def said():
            answer = weir.get("/ready", key=None)
            return answer.status == 503 and f"local model {CHAT} is down" in " ".join(answer.json()["reasons"])

        eventually(said, "/ready does not say what is wrong", LOAD_S)
        answer = ask(weir)
        assert answer.status == 503
        assert answer.error["code"] in ("model_down", "model_loading")
        assert "/" not in answer.error["message"]  # where the file lies is the operator's business
        # What works goes on working.
        eventually(lambda: embeddings_status(weir) == 200, "the other model does not answer", LOAD_S)
        weir.said.wait(lambda line: f"local model {CHAT}" in line and "chat.gguf" in line, "the log does not say which file")
        assert weir.stop() == 0
    finally:
        if weir.process.poll() is None:
            weir.kill()


def embeddings_status(weir) -> int:
    return weir.request("POST", "/v1/embeddings", {"model": EMBEDDINGS, "input": "a"}, key=None).status


@pytest.mark.parametrize("damage", ["garbage", "absent"])
@pytest.mark.parametrize("part", ["library", "model", "tokenizer"])
def test_damaged_embedding_files(binary, models, tmp_path, part, damage):
    files = {"library": "libonnxruntime.so", "model": "embed.onnx", "tokenizer": "embed-tokenizer.json"}
    paths = {key: str(models / name) for key, name in files.items()}
    paths[part] = str(tmp_path / files[part])
    if damage == "garbage":
        pathlib.Path(paths[part]).write_bytes(b"this is not what it should be\n" * 100)
    file = tmp_path / "weir.yaml"
    file.write_text(json.dumps({"providers": [{"name": "local", "kind": "local", "embeddings": {"name": "e", **paths}}]}))
    checked = subprocess.run([binary, "check", file], capture_output=True, text=True, timeout=30)
    assert checked.returncode == 1
    assert files[part] in checked.stderr


def test_check_starts_the_models(binary, models, tmp_path):
    file = tmp_path / "weir.yaml"
    chat = {"name": CHAT, "server": str(models / "llama-server"), "model": str(models / "chat.gguf")}
    file.write_text(json.dumps({"providers": [{"name": "local", "kind": "local", "chat": chat}]}))
    done = subprocess.run([binary, "check", file], capture_output=True, text=True, timeout=LOAD_S)
    assert done.returncode == 0, done
    assert f"local model {CHAT}: ready" in done.stdout


def test_an_anthropic_client_streams_from_the_local_model(local):
    with anthropic.Anthropic(base_url=local.url, api_key=default_key(local), max_retries=0, timeout=60) as client:
        with client.messages.stream(model=CHAT, max_tokens=12, messages=QUESTION) as stream:
            pieces = list(stream.text_stream)
            answer = stream.get_final_message()
    assert len(pieces) > 3 and "".join(pieces) == answer.content[0].text
    assert answer.stop_reason in ("max_tokens", "end_turn")
    prompt = answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0)
    assert prompt > 5 and 3 < answer.usage.output_tokens <= 12


def test_an_anthropic_client_counts_with_the_local_model(local):
    with anthropic.Anthropic(base_url=local.url, api_key=default_key(local), max_retries=0, timeout=60) as client:
        raw = client.messages.with_raw_response.count_tokens(model=CHAT, messages=QUESTION)
        answer = client.messages.create(model=CHAT, max_tokens=1, messages=QUESTION)
    assert "x-weir-estimate" not in raw.headers
    assert raw.parse().input_tokens == answer.usage.input_tokens + (answer.usage.cache_read_input_tokens or 0)
