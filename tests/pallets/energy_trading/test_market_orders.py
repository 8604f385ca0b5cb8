"""Orders before the gate: who may place which, what is held for them, and how they change and end."""

from typing import Any

import pytest
from msgspec import structs

from genesis.consortium import UNIT
from pallets.energy_trading import market_errors as errors
from pallets.energy_trading import market_events as events
from pallets.energy_trading.market import BATCH_MAX
from pallets.energy_trading.market_types import (
    DROPPED_ORDERS,
    OPEN_ORDERS_MAX,
    Limits,
    NewOrder,
    Participant,
)
from pallets.energy_trading.orders import Side
from pallets.energy_trading.price_levels import list_levels
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, PalletError, TokenFailure, TokenReason
from runtime.frame.fungible import Preservation, Reason
from tests.support.chain import ALICE, BOB, CHARLIE, FERDIE, Chain
from tests.support.energy import (
    OFFICER,
    PARAMETERS,
    TRADERS,
    WATT_EACH,
    WIDE,
    ZONE,
    EnergyChain,
    Refused,
    next_slot,
    pass_gate,
    pass_gate_time,
)

Energy = Chain[EnergyChain]
BUY, SELL = Side.BUY, Side.SELL
ESCROW = Reason(28, 0)
VALUE = 10**5
"""Money of one Wh at one tick."""


def refused(energy: Energy, error: type[PalletError], who: bytes, name: str, *args: Any) -> None:
    """A call fails with an error of the market and changes nothing."""
    energy.noop(energy.pallets.market.error(error), who, f"Market.{name}", *args)  # type: ignore[arg-type]  # an account


def place(energy: Energy, who: bytes, side: Side, qty: int, limit: int, slot: int | None = None) -> int:
    """Place an order, by default for the slot after the next, and return its number."""
    number = energy.pallets.market.next_order_id.get()
    wanted = next_slot(energy, 2) if slot is None else slot
    energy.ok(who, "Market.submit_order", ZONE, wanted, side, qty, limit, 0)  # type: ignore[arg-type]  # an account
    return number


def held(energy: Energy, who: bytes) -> int:
    return energy.pallets.watt.balance_on_hold(ESCROW, who)  # type: ignore[arg-type]  # an account


def limit(energy: Energy, who: bytes, limits: Limits) -> None:
    energy.ok(OFFICER, "Market.set_limits", who, limits)


# --- registration


def test_account_registers_against_a_deposit_and_leaves_with_it(energy: Energy) -> None:
    reason = Reason(28, 1)
    energy.ok(ALICE, "Balances.transfer_keep_alive", FERDIE, 10 * UNIT)
    energy.ok(FERDIE, "Market.register_participant")
    assert energy.events() == [events.ParticipantRegistered(FERDIE)]
    assert energy.pallets.market.participants.get(FERDIE) == Participant(WIDE, UNIT)
    assert energy.pallets.balances.balance_on_hold(reason, FERDIE) == UNIT
    refused(energy, errors.AlreadyRegistered, FERDIE, "register_participant")
    energy.ok(FERDIE, "Market.leave")
    assert energy.events() == [events.ParticipantLeft(FERDIE)]
    assert energy.pallets.balances.balance_on_hold(reason, FERDIE) == 0
    refused(energy, errors.NotParticipant, FERDIE, "leave")


def test_deposit_must_be_affordable(energy: Energy) -> None:
    energy.noop(TokenFailure(TokenReason.FundsUnavailable), FERDIE, "Market.register_participant")


def test_nobody_leaves_with_open_orders(energy: Energy) -> None:
    number = place(energy, ALICE, SELL, 100, 100)
    refused(energy, errors.StillOpen, ALICE, "leave")
    energy.ok(ALICE, "Market.cancel_order", number)
    energy.ok(ALICE, "Market.leave")


def test_limits_are_set_by_compliance_for_participants(energy: Energy) -> None:
    limits = Limits(1, 2, 3)
    energy.noop(BadOrigin, ALICE, "Market.set_limits", ALICE, limits)
    energy.noop(BadOrigin, ROOT, "Market.set_limits", ALICE, limits)
    refused(energy, errors.NotParticipant, OFFICER, "set_limits", FERDIE, limits)
    limit(energy, ALICE, limits)
    assert energy.events() == [events.LimitsSet(ALICE, limits)]


# --- placing


