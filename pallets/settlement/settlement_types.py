"""Records, limits and configuration of the Settlement pallet; no behaviour.

Energy is in Wh, prices in ticks of 0.0001 THB per kWh, money in units of 10⁻¹² THB.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final, Protocol, TypeAlias

from pallets.settlement.imbalance import Terms
from runtime.frame.dispatch import Origin, Weight
from runtime.frame.fungibles import Asset
from runtime.primitives.proportion import Proportion
from runtime.primitives.scale import MaxLen, Struct, enum_path, i128, u16, u32, u64, u128
from runtime.primitives.types import AccountId, Hash

ZONES_MAX: Final = 64
PRICES_MAX: Final = 192
"""Most slots whose prices one call sets, two days."""
PAGE: Final = 64
"""Accounts that one call settles or nets."""
LOSS_WHOLE_PPM: Final = 1_000_000
PEAKS_MAX: Final = 32

ZoneId: TypeAlias = u16
SlotId: TypeAlias = u32
EpochId: TypeAlias = u32
SlotKey: TypeAlias = tuple[ZoneId, SlotId]
Zones: TypeAlias = Annotated[tuple[ZoneId, ...], MaxLen(ZONES_MAX)]


@enum_path("pallet_settlement::TariffKind")
class TariffKind(IntEnum):
    """How the grid's retail price of a slot is found."""

    Flat = 0
    TimeOfUse = 1
    Blocks = 2


class Tariff(Struct, path="pallet_settlement::Tariff"):
    """What the grid pays and asks in a zone, and what deviations cost.

    `retail_ticks` is asked under `Flat`. Under `Blocks` it is the price of netting, penalties and
    corrections, and the grid asks by the progressive rates of homes for what an account takes in a month.
    Nothing is charged for a deviation within the larger of `tolerance_permille` of the contract and
    `tolerance_min_wh`, `penalty_bps` of the retail value beyond it.
    """

    kind: TariffKind
    feed_in_ticks: u32
    retail_ticks: u32
    tolerance_permille: u16
    tolerance_min_wh: u64
    penalty_bps: u16
    has_netting: bool


class TariffChange(Struct, path="pallet_settlement::TariffChange"):
    """The tariff of a zone's slots from one on, and that of earlier ones."""

    tariff: Tariff
    from_slot: SlotId
    before: Tariff


class GridPrices(Struct, path="pallet_settlement::GridPrices"):
    """What the grid pays and asks in one slot, in ticks."""

    feed_in_ticks: u32
    retail_ticks: u32


PriceList: TypeAlias = Annotated[tuple[GridPrices, ...], MaxLen(PRICES_MAX)]


class SlotTerms(Struct, path="pallet_settlement::SlotTerms"):
    """The terms that a slot is settled on; `loss_ppm` of what is imported is lost on the way and paid too."""

    feed_in_ticks: u32
    retail_ticks: u32
    tolerance_permille: u16
    tolerance_min_wh: u64
    penalty_bps: u16
    has_netting: bool
    has_blocks: bool
    loss_ppm: u32

    def to_terms(self) -> Terms:
        """Return the terms as the imbalance rule takes them."""
        return Terms(
            self.feed_in_ticks,
            self.retail_ticks,
            self.tolerance_permille,
            self.tolerance_min_wh,
            self.penalty_bps,
            self.has_netting,
        )


@enum_path("pallet_settlement::Stage")
class Stage(IntEnum):
    """Which reading of a slot's accounts is under way."""

    Count = 0
    Measure = 1
    Settle = 2


class ShareState(Struct, path="pallet_settlement::ShareState"):
    """How far a proportional sharing has come: see `runtime.primitives.proportion`."""

    amount: u128
    total: u128
    unmeasured: u128
    left_over: u128

    def to_proportion(self) -> Proportion:
        """Return the state as the sharing rule takes it."""
        return Proportion(self.amount, self.total, self.unmeasured, self.left_over)


NO_SHARES: Final = ShareState(0, 0, 0, 0)


class SlotSums(Struct, path="pallet_settlement::SlotSums"):
    """The sums of a slot: what was delivered too much and too little, what of it was netted, what the grid
    bought and sold and gets for it, penalties, what sellers were owed for trades, and how many accounts."""

    surplus_wh: u128 = 0
    shortage_wh: u128 = 0
    netted_wh: u128 = 0
    grid_buys_wh: u128 = 0
    grid_sells_wh: u128 = 0
    grid_cash: i128 = 0
    penalties: u128 = 0
    receivable: u128 = 0
    accounts: u32 = 0


