"""What an operator does to weir: starts it wrong, changes its configuration under load, rotates its log, ends it."""

import json
import os
import signal
import socket
import ssl
import subprocess

import pytest

from harness import (
    CHAT_ANSWER,
    KEY,
    OTHER_KEY,
    UPSTREAM_KEY,
    Mock,
    Raw,
    Stream,
    answer_bytes,
    always,
    chat_body,
    events,
    eventually,
    merged,
    post_bytes,
    provider,
    sections,
)

SLOW = {"frames": 1_000_000, "frame_delay_ms": 10}


def run(binary, *arguments, **options) -> subprocess.CompletedProcess:
    return subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True, timeout=10, **options)


# ----------------------------------------------------------------------------------------------------------------------
# Starting


def fails_to_start(binary, file, *words: str) -> str:
    """`weir serve` ends with code 1 and says why; where the file alone is at fault `weir check` says the same."""
    done = run(binary, "serve", "--config", file)
    assert done.returncode == 1, done
    assert "ready" not in done.stdout
    for word in words:
        assert word in done.stderr
    return done.stderr


def test_port_in_use(binary, tmp_path, mock):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        file = tmp_path / "weir.yaml"
        file.write_text(json.dumps(merged(sections(mock.url), {"server": {"listen": address}})))
        fails_to_start(binary, file, address, "address already in use")


def test_port_of_another_weir(binary, gateway, tmp_path, mock):
    # Its listeners share their port among its own cores; a second process must not slip in between them.
    weir = gateway()
    file = tmp_path / "second.yaml"
    file.write_text(json.dumps(merged(sections(mock.url), {"server": {"listen": weir.url.removeprefix("http://")}})))
    fails_to_start(binary, file, "address already in use")


@pytest.mark.parametrize("missing", ["absent.yaml", "folder"])
def test_configuration_that_can_not_be_read(binary, tmp_path, missing):
    (tmp_path / "folder").mkdir()
    said = fails_to_start(binary, tmp_path / missing, missing)
    assert said.count("\n") == 1  # one plain line


def test_every_problem_of_a_configuration_with_its_place(binary, tmp_path):
    file = tmp_path / "weir.yaml"
    file.write_text(
        "server:\n"
        "  listn: 127.0.0.1:0\n"
        "  drain_ms: soon\n"
        "auth: { anonymous: sometimes }\n"
        "providers:\n"
        "  - { name: a, kind: openai, base_url: 'ftp://x' }\n"
        "models:\n"
        "  - { name: m, targets: [ { provider: b } ] }\n"
    )
    said = fails_to_start(binary, file)
    checked = run(binary, "check", "--quick", file)
    assert checked.returncode == 1
    for text in (said, checked.stderr):
        problems = [line for line in text.splitlines() if "weir.yaml:" in line]
        for line, place in zip(problems, (":2:3: ", ":3:13: ", ":4:20: ", ":6:40: ", ":8:39: "), strict=True):
            assert f"{file.name}{place}" in line
        assert 'did you mean "listen"?' in problems[0]
        assert "never, loopback, always" in problems[2]


def test_yaml_that_is_none(binary, tmp_path):
    file = tmp_path / "weir.yaml"
    file.write_text("server: { listen: [\n")
    fails_to_start(binary, file, "weir.yaml:")


def test_secret_that_is_not_set(binary, tmp_path):
    file = tmp_path / "weir.yaml"
    file.write_text('auth:\n  keys: [ { name: a, key: "${env:WEIR_TEST_UNSET}" } ]\n')
    fails_to_start(binary, file, "weir.yaml:2:", "WEIR_TEST_UNSET")


def test_secret_of_the_environment_and_of_a_file(gateway, tmp_path):
    (tmp_path / "key").write_text("key-from-a-file-1\n")
    keys = [{"name": "e", "key": "${env:WEIR_TEST_KEY}"}, {"name": "f", "key": "${file:%s}" % (tmp_path / "key")}]
    weir = gateway({"auth": {"keys": keys}}, environment={"WEIR_TEST_KEY": "key-of-the-environment"})
    assert weir.chat(key="key-of-the-environment").status == 200
    assert weir.chat(key="key-from-a-file-1").status == 200
    assert weir.chat().status == 401


