"""After an erasure nothing opens, and nothing that could open or be compared is left in any file."""

import hashlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from apps.vault.errors import BadInput, Damaged, Erased, NotAllowed, NothingToErase, UnknownRecord
from apps.vault.keyring import describe_place
from apps.vault.policy import Kind, Place, Role
from apps.vault.sealing import SEALED_EXTRA, open_sealed
from apps.vault.vault import Vault
from pallets.compliance.commitment import encode_canonical, verify_commitment
from runtime.primitives.types import Hash
from tests.apps.vault.making import (
    ALICE,
    BOB,
    CASES,
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
)

IDENTITY = Place(ALICE, Kind.IDENTITY, 1)
KEY_AND_SALT = 64
PART = 12
"""Bytes in a row of something destroyed that must not be found."""


def fill(vault: Vault) -> None:
    """Put records of two people, so that pages are shared."""
    for number in range(8):
        vault.put(KNOWS, REASON, BOB, Kind.IDENTITY, {"n": number})
        vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, {**SOMCHAI, "n": number})
        vault.put(DPO, REASON, ALICE, Kind.ANSWER, {"answer": "x" * 3000 * number})


def traces(vault: Vault, place: Place) -> list[bytes]:
    """Return what must be gone: key, salt, the sealed pair, the ciphertext, the plain text."""
    key = vault._keyring.get(place)
    (wrapped,) = vault._keyring.database.execute(
        "SELECT wrapped FROM key WHERE subject = ? AND kind = ? AND version = ?", place
    ).fetchone()
    sealed = vault._table.get(place).sealed
    return [key.key, key.salt, wrapped, sealed, encode_canonical(SOMCHAI)]


def found_parts(data: bytes, secrets: list[bytes]) -> list[int]:
    """Return which of the secrets the data have a part of."""
    return [
        number
        for number, secret in enumerate(secrets)
        if any(secret[at : at + PART] in data for at in range(0, len(secret) - PART + 1, PART))
    ]


def test_no_file_has_a_trace_of_what_was_erased(tmp_path: Path) -> None:
    with make_vault(tmp_path) as vault:
        fill(vault)
        secrets = traces(vault, IDENTITY)
        commitment = vault.show(KNOWS, REASON, IDENTITY).commitment
        assert found_parts(read_all(tmp_path), secrets) == [2, 3]  # the search finds what is sealed
        vault.erase(DPO, REASON, ALICE)
        data = read_all(tmp_path)
        assert found_parts(data, secrets) == []
        assert commitment in data
    assert found_parts(read_all(tmp_path), secrets) == []


def test_with_the_master_key_in_hand_no_window_of_the_files_opens(tmp_path: Path) -> None:
    place_of = describe_place(b"wrapping", IDENTITY)
    length = KEY_AND_SALT + SEALED_EXTRA

    def count() -> int:
        data = (tmp_path / "keys.db").read_bytes() + (tmp_path / "keys.db-wal").read_bytes()
        opened = 0
        for at in range(len(data) - length + 1):
            if data[at : at + 24] == bytes(24):
                continue  # an empty page, and no nonce
            try:
                open_sealed(SECRET.key, data[at : at + length], place_of)
            except Damaged:
                continue
            opened += 1
        return opened

    with make_vault(tmp_path) as vault:
        vault.put(KNOWS, REASON, BOB, Kind.IDENTITY, {})
        vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
        assert count() >= 1
        vault.erase(DPO, REASON, ALICE)
        assert count() == 0
        assert vault.show(KNOWS, REASON, Place(BOB, Kind.IDENTITY, 1)).record == b"{}"


def test_who_guesses_the_record_cannot_match_it_with_the_commitment(tmp_path: Path) -> None:
    """The dictionary attack at its best: the guess is right, and every window of every file is tried as the
    salt."""

    def matches(commitment: bytes) -> int:
        data, guess = read_all(tmp_path), encode_canonical(SOMCHAI)
        windows = {data[at : at + 32] for at in range(len(data) - 31)}
        return sum(hashlib.blake2b(salt + guess, digest_size=32).digest() == commitment for salt in windows)

    with make_vault(tmp_path) as vault:
        stored = vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
        salt = vault.show(KNOWS, REASON, IDENTITY).salt
        vault.erase(DPO, REASON, ALICE)
        assert matches(stored.commitment) == 0
        (tmp_path / "forgotten").write_bytes(b"page" + salt + b"page")
        assert matches(stored.commitment) == 1  # the attack would work, had the salt been left


