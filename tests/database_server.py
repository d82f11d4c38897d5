#!/usr/bin/env python3
"""A real PostgreSQL, and pgbouncer in transaction mode before it, in a temporary folder: for tests of any language.

Started, it prints one line of JSON with the connection strings and then obeys lines on its input, each answered by
"ok": stop (at once, as a crash does), start, stop-pool, start-pool, sql TEXT (as the superuser). At the end of its input, also
when who started it was killed, it ends both servers and removes the folder. Nothing listens on a port.

    direct     as the role of weir, to PostgreSQL
    pooled     the same through pgbouncer
    superuser  as the cluster's superuser
"""

import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time

POSTGRES = pathlib.Path("/usr/lib/postgresql/15/bin")
PASSWORD = "p@ss:word/of 100%"  # what must be written with %XX in an address
QUOTED = "p%40ss%3Aword%2Fof%20100%25"


class Server:
    def __init__(self, folder: pathlib.Path, user: str | None):
        self.folder, self.user = folder, user
        self.postgres = self.pool = None

    def run(self, *command, **options):
        return subprocess.run([str(c) for c in command], user=self.user, cwd=self.folder, check=True, capture_output=True,
                              text=True, **options).stdout

    def spawn(self, log, *command):
        return subprocess.Popen([str(c) for c in command], user=self.user, cwd=self.folder, stdin=subprocess.DEVNULL,
                                stdout=open(self.folder / log, "ab"), stderr=subprocess.STDOUT)

    def make(self):
        self.run(POSTGRES / "initdb", "-D", self.folder / "data", "-U", "admin", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        (self.folder / "data" / "pg_hba.conf").write_text("local all admin trust\nlocal all all scram-sha-256\n")
        (self.folder / "userlist.txt").write_text(f'"weir" "{PASSWORD}"\n')
        (self.folder / "pgbouncer.ini").write_text(
            f"[databases]\nweir = host={self.folder} port=5432 dbname=weir\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = {self.folder}\n"
            f"listen_port = 6432\nauth_type = scram-sha-256\nauth_file = {self.folder}/userlist.txt\npool_mode = transaction\n"
            "default_pool_size = 2\nmax_client_conn = 200\nserver_login_retry = 1\nquery_wait_timeout = 3\nlogfile =\n")
        self.start()
        self.sql(f"CREATE ROLE weir LOGIN PASSWORD '{PASSWORD}'", "postgres")
        self.sql("CREATE DATABASE weir OWNER weir", "postgres")
        self.start_pool()

    def sql(self, text, database="weir"):
        return self.run(POSTGRES / "psql", "-h", self.folder, "-U", "admin", "-d", database, "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", text)

    def await_ready(self, process, port):
        """pg_isready says when somebody answers; a process that ended never will."""
        deadline = time.monotonic() + 30
        command = [str(POSTGRES / "pg_isready"), "-q", "-h", str(self.folder), "-p", str(port), "-d", "weir", "-U", "weir"]
        while subprocess.run(command).returncode != 0:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("no server:\n" + "".join(p.read_text() for p in sorted(self.folder.glob("*.log"))))
            time.sleep(0.02)

    def start(self):
        self.postgres = self.spawn("postgres.log", POSTGRES / "postgres", "-D", self.folder / "data", "-k", self.folder,
                                   "-c", "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=60",
                                   "-c", "shared_buffers=16MB", "-c", "autovacuum=off", "-c", "log_error_verbosity=terse")
        self.await_ready(self.postgres, 5432)
        if self.pool:
            self.await_pool()

    def await_pool(self):
        """pgbouncer pauses after a server that was away: who comes meanwhile is refused."""
        command = [str(POSTGRES / "psql"), "-qAtX", "-h", str(self.folder), "-p", "6432", "-U", "weir", "-d", "weir", "-c", "SELECT 1"]
        deadline = time.monotonic() + 30
        while subprocess.run(command, env={"PGPASSWORD": PASSWORD, "PATH": "/usr/bin:/bin"}, capture_output=True).returncode != 0:
            if time.monotonic() > deadline:
                raise RuntimeError("pgbouncer does not find back:\n" + (self.folder / "pgbouncer.log").read_text())
            time.sleep(0.05)

    def stop(self):
        self.postgres.send_signal(signal.SIGQUIT)  # immediate: every connection is cut
        self.postgres.wait()

    def start_pool(self):
        self.pool = self.spawn("pgbouncer.log", "/usr/sbin/pgbouncer", self.folder / "pgbouncer.ini")
        self.await_ready(self.pool, 6432)

    def stop_pool(self):
        self.pool.kill()
        self.pool.wait()
        self.pool = None

    def end(self):
        for process in (self.pool, self.postgres):
            if process and process.poll() is None:
                process.send_signal(signal.SIGKILL if process is self.pool else signal.SIGQUIT)
                process.wait()

    def strings(self):
        folder = str(self.folder).replace("/", "%2F")
        return {"direct": f"postgresql://weir:{QUOTED}@{folder}/weir", "pooled": f"postgresql://weir:{QUOTED}@{folder}:6432/weir",
                "superuser": f"postgresql://admin@{folder}/weir"}


def main():
    for program in (POSTGRES / "initdb", pathlib.Path("/usr/sbin/pgbouncer")):
        if not program.exists():
            sys.exit(f"{program} is missing: scripts/setup --test installs it")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-pg-"))
    user = None
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        user = "postgres"
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        folder.chmod(0o755)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    server = Server(folder, user)
    try:
        server.make()
        print(json.dumps(server.strings()), flush=True)
        words = {"stop": server.stop, "start": server.start, "stop-pool": server.stop_pool, "start-pool": server.start_pool}
        for line in sys.stdin:
            word, _, rest = line.strip().partition(" ")
            if word == "sql":
                server.sql(rest)
            else:
                words[word]()
            print("ok", flush=True)
    finally:
        server.end()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
