"""HTTP itself, as hostile or merely unusual clients speak it, and what weir lets through between caller and model server."""

import hashlib
import json
import socket

import pytest

from harness import (
    CHAT_ANSWER,
    KEY,
    UPSTREAM_KEY,
    answer_bytes,
    always,
    chat_body,
    events,
    post_bytes,
    provider,
)

CHAT = "/v1/chat/completions"
GET_HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def refuses(weir, data: bytes, status: int):
    """The bytes are refused with this status, as JSON, and the connection is closed."""
    with weir.raw() as raw:
        answer = raw.send(data).answer()
        assert answer.status == status, answer
        assert answer.headers["connection"] == "close"
        assert answer.error
        raw.socket.shutdown(socket.SHUT_WR)  # or weir would wait a second for what we may still send
        assert raw.closed()
    return answer


# ----------------------------------------------------------------------------------------------------------------------
# Requests one after the other


def test_pipelined_requests_are_answered_in_order(weir):
    with weir.raw() as raw:
        raw.send(b"".join(post_bytes(CHAT, chat_body({"frames": 1}, f"mock/{i}")) for i in range(20)) + GET_HEALTH)
        for i in range(20):
            assert raw.answer().json()["model"] == f"mock/{i}"
        assert raw.answer().json() == {"status": "ok"}


def test_pipelined_behind_a_stream(weir):
    with weir.raw() as raw:
        raw.send(post_bytes(CHAT, chat_body({"frames": 5, "frame_delay_ms": 5}, stream=True)) + GET_HEALTH)
        assert events(raw.answer().body)[-1] == "[DONE]"
        assert raw.answer().json() == {"status": "ok"}


def test_good_then_garbage(weir):
    with weir.raw() as raw:
        raw.send(GET_HEALTH + b"\x16\x03\x01 hello\r\n\r\n")
        assert raw.answer().status == 200
        assert raw.answer().status == 400
        assert raw.closed()  # by itself: this client would have kept the connection


def test_byte_by_byte(weir):
    with weir.raw() as raw:
        raw.socket.setsockopt(6, 1, 1)  # TCP_NODELAY
        for byte in post_bytes(CHAT, chat_body()):
            raw.send(bytes([byte]))
        assert raw.answer().status == 200


