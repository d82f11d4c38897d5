"""Sixteen ways in which a model server fails, with another one behind it: the caller gets a whole answer in all but the one
that is the caller's own. The cases stand in bench/driver/failover.py; here with short timers."""

import json
import subprocess
import sys

import pytest

from harness import ROOT, UPSTREAM_KEY, Mock, eventually


def test_sixteen_failures(binary, tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "torture", "failover", "--fast", "--folder", tmp_path],
        env={"WEIR_BINARY": binary, "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}, capture_output=True, text=True, timeout=110,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row for row in rows if not row["ok"]] == [], done.stderr
    assert done.returncode == 0, done.stderr
    assert {row["check"].split(" ")[0] for row in rows} == {f"S{n:02}" for n in range(1, 17)}
    went_on = {row["check"].split(" ")[0] for row in rows if row.get("went_on")}
    assert went_on == {"S08", "S09", "S10", "S14"}


@pytest.fixture(scope="module")
def pair(binary):
    mocks = Mock(binary), Mock(binary)
    yield mocks
    assert [mock.stop() for mock in mocks] == [0, 0]


QUESTION = [{"role": "user", "content": "Tell me."}]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": QUESTION, "stream": True}),
        ("/v1/messages", {"messages": QUESTION, "max_tokens": 100, "stream": True}),
        ("/v1/responses", {"input": QUESTION, "stream": True}),
        ("/api/chat", {"messages": QUESTION}),
    ],
)
def test_the_receipt_names_who_began_and_who_went_on(binary, gateway, pair, path, body):
    first, second = pair
    for mock in pair:
        mock.reset()
        mock.plan("default", {"text_seed": 5, "frames": 8, "frame_delay_ms": 2})
    weir = gateway({
        "providers": [{"name": n, "kind": "openai", "base_url": m.url + "/v1", "api_key": UPSTREAM_KEY} for n, m in zip(("first", "second"), pair)],
        "models": [{"name": "river", "targets": [{"provider": "first", "model": "one"}, {"provider": "second", "model": "two"}]}],
    })  # fmt: skip
    whole = weir.request("POST", path, {"model": "river", **body})
    first.plan("next", {"fault": "cut", "after": 3})
    answer = weir.request("POST", path, {"model": "river", **body})
    assert (answer.status, answer.headers["x-weir-provider"], answer.headers["x-weir-model"]) == (200, "first", "one")
    for word in range(8):  # once
        assert answer.body.count(f" {word}-".encode()) == whole.body.count(f" {word}-".encode()) > 0, answer
    if path != "/api/chat":  # its lines have no comments
        assert answer.body.count(b": goes on with second two\n\n") == 1
    line = weir.wait_log(request_id=answer.headers["x-weir-request-id"])
    assert (line["begun_by"], line["provider"], line["provider_model"], line["continuations"]) == ("first one", "second", "two", 1)
    sql = "SELECT begun_by, provider, provider_model, output_tokens FROM events ORDER BY received_unix_ns"
    command = [binary, "events", "query", "--config", weir.file, "--json", sql]
    rows = eventually(lambda: len(out := subprocess.check_output(command, text=True).splitlines()) == 2 and out, "no records")
    assert [json.loads(row) for row in rows] == [
        {"begun_by": None, "provider": "first", "provider_model": "one", "output_tokens": 8},
        {"begun_by": "first one", "provider": "second", "provider_model": "two", "output_tokens": 8},
    ]