class Progress(Struct, path="pallet_settlement::Progress"):
    """How far a slot has come: the place in the roster, then the last account of the positions.

    `members` is how many accounts the roster had when the slot was begun, `operator` whose zone it was then,
    `epoch` the one in which the rows accrue.
    """

    slot: SlotId
    stage: Stage
    members: u32
    operator: AccountId
    epoch: EpochId
    terms: SlotTerms
    place: u32 = 0
    after: AccountId | None = None
    sums: SlotSums = SlotSums()
    surplus: ShareState = NO_SHARES
    shortage: ShareState = NO_SHARES


class SlotResult(Struct, path="pallet_settlement::SlotResult"):
    """A settled slot, kept as long as its readings can be corrected; `operator` stood for the grid."""

    operator: AccountId
    terms: SlotTerms
    sums: SlotSums


class Provisional(Struct, path="pallet_settlement::Provisional"):
    """What an account was settled on while a reading of it was substituted; `given_wh` is what it gave to the
    community, below zero what it took."""

    bought_wh: u64
    sold_wh: u64
    import_wh: u64
    export_wh: u64
    given_wh: i128


class MonthUse(Struct, path="pallet_settlement::MonthUse"):
    """What an account took from the grid in a local month, counted from January 1970."""

    month: u32
    energy_wh: u128


class Epoch(Struct, path="pallet_settlement::Epoch"):
    """What an epoch's accounts owe and get in all, and what came from markets: credits less debits, once none
    of its slots is being settled."""

    debits: u128 = 0
    credits: u128 = 0
    received: u128 = 0
    open_slots: u32 = 0


@enum_path("pallet_settlement::NettingStage")
class NettingStage(IntEnum):
    """Which reading of an epoch's accounts is under way."""

    Collect = 0
    Measure = 1
    Pay = 2


Peaks: TypeAlias = Annotated[tuple[Hash, ...], MaxLen(PEAKS_MAX)]


class NettingProgress(Struct, path="pallet_settlement::NettingProgress"):
    """How far an epoch's netting has come; `missing` is what nobody's guarantees cover, `pool` what is
    collected and not paid out."""

    epoch: EpochId
    stage: NettingStage
    after: AccountId | None = None
    pool: u128 = 0
    missing: u128 = 0
    haircut: ShareState = NO_SHARES
    rows: u32 = 0
    peaks: Peaks = ()


class NetRow(Struct, path="pallet_settlement::NetRow"):
    """A row of an epoch's batch: what an account was to receive, below zero to pay, and what of it is
    missing."""

    who: AccountId
    amount: i128
    missing: u128


class Batch(Struct, path="pallet_settlement::Batch"):
    """A netted epoch: the Merkle root of its rows, debtors before creditors, and its sums.

    Credits are debits and what came from markets; `haircut` is what creditors went without.
    """

    root: Hash
    rows: u32
    net_debits: u128
    net_credits: u128
    received: u128
    haircut: u128


class Clock(Protocol):
    """Where the time of the block is read."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970: the open block's time, before it is set its parent's."""
        ...


class SlotPosition(Protocol):
    """What an account traded in a slot."""

    @property
    def who(self) -> AccountId:
        """The account."""
        ...

    @property
    def bought_wh(self) -> int:
        """What it bought."""
        ...

    @property
    def sold_wh(self) -> int:
        """What it sold."""
        ...


class Positions(Protocol):
    """The market: who traded what in a slot, and what sellers are owed for it."""

    def is_cleared(self, zone: int, slot: int) -> bool:
        """Tell whether no order of a slot will trade any more."""
        ...

    def iterate(self, zone: int, slot: int, after: AccountId | None, limit: int) -> Sequence[SlotPosition]:
        """Return at most so many positions of a cleared slot after that of an account; fewer at the end."""
        ...

    def position_of(self, zone: int, slot: int, who: AccountId) -> SlotPosition | None:
        """Return an account's position in a slot, None when it has none."""
        ...

    def take_receivable(self, zone: int, slot: int, who: AccountId) -> int:
        """Return what a seller is owed for a slot and mark it as handed over; the money is in the pot."""
        ...

    def on_settled(self, zone: int, slot: int) -> None:
        """Hear that a slot is settled."""
        ...


