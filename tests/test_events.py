"""The durable record: one event for each request, in the ring before the answer ends, whatever happens then."""

import contextlib
import json
import sqlite3
import subprocess

import pytest

from harness import KEY, chat_body, eventually, events, post_bytes

HELD = {"frames": 3, "frame_delay_ms": 3_600_000}  # a stream that got its first event and waits
PLACES = (65536 - 4096) // 512  # of the smallest ring


@pytest.fixture
def small(gateway):
    """Starts a gateway of one core with the smallest ring."""

    def start(**events_settings):
        more = {"server": {"cores": 1}, "events": {"ring_bytes": 65536, **events_settings}}
        return gateway(more)

    return start


def data(weir):
    return weir.folder / "weir-data"


def rows(weir, sql) -> list[dict]:
    done = subprocess.run([weir.binary, "events", "query", "--data", str(data(weir)), "--json", sql],
                          capture_output=True, text=True, timeout=10)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def stored(weir, ids) -> list[dict]:
    """The rows of these requests, once the store has as many."""
    wanted = ",".join(f"'{i}'" for i in ids)
    sql = f"SELECT * FROM events WHERE request_id IN ({wanted}) ORDER BY received_unix_ns"
    eventually(lambda: len(rows(weir, sql)) >= len(ids), f"not {len(ids)} events: {rows(weir, sql)}")
    return rows(weir, sql)


