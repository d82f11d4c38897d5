"""The store of request records as an operator meets it: `weir events` beside a running gateway, restarts, what expires,
and directories that are damaged or taken. (test_events.py has what is in a record.)"""

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing

import pytest

from harness import DEADLINE_S, Lines, eventually


def run(binary, *arguments, code: int = 0) -> str:
    """What it printed; with another exit code than 0, what it complained."""
    done = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == code, done
    return done.stdout if code == 0 else done.stderr


def query(binary, weir, sql: str, code: int = 0) -> list[dict]:
    said = run(binary, "events", "query", "--json", "--data", data_of(weir), sql, code=code)
    return [json.loads(line) for line in said.splitlines()]


def id_of(answer) -> str:
    return answer.headers["x-weir-request-id"]


def data_of(weir):
    return weir.folder / "weir-data"


def restarted(gateway, weir, over=None, **options):
    """A new gateway on the same configuration file and data directory."""
    if over:
        weir.configure(over)
    return same_folder(gateway(command=[weir.binary, "serve", "--config", str(weir.file)], **options), weir)


def same_folder(new, old):
    new.folder = old.folder
    new.file, new.sections = old.file, old.sections
    return new


def all_stored(binary, weir, ids):
    """Waits until each of `ids` is there once and nothing else."""
    rows = []

    def look():
        rows[:] = query(binary, weir, "SELECT request_id FROM events")
        return len(rows) >= len(ids)

    eventually(look, f"{len(ids)} events expected")
    assert sorted(r["request_id"] for r in rows) == sorted(ids)


# ----------------------------------------------------------------------------------------------------------------------
# Beside a running gateway


def test_every_request_once(binary, gateway):
    weir = gateway()
    ids = []
    for _ in range(20):
        ids.append(id_of(weir.chat()))
        streamed = weir.stream({"frames": 3})
        streamed.read()
        ids.append(streamed.headers["x-weir-request-id"])
    ids.append(id_of(weir.chat(model="no-such-model")))
    all_stored(binary, weir, ids)
    whole, streamed, refused = (
        query(binary, weir, f"SELECT * FROM events WHERE request_id = '{i}'")[0] for i in (ids[0], ids[1], ids[-1])
    )
    assert (whole["status"], whole["model"], whole["provider"], whole["provider_model"]) == (200, "river", "mock", "mock-1")
    assert (whole["principal"], whole["operation"], whole["streamed"], whole["class"]) == ("all", "chat", 0, "usage")
    assert (whole["input_tokens"], whole["output_tokens"]) == (12, 20)
    assert (streamed["status"], streamed["streamed"], streamed["model"]) == (200, 1, "river")
    assert 0 < streamed["first_token_us"] <= streamed["ended_us"]
    assert (refused["status"], refused["provider"], refused["input_tokens"]) == (404, None, None)
    assert weir.metrics().get("weir_events_stored_total") == len(ids)
    assert weir.metrics().get("weir_event_store_errors_total") == 0


def test_query_shapes(binary, gateway):
    weir = gateway()
    all_stored(binary, weir, [id_of(weir.chat()), id_of(weir.chat(model="mock/a,b"))])
    sql = "SELECT model, status, 0.5 AS half, NULL AS none FROM events ORDER BY model"
    folder = data_of(weir)
    assert run(binary, "events", "query", "--data", folder, sql) == (
        "model     status  half  none\n"
        "mock/a,b     200   0.5      \n"
        "river        200   0.5      \n"
    )
    table = list(csv.reader(io.StringIO(run(binary, "events", "query", "--csv", "--data", folder, sql))))
    assert table == [["model", "status", "half", "none"], ["mock/a,b", "200", "0.5", ""], ["river", "200", "0.5", ""]]
    assert query(binary, weir, sql)[0] == {"model": "mock/a,b", "status": 200, "half": 0.5, "none": None}
    assert run(binary, "events", "query", "--config", weir.file, "SELECT count(*) AS n FROM events") == "n\n2\n"
    assert run(binary, "events", "query", "--csv", "--data", folder, sql + " LIMIT 0") == "model,status,half,none\n"


