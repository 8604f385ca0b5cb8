"""A vault in a temporary folder, its officers, and a clock that moves only when a test says so."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final
from unittest.mock import patch

from apps.vault import database
from apps.vault.keyring import KeyFile, Passphrase
from apps.vault.policy import Actor, Kind, Purpose, Reason, Role
from apps.vault.sealing import Stretching
from apps.vault.vault import KEYS_NAME, RECORDS_NAME, Vault
from tests.support.chain import ALICE, BOB, CHARLIE
from tests.support.clock import ManualClock

__all__ = ["ALICE", "BOB", "CHARLIE", "Kind"]

SECRET: Final = KeyFile(bytes(range(32)))
OTHER: Final = KeyFile(bytes(32))
CHEAP: Final = Stretching(1, 8192)
"""argon2id's least, for tests alone."""
PHRASE: Final = Passphrase(b"correct horse", CHEAP)
REASON: Final = Reason(Purpose.REVIEW, "M-17")

KNOWS: Final = Actor("ann", Role.IDENTITY)
DPO: Final = Actor("dan", Role.PRIVACY)
CASES: Final = Actor("cas", Role.CASES)
AUDITOR: Final = Actor("aud", Role.AUDITOR)
CUSTODIAN: Final = Actor("local:root", Role.CUSTODIAN)
SOMCHAI: Final = {"name": "สมชาย ใจดี", "citizen": "1-1018-00123-45-6", "born": 19840711}


class VaultClock(ManualClock):
    """A manual clock whose sleeps take no time."""

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.advance(int(seconds * 1000))


def make_vault(folder: Path, secret: KeyFile | Passphrase = SECRET) -> Vault:
    """Make and open a vault."""
    Vault.create(folder, secret)
    return open_vault(folder, secret)


def open_vault(folder: Path, secret: KeyFile | Passphrase = SECRET) -> Vault:
    """Open a vault again."""
    return Vault(folder, secret, VaultClock())


def without_syncs() -> AbstractContextManager[object]:
    """Let vaults not wait for the disk: what a killed process has written stays while the machine runs."""
    kept = [one for one in database._PRAGMAS if "sync" not in one]
    return patch.object(database, "_PRAGMAS", ("synchronous = OFF", *kept))


def read_all(folder: Path) -> bytes:
    """Return the bytes of every file of a vault, free pages and write-ahead logs included."""
    names = sorted(path.name for path in folder.iterdir())
    assert {KEYS_NAME, RECORDS_NAME} <= set(names)
    return b"\0".join((folder / name).read_bytes() for name in names)
