"""Settling one slot of a zone: from readings and positions to what each account owes and gets.

Responsible for the order of accounts, for reading them as often as the imbalance rule needs, page by page,
and for booking each row with its counterparts: the zone's operator for what the grid buys and sells, the
penalty pot, and the market's pot for what sellers are owed. It moves only the last of these, into the
settlement pot; the rest accrues.

The order is the zone's roster, then accounts without a meter in the order of the market's positions. While a
slot is being settled neither changes: its readings are closed, its positions final, and who comes into the
roster meanwhile is left to a later slot. So pages of any size give the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import structs

from pallets.energy_trading.units import FEE_MAX_BPS, compute_value, slot_start_ms
from pallets.settlement import settlement_errors as errors
from pallets.settlement import settlement_events as events
from pallets.settlement.accruals import Accruals
from pallets.settlement.corrections import correct
from pallets.settlement.imbalance import (
    WHOLE_PERMILLE,
    Delivery,
    Row,
    SettleCursor,
    Sums,
    count_page,
    measure_page,
    settle_page,
    start_settling,
)
from pallets.settlement.settlement_types import (
    LOSS_WHOLE_PPM,
    Change,
    GridPrices,
    MeteredEnergy,
    MonthUse,
    Progress,
    Provisional,
    SettlementConfig,
    ShareState,
    SlotId,
    SlotKey,
    SlotResult,
    SlotTerms,
    Stage,
    Tariff,
    TariffChange,
    TariffKind,
    ZoneId,
)
from pallets.settlement.tariff import (
    OFF_PEAK_TICKS,
    RESIDENTIAL_1_1,
    compute_block_increase,
    compute_month,
    compute_retail_ticks,
)
from runtime.frame.dispatch import PalletError
from runtime.frame.event import Event
from runtime.frame.fungible import Preservation
from runtime.frame.storage import DoubleMap, Map
from runtime.primitives.types import AccountId


class _Party(NamedTuple):
    """An account in a slot: its delivery with losses, and whether a reading in it was substituted."""

    who: AccountId
    delivery: Delivery
    is_substituted: bool


class _Unproven(NamedTuple):
    """What is taken back of an account that no reading proved in time."""

    import_wh: int
    export_wh: int


class _Page(NamedTuple):
    """The next accounts in order, where the one after them is found, and how many had to be looked at."""

    parties: list[_Party]
    place: int
    after: AccountId | None
    is_last: bool
    looked_at: int


@dataclass(frozen=True, slots=True)
class SlotWork:
    """The slots of one settlement instance."""

    config: SettlementConfig
    ledger: Accruals
    error: Callable[[type[PalletError]], PalletError]
    deposit: Callable[[Event], None]
    tariffs: Map[ZoneId, TariffChange | None]
    prices: Map[SlotKey, GridPrices | None]
    next_slot: Map[ZoneId, SlotId | None]
    progress: Map[ZoneId, Progress | None]
    results: Map[SlotKey, SlotResult | None]
    provisional: DoubleMap[SlotKey, AccountId, Provisional | None]
    month_uses: Map[AccountId, MonthUse | None]

    def tariff_of(self, zone: int, slot: int) -> Tariff:
        """Return the tariff of a zone in a slot that is not settled."""
        found = self.tariffs.get(zone)
        if found is None:
            return self.config.default_tariff
        return found.tariff if slot >= found.from_slot else found.before

    def change_tariff(self, zone: int, tariff: Tariff, from_slot: int) -> None:
        """Settle a zone's slots on another tariff from one to come on; TariffPending while slots from before
        an earlier change wait."""
        found, upcoming = self.tariffs.get(zone), self.next_slot.get(zone)
        before = self.tariff_of(zone, from_slot - 1)
        is_waiting = found is not None and upcoming is not None and upcoming < found.from_slot < from_slot
        if is_waiting:
            raise self.error(errors.TariffPending)
        self.tariffs.put(zone, TariffChange(tariff, from_slot, before))

    def spread_of(self, zone: int, slot: int) -> tuple[int, int]:
        """Return the feed-in and retail prices of a slot, as they are now, in ticks."""
        given = self.prices.get((zone, slot))
        if given is not None:
            return given.feed_in_ticks, given.retail_ticks
        tariff = self.tariff_of(zone, slot)
        if tariff.kind is TariffKind.TimeOfUse:
            return tariff.feed_in_ticks, compute_retail_ticks(slot_start_ms(slot, self.config.slot_ms))
        return tariff.feed_in_ticks, tariff.retail_ticks

    def terms_of(self, zone: int, slot: int) -> SlotTerms:
        """Return the terms that a slot is settled on, as they are now."""
        tariff, has_prices = self.tariff_of(zone, slot), self.prices.contains((zone, slot))
        return SlotTerms(
            *self.spread_of(zone, slot),
            tariff.tolerance_permille,
            tariff.tolerance_min_wh,
            tariff.penalty_bps,
            tariff.has_netting,
            tariff.kind is TariffKind.Blocks and not has_prices,
            self.config.zones.loss_ppm_of(zone),
        )

    def is_settling(self, zone: int, slot: int) -> bool:
        """Tell whether a slot is begun and not settled."""
        found = self.progress.get(zone)
        return found is not None and found.slot == slot

    def is_settled(self, zone: int, slot: int) -> bool:
        """Tell whether a slot is settled."""
        upcoming = self.next_slot.get(zone)
        return upcoming is not None and slot < upcoming

    def why_not(self, zone: int) -> type[PalletError] | None:
        """Return what keeps the next slot of a listed zone from being settled now, None when nothing does."""
        slot, config = self.next_slot.get(zone), self.config
        assert slot is not None, "a zone that is settled has a next slot"
        if self.progress.get(zone) is None:
            if config.zones.operator_of(zone) is None:
                return errors.UnknownZone
            now_ms = config.clock.now_ms()
            if now_ms < slot_start_ms(slot + 1, config.slot_ms):
                return errors.NothingToDo
            if not config.positions.is_cleared(zone, slot):
                return errors.NotCleared
            is_due = now_ms >= slot_start_ms(slot + 1 + config.deadline_slots, config.slot_ms)
            if not is_due and not config.readings.is_complete(zone, slot):
                return errors.MetersMissing
        return None if config.asset.can_receive(config.settlement_pot, 1) else errors.TokenPaused

    def work(self, zone: int, accounts_max: int) -> int:
        """Settle on until so many accounts were looked at or the slot is settled; return how many."""
        done = 0
        while done < accounts_max:
            progress = self._get_progress(zone)
            page = self._read_page(zone, progress, accounts_max - done)
            done += max(1, page.looked_at)
            progress = structs.replace(
                self._read(zone, progress, page.parties), place=page.place, after=page.after
            )
            if not page.is_last:
                self.progress.put(zone, progress)
            elif progress.stage is Stage.Settle:
                self._finish(zone, progress)
                break
            else:
                self.progress.put(zone, _next_stage(progress))
        return done

    def correct(self, zone: int, slot: int, who: AccountId, change: Change) -> None:
        """Settle by how much an account's energy in a settled slot differs from what was assumed."""
        key = (zone, slot)
        found, result = self.provisional.get(key, who), self.results.get(key)
        assert found is not None, "an account with a substituted reading is kept"
        assert result is not None, "a slot that can be corrected is kept"
        changed = structs.replace(
            found,
            import_wh=found.import_wh + change.import_wh,
            export_wh=found.export_wh + change.export_wh,
        )
        loss_ppm = result.terms.loss_ppm
        paid = correct(
            result.terms.to_terms(),
            _deliver(found, loss_ppm),
            _deliver(changed, loss_ppm),
            found.given_wh,
        )
        self.provisional.put(key, who, changed)
        epoch = self.ledger.current_epoch()
        self.ledger.accrue(epoch, who, paid.net)
        self.ledger.accrue(epoch, result.operator, -paid.cash)
        self.ledger.accrue(epoch, self.config.penalty_pot, paid.penalty)
        self.deposit(events.CorrectionSettled(zone, slot, who, paid.net))

    # --- helpers

    def _get_progress(self, zone: int) -> Progress:
        found = self.progress.get(zone)
        if found is not None:
            return found
        slot, operator = self.next_slot.get(zone), self.config.zones.operator_of(zone)
        assert slot is not None, "a zone that is settled has a next slot"
        assert operator is not None, "a slot is begun while its zone is in service"
        members, epoch = self.config.readings.roster_length(zone), self.ledger.current_epoch()
        self.ledger.count_slot(epoch, 1)
        return Progress(slot, Stage.Count, members, operator, epoch, self.terms_of(zone, slot))

    def _read_page(self, zone: int, progress: Progress, limit: int) -> _Page:
        """Return the next accounts in order, at most so many."""
        positions, readings = self.config.positions, self.config.readings
        slot, members = progress.slot, progress.members
        parties: list[_Party] = []
        end = min(progress.place + limit, members)
        for place in range(progress.place, end):
            who = readings.member_at(zone, place)
            position = positions.position_of(zone, slot, who)
            bought, sold = (0, 0) if position is None else (position.bought_wh, position.sold_wh)
            parties.append(self._make_party(zone, progress, who, bought, sold))
        room = limit - len(parties)
        if end < members or room == 0:
            return _Page(parties, end, None, is_last=False, looked_at=len(parties))
        after, members_read = progress.after, len(parties)
        listed = positions.iterate(zone, slot, after, room)
        for position in listed:
            after = position.who
            place_found = readings.place_of(zone, after)
            if place_found is None or place_found >= members:
                parties.append(self._make_party(zone, progress, after, position.bought_wh, position.sold_wh))
        is_last = len(listed) < room
        return _Page(parties, end, after, is_last, looked_at=members_read + len(listed))

    def _make_party(self, zone: int, progress: Progress, who: AccountId, bought: int, sold: int) -> _Party:
        readings, slot = self.config.readings, progress.slot
        energy: MeteredEnergy = readings.energy_of(slot, who, zone)
        if not energy.is_complete:
            energy = readings.substitute(slot, who, zone, bought, sold)
        import_wh = with_losses(energy.import_wh, progress.terms.loss_ppm)
        return _Party(who, Delivery(bought, sold, import_wh, energy.export_wh), energy.is_substituted)

    def _read(self, zone: int, progress: Progress, parties: list[_Party]) -> Progress:
        """Return the progress after a page in its stage."""
        deliveries = [party.delivery for party in parties]
        sums = progress.sums
        match progress.stage:
            case Stage.Count:
                surplus, shortage = count_page(Sums(sums.surplus_wh, sums.shortage_wh), deliveries)
                counted = sums.accounts + len(parties)
                sums = structs.replace(sums, surplus_wh=surplus, shortage_wh=shortage, accounts=counted)
                return structs.replace(progress, sums=sums)
            case Stage.Measure:
                return _with_cursor(progress, measure_page(_to_cursor(progress), deliveries))
            case Stage.Settle:
                return self._settle(zone, progress, parties)

    def _settle(self, zone: int, progress: Progress, parties: list[_Party]) -> Progress:
        """Book a page's rows, with what grid and penalty pot have of them; return the progress after it."""
        rows, cursor = settle_page(_to_cursor(progress), [party.delivery for party in parties])
        received = 0
        for party, row in zip(parties, rows, strict=True):
            rebate = self._price_by_blocks(progress, party.who, row)
            cursor = cursor._replace(grid_cash=cursor.grid_cash - rebate)
            priced = row._replace(imbalance_cash=row.imbalance_cash + rebate)
            received += self._book(zone, progress, party, priced)
        self._fetch(progress.epoch, received)
        grid_cash = cursor.grid_cash - progress.sums.grid_cash
        self.ledger.accrue(progress.epoch, progress.operator, grid_cash)
        penalties = cursor.penalty_pot - progress.sums.penalties
        self.ledger.accrue(progress.epoch, self.config.penalty_pot, penalties)
        progress = _with_cursor(progress, cursor)
        sums = structs.replace(progress.sums, receivable=progress.sums.receivable + received)
        return structs.replace(progress, sums=sums)

    def _price_by_blocks(self, progress: Progress, who: AccountId, row: Row) -> int:
        """Count what an account takes from the grid under a block tariff; return how much less that costs
        than at the retail price of the terms, below zero how much more."""
        terms = progress.terms
        if not terms.has_blocks or row.deviation_wh >= 0 or row.grid_wh == 0:
            return 0
        month = compute_month(slot_start_ms(progress.slot, self.config.slot_ms))
        found = self.month_uses.get(who)
        used_wh = found.energy_wh if found is not None and found.month == month else 0
        self.month_uses.put(who, MonthUse(month, used_wh + row.grid_wh))
        cost = compute_block_increase(used_wh, row.grid_wh, RESIDENTIAL_1_1)
        return compute_value(row.grid_wh, terms.retail_ticks) - cost

    def _book(self, zone: int, progress: Progress, party: _Party, row: Row) -> int:
        """Let an account's row accrue; return what it is owed for what it sold."""
        slot, who = progress.slot, party.who
        receivable = self.config.positions.take_receivable(zone, slot, who)
        self.ledger.accrue(progress.epoch, who, row.net + receivable)
        size = (abs(row.deviation_wh), row.netted_wh)
        if row.deviation_wh > 0:
            self.deposit(events.ImbalancePaid(zone, slot, who, *size, row.imbalance_cash))
        elif row.deviation_wh < 0:
            self.deposit(events.ImbalanceCharged(zone, slot, who, *size, -row.imbalance_cash))
        if row.penalty:
            self.deposit(events.PenaltyCharged(zone, slot, who, row.excess_wh, row.penalty))
        if party.is_substituted:
            given_wh = row.netted_wh if row.deviation_wh > 0 else -row.netted_wh
            self._keep(zone, slot, party, given_wh)
        self.config.guarantees.on_account_settled(zone, slot, who)
        self._forget(zone, slot - self.config.correction_slots - 1, who)
        return receivable

    def _keep(self, zone: int, slot: int, party: _Party, given_wh: int) -> None:
        """Keep what an account was settled on, to be corrected by true readings."""
        bought_wh, sold_wh, _, _ = party.delivery
        energy = self.config.readings.energy_of(slot, party.who, zone)
        kept = Provisional(bought_wh, sold_wh, energy.import_wh, energy.export_wh, given_wh)
        self.provisional.put((zone, slot), party.who, kept)

    def _forget(self, zone: int, slot: int, who: AccountId) -> None:
        """Drop what is kept of a slot that is past correction; exports that were only assumed are taken back
        before."""
        if slot >= 0:
            if self.provisional.contains((zone, slot), who):
                assumed_wh = self.config.readings.assumed_export_wh(slot, who, zone)
                if assumed_wh:
                    self.correct(zone, slot, who, _Unproven(0, -assumed_wh))
            self.config.readings.forget(slot, who, zone)
            self.provisional.remove((zone, slot), who)

    def _fetch(self, epoch: int, amount: int) -> None:
        """Move what sellers of a page are owed from the market's pot to the settlement pot."""
        if amount:
            config = self.config
            config.asset.transfer(config.market_pot, config.settlement_pot, amount, Preservation.PRESERVE)
            self.ledger.receive(epoch, amount)

    def _finish(self, zone: int, progress: Progress) -> None:
        """Close a slot whose rows are all booked."""
        config, slot, sums = self.config, progress.slot, progress.sums
        self.results.put((zone, slot), SlotResult(progress.operator, progress.terms, sums))
        self.progress.remove(zone)
        self.ledger.count_slot(progress.epoch, -1)
        self.next_slot.put(zone, slot + 1)
        self.prices.remove((zone, slot))
        if slot > config.correction_slots:
            self.results.remove((zone, slot - config.correction_slots - 1))
        config.readings.forget_count(zone, slot)
        config.positions.on_settled(zone, slot)
        self.deposit(events.SlotSettled(zone, slot, sums))