def test_buyer_has_size_times_limit_on_hold_and_a_seller_nothing(energy: Energy) -> None:
    slot = next_slot(energy, 2)
    bid = place(energy, ALICE, BUY, 500, 45_001)
    assert energy.events() == [events.OrderPlaced(bid, ALICE, ZONE, slot, BUY, 500, 45_001)]
    assert held(energy, ALICE) == 500 * 45_001 * VALUE
    assert energy.pallets.watt.free.get(ALICE) == WATT_EACH - 500 * 45_001 * VALUE
    place(energy, BOB, SELL, 700, 22_000)
    assert held(energy, BOB) == 0


def test_levels_are_the_sums_of_a_price_from_the_best_on(energy: Energy) -> None:
    slot, market = next_slot(energy, 2), energy.pallets.market
    for qty, ticks in ((1, 20), (2, 30), (3, 20)):
        place(energy, ALICE, BUY, qty, ticks)
        place(energy, BOB, SELL, qty, 10 * ticks)
    assert list(list_levels(market.levels.get((ZONE, slot, BUY)))) == [(30, 2, 1), (20, 4, 2)]
    assert list(list_levels(market.levels.get((ZONE, slot, SELL)))) == [(200, 4, 2), (300, 2, 1)]


@pytest.mark.parametrize("origin", [ROOT, NOBODY])
def test_orders_are_for_signers(energy: Energy, origin: Any) -> None:
    slot = next_slot(energy, 2)
    for name, args in (
        ("register_participant", ()),
        ("leave", ()),
        ("submit_order", (ZONE, slot, BUY, 1, 1, 0)),
        ("submit_orders", ((),)),
        ("amend_order", (0, 1, 1)),
        ("cancel_order", (0,)),
        ("cancel_all", (ZONE, None)),
        ("claim", ()),
        ("step_clearing", (ZONE, slot)),
        ("halt_market", (ZONE,)),
        ("resume_market", (ZONE,)),
    ):
        energy.noop(BadOrigin, origin, f"Market.{name}", *args)


def test_order_needs_a_market_a_registration_and_a_permission(energy: Energy) -> None:
    slot = next_slot(energy, 2)
    order = (slot, BUY, 100, 100, 0)
    refused(energy, errors.NotParticipant, FERDIE, "submit_order", ZONE, *order)
    refused(energy, errors.UnknownMarket, ALICE, "submit_order", 9, *order)
    energy.pallets.world.forbidden[ALICE] = None
    energy.noop(Refused, ALICE, "Market.submit_order", ZONE, *order)
    energy.pallets.world.forbidden.clear()
    operator = energy.pallets.world.operators.pop(ZONE)
    refused(energy, errors.UnknownMarket, ALICE, "submit_order", ZONE, *order)
    energy.pallets.world.operators[ZONE] = operator
    energy.ok(ALICE, "Market.submit_order", ZONE, *order)


def test_forbidden_account_still_gets_its_money_back(energy: Energy) -> None:
    number = place(energy, ALICE, BUY, 100, 100)
    energy.pallets.world.forbidden[ALICE] = None
    energy.noop(Refused, ALICE, "Market.amend_order", number, 50, 100)
    energy.ok(ALICE, "Market.cancel_order", number)
    assert held(energy, ALICE) == 0


def test_size_and_price_are_within_the_bands_and_not_beyond(energy: Energy) -> None:
    bands = structs.replace(
        PARAMETERS, qty_min=100, qty_max=1_000, price_min=200, price_max=400, price_step=5
    )
    energy.ok(ROOT, "Market.set_market", ZONE, bands)
    slot = next_slot(energy, 2)
    for qty, ticks, error in (
        (99, 300, errors.QtyOutOfRange),
        (1_001, 300, errors.QtyOutOfRange),
        (0, 300, errors.QtyOutOfRange),
        (100, 195, errors.PriceOutOfBand),
        (100, 405, errors.PriceOutOfBand),
        (100, 301, errors.TickSize),
    ):
        refused(energy, error, ALICE, "submit_order", ZONE, slot, SELL, qty, ticks, 0)
    for qty, ticks in ((100, 200), (1_000, 400), (500, 305)):
        place(energy, ALICE, SELL, qty, ticks)


def test_own_limit_of_an_order_is_below_the_markets(energy: Energy) -> None:
    limit(energy, ALICE, Limits(10, 100, 10**30))
    slot = next_slot(energy, 2)
    refused(energy, errors.QtyOutOfRange, ALICE, "submit_order", ZONE, slot, SELL, 11, 100, 0)
    place(energy, ALICE, SELL, 10, 100)


