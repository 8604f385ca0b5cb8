"""Records are kept sealed, shown to those who may see them, and belong where they were put."""

import json
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.vault.calls import parse_wish
from apps.vault.database import Database
from apps.vault.errors import (
    AlreadyAVault,
    BadInput,
    Conflict,
    Damaged,
    Erased,
    NotAllowed,
    NotAVault,
    NothingToErase,
    StorageFault,
    UnknownRecord,
    UnknownVersion,
    WrongChain,
    WrongMasterKey,
)
from apps.vault.keyring import KeyFile, Passphrase
from apps.vault.policy import Action, Actor, Kind, Place, Role, kinds_for
from apps.vault.records import parse_record
from apps.vault.schema import RECORDS
from apps.vault.vault import RECORDS_PER_SUBJECT_MAX, Vault
from pallets.compliance.commitment import (
    RECORD_BYTES_MAX,
    NotCanonical,
    RecordTooLong,
    encode_canonical,
    verify_commitment,
)
from runtime.primitives.types import Hash
from tests.apps.vault.making import (
    ALICE,
    AUDITOR,
    BOB,
    CASES,
    CUSTODIAN,
    DPO,
    KNOWS,
    OTHER,
    PHRASE,
    REASON,
    SECRET,
    SOMCHAI,
    make_vault,
    open_vault,
    read_all,
    without_syncs,
)
from tests.processes.running import ROOT

IDENTITY = Place(ALICE, Kind.IDENTITY, 1)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)
VECTORS = json.loads((ROOT / "tests/vectors/data/pdpa_commitment.json").read_bytes())["cases"][:10]
WISH = parse_wish("file_kyc", {"country": "TH"})


@pytest.fixture
def vault(tmp_path: Path) -> Any:
    with make_vault(tmp_path / "vault") as made:
        yield made


def put(vault: Vault, record: dict[str, Any] | None = None, **values: Any) -> Any:
    return vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI if record is None else record, **values)


def alter(vault: Vault, name: str, statement: str, values: tuple[object, ...] = ()) -> None:
    """Change a database behind the vault's back."""
    with sqlite3.connect(vault.folder / name) as connection:
        connection.execute(statement, values)
    connection.close()


# --- putting and showing


def test_a_record_comes_back_with_a_commitment_that_anybody_can_compute(vault: Vault) -> None:
    stored = put(vault)
    opened = vault.show(KNOWS, REASON, IDENTITY)
    assert json.loads(opened.record) == SOMCHAI
    assert opened.record == encode_canonical(SOMCHAI)
    assert stored.commitment == opened.commitment
    assert verify_commitment(Hash(stored.commitment), opened.salt, opened.record)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(record=st.dictionaries(st.text(max_size=10), VALUES, max_size=4))
def test_every_record_that_can_be_committed_to_comes_back(vault: Vault, record: dict[str, Any]) -> None:
    try:
        encode_canonical(record)
    except NotCanonical:
        with pytest.raises(NotCanonical):
            vault.put(KNOWS, REASON, BOB, Kind.LICENCE, record)
        return
    try:
        stored = vault.put(KNOWS, REASON, BOB, Kind.LICENCE, record)
    except BadInput:
        return  # the subject has as many as it may
    assert json.loads(vault.show(KNOWS, REASON, Place(BOB, Kind.LICENCE, stored.version)).record) == record


def test_nothing_of_a_record_lies_in_the_folder_in_plain(vault: Vault) -> None:
    put(vault)
    key = vault._keyring.get(IDENTITY)
    data = read_all(vault.folder)
    for secret in (key.key, key.salt, SECRET.key, "สมชาย".encode(), b"1018-00123", b"19840711"):
        assert secret not in data


def test_secrets_and_records_do_not_show_in_text(vault: Vault) -> None:
    put(vault)
    opened, key = vault.show(KNOWS, REASON, IDENTITY), vault._keyring.get(IDENTITY)
    text = repr((opened, key, SECRET, PHRASE))
    assert text == "(Opened(identity 1, …), RecordKey(…), KeyFile(…), Passphrase(…))"


def test_versions_count_up_for_each_subject_and_kind(vault: Vault) -> None:
    assert [put(vault, {"n": n}).version for n in range(3)] == [1, 2, 3]
    assert vault.put(KNOWS, REASON, ALICE, Kind.LICENCE, {}).version == 1
    assert vault.put(KNOWS, REASON, BOB, Kind.IDENTITY, {}).version == 1
    for n in range(3):
        opened = vault.show(KNOWS, REASON, Place(ALICE, Kind.IDENTITY, n + 1))
        assert json.loads(opened.record) == {"n": n}