def is_workable(tariff: Tariff) -> bool:
    """Tell whether a tariff's values are within their ranges, and the grid asks for no energy less than it
    pays, whatever the hour and whatever was taken in the month."""
    lowest_retail = {
        TariffKind.Flat: tariff.retail_ticks,
        TariffKind.TimeOfUse: OFF_PEAK_TICKS,
        TariffKind.Blocks: min(tariff.retail_ticks, RESIDENTIAL_1_1[0].ticks),
    }[tariff.kind]
    return (
        tariff.feed_in_ticks <= lowest_retail
        and tariff.tolerance_permille <= WHOLE_PERMILLE
        and tariff.penalty_bps <= FEE_MAX_BPS
    )


def with_losses(import_wh: int, loss_ppm: int) -> int:
    """Return what is paid for an import: with what is lost on the way, rounded down."""
    return import_wh + import_wh * loss_ppm // LOSS_WHOLE_PPM


def _deliver(kept: Provisional, loss_ppm: int) -> Delivery:
    import_wh = with_losses(kept.import_wh, loss_ppm)
    return Delivery(kept.bought_wh, kept.sold_wh, import_wh, kept.export_wh)


def _next_stage(progress: Progress) -> Progress:
    """Return the progress at the beginning of the next reading of all accounts."""
    progress = structs.replace(progress, place=0, after=None)
    if progress.stage is Stage.Measure:
        return structs.replace(progress, stage=Stage.Settle)
    sums = progress.sums
    cursor = start_settling(progress.terms.to_terms(), Sums(sums.surplus_wh, sums.shortage_wh))
    stage = Stage.Measure if cursor.needs_measuring else Stage.Settle
    return structs.replace(_with_cursor(progress, cursor), stage=stage)


def _to_cursor(progress: Progress) -> SettleCursor:
    sums = progress.sums
    return SettleCursor(
        progress.terms.to_terms(),
        sums.netted_wh,
        progress.surplus.to_proportion(),
        progress.shortage.to_proportion(),
        sums.grid_buys_wh,
        sums.grid_sells_wh,
        sums.grid_cash,
        sums.penalties,
    )


def _with_cursor(progress: Progress, cursor: SettleCursor) -> Progress:
    sums = structs.replace(
        progress.sums,
        netted_wh=cursor.netted_wh,
        grid_buys_wh=cursor.grid_buys_wh,
        grid_sells_wh=cursor.grid_sells_wh,
        grid_cash=cursor.grid_cash,
        penalties=cursor.penalty_pot,
    )
    surplus, shortage = ShareState(*cursor.surplus), ShareState(*cursor.shortage)
    return structs.replace(progress, sums=sums, surplus=surplus, shortage=shortage)
