"""The abuse case A37: model servers that mean harm. Whatever they say, the caller gets one proper end: an answer with an error
status, or after the first byte an error event and the end of the message. (Setting such a server aside is the breaker's
task, which is not here yet: each request finds out anew.)"""

import json
import socket
import ssl
import struct
import threading

import pytest

from harness import (
    CHAT_ANSWER,
    QUICK,
    STREAM_HEAD,
    UPSTREAM_KEY,
    Stream,
    always,
    answer_bytes,
    chat_body,
    chunked,
    delta,
    events,
    post_bytes,
    provider,
)

CHAT = "/v1/chat/completions"
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}\n\n'


def behind(gateway, upstream, **more):
    return gateway({"providers": [provider(upstream.url, timeouts=QUICK)], "server": {"cores": 1}, **more})


def refused(weir, stream: bool, code: str = "malformed_response", status: int = 502) -> None:
    answer = weir.chat(stream=stream)
    assert (answer.status, answer.error["type"], answer.error["code"]) == (status, "upstream_error", code), answer
    assert "'mock'" in answer.error["message"]
    weir.wait_metric("weir_errors_total", 1, reason=code)
    weir.wait_metric("weir_requests_in_flight", 0)


def broken_off(weir, code: str, deltas: int) -> dict:
    """A stream that began ends with one error event, properly, and without a [DONE]. Its log line."""
    stream = weir.stream()
    assert stream.status == 200
    said = events(stream.read())  # the last chunk came: the message is whole
    assert "[DONE]" not in said
    assert len(said) == deltas + 1
    error = json.loads(said[-1])["error"]
    assert (error["type"], error["code"]) == ("upstream_error", code)
    weir.wait_metric("weir_requests_in_flight", 0)
    return weir.wait_log(message="request", reason=code)


def endless(first: bytes, again: bytes):
    """Says `first`, then `again` until nobody listens."""

    def answer(connection, _):
        connection.sendall(first)
        while True:
            connection.sendall(again)

    return answer


# ----------------------------------------------------------------------------------------------------------------------
# Heads


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Padding: " + b"y" * 1000 + b"\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Padding: ", b"y" * 4096),
        (b"HTTP/1.1 200 ", b"O" * 4096),
        (b"", b"A: b\r\n" * 500),
        (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 500),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
        (b"", b"\0" * 4096),
        (b"\x16\x03\x03", b"\xff" * 4096),
    ],
    ids=["headers", "value", "reason", "no status", "short headers", "continue", "hints", "zeros", "tls"],
)
def test_A37_heads_without_end(gateway, upstream, stream, first, again):
    weir = behind(gateway, upstream(endless(first, again)))
    assert weir.get("/health").status == 200
    before = weir.memory_peak_kib()
    refused(weir, stream)
    assert weir.memory_peak_kib() - before < 4 << 10


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: 2\r\nTransfer-Encoding: chunked", b"Content-Length: 2\r\nContent-Length: 2", b"Content-Length: -2",
        b"Content-Length: 99999999999999999999", b"Transfer-Encoding: gzip, chunked", b"X: a\0b", b"X: a\r\n b", b"X : y", b"no colon",
    ],
)  # fmt: skip
def test_A37_heads_with_two_meanings(gateway, upstream, lines):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + lines + b"\r\n\r\n{}"
    refused(behind(gateway, upstream(always(head))), False)


def test_A37_bytes_behind_an_answer_are_no_answer(gateway, upstream):
    # Whoever asks next on that connection would get what an earlier answer smuggled in.
    forged = answer_bytes({**CHAT_ANSWER, "id": "forged"})
    server = upstream(always(answer_bytes(CHAT_ANSWER) + forged))
    weir = behind(gateway, server)
    for _ in range(10):
        assert weir.chat().json() == CHAT_ANSWER
    assert server.connections == 10


# ----------------------------------------------------------------------------------------------------------------------
# Bodies


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_A37_a_terabyte(gateway, upstream, framing, stream):
    lines = {"length": b"Content-Length: 1000000000000", "chunked": b"Transfer-Encoding: chunked", "close": b"Connection: close"}
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + lines[framing] + b"\r\n\r\n"
    piece = b"x" * (1 << 20)
    weir = behind(gateway, upstream(endless(head, b"100000\r\n%s\r\n" % piece if framing == "chunked" else piece)))
    assert weir.get("/health").status == 200
    before = weir.memory_peak_kib()
    refused(weir, stream)
    assert weir.memory_peak_kib() - before < 140 << 10  # 64 MiB may be an answer; a buffer grows by doubling


