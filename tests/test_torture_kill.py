"""A short run of scripts/torture kill: real clients under load, kill -9, the store compared with what they saw. And that the
comparison notices a record that is missing and one that is there twice."""

import json
import os
import subprocess
import sys

import pytest

from harness import ROOT

pytestmark = pytest.mark.timeout(240)  # the first run compiles the load generator


def kills(binary, tmp_path, *arguments) -> tuple[int, dict]:
    """The exit code, and the lines by their check."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "torture"), "kill", "--folder", str(tmp_path), *arguments],
        env={**os.environ, "WEIR_BINARY": os.path.abspath(binary)}, capture_output=True, text=True, timeout=230,
    )
    assert done.returncode in (0, 1) and done.stdout, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {line["check"]: line for line in lines}


def test_five_kills_lose_nothing(binary, tmp_path):
    code, checks = kills(binary, tmp_path, "--kills", "5")
    assert code == 0 and all(line["ok"] for line in checks.values()), checks
    assert checks["kill_lost"]["value"] == checks["kill_twice"]["value"] == 0
    assert checks["kill_lost"]["acknowledged"] == checks["kill_answers"]["value"] > 5


def test_a_missing_record_is_noticed(binary, tmp_path):
    code, checks = kills(binary, tmp_path, "--kills", "3", "--plant", "lost")
    assert code == 1
    assert not checks["kill_lost"]["ok"] and checks["kill_lost"]["value"] >= checks["kill_only_in_rings"]["value"] > 0


def test_a_double_record_is_noticed(binary, tmp_path):
    code, checks = kills(binary, tmp_path, "--kills", "2", "--plant", "twice")
    assert code == 1
    assert not checks["kill_twice"]["ok"] and checks["kill_lost"]["value"] == 0