def test_what_is_erased_says_so_and_has_a_tombstone_that_anybody_can_check(tmp_path: Path) -> None:
    with make_vault(tmp_path) as vault:
        stored = vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
        erasure = vault.erase(DPO, REASON, ALICE, 7)
        assert verify_commitment(Hash(erasure.tombstone), erasure.salt, erasure.record)
        told = json.loads(erasure.record)
        assert told["destroyed"] == [
            {"commitment": f"0x{stored.commitment.hex()}", "kind": "identity", "version": 1}
        ]
        assert (told["request"], told["subject"]) == (7, f"0x{ALICE.hex()}")
        with pytest.raises(Erased) as caught:
            vault.show(KNOWS, REASON, IDENTITY)
        assert caught.value.tombstone == erasure.tombstone
        (listed,) = vault.listed(DPO, REASON, ALICE)
        assert (listed.commitment, listed.tombstone) == (stored.commitment, erasure.tombstone)
        (call,) = vault.outbox.pending()
        assert (call.call, call.facts.commitment) == ("confirm_erasure", erasure.tombstone)
        assert vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, {}).version == 2


def test_only_the_subject_and_no_case_is_erased(tmp_path: Path) -> None:
    with make_vault(tmp_path) as vault:
        vault.put(KNOWS, REASON, BOB, Kind.IDENTITY, SOMCHAI)
        vault.put(CASES, REASON, ALICE, Kind.CASE, {"a": 1})
        vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
        vault.erase(DPO, REASON, ALICE)
        vault.show(KNOWS, REASON, Place(BOB, Kind.IDENTITY, 1))
        vault.show(CASES, REASON, Place(ALICE, Kind.CASE, 1))
        assert vault.check(CUSTODIAN).length > 0


def test_an_erasure_made_again_is_the_same_one(tmp_path: Path) -> None:
    with make_vault(tmp_path) as vault:
        vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
        first = vault.erase(DPO, REASON, ALICE, 7)
        assert vault.erase(DPO, REASON, ALICE, 7) == first
        assert vault.outbox.count() == {"queued": 1}
        with pytest.raises(NothingToErase):
            vault.erase(DPO, REASON, ALICE)


def test_a_request_is_confirmed_where_nothing_was_kept(tmp_path: Path) -> None:
    with make_vault(tmp_path) as vault:
        with pytest.raises(NothingToErase):
            vault.erase(DPO, REASON, ALICE)
        assert json.loads(vault.erase(DPO, REASON, ALICE, 0).record)["destroyed"] == []
        assert json.loads(vault.erase(DPO, REASON, ALICE, 1).record)["request"] == 1
        assert [one.facts.arguments["request"] for one in vault.outbox.pending()] == [0, 1]


def test_a_backup_of_records_opens_nothing_and_brings_nothing_back(tmp_path: Path) -> None:
    folder, copy = tmp_path / "vault", tmp_path / "copy.db"
    with make_vault(folder) as vault:
        vault.put(KNOWS, REASON, BOB, Kind.IDENTITY, {"kept": 1})
        vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
        key, salt, wrapped, sealed, plain = traces(vault, IDENTITY)
        vault.back_up(CUSTODIAN, REASON, copy)
        assert found_parts(copy.read_bytes(), [key, salt, wrapped, SECRET.key, plain]) == []
        assert sealed in copy.read_bytes()
        erasure = vault.erase(DPO, REASON, ALICE)
    for name in ("records.db", "records.db-wal", "records.db-shm"):
        (folder / name).unlink(missing_ok=True)
    shutil.copy(copy, folder / "records.db")
    with open_vault(folder) as vault:
        with pytest.raises(Erased) as caught:
            vault.show(KNOWS, REASON, IDENTITY)
        assert caught.value.tombstone == erasure.tombstone
        assert json.loads(vault.show(KNOWS, REASON, Place(BOB, Kind.IDENTITY, 1)).record) == {"kept": 1}
        assert found_parts(read_all(folder), [sealed]) == []


def put_back(copy: Path, folder: Path) -> None:
    for name in ("records.db", "records.db-wal", "records.db-shm"):
        (folder / name).unlink(missing_ok=True)
    shutil.copy(copy, folder / "records.db")


def test_a_backup_gives_no_dismissed_officer_a_token_again(tmp_path: Path) -> None:
    folder, copy = tmp_path / "vault", tmp_path / "copy.db"
    with make_vault(folder) as vault:
        with vault.work():
            dismissed, kept = (vault.officers.add(name, Role.IDENTITY, 1) for name in ("ann", "bo"))
        vault.back_up(CUSTODIAN, REASON, copy)
        with vault.work():
            vault.officers.revoke("ann", 5)
    put_back(copy, folder)
    for _ in range(2):
        with open_vault(folder) as vault:
            assert vault.officers.recognise(dismissed) is None
            assert vault.officers.recognise(kept) is not None
            assert [(one.name, one.revoked_ms) for one in vault.officers.listed()] == [
                ("ann", 5),
                ("bo", None),
            ]