def test_connection_close_is_honoured(weir):
    with weir.raw() as raw:
        answer = raw.send(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert raw.closed()


def test_http_1_0(weir):
    with weir.raw() as raw:
        answer = raw.send(b"GET /health HTTP/1.0\r\n\r\n").answer()
        assert answer.json() == {"status": "ok"}
        assert raw.closed()
    body = json.dumps(chat_body({"frames": 3}, stream=True)).encode()
    head = f"POST {CHAT} HTTP/1.0\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    with weir.raw() as raw:
        answer = raw.send(head.encode() + body).answer()
        assert "transfer-encoding" not in answer.headers
        assert events(answer.body)[-1] == "[DONE]"


def test_head_request(weir):
    with weir.raw() as raw:
        for path in ("/health", "/ready", "/metrics"):
            answer = raw.send(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n").answer("HEAD")
            assert answer.status == 200
            assert int(answer.headers["content-length"]) > 0
        assert raw.send(GET_HEALTH).answer().json() == {"status": "ok"}  # nothing of a body stands before it


def test_chunked_request_body(weir):
    body = json.dumps(chat_body()).encode()
    cut = len(body) // 3
    pieces = b"".join(b"%x;note=1\r\n%s\r\n" % (len(p), p) for p in (body[:cut], body[cut : 2 * cut], body[2 * cut :]))
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with weir.raw() as raw:
        raw.send(head.encode() + pieces + b"0\r\nX-Trailer: y\r\n\r\n" + GET_HEALTH)
        assert raw.answer().json()["choices"]
        assert raw.answer().json() == {"status": "ok"}


def test_expect_continue(weir):
    data = post_bytes(CHAT, chat_body(), {"Expect": "100-continue"})
    head, body = data.split(b"\r\n\r\n", 1)
    with weir.raw() as raw:
        assert raw.send(head + b"\r\n\r\n").answer().status == 100
        assert raw.send(body).answer().status == 200
        # A body that follows at once needs no permission.
        assert raw.send(data).answer().status == 200


def test_expect_continue_of_a_stranger_is_refused_without_the_body(weir):
    data = post_bytes(CHAT, chat_body(), {"Expect": "100-continue", "Content-Length": "1000000"}, key=None)
    with weir.raw() as raw:
        assert raw.send(data.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n").answer().status == 401


# ----------------------------------------------------------------------------------------------------------------------
# Framing that two parsers could read differently


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked",
        b"Content-Length: 4\r\nContent-Length: 5",
        b"Content-Length: +4",
        b"Content-Length: 4, 4x",
        b"Content-Length: 99999999999999999999",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding : chunked",
        b"X-Folded: a\r\n b",
        b"No-Colon",
        b"Bad Name: x",
        b"X-Null: a\0b",
        b"Host: y",
    ],
    ids=lambda lines: lines.decode(errors="replace").replace("\r\n", " | ")[:50],
)
def test_ambiguous_framing(weir, lines):
    refuses(weir, b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n\r\n0\r\n\r\n", 400)


@pytest.mark.parametrize(
    "data",
    [
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\nHost: x\n\n",
        b"GET /health HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET  /health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /heal\x80th HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=["no host", "bare lf", "version", "two blanks", "raw byte", "connect", "http2 preface"],
)
def test_malformed_heads(weir, data):
    refuses(weir, data, 400)


@pytest.mark.parametrize("body", [b"zz\r\n", b"5\r\nab\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n", b"-1\r\n"])
def test_malformed_chunks(weir, body):
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n"
    refuses(weir, head.encode() + body, 400)


# ----------------------------------------------------------------------------------------------------------------------
# Limits


def test_header_too_large(weir):
    refuses(weir, b"GET /health HTTP/1.1\r\nHost: x\r\nX-Big: " + b"y" * 70_000 + b"\r\n\r\n", 431)


def test_too_many_headers(weir):
    lines = b"".join(b"X-%d: y\r\n" % i for i in range(101))
    refuses(weir, b"GET /health HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n", 431)


def test_target_too_long(weir):
    refuses(weir, b"GET /" + b"y" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414)


def test_limits_of_the_configuration(gateway):
    weir = gateway({"server": {"limits": {"header_bytes": 2000, "target_bytes": 300, "headers": 8, "body_bytes": 5000}}})
    refuses(weir, b"GET /health HTTP/1.1\r\nHost: x\r\nX-Big: " + b"y" * 2000 + b"\r\n\r\n", 431)
    refuses(weir, b"GET /" + b"y" * 400 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414)
    refuses(weir, b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 8 + b"\r\n", 431)
    refuses(weir, post_bytes(CHAT, chat_body(user="u" * 6000)), 413)
    assert weir.chat(user="u" * 4000).status == 200


def test_body_too_large_is_refused_by_its_length(gateway):
    # Nothing of the body was sent: the length alone decides.
    weir = gateway({"server": {"limits": {"body_bytes": 100_000}}})
    answer = refuses(weir, post_bytes(CHAT, b"{", {"Content-Length": "100001"}), 413)
    assert "100000" in answer.error["message"]


def test_chunked_body_too_large(gateway):
    weir = gateway({"server": {"limits": {"body_bytes": 5000}}})
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n"
    refuses(weir, head.encode() + b"1000\r\n" + b" " * 4096 + b"\r\n" + b"1000\r\n" + b" " * 4096 + b"\r\n", 413)


def test_body_limit_of_a_model(gateway):
    weir = gateway({"models": [{"name": "river", "targets": [{"provider": "mock"}], "limits": {"body_bytes": 2000}}]})
    assert weir.chat(user="u" * 1000).status == 200
    answer = weir.chat(user="u" * 2000)
    assert answer.status == 413
    assert "2000" in answer.error["message"]
    assert weir.chat(user="u" * 2000, model="mock/other").status == 200


def test_slow_head(gateway):
    weir = gateway({"server": {"timeouts": {"header_ms": 150}}})
    refuses(weir, b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ", 408)


def test_slow_body(gateway):
    weir = gateway({"server": {"timeouts": {"body_ms": 150}}})
    refuses(weir, post_bytes(CHAT, b"{", {"Content-Length": "100"}), 408)


def test_idle_connection_is_closed_in_silence(gateway):
    weir = gateway({"server": {"timeouts": {"idle_ms": 150}}})
    with weir.raw() as raw:
        assert raw.closed()
    with weir.raw() as raw:
        assert raw.send(GET_HEALTH).answer().status == 200
        assert raw.closed()


def test_too_many_connections(gateway):
    weir = gateway({"server": {"cores": 1, "limits": {"connections": 2}}})
    first, second = weir.raw(), weir.raw()
    assert first.send(GET_HEALTH).answer().status == 200
    assert second.send(GET_HEALTH).answer().status == 200
    with weir.raw() as third:
        answer = third.answer()
        assert answer.status == 503
        assert answer.error["code"] == "overloaded"
        assert third.closed()
    assert first.send(GET_HEALTH).answer().status == 200
    first.close()
    second.close()


def test_client_that_does_not_read(gateway, left):
    weir = gateway({"server": {"timeouts": {"write_ms": 200}}})
    raw = weir.raw(receive_buffer=4096)
    raw.send(post_bytes(CHAT, chat_body({"frames": 100_000, "text_bytes": 10_000}, stream=True)))
    left()  # and the model server is let go
    entry = weir.wait_log(message="request")
    assert entry["events"] < 100_000
    weir.wait_metric("weir_requests_in_flight", 0)
    raw.close()
    assert entry["cancelled"] == "client_slow"


def test_client_that_reads_late_gets_everything(weir):
    # Larger than every buffer on the way: what the client has not read holds the model server back, nothing is lost.
    raw = weir.raw(receive_buffer=4096)
    raw.send(post_bytes(CHAT, chat_body({"frames": 300, "text_bytes": 50_000}, stream=True)))
    status, _ = raw.head()
    assert status == 200
    body = b"".join(iter(raw.chunk, b""))
    raw.close()
    assert len(body) > 300 * 50_000
    assert events(body)[-1] == "[DONE]"
    assert len(events(body)) == 303


# ----------------------------------------------------------------------------------------------------------------------
# Paths and methods


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/", "/v1/chat/completions/", "/V1/models", "/v1/models/", "//v1/models", "/v1/../metrics",
             "/v1/files", "/admin", "/v1/chat/completions%2f", "/mock/stats"]
)
def test_unknown_path(weir, path):
    answer = weir.get(path)
    assert answer.status == 404
    assert answer.error["code"] == "unknown_path"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("PUT", "/v1/embeddings", "POST"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models/river", "GET"),
        ("OPTIONS", "/v1/completions", "POST"),
        ("POST", "/health", "GET"),
        ("BREW", "/metrics", "GET"),
        ("get", "/health", "GET"),
    ],
)
def test_wrong_method(weir, method, path, allow):
    answer = weir.request(method, path)
    assert answer.status == 405
    assert answer.headers["allow"] == allow
    assert answer.error["code"] == "method_not_allowed"


def test_query_does_not_change_the_path(weir):
    assert weir.get("/health?x=/metrics").json() == {"status": "ok"}
    assert weir.request("POST", CHAT + "?model=other", chat_body()).json()["model"] == "mock-1"


def test_absolute_form_target(weir):
    with weir.raw() as raw:
        assert raw.send(b"GET http://x/health HTTP/1.1\r\nHost: x\r\n\r\n").answer().json() == {"status": "ok"}


# ----------------------------------------------------------------------------------------------------------------------
# Bodies


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"{} {}",
        b'{"model":"river","model":"river","messages":[1]}',
        b'{"model":"river","messages":[1],"a":{"b":1,"b":2}}',
        b'{"model":"river","mess\\u0061ges":[1],"messages":[1]}',
        b'{"model":"river","messages":[1],}',
        b'{"model":"river","messages":[1],"temperature":01}',
        b'{"model":"river","messages":[1],"temperature":NaN}',
        b'{"model":"river","messages":["\xff"]}',
        b'{"model":"river","messages":["\\ud800"]}',
        b'{"model":"river","messages":["a\nb"]}',
        b"\xef\xbb\xbf" + b'{"model":"river","messages":[1]}',
        b'{"model":"river","messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"river","messages":[1],"x":' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:50]),
)
def test_bodies_that_are_not_one_plain_json_object(weir, mock, body):
    before = mock.stats()["requests"]
    answer = weir.request("POST", CHAT, body)
    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert mock.stats()["requests"] == before


