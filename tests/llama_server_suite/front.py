#!/usr/bin/env python3
"""Stands where llama.cpp's test suite starts its server: the same arguments, the local chat model for those that a hub has.

With WEIR_IN_FRONT (weir's binary) the server listens elsewhere and weir, with the same keys, on the port asked for;
$LLAMA_SERVER_FOLDER/PORT then says where the server is, for what is not weir's API. What was started ends with this."""
import ctypes
import hashlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

MODELS = pathlib.Path(os.environ["LLAMA_SERVER_MODELS"])
FOLDER = pathlib.Path(os.environ["LLAMA_SERVER_FOLDER"])
HUB = ("--hf-repo", "--hf-file", "--model-url")
# The suite's own models, by what they are there for. The others (vision, reranker, adapters) nobody stands in for.
STANDS_FOR = {"ggml-org/test-model-stories260K": [], "ggml-org/models:bert-bge-small": ["--pooling", "mean"]}


def local(arguments: list[str]) -> list[str]:
    """The arguments with a model from this machine."""
    kept, hub, i = [], {}, 0
    while i < len(arguments):
        if arguments[i] in HUB:
            hub[arguments[i]] = arguments[i + 1]
            i += 2
            continue
        kept += [arguments[i]] if arguments[i] != "--offline" else []
        i += 1
    if hub:
        name = hub.get("--hf-repo", "") + (":" + hub["--hf-file"].split("/")[0] if "--hf-file" in hub else "")
        if name not in STANDS_FOR:
            sys.exit(f"no model of this machine stands for {hub}")
        kept += ["--model", str(MODELS / "chat.gguf")]
        kept += STANDS_FOR[name] if "--pooling" not in kept else []
    return kept


def value(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1] if name in arguments else ""


def child(command: list[str], **more) -> subprocess.Popen:
    """Ends when this process ends, however that is."""
    die = ctypes.CDLL(None).prctl
    return subprocess.Popen(command, preexec_fn=lambda: die(1, signal.SIGKILL), **more)


def main() -> int:
    server, arguments = str(MODELS / "llama-server"), local(sys.argv[1:])
    if "WEIR_IN_FRONT" not in os.environ:
        os.execv(server, [server, *arguments])
    port = value(arguments, "--port")
    listen = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host in value(arguments, "--host").split(",")]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        behind = free.getsockname()[1]
    arguments[arguments.index("--port") + 1] = str(behind)
    arguments[arguments.index("--host") + 1] = "127.0.0.1"
    llama = child([server, *arguments])
    while True:
        if llama.poll() is not None:
            return llama.returncode
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{behind}/health", timeout=5).read()
            break
        except OSError:
            time.sleep(0.02)
    keys = [key for key in value(arguments, "--api-key").split(",") if key]
    (FOLDER / port).write_text(json.dumps({"port": behind, "model": value(arguments, "--alias"), "key": "" if keys else "dummy"}))
    # Without keys the server takes any that its clients make up; weir refuses an unknown one.
    hashes = ["sha256:" + hashlib.sha256(key.encode()).hexdigest() for key in keys or ["dummy"]]
    config = {
        "server": {"listen": listen, "cores": 1},
        "auth": {"anonymous": "never" if keys else "always", "keys": [{"name": f"key-{i}", "hash": h} for i, h in enumerate(hashes)]},
        "providers": [{"name": "llama", "kind": "llama.cpp", "base_url": f"http://127.0.0.1:{behind}/v1", "models": ["*"], "passthrough": ["responses"], "messages_api": True}],
    }
    if keys:
        config["providers"][0]["api_key"] = keys[0]
    path = FOLDER / (port + ".yaml")
    path.write_text(json.dumps(config))
    weir = child([os.environ["WEIR_IN_FRONT"], "serve", "--config", str(path)], stdout=open(FOLDER / "weir.log", "a"), stderr=subprocess.STDOUT)
    ended, _ = os.wait()
    return 1 if ended == weir.pid else llama.wait()


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
sys.exit(main())
