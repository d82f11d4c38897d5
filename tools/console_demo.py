#!/usr/bin/env python3
"""weir with real traffic, to look at its console: several model servers (weir mock) in four dialects, some slow, some
failing, and callers that come and go. Prints the address and a key; ends with Ctrl-C or after --seconds.

usage: console_demo.py [--weir build/release/weir] [--rate 20] [--seconds N] [--data DIR]
"""

import argparse
import json
import math
import os
import pathlib
import random
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from harness import Mock, Program, request  # noqa: E402

OWNER = "sk-weir-demo-owner-0123456789abcdef"
# tenant: name, its budgets, its keys: their share of the requests and their budgets
TENANTS = {
    "acme": ("Acme web", [("month", "40"), ("day", "1.50")], {"web-chat": (50, [("day", "1")]), "support-bot": (15, [])}),
    "research": ("Research", [("day", "0.80")], {"search": (25, [("day", "0.60")]), "nightly-batch": (10, [("month", "5")])}),
}
# model: (provider, its name there, first token ms, frame ms, frames, one in so many fails, weight)
MODELS = {
    "gpt-4o-mini": ("openai", "gpt-4o-mini", 180, 6, 60, 400, 40),
    "claude-sonnet": ("anthropic", "claude-sonnet-4-5", 420, 9, 90, 250, 22),
    "gemini-flash": ("gemini", "gemini-2.5-flash", 140, 4, 50, 300, 16),
    "llama-local": ("ollama", "llama3.2", 60, 14, 40, 0, 14),
    "gpt-4.1": ("openai", "gpt-4.1", 650, 11, 110, 60, 8),
}
WORDS = "how does the river know where to go when the weir is closed for the winter".split()


def config(mocks: dict[str, str], data: str, listen: str) -> dict:
    def provider(name, kind, path, key=True):
        return {"name": name, "kind": kind, "base_url": mocks[name] + path, **({"api_key": "sk-upstream-demo"} if key else {})}

    return {
        "server": {"listen": listen, "cores": 2},
        "auth": {"keys": [{"name": "operator", "key": OWNER, "roles": ["owner"]}]},
        "providers": [provider("openai", "openai", "/v1"), provider("anthropic", "anthropic", ""),
                      provider("gemini", "gemini", "/v1beta"), provider("ollama", "ollama", "", key=False)],
        "models": [{"name": m, "targets": [{"provider": p, "model": n}]
                    + ([{"provider": "openai", "model": "gpt-4o-mini"}] if m == "gpt-4.1" else [])}
                   for m, (p, n, *_) in MODELS.items()],
        "registry": [
            {"provider": "openai", "model": "gpt-4o-mini", "input_usd": "0.15", "output_usd": "0.6", "cache_read_usd": "0.075"},
            {"provider": "openai", "model": "gpt-4.1", "input_usd": "2", "output_usd": "8", "cache_read_usd": "0.5"},
            {"provider": "anthropic", "model": "claude-sonnet-4-5", "input_usd": "3", "output_usd": "15", "cache_read_usd": "0.3"},
            {"provider": "gemini", "model": "gemini-2.5-flash", "input_usd": "0.3", "output_usd": "2.5"},
        ],
        "log": {"requests": False}, "retries": {"max": 1}, "data": {"directory": data},
        "alerts": {"check_ms": 2000, "rules": [
            {"name": "gpt-4.1-fails", "measure": "error_percent", "above": 0.5, "severity": "critical", "model": "gpt-4.1", "for_ms": 20000},
            {"name": "slow-answers", "measure": "p95_ms", "above": 2500, "each": "model", "for_ms": 10000},
            {"name": "spending", "measure": "usd_per_hour", "above": 40, "each": "tenant"},
            {"name": "budget-nearly-used", "measure": "budget_percent", "above": 80, "severity": "info"},
        ], "webhooks": [{"name": "ops", "url": mocks["openai"] + "/hooks/weir", "severity": "critical"}]},
    }


