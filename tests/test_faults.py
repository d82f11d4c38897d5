"""Model servers that fail, in every way we know: what the caller gets, and what the operator can see.

Inside a stream no status can change any more: a failure there is one error event, a proper end of the message, and never
an invented [DONE]."""

import gzip
import json
import socket
import threading

import pytest

from harness import (
    CHAT_ANSWER,
    QUICK,
    STREAM_HEAD,
    UPSTREAM_KEY,
    Stream,
    answer_bytes,
    always,
    chat_body,
    chunked,
    chunks,
    delta,
    events,
    eventually,
    post_bytes,
    provider,
    request,
)


@pytest.fixture
def weir(gateway):
    return gateway(quick())


def quick(**more) -> dict:
    return {"models": [{"name": "river", "targets": [{"provider": "mock", "model": "mock-1"}],
                        "timeouts": {**QUICK, **more}}]}


def at(server, **more) -> dict:
    """The configuration that sends everything to this upstream, within short limits."""
    return {"providers": [provider(server.url, timeouts=QUICK, **more)]}


def refused(answer, status: int, code: str, *words: str) -> dict:
    """The answer is a refusal by weir itself, in plain words and without anything internal."""
    assert answer.status == status, answer
    error = answer.error
    assert error["code"] == code
    for word in words:
        assert word in error["message"]
    for secret in (UPSTREAM_KEY, "127.0.0.1", "errno"):
        assert secret not in json.dumps(error)
    return error


def failed_stream(body: bytes, code: str, deltas: int) -> dict:
    """The stream brought so many deltas with content, then one error event, and no [DONE]."""
    said = events(body)
    assert "[DONE]" not in said
    documents = [json.loads(e) for e in said]
    assert len([d for d in documents[:-1] if d["choices"][0]["delta"].get("content")]) == deltas
    assert all("error" not in d and d["choices"][0]["finish_reason"] is None for d in documents[:-1])
    error = documents[-1]["error"]
    assert error["code"] == code
    assert error["message"]
    return error


# ----------------------------------------------------------------------------------------------------------------------
# Silence


def test_no_answer_to_a_stream(weir):
    answer = weir.chat({"fault": "hang"}, stream=True)
    refused(answer, 504, "headers_timeout", "'mock'", "did not begin to answer in time")
    weir.wait_log(message="request", status=504, reason="headers_timeout", level="warn")
    weir.wait_metric("weir_errors_total", 1, reason="headers_timeout", model="river", provider="mock")


def test_no_answer_at_all(gateway):
    # A whole answer has its head only when the model is done, so the limit of the whole call is the one that counts.
    weir = gateway(quick(total_ms=300))
    refused(weir.chat({"fault": "hang"}), 504, "total_timeout", "did not finish its answer in time")


def test_slow_whole_answer_is_not_cut_by_the_stream_limits(weir):
    answer = weir.chat({"delay_ms": 700})
    assert answer.status == 200
    assert answer.json()["choices"][0]["message"]["content"]


def test_no_first_token(weir):
    answer = weir.chat({"fault": "hang_after_head"}, stream=True)
    refused(answer, 504, "first_token_timeout", "did not send a first token in time")


def test_comments_and_empty_chunks_are_no_token(gateway, upstream):
    stop = threading.Event()

    def answer(connection, _):
        connection.sendall(STREAM_HEAD + chunked(b": keep-alive\n\n") + chunked(delta("")))
        while not stop.wait(0.05):  # the pace of a server that keeps its connection alive and does not work
            connection.sendall(chunked(b": keep-alive\n\n"))

    weir = gateway(at(upstream(answer)))
    answer = weir.chat(stream=True)
    stop.set()
    refused(answer, 504, "first_token_timeout", "did not send a first token in time")


def test_silence_inside_a_stream(weir):
    answer = weir.chat({"fault": "hang_mid", "after": 3}, stream=True)
    assert answer.status == 200
    error = failed_stream(answer.body, "idle_timeout", deltas=3)
    assert "stopped sending" in error["message"]
    weir.wait_log(message="request", reason="idle_timeout", events=4)


def test_total_limit_of_a_stream_that_never_ends(gateway):
    weir = gateway(quick(total_ms=400))
    answer = weir.chat({"frames": 1000000, "frame_delay_ms": 20}, stream=True)
    assert events(answer.body)[-1] != "[DONE]"
    assert json.loads(events(answer.body)[-1])["error"]["code"] == "total_timeout"