def test_check_of_a_good_file(binary, tmp_path, mock):
    file = tmp_path / "weir.yaml"
    file.write_text(json.dumps(sections(mock.url)))
    done = run(binary, "check", file)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip().endswith("ok")


def test_command_line(binary):
    assert run(binary, "version").stdout.startswith("weir ")
    for arguments in (["serve"], ["serve", "--config", "x", "--default"], ["fly"], [], ["check"]):
        done = run(binary, *arguments)
        assert done.returncode not in (0, 1), arguments  # 1 is: understood, and it did not work
        assert done.stderr


def test_default_without_models(binary, tmp_path, gateway):
    command = [binary, "serve", "--default", "--listen", "127.0.0.1:0", "--state-dir", str(tmp_path / "state")]
    weir = gateway(command=command)
    key_file = tmp_path / "state" / "api_key"
    key = key_file.read_text().strip()
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0
    weir.said.wait(lambda line: "no local model" in line, "it does not say that there is no model")
    assert weir.get("/ready", key=None).status == 200
    assert weir.get("/v1/models", key=None).json() == {
        "object": "list",
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }
    assert weir.get("/v1/models", key=key).status == 200
    assert weir.get("/v1/models", key="wr_local_wrong").status == 401
    assert weir.stop() == 0
    again = gateway(command=command)
    assert key_file.read_text().strip() == key  # kept between runs
    assert again.get("/v1/models", key=key).status == 200


# ----------------------------------------------------------------------------------------------------------------------
# Changing the configuration


def test_reload_under_a_running_stream(gateway, mock):
    weir = gateway()
    stream = weir.stream({"frames": 150, "frame_delay_ms": 5})
    stream.next_piece()
    weir.configure({"models": [{"name": "brook", "targets": [{"provider": "mock", "model": "mock-2"}]}]})
    weir.signal(signal.SIGHUP)
    weir.wait_log(message="configuration taken")
    eventually(lambda: weir.chat(model="brook").status == 200, "the new model is not known")
    assert weir.chat(model="brook").json()["model"] == "mock-2"
    assert weir.chat(model="river").status == 404
    assert [m["id"] for m in weir.get("/v1/models").json()["data"]] == ["brook"]
    said = events(stream.read())
    assert len(said) == 153
    assert said[-1] == "[DONE]"
    assert json.loads(said[0])["model"] == "mock-1"


def test_change_is_noticed_without_a_signal(gateway):
    weir = gateway()
    weir.configure({"auth": {"keys": [{"name": "new", "key": "sk-the-new-key-0001"}]}})
    weir.wait_log(message="configuration taken")
    eventually(lambda: weir.chat(key="sk-the-new-key-0001").status == 200, "the new key is not known")
    assert weir.chat(key=KEY).status == 401


def test_kept_connection_follows_the_change(gateway):
    # The key is looked up for every request: a connection that is already open gives no right.
    weir = gateway({"server": {"cores": 1}})
    with weir.raw() as raw:
        assert raw.send(post_bytes("/v1/chat/completions", chat_body())).answer().status == 200
        weir.configure({"auth": {"keys": [{"name": "new", "key": "sk-the-new-key-0001"}]}})
        weir.signal(signal.SIGHUP)
        weir.wait_log(message="configuration taken")
        assert eventually(
            lambda: raw.send(post_bytes("/v1/chat/completions", chat_body())).answer().status == 401,
            "the old key still opens",
        )


def test_broken_file_keeps_the_old_configuration(gateway):
    weir = gateway()
    weir.write("models: [ { name: river, targets: [")
    weir.signal(signal.SIGHUP)
    entry = weir.wait_log(level="error")
    assert "weir.yaml:" in entry["problems"]
    assert weir.chat().status == 200
    weir.configure({"models": [{"name": "brook", "targets": [{"provider": "mock"}]}]})
    weir.signal(signal.SIGHUP)
    eventually(lambda: weir.chat(model="brook").status == 200, "the repaired file was not taken")


def test_file_that_vanishes_keeps_the_old_configuration(gateway):
    weir = gateway()
    weir.file.unlink()
    weir.signal(signal.SIGHUP)
    weir.wait_log(level="error")
    assert weir.chat().status == 200


