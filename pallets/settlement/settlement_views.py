"""What screens read of settlement; it changes nothing.

Responsible for answers that cost a bounded number of reads: pages of slots and of epochs. What the state does
not keep they do not tell: once an epoch is netted, what single accounts paid and got stands in events, under
the root of its batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pallets.settlement import settlement_errors as errors
from pallets.settlement.collateral import Collateral
from pallets.settlement.imbalance import Delivery
from pallets.settlement.settlement import OWED_EPOCHS_MAX, Settlement
from pallets.settlement.settlement_answers import (
    BillView,
    EpochView,
    MeteredView,
    Obstacle,
    SettlementState,
    SettlementView,
    SettlingView,
    StatementRow,
    TariffView,
    ZoneSettlement,
)
from pallets.settlement.settlement_types import SlotTerms
from pallets.settlement.slot_work import with_losses
from pallets.settlement.tariff import RESIDENTIAL_1_1, compute_block_bill
from runtime.frame.api import PAGE_MAX, RefusedQuestion
from runtime.frame.dispatch import PalletError
from runtime.primitives.arithmetic import U32_MAX
from runtime.primitives.types import AccountId

OBSTACLES: Final[dict[type[PalletError] | None, Obstacle]] = {
    None: Obstacle.Nothing,
    errors.NothingToDo: Obstacle.NotOver,
    errors.NotCleared: Obstacle.NotCleared,
    errors.MetersMissing: Obstacle.MetersMissing,
    errors.UnknownZone: Obstacle.OutOfService,
    errors.TokenPaused: Obstacle.TokenPaused,
}


@dataclass(frozen=True, slots=True)
class SettlementViews:
    """Readings of one settlement instance and the guarantees behind it."""

    settlement: Settlement
    collateral: Collateral

    # --- slots

    def list_zones(self) -> tuple[ZoneSettlement, ...]:
        """Return the zones that are settled, in ascending order."""
        return tuple(
            ZoneSettlement(zone, self._next_slot(zone), self._why_not(zone))
            for zone in self.settlement.zones.get()
        )

    def view_slot(self, zone: int, slot: int) -> SettlementView:
        """Return the settlement of a slot; RefusedQuestion where the zone is not settled."""
        upcoming, progress = self._next_slot(zone), self.settlement.settle_cursor.get(zone)
        if slot < upcoming:
            return self._view_settled(zone, slot)
        if progress is not None and progress.slot == slot:
            return SettlementView(
                zone,
                slot,
                SettlementState.Settling,
                self._why_not(zone),
                progress.operator,
                progress.terms,
                progress.sums,
                SettlingView(progress.stage, progress.place, progress.members, progress.epoch),
            )
        obstacle = self._why_not(zone) if slot == upcoming else Obstacle.EarlierSlot
        return SettlementView(
            zone,
            slot,
            SettlementState.Waiting,
            obstacle,
            self.settlement.config.zones.operator_of(zone),
            self.settlement.work.terms_of(zone, slot),
            None,
            None,
        )

    def view_tariff(self, zone: int) -> TariffView:
        """Return a zone's tariff, the chain's own where none was set."""
        current = self._current_slot()
        change = self.settlement.tariffs.get(zone)
        is_coming = change is not None and change.from_slot > current
        return TariffView(
            zone,
            self.settlement.work.tariff_of(zone, current),
            change.tariff if change is not None and is_coming else None,
            change.from_slot if change is not None and is_coming else None,
        )

    def spread_ticks(self, zone: int, slot: int) -> tuple[int, int]:
        """Return the grid's feed-in and retail prices of a slot: those that it was settled on as long as that
        is kept, else as known now."""
        terms = self._terms_of(zone, slot)
        return terms.feed_in_ticks, terms.retail_ticks

    # --- epochs

    def view_epoch(self, epoch: int | None) -> EpochView:
        """Return an epoch, by default the one that is open now."""
        ledger, config = self.settlement.ledger, self.settlement.config
        number = ledger.current_epoch() if epoch is None else epoch
        netting = self.settlement.netting.get()
        is_netting = netting is not None and netting.epoch == number
        return EpochView(
            number,
            self._first_slot(number),
            min(self._first_slot(number) + config.epoch_slots - 1, U32_MAX),
            ledger.is_open(number),
            self.settlement.epochs.get(number),
            netting.stage if netting is not None and is_netting else None,
            self.settlement.batches.get(number),
        )

    def list_epochs(self, first: int, limit: int) -> tuple[EpochView, ...]:
        """Return at most so many epochs from one on, up to the one that is open now."""
        end = min(first + min(limit, PAGE_MAX), self.settlement.ledger.current_epoch() + 1)
        return tuple(self.view_epoch(epoch) for epoch in range(first, end))

    # --- accounts

    def list_statement(self, who: AccountId, first: int, limit: int) -> tuple[StatementRow, ...]:
        """Return what at most so many epochs from one on mean for an account, those that mean something."""
        end = min(first + min(limit, PAGE_MAX), self.settlement.ledger.current_epoch() + 1)
        rows = (self._view_row(who, epoch) for epoch in range(first, end))
        return tuple(row for row in rows if row.amount or row.arrears or row.missed)

    def view_bill(self, who: AccountId, month: int, surcharge_ticks: int, service: int) -> BillView | None:
        """Return the grid's bill of a month, local and counted from January 1970; None where the state does
        not know what the account took: it keeps the last month in which a block tariff counted that."""
        found = self.settlement.month_uses.get(who)
        if found is None or found.month != month:
            return None
        bill = compute_block_bill(found.energy_wh, RESIDENTIAL_1_1, surcharge_ticks, service)
        return BillView(
            month,
            found.energy_wh,
            bill.energy,
            bill.surcharge,
            bill.service,
            bill.vat,
            bill.total,
            bill.total_satang,
        )

    def list_metered(self, who: AccountId, zone: int, first: int, limit: int) -> tuple[MeteredView, ...]:
        """Return what an account traded and was metered in at most so many slots from one on, those in which
        there is something."""
        end = min(first + min(limit, PAGE_MAX), U32_MAX + 1)
        rows = (self._view_metered(who, zone, slot) for slot in range(first, end))
        return tuple(row for row in rows if row.bought_wh or row.sold_wh or row.import_wh or row.export_wh)

    def sum_accrued(self, who: AccountId) -> int:
        """Return what an account is to receive of epochs that are not netted, below zero to pay; of at most 8
        of them."""
        settlement, current = self.settlement, self.settlement.ledger.current_epoch()
        first = settlement.next_epoch.get()
        if first is None:
            return 0
        epochs = range(max(first, current - OWED_EPOCHS_MAX + 1), current + 1)
        return sum(settlement.accrual.get(epoch, who) for epoch in epochs)

    def get_default_fund(self) -> int:
        """Return what the default fund has."""
        return self.collateral.default_fund.get()

    # --- leaves of the above

    def _next_slot(self, zone: int) -> int:
        found = self.settlement.next_slot.get(zone)
        if found is None:
            raise RefusedQuestion(f"zone {zone} has had neither a meter nor a market slot to settle")
        return found

    def _view_settled(self, zone: int, slot: int) -> SettlementView:
        found, state = self.settlement.results.get((zone, slot)), SettlementState.Settled
        if found is None:
            return SettlementView(zone, slot, state, Obstacle.Nothing, None, None, None, None)
        return SettlementView(
            zone, slot, state, Obstacle.Nothing, found.operator, found.terms, found.sums, None
        )

    def _why_not(self, zone: int) -> Obstacle:
        return OBSTACLES[self.settlement.work.why_not(zone)]

    def _terms_of(self, zone: int, slot: int) -> SlotTerms:
        found = self.settlement.results.get((zone, slot))
        return self.settlement.work.terms_of(zone, slot) if found is None else found.terms

    def _current_slot(self) -> int:
        config = self.settlement.config
        return config.clock.now_ms() // config.slot_ms

    def _first_slot(self, epoch: int) -> int:
        config = self.settlement.config
        return min(max(0, epoch * config.epoch_slots - config.epoch_offset_slots), U32_MAX)

    def _view_row(self, who: AccountId, epoch: int) -> StatementRow:
        cut = self.collateral.cuts.get(epoch, who)
        return StatementRow(
            epoch,
            self._first_slot(epoch),
            self.settlement.ledger.is_open(epoch),
            self.settlement.batches.contains(epoch),
            self.settlement.accrual.get(epoch, who),
            self.collateral.arrears.get(who, epoch).total,
            cut.amount,
            cut.claimed,
        )

    def _view_metered(self, who: AccountId, zone: int, slot: int) -> MeteredView:
        config = self.settlement.config
        position = config.positions.position_of(zone, slot, who)
        bought, sold = (0, 0) if position is None else (position.bought_wh, position.sold_wh)
        energy = config.readings.energy_of(slot, who, zone)
        taken = with_losses(energy.import_wh, self._terms_of(zone, slot).loss_ppm)
        return MeteredView(
            slot,
            bought,
            sold,
            energy.import_wh,
            energy.export_wh,
            Delivery(bought, sold, taken, energy.export_wh).deviation_wh,
            energy.is_complete,
            energy.is_substituted,
            self.settlement.is_settled(zone, slot),
        )
