"""The abuse cases A11 to A14 and A25: hostile bodies. Each test is named by its case; see test_abuse.py."""

import hashlib
import json
import os
import pathlib
import random
import select

import pytest

from codings import CODINGS, gzip_, zstd
from harness import CHAT_ANSWER, KEY, ROOT, UPSTREAM_KEY, Gateway, Upstream, always, answer_bytes, chat_body, post_bytes, provider

CHAT = "/v1/chat/completions"
DATA = pathlib.Path(os.environ.get("WEIR_DATA", ROOT / "../shared/data")) / "security"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="no data")


@pytest.fixture(scope="module")
def trap(binary, tmp_path_factory):
    """A gateway whose model server keeps every request it hears."""
    server = Upstream(always(answer_bytes(CHAT_ANSWER)))
    weir = Gateway(binary, tmp_path_factory.mktemp("weir"), server.url)
    assert weir.chat().status == 200
    assert server.bytes > 0  # what is let through would be seen
    weir.server = server
    yield weir
    assert not (problem := weir.finish()), problem
    server.stop()


def refuses(weir, body: bytes, code: str, param: str | None = None, status: int = 400, headers=None, path=CHAT):
    """The body is refused with this code and parameter, and the model server hears nothing of it."""
    heard = weir.server.bytes
    answer = weir.request("POST", path, body, headers)
    error = answer.error
    assert (answer.status, error["type"]) == (status, "invalid_request_error"), answer
    assert (error["code"], error["param"]) == (code, param), answer
    assert weir.server.bytes == heard
    return error


def with_member(text: bytes) -> bytes:
    return b'{"model":"river","messages":[{"role":"user","content":"x"}],' + text + b"}"


def log_is_whole(weir) -> None:
    """Every line of the log is one JSON object of weir's, without a raw control or bidirectional byte."""
    said = weir.said.text()
    for line in said.split("\n"):
        if line and not line.startswith(("ready url=", "  models ", "  owner key ", "  console ")):
            entry = json.loads(line)
            assert {"time", "level", "message"} <= set(entry)
    assert not any(ord(c) < 0x20 and c != "\n" for c in said)


# ----------------------------------------------------------------------------------------------------------------------
# A11: what is no JSON, or more than one


@needs_data
def test_A11_every_refused_file_of_the_suite(trap):
    files = sorted((DATA / "json/test_parsing").glob("n_*.json"))
    assert len(files) >= 188
    for file in files:
        error = refuses(trap, file.read_bytes(), "invalid_json")
        assert " at byte " in error["message"], (file.name, error)


@needs_data
def test_A11_files_that_parsers_disagree_on(trap):
    # Whether valid or not, none of them is a chat; none may end in anything but a refusal.
    for file in sorted((DATA / "json/test_parsing").glob("[iy]_*.json")) + sorted((DATA / "json/test_transform").glob("*.json")):
        heard = trap.server.bytes
        answer = trap.request("POST", CHAT, file.read_bytes())
        assert answer.status == 400, (file.name, answer)
        assert answer.error["code"] in ("invalid_json", "duplicate_key", "missing_required_parameter"), file.name
        assert trap.server.bytes == heard


@pytest.mark.parametrize(
    "nested",
    [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 65 + b"1" + b"}" * 65, b'[{"a":' * 50_000],
    ids=["open", "closed", "objects", "both"],
)
def test_A11_nesting(trap, nested):
    assert "nested deeper than 64 levels at byte 64" in refuses(trap, b"[" * 65, "invalid_json")["message"]
    for body in (nested, with_member(b'"x":' + nested)):
        assert "deeper than 64 levels at byte " in refuses(trap, body, "invalid_json")["message"]
    deep = with_member(b'"x":' + b"[" * 63 + b"]" * 63)  # one level is the object itself
    assert trap.request("POST", CHAT, deep).status == 200


