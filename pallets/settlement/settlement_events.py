"""The events of the Settlement pallet; no behaviour.

Energy is in Wh, money in units of 10⁻¹² THB.
"""

from pallets.settlement.settlement_types import EpochId, SlotId, SlotSums, Tariff, ZoneId
from runtime.frame.event import Event
from runtime.primitives.scale import i128, u32, u128
from runtime.primitives.types import AccountId, Hash


class SlotSettled(Event, index=0):
    """A slot is settled: what was delivered was compared with what was traded."""

    zone: ZoneId
    slot: SlotId
    sums: SlotSums


class ImbalanceCharged(Event, index=1):
    """An account delivered less than it sold, or took more than it bought, and pays for the difference."""

    zone: ZoneId
    slot: SlotId
    who: AccountId
    shortage_wh: u128
    netted_wh: u128
    amount: u128


class ImbalancePaid(Event, index=2):
    """An account delivered more than it sold, or took less than it bought, and is paid for the difference."""

    zone: ZoneId
    slot: SlotId
    who: AccountId
    surplus_wh: u128
    netted_wh: u128
    amount: u128


class PenaltyCharged(Event, index=3):
    """An account pays for what it deviated beyond the tolerance."""

    zone: ZoneId
    slot: SlotId
    who: AccountId
    excess_wh: u128
    amount: u128


class CorrectionSettled(Event, index=4):
    """A true reading came after its slot was settled: the account receives the amount, below zero pays."""

    zone: ZoneId
    slot: SlotId
    who: AccountId
    amount: i128


class NettingApplied(Event, index=5):
    """An epoch's payments of an account were made as one: it received the amount, below zero paid it, less
    what is missing."""

    epoch: EpochId
    who: AccountId
    amount: i128
    missing: u128


class EpochNetted(Event, index=6):
    """All payments of an epoch were made; the root is that of their rows."""

    epoch: EpochId
    root: Hash
    rows: u32
    net_debits: u128
    net_credits: u128


class HaircutApplied(Event, index=7):
    """A receiver went without an amount, since debtors and their guarantees could not pay it; arrears that
    are paid later go to it."""

    epoch: EpochId
    who: AccountId
    amount: u128


class TariffSet(Event, index=8):
    """A zone's slots are settled on this tariff from one on."""

    zone: ZoneId
    from_slot: SlotId
    tariff: Tariff


class PricesSet(Event, index=9):
    """The grid's prices of some slots were set, whatever the tariff says."""

    zone: ZoneId
    first_slot: SlotId
    count: u32


class PaymentKept(Event, index=10):
    """An account could not receive what it is owed, which can be claimed."""

    who: AccountId
    amount: u128


class PaymentClaimed(Event, index=11):
    """An account was paid what was kept for it."""

    who: AccountId
    amount: u128