def test_change_that_needs_a_restart_says_so(gateway):
    weir = gateway()
    weir.configure({"server": {"cores": 1, "listen": "127.0.0.1:1"}, "log": {"file": "other.log"}})
    weir.signal(signal.SIGHUP)
    for setting in ("server.listen", "server.cores", "log.file"):
        weir.wait_log(level="warn", setting=setting)
    assert weir.chat().status == 200


def test_many_reloads_under_load(gateway, mock):
    weir = gateway()
    streams = [weir.stream({"frames": 100, "frame_delay_ms": 5}) for _ in range(10)]
    for i in range(20):
        weir.configure({"models": [{"name": "river", "targets": [{"provider": "mock", "model": f"mock-{i}"}]}]})
        weir.signal(signal.SIGHUP)
        assert weir.chat().status == 200
    eventually(lambda: weir.chat().json()["model"] == "mock-19", "the last configuration was not taken")
    for stream in streams:
        assert events(stream.read())[-1] == "[DONE]"
    # The connections of configurations that are gone go with them.
    eventually(lambda: connections_to(weir.pid, mock.url) <= 4, "connections of old configurations stay open")


def connections_to(pid: int, url: str) -> int:
    """How many TCP connections the process has to this address."""
    own = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    port = "%04X" % int(url.rsplit(":", 1)[1])
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return sum(row[2].endswith(":" + port) and f"socket:[{row[9]}]" in own for row in rows)


# ----------------------------------------------------------------------------------------------------------------------
# The log


def logged(file) -> list[dict]:
    lines = file.read_text().split("\n")
    assert lines.pop() == ""
    return [json.loads(line) for line in lines]


def test_log_tells_everything_but_content_and_secrets(gateway, tmp_path):
    file = tmp_path / "weir.log"
    weir = gateway({"log": {"file": str(file), "level": "debug"}})
    marker = "xylophone-marker"
    messages = [{"role": "user", "content": marker}]
    ids = []
    for answer in (
        weir.chat(messages=messages, user=marker, tools=[{"type": "function", "function": {"name": marker}}]),
        weir.chat({"frames": 2}, messages=messages, stream=True),
        weir.chat({"status": 500, "headers": {"x-note": marker}}, messages=messages),
        weir.chat({"fault": "cut"}, messages=messages, stream=True),
        weir.chat(messages=messages, temperature=marker),
        weir.chat(model="lake", messages=messages),
        weir.chat(messages=messages, key="sk-wrong-" + marker),
        weir.request("POST", "/v1/embeddings", {"model": "river", "input": [marker]}),
        weir.request("POST", "/v1/completions?" + marker, {"model": "river", "prompt": marker}, {"X-Note": marker}),
        weir.request("POST", "/v1/chat/completions", b'{"' + marker.encode()),
    ):
        ids.append(answer.headers["x-weir-request-id"])
    assert len(set(ids)) == len(ids)
    assert weir.stop() == 0
    text = file.read_text()
    for secret in (marker, KEY, OTHER_KEY, UPSTREAM_KEY, "river flows", " token", "A river is", "Bearer"):
        assert secret not in text
        assert secret not in weir.said.text()
    lines = logged(file)
    assert all({"time", "level", "message"} <= set(line) for line in lines)
    requests = [line for line in lines if line["message"] == "request"]
    assert [line["request_id"] for line in requests if line["request_id"] in ids]
    assert sorted(line["request_id"] for line in requests) == sorted(ids)
    by_id = {line["request_id"]: line for line in requests}
    whole, stream, refusal, cut, bad, unknown, stranger, embedding, completion, broken = (by_id[i] for i in ids)
    assert (whole["key"], whole["model"], whole["provider"], whole["provider_model"]) == ("all", "river", "mock", "mock-1")
    assert (whole["status"], whole["input_tokens"], whole["output_tokens"]) == (200, 12, 20)
    assert (stream["stream"], stream["events"], stream["output_tokens"]) == (True, 5, 20)
    assert (refusal["status"], refusal["reason"], refusal["level"]) == (500, "upstream_status", "warn")
    assert (cut["status"], cut["reason"]) == (200, "stream_cut")
    assert (bad["status"], unknown["status"], stranger["status"], broken["status"]) == (400, 404, 401, 400)
    assert "key" not in stranger
    assert (embedding["operation"], completion["operation"]) == ("embedding", "completion")
    for line in requests:
        assert line["peer"] == "127.0.0.1"
        assert line["duration_us"] >= 0


