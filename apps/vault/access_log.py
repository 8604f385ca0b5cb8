"""Who looked at what, when and why: a hash chain of entries that is only added to.

Responsible for the form of an entry and for the chain: `head' = blake2b-256(head ‖ entry)` from 32 zero
bytes on, the entry as canonical JSON. Nothing that is kept in the vault stands in an entry. What concerns
cases against money laundering, or is done by their officers, names neither subject nor kind: those are sealed
in it, and shown to custodians alone.

A changed, missing or moved entry breaks the chain. Entries that are missing at its end do not: note length
and head elsewhere from time to time.
"""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from apps.vault.database import Database
from apps.vault.errors import Damaged
from apps.vault.policy import Action, Actor, Kind, Reason, Role
from apps.vault.sealing import open_sealed, seal
from pallets.compliance.commitment import encode_canonical
from runtime.primitives.hashing import blake2_256

START: Final = bytes(32)
RESTRICTED: Final = "restricted"
PAGE_MAX: Final = 1000


class Access(NamedTuple):
    """What is entered; `outcome` is `ok`, `denied`, or the name of an error."""

    actor: Actor
    action: Action
    reason: Reason
    outcome: str
    subject: bytes | None = None
    kind: Kind | None = None
    version: int | None = None


class Head(NamedTuple):
    """How many entries there are, and the hash over all of them."""

    length: int
    hash: bytes


class AccessLog:
    """The log in the records' database."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key

    def head(self) -> Head:
        """Return the end of the chain."""
        found = self._database.execute(
            "SELECT number, head FROM access ORDER BY number DESC LIMIT 1"
        ).fetchone()
        return Head(0, START) if found is None else Head(found[0], found[1])

    def append(self, access: Access, now_ms: int) -> None:
        """Add an entry; the caller has a transaction open."""
        length, head = self.head()
        number = length + 1
        entry = encode_canonical(self._describe(access, number, now_ms))
        values = (number, entry, blake2_256(head + entry))
        self._database.execute("INSERT INTO access VALUES (?, ?, ?)", values)

    def entries(self, first: int, count: int, *, restricted: bool = False) -> list[dict[str, object]]:
        """Return entries from a number on, at most `PAGE_MAX`; with what is sealed in them if wanted."""
        rows = self._database.execute(
            "SELECT number, entry FROM access WHERE number >= ? ORDER BY number LIMIT ?",
            (first, min(count, PAGE_MAX)),
        )
        return [self._show(number, entry, restricted=restricted) for number, entry in rows.fetchall()]

    def check(self) -> Head:
        """Return the end of the chain after computing it anew; Damaged at the first entry that is wrong."""
        head, length = START, 0
        for number, entry, stored in self._database.execute("SELECT * FROM access ORDER BY number"):
            head, length = blake2_256(head + entry), length + 1
            if number != length or stored != head:
                raise Damaged(f"the log is broken at entry {length}")
        return Head(length, head)

    def _describe(self, access: Access, number: int, now_ms: int) -> dict[str, object]:
        about: dict[str, object] = {
            "action": str(access.action),
            "kind": None if access.kind is None else str(access.kind),
            "purpose": str(access.reason.purpose),
            "reference": access.reason.reference,
            "subject": None if access.subject is None else f"0x{access.subject.hex()}",
            "version": access.version,
        }
        told = {"number": number, "ms": now_ms, "officer": access.actor.name, "role": str(access.actor.role)}
        if access.kind is not Kind.CASE and access.actor.role is not Role.CASES:
            return {**told, **about, "outcome": access.outcome}
        sealed = seal(self._key, encode_canonical({**about, "outcome": access.outcome}), _bound(number))
        return {**told, "action": RESTRICTED, "sealed": sealed.hex()}

    def _show(self, number: int, entry: bytes, *, restricted: bool) -> dict[str, object]:
        shown: dict[str, object] = json.loads(entry)
        sealed = shown.get("sealed")
        if restricted and isinstance(sealed, str):
            shown |= json.loads(open_sealed(self._key, bytes.fromhex(sealed), _bound(number)))
            del shown["sealed"]
        return shown


def _bound(number: int) -> bytes:
    return b"loam-vault-log" + number.to_bytes(8, "little")
