#!/usr/bin/env python3
"""Writes the Grafana dashboards of deploy/grafana/ from the lists below: what is asked and how it is drawn.

usage: dashboards.py            writes them
       dashboards.py --check    exit code 1 if a file is not what would be written

A panel is (title, kind, unit, width of 24, [(expression, legend) ...], options). Rows fill up from the left. Every
expression is run against a real Prometheus by tests/test_prometheus.py; the metrics are those of docs/metrics.md.
"""
import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "deploy/grafana"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
HOUSE = 'instance=~"$instance"'
ROUTE = HOUSE + ', provider=~"$provider", model=~"$model"'
WHOSE = HOUSE + ', tenant=~"$tenant"'
RATE = "[$__rate_interval]"
SECONDS, MS, PERCENT, PER_S, MONEY, COUNT, BYTES = "s", "ms", "percentunit", "reqps", "currencyUSD", "short", "bytes"


def quantiles(metric, labels, by=""):
    """p50, p95 and p99 of a histogram, each with a line."""
    more = f", {by}" if by else ""
    name = f" {{{{{by}}}}}" if by else ""
    return [(f"histogram_quantile({q}, sum by (le{more}) (rate({metric}_bucket{{{labels}}}{RATE})))", f"{label}{name}")
            for q, label in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))]


def p95(metric, labels, by, legend):
    groups = ", ".join(["le", *by])
    return [(f"histogram_quantile(0.95, sum by ({groups}) (rate({metric}_bucket{{{labels}}}{RATE})))", legend)]


def failed_share(labels, by=""):
    group = f" by ({by})" if by else ""
    return (f'(sum{group} (rate(weir_requests_total{{{labels}, status=~"5.."}}{RATE})) or 0 * sum{group} (rate(weir_requests_total{{{labels}}}{RATE})))'
            f" / sum{group} (rate(weir_requests_total{{{labels}}}{RATE}))")


LINES, STACK, FIGURE, BARS, TABLE = "timeseries", "stacked", "stat", "bargauge", "table"

OVERVIEW = [
    ("Requests a second now", FIGURE, PER_S, 4, [(f"sum(rate(weir_requests_total{{{HOUSE}}}{RATE}))", "")], {}),
    ("Share that fails", FIGURE, PERCENT, 4, [(failed_share(HOUSE), "")], {"bad": [0.01, 0.05]}),
    ("Duration, slowest twentieth", FIGURE, SECONDS, 4, p95("weir_request_duration_seconds", HOUSE, [], ""), {}),
    ("First token, slowest twentieth", FIGURE, SECONDS, 4, p95("weir_time_to_first_token_seconds", HOUSE, [], ""), {}),
    ("Dollars an hour", FIGURE, MONEY, 4, [(f"sum(rate(weir_cost_usd_total{{{HOUSE}}}{RATE})) * 3600", "")], {}),
    ("Alerts that burn", FIGURE, COUNT, 4, [(f"sum(weir_alerts_firing{{{HOUSE}}}) or vector(0)", "")], {"bad": [1, 1]}),
    ("Requests by the status answered", STACK, PER_S, 12, [(f"sum by (status) (rate(weir_requests_total{{{HOUSE}}}{RATE}))", "{{status}}")], {}),
    ("Requests that did not end well, by reason", STACK, PER_S, 12, [(f"sum by (reason) (rate(weir_errors_total{{{HOUSE}}}{RATE}))", "{{reason}}")], {}),
    ("Duration of a request", LINES, SECONDS, 12, quantiles("weir_request_duration_seconds", HOUSE), {}),
    ("Time to the first token", LINES, SECONDS, 12, quantiles("weir_time_to_first_token_seconds", HOUSE), {}),
    ("Tokens a second", STACK, COUNT, 12, [
        (f"sum(rate(weir_input_tokens_total{{{HOUSE}}}{RATE})) - (sum(rate(weir_cached_input_tokens_total{{{HOUSE}}}{RATE})) or vector(0))", "input"),
        (f"sum(rate(weir_cached_input_tokens_total{{{HOUSE}}}{RATE})) or vector(0)", "input from the provider's cache"),
        (f"sum(rate(weir_output_tokens_total{{{HOUSE}}}{RATE}))", "output")], {}),
    ("Cost, dollars an hour, by model", STACK, MONEY, 12, [(f"sum by (model) (rate(weir_cost_usd_total{{{HOUSE}}}{RATE})) * 3600", "{{model}}")], {}),
]