def test_query_only_reads(binary, gateway):
    weir = gateway()
    all_stored(binary, weir, [id_of(weir.chat())])
    for sql in ("DELETE FROM segment", "DROP TABLE segment", "ATTACH 'x.db' AS x", "PRAGMA journal_mode = DELETE"):
        said = run(binary, "events", "query", "--data", data_of(weir), sql, code=1)
        assert "only reads" in said, said
    assert "no such column" in run(binary, "events", "query", "--data", data_of(weir), "SELECT x FROM events", code=1)
    assert len(query(binary, weir, "SELECT 1 FROM events")) == 1


def test_export(binary, gateway):
    weir = gateway()
    ids = [id_of(weir.chat()) for _ in range(5)]
    all_stored(binary, weir, ids)
    lines = run(binary, "events", "export", "--data", data_of(weir)).splitlines()
    assert sorted(json.loads(line)["request_id"] for line in lines) == sorted(ids)
    table = list(csv.DictReader(io.StringIO(run(binary, "events", "export", "--format", "csv", "--data", data_of(weir)))))
    assert sorted(row["request_id"] for row in table) == sorted(ids)
    assert {row["model"] for row in table} == {"river"}
    third = query(binary, weir, "SELECT time FROM events ORDER BY received_unix_ns LIMIT 1 OFFSET 2")[0]["time"]
    before = run(binary, "events", "export", "--data", data_of(weir), "--until", third).splitlines()
    after = run(binary, "events", "export", "--data", data_of(weir), "--since", third).splitlines()
    assert len(before) + len(after) == 5 and before
    assert len(run(binary, "events", "export", "--data", data_of(weir), "--since", "1h").splitlines()) == 5
    assert run(binary, "events", "export", "--data", data_of(weir), "--until", "1h") == ""
    assert "yesterday" in run(binary, "events", "export", "--data", data_of(weir), "--since", "yesterday", code=1)


def test_tail(binary, gateway):
    weir = gateway({"server": {"cores": 1}})  # rings of several are drained one after the other
    ids = [id_of(weir.chat()) for _ in range(7)]
    all_stored(binary, weir, ids)
    lines = run(binary, "events", "tail", "-n", 3, "--data", data_of(weir)).splitlines()
    assert lines[0].split()[0] == "time"
    assert [line.split()[-1] for line in lines[1:]] == ids[-3:]
    for line in lines[1:]:
        assert "\x1b" not in line
        assert line.split()[1] == "200" and "river" in line and " 12 " in line and " 20 " in line
    last = json.loads(run(binary, "events", "tail", "-n", 1, "--json", "--data", data_of(weir)))
    assert last["request_id"] == ids[-1] and last["status"] == 200


def test_tail_follows(binary, gateway):
    weir = gateway()
    first = id_of(weir.chat())
    all_stored(binary, weir, [first])
    command = [binary, "events", "tail", "-f", "--json", "--data", str(data_of(weir))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tail:
        said = Lines(tail.stdout, tail.stderr)
        said.wait(lambda line: first in line, "the event before is not shown")
        second = id_of(weir.chat())
        said.wait(lambda line: second in line, "the event after is not shown")
        tail.send_signal(signal.SIGINT)
        assert tail.wait(DEADLINE_S) == 0
        said.join()
        assert said.text().count(first) == 1 and said.text().count(second) == 1


def test_events_complains_clearly(binary, tmp_path):
    said = run(binary, "events", "tail", "--data", tmp_path, code=1)
    assert str(tmp_path / "events.db") in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir()), "looking makes no file"
    (tmp_path / "events.db").write_text("this is a text about rivers, and it is no database at all\n" * 100)
    assert "not a database" in run(binary, "events", "query", "--data", tmp_path, "SELECT 1", code=1)
    sqlite3.connect(tmp_path / "other.db").executescript("CREATE TABLE t (x)")
    os.replace(tmp_path / "other.db", tmp_path / "events.db")
    assert "another program" in run(binary, "events", "export", "--data", tmp_path, code=1)
    for arguments in (["tail"], ["query", "--data", "x"], ["tail", "--data", "x", "--config", "y"], []):
        done = subprocess.run([binary, "events", *arguments], capture_output=True, text=True, timeout=DEADLINE_S)
        assert done.returncode not in (0, 1) and done.stderr


