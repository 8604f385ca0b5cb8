"""The two SQLite files of a vault: opened durable and forgetful, brought up to date, scrubbed.

Responsible for pragmas, schema versions, transactions, and for removing what was deleted from the files. It
does not know what the tables mean.

Durable: write-ahead log, a sync at each commit. Forgetful: `secure_delete` writes zeros over what is
deleted; `scrub` then moves the write-ahead log into the file, cuts the log to nothing and writes the file
anew, so that no page of either holds a deleted byte. What a disk keeps of overwritten blocks no program can
tell.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from apps.vault.errors import NotAVault, StorageFault, UnknownVersion

FILE_MODE: Final = 0o600
BUSY_MS: Final = 30_000
"""How long a statement waits for another process."""
_PRAGMAS: Final = (
    f"busy_timeout = {BUSY_MS}",
    "journal_mode = WAL",
    "synchronous = FULL",
    "fullfsync = ON",
    "secure_delete = ON",
    "foreign_keys = ON",
    "temp_store = MEMORY",  # or VACUUM writes a copy into the machine's temporary directory
    "trusted_schema = OFF",
    "cell_size_check = ON",
)


class Database:
    """One open file, used by one thread at a time."""

    def __init__(self, path: Path, schema: Sequence[Sequence[str]], *, create: bool = False) -> None:
        """Open a file and bring it up to date: `schema` has the statements of each version since the first.

        NotAVault where there is none, UnknownVersion where a later release wrote it.
        """
        self.path = path
        if create:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, FILE_MODE))
        elif not path.is_file():
            raise NotAVault(f"{path} does not exist")
        with translated():
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for pragma in _PRAGMAS:
                self.execute(f"PRAGMA {pragma}")
            self._bring_up_to_date(schema)

    def close(self) -> None:
        """Close the file; SQLite then moves its write-ahead log into it."""
        self._connection.close()

    def execute(self, statement: str, values: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run one statement; its values are never part of its text."""
        return self._connection.execute(statement, values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do all of the statements inside or none of them; durable when it ends."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self.execute("ROLLBACK")
            raise

    @property
    def version(self) -> int:
        """The schema's version."""
        number: int = self.execute("PRAGMA user_version").fetchone()[0]
        return number

    def scrub(self) -> None:
        """Leave no deleted byte in the file or its log; StorageFault where a reader prevents it."""
        self._empty_log()
        self.execute("VACUUM")
        self._empty_log()

    def _empty_log(self) -> None:
        busy, _, _ = self.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StorageFault(f"{self.path.name} is being read by another program")

    def _bring_up_to_date(self, schema: Sequence[Sequence[str]]) -> None:
        if self.version > len(schema):
            raise UnknownVersion(
                f"{self.path.name} has version {self.version}, this release knows {len(schema)}"
            )
        for number in range(self.version, len(schema)):
            with self.transaction():
                for statement in schema[number]:
                    self.execute(statement)
                self.execute(f"PRAGMA user_version = {number + 1}")


def sync_file(path: Path) -> None:
    """Make a file and its name durable."""
    for name in (path, path.absolute().parent):
        descriptor = os.open(name, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def translated() -> Iterator[None]:
    """Raise StorageFault for what SQLite raises."""
    try:
        yield
    except sqlite3.Error as error:
        raise StorageFault(f"the database refused: {error}") from error
