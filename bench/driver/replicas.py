"""Three replicas behind HAProxy that share accounts and ledger in PostgreSQL (through pgbouncer) and a key's budget through Redis: kill -9 of one under load, then a restart of one after
the other. Asked: does anything fail beside what was under way on the one that was killed; how soon is all well again; is the
ledger of all of them what was answered."""
import asyncio
import json
import os
import subprocess
import sys
import time

from . import build
from .house import Gateway, MockServer, Redis, ask, cost, dollars
from .processes import Process, free_port, wait_for_port

REPLICAS, RATE, SECONDS = 3, 500, 10
FAST = (100, 4)
BODY = {"model": "openai", "max_tokens": 16, "messages": [{"role": "user", "content": "Hi"}]}
SCRIPT = {"frames": 16, "input_tokens": 12, "output_tokens": 16, "delay_ms": 50}
RECOVERY_S = 1.0

PROXY = """global
  maxconn 4000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  option redispatch
  option http-server-close
  retries 3
frontend callers
  bind 127.0.0.1:{port}
  default_backend weir
backend weir
  balance roundrobin
  option httpchk GET /ready
  default-server check inter 100ms fall 1 rise 1
{servers}
"""


class Proxy:
    def __init__(self, folder, gateways):
        self.port = free_port()
        path = os.path.join(folder, "haproxy.cfg")
        with open(path, "w") as file:
            file.write(PROXY.format(port=self.port, servers="\n".join(f"  server {g.name} 127.0.0.1:{g.port}" for g in gateways)))
        self.process = Process("haproxy", ["/usr/sbin/haproxy", "-db", "-f", path], folder)
        wait_for_port(self.port, self.process, 10)


class Database:
    """PostgreSQL and pgbouncer, as the tests start them."""

    def __init__(self):
        script = os.path.join(build.ROOT, "tests", "database_server.py")
        self.process = subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = json.loads(self.process.stdout.readline())["pooled"]

    def end(self):
        self.process.stdin.close()
        self.process.wait(60)


async def load(port, rate, seconds, happens):
    """So many requests a second, each on a connection of its own. [(sent, ended, status)]; `happens` runs beside it and answers
    what it noted."""
    outcomes = []

    async def one():
        sent = time.monotonic()
        try:
            answer, connection = await asyncio.wait_for(ask(port, "/v1/chat/completions", BODY), 30)
            status = answer.status
            if connection:
                connection[1].close()
        except (OSError, asyncio.TimeoutError):
            status = 0
        outcomes.append((sent, time.monotonic(), status))

    event = asyncio.create_task(happens())
    begin, tasks = time.monotonic(), []
    for i in range(int(rate * seconds)):
        pause = begin + i / rate - time.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        tasks.append(asyncio.create_task(one()))
    await asyncio.gather(*tasks)
    return outcomes, await event


def run(folder, report, fast=False):
    rate, seconds = FAST if fast else (RATE, SECONDS)
    mock = MockServer(folder, plan={"default": SCRIPT})
    redis, database, proxy = Redis(folder), Database(), None
    gateways = [Gateway(folder, mock, {"budgets": [{"period": "total", "usd": dollars(10**12)}]}, name=f"weir-{i}",
                        shared={"redis": redis.url, "postgres": database.url},
                        more={"accounts": {"pepper": "the same pepper on every replica, of torture"}})
                for i in range(REPLICAS)]
    try:
        for gateway in gateways:
            gateway.start()
        proxy = Proxy(folder, gateways)
        served = killed(report, proxy, gateways, rate, seconds) + rolling(report, proxy, gateways, rate, seconds)
        codes = [gateway.stop() for gateway in gateways]
        recorded = sum(g.rows("SELECT count(*) AS n FROM events WHERE status = 200")[0]["n"] for g in gateways)
        # What was under way on the one that was killed may have been answered by weir and not by the connection.
        report("replicas_answers_on_record", recorded, served, recorded >= served and not any(codes))
        own = sum(row["nanodollars"] for g in gateways for row in g.usage("key"))
        report("replicas_ledger_nanodollars", own, recorded * cost(12, 0, 16), own == recorded * cost(12, 0, 16))
    finally:
        for process in [g.process for g in gateways] + [mock.process, redis.process] + ([proxy.process] if proxy else []):
            if process:
                process.kill()
        database.end()


def killed(report, proxy, gateways, rate, seconds):
    async def kill():
        await asyncio.sleep(seconds / 3)
        at = time.monotonic()
        gateways[0].process.kill()
        await asyncio.sleep(seconds / 3)
        await asyncio.to_thread(gateways[0].start)
        return at

    outcomes, at = asyncio.run(load(proxy.port, rate, seconds, kill))
    failed = [o for o in outcomes if o[2] != 200]
    under_way = sum(1 for sent, ended, _ in outcomes if sent <= at < ended)
    late = [sent - at for sent, _, _ in failed if sent > at]
    report("replicas_killed_failed", len(failed), under_way, len(failed) <= under_way and all(sent <= at + RECOVERY_S for sent, _, _ in failed),
           requests=len(outcomes), statuses=sorted({o[2] for o in failed}), sent_after=len(late))
    report("replicas_killed_recovery_s", round(max(late, default=0), 3), RECOVERY_S, max(late, default=0) <= RECOVERY_S)
    return len(outcomes) - len(failed)


def rolling(report, proxy, gateways, rate, seconds):
    async def restart():
        for gateway in gateways:
            await asyncio.sleep(seconds / 6)
            code = await asyncio.to_thread(gateway.stop)
            await asyncio.to_thread(gateway.start)
            await asyncio.sleep(0.5)  # the proxy looks for it each 100 ms
            if code != 0:
                return code
        return 0

    outcomes, code = asyncio.run(load(proxy.port, rate, seconds, restart))
    failed = [o for o in outcomes if o[2] != 200]
    report("replicas_rolling_restart_failed", len(failed), 0, not failed and code == 0, requests=len(outcomes),
           statuses=sorted({o[2] for o in failed}))
    return len(outcomes) - len(failed)
