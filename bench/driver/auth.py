"""bench/run auth: what it costs to know who asks, in nanoseconds, from bench/micro/auth_bench.cc (keys) and token_bench.cc
(signed tokens). The programs hold no store: whatever is measured asks none."""
import json
import os
import subprocess

from . import build, rows
from .processes import OWN_SESSION

GATE_NS = 1000
GATED = ("key_known/1000", "key_known/1000000", "key_configured")


def micro(name):
    build.run(["cmake", "--preset", "release"])
    build.run(["ninja", "-C", "build/release", name])
    argv = [*OWN_SESSION, os.path.join(build.ROOT, "build", "release", name), "--benchmark_format=json",
            "--benchmark_repetitions=7", "--benchmark_min_time=0.1"]
    done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    times = {}
    for run in json.loads(done.stdout)["benchmarks"]:
        if run["run_type"] == "iteration":
            times.setdefault(run["run_name"], []).append(run["cpu_time"])
    return {name: (rows.median(values), min(values)) for name, values in times.items()}


def run():
    for program in ("auth_bench", "token_bench"):
        for name, (median, least) in micro(program).items():
            gated = name in GATED or name.startswith("token_known")
            rows.row(name, "ns", median, GATE_NS if gated else 0, "limit" if gated else "nobody", 1.0 if gated else None,
                     weir_min=rows.rounded(least), store_calls=0)
