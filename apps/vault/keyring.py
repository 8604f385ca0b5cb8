"""The keys of records, each sealed by the master key, and what is left when they are destroyed.

Responsible for `keys.db`: a 32-byte key and a 32-byte salt for each record and version, the key that the
vault signs erasures with, the key of the log's restricted entries, the list of erasures, and the tokens that
hold no more. It knows no record.

A key is stored before its record and is *pending* until the record is; whoever opens the vault next removes a
pending key without a record, or keeps one with it. Destroying is one transaction: keys and salts are
overwritten and deleted, and the tombstone written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from apps.vault.database import Database
from apps.vault.errors import Damaged, NotAVault, UnknownRecord, WrongMasterKey
from apps.vault.policy import Kind, Place
from apps.vault.schema import KEYS
from apps.vault.sealing import (
    KEY_BYTES,
    STRETCH_SALT_BYTES,
    STRETCHING,
    Stretching,
    draw_bytes,
    open_sealed,
    seal,
    stretch,
)
from pallets.compliance.commitment import SALT_BYTES
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.types import AccountId

ID_BYTES: Final = 16
SIGNING: Final = "signing"
LOG: Final = "log"
_PROBE: Final = b"loam-vault-probe"


class KeyFile(NamedTuple):
    """A master key as it lies in a file: 32 bytes."""

    key: bytes

    def __repr__(self) -> str:
        return "KeyFile(…)"


class Passphrase(NamedTuple):
    """A master key that is made from a passphrase."""

    text: bytes
    stretching: Stretching = STRETCHING

    def __repr__(self) -> str:
        return "Passphrase(…)"


MasterSecret: TypeAlias = KeyFile | Passphrase


class RecordKey(NamedTuple):
    """What opens a record, and what hides its commitment."""

    key: bytes
    salt: bytes

    def __repr__(self) -> str:
        return "RecordKey(…)"


class Erasure(NamedTuple):
    """What is kept of an erasure: `record` in canonical JSON with its salt, committed to by `tombstone`;
    `request` is the id of the data subject's request."""

    tombstone: bytes
    subject: AccountId
    request: int | None
    record: bytes
    salt: bytes


def describe_place(purpose: bytes, place: Place) -> bytes:
    """Return the associated data of a sealed text: 8 bytes of purpose, subject, version (u32), kind."""
    assert len(purpose) == 8
    return purpose + place.subject + place.version.to_bytes(4, "little") + place.kind.encode()


