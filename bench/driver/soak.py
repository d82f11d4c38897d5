"""scripts/torture soak: a long time at 70 % of what weir can do here, with a model server that fails in every way `weir mock` knows.
What is checked: weir's resident memory stays flat; every request ends as its kind has to; and the clients, /metrics, the
ring and the event store count the same, to the last request.

The bulk are whole answers and streams, from the load generator over an open loop. Beside it a process of its own
(`python3 -m driver.soak`) keeps a few hundred clients of other kinds going: model servers that cut, hang, refuse and
send nonsense, callers that leave, have no key or make no sense.

Capacity is the best of what a closed loop of the same bulk gets just before, on the machine as it is. A refusal (503 with
Retry-After) is an explained end, since the machine does not stand still for half an hour; it is counted as all others."""
import asyncio
import collections
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import time

from . import build, load
from .processes import LOAD_CORE, OWN_SESSION, Process, take_ordinary_turns
from .servers import KEY, Server, Weir

LOAD_SHARE = 0.7
RSS_LIMIT = 1.02
MINUTES = 30
WARMUP_SHARE = 1 / 6  # of the time, not counted in the memory's trend
SAMPLE_S = 5
LOG_BYTES_KEPT = 128 << 20
FAULT_CLIENTS, FAULT_PAUSE_S = 120, 0.5
SHORT_MS, LONG_MS = 1000, 120_000

Kind = collections.namedtuple("Kind", "name body ends leave key path")


def chat(model="gpt-4o-mini", stream=False, **mock):
    body = {"model": model, "messages": [{"role": "user", "content": "Tell me about the river."}], "mock": mock}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body).encode()


def kind(name, status_seen, reason="", *others, stream=False, model="gpt-4o-mini", body=None, leave=False, key=KEY,
         path="/v1/chat/completions", **mock):
    ends = (f"{status_seen}/{reason}", *others)
    return Kind(name, chat(model, stream, **mock) if body is None else body, ends, leave, key, path)


# What becomes of each: the status and, for whatever does not end well, the code in the error (of the answer, or of the
# stream's last event). On a machine that stands still for seconds a limit may strike that comes before the one meant.
KINDS = [
    kind("embedding", 200, body=json.dumps({"model": "gpt-4o-mini", "input": ["a", "b"]}).encode(), path="/v1/embeddings"),
    kind("no_usage", 200, stream=True, usage="none"),
    kind("no_done", 200, stream=True, fault="no_done"),
    kind("long_events", 200, stream=True, frames=40, text_bytes=9000),
    kind("slow_stream", 200, stream=True, frames=30, frame_delay_ms=20),
    kind("busy", 429, "mock_429", status=429, headers={"retry-after": "1"}),
    kind("broken", 500, "mock_500", status=500),
    kind("unavailable", 503, "mock_503", status=503),
    kind("not_found", 404, "mock_404", status=404),
    kind("credentials", 502, "upstream_credentials", status=401),
    kind("page", 502, "malformed_response", fault="html"),
    kind("cut_whole", 502, "stream_cut", fault="cut_body"),
    kind("cut_first", 502, "closed_before_answer", stream=True, fault="cut", after=0),
    kind("cut_later", 200, "stream_cut", stream=True, fault="cut", after=3),
    kind("no_finish", 200, "stream_cut", stream=True, fault="no_finish"),
    kind("malformed_first", 502, "malformed_response", stream=True, fault="malformed", after=0),
    kind("malformed_later", 200, "malformed_response", stream=True, fault="malformed", after=2),
    kind("error_event", 200, "mock_overload", stream=True, fault="error_event", after=2),
    kind("silent", 504, "total_timeout", model="short_total", fault="hang"),
    kind("silent_stream", 504, "headers_timeout", model="short", stream=True, fault="hang"),
    kind("silent_head", 504, "first_token_timeout", "504/headers_timeout", model="short", stream=True, fault="hang_after_head"),
    kind("silent_later", 200, "idle_timeout", "504/headers_timeout", "504/first_token_timeout", model="short", stream=True, fault="hang_mid", after=3),
    kind("leaves_early", 499, "client_left", leave=True, fault="hang"),
    kind("leaves_stream", 499, "client_left", leave=True, stream=True, fault="hang_mid", after=3),
    kind("wrong_key", 401, "invalid_api_key", key="sk-of-nobody-0123456789"),
    kind("no_model", 404, "model_not_found", model="no-such-model"),
    kind("nonsense", 400, "invalid_json", body=b'{"model":"gpt-4o-mini","messages":[}'),
]


