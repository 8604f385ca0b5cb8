"""Market: prosumers and traders of a zone buy and sell energy of coming slots.

Responsible for who may trade, for markets and their halts, for the calls, and for the work of each block:
gates that are due and prices at its start, fills and refunds in its idle time, all within a weight. What
happens to orders, books and money is in the modules that it is made of: `order_desk` (placing), `order_books`
(storage), `escrow` (money), `slot_life` (phases), `order_work` (fills), `continuous` (trading at once). It
knows zones, permissions, collateral, regulators and time only as Protocols.

Invariants (checked by `try_state`): what is on hold of a buyer is the sum of size times limit of its active
orders; levels, pages, orders, positions and books agree; in every cleared slot as much is bought as sold; the
pot holds its endowment, what sellers are owed, and the fees and wheeling of slots that are not settled.
"""

from __future__ import annotations

from enum import IntEnum
from types import ModuleType
from typing import ClassVar, TypeAlias

from msgspec import structs

from pallets.energy_trading import market_errors as errors
from pallets.energy_trading import market_events as events
from pallets.energy_trading import weights
from pallets.energy_trading.bilateral import BilateralDesk
from pallets.energy_trading.block_work import BlockWork
from pallets.energy_trading.continuous import ContinuousTrading
from pallets.energy_trading.coupling import Couplings
from pallets.energy_trading.curtailment import Curtailment
from pallets.energy_trading.escrow import Escrow
from pallets.energy_trading.halts import Halts
from pallets.energy_trading.market_check import check_market
from pallets.energy_trading.market_config import MarketConfig
from pallets.energy_trading.market_store import MarketStore
from pallets.energy_trading.market_types import (
    BOOK_ORDERS_MAX,
    CONTRACT_SLOTS_MAX,
    HORIZON_MAX,
    NOBODY_WAITS,
    OPEN_ORDERS_MAX,
    ROW_PAGE,
    ZONES_MAX,
    Bilateral,
    Book,
    Clearing,
    ContractId,
    Contracts,
    Coupling,
    Curtailing,
    DayStats,
    HoldReason,
    Limits,
    MarketParameters,
    NewOrder,
    OpenOrders,
    OrderId,
    OrderPage,
    Participant,
    Phase,
    Position,
    PriceLevels,
    Progress,
    RowPage,
    SlotId,
    SlotKey,
    SlotPosition,
    Slots,
    Span,
    Voters,
    ZoneId,
    Zones,
    is_workable,
)
from pallets.energy_trading.market_types import Couplings as CouplingQueue
from pallets.energy_trading.market_types import (
    Market as ZoneMarket,
)
from pallets.energy_trading.order_books import OrderBooks
from pallets.energy_trading.order_desk import OrderDesk
from pallets.energy_trading.order_shelves import EMPTY_SHELF, OrderShelves, Shelf, ShelfId
from pallets.energy_trading.order_work import OrderWork
from pallets.energy_trading.orders import Side
from pallets.energy_trading.positions import Positions
from pallets.energy_trading.slot_life import SlotLife
from pallets.energy_trading.trade_rows import TradeRows
from pallets.energy_trading.withdrawals import Withdrawals
from runtime.frame.call import call
from runtime.frame.dispatch import (
    Origin,
    Pays,
    PostDispatchInfo,
    Weight,
    ensure_root,
    ensure_signed,
)
from runtime.frame.fungible import Reason
from runtime.frame.pallet import Binding, Pallet, constant
from runtime.frame.storage import BLAKE2_128_CONCAT, TWOX_64_CONCAT, DoubleMap, Map, Value, storage
from runtime.primitives.scale import u8, u32, u64, u128
from runtime.primitives.types import AccountId, Hash

BATCH_MAX = 64
CANCEL_MAX = OPEN_ORDERS_MAX
STEP_ORDERS = ROW_PAGE
"""Orders that one `step_clearing` deals with."""

Orders: TypeAlias = tuple[NewOrder, ...]