def test_A11_members(trap):
    """Each costs memory and a comparison: a body of nothing else is refused before it costs a multiple of itself."""

    def members(count: int) -> bytes:
        return b",".join(b'"%x":1' % i for i in range(count))

    for body in (with_member(members(1023)), with_member(b'"x":{' + members(65_537) + b"}"), with_member(members(2_000_000))):
        assert "JSON object of more than " in refuses(trap, body, "invalid_json")["message"]
    for body in (with_member(members(1022)), with_member(b'"x":{' + members(65_536) + b"}")):
        assert trap.request("POST", CHAT, body).status == 200


@pytest.mark.parametrize(
    "text",
    [b'"x":"\\ud800"', b'"x":"\\udc00"', b'"x":"\\udc00\\ud800"', b'"x":"\\ud800x"', b'"\\ud800":1', b'"x":"\xed\xa0\x80"',
     b'"x":"\xff"', b'"x":"\xc0\x80"', b'"x":"\xf4\x90\x80\x80"', b'"x":"a\x00b"', b'"x":"a\nb"'],
)  # fmt: skip
def test_A11_strings_that_are_no_text(trap, text):
    assert " at byte " in refuses(trap, with_member(text), "invalid_json")["message"]


@pytest.mark.parametrize(
    "text",
    [b'"model":"mock/other"', b'"mod\\u0065l":"mock/other"', b'"messages":[]', b'"stream":true,"stream":false',
     b'"max_tokens":1,"max_tokens":100000', b'"x":{"user":1,"user":2}', b'"x":[[{"":1,"":2}]]', b'"user":"a","us\\u0065r":"b"'],
)  # fmt: skip
def test_A11_duplicate_keys(trap, text):
    refuses(trap, with_member(text), "duplicate_key")


def test_A11_a_string_of_2_gib_is_refused_at_the_limit(trap):
    before = trap.memory_peak_kib()
    with trap.raw() as raw:  # by its length: not a byte of it is taken
        answer = raw.send(post_bytes(CHAT, b'{"x":"', {"Content-Length": str(2 << 30)})).answer()
        assert (answer.status, answer.error["code"]) == (413, "payload_too_large")
    with trap.raw() as raw:  # without a length: after 32 MiB of it
        raw.send(post_bytes(CHAT, b"", {"Transfer-Encoding": "chunked"}).replace(b"Content-Length: 0\r\n", b""))
        raw.send(b'6\r\n{"x":"\r\n')
        sent, piece = 0, b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
        try:
            while sent < 2048:
                raw.send(piece)
                sent += 1
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass
        assert sent < 64  # the limit, and what the sockets' buffers hold
        assert raw.answer().status == 413
    assert trap.memory_peak_kib() - before < 80 << 10


@pytest.mark.parametrize(
    "text",
    [
        b'{"messages" : [ {"content":"\\u0041\\/\\ud83d\\ude00 \xf0\x9f\x98\x80\\u0000","role":"user"} ]\t,\r\n "model":"river"}',
        b' {"mod\\u0065l":"river","messages":[1],"n":1.0e+0,"big":1e400,"seed":-0,"deep":[[[{"model":"other"}]]]} ',
        b'{"model":"\\u0072iver","messages":[1],"x":1.00000000000000000000000001,"":{"":""}}',
    ],
)  # fmt: skip
def test_A11_what_is_checked_is_what_is_sent(trap, text):
    if b'"n":1.0e+0' in text:
        refuses(trap, text, "invalid_value", "n")  # not an integer as it is written
        text = text.replace(b'"n":1.0e+0', b'"n":1')
    assert trap.request("POST", CHAT, text).status == 200
    sent = trap.server.requests[-1].body
    name = b'"\\u0072iver"' if b"\\u0072" in text else b'"river"'
    assert sent == text.replace(name, b'"mock-1"')


