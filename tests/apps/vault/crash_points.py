"""Kills a vault at each of its statements and looks at what the next one finds; prints JSON.

One process for each point: `python -m tests.apps.vault.crash_points FOLDER`. The child kills itself as
`kill -9` does, before its n-th statement, until it comes through.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from apps.vault.calls import parse_wish
from apps.vault.database import Database
from apps.vault.errors import Erased, UnknownRecord, WrongMasterKey
from apps.vault.policy import Kind, Place
from apps.vault.vault import Vault
from tests.apps.vault.making import (
    ALICE,
    BOB,
    CUSTODIAN,
    DPO,
    KNOWS,
    OTHER,
    REASON,
    SECRET,
    SOMCHAI,
    make_vault,
    open_vault,
    read_all,
    without_syncs,
)

WISH = parse_wish("file_kyc", {"country": "TH"})
BEFORE = Place(ALICE, Kind.IDENTITY, 1)


def work(folder: Path) -> None:
    """Do a bit of everything."""
    with open_vault(folder) as vault:
        vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI, wish=WISH, request="request-2")
        vault.put(KNOWS, REASON, BOB, Kind.LICENCE, {"n": 2})
        vault.erase(DPO, REASON, ALICE, 7)
        vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, {"n": 3})
        vault.rotate_master_key(CUSTODIAN, REASON, OTHER)


def kill_at(number: int) -> None:
    """Let this process end before its statement of this number."""
    execute = Database.execute
    numbers = count()

    def counted(self: Database, statement: str, values: Sequence[object] = ()) -> Any:
        if next(numbers) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(self, statement, values)

    Database.execute = counted  # type: ignore[method-assign]  # the point of this program


def open_either(folder: Path) -> tuple[Vault, bool]:
    """Open a vault whose master key may have been changed; say whether it was."""
    try:
        return open_vault(folder, SECRET), False
    except WrongMasterKey:
        return open_vault(folder, OTHER), True


def look(folder: Path, traces: list[bytes]) -> str:
    """Return how far the work came; AssertionError where something is half done."""
    vault, is_rotated = open_either(folder)
    with vault:
        assert vault.check(CUSTODIAN).length >= 1
        status = vault.status(CUSTODIAN)
        assert (status["withoutKey"], status["keysWithoutRecord"]) == (0, 0)
        assert vault._keyring.places(pending=True) == []
        assert vault._keyring.open_erasures() == []
        try:
            vault.show(KNOWS, REASON, BEFORE)
        except Erased:
            data = read_all(folder)
            assert not [one for one in traces if one in data], "a trace of what was erased"
            assert len([one for one in vault.outbox.pending() if one.call == "confirm_erasure"]) == 1
            is_erased = True
        else:
            assert vault.outbox.count() in ({}, {"queued": 1})
            is_erased = False
        newest = len(vault.listed(CUSTODIAN, REASON, ALICE))
        entries = [(one["action"], one["outcome"]) for one in vault.log.entries(1, 1000)]
        assert entries.count(("put", "ok")) == status["records"] + status["erased"]  # type: ignore[operator]
        try:
            vault.show(KNOWS, REASON, Place(BOB, Kind.LICENCE, 1))
        except UnknownRecord:
            assert not is_erased
        return f"{newest}{'E' if is_erased else ''}{'R' if is_rotated else ''}"


def main(folder: Path) -> None:
    """Try all points."""
    start = folder / "start"
    with make_vault(start) as vault:
        vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
        (wrapped,) = vault._keyring.database.execute("SELECT wrapped FROM key").fetchone()
        traces = [wrapped, vault._table.get(BEFORE).sealed]
    reached: dict[str, int] = {}
    for number in count():
        here = folder / f"{number}"
        shutil.copytree(start, here)
        child = os.fork()
        if child == 0:
            kill_at(number)
            work(here)
            os._exit(0)
        _, ended = os.waitpid(child, 0)
        assert os.WIFSIGNALED(ended) or os.WEXITSTATUS(ended) == 0, f"statement {number}: the work failed"
        found = look(here, traces)
        reached[found] = reached.get(found, 0) + 1
        shutil.rmtree(here)
        if not os.WIFSIGNALED(ended):
            sys.stdout.write(json.dumps({"points": number, "reached": reached}) + "\n")
            return


if __name__ == "__main__":
    with without_syncs():
        main(Path(sys.argv[1]))
