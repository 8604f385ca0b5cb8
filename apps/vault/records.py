"""The table of records: what lies where, sealed; it has no keys and opens nothing.

Responsible for the rows of `record` and for reading JSON that is to become one. Who may see what is
`policy.py`'s, in which order things happen `vault.py`'s.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from apps.vault.database import Database
from apps.vault.errors import BadInput, Erased, UnknownRecord
from apps.vault.policy import Kind, Place
from runtime.primitives.strict_json import distinct_keys
from runtime.primitives.types import AccountId


class Stored(NamedTuple):
    """What everybody may know of a record that was put."""

    version: int
    commitment: bytes
    is_new: bool


class Sealed(NamedTuple):
    """A record as it is stored."""

    created_ms: int
    commitment: bytes
    sealed: bytes


class Opened(NamedTuple):
    """A record in plain text, with what its commitment is checked by."""

    place: Place
    created_ms: int
    record: bytes
    salt: bytes
    commitment: bytes

    def __repr__(self) -> str:
        return f"Opened({self.place.kind} {self.place.version}, …)"


class Listed(NamedTuple):
    """What is known of a record without opening it."""

    place: Place
    created_ms: int
    officer: str
    commitment: bytes
    tombstone: bytes | None

    @property
    def is_live(self) -> bool:
        """Whether it is not erased."""
        return self.tombstone is None


class RecordTable:
    """The rows of records; those who change them have a transaction open."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, place: Place, officer: str, request: bytes | None, sealed: Sealed) -> None:
        """Store a record, under a name of the request that must be new."""
        created_ms, commitment, ciphertext = sealed
        self._database.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (*place, created_ms, officer, request, commitment, ciphertext),
        )

    def exists(self, place: Place) -> bool:
        """Tell whether there is or was a record."""
        found = self._database.execute(
            "SELECT 1 FROM record WHERE subject = ? AND kind = ? AND version = ?", place
        )
        return found.fetchone() is not None

    def get(self, place: Place) -> Sealed:
        """Return a record; UnknownRecord, Erased."""
        found = self._database.execute(
            "SELECT created_ms, commitment, sealed, tombstone FROM record"
            " WHERE subject = ? AND kind = ? AND version = ?",
            place,
        ).fetchone()
        if found is None:
            raise UnknownRecord("there is no such record")
        if found[3] is not None:
            raise Erased(found[3])
        return Sealed(*found[:3])

    def of(self, subject: AccountId) -> list[Listed]:
        """Return what there is and was of a subject, by kind and version."""
        rows = self._database.execute(
            "SELECT kind, version, created_ms, officer, commitment, tombstone FROM record WHERE subject = ?"
            " ORDER BY kind, version",
            (subject,),
        )
        return [Listed(Place(subject, Kind(row[0]), row[1]), *row[2:]) for row in rows.fetchall()]

    def with_commitment(self, commitment: bytes) -> Listed | None:
        """Return the record that a commitment is to, None where there is none."""
        found = self._database.execute(
            "SELECT subject FROM record WHERE commitment = ?", (commitment,)
        ).fetchone()
        listed = [] if found is None else self.of(AccountId(found[0]))
        return next((one for one in listed if one.commitment == commitment), None)

    def with_request(self, request: bytes | None) -> Place | None:
        """Return the record that a request made, None where it made none."""
        found = self._database.execute(
            "SELECT subject, kind, version FROM record WHERE request = ?", (request,)
        ).fetchone()
        return None if found is None else _place(*found)

    def last_version(self, subject: AccountId, kind: Kind) -> int:
        """Return the highest version that there is or was, 0 for none."""
        found = self._database.execute(
            "SELECT max(version) FROM record WHERE subject = ? AND kind = ?", (subject, kind)
        ).fetchone()[0]
        return 0 if found is None else int(found)

    def live(self) -> list[Place]:
        """Return the places of all records that are not erased."""
        rows = self._database.execute("SELECT subject, kind, version FROM record WHERE tombstone IS NULL")
        return [_place(*row) for row in rows.fetchall()]

    def count_erased(self) -> int:
        """Return how many records were erased."""
        found = self._database.execute("SELECT count(*) FROM record WHERE tombstone IS NOT NULL").fetchone()
        return int(found[0])

    def remove(self, place: Place, tombstone: bytes) -> bool:
        """Put a tombstone in the place of a ciphertext; False where it stands there, or nothing does."""
        changed = self._database.execute(
            "UPDATE record SET sealed = NULL, tombstone = ?"
            " WHERE subject = ? AND kind = ? AND version = ? AND tombstone IS NULL",
            (tombstone, *place),
        )
        return changed.rowcount > 0


def parse_record(data: bytes) -> dict[str, Any]:
    """Return the object of JSON bytes; BadInput for other JSON, keys that come twice, and what is no JSON."""
    try:
        value = json.loads(data.decode(), object_pairs_hook=distinct_keys)
    except (ValueError, RecursionError) as error:
        raise BadInput("a record is a JSON object without a key that comes twice") from error
    if not isinstance(value, dict):
        raise BadInput("a record is a JSON object")
    return value


def _place(subject: bytes, kind: str, version: int) -> Place:
    return Place(AccountId(subject), Kind(kind), version)