# ----------------------------------------------------------------------------------------------------------------------
# A12: numbers


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=1e400", "max_tokens=1e18", "max_tokens=1000000000000000000", "max_tokens=-1", "max_tokens=1.5",
        "max_tokens=9223372036854775808", "max_tokens=\"NaN\"", "max_tokens=\"16\"", "max_tokens=true", "max_tokens=[1]",
        "max_completion_tokens=1e18", "max_completion_tokens=-1", "max_output_tokens=1e18", "max_new_tokens=-1", "min_tokens=-1",
        "n=10000", "n=-1", "n=0", "n=1e2", "n=1e400", "n=\"2\"", "best_of=10000", "best_of=-1",
        "temperature=1e400", "temperature=-1e400", "temperature=-1", "temperature=\"0.7\"", "temperature=\"NaN\"",
        "temperature={}", "top_p=2", "top_p=-0.1", "top_p=\"1\"", "presence_penalty=1e300", "frequency_penalty=-1e300",
        "seed=1e400", "seed=1e18", "seed=99999999999999999999", "top_logprobs=-1", "top_logprobs=1e9", "logprobs=-1",
        "dimensions=0", "dimensions=1e18", "stream=1", "stream=\"true\"",
    ],
)  # fmt: skip
def test_A12_numbers(trap, text):
    name, value = text.split("=", 1)
    error = refuses(trap, with_member(f'"{name}":{value}'.encode()), "invalid_value", name)
    assert f"'{name}'" in error["message"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "nan", "0x10", "1_000", "+1", ".5", "1.", "01", "1e", "--1"])
def test_A12_numbers_that_are_no_json(trap, value):
    # No parser of ours makes a number of these, so there is no parameter to name: the byte is.
    assert " at byte " in refuses(trap, with_member(f'"max_tokens":{value}'.encode()), "invalid_json")["message"]


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/embeddings"])
def test_A12_numbers_of_the_other_calls(trap, path):
    body = b'{"model":"river","prompt":"x","input":"x",'
    for name, value in (("n", "10000"), ("max_tokens", "1e18"), ("dimensions", "-1"), ("temperature", '"1"')):
        refuses(trap, body + f'"{name}":{value}}}'.encode(), "invalid_value", name, path=path)


def test_A12_what_is_counted_does_not_wrap(gateway, upstream):
    # A model server that lies about its counts moves no counter backwards and breaks no line.
    lies = [-1, 2**63 - 1, 2**63, 1e400, "7", None, [1], 1.5, -(2**63)]
    answers = [{**CHAT_ANSWER, "usage": {"prompt_tokens": lie, "completion_tokens": lie}} for lie in lies]
    texts = iter([json.dumps(a).replace("Infinity", "1e400").encode() for a in answers])
    weir = gateway({"providers": [provider(upstream(lambda c, _: c.sendall(answer_bytes(next(texts)))).url)]})
    for _ in lies:
        assert weir.chat().status == 200
    metrics = weir.wait_metric("weir_requests_total", len(lies))
    for name in ("weir_input_tokens_total", "weir_output_tokens_total"):
        assert metrics.get(name) >= 0
    for entry in weir.log():
        assert entry.get("output_tokens", 0) >= 0
    log_is_whole(weir)


# ----------------------------------------------------------------------------------------------------------------------
# A13: names


NAMES = {
    "nul": "river\0", "rtl override": "\u202erevir", "isolate": "river\u2066", "tags": "river\U000e0041\U000e0042", "zero width": "ri\u200bver",
    "bom": "\ufeffriver", "joiner": "ri\u2060ver", "cyrillic": "\u0433iver", "full width": "\uff52iver", "newline": "river\nlevel",
    "carriage return": "river\r", "escape": "river\x1b[2J", "del": "river\x7f", "tab": "ri\tver", "space": "river ", "nbsp": "river\u00a0",
    "line separator": "river\u2028", "quote": 'river"', "backslash": "river\\", "empty": "", "long": "r" * 257, "surrogate pair": "\U0001f600",
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
@pytest.mark.parametrize("ascii_only", [True, False], ids=["escaped", "utf-8"])
def test_A13_model_names(trap, name, ascii_only):
    body = json.dumps({**chat_body(), "model": name}, ensure_ascii=ascii_only).encode()
    refuses(trap, body, "invalid_value", "model")
    log_is_whole(trap)


@pytest.mark.parametrize("escaped", ["%00", "river%0a", "%e2%80%aeriver", "%ff", "river%20", "%22", "%f3%a0%81%81", "a" * 300])
def test_A13_model_names_in_a_path(trap, escaped):
    answer = trap.get("/v1/models/" + escaped)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "invalid_value", "model")


