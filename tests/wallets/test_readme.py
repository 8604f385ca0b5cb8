"""The first transfer that README shows, run as it stands there on what README starts, but for the port."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.processes.devnet import running_devnet
from tests.wallets.availability import require
from tests.wallets.environments import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.net, pytest.mark.timeout(900), pytest.mark.xdist_group("wallets")]

TRANSFER_TIMEOUT_S = 60


def test_first_transfer_succeeds(tmp_path: Path) -> None:
    client = require("substrate_interface")
    section = (ROOT / "README.md").read_text().split("## First transfer from a wallet\n")[1].split("\n## ")[0]
    program = "\n".join(line.removeprefix("    ") for line in section.splitlines() if line.startswith("    "))
    assert "ws://127.0.0.1:9944" in program
    with running_devnet(tmp_path) as devnet:
        endpoint = devnet.ready["nodes"][0]["rpc"]
        done = subprocess.run(
            [str(client.python), "-c", program.replace("ws://127.0.0.1:9944", endpoint)],
            capture_output=True,
            text=True,
            timeout=TRANSFER_TIMEOUT_S,
            check=False,
        )
    assert re.fullmatch(r"True 0x[0-9a-f]{64}\n", done.stdout), done.stdout + done.stderr


def test_readme_starts_that_devnet() -> None:
    assert "    make devnet  " in (ROOT / "README.md").read_text()
    assert "\ndevnet: venv\n\t@$(PY) -m node devnet $(ARGS)\n" in (ROOT / "Makefile").read_text()