# ----------------------------------------------------------------------------------------------------------------------
# Over restarts


def test_restart_keeps_and_goes_on(binary, gateway):
    weir = gateway()
    ids = [id_of(weir.chat()) for _ in range(3)]
    assert weir.stop() == 0
    assert len(query(binary, weir, "SELECT 1 FROM events")) == 3, "a clean stop leaves nothing in the rings"
    weir = restarted(gateway, weir)
    ids += [id_of(weir.chat()) for _ in range(3)]
    all_stored(binary, weir, ids)
    assert len(query(binary, weir, "SELECT DISTINCT replica FROM events")) == 1


def test_killed_between_two_starts(binary, gateway):
    weir = gateway()
    ids = []
    for _ in range(5):
        ids += [id_of(weir.chat()) for _ in range(10)]
        weir.kill()
        weir = restarted(gateway, weir)
    all_stored(binary, weir, ids)


def test_fewer_cores_leave_no_ring_behind(binary, gateway):
    weir = gateway({"server": {"cores": 2}})
    ids = []

    def enough():  # until both cores have written some
        ids.extend(id_of(weir.chat()) for _ in range(8))
        return len(query(binary, weir, "SELECT DISTINCT ring FROM events")) == 2

    eventually(enough, "one core gets every connection")
    ids += [id_of(weir.chat()) for _ in range(50)]
    weir.kill()
    rings = data_of(weir) / "events"
    assert {p.name for p in rings.iterdir()} == {"ring-0", "ring-0.saved", "ring-1", "ring-1.saved"}
    weir = restarted(gateway, weir, {"server": {"cores": 1}})
    eventually(lambda: {p.name for p in rings.iterdir()} == {"ring-0", "ring-0.saved"}, "the ring of the second core is still there")
    all_stored(binary, weir, ids)
    assert weir.stop() == 0
    weir = restarted(gateway, weir, {"server": {"cores": 2}})
    ids += [id_of(weir.chat()) for _ in range(50)]
    all_stored(binary, weir, ids)


def test_a_store_that_was_removed_begins_anew(binary, gateway):
    weir = gateway()
    weir.chat()
    assert weir.stop() == 0
    for file in data_of(weir).glob("events.db*"):
        file.unlink()
    weir = restarted(gateway, weir)
    weir.wait_log(level="error")
    all_stored(binary, weir, [id_of(weir.chat())])


def test_removed_rings_begin_where_the_store_is(binary, gateway):
    weir = gateway()
    ids = [id_of(weir.chat()) for _ in range(5)]
    assert weir.stop() == 0
    for file in (data_of(weir) / "events").iterdir():
        file.unlink()
    weir = restarted(gateway, weir)
    ids += [id_of(weir.chat()) for _ in range(5)]
    all_stored(binary, weir, ids)


