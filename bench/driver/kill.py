"""kill -9 of weir at a random moment under full load, many times, always on the same data directory.

How it knows: the clients write down the id of every answer that reached them whole, a streamed one to its last byte. At the
end each of those ids must be in the store once, and no other id may be there twice. After every second kill, before the next
start, it is counted how many acknowledged records the store does not have yet: only the rings hold those, and a run in
which there were none proves nothing and fails.

How one knows that it would notice: --plant lost removes the rings after each kill, --plant twice copies one batch of records
inside the store at the end. Both must fail; tests/test_torture_kill.py sees that they do."""
import contextlib
import glob
import os
import random
import sqlite3
import time

from .records import Recording, compare, finish, ids_of, say, start_load, traffics
from .servers import Mock

KILLS = 200
KILL_AFTER_S = (0.05, 0.9)  # drawn evenly
CONNECTIONS = {"whole": 32, "streamed": 32}
SEED = 20261121


def remove_rings(data):
    for ring in glob.glob(os.path.join(data, "events", "ring-*")):
        os.remove(ring)


def copy_a_segment(data):
    with contextlib.closing(sqlite3.connect(os.path.join(data, "events.db"))) as db, db:
        db.execute("INSERT INTO segment (ring, first, next, events, time_min, time_max, bytes) SELECT ring, first, next, "
                   "events, time_min, time_max, bytes FROM segment ORDER BY id DESC LIMIT 1")


def not_stored_yet(weir, paths, since_unix_ns):
    """Acknowledged ids in `paths` that a store without its rings would not have."""
    stored = {row[0] for row in weir.rows(f"SELECT request_id FROM events WHERE received_unix_ns >= {since_unix_ns}")}
    return sum(1 for i in ids_of(paths) if i not in stored)


def run(folder, report, kills=KILLS, plant=None):
    chance = random.Random(SEED)
    begin = time.monotonic()
    data = os.path.join(folder, "data")
    paths, cut, only_in_rings, answered = [], 0, 0, 0
    with Mock(folder) as mock, Recording(folder, mock.port, data) as weir:
        kinds = traffics(folder, mock)
        for i in range(kills):
            if i > 0:
                weir.start()
            since = time.time_ns() - 60 * 10**9
            loads, mine = [], []
            for name, traffic in kinds.items():
                mine.append(os.path.join(folder, f"ids-{name}-{i}"))
                loads.append(start_load(weir, traffic, mine[-1], connections=CONNECTIONS[name], seconds=60, until_refused=1))
            time.sleep(chance.uniform(*KILL_AFTER_S))
            weir.kill()
            outcomes = finish(loads)
            cut += sum(o["errors"]["cut"] for o in outcomes)
            answered += sum(o["requests"] for o in outcomes)
            paths += mine
            if i % 2 == 1:  # else the next weir is the first to open the store
                only_in_rings += not_stored_yet(weir, mine, since)
            if plant == "lost":
                remove_rings(data)
            if (i + 1) % 10 == 0 or i + 1 == kills:
                say(f"kill: {i + 1} of {kills}, {answered} answers, {round(time.monotonic() - begin)} s")
        weir.start()  # what the last one left in its rings
        code = weir.stop()
        if plant == "twice":
            copy_a_segment(data)
        result = compare(weir, ids_of(paths))
    for name in ("lost", "twice", "wrong"):
        report(f"kill_{name}", result[name], 0, result[name] == 0, kills=kills, acknowledged=result["acknowledged"],
               stored=result["stored"])
    report("kill_answers", answered, kills, answered >= kills and answered == result["acknowledged"])
    report("kill_cut_answers", cut, 1, cut >= 1)
    report("kill_only_in_rings", only_in_rings, 1, only_in_rings >= 1, looked_after_kills=kills // 2)
    report("kill_exit_code", code, 0, code == 0, seconds=round(time.monotonic() - begin))
