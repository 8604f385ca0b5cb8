"""The storage of one market instance, as the parts of the pallet share it, and the rules of its calendar.

Responsible for where a slot stands in time: when it begins, when its gate closes, which day it counts for. It
changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pallets.energy_trading import market_errors as errors
from pallets.energy_trading.market_config import MarketConfig
from pallets.energy_trading.market_types import (
    Bilateral,
    Book,
    Clearing,
    ContractId,
    Contracts,
    Coupling,
    Couplings,
    Curtailing,
    DayStats,
    Market,
    OpenOrders,
    Order,
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
    Slots,
    Terms,
    ZoneId,
)
from pallets.energy_trading.order_shelves import OrderShelves
from pallets.energy_trading.orders import Side
from pallets.energy_trading.units import compute_slot, slot_start_ms
from runtime.frame.dispatch import PalletError
from runtime.frame.event import Event
from runtime.frame.fungible import Reason
from runtime.frame.storage import DoubleMap, Map, Value
from runtime.primitives.scale import u32, u128
from runtime.primitives.types import AccountId, Hash

DAY_MS: Final = 86_400_000
DAY_OFFSET_MS: Final = 25_200_000
"""Thai days begin seven hours before those of UTC."""
GATE_PLACES: Final = 60
"""How many zones have gates at moments of their own."""


@dataclass(frozen=True, slots=True)
class MarketStore:
    """The storage items of one pallet instance, its configuration, and how it raises and tells."""

    config: MarketConfig
    escrow: Reason
    error: Callable[[type[PalletError]], PalletError]
    deposit: Callable[[Event], None]
    markets: Map[ZoneId, Market | None]
    participants: Map[AccountId, Participant | None]
    next_order_id: Value[OrderId]
    orders: OrderShelves
    open_orders: Map[AccountId, OpenOrders]
    levels: Map[tuple[ZoneId, SlotId, Side], PriceLevels]
    pages: Map[tuple[ZoneId, SlotId, Side, u32], OrderPage]
    books: Map[SlotKey, Book | None]
    positions: DoubleMap[SlotKey, AccountId, Position | None]
    clearings: Map[SlotKey, Clearing | None]
    progress: Map[SlotKey, Progress | None]
    trades: Map[tuple[ZoneId, SlotId, u32], RowPage]
    trades_root: Map[SlotKey, Hash | None]
    gate_queue: Map[ZoneId, Slots]
    work_queue: Map[ZoneId, Slots]
    unclaimed: Map[AccountId, u128]
    stats: Map[tuple[ZoneId, u32], DayStats]
    next_contract_id: Value[ContractId]
    bilaterals: Map[ContractId, Bilateral | None]
    contracts: Map[AccountId, Contracts]
    curtailing: Map[SlotKey, Curtailing | None]
    couplings: Map[SlotKey, Coupling | None]
    coupling_queue: Value[Couplings]

    def get_market(self, zone: int) -> Market:
        """Return a zone's market; UnknownMarket when there is none."""
        market = self.markets.get(zone)
        if market is None:
            raise self.error(errors.UnknownMarket)
        return market

    def get_order(self, order_id: int, who: AccountId) -> Order:
        """Return an active order of an account; OrderNotFound or NotOwner otherwise."""
        order = self.orders.get(order_id)
        if order is None:
            raise self.error(errors.OrderNotFound)
        if order.who != who:
            raise self.error(errors.NotOwner)
        return order

    def active_orders(self, who: AccountId) -> tuple[OrderId, ...]:
        """Return the numbers of an account's active orders, the oldest first; its list may have others."""
        return tuple(one for one in self.open_orders.get(who).ids if self.orders.contains(one))

    def current_slot(self) -> int:
        """Return the slot that is running."""
        return compute_slot(self.config.clock.now_ms(), self.config.slot_ms)

    def start_of(self, slot: int) -> int:
        """Return the moment when a slot begins, in milliseconds."""
        return slot_start_ms(slot, self.config.slot_ms)

    def gate_of(self, zone: int, slot: int, market: Market) -> int:
        """Return the moment from which on a slot takes no orders; neighbouring zones' lie apart."""
        stagger = zone % GATE_PLACES * self.config.gate_stagger_ms
        return self.start_of(slot) - market.parameters.gate_ms - stagger

    def day_of(self, moment_ms: int) -> int:
        """Return the Thai day of a moment, counted from 1970."""
        return (moment_ms + DAY_OFFSET_MS) // DAY_MS

    def today(self) -> int:
        """Return the Thai day of the block."""
        return self.day_of(self.config.clock.now_ms())

    def make_terms(self, zone: int) -> Terms:
        """Return the rules of a book that opens now."""
        parameters = self.get_market(zone).parameters
        return Terms(
            parameters.kind,
            parameters.rationing,
            parameters.k_permille,
            parameters.fee_bps,
            self.config.zones.wheeling_of(zone),
        )

    def ensure_open(self, key: SlotKey, market: Market) -> Book | None:
        """Return the book of a slot that takes orders now, None where it has none yet; raise MarketHalted,
        SlotNotOpen, GateClosed or TooFarAhead otherwise."""
        if market.is_halted:
            raise self.error(errors.MarketHalted)
        book = self.ensure_before_gate(key, market)
        if key[1] > self.current_slot() + market.parameters.horizon:
            raise self.error(errors.TooFarAhead)
        return book

    def is_gate_past(self, key: SlotKey, market: Market) -> bool:
        """Tell whether the time of a slot's gate has come."""
        return self.gate_of(*key, market) <= self.config.clock.now_ms()

    def is_before_gate(self, key: SlotKey, market: Market) -> bool:
        """Tell whether orders of a slot may still change."""
        try:
            self.ensure_before_gate(key, market)
        except PalletError:
            return False
        return True

    def ensure_before_gate(self, key: SlotKey, market: Market) -> Book | None:
        """Return the book of a slot whose orders may still change, None where it has none yet; raise
        SlotNotOpen, GateClosed or NotActive otherwise."""
        now = self.config.clock.now_ms()
        if self.gate_of(*key, market) <= now:
            raise self.error(errors.SlotNotOpen if self.start_of(key[1]) <= now else errors.GateClosed)
        book = self.books.get(key)
        if book is not None and book.phase is not Phase.Open:
            raise self.error(errors.NotActive if book.phase is Phase.Halting else errors.GateClosed)
        return book
