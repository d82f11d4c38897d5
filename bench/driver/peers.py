"""Other gateways, installed by package into build/bench/peers/ and measured in the same run as weir: one process, one
OpenAI-compatible provider, the client's key checked where the gateway can, request logs and telemetry off."""
import json
import os
import shutil
import subprocess

from . import build
from .processes import PROXY_CORE, Process, free_port
from .servers import KEY, Server

LITELLM = "litellm[proxy]==1.106.2"
PORTKEY = "1.15.2"
# its package leaves these two open, and with today's newest every streamed request answers 500
PORTKEY_OVERRIDES = {"hono": "4.9.7", "@hono/node-server": "1.13.5"}
START_SECONDS = 120


def installed(name, install):
    """The folder of a peer. It counts as installed when install() has come to its end."""
    folder = os.path.join(build.FOLDER, "peers", name)
    done = os.path.join(folder, "installed")
    if not os.path.exists(done):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        install(folder)
        open(done, "w").close()
    return folder


class LiteLlm(Server):
    name, exact = "litellm", False

    def __init__(self, folder, mock_port):
        home = installed(self.name, self.install)
        self.port = free_port()
        config = os.path.join(folder, "litellm.yaml")
        with open(config, "w") as f:
            f.write(f"""\
model_list:
  - model_name: gpt-4o-mini
    litellm_params: {{ model: openai/gpt-4o-main, api_base: "http://127.0.0.1:{mock_port}/v1", api_key: sk-mock }}
general_settings: {{ master_key: {KEY}, disable_spend_logs: true }}
litellm_settings: {{ telemetry: false, request_timeout: 600 }}
""")
        environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False", "LITELLM_LOG": "ERROR",
                       "NO_PROXY": "127.0.0.1"}
        self.process = Process(self.name, [f"{home}/venv/bin/litellm", "--config", config, "--host", "127.0.0.1",
                                           "--port", self.port, "--num_workers", "1"], folder, PROXY_CORE, environment)
        self.started(START_SECONDS)

    @staticmethod
    def install(folder):
        build.run(["/usr/bin/python3", "-m", "venv", f"{folder}/venv"])
        build.run([f"{folder}/venv/bin/pip", "install", "-q", "--disable-pip-version-check", LITELLM])


class Portkey(Server):
    """Its unpaid edition checks no client key and takes the upstream from the request's headers."""
    name, exact = "portkey", False

    def __init__(self, folder, mock_port):
        home = installed(self.name, self.install)
        self.port = free_port()
        self.headers = f"x-portkey-provider: openai\\nx-portkey-custom-host: http://127.0.0.1:{mock_port}/v1\\n"
        start = f"{home}/node_modules/@portkey-ai/gateway/build/start-server.js"
        self.process = Process(self.name, ["node", start, f"--port={self.port}", "--headless"], folder, PROXY_CORE)
        self.started(START_SECONDS)

    @staticmethod
    def install(folder):
        with open(os.path.join(folder, "package.json"), "w") as f:
            json.dump({"private": True, "dependencies": {"@portkey-ai/gateway": PORTKEY},
                       "overrides": PORTKEY_OVERRIDES}, f)
        done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=folder,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"npm install of Portkey failed: {done.stdout[-2000:]}")


PEERS = {"litellm": LiteLlm, "portkey": Portkey}


def start(name, folder, mock_port):
    if name not in PEERS:
        raise SystemExit(f"unknown peer {name}; known: {', '.join(PEERS)}")
    return PEERS[name](folder, mock_port)
