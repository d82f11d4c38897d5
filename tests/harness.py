"""What the whole-process tests are made of: processes, sockets, and the few formats they read."""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEADLINE_S = 10  # of every wait; an idle machine needs a few milliseconds
KEY = "sk-weir-test-0123456789abcdef"
OTHER_KEY = "sk-weir-test-only-one-model-42"
UPSTREAM_KEY = "sk-upstream-secret-9876543210"
MESSAGES = [{"role": "user", "content": "What is a river?"}]


def eventually(condition, what: str, deadline_s: float = DEADLINE_S):
    """Waits until condition() is true and answers its value. The only place that pauses between two looks."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, what
        time.sleep(0.01)


# ----------------------------------------------------------------------------------------------------------------------
# Formats


class Response:
    """One HTTP answer: status, headers (lower case), body."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes):
        self.status = status
        self.header_list = [(name.lower(), value) for name, value in headers]
        self.headers = dict(self.header_list)
        self.body = body

    def json(self):
        return json.loads(self.body)

    @property
    def error(self) -> dict:
        """The error object of a refusal, its shape checked."""
        assert self.headers["content-type"] == "application/json", self
        document = self.json()
        assert list(document) == ["error"], document
        assert set(document["error"]) == {"message", "type", "param", "code"}, document
        assert document["error"]["message"]
        return document["error"]

    def __repr__(self):
        return f"<{self.status} {self.header_list} {self.body[:500]!r}>"


def events(body: bytes) -> list[str]:
    """The data of each server-sent event, in order."""
    assert body == b"" or body.endswith(b"\n\n"), f"the last event is not complete: {body[-200:]!r}"
    found = []
    for block in body.decode().split("\n\n"):
        data = [line[6:] for line in block.split("\n") if line.startswith("data: ")]
        if data:
            found.append("\n".join(data))
    return found


def chunks(body: bytes) -> list[dict]:
    """The JSON events of a stream."""
    return [json.loads(e) for e in events(body) if e != "[DONE]"]


_SAMPLE = re.compile(
    r"^(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>.*)\})? (?P<value>[-+0-9.eE]+|NaN|[-+]Inf)$"
)
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')


class Metrics:
    """Prometheus text, format 0.0.4, read strictly."""

    def __init__(self, text: str):
        assert text.endswith("\n")
        self.types, self.samples, helped = {}, {}, set()
        family = None
        for line in text.splitlines():
            if line.startswith("# HELP "):
                name = line.split(" ", 3)[2]
                assert name not in helped, f"two HELP lines: {line}"
                helped.add(name)
            elif line.startswith("# TYPE "):
                _, _, family, kind = line.split(" ")
                assert family not in self.types, f"two TYPE lines: {line}"
                assert kind in ("counter", "gauge", "histogram"), line
                self.types[family] = kind
            else:
                match = _SAMPLE.match(line)
                assert match, f"not a sample: {line!r}"
                name = match["name"]
                base = re.sub(r"_(bucket|sum|count)$", "", name) if self.types[family] == "histogram" else name
                assert base == family, f"{line!r} stands in the family {family}"
                labels, rest = {}, match["labels"] or ""
                while rest:
                    label = _LABEL.match(rest)
                    assert label, f"not a label: {rest!r} in {line!r}"
                    assert label[1] not in labels, line
                    labels[label[1]] = label[2]
                    rest = rest[label.end() :]
                key = (name, frozenset(labels.items()))
                assert key not in self.samples, f"twice: {line}"
                self.samples[key] = float(match["value"])
        assert helped == set(self.types)

    def get(self, name: str, **labels) -> float:
        """The sum of the samples of `name` that have these labels."""
        wanted = set(labels.items())
        return sum(v for (n, have), v in self.samples.items() if n == name and wanted <= have)

    def series(self, name: str) -> list[dict]:
        return [dict(labels) for (n, labels) in self.samples if n == name]


# ----------------------------------------------------------------------------------------------------------------------
# Sockets


