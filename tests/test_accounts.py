"""Accounts over a whole weir: the first start, keys and their life, what a role may do, what one tenant sees of another, and
what is written down of it. The abuse cases A15 and A20 to A24 are here by their ids."""

import http.client
import json
import os
import re
import sqlite3
import subprocess
import time

import pytest
from admin_matrix import MATRIX, ROLES
from harness import CHAT_ANSWER, KEY, ROOT, always, answer_bytes, eventually

MODEL = {"model": "river", "messages": [{"role": "user", "content": "What is a river?"}]}


class Control:
    """The control plane as one key sees it."""

    def __init__(self, weir, key):
        self.weir, self.key = weir, key

    def ask(self, method, path, body=None, headers=None):
        return self.weir.request(method, path, body, headers, key=self.key)

    def good(self, method, path, body=None, status=200):
        answer = self.ask(method, "/admin/v1" + path, body)
        assert answer.status == status, answer
        return answer.json()

    def refused(self, method, path, body=None, status=403, code=None, param=None):
        answer = self.ask(method, "/admin/v1" + path, body)
        assert answer.status == status, answer
        if code:
            assert answer.error["code"] == code, answer
        if param:
            assert answer.error["param"] == param, answer
        return answer.error

    def new(self, kind, **fields):
        return self.good("POST", f"/{kind}", fields, 201)

    def new_key(self, name="k", **fields):
        made = self.new("keys", name=name, **fields)
        return made["key"], made["secret"]

    def as_key(self, **fields):
        return Control(self.weir, self.new_key(**fields)[1])

    def calls(self) -> int:
        return self.ask("POST", "/v1/chat/completions", MODEL).status


def owner_key(weir) -> str:
    said = weir.said.wait(lambda line: re.match(r"  owner key (wr_\w+)  ", line), "no owner key was shown")
    return said[1]


@pytest.fixture
def weir(gateway, tmp_path):
    return gateway({"data": {"directory": str(tmp_path / "data")}})


@pytest.fixture
def owner(weir):
    return Control(weir, owner_key(weir))


@pytest.fixture(scope="module")
def house(binary, mock, tmp_path_factory):
    """One weir for what changes nothing: two tenants with an object of each kind, and a key for every role."""
    from harness import Gateway

    folder = tmp_path_factory.mktemp("house")
    # Its tests come with more wrong keys than an address may in a minute.
    weir = Gateway(binary, folder, mock.url, {"data": {"directory": str(folder / "data")}, "admin": {"failed_sign_ins_per_minute": 0}})
    root = Control(weir, owner_key(weir))
    weir.root, weir.people, weir.objects = root, {}, {}
    for tenant in ("acme", "other"):
        root.new("tenants", name=tenant, id=tenant)
        team = root.new("teams", name="t", tenant=tenant, id=f"team-{tenant}")["id"]
        weir.objects[tenant] = {"tenant": tenant, "team": team}
        for role in ROLES:
            user = root.new("users", name=role, tenant=tenant, roles=[role])["id"]
            key, secret = root.new_key(name=role, tenant=tenant, user=user, roles=[role])
            weir.people[tenant, role] = Control(weir, secret)
            weir.objects[tenant, role] = {**weir.objects[tenant], "user": user, "key": key["id"], "none": "AAAAAAAA"}
    for role in ROLES:
        weir.people["default", role] = root.as_key(name=role, roles=[role])
    yield weir
    assert weir.finish() == ""


# ----------------------------------------------------------------------------------------------------------------------
# The life of an installation


def test_the_first_start_makes_an_owner_and_shows_its_key_once(binary, mock, gateway, tmp_path):
    config = {"data": {"directory": str(tmp_path / "data")}}
    first = gateway(config)
    secret = owner_key(first)
    me = Control(first, secret).good("GET", "/me")
    assert me["tenant"] == "default" and me["roles"] == ["owner"] and "tenants.all" in me["permissions"]
    assert Control(first, secret).calls() == 200
    assert first.finish() == ""
    second = gateway(config)
    assert "owner key" not in second.said.text()
    assert Control(second, secret).good("GET", "/me") == me
    for file in (tmp_path / "data").rglob("*"):
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file
    assert (tmp_path / "data" / "pepper").stat().st_mode & 0o777 == 0o600


