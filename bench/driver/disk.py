"""Full and failing disks under load: what callers, /ready and /metrics are told, and that nothing acknowledged is lost or
doubled. Each check says in `how` what was done to the disk.

full    as root the data directory lies on a small tmpfs that a file fills and leaves again; else RLIMIT_FSIZE of the running
        weir is put to what its store has reached, and back
device  (root) the data directory lies on ext4 on a loop device whose own medium fills: the system takes every write, and
        the sync fails later, as with a disk that dies; rings and store alike. Mounted anew before the comparison, so
        that the device is read and not what the system remembers of it
calls   bench/tools/eio.c, preloaded: writes and syncs below the data directory answer EIO for a while"""
import contextlib
import errno
import json
import os
import resource
import subprocess
import time

from . import build
from .records import Recording, compare, finish, ids_of, say, start_load, traffics, until
from .servers import Mock

MB = 1 << 20
DISK_MB = 48
RATE = 1500  # of whole answers, a second
SPELLS = 5


def fill(path, spare_bytes):
    """Takes the room of a file system but for `spare_bytes`, also while others write there."""
    with open(path, "wb") as f:
        size, step = 0, 1 << 40
        while step >= 4096:
            room = os.statvfs(path)
            step = min(step, room.f_bavail * room.f_frsize - spare_bytes)
            if step <= 0:
                return
            try:
                os.posix_fallocate(f.fileno(), size, step)
                size += step
            except OSError as e:
                if e.errno != errno.ENOSPC:
                    raise
                step //= 2


class SmallDisk:
    """A tmpfs that is filled but for `spare_bytes` when weir begins."""
    how = f"tmpfs of {DISK_MB} MB"

    def __init__(self, folder):
        self.place = os.path.join(folder, "disk")
        os.makedirs(self.place)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", self.place], check=True)
        self.data = os.path.join(self.place, "data")
        self.filler = os.path.join(self.place, "filler")

    def fill(self, _weir):
        fill(self.filler, MB)

    def clear(self, _weir):
        os.remove(self.filler)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.place], check=True)


