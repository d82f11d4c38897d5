"""The official OpenAI SDK for Node, unchanged, against weir: the tests are sdk_node/sdk.test.mjs, told one by one."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import KEY, STREAM_HEAD, chunked, delta, provider, sections

FOLDER = pathlib.Path(__file__).parent / "sdk_node"


def node() -> str | None:
    """The system's Node, or the one that scripts/setup fetched."""
    cache = os.environ.get("WEIR_CACHE") or pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "weir"
    fetched = sorted(pathlib.Path(cache).glob("node-*/bin/node"))
    return shutil.which("node") or (str(fetched[-1]) if fetched else None)


def answer(connection, _request):
    first = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [first]}
    events = b"data: " + json.dumps(chunk).encode() + b"\n\n" + delta("A ") + delta("river.") + delta("", "stop")
    connection.sendall(STREAM_HEAD + chunked(events + b"data: [DONE]\n\n") + b"0\r\n\r\n")


def test_official_sdk(gateway, mock, upstream):
    program = node()
    if not program or not (FOLDER / "node_modules" / "openai").is_dir():
        pytest.skip("the Node packages are not installed: scripts/setup --test")
    plain = sections(mock.url)
    scripted = {"name": "scripted", "targets": [{"provider": "scripted"}]}
    weir = gateway(
        {
            "providers": [*plain["providers"], provider(upstream(answer).url, "scripted")],
            "models": [*plain["models"], scripted],
        }
    )
    environment = {**os.environ, "WEIR_URL": weir.url, "WEIR_KEY": KEY, "MOCK_URL": mock.url}
    done = subprocess.run(
        [program, "--test", "--test-reporter=tap", "sdk.test.mjs"],
        cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=25,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 15\n# fail 0" in done.stdout, done.stdout