@pytest.mark.parametrize("flags", [1, 2, 3, 4, 255])
def test_flags_are_refused_since_none_means_anything(energy: Energy, flags: int) -> None:
    slot = next_slot(energy, 2)
    refused(energy, errors.UnknownFlags, ALICE, "submit_order", ZONE, slot, SELL, 1, 1, flags)


def test_slot_takes_orders_from_the_horizon_to_the_gate(energy: Energy) -> None:
    current = next_slot(energy, 0)
    for slot, error in (
        (current - 1, errors.SlotNotOpen),
        (current, errors.SlotNotOpen),
        (current + 5, errors.TooFarAhead),
        (2**32 - 1, errors.TooFarAhead),
    ):
        refused(energy, error, ALICE, "submit_order", ZONE, slot, SELL, 1, 1, 0)
    place(energy, ALICE, SELL, 1, 1, current + 4)
    energy.next_block(5)
    place(energy, ALICE, SELL, 1, 1, current + 1)
    energy.next_block()
    refused(energy, errors.GateClosed, ALICE, "submit_order", ZONE, current + 1, SELL, 1, 1, 0)


def test_order_needs_the_money_beside_the_minimum(energy: Energy) -> None:
    watt, slot = energy.pallets.watt, next_slot(energy, 2)
    free = 10**7 * VALUE
    watt.transfer(ALICE, BOB, WATT_EACH - free - watt.minimum_balance(), Preservation.PRESERVE)
    refused(energy, errors.InsufficientFunds, ALICE, "submit_order", ZONE, slot, BUY, 101, 100_000, 0)
    place(energy, ALICE, BUY, 100, 100_000)
    refused(energy, errors.InsufficientFunds, ALICE, "submit_order", ZONE, slot, BUY, 1, 1, 0)


def test_seller_needs_collateral_for_all_that_it_offers_in_a_slot(energy: Energy) -> None:
    energy.pallets.world.uncovered[ALICE] = 100
    slot = next_slot(energy, 2)
    place(energy, ALICE, SELL, 60, 100)
    refused(energy, errors.InsufficientCollateral, ALICE, "submit_order", ZONE, slot, SELL, 41, 100, 0)
    place(energy, ALICE, SELL, 40, 100)
    place(energy, ALICE, SELL, 100, 100, slot + 1)


def test_account_is_buyer_or_seller_in_a_slot_until_nothing_is_left(energy: Energy) -> None:
    slot = next_slot(energy, 2)
    number = place(energy, ALICE, SELL, 60, 100)
    refused(energy, errors.SideLocked, ALICE, "submit_order", ZONE, slot, BUY, 60, 100, 0)
    place(energy, ALICE, BUY, 60, 100, slot + 1)
    energy.ok(ALICE, "Market.cancel_order", number)
    place(energy, ALICE, BUY, 60, 100, slot)


def test_position_limit_counts_all_open_orders_of_a_slot(energy: Energy) -> None:
    limit(energy, ALICE, Limits(100, 150, 10**30))
    slot = next_slot(energy, 2)
    place(energy, ALICE, SELL, 100, 100)
    refused(energy, errors.LimitExceededPosition, ALICE, "submit_order", ZONE, slot, SELL, 51, 100, 0)
    place(energy, ALICE, SELL, 50, 100)
    place(energy, ALICE, SELL, 100, 100, slot + 1)


def test_daily_limit_counts_what_was_ordered_and_not_cancelled(energy: Energy) -> None:
    limit(energy, ALICE, Limits(10**6, 10**6, 1_000 * VALUE))
    slot = next_slot(energy, 2)
    number = place(energy, ALICE, BUY, 60, 10)
    refused(energy, errors.LimitExceededDaily, ALICE, "submit_order", ZONE, slot, BUY, 401, 1, 0)
    place(energy, ALICE, BUY, 40, 10)
    refused(energy, errors.LimitExceededDaily, ALICE, "submit_order", ZONE, slot + 1, SELL, 1, 1, 0)
    energy.ok(ALICE, "Market.cancel_order", number)
    place(energy, ALICE, BUY, 600, 1)


def test_account_has_so_many_open_orders_and_no_more(energy: Energy) -> None:
    slot = next_slot(energy, 1)
    for number in range(OPEN_ORDERS_MAX):
        place(energy, ALICE, SELL, 1, 1, slot + number % 4)
    refused(energy, errors.LimitExceededOpenOrders, ALICE, "submit_order", ZONE, slot, SELL, 1, 1, 0)


