"""scripts/torture slow: clients that take their time, thousands of them, while others work. One process holds them all, on
the core of the load generator; a client that weir ends (408 for slow heads and bodies)
comes again at once."""
import json
import os
import resource
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import time

from . import build, load
from .processes import LOAD_CORE
from .servers import KEY, Mock, Weir

CLIENTS = 10_000
# of each hundred clients
MIX = {"silent": 40, "head": 25, "body": 25, "reader": 10}
OF_EACH_KIND = 2000  # for the memory of one kind
MEMORY_KB_LIMIT = 16
P99_LIMIT = 1.10
RATE, SECONDS, ROUNDS, SETTLE_S = 1000, 1, 40, 0.5
READER_FRAMES = 1500  # 340 KB: more than the sockets between weir and a client that does not read take
BODY_BYTES = 100_000


class Holder:
    """Runs in a process of its own: `python3 -m driver.slow PORT BODY_FILE KIND=N ...`. Prints a line when all are
    connected and have sent what they send first; ends when its standard input does."""

    def __init__(self, port, body, counts):
        self.address = ("127.0.0.1", port)
        head = (f"POST /v1/chat/completions HTTP/1.1\r\nHost: slow\r\nAuthorization: Bearer {KEY}\r\n"
                "Content-Type: application/json\r\nContent-Length: ").encode()
        self.first = {
            "silent": b"",
            "head": b"P",
            "body": head + f"{BODY_BYTES}\r\n\r\n{{".encode(),
            "reader": head + f"{len(body)}\r\n\r\n".encode() + body,
        }
        self.drip = {"head": (10, b"O"), "body": (1, b" ")}
        self.counts = counts
        self.selector = selectors.EpollSelector()
        self.ended = dict.fromkeys(counts, 0)
        self.due = []  # (when, kind, sockets of that batch)

    def open(self, kind):
        client = socket.socket()
        if kind == "reader":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            # as over a network: the loopback's segments of 64 KB would let the kernel take a megabyte for each
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1448)
        client.connect(self.address)
        client.sendall(self.first[kind])
        client.setblocking(False)
        if kind != "reader":
            self.selector.register(client, selectors.EVENT_READ, kind)
        return client

    def run(self):
        batches = {kind: [] for kind in self.counts}
        for kind, count in self.counts.items():
            for _ in range(count):
                batches[kind].append(self.open(kind))
        print(json.dumps({"opened": sum(map(len, batches.values()))}), flush=True)
        self.selector.register(sys.stdin, selectors.EVENT_READ, "stdin")
        now = time.monotonic()
        # a tenth of each kind at a time
        due = {kind: (now + self.drip[kind][0] / 10, 0) for kind in self.counts if kind in self.drip}
        while True:
            for key, _ in self.selector.select(0.05):
                if key.data == "stdin":
                    print(json.dumps(self.ended), flush=True)
                    return
                kind, client = key.data, key.fileobj
                try:
                    if client.recv(65536):
                        continue
                except BlockingIOError:
                    continue
                except OSError:
                    pass
                self.selector.unregister(client)
                client.close()
                self.ended[kind] += 1
                batches[kind][batches[kind].index(client)] = self.open(kind)
            now = time.monotonic()
            for kind, (when, part) in due.items():
                if when > now:
                    continue
                pause, byte = self.drip[kind]
                for client in batches[kind][part::10]:
                    try:
                        client.send(byte)
                    except OSError:
                        pass
                due[kind] = (when + pause / 10, (part + 1) % 10)


class Held:
    """Slow clients as a context: connected when it begins, gone when it ends."""

    def __init__(self, weir, body_path, counts):
        argv = ["taskset", "-c", str(LOAD_CORE % os.cpu_count()), sys.executable, "-m", "driver.slow", str(weir.port),
                body_path, *(f"{kind}={count}" for kind, count in counts.items())]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        cwd=os.path.join(build.ROOT, "bench"))
        self.opened = json.loads(self.process.stdout.readline())["opened"]
        self.ended = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.ended = json.loads(self.process.stdout.readline() or "{}")
        self.process.wait()


def settled_rss_kb(weir):
    """Resident memory once it stands still for half a second."""
    last = 0
    while (now := weir.process.rss_kb()) != last:
        last = now
        time.sleep(0.5)
    return now


def run(folder, report):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    clients = CLIENTS if limit == resource.RLIM_INFINITY else min(CLIENTS, int(limit * 0.85))
    counts = {kind: clients * share // 100 for kind, share in MIX.items()}
    reader = load.Traffic(folder, "reader", 1024, stream=True, mock={"frames": READER_FRAMES})
    good = load.Traffic(folder, "good", 1024)

    for kind in MIX:
        with Mock(folder) as mock, Weir(folder, mock.port) as weir:
            good.learn_answer(mock.port)
            load.run(weir, good, connections=32, requests=5000)
            before = settled_rss_kb(weir)
            with Held(weir, reader.body_path, {kind: OF_EACH_KIND}):
                each = (settled_rss_kb(weir) - before) / OF_EACH_KIND
            report(f"slow_memory_{kind}_kb", round(each, 2), MEMORY_KB_LIMIT, each <= MEMORY_KB_LIMIT,
                   clients=OF_EACH_KIND)

    # Two gateways on one core, asked in turns of a second: one has the slow clients, who stand still (SIGSTOP) while the
    # other is measured. So both halves of a pair meet the same machine.
    alone_folder = os.path.join(folder, "alone")
    os.makedirs(alone_folder)
    with Mock(folder) as mock, Weir(folder, mock.port) as weir, Weir(alone_folder, mock.port) as alone:
        good.learn_answer(mock.port)
        for each in (weir, alone):
            load.run(each, good, connections=32, requests=5000)
        before = settled_rss_kb(weir)
        measure = {"mode": "open", "connections": 32, "rate": RATE, "seconds": SECONDS}
        ratios, without, beside, rss = [], [], [], before
        with Held(weir, reader.body_path, counts) as held:
            for _ in range(ROUNDS):
                held.process.send_signal(signal.SIGSTOP)
                without.append(load.run(alone, good, **measure)["latency_us"]["p99"])
                held.process.send_signal(signal.SIGCONT)
                time.sleep(SETTLE_S)  # what was due meanwhile comes at once
                rss = max(rss, weir.process.rss_kb())
                beside.append(load.run(weir, good, **measure)["latency_us"]["p99"])
                ratios.append(beside[-1] / without[-1])
            open_at_end = len(os.listdir(f"/proc/{weir.process.pid}/fd"))
        each = (rss - before) / held.opened
        report("slow_memory_kb", round(each, 2), MEMORY_KB_LIMIT, each <= MEMORY_KB_LIMIT and held.opened == sum(counts.values()),
               clients=held.opened, descriptors_at_end=open_at_end, descriptors_max=limit, **counts)
        ratio = statistics.median(ratios)
        report("slow_p99_ratio", round(ratio, 3), P99_LIMIT, ratio <= P99_LIMIT, rounds=ROUNDS,
               p99_us=round(statistics.median(beside)), p99_us_without=round(statistics.median(without)),
               quartiles=[round(q, 2) for q in statistics.quantiles(ratios, n=4)], ended_by_weir=held.ended)


if __name__ == "__main__":
    _limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (_limit, _limit))
    with open(sys.argv[2], "rb") as _body:
        Holder(int(sys.argv[1]), _body.read(),
               {kind: int(count) for kind, _, count in (a.partition("=") for a in sys.argv[3:])}).run()
