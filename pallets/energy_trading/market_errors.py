"""The errors of the market pallet; no behaviour."""

from runtime.frame.dispatch import PalletError


class MarketHalted(PalletError, index=0):
    """The zone's market is halted and takes no orders."""


class SlotNotOpen(PalletError, index=1):
    """The slot has begun already, or its book is being closed."""


class GateClosed(PalletError, index=2):
    """The gate of this slot is closed: orders can neither be placed nor changed any more."""


class TooFarAhead(PalletError, index=3):
    """The slot is further ahead than the market's horizon."""


class QtyOutOfRange(PalletError, index=4):
    """The size in Wh is below the market's least or above what you may trade in one order."""


class PriceOutOfBand(PalletError, index=5):
    """The limit is below the market's floor or above its cap."""


class TickSize(PalletError, index=6):
    """The limit is no multiple of the market's price step."""


class NotParticipant(PalletError, index=7):
    """The account is not registered with the market."""


class KycInsufficient(PalletError, index=8):
    """The account is not identified well enough to trade; reported as `TierTooLow` by Compliance."""


class LicenceMissing(PalletError, index=9):
    """The account has no valid trading licence; reported as `LicenceMissing` by Compliance."""


class LimitExceededOpenOrders(PalletError, index=10):
    """The account has as many open orders as it may have."""


class LimitExceededPosition(PalletError, index=11):
    """The account would want or offer more energy in this slot than it may."""


class LimitExceededDaily(PalletError, index=12):
    """The account's orders of today would be worth more than it may order in a day."""


class SideLocked(PalletError, index=13):
    """The account stands on the other side of this slot: it either buys or sells in it."""


class InsufficientFunds(PalletError, index=14):
    """The account has less WATT free than the order needs at its limit."""


class InsufficientCollateral(PalletError, index=15):
    """The seller's collateral does not cover what it offers in this slot."""


class OrderNotFound(PalletError, index=16):
    """There is no active order with this number."""


class NotOwner(PalletError, index=17):
    """The order belongs to another account."""


class NotActive(PalletError, index=18):
    """The order's book is being closed; its escrow comes back by itself."""


class BookFull(PalletError, index=19):
    """The book of this slot holds as many orders as it can."""


class NothingToDo(PalletError, index=20):
    """There is no work to do here now."""


class BatchTooLong(PalletError, index=21):
    """A batch has more orders than one call takes."""


class PartnerMismatch(PalletError, index=22):
    """The contract names another account."""


class UnknownMarket(PalletError, index=23):
    """The zone has no market, or there is no such zone in service."""


class BadParameters(PalletError, index=24):
    """A market with these rules could not work."""


class TooManyZones(PalletError, index=25):
    """As many zones have a market as can be cleared together."""


class AlreadyRegistered(PalletError, index=26):
    """The account is registered with the market already."""


class UnknownFlags(PalletError, index=27):
    """An order carries flags, which are reserved."""


class NotOperator(PalletError, index=28):
    """Only the zone's operator or a regulator can do this."""


class AlreadyVoted(PalletError, index=29):
    """This regulator has asked for it already."""


class NotHalted(PalletError, index=30):
    """The market is not halted."""


class StillOpen(PalletError, index=31):
    """The account has open orders or contracts that it proposed, or has ordered today."""


class TooManyMatches(PalletError, index=32):
    """The order would trade with more others than one call may; submit it in parts."""


class UnknownContract(PalletError, index=33):
    """There is no contract with this number."""


class BadContract(PalletError, index=34):
    """A contract is with another account, from a slot to the same or a later one, and not over too many."""


class TooManyContracts(PalletError, index=35):
    """The account has proposed as many contracts as it may; terminate one that is over."""