def test_who_was_dismissed_before_keys_listed_it_is_listed_at_the_next_opening(tmp_path: Path) -> None:
    folder, copy = tmp_path / "vault", tmp_path / "copy.db"
    with make_vault(folder) as vault:
        with vault.work():
            token = vault.officers.add("ann", Role.IDENTITY, 1)
        vault.back_up(CUSTODIAN, REASON, copy)
        with vault.work():
            vault.officers.revoke("ann", 5)
    keys = sqlite3.connect(folder / "keys.db")
    with keys:
        keys.execute("DROP TABLE dismissed")
        keys.execute("PRAGMA user_version = 1")
    keys.close()
    with open_vault(folder):
        pass
    put_back(copy, folder)
    with open_vault(folder) as vault:
        assert vault.officers.recognise(token) is None


def test_refused_dismissal_dismisses_nobody(tmp_path: Path) -> None:
    with make_vault(tmp_path) as vault:
        with pytest.raises(BadInput), vault.work():
            vault.officers.revoke("nobody", 5)
        with vault.work():
            token = vault.officers.add("ann", Role.IDENTITY, 1)
    with open_vault(tmp_path) as vault:
        assert vault.officers.recognise(token) is not None


def test_what_was_put_after_a_backup_is_reported_and_its_key_kept(tmp_path: Path) -> None:
    folder, copy = tmp_path / "vault", tmp_path / "copy.db"
    with make_vault(folder) as vault:
        vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, {"n": 1})
        vault.back_up(CUSTODIAN, REASON, copy)
        vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, {"n": 2})
    for name in ("records.db", "records.db-wal", "records.db-shm"):
        (folder / name).unlink(missing_ok=True)
    shutil.copy(copy, folder / "records.db")
    with open_vault(folder) as vault:
        assert vault.status(CUSTODIAN)["keysWithoutRecord"] == 1
        assert vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, {"n": 3}).version == 3
        assert vault.check(CUSTODIAN).length > 0


def test_what_a_disk_kept_of_old_pages_is_useless_after_a_rotation(tmp_path: Path) -> None:
    with make_vault(tmp_path) as vault:
        vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
        wrapped = traces(vault, IDENTITY)[2]
        vault.erase(DPO, REASON, ALICE)
        vault.rotate_master_key(CUSTODIAN, REASON, OTHER)
    place = describe_place(b"wrapping", IDENTITY)
    with pytest.raises(Damaged):
        open_sealed(OTHER.key, wrapped, place)
    assert open_sealed(SECRET.key, wrapped, place)  # so the old master key has to be destroyed


# --- one record


def test_one_record_is_erased_and_the_others_stay(tmp_path: Path) -> None:
    with make_vault(tmp_path) as vault:
        for number in range(3):
            vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, {"n": number})
        secrets = traces(vault, IDENTITY)
        erasure = vault.erase_one(DPO, REASON, IDENTITY)
        assert found_parts(read_all(tmp_path), secrets) == []
        assert [one["version"] for one in json.loads(erasure.record)["destroyed"]] == [1]
        assert [one.tombstone for one in vault.listed(DPO, REASON, ALICE)] == [erasure.tombstone, None, None]
        with pytest.raises(Erased):
            vault.erase_one(DPO, REASON, IDENTITY)
        with pytest.raises(UnknownRecord):
            vault.erase_one(DPO, REASON, Place(BOB, Kind.IDENTITY, 1))
        assert vault.outbox.pending() == []


def test_a_case_is_erased_by_its_officers_alone_and_nobody_else_hears_of_it(tmp_path: Path) -> None:
    place = Place(ALICE, Kind.CASE, 1)
    with make_vault(tmp_path) as vault:
        vault.put(CASES, REASON, ALICE, Kind.CASE, {"a": 1})
        vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
        for actor, wanted in ((DPO, place), (KNOWS, place), (CASES, IDENTITY), (KNOWS, IDENTITY)):
            with pytest.raises(NotAllowed):
                vault.erase_one(actor, REASON, wanted)
        with pytest.raises(NotAllowed):
            vault.erase(CASES, REASON, ALICE)
        vault.erase_one(CASES, REASON, place)
        records, erasures = vault.export(DPO, REASON, ALICE)
        assert ([one.place for one in records], erasures) == ([IDENTITY], [])
        text = json.dumps(vault.log.entries(1, 100))
        assert '"case"' not in text


def test_a_commitment_leads_to_its_record_for_those_who_may_know(tmp_path: Path) -> None:
    with make_vault(tmp_path) as vault:
        stored = vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
        case = vault.put(CASES, REASON, ALICE, Kind.CASE, {"a": 1})
        assert vault.find(DPO, REASON, stored.commitment).place == IDENTITY
        assert vault.find(CASES, REASON, case.commitment).place == Place(ALICE, Kind.CASE, 1)
        for commitment in (case.commitment, bytes(32)):
            with pytest.raises(UnknownRecord):
                vault.find(DPO, REASON, commitment)
