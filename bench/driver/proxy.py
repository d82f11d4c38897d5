"""bench/run proxy: what a request costs through weir, beside nginx relaying the same requests to the same mock, in the
same run, in turns. Cost is CPU time of all the proxy's threads over requests answered: on a machine that others use it
holds still where latency does not. While cost is measured the mock and the load generator spin (load.cc says why); for
latency they sleep, as servers do."""
import contextlib

from . import build, load, peers, rows
from .servers import EVENTS_AT_FULL_SPEED, Mock, Nginx, Weir

# lane, body bytes, streamed, connections, gate
LANES = [
    ("proxy_1k", 1024, None, 64, 1.2),
    ("proxy_100k", 100 * 1024, None, 16, 1.3),
    ("proxy_sse_frame", 1024, {"frames": 50}, 16, 1.2),
    # the same stream at a model's pace, so that each event arrives alone: wake-ups, not throughput
    ("proxy_sse_paced_frame", 1024, {"frames": 50, "frame_delay_ms": 4}, 100, None),
]
P99_GATE = 2.0
OPEN_CONNECTIONS = 64
SHARE_OF_MOST = 0.7  # of what the slower of the two can do: the rate at which latency is measured


def cost_us(server, traffic, connections, seconds, units=1):
    """(CPU us a unit, share in user mode, requests a second)."""
    user0, system0 = server.process.cpu_seconds()
    report = load.run(server, traffic, connections=connections, seconds=seconds, spin=1)
    user1, system1 = server.process.cpu_seconds()
    count = report["requests"] * units
    return (user1 - user0 + system1 - system0) * 1e6 / count, (user1 - user0) * 1e6 / count, report["rps"]


def measure_lane(servers, traffic, connections, seconds, rounds, units):
    for server in servers:
        load.run(server, traffic, connections=connections, requests=5 * connections)  # pools and caches fill
    results = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            server.process.favour_helpers()
            results[server.name].append(cost_us(server, traffic, connections, seconds, units))
    return results


def report_lane(lane, gate, results):
    weir = results["weir"]
    cost = {name: rows.median([r[0] for r in rounds]) for name, rounds in results.items()}
    for name, rounds in results.items():
        if name == "weir":
            continue
        # The machine has fast and slow seconds: those that follow each other are compared, not the medians.
        pairs = rows.median([mine[0] / other[0] for mine, other in zip(weir, rounds)])
        rows.row(lane, "us", cost["weir"], cost[name], name, gate if name == "nginx" else None, pairs,
                 ratio_of_medians=rows.rounded(cost["weir"] / cost[name]), weir_min=rows.rounded(min(r[0] for r in weir)), peer_min=rows.rounded(min(r[0] for r in rounds)),
                 weir_user=rows.rounded(rows.median([r[1] for r in weir])),
                 peer_user=rows.rounded(rows.median([r[1] for r in rounds])),
                 weir_rps=rows.rounded(rows.median([r[2] for r in weir])),
                 peer_rps=rows.rounded(rows.median([r[2] for r in rounds])))


def latency(mock, weir, nginx, traffic, rate, seconds, rounds):
    """Added latency at a constant rate, over what the mock takes when asked directly."""
    seen = {server.name: {"p50": [], "p99": []} for server in (mock, weir, nginx)}
    for _ in range(rounds):
        for server in (mock, weir, nginx):
            report = load.run(server, traffic, "open", rate=rate, connections=OPEN_CONNECTIONS, seconds=seconds)
            for q, values in seen[server.name].items():
                values.append(report["latency_us"][q])
    for q, gate in (("p50", None), ("p99", P99_GATE)):
        direct = rows.median(seen["mock"][q])
        mine, other = ([value - direct for value in seen[name][q]] for name in ("weir", "nginx"))
        ratio = max(rows.median(mine), 1) / max(rows.median(other), 1)  # below 1 us nothing was added
        rows.row(f"proxy_{q}_added", "us", rows.median(mine), rows.median(other), "nginx", gate, ratio,
                 weir_min=rows.rounded(min(mine)), peer_min=rows.rounded(min(other)), direct=rows.rounded(direct),
                 rate=int(rate))


@contextlib.contextmanager
def servers(folder, peer_names, spin):
    """(mock, [weir, nginx, ...])"""
    with contextlib.ExitStack() as stack:
        mock = stack.enter_context(Mock(folder, spin=spin))
        proxies = [stack.enter_context(Weir(folder, mock.port, events=EVENTS_AT_FULL_SPEED)),
                   stack.enter_context(Nginx(folder, mock.port))]
        proxies += [stack.enter_context(peers.start(name, folder, mock.port)) for name in peer_names]
        yield mock, proxies


def run(folder, seconds, peer_names, rounds=5, only=()):
    build.need_yardsticks()
    with servers(folder, peer_names, spin=True) as (mock, proxies):
        for lane, size, script, connections, gate in LANES:
            if only and lane not in only:
                continue
            traffic = load.Traffic(folder, lane, size, stream=script is not None, mock=script)
            events = traffic.learn_answer(mock.port)
            # peers drop the member that scripts the mock: they would relay another stream
            among = proxies if script is None or "frame_delay_ms" not in script else proxies[:2]
            results = measure_lane(among, traffic, connections, seconds, rounds, max(events, 1))
            report_lane(lane, gate, results)
    if not only or "proxy_latency" in only:
        with servers(folder, [], spin=False) as (mock, (weir, nginx)):
            traffic = load.Traffic(folder, "latency", 1024)
            traffic.learn_answer(mock.port)
            most = [load.run(server, traffic, connections=OPEN_CONNECTIONS, seconds=seconds)["rps"]
                    for server in (weir, nginx, weir, nginx)]
            latency(mock, weir, nginx, traffic, SHARE_OF_MOST * min(most), seconds, rounds)
