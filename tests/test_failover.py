"""Sixteen ways in which a model server fails, with another one behind it: the caller gets a whole answer in all but the one
that is the caller's own. The cases stand in bench/driver/failover.py; here with short timers."""

import json
import subprocess
import sys

from harness import ROOT


def test_sixteen_failures(binary, tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "torture", "failover", "--fast", "--folder", tmp_path],
        env={"WEIR_BINARY": binary, "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}, capture_output=True, text=True, timeout=110,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row for row in rows if not row["ok"]] == [], done.stderr
    assert done.returncode == 0, done.stderr
    assert {row["check"].split(" ")[0] for row in rows} == {f"S{n:02}" for n in range(1, 17)}
    went_on = {row["check"].split(" ")[0] for row in rows if row.get("went_on")}
    assert went_on == {"S08", "S09", "S10", "S14"}