@pytest.mark.parametrize(
    "name", ["api_base", "base_url", "api_key", "api_version", "custom_host", "extra_headers", "extra_body", "extra_query"]
)
def test_parameters_that_steer_the_gateway(weir, mock, name):
    before = mock.stats()["requests"]
    answer = weir.request("POST", CHAT, {**chat_body(), name: "http://evil.example"})
    assert (answer.status, answer.error["param"]) == (400, name)
    escaped = json.dumps({**chat_body(), "NAME": 1}).replace("NAME", "\\u%04x" % ord(name[0]) + name[1:])
    assert weir.request("POST", CHAT, escaped.encode()).status == 400
    assert mock.stats()["requests"] == before


@pytest.mark.parametrize("encoding", ["compress", "gzip, br", "aes128gcm", "gzip;q=1"])
def test_request_body_in_an_unknown_coding(weir, encoding):
    answer = weir.chat(headers={"Content-Encoding": encoding})
    assert answer.status == 415
    assert answer.error["code"] == "unsupported_content_encoding"
    assert answer.headers["accept-encoding"] == "gzip, deflate, br, zstd"
    assert weir.chat(headers={"Content-Encoding": "identity"}).status == 200


# ----------------------------------------------------------------------------------------------------------------------
# What passes between caller and model server


