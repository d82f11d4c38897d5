"""bench/run translate: what a frame of a stream costs where caller and model server speak two dialects, beside nginx relaying
the model server's stream as it is. Method and units are those of bench/run proxy: CPU time of the proxy's threads over the
frames that the model server sent, in turns. The same dialects relayed stand beside it, which must not have become dearer."""
import http.client
import json
import os

from . import build, load, rows
from .proxy import cost_us
from .servers import EVENTS_AT_FULL_SPEED, KEY, Mock, Nginx, Weir

PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
CONNECTIONS = 16
BODY_BYTES = 1024
FRAMES = 50  # of the mock, unless told otherwise

# lane, caller's dialect, model server's dialect, gate
LANES = [
    ("translate_openai_to_anthropic", "openai", "anthropic", 3.0),
    ("translate_anthropic_to_openai", "anthropic", "openai", 3.0),
    ("relay_openai", "openai", "openai", 1.2),
    ("relay_anthropic", "anthropic", "anthropic", 1.2),
]


class Translator(Weir):
    exact = False  # its answers carry an id of their own

    def write_config(self, mock_port, model="gpt-4o-main", broken=False):
        super().write_config(mock_port, model, broken)
        with open(self.config_path) as f:
            text = f.read()
        text = text.replace("models:\n", f"""\
  - name: claude
    kind: anthropic
    base_url: "http://127.0.0.1:{mock_port}"
    connections_max: 60000
    timeouts: {{ headers_ms: 3600000, first_token_ms: 3600000, idle_ms: 3600000, total_ms: 3600000 }}
models:
  - {{ name: to-openai, targets: [ {{ provider: mock, model: {model} }} ] }}
  - {{ name: to-anthropic, targets: [ {{ provider: claude, model: claude-sonnet-4-5 }} ] }}
""", 1)
        with open(self.config_path, "w") as f:
            f.write(text)


class Traffic:
    """A streamed request of one dialect; what load.py needs of one."""

    def __init__(self, folder, name, dialect, model):
        more = {"stream_options": {"include_usage": True}} if dialect == "openai" else {"max_tokens": 1000}
        text = "Tell me about the history of the river. " * 20
        body = {"model": model, "stream": True, **more, "messages": [{"role": "user", "content": text}]}
        body["messages"][0]["content"] = text + "x" * (BODY_BYTES - len(json.dumps(body, separators=(",", ":"))))
        self.dialect, self.stream, self.name = dialect, True, name
        self.body = json.dumps(body, separators=(",", ":"))
        self.body_path = os.path.join(folder, f"{name}.body")
        self.expect_path = os.path.join(folder, f"{name}.expect")
        with open(self.body_path, "w") as f:
            f.write(self.body)

    def answer(self, server):
        """Of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", PATHS[self.dialect], self.body, {"authorization": "Bearer " + KEY})
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return body


def run(folder, seconds, rounds, only):
    build.need_yardsticks()
    with Mock(folder, spin=True) as mock, \
            Translator(folder, mock.port, events=EVENTS_AT_FULL_SPEED) as weir, Nginx(folder, mock.port) as nginx:
        for lane, caller, server, gate in LANES:
            if only and lane not in only:
                continue
            mine = Traffic(folder, lane, caller, "to-" + server)
            direct = Traffic(folder, lane + "_direct", server, "any")
            said = direct.answer(nginx)
            with open(direct.expect_path, "wb") as f:
                f.write(said)
            frames = said.count(b"\n\n")
            assert frames == FRAMES and said.count(b" token") == mine.answer(weir).count(b" token") > 40, "not the same words"
            pairs = [(weir, mine), (nginx, direct)]
            for proxy, traffic in pairs:
                proxy.path = PATHS[traffic.dialect]
                load.run(proxy, traffic, connections=CONNECTIONS, requests=5 * CONNECTIONS)
            results = {proxy.name: [] for proxy, _ in pairs}
            for _ in range(rounds):
                for proxy, traffic in pairs:
                    results[proxy.name].append(cost_us(proxy, traffic, CONNECTIONS, seconds, frames))
            weirs, others = results[weir.name], results[nginx.name]
            ratio = rows.median([a[0] / b[0] for a, b in zip(weirs, others)])
            rows.row(lane + "_frame", "us", rows.median([r[0] for r in weirs]), rows.median([r[0] for r in others]), "nginx",
                     gate, ratio, weir_min=rows.rounded(min(r[0] for r in weirs)), peer_min=rows.rounded(min(r[0] for r in others)),
                     weir_user=rows.rounded(rows.median([r[1] for r in weirs])),
                     peer_user=rows.rounded(rows.median([r[1] for r in others])))
