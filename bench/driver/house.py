"""A `weir mock` and weirs in front of it, a Redis that they share, for the torture of budgets, invoices and replicas, and a client
that has many requests under way at once. Every price is a whole number of nano-dollars a token, so what a request costs is known to the last one."""
import asyncio
import http.client
import json
import os
import subprocess
import time

from . import build
from .processes import Process, free_port, wait_for_port

KEY = "sk-torture-0123456789abcdef"
INPUT_NANODOLLARS, CACHED_NANODOLLARS, OUTPUT_NANODOLLARS = 1_000, 100, 10_000  # a token


def cost(input_tokens, cached_tokens, output_tokens):
    return ((input_tokens - cached_tokens) * INPUT_NANODOLLARS + cached_tokens * CACHED_NANODOLLARS
            + output_tokens * OUTPUT_NANODOLLARS)


def dollars(nanodollars):
    return f"{nanodollars // 10**9}.{nanodollars % 10**9:09d}"


class MockServer:
    def __init__(self, folder, name="mock", plan=None):
        self.port = free_port()
        self.process = Process(name, [build.weir(), "mock", "--listen", f"127.0.0.1:{self.port}"], folder)
        wait_for_port(self.port, self.process, 10)
        if plan:
            self.ask("POST", "/mock/plan", json.dumps(plan))

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body)
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status == 200, said
        return said

    def invoice(self):
        """[(request id, model, whole, input, cached, output)], when nothing is under way any more."""
        end = time.monotonic() + 30
        while json.loads(self.ask("GET", "/mock/stats"))["open"] > 0:
            assert time.monotonic() < end, "the mock still answers"
            time.sleep(0.01)
        lines = (line.split(",") for line in self.ask("GET", "/mock/invoice").decode().splitlines())
        return [(i, model, whole == "whole", *map(int, numbers)) for i, model, whole, *numbers in lines]


class Redis:
    """A redis-server that keeps nothing on its disk, and wants a password."""

    def __init__(self, folder):
        self.port, self.folder = free_port(), folder
        self.url = f"redis://:torture%20me@127.0.0.1:{self.port}/2"
        self.start()

    def start(self):
        self.process = Process("redis", ["/usr/bin/redis-server", "--port", self.port, "--bind", "127.0.0.1", "--save", "", "--dir", self.folder,
                                         "--requirepass", "torture me"], self.folder)
        wait_for_port(self.port, self.process, 20)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Gateway:
    """`limits`: of its key, as JSON. `providers`: kinds by name; each has the model of its own name, priced as above. `shared`: the
    settings of that name; `name`: one of several replicas in the folder."""

    def __init__(self, folder, mock, limits=None, providers=("openai",), cores=1, shared=None, name="weir", more=None):
        self.port = free_port()
        self.folder, self.name = folder, name
        self.data = os.path.join(folder, "data" if name == "weir" else name + "-data")
        path = "" if not mock else f"http://127.0.0.1:{mock.port}"
        bases = {"openai": path + "/v1", "anthropic": path, "ollama": path, "gemini": path + "/v1beta"}
        config = {
            "server": {"listen": f"127.0.0.1:{self.port}", "cores": cores, "receipts": True,
                       "limits": {"delay_ms": 0}},  # nobody is refused for a loop that is late
            "auth": {"keys": [{"name": "torture", "key": KEY, **({"limits": limits} if limits else {})}]},
            "providers": [{"name": p, "kind": p, "base_url": bases[p], "connections_max": 20000, "queue_max": 20000}
                          for p in providers],
            "models": [{"name": p, "targets": [{"provider": p, "model": f"{p}-1"}]} for p in providers],
            "registry": [{"provider": p, "model": f"{p}-1", "input_usd": dollars(INPUT_NANODOLLARS * 10**6),
                          "cache_read_usd": dollars(CACHED_NANODOLLARS * 10**6),
                          "output_usd": dollars(OUTPUT_NANODOLLARS * 10**6)} for p in providers],
            "retries": {"max": 0},
            "health": {"check_ms": 0, "failures": 1000},
            "data": {"directory": self.data},
            "events": {"ring_bytes": 64 << 20},
            "log": {"file": os.path.join(folder, name + ".log"), "requests": False},
            **({"shared": shared} if shared else {}),
            **(more or {}),
        }
        self.config = os.path.join(folder, name + ".yaml")
        with open(self.config, "w") as file:
            json.dump(config, file, indent=1)
        self.process = None

    def start(self):
        self.process = Process(self.name, [build.weir(), "serve", "--config", self.config], self.folder)
        wait_for_port(self.port, self.process, 20)

    def stop(self):
        self.process.terminate()
        return self.process.wait(60)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def rows(self, sql):
        out = subprocess.run([build.weir(), "events", "query", "--data", self.data, "--json", sql], check=True,
                             capture_output=True, text=True).stdout
        return [json.loads(line) for line in out.splitlines()]

    def usage(self, by=""):
        out = subprocess.run([build.weir(), "usage", "--data", self.data, "--json", *(["--by", by] if by else [])], check=True,
                             capture_output=True, text=True).stdout
        return [json.loads(line) for line in out.splitlines()]


class Answer:
    def __init__(self, status=0, headers=None, body=b"", left=False):
        self.status, self.headers, self.body, self.left = status, headers or {}, body, left


async def ask(port, path, body, headers=None, leave_after=None, connection=None):
    """One request. `leave_after`: the connection is closed after so many bytes of the answer's body. `connection`: a kept one
    as (reader, writer), or None. Answers (Answer, the connection if it can be used again)."""
    reader, writer = connection or await asyncio.open_connection("127.0.0.1", port)
    data = json.dumps(body, separators=(",", ":")).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
    for name, value in {"Authorization": f"Bearer {KEY}", **(headers or {})}.items():
        head += f"{name}: {value}\r\n"
    try:
        writer.write(head.encode() + b"\r\n" + data)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        answer = Answer(int(lines[0].split()[1]), dict(line.lower().split(": ", 1) for line in lines[1:] if line))
        got = bytearray()
        if "content-length" in answer.headers:
            got += await reader.readexactly(int(answer.headers["content-length"]))
        else:
            while True:
                size = int(await reader.readuntil(b"\r\n"), 16)
                got += (await reader.readexactly(size + 2))[:-2]
                if size == 0:
                    break
                if leave_after is not None and len(got) >= leave_after:
                    answer.left = True
                    writer.close()
                    return answer, None
        answer.body = bytes(got)
        return answer, (reader, writer)
    except (ConnectionError, asyncio.IncompleteReadError, ValueError):
        writer.close()
        return Answer(left=True), None


async def _all(ports, requests, at_once, take):
    requests = iter(requests)

    async def worker(port):
        connection = None
        for path, body, headers, leave_after in requests:
            answer, connection = await ask(port, path, body, headers, leave_after, connection)
            take(answer)
        if connection:
            connection[1].close()

    await asyncio.gather(*(worker(ports[i % len(ports)]) for i in range(at_once)))


def send(gateways, requests, at_once, take):
    """Sends (path, body, headers, leave_after) to a gateway or several in turn, with so many under way at once; `take` gets every
    answer."""
    gateways = gateways if isinstance(gateways, list) else [gateways]
    asyncio.run(_all([g.port for g in gateways], requests, at_once, take))