def test_A37_a_stream_of_a_terabyte(gateway, upstream):
    # Bounded by the call's time and, whole time, by what the caller reads: weir keeps none of it.
    weir = behind(gateway, upstream(endless(STREAM_HEAD, chunked(delta("x" * 10_000)))),
                  models=[{"name": "river", "targets": [{"provider": "mock"}], "timeouts": {"total_ms": 1000}}])  # fmt: skip
    assert weir.get("/health").status == 200
    before = weir.memory_peak_kib()
    stream = weir.stream()
    tail, pieces = b"", 0
    while piece := stream.raw.chunk():
        tail, pieces = (tail + piece)[-500:], pieces + 1
    assert pieces > 10
    assert b'"code":"total_timeout"' in tail and tail.endswith(b"}}\n\n")
    assert weir.memory_peak_kib() - before < 4 << 10
    weir.wait_log(message="request", reason="total_timeout")


def test_A37_a_flood_leaves_the_core_to_others(gateway, upstream):
    # One stream as fast as it goes, on the only core: everybody else is still answered.
    weir = behind(gateway, upstream(endless(STREAM_HEAD, chunked(delta("x")) * 1000)))
    stream = weir.stream()
    stop = threading.Event()

    def read():
        while not stop.is_set() and stream.raw.socket.recv(1 << 20):
            pass

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        assert weir.get("/health").status == 200
    stop.set()
    reader.join()
    stream.leave()


@pytest.mark.parametrize("began", [False, True])
@pytest.mark.parametrize("piece", [b"data: xxxxxxxxxxxxxxxx", b"data: {}\n", b": comment\n", b"x" * 16])
def test_A37_an_event_without_end(gateway, upstream, piece, began):
    first = STREAM_HEAD + (chunked(delta("a")) if began else b"")
    weir = behind(gateway, upstream(endless(first, chunked(piece * 4096))))
    assert weir.get("/health").status == 200
    before = weir.memory_peak_kib()
    if began:
        broken_off(weir, "malformed_response", deltas=1)
    else:
        refused(weir, True)
    assert weir.memory_peak_kib() - before < 8 << 10


@pytest.mark.parametrize("began", [False, True])
@pytest.mark.parametrize(
    "event",
    [b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n', b"data: \xc3\n\n", b": \xed\xa0\x80\n\n", b"event: \xf8\ndata: {}\n\n",
     b'data: {"choices":[{"delta":{"content":"\xe2\x82"}}]}\n\n'],
)  # fmt: skip
def test_A37_events_that_are_not_utf_8(gateway, upstream, event, began):
    first = [chunked(delta("a"))] if began else []
    last = [chunked(event), chunked(delta("", "stop") + b"data: [DONE]\n\n"), b"0\r\n\r\n"]
    weir = behind(gateway, upstream(always(STREAM_HEAD + b"".join(first + last))))
    if began:
        assert broken_off(weir, "malformed_response", deltas=1)["events"] == 1
    else:
        refused(weir, True)


def test_A37_text_cut_between_its_bytes_is_still_text(gateway, upstream):
    event = delta("\u20ac\U0001f600")
    raw = json.dumps({"choices": [{"index": 0, "delta": {"content": "\u20ac\U0001f600"}}]}, ensure_ascii=False).encode()
    event = b"data: " + raw + b"\n\n"
    pieces = b"".join(chunked(event[i : i + 1]) for i in range(len(event)))
    weir = behind(gateway, upstream(always(STREAM_HEAD + pieces + chunked(delta("", "stop") + b"data: [DONE]\n\n") + b"0\r\n\r\n")))
    assert events(weir.stream().read())[0].encode() == raw


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html><body>Sign in</body></html>", "text/html"),
        (b"<html><body>Sign in</body></html>", "application/json"),
        (json.dumps(CHAT_ANSWER).encode()[:-20], "application/json"),
        (b'{"choices":[{"message":{"content":"\xff\xfe"}}]}', "application/json"),
        (b'{"id":1,"id":2}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"null", "application/json"),
        (b"", "application/json"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "application/json"),
    ],
    ids=["html", "html as json", "truncated", "not utf-8", "two ids", "deep", "null", "empty", "gzip"],
)
def test_A37_answers_that_are_none(gateway, upstream, body, kind, stream):
    weir = behind(gateway, upstream(always(answer_bytes(body, kind=kind))))
    refused(weir, stream)


@pytest.mark.parametrize("data", [b'data: {"choices":[{"delta":{"content":"a\n\n', b"data: <html>\n\n", b"data: [1]\n\n", b"data: DONE\n\n"])
def test_A37_events_that_are_no_objects(gateway, upstream, data):
    weir = behind(gateway, upstream(always(STREAM_HEAD + chunked(delta("a")) + chunked(data) + b"0\r\n\r\n")))
    broken_off(weir, "malformed_response", deltas=1)