def test_equal_records_have_other_commitments(vault: Vault) -> None:
    assert put(vault).commitment != put(vault).commitment


@pytest.mark.parametrize("record", [{"a": 1.5}, {"a": float("nan")}, {1: "a"}, {"a": (1,)}, {"a": "\ud800"}])
def test_what_cannot_be_committed_to_is_not_kept(vault: Vault, record: Any) -> None:
    before = vault.status(CUSTODIAN)
    with pytest.raises(NotCanonical):
        put(vault, record)
    assert vault.status(CUSTODIAN) == before


def test_a_record_of_the_limit_is_kept_and_one_byte_more_is_not(vault: Vault) -> None:
    room = RECORD_BYTES_MAX - len(encode_canonical({"a": ""}))
    put(vault, {"a": "x" * room})
    with pytest.raises(RecordTooLong):
        put(vault, {"a": "x" * (room + 1)})


@pytest.mark.parametrize(
    "place",
    [
        Place(ALICE, Kind.IDENTITY, 2),
        Place(ALICE, Kind.LICENCE, 1),
        Place(BOB, Kind.IDENTITY, 1),
        Place(ALICE, Kind.IDENTITY, 2**32 - 1),
    ],
)
def test_a_record_that_is_not_there_is_unknown(vault: Vault, place: Place) -> None:
    put(vault)
    with pytest.raises(UnknownRecord):
        vault.show(CUSTODIAN, REASON, place)


def test_a_subject_has_a_bounded_number_of_records_and_all_of_them_can_be_erased(tmp_path: Path) -> None:
    with without_syncs(), make_vault(tmp_path / "vault") as vault:
        for _ in range(RECORDS_PER_SUBJECT_MAX):
            put(vault, {})
        with pytest.raises(BadInput):
            put(vault, {})
        erasure = vault.erase(DPO, REASON, ALICE)
        assert len(json.loads(erasure.record)["destroyed"]) == RECORDS_PER_SUBJECT_MAX
        assert put(vault, {}).version == RECORDS_PER_SUBJECT_MAX + 1


@pytest.mark.parametrize("entry", VECTORS, ids=lambda one: str(one["commitment"])[:8])
def test_commitments_are_those_of_the_vectors(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, entry: dict[str, str]
) -> None:
    monkeypatch.setattr("apps.vault.keyring.draw_bytes", lambda _: bytes.fromhex(entry["salt"]))
    stored = put(vault, parse_record(entry["data"].encode()))
    assert stored.commitment.hex() == entry["commitment"]


# --- requests that are made twice


def test_a_request_made_again_does_nothing_again(vault: Vault) -> None:
    first = put(vault, request="request-1", wish=WISH)
    again = put(vault, request="request-1", wish=WISH)
    assert (again.version, again.commitment, again.is_new) == (1, first.commitment, False)
    assert vault.status(CUSTODIAN)["records"] == 1
    assert vault.outbox.count() == {"queued": 1}


def test_a_request_made_again_with_another_record_is_a_conflict(vault: Vault) -> None:
    put(vault, request="request-1")
    with pytest.raises(Conflict):
        put(vault, {"other": 1}, request="request-1")
    with pytest.raises(Conflict):
        vault.put(KNOWS, REASON, BOB, Kind.IDENTITY, SOMCHAI, request="request-1")


def test_another_officer_may_use_the_same_name_for_a_request(vault: Vault) -> None:
    put(vault, request="request-1")
    other = Actor("bea", Role.IDENTITY)
    assert vault.put(other, REASON, ALICE, Kind.IDENTITY, SOMCHAI, request="request-1").version == 2


def test_a_request_whose_record_is_erased_says_so(vault: Vault) -> None:
    put(vault, request="request-1")
    vault.erase(DPO, REASON, ALICE)
    with pytest.raises(Erased):
        put(vault, request="request-1")


# --- who may


