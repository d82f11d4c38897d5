"""bench/run embed: one text of 16 tokens through `weir embedder` on its socket, one core, one request at a time."""
import http.client
import json
import os
import socket
import subprocess
import time

from . import build, rows
from .processes import PROXY_CORE, Process

TOKENS = 16
GATE_MS = 5
WARM, REQUESTS = 20, 300


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.socket_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.socket_path)


def ask(connection, words):
    text = " ".join(["river"] * words)
    connection.request("POST", "/v1/embeddings", json.dumps({"model": "embed", "input": text}),
                       {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    assert len(answer["data"][0]["embedding"]) == 384, "not an embedding of bge-small-en-v1.5"
    return answer["usage"]["prompt_tokens"]


def run(folder):
    build.run(["scripts/setup", "--models"])
    models = subprocess.run(["scripts/setup", "--models-dir"], cwd=build.ROOT, stdout=subprocess.PIPE, text=True,
                            check=True).stdout.strip()
    path = os.path.join(folder, "embedder.sock")
    argv = [build.weir(), "embedder", "--socket", path, "--library", f"{models}/libonnxruntime.so",
            "--model", f"{models}/embed.onnx", "--tokenizer", f"{models}/embed-tokenizer.json", "--threads", "1"]
    process = Process("embedder", argv, folder, PROXY_CORE)
    try:
        while not os.path.exists(path):
            if process.poll() is not None:
                raise RuntimeError(process.log_tail())
            time.sleep(0.01)
        connection = UnixConnection(path)
        words = TOKENS - 2  # [CLS] and [SEP]
        for _ in range(WARM):
            tokens = ask(connection, words)
        if tokens != TOKENS:
            raise RuntimeError(f"the text has {tokens} tokens, not {TOKENS}")
        user0, system0 = process.cpu_seconds()
        times = []
        for _ in range(REQUESTS):
            begin = time.monotonic()
            ask(connection, words)
            times.append((time.monotonic() - begin) * 1000)
        user1, system1 = process.cpu_seconds()
        cpu_ms = (user1 + system1 - user0 - system0) * 1000 / REQUESTS
        rows.row("embed_16_tokens", "ms", rows.median(times), GATE_MS, "limit", 1.0, weir_min=rows.rounded(min(times)),
                 cpu_ms=rows.rounded(cpu_ms), rss_mb=rows.rounded(process.rss_kb() / 1024))
    finally:
        process.end()