def test_comments_do_not_keep_a_stream_alive(gateway, upstream):
    stop = threading.Event()

    def answer(connection, _):
        connection.sendall(STREAM_HEAD + chunked(delta("a")))
        while not stop.wait(0.05):
            connection.sendall(chunked(b": keep-alive\n\n"))

    weir = gateway(at(upstream(answer)))
    answer = weir.chat(stream=True)
    stop.set()
    failed_stream(answer.body, "idle_timeout", deltas=1)


def test_slow_drip_is_not_silence(gateway, upstream):
    # One byte at a time: every event arrives whole, nothing is lost at any split.
    whole = chunked(delta("a")) + chunked(b": c\r\n\r\n" + delta("", "stop")) + chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n"

    def answer(connection, _):
        connection.setsockopt(6, 1, 1)  # TCP_NODELAY
        for byte in STREAM_HEAD + whole:
            connection.sendall(bytes([byte]))

    weir = gateway(at(upstream(answer)))
    answer = weir.chat(stream=True)
    assert events(answer.body) == [delta("a")[6:-2].decode(), delta("", "stop")[6:-2].decode(), "[DONE]"]


def test_connect_timeout_is_told_apart(gateway):
    # 192.0.2.0/24 is reserved for documentation: no host answers there. Some networks refuse at once instead.
    weir = gateway({"providers": [{"name": "mock", "kind": "openai", "base_url": "http://192.0.2.1:9/v1",
                                   "timeouts": {**QUICK, "connect_ms": 200}}]})
    answer = weir.chat()
    if answer.status == 504:
        refused(answer, 504, "connect_timeout", "could not be connected to in time")
    else:
        refused(answer, 502, "connect_failed", "can not be reached")


# ----------------------------------------------------------------------------------------------------------------------
# Streams that end wrong


def test_cut_stream(weir):
    answer = weir.chat({"fault": "cut", "after": 3}, stream=True)
    assert answer.status == 200
    error = failed_stream(answer.body, "stream_cut", deltas=3)
    assert "cut its answer off" in error["message"]
    weir.wait_metric("weir_errors_total", 1, reason="stream_cut")


def test_cut_before_the_first_event(weir):
    refused(weir.chat({"fault": "cut", "after": 0}, stream=True), 502, "closed_before_answer")


def test_stream_without_finish_reason(weir):
    answer = weir.chat({"fault": "no_finish"}, stream=True)
    failed_stream(answer.body, "stream_cut", deltas=8)


def test_stream_without_done_but_finished_ends_well(weir):
    answer = weir.chat({"fault": "no_done"}, stream=True)
    said = events(answer.body)
    assert "[DONE]" not in said  # never invented
    assert json.loads(said[-1])["choices"][0]["finish_reason"] == "stop"
    assert len(said) == 10  # the role, eight words, the finish_reason
    weir.wait_log(message="request", status=200, level="info")


def test_stream_whose_connection_stays_open_after_done(gateway, upstream):
    held = threading.Event()

    def answer(connection, _):
        connection.sendall(STREAM_HEAD + chunked(delta("a")) + chunked(delta("", "stop") + b"data: [DONE]\n\n"))
        held.wait(10)

    weir = gateway({**at(upstream(answer)), "models": quick(idle_ms=9000, total_ms=9500)["models"]})
    answer = weir.chat(stream=True)
    held.set()
    assert events(answer.body)[-1] == "[DONE]"
    assert len(events(answer.body)) == 3


def test_stream_without_chunked_framing(gateway, upstream):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"

    def answer(connection, _):
        connection.sendall(head + delta("a") + delta("", "stop") + b"data: [DONE]\n\n")

    weir = gateway(at(upstream(answer)))
    assert events(weir.chat(stream=True).body)[-1] == "[DONE]"


def test_cut_stream_without_chunked_framing(gateway, upstream):
    # Only the missing finish_reason tells that this end is a cut.
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"

    def answer(connection, _):
        connection.sendall(head + delta("a") + b"data: {\"choi")

    weir = gateway(at(upstream(answer)))
    failed_stream(weir.chat(stream=True).body, "stream_cut", deltas=1)


def test_malformed_event_inside_a_stream(weir):
    answer = weir.chat({"fault": "malformed", "after": 2}, stream=True)
    failed_stream(answer.body, "malformed_response", deltas=2)
    assert b"this is not json" not in answer.body


