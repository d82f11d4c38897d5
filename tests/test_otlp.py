"""OpenTelemetry: what a collector gets over OTLP/HTTP, read by the official protobuf decoder, and the trace that goes on
through weir to the model server (W3C Trace Context)."""

import http.server
import threading
import time

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from harness import CHAT_ANSWER, always, answer_bytes, eventually

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Collector:
    def __init__(self):
        self.traces: list[ExportTraceServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        self.headers: list[dict] = []
        self.statuses: list[int] = []  # of the next answers; then 200
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = outer.statuses.pop(0) if outer.statuses else 200
                outer.headers.append({k.lower(): v for k, v in self.headers.items()})
                if status == 200:
                    kind, into = {"/v1/traces": (ExportTraceServiceRequest, outer.traces),
                                  "/v1/metrics": (ExportMetricsServiceRequest, outer.metrics)}[self.path]
                    into.append(kind.FromString(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def spans(self) -> list[Span]:
        return [span for request in list(self.traces) for r in request.resource_spans for s in r.scope_spans for span in s.spans]

    def wait(self, name: str) -> Span:
        return eventually(lambda: next((s for s in self.spans() if s.name.startswith(name)), None), f"no span {name}")

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.stop()


def values(attributes) -> dict:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}


def environment(collector, **more):
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **more}


def test_a_callers_trace_goes_on_to_the_model_server(gateway, collector, upstream):
    server = upstream(always(answer_bytes(CHAT_ANSWER)))
    config = {"providers": [{"name": "mock", "kind": "openai", "base_url": server.url + "/v1"}]}
    weir = gateway(config, environment=environment(collector, OTEL_SERVICE_NAME="edge", OTEL_EXPORTER_OTLP_HEADERS="x-team=red,api-key=k"))
    before = time.time_ns()
    answer = weir.chat(headers={"traceparent": PARENT, "x-weir-agent": "planner"})
    assert answer.status == 200
    call = collector.wait("chat ")
    request = next(s for s in collector.spans() if s.kind == Span.SPAN_KIND_SERVER)
    client = next(s for s in collector.spans() if s.kind == Span.SPAN_KIND_CLIENT)
    trace = bytes.fromhex(PARENT[3:35])
    assert call.trace_id == request.trace_id == client.trace_id == trace
    assert request.parent_span_id == bytes.fromhex(PARENT[36:52])
    assert client.parent_span_id == request.span_id
    assert before - 10**9 < request.start_time_unix_nano <= client.start_time_unix_nano
    assert client.end_time_unix_nano <= request.end_time_unix_nano < time.time_ns() + 10**9
    told = next(line for line in server.requests[0].head.decode().lower().split("\r\n") if line.startswith("traceparent:"))
    assert told == f"traceparent: 00-{trace.hex()}-{client.span_id.hex()}-01"
    server_side, client_side = values(request.attributes), values(client.attributes)
    assert server_side["http.response.status_code"] == 200
    assert server_side["weir.request_id"] == answer.headers["x-request-id"]
    assert client_side["gen_ai.operation.name"] == "chat"
    assert client_side["gen_ai.provider.name"] == "mock"
    assert client_side["gen_ai.usage.input_tokens"] == 1
    assert client_side["gen_ai.usage.output_tokens"] == 2
    assert client_side["server.address"] == "127.0.0.1"
    assert "first_byte" in [e.name for e in client.events]
    stages = [s for s in collector.spans() if s.kind == Span.SPAN_KIND_INTERNAL]
    assert [s.name for s in stages] == ["authenticate", "receive", "route"]
    ids = [s.span_id for s in collector.spans()]
    assert len(set(ids)) == len(ids) and all(len(i) == 8 for i in ids)
    resource = values(collector.traces[0].resource_spans[0].resource.attributes)
    assert resource["service.name"] == "edge" and resource["service.version"]
    assert (collector.headers[0]["x-team"], collector.headers[0]["api-key"]) == ("red", "k")
    assert collector.headers[0]["content-type"] == "application/x-protobuf"


def test_failures_are_always_kept_and_the_rest_by_share(gateway, collector):
    weir = gateway({}, environment=environment(collector, OTEL_TRACES_SAMPLER_ARG="0"))
    for _ in range(20):
        assert weir.chat().status == 200
    assert weir.chat(key="sk-wrong").status == 401
    assert weir.chat({"status": 400}).status == 400
    weir.signal(15)  # what is held goes out before it ends
    assert weir.wait() == 0
    servers = [s for s in collector.spans() if s.kind == Span.SPAN_KIND_SERVER]
    failed = [s for s in servers if values(s.attributes).get("error.type")]
    assert len(failed) == 2
    assert len(servers) < 22  # of those that went well the slowest may be there
    assert "invalid_api_key" in [values(s.attributes)["error.type"] for s in failed]
    assert {s.status.code for s in failed} == {Status.STATUS_CODE_UNSET}  # the callers' own


def test_metrics_are_what_prometheus_reads(gateway, collector):
    weir = gateway({}, environment=environment(collector, OTEL_METRIC_EXPORT_INTERVAL="100"))
    for _ in range(5):
        assert weir.chat().status == 200

    def exported():
        for request in reversed(list(collector.metrics)):
            metrics = {m.name: m for r in request.resource_metrics for s in r.scope_metrics for m in s.metrics}
            counter = metrics.get("weir_requests_total")
            if counter and sum(p.as_double for p in counter.sum.data_points) == 5:
                return metrics
        return None

    metrics = eventually(exported, "the five requests were not exported")
    assert metrics["weir_requests_total"].sum.is_monotonic and metrics["weir_requests_total"].sum.aggregation_temporality == 2
    point = metrics["weir_requests_total"].sum.data_points[0]
    assert values(point.attributes)["status"] == "200" and point.start_time_unix_nano < point.time_unix_nano
    histograms = [m for m in metrics.values() if m.WhichOneof("data") == "histogram"]
    assert histograms
    for metric in histograms:
        for point in metric.histogram.data_points:
            assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
            assert sum(point.bucket_counts) == point.count


def test_a_collector_that_is_away_costs_nothing_and_gets_it_later(gateway, collector):
    collector.statuses = [503]
    weir = gateway({}, environment=environment(collector, OTEL_TRACES_SAMPLER_ARG="1"))
    assert weir.chat().status == 200
    collector.wait("chat ")
    assert weir.wait_log(message="the OpenTelemetry collector answers 503")
    weir.wait_metric("weir_otlp_spans_exported_total", len(collector.spans()))
    assert weir.metrics().get("weir_otlp_spans_dropped_total") == 0


def test_without_a_collector_a_trace_passes_unchanged(gateway, upstream):
    server = upstream(always(answer_bytes(CHAT_ANSWER)))
    weir = gateway({"providers": [{"name": "mock", "kind": "openai", "base_url": server.url + "/v1"}]})
    assert weir.chat(headers={"traceparent": PARENT}).status == 200
    assert f"traceparent: {PARENT}" in server.requests[0].head.decode().lower()
