"""deploy/prometheus and deploy/grafana: the alert rules by Prometheus' own tests, and every expression of every dashboard
and alert run by a real Prometheus that scrapes a real weir with traffic on it."""

import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

import pytest
import yaml

from harness import KEY, ROOT, Gateway, Program, eventually, provider, request

RULES = ROOT / "deploy/prometheus/weir.rules.yaml"
RULE_TESTS = ROOT / "deploy/prometheus/weir.rules.test.yaml"
DASHBOARDS = sorted((ROOT / "deploy/grafana").glob("*.json"))
OWNER = "sk-weir-owner-0123456789abcdef"
UNITS = {"s", "ms", "percentunit", "reqps", "currencyUSD", "short", "bytes"}

# Charts that are empty in a weir that is well and has no such thing, each with its reason.
MAY_BE_EMPTY = {
    "The certificate ends in": "this weir has no certificate",
    "Spans sent to the collector": "nor a collector",
    "How long late requests waited": "its loops were not late",
    "Refused because weir is too busy": "nor did it refuse a request for it",
}


def tool(name: str) -> str:
    path = shutil.which(name)
    if not path:
        pytest.fail(f"there is no {name}: scripts/setup --test installs it", pytrace=False)
    return path


def alerts() -> dict[str, dict]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def panels() -> list:
    """(dashboard, panel, target) of everything that is drawn."""
    found = []
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            found += [(file.name, panel, target) for target in panel["targets"]]
    return found


# ----------------------------------------------------------------------------------------------------------------------
# Without a process