def test_malformed_first_event(weir):
    refused(weir.chat({"fault": "malformed", "after": 0}, stream=True), 502, "malformed_response")


def test_error_event_inside_a_stream(weir):
    answer = weir.chat({"fault": "error_event", "after": 2}, stream=True)
    error = failed_stream(answer.body, "mock_overload", deltas=2)  # as it came
    assert "mock overload" in error["message"]


def test_error_event_before_the_first_token(weir):
    answer = weir.chat({"fault": "error_event", "after": 0}, stream=True)
    refused(answer, 502, "mock_overload", "mock overload")
    weir.wait_metric("weir_errors_total", 1, reason="upstream_error_event")


def test_event_larger_than_the_bound(gateway, upstream):
    def answer(connection, _):
        connection.sendall(STREAM_HEAD + chunked(delta("a")) + chunked(b"data: " + b"x" * (3 << 20)))

    weir = gateway(at(upstream(answer)))
    failed_stream(weir.chat(stream=True).body, "malformed_response", deltas=1)


def test_large_events_pass(weir):
    answer = weir.chat({"frames": 4, "text_bytes": 500_000}, stream=True)
    texts = [c["choices"][0]["delta"].get("content", "") for c in chunks(answer.body)]
    assert [len(t) for t in texts] == [0] + [500_000] * 4 + [0]


# ----------------------------------------------------------------------------------------------------------------------
# Answers that are none


@pytest.mark.parametrize("stream", [False, True])
def test_a_login_page_instead_of_an_answer(weir, stream):
    answer = weir.chat({"fault": "html"}, stream=stream)
    refused(answer, 502, "malformed_response", "not a valid answer")
    assert "html" not in answer.headers["content-type"]
    assert b"login" not in answer.body


def test_cut_whole_answer(weir):
    refused(weir.chat({"fault": "cut_body"}), 502, "stream_cut")


def test_answer_that_is_not_http(gateway, upstream):
    weir = gateway(at(upstream(always(b"SSH-2.0-OpenSSH_9.2p1\r\n"))))
    refused(weir.chat(), 502, "malformed_response")


def test_upstream_that_accepts_and_closes(gateway, upstream):
    weir = gateway(at(upstream(lambda connection, _: None, read_request=False)))
    refused(weir.chat(), 502, "closed_before_answer", "closed the connection before it answered")


def test_upstream_that_reads_and_closes(gateway, upstream):
    server = upstream(lambda connection, _: None)
    refused(gateway({**at(server), "retries": {"max": 0}}).chat(), 502, "closed_before_answer")
    assert len(server.requests) == 1  # on a fresh connection the request is not sent twice


def test_nobody_listens(gateway, free_port):
    weir = gateway({"providers": [provider(f"http://127.0.0.1:{free_port}", timeouts=QUICK)]})
    refused(weir.chat(), 502, "connect_failed", "'mock' can not be reached")
    assert weir.get("/ready").status == 200  # a provider that is away now does not take the gateway out


def test_name_that_does_not_resolve(gateway):
    weir = gateway({"providers": [provider("http://no-such-host.invalid", timeouts=QUICK)]})
    refused(weir.chat(), 502, "connect_failed")


def test_huge_head(gateway, upstream):
    headers = [(f"X-Padding-{i}", "y" * 1000) for i in range(200)]
    weir = gateway(at(upstream(always(answer_bytes(CHAT_ANSWER, headers=headers)))))
    refused(weir.chat(), 502, "malformed_response")


def test_two_content_lengths(gateway, upstream):
    bad = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"
    refused(gateway(at(upstream(always(bad)))).chat(), 502, "malformed_response")


def test_compressed_answer_is_not_passed_as_json(gateway, upstream):
    squeezed = gzip.compress(json.dumps(CHAT_ANSWER).encode())
    weir = gateway(at(upstream(always(answer_bytes(squeezed, headers=[("Content-Encoding", "gzip")])))))
    refused(weir.chat(), 502, "malformed_response")