@pytest.mark.parametrize(
    "framing", [b"zz\r\n", b"-5\r\n", b"ffffffffffffffff\r\n", b"5\r\nabcdefgh", b"5\nabcde", b"1;" + b"x" * 300 + b"\r\na\r\n"]
)
def test_A37_chunks_that_lie(gateway, upstream, framing):
    weir = behind(gateway, upstream(always(STREAM_HEAD + chunked(delta("a")) + framing)))
    broken_off(weir, "malformed_response", deltas=1)


# ----------------------------------------------------------------------------------------------------------------------
# Connections


def reset(connection) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_A37_reset_inside_a_stream(gateway, upstream):
    told = threading.Event()

    def answer(connection, _):
        connection.sendall(STREAM_HEAD + chunked(delta("a")) + chunked(USAGE))
        told.wait(10)  # a reset overtakes what is on its way
        reset(connection)

    weir = behind(gateway, upstream(answer))
    stream = weir.stream()
    stream.next_piece()
    told.set()
    said = events(stream.read())
    assert "[DONE]" not in said
    assert json.loads(said[-1])["error"]["code"] == "stream_cut"
    entry = weir.wait_log(message="request", reason="stream_cut")
    assert (entry["input_tokens"], entry["output_tokens"]) == (7, 3)  # what was received counts
    weir.wait_metric("weir_output_tokens_total", 3)


@pytest.mark.parametrize("stream", [False, True])
def test_A37_reset_instead_of_an_answer(gateway, upstream, stream):
    weir = behind(gateway, upstream(lambda connection, _: reset(connection)))
    refused(weir, stream, "closed_before_answer")


def test_A37_reset_inside_a_whole_answer(gateway, upstream):
    def answer(connection, _):
        connection.sendall(answer_bytes(CHAT_ANSWER)[:-10])
        reset(connection)

    weir = behind(gateway, upstream(answer))
    answer = weir.chat()
    assert answer.status == 502
    assert answer.error["code"] in ("stream_cut", "closed_before_answer")  # a reset may overtake the head


@pytest.mark.parametrize("fault", ["stranger", "name", "expired", "no tls"])
def test_A37_certificates(gateway, upstream, authority, fault):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain = {"expired": "expired.pem", "name": "other.pem"}.get(fault, "server.pem")
    context.load_cert_chain(authority / chain, authority / "server.key")
    server = upstream(always(answer_bytes(CHAT_ANSWER)), **({"read_request": False} if fault == "no tls" else {"tls": context}))
    url = server.url.replace("http://127.0.0.1", "https://localhost")
    trusted = {} if fault == "stranger" else {"ca_file": str(authority / "ca.pem")}
    weir = gateway({"providers": [provider(url, timeouts=QUICK, **trusted)]})
    answer = weir.chat()
    assert (answer.status, answer.error["code"]) == (502, "connect_failed")
    detail = weir.wait_log(reason="connect_failed")["detail"]
    assert {"stranger": "certificate", "name": "hostname mismatch", "expired": "expired", "no tls": "TLS"}[fault] in detail
    assert server.requests == []  # not a byte of the request, nor the key
    assert UPSTREAM_KEY not in weir.said.text()


# ----------------------------------------------------------------------------------------------------------------------
# Times


@pytest.mark.parametrize("stream", [False, True])
def test_A37_a_head_byte_by_byte(gateway, upstream, stream):
    stop = threading.Event()

    def answer(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while not stop.wait(0.02):
            connection.sendall(b"y")

    limits = {"timeouts": {**QUICK, "total_ms": 600}, "targets": [{"provider": "mock"}], "name": "river"}
    weir = behind(gateway, upstream(answer), models=[limits])
    answer = weir.chat(stream=stream)
    stop.set()
    assert (answer.status, answer.error["code"]) == (504, "headers_timeout" if stream else "total_timeout")


@pytest.mark.parametrize("began", [False, True])
def test_A37_an_event_byte_by_byte(gateway, upstream, began):
    stop = threading.Event()

    def answer(connection, _):
        connection.sendall(STREAM_HEAD + (chunked(delta("a")) if began else b"") + chunked(b"data: "))
        while not stop.wait(0.02):
            connection.sendall(chunked(b"x"))

    weir = behind(gateway, upstream(answer))
    if began:
        broken_off(weir, "idle_timeout", deltas=1)
    else:
        answer = weir.chat(stream=True)
        assert (answer.status, answer.error["code"]) == (504, "first_token_timeout")
    stop.set()


def test_A37_caller_that_reads_slowly_from_a_flood(gateway, upstream):
    weir = behind(gateway, upstream(endless(STREAM_HEAD, chunked(delta("x" * 1000)))),
                  server={"cores": 1, "timeouts": {"write_ms": 300}})
    with weir.raw(receive_buffer=4096) as raw:
        Stream(raw.send(post_bytes(CHAT, chat_body(stream=True)))).next_piece()
        entry = weir.wait_log(message="request")
    assert entry["cancelled"] == "client_slow"
    weir.wait_metric("weir_requests_in_flight", 0)
