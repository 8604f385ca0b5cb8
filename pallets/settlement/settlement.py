"""Settlement: what was delivered against what was traded, slot by slot, paid once for each account and epoch.

Responsible for when slots are settled and epochs netted, within a weight of each block, for tariffs, and for
payments that wait. How a slot is settled is `slot_work.py`'s, how an epoch is netted `netting_work.py`'s. It
knows market, meters, zones and guarantees as Protocols.

Each zone's slots are settled one after the other from the slot in which the zone got its first meter or
market. What a slot yields accrues in the epoch that is open when it is settled, also corrections of older
slots, so an epoch can be netted as soon as it is over.

Invariant (checked by `try_state`): what accounts are to get in an epoch is what they owe and what came from
markets, and the settlement pot has, beyond its endowment, what came in and was not paid out, and besides only
what somebody gave it.
"""

from __future__ import annotations

from types import ModuleType
from typing import ClassVar, Final

from pallets.energy_trading.units import compute_slot
from pallets.settlement import settlement_errors as errors
from pallets.settlement import settlement_events as events
from pallets.settlement import weights
from pallets.settlement.accruals import Accruals
from pallets.settlement.netting_work import NettingWork
from pallets.settlement.settlement_types import (
    PAGE,
    ZONES_MAX,
    Batch,
    Change,
    Epoch,
    EpochId,
    GridPrices,
    MonthUse,
    NettingProgress,
    NettingStage,
    PriceList,
    Progress,
    Provisional,
    SettlementConfig,
    SlotId,
    SlotKey,
    SlotResult,
    Tariff,
    TariffChange,
    ZoneId,
    Zones,
)
from pallets.settlement.slot_work import SlotWork, is_workable
from runtime.frame.call import call
from runtime.frame.dispatch import (
    DispatchError,
    Origin,
    Pays,
    PostDispatchInfo,
    Weight,
    ensure_signed,
)
from runtime.frame.fungible import Preservation
from runtime.frame.pallet import Binding, Pallet, constant
from runtime.frame.storage import BLAKE2_128_CONCAT, TWOX_64_CONCAT, DoubleMap, Map, Value, storage
from runtime.primitives.arithmetic import U32_MAX, checked_add
from runtime.primitives.scale import i128, u32, u128
from runtime.primitives.types import AccountId

SETTLE_EACH: Final = weights.SETTLEMENT_SETTLE_PAGE_PER_ACCOUNT.most(
    weights.SETTLEMENT_COUNT_PAGE_PER_ACCOUNT
)
"""What an account costs in the dearest reading of a slot's accounts: the first, in which missing readings are
substituted, or the last."""
SETTLE_BASE: Final = weights.SETTLEMENT_SETTLE_PAGE.most(weights.SETTLEMENT_COUNT_PAGE)
OWED_EPOCHS_MAX: Final = 8
"""Epochs whose debts are looked at; netting an epoch takes some blocks, so there are hardly ever three."""


