"""The calls that a vault makes are the chain's: each can be encoded, and says what the pallets check."""

from typing import Any

import pytest

from apps.vault.calls import CALLS, CONFIRM_ERASURE, Facts, parse_wish
from apps.vault.errors import BadInput
from apps.vault.link import make_tombstone_message
from apps.vault.policy import Kind, Role
from pallets.compliance.privacy import make_tombstone
from runtime.primitives.scale import EncodeError
from tests.apps.chain.ledger import RUNTIME
from tests.support.chain import ALICE

COMMITMENT = bytes(range(32))
ARGUMENTS: dict[str, dict[str, Any]] = {
    "file_kyc": {"country": "TH"},
    "attest_kyc": {"tier": "Basic", "expires_ms": 2**63, "daily_limit": None},
    "revoke_kyc": {"how": "Suspend"},
    "issue_licence": {"kind": "Trading", "expires_ms": 2**63},
    "open_case": {},
    "review_case": {"case": 1},
    "report_case": {"case": 1},
    "verify_dsr": {"request": 1},
    "answer_dsr": {"request": 1},
    "refuse_dsr": {"request": 1, "refusal": "LegalObligation"},
    "report_breach": {"detected_ms": 1},
    "assess_breach": {"breach": 1, "risk": "High"},
    "notify_breach": {"breach": 1},
    "start_retention": {"category": "Identity"},
    CONFIRM_ERASURE: {"request": 1, "signature": bytes(64)},
}


def build(name: str) -> bytes:
    call = CALLS[name]
    facts = Facts(ALICE, COMMITMENT, ARGUMENTS[name])
    return RUNTIME.call(call.pallet, call.name, **call.build(facts)).data


def test_every_call_has_its_arguments_here() -> None:
    assert ARGUMENTS.keys() == CALLS.keys()
    assert all(ARGUMENTS[name].keys() == call.arguments for name, call in CALLS.items())


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_the_chains_and_carries_the_commitment_where_it_says_so(name: str) -> None:
    call = CALLS[name]
    pallet, decoded, values = RUNTIME.decode_call(build(name))
    assert (pallet, decoded) == (call.pallet, call.name)
    assert (COMMITMENT in build(name)) == (bool(call.kinds) or name == CONFIRM_ERASURE)
    assert values is None or "who" not in values or values["who"] == ALICE


def test_every_call_with_a_commitment_says_where_it_stands() -> None:
    for name, call in CALLS.items():
        assert (call.locate is not None) == (bool(call.kinds) or name == CONFIRM_ERASURE), name


def test_the_tombstone_is_signed_as_the_pallet_checks_it() -> None:
    for request in (0, 1, 2**32 - 1):
        assert make_tombstone_message(bytes(32), request, COMMITMENT) == make_tombstone(
            bytes(32), request, COMMITMENT
        )


def test_each_kind_of_evidence_has_a_call() -> None:
    covered = {kind for name, call in CALLS.items() if name != "start_retention" for kind in call.kinds}
    assert covered == set(Kind) - {Kind.REQUEST}  # a request's text the subject itself commits to


def test_cases_are_called_for_by_their_officers_alone() -> None:
    for name, call in CALLS.items():
        if call.pallet == "Monitoring":
            assert call.roles == {Role.CASES, Role.CUSTODIAN}, name
        assert Role.AUDITOR not in call.roles


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("freeze", {}),
        (CONFIRM_ERASURE, {"request": 1, "signature": 1}),
        (None, {}),
        (["file_kyc"], {}),
        ("file_kyc", {}),
        ("file_kyc", {"country": "TH", "who": "x"}),
        ("file_kyc", []),
        ("file_kyc", None),
        ("file_kyc", {"country": {"a": 1}}),
        ("file_kyc", {"country": True}),
        ("file_kyc", {"country": 1.5}),
        ("file_kyc", {"country": "ไทย"}),
        ("file_kyc", {"country": "x" * 33}),
    ],
)
def test_other_calls_and_arguments_are_refused(call: Any, arguments: Any) -> None:
    with pytest.raises(BadInput):
        parse_wish(call, arguments)


def test_a_limit_may_be_left_out() -> None:
    wish = parse_wish("attest_kyc", {"tier": "Basic", "expires_ms": 1})
    assert wish.arguments == {"tier": "Basic", "expires_ms": 1, "daily_limit": None}


@pytest.mark.parametrize("country", ["THA", "", None, 7])
def test_what_does_not_fit_the_chain_is_found_when_the_call_is_made(country: Any) -> None:
    call = CALLS["file_kyc"]
    with pytest.raises(EncodeError):
        RUNTIME.call(call.pallet, call.name, **call.build(Facts(ALICE, COMMITMENT, {"country": country})))
