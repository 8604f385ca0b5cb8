"""What the market answers to questions: markets, slots, books, orders, trades, positions for screens.

Responsible for shapes and what they mean. Energy is in Wh, prices in ticks of 0.0001 THB per kWh, money in
units of 10⁻¹² THB, moments in milliseconds since 1970.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from pallets.energy_trading.market_types import (
    CONTRACTS_MAX,
    PEAKS_MAX,
    ZONES_MAX,
    Bilateral,
    Clearing,
    ContractId,
    Halt,
    Limits,
    MarketParameters,
    OrderId,
    Phase,
    PriceLevel,
    SlotId,
    Stage,
    Terms,
    ZoneId,
    Zones,
)
from pallets.energy_trading.orders import Side
from runtime.frame.api import PAGE_MAX
from runtime.primitives.scale import MaxLen, Struct, i128, u32, u64, u128
from runtime.primitives.types import AccountId, Hash

DEPTH_MAX: Final = PAGE_MAX // 2
"""Most prices of each side of a book in one answer."""
PROOF_ROWS_MAX: Final = 8_192
"""Most rows of a slot of which one is proven; an auction has at most 4,096."""
ROW_BYTES_MAX: Final = 128

Levels: TypeAlias = Annotated[tuple[PriceLevel, ...], MaxLen(DEPTH_MAX)]


class MarketView(Struct, path="loam::energy::MarketView"):
    """A zone's market now.

    Slots `first_open` to `last_open` take orders, None while none does; `next_gate_ms` is the gate of the
    first. `waiting` slots have a book whose gate is to be closed, of `working` ones orders are dealt with.
    """

    zone: ZoneId
    operator: AccountId | None
    parameters: MarketParameters
    wheeling: u32
    halt: Halt
    halt_votes: u32
    resume_votes: u32
    current_slot: SlotId
    first_open: SlotId | None
    last_open: SlotId | None
    next_gate_ms: u64 | None
    waiting: u32
    working: u32


class WorkView(Struct, path="loam::energy::WorkView"):
    """How far the orders of a closed book are dealt with: what is done now, and rows of trades so far."""

    stage: Stage
    rows: u32


class SlotView(Struct, path="loam::energy::SlotView"):
    """A slot of a zone: how far it has come, what it has in its book, and what its auction found.

    `terms` are those of its book, of a slot without one those that a book would get now. `fees` and
    `wheeling` wait in the pot until the slot is settled. `coupled` are the zones that are cleared together
    with this one, itself included. `root` is that of the rows of trades, once all are written.
    """

    zone: ZoneId
    slot: SlotId
    phase: Phase
    start_ms: u64
    gate_ms: u64
    terms: Terms
    orders: u32
    positions: u32
    clearing: Clearing | None
    fees: u128
    wheeling: u128
    coupled: Zones
    work: WorkView | None
    curtailed_permille: u32 | None
    root: Hash | None


class IndicativeView(Struct, path="loam::energy::IndicativeView"):
    """What the auction would find if the gate closed now and the zone were cleared alone."""

    price: u32
    low: u32
    high: u32
    volume: u64


class BookView(Struct, path="loam::energy::BookView"):
    """The open book of a slot: the best prices of both sides, and the sums of all of them.

    `bid_levels` and `offer_levels` are how many prices there are in all. Bids of an auction stand at their
    limits, which include fee and wheeling; those of continuous trading at what they leave for energy. A book
    whose gate is closed has no levels any more.
    """

    zone: ZoneId
    slot: SlotId
    phase: Phase
    gate_ms: u64
    bids: Levels
    offers: Levels
    bid_wh: u128
    offer_wh: u128
    bid_orders: u32
    offer_orders: u32
    bid_levels: u32
    offer_levels: u32
    indicative: IndicativeView | None


class OrderView(Struct, path="loam::energy::OrderView"):
    """An active order; `escrow` is held for it, `is_changeable` until its gate closes."""

    order: OrderId
    who: AccountId
    zone: ZoneId
    slot: SlotId
    side: Side
    qty: u64
    limit: u32
    filled: u64
    escrow: u128
    phase: Phase
    gate_ms: u64
    is_changeable: bool


class TradeView(Struct, path="loam::energy::TradeView"):
    """A row of a slot's trades at its place: what one order got."""

    place: u32
    order: OrderId
    who: AccountId
    side: Side
    qty: u64
    price: u32
    energy: u128
    fee: u128
    wheeling: u128


class TradesView(Struct, path="loam::energy::TradesView"):
    """A page of a slot's rows, of `count` in all; `root` once all are written."""

    zone: ZoneId
    slot: SlotId
    root: Hash | None
    count: u32
    rows: Annotated[tuple[TradeView, ...], MaxLen(PAGE_MAX)]


class TradeProof(Struct, path="loam::energy::TradeProof"):
    """That a row stands at a place of `count` under a slot's root: the row in SCALE, and the siblings on the
    way to the root, the lowest first, in the tree of RFC 6962 with BLAKE2b-256."""

    root: Hash
    count: u32
    place: u32
    row: Annotated[bytes, MaxLen(ROW_BYTES_MAX)]
    siblings: Annotated[tuple[Hash, ...], MaxLen(PEAKS_MAX)]


class PositionView(Struct, path="loam::energy::PositionView"):
    """What an account has in one slot.

    `energy` is a buyer's payment or a seller's receivable, `charges` a buyer's fee and wheeling; `price` the
    mean of what was traded, rounded down. `saving` is what a buyer pays less than the grid asks, or what a
    seller gets more than the grid pays, for the same energy at the grid's prices of the slot; below zero
    where the grid would have been better.
    """

    zone: ZoneId
    slot: SlotId
    phase: Phase
    side: Side
    open_orders: u32
    open_wh: u64
    bought_wh: u64
    sold_wh: u64
    energy: u128
    charges: u128
    price: u32 | None
    feed_in_ticks: u32
    retail_ticks: u32
    saving: i128
    is_handed_over: bool


class ContractView(Struct, path="loam::energy::ContractView"):
    """A bilateral contract with its number."""

    contract: ContractId
    terms: Bilateral


class TraderView(Struct, path="loam::energy::TraderView"):
    """An account in the market: its limits and deposit while it is registered, what it ordered today, its
    open orders and what is held for them, and refunds that it may claim."""

    limits: Limits | None
    registration_deposit: u128
    ordered_today: u128
    open_orders: u32
    escrow: u128
    unclaimed: u128


class DayView(Struct, path="loam::energy::DayView"):
    """A zone's trade on a Thai day, counted from 1970; `price_mean` is the value over the volume, rounded
    down."""

    zone: ZoneId
    day: u32
    start_ms: u64
    slots: u32
    volume: u64
    value: u128
    price_min: u32
    price_max: u32
    price_mean: u32 | None
    orders: u32
    fees: u128
    wheeling: u128


Markets: TypeAlias = Annotated[tuple[MarketView, ...], MaxLen(ZONES_MAX)]
Contracts: TypeAlias = Annotated[tuple[ContractView, ...], MaxLen(CONTRACTS_MAX)]