def script(model: str, rng: random.Random) -> dict:
    _, _, first, each, frames, fails, _ = MODELS[model]
    if fails and rng.randrange(fails) == 0:
        return {"status": rng.choice([500, 503, 429]), "message": "the model server is overloaded"}
    slow = 6 if rng.random() < 0.03 else 1
    count = max(4, int(frames * rng.lognormvariate(0, 0.5)))
    tokens_in = int(400 * rng.lognormvariate(0, 0.9))
    return {"first_frame_delay_ms": int(first * slow * rng.lognormvariate(0, 0.35)), "frame_delay_ms": each, "frames": count,
            "text_bytes": 5, "input_tokens": tokens_in, "output_tokens": count, "cached_tokens": int(tokens_in * rng.choice([0, 0, 0.5, 0.8]))}


def make_callers(url: str) -> dict[str, int]:
    """Tenants and keys, made through the admin API: the secrets, and how much each is used."""
    def post(path, body, good=(201,)):
        answer = request(url, "POST", f"/admin/v1/{path}", body, {"Authorization": f"Bearer {OWNER}"})
        assert answer.status in good, answer
        return answer.json()

    def limits(budgets):
        return {"budgets": [{"period": p, "usd": usd} for p, usd in budgets]}

    callers = {}
    for tenant, (name, budgets, keys) in TENANTS.items():
        post("tenants", {"id": tenant, "name": name, "limits": limits(budgets)}, good=(201, 400, 409))  # 400, 409: of a former run
        for key, (share, of_key) in keys.items():
            callers[post("keys", {"name": key, "tenant": tenant, "limits": limits(of_key)})["secret"]] = share
    return callers


def call(url: str, rng: random.Random, callers: dict[str, int]) -> None:
    model = rng.choices(list(MODELS), [m[6] for m in MODELS.values()])[0]
    key = rng.choices(list(callers), list(callers.values()))[0]
    if rng.random() < 0.004:
        key = "sk-weir-wrong-key"
    if rng.random() < 0.004:
        model = "gpt-5-preview"
    say = script(model, rng) if model in MODELS else {}
    text = f"mock: {json.dumps(say)}\n" + " ".join(rng.choices(WORDS, k=rng.randrange(8, 60)))
    body = {"model": model, "stream": rng.random() < 0.8, "messages": [{"role": "user", "content": text}]}
    try:
        request(url, "POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {key}"})
    except OSError:
        pass


def drive(url: str, rate: float, ending: threading.Event, seed: int) -> None:
    callers = make_callers(url)
    rng, slots, begin = random.Random(seed), threading.BoundedSemaphore(120), time.monotonic()

    def one(r):
        with slots:
            call(url, r, callers)

    while not ending.is_set():
        now = time.monotonic() - begin
        wave = rate * (1 + 0.35 * math.sin(now / 70) + 0.15 * math.sin(now / 11))
        if 0.55 < (now / 240) % 1 < 0.6:
            wave *= 2.2  # a batch job
        threading.Thread(target=one, args=(random.Random(rng.random()),), daemon=True).start()
        ending.wait(rng.expovariate(max(wave, 0.1)))


class Demo:
    def __init__(self, binary: str, rate: float, data: str, listen: str = "127.0.0.1:0"):
        self.mocks = {name: Mock(binary) for name in ("openai", "anthropic", "gemini", "ollama")}
        file = pathlib.Path(data) / "weir.yaml"
        file.write_text(json.dumps(config({n: m.url for n, m in self.mocks.items()}, data, listen)))
        self.weir = Program([binary, "serve", "--config", str(file)])
        self.url = self.weir.wait_ready()
        self.ending = threading.Event()
        self.driver = threading.Thread(target=drive, args=(self.url, rate, self.ending, 7), daemon=True)
        if rate > 0:
            self.driver.start()

    def stop(self) -> None:
        self.ending.set()
        self.weir.stop()
        for mock in self.mocks.values():
            mock.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", default=os.environ.get("WEIR_BINARY", str(ROOT / "build/release/weir")))
    parser.add_argument("--rate", type=float, default=20, help="requests a second")
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--data", help="data directory to keep; a new one when left out")
    parser.add_argument("--listen", default="127.0.0.1:0")
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if a.data:
            os.makedirs(a.data, exist_ok=True)
        demo = Demo(a.weir, a.rate, a.data or folder, a.listen)
        print(f"{demo.url}/console/  key {OWNER}", flush=True)
        try:
            threading.Event().wait(None if a.seconds == math.inf else a.seconds)
        except KeyboardInterrupt:
            pass
        demo.stop()


if __name__ == "__main__":
    main()