def test_a_tenant_with_its_people_and_keys(owner):
    tenant = owner.new("tenants", name="Acme", id="acme", limits={"requests_per_minute": 600})
    assert tenant["state"] == "active" and tenant["limits"] == {"requests_per_minute": 600}
    team = owner.new("teams", name="Red", tenant="acme")
    ann = owner.new("users", name="Ann", tenant="acme", team=team["id"], roles=["developer"])
    key, secret = owner.new_key(
        name="ci",
        tenant="acme",
        team=team["id"],
        user=ann["id"],
        roles=["developer"],
        models=["river"],
        limits={"usd_per_minute": "0.50", "budgets": [{"period": "month", "usd": "12.50", "tokens": 100000}]},
    )
    assert re.fullmatch(r"wr_live_[0-9A-Za-z]{46}", secret)
    assert key["last4"] == secret[-4:] and secret not in str(key)
    assert key["limits"]["budgets"] == [{"period": "month", "usd": "12.500000000", "tokens": 100000}]
    assert owner.good("GET", f"/keys/{key['id']}") == key
    each = {"requests_per_minute": 2, "usd_per_minute": "0.100000000"}
    assert owner.good("PATCH", f"/teams/{team['id']}", {"limits": {"each_agent": each}})["limits"] == {"each_agent": each}
    owner.refused("PATCH", f"/teams/{team['id']}", {"limits": {"each_agent": {"budgets": []}}}, 400, param="limits.each_agent.budgets")
    owner.refused("PATCH", f"/teams/{team['id']}", {"limits": {"each_agent": {}}}, 400, param="limits.each_agent")
    assert [k["id"] for k in owner.good("GET", "/keys?tenant=acme")["data"]] == [key["id"]]
    mine = Control(owner.weir, secret)
    assert mine.calls() == 200
    assert mine.ask("POST", "/v1/chat/completions", {**MODEL, "model": "mock/x"}).status in (403, 404)
    me = mine.good("GET", "/me")
    assert (me["tenant"], me["team"], me["user"], me["key"]) == ("acme", team["id"], ann["id"], key["id"])
    first = owner.good("GET", "/users?limit=1")
    assert len(first["data"]) == 1 and first["next"] == first["data"][0]["id"]
    assert len(owner.good("GET", f"/users?limit=1&after={first['next']}")["data"]) == 1


def test_a_key_is_rotated_with_an_overlap_and_then_revoked(owner):
    key, before = owner.new_key()
    made = owner.good("POST", f"/keys/{key['id']}/rotate", {"overlap_s": 3600})
    after = made["secret"]
    assert [s["last4"] for s in made["key"]["secrets"]] == [before[-4:], after[-4:]]
    assert Control(owner.weir, before).calls() == Control(owner.weir, after).calls() == 200
    last = owner.good("POST", f"/keys/{key['id']}/rotate", {})["secret"]
    assert [Control(owner.weir, k).calls() for k in (before, after, last)] == [401, 401, 200]
    assert owner.good("POST", f"/keys/{key['id']}/revoke")["state"] == "revoked"
    assert Control(owner.weir, last).calls() == 401
    owner.refused("POST", f"/keys/{key['id']}/rotate", {}, 400, "key_revoked")
    actions = [(r["action"], r["result"]) for r in owner.good("GET", "/audit")["data"] if r["object"] == key["id"]]
    assert actions == [("keys.revoke", "done"), ("keys.rotate", "done"), ("keys.rotate", "done"), ("keys.create", "done")]


@pytest.mark.parametrize("kind", ["tenants", "teams", "users", "keys"])
def test_who_is_suspended_is_refused_at_once_and_comes_back(owner, kind):
    owner.new("tenants", name="acme", id="acme")
    owner.new("teams", name="red", id="red", tenant="acme")
    owner.new("users", name="ann", id="ann", tenant="acme")
    key, secret = owner.new_key(tenant="acme", team="red", user="ann")
    it = {"tenants": "acme", "teams": "red", "users": "ann", "keys": key["id"]}[kind]
    caller = Control(owner.weir, secret)
    assert caller.calls() == 200
    assert owner.good("PATCH", f"/{kind}/{it}", {"state": "suspended"})["state"] == "suspended"
    refusal = caller.ask("POST", "/v1/chat/completions", MODEL)
    assert refusal.status == 403 and refusal.error["code"] == "account_suspended"
    assert caller.ask("POST", "/v1/messages", {**MODEL, "max_tokens": 5}).json()["error"]["type"] == "permission_error"
    assert caller.ask("GET", "/v1/models").status == 403
    owner.good("PATCH", f"/{kind}/{it}", {"state": "active"})
    assert caller.calls() == 200


