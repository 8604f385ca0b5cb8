"""Whatever is done in whatever order: money and energy are conserved, every buyer pays within the limit, no
order in the money is left, pages of any size give one state, and a halt refunds everything.

P1, P2, P3, P9, P10, P11, P12 and P14 of the market's rules; its `try_state` runs after every step.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import structs

from pallets.energy_trading.fills import Rationing
from pallets.energy_trading.levels import compute_effective_bid
from pallets.energy_trading.market_types import MarketKind, MarketParameters, NewOrder, Phase, Row
from pallets.energy_trading.orders import Side
from runtime.frame.dispatch import Weight
from tests.support.chain import Chain
from tests.support.energy import (
    OPERATOR,
    PARAMETERS,
    TRADERS,
    ZONE,
    EnergyChain,
    World,
    energy_chain,
    next_slot,
    pass_gate,
)

Energy = Chain[EnergyChain]
NO_IDLE = Weight(200_000_000, 1 << 63)
WHO = st.sampled_from(TRADERS)
SIDE = st.sampled_from(Side)
QTY, LIMIT = st.integers(1, 60), st.integers(1, 30)
ORDERS = st.lists(st.tuples(WHO, SIDE, QTY, LIMIT), min_size=1, max_size=25)
TERMS = st.builds(
    lambda rationing, k, fee: structs.replace(PARAMETERS, rationing=rationing, k_permille=k, fee_bps=fee),
    st.sampled_from(Rationing),
    st.sampled_from([0, 333, 500, 1_000]),
    st.sampled_from([0, 1, 100, 1_000]),
)


class MarketMachine(RuleBasedStateMachine):
    """Traders, an operator and time, in any order."""

    @initialize(parameters=TERMS, wheeling=st.integers(0, 5), kind=st.sampled_from(MarketKind))
    def begin(self, parameters: MarketParameters, wheeling: int, kind: MarketKind) -> None:
        self.energy = energy_chain(structs.replace(parameters, kind=kind), World(wheeling={ZONE: wheeling}))
        self.issuance = self.energy.pallets.watt.total_issuance()
        self.limits: dict[int, tuple[int, Side, int]] = {}

    def act(self, who: bytes, name: str, *args: Any) -> None:
        energy = self.energy
        before = energy.pallets.market.next_order_id.get()
        mark = list(energy.state.pending())
        error = energy.dispatch(who, energy.call(f"Market.{name}", *args)).error  # type: ignore[arg-type]  # an account
        if error is not None:
            assert energy.state.pending() == mark
            assert energy.pallets.market.next_order_id.get() == before

    @rule(who=WHO, side=SIDE, qty=QTY, limit=LIMIT, ahead=st.integers(0, 5))
    def submit(self, who: bytes, side: Side, qty: int, limit: int, ahead: int) -> None:
        self.act(who, "submit_order", ZONE, next_slot(self.energy, ahead), side, qty, limit, 0)

    @rule(who=WHO, orders=st.lists(st.tuples(SIDE, QTY, LIMIT, st.integers(1, 3)), max_size=4))
    def submit_batch(self, who: bytes, orders: list[tuple[Side, int, int, int]]) -> None:
        batch = tuple(
            NewOrder(ZONE, next_slot(self.energy, ahead), side, qty, limit)
            for side, qty, limit, ahead in orders
        )
        self.act(who, "submit_orders", batch)

    @rule(place=st.integers(0, 30), qty=QTY, limit=LIMIT, by_owner=st.booleans(), who=WHO)
    def amend(self, place: int, qty: int, limit: int, by_owner: bool, who: bytes) -> None:
        order_id, owner = self.pick(place)
        self.act(owner if by_owner else who, "amend_order", order_id, qty, limit)

    @rule(place=st.integers(0, 30), by_owner=st.booleans(), who=WHO)
    def cancel(self, place: int, by_owner: bool, who: bytes) -> None:
        order_id, owner = self.pick(place)
        self.act(owner if by_owner else who, "cancel_order", order_id)

    @rule(who=WHO)
    def cancel_all(self, who: bytes) -> None:
        self.act(who, "cancel_all", ZONE, None)

    @rule(is_halt=st.booleans(), who=st.sampled_from((OPERATOR, OPERATOR, TRADERS[0])))
    def halt_or_resume(self, is_halt: bool, who: bytes) -> None:
        self.act(who, "halt_market" if is_halt else "resume_market", ZONE)

    @rule(who=WHO, ahead=st.integers(0, 2))
    def step(self, who: bytes, ahead: int) -> None:
        self.act(who, "step_clearing", ZONE, next_slot(self.energy, ahead))

    @rule(ahead=st.integers(-3, 2))
    def settle(self, ahead: int) -> None:
        market, slot = self.energy.pallets.market, next_slot(self.energy, ahead)
        market.on_settled(ZONE, slot)

    @rule(
        who=WHO, partner=WHO, side=SIDE, first=st.integers(0, 3), more=st.integers(0, 2), qty=QTY, price=LIMIT
    )
    def propose(
        self, who: bytes, partner: bytes, side: Side, first: int, more: int, qty: int, price: int
    ) -> None:
        slot = next_slot(self.energy, first)
        self.act(who, "propose_bilateral", partner, ZONE, (slot, slot + more), side, qty, price)

    @rule(place=st.integers(0, 9), who=WHO, is_end=st.booleans())
    def answer(self, place: int, who: bytes, is_end: bool) -> None:
        contracts = list(self.energy.pallets.market.bilaterals.items())
        number, contract = contracts[place % len(contracts)] if contracts else (place, None)
        partner = who if contract is None else contract.partner
        self.act(partner, "terminate_bilateral" if is_end else "accept_bilateral", number)

    @rule(ahead=st.integers(1, 3), permille=st.integers(0, 1_000), is_lift=st.booleans())
    def curtail_or_lift(self, ahead: int, permille: int, is_lift: bool) -> None:
        slot = next_slot(self.energy, ahead)
        name, more = ("Grid.lift", ()) if is_lift else ("Grid.curtail", (permille,))
        self.energy.dispatch(OPERATOR, self.energy.call(name, ZONE, slot, *more))

    @rule(blocks=st.integers(1, 9))
    def pass_time(self, blocks: int) -> None:
        self.energy.next_block(blocks)

    def pick(self, place: int) -> tuple[int, bytes]:
        orders = list(self.energy.pallets.market.orders.items())
        if not orders:
            return place, TRADERS[0]
        order_id, order = orders[place % len(orders)]
        assert order is not None
        return order_id, order.who

    @invariant()
    def state_is_consistent(self) -> None:
        if hasattr(self, "energy"):
            self.energy.api.try_state()
            assert self.energy.pallets.watt.total_issuance() == self.issuance

    def teardown(self) -> None:
        if hasattr(self, "energy"):
            self.energy.ok(OPERATOR, "Market.resume_market", ZONE) if self.is_halted() else None
            self.energy.ok(OPERATOR, "Market.halt_market", ZONE)
            self.energy.next_block(2)
            self.energy.close_block()
            market, watt = self.energy.pallets.market, self.energy.pallets.watt
            assert not list(market.orders.items())
            assert all(amount == 0 for _, amount in watt.held.items())

    def is_halted(self) -> bool:
        market = self.energy.pallets.market.markets.get(ZONE)
        return market is not None and market.is_halted


TestMarketMachine = pytest.mark.slow(MarketMachine.TestCase)
TestMarketMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def filled_book(
    orders: list[tuple[bytes, Side, int, int]], parameters: MarketParameters
) -> tuple[Energy, int]:
    """Return a chain whose gate is closed and whose orders wait to be filled, since blocks have no idle
    time."""
    energy = energy_chain(parameters, World(wheeling={ZONE: 2}), hook_weight=NO_IDLE)
    slot = next_slot(energy, 2)
    for who, side, qty, limit in orders:
        energy.dispatch(who, energy.call("Market.submit_order", ZONE, slot, side, qty, limit, 0))  # type: ignore[arg-type]  # an account
    pass_gate(energy, slot)
    return energy, slot


def rows_of(energy: Energy, slot: int) -> Iterator[Row]:
    number = 0
    while page := energy.pallets.market.trades.get((ZONE, slot, number)):
        yield from page
        number += 1


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(ORDERS, TERMS, st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_pages_of_any_size_give_the_same_state(
    orders: list[tuple[bytes, Side, int, int]], parameters: MarketParameters, sizes: list[int]
) -> None:
    energy, slot = filled_book(orders, parameters)
    market, found = energy.pallets.market, []
    for steps in ([10_000], [1], sizes):
        mark, turn = energy.state.mark(), 0
        while market.work_queue.get(ZONE):
            market.life.work((ZONE, slot), steps[turn % len(steps)])
            market.try_state()
            turn += 1
        found.append(energy.state.pending())
        energy.state.rollback(mark)
    assert found[0] == found[1] == found[2]


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(ORDERS, TERMS)
def test_clearing_is_balanced_within_limits_and_leaves_nobody_in_the_money(
    orders: list[tuple[bytes, Side, int, int]], parameters: MarketParameters
) -> None:
    energy, slot = filled_book(orders, parameters)
    market = energy.pallets.market
    waiting = dict(market.orders.items())
    book = market.books.get((ZONE, slot))
    while market.work_queue.get(ZONE):
        market.life.work((ZONE, slot), 7)
    clearing = market.clearings.get((ZONE, slot))
    fills = {row.order: row for row in rows_of(energy, slot)}
    bought = sum(row.qty for row in fills.values() if row.side is Side.BUY)
    assert bought == sum(row.qty for row in fills.values() if row.side is Side.SELL)
    assert bought == (0 if clearing is None else clearing.volume)
    for order_id, order in waiting.items():
        assert order is not None
        row = fills.get(order_id)
        got = 0 if row is None else row.qty
        if row is not None and order.side is Side.BUY:
            assert row.energy + row.fee + row.wheeling <= got * order.limit * 10**5
        if row is not None and order.side is Side.SELL:
            assert row.energy >= got * order.limit * 10**5
        if clearing is not None and book is not None:
            worth = compute_effective_bid(order.limit, book.terms.rules())
            is_better = worth > clearing.price if order.side is Side.BUY else order.limit < clearing.price
            assert not is_better or got == order.qty, "who is in the money is filled"


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(ORDERS, TERMS, st.integers(0, 40), st.integers(1, 9))
def test_halt_at_any_moment_refunds_everything(
    orders: list[tuple[bytes, Side, int, int]], parameters: MarketParameters, done: int, size: int
) -> None:
    energy, slot = filled_book(orders, parameters)
    market, watt = energy.pallets.market, energy.pallets.watt
    if done:
        market.life.work((ZONE, slot), done)
    is_over = market.phase_of(ZONE, slot) is Phase.Cleared
    before = sorted(watt.free.items())
    energy.ok(OPERATOR, "Market.halt_market", ZONE)
    while market.work_queue.get(ZONE):
        market.life.work((ZONE, slot), size)
        market.try_state()
    assert all(amount == 0 for _, amount in watt.held.items())
    if is_over:
        assert sorted(watt.free.items()) == before
    else:
        start = energy_chain().pallets.watt
        assert sorted(watt.free.items()) == sorted(start.free.items())
    energy.close_block()
