"""bench/run telemetry: what it costs to write requests down. Nanoseconds on the loop, from bench/micro/record_bench.cc;
CPU time of requests with the log and the events and without, in the same run, in turns: of the loop's thread, which is
what a machine with a core to spare loses in throughput, and of all threads (the log's writer, syncs, the event store), which
is what a full machine loses. Metrics can not be turned off; they are in the nanoseconds only."""
import contextlib
import json
import os
import statistics
import subprocess

from . import build, load, rows
from .processes import OWN_SESSION, TICKS
from .servers import EVENTS_AT_FULL_SPEED, Mock, Weir

APPEND_GATE_NS = 50
REQUEST_GATE_NS = 500
CPU_GATE = 1.01
ROUNDS = 15
# Name -> (the mock's script, connections): the smallest request there is, and a streamed chat of 300 tokens.
TRAFFIC = {"telemetry": (None, 64), "telemetry_stream": ({"frames": 300, "frames_a_send": 15}, 16)}


def micro():
    """Name -> (median, minimum) of ns, of up to nine repetitions."""
    build.run(["cmake", "--preset", "release"])
    build.run(["ninja", "-C", "build/release", "record_bench"])
    program = os.path.join(build.ROOT, "build", "release", "record_bench")
    # Not pinned: without a core for the log's writer lines are dropped.
    argv = [*OWN_SESSION, program, "--benchmark_format=json", "--benchmark_repetitions=9", "--benchmark_min_time=0.2"]
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    times = {}
    for run in json.loads(done.stdout)["benchmarks"]:
        if run["run_type"] == "iteration" and not run.get("log_dropped"):  # with lines dropped it would be too good
            times.setdefault(run["run_name"], []).append(run["real_time"])
    if len(times) < 3:
        raise RuntimeError("log lines were dropped in every repetition: the machine is too busy")
    return {name: (rows.median(values), min(values)) for name, values in times.items()}


def noise(ratios):
    """Half the width of the 95 % interval of the median of the rounds' ratios (normal approximation)."""
    return 1.253 * 1.96 * statistics.stdev(ratios) / len(ratios) ** 0.5


def loop_seconds(server):
    """CPU time of the loop, which is the main thread: the program under test is the last of its process tree."""
    pid = server.process.tree()[-1]
    with open(f"/proc/{pid}/task/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cost(server, traffic, connections, seconds):
    """CPU us a request: (loop, all threads)."""
    server.process.favour_helpers()
    before = loop_seconds(server), sum(server.process.cpu_seconds())
    requests = load.run(server, traffic, connections=connections, seconds=seconds, spin=1)["requests"]
    after = loop_seconds(server), sum(server.process.cpu_seconds())
    return tuple((b - a) * 1e6 / requests for a, b in zip(before, after))


def cpu(folder, seconds, rounds):
    """Three gateways side by side, two of them with log and events off: how far those differ is the error."""
    kinds = {"on": {"events": EVENTS_AT_FULL_SPEED}}
    kinds["off"] = kinds["off_again"] = {"events": "{ enabled: false }", "log_requests": False}
    with contextlib.ExitStack() as stack:
        mock = stack.enter_context(Mock(folder, spin=True))
        servers = {}
        for name, options in kinds.items():
            own = os.path.join(folder, name)
            os.makedirs(own)
            servers[name] = stack.enter_context(Weir(own, mock.port, **options))
        for kind, (mock_script, connections) in TRAFFIC.items():
            traffic = load.Traffic(folder, kind, 1024, stream=mock_script is not None, mock=mock_script)
            traffic.learn_answer(mock.port)
            report(kind, servers, traffic, connections, seconds, rounds)


def report(kind, servers, traffic, connections, seconds, rounds):
    for server in servers.values():
        load.run(server, traffic, connections=connections, seconds=0.5)
    costs = {name: [] for name in servers}
    order = list(servers)
    for turn in range(rounds):
        for i in range(len(order)):
            name = order[(turn + i) % len(order)]
            costs[name].append(cost(servers[name], traffic, connections, seconds))
    for of, lane in enumerate((f"{kind}_loop", f"{kind}_all_threads")):
        on, off, again = ([c[of] for c in costs[name]] for name in ("on", "off", "off_again"))
        pairs, same = ([a / b for a, b in zip(these, off)] for these in (on, again))
        rows.row(lane, "us", rows.median(on), rows.median(off), "log and events off", CPU_GATE, rows.median(pairs),
                 noise=rows.rounded(noise(pairs)), rounds=rounds, off_against_off=rows.rounded(rows.median(same)),
                 off_noise=rows.rounded(noise(same)))


def run(folder, seconds, rounds, only=()):
    if not only or "micro" in only:
        times = micro()
        for lane, name, gate in (("event_append", "event_append", APPEND_GATE_NS),
                                 ("request_recorded", "record/everything", REQUEST_GATE_NS)):
            rows.row(lane, "ns", times[name][0], gate, "limit", 1.0, weir_min=rows.rounded(times[name][1]))
        rows.row("request_without_event", "ns", times["record/without_event"][0], 0, "nobody", None,
                 weir_min=rows.rounded(times["record/without_event"][1]))
    if not only or "cpu" in only:
        cpu(folder, seconds, rounds)
