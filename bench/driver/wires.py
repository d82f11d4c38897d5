"""What scripts/torture cancel, drain and kill show with OpenAI's wire, through every pair of a caller's dialect and a provider's: clients
that leave in three moments, SIGTERM under a thousand streams, and kill -9 under mixed requests. The model server is `weir mock`, which
speaks all of them; who calls knows of each dialect only its request and how its streams end."""
import asyncio
import collections
import json
import random
import signal
import time

from .house import KEY, Gateway, MockServer, ask
from .processes import take_ordinary_turns
from .records import compare_ids, say

PROVIDERS = ("openai", "anthropic", "ollama", "gemini")
LEAVES, LEFT_MS_LIMIT = 10, 100  # in each moment of each pair; from the client's close to the mock's notice, the slowest
STREAMS = 1008  # of drain: 63 of each pair
KILL_AFTER_S = (0.1, 0.9)  # drawn evenly
AT_ONCE = 48
SEED = 20261122
HOUR_MS = 3_600_000


def messages(text):
    return [{"role": "user", "content": text}]


# dialect: path, body of a text, what a whole stream ends with
DIALECTS = {
    "chat": ("/v1/chat/completions", lambda text: {"messages": messages(text), "max_tokens": 1000}, b"data: [DONE]"),
    "messages": ("/v1/messages", lambda text: {"messages": messages(text), "max_tokens": 1000}, b'"message_stop"'),
    "responses": ("/v1/responses", lambda text: {"input": text, "max_output_tokens": 1000, "store": False}, b'"response.completed"'),
    "ollama": ("/api/chat", lambda text: {"messages": messages(text), "options": {"num_predict": 1000}}, b'"done":true'),
}
PAIRS = [(dialect, provider) for dialect in DIALECTS for provider in PROVIDERS]


def request(pair, stream, script):
    """Path and body."""
    dialect, provider = pair
    path, body, _ = DIALECTS[dialect]
    return path, {"model": provider, "stream": stream, **body("mock: " + json.dumps(script) + "\nHi")}


def whole(pair, stream, answer):
    return answer.status == 200 and not answer.left and (not stream or DIALECTS[pair[0]][2] in answer.body)


# ------------------------------------------------------------------------------------------------------------------ cancel

MOMENTS = {  # stream, script, whether the client sees an event before it leaves
    "streaming": (True, {"frames": 1000, "frame_delay_ms": 20}, True),
    "waiting_for_answer": (False, {"delay_ms": HOUR_MS}, False),
    "waiting_for_first_token": (True, {"first_frame_delay_ms": HOUR_MS}, False),
}


class Stats:
    """The mock's counts, over one kept connection."""

    def __init__(self, mock):
        self.port, self.connection = mock.port, None

    async def get(self, name):
        reader, writer = self.connection = self.connection or await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"GET /mock/stats HTTP/1.1\r\nHost: t\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        return json.loads(await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0])))[name]

    async def reaches(self, name, value):
        """The nanoseconds of the clock when it was seen; None: not within two seconds."""
        end = time.monotonic() + 2
        while time.monotonic() < end:
            if await self.get(name) == value:
                return time.monotonic_ns()
            await asyncio.sleep(0.001)
        return None


async def leave(gateway, stats, pair, moment):
    """Milliseconds until the mock noticed; None: it did not."""
    stream, script, sees = MOMENTS[moment]
    path, body = request(pair, stream, script)
    data = json.dumps(body, separators=(",", ":")).encode()
    left = await stats.get("left")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nAuthorization: Bearer {KEY}\r\n"
                 f"Content-Length: {len(data)}\r\n\r\n".encode() + data)
    if sees:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readuntil(b"\n")
    elif not await stats.reaches("open", 1):
        raise RuntimeError(f"{pair}, {moment}: the request did not reach the mock")
    closed_ns = time.monotonic_ns()
    writer.close()
    seen_ns = await stats.reaches("left", left + 1)
    return None if seen_ns is None else (seen_ns - closed_ns) / 1e6


