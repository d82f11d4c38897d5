"""Every pair of dialects, written down: the request as the model server got it and the answer as the caller got it, one
file of tests/golden a pair. What is asked and answered stands in golden_cases.py.

WEIR_GOLDEN=write rewrites the files; read the difference against the references before it is committed: a file that
records a mistake is worse than none.
"""

import json
import os
import pathlib
import re

import pytest

import golden_cases as cases
from harness import KEY, UPSTREAM_KEY, Gateway, Upstream, request

GOLDEN = pathlib.Path(__file__).parent / "golden"
PATHS = {"openai": "/v1", "anthropic": "", "ollama": "", "gemini": "/v1beta"}

# What differs from run to run: ids of weir's own making and the clock.
MOVING = [
    (re.compile(r"(?<![0-9a-f])[0-9a-f]{24}(?![0-9a-f])"), "ID"),
    (re.compile(r'"(created|created_at)":1[0-9]{9}\b'), r'"\1":0'),
    (re.compile(r'"created_at":"[^"]*"'), '"created_at":""'),
    (re.compile(r'"(total|load|prompt_eval|eval)_duration":[0-9]+'), r'"\1_duration":0'),
]


def still(text: str) -> str:
    for pattern, instead in MOVING:
        text = pattern.sub(instead, text)
    return text


@pytest.fixture(scope="module")
def house(binary, tmp_path_factory):
    """One weir in front of a model server of each dialect, which answers as server.reply says."""
    class Server:
        reply = (200, "application/json", "{}")

        def __call__(self, connection, _):
            status, kind, body = self.reply
            data = body.encode()
            head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n"
            connection.sendall(head.encode() + data)
            return True

    server = Server()
    upstream = Upstream(server)
    config = {
        "providers": [
            {"name": d, "kind": d, "base_url": upstream.url + path, "api_key": UPSTREAM_KEY} for d, path in PATHS.items()
        ],
        "models": [{"name": "to-" + d, "targets": [{"provider": d, "model": m}]} for d, m in cases.MODELS.items()],
    }
    # gpt-4o does not reason, and refuses requests that say how much it should.
    config["models"].append({"name": "to-openai-o", "targets": [{"provider": "openai", "model": "o4-mini"}]})
    weir = Gateway(binary, tmp_path_factory.mktemp("golden"), "", config)

    def ask(caller: str, server_dialect: str, case: str, stream: bool):
        server.reply = cases.answer_of(server_dialect, case, stream)
        upstream.requests.clear()
        model = "to-openai-o" if (server_dialect, case) == ("openai", "thinking") else "to-" + server_dialect
        body = cases.request_of(caller, case, model, stream)
        answer = request(weir.url, "POST", cases.PATHS[caller], body, {"Authorization": "Bearer " + KEY})
        assert len(upstream.requests) <= 1
        return (upstream.requests or [None])[0], answer

    yield ask
    upstream.stop()
    assert not (problem := weir.finish()), problem


def written(house, caller: str, server: str) -> str:
    out = []
    for case in cases.CASES:
        for stream in (False, True):
            sent, answer = house(caller, server, case, stream)
            out.append(f"=== {case}, {'stream' if stream else 'whole'}")
            if sent is None:
                out.append("--- the model server was not asked")
            else:
                out += [f"--- {sent.line}", sent.body.decode()]
            lossy = answer.headers.get("x-weir-lossy")
            out.append(f"--- {answer.status} {answer.headers['content-type']}" + (f", lossy: {lossy}" if lossy else ""))
            out.append(still(answer.body.decode()).replace("\r\n", "\u240d\n").rstrip("\n"))
    return "\n".join(out) + "\n"


@pytest.mark.parametrize("server", cases.MODELS)
@pytest.mark.parametrize("caller", cases.PATHS)
def test_pair(house, caller, server):
    text = written(house, caller, server)
    file = GOLDEN / f"{caller}-to-{server}.txt"
    if os.environ.get("WEIR_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert file.exists(), f"no {file}: WEIR_GOLDEN=write writes it"
    assert text.split("\n") == file.read_text().split("\n")


def test_every_line_of_a_request_is_json():
    for file in GOLDEN.glob("*.txt"):
        for line in file.read_text().splitlines():
            if line.startswith("{"):
                json.loads(line)