MODELS = [
    ("Requests by model", STACK, PER_S, 12, [(f"sum by (model) (rate(weir_requests_total{{{ROUTE}}}{RATE}))", "{{model}}")], {}),
    ("Share that fails, by model and provider", LINES, PERCENT, 12, [(failed_share(ROUTE, "provider, model"), "{{model}} at {{provider}}")], {}),
    ("Duration, slowest twentieth", LINES, SECONDS, 12, p95("weir_request_duration_seconds", ROUTE, ["provider", "model"], "{{model}} at {{provider}}"), {}),
    ("First token, slowest twentieth", LINES, SECONDS, 12, p95("weir_time_to_first_token_seconds", ROUTE, ["provider", "model"], "{{model}} at {{provider}}"), {}),
    ("Durations, how many took how long", "heatmap", SECONDS, 24, [(f"sum by (le) (increase(weir_request_duration_seconds_bucket{{{ROUTE}}}{RATE}))", "{{le}}")], {}),
    ("Calls of model servers that failed, also those made up for", STACK, PER_S, 12, [(f"sum by (provider, model, reason) (rate(weir_upstream_failures_total{{{ROUTE}}}{RATE}))", "{{model}} at {{provider}}: {{reason}}")], {}),
    ("Targets that are left alone because they fail (cores)", LINES, COUNT, 12, [(f"max by (provider, model) (weir_target_resting{{{HOUSE}}})", "{{model}} at {{provider}}")], {}),
    ("What weir did about failures", LINES, PER_S, 12, [
        (f"sum(rate(weir_upstream_retries_total{{{HOUSE}}}{RATE})) or vector(0)", "asked again"),
        (f"sum(rate(weir_hedges_total{{{HOUSE}}}{RATE})) or vector(0)", "asked a second target as well"),
        (f"sum(rate(weir_continuations_total{{{HOUSE}}}{RATE})) or vector(0)", "went on with a stream"),
        (f"sum(rate(weir_degraded_total{{{HOUSE}}}{RATE})) or vector(0)", "answered with the stand-in text")], {}),
    ("Output tokens a second, by model", STACK, COUNT, 12, [(f"sum by (model) (rate(weir_output_tokens_total{{{ROUTE}}}{RATE}))", "{{model}}")], {}),
    ("Answers without a price or without usage", LINES, COUNT, 12, [
        (f"sum by (model) (increase(weir_unpriced_answers_total{{{ROUTE}}}[1h]))", "{{model}}: no price"),
        (f"sum by (model) (increase(weir_unmetered_answers_total{{{ROUTE}}}[1h]))", "{{model}}: no usage")], {}),
    ("Dollars of the last hour, by model", BARS, MONEY, 12, [(f"sort_desc(sum by (model) (increase(weir_cost_usd_total{{{ROUTE}}}[1h])))", "{{model}}")], {}),
]