def test_what_a_user_may_no_longer_do_its_keys_may_not(owner):
    user = owner.new("users", name="ann", roles=["admin"])["id"]
    ann = owner.as_key(user=user, roles=["admin"])
    ann.good("GET", "/users")
    owner.good("PATCH", f"/users/{user}", {"roles": ["developer"]})
    ann.refused("GET", "/users", code="permission_denied")
    ann.good("GET", "/keys")
    owner.good("DELETE", f"/users/{user}")
    assert ann.calls() == 401


def test_what_is_in_use_is_not_deleted(owner):
    owner.new("tenants", name="acme", id="acme")
    user = owner.new("users", name="ann", tenant="acme")["id"]
    owner.refused("DELETE", "/tenants/acme", status=400, code="in_use")
    owner.good("DELETE", f"/users/{user}")
    owner.good("DELETE", "/tenants/acme")
    owner.refused("GET", "/tenants/acme", status=404, code="tenant_not_found")
    owner.refused("DELETE", "/tenants/default", status=403)


def test_the_fields_of_a_request_are_named_when_they_are_wrong(owner):
    for body, param, code in [
        ({}, "name", "missing_required_parameter"),
        ({"name": "k", "nmae": 1}, "nmae", "unknown_parameter"),
        ({"name": "k", "roles": ["root"]}, "roles", "invalid_value"),
        ({"name": "k", "models": ["a*b"]}, "models", "invalid_value"),
        ({"name": "k", "limits": {"streams": 0}}, "limits.streams", "invalid_value"),
        ({"name": "k", "limits": {"budgets": [{"period": "week", "usd": "1"}]}}, "limits.budgets[].period", "invalid_value"),
        ({"name": "k", "limits": {"usd_per_minute": 0.5}}, "limits.usd_per_minute", "invalid_value"),
        ({"name": "k", "expires": 1}, "expires", "invalid_value"),
        ({"name": "k", "tenant": "nobody"}, "tenant", "tenant_not_found"),
        ({"name": "k", "user": "nobody"}, "user", "user_not_found"),
    ]:
        owner.refused("POST", "/keys", body, 400, code, param)
    assert owner.ask("POST", "/admin/v1/keys", b'{"name":"a","name":"b"}').error["code"] == "duplicate_key"
    owner.new("tenants", name="acme", id="acme")
    owner.refused("POST", "/tenants", {"name": "acme", "id": "acme"}, 400, "already_exists")


def test_a_configured_key_with_roles_is_one_of_the_first_tenants_people(gateway, tmp_path):
    weir = gateway(
        {
            "data": {"directory": str(tmp_path / "data")},
            "auth": {"keys": [{"name": "boss", "key": KEY, "roles": ["owner"]}], "anonymous": "always"},
        }
    )
    boss = Control(weir, KEY)
    assert boss.good("GET", "/me")["roles"] == ["owner"]
    boss.new("tenants", name="acme", id="acme")
    Control(weir, None).refused("GET", "/me", status=401, code="missing_api_key")
    assert boss.good("GET", "/audit?limit=1")["data"][0]["actor"] == "key boss"


def test_the_control_plane_at_an_address_of_its_own_or_not_at_all(gateway, tmp_path):
    from harness import request

    weir = gateway({"data": {"directory": str(tmp_path / "data")}, "admin": {"listen": "127.0.0.1:0"}})
    secret = owner_key(weir)
    assert weir.request("GET", "/admin/v1/me", key=secret).status == 404
    url = weir.said.wait(lambda line: re.match(r"  console   (http\S+)/console/", line), "no console was shown")[1]
    assert request(url, "GET", "/admin/v1/me", headers={"Authorization": f"Bearer {secret}"}).status == 200
    assert request(url, "GET", "/health").status == 200
    assert request(url, "GET", "/v1/models", headers={"Authorization": f"Bearer {secret}"}).status == 404
    off = gateway({"data": {"directory": str(tmp_path / "off")}, "admin": {"enabled": False}})
    assert off.request("GET", "/admin/v1/me", key=owner_key(off)).status == 404


