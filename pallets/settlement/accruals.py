"""What accounts owe and get in an epoch, added up until the epoch is netted.

Responsible for the sums of each account and each epoch. It moves no money. What accrues in an epoch sums to
what came from markets in it: every entry has a counterpart, another account, the grid's or a pot, or money
that lies in the settlement pot. A slot that takes several blocks accrues in one epoch, which stays open for
it.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from pallets.energy_trading.units import compute_slot
from pallets.settlement.settlement_types import Epoch, EpochId, SettlementConfig
from runtime.frame.storage import DoubleMap, Map, Value
from runtime.primitives.scale import i128
from runtime.primitives.types import AccountId


@dataclass(frozen=True, slots=True)
class Accruals:
    """The accruals of one settlement instance."""

    config: SettlementConfig
    accruals: DoubleMap[EpochId, AccountId, i128]
    epochs: Map[EpochId, Epoch]
    next_epoch: Value[EpochId | None]

    def epoch_of(self, slot: int) -> int:
        """Return the epoch that a slot lies in."""
        return (slot + self.config.epoch_offset_slots) // self.config.epoch_slots

    def current_epoch(self) -> int:
        """Return the epoch that is open now."""
        return self.epoch_of(compute_slot(self.config.clock.now_ms(), self.config.slot_ms))

    def is_open(self, epoch: int) -> bool:
        """Tell whether something may still accrue in an epoch."""
        return epoch >= self.current_epoch() or self.epochs.get(epoch).open_slots > 0

    def count_slot(self, epoch: int, change: int) -> None:
        """Note that a slot begins (1) or ends (-1) to accrue in an epoch."""
        sums = self.epochs.get(epoch)
        self.epochs.put(epoch, structs.replace(sums, open_slots=sums.open_slots + change))
        self._begin(epoch)

    def accrue(self, epoch: int, who: AccountId, amount: int) -> None:
        """Add what an account receives, or pays below zero, to an epoch that is open."""
        if amount == 0:
            return
        old = self.accruals.get(epoch, who)
        new = old + amount
        if new:
            self.accruals.put(epoch, who, new)
        else:
            self.accruals.remove(epoch, who)
        sums = self.epochs.get(epoch)
        debits = sums.debits + max(-new, 0) - max(-old, 0)
        credited = sums.credits + max(new, 0) - max(old, 0)
        self.epochs.put(epoch, structs.replace(sums, debits=debits, credits=credited))
        self._begin(epoch)

    def receive(self, epoch: int, amount: int) -> None:
        """Note that so much came into the settlement pot, to be paid out with an epoch."""
        sums = self.epochs.get(epoch)
        self.epochs.put(epoch, structs.replace(sums, received=sums.received + amount))

    def _begin(self, epoch: int) -> None:
        if self.next_epoch.get() is None:
            self.next_epoch.put(epoch)