TENANTS = [
    ("Dollars of the last day", FIGURE, MONEY, 6, [(f"sum(increase(weir_tenant_cost_usd_total{{{WHOSE}}}[1d]))", "")], {}),
    ("Dollars an hour now", FIGURE, MONEY, 6, [(f"sum(rate(weir_tenant_cost_usd_total{{{WHOSE}}}{RATE})) * 3600", "")], {}),
    ("Budgets at 80 % and more", FIGURE, COUNT, 6, [(f"count(max by (scope, id, period) (weir_budget_share{{{WHOSE}}}) >= 0.8) or vector(0)", "")], {"bad": [1, 1]}),
    ("Requests that limits refused, a second", FIGURE, PER_S, 6, [(f"sum(rate(weir_limited_total{{{HOUSE}}}{RATE})) or vector(0)", "")], {}),
    ("Cost by tenant, dollars an hour", STACK, MONEY, 12, [(f"sum by (tenant) (rate(weir_tenant_cost_usd_total{{{WHOSE}}}{RATE})) * 3600", "{{tenant}}")], {}),
    ("Dollars of the last day, by tenant", BARS, MONEY, 12, [(f"sort_desc(sum by (tenant) (increase(weir_tenant_cost_usd_total{{{WHOSE}}}[1d])))", "{{tenant}}")], {}),
    ("How much of each budget is spent", BARS, PERCENT, 12, [(f"sort_desc(max by (scope, id, period) (weir_budget_share{{{WHOSE}}}))", "{{scope}} {{id}}, {{period}}")], {"bad": [0.8, 1]}),
    ("How budgets went", LINES, PERCENT, 12, [(f"max by (scope, id, period) (weir_budget_share{{{WHOSE}}})", "{{scope}} {{id}}, {{period}}")], {"bad": [0.8, 1]}),
    ("Requests by tenant", STACK, PER_S, 12, [(f"sum by (tenant) (rate(weir_tenant_requests_total{{{WHOSE}}}{RATE}))", "{{tenant}}")], {}),
    ("Requests that ended badly, by tenant", STACK, PER_S, 12, [(f'sum by (tenant, ending) (rate(weir_tenant_requests_total{{{WHOSE}, ending=~"error|limited"}}{RATE}))', "{{tenant}}: {{ending}}")], {}),
    ("Tokens a second, by tenant and class", STACK, COUNT, 12, [(f'sum by (tenant, class) (rate(weir_tenant_tokens_total{{{WHOSE}, class=~"input|output"}}{RATE}))', "{{tenant}}: {{class}}")], {}),
    ("Duration by tenant, slowest twentieth", LINES, SECONDS, 12, p95("weir_tenant_request_duration_seconds", WHOSE, ["tenant"], "{{tenant}}"), {}),
    ("First token by tenant, slowest twentieth", LINES, SECONDS, 12, p95("weir_tenant_time_to_first_token_seconds", WHOSE, ["tenant"], "{{tenant}}"), {}),
    ("Refused by limits, by scope and limit", STACK, PER_S, 12, [(f"sum by (scope, limit) (rate(weir_limited_total{{{HOUSE}}}{RATE}))", "{{scope}}: {{limit}}")], {}),
    ("Who spent what on which model, last day", TABLE, MONEY, 24, [(f"sort_desc(sum by (tenant, provider, model) (increase(weir_tenant_cost_usd_total{{{WHOSE}}}[1d])))", "")], {}),
]