def test_A13_names_of_the_configuration(binary, gateway):
    weir = gateway()
    for section in ({"auth": {"keys": [{"name": "a\u202eb", "key": "sk-0123456789"}]}}, {"auth": {"keys": [{"name": "a\nb", "key": "sk-0123456789"}]}},
                    {"models": [{"name": "ri\u200bver", "targets": [{"provider": "mock"}]}]}):  # fmt: skip
        problems = sum(entry["level"] == "error" for entry in weir.log())
        weir.configure(section)
        weir.signal(1)
        weir.said.wait(lambda _: sum(e["level"] == "error" for e in weir.log()) > problems, "the name was taken")
    assert weir.chat().status == 200
    log_is_whole(weir)


@needs_data
def test_A13_naughty_strings_as_names_and_as_content(trap):
    strings = json.loads((DATA / "payloads/blns.json").read_text())
    assert len(strings) >= 500
    refused = []
    for text in strings:
        heard = trap.server.bytes
        answer = trap.request("POST", CHAT, json.dumps({**chat_body(), "model": text}).encode())
        assert answer.status in (400, 404), (text, answer)
        assert answer.error["code"] == ("invalid_value" if answer.status == 400 else "model_not_found")
        refused += [text] if answer.status == 400 else []
        assert trap.server.bytes == heard
    # As content they are nobody's business: they arrive as they were sent, byte for byte.
    for ascii_only in (True, False):
        messages = [{"role": "user", "content": text, "name": text} for text in strings]
        body = json.dumps({**chat_body(), "messages": messages, "user": strings[7]}, ensure_ascii=ascii_only).encode()
        assert trap.request("POST", CHAT, body).status == 200
        assert trap.server.requests[-1].body == body.replace(b'"river"', b'"mock-1"')
    log_is_whole(trap)
    assert len(refused) > 300
    assert {entry.get("model") for entry in trap.log()}.isdisjoint(refused)


# ----------------------------------------------------------------------------------------------------------------------
# A14: compressed bodies


def coded(weir, coding: str, data: bytes, chunked: bool = False):
    """The answer to a body in this coding; who is answered stops sending."""
    with weir.raw() as raw:
        head = post_bytes(CHAT, b"", {"Content-Encoding": coding, "Content-Length": str(len(data))})
        if chunked:
            head = head.replace(f"Content-Length: {len(data)}".encode(), b"Transfer-Encoding: chunked")
            data = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for at in range(0, len(data), 1000) if (p := data[at : at + 1000]))
            data += b"0\r\n\r\n"
        raw.send(head)
        for at in range(0, len(data), 65536):
            if select.select([raw.socket], [], [], 0)[0]:
                break
            raw.send(data[at : at + 65536])
        return raw.answer()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("coding", CODINGS)
def test_A14_honest_bodies_arrive_decoded(trap, coding, chunked):
    pick = random.Random(5)
    text = json.dumps({**chat_body(), "x": [pick.random() for _ in range(20_000)]}).encode()
    assert coded(trap, coding, CODINGS[coding](text), chunked).status == 200
    sent = trap.server.requests[-1]
    assert sent.body == text.replace(b'"river"', b'"mock-1"')
    assert "content-encoding" not in sent.headers
    assert sent.headers["content-length"] == str(len(sent.body))


def bomb(coding: str) -> bytes:
    """10 GiB of zeros behind a beginning of JSON: as members of 64 MiB where the coding has such, else as what 1 GiB takes."""
    zeros = bytes(64 << 20)
    if coding in ("gzip", "zstd"):
        return CODINGS[coding](b'{"model":"') + CODINGS[coding](zeros) * 160
    return CODINGS[coding](b'{"model":"' + zeros * (16 if coding == "br" else 4))