class SizeLimit(contextlib.nullcontext):
    """No file of the running weir grows beyond its store's size and a MB."""
    how = "RLIMIT_FSIZE"

    def __init__(self, folder):
        super().__init__(self)
        self.data = os.path.join(folder, "data")

    def fill(self, weir):
        self._limit(weir, os.path.getsize(os.path.join(self.data, "events.db")) + MB)

    def clear(self, weir):
        self._limit(weir, resource.RLIM_INFINITY)

    def _limit(self, weir, soft):
        hard = resource.prlimit(weir.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(weir.process.pid, resource.RLIMIT_FSIZE, (soft, hard))


def room_for_more(folder):
    return (SmallDisk if os.geteuid() == 0 else SizeLimit)(folder)


def well(weir, traffic):
    """Nothing waits, nothing is complained about, and every core takes requests: each answers for itself."""
    return (weir.metric("weir_events_waiting") < RATE and
            all(weir.ready() == (200, [], []) and weir.ask(traffic)[0] == 200 for _ in range(12)))


# ------------------------------------------------------------------------------------------------------------- full

def full(folder, report, when_full):
    """The disk fills under load; later there is room again."""
    name = f"disk_full_{when_full}"
    say(name)
    folder = os.path.join(folder, name)
    os.makedirs(folder)
    ids = os.path.join(folder, "ids")
    with Mock(folder) as mock, room_for_more(folder) as room, \
            Recording(folder, mock.port, room.data, f"when_full: {when_full}, ring_bytes: {2 * MB}") as weir:
        traffic = traffics(folder, mock)["whole"]
        room.fill(weir)
        begin = time.monotonic()
        loader = start_load(weir, traffic, ids, mode="open", rate=RATE, connections=64, seconds=24)
        until(lambda: weir.metric("weir_event_store_errors_total"), "the store did not fail")
        # The rings have room for seconds: requests pass, and /ready warns.
        warned = until(lambda: weir.ready()[2], "/ready does not warn")
        if when_full == "refuse":
            def refused():
                status, body = weir.ask(traffic)
                return status != 200 and (status, json.loads(body)["error"]["code"])
            told = until(refused, "no request was refused")
            until(lambda: weir.ready()[0] == 503 and "the event ring is full" in weir.ready()[1], "/ready stays 200")
            told_well = told == (503, "record_unavailable")
        else:
            until(lambda: weir.dropped("usage"), "no loss was counted")
            until(lambda: weir.ready()[0] == 200 and len(weir.ready()[2]) == 2, "/ready does not warn of the full ring")
            told = until(lambda: weir.ask(traffic, "sk-a-stranger-0123456789")[0], "")
            told_well = told == 401
        room.clear(weir)
        cleared = time.monotonic()
        until(lambda: well(weir, traffic), "weir did not recover")
        recovered_s = time.monotonic() - cleared
        outcome, = finish([loader])
        asked_s = round(time.monotonic() - begin)
        counted = {c: weir.dropped(c) for c in ("usage", "telemetry")}
        overloaded = int(weir.metric("weir_refused_total"))
        code = weir.stop()
        result = compare(weir, ids_of([ids]))
    more = {"how": room.how, "seconds": asked_s, **result, "counted": counted}
    refusals = outcome["errors"]["status"] - overloaded
    broken = outcome["errors"]["cut"] + outcome["errors"]["wrong"] + outcome["errors"]["connect"]
    unexplained = abs(result["lost"] - counted["usage"]) + result["twice"] + result["wrong"] + broken
    report(f"{name}_unexplained", unexplained, 0, unexplained == 0 and code == 0, **more)
    report(f"{name}_warned", warned, "a sentence", len(warned) > 0)
    report(f"{name}_told", told, [503, "record_unavailable"] if when_full == "refuse" else 401, told_well)
    if when_full == "refuse":
        # Each refusal, the one that asked for it above included, is a record of class telemetry that was not kept.
        report(f"{name}_lost", result["lost"], 0, result["lost"] == 0)
        report(f"{name}_refused", refusals, 1, 1 <= refusals < counted["telemetry"] and counted["usage"] == 0)
    else:
        report(f"{name}_refused", refusals, 0, refusals == 0)
        report(f"{name}_counted", counted["usage"], 1, counted["usage"] >= 1 and counted["telemetry"] >= 1)
    report(f"{name}_recovered_s", round(recovered_s, 2), 15, recovered_s <= 15)


# ---------------------------------------------------------------------------------------------------------- failing

@contextlib.contextmanager
def thin_device(folder):
    """ext4 without a journal on a device whose medium is a sparse file in a small tmpfs: (where, break it, mend it, read it anew)."""
    medium, place = os.path.join(folder, "medium"), os.path.join(folder, "disk")
    os.makedirs(medium)
    os.makedirs(place)
    image, filler = os.path.join(medium, "image"), os.path.join(medium, "filler")
    with contextlib.ExitStack() as undo:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", medium], check=True)
        undo.callback(subprocess.run, ["umount", "-l", medium], check=True)
        with open(image, "wb") as f:
            f.truncate(512 * MB)
        subprocess.run(["mkfs.ext4", "-q", "-b", "4096", "-g", "32768", "-N", "256", "-O", "^has_journal", "-E",
                        "lazy_itable_init=0,nodiscard", image], check=True)
        mount = ["mount", "-o", "loop,errors=continue,nodiscard", image, place]
        subprocess.run(mount, check=True)
        undo.callback(subprocess.run, ["umount", "-l", place], check=True)

        def read_anew():
            subprocess.run(["umount", place], check=True)
            subprocess.run(mount, check=True)
        yield place, lambda: fill(filler, 0), lambda: os.remove(filler), read_anew


@contextlib.contextmanager
def failing_calls(folder):
    switch = os.path.join(folder, "broken")

    def break_it():
        with open(switch, "w"):
            pass
    yield folder, break_it, lambda: os.remove(switch), lambda: None


def preload(folder, data):
    library = os.path.join(folder, "eio.so")
    build.run(["clang-19", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-o", library,
               os.path.join(build.ROOT, "bench", "tools", "eio.c"), "-ldl"])
    return {"LD_PRELOAD": library, "EIO_UNDER": data + "/", "EIO_WHEN": os.path.join(folder, "broken")}


def failing(folder, report, name, how, disk_of, acknowledge):
    """Five spells in which nothing comes onto the disk."""
    say(name)
    folder = os.path.join(folder, name)
    os.makedirs(folder)
    ids = os.path.join(folder, "ids")
    enough = all if acknowledge == "ring" else any
    with Mock(folder) as mock, disk_of(folder) as (place, break_it, mend_it, read_anew):
        data = os.path.join(place, "data")
        environment = preload(folder, data) if disk_of is failing_calls else None
        with Recording(folder, mock.port, data, f"ring_bytes: {32 * MB}, acknowledge: {acknowledge}", environment) as weir:
            traffic = traffics(folder, mock)["whole"]
            loader = start_load(weir, traffic, ids, mode="open", rate=RATE, connections=256, seconds=30)
            until(lambda: weir.metric("weir_events_stored_total") > RATE, "nothing was stored")
            failures = ("weir_event_store_errors_total", "weir_event_sync_errors_total")
            for _ in range(SPELLS):
                before = [weir.metric(f) for f in failures]
                break_it()
                # Both; but where syncs fail first and requests are refused for it, the store may have nothing left to do.
                # And it asks itself, because on a slow machine the load is over before the last spell.
                until(lambda: weir.ask(traffic) and enough(weir.metric(f) > b for f, b in zip(failures, before)),
                      "nothing failed")
                until(lambda: weir.ready() != (200, [], []), "/ready does not tell")
                mend_it()
                until(lambda: well(weir, traffic), "weir did not recover")
            failed = {f: int(weir.metric(f)) for f in failures}
            outcome, = finish([loader])
            counted = weir.dropped("usage")
            code = weir.stop()
            read_anew()
            result = compare(weir, ids_of([ids]))
    wrong = result["lost"] + result["twice"] + result["wrong"] + outcome["errors"]["wrong"] + counted
    report(name, wrong, 0, wrong == 0 and code == 0 and result["acknowledged"] > RATE, how=how,
           acknowledge=acknowledge, spells=SPELLS, exit_code=code, **result, failed_calls=failed, errors=outcome["errors"])


def run(folder, report):
    full(folder, report, "refuse")
    full(folder, report, "count")
    failing(folder, report, "disk_calls", "EIO from each write and sync", failing_calls, "ring")
    if os.geteuid() == 0:
        failing(folder, report, "disk_device", "a device that takes writes and fails to keep them", thin_device, "disk")
    else:
        say("disk_device: left out, only root may mount one")
