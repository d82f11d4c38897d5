"""The abuse cases A01 to A07, A09 and A10: hostile HTTP, as bytes on a socket.

Each test is named by its case (../shared/data/security/abuse_cases.jsonl) and asserts two things: the listed answer, and
that nothing of a refused request is heard by the model server or read as a request later."""

import json
import os
import pathlib
import re
import resource
import select
import socket
import ssl

import pytest

from harness import (
    CHAT_ANSWER,
    KEY,
    ROOT,
    Gateway,
    Upstream,
    always,
    answer_bytes,
    chat_body,
    events,
    post_bytes,
)

CHAT = "/v1/chat/completions"
GET_HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
SMUGGLED = post_bytes(CHAT, chat_body(model="mock/smuggled"))
DATA = pathlib.Path(os.environ.get("WEIR_DATA", ROOT / "../shared/data"))
HERE = ("A01", "A02", "A03", "A04", "A05", "A06", "A07", "A09", "A10", "A11", "A12", "A13", "A14", "A25", "A37")


@pytest.fixture(scope="module")
def trap(binary, tmp_path_factory):
    """A gateway whose model server counts every byte it hears."""
    server = Upstream(always(answer_bytes(CHAT_ANSWER)))
    weir = Gateway(binary, tmp_path_factory.mktemp("weir"), server.url)
    assert weir.chat().status == 200
    assert server.bytes > 0  # what is let through would be seen
    weir.server = server
    yield weir
    assert not (problem := weir.finish()), problem
    server.stop()


def refuses(weir, data: bytes, status: int = 400, code: str = "bad_framing"):
    """One refusal, in the API's words; then the connection ends and nothing behind it was read as a request."""
    heard = weir.server.bytes
    with weir.raw() as raw:
        raw.send(data + SMUGGLED)
        answer = raw.answer()
        assert (answer.status, answer.error["type"], answer.error["code"]) == (status, "invalid_request_error", code), answer
        assert answer.headers["connection"] == "close"
        raw.socket.shutdown(socket.SHUT_WR)  # or weir would wait a while for what we may still send
        assert raw.closed()
    assert weir.server.bytes == heard
    assert "smuggled" not in weir.said.text()
    return answer


def post(lines: bytes, body: bytes = b"") -> bytes:
    key = f"Authorization: Bearer {KEY}\r\n".encode()
    return b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: x\r\n" + key + lines + b"\r\n\r\n" + body


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body)


def show(value) -> str:
    return repr(value)[:60] if isinstance(value, bytes) else str(value)


def cases(*values):
    return pytest.mark.parametrize("data", values, ids=show)


@pytest.mark.skipif(not DATA.exists(), reason="no data")
def test_every_case_of_this_part_has_its_tests():
    listed = [json.loads(line)["id"] for line in (DATA / "security/abuse_cases.jsonl").read_text().splitlines()]
    source = "".join(file.read_text() for file in (ROOT / "tests").glob("test_abuse*.py"))
    for case in HERE:
        assert case in listed
        assert f"def test_{case}_" in source, case


# ----------------------------------------------------------------------------------------------------------------------
# A01: two framings in one request


@cases(
    b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    b"Transfer-Encoding: chunked\r\nX: y\r\nContent-Length: 0",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked;q=1",
    b'Transfer-Encoding: "chunked"',
    b"Transfer-Encoding: chunk\xedd",
    b"Transfer-Encoding:",
    b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding:\x0bchunked",
    b"Transfer-Encoding:\x00chunked",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b" Transfer-Encoding: chunked",
    b"X: y\nTransfer-Encoding: chunked",
    b"X: y\r\n Transfer-Encoding: chunked",
    b"Transfer_Encoding: chunked\r\nContent-Length: 5",
    b"Content_Length: 5",
    b"Content-Length: 5\r\nContent-Length: 5",
    b"Content-Length: 5\r\ncontent-length: 6",
)
def test_A01_two_framings(trap, data):
    refuses(trap, post(data, b"0\r\n\r\n"))


def test_A01_chunked_in_http_1_0(trap):
    refuses(trap, chunked(b"0\r\n\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"))


def test_A01_what_looks_like_a_request_inside_a_body_is_its_body(trap):
    body = json.dumps(chat_body(note=SMUGGLED.decode())).encode()
    before = len(trap.server.requests)
    with trap.raw() as raw:
        raw.send(post_bytes(CHAT, body) + GET_HEALTH)
        assert raw.answer().status == 200
        assert raw.answer().json() == {"status": "ok"}
        # The body of a request that is refused by its path is skipped, never read as the next request.
        raw.send(post_bytes("/v1/nothing", SMUGGLED) + GET_HEALTH)
        assert raw.answer().status == 404
        assert raw.answer().json() == {"status": "ok"}
    assert len(trap.server.requests) == before + 1