def test_known_keys_go_on_while_the_store_is_gone(gateway, tmp_path):
    weir = gateway({"data": {"directory": str(tmp_path / "data")}, "accounts": {"poll_ms": 100}})
    owner = Control(weir, owner_key(weir))
    store, aside = tmp_path / "data" / "accounts.db", tmp_path / "aside.db"

    def warned():
        answer = weir.get("/ready", key=None)
        assert answer.status == 200
        return any("accounts" in warning for warning in answer.json()["warnings"])

    store.rename(aside)
    eventually(warned, "nobody said that the accounts can not be read")
    assert owner.calls() == 200
    refused = owner.refused("POST", "/keys", {"name": "k"}, 500)
    assert "accounts.db" not in str(refused), "paths are the operator's"
    assert weir.metrics().get("weir_accounts_errors_total") > 0
    weir.wait_log(level="error")
    assert not store.exists(), "an empty one in its place would be a lie"
    aside.rename(store)
    eventually(lambda: not warned(), "nobody said that the accounts can be read again")
    assert owner.as_key().calls() == 200


def test_without_accounts_nothing_is_kept(gateway, tmp_path):
    weir = gateway({"data": {"directory": str(tmp_path / "data")}, "accounts": {"enabled": False}})
    assert "owner key" not in weir.said.text()
    assert not (tmp_path / "data" / "accounts.db").exists()
    assert weir.chat().status == 200


def test_old_rows_of_the_audit_log_go(gateway, tmp_path):
    config = {"data": {"directory": str(tmp_path / "data")}}
    first = gateway(config)
    key = owner_key(first)
    assert first.finish() == ""
    now_ms, day_ms = int(time.time() * 1000), 86_400_000
    with sqlite3.connect(tmp_path / "data" / "accounts.db") as db:
        db.executemany(
            "INSERT INTO audit (time, tenant, actor, action, object, refused, detail, request, peer) VALUES (?, 'default', 'x', ?, '', 0, '', '', '')",
            [(now_ms - 400 * day_ms, "old.row")] * 1200 + [(now_ms - 300 * day_ms, "young.row")] * 3,
        )
        # What is old is at the beginning, where it would be.
        db.execute("UPDATE audit SET sequence = sequence + 100000 WHERE action NOT IN ('old.row', 'young.row')")
    db.close()

    def rows(weir, action):
        return Control(weir, key).good("GET", f"/audit?action={action}&limit=1000")["data"]

    for_good = gateway({**config, "accounts": {"audit_days": 0}})
    assert len(rows(for_good, "old.")) == 1000
    assert for_good.finish() == ""
    weir = gateway(config)
    eventually(lambda: not rows(weir, "old."), "old rows stay")
    assert len(rows(weir, "young.")) == 3 and rows(weir, "keys.create")
    [noted] = eventually(lambda: rows(weir, "audit.expire"), "that they went is not noted")
    assert noted["actor"] == "weir" and noted["detail"]["rows"] == 1200


def test_who_comes_with_too_many_wrong_keys_is_told_to_wait_and_nobody_else(gateway):
    weir = gateway({"auth": {"keys": [{"name": "boss", "key": KEY, "roles": ["owner"]}]}, "admin": {"failed_sign_ins_per_minute": 3}})

    def status(key, source="127.0.0.1"):
        connection = http.client.HTTPConnection(*weir.address, timeout=30, source_address=(source, 0))
        connection.request("GET", "/admin/v1/me", headers={"Authorization": f"Bearer {key}"} if key else {})
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()
        return answer.status, body.get("error", {}).get("code"), int(answer.headers.get("retry-after", 0))

    assert [status("wrong")[0] for _ in range(3)] == [401] * 3
    refused = status("wr_live_" + "a" * 46)
    assert refused[:2] == (429, "too_many_attempts") and 1 <= refused[2] <= 20
    assert status(KEY)[0] == 200, "a right key is taken at any time"
    assert status(None)[:2] == (401, "missing_api_key"), "no key is no attempt"
    assert status("wrong", "127.0.0.2")[0] == 401, "another address has its own"
    assert weir.chat(key="wrong").status == 401, "of the control plane only"