OPERATIONS = [
    ("Requests under way", LINES, COUNT, 12, [
        (f"sum by (instance) (weir_requests_in_flight{{{HOUSE}}})", "{{instance}}: in the pipeline"),
        (f"sum by (instance) (weir_requests_waiting{{{HOUSE}}})", "{{instance}}: wait for their core")], {}),
    ("Refused because weir is too busy", STACK, PER_S, 12, [(f"sum by (reason) (rate(weir_refused_total{{{HOUSE}}}{RATE}))", "{{reason}}")], {}),
    ("How full the record rings are", LINES, PERCENT, 12, [(f"(sum by (instance) (weir_events_waiting{{{HOUSE}}}) + sum by (instance) (weir_requests_in_flight{{{HOUSE}}})) / sum by (instance) (weir_event_ring_places{{{HOUSE}}})", "{{instance}}")], {"bad": [0.5, 0.75]}),
    ("Records stored a second", LINES, COUNT, 12, [(f"sum by (instance) (rate(weir_events_stored_total{{{HOUSE}}}{RATE}))", "{{instance}}")], {}),
    ("Time a sync of records to the disk takes", LINES, SECONDS, 12, quantiles("weir_event_sync_seconds", HOUSE), {}),
    ("What was lost", LINES, COUNT, 12, [
        (f"sum(increase(weir_events_dropped_total{{{HOUSE}}}[5m])) or vector(0)", "records"),
        (f"sum(increase(weir_events_damaged_total{{{HOUSE}}}[5m])) or vector(0)", "records damaged"),
        (f"sum(increase(weir_log_dropped_total{{{HOUSE}}}[5m])) or vector(0)", "log lines"),
        (f"sum(increase(weir_otlp_spans_dropped_total{{{HOUSE}}}[5m])) or vector(0)", "spans"),
        (f"sum(increase(weir_metrics_overflow_total{{{HOUSE}}}[5m])) or vector(0)", "series")], {}),
    ("Stores that fail", LINES, COUNT, 12, [
        (f"sum(increase(weir_event_store_errors_total{{{HOUSE}}}[5m])) or vector(0)", "records"),
        (f"sum(increase(weir_event_sync_errors_total{{{HOUSE}}}[5m])) or vector(0)", "syncs of records"),
        (f"sum(increase(weir_accounts_errors_total{{{HOUSE}}}[5m])) or vector(0)", "accounts")], {}),
    ("How long late requests waited", LINES, SECONDS, 12, quantiles("weir_wait_seconds", HOUSE), {}),
    ("Alerts of weir's own that burn", LINES, COUNT, 12, [(f"sum by (rule, severity) (weir_alerts_firing{{{HOUSE}}})", "{{rule}} ({{severity}})")], {}),
    ("Messages about alerts", LINES, COUNT, 12, [(f"sum by (webhook, result) (increase(weir_alert_deliveries_total{{{HOUSE}}}[1h]))", "{{webhook}}: {{result}}")], {}),
    ("Up since", FIGURE, SECONDS, 8, [(f"time() - weir_start_time_seconds{{{HOUSE}}}", "{{instance}}")], {}),
    ("Age of the configuration", FIGURE, SECONDS, 8, [(f"time() - weir_config_time_seconds{{{HOUSE}}}", "{{instance}}")], {}),
    ("The certificate ends in", FIGURE, SECONDS, 8, [(f"(weir_tls_certificate_expires_seconds{{{HOUSE}}} > 0) - time()", "{{instance}}")], {}),
    ("Keys of the accounts that may be used", LINES, COUNT, 12, [(f"sum by (instance) (weir_accounts_keys{{{HOUSE}}})", "{{instance}}")], {}),
    ("Spans sent to the collector", LINES, COUNT, 12, [(f"sum by (instance) (rate(weir_otlp_spans_exported_total{{{HOUSE}}}{RATE}))", "{{instance}}")], {}),
]

# Thin lines on the charts: what changed.
ANNOTATIONS = [
    ("Starts of weir", "blue", f"changes(weir_start_time_seconds{{{HOUSE}}}[$__interval]) > 0", "weir started", "{{instance}}"),
    ("Configurations taken", "purple", f"changes(weir_config_time_seconds{{{HOUSE}}}[$__interval]) > 0", "configuration taken", "{{instance}}"),
    ("Alerts", "red", f"sum by (rule, severity) (weir_alerts_firing{{{HOUSE}}}) > 0", "{{rule}}", "{{severity}}"),
]

DASHBOARDS = {
    "weir-overview": ("weir: overview", "Is it well?", OVERVIEW, ()),
    "weir-models": ("weir: models and providers", "Which is slow, dear, failing?", MODELS, ("provider", "model")),
    "weir-tenants": ("weir: tenants and money", "Who spends what, and who is near a limit?", TENANTS, ("tenant",)),
    "weir-operations": ("weir: operations", "Records, stores, load, losses.", OPERATIONS, ()),
}
VARIABLES = {
    "instance": ("Instance", "label_values(weir_start_time_seconds, instance)"),
    "provider": ("Provider", "label_values(weir_requests_total, provider)"),
    "model": ("Model", "label_values(weir_requests_total, model)"),
    "tenant": ("Tenant", "label_values(weir_tenant_requests_total, tenant)"),
}
HEIGHTS = {FIGURE: 4, TABLE: 9, "heatmap": 9}


