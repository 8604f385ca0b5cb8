"""What a gateway has signed, on disk before it is sent, so that no crash makes it send anything twice.

One SQLite file in the state folder, synced at every change; the folder is locked against a second gateway. A
transaction is noted with its bytes before it leaves, and settled when a finalized block, or the end of its
era, tells what became of it. After a restart those that are not settled are sent again as they are, and
nothing else is sent before their fate is known.

The journal belongs to one account on one chain, which it names; it is refused to any other.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import orjson

from apps.chain.client import Signed
from apps.gateway.errors import JournalFault, SessionFault
from apps.gateway.rounds import Answer
from runtime.primitives.types import AccountId, Hash

SCHEMA: Final = 1
SETTLED_MAX: Final = 10_000
"""Settled transactions that are kept for looking back: a day of rounds of ten seconds."""
FILE: Final = "journal.sqlite"
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS owner (id INTEGER PRIMARY KEY CHECK (id = 1), schema INTEGER NOT NULL,
    genesis BLOB NOT NULL, account BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS submission (id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, extrinsic BLOB NOT
NULL,
    nonce INTEGER NOT NULL, born INTEGER NOT NULL, dies INTEGER NOT NULL, answers BLOB NOT NULL,
    noted_ms INTEGER NOT NULL, outcome TEXT, block INTEGER);
"""


class Noted(NamedTuple):
    """A transaction that was signed, what it answers, and when it was noted."""

    signed: Signed
    answers: tuple[Answer, ...]
    noted_ms: int


class Journal:
    """The journal of one state folder; a context that is the folder's only user."""

    def __init__(self, folder: Path) -> None:
        """Open or create it; JournalFault."""
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise JournalFault(f"{folder} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise JournalFault(f"another gateway uses {folder}") from error
        self._path = folder / FILE
        self._turn = threading.Lock()
        try:
            self._base = self._open()
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self._base.close()
        os.close(self._lock)

    def claim(self, genesis: Hash, account: AccountId) -> None:
        """Give a new journal its owner; JournalFault when it is another account's, SessionFault when the
        chain is another one: then the node is left, and the gateway goes on with the next.
        """
        row = self._run("SELECT schema, genesis, account FROM owner", ())
        if not row:
            self._run("INSERT INTO owner VALUES (1, ?, ?, ?)", (SCHEMA, genesis, account))
            return
        schema, of_chain, of_account = row[0]
        if schema != SCHEMA:
            raise JournalFault(f"{self._path} has version {schema}, this program writes {SCHEMA}")
        if of_account != account:
            raise JournalFault(f"{self._path} is of the account 0x{of_account.hex()}")
        if of_chain != genesis:
            raise SessionFault(
                f"the node is of the chain 0x{genesis.hex()}, {self._path} of 0x{of_chain.hex()}"
            )

    def note(self, signed: Signed, answers: Iterable[Answer], now_ms: int) -> None:
        """Write down a transaction before it is sent; it is on disk when this returns."""
        data = orjson.dumps([(one.feed, one.key, str(one.value), one.time_ms) for one in answers])
        self._run(
            "INSERT INTO submission (hash, extrinsic, nonce, born, dies, answers, noted_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (signed.hash, signed.extrinsic, signed.nonce, signed.born, signed.dies, data, now_ms),
        )

    def settle(self, transaction: Hash, outcome: str, block: int | None) -> None:
        """Write down what became of a transaction, and forget the oldest ones."""
        self._run(
            "UPDATE submission SET outcome = ?, block = ? WHERE hash = ?", (outcome, block, transaction)
        )
        self._run(
            "DELETE FROM submission WHERE outcome IS NOT NULL AND id <= (SELECT max(id) FROM submission) - ?",
            (SETTLED_MAX,),
        )

    def list_pending(self) -> tuple[Noted, ...]:
        """Return the transactions whose fate is not known, the oldest first."""
        rows = self._run(
            "SELECT extrinsic, hash, nonce, born, dies, answers, noted_ms FROM submission"
            " WHERE outcome IS NULL ORDER BY id",
            (),
        )
        return tuple(Noted(Signed(*row[:5]), _read_answers(row[5]), row[6]) for row in rows)

    def list_settled(self) -> tuple[tuple[Noted, str, int | None], ...]:
        """Return the remembered transactions whose fate is known, with it and the block's number."""
        rows = self._run(
            "SELECT extrinsic, hash, nonce, born, dies, answers, noted_ms, outcome, block FROM submission"
            " WHERE outcome IS NOT NULL ORDER BY id",
            (),
        )
        return tuple((Noted(Signed(*row[:5]), _read_answers(row[5]), row[6]), row[7], row[8]) for row in rows)

    def _open(self) -> sqlite3.Connection:
        try:
            base = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            self._path.chmod(0o600)
            base.execute("PRAGMA journal_mode = DELETE")
            base.execute("PRAGMA synchronous = EXTRA")
            base.executescript(_TABLES)
        except (sqlite3.Error, OSError) as error:
            raise JournalFault(f"{self._path} cannot be opened: {error}") from error
        return base

    def _run(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            with self._turn:
                return self._base.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise JournalFault(f"{self._path}: {error}") from error


def _read_answers(data: bytes) -> tuple[Answer, ...]:
    return tuple(Answer(feed, key, int(value), time_ms) for feed, key, value, time_ms in orjson.loads(data))