# ----------------------------------------------------------------------------------------------------------------------
# Abuse cases


SQL = ["' OR 1=1--", "'; DROP TABLE account; --", '" OR ""="', "wr_live_' UNION SELECT * FROM secret --", "admin'--", "1 AND SLEEP(5)"]
KEY_PATHS = ["/v1/models", "/v1/chat/completions", "/admin/v1/me", "/admin/v1/keys", "/admin/v1/none"]


def test_A15_sql_in_place_of_a_key(house, tmp_path):
    before = house.root.good("GET", "/keys?limit=1000")
    seen = set()
    for payload in SQL:
        for path in KEY_PATHS:
            for headers in ({"Authorization": f"Bearer {payload}"}, {"x-api-key": payload}):
                method, body = ("POST", MODEL) if path.endswith("completions") else ("GET", None)
                answer = house.request(method, path, body, headers, key=None)
                assert answer.status == 401, (path, payload, answer)
                seen.add(str(answer.error))
    assert len(seen) == 1, "one shape for all of them"
    assert house.root.good("GET", "/keys?limit=1000") == before
    # The same texts as values are values.
    for payload in SQL:
        made = house.root.new("teams", name=payload)
        assert house.root.good("GET", f"/teams/{made['id']}")["name"] == payload
        house.root.good("DELETE", f"/teams/{made['id']}")


@pytest.mark.parametrize("cores", [1, 2])
def test_A20_a_revoked_key_is_refused_by_every_core_once_the_answer_is_there(gateway, tmp_path, cores):
    weir = gateway({"data": {"directory": str(tmp_path / "data")}, "server": {"cores": cores}})
    owner = Control(weir, owner_key(weir))
    for how in ("revoke", "delete", "user", "suspend"):
        user = owner.new("users", name="u")["id"]
        key, secret = owner.new_key(user=user)
        # Connections that stay open lie on both cores: each asks before and after.
        raws = [weir.raw() for _ in range(16)]
        ask = f"GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\n\r\n"
        for raw in raws:
            raw.send(ask)
            assert raw.answer("GET").status == 200
        if how == "revoke":
            owner.good("POST", f"/keys/{key['id']}/revoke")
        elif how == "delete":
            owner.good("DELETE", f"/keys/{key['id']}")
        elif how == "user":
            owner.good("DELETE", f"/users/{user}")
        else:
            owner.good("PATCH", f"/users/{user}", {"state": "suspended"})
        for raw in raws:
            raw.send(ask)
            assert raw.answer("GET").status == (403 if how == "suspend" else 401), how
        assert key["id"] in str(owner.good("GET", "/audit")["data"]) or how == "suspend"


def test_A20_a_change_in_the_store_by_another_process_is_seen_by_polling(gateway, tmp_path):
    weir = gateway({"data": {"directory": str(tmp_path / "data")}, "accounts": {"poll_ms": 100}})
    owner = Control(weir, owner_key(weir))
    key, secret = owner.new_key()
    caller = Control(weir, secret)
    assert caller.calls() == 200
    with sqlite3.connect(tmp_path / "data" / "accounts.db") as db:
        db.execute("UPDATE account SET revoked = 1 WHERE id = ?", (key["id"],))
        db.execute("UPDATE version SET number = number + 1")
    eventually(lambda: caller.calls() == 401, "the revocation was never seen", 2)


