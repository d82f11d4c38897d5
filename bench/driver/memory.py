"""bench/run memory: resident memory of weir's own process (no local model), and whether it grows."""
import json
import resource
import subprocess

from . import load, rows
from .servers import Mock, Weir

IDLE_GATE_MB = 20
STREAM_GATE_KB = 16
FLAT_GATE = 1.05
STREAMS = 10_000
FLAT_BEGIN, FLAT_END = 100_000, 1_000_000
FLAT_RATE = 25_000  # below what fills the core: the log's buffers grow when its writer must wait, and that is no leak


def streams_possible():
    """A stream takes two of weir's descriptors; both ends are under the same limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        return STREAMS
    return min(STREAMS, (hard - 100) // 2)


def idle(folder):
    with Mock(folder) as mock, Weir(folder, mock.port) as weir:
        rows.row("memory_idle", "MB", weir.process.rss_kb() / 1024, IDLE_GATE_MB, "limit", 1.0)


def stream(folder):
    """Each stream got its first event and waits for the second."""
    count = streams_possible()
    with Mock(folder) as mock, Weir(folder, mock.port) as weir:
        warm = load.Traffic(folder, "warm", 1024)
        warm.learn_answer(mock.port)
        load.run(weir, warm, connections=16, requests=2000)
        before = weir.process.rss_kb()
        traffic = load.Traffic(folder, "idle_stream", 1024, stream=True, mock={"frames": 3, "frame_delay_ms": 3600000})
        holder = subprocess.Popen(load.command(weir, traffic, "hold", connections=count), stdout=subprocess.PIPE,
                                  text=True)
        opened = json.loads(holder.stdout.readline())["opened"]
        after = weir.process.rss_kb()
        holder.kill()
        holder.wait()
        if opened != count:
            raise RuntimeError(f"only {opened} of {count} streams got their first event")
        rows.row("memory_stream", "KB", (after - before) / count, STREAM_GATE_KB, "limit", 1.0, streams=count)


def flat(folder):
    with Mock(folder) as mock, Weir(folder, mock.port) as weir:
        traffic = load.Traffic(folder, "flat", 1024)
        traffic.learn_answer(mock.port)
        load.run(weir, traffic, "open", connections=64, rate=FLAT_RATE, requests=FLAT_BEGIN)
        before = weir.process.rss_kb()
        load.run(weir, traffic, "open", connections=64, rate=FLAT_RATE, requests=FLAT_END - FLAT_BEGIN)
        after = weir.process.rss_kb()
        # the peer is weir itself, 900,000 requests earlier
        rows.row("memory_flat", "MB", after / 1024, before / 1024, "itself", FLAT_GATE, requests=FLAT_END)


def run(folder, only=()):
    for name, lane in (("memory_idle", idle), ("memory_stream", stream), ("memory_flat", flat)):
        if not only or name in only:
            lane(folder)
