"""Fees: what an extrinsic costs, who pays it when, what comes back, and how the multiplier follows demand."""

from collections.abc import Iterator

import pytest

from genesis import consortium
from pallets.core.session import AUTHOR_ENGINE
from pallets.core.system import System
from pallets.core.transaction_payment import (
    FIXED_ONE,
    MULTIPLIER_MAX,
    MULTIPLIER_MIN,
    FeeDetails,
    InclusionFee,
    RuntimeDispatchInfo,
    TransactionPayment,
)
from pallets.token import balances_events as money
from runtime.frame.call import Call
from runtime.frame.dispatch import DispatchClass, DispatchInfo, Pays, Weight
from runtime.frame.event import FINALIZATION
from runtime.frame.extension import Extrinsic
from runtime.frame.fungible import Preservation
from runtime.frame.validity import InvalidReason, InvalidTransaction
from runtime.primitives.arithmetic import U64_MAX
from runtime.primitives.block import PreRuntime
from runtime.primitives.extrinsic import make_unsigned
from tests.support.chain import ALICE, BOB, FERDIE, Chain, keypair
from tests.support.workshop import (
    BASE,
    DEPOSIT,
    NORMAL,
    PER_BYTE,
    PURSE,
    Workshop,
    free,
    workshop,
)

SHOP = Chain[Workshop]
BASE_FEE = 17
"""floor(7 · 2.5): the base weight's time at the price of the workshop."""


@pytest.fixture
def shop() -> Iterator[SHOP]:
    made = workshop()
    yield made
    made.close_block()


def payment(shop: SHOP) -> TransactionPayment:
    return shop.pallets.payment


def work(shop: SHOP, ref_time: int = 401, name: str = "normal") -> Call:
    return shop.call(f"Work.{name}", Weight(ref_time, 0), b"")


def spare(shop: SHOP, declared: int, used: int, name: str = "spare") -> Call:
    return shop.call(f"Work.{name}", Weight(declared, 0), Weight(used, 0))


def alice(shop: SHOP, call: Call, *, tip: int = 0) -> Extrinsic:
    return shop.sign(keypair("//Alice"), call, tip=tip)


def paid(shop: SHOP, call: Call, *, tip: int = 0) -> TransactionPayment.TransactionFeePaid:
    """Submit a call by Alice and return the event of its fee, which must be what Alice lost."""
    before = free(shop, ALICE)
    shop.submit("//Alice", call, tip=tip)
    (event,) = [e for e in shop.events() if isinstance(e, TransactionPayment.TransactionFeePaid)]
    assert (event.who, event.tip) == (ALICE, tip)
    assert before - free(shop, ALICE) == event.actual_fee
    return event


# --- what it costs


def test_fee_is_base_plus_length_plus_weight_plus_tip(shop: SHOP) -> None:
    extrinsic = alice(shop, work(shop, 401), tip=5)
    by_length = PER_BYTE * len(extrinsic.data)
    weight_fee = 1_002  # floor(401 · 2.5)
    assert payment(shop).compute_fee(extrinsic.length, extrinsic.info, 5) == (
        BASE_FEE + by_length + weight_fee + 5
    )
    assert payment(shop).compute_fee_details(extrinsic.length, extrinsic.info, 5) == FeeDetails(
        InclusionFee(BASE_FEE, by_length, weight_fee), 5
    )
    assert paid(shop, work(shop, 401), tip=5).actual_fee == BASE_FEE + by_length + weight_fee + 5


def test_proof_size_costs_nothing(shop: SHOP) -> None:
    info = DispatchInfo(Weight(0, 9_999), DispatchClass.Normal, Pays.Yes)
    assert payment(shop).compute_fee(0, info, 0) == BASE_FEE


