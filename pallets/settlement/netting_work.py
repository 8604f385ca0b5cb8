"""Netting an epoch: each account pays or receives once what accrued in it.

Responsible for collecting from debtors before creditors are paid, for what happens when a debtor cannot pay,
and for the Merkle root of the rows. Everything goes through the settlement pot. It knows no reading and no
price.

A debtor pays from its free balance above the minimum; what that lacks its guarantees cover; what they lack is
cut from all creditors in proportion, floor and one unit each in the order of the accounts' keys, so the pot
pays out exactly what came in. Accounts are read once to collect, a second time to measure where something is
missing, and a last time to pay, in pages of any size with one result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from msgspec import structs

from pallets.settlement import settlement_events as events
from pallets.settlement.accruals import Accruals
from pallets.settlement.settlement_types import (
    Batch,
    EpochId,
    NetRow,
    NettingProgress,
    NettingStage,
    ShareState,
)
from runtime.frame.event import Event
from runtime.frame.fungible import Preservation
from runtime.frame.storage import Map, Value
from runtime.primitives.proportion import measure, share, start_sharing
from runtime.primitives.row_tree import append_row, fold_peaks
from runtime.primitives.scale import codec, u128
from runtime.primitives.types import AccountId

EPOCHS_SKIPPED_MAX = 64
"""Epochs without any accrual that one step passes over."""


class _Position(NamedTuple):
    who: AccountId
    amount: int


@dataclass(frozen=True, slots=True)
class NettingWork:
    """The epochs of one settlement instance."""

    ledger: Accruals
    deposit: Callable[[Event], None]
    netting: Value[NettingProgress | None]
    batches: Map[EpochId, Batch | None]
    unclaimed: Map[AccountId, u128]

    def due_epoch(self) -> int | None:
        """Return the epoch that is to be netted now, None when all that are over are netted."""
        epoch = self.ledger.next_epoch.get()
        return None if epoch is None or self.ledger.is_open(epoch) else epoch

    def work(self, accounts_max: int) -> int:
        """Net on until so many accounts were read or the epoch is netted; return how many, at least one."""
        if self._skip_empty():
            return 1
        done = 0
        while done < accounts_max:
            progress = self._get_progress()
            limit = accounts_max - done
            page = self._list(progress, limit)
            done += max(1, len(page))
            progress = self._read(progress, page)
            if page:
                progress = structs.replace(progress, after=page[-1].who)
            if len(page) == limit:
                self.netting.put(progress)
            elif progress.stage is NettingStage.Pay:
                self._finish(progress)
                break
            else:
                self.netting.put(self._next_stage(progress))
        return done

    # --- helpers

    def _skip_empty(self) -> bool:
        """Pass over some epochs in which nothing accrued; tell whether there were any."""
        first = epoch = self.ledger.next_epoch.get()
        if epoch is None or first is None:
            return False
        end = min(self.ledger.current_epoch(), epoch + EPOCHS_SKIPPED_MAX)
        while epoch < end and not self.ledger.epochs.contains(epoch):
            epoch += 1
        if epoch != first:
            self.ledger.next_epoch.put(epoch)
        return epoch != first

    def _get_progress(self) -> NettingProgress:
        found = self.netting.get()
        if found is not None:
            return found
        epoch = self.ledger.next_epoch.get()
        assert epoch is not None, "an epoch that is due is the next"
        received = self.ledger.epochs.get(epoch).received
        return NettingProgress(epoch, NettingStage.Collect, pool=received)

    def _list(self, progress: NettingProgress, limit: int) -> list[_Position]:
        accruals = self.ledger.accruals
        prefix = accruals.raw_prefix(progress.epoch)
        start = None if progress.after is None else accruals.raw_key((progress.epoch, progress.after))
        found = [accruals.decode_key(raw)[1] for raw in islice(accruals.raw_keys(prefix, start), limit)]
        return [_Position(who, accruals.get(progress.epoch, who)) for who in found]

    def _read(self, progress: NettingProgress, page: list[_Position]) -> NettingProgress:
        """Return the progress after a page in its stage."""
        match progress.stage:
            case NettingStage.Collect:
                return self._collect(progress, page)
            case NettingStage.Measure:
                haircut = measure(progress.haircut.to_proportion(), _list_credits(page))
                return structs.replace(progress, haircut=ShareState(*haircut))
            case NettingStage.Pay:
                return self._pay(progress, page)

    def _collect(self, progress: NettingProgress, page: list[_Position]) -> NettingProgress:
        for who, amount in page:
            if amount < 0:
                paid = self._collect_from(progress.epoch, who, -amount)
                missing = -amount - paid
                progress = structs.replace(
                    progress, pool=progress.pool + paid, missing=progress.missing + missing
                )
                progress = self._tell(progress, NetRow(who, amount, missing))
        return progress

    def _collect_from(self, epoch: int, who: AccountId, owed: int) -> int:
        """Move what a debtor and its guarantees can pay into the pot; return how much that is."""
        config = self.ledger.config
        paid = min(owed, config.asset.reducible_balance(who, Preservation.PRESERVE))
        if paid:
            config.asset.transfer(who, config.settlement_pot, paid, Preservation.PRESERVE)
        if paid < owed:
            paid += config.guarantees.cover(epoch, who, owed - paid, config.settlement_pot)
        return paid

    def _pay(self, progress: NettingProgress, page: list[_Position]) -> NettingProgress:
        cuts, haircut = share(progress.haircut.to_proportion(), _list_credits(page))
        progress = structs.replace(progress, haircut=ShareState(*haircut))
        for (who, amount), cut in zip(page, cuts, strict=True):
            self.ledger.accruals.remove(progress.epoch, who)
            if amount > 0:
                self._pay_to(who, amount - cut)
                progress = structs.replace(progress, pool=progress.pool - (amount - cut))
                progress = self._tell(progress, NetRow(who, amount, cut))
            if cut:
                self.ledger.config.guarantees.note_haircut(progress.epoch, who, cut)
                self.deposit(events.HaircutApplied(progress.epoch, who, cut))
        return progress

    def _pay_to(self, who: AccountId, amount: int) -> None:
        """Pay a creditor out of the pot, its arrears first, or keep for it what it cannot receive now."""
        config = self.ledger.config
        if not amount:
            return
        amount -= config.guarantees.set_off(who, amount, config.settlement_pot)
        if not amount:
            return
        if config.asset.can_receive(who, amount):
            config.asset.transfer(config.settlement_pot, who, amount, Preservation.PRESERVE)
        else:
            self.unclaimed.put(who, self.unclaimed.get(who) + amount)
            self.deposit(events.PaymentKept(who, amount))

    def _tell(self, progress: NettingProgress, row: NetRow) -> NettingProgress:
        """Put a row into the batch."""
        self.deposit(events.NettingApplied(progress.epoch, row.who, row.amount, row.missing))
        peaks = append_row(progress.peaks, progress.rows, codec(NetRow).encode(row))
        return structs.replace(progress, rows=progress.rows + 1, peaks=peaks)

    def _next_stage(self, progress: NettingProgress) -> NettingProgress:
        """Return the progress at the beginning of the next reading of all accounts."""
        progress = structs.replace(progress, after=None)
        if progress.stage is NettingStage.Measure:
            return structs.replace(progress, stage=NettingStage.Pay)
        total = self.ledger.epochs.get(progress.epoch).credits
        haircut = start_sharing(progress.missing, total)
        stage = NettingStage.Pay if haircut.is_measured else NettingStage.Measure
        return structs.replace(progress, stage=stage, haircut=ShareState(*haircut))

    def _finish(self, progress: NettingProgress) -> None:
        """Seal the batch of an epoch whose accounts are all paid."""
        assert progress.pool == 0, "what is collected is paid out"
        epoch, root = progress.epoch, fold_peaks(progress.peaks)
        sums = self.ledger.epochs.take(epoch)
        self.batches.put(
            epoch, Batch(root, progress.rows, sums.debits, sums.credits, sums.received, progress.missing)
        )
        self.netting.kill()
        self.ledger.next_epoch.put(epoch + 1)
        self.deposit(events.EpochNetted(epoch, root, progress.rows, sums.debits, sums.credits))


def _list_credits(page: list[_Position]) -> list[int]:
    return [max(amount, 0) for _, amount in page]