def test_A21_nobody_grants_more_than_it_has(house):
    before = house.root.good("GET", "/keys?limit=1000")
    other_user = house.objects["acme", "viewer"]["user"]
    tries = {
        "developer": [
            {"roles": ["admin"]},
            {"roles": ["owner"]},
            {"roles": ["developer", "viewer"]},
            {"tenant": "other"},
            {"tenant": "default"},
            {"user": other_user},
            {"user": None},
        ],
        "admin": [{"roles": ["owner"]}, {"tenant": "other"}, {"tenant": "default", "roles": ["admin"]}],
        "viewer": [{}],
        "billing": [{}],
        "service": [{}],
        "operator": [{}],
        "auditor": [{}],
    }
    count = 0
    for role, bodies in tries.items():
        for body in bodies:
            house.people["acme", role].refused("POST", "/keys", {"name": "mine", **body}, 403, "permission_denied")
            count += 1
    unknown = house.people["acme", "developer"].refused("POST", "/keys", {"name": "m", "allowed_routes": ["/*"]}, 400)
    assert unknown["param"] == "allowed_routes"
    assert house.root.good("GET", "/keys?limit=1000") == before
    log = house.root.good("GET", "/audit?tenant=acme&action=keys.create&limit=1000")["data"]
    assert sum(r["result"] == "refused" for r in log) >= count
    # A bigger budget, and another model, than one's own key has.
    user = house.objects["acme", "developer"]["user"]
    poor = house.root.as_key(tenant="acme", user=user, roles=["developer"], limits={"budgets": [{"period": "day", "usd": "1"}]})
    poor.refused("POST", "/keys", {"name": "rich", "limits": {"budgets": [{"period": "day", "usd": "100"}]}}, 403, param="limits")
    poor.refused("POST", "/keys", {"name": "free"}, 403, param="limits")
    narrow = house.root.as_key(tenant="acme", user=user, roles=["developer"], models=["mock/a*", "river"])
    for models in ([], ["*"], ["mock/*"], ["mock/ab", "mock/b"]):
        narrow.refused("POST", "/keys", {"name": "wide", "models": models}, 403, param="models")
    made, _ = narrow.new_key(models=["mock/ab*", "river"])
    narrow.good("DELETE", f"/keys/{made['id']}")
    # Whoever takes over a stronger key is as strong.
    owners = house.objects["acme", "owner"]
    for method, path, body in [
        ("POST", f"/keys/{owners['key']}/rotate", {}),
        ("POST", f"/keys/{owners['key']}/revoke", None),
        ("PATCH", f"/keys/{owners['key']}", {"name": "mine"}),
        ("DELETE", f"/keys/{owners['key']}", None),
        ("PATCH", f"/users/{owners['user']}", {"state": "suspended"}),
        ("DELETE", f"/users/{owners['user']}", None),
    ]:
        house.people["acme", "admin"].refused(method, path, body, 403, "permission_denied")
    house.people["acme", "owner"].good("GET", "/me")


def test_A21_a_suspended_key_does_not_bring_itself_back(house):
    user = house.objects["acme", "developer"]["user"]
    key, _ = house.root.new_key(tenant="acme", user=user, roles=["developer"])
    developer = house.people["acme", "developer"]
    house.people["acme", "admin"].good("PATCH", f"/keys/{key['id']}", {"state": "suspended"})
    developer.refused("PATCH", f"/keys/{key['id']}", {"state": "active"}, 403, "permission_denied", "state")
    house.people["acme", "admin"].good("PATCH", f"/keys/{key['id']}", {"state": "active"})
    developer.good("PATCH", f"/keys/{key['id']}", {"state": "suspended"})
    developer.good("DELETE", f"/keys/{key['id']}")


def test_A22_fields_that_nobody_sets_and_roles_that_one_has_not(house):
    for role in ("developer", "viewer", "service", "operator", "auditor", "billing"):
        mine = house.objects["acme", role]
        before = house.root.good("GET", f"/users/{mine['user']}"), house.root.good("GET", f"/keys/{mine['key']}")
        me = house.people["acme", role]
        for path in (f"/users/{mine['user']}", f"/keys/{mine['key']}"):
            for body in ({"roles": ["admin"]}, {"roles": ["owner"], "name": "x"}, {"tenant": "other"}, {"id": "x"}):
                me.refused("PATCH", path, body, 403)
        assert (house.root.good("GET", f"/users/{mine['user']}"), house.root.good("GET", f"/keys/{mine['key']}")) == before
    admin, key = house.people["acme", "admin"], house.objects["acme", "viewer"]["key"]
    for field in ("id", "tenant", "team", "user", "created", "revoked", "last4", "secrets"):
        admin.refused("PATCH", f"/keys/{key}", {field: "x"}, 403, "protected_field", field)
    for field in ("role", "admin", "permissions", "isAdmin", "__proto__"):
        admin.refused("PATCH", f"/keys/{key}", {field: True}, 400, "unknown_parameter", field)
    admin.refused("PATCH", f"/users/{house.objects['acme', 'admin']['user']}", {"roles": ["owner"]}, 403, "permission_denied")