@pytest.mark.parametrize("actor", [KNOWS, DPO, CASES, AUDITOR, CUSTODIAN], ids=lambda one: one.role)
@pytest.mark.parametrize("kind", list(Kind))
def test_each_role_sees_and_puts_its_own_kinds(vault: Vault, actor: Actor, kind: Kind) -> None:
    vault.put(CUSTODIAN, REASON, ALICE, kind, {"a": 1})
    may = {
        Role.IDENTITY: {Kind.IDENTITY, Kind.LICENCE},
        Role.PRIVACY: set(Kind) - {Kind.CASE},
        Role.CASES: {Kind.CASE},
        Role.AUDITOR: set(),
        Role.CUSTODIAN: set(Kind),
    }[actor.role]
    if kind in may:
        vault.show(actor, REASON, Place(ALICE, kind, 1))
        vault.put(actor, REASON, ALICE, kind, {"a": 2})
    else:
        with pytest.raises(NotAllowed):
            vault.show(actor, REASON, Place(ALICE, kind, 1))
        with pytest.raises(NotAllowed):
            vault.put(actor, REASON, ALICE, kind, {"a": 2})


def test_nobody_but_their_officers_learns_that_there_is_a_case(vault: Vault) -> None:
    vault.put(CASES, REASON, ALICE, Kind.CASE, {"suspicion": "structuring"})
    for actor in (KNOWS, DPO, AUDITOR):
        assert vault.listed(actor, REASON, ALICE) == []
    assert vault.export(DPO, REASON, ALICE) == ([], [])
    with pytest.raises(NothingToErase):
        vault.erase(DPO, REASON, ALICE)
    for place in (Place(ALICE, Kind.CASE, 1), Place(BOB, Kind.CASE, 1)):
        with pytest.raises(NotAllowed):
            vault.show(DPO, REASON, place)
    assert [one.place.kind for one in vault.listed(CASES, REASON, ALICE)] == [Kind.CASE]


@pytest.mark.parametrize("actor", [KNOWS, CASES, AUDITOR], ids=lambda one: one.role)
def test_only_the_data_protection_officer_exports_and_erases(vault: Vault, actor: Actor) -> None:
    put(vault)
    with pytest.raises(NotAllowed):
        vault.export(actor, REASON, ALICE)
    with pytest.raises(NotAllowed):
        vault.erase(actor, REASON, ALICE)
    assert vault.status(CUSTODIAN)["records"] == 1


def test_an_auditor_lists_and_opens_nothing(vault: Vault) -> None:
    put(vault)
    (listed,) = vault.listed(AUDITOR, REASON, ALICE)
    assert listed.place == IDENTITY
    assert kinds_for(AUDITOR, Action.SHOW) == frozenset()


@pytest.mark.parametrize("actor", [KNOWS, DPO, CASES, AUDITOR], ids=lambda one: one.role)
def test_keys_and_backups_are_the_custodians(vault: Vault, tmp_path: Path, actor: Actor) -> None:
    with pytest.raises(NotAllowed):
        vault.rotate_master_key(actor, REASON, OTHER)
    with pytest.raises(NotAllowed):
        vault.back_up(actor, REASON, tmp_path / "copy")
    with pytest.raises(NotAllowed):
        vault.check(actor)


# --- what was altered is not shown


def test_rows_swapped_between_subjects_kinds_and_versions_are_refused(vault: Vault) -> None:
    places = [
        IDENTITY,
        Place(BOB, Kind.IDENTITY, 1),
        Place(ALICE, Kind.LICENCE, 1),
        Place(ALICE, Kind.IDENTITY, 2),
    ]
    for place in places:
        vault.put(KNOWS, REASON, place.subject, place.kind, {"of": place.subject.hex(), "kind": place.kind})
    where = "WHERE subject = ? AND kind = ? AND version = ?"
    for other in places[1:]:
        for name, table, column in (("records.db", "record", "sealed"), ("keys.db", "key", "wrapped")):
            with sqlite3.connect(vault.folder / name) as reading:
                (mine,), (theirs,) = (
                    reading.execute(f"SELECT {column} FROM {table} {where}", place).fetchone()
                    for place in (IDENTITY, other)
                )
            reading.close()
            change = f"UPDATE {table} SET {column} = ? {where}"
            alter(vault, name, change, (theirs, *IDENTITY))
            with pytest.raises(Damaged):
                vault.show(KNOWS, REASON, IDENTITY)
            with pytest.raises(Damaged):
                vault.check(CUSTODIAN)
            alter(vault, name, change, (mine, *IDENTITY))
    # Ciphertext and key together do not fit another place either.
    with (
        sqlite3.connect(vault.folder / "keys.db") as keys,
        sqlite3.connect(vault.folder / "records.db") as records,
    ):
        key = keys.execute(f"SELECT wrapped FROM key {where}", places[1]).fetchone()[0]
        row = records.execute(f"SELECT sealed, commitment FROM record {where}", places[1]).fetchone()
    keys.close()
    records.close()
    alter(vault, "keys.db", f"UPDATE key SET wrapped = ? {where}", (key, *IDENTITY))
    alter(vault, "records.db", f"UPDATE record SET sealed = ? {where}", (row[0], *IDENTITY))
    with pytest.raises(Damaged):
        vault.show(KNOWS, REASON, IDENTITY)