@contextlib.contextmanager
def store_locked(weir):
    """Nobody else can write to the store: events stay in their rings."""
    lock = sqlite3.connect(data(weir) / "events.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        lock.execute("ROLLBACK")
        lock.close()


def id_of(answer) -> str:
    return answer.headers["x-weir-request-id"]


def hold_streams(weir, n):
    return [weir.stream(HELD) for _ in range(n)]


# ----------------------------------------------------------------------------------------------------------------------
# What is written


def test_each_request_is_recorded_once(gateway):
    weir = gateway()
    good = weir.chat()
    stream = weir.stream()
    assert events(stream.read())[-1] == "[DONE]"
    refused = weir.chat(key="sk-wrong-wrong")
    unknown = weir.chat(model="lake")
    broken = weir.chat({"status": 500})
    ids = [id_of(good), stream.headers["x-weir-request-id"], id_of(refused), id_of(unknown), id_of(broken)]
    found = stored(weir, ids)
    assert [row["request_id"] for row in found] == ids
    first, second, stranger, lake, failed = found
    assert first["class"] == "usage" and first["status"] == 200 and first["outcome"] == "ok"
    assert first["principal"] == "all" and first["model"] == "river" and first["provider_model"] == "mock-1"
    assert first["endpoint"] == weir.sections["providers"][0]["base_url"].removeprefix("http://").removesuffix("/v1")
    assert first["input_tokens"] > 0 and first["output_tokens"] > 0 and not first["streamed"]
    assert second["streamed"] and second["stream_events"] > 2 and second["first_token_us"] <= second["ended_us"]
    assert stranger["class"] == "telemetry" and stranger["status"] == 401 and stranger["attempts"] == 0
    assert lake["class"] == "telemetry" and lake["reason"] == "model_not_found"
    assert failed["class"] == "usage" and failed["status"] == 500
    metrics = weir.metrics()
    assert metrics.get("weir_events_total", **{"class": "usage"}) == 3
    assert metrics.get("weir_events_total", **{"class": "telemetry"}) == 2
    assert metrics.get("weir_events_dropped_total") == 0
    assert len(rows(weir, "SELECT * FROM events")) == 5


def test_a_caller_that_leaves_is_recorded(gateway, left):
    weir = gateway()
    stream = weir.stream(HELD)
    stream.next_piece()
    stream.leave()
    left()
    (row,) = stored(weir, [stream.headers["x-weir-request-id"]])
    assert row["status"] == 499 and row["outcome"] == "client_left" and row["class"] == "usage"


def test_no_content_is_kept(gateway):
    weir = gateway()
    body = chat_body()
    body["messages"] = [{"role": "user", "content": "a word that nobody may keep: xylophone"}]
    stored(weir, [id_of(weir.request("POST", "/v1/chat/completions", body))])
    assert weir.stop() == 0
    for file in data(weir).rglob("*"):
        if file.is_file():
            assert b"xylophone" not in file.read_bytes(), file
            assert KEY.encode() not in file.read_bytes(), file


def test_events_can_be_off(gateway):
    weir = gateway({"events": {"enabled": False}, "accounts": {"enabled": False}})
    assert weir.chat().status == 200
    assert not data(weir).exists()


# ----------------------------------------------------------------------------------------------------------------------
# What survives


def test_kill_9_loses_no_answered_request(gateway, binary, mock):
    weir = gateway()
    with store_locked(weir):
        ids = [id_of(weir.chat()) for _ in range(20)]
        stream = weir.stream()
        stream.read()
        ids.append(stream.headers["x-weir-request-id"])
        weir.kill()
    again = gateway({"data": {"directory": str(data(weir))}})
    assert again.get("/ready", key=None).status == 200
    assert sorted(row["request_id"] for row in stored(weir, ids)) == sorted(ids)
    assert len(rows(weir, "SELECT * FROM events")) == len(ids)


def test_rings_of_more_cores_are_read_too(gateway):
    weir = gateway({"server": {"cores": 4}})
    with store_locked(weir):
        ids = [id_of(weir.chat()) for _ in range(30)]
        weir.kill()
    again = gateway({"server": {"cores": 1}, "data": {"directory": str(data(weir))}})
    assert sorted(row["request_id"] for row in stored(weir, ids)) == sorted(ids)
    eventually(lambda: {f.name for f in (data(weir) / "events").iterdir()} == {"ring-0", "ring-0.saved"}, "old rings stay")
    assert again.stop() == 0


def test_a_stop_stores_everything(gateway):
    weir = gateway()
    ids = [id_of(weir.chat()) for _ in range(20)]
    assert weir.stop() == 0
    assert len(rows(weir, "SELECT * FROM events")) == len(ids)


def test_acknowledged_by_the_disk(gateway):
    weir = gateway({"server": {"cores": 1}, "events": {"acknowledge": "disk", "sync_ms": 60000}})
    for n in (1, 2, 3):  # one after the other, so each has its sync
        assert weir.chat().status == 200
        assert weir.metrics().get("weir_event_sync_seconds_count") >= n
    assert events(weir.stream().read())[-1] == "[DONE]"
    assert weir.metrics().get("weir_event_sync_errors_total") == 0


def test_the_installation_keeps_its_name(gateway):
    weir = gateway()
    name = (data(weir) / "replica").read_text()
    assert name.startswith("weir-") and (data(weir) / "replica").stat().st_mode & 0o777 == 0o600
    assert data(weir).stat().st_mode & 0o777 == 0o700
    assert weir.stop() == 0
    gateway({"data": {"directory": str(data(weir))}})
    assert (data(weir) / "replica").read_text() == name


# ----------------------------------------------------------------------------------------------------------------------
# No room, no disk


def test_a_full_ring_refuses_before_anything_is_read(small, mock):
    weir = small()
    held = hold_streams(weir, PLACES)
    asked = mock.stats()["requests"]
    raw = weir.raw()
    body = post_bytes("/v1/chat/completions", chat_body())
    raw.send(body[: body.index(b"\r\n\r\n") + 4])  # no byte of the body: it is not waited for
    refused = raw.answer()
    assert refused.status == 503 and int(refused.headers["retry-after"]) >= 1
    assert refused.error["code"] == "record_unavailable"
    assert mock.stats()["requests"] == asked
    ready = weir.get("/ready", key=None)
    assert ready.status == 503 and ready.json()["reasons"] == ["the event ring is full"]
    assert weir.metrics().get("weir_events_dropped_total", **{"class": "telemetry"}) == 1
    held.pop().leave()
    eventually(lambda: weir.get("/ready", key=None).status == 200, "still full")
    assert weir.chat().status == 200
    for stream in held:
        stream.leave()


def test_a_full_ring_counts_if_told_to(small):
    weir = small(when_full="count")
    held = hold_streams(weir, PLACES)
    assert weir.chat().status == 200
    weir.wait_metric("weir_events_dropped_total", 1, **{"class": "usage"})
    assert weir.get("/ready", key=None).status == 200
    for stream in held:
        stream.leave()


def test_a_store_that_is_stuck_refuses_only_when_the_ring_is_full(small):
    weir = small()
    ids = []
    with store_locked(weir):
        for _ in range(PLACES + 1):
            answer = weir.chat()
            if answer.status == 503:
                break
            assert answer.status == 200
            ids.append(id_of(answer))
        assert answer.status == 503 and answer.error["code"] == "record_unavailable"
        # What the drainer took away just before the lock is not in the ring.
        assert len(ids) <= PLACES
        strangers = [weir.chat(key="sk-wrong-wrong").status for _ in range(3)]
        assert strangers == [503, 503, 503]
    eventually(lambda: weir.chat().status == 200, "it does not recover")
    assert len(stored(weir, ids)) == len(ids)


def test_strangers_do_not_fill_the_ring(small):
    weir = small()
    with store_locked(weir):
        for _ in range(PLACES + 20):
            assert weir.chat(key="sk-wrong-wrong").status == 401
        assert weir.metrics().get("weir_events_dropped_total", **{"class": "telemetry"}) > 20
        assert weir.chat().status == 200


def test_settings_of_a_running_gateway(small):
    weir = small()
    weir.configure({"events": {"ring_bytes": 65536, "when_full": "count"}})
    weir.wait_log(message="configuration taken")
    held = hold_streams(weir, PLACES)
    assert weir.chat().status == 200
    weir.configure({"events": {"ring_bytes": 131072, "when_full": "refuse"}})
    weir.wait_log(message="this change of the configuration needs a restart", setting="events.ring_bytes")
    eventually(lambda: weir.chat().status == 503, "it does not refuse")
    for stream in held:
        stream.leave()


@pytest.mark.parametrize("inside", ["", "/deeper"])
def test_a_directory_that_can_not_be_made(gateway, tmp_path, inside):
    (tmp_path / "file").write_text("x")
    weir = gateway({"data": {"directory": str(tmp_path / "file") + inside}}, ready=False)
    assert weir.wait() == 1
    assert "data.directory" in weir.said.text() and str(tmp_path / "file") in weir.said.text()


def test_two_processes_do_not_share_a_directory(gateway):
    weir = gateway()
    other = gateway({"data": {"directory": str(data(weir))}}, ready=False)
    assert other.wait() == 1
    assert "data.directory" in other.said.text() and "in use by another process" in other.said.text()
    assert weir.chat().status == 200


def test_a_ring_of_something_else_is_left_alone(gateway):
    weir = gateway({"server": {"cores": 1}})
    assert weir.stop() == 0
    ring = data(weir) / "events" / "ring-0"
    ring.write_bytes(b"something else" * 1000)
    other = gateway({"server": {"cores": 1}, "data": {"directory": str(data(weir))}}, ready=False)
    assert other.wait() == 1
    assert "ring-0" in other.said.text() and "not an event ring" in other.said.text()
    assert ring.read_bytes() == b"something else" * 1000