@pytest.mark.parametrize("coding", CODINGS)
def test_A14_bombs(gateway, upstream, coding):
    server = upstream(always(answer_bytes(CHAT_ANSWER)))
    weir = gateway({"providers": [provider(server.url)], "server": {"cores": 1}})
    assert weir.chat().status == 200
    before, heard = weir.memory_peak_kib(), server.bytes
    data = bomb(coding)
    for chunked in (False, True):
        answer = coded(weir, coding, data, chunked)
        assert (answer.status, answer.error["code"]) == (413, "payload_too_large"), answer
        assert "100 times" in answer.error["message"]
    assert server.bytes == heard
    assert weir.memory_peak_kib() - before < 20 << 10  # of 32 MiB that a body may have
    assert weir.chat().status == 200


@pytest.mark.parametrize("coding", CODINGS)
def test_A14_decoded_size_is_bounded_by_the_body_limit(gateway, coding):
    # A ratio of about 6, so that the size alone is at fault.
    weir = gateway({"server": {"cores": 1, "limits": {"body_bytes": 4 << 20}}})
    pick = random.Random(3)
    text = " ".join(pick.choice(("river", "stream", "brook", "weir", "water", "flows")) + str(pick.randrange(99)) for _ in range(900_000)).encode()
    assert len(text) > 5 << 20
    assert coded(weir, coding, CODINGS[coding](json.dumps({**chat_body(), "x": text[: 3 << 20].decode()}).encode())).status == 200
    before = weir.memory_peak_kib()
    answer = coded(weir, coding, CODINGS[coding](text))
    assert (answer.status, answer.error["code"]) == (413, "payload_too_large")
    assert "4194304 bytes" in answer.error["message"]
    assert weir.memory_peak_kib() - before < 24 << 10


def test_A14_the_default_limit(trap):
    text = gzip_(bytes(b & 15 for b in random.Random(1).randbytes(1 << 20)) * 33)  # repeats lie too far apart to be found
    assert len(text) < 32 << 20
    answer = coded(trap, "gzip", text)
    assert answer.status == 413
    assert "33554432 bytes" in answer.error["message"]