@pytest.fixture
def recorded(gateway, upstream):
    """A gateway in front of an upstream that records its requests."""
    server = upstream(always(answer_bytes(CHAT_ANSWER)))
    weir = gateway({"providers": [provider(server.url, headers={"X-Org": "org-7"})]})
    weir.server = server
    return weir


def test_unknown_members_pass_byte_for_byte(recorded):
    odd = b'{ "model" : "river",\t"messages":[{"role":"user","content":"\\u00e9 \xc3\xa9 \\/"}], "seed":12345678901234567, ' \
          b'"big":123456789012345678901234567890, "exp":1.50e+3, "nested":{"b":[1, 2.0 ,null]} }'
    assert recorded.request("POST", CHAT, odd).status == 200
    assert recorded.server.requests[0].body == odd.replace(b'"river"', b'"mock-1"')


def test_stream_asks_for_usage_and_changes_nothing_else(recorded):
    plain = b'{"messages":[1],"model":"river","stream":true}'
    recorded.request("POST", CHAT, plain)
    sent = recorded.server.requests[0].json()
    assert sent == {"messages": [1], "model": "mock-1", "stream": True, "stream_options": {"include_usage": True}}
    recorded.chat(stream=True, stream_options={"include_usage": False, "x": 1})
    assert recorded.server.requests[1].json()["stream_options"] == {"include_usage": True, "x": 1}
    recorded.chat(stream=True, stream_options=None)
    assert recorded.server.requests[2].json()["stream_options"] == {"include_usage": True}


