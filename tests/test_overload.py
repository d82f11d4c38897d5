"""Who is refused when there is too much: by which limit, with what answer, and that it ends when the load does. All of it
with requests that hang until the test lets them go: nothing here depends on how fast anything is."""

from harness import KEY, OTHER_KEY, Stream, chat_body, eventually, post_bytes, provider

HANG = {"fault": "hang"}
PATH = "/v1/chat/completions"


def hanging(weir, mock, key=KEY, model="river"):
    """A request that is under way at the model server: leave() ends it."""
    before = mock.stats()["open"]
    raw = weir.raw().send(post_bytes(PATH, chat_body(HANG, model=model), key=key))
    eventually(lambda: mock.stats()["open"] == before + 1, "the request did not reach the model server")
    return raw


def refused(answer, status, code, kind):
    assert answer.status == status, answer
    assert answer.error["code"] == code
    assert answer.error["type"] == kind
    assert int(answer.headers["retry-after"]) >= 1


OVERLOADED = (503, "overloaded", "service_unavailable_error")
TOO_MANY = (429, "too_many_requests", "rate_limit_error")


def one_core(limits, **more):
    return {"server": {"cores": 1, "limits": limits}, **more}


def test_requests_beyond_the_limit_are_refused_until_one_ends(gateway, mock):
    weir = gateway(one_core({"requests": 2}))
    first, second = hanging(weir, mock), hanging(weir, mock)
    third = weir.raw()
    for _ in range(3):  # the connection lives on, and every dialect's paths are meant
        refused(third.send(post_bytes(PATH, chat_body())).answer(), *OVERLOADED)
    refused(third.send(post_bytes("/v1/embeddings", {"model": "river", "input": "x"})).answer(), *OVERLOADED)
    first.close()
    eventually(lambda: third.send(post_bytes(PATH, chat_body())).answer().status == 200, "its place was not given back")
    second.close()
    metrics = weir.metrics()
    assert metrics.get("weir_refused_total", reason="requests") >= 4
    assert metrics.get("weir_refused_total", reason="delay") == 0


def test_a_refusal_comes_before_the_body(gateway, mock):
    weir = gateway(one_core({"requests": 1}))
    first = hanging(weir, mock)
    waiting = weir.raw()
    head = post_bytes(PATH, b"", {"Content-Length": "1000000", "Expect": "100-continue"})
    refused(waiting.send(head).answer(), *OVERLOADED)
    first.close()


def test_operators_are_answered_while_callers_are_refused(gateway, mock):
    weir = gateway(one_core({"requests": 1}))
    first = hanging(weir, mock)
    refused(weir.chat(), *OVERLOADED)
    for path in ("/health", "/ready", "/metrics", "/v1/models"):
        assert weir.get(path).status == 200, path
    first.close()


def test_each_key_has_its_own_limit(gateway, mock):
    weir = gateway(one_core({"requests_per_client": 1}))
    first = hanging(weir, mock)
    refused(weir.chat(), *TOO_MANY)
    other = hanging(weir, mock, key=OTHER_KEY, model="mock/one")
    refused(weir.chat(key=OTHER_KEY, model="mock/one"), *TOO_MANY)
    first.close()
    eventually(lambda: weir.chat().status == 200, "its place was not given back")
    refused(weir.chat(key=OTHER_KEY, model="mock/one"), *TOO_MANY)
    other.close()
    assert weir.metrics().get("weir_errors_total", reason="too_many_requests") >= 3


def test_who_sends_no_key_is_limited_by_address(gateway, mock):
    weir = gateway(one_core({"requests_per_client": 1}, auth={"anonymous": "loopback"}))
    first = hanging(weir, mock, key=None)
    refused(weir.chat(key=None), *TOO_MANY)
    assert weir.chat().status == 200  # the key is another client
    first.close()
    eventually(lambda: weir.chat(key=None).status == 200, "its place was not given back")