def table():
    source = (ROOT / "weir/admin/routes.inc").read_text()
    return {(m, p) for m, p in re.findall(r'^WEIR_ADMIN_ROUTE\(\w+,\s*"(\w+)",\s*"([^"]+)"', source, re.M)}


def test_A23_the_matrix_knows_every_route():
    assert table() == {(r.method, r.pattern) for r in MATRIX}


@pytest.mark.parametrize("row", MATRIX, ids=lambda r: f"{r.method}{r.pattern}")
def test_A23_every_role_on_every_route(house, row):
    if row.public:
        assert house.get(row.pattern.replace("*", ""), key=None).status == row.good
        return
    asked = 0
    for tenant in ("acme", "default"):
        for role in ROLES:
            caller = house.people[tenant, role]
            own = house.objects["acme", role]
            allowed = role in row.roles or (tenant == "default" and role in row.first)
            # A developer of the first tenant has no user here, and owns nothing of acme's.
            narrow = role == "developer" and tenant == "default" and row.kind == "key"
            path = row.pattern.replace("{id}", own.get(row.kind, "x")) + row.query
            expected = (404 if narrow else row.good) if allowed else 403
            answer = caller.ask(row.method, path, row.body)
            assert answer.status == expected, (tenant, role, path, answer)
            asked += 1
            for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
                for method in ("GET", "DELETE", "PATCH"):
                    assert caller.ask(row.method, path, row.body, {name: method}).status == expected, (role, path, name)
            # Another tenant's: its people see everything, others nothing.
            if row.kind not in ("", "none") and tenant == "acme":
                theirs = row.pattern.replace("{id}", house.objects["other", role][row.kind])
                answer = caller.ask(row.method, theirs, row.body)
                assert answer.status == (404 if allowed else 403), (role, theirs, answer)
            if not row.kind and row.method == "GET" and tenant == "acme" and row.pattern != "/admin/v1/me":
                answer = caller.ask("GET", path + ("&" if row.query else "?") + "tenant=other")
                assert answer.status == 403, (role, path, answer)
                if allowed and not row.query:
                    assert "other" not in str(caller.ask("GET", path).json().get("data")), (role, path)
    assert asked == 2 * len(ROLES)
    for path in (row.pattern.replace("{id}", "AAAAAAAA"),):
        assert house.request(row.method, path, row.body, key=None).status == 401
        assert house.request(row.method, path, row.body, key="wr_live_" + "a" * 46).status == 401


def test_A23_a_path_has_one_spelling(house):
    for path in ("/admin/v1/me", "/admin/v1/keys"):
        for other in (
            "/" + path,
            path + "/",
            path + ".",
            path + "%2f",
            path + "/.",
            path + "/%2e%2e",
            path.replace("/v1/", "//v1/"),
            path.replace("/v1/", "/v1//"),
            path.replace("/v1/", "/V1/"),
            path.replace("/v1/", "/v1/./"),
            path.replace("/v1/", "/v1/x/../"),
            path.replace("/v1/", "/v1/x/%2e%2e/"),
            path.replace("/admin", "/Admin"),
            path.replace("/admin", "/%61dmin"),
            path.replace("/admin", "/v1/../admin"),
            path + ";a=b",
        ):
            for caller in (house.root, house.people["acme", "service"]):
                assert caller.ask("GET", other).status == 404, other
    for method in ("PUT", "OPTIONS", "TRACE", "get", "PROPFIND"):
        assert house.root.ask(method, "/admin/v1/keys").status in (400, 405), method