def test_a_changed_commitment_is_noticed(vault: Vault) -> None:
    put(vault)
    alter(vault, "records.db", "UPDATE record SET commitment = ?", (bytes(32),))
    with pytest.raises(Damaged):
        vault.show(KNOWS, REASON, IDENTITY)


@pytest.mark.parametrize(
    ("name", "column", "table"), [("records.db", "sealed", "record"), ("keys.db", "wrapped", "key")]
)
@pytest.mark.parametrize("value", [b"", b"short", bytes(120)])
def test_a_damaged_row_is_refused(vault: Vault, name: str, column: str, table: str, value: bytes) -> None:
    put(vault)
    alter(vault, name, f"UPDATE {table} SET {column} = ?", (value,))
    with pytest.raises(Damaged):
        vault.show(KNOWS, REASON, IDENTITY)


def test_a_record_that_has_lost_its_key_is_damage(vault: Vault) -> None:
    put(vault)
    alter(vault, "keys.db", "DELETE FROM key")
    assert vault.status(CUSTODIAN)["withoutKey"] == 1
    with pytest.raises(Damaged):
        vault.show(KNOWS, REASON, IDENTITY)
    with pytest.raises(Damaged):
        vault.check(CUSTODIAN)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    make_vault(tmp_path).close()
    (tmp_path / "records.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StorageFault):
        open_vault(tmp_path)


# --- the master key


def test_another_master_key_opens_nothing(tmp_path: Path) -> None:
    make_vault(tmp_path).close()
    for wrong in (OTHER, KeyFile(b""), KeyFile(bytes(31)), PHRASE):
        with pytest.raises(WrongMasterKey):
            open_vault(tmp_path, wrong)
    open_vault(tmp_path).close()


def test_a_passphrase_opens_its_vault_alone(tmp_path: Path) -> None:
    with make_vault(tmp_path, PHRASE) as vault:
        put(vault)
    for wrong in (Passphrase(b"correct hors"), SECRET):
        with pytest.raises(WrongMasterKey):
            open_vault(tmp_path, wrong)
    with open_vault(tmp_path, Passphrase(b"correct horse")) as vault:  # parameters are the file's
        assert json.loads(vault.show(KNOWS, REASON, IDENTITY).record) == SOMCHAI


@pytest.mark.parametrize("new", [OTHER, PHRASE], ids=["file", "passphrase"])
def test_after_a_rotation_the_old_master_key_opens_nothing(tmp_path: Path, new: KeyFile | Passphrase) -> None:
    with make_vault(tmp_path) as vault:
        public = vault.public
        put(vault)
        with sqlite3.connect(tmp_path / "keys.db") as reading:
            (old,) = reading.execute("SELECT wrapped FROM key").fetchone()
        reading.close()
        assert vault.rotate_master_key(CUSTODIAN, REASON, new) == 2
        assert json.loads(vault.show(KNOWS, REASON, IDENTITY).record) == SOMCHAI
    assert old not in read_all(tmp_path)
    with pytest.raises(WrongMasterKey):
        open_vault(tmp_path)
    with open_vault(tmp_path, new) as vault:
        assert vault.public == public
        assert json.loads(vault.show(KNOWS, REASON, IDENTITY).record) == SOMCHAI
        assert vault.check(CUSTODIAN).length > 0


# --- folders, files, versions


def test_a_vault_is_its_owners_alone(vault: Vault) -> None:
    put(vault)
    assert stat.S_IMODE(vault.folder.stat().st_mode) == 0o700
    for path in vault.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_a_vault_is_never_made_over_another(tmp_path: Path) -> None:
    make_vault(tmp_path).close()
    with pytest.raises(AlreadyAVault):
        Vault.create(tmp_path, SECRET)


@pytest.mark.parametrize("missing", ["keys.db", "records.db"])
def test_half_a_vault_is_none(tmp_path: Path, missing: str) -> None:
    make_vault(tmp_path).close()
    (tmp_path / missing).unlink()
    with pytest.raises(NotAVault):
        open_vault(tmp_path)


def test_databases_of_two_vaults_are_not_mixed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_vault(tmp_path / name).close()
    (tmp_path / "one" / "records.db").write_bytes((tmp_path / "two" / "records.db").read_bytes())
    with pytest.raises(NotAVault):
        open_vault(tmp_path / "one")


def test_a_database_of_a_later_release_is_left_alone(tmp_path: Path) -> None:
    make_vault(tmp_path).close()
    with sqlite3.connect(tmp_path / "records.db") as later:
        later.execute("PRAGMA user_version = 99")
    later.close()
    with pytest.raises(UnknownVersion):
        open_vault(tmp_path)


def test_an_old_schema_is_brought_up_to_date_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    Database(path, RECORDS, create=True).close()
    added = (*RECORDS, ("CREATE TABLE later (a INTEGER) STRICT", "INSERT INTO later VALUES (7)"))
    broken = (*RECORDS, ("CREATE TABLE later (a INTEGER) STRICT", "INSERT INTO nowhere VALUES (7)"))
    with pytest.raises(StorageFault):
        Database(path, broken)
    same = Database(path, RECORDS)
    assert same.version == len(RECORDS)
    same.close()
    newer = Database(path, added)
    assert newer.version == len(RECORDS) + 1
    assert newer.execute("SELECT a FROM later").fetchone() == (7,)
    newer.close()


def test_pragmas_are_in_force(vault: Vault) -> None:
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "foreign_keys": 1,
        "temp_store": 2,
    }
    for database in (vault._records, vault._keyring.database):
        found = {name: database.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
        assert found == wanted


def test_two_programs_take_turns(tmp_path: Path) -> None:
    with make_vault(tmp_path) as first, open_vault(tmp_path) as second:
        for n in range(4):
            put(first if n % 2 else second, {"n": n})
        assert [put(second, {}).version, put(first, {}).version] == [5, 6]
        first.erase(DPO, REASON, ALICE)
        with pytest.raises(Erased):
            second.show(KNOWS, REASON, IDENTITY)
        assert second.check(CUSTODIAN) == first.check(CUSTODIAN)


def test_a_vault_writes_to_one_chain(vault: Vault) -> None:
    vault.bind_chain(Hash(bytes(32)))
    vault.bind_chain(Hash(bytes(32)))
    with pytest.raises(WrongChain):
        vault.bind_chain(Hash(b"1" * 32))


# --- calls that go with records


def test_a_call_is_queued_with_its_record_or_not_at_all(vault: Vault) -> None:
    put(vault, wish=WISH)
    (one,) = vault.outbox.pending()
    assert (one.call, one.state, one.facts.subject) == ("file_kyc", "queued", ALICE)
    with pytest.raises(BadInput):
        vault.put(KNOWS, REASON, ALICE, Kind.LICENCE, {}, wish=WISH)
    with pytest.raises(NotAllowed):
        vault.put(DPO, REASON, ALICE, Kind.IDENTITY, {}, wish=WISH)
    with pytest.raises(BadInput):
        vault.submit(KNOWS, REASON, ALICE, WISH)
    with pytest.raises(UnknownRecord):
        vault.submit(KNOWS, REASON, ALICE, WISH, Place(ALICE, Kind.IDENTITY, 9))
    assert vault.status(CUSTODIAN)["records"] == 1
    assert vault.outbox.count() == {"queued": 1}


def test_a_call_without_commitment_takes_no_record(vault: Vault) -> None:
    put(vault)
    attest = parse_wish("attest_kyc", {"tier": "Basic", "expires_ms": 1})
    with pytest.raises(BadInput):
        vault.submit(KNOWS, REASON, ALICE, attest, IDENTITY)
    assert vault.submit(KNOWS, REASON, ALICE, attest) == 1
    retain = parse_wish("start_retention", {"category": "Identity"})
    assert vault.submit(DPO, REASON, ALICE, retain, IDENTITY) == 2


def test_calls_about_an_erased_record_are_not_sent(vault: Vault) -> None:
    put(vault, wish=WISH)
    vault.erase(DPO, REASON, ALICE)
    assert vault.outbox.pending() == []
    (failed,) = vault.outbox.failed()
    with vault.work():
        vault.outbox.retry(failed.id)
    assert vault.outbox.pending() == []


# --- reading records


@pytest.mark.parametrize("data", [b"", b"[]", b"1", b'{"a":1,"a":2}', b"{", b"\xff{}", b"[" * 5000])
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(BadInput):
        parse_record(data)


def test_an_object_in_any_spelling_is_read() -> None:
    assert parse_record(b' {"b": 1, "a": "\\u0e01"} ') == {"a": "ก", "b": 1}