def test_filled_orders_leave_the_list_a_few_at_a_time_once_their_slot_has_begun(energy: Energy) -> None:
    market, slot = energy.pallets.market, next_slot(energy, 1)
    filled = DROPPED_ORDERS + 1
    for _ in range(filled):
        place(energy, ALICE, SELL, 1, 1, slot)
        place(energy, BOB, BUY, 1, 100, slot)
    later = place(energy, ALICE, SELL, 1, 1, slot + 3)
    pass_gate(energy, slot)
    energy.next_block()
    assert market.store.active_orders(ALICE) == (later,)
    place(energy, ALICE, SELL, 1, 1, slot + 3)
    assert len(market.open_orders.get(ALICE).ids) == filled + 2
    while market.store.current_slot() < slot:
        energy.next_block()
    place(energy, ALICE, SELL, 1, 1, slot + 3)
    assert len(market.open_orders.get(ALICE).ids) == filled + 3 - DROPPED_ORDERS
    place(energy, ALICE, SELL, 1, 1, slot + 3)
    assert market.open_orders.get(ALICE).ids == market.store.active_orders(ALICE)


def test_list_full_of_what_is_over_takes_orders_again(energy: Energy) -> None:
    slot = next_slot(energy, 1)
    for number in range(OPEN_ORDERS_MAX):
        place(energy, ALICE, SELL, 1, 1, slot + number % 4)
    while energy.pallets.market.store.current_slot() < slot:
        energy.next_block()
    place(energy, ALICE, SELL, 1, 1, slot + 3)


