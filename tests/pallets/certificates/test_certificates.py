"""Certificates through the pallet: every Wh counts once, and nothing is used twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pallets.certificates.certificates import Certificates
from pallets.certificates.types import ISSUERS_MAX, Batch, BatchStatus, Claimed, Period
from runtime.frame.dispatch import ROOT, BadOrigin
from runtime.primitives.arithmetic import U64_MAX
from runtime.primitives.types import AccountId
from tests.support.certificates import (
    DEPOSIT,
    ISSUER,
    VALID_MS,
    CertificatesChain,
    certificates_chain,
)
from tests.support.chain import BLOCK_TIME_MS, BOB, CHARLIE, DAVE, FERDIE, Chain

METER, OTHER_METER = b"m" * 32, b"n" * 32
DEVICE, OTHER_DEVICE = b"d" * 32, b"e" * 32
MWH = 1_000_000
SOLAR = (b"ES100", b"TC120", 5_000)
FOR_WHOM = (b"\1" * 32, b"offices in 2026", Period(0, 96))


@pytest.fixture
def chain() -> Iterator[Chain[CertificatesChain]]:
    made = certificates_chain()
    made.pallets.meters.owners = {METER: BOB, OTHER_METER: CHARLIE}
    yield made
    made.close_block()


def pallet(chain: Chain[CertificatesChain]) -> Certificates:
    return chain.pallets.certificates


def verify(chain: Chain[CertificatesChain], *, is_assigned: bool = False) -> None:
    chain.ok(BOB, "Certificates.register_device", DEVICE, METER, *SOLAR)
    chain.ok(ISSUER, "Certificates.verify_device", DEVICE, is_assigned)


def issue(chain: Chain[CertificatesChain], slot: int, energy_wh: int) -> None:
    chain.pallets.meters.energy_wh[METER, slot] = energy_wh
    chain.ok(BOB, "Certificates.request_issue", DEVICE, slot, slot)
    chain.ok(ISSUER, "Certificates.approve_issue", DEVICE, 0)


def test_megawatt_hours_become_certificates_and_the_rest_is_carried(chain: Chain[CertificatesChain]) -> None:
    verify(chain)
    issue(chain, 7, 2 * MWH + 600_000)
    assert chain.events() == [pallet(chain).Issued(0, DEVICE, BOB, 2, 600_000)]
    issue(chain, 8, 400_000)
    assert chain.events() == [pallet(chain).Issued(1, DEVICE, BOB, 1, 0)]
    issue(chain, 9, 999_999)
    assert chain.events() == [pallet(chain).Carried(DEVICE, 999_999)]
    assert pallet(chain).claimed.get(DEVICE) == Claimed(9, 999_999, 3)
    assert pallet(chain).batches.get(0) == Batch(DEVICE, Period(7, 7), 2, 0, held=2)


def test_slot_gives_certificates_once(chain: Chain[CertificatesChain]) -> None:
    verify(chain)
    issue(chain, 7, MWH)
    for first, last in ((7, 7), (0, 7), (7, 9), (0, 3)):
        chain.noop(pallet(chain).AlreadyClaimed, BOB, "Certificates.request_issue", DEVICE, first, last)
    issue(chain, 8, MWH)


def test_period_that_was_claimed_between_request_and_issue_is_not_issued(
    chain: Chain[CertificatesChain],
) -> None:
    verify(chain)
    chain.ok(BOB, "Certificates.request_issue", DEVICE, 1, 5)
    chain.noop(pallet(chain).AlreadyRequested, BOB, "Certificates.request_issue", DEVICE, 1, 5)
    pallet(chain).claimed.put(DEVICE, Claimed(up_to=3))
    chain.noop(pallet(chain).AlreadyClaimed, ISSUER, "Certificates.approve_issue", DEVICE, 0)
    pallet(chain).claimed.put(DEVICE, Claimed())


def test_only_a_verified_device_whose_attribute_is_its_owners_earns(chain: Chain[CertificatesChain]) -> None:
    chain.ok(BOB, "Certificates.register_device", DEVICE, METER, *SOLAR)
    chain.noop(pallet(chain).DeviceUnverified, BOB, "Certificates.request_issue", DEVICE, 1, 1)
    chain.ok(ISSUER, "Certificates.verify_device", DEVICE, True)
    chain.noop(pallet(chain).AttributeAssigned, BOB, "Certificates.request_issue", DEVICE, 1, 1)
    chain.ok(ISSUER, "Certificates.verify_device", DEVICE, False)
    chain.ok(BOB, "Certificates.request_issue", DEVICE, 1, 1)
    chain.ok(ISSUER, "Certificates.verify_device", DEVICE, True)
    chain.noop(pallet(chain).AttributeAssigned, ISSUER, "Certificates.approve_issue", DEVICE, 0)


def test_verification_ends(chain: Chain[CertificatesChain]) -> None:
    verify(chain)
    chain.next_block(VALID_MS // BLOCK_TIME_MS)
    chain.ok(BOB, "Certificates.request_issue", DEVICE, 1, 1)
    chain.next_block()
    chain.noop(pallet(chain).DeviceUnverified, ISSUER, "Certificates.approve_issue", DEVICE, 0)


def test_vintage_without_readings_and_empty_period_are_refused(chain: Chain[CertificatesChain]) -> None:
    verify(chain)
    chain.pallets.meters.read_up_to = 5
    chain.noop(pallet(chain).VintageOpen, BOB, "Certificates.request_issue", DEVICE, 5, 6)
    chain.noop(pallet(chain).EmptyPeriod, BOB, "Certificates.request_issue", DEVICE, 6, 5)


def test_device_is_registered_by_the_owner_of_a_free_meter(chain: Chain[CertificatesChain]) -> None:
    chain.noop(pallet(chain).NotOwner, CHARLIE, "Certificates.register_device", DEVICE, METER, *SOLAR)
    chain.noop(pallet(chain).NotOwner, BOB, "Certificates.register_device", DEVICE, b"x" * 32, *SOLAR)
    chain.ok(BOB, "Certificates.register_device", DEVICE, METER, *SOLAR)
    assert chain.pallets.balances.reserved_balance(BOB) == DEPOSIT
    chain.noop(pallet(chain).MeterTaken, BOB, "Certificates.register_device", OTHER_DEVICE, METER, *SOLAR)
    chain.noop(
        pallet(chain).DeviceExists, CHARLIE, "Certificates.register_device", DEVICE, OTHER_METER, *SOLAR
    )


def test_meter_of_another_owner_earns_nothing_for_its_old_device(chain: Chain[CertificatesChain]) -> None:
    """A household moves out; the operator removes the meter and registers it for the next one."""
    verify(chain)
    issue(chain, 1, MWH)
    chain.ok(BOB, "Certificates.request_issue", DEVICE, 2, 2)
    chain.pallets.meters.owners[METER] = CHARLIE
    moved, name = pallet(chain).NotOwner, "Certificates.request_issue"
    chain.noop(moved, ISSUER, "Certificates.approve_issue", DEVICE, 0)
    chain.ok(BOB, "Certificates.withdraw_request", DEVICE)
    chain.noop(moved, BOB, name, DEVICE, 3, 3)
    chain.noop(moved, BOB, "Certificates.register_device", b"f" * 32, METER, *SOLAR)
    chain.ok(CHARLIE, "Certificates.register_device", OTHER_DEVICE, METER, *SOLAR)
    chain.ok(ISSUER, "Certificates.verify_device", OTHER_DEVICE, False)
    chain.ok(CHARLIE, name, OTHER_DEVICE, 3, 3)
    # It comes back: what the second device may claim the first may not claim again.
    chain.pallets.meters.owners[METER] = BOB
    chain.noop(pallet(chain).MeterTaken, BOB, name, DEVICE, 3, 3)
    chain.noop(moved, CHARLIE, name, DEVICE, 3, 3)


def test_device_of_a_meter_that_somebody_else_has_goes_without_it(chain: Chain[CertificatesChain]) -> None:
    verify(chain)
    chain.pallets.meters.owners[METER] = CHARLIE
    chain.ok(CHARLIE, "Certificates.register_device", OTHER_DEVICE, METER, *SOLAR)
    chain.ok(BOB, "Certificates.remove_device", DEVICE)
    assert pallet(chain).device_of_meter.get(METER) == OTHER_DEVICE
    chain.ok(CHARLIE, "Certificates.remove_device", OTHER_DEVICE)
    assert not pallet(chain).device_of_meter.contains(METER)


def test_device_goes_while_it_has_claimed_nothing(chain: Chain[CertificatesChain]) -> None:
    verify(chain)
    chain.noop(pallet(chain).NotOwner, CHARLIE, "Certificates.remove_device", DEVICE)
    chain.noop(pallet(chain).UnknownDevice, BOB, "Certificates.remove_device", OTHER_DEVICE)
    chain.ok(BOB, "Certificates.request_issue", DEVICE, 1, 1)
    chain.ok(BOB, "Certificates.remove_device", DEVICE)
    assert chain.pallets.balances.reserved_balance(BOB) == 0
    verify(chain)
    issue(chain, 2, 1)
    chain.noop(pallet(chain).DeviceInUse, BOB, "Certificates.remove_device", DEVICE)


def test_request_is_taken_back_by_its_owner_or_refused_by_an_issuer(chain: Chain[CertificatesChain]) -> None:
    verify(chain)
    chain.noop(pallet(chain).NothingRequested, ISSUER, "Certificates.approve_issue", DEVICE, 0)
    for who in (BOB, ISSUER):
        chain.ok(BOB, "Certificates.request_issue", DEVICE, 1, 1)
        chain.noop(pallet(chain).NotOwner, CHARLIE, "Certificates.withdraw_request", DEVICE)
        chain.ok(who, "Certificates.withdraw_request", DEVICE)
        chain.noop(pallet(chain).NothingRequested, who, "Certificates.withdraw_request", DEVICE)
    chain.noop(pallet(chain).NotOwner, CHARLIE, "Certificates.request_issue", DEVICE, 1, 1)
    chain.noop(pallet(chain).UnknownDevice, BOB, "Certificates.request_issue", OTHER_DEVICE, 1, 1)


@pytest.mark.parametrize(
    ("name", "args"),
    [("verify_device", (DEVICE, False)), ("approve_issue", (DEVICE, 0)), ("cancel", (0,))],
)
def test_what_issuers_do_nobody_else_may(
    chain: Chain[CertificatesChain], name: str, args: tuple[object, ...]
) -> None:
    verify(chain)
    chain.noop(pallet(chain).NotIssuer, BOB, f"Certificates.{name}", *args)
    chain.noop(BadOrigin, ROOT, f"Certificates.{name}", *args)


def test_certificates_move_and_are_redeemed_once(chain: Chain[CertificatesChain]) -> None:
    verify(chain)
    issue(chain, 1, 5 * MWH)
    chain.ok(BOB, "Certificates.transfer", CHARLIE, 0, 3)
    chain.ok(CHARLIE, "Certificates.redeem", 0, 2, *FOR_WHOM)
    assert chain.events() == [pallet(chain).Redeemed(0, 0, CHARLIE, 2, FOR_WHOM[0])]
    chain.noop(pallet(chain).NotEnough, CHARLIE, "Certificates.redeem", 0, 2, *FOR_WHOM)
    chain.noop(pallet(chain).NotEnough, BOB, "Certificates.transfer", CHARLIE, 0, 3)
    chain.noop(pallet(chain).NotEnough, BOB, "Certificates.transfer", CHARLIE, 0, U64_MAX)
    chain.noop(pallet(chain).NotEnough, FERDIE, "Certificates.transfer", CHARLIE, 0, 1)
    chain.noop(pallet(chain).ZeroCount, BOB, "Certificates.transfer", CHARLIE, 0, 0)
    chain.noop(pallet(chain).UnknownBatch, BOB, "Certificates.transfer", CHARLIE, 1, 1)
    late = (FOR_WHOM[0], b"", Period(5, 4))
    chain.noop(pallet(chain).EmptyPeriod, BOB, "Certificates.redeem", 0, 1, *late)
    chain.ok(CHARLIE, "Certificates.redeem", 0, 1, FOR_WHOM[0], b"", Period(5, 5))
    found = pallet(chain).batches.get(0)
    assert found is not None
    assert (found.held, found.redeemed, found.cancelled) == (2, 3, 0)
    assert list(pallet(chain).holdings.items_of(CHARLIE)) == []


def test_transfer_to_oneself_changes_nothing(chain: Chain[CertificatesChain]) -> None:
    verify(chain)
    issue(chain, 1, 2 * MWH)
    for count in (1, 2):
        chain.ok(BOB, "Certificates.transfer", BOB, 0, count)
        assert pallet(chain).holdings.get(BOB, 0) == 2


def test_cancelled_batch_counts_no_more_but_what_was_redeemed_stays(chain: Chain[CertificatesChain]) -> None:
    verify(chain)
    issue(chain, 1, 5 * MWH)
    chain.ok(BOB, "Certificates.redeem", 0, 2, *FOR_WHOM)
    chain.ok(ISSUER, "Certificates.cancel", 0)
    found = pallet(chain).batches.get(0)
    assert found is not None
    assert (found.held, found.redeemed, found.cancelled, found.status) == (0, 2, 3, BatchStatus.Cancelled)
    cancelled = pallet(chain).BatchCancelled
    chain.noop(cancelled, BOB, "Certificates.transfer", CHARLIE, 0, 1)
    chain.noop(cancelled, BOB, "Certificates.redeem", 0, 1, *FOR_WHOM)
    chain.noop(cancelled, ISSUER, "Certificates.cancel", 0)
    chain.noop(pallet(chain).UnknownBatch, ISSUER, "Certificates.cancel", 1)
    chain.noop(pallet(chain).AlreadyClaimed, BOB, "Certificates.request_issue", DEVICE, 1, 1)


def test_root_names_issuers_up_to_a_bound(chain: Chain[CertificatesChain]) -> None:
    chain.noop(BadOrigin, ISSUER, "Certificates.set_issuer", BOB, True)
    chain.ok(ROOT, "Certificates.set_issuer", BOB, True)
    chain.ok(ROOT, "Certificates.set_issuer", BOB, True)
    assert pallet(chain).issuers.get() == (ISSUER, BOB)
    for number in range(ISSUERS_MAX - 2):
        chain.ok(ROOT, "Certificates.set_issuer", AccountId(bytes((number,)) * 32), True)
    chain.noop(pallet(chain).TooManyIssuers, ROOT, "Certificates.set_issuer", DAVE, True)
    chain.ok(ROOT, "Certificates.set_issuer", BOB, False)
    chain.noop(pallet(chain).NotIssuer, BOB, "Certificates.cancel", 0)
    chain.ok(ROOT, "Certificates.set_issuer", DAVE, True)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["generate", "move", "redeem", "cancel"]),
        st.integers(0, 2_500_000),
        st.integers(0, 3),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_every_wh_is_certified_or_carried_once(steps: list[tuple[str, int, int]]) -> None:
    chain = certificates_chain()
    chain.pallets.meters.owners = {METER: BOB}
    verify(chain)
    generated, people = 0, (BOB, CHARLIE, DAVE)
    for slot, (what, amount, whose) in enumerate(steps):
        batch, who = amount % 5, people[whose % 3]
        match what:
            case "generate":
                issue(chain, slot, amount)
                generated += amount
            case "move":
                chain.dispatch(who, chain.call("Certificates.transfer", people[amount % 3], batch, whose))
            case "redeem":
                chain.dispatch(who, chain.call("Certificates.redeem", batch, whose, *FOR_WHOM))
            case _:
                chain.dispatch(ISSUER, chain.call("Certificates.cancel", batch))
        pallet(chain).try_state()
    claimed = pallet(chain).claimed.get(DEVICE)
    assert claimed.issued * MWH + claimed.remainder_wh == generated
