"""Settlement of slots: vectors through the pallet, cash sums to zero, pages of any size agree, what waits."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from pallets.energy_trading.units import compute_value
from pallets.settlement import settlement_errors as errors
from pallets.settlement import settlement_events as events
from pallets.settlement.imbalance import Delivery, Terms, settle
from pallets.settlement.settlement import Settlement
from pallets.settlement.settlement_types import (
    PRICES_MAX,
    ZONES_MAX,
    GridPrices,
    SlotSums,
    Stage,
    Tariff,
    TariffKind,
)
from pallets.settlement.tariff import OFF_PEAK_TICKS, ON_PEAK_TICKS, RESIDENTIAL_1_1
from runtime.frame.dispatch import (
    NOBODY,
    ROOT,
    ArithmeticDispatchError,
    ArithmeticReason,
    BadOrigin,
    Pays,
    Weight,
)
from runtime.primitives.arithmetic import U32_MAX
from tests.support.chain import ALICE, BOB, FERDIE
from tests.support.fake_watt import Trade
from tests.support.settlement import (
    CORRECTION_SLOTS,
    DEADLINE_SLOTS,
    MARKET_POT,
    NO_ZONE,
    OPERATOR,
    OTHER_ZONE,
    PENALTY_POT,
    PLAIN,
    SETTLEMENT_POT,
    SLOT_MS,
    ZONE,
    Community,
    Device,
    EnergyChain,
    accrued,
    current_slot,
    energy_chain,
    give,
    pass_slots,
    person,
    set_tariff,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "data" / "settlement.json"
CASES: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]
AMPLE = Weight(10**12, 10**9)
FIRST_BLOCK_TICKS = RESIDENTIAL_1_1[0].ticks


@pytest.fixture
def chain() -> Iterator[EnergyChain]:
    made = energy_chain(people=4)
    yield made
    made.close_block()


def pallet(chain: EnergyChain) -> Settlement:
    return chain.pallets.settlement


def tariff_of(params: dict[str, Any]) -> Tariff:
    names = ("fit", "ret", "tol_pm", "tol_min", "pen_bps", "netting")
    return Tariff(TariffKind.Flat, *(params[name] for name in names))


# --- vectors


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_vector_through_the_pallet(case: dict[str, Any]) -> None:
    accounts, expect = case["accounts"], case["expect"]
    chain = energy_chain(people=len(accounts))
    set_tariff(chain, tariff_of(case["params"]))
    community = Community(chain, len(accounts))
    for number, one in enumerate(accounts):
        community.trade(number, one["buy"], one["sell"])
    community.read(*((one["imp"], one["exp"]) for one in accounts))
    slot = community.slot
    community.settle()
    for number, row in enumerate(expect["rows"]):
        assert community.accrued(number) == int(row["net"]), row["id"]
    assert accrued(chain, OPERATOR) == int(expect["grid_cash"])
    assert accrued(chain, PENALTY_POT) == int(expect["penalty_pot"])
    result = pallet(chain).results.get((ZONE, slot))
    assert result is not None
    sums = result.sums
    found = (sums.netted_wh, sums.grid_buys_wh, sums.grid_sells_wh)
    assert found == tuple(expect[name] for name in ("netted_total_wh", "grid_buys_wh", "grid_sells_wh"))
    chain.close_block()


# --- one slot


def test_rows_are_told_and_counterparts_booked(chain: EnergyChain) -> None:
    tariff = structs.replace(PLAIN, penalty_bps=1_000)
    set_tariff(chain, tariff)
    community = Community(chain, 3)
    community.trade(0, 500, 0)
    community.trade(1, 0, 500, receivable=compute_value(500, 40_000))
    community.read((500, 0), (0, 400), (0, 30))
    slot = community.slot
    community.settle()
    mid = (22_000 + 57_982) // 2
    shortage = compute_value(30, mid) + compute_value(70, 57_982)
    penalties = (compute_value(100, 57_982) // 10, compute_value(30, 57_982) // 10)
    surplus = compute_value(30, mid)
    sold = compute_value(500, 40_000)
    assert community.accrued(0) == 0
    assert community.accrued(1) == sold - shortage - penalties[0]
    assert community.accrued(2) == surplus - penalties[1]
    assert accrued(chain, OPERATOR) == compute_value(70, 57_982)
    assert accrued(chain, PENALTY_POT) == sum(penalties)
    sums = SlotSums(30, 100, 30, 0, 70, compute_value(70, 57_982), sum(penalties), sold, 3)
    assert chain.events() == [
        events.ImbalanceCharged(ZONE, slot, person(1), 100, 30, shortage),
        events.PenaltyCharged(ZONE, slot, person(1), 100, penalties[0]),
        events.ImbalancePaid(ZONE, slot, person(2), 30, 30, surplus),
        events.PenaltyCharged(ZONE, slot, person(2), 30, penalties[1]),
        events.SlotSettled(ZONE, slot, sums),
    ]
    assert chain.pallets.market.settled.get() == 1
    assert not chain.pallets.meters.received.contains((ZONE, slot))


def test_receivables_go_from_the_markets_pot_to_the_settlement_pot(chain: EnergyChain) -> None:
    community, watt = Community(chain, 2), chain.pallets.watt
    community.trade(0, 500, 0)
    community.trade(1, 0, 500, receivable=7 * 10**12)
    before = watt.free.get(MARKET_POT), watt.free.get(SETTLEMENT_POT)
    community.read((500, 0), (0, 500))
    community.settle()
    after = watt.free.get(MARKET_POT), watt.free.get(SETTLEMENT_POT)
    assert (before[0] - after[0], after[1] - before[1]) == (7 * 10**12,) * 2
    assert community.accrued(1) == 7 * 10**12


def test_toy_fault_3_energy_sold_twice_is_paid_for_at_retail(chain: EnergyChain) -> None:
    """The same surplus may be offered twice, but is delivered once: what is missing costs what it costs."""
    community = Community(chain, 1)
    community.trade(0, 0, 2_000, receivable=compute_value(2_000, 30_000))
    community.read((0, 1_000))
    community.settle()
    assert community.accrued(0) == compute_value(2_000, 30_000) - compute_value(1_000, 57_982)


def test_accounts_without_a_meter_come_after_the_roster(chain: EnergyChain) -> None:
    """One Wh is left over by the floors; the first in the roster has it, whatever the order of keys."""
    community = Community(chain, 2)
    for trader in (ALICE, BOB):
        chain.pallets.market.trade(ZONE, community.slot, trader, Trade(0, 100))
    community.read((50, 0), (0, 201))
    slot = community.slot
    community.settle()
    told = [one for one in chain.events() if isinstance(one, events.ImbalanceCharged | events.ImbalancePaid)]
    assert [one.who for one in told[:2]] == [person(0), person(1)]
    assert sorted(one.who for one in told[2:]) == sorted((ALICE, BOB))
    netted = {one.who: one.netted_wh for one in told}
    assert (netted[person(0)], netted[person(1)]) == (41, 201)
    result = pallet(chain).results.get((ZONE, slot))
    assert result is not None
    assert result.sums.accounts == 4


def test_losses_are_paid_with_what_is_imported(chain: EnergyChain) -> None:
    chain.pallets.zones.loss_ppm = 25_000
    community = Community(chain, 2)
    community.read((1_039, 0), (0, 100))
    community.settle()
    result = pallet(chain).results.get((ZONE, community.slot - 1))
    assert result is not None
    assert result.sums.shortage_wh == 1_039 + 25
    assert result.sums.surplus_wh == 100


def test_time_of_use_and_prices_of_single_slots(chain: EnergyChain) -> None:
    set_tariff(chain, structs.replace(PLAIN, kind=TariffKind.TimeOfUse))
    wednesday_noon_ms = (1_700_000_000_000 // 86_400_000 + 1) * 86_400_000 + 5 * 3_600_000
    slot = wednesday_noon_ms // SLOT_MS
    assert pallet(chain).spread_ticks(ZONE, slot) == (22_000, ON_PEAK_TICKS)
    assert pallet(chain).spread_ticks(ZONE, slot + 12 * 400) == (22_000, OFF_PEAK_TICKS)
    first = current_slot(chain) + 1
    chain.ok(ROOT, "Settlement.set_prices", ZONE, first, (GridPrices(1, 2), GridPrices(3, 4)))
    assert chain.events() == [events.PricesSet(ZONE, first, 2)]
    assert pallet(chain).spread_ticks(ZONE, first + 1) == (3, 4)
    assert pallet(chain).spread_ticks(ZONE, first + 2)[0] == 22_000
    assert pallet(chain).spread_ticks(OTHER_ZONE, first) == (22_000, 57_982)


def test_block_tariff_asks_by_what_was_taken_in_the_month(chain: EnergyChain) -> None:
    tariff = structs.replace(PLAIN, kind=TariffKind.Blocks, feed_in_ticks=20_000)
    set_tariff(chain, tariff)
    community = Community(chain, 2)
    community.read((10_000, 0), (0, 1_000))
    community.settle()
    netted = compute_value(1_000, (20_000 + 57_982) // 2)
    first = compute_value(9_000, 23_488)
    assert community.accrued(0) == -netted - first
    assert accrued(chain, OPERATOR) == first
    assert (
        events.ImbalanceCharged(ZONE, community.slot - 1, person(0), 10_000, 1_000, netted + first)
        in chain.events()
    )
    community.read((8_000, 0), (0, 0))
    community.settle()
    second = compute_value(6_000, 23_488) + compute_value(2_000, 29_882)
    assert community.accrued(0) == -netted - first - second
    assert accrued(chain, OPERATOR) == first + second
    assert pallet(chain).month_uses.get(person(1)) is None
    use = pallet(chain).month_uses.get(person(0))
    assert use is not None
    assert use.energy_wh == 17_000
    pallet(chain).month_uses.put(person(0), structs.replace(use, month=use.month - 1))
    community.read((1_000, 0), (0, 0))
    community.settle()
    assert community.accrued(0) == -netted - first - second - compute_value(1_000, 23_488)


def test_prices_that_were_set_for_a_slot_stand_before_blocks(chain: EnergyChain) -> None:
    set_tariff(chain, structs.replace(PLAIN, kind=TariffKind.Blocks))
    slot = current_slot(chain) + 1
    chain.ok(ROOT, "Settlement.set_prices", ZONE, slot, (GridPrices(1, 2),))
    assert [pallet(chain).work.terms_of(ZONE, one).has_blocks for one in (slot, slot + 1)] == [False, True]


# --- pages


HOMES = st.lists(
    st.tuples(*(st.integers(0, 2_000),) * 4, st.booleans()),
    min_size=1,
    max_size=6,
)


Home = tuple[int, int, int, int, bool]


def settle_in_pages(chain: EnergyChain, homes: list[Home], sizes: list[int]) -> bytes:
    tariff = Tariff(TariffKind.Flat, 22_000, 57_983, 50, 50, 1_000, True)
    set_tariff(chain, tariff)
    with_meter = [home for home in homes if home[4]]
    community = Community(chain, len(with_meter))
    for number, (bought, sold, _, _, _) in enumerate(with_meter):
        community.trade(number, bought, sold, receivable=sold * 10**9)
    for number, (bought, sold, _, _, has_meter) in enumerate(homes):
        if not has_meter:
            trade = Trade(bought, sold, sold * 10**9)
            chain.pallets.market.trade(ZONE, community.slot, person(100 + number), trade)
            give(chain, MARKET_POT, sold * 10**9)
    if not with_meter:
        pallet(chain).on_cleared(ZONE, community.slot)
    community.read(*(home[2:4] for home in with_meter))
    place = 0
    while not pallet(chain).is_settled(ZONE, community.slot):
        pallet(chain).work.work(ZONE, sizes[place % len(sizes)])
        chain.api.try_state()
        place += 1
    chain.close_block()
    return chain.root()


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(HOMES, st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_pages_of_any_size_give_the_same_state_and_cash_sums_to_zero(
    homes: list[Home], sizes: list[int]
) -> None:
    chain = energy_chain()
    root = settle_in_pages(chain, homes, sizes)
    assert settle_in_pages(energy_chain(), homes, [50]) == root
    settlement = pallet(chain)
    received = sum(home[1] for home in homes) * 10**9
    assert sum(amount for _, amount in settlement.accrual.items()) == received
    paid = Terms(22_000, 57_983, 50, 50, 1_000, has_netting=True)
    listed = [home for home in homes if home[4]]
    if len(listed) == len(homes):
        rows, _ = settle(paid, [Delivery(*home[:4]) for home in homes])
        for number, (row, home) in enumerate(zip(rows, homes, strict=True)):
            assert accrued(chain, person(number)) == row.net + home[1] * 10**9


def test_an_epoch_waits_for_a_slot_that_is_being_settled(chain: EnergyChain) -> None:
    community = Community(chain, 3)
    community.trade(1, 0, 700, receivable=10**12)
    community.read((500, 0), (0, 400), (0, 30))
    settlement = pallet(chain)
    while (progress := settlement.settle_cursor.get(ZONE)) is None or progress.stage is not Stage.Settle:
        settlement.work.work(ZONE, 2)
    settlement.work.work(ZONE, 2)
    assert not settlement.is_settled(ZONE, community.slot)
    epoch = settlement.ledger.current_epoch()
    while settlement.ledger.current_epoch() == epoch:
        chain.next_block()
    assert settlement.netter.due_epoch() is None
    chain.noop(settlement.error(errors.EpochOpen), ALICE, "Settlement.net_page", epoch)
    chain.pallets.zones.is_in_service = False
    community.settle()
    chain.pallets.zones.is_in_service = True
    assert [found for found, _ in settlement.epochs.items()] == [epoch]
    assert settlement.netter.due_epoch() == epoch


# --- when


def test_slot_is_settled_once_all_meters_are_read(chain: EnergyChain) -> None:
    community = Community(chain, 2)
    error, slot = pallet(chain).error, community.slot
    chain.noop(error(errors.NothingToDo), ALICE, "Settlement.settle_page", ZONE, slot)
    community.read((10, 0), None)
    chain.noop(error(errors.MetersMissing), ALICE, "Settlement.settle_page", ZONE, slot)
    chain.ok(BOB, "Meters.submit_readings", (community.devices[1].count(5, 0),))
    chain.pallets.market.unfinished.put((ZONE, slot), True)
    chain.noop(error(errors.NotCleared), ALICE, "Settlement.settle_page", ZONE, slot)
    chain.pallets.market.unfinished.put((ZONE, slot), False)
    chain.noop(error(errors.NothingToDo), ALICE, "Settlement.settle_page", ZONE, slot + 1)
    chain.noop(error(errors.NothingToDo), ALICE, "Settlement.settle_page", OTHER_ZONE, slot)
    chain.noop(BadOrigin, NOBODY, "Settlement.settle_page", ZONE, slot)
    chain.pallets.watt.is_paused.put(True)
    chain.noop(error(errors.TokenPaused), ALICE, "Settlement.settle_page", ZONE, slot)
    chain.pallets.watt.is_paused.put(False)
    chain.pallets.zones.is_in_service = False
    chain.noop(error(errors.UnknownZone), ALICE, "Settlement.settle_page", ZONE, slot)
    chain.pallets.zones.is_in_service = True
    assert chain.ok(ALICE, "Settlement.settle_page", ZONE, slot).pays_fee is Pays.No
    assert pallet(chain).is_settled(ZONE, slot)
    assert not pallet(chain).is_settled(ZONE, slot + 1)


def test_slot_is_settled_at_the_deadline_with_something_for_silent_meters(chain: EnergyChain) -> None:
    community = Community(chain, 2)
    slot = community.slot
    community.trade(1, 300, 0)
    community.read((10, 0), None)
    while chain.pallets.time.now_ms() + 1_000 < (slot + 1 + DEADLINE_SLOTS) * SLOT_MS:
        chain.noop(pallet(chain).error(errors.MetersMissing), ALICE, "Settlement.settle_page", ZONE, slot)
        chain.next_block()
    chain.next_block()
    community.settle()
    assert community.accrued(1) == 0
    assert pallet(chain).provisional.get((ZONE, slot), person(1)) is not None
    assert pallet(chain).provisional.get((ZONE, slot), person(0)) is None


def test_hook_settles_what_is_due_within_its_weight() -> None:
    chain = energy_chain(AMPLE, people=2)
    community, other = Community(chain, 2), Community(chain, 1, OTHER_ZONE)
    community.read((10, 0), (0, 5))
    other.read((3, 0))
    pallet(chain).on_idle(chain.number, Weight(0, 0))
    assert not pallet(chain).is_settled(ZONE, community.slot)
    chain.next_block()
    assert pallet(chain).is_settled(ZONE, community.slot)
    assert pallet(chain).is_settled(OTHER_ZONE, other.slot)
    chain.close_block()


def test_hook_waits_while_the_token_refuses() -> None:
    chain = energy_chain(AMPLE, people=1)
    community = Community(chain, 1)
    community.trade(0, 0, 500, receivable=10**12)
    community.read((0, 500))
    chain.pallets.watt.free.put(MARKET_POT, 0)
    before = chain.state.pending()
    pallet(chain).on_idle(chain.number, AMPLE)
    assert chain.state.pending() == before
    give(chain, MARKET_POT, 2 * 10**12)
    chain.next_block()
    assert pallet(chain).is_settled(ZONE, community.slot)
    chain.close_block()


def test_what_is_past_correction_is_forgotten(chain: EnergyChain) -> None:
    community = Community(chain, 1)
    first, device = community.slot, community.devices[0]
    community.read(None)
    pass_slots(chain, DEADLINE_SLOTS)
    for _ in range(CORRECTION_SLOTS + 1):
        pass_slots(chain)
        community.settle()
    assert pallet(chain).results.get((ZONE, first)) is not None
    assert pallet(chain).provisional.get((ZONE, first), person(0)) is not None
    assert chain.pallets.meters.readings.get(first, device.id) is not None
    pass_slots(chain)
    community.settle()
    assert pallet(chain).results.get((ZONE, first)) is None
    assert pallet(chain).provisional.get((ZONE, first), person(0)) is None
    assert chain.pallets.meters.readings.get(first, device.id) is None


# --- tariffs and prices


@pytest.mark.parametrize(
    "tariff",
    [
        structs.replace(PLAIN, feed_in_ticks=57_983),
        structs.replace(PLAIN, tolerance_permille=1_001),
        structs.replace(PLAIN, penalty_bps=10_001),
        structs.replace(PLAIN, kind=TariffKind.TimeOfUse, feed_in_ticks=OFF_PEAK_TICKS + 1),
        structs.replace(PLAIN, kind=TariffKind.Blocks, feed_in_ticks=FIRST_BLOCK_TICKS + 1),
        structs.replace(PLAIN, kind=TariffKind.Blocks, retail_ticks=21_999),
    ],
)
def test_tariff_beyond_its_ranges_is_refused(chain: EnergyChain, tariff: Tariff) -> None:
    chain.noop(pallet(chain).error(errors.BadTariff), ROOT, "Settlement.set_tariff", ZONE, tariff)


def test_tariffs_at_the_limits_are_taken(chain: EnergyChain) -> None:
    limit = Tariff(TariffKind.Flat, 57_982, 57_982, 1_000, 0, 10_000, False)
    set_tariff(chain, limit)
    set_tariff(chain, structs.replace(PLAIN, kind=TariffKind.TimeOfUse))
    set_tariff(chain, structs.replace(PLAIN, kind=TariffKind.Blocks, feed_in_ticks=FIRST_BLOCK_TICKS))


def test_tariffs_and_prices_are_governed(chain: EnergyChain) -> None:
    error, slot = pallet(chain).error, current_slot(chain)
    prices = (GridPrices(1, 2),)
    chain.noop(BadOrigin, ALICE, "Settlement.set_tariff", ZONE, PLAIN)
    chain.noop(BadOrigin, ALICE, "Settlement.set_prices", ZONE, slot + 1, prices)
    chain.noop(error(errors.UnknownZone), ROOT, "Settlement.set_tariff", NO_ZONE, PLAIN)
    chain.noop(error(errors.UnknownZone), ROOT, "Settlement.set_prices", NO_ZONE, slot + 1, prices)
    chain.noop(error(errors.SlotBegun), ROOT, "Settlement.set_prices", ZONE, slot, prices)
    chain.noop(error(errors.BadTariff), ROOT, "Settlement.set_prices", ZONE, slot + 1, (GridPrices(2, 1),))
    overflow = ArithmeticDispatchError(ArithmeticReason.Overflow)
    chain.noop(overflow, ROOT, "Settlement.set_prices", ZONE, U32_MAX, prices)
    chain.ok(ROOT, "Settlement.set_prices", ZONE, U32_MAX - 1, prices)
    with pytest.raises(ValueError, match="192"):
        chain.call("Settlement.set_prices", ZONE, slot + 1, prices * (PRICES_MAX + 1))


def test_a_tariff_reaches_no_slot_that_has_begun(chain: EnergyChain) -> None:
    community = Community(chain, 1)
    cheap, dear = (structs.replace(PLAIN, retail_ticks=ticks) for ticks in (30_000, 90_000))
    first = community.slot
    chain.ok(ROOT, "Settlement.set_tariff", ZONE, dear)
    chain.ok(ROOT, "Settlement.set_tariff", ZONE, cheap)
    assert chain.events() == [events.TariffSet(ZONE, first + 1, cheap)]
    community.read((100, 0))
    pending = pallet(chain).error(errors.TariffPending)
    chain.noop(pending, ROOT, "Settlement.set_tariff", ZONE, dear)
    community.settle()
    assert community.accrued(0) == -compute_value(100, 57_982)
    chain.ok(ROOT, "Settlement.set_tariff", ZONE, dear)
    community.read((100, 0))
    community.settle()
    assert community.accrued(0) == -compute_value(100, 57_982 + 30_000)
    community.read((100, 0))
    community.settle()
    assert community.accrued(0) == -compute_value(100, 57_982 + 30_000 + 90_000)


def test_terms_of_a_slot_that_is_begun_stay(chain: EnergyChain) -> None:
    community = Community(chain, 2)
    community.read((100, 0), (100, 0))
    pallet(chain).work.work(ZONE, 1)
    chain.pallets.zones.loss_ppm = 500_000
    community.settle()
    assert community.accrued(1) == -compute_value(100, 57_982)


def test_so_many_zones_are_settled_and_not_one_more(chain: EnergyChain) -> None:
    for zone in range(100, 100 + ZONES_MAX + 1):
        pallet(chain).on_cleared(zone, current_slot(chain))
    assert len(pallet(chain).zones.get()) == ZONES_MAX
    pallet(chain).zones.kill()


def test_settling_follows_the_earliest_slot_of_a_zone(chain: EnergyChain) -> None:
    slot = current_slot(chain)
    pallet(chain).on_cleared(ZONE, slot + 5)
    assert pallet(chain).next_slot.get(ZONE) == slot
    Device("late", FERDIE).register(chain, slot + 2)
    assert pallet(chain).next_slot.get(ZONE) == slot
