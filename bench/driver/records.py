"""Is every acknowledged request in the event store, once? What scripts/torture kill and disk share: weir with its
records in a directory, clients that write down the id of every answer that reached them whole, and the comparison."""
import collections
import contextlib
import csv
import http.client
import json
import os
import subprocess
import sys
import time

from . import build, load
from .servers import KEY, Weir

PATIENCE_S = 30  # for something that takes milliseconds


def say(text):
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def until(condition, what, seconds=PATIENCE_S):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise RuntimeError(f"after {seconds} s: {what}")
        time.sleep(0.005)


class Recording(Weir):
    """weir on two cores with its records in `data`. Not pinned and of no special priority, as the machine runs it."""

    def __init__(self, folder, mock_port, data, events="", environment=None):
        self.loads = []  # ended with weir, also when a check breaks off
        self.environment = {**os.environ, **(environment or {})}
        super().__init__(folder, mock_port, listen=False, events=f"{{ {events} }}", log_requests=False, data=data)
        self.start()

    def write_config(self, mock_port, **options):
        super().write_config(mock_port, **options)
        with open(self.config_path) as f:
            text = f.read().replace("cores: 1", "cores: 2")
        with open(self.config_path, "w") as f:
            f.write(text)

    def start(self):
        self.output = os.path.join(self.folder, "weir.out")
        with open(self.output, "ab") as log:  # restore_signals: a write beyond RLIMIT_FSIZE is an error, not the end
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                            env=self.environment, restore_signals=False)
        until(self.answers, "weir does not listen")

    def answers(self):
        if self.process.poll() is not None:
            with open(self.output, errors="replace") as log:
                raise RuntimeError(f"weir ended with {self.process.returncode}: {log.read()[-600:]}")
        try:
            return self.get("/health")[0] == 200
        except OSError:
            return False

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def ready(self):
        """Status, reasons, warnings."""
        status, body = self.get("/ready")
        document = json.loads(body)
        return status, document["reasons"], document["warnings"]

    def ask(self, traffic, key=KEY):
        """Status and body of one request's answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request("POST", self.path, traffic.body,
                               {"Content-Type": "application/json", "Authorization": f"Bearer {key}"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def metric(self, name, label=""):
        """The sum over its series, of those that have `label`."""
        return sum(float(line.rsplit(" ", 1)[1]) for line in self.get("/metrics")[1].splitlines()
                   if line.startswith((name + " ", name + "{")) and label in line)

    def dropped(self, event_class):
        return int(self.metric("weir_events_dropped_total", f'class="{event_class}"'))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """The exit code of a clean stop."""
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def __exit__(self, *_):
        for process in [*self.loads, self.process]:
            if process.poll() is None:
                process.kill()
                process.wait()

    def rows(self, sql):
        """As `weir events query` prints them; works beside a running weir and without one."""
        argv = [self.argv[0], "events", "query", "--csv", "--data", self.data, sql]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as query:
            rows = list(csv.reader(query.stdout))[1:]
            problem = query.stderr.read()
        if query.returncode != 0:
            raise RuntimeError(f"weir events: {problem}")
        return rows


def start_load(weir, traffic, ids, **flags):
    argv = [build.tool("load"), "--port", str(weir.port), "--path", weir.path, "--body", traffic.body_path, "--key", KEY,
            "--expect", traffic.expect_path, "--ids", ids]
    argv += [part for name, value in flags.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    weir.loads.append(subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
    return weir.loads[-1]


def finish(loads):
    """The load generators' reports."""
    return [json.loads(process.communicate(timeout=120)[0]) for process in loads]


def traffics(folder, mock):
    whole = load.Traffic(folder, "whole", 1024)
    whole.learn_answer(mock.port)
    streamed = load.Traffic(folder, "streamed", 1024, stream=True, mock={"frames": 8})
    streamed.learn_answer(mock.port)
    return {"whole": whole, "streamed": streamed}


def ids_of(paths):
    found = []
    for path in paths:
        with open(path) as f:
            found += f.read().splitlines()
    if "" in found or len(set(found)) != len(found):
        raise RuntimeError("an answer without an id of its own")
    return found


def compare(weir, acknowledged):
    """`lost`: acknowledged ids that are not in the store. `twice`: ids in it more than once, acknowledged or not.
    `wrong`: acknowledged ids whose record does not say that all went well."""
    return compare_ids(weir.rows("SELECT request_id, status, outcome, input_tokens, output_tokens FROM events"), acknowledged)


def compare_ids(rows, acknowledged):
    """compare() of rows that were read."""
    times = collections.Counter(row[0] for row in rows)
    good = {row[0] for row in rows if row[1:3] == ["200", "ok"] and "" not in row[3:]}
    return {"acknowledged": len(acknowledged), "stored": len(rows),
            "lost": sum(1 for i in acknowledged if i not in times),
            "twice": sum(1 for n in times.values() if n > 1),
            "wrong": sum(1 for i in acknowledged if i in times and i not in good)}
