"""Official clients for Node and the Vercel AI SDK across dialects: the tests are sdk_node/dialects.test.mjs, run as one."""

import os
import subprocess

import pytest

from dialects import every_dialect
from harness import KEY
from test_openai_node import FOLDER, node


def test_official_clients_across_dialects(gateway, model_server):
    program = node()
    if not program or not (FOLDER / "node_modules" / "ai").is_dir():
        pytest.skip("the Node packages are not installed: scripts/setup --test")
    server = model_server()
    weir = gateway(every_dialect(server.url))
    environment = {**os.environ, "WEIR_URL": weir.url, "WEIR_KEY": KEY, "MOCK_URL": server.url}
    done = subprocess.run(
        [program, "--test", "--test-reporter=tap", "dialects.test.mjs"],
        cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 196\n# fail 0" in done.stdout, done.stdout
