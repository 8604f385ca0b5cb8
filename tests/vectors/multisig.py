"""Shared accounts: each list of signatories and threshold gives the account that wallets derive."""

from functools import partial

from pallets.core.multisig import multi_account
from runtime.primitives.types import AccountId
from tests.vectors.case import Case, Document, Entry, Plan, ensure_equal, from_hex, get_entries


def plan_multisig(document: Document) -> Plan:
    """Return one case for each shared account."""
    cases = tuple(
        Case(f"cases[{i}]", partial(check_account, entry))
        for i, entry in enumerate(get_entries(document, "cases"))
    )
    return Plan(cases, {"pots": "accounts of pallets, which no pallet has yet"})


def check_account(entry: Entry) -> None:
    """Derive the account of the sorted signatories."""
    signatories = sorted(AccountId(from_hex(signatory)) for signatory in entry["signatories"])
    found = multi_account(tuple(signatories), entry["threshold"])
    ensure_equal(bytes(found), from_hex(entry["multi_account"]), "account")
