"""Whole-process tests: the real binary on a free port, against `weir mock` or a scripted upstream in Python.

What is always true here: no test sleeps for an outcome (it waits for observable state, with a deadline), no port is
fixed, and every gateway that a test starts must end with exit code 0 on SIGTERM unless the test ends it itself.

    WEIR_BINARY=build/dev/weir .venv/bin/python -m pytest tests
"""

import importlib.util
import os
import pathlib
import socket
import subprocess

import pytest

from dialects import PATHS, every_dialect
from harness import ROOT, Gateway, Mock, Upstream, eventually

# LlamaIndex wants older clients than the other tests: .venv-older has it, and scripts/test runs its file there.
collect_ignore = [] if importlib.util.find_spec("llama_index") else ["test_llamaindex.py"]



@pytest.fixture(scope="session")
def binary() -> str:
    path = pathlib.Path(os.environ.get("WEIR_BINARY", "build/release/weir"))
    path = path if path.is_absolute() else ROOT / path
    if not os.access(path, os.X_OK):
        pytest.fail(f"no program at {path}: build it, or name it in WEIR_BINARY", pytrace=False)
    return str(path)


@pytest.fixture(scope="session")
def mock(binary):
    """One `weir mock` for all tests: what it does stands in each request's "mock" object."""
    server = Mock(binary)
    yield server
    server.stop()


@pytest.fixture
def model_server(binary):
    """Starts mocks with a plan of their own: model_server(default script, "next" scripts)."""
    started = []

    def start(default=None, following=()) -> Mock:
        started.append(Mock(binary))
        started[-1].plan("default", default or {})
        started[-1].plan("next", list(following))
        return started[-1]

    yield start
    assert [server.stop() for server in started] == [0] * len(started)


@pytest.fixture
def gateway(binary, mock, tmp_path):
    """Starts gateways: gateway() against the mock, gateway({...}) with these sections of the configuration instead."""
    started = []

    def start(config=None, **options) -> Gateway:
        folder = tmp_path / f"weir-{len(started)}"
        folder.mkdir()
        g = Gateway(binary, folder, mock.url if config is None or isinstance(config, dict) else "", config, **options)
        started.append(g)
        return g

    yield start
    problems = [p for g in started if (p := g.finish())]
    assert not problems, "\n".join(problems)


@pytest.fixture(scope="module")
def weir(binary, mock, tmp_path_factory):
    """One gateway in its plainest configuration for the tests of a file that only ask it something."""
    g = Gateway(binary, tmp_path_factory.mktemp("weir"), mock.url)
    yield g
    assert not (problem := g.finish()), problem


@pytest.fixture(scope="module")
def dialect_server(binary):
    """A model server that speaks every dialect at once."""
    server = Mock(binary)
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def dialect_house(binary, dialect_server, tmp_path_factory):
    """A gateway to it: model to-DIALECT is asked in that dialect."""
    weir = Gateway(binary, tmp_path_factory.mktemp("dialects"), "", every_dialect(dialect_server.url))
    yield weir
    assert not (problem := weir.finish()), problem


@pytest.fixture(params=list(PATHS))
def dialect_model(request, dialect_server):
    dialect_server.reset()
    return "to-" + request.param


@pytest.fixture
def upstream():
    """Starts scripted upstreams: upstream(answer) where answer(connection, request) writes the bytes."""
    started = []

    def start(answer, **options) -> Upstream:
        u = Upstream(answer, **options)
        started.append(u)
        return u

    yield start
    for u in started:
        u.stop()


@pytest.fixture
def free_port() -> int:
    """A port on which nobody listens: it was free a moment ago, and the kernel hands it out again last."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture
def left(mock):
    """Waits until the mock has seen one more client leave before the end than when the test began."""
    before = mock.stats()["left"]

    def check(more: int = 1) -> None:
        eventually(lambda: mock.stats()["left"] >= before + more, "the model server was not told that the client left")
        assert mock.stats()["left"] == before + more

    return check


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A certificate authority of our own, and certificates of it: for localhost, one that is over, one of another name."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=weir test CA", "-days", "2",
            "-addext", "keyUsage=critical,keyCertSign")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    for name, owner, days in (("server", "DNS:localhost,IP:127.0.0.1", 2), ("expired", "DNS:localhost", 0), ("other", "DNS:x.test", 2)):
        (folder / "extensions").write_text(f"subjectAltName={owner}\n")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", str(days), "-extfile", "extensions", "-out", f"{name}.pem")
    return folder