async def cancel(gateway, mock, report, leaves):
    stats = Stats(mock)
    for moment in MOMENTS:
        times = {pair: [await leave(gateway, stats, pair, moment) for _ in range(leaves)] for pair in PAIRS}
        missed = [pair for pair, of in times.items() if None in of]
        count = leaves * len(PAIRS)
        noticed = sorted(t for of in times.values() for t in of if t is not None)
        report(f"wires_cancel_{moment}", len(noticed), count, len(noticed) == count, missed=missed)
        if noticed:
            report(f"wires_cancel_{moment}_ms_max", round(noticed[-1], 2), LEFT_MS_LIMIT, noticed[-1] <= LEFT_MS_LIMIT,
                   p50=round(noticed[len(noticed) // 2], 2))


# ------------------------------------------------------------------------------------------------------------------- drain

async def drain(gateway, mock, report, streams):
    """Streams of twelve seconds, so that all of them are open at once on a slow machine too."""
    begun, stats = time.monotonic(), Stats(mock)

    async def one(pair):
        path, body = request(pair, True, {"frames": 24, "frame_delay_ms": 500})
        answer, connection = await ask(gateway.port, path, body)
        if connection:
            connection[1].close()
        return whole(pair, True, answer)

    pairs = [PAIRS[i % len(PAIRS)] for i in range(streams)]
    asked = [asyncio.ensure_future(one(pair)) for pair in pairs]
    end = begun + 10
    while await stats.get("open") < streams and time.monotonic() < end:
        await asyncio.sleep(0.01)
    open_then = await stats.get("open")
    gateway.process.send_signal(signal.SIGTERM)
    outcomes = await asyncio.gather(*asked)
    cut = collections.Counter("-".join(pair) for pair, ok in zip(pairs, outcomes) if not ok)
    code = gateway.process.wait(60)
    report("wires_drain_streams_cut", sum(cut.values()), 0, not cut and open_then == streams, open_at_sigterm=open_then, cut=dict(cut))
    report("wires_drain_exit_code", code, 0, code == 0, seconds=round(time.monotonic() - begun, 2))


# -------------------------------------------------------------------------------------------------------------------- kill

async def until_killed(gateway, chance, acknowledged, counts):
    """Mixed requests until nobody answers any more."""
    over = False

    async def worker():
        connection = None
        while not over:
            pair, stream = chance.choice(PAIRS), chance.random() < 0.5
            path, body = request(pair, stream, {"frames": chance.randint(1, 8)})
            try:
                answer, connection = await ask(gateway.port, path, body, connection=connection)
            except OSError:
                return
            if whole(pair, stream, answer):
                acknowledged.append(answer.headers["x-weir-request-id"])
                counts["-".join(pair)] += 1
            elif answer.left:
                counts["cut"] += 1
                return
            else:
                raise RuntimeError(f"{pair}: {answer.status} {answer.body[:300]}")

    workers = [asyncio.ensure_future(worker()) for _ in range(AT_ONCE)]
    await asyncio.sleep(chance.uniform(*KILL_AFTER_S))
    over = True
    gateway.kill()
    await asyncio.gather(*workers)


def kill(gateway, report, kills):
    chance, acknowledged, counts = random.Random(SEED), [], collections.Counter()
    begun = time.monotonic()
    for i in range(kills):
        gateway.start()
        asyncio.run(until_killed(gateway, chance, acknowledged, counts))
        if (i + 1) % 10 == 0 or i + 1 == kills:
            say(f"wires: killed {i + 1} of {kills}, {len(acknowledged)} answers, {round(time.monotonic() - begun)} s")
    gateway.start()  # what the last one left in its rings
    code = gateway.stop()
    cut = counts.pop("cut", 0)
    rows = gateway.rows("SELECT request_id, status, outcome, input_tokens, output_tokens FROM events")
    result = compare_ids([[row["request_id"], str(row["status"]), row["outcome"], *("" if row[name] is None else row[name] for name in (
        "input_tokens", "output_tokens"))] for row in rows], acknowledged)
    for name in ("lost", "twice", "wrong"):
        report(f"wires_kill_{name}", result[name], 0, result[name] == 0, kills=kills, acknowledged=len(acknowledged), stored=len(rows))
    fewest = min(counts["-".join(pair)] for pair in PAIRS)
    report("wires_kill_fewest_answers_of_a_pair", fewest, 1, fewest >= 1 and code == 0, cut=cut, seconds=round(time.monotonic() - begun))


def run(folder, report, kills, fast):
    take_ordinary_turns()
    mock = MockServer(folder)
    gateways = [Gateway(folder, mock, providers=PROVIDERS, cores=2, name=name) for name in ("cancel", "kill")]
    try:
        first, second = gateways
        first.start()
        asyncio.run(cancel(first, mock, report, 2 if fast else LEAVES))
        asyncio.run(drain(first, mock, report, STREAMS // 4 if fast else STREAMS))
        kill(second, report, kills)
    finally:
        for process in [*(g.process for g in gateways), mock.process]:
            if process and process.poll() is None:
                process.kill()
                process.wait()
