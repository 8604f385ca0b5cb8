"""What the market pallet stores and takes as arguments: markets, orders, books, clearings, positions.

Responsible for shapes, bounds and what they mean; no behaviour beyond what a record says of itself. Energy is
in Wh, prices in ticks of 0.0001 THB per kWh, money in units of 10⁻¹² THB.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Final, TypeAlias

from pallets.energy_trading.fills import Rationing
from pallets.energy_trading.levels import Rules
from pallets.energy_trading.orders import Bands, Side
from pallets.energy_trading.price_levels import LEVEL_BYTES
from runtime.primitives.scale import MaxLen, Struct, enum_path, i128, u8, u16, u32, u64, u128
from runtime.primitives.types import AccountId, Hash

ZONES_MAX: Final = 32
"""As many as one zonal auction takes; every hook looks at each zone."""
HORIZON_MAX: Final = 192
"""Slots ahead that a market may open."""
OPEN_SLOTS_MAX: Final = 2 * HORIZON_MAX
"""Slots of one zone with a book that waits for its gate, or for its orders to be dealt with."""
PAGE_ORDERS: Final = 256
LEVELS_MAX: Final = 4_096
BOOK_ORDERS_MAX: Final = 4_096
"""Active orders of one zone and slot, both sides together."""
OPEN_ORDERS_MAX: Final = 200
"""Active orders of one account."""
DROPPED_ORDERS: Final = 4
"""Orders that are over which an account's next order takes off its list."""
SLOT_ORDERS_MAX: Final = 64
"""Active orders of one account in one slot of a zone: 64 accounts at least fill a book."""
ROW_PAGE: Final = 128
"""Rows of trades in one page."""
PEAKS_MAX: Final = 32
FLAGS_KNOWN: Final = 0
"""Reserved: an auction with one price has no preference by colour or partner, so no flag is taken."""

ZoneId: TypeAlias = u16
SlotId: TypeAlias = u32
SlotKey: TypeAlias = tuple[ZoneId, SlotId]
OrderId: TypeAlias = u64
ListedOrders: TypeAlias = Annotated[tuple[tuple[OrderId, SlotId], ...], MaxLen(OPEN_ORDERS_MAX)]
OrderPage: TypeAlias = Annotated[tuple[OrderId, ...], MaxLen(PAGE_ORDERS)]
Slots: TypeAlias = Annotated[tuple[SlotId, ...], MaxLen(OPEN_SLOTS_MAX)]
Zones: TypeAlias = Annotated[tuple[ZoneId, ...], MaxLen(ZONES_MAX)]
Peaks: TypeAlias = Annotated[tuple[Hash, ...], MaxLen(PEAKS_MAX)]


@enum_path("pallet_market::HoldReason")
class HoldReason(IntEnum):
    """Why the pallet holds somebody's balance."""

    Escrow = 0
    Registration = 1


@enum_path("pallet_market::MarketKind")
class MarketKind(IntEnum):
    """How a zone trades: one auction at the gate, or at once as orders come."""

    CallUniform = 0
    Continuous = 1


@enum_path("pallet_market::Phase")
class Phase(IntEnum):
    """How far a slot of a zone has come."""

    Future = 0
    Open = 1
    GateClosed = 2
    Clearing = 3
    Cleared = 4
    Delivering = 5
    AwaitingMeters = 6
    Settled = 7
    Archived = 8
    Halting = 9
    Halted = 10
    Curtailing = 11


class NewOrder(Struct, path="pallet_market::NewOrder"):
    """An order as it is submitted; a buyer's limit includes fee and wheeling."""

    zone: ZoneId
    slot: SlotId
    side: Side
    qty: u64
    limit: u32
    flags: u8 = 0


class Order(Struct, path="pallet_market::Order"):
    """An active order: `qty` Wh are still open, `filled` Wh traded already, `day` is that on which it was
    placed, `page` says where it waits."""

    who: AccountId
    zone: ZoneId
    slot: SlotId
    side: Side
    qty: u64
    limit: u32
    filled: u64
    day: u32
    page: u32


class PriceLevel(Struct, path="pallet_market::PriceLevel"):
    """All that waits at one price."""

    ticks: u32
    qty: u64
    orders: u32


PriceLevels: TypeAlias = Annotated[bytes, MaxLen(LEVELS_MAX * LEVEL_BYTES)]
"""Of each price ticks u32, Wh u64 and orders u32, little-endian, the best first; see `price_levels.py`."""


class MarketParameters(Struct, path="pallet_market::MarketParameters"):
    """The rules of one zone's market; sizes in Wh, prices in ticks, all bounds inclusive.

    `k_permille` of the price interval goes to the sellers; gates close `gate_ms` before a slot begins.
    """

    kind: MarketKind
    rationing: Rationing
    k_permille: u16
    fee_bps: u16
    gate_ms: u32
    horizon: u16
    qty_min: u64
    qty_max: u64
    price_min: u32
    price_max: u32
    price_step: u32

    def bands(self, qty_max: int) -> Bands:
        """Return the bands of an account that may trade up to `qty_max` in one order."""
        return Bands(self.qty_min, qty_max, self.price_min, self.price_max, self.price_step)


