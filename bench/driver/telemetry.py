"""bench/run telemetry: what it costs to write requests down. Nanoseconds on the loop, from bench/micro/record_bench.cc;
CPU time of requests with the log and the events and without, in the same run, in turns: of the loop's thread while the other
threads (the log's writer, syncs, the event store) work on another core, which is what a machine with a core to spare loses in
throughput; and of all threads on one core, until what they have to write is written, which is what a full machine loses.
Metrics can not be turned off; they are in the nanoseconds only."""
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import time

from . import build, load, rows
from .processes import LOAD_CORE, OWN_SESSION, PROXY_CORE
from .servers import EVENTS_AT_FULL_SPEED, Mock, Weir

APPEND_GATE_NS = 50
REQUEST_GATE_NS = 500
CPU_GATE = 1.01
ROUNDS = 20
ROUND_SECONDS = 4.5  # of the gateways of a row together
# A shared machine's speed changes within seconds, so loops take turns that are much shorter. What the other threads do comes in
# heaps (a commit of the store each 50 ms, for as long as there is something to store), so theirs are longer.
TURN_SECONDS = 0.03
REST_SECONDS = 1  # the heaps at the end
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


def threads(server):
    """(the loop, the others): the program under test is the last of its process tree, its main thread the loop."""
    pid = server.process.tree()[-1]
    return f"/proc/{pid}/task/{pid}", [f"/proc/{pid}/task/{t}" for t in os.listdir(f"/proc/{pid}/task") if int(t) != pid]


def cpu_us(folders):
    """Of these threads, to the nanosecond (the ticks of /proc/PID/stat are samples)."""
    total = 0
    for folder in folders:
        with open(f"{folder}/schedstat") as f:
            total += int(f.read().split()[0])
    return total / 1e3


def place(server, alone):
    """Threads to count: the loop, `alone` on its core, or all of them on that core."""
    server.process.favour_helpers()
    loop, others = threads(server)
    for other in others:
        os.sched_setaffinity(int(os.path.basename(other)), {(LOAD_CORE if alone else PROXY_CORE) % os.cpu_count()})
    return [loop] if alone else [loop, *others]


def costs_one_after_the_other(servers, traffic, connections):
    """Name -> CPU us of all threads a request."""
    costs = {}
    for name in random.sample(list(servers), len(servers)):
        counted = place(servers[name], False)
        before = cpu_us(counted)
        seconds = ROUND_SECONDS / len(servers)
        requests = load.run(servers[name], traffic, connections=connections, seconds=seconds, spin=1)["requests"]
        time.sleep(REST_SECONDS)
        costs[name] = (cpu_us(counted) - before) / requests
    return costs


def costs_in_turns(servers, traffic, connections):
    """Name -> CPU us of the loop a request. Each server has its own load generator; one runs, the others stand still."""
    counted = {name: place(server, True) for name, server in servers.items()}
    before = {name: cpu_us(folders) for name, folders in counted.items()}
    under_way, requests = {}, {}
    try:
        for name, server in servers.items():
            argv = load.command(server, traffic, connections=connections, seconds=ROUND_SECONDS, spin=1)
            under_way[name] = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            time.sleep(TURN_SECONDS)
            under_way[name].send_signal(signal.SIGSTOP)
        while under_way:
            for name in random.sample(list(under_way), len(under_way)):
                generator = under_way[name]
                generator.send_signal(signal.SIGCONT)
                time.sleep(TURN_SECONDS)
                generator.send_signal(signal.SIGSTOP)
                if generator.poll() is not None:
                    out, errors = under_way.pop(name).communicate()
                    if generator.returncode != 0:
                        raise RuntimeError(f"{name}: {out.strip()} {errors.strip()[:1500]}")
                    requests[name] = json.loads(out)["requests"]
    finally:
        for generator in under_way.values():
            generator.kill()  # it may stand still
    return {name: (cpu_us(folders) - before[name]) / requests[name] for name, folders in counted.items()}


def cpu(folder, rounds):
    """Three gateways side by side, two of them with log and events off: how far those differ is the error."""
    with contextlib.suppress(PermissionError):  # whoever hands out the turns waits for nobody
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(3))
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
            for lane, measure in ((f"{kind}_loop", costs_in_turns), (f"{kind}_all_threads", costs_one_after_the_other)):
                report(lane, servers, traffic, connections, measure, rounds)


def report(lane, servers, traffic, connections, measure, rounds):
    for server in servers.values():
        load.run(server, traffic, connections=connections, seconds=0.5)
    costs = [measure(servers, traffic, connections) for _ in range(rounds)]
    on, off, again = ([c[name] for c in costs] for name in ("on", "off", "off_again"))
    pairs, same = ([a / b for a, b in zip(these, off)] for these in (on, again))
    rows.row(lane, "us", rows.median(on), rows.median(off), "log and events off", CPU_GATE, rows.median(pairs),
             noise=rows.rounded(noise(pairs)), rounds=rounds, off_against_off=rows.rounded(rows.median(same)),
             off_noise=rows.rounded(noise(same)))


def run(folder, rounds, only=()):
    if not only or "micro" in only:
        times = micro()
        for lane, name, gate in (("event_append", "event_append", APPEND_GATE_NS),
                                 ("request_recorded", "record/everything/manual_time", REQUEST_GATE_NS)):
            rows.row(lane, "ns", times[name][0], gate, "limit", 1.0, weir_min=rows.rounded(times[name][1]))
        rows.row("request_without_event", "ns", times["record/without_event/manual_time"][0], 0, "nobody", None,
                 weir_min=rows.rounded(times["record/without_event/manual_time"][1]))
    if not only or "cpu" in only:
        cpu(folder, rounds)
