"""A vault that is killed at any moment opens again with nothing half done."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from apps.vault.policy import Kind, Place
from tests.apps.vault.making import ALICE, CUSTODIAN, KNOWS, REASON, make_vault, open_vault
from tests.processes.running import ROOT

pytestmark = pytest.mark.slow
POINTS_MIN = 60
WRITER = """
import sys
from pathlib import Path
from tests.apps.vault.making import *
from tests.apps.vault.making import KNOWS, DPO, REASON, open_vault
with open_vault(Path(sys.argv[1])) as vault:
    for n in range(10**6):
        made = vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, {"n": n})
        print(made.version, flush=True)
        if n % 7 == 6:
            vault.erase(DPO, REASON, ALICE)
            print("erased", made.version, flush=True)
"""


def test_each_statement_may_be_the_last(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.apps.vault.crash_points", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["points"] >= POINTS_MIN
    assert {"1", "2", "2E", "3E", "3ER"} <= told["reached"].keys()


@pytest.mark.parametrize("after", [6, 20])
def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path, after: int) -> None:
    """The process is killed from outside, in the middle of whatever it does."""
    make_vault(tmp_path / "vault").close()
    command = [sys.executable, "-c", WRITER, str(tmp_path / "vault")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().split() for _ in range(after)]
        process.send_signal(signal.SIGKILL)
        lines += [line.split() for line in process.stdout.read().splitlines()]
    put = [int(line[0]) for line in lines if len(line) == 1]
    erased = max([int(line[1]) for line in lines if len(line) == 2], default=0)
    with open_vault(tmp_path / "vault") as vault:
        assert vault.check(CUSTODIAN).length >= len(put)
        listed = vault.listed(CUSTODIAN, REASON, ALICE)
        assert [one.place.version for one in listed] == list(range(1, len(listed) + 1))
        assert len(listed) in {len(put), len(put) + 1}
        gone = [one.place.version for one in listed if one.tombstone is not None]
        assert set(range(1, erased + 1)) <= set(gone)
        for version in set(put) - set(gone):
            vault.show(KNOWS, REASON, Place(ALICE, Kind.IDENTITY, version))