def test_a_locked_store_loses_nothing(binary, gateway):
    weir = gateway()
    ids = [id_of(weir.chat())]
    all_stored(binary, weir, ids)
    other = sqlite3.connect(data_of(weir) / "events.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ids.append(id_of(weir.chat()))
    eventually(lambda: weir.metrics().get("weir_event_store_errors_total") > 0, "the store does not fail")
    weir.wait_log(level="error")
    answer = weir.chat()
    assert answer.status == 200, "there is room in the ring"
    ids.append(id_of(answer))
    ready = weir.get("/ready", key=None)
    assert ready.status == 200 and "events are not stored" in ready.json()["warnings"][0]
    assert len(query(binary, weir, "SELECT 1 FROM events")) == 1
    other.execute("ROLLBACK")
    other.close()
    all_stored(binary, weir, ids)
    eventually(lambda: weir.get("/ready", key=None).json()["warnings"] == [], "/ready still warns")


def test_old_records_go(binary, gateway):
    weir = gateway()
    ids = [id_of(weir.chat()) for _ in range(3)]
    assert weir.stop() == 0
    with sqlite3.connect(data_of(weir) / "events.db") as db:
        old = time.time_ns() - 3 * 86400 * 10**9
        db.execute("UPDATE segment SET time_min = ?, time_max = ? WHERE id = 1", (old, old))
        kept = db.execute("SELECT sum(events) FROM segment WHERE id > 1").fetchone()[0] or 0
    db.close()
    weir = restarted(gateway, weir, {"events": {"keep_days": 1}})
    eventually(lambda: len(query(binary, weir, "SELECT 1 FROM events")) == kept, "the old segment is still there")
    assert weir.metrics().get("weir_events_expired_total") == len(ids) - kept
    weir.chat()
    eventually(lambda: len(query(binary, weir, "SELECT 1 FROM events")) == kept + 1, "storing goes on")


def test_too_much_goes_oldest_first(binary, gateway):
    weir = gateway()
    ids = []
    for _ in range(2):  # a batch each
        ids.append(id_of(weir.chat()))
        all_stored(binary, weir, ids)
    assert weir.stop() == 0
    file = data_of(weir) / "events.db"
    with sqlite3.connect(file) as db:  # the first batch many times over: 4 MB and more
        columns = "ring, first, next, events, time_min, time_max"
        size = db.execute("SELECT length(bytes) FROM segment WHERE id = 1").fetchone()[0]
        times = 4 * 2**20 // size
        db.execute(
            f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {times}) "
            f"INSERT INTO segment ({columns}, bytes) SELECT {columns}, bytes FROM segment, n WHERE id = 1"
        )
        newest = db.execute("SELECT max(id) FROM segment").fetchone()[0]
        before = db.execute("SELECT sum(events) FROM segment").fetchone()[0]
    db.close()
    assert file.stat().st_size > 4 * 2**20
    weir = restarted(gateway, weir, {"events": {"keep_bytes": 2**20}})

    def kept():
        return query(binary, weir, "SELECT count(*) AS n, min(id) AS oldest, max(id) AS newest FROM segment")[0]

    id_now = id_of(weir.chat())

    def settled():  # what is too much is gone, and nothing else
        sizes = query(binary, weir, "SELECT sum(length(bytes)) AS bytes, min(id) AS oldest, max(id) AS newest FROM segment")[0]
        kept = len(query(binary, weir, "SELECT 1 FROM events"))
        complete = weir.metrics().get("weir_events_expired_total") + kept == before + 1
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            pages = db.execute("PRAGMA page_count").fetchone()[0] * db.execute("PRAGMA page_size").fetchone()[0]
        if pages > 2**20 + 64 * 1024:
            return False
        return complete and sizes["bytes"] and sizes["bytes"] <= 2**20 and sizes["newest"] > newest and sizes["oldest"] > 1

    eventually(settled, "it does not come down to keep_bytes, or loses count")
    assert len(query(binary, weir, f"SELECT 1 FROM events WHERE request_id = '{id_now}'")) == 1
    assert weir.stop() == 0
    assert file.stat().st_size <= 2**20 + 64 * 1024


# ----------------------------------------------------------------------------------------------------------------------
# Directories that can not be used


def fails_to_start(binary, weir, *words):
    done = subprocess.run([binary, "serve", "--config", str(weir.file)], capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 1, done
    assert "ready" not in done.stdout
    for word in words:
        assert word in done.stderr, done.stderr


@pytest.mark.parametrize("what", ["text", "foreign", "newer"])
def test_a_store_that_is_none(binary, gateway, what):
    weir = gateway()
    assert weir.stop() == 0
    file = data_of(weir) / "events.db"
    if what == "newer":
        with sqlite3.connect(file) as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
        word = "schema 99"
    else:
        file.unlink()
        word = "not a database"
        if what == "text":
            file.write_text("this is a text about rivers, and it is no database at all\n" * 100)
        else:
            with sqlite3.connect(file) as db:
                db.execute("CREATE TABLE mine (x)")
            db.close()
            word = "another program"
    before = file.read_bytes()
    fails_to_start(binary, weir, str(file), word)
    assert file.read_bytes() == before


def test_one_directory_for_one_process(binary, gateway):
    weir = gateway()
    fails_to_start(binary, weir, "in use by another process")
    assert weir.chat().status == 200