def test_a_refused_stranger_takes_no_place_of_a_client(gateway, mock):
    weir = gateway(one_core({"requests_per_client": 1}))
    for _ in range(3):
        assert weir.chat(key="sk-wrong-wrong-wrong").status == 401
    assert weir.chat().status == 200


def test_connections_of_one_address_are_limited(gateway):
    weir = gateway(one_core({"connections_per_client": 2}))
    held = [weir.raw().send(post_bytes(PATH, chat_body())) for _ in range(2)]
    assert all(raw.answer().status == 200 for raw in held)
    extra = weir.raw()
    answer = extra.answer()
    refused(answer, 429, "too_many_connections", "rate_limit_error")
    assert answer.headers["connection"] == "close"
    extra.close()
    for raw in held:
        raw.close()
    eventually(lambda: weir.raw().send(post_bytes(PATH, chat_body())).answer().status == 200, "its place was not given back")
    assert weir.metrics().get("weir_refused_total", reason="connections_per_client") >= 1


def test_connections_of_a_unix_socket_have_no_address(gateway, tmp_path):
    weir = gateway(one_core({"connections_per_client": 1}, server={"listen": f"unix:{tmp_path}/w.sock", "cores": 1,
                                                                   "limits": {"connections_per_client": 1}}))
    held = [weir.raw().send(post_bytes(PATH, chat_body())) for _ in range(3)]
    assert all(raw.answer().status == 200 for raw in held)


def test_a_limit_follows_the_configuration(gateway, mock):
    weir = gateway(one_core({"requests": 1}))
    first = hanging(weir, mock)
    refused(weir.chat(), *OVERLOADED)
    weir.configure({"server": {"limits": {"requests": 2}}})
    eventually(lambda: weir.chat().status == 200, "the new limit was not taken")
    first.close()


# ----------------------------------------------------------------------------------------------------------------------
# The model server is what there is too little of


def queueing(mock, **more):
    return {"server": {"cores": 1}, "providers": [provider(mock.url, connections_max=1, **more)]}


def waits_in_queue(weir):
    raw = weir.raw().send(post_bytes(PATH, chat_body({"frames": 1}, stream=True)))
    return raw


def test_beyond_the_queue_callers_are_refused_at_once(gateway, mock):
    weir = gateway(queueing(mock, queue_max=1))
    first = hanging(weir, mock)
    waiting = waits_in_queue(weir)
    weir.wait_metric("weir_requests_in_flight", 2)
    answer = weir.chat()
    refused(answer, 503, "queue_full", "service_unavailable_error")
    assert "mock" in answer.error["message"]
    first.close()
    assert Stream(waiting).read().endswith(b"data: [DONE]\n\n")
    assert weir.chat().status == 200
    assert weir.metrics().get("weir_errors_total", reason="queue_full") == 1


def test_without_a_queue_nobody_waits(gateway, mock):
    weir = gateway(queueing(mock, queue_max=0))
    first = hanging(weir, mock)
    refused(weir.chat(), 503, "queue_full", "service_unavailable_error")
    first.close()
    eventually(lambda: weir.chat().status == 200, "the connection was not given back")


def test_waiting_in_the_queue_ends(gateway, mock):
    weir = gateway(queueing(mock, timeouts={"queue_ms": 50}))
    first = hanging(weir, mock)
    refused(weir.chat(), 503, "queue_timeout", "service_unavailable_error")
    first.close()
    eventually(lambda: weir.chat().status == 200, "the connection was not given back")


def test_a_full_queue_sends_callers_to_the_next_target(gateway, mock):
    weir = gateway({
        "server": {"cores": 1},
        "providers": [provider(mock.url, connections_max=1, queue_max=0), provider(mock.url, "spare")],
        "models": [{"name": "river", "targets": [{"provider": "mock"}, {"provider": "spare"}]}],
    })
    first = hanging(weir, mock)
    answer = weir.chat()
    assert answer.status == 200
    assert answer.headers["x-weir-provider"] == "spare"
    first.close()
