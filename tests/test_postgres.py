"""Two weirs on one real PostgreSQL, directly and through pgbouncer in transaction mode: what one does the other knows, what
goes on without the database, and that nobody's use is lost or counted twice. The servers are database_server.py's."""

import json
import subprocess
import sys
import time

import pytest

from harness import ROOT, Gateway, eventually
from test_accounts import Control, owner_key
from test_budgets import COST, REGISTRY, SCRIPT

SEEN_S = 2  # how soon every replica knows of a change: the documented bound
BACK_S = 30  # pgbouncer's and weir's own pauses, many times over


class Database:
    def __init__(self):
        self.process = subprocess.Popen([sys.executable, str(ROOT / "tests/database_server.py")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line, "no database server"
        self.strings = json.loads(line)

    def tell(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "ok\n", words

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0


@pytest.fixture(scope="module")
def database():
    server = Database()
    yield server
    server.end()


class House:
    """Replicas of one installation, each with its data directory."""

    def __init__(self, gateway, database, way, schema, folder):
        self.gateway, self.folder = gateway, folder
        self.shared = {"postgres": database.strings[way], "schema": schema}

    def config(self, name: str) -> dict:
        return {
            "data": {"directory": str(self.folder / name)},
            "accounts": {"pepper": "the same pepper on each of the replicas"},
            "shared": self.shared,
            "registry": REGISTRY,
        }

    def start(self, name: str, **options) -> Gateway:
        return self.gateway(self.config(name), **options)


@pytest.fixture(params=["direct", "pooled"])
def house(request, gateway, database, tmp_path):
    made = House(gateway, database, request.param, f"house_{abs(hash(request.node.name)) % 10**9}", tmp_path)
    made.database = database
    return made


def calls(weir, secret) -> int:
    return weir.chat(SCRIPT, key=secret).status


def spent(control: Control) -> dict:
    rows = control.good("GET", "/usage?by=key")["data"]
    return {row["key"]: (row["requests"], row["nanodollars"]) for row in rows}


def test_a_change_on_one_replica_is_seen_on_the_other(house):
    a, b = house.start("a"), house.start("b")
    secret = owner_key(a)
    assert "owner key" not in b.said.text(), "one installation has one owner"
    owner = Control(a, secret)
    eventually(lambda: Control(b, secret).ask("GET", "/admin/v1/me").status == 200, "the owner is known to A only", SEEN_S)
    for _ in range(5):
        key, made = owner.new_key(name="ci")
        began = time.monotonic()
        eventually(lambda: calls(b, made) == 200, f"a key of A is not known to B within {SEEN_S} s", SEEN_S)
        known = time.monotonic() - began
        owner.good("POST", f"/keys/{key['id']}/revoke")
        began = time.monotonic()
        assert calls(a, made) == 401, "A itself knows at once"
        eventually(lambda: calls(b, made) == 401, f"a key revoked on A is served by B after {SEEN_S} s", SEEN_S)
        print(f"known after {known * 1000:.0f} ms, refused after {(time.monotonic() - began) * 1000:.0f} ms")


def test_two_that_start_at_once_make_one_installation(house):
    both = [house.start(name, ready=False) for name in "ab"]
    for weir in both:
        weir.url = weir.wait_ready()
    keys = [weir.said.text().count("owner key") for weir in both]
    assert sorted(keys) == [0, 1]
    secret = owner_key(both[keys.index(1)])
    for weir in both:
        eventually(lambda w=weir: Control(w, secret).ask("GET", "/admin/v1/me").status == 200, "the owner is not known", SEEN_S)


def test_use_of_all_replicas_is_one_ledger(house):
    a, b = house.start("a"), house.start("b")
    owner = Control(a, owner_key(a))
    key, secret = owner.new_key(name="ci")
    eventually(lambda: calls(b, secret) == 200, "the key is not known", SEEN_S)
    assert [calls(a, secret) for _ in range(3)] == [200] * 3
    for control in (owner, Control(b, owner.key)):
        eventually(lambda c=control: spent(c).get(key["id"]) == (4, 4 * COST), "the ledger lacks what a replica did")
    # What a killed replica had recorded comes with its next start, once.
    assert [calls(b, secret) for _ in range(5)] == [200] * 5
    b.kill()
    again = house.start("b")
    for control in (owner, Control(again, owner.key)):
        eventually(lambda c=control: spent(c).get(key["id"]) == (9, 9 * COST), "what the killed one recorded is not there, once")


def test_a_budget_begins_where_another_replica_left_it(house):
    a = house.start("a")
    owner = Control(a, owner_key(a))
    key, secret = owner.new_key(name="ci", limits={"budgets": [{"period": "total", "usd": "0.0007"}]})
    assert [a.chat(SCRIPT, key=secret, max_tokens=1).status for _ in range(3)] == [200] * 3
    eventually(lambda: spent(owner).get(key["id"]) == (3, 3 * COST), "the ledger lacks what was used")
    b = house.start("b")
    assert b.chat(SCRIPT, key=secret, max_tokens=20).status == 429
    row = [r for r in Control(b, owner.key).good("GET", "/budgets")["data"] if r["id"] == key["id"]]
    assert [r["spent_nanodollars"] for r in row] == [3 * COST]


def test_the_database_goes_and_comes_back(house):
    a = house.start("a")
    owner = Control(a, owner_key(a))
    key, secret = owner.new_key(name="ci")
    assert calls(a, secret) == 200
    eventually(lambda: spent(owner).get(key["id"]) == (1, COST), "the ledger lacks what was used")
    house.database.tell("stop")
    try:
        assert [calls(a, secret) for _ in range(5)] == [200] * 5, "known keys go on"

        def warned():
            ready = a.get("/ready", key=None)
            assert ready.status == 200, ready
            said = ready.body.decode()
            return "accounts can not be read" in said and "shared ledger" in said and said

        said = eventually(warned, "/ready does not warn", BACK_S)
        refused = owner.ask("POST", "/admin/v1/keys", {"name": "late"})
        assert refused.status == 503, refused
        assert owner.ask("GET", "/admin/v1/usage?by=key").status == 503
        for text in (said, refused.body.decode(), a.said.text()):
            assert "p@ss" not in text and "p%40ss" not in text and "postgresql://" not in text
        for part in (str(house.folder), "weir-pg-"):
            assert part not in said and part not in refused.body.decode(), "where the database is is nobody's business"
    finally:
        house.database.tell("start")

    def well():
        ready = a.get("/ready", key=None).body.decode()
        return "can not be read" not in ready and "shared ledger" not in ready

    eventually(well, "it does not come back by itself", BACK_S)
    assert owner.ask("POST", "/admin/v1/keys", {"name": "late"}).status == 201
    eventually(lambda: spent(owner).get(key["id"]) == (6, 6 * COST), "what was used meanwhile is not there, once", BACK_S)


def test_a_start_without_the_database_is_refused_in_words(house):
    config = house.config("a")
    config["shared"] = {"postgres": "postgresql://weir:very-secret@localhost:1/weir", "schema": "weir"}
    weir = house.gateway(config, ready=False)
    assert weir.wait() == 1
    assert "PostgreSQL" in weir.said.text() and "very-secret" not in weir.said.text()
