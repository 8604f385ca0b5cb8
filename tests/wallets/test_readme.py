"""The first transfer that README shows, run as it stands there but for the port and the account."""

import re
import subprocess

import pytest

from tests.wallets.availability import require
from tests.wallets.environments import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.net, pytest.mark.timeout(900), pytest.mark.xdist_group("wallets")]

TRANSFER_TIMEOUT_S = 60


def test_first_transfer_succeeds(endpoint: str) -> None:
    client = require("substrate_interface")
    section = (ROOT / "README.md").read_text().split("## First transfer from a wallet\n")[1].split("\n## ")[0]
    program = "\n".join(line.removeprefix("    ") for line in section.splitlines() if line.startswith("    "))
    assert "ws://127.0.0.1:9944" in program
    assert '"//Alice"' in program
    program = program.replace("ws://127.0.0.1:9944", endpoint).replace('"//Alice"', '"//Alice//stash"')
    done = subprocess.run(
        [str(client.python), "-c", program],
        capture_output=True,
        text=True,
        timeout=TRANSFER_TIMEOUT_S,
        check=False,
    )
    assert re.fullmatch(r"True 0x[0-9a-f]{64}\n", done.stdout), done.stdout + done.stderr