@pytest.mark.parametrize("model", ['a","level":"x', "a\nb", "a\\", "a\x00b"], ids=["quote", "newline", "backslash", "nul"])
def test_names_that_were_refused_do_not_break_the_log(gateway, tmp_path, model):
    file = tmp_path / "weir.log"
    weir = gateway({"log": {"file": str(file)}})
    answer = weir.chat(model=model)
    assert answer.status == 400
    assert weir.stop() == 0
    (line,) = [line for line in logged(file) if line["message"] == "request"]
    assert line["request_id"] == answer.headers["x-weir-request-id"]
    assert line["level"] == "warn"


def test_logged_size_of_a_request_outlives_its_body(gateway):
    weir = gateway()
    text = "river " * 5000
    answer = weir.chat({"frames": 2}, messages=[{"role": "user", "content": text}], stream=True)
    line = weir.wait_log(message="request", request_id=answer.headers["x-weir-request-id"])
    assert len(text) < line["request_bytes"] < len(text) + 500  # a stream lets its body go once it began


def test_request_lines_can_be_left_out(gateway, tmp_path):
    file = tmp_path / "weir.log"
    weir = gateway({"log": {"file": str(file), "requests": False}})
    assert weir.chat().status == 200
    failed = weir.chat({"status": 500})
    assert weir.stop() == 0
    requests = [line for line in logged(file) if line["message"] == "request"]
    assert [line["request_id"] for line in requests] == [failed.headers["x-weir-request-id"]]  # failures are told anyway


def test_log_rotation(gateway, tmp_path):
    file, old = tmp_path / "weir.log", tmp_path / "weir.log.1"
    weir = gateway({"log": {"file": str(file)}})
    first = weir.chat().headers["x-weir-request-id"]
    eventually(lambda: first in file.read_text(), "the request was not logged")
    os.rename(file, old)
    weir.signal(signal.SIGHUP)
    eventually(file.exists, "the log was not opened again")
    seconds = [weir.chat().headers["x-weir-request-id"] for _ in range(20)]
    assert weir.stop() == 0
    ids = [line.get("request_id") for line in logged(old) + logged(file)]
    assert ids.count(first) == 1
    assert all(ids.count(i) == 1 for i in seconds)  # nothing is lost, whichever file it went to
    assert set(seconds) & {line.get("request_id") for line in logged(file)}


def test_full_disk_does_not_stop_the_service(gateway):
    weir = gateway({"log": {"file": "/dev/full"}})

    def dropped():
        assert weir.chat().status == 200
        return weir.metrics().get("weir_log_dropped_total") > 0

    eventually(dropped, "lost log lines are not counted")