@pytest.mark.parametrize("coding", CODINGS)
def test_A14_broken_bodies(trap, coding):
    good = CODINGS[coding](json.dumps({**chat_body(), "pad": "x" * 500}).encode())
    for data in (b"", good[:-1], good[: len(good) // 2], good + b"x", b"{}", json.dumps(chat_body()).encode(), bytes(200)):
        heard = trap.server.bytes
        answer = coded(trap, coding, data)
        assert (answer.status, answer.error["code"]) == (400, "invalid_content_encoding"), (data, answer)
        assert trap.server.bytes == heard


@pytest.mark.parametrize("name", ["compress", "gzip, gzip", "gzip,br", "identity, gzip", "", "x", "gzip\r\nContent-Encoding: br"])
def test_A14_unknown_and_stacked_codings(trap, name):
    answer = coded(trap, name, gzip_(json.dumps(chat_body()).encode()))
    assert (answer.status, answer.error["code"]) == (415, "unsupported_content_encoding")
    assert answer.headers["accept-encoding"] == "gzip, deflate, br, zstd"


def test_A14_what_is_inside_is_checked_like_any_body(trap):
    refuses(trap, gzip_(b'{"model":'), "invalid_json", headers={"Content-Encoding": "gzip"})
    refuses(trap, zstd(with_member(b'"n":10000')), "invalid_value", "n", headers={"Content-Encoding": "zstd"})
    refuses(trap, gzip_(gzip_(b"{}")), "invalid_json", headers={"Content-Encoding": "gzip"})  # once is enough


# ----------------------------------------------------------------------------------------------------------------------
# A25: callers that would choose the model server


STEERING = [
    "api_base", "base_url", "api_key", "api_version", "custom_host", "extra_headers", "extra_body", "extra_query", "azure_endpoint",
    "baseURL", "apiBase", "API_BASE", "custom_llm_provider", "aws_bedrock_runtime_endpoint", "vertex_credentials", "litellm_params",
]  # fmt: skip


@pytest.fixture
def thief(upstream):
    """Where an attacker would have the gateway connect to: nobody may ever come."""
    server = upstream(always(answer_bytes(CHAT_ANSWER)))
    yield server
    assert server.connections == 0


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", "/v1/embeddings"])
def test_A25_in_the_body(trap, thief, path):
    body = {**chat_body(), "prompt": "x", "input": "x"}
    for name in STEERING:
        for value in (thief.url, {"Authorization": "Bearer x"}, None):
            refuses(trap, json.dumps({**body, name: value}).encode(), "unknown_parameter", name, path=path)
    escaped = json.dumps({**body, "NAME": thief.url}).replace("NAME", "\\u0061pi_base").encode()
    refuses(trap, escaped, "unknown_parameter", "api_base", path=path)
    # '_' count for nothing in a name, so there is no end to it: the refusal has one.
    long = json.dumps({**body, "api" + "_" * 1_000_000 + "base": thief.url}).encode()
    refuses(trap, long, "unknown_parameter", "api" + "_" * 61, path=path)


@pytest.mark.parametrize(
    "name", ["api-base", "base-url", "X-Base-Url", "x-portkey-custom-host", "X-Custom-Host", "x_api_base", "Extra-Headers", "X-Target-URL"]
)
def test_A25_in_a_header(trap, thief, name):
    refuses(trap, json.dumps(chat_body()).encode(), "unknown_parameter", name, headers={name: thief.url})


def test_A25_headers_that_pass_carry_nothing_odd(trap):
    """What a caller says to the model server is plain, short, and said once: one that chokes on it would look broken."""
    body = chat_body()
    for name in ("Idempotency-Key", "OpenAI-Beta"):
        for value in ("x" * 513, "a\tb", "caf\u00e9"):
            refuses(trap, json.dumps(body).encode(), "invalid_value", name, headers={name: value})
    odd = [("traceparent", "t" * 60_000), ("tracestate", "a\tb"), ("Idempotency-Key", "first"), ("Idempotency-Key", "second")]
    lines = "".join(f"{name}: {value}\r\n" for name, value in odd).encode()
    plain = post_bytes(CHAT, body)
    with trap.raw() as raw:
        assert raw.send(plain.replace(b"\r\n", b"\r\n" + lines, 1)).answer().status == 200
    heard = [(name, value) for name, value in trap.server.requests[-1].header_list if name in ("traceparent", "tracestate", "idempotency-key")]
    scoped = hashlib.sha256(b"key all\0first").hexdigest()  # callers share the provider's account
    assert heard == [("idempotency-key", "weir-" + scoped)]


def test_A25_in_the_target_and_host(trap, thief):
    authority = thief.url.removeprefix("http://")
    body = json.dumps(chat_body()).encode()
    for target in (CHAT, f"http://{authority}{CHAT}", f"{CHAT}?base_url={thief.url}&api_base={thief.url}"):
        before = len(trap.server.requests)
        with trap.raw() as raw:
            raw.send(f"POST {target} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            assert raw.answer().status == 200
        (sent,) = trap.server.requests[before:]  # to the model server of the configuration, and as it says
        assert sent.line == f"POST {CHAT} HTTP/1.1"
        assert authority not in sent.head.decode()
        assert sent.headers["authorization"] == f"Bearer {UPSTREAM_KEY}"


@pytest.mark.parametrize("status", ["301 X", "302 X", "307 X", "308 X", "200 OK"])
def test_A25_no_redirect_is_followed(gateway, upstream, thief, status):
    moved = [("Location", f"{thief.url}{CHAT}"), ("Refresh", f"0; url={thief.url}"), ("Alt-Svc", f'h2="{thief.url[7:]}"')]
    server = upstream(always(answer_bytes(b"<html>" if status != "200 OK" else CHAT_ANSWER, status, moved)))
    weir = gateway({"providers": [provider(server.url)]})
    answer = weir.chat()
    assert answer.status == (200 if status == "200 OK" else 502)
    assert len(server.requests) == 1
    for name, _ in moved:
        assert name.lower() not in answer.headers
    assert thief.url[7:] not in answer.body.decode()
    assert UPSTREAM_KEY not in answer.body.decode() + str(answer.header_list) + weir.said.text()
