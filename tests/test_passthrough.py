"""Requests that weir does not interpret: what reaches the provider, what comes back, who may, and what is refused."""

import hashlib
import json
import re
import socket

import anthropic
import openai
import pytest

from harness import KEY, OTHER_KEY, UPSTREAM_KEY, Raw, answer_bytes, chunked, eventually, post_bytes

FILES_KEY = "sk-weir-test-files-only-key-77"
AUDIO = bytes(range(256)) * 40


def head_and_body(connection):
    """One request off a socket, its body read to the end whatever its framing."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    if length:
        body = bytearray(body)
        while len(body) < int(length[1]):
            body += connection.recv(1 << 20)
        body = bytes(body)
    elif re.search(rb"(?i)\r\ntransfer-encoding: chunked", head):
        body = bytearray(body)
        while not body.endswith(b"\r\n0\r\n\r\n"):
            body += connection.recv(1 << 20)
        body = bytes(body)
        pieces, at = [], 0
        while not body.startswith(b"0\r\n", at):
            line_end = body.index(b"\r\n", at)
            size = int(body[at:line_end], 16)
            pieces.append(body[line_end + 2 : line_end + 2 + size])
            at = line_end + 2 + size + 2
        body = b"".join(pieces)
    lines = head.decode().split("\r\n")
    return lines[0], {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}, body


class Provider:
    """Remembers what it was asked; answers as told."""

    def __init__(self, upstream):
        self.asked = []
        self.says = answer_bytes({"object": "list", "data": []})
        self.server = upstream(self.serve, read_request=False)

    def serve(self, connection, _):
        while request := head_and_body(connection):
            self.asked.append(request)
            connection.sendall(self.says)

    @property
    def last(self):
        return self.asked[-1]


@pytest.fixture
def provider(upstream):
    return Provider(upstream)


@pytest.fixture
def start(gateway, provider):
    def configured(passthrough=("audio", "images", "moderations", "files", "batches", "vector_stores"), **more):
        return gateway(
            {
                "auth": {
                    "keys": [
                        {"name": "all", "key": KEY},
                        {"name": "one", "key": OTHER_KEY, "models": ["whisper-1"]},
                        {"name": "files", "key": FILES_KEY, "passthrough": ["files"]},
                    ]
                },
                "providers": [
                    {
                        "name": "owner",
                        "kind": "openai",
                        "base_url": provider.server.url + "/v1",
                        "api_key": UPSTREAM_KEY,
                        "models": ["whisper-1", "tts-*"],
                        "passthrough": list(passthrough),
                    }
                ],
                "models": [{"name": "voice", "targets": [{"provider": "owner", "model": "tts-1"}]}],
                **more,
            }
        )

    return configured


# ----------------------------------------------------------------------------------------------------------------------
# Both ways


def test_a_request_passes_as_it_is(start, provider):
    weir = start()
    answer = weir.request(
        "POST", "/v1/vector_stores/vs_1/search?limit=2&filter%5Ba%5D=b", {"query": "x", "model": "unknown"}, {"OpenAI-Beta": "assistants=v2"}
    )
    assert (answer.status, answer.json()) == (200, {"object": "list", "data": []})
    line, headers, body = provider.last
    assert line == "POST /v1/vector_stores/vs_1/search?limit=2&filter%5Ba%5D=b HTTP/1.1"
    assert json.loads(body) == {"query": "x", "model": "unknown"}
    assert headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert headers["openai-beta"] == "assistants=v2"
    assert answer.headers["x-weir-provider"] == "owner"
    weir.request("DELETE", "/v1/files/file-1")
    assert provider.last[0] == "DELETE /v1/files/file-1 HTTP/1.1"
    weir.request("POST", "/v1/batches/b/cancel")
    assert provider.last[0] == "POST /v1/batches/b/cancel HTTP/1.1" and provider.last[1]["content-length"] == "0"
    entry = weir.wait_log(operation="batches")
    assert (entry["provider"], entry["status"], entry["key"]) == ("owner", 200, "all")
    weir.wait_metric("weir_requests_total", 1, operation="files", provider="owner", status="200")


def test_status_type_and_bytes_of_an_answer_stay(start, provider):
    weir = start()
    provider.says = answer_bytes(AUDIO, "201 Created", [("Set-Cookie", "a=b"), ("X-Request-Id", "up-1")], "audio/mpeg")
    answer = weir.request("POST", "/v1/audio/speech", {"model": "voice", "input": "hello"})
    assert (answer.status, answer.headers["content-type"], answer.body) == (201, "audio/mpeg", AUDIO)
    assert answer.headers["x-request-id"] == "up-1" and "set-cookie" not in answer.headers
    assert json.loads(provider.last[2]) == {"model": "tts-1", "input": "hello"}  # the target's name of it
    provider.says = answer_bytes({"error": {"message": "no such file", "type": "x", "param": None, "code": None}}, "404 Not Found")
    answer = weir.get("/v1/files/file-1")
    assert answer.status == 404 and answer.error["message"] == "no such file"
    provider.says = b"HTTP/1.1 204 No Content\r\n\r\n"
    answer = weir.request("DELETE", "/v1/files/file-1")
    assert (answer.status, answer.body) == (204, b"")


def test_the_official_client_uploads_and_downloads(start, provider):
    weir = start()
    with openai.OpenAI(base_url=weir.url + "/v1", api_key=KEY, max_retries=0, timeout=10) as client:
        provider.says = answer_bytes({"id": "file-1", "object": "file", "bytes": 3, "created_at": 1, "filename": "a", "purpose": "batch", "status": "processed"})
        assert client.files.create(file=("a.jsonl", AUDIO), purpose="batch").id == "file-1"
        assert AUDIO in provider.last[2] and provider.last[1]["content-type"].startswith("multipart/form-data; boundary=")
        provider.says = answer_bytes(AUDIO, kind="application/octet-stream")
        assert client.files.content("file-1").read() == AUDIO
        provider.says = answer_bytes({"text": "hello", "usage": {"type": "tokens", "input_tokens": 7, "output_tokens": 3, "total_tokens": 10}})
        assert client.audio.transcriptions.create(model="whisper-1", file=("a.wav", AUDIO)).text == "hello"
        assert AUDIO in provider.last[2]
    weir.wait_metric("weir_input_tokens_total", 7, operation="audio", model="whisper-1")
    weir.wait_metric("weir_output_tokens_total", 3, operation="audio", model="whisper-1")


def form(parts, boundary="xyz"):
    body = b""
    for name, value in parts:
        extra = b'; filename="a.wav"' if name == "file" else b""
        body += b'--%s\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (boundary.encode(), name.encode(), extra, value)
    return body + b"--%s--\r\n" % boundary.encode()


MULTIPART = {"Content-Type": "multipart/form-data; boundary=xyz"}


def test_a_model_in_a_form_routes_wherever_it_stands(start, provider):
    weir = start()
    for parts in ([("model", b"voice"), ("file", AUDIO)], [("file", AUDIO), ("model", b"voice")]):
        answer = weir.request("POST", "/v1/audio/transcriptions", form(parts), MULTIPART)
        assert answer.status == 200, answer
        assert provider.last[2] == form([(n, b"tts-1" if n == "model" else v) for n, v in parts])
        assert int(provider.last[1]["content-length"]) == len(provider.last[2])


def test_a_long_upload_is_not_held(start, provider):
    """40 MiB through a gateway that may hold 1 MiB of a body, of known length and in chunks."""
    weir = start(server={"limits": {"body_bytes": 1 << 20}})
    weir.get("/v1/files")  # what one request needs is counted before
    before = weir.memory_peak_kib()
    big = b"0123456789abcdef" * (40 << 16)
    digest = hashlib.sha256(big).digest()
    assert weir.request("POST", "/v1/files", big, {"Content-Type": "application/octet-stream"}).status == 200
    assert hashlib.sha256(provider.last[2]).digest() == digest
    with weir.raw() as raw:
        raw.send(f"POST /v1/files HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(big), 1 << 20):
            raw.send(chunked(big[at : at + (1 << 20)]))
        raw.send(b"0\r\n\r\n")
        assert raw.answer().status == 200
    assert hashlib.sha256(provider.last[2]).digest() == digest
    provider.says = answer_bytes(big, kind="application/octet-stream")
    assert weir.get("/v1/files/file-1/content").body == big
    assert weir.request("POST", "/v1/audio/transcriptions", form([("model", b"whisper-1"), ("file", big)]), MULTIPART).status == 200
    assert weir.memory_peak_kib() - before < 16 << 10


def test_limits_of_uploads(start, provider):
    weir = start(server={"limits": {"body_bytes": 4096, "upload_bytes": 10_000}})
    assert weir.request("POST", "/v1/files", b"x" * 10_001).status == 413
    answer = weir.request("POST", "/v1/audio/transcriptions", form([("file", b"x" * 8000), ("model", b"whisper-1")]), MULTIPART)
    assert (answer.status, answer.error["param"]) == (413, "model")
    assert weir.request("POST", "/v1/moderations", {"input": "x" * 5000}).status == 413
    assert weir.request("POST", "/v1/files", b"x" * 10_000).status == 200
    assert len(provider.asked) == 1


def test_leaving_ends_the_providers_work(start, upstream, gateway):
    gone = []

    def hang(connection, _):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"abc"))
        gone.append(connection.recv(1))

    server = upstream(hang, read_request=False)
    weir = start(providers=[{"name": "owner", "kind": "openai", "base_url": server.url + "/v1", "passthrough": ["files"]}], models=None)
    raw = weir.raw()
    raw.send(f"GET /v1/files/f/content HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n\r\n")
    raw.head()
    raw.chunk()
    raw.close()
    eventually(lambda: gone == [b""], "the provider was not told that the client left")
    weir.wait_metric("weir_requests_total", 1, operation="files", status="499")


def test_a_cut_answer_is_a_cut(start, upstream):
    def cut(connection, _):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: 100\r\n\r\nabc")

    server = upstream(cut, read_request=False)
    weir = start(providers=[{"name": "owner", "kind": "openai", "base_url": server.url + "/v1", "passthrough": ["files"]}], models=None)
    with weir.raw() as raw:
        raw.send(f"GET /v1/files/f/content HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n\r\n")
        raw.head()
        assert raw.rest() in (b"", b"3\r\nabc\r\n")  # never the end of the message
    weir.wait_metric("weir_errors_total", 1, reason="stream_cut")


def test_a_refusal_before_the_bodys_end_arrives(start, upstream):
    """A provider that says no at once is heard although the upload goes on."""
    no = answer_bytes({"error": {"message": "too large", "type": "x", "param": None, "code": None}}, "413 Content Too Large")

    def refuse(connection, _):
        connection.recv(65536)
        connection.sendall(no)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 20):
            pass

    server = upstream(refuse, read_request=False)
    weir = start(providers=[{"name": "owner", "kind": "openai", "base_url": server.url + "/v1", "passthrough": ["files"]}], models=None)
    answer = weir.request("POST", "/v1/files", b"x" * (2 << 20))
    assert (answer.status, answer.error["message"]) == (413, "too large")


# ----------------------------------------------------------------------------------------------------------------------
# Who may, and what


def test_nothing_passes_unless_configured(start, weir, provider):
    for path in ("/v1/files", "/v1/audio/speech", "/v1/organization/users", "/v1/vector_stores/x"):
        answer = weir.get(path)
        assert (answer.status, answer.error["code"]) == (404, "unknown_path")
    some = start(passthrough=["files"])
    assert some.get("/v1/files").status == 200
    assert some.get("/v1/batches").error["code"] == "unknown_path"
    assert some.request("GET", "/v1/chat/completions").status == 405


def test_keys(start, provider):
    weir = start(passthrough=["audio", "files", "batches", "organization"])
    spoken = {"model": "whisper-1", "input": "x"}
    assert weir.get("/v1/files", key=None).status == 401
    assert weir.get("/v1/files", key="wrong-key-of-nobody").status == 401
    assert weir.get("/v1/files", key=OTHER_KEY).error["code"] == "api_not_allowed"  # limited to models
    assert weir.request("POST", "/v1/audio/speech", spoken, key=OTHER_KEY).status == 200
    assert weir.request("POST", "/v1/audio/speech", {"model": "tts-1"}, key=OTHER_KEY).error["code"] == "model_not_found"
    assert weir.request("POST", "/v1/audio/speech", {"input": "x"}, key=OTHER_KEY).error["param"] == "model"
    hidden = form([("model", b"whisper-1"), ("file", b"x" * 200_000), ("model", b"tts-1")])
    assert weir.request("POST", "/v1/audio/transcriptions", hidden, MULTIPART, key=OTHER_KEY).error["code"] == "invalid_multipart"
    assert weir.get("/v1/files", key=FILES_KEY).status == 200
    assert weir.get("/v1/batches", key=FILES_KEY).status == 403
    assert weir.request("POST", "/v1/audio/speech", spoken, key=FILES_KEY).status == 403
    assert weir.get("/v1/organization/users").status == 403  # a key must name the administration
    assert [line for line, _, _ in provider.asked if "organization" in line or "batches" in line] == []


def test_without_a_key_the_account_is_out_of_reach(start, provider):
    weir = start(auth={"anonymous": "loopback", "keys": None})
    assert weir.get("/v1/files", key=None).status == 403
    assert weir.request("POST", "/v1/moderations", {"input": "x"}, key=None).status == 200


@pytest.mark.parametrize(
    "path",
    ["/v1/files/../models", "/v1/files/%2e%2e/organization/users", "/v1/files/a%2fb", "/v1/files//b", "/v1/files/a%00", "/v1/files/%252e%252e/x", "/v1/files/a\\b"],
)
def test_paths_that_two_readers_could_read_differently(start, provider, path):
    weir = start()
    with weir.raw() as raw:
        raw.send(f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n\r\n")
        assert raw.answer().status in (400, 404)
    assert provider.asked == []


def test_the_gateways_credentials_are_its_own(start, provider):
    weir = start()
    provider.says = answer_bytes({"error": {"message": f"Incorrect API key {UPSTREAM_KEY}"}}, "401 Unauthorized")
    answer = weir.get("/v1/files", headers={"X-Api-Key": KEY, "Cookie": "a=b", "OpenAI-Organization": "org-else"})
    assert answer.status == 502 and UPSTREAM_KEY.encode() not in answer.body
    heard = provider.last[1]
    assert KEY not in str(heard) and "cookie" not in heard and "openai-organization" not in heard


def test_an_idempotency_key_is_its_callers_own(start, provider):
    weir = start()
    for key in (KEY, FILES_KEY, KEY):
        weir.request("POST", "/v1/files", b"x", {"Idempotency-Key": "same"}, key=key)
    mine, other, again = [headers["idempotency-key"] for _, headers, _ in provider.asked]
    assert mine == again != other and "same" not in mine


def test_two_dialects_share_files(gateway, upstream):
    theirs, ours = Provider(upstream), Provider(upstream)
    weir = gateway(
        {
            "auth": {"keys": [{"name": "all", "key": KEY}]},
            "providers": [
                {"name": "openai", "kind": "openai", "base_url": theirs.server.url + "/v1", "passthrough": ["files", "batches"]},
                {"name": "claude", "kind": "anthropic", "base_url": ours.server.url, "api_key": UPSTREAM_KEY, "passthrough": ["files", "batches"]},
            ],
            "models": None,
        }
    )
    with anthropic.Anthropic(base_url=weir.url, api_key=KEY, max_retries=0, timeout=10) as client:
        ours.says = answer_bytes({"data": [], "has_more": False, "first_id": None, "last_id": None})
        assert client.messages.batches.list(limit=5).data == []
        assert ours.last[0] == "GET /v1/messages/batches?limit=5 HTTP/1.1"
        assert ours.last[1]["x-api-key"] == UPSTREAM_KEY and ours.last[1]["anthropic-version"]
        assert client.beta.files.list(betas=["files-api-2025-04-14"]).data == []
        assert ours.last[0].startswith("GET /v1/files") and "files-api" in ours.last[1]["anthropic-beta"]
    assert weir.get("/v1/files").status == 200 and theirs.last[0] == "GET /v1/files HTTP/1.1"