def test_only_listed_request_headers_reach_the_model_server(recorded):
    secret = {
        "Cookie": "session=1", "X-Api-Key": KEY, "Proxy-Authorization": "Basic x", "X-Forwarded-For": "1.2.3.4",
        "Forwarded": "for=1.2.3.4", "TE": "trailers", "Keep-Alive": "timeout=5", "Upgrade": "websocket",
        "Connection": "keep-alive, X-Custom", "X-Custom": "1", "Accept-Encoding": "gzip", "User-Agent": "me/1",
        "OpenAI-Organization": "org-callers", "X-Org": "org-callers", "Referer": "http://x/", "api-key": KEY,
    }  # fmt: skip
    passed = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Idempotency-Key": "i-1"}
    answer = recorded.chat(headers={**secret, **passed})
    assert answer.status == 200
    got = recorded.server.requests[0]
    assert set(got.headers) == {
        "host", "user-agent", "accept-encoding", "authorization", "x-org", "content-type", "content-length",
        "x-weir-request-id", "traceparent", "idempotency-key",
    }  # fmt: skip
    assert len(got.header_list) == len(got.headers)  # none of them twice
    assert got.line == "POST /v1/chat/completions HTTP/1.1"
    assert got.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert got.headers["host"] == recorded.server.url.removeprefix("http://")
    assert got.headers["x-org"] == "org-7"
    assert got.headers["accept-encoding"] == "identity"
    assert got.headers["traceparent"] == passed["traceparent"]
    assert got.headers["x-weir-request-id"] == answer.headers["x-weir-request-id"]
    assert KEY not in got.head.decode()


def test_only_listed_answer_headers_come_back(gateway, upstream):
    passed = {
        "retry-after": "3", "x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-tokens": "149", "x-request-id": "r-1",
        "openai-processing-ms": "12", "openai-version": "2020-10-01",
    }  # fmt: skip
    kept = {
        "Set-Cookie": "a=b", "Server": "nginx", "Strict-Transport-Security": "max-age=1", "Access-Control-Allow-Origin": "*",
        "X-Weir-Provider": "forged", "Connection": "close", "openai-organization": "org-secret", "Location": "http://x/",
    }  # fmt: skip
    data = answer_bytes(CHAT_ANSWER, headers=[*passed.items(), *kept.items()])
    weir = gateway({"providers": [provider(upstream(always(data)).url)]})
    answer = weir.chat()
    assert passed.items() <= answer.headers.items()
    assert set(answer.headers) - set(passed) == {
        "content-type", "content-length", "date", "x-weir-request-id", "x-weir-provider", "x-weir-model",
    }  # fmt: skip
    assert answer.headers["x-weir-provider"] == "mock"
    assert len(answer.header_list) == len(answer.headers)


def test_headers_of_a_stream(weir):
    stream = weir.stream({"headers": {"x-ratelimit-remaining-requests": "5", "set-cookie": "a=b"}})
    stream.read()
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["cache-control"] == "no-cache"
    assert stream.headers["x-ratelimit-remaining-requests"] == "5"
    assert stream.headers["x-weir-provider"] == "mock"
    assert "set-cookie" not in stream.headers


def test_request_id_is_ours_when_the_model_server_has_none(recorded):
    answer = recorded.chat()
    assert answer.headers["x-request-id"] == answer.headers["x-weir-request-id"]
    assert recorded.chat().headers["x-request-id"] != answer.headers["x-request-id"]


# ----------------------------------------------------------------------------------------------------------------------
# Who may call