def target(n, expression, legend, kind):
    made = {"refId": chr(ord("A") + n), "datasource": SOURCE, "expr": expression, "legendFormat": legend or "__auto"}
    if kind in (FIGURE, BARS, TABLE):
        made["instant"] = True
    if kind == TABLE:
        made["format"] = "table"
    if kind == "heatmap":
        made["format"] = "heatmap"
    return made


def panel(number, spec, x, y):
    title, kind, unit, width, asked, options = spec
    defaults = {"unit": unit, "min": 0}
    if "bad" in options:
        warn, bad = options["bad"]
        steps = [{"color": "green", "value": None}] + ([{"color": "orange", "value": warn}] if warn != bad else []) + [{"color": "red", "value": bad}]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
    if kind in (LINES, STACK):
        custom = {"lineWidth": 1, "fillOpacity": 30 if kind == STACK else 0, "showPoints": "never"}
        if kind == STACK:
            custom["stacking"] = {"mode": "normal", "group": "A"}
        if "bad" in options:
            custom["thresholdsStyle"] = {"mode": "line"}
        defaults["custom"] = custom
    made = {
        "id": number, "title": title, "type": LINES if kind == STACK else kind, "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": width, "h": HEIGHTS.get(kind, 8)},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [target(n, e, legend, kind) for n, (e, legend) in enumerate(asked)],
    }
    if kind in (LINES, STACK):
        made["options"] = {"tooltip": {"mode": "multi", "sort": "desc"}, "legend": {"displayMode": "list", "placement": "bottom"}}
    if kind in (FIGURE, BARS):
        made["options"] = {"reduceOptions": {"calcs": ["lastNotNull"]}}
    return made


def placed(specs):
    x = y = height = 0
    for number, spec in enumerate(specs, 1):
        width, own = spec[3], HEIGHTS.get(spec[1], 8)
        if x + width > 24:
            x, y, height = 0, y + height, 0
        yield panel(number, spec, x, y)
        x, height = x + width, max(height, own)


def variable(name):
    label, query = VARIABLES[name]
    return {"name": name, "label": label, "type": "query", "datasource": SOURCE, "query": {"query": query, "refId": name},
            "definition": query, "refresh": 2, "multi": True, "includeAll": True, "allValue": ".*",
            "current": {"text": "All", "value": "$__all"}, "sort": 1}


def dashboard(uid):
    title, description, panels, variables = DASHBOARDS[uid]
    return {
        "uid": uid, "title": title, "description": description, "tags": ["weir"], "schemaVersion": 39, "version": 1,
        "editable": True, "graphTooltip": 1, "refresh": "30s", "time": {"from": "now-1h", "to": "now"}, "timezone": "",
        "templating": {"list": [
            {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}},
            *(variable(name) for name in ("instance", *variables))]},
        "annotations": {"list": [
            {"name": name, "iconColor": colour, "enable": True, "datasource": SOURCE, "expr": expression, "titleFormat": head, "textFormat": text}
            for name, colour, expression, head, text in ANNOTATIONS]},
        "links": [{"title": "weir's dashboards", "type": "dashboards", "tags": ["weir"], "asDropdown": True, "includeVars": True, "keepTime": True}],
        "panels": list(placed(panels)),
    }


def main():
    wrong = []
    FOLDER.mkdir(exist_ok=True)
    for uid in DASHBOARDS:
        file, text = FOLDER / f"{uid}.json", json.dumps(dashboard(uid), indent=1) + "\n"
        if "--check" in sys.argv[1:]:
            if not file.exists() or file.read_text() != text:
                wrong.append(file.name)
        else:
            file.write_text(text)
    if wrong:
        print(f"not as tools/dashboards.py writes them: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