class Market(Pallet[MarketConfig]):
    """The energy market of the zones."""

    declared_in: ClassVar[tuple[ModuleType, ...]] = (events, errors)
    hold_reasons: ClassVar[type[IntEnum] | None] = HoldReason

    markets: Map[ZoneId, ZoneMarket | None] = storage(TWOX_64_CONCAT, docs="The market of a zone.")
    zones: Value[Zones] = storage(default=(), docs="The zones that have a market, in ascending order.")
    participants: Map[AccountId, Participant | None] = storage(
        BLAKE2_128_CONCAT, docs="Registered accounts and what they may do."
    )
    kept_limits: Map[AccountId, Limits | None] = storage(
        BLAKE2_128_CONCAT, docs="Limits that Compliance set for accounts that have left."
    )
    next_order_id: Value[OrderId] = storage(default=0, docs="The number of the next order.")
    shelves: Map[ShelfId, Shelf] = storage(
        TWOX_64_CONCAT,
        name="Orders",
        default=EMPTY_SHELF,
        docs="Active orders, sixteen numbers to an entry: a bit for each that is there as u16, then these "
        "orders, each who, zone u16, slot u32, side u8, qty u64, limit u32, filled u64, day u32, page u32.",
    )
    open_orders: Map[AccountId, OpenOrders] = storage(
        BLAKE2_128_CONCAT,
        default=OpenOrders(),
        docs="An account's orders with their slots, some of which are over, and what it ordered on its last "
        "day.",
    )
    levels: Map[tuple[ZoneId, SlotId, Side], PriceLevels] = storage(
        TWOX_64_CONCAT,
        default=b"",
        docs="The sums of an open book's prices, by side, the best first: 16 bytes for each, ticks as u32, "
        "Wh as u64, orders as u32.",
    )
    pages: Map[tuple[ZoneId, SlotId, Side, u32], OrderPage] = storage(
        TWOX_64_CONCAT,
        default=(),
        docs="The numbers of a book's orders as they arrived; of a continuous book by price.",
    )
    books: Map[SlotKey, Book | None] = storage(TWOX_64_CONCAT, docs="The books of slots, by zone and slot.")
    positions: DoubleMap[SlotKey, AccountId, Position | None] = storage(
        TWOX_64_CONCAT, BLAKE2_128_CONCAT, docs="What accounts want, offer and traded, by zone and slot."
    )
    clearings: Map[SlotKey, Clearing | None] = storage(TWOX_64_CONCAT, docs="Prices of slots.")
    progress: Map[SlotKey, Progress | None] = storage(
        TWOX_64_CONCAT, docs="How far the orders of closed books are dealt with."
    )
    trades: Map[tuple[ZoneId, SlotId, u32], RowPage] = storage(
        TWOX_64_CONCAT, default=(), docs="The rows of a slot's trades, by zone, slot and page."
    )
    trades_root: Map[SlotKey, Hash | None] = storage(
        TWOX_64_CONCAT, docs="The Merkle root of a cleared slot's rows."
    )
    gate_queue: Map[ZoneId, Slots] = storage(
        TWOX_64_CONCAT, default=(), docs="Slots of a zone whose gate is to be closed, the earliest first."
    )
    work_queue: Map[ZoneId, Slots] = storage(
        TWOX_64_CONCAT, default=(), docs="Slots of a zone whose orders are to be dealt with."
    )
    work_cursor: Value[u8] = storage(default=0, docs="The place of the zone that is worked on first.")
    halt_votes: Map[tuple[ZoneId, bool], Voters] = storage(
        TWOX_64_CONCAT, default=(), docs="Regulators that asked for a zone's halt (true), or its end (false)."
    )
    unclaimed: Map[AccountId, u128] = storage(
        BLAKE2_128_CONCAT, default=0, docs="Refunds of accounts that could not receive them."
    )
    stats: Map[tuple[ZoneId, u32], DayStats] = storage(
        TWOX_64_CONCAT, default=DayStats(), docs="A zone's trade by Thai day, counted from 1970."
    )

    archive_cursor: Map[ZoneId, SlotId] = storage(
        TWOX_64_CONCAT, default=0, docs="The next slot of a zone to be archived."
    )
    next_contract_id: Value[ContractId] = storage(default=0, docs="The number of the next contract.")
    bilaterals: Map[ContractId, Bilateral | None] = storage(
        TWOX_64_CONCAT, docs="Contracts between two accounts, proposed or accepted."
    )
    contracts: Map[AccountId, Contracts] = storage(
        BLAKE2_128_CONCAT, default=(), docs="The contracts that an account has proposed."
    )
    curtailing: Map[SlotKey, Curtailing | None] = storage(
        TWOX_64_CONCAT, docs="How far the curtailment of slots has come."
    )
    couplings: Map[SlotKey, Coupling | None] = storage(
        TWOX_64_CONCAT, docs="Auctions of several zones, by the first of them and slot."
    )
    coupling_queue: Value[CouplingQueue] = storage(
        default=(), docs="Auctions of several zones that wait for their prices."
    )
    doubted: Map[u64, AccountId | None] = storage(
        TWOX_64_CONCAT, docs="Accounts with orders that may have lost the right to trade, by number."
    )
    doubted_span: Value[Span] = storage(
        default=NOBODY_WAITS, docs="The first number in `Doubted`, and the one after the last."
    )

    def __init__(self, binding: Binding, config: MarketConfig) -> None:
        super().__init__(binding, config)
        self.orders = OrderShelves(self.shelves)
        self.store = MarketStore(
            config,
            Reason(self.index, HoldReason.Escrow),
            self.error,
            self.deposit,
            self.markets,
            self.participants,
            self.next_order_id,
            self.orders,
            self.open_orders,
            self.levels,
            self.pages,
            self.books,
            self.positions,
            self.clearings,
            self.progress,
            self.trades,
            self.trades_root,
            self.gate_queue,
            self.work_queue,
            self.unclaimed,
            self.stats,
            self.next_contract_id,
            self.bilaterals,
            self.contracts,
            self.curtailing,
            self.couplings,
            self.coupling_queue,
        )
        books, escrow, rows = OrderBooks(self.store), Escrow(self.store), TradeRows(self.store)
        self.escrow = escrow
        self.desk = OrderDesk(self.store, books, escrow, ContinuousTrading(self.store, books, escrow, rows))
        work, couplings = OrderWork(self.store, books, escrow, rows), Couplings(self.store, escrow)
        self.book = Positions(self.store)
        self.life = SlotLife(
            self.store,
            books,
            escrow,
            work,
            couplings,
            rows,
            self.book,
            Curtailment(self.store, books, escrow, self.book),
        )
        self.withdrawals = Withdrawals(self.store, self.desk, self.doubted, self.doubted_span)
        self.work = BlockWork(
            self.state,
            self.store,
            self.life,
            self.withdrawals,
            self.zones,
            self.work_cursor,
            self.archive_cursor,
        )
        self.bilateral = BilateralDesk(self.store, books, escrow, self.desk)
        self.halts = Halts(self.store, self.life, self.halt_votes)

    @constant
    def slot_ms(self) -> u32:
        """The length of a slot, in milliseconds; slot n begins n times that after 1970 began."""
        return self.config.slot_ms

    @constant
    def registration_deposit(self) -> u128:
        """The amount of GRID held while an account is registered."""
        return self.config.registration_deposit

    @constant
    def book_orders_max(self) -> u32:
        """The most active orders of one slot of a zone."""
        return BOOK_ORDERS_MAX

    @constant
    def open_orders_max(self) -> u32:
        """The most active orders of one account."""
        return OPEN_ORDERS_MAX

    @constant
    def batch_max(self) -> u32:
        """The most orders of one batch."""
        return BATCH_MAX

    @constant
    def regulators_needed(self) -> u32:
        """How many regulators must ask for a market to be halted or resumed."""
        return self.config.regulators_needed

    def genesis(self, markets: tuple[tuple[int, MarketParameters], ...]) -> None:
        """Open the markets that the chain starts with."""
        for zone, parameters in markets:
            self._set(zone, parameters)

    # --- hooks

    def on_initialize(self, number: int) -> Weight:
        """Withdraw orders of accounts that may not trade any more, then close the gates that are due and find
        their prices, at least one and then as weight allows."""
        del number
        return self.work.begin()

    def on_idle(self, number: int, remaining: Weight) -> Weight:
        """Fill and refund orders of closed books and archive old slots, as weight allows."""
        del number
        return self.work.go_on(remaining.least(self.config.hook_weight))

    # --- calls: who trades

    @call(0, weight=weights.MARKET_REGISTER_PARTICIPANT)
    def register_participant(self, origin: Origin) -> None:
        """Register the sender with the market; a deposit of GRID is held until it leaves."""
        who = ensure_signed(origin)
        if self.participants.contains(who):
            raise self.error(errors.AlreadyRegistered)
        deposit = self.config.registration_deposit
        self.config.currency.hold(self._registration(), who, deposit)
        limits = self.kept_limits.take(who) or self.config.default_limits
        self.participants.put(who, Participant(limits, deposit))
        self.deposit(events.ParticipantRegistered(who))

    @call(1, weight=weights.MARKET_LEAVE)
    def leave(self, origin: Origin) -> None:
        """Leave the market; the deposit comes back. Not on a day on which the sender ordered, nor with open
        orders or contracts that it proposed. Limits that Compliance set stay for its return."""
        who = ensure_signed(origin)
        participant = self.participants.get(who)
        if participant is None:
            raise self.error(errors.NotParticipant)
        own = self.open_orders.get(who)
        has_ordered = own.ordered > 0 and own.day == self.store.today()
        if self.store.active_orders(who) or has_ordered or self.contracts.contains(who):
            raise self.error(errors.StillOpen)
        self.open_orders.remove(who)
        if participant.limits != self.config.default_limits:
            self.kept_limits.put(who, participant.limits)
        self.config.currency.release(self._registration(), who, participant.deposit)
        self.participants.remove(who)
        self.deposit(events.ParticipantLeft(who))

    @call(2, weight=weights.MARKET_SET_LIMITS)
    def set_limits(self, origin: Origin, who: AccountId, limits: Limits) -> None:
        """Set what a registered account may trade: Wh in one order, Wh in one slot, WATT ordered in a day.

        Only for Compliance.
        """
        self.config.compliance(origin)
        participant = self.participants.get(who)
        if participant is None:
            raise self.error(errors.NotParticipant)
        self.participants.put(who, structs.replace(participant, limits=limits))
        self.deposit(events.LimitsSet(who, limits))

    # --- calls: orders

    @call(3, weight=weights.MARKET_SUBMIT_ORDER)
    def submit_order(
        self, origin: Origin, zone: ZoneId, slot: SlotId, side: Side, qty: u64, limit: u32, flags: u8
    ) -> None:
        """Offer or ask for so many Wh of a slot, at a limit in ticks of 0.0001 THB per kWh or better.

        A buyer's limit includes fee and wheeling; size times limit is held of its WATT. Flags are reserved
        and must be 0.
        """
        self.desk.submit(ensure_signed(origin), NewOrder(zone, slot, side, qty, limit, flags))

    def _batch_weight(self, orders: Orders) -> Weight:
        return weights.MARKET_SUBMIT_ORDERS.plus(weights.MARKET_SUBMIT_ORDERS_PER_ORDER.times(len(orders)))

    @call(4, weight=_batch_weight)
    def submit_orders(self, origin: Origin, orders: Orders) -> None:
        """Submit up to 64 orders, all of them or none."""
        who = ensure_signed(origin)
        if len(orders) > BATCH_MAX:
            raise self.error(errors.BatchTooLong)
        for order in orders:
            self.desk.submit(who, order)

    @call(5, weight=weights.MARKET_AMEND_ORDER)
    def amend_order(self, origin: Origin, order: OrderId, qty: u64, limit: u32) -> None:
        """Change an order of the sender to another open size in Wh and another limit in ticks.

        A smaller size at the same limit keeps its place among equal prices, everything else loses it.
        """
        self.desk.amend(ensure_signed(origin), order, qty, limit)

    @call(6, weight=weights.MARKET_CANCEL_ORDER)
    def cancel_order(self, origin: Origin, order: OrderId) -> None:
        """Cancel an order of the sender before its gate closes; what is held for it comes back."""
        self.desk.cancel(ensure_signed(origin), order)

    @call(7, weight=weights.MARKET_CANCEL_ALL.plus(weights.MARKET_CANCEL_ALL_PER_ORDER.times(CANCEL_MAX)))
    def cancel_all(self, origin: Origin, zone: ZoneId, slot: SlotId | None) -> PostDispatchInfo:
        """Cancel the sender's orders in a zone, or in one slot of it, whose gates are still open."""
        who = ensure_signed(origin)
        listed = self.open_orders.get(who).listed
        cancelled = self.desk.cancel_all(who, zone, slot)
        if not cancelled:
            raise self.error(errors.NothingToDo)
        per_order = weights.MARKET_CANCEL_ALL_PER_ORDER.times(len(listed))
        return PostDispatchInfo(weights.MARKET_CANCEL_ALL.plus(per_order))

    @call(8, weight=weights.MARKET_CLAIM)
    def claim(self, origin: Origin) -> None:
        """Claim refunds that the market could not pay, because the account could not receive them."""
        self.escrow.claim(ensure_signed(origin))

    # --- calls: the work of a slot

    @call(
        9,
        weight=weights.MARKET_STEP_CLEARING.plus(
            weights.MARKET_STEP_CLEARING_PER_ORDER.times(STEP_ORDERS + ZONES_MAX)
        ),
    )
    def step_clearing(self, origin: Origin, zone: ZoneId, slot: SlotId) -> PostDispatchInfo:
        """Deal with some orders of a slot whose gate is closed. Anyone can; it costs no fee."""
        ensure_signed(origin)
        done = self.life.work((zone, slot), STEP_ORDERS)
        if not done:
            raise self.error(errors.NothingToDo)
        per_order = weights.MARKET_STEP_CLEARING_PER_ORDER.times(done)
        return PostDispatchInfo(weights.MARKET_STEP_CLEARING.plus(per_order), Pays.No)

    # --- calls: markets

    @call(10, weight=weights.MARKET_HALT_MARKET)
    def halt_market(self, origin: Origin, zone: ZoneId) -> None:
        """Halt a zone's market: all open orders are cancelled and everything held for them comes back.

        For the zone's operator at once; regulators take several: see `RegulatorsNeeded`.
        """
        self.halts.ask_halt(ensure_signed(origin), zone)

    @call(11, weight=weights.MARKET_RESUME_MARKET)
    def resume_market(self, origin: Origin, zone: ZoneId) -> None:
        """Let a halted market take orders again. What regulators halted only they resume."""
        self.halts.ask_resume(ensure_signed(origin), zone)

    @call(12, weight=weights.MARKET_SET_MARKET)
    def set_market(self, origin: Origin, zone: ZoneId, parameters: MarketParameters) -> None:
        """Open a zone's market or give it other rules, for books that open from now on. By governance."""
        self.config.governance(origin)
        if not is_workable(parameters):
            raise self.error(errors.BadParameters)
        if self.config.zones.operator_of(zone) is None:
            raise self.error(errors.UnknownMarket)
        self._set(zone, parameters)
        self.deposit(events.MarketSet(zone, parameters))

    @call(13, weight=weights.MARKET_COLLECT_FEES)
    def collect_fees(self, origin: Origin, to: AccountId, amount: u128) -> None:
        """Move collected fees from the treasury's pot to an account. Only for Root."""
        ensure_root(origin)
        self.escrow.collect(to, amount)
        self.deposit(events.FeesCollected(to, amount))

    # --- calls: contracts

    @call(14, weight=weights.MARKET_PROPOSE_BILATERAL)
    def propose_bilateral(
        self,
        origin: Origin,
        partner: AccountId,
        zone: ZoneId,
        slots: tuple[SlotId, SlotId],
        side: Side,
        qty: u64,
        price: u32,
    ) -> None:
        """Propose a contract to a partner: so many Wh in each slot from the first to the last, at a price.

        `side` is the sender's. The buyer pays fee and wheeling besides the price.
        """
        who = ensure_signed(origin)
        seller, buyer = (partner, who) if side is Side.BUY else (who, partner)
        self.bilateral.propose(Bilateral(seller, buyer, zone, *slots, qty, price, who, is_active=False))

    @call(
        15,
        weight=weights.MARKET_ACCEPT_BILATERAL.plus(
            weights.MARKET_ACCEPT_BILATERAL_PER_SLOT.times(CONTRACT_SLOTS_MAX)
        ),
    )
    def accept_bilateral(self, origin: Origin, contract: ContractId) -> PostDispatchInfo:
        """Accept a contract that was proposed to the sender; the buyer pays for all its slots now."""
        slots = self.bilateral.accept(ensure_signed(origin), contract)
        per_slot = weights.MARKET_ACCEPT_BILATERAL_PER_SLOT.times(slots)
        return PostDispatchInfo(weights.MARKET_ACCEPT_BILATERAL.plus(per_slot))

    @call(
        16,
        weight=weights.MARKET_TERMINATE_BILATERAL.plus(
            weights.MARKET_TERMINATE_BILATERAL_PER_SLOT.times(CONTRACT_SLOTS_MAX)
        ),
    )
    def terminate_bilateral(self, origin: Origin, contract: ContractId) -> PostDispatchInfo:
        """Withdraw, reject or end a contract of the sender: for slots whose gates are open the buyer is
        refunded."""
        slots = self.bilateral.terminate(ensure_signed(origin), contract)
        per_slot = weights.MARKET_TERMINATE_BILATERAL_PER_SLOT.times(slots)
        return PostDispatchInfo(weights.MARKET_TERMINATE_BILATERAL.plus(per_slot))

    # --- what others ask for

    def iterate(self, zone: int, slot: int, after: AccountId | None, limit: int) -> list[SlotPosition]:
        """Return the positions of a cleared slot, at most so many, after that of an account."""
        return self.book.list_after((zone, slot), after, limit)

    def position_of(self, zone: int, slot: int, who: AccountId) -> SlotPosition | None:
        """Return an account's position in a slot, None when it has none."""
        return self.book.find((zone, slot), who)

    def take_receivable(self, zone: int, slot: int, who: AccountId) -> int:
        """Return what a seller is owed for a slot and mark it as handed over; the money is in the pot."""
        return self.book.take_receivable((zone, slot), who)

    def is_cleared(self, zone: int, slot: int) -> bool:
        """Tell whether no order of a slot will trade any more."""
        return self.life.is_cleared((zone, slot))

    def count(self, zone: int, slot: int) -> int:
        """Return how many accounts have a position in a slot."""
        found = self.books.get((zone, slot))
        return 0 if found is None else found.positions

    def on_settled(self, zone: int, slot: int) -> None:
        """Hear that a slot is settled: its fees and wheeling are paid out."""
        self.life.settle((zone, slot))

    def on_standing_lost(self, who: AccountId) -> None:
        """Hear that an account may have lost the right to trade: in the next block its orders are withdrawn,
        if so."""
        self.withdrawals.doubt(who)

    def phase_of(self, zone: int, slot: int) -> Phase:
        """Return how far a slot of a zone has come."""
        return self.life.phase_of((zone, slot))

    def is_gate_open(self, zone: int, slot: int) -> bool:
        """Tell whether orders of a slot may still change, no further ahead than a market may open."""
        market = self.markets.get(zone)
        is_near = slot <= self.store.current_slot() + HORIZON_MAX
        return market is not None and is_near and self.store.is_before_gate((zone, slot), market)

    def curtail(self, zone: int, slot: int, permille: int) -> bool | None:
        """Scale the positions of a cleared slot down to so many permille, for the grid's sake.

        None while the slot is not cleared, False where it was cleared together with other zones or halted.
        """
        return self.life.curtail((zone, slot), permille)

    def halt_for_emergency(self, zone: int) -> bool:
        """Halt a market for the grid's sake; False where there is none or it is halted already."""
        return self.halts.halt_for_emergency(zone)

    def try_state(self) -> None:
        """AssertionError unless books, holds, positions and the pot agree."""
        check_market(self.store, self.zones.get())
        self.withdrawals.check()

    # --- helpers

    def _set(self, zone: int, parameters: MarketParameters) -> None:
        found = self.markets.get(zone)
        if found is None:
            zones = self.zones.get()
            if len(zones) >= ZONES_MAX:
                raise self.error(errors.TooManyZones)
            self.zones.put(tuple(sorted((*zones, zone))))
            found = ZoneMarket(parameters)
        self.markets.put(zone, structs.replace(found, parameters=parameters))

    def _registration(self) -> Reason:
        return Reason(self.index, HoldReason.Registration)
