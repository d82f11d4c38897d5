"""A short run of scripts/torture wires: every caller's dialect in front of every provider's, clients that leave, SIGTERM, kill -9.
How soon a leaving client is noticed is a figure, not a test: here it is noticed at all."""

import json
import os
import subprocess
import sys

import pytest

from harness import ROOT

pytestmark = pytest.mark.timeout(240)


def test_every_pair_of_dialects_is_cancelled_drained_and_recorded(binary, tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "torture"), "wires", "--fast", "--kills", "3", "--folder", str(tmp_path)],
        env={**os.environ, "WEIR_BINARY": os.path.abspath(binary)}, capture_output=True, text=True, timeout=230,
    )
    assert done.returncode in (0, 1) and done.stdout, done.stderr
    checks = {line["check"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert len(checks) == 12, done.stderr
    wrong = [line for name, line in checks.items() if not line["ok"] and not name.endswith("_ms_max")]
    assert not wrong, wrong