def test_A01_trailers_are_no_headers(trap):
    # What a trailer says of framing, host or key means nothing, here or behind us.
    body = json.dumps(chat_body()).encode()
    chunk = b"%x\r\n%s\r\n0\r\n" % (len(body), body)
    trailers = b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\nHost: evil\r\nAuthorization: Bearer x\r\nConnection: close\r\n\r\n"
    with trap.raw() as raw:
        raw.send(chunked(chunk + trailers) + GET_HEALTH)
        assert raw.answer().status == 200
        assert raw.answer().json() == {"status": "ok"}
    assert b"evil" not in trap.server.requests[-1].head
    assert trap.server.requests[-1].headers["content-length"] == str(len(trap.server.requests[-1].body))


# ----------------------------------------------------------------------------------------------------------------------
# A02: line ends


@cases(
    b"GET /health HTTP/1.1\nHost: x\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\n\n",
    b"GET /health HTTP/1.1\rHost: x\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\n\rX: y\r\n\r\n",
    b"GET /health HTTP/1.1\r\r\nHost: x\r\n\r\n",
    b"\n\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\rGET /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nX\t: y\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nX: y\r\n z\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nX: y\r\n\tz\r\n\r\n",
    b"GET /health HTTP/1.1\r\n Host: x\r\n\r\n",
    chunked(b"5\n{\"a\":\r\n0\r\n\r\n"),
    chunked(b"5;a\n{\"a\":\r\n0\r\n\r\n"),
    chunked(b"5;\n{\"a\":\r\n0\r\n\r\n"),
    chunked(b'5;a="\n"\r\n{"a":\r\n0\r\n\r\n'),
    chunked(b"5\r{\"a\":\r\n0\r\n\r\n"),
    chunked(b"5\r\n{\"a\":\n0\r\n\r\n"),
    chunked(b"5\r\n{\"a\":xx0\r\n\r\n"),
    chunked(b"0\r\n\n"),
    chunked(b"0\r\nX: y\n\r\n"),
    chunked(b"0\r\n X: y\r\n\r\n"),
)
def test_A02_line_ends(trap, data):
    refuses(trap, data)


# ----------------------------------------------------------------------------------------------------------------------
# A03: numbers of the framing


@cases(
    b"0x10", b"+5", b"1_0", b" 5", b"5 ", b"\t5", b"-5", b"5.", b"5h", b"", b";a=b", b"g", b"\xef\xbc\x95",
    b"00000000000000005", b"10000000000000000", b"ffffffffffffffff", b"8000000000000000", b"123456789abcdef012",
)  # fmt: skip
def test_A03_chunk_size(trap, data):
    refuses(trap, chunked(data + b"\r\n{\"a\":\r\n0\r\n\r\n"))


@cases(
    b"+5", b"5,5", b"5, 6", b"5 5", b"-5", b"", b" ", b"0x5", b"5;", b"1e3", b"5.0", b"five", b"\xef\xbc\x95", b"1_0",
    b"9223372036854775808", b"18446744073709551615", b"18446744073709551621", b"99999999999999999999999999999999",
)  # fmt: skip
def test_A03_content_length(trap, data):
    refuses(trap, post(b"Content-Length: " + data, b"{\"a\":"))


def test_A03_the_largest_numbers_do_not_wrap(trap):
    refuses(trap, post(b"Content-Length: 9223372036854775807", b"{}"), 413, "payload_too_large")
    with trap.raw() as raw:  # a chunk of 2^63-1 bytes may begin; its bytes are counted, not its promise
        raw.send(chunked(b"7fffffffffffffff\r\n{}")).socket.shutdown(socket.SHUT_WR)
        assert raw.closed()


# ----------------------------------------------------------------------------------------------------------------------
# A04: bytes that have no place in a head