# ----------------------------------------------------------------------------------------------------------------------
# Statuses


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 404, 422, 429, 500, 503])
def test_refusal_with_an_error_object_passes(weir, status, stream):
    answer = weir.chat({"status": status}, stream=stream)
    assert answer.status == status
    assert answer.error["message"] == f"mock status {status}"
    assert answer.error["code"] == f"mock_{status}"
    weir.wait_metric("weir_errors_total", 1, reason="upstream_status")
    weir.wait_metric("weir_requests_total", 1, status=str(status))


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_of_the_gateway_are_not_the_callers(weir, status):
    answer = weir.chat({"status": status})
    refused(answer, 502, "upstream_credentials", "the gateway's credentials")
    assert "www-authenticate" not in answer.headers
    assert "mock status" not in answer.body.decode()
    weir.wait_log(reason="upstream_credentials")


@pytest.mark.parametrize(("status", "seen"), [(500, 502), (429, 429), (503, 503), (404, 502), (302, 502), (204, 502)])
def test_refusal_without_an_error_object(gateway, upstream, status, seen):
    page = b"" if status == 204 else b"<h1>nginx</h1>"
    raw = answer_bytes(page, f"{status} X", [("Retry-After", "9"), ("Location", "http://x/")], "text/html")
    weir = gateway(at(upstream(always(raw if page else b"HTTP/1.1 204 No Content\r\n\r\n"))))
    answer = weir.chat()
    assert answer.status == seen
    assert answer.error["message"]
    assert b"nginx" not in answer.body
    assert "location" not in answer.headers


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_of_a_refusal_without_an_error_object(gateway, upstream, status):
    raw = answer_bytes(b"slow down", f"{status} X", [("Retry-After", "9")], "text/plain")
    answer = gateway(at(upstream(always(raw)))).chat()
    assert answer.status == status
    assert answer.headers["retry-after"] == "9"


# ----------------------------------------------------------------------------------------------------------------------
# A second target


def second(first_url: str, mock_url: str) -> dict:
    return {
        "providers": [provider(first_url, "first", timeouts=QUICK), provider(mock_url, "second", timeouts=QUICK)],
        "models": [{"name": "river", "targets": [{"provider": "first"}, {"provider": "second", "model": "mock-2"}]}],
    }


def test_second_target_answers_when_the_first_is_away(gateway, mock, free_port):
    weir = gateway(second(f"http://127.0.0.1:{free_port}", mock.url))
    for stream in (False, True):
        answer = weir.chat(stream=stream)
        assert answer.status == 200
        assert answer.headers["x-weir-provider"] == "second"
        assert answer.headers["x-weir-model"] == "mock-2"
    assert weir.wait_log(message="request")["attempts"] == 2


def test_a_whole_answer_that_takes_too_long_is_given_up_for_the_next_target(gateway, mock):
    config = second(mock.url, mock.url)
    config["providers"][0]["timeouts"] = QUICK | {"answer_ms": 150}
    weir = gateway(config)
    assert request(mock.url, "POST", "/mock/next", {"fault": "hang"}).status < 300
    answer = weir.chat()
    assert answer.status == 200
    assert answer.headers["x-weir-provider"] == "second"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_second_target_answers_when_the_first_is_busy_or_broken(gateway, mock, upstream, status):
    body = {"error": {"message": "busy", "type": "t", "param": None, "code": "c"}}
    server = upstream(always(answer_bytes(body, f"{status} X", [("Retry-After", "3")])))
    weir = gateway(second(server.url, mock.url))
    for stream in (False, True):
        answer = weir.chat(stream=stream)
        assert answer.status == 200
        assert answer.headers["x-weir-provider"] == "second"
        assert "retry-after" not in answer.headers
    # The others get the time they asked for; each core learns of it by itself.
    assert len(server.requests) in ((2,) if status == 500 else (1, 2))
    weir.wait_metric("weir_requests_total", 2, status="200", provider="second")
    weir.wait_metric("weir_errors_total", 0)


def test_last_refusal_stands_when_every_target_refuses(gateway, upstream):
    def refusing(status, text):
        body = {"error": {"message": text, "type": "t", "param": None, "code": "c"}}
        return upstream(always(answer_bytes(body, f"{status} X")))

    config = second(refusing(500, "first words").url, refusing(429, "last words").url)
    weir = gateway({**config, "retries": {"max": 0}})
    answer = weir.chat()
    assert (answer.status, answer.error["message"]) == (429, "last words")
    assert answer.headers["x-weir-provider"] == "second"


def test_refusal_is_forgotten_when_the_second_target_is_away(gateway, upstream, free_port):
    body = {"error": {"message": "busy", "type": "t", "param": None, "code": "c"}}
    first = upstream(always(answer_bytes(body, "503 X")))
    answer = gateway(second(first.url, f"http://127.0.0.1:{free_port}")).chat()
    # One answer of one of them, whole: never the status of the one with the words of the other.
    assert (answer.status, answer.error["code"]) in ((503, "c"), (502, "connect_failed"))


