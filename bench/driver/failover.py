"""Sixteen ways in which a model server fails, with one other behind it: does the caller get a whole answer?

Two `weir mock`s, a primary that fails as each case says and a fallback that does not, and one streamed chat of 60 numbered
words. Whole means: every word once and in order, one reason to stop, the end of the stream, and nothing else. The cases are
those of a public failover benchmark's list; the harness is our own. --fast: the same cases with shorter timers."""
import contextlib
import http.client
import json
import os
import re
import threading
import time

from . import build
from .processes import Process, free_port, wait_for_port

WORDS = 60
SEED = 7
GOOD = {"frames": WORDS, "text_seed": SEED, "frame_delay_ms": 2}
STEADY = 20  # requests a second, of the flapping case
BACK_S = 30  # a primary that is well again is in use again within


class MockServer:
    """`weir mock` with a plan of its own."""

    def __init__(self, folder, name):
        self.port = free_port()
        self.process = Process(name, [build.weir(), "mock", "--listen", f"127.0.0.1:{self.port}"], folder)
        wait_for_port(self.port, self.process, 10)

    def plan(self, **plan):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", "/mock/plan", json.dumps({"next": [], "get": {}, **plan}))
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status == 200, said

    def requests(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/mock/stats")
        return json.loads(connection.getresponse().read())["requests"]


class Gateway:
    def __init__(self, folder, name, primary, fallback, fast):
        self.port = free_port()
        timer = 1000 if fast else 10_000
        timeouts = f"{{ headers_ms: {timer}, first_token_ms: {timer}, idle_ms: {timer}, total_ms: 120000 }}"
        rest = "rest_ms: 200, rest_max_ms: 1000, slow_start_ms: 500, check_ms: 1000" if fast else ""
        path = os.path.join(folder, f"{name}.yaml")
        with open(path, "w") as file:
            file.write(f"""\
server: {{ listen: "127.0.0.1:{self.port}", cores: 1 }}
auth: {{ anonymous: loopback }}
data: {{ directory: {name}-data }}
log: {{ file: {name}.log }}
health: {{ {rest} }}
providers:
  - {{ name: primary, kind: openai, base_url: "http://127.0.0.1:{primary.port}/v1", timeouts: {timeouts} }}
  - {{ name: fallback, kind: openai, base_url: "http://127.0.0.1:{fallback.port}/v1", timeouts: {timeouts} }}
registry: [ {{ provider: fallback, model: two, prefill: true }} ]
models:
  - {{ name: river, when_too_long: sea, targets: [ {{ provider: primary, model: one }}, {{ provider: fallback, model: two }} ] }}
  - {{ name: sea, targets: [ {{ provider: fallback, model: two }} ] }}
""")
        self.process = Process(name, [build.weir(), "serve", "--config", path], folder)
        wait_for_port(self.port, self.process, 10)

    def ask(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=150)
        body = {"model": "river", "stream": True, "stream_options": {"include_usage": True},
                "messages": [{"role": "user", "content": "Tell me."}]}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        return Answer(connection.getresponse())

    def metric(self, name, **labels):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("GET", "/metrics")
        total = 0
        for line in connection.getresponse().read().decode().splitlines():
            if re.match(name + r"[{ ]", line) and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total


class Answer:
    """What a caller of OpenAI's dialect makes of it."""

    def __init__(self, response):
        self.status = response.status
        self.provider = response.getheader("x-weir-provider")
        self.text, self.finishes, self.ids, self.usage, self.done, self.error = "", [], set(), None, False, None
        try:
            body = response.read().decode()
        except (http.client.IncompleteRead, OSError) as e:
            self.error = type(e).__name__
            return
        if not response.getheader("content-type", "").startswith("text/event-stream"):
            self.error = json.loads(body)["error"].get("code") or "error"
            return
        for line in body.splitlines():
            if line == "data: [DONE]":
                self.done = True
            elif line.startswith("data: "):
                self.take(json.loads(line[6:]))

    def take(self, event):
        if "error" in event:
            self.error = event["error"].get("code") or "error"
            return
        self.usage = event.get("usage") or self.usage
        for choice in event["choices"]:
            self.ids.add(event["id"])
            self.text += choice["delta"].get("content") or ""
            self.finishes += [choice["finish_reason"]] if choice["finish_reason"] else []

    def fault(self, text, done=True):
        """What is wrong with it; empty: nothing."""
        if self.error:
            return f"status {self.status}, error {self.error}"
        if self.text != text:
            same = os.path.commonprefix([self.text, text])
            return f"another text from byte {len(same)} on: {self.text[len(same):len(same) + 40]!r}"
        if self.finishes != ["stop"] or len(self.ids) != 1 or (done and not self.done):
            return f"finish reasons {self.finishes}, {len(self.ids)} ids, [DONE] {self.done}"
        return ""


CASES = {
    "S01 429 with Retry-After": {"status": 429, "headers": {"retry-after": "30"}},
    "S02 429 without Retry-After": {"status": 429},
    "S03 500 once": [{"status": 500}],
    "S04 503 always": {"status": 503},
    "S05 reset before the head": {"fault": "reset"},
    "S06 silence for 120 s": {"fault": "hang"},
    "S07 first token after 20 s": {"first_frame_delay_ms": 20_000},
    "S08 cut at 40 of 60 words": {"fault": "cut", "after": 40},
    "S09 stall at 20 of 60 words": {"fault": "hang_mid", "after": 20, "stall_ms": 120_000},
    "S10 malformed frame at 30": {"fault": "malformed", "after": 30},
    "S11 no [DONE]": {"fault": "no_done"},
    "S12 context too long": {"fault": "too_long"},
    "S13 content filter": {"fault": "content_policy"},
    "S14 cut, and a fallback that refuses prefill": {"fault": "cut", "after": 40},
}


def flapping(gateway, primary, text, fast):
    """Steady traffic while the primary is away and back again, and until it is in use after it is back for good."""
    seconds, period = (8, 2) if fast else (60, 5)
    answers, threads, lock = [], [], threading.Lock()

    def one():
        answer = gateway.ask()
        with lock:
            answers.append(answer)

    begin, sent, away, back_after = time.monotonic(), 0, None, None
    while True:
        now = time.monotonic() - begin
        if now < seconds:
            if (flap := int(now / period) % 2 == 0) != away:
                away = flap
                primary.plan(default={**GOOD, "status": 503, "frame_delay_ms": 0} if away else {**GOOD, "frame_delay_ms": 0})
        elif away is not False or back_after is None:
            if away is not None:
                primary.plan(default={**GOOD, "frame_delay_ms": 0})
                away, well, seen = None, now, primary.requests()
            if primary.requests() > seen + STEADY / 2:
                back_after = now - well
        if back_after is not None or now > seconds + 2 * BACK_S:
            break
        while sent < now * STEADY:
            threads.append(threading.Thread(target=one))
            threads[-1].start()
            sent += 1
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    faults = [fault for answer in answers if (fault := answer.fault(text))]
    return answers, faults, back_after


def run(folder, report, fast=False):
    with contextlib.ExitStack() as stack:
        def started(server):
            stack.callback(server.process.end)
            return server

        primary, fallback = (started(MockServer(folder, name)) for name in ("primary", "fallback"))
        fallback.plan(default=GOOD)
        primary.plan(default=GOOD)
        direct = started(Gateway(folder, "weir-direct", primary, fallback, fast)).ask()
        text = direct.text
        assert direct.fault(text) == "" and len(text.split()) == WORDS, "the healthy answer"
        for i, (case, script) in enumerate(CASES.items()):
            once = isinstance(script, list)
            primary.plan(default=GOOD if once else {**GOOD, **script}, next=script if once else [])
            fallback.plan(default={**GOOD, "prefill": "refuse"} if "prefill" in case else GOOD)
            gateway = started(Gateway(folder, f"weir-{i + 1}", primary, fallback, fast))
            begin = time.monotonic()
            answer = gateway.ask()
            more = {"seconds": round(time.monotonic() - begin, 2), "provider": answer.provider}
            if "content filter" in case:
                ok = answer.status == 400 and bool(answer.error) and answer.provider == "primary"
                report(case, "its refusal" if ok else f"status {answer.status}", "its refusal", ok, **more)
                continue
            fault = answer.fault(text, done="no [DONE]" not in case)
            went_on = gateway.metric("weir_continuations_total")
            if went_on:
                more["usage"] = answer.usage
                fault = fault or ("" if answer.usage["completion_tokens"] == WORDS else "usage is not the sum")
            report(case, fault or "whole", "whole", not fault, went_on=int(went_on), **more)

        gateway = started(Gateway(folder, "weir-15", primary, fallback, fast))
        fallback.plan(default={**GOOD, "frame_delay_ms": 0})
        answers, faults, back = flapping(gateway, primary, text, fast)
        report("S15 a primary that flaps under steady traffic", f"{len(faults)} of {len(answers)} not whole", "0 not whole",
               not faults, first_fault=faults[0] if faults else "", retries=gateway.metric("weir_upstream_retries_total"))
        report("S15 back in use after", round(back, 1) if back is not None else None, BACK_S, back is not None and back <= BACK_S,
               unit="s")

        primary.plan(default={"status": 503})
        gateway = started(Gateway(folder, "weir-16", primary, fallback, fast))
        fault = gateway.ask().fault(text)
        counted = [gateway.metric("weir_requests_total", provider=name) for name in ("primary", "fallback")]
        tokens = [gateway.metric("weir_output_tokens_total", provider=name) for name in ("primary", "fallback")]
        report("S16 accounting of a fallback", fault or {"requests": counted, "tokens": tokens},
               {"requests": [0, 1], "tokens": [0, WORDS]}, not fault and counted == [0, 1] and tokens == [0, WORDS])