# ------------------------------------------------------------------------------------------------- clients of all kinds

class FaultClients:
    """Runs in a process of its own until its standard input ends; prints what became of every request:
    {kind: {"status/reason": count}}. A request under way then is finished and counted."""

    def __init__(self, port):
        self.port = port
        self.counts = {k.name: collections.Counter() for k in KINDS}
        self.ending = asyncio.Event()

    async def run(self):
        loop = asyncio.get_running_loop()
        stdin = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
        clients = [asyncio.create_task(self.client(i)) for i in range(FAULT_CLIENTS)]
        await stdin.read()
        self.ending.set()
        await asyncio.gather(*clients)
        print(json.dumps({name: dict(counter) for name, counter in self.counts.items()}), flush=True)

    async def client(self, number):
        reader = writer = None
        turn = number
        while not self.ending.is_set():
            k = KINDS[turn % len(KINDS)]
            turn += 1
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                end, keep = await self.request(reader, writer, k)
            except (OSError, asyncio.IncompleteReadError, LookupError, TypeError, ValueError) as e:
                end, keep = f"broken: {type(e).__name__} {e}", False
            self.counts[k.name][end] += 1
            if not keep and writer is not None:
                writer.transport.abort() if k.leave else writer.close()
                writer = None
            try:
                await asyncio.wait_for(self.ending.wait(), FAULT_PAUSE_S)
            except TimeoutError:
                pass
        if writer is not None:
            writer.close()

    async def request(self, reader, writer, k):
        """(how it ended, whether the connection goes on)"""
        writer.write((f"POST {k.path} HTTP/1.1\r\nHost: soak\r\nAuthorization: Bearer {k.key}\r\n"
                      f"Content-Type: application/json\r\nContent-Length: {len(k.body)}\r\n\r\n").encode() + k.body)
        if k.leave and b'"stream"' not in k.body:
            # Not at once: at the model server, usually. It closes one way, so that weir sees the request however late it
            # is, and reads on: only what was not refused has been left.
            await asyncio.sleep(0.3)
            writer.write_eof()
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionResetError):
                return "499/client_left", False
            return ("503/overloaded" if head.startswith(b"HTTP/1.1 503 ") else f"answered: {head[:12]}"), False
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        status = int(head.split(" ", 2)[1])
        if "transfer-encoding: chunked" in head:
            body, whole = await self.chunks(reader, stop=k.leave)
        else:
            body, whole = await reader.readexactly(int(re.search(r"content-length: (\d+)", head)[1])), True
        if k.leave and not whole:
            return "499/client_left", False
        return f"{status}/{reason_of(body, 'text/event-stream' in head)}", whole and "connection: close" not in head

    @staticmethod
    async def chunks(reader, stop):
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
            if stop:
                return body, False
        await reader.readline()
        return body, True


def reason_of(body, stream):
    """The code of the error that an answer, or a stream at its end, holds; empty: it ended well."""
    if stream:
        events = [e.removeprefix("data: ") for e in body.decode().split("\n\n") if e]
        if not events:
            return "empty"
        if events[-1] == "[DONE]":
            return ""
        document = json.loads(events[-1])
        if "error" not in document:  # without [DONE]; the usage comes behind the finish
            return "" if '"finish_reason":"stop"' in events[-1] + events[-2] else "unfinished"
    else:
        document = json.loads(body)
    return document["error"]["code"] if "error" in document else ""


# --------------------------------------------------------------------------------------------------------------- servers

class WeirMock(Server):
    """`weir mock`, beside the load generator."""
    name, key = "weir mock", ""

    def __init__(self, folder):
        self.process = Process("weir-mock", [build.weir(), "mock", "--listen", "127.0.0.1:0"], folder, LOAD_CORE)
        end = time.monotonic() + 10
        while not (found := re.search(r"ready url=http://127\.0\.0\.1:(\d+)", self.process.log_tail())):
            if time.monotonic() > end:
                raise RuntimeError("weir mock does not begin: " + self.process.log_tail())
            time.sleep(0.02)
        self.port = int(found[1])