def test_book_is_full_at_its_limit(energy: Energy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pallets.energy_trading.order_books.BOOK_ORDERS_MAX", 3)
    slot = next_slot(energy, 2)
    place(energy, ALICE, SELL, 1, 1)
    place(energy, BOB, BUY, 1, 1)
    number = place(energy, BOB, BUY, 1, 1)
    refused(energy, errors.BookFull, CHARLIE, "submit_order", ZONE, slot, SELL, 1, 1, 0)
    energy.ok(BOB, "Market.cancel_order", number)
    place(energy, CHARLIE, SELL, 1, 1)


def test_batch_is_taken_whole_or_not_at_all(energy: Energy) -> None:
    slot = next_slot(energy, 2)
    good = NewOrder(ZONE, slot, SELL, 10, 100)
    bad = NewOrder(ZONE, slot, BUY, 10, 100)
    refused(energy, errors.SideLocked, ALICE, "submit_orders", (good, good, bad))
    refused(energy, errors.BatchTooLong, ALICE, "submit_orders", (good,) * (BATCH_MAX + 1))
    energy.ok(ALICE, "Market.submit_orders", (good,) * BATCH_MAX)
    assert len(energy.pallets.market.open_orders.get(ALICE).ids) == BATCH_MAX
    energy.ok(ALICE, "Market.submit_orders", ())


# --- amending


def ids(energy: Energy, slot: int, side: Side) -> tuple[int, ...]:
    return energy.pallets.market.pages.get((ZONE, slot, side, 0))


def test_smaller_size_keeps_the_place_and_everything_else_loses_it(energy: Energy) -> None:
    slot = next_slot(energy, 2)
    first, second = place(energy, ALICE, BUY, 100, 50), place(energy, BOB, BUY, 100, 50)
    energy.ok(ALICE, "Market.amend_order", first, 60, 50)
    assert energy.events() == [events.OrderAmended(first, 60, 50)]
    assert ids(energy, slot, BUY) == (first, second)
    assert held(energy, ALICE) == 60 * 50 * VALUE
    energy.ok(ALICE, "Market.amend_order", first, 61, 50)
    assert ids(energy, slot, BUY) == (second, first)
    energy.ok(BOB, "Market.amend_order", second, 100, 49)
    assert ids(energy, slot, BUY) == (first, second)
    assert (held(energy, ALICE), held(energy, BOB)) == (61 * 50 * VALUE, 100 * 49 * VALUE)


def test_amended_order_meets_all_limits_again(energy: Energy) -> None:
    limit(energy, ALICE, Limits(100, 150, 10_000 * VALUE))
    first, _ = place(energy, ALICE, BUY, 100, 50), place(energy, ALICE, BUY, 50, 50)
    for qty, ticks, error in (
        (0, 50, errors.QtyOutOfRange),
        (101, 50, errors.QtyOutOfRange),
        (100, 10**6 + 1, errors.PriceOutOfBand),
        (100, 76, errors.LimitExceededDaily),
    ):
        refused(energy, error, ALICE, "amend_order", first, qty, ticks)
    energy.ok(ALICE, "Market.amend_order", first, 90, 50)
    limit(energy, ALICE, Limits(100, 145, 10_000 * VALUE))
    refused(energy, errors.LimitExceededPosition, ALICE, "amend_order", first, 96, 50)
    energy.ok(ALICE, "Market.amend_order", first, 95, 50)


def test_amending_needs_the_money(energy: Energy) -> None:
    watt = energy.pallets.watt
    free = 100 * 100 * VALUE
    watt.transfer(ALICE, BOB, WATT_EACH - free - watt.minimum_balance(), Preservation.PRESERVE)
    number = place(energy, ALICE, BUY, 90, 100)
    refused(energy, errors.InsufficientFunds, ALICE, "amend_order", number, 101, 100)
    energy.ok(ALICE, "Market.amend_order", number, 100, 100)
    energy.ok(ALICE, "Market.amend_order", number, 50, 200)
    assert held(energy, ALICE) == free


def test_only_the_owner_changes_an_order(energy: Energy) -> None:
    number = place(energy, ALICE, SELL, 100, 100)
    refused(energy, errors.NotOwner, BOB, "amend_order", number, 50, 100)
    refused(energy, errors.NotOwner, BOB, "cancel_order", number)
    refused(energy, errors.OrderNotFound, ALICE, "amend_order", number + 1, 50, 100)
    refused(energy, errors.OrderNotFound, ALICE, "cancel_order", number + 1)


# --- cancelling


def test_cancelled_order_leaves_nothing_behind(energy: Energy) -> None:
    slot, market = next_slot(energy, 2), energy.pallets.market
    number = place(energy, ALICE, BUY, 100, 50)
    energy.ok(ALICE, "Market.cancel_order", number)
    assert energy.events() == [events.OrderCancelled(number)]
    assert held(energy, ALICE) == 0
    assert energy.pallets.watt.free.get(ALICE) == WATT_EACH
    assert market.orders.get(number) is None
    assert not market.levels.get((ZONE, slot, BUY))
    assert not ids(energy, slot, BUY)
    assert not market.open_orders.get(ALICE).ids
    assert market.positions.get((ZONE, slot), ALICE) is None
    refused(energy, errors.OrderNotFound, ALICE, "cancel_order", number)


def test_nothing_changes_after_the_gate(energy: Energy) -> None:
    slot = next_slot(energy, 2)
    number = place(energy, ALICE, BUY, 100, 50)
    pass_gate_time(energy, slot)
    refused(energy, errors.GateClosed, ALICE, "cancel_order", number)
    refused(energy, errors.GateClosed, ALICE, "amend_order", number, 50, 50)
    refused(energy, errors.NothingToDo, ALICE, "cancel_all", ZONE, None)


def test_cancel_all_takes_what_is_meant_and_still_open(energy: Energy) -> None:
    slot = next_slot(energy, 1)
    numbers = [place(energy, ALICE, BUY, 100, 50, slot + ahead) for ahead in (0, 1, 1, 2)]
    place(energy, BOB, BUY, 100, 50, slot + 1)
    refused(energy, errors.UnknownMarket, ALICE, "cancel_all", 9, None)
    refused(energy, errors.NothingToDo, CHARLIE, "cancel_all", ZONE, None)
    refused(energy, errors.NothingToDo, ALICE, "cancel_all", ZONE, slot + 3)
    energy.ok(ALICE, "Market.cancel_all", ZONE, slot + 1)
    assert energy.events() == [events.OrderCancelled(number) for number in numbers[1:3]]
    energy.next_block(6)
    energy.ok(ALICE, "Market.cancel_all", ZONE, None)
    assert energy.events() == [events.OrderCancelled(numbers[3])]
    assert energy.pallets.market.open_orders.get(ALICE).ids == (numbers[0],)


def test_two_zones_keep_their_books_apart(energy: Energy) -> None:
    energy.pallets.world.operators[2] = TRADERS[0]
    energy.pallets.world.wheeling[2] = 0
    energy.ok(ROOT, "Market.set_market", 2, PARAMETERS)
    slot = next_slot(energy, 2)
    energy.ok(ALICE, "Market.submit_order", 2, slot, SELL, 10, 10, 0)
    place(energy, ALICE, BUY, 10, 10)
    assert list(list_levels(energy.pallets.market.levels.get((2, slot, SELL)))) == [(10, 10, 1)]
