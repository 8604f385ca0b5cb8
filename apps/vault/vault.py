"""The vault of a folder: puts records, shows them to those who may see them, erases them for ever.

Responsible for the order in which the two databases are written, so that a crash at any moment leaves a
record with its key, or neither:

* put: the key, pending; then record, log entry and call for the chain in one transaction; then the key is
  kept.
* show: the log entry, durable; then the record.
* erase: the log entry; then, in one transaction, keys and salts destroyed and the tombstone written; then
  the ciphertexts removed; then both files scrubbed; then the confirmation for the chain queued.

Whoever opens the vault next, or does the next thing in another process, finishes what was begun. Programs
take turns by a lock on a file. A backup of the records put back is no way round an erasure or a dismissal:
`keys.db` lists what was destroyed and whose tokens hold no more, and opening removes or dismisses them again.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

from apps.clock import WallClock
from apps.vault.access_log import Access, AccessLog, Head
from apps.vault.calls import CALLS, CONFIRM_ERASURE, Wish
from apps.vault.database import FILE_MODE, Database, sync_file, translated
from apps.vault.errors import (
    AlreadyAVault,
    BadInput,
    Busy,
    Conflict,
    Damaged,
    Erased,
    NotAllowed,
    NotAVault,
    NothingToErase,
    UnknownRecord,
    VaultError,
    WrongChain,
)
from apps.vault.keyring import ID_BYTES, Erasure, Keyring, MasterSecret, describe_place
from apps.vault.officers import Officers
from apps.vault.outbox import Outbox
from apps.vault.policy import Action, Actor, Kind, Place, Reason, ensure_allowed, kinds_for
from apps.vault.records import Listed, Opened, RecordTable, Sealed, Stored
from apps.vault.schema import KEYS, RECORDS
from apps.vault.sealing import draw_bytes, open_sealed, seal
from pallets.compliance.commitment import SALT_BYTES, compute_commitment, encode_canonical
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId, Hash

RECORDS_NAME: Final = "records.db"
KEYS_NAME: Final = "keys.db"
LOCK_NAME: Final = "lock"
DELIVERY_NAME: Final = "delivery"
LOST_NAME: Final = "lost+found"
"""What an empty volume has at its root."""
FOLDER_MODE: Final = 0o700
ALL_BUT_CASES: Final = Kind.IDENTITY
"""Who may erase an identity may erase all of a subject but cases."""
RECORDS_PER_SUBJECT_MAX: Final = 400
"""Records of one subject that are not erased: a tombstone names them all within `RECORD_BYTES_MAX`."""


class Vault:
    """An open vault; a context manager. Safe for several threads and processes, which take turns."""

    def __init__(self, folder: Path, secret: MasterSecret, clock: WallClock) -> None:
        """Open a vault and finish what a crash left; NotAVault, WrongMasterKey, UnknownVersion, Damaged."""
        self.folder = folder
        self._clock = clock
        if not (folder / RECORDS_NAME).is_file() or not (folder / KEYS_NAME).is_file():
            raise NotAVault(f"{folder} has no {RECORDS_NAME} or no {KEYS_NAME}")
        self._lock = os.open(folder / LOCK_NAME, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
        self._turn = threading.Lock()
        opened: list[Database] = []
        try:
            with self._locked():
                opened.append(Database(folder / KEYS_NAME, KEYS))
                opened.append(Database(folder / RECORDS_NAME, RECORDS))
                keys, self._records = opened
                self._keyring = Keyring(keys, secret)
                self.log = AccessLog(self._records, self._keyring.log_key)
                self.officers = Officers(self._records, self._keyring)
                self.outbox = Outbox(self._records)
                self._table = RecordTable(self._records)
                self._ensure_one_vault()
                self._remove_destroyed()
                with self._records.transaction():
                    self.officers.dismiss_again()
                self._finish()
        except BaseException:
            for database in opened:
                database.close()
            os.close(self._lock)
            raise

    @classmethod
    def create(cls, folder: Path, secret: MasterSecret) -> None:
        """Make a vault in a folder, which is made for its owner alone; AlreadyAVault, BadInput where
        other things are in it."""
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        if any((folder / name).exists() for name in (RECORDS_NAME, KEYS_NAME)):
            raise AlreadyAVault(f"{folder} holds a vault, or part of one")
        if any(one.name != LOST_NAME for one in folder.iterdir()):
            raise BadInput(f"{folder} holds other things; a vault has a folder of its own")
        folder.chmod(FOLDER_MODE)
        vault = draw_bytes(ID_BYTES)
        with translated():
            Keyring.create(folder / KEYS_NAME, vault, secret)
        records = Database(folder / RECORDS_NAME, RECORDS, create=True)
        with translated(), records.transaction():
            records.execute("INSERT INTO vault VALUES (1, ?, NULL)", (vault,))
        records.close()
        for name in (KEYS_NAME, RECORDS_NAME):
            sync_file(folder / name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        with self._turn:
            self._records.close()
            self._keyring.database.close()
            os.close(self._lock)

    # --- records

    def put(
        self,
        actor: Actor,
        reason: Reason,
        subject: AccountId,
        kind: Kind,
        record: dict[str, Any],
        *,
        wish: Wish | None = None,
        request: str | None = None,
    ) -> Stored:
        """Keep a record as the next version of its kind, and queue the call that commits to it.

        A `request` is remembered: the same one with the same record returns what it did the first time,
        Conflict with another. NotCanonical and RecordTooLong where the record is not one, NotAllowed.
        """
        with self._held():
            self._ensure_allowed(actor, Action.PUT, reason, subject, kind)
            if wish is not None:
                self._ensure_may_call(
                    actor, wish, Access(actor, Action.SUBMIT, reason, "denied", subject, kind)
                )
            data = encode_canonical(record)
            name = None if request is None else blake2_256(f"{actor.name}\0{request}".encode())
            found = None if name is None else self._table.with_request(name)
            if found is not None:
                return self._repeat(found, subject, kind, data)
            if sum(one.is_live for one in self._table.of(subject)) >= RECORDS_PER_SUBJECT_MAX:
                raise BadInput(f"a subject has at most {RECORDS_PER_SUBJECT_MAX} records")
            place = Place(subject, kind, self._next_version(subject, kind))
            key = self._keyring.add_pending(place)
            commitment = compute_commitment(key.salt, data)
            sealed = seal(key.key, data, describe_place(b"recorded", place))
            now = self._clock.now_ms()
            with self._records.transaction():
                self._table.add(place, actor.name, name, Sealed(now, commitment, sealed))
                self.log.append(Access(actor, Action.PUT, reason, "ok", *place), now)
                if wish is not None:
                    self.outbox.add(subject, place, wish)
            self._keyring.keep(place)
            return Stored(place.version, commitment, is_new=True)

    def show(self, actor: Actor, reason: Reason, place: Place) -> Opened:
        """Return a record, once the access is in the log; NotAllowed, UnknownRecord, Erased, Damaged."""
        with self._held():
            self._ensure_allowed(actor, Action.SHOW, reason, place.subject, place.kind, place.version)
            try:
                self._table.get(place)
            except (UnknownRecord, Erased) as error:
                outcome: VaultError | None = error
            else:
                outcome = None
            name = "ok" if outcome is None else type(outcome).__name__
            with self._records.transaction():
                self._note(Access(actor, Action.SHOW, reason, name, *place))
            if outcome is not None:
                raise outcome
            return self._open(place)

    def listed(self, actor: Actor, reason: Reason, subject: AccountId) -> list[Listed]:
        """Return what is kept of a subject, of the kinds that the officer may know of."""
        with self._held():
            self._ensure_allowed(actor, Action.LIST, reason, subject)
            with self._records.transaction():
                self._note(Access(actor, Action.LIST, reason, "ok", subject))
            allowed = kinds_for(actor, Action.LIST)
            return [one for one in self._table.of(subject) if one.place.kind in allowed]

    def find(self, actor: Actor, reason: Reason, commitment: bytes) -> Listed:
        """Return whose record a commitment is to; UnknownRecord also for what the officer may not know of."""
        with self._held():
            self._ensure_allowed(actor, Action.LIST, reason)
            found = self._table.with_commitment(commitment)
            if found is not None and found.place.kind not in kinds_for(actor, Action.LIST):
                found = None
            with self._records.transaction():
                if found is None:
                    self._note(Access(actor, Action.LIST, reason, "UnknownRecord"))
                else:
                    self._note(Access(actor, Action.LIST, reason, "ok", *found.place))
            if found is None:
                raise UnknownRecord("there is no record with this commitment")
            return found

    def export(self, actor: Actor, reason: Reason, subject: AccountId) -> tuple[list[Opened], list[Erasure]]:
        """Return what is kept of a subject and of its erasures, without cases against money laundering."""
        with self._held():
            self._ensure_allowed(actor, Action.EXPORT, reason, subject)
            with self._records.transaction():
                self._note(Access(actor, Action.EXPORT, reason, "ok", subject))
            kept = [self._open(one.place) for one in self._table.of(subject) if _is_erasable(one)]
            return kept, [one for one in self._keyring.erasures_of(subject) if not _names_a_case(one)]

    def submit(
        self, actor: Actor, reason: Reason, subject: AccountId, wish: Wish, place: Place | None = None
    ) -> int:
        """Queue a call about a subject, or about a record that is kept already; return its number."""
        with self._held():
            kind = None if place is None else place.kind
            self._ensure_allowed(actor, Action.SUBMIT, reason, subject, kind)
            self._ensure_may_call(actor, wish, Access(actor, Action.SUBMIT, reason, "denied", subject, kind))
            if place is not None:
                self._table.get(place)
            with self._records.transaction():
                self._note(Access(actor, Action.SUBMIT, reason, "ok", subject, kind))
                return self.outbox.add(subject, place, wish)

    # --- erasure

    def erase(self, actor: Actor, reason: Reason, subject: AccountId, request: int | None = None) -> Erasure:
        """Destroy the keys and salts of all records of a subject, cases against money laundering apart.

        `request` is the id of the data subject's request, which is then confirmed on the chain, also where
        nothing was kept. It returns when nothing of them is left in the folder, and the second time what it
        did the first. NothingToErase without a request.
        """
        with self._held():
            self._ensure_allowed(actor, Action.ERASE, reason, subject, ALL_BUT_CASES)
            for one in self._keyring.erasures_of(subject):
                if request is not None and one.request == request:
                    return one
            kept = [one for one in self._table.of(subject) if _is_erasable(one)]
            if not kept and request is None:
                raise NothingToErase("the vault keeps nothing of this subject that may be erased")
            return self._erase(Access(actor, Action.ERASE, reason, "begun", subject), subject, request, kept)

    def erase_one(self, actor: Actor, reason: Reason, place: Place) -> Erasure:
        """Destroy key and salt of one record, such as when it was kept for long enough; NotAllowed,
        UnknownRecord, Erased."""
        with self._held():
            self._ensure_allowed(actor, Action.ERASE, reason, *place)
            self._table.get(place)
            kept = [one for one in self._table.of(place.subject) if one.place == place]
            return self._erase(
                Access(actor, Action.ERASE, reason, "begun", *place), place.subject, None, kept
            )

    def sign_erasure(self, message: bytes) -> bytes:
        """Return the vault's ed25519 signature, which the chain checks by its `VaultKey`."""
        return self._keyring.signer.sign(message)

    @property
    def public(self) -> bytes:
        """The vault's ed25519 key, which Root makes known to the chain."""
        return self._keyring.signer.public

    # --- the vault itself

    def status(self, actor: Actor) -> dict[str, object]:
        """Return numbers about the vault, none about a subject."""
        with self._held():
            ensure_allowed(actor, Action.STATUS)
            head = self.log.head()
            return {
                "vault": f"0x{self._keyring.vault.hex()}",
                "vaultKey": f"0x{self.public.hex()}",
                "genesis": None if (genesis := self.genesis()) is None else f"0x{genesis.hex()}",
                "records": len(self._table.live()),
                "erased": self._table.count_erased(),
                "withoutKey": len(self._without_key()),
                "keysWithoutRecord": self._count_idle_keys(),
                "calls": self.outbox.count(),
                "masterKeyGeneration": self._keyring.generation,
                "schema": {"records": self._records.version, "keys": self._keyring.database.version},
                "log": {"length": head.length, "head": f"0x{head.hash.hex()}"},
            }

    def check(self, actor: Actor) -> Head:
        """Open every record and compute the log anew; return its end. Damaged at the first fault."""
        with self._held():
            ensure_allowed(actor, Action.KEYS)
            for database in (self._records, self._keyring.database):
                found = database.execute("PRAGMA integrity_check").fetchone()[0]
                if found != "ok":
                    raise Damaged(f"{database.path.name}: {found}")
            if lost := self._without_key():
                raise Damaged(f"{len(lost)} records have lost their keys")
            for place in self._table.live():
                self._open(place)
            return self.log.check()

    def rotate_master_key(self, actor: Actor, reason: Reason, secret: MasterSecret) -> int:
        """Seal all keys by another master key, and leave nothing of the old sealing; return the number of
        the key, counted from 1."""
        with self._held():
            ensure_allowed(actor, Action.KEYS)
            self._keyring.rotate(secret)
            self._keyring.database.scrub()
            with self._records.transaction():
                self._note(Access(actor, Action.KEYS, reason, "master key rotated"))
            return self._keyring.generation

    def back_up(self, actor: Actor, reason: Reason, target: Path) -> None:
        """Copy the records into a new file, which without the keys shows nothing; AlreadyAVault where there
        is one, BadInput inside the vault's folder, where an erasure would have to reach it."""
        if target.resolve().is_relative_to(self.folder.resolve()):
            raise BadInput(f"{target} is inside the vault; a backup lies elsewhere")
        with self._held():
            ensure_allowed(actor, Action.KEYS)
            with self._records.transaction():
                self._note(Access(actor, Action.KEYS, reason, "backed up"))
            try:
                os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
            except FileExistsError as error:
                raise AlreadyAVault(f"{target} exists; a backup never overwrites") from error
            try:
                self._records.execute("VACUUM INTO ?", (str(target),))
                sync_file(target)
            except BaseException:
                target.unlink()  # half a copy would pass for a backup
                raise

    @contextmanager
    def work(self) -> Iterator[None]:
        """Hold the vault and a transaction of its records, for what `officers`, `outbox` and `log` do."""
        with self._held(), self._records.transaction():
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold the vault while its parts are read."""
        with self._held():
            yield

    def note_keys(self, actor: Actor, reason: Reason, outcome: str) -> None:
        """Enter into the log what was done to officers or keys; within `work`."""
        self._note(Access(actor, Action.KEYS, reason, outcome))

    def now_ms(self) -> int:
        """Return the time."""
        return self._clock.now_ms()

    # --- the chain that the vault writes to

    def genesis(self) -> Hash | None:
        """Return the genesis of the chain, None before the first call."""
        found = self._records.execute("SELECT genesis FROM vault").fetchone()[0]
        return None if found is None else Hash(found)

    def bind_chain(self, genesis: Hash) -> None:
        """Write to this chain from now on; WrongChain where it is another one already."""
        with self.work():
            known = self.genesis()
            if known not in {None, genesis}:
                raise WrongChain(f"this vault writes to the chain of 0x{known.hex() if known else ''}")
            self._records.execute("UPDATE vault SET genesis = ?", (genesis,))

    @contextmanager
    def delivering(self) -> Iterator[None]:
        """Be the one program that sends calls; Busy where another one is."""
        descriptor = os.open(self.folder / DELIVERY_NAME, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Busy("another program is sending the calls of this vault, these too") from error
            yield
        finally:
            os.close(descriptor)

    # --- turns, and finishing what was begun

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._turn, translated():
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    @contextmanager
    def _held(self) -> Iterator[None]:
        with self._locked():
            self._keyring.ensure_in_force()
            self._finish()
            yield

    def _finish(self) -> None:
        """Finish puts and erasures that were begun; nothing to do as a rule."""
        for place in self._keyring.places(pending=True):
            if self._table.exists(place):
                self._keyring.keep(place)
            else:
                self._keyring.drop(place)
        erasures = self._keyring.open_erasures()
        if not erasures:
            return
        self._remove_destroyed()
        self._keyring.database.scrub()
        self._records.scrub()
        with self._records.transaction():
            for one in erasures:
                if one.request is not None:
                    wish = Wish(CONFIRM_ERASURE, {"request": one.request})
                    self.outbox.add_erasure(one.subject, one.tombstone, wish)
        for one in erasures:
            self._keyring.mark_scrubbed(one.tombstone)

    def _remove_destroyed(self) -> None:
        """Remove the ciphertexts whose keys were destroyed, also where a backup brought them back."""
        found = False
        with self._records.transaction():
            for place, tombstone in self._keyring.destroyed():
                found = self._table.remove(place, tombstone) or found
            self.outbox.drop_erased()
        if found:
            self._records.scrub()

    def _ensure_one_vault(self) -> None:
        found = self._records.execute("SELECT id FROM vault").fetchone()
        if found is None or found[0] != self._keyring.vault:
            raise NotAVault(f"{RECORDS_NAME} and {KEYS_NAME} are of different vaults")

    # --- leaves of the above

    def _erase(self, begun: Access, subject: AccountId, request: int | None, kept: list[Listed]) -> Erasure:
        with self._records.transaction():
            self._note(begun)
        erasure = self._describe_erasure(subject, request, kept)
        self._keyring.destroy(erasure, [one.place for one in kept])
        self._finish()
        with self._records.transaction():
            self._note(begun._replace(outcome="ok"))
        return erasure

    def _ensure_allowed(
        self,
        actor: Actor,
        action: Action,
        reason: Reason,
        subject: AccountId | None = None,
        kind: Kind | None = None,
        version: int | None = None,
    ) -> None:
        try:
            ensure_allowed(actor, action, kind)
        except NotAllowed:
            with self._records.transaction():
                self._note(Access(actor, action, reason, "denied", subject, kind, version))
            raise

    def _ensure_may_call(self, actor: Actor, wish: Wish, denied: Access) -> None:
        """Raise NotAllowed for a call of another role, once that is in the log, BadInput for one that goes
        with other records."""
        call, kind = CALLS[wish.call], denied.kind
        if actor.role not in call.roles:
            with self._records.transaction():
                self._note(denied)
            raise NotAllowed(f"the role {actor.role} does not allow the call {wish.call}")
        if (kind is None) == bool(call.kinds) or (kind is not None and kind not in call.kinds):
            what = f"a record of the kind {' or '.join(sorted(call.kinds))}" if call.kinds else "no record"
            raise BadInput(f"{wish.call} commits to {what}")

    def _note(self, access: Access) -> None:
        self.log.append(access, self._clock.now_ms())

    def _open(self, place: Place) -> Opened:
        created_ms, commitment, sealed = self._table.get(place)
        try:
            key = self._keyring.get(place)
        except UnknownRecord as error:
            raise Damaged("the key of this record is lost") from error
        record = open_sealed(key.key, sealed, describe_place(b"recorded", place))
        if compute_commitment(key.salt, record) != commitment:
            raise Damaged("the record is not what was committed to")
        return Opened(place, created_ms, record, key.salt, commitment)

    def _repeat(self, place: Place, subject: AccountId, kind: Kind, data: bytes) -> Stored:
        opened = self._open(place)
        if (place.subject, place.kind, opened.record) != (subject, kind, data):
            raise Conflict("this request was made before, with another record")
        return Stored(place.version, opened.commitment, is_new=False)

    def _describe_erasure(self, subject: AccountId, request: int | None, kept: list[Listed]) -> Erasure:
        about = {
            "destroyed": [
                {
                    "commitment": f"0x{one.commitment.hex()}",
                    "kind": str(one.place.kind),
                    "version": one.place.version,
                }
                for one in kept
            ],
            "erasedMs": self._clock.now_ms(),
            "request": request,
            "subject": f"0x{subject.hex()}",
        }
        record, salt = encode_canonical(about), draw_bytes(SALT_BYTES)
        return Erasure(compute_commitment(salt, record), subject, request, record, salt)

    def _next_version(self, subject: AccountId, kind: Kind) -> int:
        return 1 + max(self._table.last_version(subject, kind), self._keyring.last_version(subject, kind))

    def _without_key(self) -> list[Place]:
        kept = set(self._keyring.places(pending=False))
        return [place for place in self._table.live() if place not in kept]

    def _count_idle_keys(self) -> int:
        return sum(not self._table.exists(place) for place in self._keyring.places(pending=False))


def _names_a_case(erasure: Erasure) -> bool:
    return any(one["kind"] == Kind.CASE for one in json.loads(erasure.record)["destroyed"])


def _is_erasable(listed: Listed) -> bool:
    return listed.tombstone is None and listed.place.kind is not Kind.CASE