class Raw:
    """A client that says exactly these bytes, and reads answers strictly."""

    def __init__(self, address, tls: ssl.SSLContext | None = None, receive_buffer: int = 0):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
        else:
            self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(address)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""
        self.leftover = b""

    def send(self, data: bytes | str) -> "Raw":
        self.socket.sendall(data.encode() if isinstance(data, str) else data)
        return self

    def _more(self) -> bool:
        try:
            piece = self.socket.recv(65536)
        except ConnectionResetError:
            piece = b""
        self.buffer += piece
        return bool(piece)

    def read_to(self, end: bytes) -> bytes:
        while end not in self.buffer:
            assert self._more(), f"the connection ended; so far: {self.buffer!r}"
        at = self.buffer.index(end) + len(end)
        found, self.buffer = self.buffer[:at], self.buffer[at:]
        return found

    def _take(self, n: int) -> bytes:
        while len(self.buffer) < n:
            assert self._more(), f"the connection ended; so far: {self.buffer!r}"
        found, self.buffer = self.buffer[:n], self.buffer[n:]
        return found

    def head(self) -> tuple[int, list[tuple[str, str]]]:
        lines = self.read_to(b"\r\n\r\n").decode().split("\r\n")
        version, status, _ = lines[0].split(" ", 2)
        assert version == "HTTP/1.1", lines[0]
        return int(status), [tuple(line.split(": ", 1)) for line in lines[1:-2]]

    def answer(self, method: str = "POST") -> Response:
        """One whole answer; its framing must be right."""
        status, headers = self.head()
        names = [name.lower() for name, _ in headers]
        assert len([n for n in names if n in ("content-length", "transfer-encoding")]) <= 1, headers
        lower = {name.lower(): value for name, value in headers}
        if method == "HEAD" or 100 <= status < 200:
            body = b""
        elif lower.get("transfer-encoding") == "chunked":
            body = b"".join(iter(self.chunk, b""))
        elif "content-length" in lower:
            body = self._take(int(lower["content-length"]))
        else:
            assert lower.get("connection") == "close", headers
            body = self.rest()
        return Response(status, headers, body)

    def chunk(self) -> bytes:
        """The payload of the next chunk of a chunked body; empty: the body's end."""
        size = int(self.read_to(b"\r\n"), 16)
        payload = self._take(size)
        assert self._take(2) == b"\r\n"
        return payload

    def rest(self) -> bytes:
        """Everything until the connection ends."""
        while self._more():
            pass
        found, self.buffer = self.buffer, b""
        return found

    def closed(self) -> bool:
        """True once the peer ended the connection and nothing was left to read."""
        return self.rest() == b""

    def close(self) -> None:
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def post_bytes(path: str, body, headers: dict[str, str] | None = None, key: str | None = KEY) -> bytes:
    """A POST as bytes on the wire. `body` is JSON unless it is bytes already."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": str(len(data))}
    if key:
        lines["Authorization"] = f"Bearer {key}"
    lines.update(headers or {})
    head = f"POST {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n"
    return head.encode() + data


def chat_body(mock: dict | None = None, model: str = "river", **more) -> dict:
    body = {"model": model, "messages": MESSAGES, **more}
    if mock is not None:
        body["mock"] = mock
    return body


class Stream:
    """An answer under way: read it, or leave."""

    def __init__(self, raw: Raw):
        self.raw = raw
        self.status, headers = raw.head()
        self.headers = {name.lower(): value for name, value in headers}
        self.body = b""

    def next_piece(self) -> bytes:
        piece = self.raw.chunk()
        self.body += piece
        return piece

    def read(self) -> bytes:
        """The rest; the message must end properly."""
        while self.next_piece():
            pass
        return self.body

    def leave(self) -> None:
        self.raw.close()


# ----------------------------------------------------------------------------------------------------------------------
# Processes


class Lines:
    """Collects the lines of pipes, a thread each; waits for a line without polling."""

    def __init__(self, *pipes):
        self.lines: list[str] = []
        self.open = len(pipes)
        self.changed = threading.Condition()
        self.threads = [threading.Thread(target=self._run, args=(p,), daemon=True) for p in pipes]
        for thread in self.threads:
            thread.start()

    def _run(self, pipe):
        with pipe:
            for line in pipe:
                with self.changed:
                    self.lines.append(line.decode(errors="backslashreplace"))
                    self.changed.notify_all()
        with self.changed:
            self.open -= 1
            self.changed.notify_all()

    def wait(self, wanted, what: str):
        """The first line (past ones too) for which wanted(line) is true: its value."""
        end = time.monotonic() + DEADLINE_S
        seen = 0
        with self.changed:
            while True:
                for line in self.lines[seen:]:
                    if value := wanted(line):
                        return value
                seen = len(self.lines)
                assert self.open, f"{what}: the process ended; it said: {''.join(self.lines)}"
                left = end - time.monotonic()
                assert left > 0, f"{what}; it said: {''.join(self.lines)}"
                self.changed.wait(left)

    def text(self) -> str:
        with self.changed:
            return "".join(self.lines)

    def join(self) -> None:
        for thread in self.threads:
            thread.join(DEADLINE_S)


class Program:
    """A running weir: `weir serve` or `weir mock`."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None):
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )
        self.said = Lines(self.process.stdout, self.process.stderr)

    def wait_ready(self) -> str:
        def ready(line):
            return line.startswith("ready url=") and line.removeprefix("ready url=").strip()

        try:
            return self.said.wait(ready, "it did not become ready")
        except AssertionError:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        return self.process.pid

    def signal(self, number) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """The exit code."""
        code = self.process.wait(DEADLINE_S)
        self.said.join()
        return code

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def memory_peak_kib(self) -> int:
        """The most memory it ever held."""
        with open(f"/proc/{self.pid}/status") as status:
            return int(next(line for line in status if line.startswith("VmHWM:")).split()[1])