class Keyring:
    """The open key database with its master key."""

    def __init__(self, database: Database, secret: MasterSecret) -> None:
        """Open the keyring; WrongMasterKey where the secret is not its own."""
        self.database = database
        row = database.execute("SELECT vault, generation, salt, passes, memory_bytes, probe FROM master")
        found = row.fetchone()
        if found is None:
            raise NotAVault("the key database has no master key")
        self.vault: bytes = found[0]
        self.generation: int = found[1]
        how = None if found[2] is None else Stretching(found[3], found[4])
        self._master = _make_master(secret, found[2], how)
        try:
            open_sealed(self._master, found[5], self._probe_place(self.generation))
        except Damaged as error:
            raise WrongMasterKey("the master key or passphrase is not this vault's") from error
        self.signer = Keypair.from_seed(self._open_secret(SIGNING), Scheme.ED25519)
        self.log_key = self._open_secret(LOG)

    @classmethod
    def create(cls, path: Path, vault: bytes, secret: MasterSecret) -> None:
        """Make a key database for a new vault."""
        database = Database(path, KEYS, create=True)
        salt, how, master = _new_master(secret)
        with database.transaction():
            values = (vault, salt, *(how or (None, None)), seal(master, _PROBE, _PROBE + vault + _u32(1)))
            database.execute("INSERT INTO master VALUES (1, ?, 1, ?, ?, ?, ?)", values)
            for name in (SIGNING, LOG):
                wrapped = seal(master, draw_bytes(), _secret_place(name))
                database.execute("INSERT INTO secret VALUES (?, ?)", (name, wrapped))
        database.close()

    def ensure_in_force(self) -> None:
        """Raise WrongMasterKey where another program has changed the master key since this one opened it:
        what this one seals would be lost."""
        found = self.database.execute("SELECT generation FROM master").fetchone()
        if found is None or found[0] != self.generation:
            raise WrongMasterKey(
                "the master key was changed meanwhile; open the vault again with the new one"
            )

    # --- records

    def add_pending(self, place: Place) -> RecordKey:
        """Draw and store the key of a record that is about to be stored."""
        made = RecordKey(draw_bytes(KEY_BYTES), draw_bytes(SALT_BYTES))
        wrapped = seal(self._master, made.key + made.salt, describe_place(b"wrapping", place))
        with self.database.transaction():
            self.database.execute("INSERT INTO key VALUES (?, ?, ?, 1, ?)", (*place, wrapped))
        return made

    def keep(self, place: Place) -> None:
        """Note that the record of a pending key is stored."""
        with self.database.transaction():
            self.database.execute(
                "UPDATE key SET is_pending = 0 WHERE subject = ? AND kind = ? AND version = ?", place
            )

    def drop(self, place: Place) -> None:
        """Remove the key of a record that was never stored."""
        with self.database.transaction():
            self._remove(place)

    def get(self, place: Place) -> RecordKey:
        """Return the key of a record; UnknownRecord where there is none, Damaged where it was altered."""
        found = self.database.execute(
            "SELECT wrapped FROM key WHERE subject = ? AND kind = ? AND version = ?", place
        ).fetchone()
        if found is None:
            raise UnknownRecord("the key database has no key of this record")
        plain = open_sealed(self._master, found[0], describe_place(b"wrapping", place))
        return RecordKey(plain[:KEY_BYTES], plain[KEY_BYTES:])

    def places(self, *, pending: bool) -> list[Place]:
        """Return the places of keys that are kept, or that are pending."""
        rows = self.database.execute(
            "SELECT subject, kind, version FROM key WHERE is_pending = ?", (pending,)
        )
        return [_place(row) for row in rows]

    def last_version(self, subject: AccountId, kind: Kind) -> int:
        """Return the highest version that ever had a key, 0 for none."""
        found = self.database.execute(
            "SELECT max(version) FROM (SELECT subject, kind, version FROM key UNION ALL"
            " SELECT subject, kind, version FROM destroyed) WHERE subject = ? AND kind = ?",
            (subject, kind),
        ).fetchone()[0]
        return 0 if found is None else int(found)

    # --- erasure

    def destroy(self, erasure: Erasure, places: list[Place]) -> None:
        """Overwrite and delete the keys and salts of records, and keep the tombstone; all or nothing."""
        with self.database.transaction():
            self.database.execute("INSERT INTO erasure VALUES (?, ?, ?, ?, ?, 0)", erasure)
            for place in places:
                self._remove(place)
                self.database.execute(
                    "INSERT INTO destroyed VALUES (?, ?, ?, ?)", (*place, erasure.tombstone)
                )

    def mark_scrubbed(self, tombstone: bytes) -> None:
        """Note that nothing of an erasure's keys is left in the files."""
        with self.database.transaction():
            self.database.execute("UPDATE erasure SET is_scrubbed = 1 WHERE tombstone = ?", (tombstone,))

    def open_erasures(self) -> list[Erasure]:
        """Return the erasures that are not finished."""
        rows = self.database.execute(
            "SELECT tombstone, subject, request, record, salt FROM erasure WHERE is_scrubbed = 0"
        )
        return [Erasure(*row) for row in rows.fetchall()]

    def erasures_of(self, subject: AccountId) -> list[Erasure]:
        """Return the erasures of a subject, in no order."""
        rows = self.database.execute(
            "SELECT tombstone, subject, request, record, salt FROM erasure WHERE subject = ?", (subject,)
        )
        return [Erasure(*row) for row in rows.fetchall()]

    def destroyed(self) -> Iterator[tuple[Place, bytes]]:
        """Yield each destroyed record's place and tombstone."""
        for row in self.database.execute("SELECT subject, kind, version, tombstone FROM destroyed"):
            yield _place(row[:3]), row[3]

    # --- officers

    def dismiss(self, tokens: Sequence[tuple[bytes, int]]) -> None:
        """List the hashes of tokens that hold no more, each with the time since when, unless they are."""
        known = dict(self.dismissed())
        added = [(token_hash, since_ms) for token_hash, since_ms in tokens if token_hash not in known]
        if added:
            with self.database.transaction():
                for one in added:
                    self.database.execute("INSERT INTO dismissed VALUES (?, ?)", one)

    def dismissed(self) -> list[tuple[bytes, int]]:
        """Return the hashes of tokens that hold no more, each with the time since when."""
        return self.database.execute("SELECT token_hash, since_ms FROM dismissed").fetchall()

    # --- the master key

    def rotate(self, secret: MasterSecret) -> None:
        """Seal all keys by another master key, in one transaction; with the old one nothing opens then."""
        salt, how, master = _new_master(secret)
        generation = self.generation + 1
        with self.database.transaction():
            self._rewrap(master)
            values = (
                generation,
                salt,
                *(how or (None, None)),
                seal(master, _PROBE, self._probe_place(generation)),
            )
            self.database.execute(
                "UPDATE master SET generation = ?, salt = ?, passes = ?, memory_bytes = ?, probe = ?", values
            )
        self._master, self.generation = master, generation

    def _rewrap(self, master: bytes) -> None:
        for row in self.database.execute("SELECT subject, kind, version, wrapped FROM key").fetchall():
            place = _place(row[:3])
            bound = describe_place(b"wrapping", place)
            wrapped = seal(master, open_sealed(self._master, row[3], bound), bound)
            self.database.execute(
                "UPDATE key SET wrapped = ? WHERE subject = ? AND kind = ? AND version = ?", (wrapped, *place)
            )
        for name in (SIGNING, LOG):
            wrapped = seal(master, self._open_secret(name), _secret_place(name))
            self.database.execute("UPDATE secret SET wrapped = ? WHERE name = ?", (wrapped, name))

    # --- leaves of the above

    def _remove(self, place: Place) -> None:
        self.database.execute(
            "UPDATE key SET wrapped = zeroblob(length(wrapped))"
            " WHERE subject = ? AND kind = ? AND version = ?",
            place,
        )
        self.database.execute("DELETE FROM key WHERE subject = ? AND kind = ? AND version = ?", place)

    def _open_secret(self, name: str) -> bytes:
        found = self.database.execute("SELECT wrapped FROM secret WHERE name = ?", (name,)).fetchone()
        if found is None:
            raise NotAVault(f"the key database has no {name} key")
        return open_sealed(self._master, found[0], _secret_place(name))

    def _probe_place(self, generation: int) -> bytes:
        return _PROBE + self.vault + _u32(generation)


def _new_master(secret: MasterSecret) -> tuple[bytes | None, Stretching | None, bytes]:
    how = None if isinstance(secret, KeyFile) else secret.stretching
    salt = None if how is None else draw_bytes(STRETCH_SALT_BYTES)
    return salt, how, _make_master(secret, salt, how)


def _make_master(secret: MasterSecret, salt: bytes | None, how: Stretching | None) -> bytes:
    match secret:
        case KeyFile(key=key):
            if salt is not None:
                raise WrongMasterKey("this vault has a passphrase, not a key file")
            if len(key) != KEY_BYTES:
                raise WrongMasterKey(f"a master key has {KEY_BYTES} bytes, not {len(key)}")
            return key
        case Passphrase(text=text):
            if salt is None or how is None:
                raise WrongMasterKey("this vault has a key file, not a passphrase")
            return stretch(text, salt, how)


def _place(row: tuple[bytes, str, int]) -> Place:
    return Place(AccountId(row[0]), Kind(row[1]), row[2])


def _secret_place(name: str) -> bytes:
    return b"loam-vault-secret-" + name.encode()


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "little")
