"""An unmodified zombienet (npm, native provider) makes a network of this program and finds all it expects.

The network is `zombienet/net.toml`, what is expected of it `zombienet/agreement.zndsl`.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.processes.running import ROOT
from tests.wallets.availability import require, unavailable

FOLDER = Path(__file__).parent / "zombienet"
TEST = FOLDER / "agreement.zndsl"
RUN_S = 200
PASSED = "✅"

pytestmark = [pytest.mark.slow, pytest.mark.net, pytest.mark.timeout(900), pytest.mark.xdist_group("devnet")]


def write_command(folder: Path) -> Path:
    """Return an executable that is this tree's program; zombienet takes no command with arguments."""
    command = folder / "loam"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m node "$@"\n')
    command.chmod(0o755)
    return command


def run_zombienet(folder: Path) -> tuple[int, str]:
    """Run the test and return exit code and output; nothing of it runs afterwards, nor stays behind."""
    program = FOLDER / "node_modules" / ".bin" / "zombienet"
    command: list[str | Path] = [
        program,
        "-p",
        "native",
        "-l",
        "text",
        "-d",
        folder / "network",
        "test",
        TEST,
    ]
    environ = {**os.environ, "LOAM": str(write_command(folder)), "TMPDIR": str(folder)}
    with (folder / "output").open("w+") as output, (folder / "input").open("w+") as nothing:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environ,
            stdin=nothing,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(RUN_S)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the nodes too, where zombienet left them
            process.wait()
        output.seek(0)
        return code, output.read()


def read_ends(folder: Path) -> str:
    """Return the last lines of every node's log."""
    logs = sorted((folder / "network").glob("*.log"))
    return "\n".join(line for log in logs for line in [log.name, *log.read_text().splitlines()[-10:]])


def test_zombienet_finds_all_that_it_expects(tmp_path: Path) -> None:
    require("zombienet")
    if shutil.which("ps") is None:
        unavailable("zombienet looks for its nodes with ps, which is not installed")
    code, output = run_zombienet(tmp_path)
    steps = [line for line in TEST.read_text().splitlines() if re.match(r"[a-z]+: ", line)]
    assert len(steps) > 20
    assert code == 0, f"{output[-4000:]}\n{read_ends(tmp_path)}"
    assert f"Result: {len(steps)}/{len(steps)}" in output
    assert [step for step in steps if not re.search(f"{PASSED} {re.escape(step)}", output)] == []