def test_reader_of_the_log_that_leaves(gateway, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    weir = gateway({"log": {"file": str(pipe)}})
    assert weir.chat().status == 200
    os.close(reader)

    def dropped():
        assert weir.chat().status == 200
        return weir.metrics().get("weir_log_dropped_total") > 0

    eventually(dropped, "lost log lines are not counted")


def test_log_that_can_not_be_opened(binary, tmp_path, mock):
    file = tmp_path / "weir.yaml"
    file.write_text(json.dumps(merged(sections(mock.url), {"log": {"file": str(tmp_path / "no" / "weir.log")}})))
    fails_to_start(binary, file, "no/weir.log", "No such file")


# ----------------------------------------------------------------------------------------------------------------------
# Ending


def test_drain(gateway):
    weir = gateway()
    idle = weir.raw().send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert idle.answer().status == 200
    stream = weir.stream({"frames": 120, "frame_delay_ms": 5})
    stream.next_piece()
    whole = weir.raw().send(post_bytes("/v1/chat/completions", chat_body({"delay_ms": 400})))
    stream.next_piece()
    weir.signal(signal.SIGTERM)
    weir.wait_log(message="draining")
    assert idle.closed()  # who waits for nothing is let go at once

    def refused():
        try:
            weir.raw().close()
        except ConnectionRefusedError:
            return True

    eventually(refused, "new connections are still taken")
    said = events(stream.read())
    assert len(said) == 123
    assert said[-1] == "[DONE]"
    assert stream.raw.closed()
    answer = whole.answer()
    assert answer.status == 200
    assert answer.headers["connection"] == "close"
    assert whole.closed()
    assert weir.wait() == 0
    assert "stopped" in [line["message"] for line in weir.log()]


def test_the_end_is_clean_from_the_first_connection_on(gateway, tmp_path):
    for i in range(5):
        socket = tmp_path / f"early-{i}.sock"
        weir = gateway({"server": {"listen": f"unix:{socket}"}}, ready=False)
        eventually(socket.exists, "it does not listen")
        weir.signal(signal.SIGTERM)
        assert weir.wait() == 0


def test_drain_ends_at_its_bound(gateway, left):
    weir = gateway({"server": {"drain_ms": 100}})
    stream = weir.stream(SLOW)
    stream.next_piece()
    weir.signal(signal.SIGTERM)
    while b"chunk" in (rest := stream.raw.socket.recv(65536)):
        pass
    assert rest == b"" or b"[DONE]" not in rest
    assert weir.wait() == 0
    left()


def test_second_signal_cuts(gateway, left):
    weir = gateway({"server": {"drain_ms": 60_000}})
    stream = weir.stream(SLOW)
    stream.next_piece()
    weir.signal(signal.SIGTERM)
    weir.wait_log(message="draining")
    stream.next_piece()
    weir.signal(signal.SIGINT)
    rest = stream.raw.rest()
    assert not rest.endswith(b"0\r\n\r\n")  # a cut, never a complete message
    assert b"[DONE]" not in rest
    assert weir.wait() == 0
    left()


def test_reload_while_draining_changes_nothing(gateway):
    weir = gateway()
    stream = weir.stream({"frames": 60, "frame_delay_ms": 5})
    stream.next_piece()
    weir.signal(signal.SIGTERM)
    weir.wait_log(message="draining")
    weir.signal(signal.SIGHUP)
    assert events(stream.read())[-1] == "[DONE]"
    assert weir.wait() == 0


def test_interrupt_drains_too(gateway):
    weir = gateway()
    weir.signal(signal.SIGINT)
    assert weir.wait() == 0


# ----------------------------------------------------------------------------------------------------------------------
# Listeners and ways to the model server


def test_tls_listener(gateway, authority):
    tls = {"certificate": str(authority / "server.pem"), "private_key": str(authority / "server.key")}
    weir = gateway({"server": {"tls": tls}})
    assert weir.url.startswith("https://127.0.0.1:")
    client = ssl.create_default_context(cafile=authority / "ca.pem")
    assert weir.get("/health", tls=client).json() == {"status": "ok"}
    with weir.raw(tls=client) as raw:
        assert raw.socket.version() in ("TLSv1.2", "TLSv1.3")
        raw.send(post_bytes("/v1/chat/completions", chat_body({"frames": 200, "text_bytes": 5000}, stream=True)))
        stream = Stream(raw)
        assert events(stream.read())[-1] == "[DONE]"
        assert len(stream.body) > 1_000_000
    with weir.raw() as raw:  # plain HTTP on the TLS port
        assert b"200" not in raw.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").rest()
    assert weir.get("/health", tls=client).status == 200
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        weir.raw(tls=old)


def test_client_leaves_a_stream_over_tls(gateway, authority, left):
    tls = {"certificate": str(authority / "server.pem"), "private_key": str(authority / "server.key")}
    weir = gateway({"server": {"tls": tls}})
    with weir.raw(tls=ssl.create_default_context(cafile=authority / "ca.pem")) as raw:
        Stream(raw.send(post_bytes("/v1/chat/completions", chat_body(SLOW, stream=True)))).next_piece()
    left()


def test_tls_without_its_certificate(binary, tmp_path, mock, authority):
    file = tmp_path / "weir.yaml"
    tls = {"certificate": str(authority / "absent.pem"), "private_key": str(authority / "server.key")}
    file.write_text(json.dumps(merged(sections(mock.url), {"server": {"tls": tls}})))
    fails_to_start(binary, file, "absent.pem")
    tls["certificate"] = str(authority / "ca.pem")  # not the key's certificate
    file.write_text(json.dumps(merged(sections(mock.url), {"server": {"tls": tls}})))
    fails_to_start(binary, file)


def tls_upstream(upstream, authority, answer):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    return upstream(answer, tls=context)


def test_tls_upstream(gateway, upstream, authority):
    server = tls_upstream(upstream, authority, always(answer_bytes(CHAT_ANSWER)))
    weir = gateway({"providers": [provider(server.url, ca_file=str(authority / "ca.pem"))], "server": {"cores": 1}})
    for _ in range(5):
        assert weir.chat().json() == CHAT_ANSWER
    assert server.connections == 1
    assert server.requests[0].headers["host"] == server.url.removeprefix("https://")


def test_tls_upstream_that_is_not_trusted(gateway, upstream, authority):
    server = tls_upstream(upstream, authority, always(answer_bytes(CHAT_ANSWER)))
    weir = gateway({"providers": [provider(server.url)]})  # the system's authorities do not know ours
    answer = weir.chat()
    assert answer.status == 502
    assert answer.error["code"] == "connect_failed"
    assert "certificate" in weir.wait_log(reason="connect_failed")["detail"]
    assert server.requests == []


def test_tls_upstream_with_another_name(gateway, upstream, authority):
    server = tls_upstream(upstream, authority, always(answer_bytes(CHAT_ANSWER)))
    url = server.url.replace("localhost", "ip6-localhost.invalid")
    weir = gateway({"providers": [provider(url, ca_file=str(authority / "ca.pem"))]})
    assert weir.chat().status == 502
    assert server.requests == []


def test_unix_sockets_on_both_sides(binary, gateway, tmp_path):
    mock = Mock(binary, f"unix:{tmp_path}/mock.sock")
    try:
        config = {
            "server": {"listen": f"unix:{tmp_path}/weir.sock"},
            "auth": {"anonymous": "loopback"},
            "providers": [{"name": "mock", "kind": "openai", "base_url": f"unix:{tmp_path}/mock.sock"}],
        }
        weir = gateway(config)
        assert weir.url == f"unix:{tmp_path}/weir.sock"
        with weir.raw() as raw:
            raw.send(post_bytes("/v1/chat/completions", chat_body({"frames": 50}, stream=True), key=None))
            assert events(Stream(raw).read())[-1] == "[DONE]"
        assert weir.wait_log(message="request")["peer"] == "unix"
        assert weir.stop() == 0
        assert not os.path.exists(f"{tmp_path}/weir.sock")
        with open(f"{tmp_path}/weir.sock", "x"):
            pass  # its name is free again
    finally:
        mock.stop()


def test_unix_socket_left_by_a_crash(gateway, tmp_path):
    listen = {"server": {"listen": f"unix:{tmp_path}/weir.sock"}}
    gateway(listen).kill()
    assert os.path.exists(f"{tmp_path}/weir.sock")
    with gateway(listen).raw() as raw:
        assert raw.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").answer().status == 200


def test_unix_socket_of_a_running_weir_is_not_taken(binary, gateway, tmp_path, mock):
    listen = {"server": {"listen": f"unix:{tmp_path}/weir.sock"}}
    weir = gateway(listen)
    file = tmp_path / "second.yaml"
    file.write_text(json.dumps(merged(sections(mock.url), listen)))
    fails_to_start(binary, file, "weir.sock")
    with weir.raw() as raw:
        assert raw.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").answer().status == 200


def test_several_listeners(gateway, tmp_path):
    weir = gateway({"server": {"listen": ["127.0.0.1:0", "[::1]:0", f"unix:{tmp_path}/weir.sock"]}})
    assert weir.get("/health").status == 200
    with Raw(f"{tmp_path}/weir.sock") as raw:
        assert raw.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").answer().status == 200


def test_metrics_on_an_address_of_their_own(gateway, tmp_path):
    weir = gateway({"metrics": {"listen": f"unix:{tmp_path}/metrics.sock"}})
    assert weir.get("/metrics").status == 404
    with Raw(f"{tmp_path}/metrics.sock") as raw:
        assert raw.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").answer().status == 200
        for path in ("/v1/models", "/health"):
            assert raw.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").answer().status == 404


def test_metrics_can_be_switched_off(gateway):
    assert gateway({"metrics": {"enabled": False}}).get("/metrics").status == 404