def test_keys(weir):
    assert weir.chat(key="wrong-key-wrong").error["code"] == "invalid_api_key"
    assert weir.chat(key=None).error["code"] == "missing_api_key"
    assert weir.chat(key=KEY + "x").status == 401
    assert weir.chat(key=KEY[:-1]).status == 401
    assert weir.chat(key=None, headers={"Authorization": f"bearer {KEY}"}).status == 200
    assert weir.chat(key=None, headers={"api-key": KEY}).status == 200
    assert weir.chat(key=None, headers={"Authorization": f"Basic {KEY}"}).status == 401
    assert weir.chat(key=KEY, headers={"api-key": "another-key-0000"}).status == 401
    assert weir.chat(key=None, headers={"Authorization": "Bearer "}).status == 401
    assert weir.chat(key="k" * 2000).status == 401
    for path in ("/health", "/ready"):
        assert weir.get(path, key=None).status == 200
    assert weir.get("/v1/models", key=None).status == 401


def test_stranger_is_refused_before_the_body_is_read(weir):
    # 1 MB is announced, nothing of it is sent: the refusal does not wait for it.
    with weir.raw() as raw:
        answer = raw.send(post_bytes(CHAT, b"{", {"Content-Length": "1000000"}, key="wrong-key-wrong")).answer()
        assert answer.status == 401


def test_key_by_hash(gateway):
    key = {"name": "h", "hash": "sha256:" + hashlib.sha256(b"secret-by-hash-1").hexdigest()}
    weir = gateway({"auth": {"keys": [key]}})
    assert weir.chat(key="secret-by-hash-1").status == 200
    assert weir.chat().status == 401


def test_programs_on_this_machine_are_welcome_and_pages_in_its_browser_are_not(gateway):
    weir = gateway({"auth": {"anonymous": "loopback"}})
    own = [
        {},
        {"Host": "localhost"},
        {"Host": "LOCALHOST:8080"},
        {"Host": "127.0.0.1"},
        {"Host": "127.8.9.10"},
        {"Host": "[::1]:8080"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://[::1]:3000"},
    ]
    foreign = [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost@evil.example"},
        {"Origin": "file://"},
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "0.0.0.0"},
        {"Host": "128.0.0.1"},
        {"X-Forwarded-For": "127.0.0.1"},  # a reverse proxy on this machine speaks for callers from anywhere
        {"Forwarded": "for=127.0.0.1"},
        {"Via": "1.1 proxy"},
    ]
    for headers in own + foreign:
        expected = 200 if headers in own else 401
        assert weir.chat(headers=headers, key=None).status == expected, headers
        assert weir.get("/v1/models", headers=headers, key=None).status == expected, headers
        assert weir.chat(headers=headers).status == 200, headers  # whoever has a key may come from anywhere


@pytest.mark.parametrize("name", ["127.evil.example", "127.0.0.1.evil.example"])
@pytest.mark.parametrize("header", ["Host", "Origin"])
def test_foreign_names_that_look_like_this_machine(gateway, header, name):
    weir = gateway({"auth": {"anonymous": "loopback"}})
    headers = {header: name if header == "Host" else f"http://{name}"}
    assert weir.chat(headers=headers, key=None).status == 401


def test_wrong_key_is_refused_where_anonymous_is_welcome(gateway):
    for mode in ("loopback", "always"):
        weir = gateway({"auth": {"anonymous": mode}})
        assert weir.chat(key=None).status == 200
        assert weir.chat(key="wrong-key-wrong").status == 401
    assert weir.chat(key=None, headers={"Origin": "https://evil.example"}).status == 200  # always: by its own choice


@pytest.mark.parametrize("path", ["/v1/messages", "/api/chat", "/v1/chat/completions", "/v1/messages/nowhere", "/api/nowhere"])
def test_errors_of_the_http_layer_have_the_paths_shape(weir, path):
    """A body in bad framing, a path that is not there, a method it does not take: the path's clients can read why."""
    asked = [
        f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        f"PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    ]
    for head in asked:
        with weir.raw() as raw:
            document = raw.send(head).answer().json()
        if path.startswith("/v1/messages"):
            assert document["type"] == "error" and document["error"]["message"], document
        elif path.startswith("/api/"):
            assert isinstance(document["error"], str), document
        else:
            assert set(document["error"]) == {"message", "type", "param", "code"}, document
