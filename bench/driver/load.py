"""Requests and the load generator. Every body is written to a file once; what the mock answers to it directly is what
each proxy must hand through."""
import http.client
import json
import os
import subprocess

from . import build
from .processes import LOAD_CORE, OWN_SESSION

SENTENCE = "Tell me about the history of the river. "


class Traffic:
    """One kind of request: a body of `size` bytes, whole or streamed, and the answer to expect."""

    def __init__(self, folder, name, size, stream=False, mock=None):
        head = '{"model":"gpt-4o-mini",'
        if stream:
            head += '"stream":true,"stream_options":{"include_usage":true},'
        if mock:
            head += '"mock":' + json.dumps(mock, separators=(",", ":")) + ","
        head += ('"temperature":0.2,"messages":[{"role":"system","content":"You are a helpful assistant."},'
                 '{"role":"user","content":"')
        tail = '"}]}'
        filler = SENTENCE * (size // len(SENTENCE) + 1)
        self.body = head + filler[:size - len(head) - len(tail)] + tail
        self.stream = stream
        self.name = name
        self.body_path = os.path.join(folder, f"{name}.body")
        self.expect_path = os.path.join(folder, f"{name}.expect")
        with open(self.body_path, "w") as f:
            f.write(self.body)

    def learn_answer(self, mock_port, body=None):
        """Asks the mock itself. Returns the number of events of the answer (0: not a stream)."""
        connection = http.client.HTTPConnection("127.0.0.1", mock_port)
        connection.request("POST", "/v1/chat/completions", body or self.body)
        answer = connection.getresponse().read()
        with open(self.expect_path, "wb") as f:
            f.write(answer)
        return answer.count(b"\n\ndata: ") + answer.startswith(b"data: ") if self.stream else 0


def command(server, traffic, mode="closed", core=LOAD_CORE, **flags):
    flags = {"port": server.port, "path": server.path, "body": traffic.body_path, "mode": mode, **flags}
    if server.exact and os.path.exists(traffic.expect_path):
        flags["expect"] = traffic.expect_path
    if server.key:
        flags["key"] = server.key
    if server.headers:
        flags["headers"] = server.headers
    argv = [*OWN_SESSION, "taskset", "-c", str(core % os.cpu_count()), build.tool("load")]
    return argv + [part for name, value in flags.items() for part in (f"--{name}", str(value))]


def run(server, traffic, mode="closed", **flags):
    """The load generator's report. Raises when an answer was wrong: a fast wrong answer is no measurement."""
    done = subprocess.run(command(server, traffic, mode, **flags), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{server.name}, {traffic.name}: {done.stdout.strip()} {done.stderr.strip()[:1500]}")
    return json.loads(done.stdout)
