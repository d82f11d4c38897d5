"""bench/run start: from exec to the first 200 of /ready, with a configuration without a local model."""
import os
import signal
import socket
import time

from . import rows
from .servers import Mock, Weir

RUNS = 20
GATE_MS = 50
POLL_SECONDS = 0.0002
REQUEST = b"GET /ready HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"


def is_ready(port):
    with socket.socket() as s:
        if s.connect_ex(("127.0.0.1", port)) != 0:
            return False
        s.sendall(REQUEST)
        return s.recv(4096).startswith(b"HTTP/1.1 200")


def milliseconds_to_ready(weir):
    with open(os.path.join(weir.folder, "start.out"), "ab") as log:
        begin = time.monotonic()
        pid = os.posix_spawn(weir.argv[0], weir.argv, os.environ,
                             file_actions=[(os.POSIX_SPAWN_DUP2, log.fileno(), 1), (os.POSIX_SPAWN_DUP2, log.fileno(), 2)])
    try:
        while not is_ready(weir.port):
            if time.monotonic() - begin > 10:
                raise RuntimeError("not ready after 10 s")
            time.sleep(POLL_SECONDS)
        return (time.monotonic() - begin) * 1000
    finally:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def run(folder):
    with Mock(folder) as mock:
        weir = Weir(folder, mock.port, listen=False)
        times = [milliseconds_to_ready(weir) for _ in range(RUNS)]
    rows.row("start", "ms", rows.median(times), GATE_MS, "limit", 1.0, weir_min=rows.rounded(min(times)),
             weir_max=rows.rounded(max(times)), runs=RUNS)