class Settlement(Pallet[SettlementConfig]):
    """Settlement of the energy market."""

    declared_in: ClassVar[tuple[ModuleType, ...]] = (events, errors)

    zones: Value[Zones] = storage(default=(), docs="The zones that are settled, in ascending order.")
    next_slot: Map[ZoneId, SlotId | None] = storage(
        TWOX_64_CONCAT, docs="The slot of a zone that is settled next."
    )
    settle_cursor: Map[ZoneId, Progress | None] = storage(
        TWOX_64_CONCAT, docs="How far a zone's slot that is being settled has come."
    )
    first_zone: Value[u32] = storage(default=0, docs="The place of the zone that is worked on first.")
    results: Map[SlotKey, SlotResult | None] = storage(
        TWOX_64_CONCAT, docs="Settled slots by zone and slot, while they can be corrected."
    )
    provisional: DoubleMap[SlotKey, AccountId, Provisional | None] = storage(
        TWOX_64_CONCAT, BLAKE2_128_CONCAT, docs="What accounts were settled on with substituted readings."
    )
    month_uses: Map[AccountId, MonthUse | None] = storage(
        BLAKE2_128_CONCAT, docs="What an account took from the grid under a block tariff in its last month."
    )
    tariffs: Map[ZoneId, TariffChange | None] = storage(TWOX_64_CONCAT, docs="Tariffs of zones.")
    prices: Map[SlotKey, GridPrices | None] = storage(
        TWOX_64_CONCAT, docs="Prices of slots to come that were set, by zone and slot."
    )
    accrual: DoubleMap[EpochId, AccountId, i128] = storage(
        TWOX_64_CONCAT,
        BLAKE2_128_CONCAT,
        default=0,
        docs="What an account is to receive in an epoch, below zero to pay.",
    )
    epochs: Map[EpochId, Epoch] = storage(
        TWOX_64_CONCAT, default=Epoch(), docs="The sums of an epoch that is not netted."
    )
    next_epoch: Value[EpochId | None] = storage(docs="The epoch that is netted next.")
    netting: Value[NettingProgress | None] = storage(docs="How far the epoch that is being netted has come.")
    batches: Map[EpochId, Batch | None] = storage(TWOX_64_CONCAT, docs="Netted epochs.")
    unclaimed: Map[AccountId, u128] = storage(
        BLAKE2_128_CONCAT, default=0, docs="Payments of accounts that could not receive them."
    )

    def __init__(self, binding: Binding, config: SettlementConfig) -> None:
        super().__init__(binding, config)
        self.ledger = Accruals(config, self.accrual, self.epochs, self.next_epoch)
        self.work = SlotWork(
            config,
            self.ledger,
            self.error,
            self.deposit,
            self.tariffs,
            self.prices,
            self.next_slot,
            self.settle_cursor,
            self.results,
            self.provisional,
            self.month_uses,
        )
        self.netter = NettingWork(self.ledger, self.deposit, self.netting, self.batches, self.unclaimed)

    @constant
    def slot_ms(self) -> u32:
        """The length of a slot, in milliseconds; slot n begins n times that after 1970 began."""
        return self.config.slot_ms

    @constant
    def deadline_slots(self) -> u32:
        """How many slots after its end a slot is settled at the latest."""
        return self.config.deadline_slots

    @constant
    def epoch_slots(self) -> u32:
        """How many slots an epoch has; payments of an epoch are made as one."""
        return self.config.epoch_slots

    @constant
    def epoch_offset_slots(self) -> u32:
        """Epoch n has the slots from n times its length less this on."""
        return self.config.epoch_offset_slots

    @constant
    def correction_slots(self) -> u32:
        """How many slots long a settled slot can be corrected."""
        return self.config.correction_slots

    def genesis(self, tariffs: tuple[tuple[ZoneId, Tariff], ...] = ()) -> None:
        """Set the tariffs of zones that the chain starts with; the others have the default one."""
        for zone, tariff in tariffs:
            assert is_workable(tariff), f"zone {zone} has a tariff that cannot work"
            self.tariffs.put(zone, TariffChange(tariff, 0, tariff))

    # --- hooks

    def on_idle(self, number: int, remaining: Weight) -> Weight:
        """Settle slots of the zones in turn, then net the epoch that is over, as weight allows."""
        del number
        limit = remaining.least(self.config.hook_weight)
        zones = self.zones.get()
        used = weights.SETTLEMENT_LOOK.plus(weights.SETTLEMENT_LOOK_PER_ZONE.times(len(zones)))
        first = self.first_zone.get()
        for place in range(len(zones)):
            used = self._settle_on(zones[(first + place) % len(zones)], limit, used)
        if len(zones) > 1:
            self.first_zone.put((first + 1) % len(zones))
        return self._net_on(limit, used)

    # --- calls

    @call(0, weight=SETTLE_BASE.plus(SETTLE_EACH.times(PAGE)))
    def settle_page(self, origin: Origin, zone: ZoneId, slot: SlotId) -> PostDispatchInfo:
        """Settle on a zone's next slot, some accounts at a time. Anyone can; it costs no fee."""
        ensure_signed(origin)
        if self.next_slot.get(zone) != slot:
            raise self.error(errors.NothingToDo)
        obstacle = self.work.why_not(zone)
        if obstacle is not None:
            raise self.error(obstacle)
        done = self.work.work(zone, PAGE)
        per_account = SETTLE_EACH.times(min(done, PAGE))
        return PostDispatchInfo(SETTLE_BASE.plus(per_account), Pays.No)

    @call(1, weight=weights.SETTLEMENT_NET_PAGE.plus(weights.SETTLEMENT_NET_PAGE_PER_ACCOUNT.times(PAGE)))
    def net_page(self, origin: Origin, epoch: EpochId) -> PostDispatchInfo:
        """Net on an epoch that is over, some accounts at a time. Anyone can; it costs no fee."""
        ensure_signed(origin)
        if self.ledger.is_open(epoch):
            raise self.error(errors.EpochOpen)
        if self.netter.due_epoch() != epoch:
            raise self.error(errors.NothingToDo)
        if not self._can_pay():
            raise self.error(errors.TokenPaused)
        done = self.netter.work(PAGE)
        per_account = weights.SETTLEMENT_NET_PAGE_PER_ACCOUNT.times(min(done, PAGE))
        return PostDispatchInfo(weights.SETTLEMENT_NET_PAGE.plus(per_account), Pays.No)

    @call(2, weight=weights.SETTLEMENT_SET_TARIFF)
    def set_tariff(self, origin: Origin, zone: ZoneId, tariff: Tariff) -> None:
        """Settle a zone's slots on another tariff from the next one on. By governance."""
        self.config.governance(origin)
        if self.config.zones.operator_of(zone) is None:
            raise self.error(errors.UnknownZone)
        if not is_workable(tariff):
            raise self.error(errors.BadTariff)
        from_slot = self._current_slot() + 1
        self.work.change_tariff(zone, tariff, from_slot)
        self.deposit(events.TariffSet(zone, from_slot, tariff))

    def _prices_weight(
        self,
        zone: int,  # noqa: ARG002  # an argument of the call
        first_slot: int,  # noqa: ARG002  # an argument of the call
        prices: PriceList,
    ) -> Weight:
        per_slot = weights.SETTLEMENT_SET_PRICES_PER_SLOT.times(len(prices))
        return weights.SETTLEMENT_SET_PRICES.plus(per_slot)

    @call(3, weight=_prices_weight)
    def set_prices(self, origin: Origin, zone: ZoneId, first_slot: SlotId, prices: PriceList) -> None:
        """Set what the grid pays and asks in slots to come, instead of the tariff. By governance."""
        self.config.governance(origin)
        if self.config.zones.operator_of(zone) is None:
            raise self.error(errors.UnknownZone)
        if first_slot <= self._current_slot():
            raise self.error(errors.SlotBegun)
        if any(one.feed_in_ticks > one.retail_ticks for one in prices):
            raise self.error(errors.BadTariff)
        checked_add(first_slot, len(prices), U32_MAX)
        for place, one in enumerate(prices):
            self.prices.put((zone, first_slot + place), one)
        self.deposit(events.PricesSet(zone, first_slot, len(prices)))

    @call(4, weight=weights.SETTLEMENT_CLAIM)
    def claim(self, origin: Origin, who: AccountId) -> None:
        """Pay an account what it could not receive when an epoch was netted. Anyone can."""
        ensure_signed(origin)
        amount = self.unclaimed.take(who)
        if amount == 0:
            raise self.error(errors.NothingToDo)
        config = self.config
        config.asset.transfer(config.settlement_pot, who, amount, Preservation.PRESERVE)
        self.deposit(events.PaymentClaimed(who, amount))

    # --- what others ask for

    def on_cleared(self, zone: int, slot: int) -> None:
        """Hear from the market that a slot's trading is over; a zone that is new is settled from now on."""
        self._open(zone, slot)

    def open_zone(self, zone: int) -> None:
        """Hear that a zone has a meter; its slots are settled from now on."""
        self._open(zone, self._current_slot())

    def is_settling(self, zone: int, slot: int) -> bool:
        """Tell whether a slot is being settled now, so that its readings must not change."""
        return self.work.is_settling(zone, slot)

    def is_settled(self, zone: int, slot: int) -> bool:
        """Tell whether a slot is settled, so that another reading is a correction."""
        return self.work.is_settled(zone, slot)

    def correct(self, zone: int, slot: int, who: AccountId, change: Change) -> None:
        """Settle by how much an account's energy in a settled slot differs from what was assumed."""
        self.work.correct(zone, slot, who, change)

    def spread_ticks(self, zone: int, slot: int) -> tuple[int, int]:
        """Return the grid's feed-in and retail prices of a slot, as known now, in ticks."""
        return self.work.spread_of(zone, slot)

    def owed_by(self, who: AccountId) -> int:
        """Return what an account owes of epochs that are not netted, at most `OWED_EPOCHS_MAX` of them."""
        first, current = self.next_epoch.get(), self.ledger.current_epoch()
        if first is None:
            return 0
        epochs = range(max(first, current - OWED_EPOCHS_MAX + 1), current + 1)
        return sum(max(0, -self.accrual.get(epoch, who)) for epoch in epochs)

    def try_state(self) -> None:
        """AssertionError unless all accruals are balanced and the pot has what is still to be paid out."""
        assert self.zones.get() == tuple(sorted(dict.fromkeys(self.zones.get()))), "disordered zones"
        under_way = self.netting.get()
        waiting = sum(amount for _, amount in self.unclaimed.items())
        for epoch, sums in self.epochs.items():
            if not sums.open_slots:
                assert sums.credits == sums.debits + sums.received, f"epoch {epoch} is not balanced"
            if under_way is not None and under_way.epoch == epoch:
                waiting += under_way.pool
                if under_way.stage is NettingStage.Pay:
                    continue
            else:
                waiting += sums.received
            accrued = [amount for _, amount in self.accrual.items_of(epoch)]
            assert all(accrued), "an accrual of nothing"
            assert sum(amount for amount in accrued if amount > 0) == sums.credits, "credits"
            assert -sum(amount for amount in accrued if amount < 0) == sums.debits, "debits"
        asset, pot = self.config.asset, self.config.settlement_pot
        assert asset.total_balance(pot) >= asset.minimum_balance() + waiting, "the pot has less than it owes"
        slots: dict[int, int] = {}
        for zone, progress in self.settle_cursor.items():
            assert progress is not None
            slots[progress.epoch] = slots.get(progress.epoch, 0) + 1
            assert self.next_slot.get(zone) == progress.slot, "a slot out of turn"
        listed = {epoch: sums.open_slots for epoch, sums in self.epochs.items() if sums.open_slots}
        assert slots == listed, "slots that no epoch waits for"

    # --- helpers

    def _current_slot(self) -> int:
        return compute_slot(self.config.clock.now_ms(), self.config.slot_ms)

    def _open(self, zone: int, slot: int) -> None:
        zones = self.zones.get()
        if zone not in zones and len(zones) < ZONES_MAX:
            self.zones.put(tuple(sorted((*zones, zone))))
            self.next_slot.put(zone, min(slot, self._current_slot()))

    def _can_pay(self) -> bool:
        return self.config.asset.can_receive(self.config.settlement_pot, 1)

    def _settle_on(self, zone: int, limit: Weight, used: Weight) -> Weight:
        """Settle a zone's slots while they are due and weight allows; return the weight used."""
        each = SETTLE_EACH
        while self.work.why_not(zone) is None:
            room = limit.minus(used.plus(SETTLE_BASE))
            accounts_max = min(PAGE, _times(room, each))
            if accounts_max == 0:
                break
            mark = self.state.mark()
            try:
                done = self.work.work(zone, accounts_max)
            except DispatchError:
                # The asset refuses for now: the work waits for another block.
                self.state.rollback(mark)
                return used.plus(SETTLE_BASE).plus(each.times(accounts_max))
            used = used.plus(SETTLE_BASE).plus(each.times(done))
        return used

    def _net_on(self, limit: Weight, used: Weight) -> Weight:
        """Net epochs that are over while weight allows; return the weight used."""
        each = weights.SETTLEMENT_NET_PAGE_PER_ACCOUNT
        while self.netter.due_epoch() is not None and self._can_pay():
            room = limit.minus(used.plus(weights.SETTLEMENT_NET_PAGE))
            accounts_max = min(PAGE, _times(room, each))
            if accounts_max == 0:
                break
            mark = self.state.mark()
            try:
                done = self.netter.work(accounts_max)
            except DispatchError:
                self.state.rollback(mark)
                return used.plus(weights.SETTLEMENT_NET_PAGE).plus(each.times(accounts_max))
            used = used.plus(weights.SETTLEMENT_NET_PAGE).plus(each.times(done))
        return used


def _times(room: Weight, each: Weight) -> int:
    """Return how often a weight fits into another."""
    by_time = room.ref_time // max(1, each.ref_time)
    return min(by_time, room.proof_size // max(1, each.proof_size))
