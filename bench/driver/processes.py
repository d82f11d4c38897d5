"""Processes of a measurement: pinned to a core, their CPU time and memory read from /proc, ended by their own id."""
import os
import random
import signal
import socket
import subprocess
import time

# Each process is a session of its own and, where the system lets us (root, usually), goes before the machine's other
# work: sharing the machine then costs cache misses, but no waiting for a turn. Both sides of a row alike. Not nice: with
# autogroups it counts within a session only. Whoever fills a core is still paused 50 ms each second by the kernel, so
# a latency is to be measured below that.
OWN_SESSION = ["setsid", "sh", "-c", 'chrt --rr --pid 1 $$ 2>/dev/null >&2; exec "$@"', "sh"]


def take_ordinary_turns():
    """From now on this run's processes share the machine with its other work: for what takes half an hour, and for what
    keeps a core full and a disk busy (the kernel's threads that finish a write would hardly get a turn)."""
    OWN_SESSION[:] = ["setsid", "sh", "-c", 'exec "$@"', "sh"]


TICKS = os.sysconf("SC_CLK_TCK")
PROXY_CORE = 0  # what is measured
LOAD_CORE = 1  # the mock and the load generator


def free_port():
    """A port that nobody listens on, and that the system gives to nobody's connection: below those (/proc/sys/net/ipv4/
    ip_local_port_range), so a server that is killed finds it free when it starts again."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def wait_for_port(port, process, seconds):
    """Until something listens on `port`. Raises when `process` ends before."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.name} ended with {process.returncode}: {process.log_tail()}")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"{process.name} does not listen: {process.log_tail()}")


class Process(subprocess.Popen):
    """A child with its own process group and its output in a file. `core` None: not pinned."""

    def __init__(self, name, argv, folder, core=None, env=None):
        self.name = name
        self.log_path = os.path.join(folder, f"{name}.out")
        cores = {core % os.cpu_count()} if core is not None else None
        with open(self.log_path, "ab") as log:
            super().__init__(OWN_SESSION + [str(a) for a in argv], stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=folder,
                             env={**os.environ, **(env or {})},
                             preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None)

    def log_tail(self, size=600):
        with open(self.log_path, errors="replace") as log:
            return log.read()[-size:].strip()

    def tree(self):
        """The process and all its descendants."""
        found, todo = [], [self.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{task}/children") as f:
                        todo += [int(p) for p in f.read().split()]
            except FileNotFoundError:
                pass
        return found

    def cpu_seconds(self):
        """(user, system) of all threads of all processes of the tree."""
        user = system = 0
        for pid in self.tree():
            try:
                with open(f"/proc/{pid}/stat") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
            except FileNotFoundError:
                continue
            user += int(fields[11])
            system += int(fields[12])
        return user / TICKS, system / TICKS

    def rss_kb(self):
        total = 0
        for pid in self.tree():
            with open(f"/proc/{pid}/status") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("VmRSS:"))
        return total

    def favour_helpers(self):
        """Lets every thread but the first (weir's loop, with one core) go before it, where OWN_SESSION had its way. weir makes
        them ordinary threads of a lower priority: the ordinary scheduler gives them their share of a full core all the same;
        a loop that never sleeps and goes before everything would keep its own syncs, log and store from working."""
        if os.sched_getscheduler(self.pid) != os.SCHED_RR:
            return
        for thread in map(int, os.listdir(f"/proc/{self.pid}/task")):
            if thread != self.pid:
                os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(2))

    def end(self, seconds=10):
        """SIGTERM, then SIGKILL to its group. The exit code."""
        if self.poll() is None:
            self.send_signal(signal.SIGTERM)
            try:
                self.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(self.pid, signal.SIGKILL)
                self.wait()
        return self.returncode