def test_promtool_takes_the_rules_and_the_configuration():
    for what, file in (("rules", RULES), ("config", ROOT / "deploy/prometheus/prometheus.yaml")):
        done = subprocess.run([tool("promtool"), "check", what, str(file)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_and_does_not():
    done = subprocess.run([tool("promtool"), "test", "rules", str(RULE_TESTS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    # Each alert stands in a test with series that fire it and others that do not.
    fired, series = {}, {}
    for test in yaml.safe_load(RULE_TESTS.read_text())["tests"]:
        for check in test["alert_rule_test"]:
            name = check["alertname"]
            fired[name] = max(fired.get(name, 0), len(check["exp_alerts"]))
            series[name] = max(series.get(name, 0), len(test["input_series"]))
    assert set(fired) == set(alerts())
    assert all(fired.values()), [name for name, count in fired.items() if not count]
    assert all(series[name] > fired[name] for name in fired)


def test_a_rule_that_is_wrong_is_noticed(tmp_path):
    """The test above can fail: with another threshold it does."""
    broken = RULES.read_text().replace("> 0.05", "> 0.5")
    assert broken != RULES.read_text()
    (tmp_path / RULES.name).write_text(broken)
    shutil.copy(RULE_TESTS, tmp_path)
    done = subprocess.run([tool("promtool"), "test", "rules", RULE_TESTS.name], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0 and "WeirErrorRate" in done.stdout + done.stderr


def test_every_alert_says_how_bad_it_is_and_what_to_do():
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in ("info", "warning", "critical"), name
        assert rule["annotations"]["summary"] and rule["annotations"]["action"], name


def test_every_metric_is_a_documented_one():
    known = set(re.findall(r"`(weir_\w+)`", (ROOT / "docs/metrics.md").read_text()))
    expressions = [rule["expr"] for rule in alerts().values()] + [target["expr"] for _, _, target in panels()]
    for expression in expressions:
        for name in re.findall(r"weir_[a-z0-9_]+", expression):
            assert name in known or re.sub(r"_(bucket|sum|count)$", "", name) in known, f"{name} in {expression}"


def test_dashboards_are_as_the_tool_writes_them():
    assert subprocess.run([sys.executable, str(ROOT / "tools/dashboards.py"), "--check"]).returncode == 0


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_is_well_formed(file):
    board = json.loads(file.read_text())
    assert board["uid"] == file.stem and board["schemaVersion"] >= 36 and board["title"].startswith("weir: ")
    variables = {v["name"]: v for v in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource" and variables["datasource"]["query"] == "prometheus"
    ids = [panel["id"] for panel in board["panels"]]
    titles = [panel["title"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids) and len(set(titles)) == len(titles)
    taken = set()
    for panel in board["panels"]:
        assert panel["type"] in ("timeseries", "stat", "bargauge", "table", "heatmap"), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        at = panel["gridPos"]
        assert at["x"] >= 0 and at["w"] > 0 and at["x"] + at["w"] <= 24, panel["title"]
        places = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not places & taken, f"{panel['title']} lies over another panel"
        taken |= places
        references = [target["refId"] for target in panel["targets"]]
        assert references and len(set(references)) == len(references)
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}", "a source of its own, not the one that is chosen"
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval", "__interval"}
            assert used <= set(variables), f"{used} in {panel['title']}"
    assert board["panels"][0]["type"] != "table", "charts come before tables"


# ----------------------------------------------------------------------------------------------------------------------
# With all of it running


class Prometheus:
    def __init__(self, folder, target: str):
        (folder / "rules.yaml").write_text(RULES.read_text())
        config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yaml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(folder / "rules.yaml")]
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [target]
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.program = Program([
            tool("prometheus"), f"--config.file={folder / 'prometheus.yaml'}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
        ])
        eventually(self.ready, "Prometheus did not start", 30)

    def ready(self) -> bool:
        try:
            return request(self.url, "GET", "/-/ready").status == 200
        except OSError:
            assert self.program.process.poll() is None, self.program.said.text()
            return False

    def get(self, path: str, **query) -> dict:
        answer = request(self.url, "GET", f"{path}?{urllib.parse.urlencode(query)}")
        assert answer.status == 200, f"{query}: {answer.body.decode()}"
        return answer.json()["data"]

    def instant(self, expression: str) -> list:
        return self.get("/api/v1/query", query=expression)["result"]


def plain(expression: str) -> str:
    """With Grafana's variables as they are when nothing was chosen."""
    chosen = {"$__rate_interval": "15s", "$__interval": "15s"}
    for name, value in chosen.items():
        expression = expression.replace(name, value)
    return re.sub(r"\$\w+", ".*", expression)


@pytest.fixture(scope="module")
def busy(binary, mock, tmp_path_factory):
    """A weir with traffic of every kind, until the tests are over, and a Prometheus that looks at it."""
    folder = tmp_path_factory.mktemp("prometheus")
    weir = Gateway(binary, folder, mock.url, {
        "data": {"directory": str(folder / "data")},
        "auth": {"keys": [{"name": "all", "key": KEY}, {"name": "boss", "key": OWNER, "roles": ["owner"]}]},
        "providers": [
            provider(mock.url, models=["mock/*"]),
            provider(mock.url, name="second"),
            provider("http://127.0.0.1:1", name="gone"),
        ],
        "models": [
            {"name": "river", "targets": [{"provider": "mock", "model": "mock-1"}]},
            {"name": "pair", "targets": [{"provider": "gone", "model": "x"}, {"provider": "second", "model": "mock-1"}]},
            {"name": "new", "targets": [{"provider": "mock", "model": "nobody-knows-its-price"}]},
        ],
        "registry": [{"provider": p, "model": "mock-1", "input_usd": "5", "output_usd": "20"} for p in ("mock", "second")],
        "health": {"failures": 1, "rest_ms": 600000, "rest_max_ms": 600000, "check_ms": 0},
        "alerts": {"check_ms": 500, "rules": [
            {"name": "always", "measure": "usd_per_hour", "above": 0, "for_ms": 0},
        ], "webhooks": [{"name": "ops", "url": mock.url + "/nobody", "secret": "0123456789abcdef", "retry_ms": 10}]},
    })
    tenant = weir.request("POST", "/admin/v1/tenants", {"name": "acme", "limits": {"budgets": [{"period": "month", "usd": "50"}]}}, key=OWNER)
    assert tenant.status == 201, tenant
    made = weir.request("POST", "/admin/v1/keys", {"name": "app", "tenant": tenant.json()["id"], "limits": {"requests_per_minute": 20}}, key=OWNER)
    assert made.status == 201, made
    secret = made.json()["secret"]
    over = threading.Event()

    def traffic():
        while not over.is_set():
            for key in (KEY, secret):
                weir.chat({"input_tokens": 50, "output_tokens": 9, "cached_tokens": 20}, key=key)
                weir.chat({"frames": 3}, stream=True, key=key)
                weir.chat(model="pair", key=key)
                weir.chat(model="new", key=key)
            weir.chat({"status": 500})
            weir.chat({"fault": "cut"}, stream=True)
            weir.chat({"usage": "none"}, stream=True)
            weir.chat(model="lake")
            over.wait(0.1)

    client = threading.Thread(target=traffic)
    client.start()
    prometheus = Prometheus(folder, weir.url.removeprefix("http://"))
    try:
        eventually(lambda: len(prometheus.get("/api/v1/query", query="count_over_time(weir_budget_share[5m])")["result"]) > 0
                   and float(prometheus.instant("max(count_over_time(weir_budget_share[5m]))")[0]["value"][1]) >= 10,
                   "Prometheus never saw weir's budgets for ten seconds", 60)
        yield prometheus
    finally:
        over.set()
        client.join()
        prometheus.program.stop()
        assert not (problem := weir.finish()), problem


def test_every_chart_has_its_figures(busy):
    empty = []
    for file, panel, target in panels():
        result = busy.instant(plain(target["expr"]))  # an error of an expression fails here
        values = [float(sample["value"][1]) for sample in result]
        if panel["title"] in MAY_BE_EMPTY:
            continue
        if not values:
            empty.append(f"{file}: {panel['title']}: {target['expr']}")
        assert all(value >= 0 for value in values if value == value), f"{panel['title']} is negative: {values}"
    assert not empty, "no figures:\n" + "\n".join(empty)


def test_what_changed_is_asked_without_error(busy):
    for file in DASHBOARDS:
        for annotation in json.loads(file.read_text())["annotations"]["list"]:
            now = int(time.time())
            busy.get("/api/v1/query_range", query=plain(annotation["expr"]), start=now - 60, end=now, step=5)


def test_every_variable_has_values(busy):
    for file in DASHBOARDS:
        for variable in json.loads(file.read_text())["templating"]["list"]:
            if variable["type"] != "query":
                continue
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()
            values = busy.get(f"/api/v1/label/{label}/values", **{"match[]": metric})
            assert values, variable["name"]


def test_every_alert_is_judged(busy):
    def judged():
        groups = busy.get("/api/v1/rules", type="alert")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return rules if len(rules) == len(alerts()) and all(rule["lastEvaluation"] > "2000" for rule in rules) else None

    for rule in eventually(judged, "not every rule was evaluated", 20):
        assert rule["health"] == "ok", rule
        assert not rule.get("lastError"), rule


def test_the_alerts_that_should_burn_do(busy):
    """What the traffic does wrong is found by the expressions, on real series."""
    for name in ("WeirTargetResting", "WeirUnpriced", "WeirUnmetered", "WeirBrokenStreams"):
        eventually(lambda: busy.instant(alerts()[name]["expr"]), f"{name} has no series", 30)
    for name in ("WeirDown", "WeirRecordsLost", "WeirRingFilling", "WeirStoreAway", "WeirAccountsAway", "WeirCertificateExpires"):
        assert not busy.instant(alerts()[name]["expr"]), name