class SoakWeir(Weir):
    """Two more models, of short limits, for model servers that fall silent."""

    def write_config(self, mock_port, model="gpt-4o-main", broken=False):
        super().write_config(mock_port, model, broken)
        limits = ", ".join(f"{name}_ms: {SHORT_MS}" for name in ("headers", "first_token", "idle"))
        with open(self.config_path) as f:
            text = f.read()
        text = text.replace("3600000", str(LONG_MS)).replace("log: {", f"""\
  - {{ name: short, targets: [ {{ provider: mock, model: {model} }} ], timeouts: {{ {limits} }} }}
  - {{ name: short_total, targets: [ {{ provider: mock, model: {model} }} ], timeouts: {{ total_ms: {SHORT_MS} }} }}
log: {{""")
        with open(self.config_path, "w") as f:
            f.write(text)


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    return connection.getresponse().read().decode()


class Metrics:
    def __init__(self, weir):
        self.rows = [(name, dict(re.findall(r'(\w+)="([^"]*)"', labels or "")), float(value)) for name, labels, value in
                     re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", get(weir.port, "/metrics"), re.M)]

    def by(self, name, *labels):
        """Sums of the family's values, by these labels (a text for one, else a tuple)."""
        sums = collections.Counter()
        for row_name, row_labels, value in self.rows:
            if row_name == name and value:
                sums[row_labels[labels[0]] if len(labels) == 1 else tuple(row_labels[label] for label in labels)] += int(value)
        return dict(sums)

    def sum(self, name):
        return int(sum(value for row_name, _, value in self.rows if row_name == name))


def query(weir, sql):
    argv = [build.weir(), "events", "query", "--config", weir.config_path, "--json", sql]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"weir events query failed: {done.stderr[-1000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def records(weir, begin_unix_ns, statuses, reasons):
    """What the store holds since then, counted in one pass: grouping millions of rows would sort them."""
    statuses, reasons, classes = sorted(statuses), sorted(reasons), ("usage", "telemetry")
    columns = [f"sum(status = {s}) AS s{s}" for s in statuses] + [f"sum(why = '{r}') AS r_{r}" for r in reasons] + [
        f"sum(class = '{c}') AS c_{c}" for c in classes]
    row = query(weir, f"""SELECT count(*) AS n, sum(why <> '') AS failed, coalesce(sum(attempts), 0) AS attempts,
        coalesce(sum(input_tokens), 0) AS input, coalesce(sum(output_tokens), 0) AS output, {", ".join(columns)}
        FROM (SELECT *, CASE outcome WHEN 'ok' THEN '' ELSE coalesce(nullif(reason, ''), outcome) END AS why FROM events
        WHERE received_unix_ns >= {begin_unix_ns})""")[0]
    counts = {"statuses": {s: row[f"s{s}"] for s in statuses if row[f"s{s}"]}, "reasons": {r: row[f"r_{r}"] for r in reasons if row[f"r_{r}"]},
              "classes": {c: row[f"c_{c}"] for c in classes if row[f"c_{c}"]}}
    for name, whole in (("statuses", row["n"]), ("reasons", row["failed"])):
        if rest := whole - sum(counts[name].values()):
            counts[name]["others"] = rest
    # Of a ring's numbers from 1 on, none is missing and none is there twice: their count, bounds and sum are those of a row.
    sequence = query(weir, "SELECT count(*) AS n, min(sequence) AS first, max(sequence) AS last, sum(sequence) AS total FROM events")[0]
    n = sequence["n"]
    in_sequence = (sequence["first"], sequence["last"], sequence["total"]) == (1, n, n * (n + 1) // 2)
    return row | counts | {"in_sequence": in_sequence}


# ------------------------------------------------------------------------------------------------------------------- run

class Bulk:
    """The load generators, and what they report."""

    def __init__(self, weir, rates, seconds):
        self.runs = [subprocess.Popen(load.command(weir, traffic, "open", rate=rate, connections=400, seconds=seconds, refusals=1,
                                                   patience_ms=10_000),
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for traffic, rate in rates]

    def running(self):
        return any(run.poll() is None for run in self.runs)

    def outcomes(self):
        texts = [run.communicate() for run in self.runs]
        return [json.loads(out) | {"first_error": err.strip()[:600]} for out, err in texts]


def trend(samples):
    """(ratio of the last fifth's median to the first fifth's, both medians)"""
    fifth = max(1, len(samples) // 5)
    first, last = statistics.median(samples[:fifth]), statistics.median(samples[-fifth:])
    return last / first, first, last


def settled(weir, seconds=60):
    """/metrics once nothing is under way and everything is stored."""
    end = time.monotonic() + seconds
    while True:
        metrics = Metrics(weir)
        if metrics.sum("weir_requests_in_flight") == 0 and metrics.sum("weir_events_waiting") == 0:
            return metrics
        if time.monotonic() > end:
            raise RuntimeError("requests or records are still under way")
        time.sleep(0.1)


def run(folder, report, minutes=MINUTES):
    take_ordinary_turns()
    seconds = minutes * 60
    whole = load.Traffic(folder, "whole", 1024)
    streamed = load.Traffic(folder, "streamed", 1024, stream=True, mock={"frames": 20})
    with WeirMock(folder) as mock, SoakWeir(folder, mock.port) as weir:
        weir.exact = False  # `weir mock` names the model that it was asked for, which is another when asked directly
        capacity = {}
        for traffic in (whole, streamed):
            load.run(weir, traffic, connections=64, requests=2000)
            capacity[traffic] = max(load.run(weir, traffic, connections=64, seconds=2)["rps"] for _ in range(5))
        # half of the time for each of the two kinds
        rates = [(traffic, round(capacity[traffic] * LOAD_SHARE / 2)) for traffic in (whole, streamed)]
        before, mock_before = settled(weir), json.loads(get(mock.port, "/mock/stats"))
        begin_unix_ns = query(weir, "SELECT max(received_unix_ns) + 1 AS next FROM events")[0]["next"]
        cpu_before = sum(weir.process.cpu_seconds())

        faults = subprocess.Popen([*OWN_SESSION, "taskset", "-c", str(LOAD_CORE % os.cpu_count()), sys.executable, "-m",
                                   "driver.soak", str(weir.port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                  cwd=os.path.join(build.ROOT, "bench"))
        bulk = Bulk(weir, rates, seconds)
        samples, begin = [], time.monotonic()
        while bulk.running():
            time.sleep(SAMPLE_S)
            samples.append((time.monotonic() - begin, weir.process.rss_kb()))
            if os.path.getsize(weir.log_path) > LOG_BYTES_KEPT:
                os.truncate(weir.log_path, 0)
        cpu = (sum(weir.process.cpu_seconds()) - cpu_before) / (time.monotonic() - begin)
        faults.stdin.close()
        fault_ends = json.loads(faults.stdout.readline())
        faults.wait()
        outcomes = bulk.outcomes()
        check(report, weir, mock, samples, seconds, outcomes, fault_ends, before, mock_before, begin_unix_ns, rates, capacity, cpu)


def check(report, weir, mock, samples, seconds, outcomes, fault_ends, before, mock_before, begin_unix_ns, rates, capacity, cpu):
    metrics = settled(weir)
    counted = [rss for at, rss in samples if seconds * WARMUP_SHARE <= at <= seconds]
    ratio, first, last = trend(counted)
    report("soak_rss_ratio", round(ratio, 4), RSS_LIMIT, ratio <= RSS_LIMIT, minutes=seconds / 60, rss_kb=[first, last],
           rss_kb_max=max(counted), rss_kb_at_tenths=[counted[len(counted) * i // 10] for i in range(10)],
           samples=len(counted))

    # How requests ended, as their clients saw it, by status and reason.
    ends, unexplained = collections.Counter(), collections.Counter()
    for outcome in outcomes:
        ends["200/"] += outcome["requests"]
        ends["refused"] += outcome["refused"]
        for name, n in outcome["errors"].items():
            if n:
                unexplained[f"bulk {name}: {outcome['first_error']}"] += n
    for k in KINDS:
        for end, n in fault_ends[k.name].items():
            refused = end == "503/overloaded"
            ends["refused" if refused else end] += n
            if end not in k.ends and not refused:
                unexplained[f"{k.name}: {end} instead of {k.ends[0]}"] += n
    report("soak_unexplained_errors", sum(unexplained.values()), 0, not unexplained, what=dict(unexplained.most_common(20)))
    total = sum(ends.values())
    report("soak_requests", total, 0, total > 0 and all(fault_ends[k.name] for k in KINDS), kinds=len(KINDS) + 2,
           of_faults=sum(map(sum, (e.values() for e in fault_ends.values()))), refused=ends["refused"],
           unsent=sum(o["unsent"] for o in outcomes), rates=[rate for _, rate in rates],
           capacity=[round(c) for c in capacity.values()], cpu_of_a_core=round(cpu, 2),
           p99_ms=[round(o["latency_us"]["p99"] / 1000, 2) for o in outcomes])

    def since(name, *labels):
        then = before.by(name, *labels)
        return {key: n - then.get(key, 0) for key, n in metrics.by(name, *labels).items() if n != then.get(key, 0)}

    # The same again from /metrics, the ring, the store and the model server.
    refused = sum(since("weir_refused_total", "reason").values())
    ended = total - ends["refused"]
    by_status, by_reason = collections.Counter(), collections.Counter()
    for end, n in ends.items():
        if end != "refused":
            status, _, reason = end.partition("/")
            by_status[status] += n
            if reason:
                by_reason["upstream_status" if reason.startswith("mock_") else reason] += n
    recorded = records(weir, begin_unix_ns, by_status | since("weir_requests_total", "status"), by_reason | since("weir_errors_total", "reason"))

    def agree(name, *columns):
        """Each column is (who counted, what)."""
        report(f"soak_{name}_agree", len({json.dumps(what, sort_keys=True) for _, what in columns}), 1,
               all(what == columns[0][1] for _, what in columns), **dict(columns))

    agree("refusals", ("clients", ends["refused"]), ("metrics", refused))
    agree("requests", ("clients", ended), ("metrics", sum(since("weir_requests_total", "status").values())),
          ("ring", sum(since("weir_events_total", "class").values())), ("drained", metrics.sum("weir_events_stored_total") - before.sum("weir_events_stored_total")),
          ("sqlite", recorded["n"]))
    agree("statuses", ("clients", dict(by_status)), ("metrics", since("weir_requests_total", "status")),
          ("sqlite", recorded["statuses"]))
    agree("reasons", ("clients", dict(by_reason)), ("metrics", since("weir_errors_total", "reason")),
          ("sqlite", recorded["reasons"]))
    agree("classes", ("ring", since("weir_events_total", "class")), ("sqlite", recorded["classes"]))
    agree("tokens", ("metrics", [metrics.sum(f"weir_{d}_tokens_total") - before.sum(f"weir_{d}_tokens_total") for d in ("input", "output")]),
          ("sqlite", [recorded["input"], recorded["output"]]))
    asked = json.loads(get(mock.port, "/mock/stats"))
    # A kept-alive connection that the model server closes without a byte is no answer: weir asks once more on a new one,
    # and it is still one call.
    calls, attempts = asked["requests"] - mock_before["requests"], recorded["attempts"]
    repeats_max = sum(fault_ends["cut_first"].values())
    report("soak_model_server_repeats", calls - attempts, repeats_max, 0 <= calls - attempts <= repeats_max, calls=calls, attempts=attempts)
    lost = {name: metrics.sum(f"weir_{name}_total") for name in ("events_dropped", "events_damaged", "event_store_errors", "event_sync_errors", "log_dropped")}
    report("soak_records_lost", sum(lost.values()), 0, not any(lost.values()) and recorded["in_sequence"], **lost, in_sequence=recorded["in_sequence"])
    report("soak_left_open", asked["open"], 0, asked["open"] == 0)


if __name__ == "__main__":
    asyncio.run(FaultClients(int(sys.argv[1])).run())
