"""The events of the market pallet; no behaviour.

Energy is in Wh, prices in ticks of 0.0001 THB per kWh, money in units of 10⁻¹² THB.
"""

from pallets.energy_trading.market_types import (
    ContractId,
    Limits,
    MarketParameters,
    OrderId,
    RowPage,
    SlotId,
    ZoneId,
    Zones,
)
from pallets.energy_trading.orders import Side
from runtime.frame.dispatch import DispatchErrorValue
from runtime.frame.event import Event
from runtime.primitives.scale import u32, u64, u128
from runtime.primitives.types import AccountId, Hash


class MarketSet(Event, index=0):
    """A zone's market has these rules for books that open from now on."""

    zone: ZoneId
    parameters: MarketParameters


class ParticipantRegistered(Event, index=1):
    """An account registered with the market."""

    who: AccountId


class ParticipantLeft(Event, index=2):
    """An account left the market; its deposit came back."""

    who: AccountId


class LimitsSet(Event, index=3):
    """An account's limits in the market were set."""

    who: AccountId
    limits: Limits


class OrderPlaced(Event, index=4):
    """An order was placed; a buyer's money for it is held."""

    order: OrderId
    who: AccountId
    zone: ZoneId
    slot: SlotId
    side: Side
    qty: u64
    limit: u32


class OrderAmended(Event, index=5):
    """An order has another size or limit; unless it only became smaller, it is the youngest now."""

    order: OrderId
    qty: u64
    limit: u32


class OrderCancelled(Event, index=6):
    """An order was cancelled by its owner; what was held for it came back."""

    order: OrderId


class OrderAnnulled(Event, index=7):
    """An order ended unfilled, since its market was halted; what was held for it came back."""

    order: OrderId


class GateClosed(Event, index=8):
    """The gate of a slot closed with this energy wanted and offered."""

    zone: ZoneId
    slot: SlotId
    bids: u64
    offers: u64


class SlotCleared(Event, index=9):
    """An auction found its price; it lies between `low` and `high`. Fills follow page by page."""

    zone: ZoneId
    slot: SlotId
    price: u32
    low: u32
    high: u32
    volume: u64
    orders: u32
    welfare: u128


class NoCross(Event, index=10):
    """An auction ended without a trade: no bid reached an offer."""

    zone: ZoneId
    slot: SlotId


class TradeExecuted(Event, index=11):
    """Two orders traded at once, at the price of the one that waited."""

    zone: ZoneId
    slot: SlotId
    taker: OrderId
    maker: OrderId
    qty: u64
    price: u32
    fee: u128
    wheeling: u128


class OrdersFilled(Event, index=12):
    """Orders of an auction were filled, in the order of their arrival; what was held too much came back."""

    zone: ZoneId
    slot: SlotId
    rows: RowPage


class TradesSealed(Event, index=13):
    """All orders of a slot are dealt with; `root` is the Merkle root of its rows of trades."""

    zone: ZoneId
    slot: SlotId
    rows: u32
    root: Hash


class SlotSettled(Event, index=14):
    """A slot was settled; its fees went to the treasury and its wheeling to the zone's operator."""

    zone: ZoneId
    slot: SlotId
    fees: u128
    wheeling: u128


class MarketHalted(Event, index=15):
    """A zone's market is halted: all open orders are cancelled and everything held for them comes back."""

    zone: ZoneId


class MarketResumed(Event, index=16):
    """A zone's market takes orders again."""

    zone: ZoneId


class HaltVoted(Event, index=17):
    """A regulator asked for a market to be halted or resumed; so many have asked so far."""

    zone: ZoneId
    who: AccountId
    votes: u32


class SlotHalted(Event, index=18):
    """The halted orders of a slot are all refunded."""

    zone: ZoneId
    slot: SlotId


class FeesCollected(Event, index=19):
    """Fees were moved from the treasury's pot to an account."""

    to: AccountId
    amount: u128


class SlotArchived(Event, index=20):
    """A slot's rows and positions were removed; its result and the root of its rows stay."""

    zone: ZoneId
    slot: SlotId


class ZonesCleared(Event, index=21):
    """Zones that were cleared together are done; their lines paid this congestion rent to the grid's fund."""

    slot: SlotId
    zones: Zones
    welfare: u128
    rent: u128


class BilateralProposed(Event, index=22):
    """An account proposed a contract to a partner."""

    contract: ContractId
    proposer: AccountId
    partner: AccountId


class BilateralAccepted(Event, index=23):
    """A contract was accepted: the buyer paid for all its slots, the seller is owed the energy's value."""

    contract: ContractId
    paid: u128


class BilateralTerminated(Event, index=24):
    """A contract was withdrawn, rejected or ended; for slots that were still open the buyer was refunded."""

    contract: ContractId
    refunded: u128


class OrderWithdrawn(Event, index=25):
    """An order was taken out of its open book, since its account may not trade any more; what was held for it
    came back."""

    order: OrderId
    reason: DispatchErrorValue
