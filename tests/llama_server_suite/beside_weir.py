"""A plugin for pytest that runs llama.cpp's server suite as it is, and notes of each test what became of it and what it asked.

With WEIR_IN_FRONT a request goes to weir when its path is weir's API, and past it to the server when it is not
(/completion, /props, /slots ...). Three things are said in weir's words: a path that the server has under two names is
asked by the documented one, a request that names no model gets the server's only one, and where the server wants no key
a request that has none gets one (what is kept at a provider, as /v1/responses may be, takes one)."""
import json
import os
import pathlib
import sys
import types
import urllib.parse

import httpx
import requests

FOLDER = pathlib.Path(os.environ["LLAMA_SERVER_FOLDER"])
SAME = {"/chat/completions": "/v1/chat/completions", "/models": "/v1/models", "/responses": "/v1/responses"}
WEIRS = {*SAME.values(), "/v1/completions", "/v1/embeddings", "/v1/messages", "/v1/messages/count_tokens"}
tests: dict[str, dict] = {}
running = None


def noted(path: str) -> str:
    """The name under which weir has the path."""
    path = SAME.get(path, path)
    if running and path in WEIRS:
        running["asks"].append(path)
    return path


def send_requests(session, method, url, **more):
    parts = urllib.parse.urlsplit(url)
    path = noted(parts.path)
    behind = FOLDER / str(parts.port)
    if "WEIR_IN_FRONT" in os.environ and behind.is_file():
        server = json.loads(behind.read_text())
        if path not in WEIRS and path != "/health":
            parts = parts._replace(netloc=f"127.0.0.1:{server['port']}")
        else:
            parts = parts._replace(path=path)
            if isinstance(more.get("json"), dict):
                more["json"] = {"model": server["model"], **more["json"]}
            if server["key"]:
                more["headers"] = {"Authorization": "Bearer " + server["key"], **(more.get("headers") or {})}
    return plain_requests(session, method, urllib.parse.urlunsplit(parts), **more)


def send_httpx(client, request, **more):
    request.url = request.url.copy_with(path=noted(request.url.path))
    return plain_httpx(client, request, **more)


plain_requests, requests.Session.request = requests.Session.request, send_requests
plain_httpx, httpx.Client.send = httpx.Client.send, send_httpx
# Used for downloads only, which this machine may not be able to do.
sys.modules["wget"] = types.SimpleNamespace(download=lambda *_, **__: (_ for _ in ()).throw(OSError("no downloads here")))


def pytest_configure():
    import utils  # the suite's

    utils.ServerPreset.load_all = staticmethod(lambda: None)  # it fetches every model


def pytest_runtest_logstart(nodeid):
    global running
    running = tests[nodeid] = {"status": "passed", "asks": [], "why": ""}


def pytest_runtest_logreport(report):
    if report.outcome != "passed" and running["status"] == "passed":
        running["status"], running["why"] = report.outcome, report.longreprtext[-4000:]


def pytest_sessionfinish():
    (FOLDER / "report.json").write_text(json.dumps(tests))
