"""scripts/torture overload: an open loop offers up to five times what weir (or the model server behind it) can do. The peak
is the best goodput found by stepping the rate; what counts is the goodput at five times that rate over the goodput at it,
measured in turns, since the machine has fast and slow seconds: the median of the pairs. weir has one core, the load
generator and the mock the other.

Twice: clients that obey Retry-After, for whom a refusal has to be quick, and clients that ask again at once, whom weir slows
down: it reads from a connection that it refused only when its Retry-After is over. Requests come over a few thousand
kept-alive connections of one process; one that finds no free connection within 100 ms is not sent ("unsent"), as a
client's own pool would give up. The rates are offered, not sent."""
import contextlib
import http.client
import os
import re
import statistics
import tempfile

from . import load
from .records import until
from .servers import Mock, Weir

GOODPUT_LIMIT = 0.95
REFUSAL_MS_LIMIT = 250  # median, of clients that obey
SECONDS, SKIP = 7, 3
CONNECTIONS = 8000
STEPS = (0.7, 0.85, 1.0, 1.15, 1.3)
ROUNDS = 7  # of the peak's rate and five times it, in turns
FRAMES_A_SEND = 15
DELAY_MS, UPSTREAM_CONNECTIONS, QUEUE_MS = 50, 32, 500


class FewConnections(Weir):
    """weir with few connections to the mock and a short queue for them."""

    def write_config(self, mock_port, model="gpt-4o-main", broken=False):
        super().write_config(mock_port, model, broken)
        with open(self.config_path) as f:
            text = f.read()
        text = text.replace("    connections_max: 60000\n", f"    connections_max: {UPSTREAM_CONNECTIONS}\n")
        text = text.replace("timeouts: { headers_ms", f"timeouts: {{ queue_ms: {QUEUE_MS}, headers_ms")
        with open(self.config_path, "w") as f:
            f.write(text)


def refusals(weir):
    """By reason, from /metrics."""
    connection = http.client.HTTPConnection("127.0.0.1", weir.port)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    found = {}
    for name, labels, value in re.findall(r"^(weir_refused_total|weir_errors_total)\{(.*)\} (\d+)$", text, re.M):
        reason = re.search(r'reason="(\w+)"', labels)[1]
        if int(value):
            found[reason] = found.get(reason, 0) + int(value)
    return found


@contextlib.contextmanager
def records_in_memory():
    """A folder for weir's records that needs no disk: while weir and the load generator go before everything else on their
    cores (OWN_SESSION), the kernel's threads that finish a write to a disk hardly get a turn."""
    shared = "/dev/shm"
    with tempfile.TemporaryDirectory(prefix="weir-torture-", dir=shared if os.path.isdir(shared) else None) as folder:
        yield folder


def offer(weir, traffic, rate, obey):
    # A connection that rests after a refusal is not read, so weir holds those of the run before until their rest is over.
    until(lambda: len(os.listdir(f"/proc/{weir.process.pid}/fd")) < CONNECTIONS, "weir keeps the connections of the run before")
    weir.process.favour_helpers()
    return load.run(weir, traffic, "open", connections=CONNECTIONS, rate=int(rate), seconds=SECONDS, skip_seconds=SKIP,
                    refusals=1, obey=int(obey))


def lane(name, weir, traffic, guess, report):
    at = {step: offer(weir, traffic, guess * step, True)["goodput"] for step in STEPS}
    peak_rate = guess * max(at, key=at.get)
    for obey in (True, False):
        peaks, ratios, outcomes = [], [], []
        before = refusals(weir)
        for _ in range(ROUNDS):
            peaks.append(offer(weir, traffic, peak_rate, obey)["goodput"])
            outcomes.append(offer(weir, traffic, 5 * peak_rate, obey))
            ratios.append(outcomes[-1]["goodput"] / peaks[-1])
        ratio = statistics.median(ratios)
        refused = [o["refused"] for o in outcomes]
        clients = "obeying" if obey else "insisting"
        report(f"overload_{name}_{clients}_goodput_ratio", round(ratio, 3), GOODPUT_LIMIT,
               ratio >= GOODPUT_LIMIT and min(refused) > 0, peak_rate=round(peak_rate), steps={s: round(g) for s, g in at.items()},
               peaks=peaks, goodput=[o["goodput"] for o in outcomes], ratios=[round(r, 3) for r in ratios], refused=refused,
               unsent=[o["unsent"] for o in outcomes],
               reasons={r: n - before.get(r, 0) for r, n in refusals(weir).items() if n != before.get(r, 0)},
               answered_p99_ms=[round(o["latency_us"]["p99"] / 1000) for o in outcomes])
        if obey:
            waits = [round(o["refused_us"]["p50"] / 1000, 1) for o in outcomes]
            value = statistics.median(waits)
            report(f"overload_{name}_refusal_ms", value, REFUSAL_MS_LIMIT, value <= REFUSAL_MS_LIMIT, medians=waits,
                   p99=[round(o["refused_us"]["p99"] / 1000, 1) for o in outcomes])


def run(folder, report):
    cases = [
        # A streamed answer as chats are: 300 tokens, each an event. Several arrive together, or there is no peak to speak
        # of: where each is its own send, a weir that keeps up reads and writes each by itself and gets through fewer
        # streams than one that is late and finds them in a heap; and the model server does as much as weir.
        ("cpu_stream", Weir, load.Traffic(folder, "cpu_stream", 1024, stream=True,
                                          mock={"frames": 300, "frames_a_send": FRAMES_A_SEND}), None),
        ("cpu_whole", Weir, load.Traffic(folder, "cpu_whole", 1024), None),
        ("upstream", FewConnections, load.Traffic(folder, "upstream", 1024, mock={"delay_ms": DELAY_MS}),
         UPSTREAM_CONNECTIONS * 1000 / DELAY_MS),
    ]
    for name, server, traffic, guess in cases:
        with records_in_memory() as data, Mock(folder) as mock, server(folder, mock.port, data=data) as weir:
            traffic.learn_answer(mock.port)
            load.run(weir, traffic, connections=64, requests=200)
            weir.process.favour_helpers()
            if guess is None:
                guess = load.run(weir, traffic, connections=64, seconds=2)["rps"]
            lane(name, weir, traffic, guess, report)