@enum_path("pallet_market::Halt")
class Halt(IntEnum):
    """Whether a market is halted, and by whom; what regulators halted only they resume."""

    No = 0
    Operator = 1
    Regulators = 2
    Emergency = 3


class Market(Struct, path="pallet_market::Market"):
    """The market of a zone; while it is halted it takes no orders."""

    parameters: MarketParameters
    halt: Halt = Halt.No

    @property
    def is_halted(self) -> bool:
        """Tell whether the market takes no orders."""
        return self.halt is not Halt.No


class Limits(Struct, path="pallet_market::Limits"):
    """What one account may do: Wh of one order, Wh in one slot, and money of the orders of one day."""

    order_max: u64
    position_max: u64
    daily_max: u128


class Participant(Struct, path="pallet_market::Participant"):
    """A registered account, what it may do, and the deposit it made."""

    limits: Limits
    deposit: u128


class OpenOrders(Struct, path="pallet_market::OpenOrders"):
    """An account's orders, each with its slot, and the money that it ordered on its last day.

    All active ones are listed. One that was dealt with after its gate stays until an order comes that finds
    its slot begun, so to fill it writes an entry less.
    """

    listed: ListedOrders = ()
    day: u32 = 0
    ordered: u128 = 0

    @property
    def ids(self) -> tuple[OrderId, ...]:
        """The numbers of the listed orders, the oldest first."""
        return tuple(order_id for order_id, _ in self.listed)


class Terms(Struct, path="pallet_market::Terms"):
    """The rules of a book, fixed when its first order comes."""

    kind: MarketKind
    rationing: Rationing
    k_permille: u16
    fee_bps: u16
    wheeling: u32

    def rules(self) -> Rules:
        """Return what the auction adds to the energy's price."""
        return Rules(self.k_permille, self.fee_bps, self.wheeling)


class Book(Struct, path="pallet_market::Book"):
    """What is kept of a slot of a zone as a whole.

    `orders` are active, `positions` accounts have a position, `bid_page` and `offer_page` take the next
    order. `energy` is what buyers paid less what sellers are owed, below zero where more was sold than
    bought; `fees` and `wheeling` wait in the pot. `lead` is the first of zones that are cleared together.
    """

    terms: Terms
    phase: Phase
    orders: u32
    positions: u32
    bid_page: u32
    offer_page: u32
    energy: i128
    fees: u128
    wheeling: u128
    lead: ZoneId | None = None


class Position(Struct, path="pallet_market::Position"):
    """What an account has in one slot: on which side it stands, what it offers or wants, what it traded.

    `energy` is a buyer's payment or a seller's receivable, `charges` a buyer's fee and wheeling.
    """

    side: Side
    open_orders: u32
    open_wh: u64
    traded_wh: u64
    energy: u128
    charges: u128
    is_handed_over: bool = False


class Row(Struct, path="pallet_market::Row"):
    """What one order got; a buyer pays energy, fee and wheeling, a seller is owed the energy's value."""

    order: OrderId
    who: AccountId
    side: Side
    qty: u64
    price: u32
    energy: u128
    fee: u128
    wheeling: u128


RowPage: TypeAlias = Annotated[tuple[Row, ...], MaxLen(ROW_PAGE)]


class Clearing(Struct, path="pallet_market::Clearing"):
    """The result of an auction: `low` to `high` are the prices that clear it, `welfare` is in ticks · Wh.

    `volume` was bought, `sold` is another only where zones are cleared together, whose welfare is the
    coupling's. Of a continuous book the prices are the last, the least and the greatest so far.
    """

    price: u32
    low: u32
    high: u32
    volume: u64
    sold: u64
    value: u128
    welfare: u128
    bids: u32
    offers: u32


@enum_path("pallet_market::Stage")
class Stage(IntEnum):
    """What is to be done next with the orders of a book; in an open continuous book they go on trading."""

    MeasureBids = 0
    FillBids = 1
    MeasureOffers = 2
    FillOffers = 3
    ReturnBids = 4
    ReturnOffers = 5
    Unwind = 6
    Finish = 7


class SideMargin(Struct, path="pallet_market::SideMargin"):
    """Where a side stops being accepted: limits `low` to `high` get `accepted` of `total` Wh."""

    low: u32
    high: u32
    accepted: u64
    total: u64


class Progress(Struct, path="pallet_market::Progress"):
    """How far the orders of a book are dealt with: the next page, the next order in it, rows written.

    `time_left`, `unmeasured` and `left_over` say how far the margin of the side in hand is divided; `peaks`
    are those of the tree over the rows.
    """

    stage: Stage
    page: u32 = 0
    place: u32 = 0
    bids: SideMargin | None = None
    offers: SideMargin | None = None
    time_left: u64 = 0
    unmeasured: u64 = 0
    left_over: u64 = 0
    rows: u32 = 0
    peaks: Peaks = ()


