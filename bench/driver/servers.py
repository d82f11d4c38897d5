"""The servers of a measurement, each configured to do the same work: check the client's key, pick the upstream by the
request's path or model, relay to the mock over kept-alive connections, stream without buffering."""
import os
import shutil

from . import build
from .processes import LOAD_CORE, PROXY_CORE, Process, free_port, wait_for_port

KEY = "sk-bench-0123456789abcdef"
DESCRIPTORS = 20000
KEPT_LOG_BYTES = 64 << 20  # a lane writes up to a gigabyte
# Four seconds of one core's requests. A full ring refuses them, and a commit takes seconds on a disk that others use:
# that would measure the disk.
EVENTS_AT_FULL_SPEED = "{ ring_bytes: 134217728 }"


class Server:
    """`name`, `port`, `key`, `process`; a context manager that ends the process."""
    key = KEY
    path = "/v1/chat/completions"
    headers = ""  # more request headers, each ended by a literal \\n
    exact = True  # hands the mock's answer through byte for byte

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.end()

    def started(self, seconds=10):
        wait_for_port(self.port, self.process, seconds)
        return self


class Mock(Server):
    name, key = "mock", ""

    def __init__(self, folder, name="mock", spin=False):
        self.port = free_port()
        argv = [build.tool("mock"), "--port", self.port, "--spin", int(spin)]
        self.process = Process(name, argv, folder, LOAD_CORE)
        self.started()


class Weir(Server):
    """Every stage on: key, routing with another model name upstream, metrics, a JSON log line a request."""
    name = "weir"

    def __init__(self, folder, mock_port, core=PROXY_CORE, binary=None, wrapper=(), listen=True, events="{}",
                 log_requests=True, data=None):
        """`events`: of the configuration. `data`: the folder of the records, if not in `folder`."""
        self.events, self.log_requests = events, log_requests
        self.port = free_port()
        self.folder = folder
        self.config_path = os.path.join(folder, "weir.yaml")
        self.log_path = os.path.join(folder, "weir.log")
        self.data = data or os.path.join(folder, "weir-data")
        self.write_config(mock_port)
        self.argv = [*wrapper, binary or build.weir(), "serve", "--config", self.config_path]
        if listen:
            self.process = Process(self.name, self.argv, folder, core)
            self.started()

    def __exit__(self, *_):
        super().__exit__()
        if os.path.exists(self.log_path) and os.path.getsize(self.log_path) > KEPT_LOG_BYTES:
            os.remove(self.log_path)

    def write_config(self, mock_port, model="gpt-4o-main", broken=False):
        text = f"""\
server: {{ listen: "127.0.0.1:{self.port}", cores: 1, limits: {{ connections: 60000 }} }}
auth:
  keys: [ {{ name: bench, key: "{KEY}" }} ]
providers:
  - name: mock
    kind: openai
    base_url: "http://127.0.0.1:{mock_port}/v1"
    connections_max: 60000
    timeouts: {{ headers_ms: 3600000, first_token_ms: 3600000, idle_ms: 3600000, total_ms: 3600000 }}
models:
  - {{ name: gpt-4o-mini, targets: [ {{ provider: mock, model: {model} }} ] }}
log: {{ file: "{self.log_path}", requests: {str(self.log_requests).lower()} }}
events: {self.events}
data: {{ directory: "{self.data}" }}
"""
        if broken:
            text += "models: nonsense\n"
        with open(self.config_path + ".new", "w") as f:
            f.write(text)
        os.replace(self.config_path + ".new", self.config_path)


class Nginx(Server):
    """One worker, no access log (weir writes one), the body in memory. Left to itself glibc gives the memory of a 100 KB
    body back after each request or does not, as the heap happens to lie: 58 us a request or 25. It is told to keep it."""
    name = "nginx"

    def __init__(self, folder, mock_port):
        self.port = free_port()
        config = os.path.join(folder, "nginx.conf")
        temporary = "".join(f"{kind}_temp_path {folder}/nginx-{kind}; "
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(config, "w") as f:
            f.write(f"""\
worker_processes 1; error_log {folder}/nginx-error.log; pid {folder}/nginx.pid; daemon off;
worker_rlimit_nofile {DESCRIPTORS};
events {{ worker_connections {DESCRIPTORS}; multi_accept on; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600; client_body_buffer_size 512k;
  client_max_body_size 32m; {temporary}
  map $http_authorization $known {{ default 0; "Bearer {KEY}" 1; }}
  upstream mock {{ server 127.0.0.1:{mock_port}; keepalive 256; keepalive_requests 1000000000; keepalive_timeout 600; }}
  server {{
    listen 127.0.0.1:{self.port} reuseport backlog=4096;
    location /v1/ {{
      if ($known = 0) {{ return 401; }}
      proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_buffering off;
    }}
  }}
}}
""")
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        self.process = Process(self.name, [program, "-c", config, "-p", folder], folder, PROXY_CORE,
                               {"MALLOC_TRIM_THRESHOLD_": "100000000", "MALLOC_TOP_PAD_": "1000000"})
        self.started()
