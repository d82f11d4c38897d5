"""Denial of wallet (A29): ten thousand requests for as much as they may have, a thousand at once, on one key whose budget is
used to 79, 99 and 100 %. The mock writes its own invoice. What is asked: is the invoice ever larger than the budget; is weir's
ledger the invoice, to the nano-dollar; is the budget not left unused; does a kill -9 in the middle of it give money back. The same of several replicas that share the
budget through Redis, which is killed, too, and forgets everything."""
import http.client
import json
import os
import shutil
import threading
import time

from .house import Gateway, MockServer, Redis, cost, dollars, send

MAX_TOKENS, INPUT_TOKENS = 64, 12
COST = cost(INPUT_TOKENS, 0, MAX_TOKENS)
UNITS = 1000  # requests that the budget covers
STORM, AT_ONCE = 10_000, 1000
FAST = (600, 200)  # of a test
SCRIPT = {"frames": MAX_TOKENS, "input_tokens": INPUT_TOKENS, "output_tokens": MAX_TOKENS}
BODY = {"model": "openai", "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": "Hi"}]}
REQUEST = ("/v1/chat/completions", BODY, {}, None)
# What is left when the worst case (the body's bytes as tokens, and max_tokens) no longer fits.
LEFT_MOST = len(json.dumps(BODY, separators=(",", ":"))) * 1000 + MAX_TOKENS * 10_000


class Counts:
    def __init__(self):
        self.served = self.refused = self.other = self.warned = self.cut = 0
        self.odd = []

    def take(self, answer):
        if answer.left and not answer.status:
            self.cut += 1
        elif answer.status == 200:
            self.served += 1
            self.warned += "x-weir-budget-warning" in answer.headers
        elif answer.status == 429 and json.loads(answer.body)["error"]["code"] == "insufficient_quota":
            self.refused += 1
        else:
            self.other += 1
            self.odd.append((answer.status, answer.body[:200]))


def storm(gateways, count, at_once, after=None):
    """`after`: (so many answers, what happens then)."""
    counts = Counts()
    left = [after[0] if after else -1]

    def take(answer):
        counts.take(answer)
        left[0] -= 1
        if left[0] == 0:
            after[1]()

    send(gateways, (REQUEST for _ in range(count)), at_once, take)
    return counts


def one(folder, report, percent, storm_size, at_once, what="", replicas=1):
    """`what`: "killed", a gateway is in between; "redis_killed", in the middle, and started again a while later."""
    os.makedirs(folder)
    mock = MockServer(folder, plan={"default": {**SCRIPT, "delay_ms": 20}})
    redis = Redis(folder) if replicas > 1 else None
    budget = UNITS * COST
    gateways = [Gateway(folder, mock, {"budgets": [{"period": "total", "usd": dollars(budget)}]}, cores=2 if replicas == 1 else 1,
                        shared={"redis": redis.url} if redis else None, name=f"weir-{i}" if replicas > 1 else "weir")
                for i in range(replicas)]
    name = f"budget_{percent}{'_' + what if what else ''}{f'_{replicas}_replicas' if replicas > 1 else ''}"
    # A replica's slice is a hundredth of the budget at most, or what one request may use; beside other replicas that
    # is what may be lost from sight by a crash of one, or of Redis.
    lease = max(budget // 100, LEFT_MOST) if what and replicas > 1 else 0
    try:
        for gateway in gateways:
            gateway.start()
        before = storm(gateways, UNITS * percent // 100, 32)
        if what == "killed":
            gateways[0].kill()
            gateways[0].start()
        after = None
        if what == "redis_killed":
            again = threading.Timer(2, redis.start)
            after = (storm_size // 100, lambda: (redis.kill(), again.start()))
        counts = storm(gateways, storm_size, at_once, after)
        if what == "redis_killed":
            again.join()
            wait_until_shared(gateways)
        rest = Counts()
        while rest.other == 0:  # one after the other: what is still there
            served, refused = rest.served, rest.refused
            for gateway in gateways:
                send(gateway, [REQUEST], 1, rest.take)
            if rest.served == served and rest.refused == refused + len(gateways):
                break
        invoice = sum(cost(*line[3:]) for line in mock.invoice())
        codes = [gateway.stop() for gateway in gateways]
        served = before.served + counts.served + rest.served
        odd = before.other + counts.other + rest.other
        report(f"{name}_overspent_nanodollars", max(invoice - budget, 0), lease, invoice <= budget + lease and odd == 0,
               invoice=invoice, budget=budget, served=served, refused=counts.refused, odd=odd, odd_answers=str(counts.odd[:2]))
        ledger = sum(row["nanodollars"] for gateway in gateways for row in gateway.usage("key"))
        events = sum(gateway.rows("SELECT coalesce(sum(cost_nanodollars), 0) AS n FROM events")[0]["n"] for gateway in gateways)
        report(f"{name}_ledger_is_the_invoice", ledger - invoice, 0, ledger == invoice == events, ledger=ledger, events=events)
        unused = budget - invoice
        report(f"{name}_unused_nanodollars", unused, LEFT_MOST, unused < LEFT_MOST)
        report(f"{name}_ended_badly", sum(map(bool, codes)), 0, not any(codes), codes=codes,
               said=[gateway.process.log_tail() for gateway, code in zip(gateways, codes) if code])
        # From 80 % on. Of a thousand requests, 32 at once, those after the 832nd at the latest; 64 more for what is refused.
        warned, least = before.warned + counts.warned + rest.warned, 1 if percent < 99 else UNITS * percent // 100 - 896
        least = min(least, 1) if replicas > 1 else least  # replicas tell each other some times a second
        report(f"{name}_warned", warned, least, warned >= least)
    finally:
        for process in [g.process for g in gateways] + [mock.process] + ([redis.process] if redis else []):
            if process:
                process.kill()


def wait_until_shared(gateways):
    """Until no replica warns that the store of shared limits is away."""
    end = time.monotonic() + 30
    for gateway in gateways:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
            connection.request("GET", "/ready")
            if b"shared limits" not in connection.getresponse().read():
                break
            assert time.monotonic() < end, "a replica does not find its store again"
            time.sleep(0.05)


def run(folder, report, fast=False, replicas=1):
    storm_size, at_once = FAST if fast else (STORM, AT_ONCE)
    cases = [(79, ""), (99, ""), (100, ""), (79, "killed")] + ([(79, "redis_killed")] if replicas > 1 else [])
    for percent, what in cases:
        at = os.path.join(folder, f"{percent}{'-' + what if what else ''}-{replicas}")
        shutil.rmtree(at, ignore_errors=True)
        one(at, report, percent, storm_size, at_once, what, replicas)
