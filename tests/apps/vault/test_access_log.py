"""Every access is in the log, no plain text is, and whoever changes the log is found out."""

import json
import sqlite3

import pytest

from apps.vault.access_log import PAGE_MAX, START, Head
from apps.vault.calls import parse_wish
from apps.vault.errors import BadInput, Damaged, Erased, NotAllowed, StorageFault, UnknownRecord
from apps.vault.officers import OFFICERS_MAX, Officers
from apps.vault.policy import Actor, Kind, Place, Role, parse_name, parse_reason, parse_subject, parse_version
from apps.vault.vault import Vault
from runtime.primitives.hashing import blake2_256
from runtime.primitives.ss58 import encode_address
from tests.apps.vault.making import (
    ALICE,
    CASES,
    CUSTODIAN,
    DPO,
    KNOWS,
    REASON,
    SOMCHAI,
    read_all,
)

IDENTITY = Place(ALICE, Kind.IDENTITY, 1)


def alter(vault: Vault, *statements: str) -> None:
    """Change the log as somebody with the file can."""
    with sqlite3.connect(vault.folder / "records.db") as connection:
        for trigger in ("access_stays", "access_kept"):
            connection.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            connection.execute(statement)
    connection.close()


# --- what is entered


def test_who_did_what_to_whom_when_and_why(vault: Vault) -> None:
    vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
    vault.show(DPO, REASON, IDENTITY)
    entries = vault.log.entries(1, 10)
    assert [(one["officer"], one["action"], one["outcome"]) for one in entries] == [
        ("ann", "put", "ok"),
        ("dan", "show", "ok"),
    ]
    assert entries[1] == {
        "action": "show",
        "kind": "identity",
        "ms": vault.now_ms(),
        "number": 2,
        "officer": "dan",
        "outcome": "ok",
        "purpose": "review",
        "reference": "M-17",
        "role": "privacy",
        "subject": f"0x{ALICE.hex()}",
        "version": 1,
    }


def test_what_was_refused_or_not_found_is_entered_too(vault: Vault) -> None:
    vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
    with pytest.raises(NotAllowed):
        vault.show(Actor("aud", Role.AUDITOR), REASON, IDENTITY)
    with pytest.raises(UnknownRecord):
        vault.show(KNOWS, REASON, Place(ALICE, Kind.LICENCE, 1))
    vault.erase(DPO, REASON, ALICE)
    with pytest.raises(Erased):
        vault.show(KNOWS, REASON, IDENTITY)
    outcomes = [one["outcome"] for one in vault.log.entries(1, 10)]
    assert outcomes == ["ok", "denied", "UnknownRecord", "begun", "ok", "Erased"]


def test_the_log_has_nothing_of_a_record(vault: Vault) -> None:
    vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
    vault.show(KNOWS, REASON, IDENTITY)
    vault.export(DPO, REASON, ALICE)
    text = json.dumps(vault.log.entries(1, 100), ensure_ascii=False)
    assert not [one for one in ("สมชาย", "1018-00123", "19840711") if one in text]


def test_cases_are_not_named(vault: Vault) -> None:
    vault.put(CASES, REASON, ALICE, Kind.CASE, {"suspicion": 1})
    vault.show(CASES, REASON, Place(ALICE, Kind.CASE, 1))
    with pytest.raises(NotAllowed):
        vault.show(DPO, REASON, Place(ALICE, Kind.CASE, 1))
    entries = vault.log.entries(1, 10)
    assert [one["action"] for one in entries] == ["restricted"] * 3
    text = json.dumps(entries)
    assert not [one for one in (ALICE.hex(), 'case"', "M-17", "denied", "show") if one in text]
    opened = vault.log.entries(1, 10, restricted=True)
    assert [(one["action"], one["outcome"]) for one in opened] == [
        ("put", "ok"),
        ("show", "ok"),
        ("show", "denied"),
    ]
    assert {one["subject"] for one in opened} == {f"0x{ALICE.hex()}"}


def test_what_officers_of_cases_look_for_tells_nobody_of_a_suspicion(vault: Vault) -> None:
    stored = vault.put(CASES, REASON, ALICE, Kind.CASE, {"suspicion": 1})
    vault.listed(CASES, REASON, ALICE)
    vault.find(CASES, REASON, stored.commitment)
    vault.find(CUSTODIAN, REASON, stored.commitment)
    with pytest.raises(NotAllowed):
        vault.show(CASES, REASON, IDENTITY)
    with pytest.raises(NotAllowed):
        vault.erase(CASES, REASON, ALICE)
    with pytest.raises(NotAllowed):
        vault.submit(CASES, REASON, ALICE, parse_wish("verify_dsr", {"request": 1}))
    assert ALICE.hex() not in json.dumps(vault.log.entries(1, 10))
    opened = vault.log.entries(1, 10, restricted=True)
    assert {one["subject"] for one in opened} == {f"0x{ALICE.hex()}"}
    assert [one["action"] for one in opened] == ["put", "list", "list", "list", "show", "erase", "submit"]


def test_a_call_of_another_role_is_entered_as_denied(vault: Vault) -> None:
    wish = parse_wish("verify_dsr", {"request": 1})
    with pytest.raises(NotAllowed):
        vault.submit(KNOWS, REASON, ALICE, wish)
    with pytest.raises(NotAllowed):
        vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI, wish=wish)
    entries = vault.log.entries(1, 10)
    assert [(one["action"], one["outcome"]) for one in entries] == [("submit", "denied")] * 2
    assert vault.status(CUSTODIAN)["calls"] == {}