def test_second_target_is_not_asked_about_a_bad_request(gateway, mock, upstream):
    bad = answer_bytes({"error": {"message": "no", "type": "t", "param": None, "code": "c"}}, "400 Bad Request")
    weir = gateway(second(upstream(always(bad)).url, mock.url))
    before = mock.stats()["requests"]
    assert weir.chat().status == 400
    assert mock.stats()["requests"] == before


def test_second_target_is_not_asked_after_the_stream_began_where_it_may_not(gateway, mock, upstream):
    def answer(connection, _):
        connection.sendall(STREAM_HEAD + chunked(delta("a")))

    config = second(upstream(answer).url, mock.url)
    config["models"][0]["when_cut"] = "error"
    weir = gateway(config)
    before = mock.stats()["requests"]
    failed_stream(weir.chat(stream=True).body, "stream_cut", deltas=1)
    assert mock.stats()["requests"] == before


# ----------------------------------------------------------------------------------------------------------------------
# Connections to the model server


def test_dead_idle_connection_is_replaced(gateway, upstream):
    # The server closes after each answer without saying so: the next request must not fail because of it.
    server = upstream(lambda connection, _: connection.sendall(answer_bytes(CHAT_ANSWER)))
    weir = gateway({**at(server), "server": {"cores": 1}})
    for _ in range(20):
        assert weir.chat().status == 200
    assert len(server.requests) == 20


def test_connection_is_kept_between_requests(gateway, upstream):
    server = upstream(always(answer_bytes(CHAT_ANSWER)))
    weir = gateway({**at(server), "server": {"cores": 1}})
    for _ in range(5):
        assert weir.chat().status == 200
    assert server.connections == 1


def test_waiting_for_a_free_connection(gateway, mock):
    weir = gateway({"server": {"cores": 1}, "providers": [provider(mock.url, connections_max=1)]})
    first = weir.stream({"frames": 30, "frame_delay_ms": 10})
    second_raw = weir.raw().send(post_bytes("/v1/chat/completions", chat_body({"frames": 1}, stream=True)))
    assert events(first.read())[-1] == "[DONE]"
    assert events(Stream(second_raw).read())[-1] == "[DONE]"


# ----------------------------------------------------------------------------------------------------------------------
# Clients that leave


def test_client_leaves_a_stream(weir, left):
    stream = weir.stream({"frames": 1000000, "frame_delay_ms": 5})
    stream.next_piece()
    stream.leave()
    left()
    entry = weir.wait_log(message="request", cancelled="client_left")
    assert entry["level"] == "info"
    weir.wait_metric("weir_requests_total", 1, status="499")
    weir.wait_metric("weir_requests_in_flight", 0)


def test_client_leaves_while_a_whole_answer_is_made(weir, mock, left):
    raw = weir.raw().send(post_bytes("/v1/chat/completions", chat_body({"fault": "hang"})))
    eventually(lambda: mock.stats()["open"] == 1, "the request did not arrive")
    raw.close()
    left()


def test_client_leaves_before_the_first_token(gateway, mock, left):
    weir = gateway()  # with the long limits: it is the client that ends this
    raw = weir.raw().send(post_bytes("/v1/chat/completions", chat_body({"fault": "hang_after_head"}, stream=True)))
    eventually(lambda: mock.stats()["open"] == 1, "the request did not arrive")
    raw.close()
    left()


def test_client_that_half_closes_is_gone(weir, mock, left):
    raw = weir.raw().send(post_bytes("/v1/chat/completions", chat_body({"frames": 1000000, "frame_delay_ms": 5}, stream=True)))
    Stream(raw).next_piece()
    raw.socket.shutdown(socket.SHUT_WR)
    left()
    raw.close()


def test_streams_in_a_row_and_side_by_side_are_whole(gateway):
    # Events arrive in bursts: however they meet the reader, none may be left lying until the next one comes.
    weir = gateway({"server": {"drain_ms": 100}})
    for _ in range(30):
        streams = [weir.stream({"frames": 100}) for _ in range(8)]
        for stream in streams:
            stream.raw.socket.settimeout(3)
            assert len(events(stream.read())) == 103
            stream.raw.close()