def test_A24_no_tenant_sees_what_another_keeps(gateway, upstream, tmp_path):
    model = upstream(always(answer_bytes(CHAT_ANSWER)))
    weir = gateway(
        {
            "data": {"directory": str(tmp_path / "data")},
            "providers": [{"name": "mock", "kind": "openai", "base_url": model.url + "/v1", "models": ["*"]}],
            "models": None,
            "responses": {"store": True},
        }
    )
    owner = Control(weir, owner_key(weir))
    people = []
    for tenant in ("a", "b"):
        owner.new("tenants", name=tenant, id=tenant)
        people.append(owner.as_key(tenant=tenant, name="same"))
    a, b = people
    body = {"model": "m", "input": "MARKER-a41f What is a river?"}
    kept = a.ask("POST", "/v1/responses", body).json()["id"]
    assert a.ask("GET", f"/v1/responses/{kept}").status == 200
    for caller in (b, owner, Control(weir, KEY)):
        assert caller.ask("GET", f"/v1/responses/{kept}").status == 404
        assert caller.ask("GET", f"/v1/responses/{kept}/input_items").status == 404
        assert caller.ask("DELETE", f"/v1/responses/{kept}").status == 404
        go_on = caller.ask("POST", "/v1/responses", {"model": "m", "input": "And?", "previous_response_id": kept})
        assert go_on.status in (400, 404), go_on
    asked = len(model.requests)
    assert b.ask("POST", "/v1/responses", body).status == 200
    assert len(model.requests) == asked + 1, "the same prompt of another tenant is asked anew"
    assert "MARKER-a41f" not in weir.said.text()
    assert "MARKER-a41f" not in weir.get("/metrics", key=None).body.decode()
    assert a.ask("DELETE", f"/v1/responses/{kept}").status == 200


# ----------------------------------------------------------------------------------------------------------------------
# The commands


def command(weir, binary, key, *arguments, good=True):
    environment = {**os.environ, "WEIR_ADMIN_KEY": key, "WEIR_URL": weir.url}
    done = subprocess.run([binary, *arguments], env=environment, capture_output=True, text=True, timeout=30)
    assert (done.returncode == 0) == good, done
    return done.stdout if good else done.stderr


def test_the_commands_do_what_the_api_does(binary, weir, owner, tmp_path):
    def run(*arguments, **more):
        return command(weir, binary, owner.key, *arguments, **more)

    run("tenants", "create", "--name", "Acme", "--id", "acme", "--budget", "month=500", "--limit", "requests_per_minute=60")
    assert owner.good("GET", "/tenants/acme")["limits"] == {
        "requests_per_minute": 60,
        "budgets": [{"period": "month", "usd": "500.000000000"}],
    }
    user = json.loads(run("users", "create", "--name", "Ann", "--tenant", "acme", "--role", "developer", "--json"))["id"]
    made = run("keys", "create", "--name", "ci", "--tenant", "acme", "--user", user, "--model", "river", "--budget", "day=100000tokens")
    secret = re.search(r"secret  (wr_live_\w+)", made)[1]
    caller = Control(weir, secret)
    assert caller.calls() == 200
    key = caller.good("GET", "/me")["key"]
    listed = run("keys", "list", "--tenant", "acme")
    assert key in listed and secret[-4:] in listed and secret not in listed
    assert owner.good("GET", f"/keys/{key}")["limits"] == {"budgets": [{"period": "day", "tokens": 100000}]}
    run("keys", "update", key, "--state", "suspended", "--name", "renamed")
    assert caller.calls() == 403 and owner.good("GET", f"/keys/{key}")["name"] == "renamed"
    run("keys", "update", key, "--state", "active")
    rotated = re.search(r"secret  (wr_live_\w+)", run("keys", "rotate", key, "--overlap", "60"))[1]
    assert caller.calls() == Control(weir, rotated).calls() == 200
    run("keys", "revoke", key)
    assert caller.calls() == Control(weir, rotated).calls() == 401
    run("users", "delete", user)
    assert "no user" in run("users", "show", user, good=False)
    file = tmp_path / "key"
    file.write_text(owner.key + "\n")
    assert "acme" in command(weir, binary, "wrong", "tenants", "list", "--key-file", str(file))
    assert "Incorrect API key" in command(weir, binary, "wrong", "tenants", "list", good=False)
    assert "WEIR_ADMIN_KEY" in command(weir, binary, "", "tenants", "list", good=False)
    for line in weir.said.text().split("\n"):
        assert secret not in line and rotated not in line


def test_the_metrics_of_the_accounts(weir, owner):
    before = weir.metrics()
    assert before.get("weir_accounts_keys") == 1
    key, _ = owner.new_key()
    after = weir.metrics()
    assert after.get("weir_accounts_keys") == 2
    assert after.get("weir_accounts_changes_total") == before.get("weir_accounts_changes_total") + 1
    assert after.get("weir_accounts_errors_total") == 0