class MeteredEnergy(Protocol):
    """What an account's meters counted in a slot."""

    @property
    def import_wh(self) -> int:
        """What they took from the grid."""
        ...

    @property
    def export_wh(self) -> int:
        """What they gave."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether every meter was read or substituted."""
        ...

    @property
    def is_substituted(self) -> bool:
        """Whether at least one was substituted."""
        ...


class Change(Protocol):
    """By how much a true reading differs from what stood in for it; both may be below zero."""

    @property
    def import_wh(self) -> int:
        """The difference of what was taken from the grid."""
        ...

    @property
    def export_wh(self) -> int:
        """The difference of what was given."""
        ...


class MeterReadings(Protocol):
    """The meters: what was delivered, and who has a meter."""

    def energy_of(self, slot: int, who: AccountId, zone: int) -> MeteredEnergy:
        """Return what an account's meters in a zone counted in a slot."""
        ...

    def substitute(self, slot: int, who: AccountId, zone: int, bought_wh: int, sold_wh: int) -> MeteredEnergy:
        """Put something in the place of each missing reading of an account and return what it then has."""
        ...

    def is_complete(self, zone: int, slot: int) -> bool:
        """Tell whether every meter of a zone was read for a slot."""
        ...

    def roster_length(self, zone: int) -> int:
        """Return how many accounts have meters in a zone; it never falls."""
        ...

    def member_at(self, zone: int, place: int) -> AccountId:
        """Return the account at a place of a zone's roster, which never changes."""
        ...

    def place_of(self, zone: int, who: AccountId) -> int | None:
        """Return an account's place in a zone's roster, None when it has no meter there."""
        ...

    def forget_count(self, zone: int, slot: int) -> None:
        """Drop what is counted of a slot that is settled."""
        ...

    def assumed_export_wh(self, slot: int, who: AccountId, zone: int) -> int:
        """Return what an account is assumed to have given in a slot in the place of readings that are
        missing."""
        ...

    def forget(self, slot: int, who: AccountId, zone: int) -> None:
        """Drop an account's readings of a slot that is past correction."""
        ...


class Zoning(Protocol):
    """The zones of the grid."""

    def operator_of(self, zone: int) -> AccountId | None:
        """Return the account of a zone's operator, None when there is no such zone in service."""
        ...

    def loss_ppm_of(self, zone: int) -> int:
        """Return how much of what is imported in a zone is lost on the way, in millionths."""
        ...


class Guarantees(Protocol):
    """Who stands in for an account that cannot pay."""

    def cover(self, epoch: int, who: AccountId, owed: int, to: AccountId) -> int:
        """Pay what guarantees give towards a debt to an account and write down the rest as arrears; return
        how much was paid. Never fails."""
        ...

    def set_off(self, who: AccountId, amount: int, source: AccountId) -> int:
        """Pay arrears of an account out of an amount that a pot owes it; return how much that took, at most
        all. Never fails."""
        ...

    def note_haircut(self, epoch: int, who: AccountId, amount: int) -> None:
        """Write down that a receiver went without an amount, to be paid from arrears."""
        ...

    def on_account_settled(self, zone: int, slot: int, who: AccountId) -> None:
        """Hear that an account has delivered, or not, what it sold in a slot: nothing need stand for it."""
        ...


@dataclass(frozen=True, slots=True)
class SettlementConfig:
    """Pots are endowed at genesis. `governance` raises unless an origin may set tariffs and prices.

    A slot is settled when all meters were read, at the latest `deadline_slots` after its end. An epoch is
    `epoch_slots` long and begins `epoch_offset_slots` early: a day of Thai time begins seven hours before
    that of UTC. `correction_slots` is how long results are kept; `hook_weight` bounds what a hook uses of a
    block.
    """

    asset: Asset
    clock: Clock
    positions: Positions
    readings: MeterReadings
    zones: Zoning
    guarantees: Guarantees
    governance: Callable[[Origin], None]
    market_pot: AccountId
    settlement_pot: AccountId
    penalty_pot: AccountId
    slot_ms: int
    deadline_slots: int
    correction_slots: int
    epoch_slots: int
    epoch_offset_slots: int
    default_tariff: Tariff
    hook_weight: Weight