CONTRACT_SLOTS_MAX: Final = 96
"""Slots of one contract: a day of quarter hours."""
CONTRACTS_MAX: Final = 32
"""Contracts that one account has proposed."""
ContractId: TypeAlias = u32
Contracts: TypeAlias = Annotated[tuple[ContractId, ...], MaxLen(CONTRACTS_MAX)]


class Bilateral(Struct, path="pallet_market::Bilateral"):
    """A contract of two accounts: so many Wh in each slot from the first to the last, at a fixed price.

    The buyer pays fee and wheeling besides. `proposer` is one of the two.
    """

    seller: AccountId
    buyer: AccountId
    zone: ZoneId
    first: SlotId
    last: SlotId
    qty: u64
    price: u32
    proposer: AccountId
    is_active: bool

    @property
    def partner(self) -> AccountId:
        """The one that the contract was proposed to."""
        return self.seller if self.proposer == self.buyer else self.buyer

    @property
    def slots(self) -> range:
        """The slots of the contract."""
        return range(self.first, self.last + 1)


class Wire(Struct, path="pallet_market::Wire"):
    """A line between two zones: Wh that fit into the slot, and wheeling in ticks."""

    source: ZoneId
    target: ZoneId
    capacity: u64
    wheeling: u32


WIRES_MAX: Final = 128
Amounts: TypeAlias = Annotated[tuple[u64, ...], MaxLen(ZONES_MAX)]


class Coupling(Struct, path="pallet_market::Coupling"):
    """Zones that are cleared together in one slot, in ascending order, and how far their auction has come:
    Wh accepted in each zone and sent over each line, accepted triples. In the end, welfare and congestion
    rent."""

    zones: Zones
    wires: Annotated[tuple[Wire, ...], MaxLen(WIRES_MAX)]
    bought: Amounts
    sold: Amounts
    flows: Annotated[tuple[u64, ...], MaxLen(WIRES_MAX)]
    steps: u32
    is_done: bool
    welfare: u128
    rent: u128


COUPLINGS_MAX: Final = 64
"""Auctions of several zones that wait for their prices."""
Couplings: TypeAlias = Annotated[tuple[SlotKey, ...], MaxLen(COUPLINGS_MAX)]


@enum_path("pallet_market::CurtailStage")
class CurtailStage(IntEnum):
    """What is done with the positions of a slot that is curtailed, in this order."""

    Count = 0
    Measure = 1
    Sellers = 2
    WeighBuyers = 3
    Buyers = 4


class Curtailing(Struct, path="pallet_market::Curtailing"):
    """How far a curtailment has come: the last position that was read, Wh bought in all, how far both sides
    are shared, money that sellers lose, that buyers paid for it, and that buyers got back."""

    permille: u16
    stage: CurtailStage
    after: AccountId | None = None
    total: u64 = 0
    buy_unmeasured: u64 = 0
    buy_left: u64 = 0
    buy_weigh_left: u64 = 0
    sell_unmeasured: u64 = 0
    sell_left: u64 = 0
    lost: u128 = 0
    weighed: u128 = 0
    refunded: u128 = 0


class DayStats(Struct, path="pallet_market::DayStats"):
    """A zone's day: slots cleared, Wh and money traded, least and greatest price, orders, fees, wheeling."""

    slots: u32 = 0
    volume: u64 = 0
    value: u128 = 0
    price_min: u32 = 0
    price_max: u32 = 0
    orders: u32 = 0
    fees: u128 = 0
    wheeling: u128 = 0


class SlotPosition(Struct, path="pallet_market::SlotPosition"):
    """A position as settlement reads it; `receivable` is owed to a seller for what it sold."""

    who: AccountId
    bought_wh: u64
    sold_wh: u64
    receivable: u128


VOTERS_MAX: Final = 100
"""Most votes of regulators that are counted for a halt or its end."""
Voters: TypeAlias = Annotated[tuple[AccountId, ...], MaxLen(VOTERS_MAX)]
"""As many as a consortium has members."""

Span: TypeAlias = tuple[u64, u64]
"""The number of the first that waits, and that of the next to come."""
NOBODY_WAITS: Final[Span] = (0, 0)

FEE_CAP_BPS: Final = 1_000
PRICE_CAP_TICKS: Final = 1_000_000
QTY_CAP_WH: Final = 1_000_000_000
GATE_CAP_MS: Final = 86_400_000


def is_workable(parameters: MarketParameters) -> bool:
    """Tell whether a market with these rules can work: every value within what policy and types allow."""
    one = parameters
    return (
        one.k_permille <= 1_000
        and one.fee_bps <= FEE_CAP_BPS
        and one.gate_ms <= GATE_CAP_MS
        and 1 <= one.horizon <= HORIZON_MAX
        and 1 <= one.qty_min <= one.qty_max <= QTY_CAP_WH
        and one.price_min <= one.price_max <= PRICE_CAP_TICKS
        and one.price_step >= 1
    )