@cases(
    b"GET /health HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nX: a\x01b\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nX: a\x1b[31mb\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nX: a\x7fb\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nX y: a\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nX\x00: a\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nX(y): a\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nX\xc3\xa9: a\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
    b"G\x00T /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"G(T /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b" GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET\t/health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET  /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"A" * 100 + b" /health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n",
    b"GET /hea\x00lth HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /hea\xc3\xa9lth HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health#x HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET gopher://x/health HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/1.2\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/2.0\r\nHost: x\r\n\r\n",
    b"GET /health http/1.1\r\nHost: x\r\n\r\n",
    b"GET /health HTTP/1.1 \r\nHost: x\r\n\r\n",
    b"GET /health HTTP/11\r\nHost: x\r\n\r\n",
    b"GET /health\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)
def test_A04_bytes_of_a_head(trap, data):
    refuses(trap, data)
    said = trap.said.text()
    assert all(c >= " " or c == "\n" for c in said), "a control byte stands in the log"
    for line in said.splitlines():
        assert line.startswith(("{", "ready url=", "  ")), line  # each line is one of weir's own
        assert not line.startswith("{") or json.loads(line)


def refused_requests():
    """What the suites of other parsers want refused: requests, with a Host where they left it out."""
    for line in (DATA / "security/http/llhttp_cases.jsonl").read_text().splitlines():
        case = json.loads(line)
        kind = case["meta"].get("type", "")
        strict = kind.startswith("request") and "lenient" not in kind
        if strict and "error code=" in case["expected_log"] and "error code=22 " not in case["expected_log"]:
            yield case["title"], bytes.fromhex(case["input_hex"])
    for line in (DATA / "security/http/picohttpparser_cases.jsonl").read_text().splitlines():
        case = json.loads(line)
        data = bytes.fromhex(case["input_hex"])
        if case["expect"] == "-1" and not data.startswith((b"HTTP", b"Host:")):
            yield case["comment"], data


@pytest.mark.skipif(not DATA.exists(), reason="no data")
def test_A04_what_other_parsers_refuse_is_refused(trap):
    heard, count = trap.server.bytes, 0
    for title, data in refused_requests():
        at = data.find(b"\r\n") + 2
        if at > 1 and b"host:" not in data.lower():
            data = data[:at] + b"Host: x\r\n" + data[at:]
        with trap.raw() as raw:
            raw.send(data)
            first = raw.answer().status
            raw.socket.shutdown(socket.SHUT_WR)  # who ends before it is answered has left
            statuses = [first] + [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) [A-Z]", raw.rest())]
        # No path of theirs exists here: a request that was whole before the fault is a 404 or a 405.
        assert all(400 <= status < 500 for status in statuses), (title, data, statuses)
        count += 1
    assert count > 60
    assert trap.server.bytes == heard


# ----------------------------------------------------------------------------------------------------------------------
# A05: what the request is for


@cases(
    b"", b"Host: x\r\nHost: x", b"Host: x\r\nhost: y", b"Host:", b"Host: localhost:4000/#@attacker",
    b"Host: localhost:4000/?@attacker", b"Host: user@localhost", b"Host: a, b", b"Host: a b", b"Host: x:99999", b"Host: x:",
    b"Host: x:80:80", b"Host: [::1", b"Host: http://x", b"Host: x\\y", b"Host: %6c", b"Host: \xc3\xa9",
)  # fmt: skip
def test_A05_host(trap, data):
    refuses(trap, b"GET /health HTTP/1.1\r\nX: y\r\n" + data + (b"\r\n" if data else b"") + b"\r\n")


@cases(
    b"http://y/health", b"http://x:81/health", b"https://user@x/health", b"http:///health", b"http://x@y/health",
    b"http://x#@y/health", b"//x/health#", b"http://x,y/health", b"http://x%2fy/health",
)  # fmt: skip
def test_A05_target_that_disagrees_with_host(trap, data):
    refuses(trap, b"GET " + data + b" HTTP/1.1\r\nHost: x\r\n\r\n")


HOSTS = ("x", "localhost", "127.0.0.1", "127.0.0.1:4000", "[::1]:80", "metrics", "health", "admin.internal", "xn--e1afmkfd")


@pytest.mark.parametrize("host", HOSTS)
def test_A05_no_host_changes_what_a_request_may(trap, host):
    heard = trap.server.bytes
    for method, path, without_key in (
        ("POST", CHAT, 401), ("GET", "/v1/models", 401), ("GET", "/health", 200), ("GET", "/admin", 404),
        ("GET", CHAT, 405), ("GET", "/health/../v1/models", 404), ("GET", "//v1/models", 404), ("GET", "/%2576", 404),
    ):  # fmt: skip
        for target in (path, f"http://{host}{path}"):
            with trap.raw() as raw:
                raw.send(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n")
                assert raw.answer().status == without_key, (target, host)
    for name in ("X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Forwarded-Host", "X-Forwarded-Path"):
        answer = trap.get("/health", key=None, headers={name: "/v1/models", "Host": host})
        assert answer.json() == {"status": "ok"}
    assert trap.server.bytes == heard


# ----------------------------------------------------------------------------------------------------------------------
# A06: slow clients. The times are short here; docs/limits.md has their defaults.


GZIP_WITHOUT_END = b"\x1f\x8b\x08\x08" + b"\0" * 6  # what follows is a file's name, until a byte of zero


def drip(raw, bytes_left: bytes) -> int:
    """Sends a byte at a time, 20 ms apart, until an answer comes. How many were sent."""
    sent = 0
    while not select.select([raw.socket], [], [], 0.02)[0]:
        assert sent < len(bytes_left), "the drip was read to its end"
        raw.send(bytes_left[sent : sent + 1])
        sent += 1
    return sent


def test_A06_head_byte_by_byte(gateway):
    weir = gateway({"server": {"timeouts": {"header_ms": 300}}})
    with weir.raw() as raw:
        raw.send(b"GET /health HTTP/1.1\r\nX: ")
        assert drip(raw, b"y" * 1000) > 1
        answer = raw.answer()
        assert (answer.status, answer.error["code"], answer.headers["connection"]) == (408, "request_timeout", "close")
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.closed()


def test_A06_silent_handshakes_lock_nobody_out(gateway, authority):
    """More clients that never say a word than there is room for handshakes: the oldest go, who speaks is served."""
    room = 4096
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < 2 * room:
        pytest.skip("too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    tls = {"certificate": str(authority / "server.pem"), "private_key": str(authority / "server.key")}
    weir = gateway({"server": {"cores": 1, "tls": tls}})
    silent = [socket.create_connection(weir.address) for _ in range(room)]
    try:
        assert weir.get("/health", tls=ssl.create_default_context(cafile=authority / "ca.pem")).status == 200
        silent[0].settimeout(10)
        assert silent[0].recv(1) == b""
        silent[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            silent[-1].recv(1)
    finally:
        for one in silent:
            one.close()


@pytest.mark.parametrize("framing", ["length", "long", "chunked", "gzip"])
def test_A06_body_byte_by_byte(gateway, mock, framing):
    before = mock.stats()["requests"]
    weir = gateway({"server": {"timeouts": {"body_rate_ms": 300}, "limits": {"body_bytes_per_s": 500}}})
    with weir.raw() as raw:
        if framing == "chunked":
            raw.send(chunked(b"fff\r\n"))
        else:
            length = 1_000_000 if framing == "long" else 4000
            coding = b"\r\nContent-Encoding: gzip" if framing == "gzip" else b""
            raw.send(post(b"Content-Length: %d" % length + coding, GZIP_WITHOUT_END if coding else b""))
        drip(raw, b" " * 1000)
        answer = raw.answer()
        assert (answer.status, answer.error["code"], answer.headers["connection"]) == (408, "request_timeout", "close")
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.closed()
    assert mock.stats()["requests"] == before


def test_A06_body_that_came_fast_and_then_crawls(gateway, mock):
    # The floor holds at every moment: a fast beginning buys no slow end.
    before = mock.stats()["requests"]
    weir = gateway({"server": {"timeouts": {"body_rate_ms": 300}, "limits": {"body_bytes_per_s": 500}}})
    with weir.raw() as raw:
        raw.send(post(b"Content-Length: 1000000", b" " * 900_000))
        drip(raw, b" " * 1000)
        assert raw.answer().status == 408
    assert mock.stats()["requests"] == before


def test_A06_client_that_never_reads(gateway, left):
    weir = gateway({"server": {"timeouts": {"write_ms": 200}}})
    with weir.raw(receive_buffer=4096) as raw:
        raw.send(post_bytes(CHAT, chat_body({"frames": 100_000, "text_bytes": 10_000}, stream=True)))
        left()  # the model server was let go
        entry = weir.wait_log(message="request")
        assert entry["cancelled"] == "client_slow"
        assert entry["events"] < 100_000


# ----------------------------------------------------------------------------------------------------------------------
# A07: heads that are too large


def test_A07_headers(trap):
    refuses(trap, b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100 + b"\r\n", 431, "headers_too_large")
    with trap.raw() as raw:
        raw.send(b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 99 + b"\r\n")
        assert raw.answer().status == 200


@cases(
    b"X: " + b"y" * 65536 + b"\r\n",
    b"X" * 65536 + b": y\r\n",
    b"".join(b"X-%d: %s\r\n" % (i, b"y" * 990) for i in range(66)),
)
def test_A07_block(trap, data):
    refuses(trap, b"GET /health HTTP/1.1\r\nHost: x\r\n" + data + b"\r\n", 431, "headers_too_large")


def test_A07_target(trap):
    refuses(trap, b"GET /" + b"y" * 16384 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri_too_long")
    refuses(trap, b"GET http://x/?" + b"y" * 16384 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri_too_long")


def test_A07_a_head_without_end_takes_bounded_memory(gateway):
    weir = gateway({"server": {"cores": 1}})
    assert weir.get("/health").status == 200
    before = weir.memory_peak_kib()
    clients = [weir.raw() for _ in range(50)]
    for raw in clients:
        raw.send(b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 60_000)  # held: it could still be a good one
    for raw in clients:
        raw.socket.setblocking(False)
        try:  # as much as will be taken of 8 MiB
            raw.socket.send(b"y" * (8 << 20))
        except (BlockingIOError, ConnectionError):
            pass
        raw.socket.settimeout(10)
    for raw in clients:
        assert raw.answer().status == 431
        raw.close()
    assert weir.memory_peak_kib() - before < 50 * 160


# ----------------------------------------------------------------------------------------------------------------------
# A09: multipart


def multipart(boundary: bytes, parts: int, end: bool = True) -> bytes:
    part = b'--%s\r\nContent-Disposition: form-data; name="f"\r\n\r\nv\r\n' % boundary
    return part * parts + (b"--%s--\r\n" % boundary if end else b"")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"multipart/form-data; boundary=" + b"-" * 5000, multipart(b"-" * 70, 10)),
        (b"multipart/form-data; boundary=x", multipart(b"x", 10_000)),
        (b"multipart/form-data; boundary=x", multipart(b"x", 10, end=False)),
        (b"multipart/form-data", multipart(b"", 10)),
        (b"multipart/form-data; boundary=x", b"--x\r\n" + b"-" * 200_000),
        (b"MULTIPART/mixed; boundary=x", multipart(b"x", 1)),
    ],
    ids=["boundary", "10000 parts", "no terminator", "no boundary", "dashes", "mixed"],
)
def test_A09_multipart(trap, kind, body):
    heard = trap.server.bytes
    head = post(b"Content-Type: " + kind + b"\r\nContent-Length: %d" % len(body))
    with trap.raw() as raw:
        answer = raw.send(head).answer()  # the head alone decides: no parser ever sees the body
        assert (answer.status, answer.error["code"]) == (400, "unsupported_content_type")
        assert "multipart/" in answer.error["message"].lower() and "application/json" in answer.error["message"]
    with trap.raw() as raw:  # called JSON, it is none from its first byte on
        answer = raw.send(post_bytes(CHAT, body)).answer()
        assert (answer.status, answer.error["code"]) == (400, "invalid_json")
        assert "byte 1:" in answer.error["message"]
    assert trap.server.bytes == heard


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200), ("application/json; charset=utf-8", 200), ("Application/JSON", 200), (None, 200),
        ("application/vnd.api+json", 200), ("application/json ; x=y", 200), ("application/jsonp", 400),
        ("application/x-www-form-urlencoded", 400), ("text/plain", 400), ("text/html; application/json", 400), ("", 400),
        ("application/x-ndjson", 400), ("json", 400), ("application/octet-stream", 400),
    ],
)  # fmt: skip
def test_A09_what_counts_as_json(trap, kind, status):
    data = post_bytes(CHAT, chat_body())
    data = data.replace(b"Content-Type: application/json\r\n", b"" if kind is None else f"Content-Type: {kind}\r\n".encode())
    with trap.raw() as raw:
        assert raw.send(data).answer().status == status


# ----------------------------------------------------------------------------------------------------------------------
# A10: good, then garbage


@cases(b"\x16\x03\x01 hello\r\n\r\n", b"GET / HTTP/1.1\nHost: x\n\n", b"\0" * 4000, b"}}}}\r\n\r\n", b"0\r\n\r\n")
def test_A10_good_then_garbage(trap, data):
    before = len(trap.server.requests)
    with trap.raw() as raw:
        raw.send(post_bytes(CHAT, chat_body()) + data + SMUGGLED)
        assert raw.answer().json() == CHAT_ANSWER  # whole
        answer = raw.answer()
        assert (answer.status, answer.error["code"], answer.headers["connection"]) == (400, "bad_framing", "close")
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.closed()
    assert len(trap.server.requests) == before + 1


def test_A10_stream_then_garbage(gateway, mock):
    weir = gateway()
    before = mock.stats()["requests"]
    with weir.raw() as raw:
        raw.send(post_bytes(CHAT, chat_body({"frames": 5, "frame_delay_ms": 5}, stream=True)) + b"garbage\r\n\r\n" + SMUGGLED)
        assert events(raw.answer().body)[-1] == "[DONE]"
        assert raw.answer().status == 400
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.closed()
    assert mock.stats()["requests"] == before + 1