@pytest.mark.parametrize(("excess", "expected"), [(-2, -5), (-1, -3), (0, 0), (1, 0), (U64_MAX, 0)])
def test_weight_beyond_a_block_costs_as_much_as_a_whole_block(shop: SHOP, excess: int, expected: int) -> None:
    block = shop.pallets.system.max_block().ref_time
    whole = block * 5 // 2
    info = DispatchInfo(Weight(min(U64_MAX, block + excess), 0), DispatchClass.Operational, Pays.Yes)
    details = payment(shop).compute_fee_details(0, info, 0).inclusion_fee
    assert details is not None
    assert details.adjusted_weight_fee == whole + expected
    assert payment(shop).compute_fee(0, info, 0) == details.base_fee + whole + expected


@pytest.mark.parametrize(
    ("multiplier", "expected"),
    [
        (FIXED_ONE, 1_002),
        (FIXED_ONE * 3, 3_006),
        (FIXED_ONE // 2, 501),
        (FIXED_ONE // 1_002, 0),  # 1002 · 0.000998…: rounded down
        (FIXED_ONE // 1_002 + 1, 1),
        (FIXED_ONE * 1_000, 1_002_000),
    ],
)
def test_multiplier_applies_to_the_weight_alone_rounded_down(
    shop: SHOP, multiplier: int, expected: int
) -> None:
    payment(shop).next_fee_multiplier.put(multiplier)
    info = DispatchInfo(Weight(401, 0), DispatchClass.Normal, Pays.Yes)
    assert payment(shop).compute_fee(3, info, 2) == BASE_FEE + 3 * PER_BYTE + expected + 2
    assert payment(shop).compute_fee_details(3, info, 2) == FeeDetails(
        InclusionFee(BASE_FEE, 3 * PER_BYTE, expected), 2
    )


def test_queries_tell_the_fee_without_tip(shop: SHOP) -> None:
    extrinsic = alice(shop, work(shop, 401), tip=999)
    fee = BASE_FEE + PER_BYTE * extrinsic.length + 1_002
    info = payment(shop).query_info(extrinsic, extrinsic.length)
    assert info == RuntimeDispatchInfo(Weight(401, 0), DispatchClass.Normal, fee)
    details = payment(shop).query_fee_details(extrinsic, extrinsic.length)
    assert details == FeeDetails(InclusionFee(BASE_FEE, PER_BYTE * extrinsic.length, 1_002), 0)


def test_query_takes_the_length_it_is_told(shop: SHOP) -> None:
    extrinsic = alice(shop, work(shop, 0))
    assert payment(shop).query_info(extrinsic, 1).partial_fee == BASE_FEE + PER_BYTE
    details = payment(shop).query_fee_details(extrinsic, 1)
    assert details.inclusion_fee == InclusionFee(BASE_FEE, PER_BYTE, 0)


def test_unsigned_extrinsics_cost_nothing(shop: SHOP) -> None:
    bare = make_unsigned(shop.runtime.calls.codec.encode(work(shop)))
    extrinsic = shop.runtime.decode_extrinsic(bare)
    assert payment(shop).query_info(extrinsic, 9).partial_fee == 0
    assert payment(shop).query_fee_details(extrinsic, 9) == FeeDetails(None, 0)


def test_call_that_pays_nothing_pays_the_tip_alone(shop: SHOP) -> None:
    event = paid(shop, shop.call("Work.free"), tip=7)
    assert event.actual_fee == 7
    extrinsic = alice(shop, shop.call("Work.free"))
    assert payment(shop).query_info(extrinsic, 9).partial_fee == 0
    assert payment(shop).query_fee_details(extrinsic, 9) == FeeDetails(None, 0)


# --- when it is paid


def test_events_of_a_fee_come_before_the_verdict(shop: SHOP) -> None:
    shop.submit("//Alice", spare(shop, 400, 100))
    fee = BASE_FEE + PER_BYTE * alice(shop, spare(shop, 400, 100)).length
    assert shop.events() == [
        money.Withdraw(ALICE, fee + 1_000),
        money.Deposit(ALICE, 750),
        TransactionPayment.TransactionFeePaid(ALICE, fee + 250, 0),
        System.ExtrinsicSuccess(DispatchInfo(Weight(100, 0).plus(BASE), DispatchClass.Normal, Pays.Yes)),
    ]


def test_fee_without_refund_leaves_no_deposit(shop: SHOP) -> None:
    shop.submit("//Alice", work(shop))
    assert [type(event) for event in shop.events()] == [
        money.Withdraw,
        TransactionPayment.TransactionFeePaid,
        System.ExtrinsicSuccess,
    ]


def test_failed_call_pays_for_what_it_used(shop: SHOP) -> None:
    failing = spare(shop, 400, 100, "fail")
    fee = BASE_FEE + PER_BYTE * alice(shop, failing).length
    assert paid(shop, failing, tip=3).actual_fee == fee + 250 + 3
    assert isinstance(shop.events()[-1], System.ExtrinsicFailed)


def test_more_weight_than_declared_costs_no_more(shop: SHOP) -> None:
    greedy = spare(shop, 400, 4_000)
    fee = BASE_FEE + PER_BYTE * alice(shop, greedy).length
    assert paid(shop, greedy).actual_fee == fee + 1_000


def test_call_that_pays_nothing_in_the_end_gets_all_but_the_tip_back(shop: SHOP) -> None:
    event = paid(shop, shop.call("Work.free_after_all"), tip=11)
    assert event.actual_fee == 11
    verdict = shop.events()[-1]
    assert isinstance(verdict, System.ExtrinsicSuccess)
    assert verdict.dispatch_info.pays_fee is Pays.No


def test_fee_and_tip_must_leave_the_existential_deposit(shop: SHOP) -> None:
    extrinsic = alice(shop, work(shop, 0), tip=50)
    fee = BASE_FEE + PER_BYTE * extrinsic.length + 50
    shop.pallets.balances.withdraw(ALICE, PURSE - (DEPOSIT + fee - 1), Preservation.PRESERVE)
    before, events = shop.pending(), list(shop.state.events)
    for attempt in (shop.api.validate, shop.apply):
        with pytest.raises(InvalidTransaction) as refused:
            attempt(extrinsic)
        assert refused.value.reason is InvalidReason.Payment
    assert (shop.pending(), shop.state.events) == (before, events)
    shop.pallets.balances.deposit_creating(ALICE, 1)
    shop.api.validate(extrinsic)
    assert shop.apply(extrinsic).error is None
    assert free(shop, ALICE) == DEPOSIT


def test_refund_does_not_revive_an_account(shop: SHOP) -> None:
    """Who gave all away while a call ran gets nothing back; the fee goes to the author as it was paid."""
    shop.close_block()
    shop.open_block((PreRuntime(AUTHOR_ENGINE, b"\2" + bytes(4)),))
    payment(shop).next_fee_multiplier.put(FIXED_ONE)
    call = shop.call("Work.give_away", ALICE, FERDIE)
    refund = 500 * 5 // 2
    assert refund > DEPOSIT
    fee = BASE_FEE + PER_BYTE * alice(shop, call).length + 2_500
    assert shop.submit("//Alice", call).error is None
    assert not shop.pallets.system.exists(ALICE)
    assert TransactionPayment.TransactionFeePaid(ALICE, fee - refund, 0) in shop.events()
    assert free(shop, FERDIE) == PURSE - fee
    shop.close_block()
    shop.open_block()
    assert free(shop, BOB) == PURSE + fee


# --- priority


def test_tip_is_the_priority_of_normal_calls(shop: SHOP) -> None:
    assert shop.api.validate(alice(shop, work(shop), tip=12)).priority == 12


def test_operational_calls_are_raised_by_five_times_their_fee(shop: SHOP) -> None:
    extrinsic = alice(shop, work(shop, name="operational"), tip=12)
    fee = payment(shop).compute_fee(extrinsic.length, extrinsic.info, 12)
    assert shop.api.validate(extrinsic).priority == 12 + 5 * fee


def test_priority_stops_at_the_largest_u64(shop: SHOP) -> None:
    shop.pallets.balances.deposit_creating(ALICE, 1 << 70)
    assert shop.api.validate(alice(shop, work(shop), tip=1 << 65)).priority == (1 << 64) - 1


# --- who gets it


@pytest.mark.parametrize(("index", "author"), [(0, BOB), (1, ALICE)])
def test_author_gets_the_fees_of_the_block_at_its_end(shop: SHOP, index: int, author: bytes) -> None:
    shop.close_block()
    shop.open_block((PreRuntime(AUTHOR_ENGINE, b"\2" + index.to_bytes(4, "little")),))
    issuance = shop.pallets.balances.total_issuance.get()
    fees = [paid(shop, spare(shop, 400, used), tip=9).actual_fee for used in (100, 400)]
    assert shop.pallets.balances.total_issuance.get() == issuance - sum(fees)
    shop.api.finalize_block()
    last = shop.state.events[-1]
    assert (last.phase, last.event) == (FINALIZATION, money.Deposit(author, sum(fees)))  # type: ignore[arg-type]  # an account
    assert shop.pallets.balances.total_issuance.get() == issuance
    shop.backend.apply(shop.state.drain())
    shop.open_block((PreRuntime(AUTHOR_ENGINE, b"\2" + index.to_bytes(4, "little")),))
    shop.api.finalize_block()
    assert money.Deposit not in {type(record.event) for record in shop.state.events}
    shop.backend.apply(shop.state.drain())
    shop.open_block()


def test_fees_are_burnt_where_no_author_is_named(shop: SHOP) -> None:
    issuance = shop.pallets.balances.total_issuance.get()
    fee = paid(shop, work(shop)).actual_fee
    shop.next_block()
    assert shop.pallets.balances.total_issuance.get() == issuance - fee


# --- the multiplier


def fill(shop: SHOP, ref_time: int) -> None:
    """Use so much time in normal extrinsics, their base weights included."""
    while ref_time:
        part = min(ref_time, 4_000) if ref_time != 4_001 else 2_000
        shop.submit("//Alice", work(shop, part - BASE.ref_time))
        ref_time -= part


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        (NORMAL.ref_time, 1_000_022_500_253_125_000),  # v·d = 0.0000225, and half its square
        (0, 999_992_500_028_125_000),  # the third of it downwards, and half its square
        (NORMAL.ref_time // 4, FIXED_ONE),
    ],
)
def test_multiplier_follows_the_fullness_of_blocks(shop: SHOP, used: int, expected: int) -> None:
    assert payment(shop).next_fee_multiplier.get() == FIXED_ONE
    fill(shop, used)
    shop.next_block()
    assert payment(shop).next_fee_multiplier.get() == expected


def test_operational_calls_do_not_move_the_multiplier(shop: SHOP) -> None:
    shop.submit("//Alice", work(shop, 8_000, "operational"))
    shop.next_block()
    assert payment(shop).next_fee_multiplier.get() < FIXED_ONE


@pytest.mark.parametrize(
    ("before", "used", "after"),
    [
        (MULTIPLIER_MIN, 0, MULTIPLIER_MIN),
        (MULTIPLIER_MAX, NORMAL.ref_time, MULTIPLIER_MAX),
        (MULTIPLIER_MIN + 1, 0, MULTIPLIER_MIN),
        (MULTIPLIER_MAX - 1, NORMAL.ref_time, MULTIPLIER_MAX),
    ],
)
def test_multiplier_has_bounds(shop: SHOP, before: int, used: int, after: int) -> None:
    payment(shop).next_fee_multiplier.put(before)
    shop.pallets.balances.deposit_creating(ALICE, 10**12)
    fill(shop, used)
    shop.next_block()
    assert payment(shop).next_fee_multiplier.get() == after


def test_smallest_multiplier_recovers(shop: SHOP) -> None:
    """One percent above the target is enough, as Substrate's integrity test asks."""
    payment(shop).next_fee_multiplier.put(MULTIPLIER_MIN)
    fill(shop, NORMAL.ref_time // 4 + NORMAL.ref_time // 400 + 1)
    shop.next_block()
    assert payment(shop).next_fee_multiplier.get() > MULTIPLIER_MIN


def test_production_prices() -> None:
    chain = consortium
    assert (chain.FEE_PER_BYTE, chain.FEE_PER_REF_TIME_E6) == (1_000, 1_000_000)
    assert (MULTIPLIER_MIN, MULTIPLIER_MAX) == (10**17, 10**21)
