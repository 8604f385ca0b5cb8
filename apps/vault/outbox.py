"""Calls on their way to the chain, and the proofs of those that have arrived.

Responsible for what has to outlive the process: a call is stored along with the record it commits to, the
signed transaction before it is submitted, and the proof when it is final. So after a crash the same bytes are
sent on, and nothing takes effect twice. It knows no connection.
"""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from apps.chain.client import Signed
from apps.vault.calls import Facts, Wish
from apps.vault.database import Database
from apps.vault.errors import BadInput, Conflict
from apps.vault.policy import Place
from pallets.compliance.commitment import encode_canonical
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId, Hash

ATTEMPTS_MAX: Final = 3
"""Transactions that are made of a call whose era passes without it."""
_COLUMNS: Final = (
    "s.id, s.subject, s.call, s.arguments, s.state, s.attempts, s.signer, s.extrinsic, s.nonce, s.born,"
    " s.dies, s.failure, coalesce(s.tombstone, r.commitment)"
)
_FROM: Final = (
    " FROM submission s LEFT JOIN record r"
    " ON r.subject = s.subject AND r.kind = s.kind AND r.version = s.version"
)


class Submission(NamedTuple):
    """A call under way; `signed` from when it is signed, by the account `signer`; `failure` says why it will
    not take effect."""

    id: int
    call: str
    facts: Facts
    state: str
    attempts: int
    signer: bytes | None
    signed: Signed | None
    failure: str | None


class Anchor(NamedTuple):
    """Where a commitment stands on the chain: an entry, and its proof against a finalized header (SCALE)."""

    commitment: bytes
    pallet: str
    item: str
    storage_key: bytes
    header: bytes
    proof: bytes


class Outbox:
    """Submissions and anchors in the records' database; those who call it have transactions open."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, subject: AccountId, place: Place | None, wish: Wish) -> int:
        """Queue a call, about a record where it carries a commitment; return its id."""
        kind, version = (None, None) if place is None else (place.kind, place.version)
        values = (subject, kind, version, wish.call, encode_canonical(dict(wish.arguments)).decode())
        made = self._database.execute(
            "INSERT INTO submission (subject, kind, version, call, arguments, state)"
            " VALUES (?, ?, ?, ?, ?, 'queued')",
            values,
        )
        assert made.lastrowid is not None
        return made.lastrowid

    def add_erasure(self, subject: AccountId, tombstone: bytes, wish: Wish) -> None:
        """Queue the confirmation of an erasure, once."""
        self._database.execute(
            "INSERT OR IGNORE INTO submission (subject, tombstone, call, arguments, state)"
            " VALUES (?, ?, ?, ?, 'queued')",
            (subject, tombstone, wish.call, encode_canonical(dict(wish.arguments)).decode()),
        )

    def pending(self) -> list[Submission]:
        """Return the calls under way in the order of their ids."""
        return self._select("s.state IN ('queued', 'signed')")

    def failed(self) -> list[Submission]:
        """Return the calls that will not take effect."""
        return self._select("s.state = 'failed'")

    def count(self) -> dict[str, int]:
        """Return how many calls there are in each state."""
        rows = self._database.execute("SELECT state, count(*) FROM submission GROUP BY state ORDER BY state")
        return dict(rows.fetchall())

    def mark_signed(self, submission: int, signer: bytes, signed: Signed) -> None:
        """Note the transaction that a call is sent as; Conflict where it does not wait any more, since its
        record was erased meanwhile."""
        changed = self._database.execute(
            "UPDATE submission SET state = 'signed', attempts = attempts + 1, signer = ?, extrinsic = ?,"
            " nonce = ?, born = ?, dies = ? WHERE id = ? AND state = 'queued'",
            (signer, signed.extrinsic, signed.nonce, signed.born, signed.dies, submission),
        )
        if not changed.rowcount:
            raise Conflict("the call does not wait any more")

    def mark_lapsed(self, submission: int, why: str) -> None:
        """Note that a transaction did not come in: its call is queued again, or has failed after too many."""
        self._database.execute(
            "UPDATE submission SET state = CASE WHEN attempts < ? THEN 'queued' ELSE 'failed' END,"
            " failure = CASE WHEN attempts < ? THEN NULL ELSE ? END WHERE id = ?",
            (ATTEMPTS_MAX, ATTEMPTS_MAX, why[:200], submission),
        )

    def mark_failed(self, submission: int, why: str) -> None:
        """Note that a call will not take effect."""
        self._database.execute(
            "UPDATE submission SET state = 'failed', failure = ? WHERE id = ?", (why[:200], submission)
        )

    def mark_done(self, submission: int, anchor: Anchor | None) -> None:
        """Note that a call has taken effect, and where its commitment stands."""
        self._database.execute("UPDATE submission SET state = 'done' WHERE id = ?", (submission,))
        if anchor is not None:
            self._database.execute("INSERT INTO anchor VALUES (?, ?, ?, ?, ?, ?, ?)", (submission, *anchor))

    def drop_erased(self) -> None:
        """Let no call be signed any more that commits to a record which is erased."""
        self._database.execute(
            "UPDATE submission SET state = 'failed', failure = 'the record was erased'"
            " WHERE state = 'queued' AND kind IS NOT NULL AND EXISTS (SELECT 1 FROM record r WHERE"
            " r.subject = submission.subject AND r.kind = submission.kind"
            " AND r.version = submission.version AND r.tombstone IS NOT NULL)"
        )

    def retry(self, submission: int) -> None:
        """Queue a call again that has failed; BadInput for one that has not."""
        changed = self._database.execute(
            "UPDATE submission SET state = 'queued', attempts = 0, failure = NULL"
            " WHERE id = ? AND state = 'failed'",
            (submission,),
        )
        self.drop_erased()
        if not changed.rowcount:
            raise BadInput("there is no failed call of this number")

    def anchors_of(self, commitment: bytes) -> list[Anchor]:
        """Return where a commitment stands on the chain."""
        rows = self._database.execute(
            "SELECT commitment, pallet, item, storage_key, header, proof FROM anchor WHERE commitment = ?"
            " ORDER BY submission",
            (commitment,),
        )
        return [Anchor(*row) for row in rows]

    def _select(self, condition: str) -> list[Submission]:
        rows = self._database.execute(f"SELECT {_COLUMNS}{_FROM} WHERE {condition} ORDER BY s.id")
        return [_submission(*row) for row in rows.fetchall()]


def _submission(*row: object) -> Submission:
    number, subject, call, arguments, state, attempts, signer, *sent, failure, commitment = row
    assert isinstance(number, int)
    assert isinstance(subject, bytes)
    assert isinstance(arguments, str)
    assert isinstance(attempts, int)
    facts = Facts(subject, commitment if isinstance(commitment, bytes) else b"", json.loads(arguments))
    return Submission(
        number,
        str(call),
        facts,
        str(state),
        attempts,
        signer if isinstance(signer, bytes) else None,
        _signed(*sent),
        None if failure is None else str(failure),
    )


def _signed(extrinsic: object, nonce: object, born: object, dies: object) -> Signed | None:
    if not isinstance(extrinsic, bytes):
        return None
    assert isinstance(nonce, int)
    assert isinstance(born, int)
    assert isinstance(dies, int)
    return Signed(extrinsic, Hash(blake2_256(extrinsic)), nonce, born, dies)
