"""What settlement answers to questions: slots, epochs, tariffs, and what an account owes and gets.

Responsible for shapes and what they mean. Energy is in Wh, prices in ticks of 0.0001 THB per kWh, money in
units of 10⁻¹² THB.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, TypeAlias

from pallets.settlement.settlement_types import (
    ZONES_MAX,
    Batch,
    Epoch,
    EpochId,
    NettingStage,
    SlotId,
    SlotSums,
    SlotTerms,
    Stage,
    Tariff,
    ZoneId,
)
from runtime.primitives.scale import MaxLen, Struct, enum_path, i128, u32, u64, u128
from runtime.primitives.types import AccountId


@enum_path("loam::energy::SettlementState")
class SettlementState(IntEnum):
    """How far the settlement of a slot has come."""

    Waiting = 0
    Settling = 1
    Settled = 2


@enum_path("loam::energy::Obstacle")
class Obstacle(IntEnum):
    """What a slot waits for before it is settled."""

    Nothing = 0
    """It is due, and settled as weight allows, or by anyone's `settle_page`."""
    EarlierSlot = 1
    NotOver = 2
    NotCleared = 3
    MetersMissing = 4
    OutOfService = 5
    """Its zone has no operator."""
    TokenPaused = 6
    """The asset takes no payments."""


class SettlingView(Struct, path="loam::energy::SettlingView"):
    """How far the settlement of a slot has come: the reading of the accounts, the place in the roster of so
    many members, and the epoch in which it accrues."""

    stage: Stage
    place: u32
    members: u32
    epoch: EpochId


class SettlementView(Struct, path="loam::energy::SettlementView"):
    """The settlement of one slot of a zone.

    `terms` are as known now while the slot waits; of a slot that is past correction neither they nor `sums`
    are kept. `operator` stands for the grid.
    """

    zone: ZoneId
    slot: SlotId
    state: SettlementState
    obstacle: Obstacle
    operator: AccountId | None
    terms: SlotTerms | None
    sums: SlotSums | None
    work: SettlingView | None


class ZoneSettlement(Struct, path="loam::energy::ZoneSettlement"):
    """The slot of a zone that is settled next, and what it waits for."""

    zone: ZoneId
    next_slot: SlotId
    obstacle: Obstacle


class EpochView(Struct, path="loam::energy::EpochView"):
    """An epoch: its slots, its sums until it is netted, and then its batch.

    `is_open` while something may still accrue in it. A batch has the Merkle root of the rows of all accounts,
    each the SCALE of account, amount (i128, below zero paid) and what of it is missing (u128), which the
    event `NettingApplied` tells.
    """

    epoch: EpochId
    first_slot: SlotId
    last_slot: SlotId
    is_open: bool
    sums: Epoch
    stage: NettingStage | None
    batch: Batch | None


class StatementRow(Struct, path="loam::energy::StatementRow"):
    """What an epoch means for an account, as far as the state keeps it.

    `amount` is what it is to receive, below zero to pay, until the epoch is netted; `arrears` what it still
    owes of it, `missed` what it went without, of which it `claimed` a part.
    """

    epoch: EpochId
    first_slot: SlotId
    is_open: bool
    is_netted: bool
    amount: i128
    arrears: u128
    missed: u128
    claimed: u128


class BillView(Struct, path="loam::energy::BillView"):
    """What the grid asks for what an account took from it in a month, by the progressive blocks of homes.

    Surcharge and service are those that the question names. `total_satang` is rounded half up, as on paper.
    """

    month: u32
    grid_wh: u128
    energy: u128
    surcharge: u128
    service: u128
    vat: u128
    total: u128
    total_satang: u128


class MeteredView(Struct, path="loam::energy::MeteredView"):
    """What an account traded and what its meters in a zone counted in a slot.

    `deviation_wh` is what it delivered beyond its contract, below zero what is missing, with the zone's
    losses on what it took. `is_complete`: every meter was read or substituted, or has no reading any more.
    """

    slot: SlotId
    bought_wh: u64
    sold_wh: u64
    import_wh: u64
    export_wh: u64
    deviation_wh: i128
    is_complete: bool
    is_substituted: bool
    is_settled: bool


class TariffView(Struct, path="loam::energy::TariffView"):
    """A zone's tariff in the running slot, and another that begins with a slot to come."""

    zone: ZoneId
    tariff: Tariff
    following: Tariff | None
    following_from: SlotId | None


ZoneSettlements: TypeAlias = Annotated[tuple[ZoneSettlement, ...], MaxLen(ZONES_MAX)]