def test_a_page_is_bounded(vault: Vault) -> None:
    with vault.work():
        for _ in range(PAGE_MAX + 1):
            vault.note_keys(CUSTODIAN, REASON, "ok")
    assert len(vault.log.entries(1, 10**6)) == PAGE_MAX
    assert [one["number"] for one in vault.log.entries(PAGE_MAX, 10)] == [PAGE_MAX, PAGE_MAX + 1]


# --- the chain


def test_heads_are_hashes_over_all_that_was_entered(vault: Vault) -> None:
    assert vault.log.head() == Head(0, START)
    for n in range(3):
        vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, {"n": n})
    head = START
    with sqlite3.connect(vault.folder / "records.db") as reading:
        for entry, stored in reading.execute("SELECT entry, head FROM access ORDER BY number"):
            head = blake2_256(head + entry)
            assert head == stored
    reading.close()
    assert vault.log.check() == vault.log.head() == Head(3, head)


def test_the_database_lets_no_entry_be_changed(vault: Vault) -> None:
    vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
    for statement in ("DELETE FROM access", "UPDATE access SET head = zeroblob(32)"):
        with pytest.raises(StorageFault), vault.work():
            vault._records.execute(statement)
    assert vault.log.check().length == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE access SET entry = CAST(replace(CAST(entry AS TEXT), 'ann', 'bob') AS BLOB) WHERE number = 2",
        "UPDATE access SET head = zeroblob(32) WHERE number = 2",
        "DELETE FROM access WHERE number = 2",
        "DELETE FROM access WHERE number = 1",
        "UPDATE access SET number = 9 WHERE number = 4",
    ],
)
def test_a_changed_missing_or_moved_entry_is_found(vault: Vault, statement: str) -> None:
    for n in range(4):
        vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, {"n": n})
    alter(vault, statement)
    with pytest.raises(Damaged):
        vault.log.check()
    with pytest.raises(Damaged):
        vault.check(CUSTODIAN)


# --- officers


def officers(vault: Vault, name: str = "ann", role: Role = Role.IDENTITY) -> tuple[Officers, str]:
    with vault.work():
        return vault.officers, vault.officers.add(name, role, vault.now_ms())


def test_a_token_names_its_officer(vault: Vault) -> None:
    found, token = officers(vault, "a.b-c_9", Role.PRIVACY)
    assert found.recognise(token) == Actor("a.b-c_9", Role.PRIVACY)
    assert token.encode() not in read_all(vault.folder)
    assert bytes.fromhex(token.rpartition(".")[2]) not in read_all(vault.folder)


def test_other_tokens_are_nobodys(vault: Vault) -> None:
    found, token = officers(vault)
    officers(vault, "bob")
    secret = token.rpartition(".")[2]
    wrong = [
        "",
        ".",
        "loamv1",
        "loamv1..",
        token[:-1],
        token + "0",
        token.upper(),
        f"loamv2.ann.{secret}",
        f"loamv1.bob.{secret}",
        f"loamv1.nobody.{'0' * 64}",
        f"loamv1.ann.{'0' * 64}",
        f"loamv1.ann.{secret}\0",
        "loamv1.\udcff." + secret,
        "loamv1.' OR 1=1 --." + secret,
        "x" * 10**5,
    ]
    assert [one for one in wrong if found.recognise(one) is not None] == []


def test_a_dismissed_officer_has_no_token_and_the_name_stays_taken(vault: Vault) -> None:
    found, token = officers(vault)
    with vault.work():
        found.revoke("ann", 5)
    assert found.recognise(token) is None
    assert [(one.name, one.revoked_ms) for one in found.listed()] == [("ann", 5)]
    for work in (lambda: found.revoke("ann", 6), lambda: found.add("ann", Role.PRIVACY, 6)):
        with pytest.raises(BadInput), vault.work():
            work()


@pytest.mark.parametrize("name", ["", "Ann", "9a", "a" * 33, "a b", "ก", "a/b", ".a"])
def test_names_have_a_form(name: str) -> None:
    with pytest.raises(BadInput):
        parse_name(name)


def test_nobody_is_a_custodian_by_token_and_officers_are_bounded(vault: Vault) -> None:
    with pytest.raises(BadInput):
        officers(vault, "root", Role.CUSTODIAN)
    with vault.work():
        for n in range(OFFICERS_MAX):
            vault.officers.add(f"o{n}", Role.AUDITOR, 0)
    with pytest.raises(BadInput):
        officers(vault, "onemore")


# --- forms


def test_subjects_are_addresses_or_hex() -> None:
    assert parse_subject(encode_address(ALICE, 42)) == parse_subject(f"0x{ALICE.hex()}") == ALICE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        "0x" + "0" * 63,
        "0x" + "G" * 64,
        "0X" + "0" * 64,
        "0x" + "A" * 64,
        "5Grw",
        "../etc",
        "ก",
        "0x" + "0" * 66,
    ],
)
def test_other_subjects_are_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_subject(text)


@pytest.mark.parametrize("text", ["", "0", "-1", "1.0", "٣", "4294967296", "99999999999", "1 "])
def test_other_versions_are_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_version(text)


@pytest.mark.parametrize(
    ("purpose", "reference"),
    [
        ("", ""),
        ("Review", ""),
        ("curiosity", ""),
        ("review", "x" * 33),
        ("review", "a b"),
        ("review", "สมชาย"),
        ("review", "a\n"),
    ],
)
def test_reasons_are_of_a_list_and_references_have_no_room_for_text(purpose: str, reference: str) -> None:
    with pytest.raises(BadInput):
        parse_reason(purpose, reference)