class Mock(Program):
    """`weir mock`: the model server whose answers and failures are scripted, in the request or from here."""

    def __init__(self, binary: str, listen: str = "127.0.0.1:0"):
        super().__init__([binary, "mock", "--listen", listen])
        self.url = self.wait_ready()

    def plan(self, verb: str, script) -> None:
        """POST /mock/`verb`: "default" and "get" take a script for all requests, "next" one or a list for the next ones."""
        answer = request(self.url, "POST", f"/mock/{verb}", script)
        assert answer.status == 200, answer

    def reset(self) -> None:
        self.plan("reset", {})

    def requests(self) -> list[dict]:
        """The last requests as they came: method, path, body."""
        return json.loads(request(self.url, "GET", "/mock/requests").body)

    def stats(self) -> dict:
        return json.loads(request(self.url, "GET", "/mock/stats").body)


def request(url: str, method: str, path: str, body=None, headers: dict[str, str] | None = None, tls=None) -> Response:
    """One request over a connection of its own."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=DEADLINE_S, context=tls)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=DEADLINE_S)
    try:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        extra = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, path, data, {**extra, **(headers or {})})
        answer = connection.getresponse()
        return Response(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


# Short enough for tests, long enough for a busy machine.
QUICK = {"connect_ms": 2000, "headers_ms": 300, "first_token_ms": 300, "idle_ms": 300, "total_ms": 5000}


def provider(url: str, name: str = "mock", **more) -> dict:
    return {"name": name, "kind": "openai", "base_url": url + "/v1", "api_key": UPSTREAM_KEY, **more}


def sections(url: str) -> dict:
    """The configuration of a test that has no wishes: model `river` (alias `stream`), pass-through of mock/*."""
    return {
        "server": {"listen": "127.0.0.1:0", "cores": 2, "drain_ms": 5000},
        "auth": {
            "keys": [{"name": "all", "key": KEY}, {"name": "one", "key": OTHER_KEY, "models": ["mock/one"]}],
        },
        "providers": [provider(url, models=["mock/*"])],
        "models": [
            {"name": "river", "aliases": ["stream"], "targets": [{"provider": "mock", "model": "mock-1"}]},
        ],
    }


def merged(base: dict, over: dict) -> dict:
    """`over` on `base`: objects are merged, everything else replaces; None removes."""
    result = dict(base)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


class Gateway(Program):
    """`weir serve`. Its configuration is JSON, which YAML is a superset of."""

    def __init__(self, binary, folder, mock_url, config=None, command=None, environment=None, ready=True):
        self.binary = binary
        self.folder = folder
        self.file = folder / "weir.yaml"
        self.finished = False
        self.sections = None
        if command is None:
            if isinstance(config, str):
                self.file.write_text(config)
            else:
                self.sections = merged(sections(mock_url), config or {})
                self.file.write_text(json.dumps(self.sections, indent=1))
            command = [binary, "serve", "--config", str(self.file)]
        super().__init__(command, environment)
        self.url = ""
        if ready:
            self.url = self.wait_ready()

    # ------------------------------------------------------------------ asking

    @property
    def address(self):
        if self.url.startswith("unix:"):
            return self.url.removeprefix("unix:")
        parts = urllib.parse.urlsplit(self.url)
        return parts.hostname, parts.port

    def raw(self, **options) -> Raw:
        return Raw(self.address, **options)

    def request(self, method, path, body=None, headers=None, key: str | None = KEY, tls=None) -> Response:
        given = {"Authorization": f"Bearer {key}"} if key else {}
        return request(self.url, method, path, body, {**given, **(headers or {})}, tls)

    def get(self, path, **options) -> Response:
        return self.request("GET", path, **options)

    def chat(self, mock: dict | None = None, headers=None, key: str | None = KEY, **more) -> Response:
        return self.request("POST", "/v1/chat/completions", chat_body(mock, **more), headers, key)

    def stream(self, mock: dict | None = None, path="/v1/chat/completions", headers=None, **more) -> Stream:
        """A streamed chat under way: its head was read."""
        raw = self.raw()
        raw.send(post_bytes(path, chat_body(mock, stream=True, **more), headers))
        return Stream(raw)

    # ------------------------------------------------------------------ looking

    def log(self) -> list[dict]:
        """The lines of the log so far."""
        return [json.loads(line) for line in self.said.text().split("\n") if line.startswith("{")]

    def wait_log(self, **members) -> dict:
        """The first log line with these members."""

        def wanted(line):
            entry = json.loads(line) if line.startswith("{") else {}
            return entry if entry and all(entry.get(k) == v for k, v in members.items()) else None

        return self.said.wait(wanted, f"no log line with {members}")

    def metrics(self) -> Metrics:
        answer = self.get("/metrics", key=None)
        assert answer.status == 200, answer
        return Metrics(answer.body.decode())

    def wait_metric(self, name: str, value: float, **labels) -> Metrics:
        """The metrics once the sum of `name` is `value`: the record of a request follows its answer."""

        def look():
            m = self.metrics()
            return m if m.get(name, **labels) == value else None

        return eventually(look, f"{name}{labels} never became {value}; it is {self.metrics().get(name, **labels)}")

    # ------------------------------------------------------------------ changing

    def write(self, text: str) -> None:
        """Replaces the configuration in one step, as editors and deploys do."""
        new = self.file.with_suffix(".new")
        new.write_text(text)
        os.replace(new, self.file)

    def configure(self, over: dict) -> None:
        self.sections = merged(self.sections, over)
        self.write(json.dumps(self.sections, indent=1))

    def finish(self) -> str:
        """Ends it, if the test has not; what was wrong with its end."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                code = self.wait()
            except subprocess.TimeoutExpired:
                self.kill()
                return f"it did not end after SIGTERM; its log:\n{self.said.text()}"
            if code != 0:
                return f"it ended with code {code} after SIGTERM; its log:\n{self.said.text()}"
        return ""


# ----------------------------------------------------------------------------------------------------------------------
# A scripted upstream


class Request:
    """What a model server was asked, byte for byte."""

    def __init__(self, head: bytes, body: bytes):
        self.head, self.body = head, body
        lines = head.decode().split("\r\n")
        self.line = lines[0]
        self.header_list = [tuple(line.split(": ", 1)) for line in lines[1:] if line]
        self.headers = {name.lower(): value for name, value in self.header_list}

    def json(self):
        return json.loads(self.body)


class Upstream:
    """A TCP server on a free port. answer(connection, request) writes what it likes; after it the connection closes,
    unless it returns True: then the next request on it is read."""

    def __init__(self, answer, tls: ssl.SSLContext | None = None, read_request=True):
        self.requests: list[Request] = []
        self.connections = 0
        self.bytes = 0  # received, of requests that were whole or not
        self.answer = answer
        self.tls = tls
        self.read_request = read_request
        self.listener = socket.create_server(("127.0.0.1", 0))
        scheme = "https" if tls else "http"
        host = "localhost" if tls else "127.0.0.1"
        self.url = f"{scheme}://{host}:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.settimeout(DEADLINE_S)
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                if not self.read_request:
                    self.answer(connection, None)
                    return
                buffer = b""
                while True:
                    while b"\r\n\r\n" not in buffer:
                        piece = connection.recv(65536)
                        if not piece:
                            return
                        self.bytes += len(piece)
                        buffer += piece
                    head, buffer = buffer.split(b"\r\n\r\n", 1)
                    said = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
                    length = int(said[1]) if said else 0
                    while len(buffer) < length:
                        piece = connection.recv(65536)
                        if not piece:
                            return
                        self.bytes += len(piece)
                        buffer += piece
                    request = Request(head, buffer[:length])
                    buffer = buffer[length:]
                    self.requests.append(request)
                    if not self.answer(connection, request):
                        return
        except OSError:
            pass  # the gateway left: the test looks at the gateway

    def stop(self):
        self.listener.close()


CHAT_ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "mock-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "A river."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


def answer_bytes(body, status: str = "200 OK", headers: list[tuple[str, str]] = (), kind="application/json") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [("Content-Type", kind), ("Content-Length", str(len(data))), *headers]
    return (f"HTTP/1.1 {status}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines) + "\r\n").encode() + data


def always(data: bytes):
    """An answer(connection, request) that says the same every time and keeps the connection."""

    def answer(connection, _request):
        connection.sendall(data)
        return True

    return answer


def delta(text: str, finish: str | None = None) -> bytes:
    """One event of a streamed chat."""
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "mock-1", "choices": [choice]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
