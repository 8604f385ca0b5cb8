"""What screens read of meters and their readings; it changes nothing.

Responsible for the shapes of these answers, for their bounds, and for the runtime API. Energy is in Wh.

What a meter counted is public on a chain that has it, and says when somebody is at home: whoever links an
account to a person holds personal data. These answers tell nothing that the storage does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from pallets.settlement.meters import Meters
from pallets.settlement.meters_types import (
    OWNER_METERS_MAX,
    DeviceKey,
    Fuel,
    MeterId,
    MeterKind,
    Reading,
    Registers,
    SlotId,
    ZoneId,
)
from runtime.frame.api import PAGE_MAX, Api, ApiMethod, RefusedQuestion
from runtime.primitives.arithmetic import U32_MAX
from runtime.primitives.scale import MaxLen, Struct, u32
from runtime.primitives.types import AccountId

METERS_API: Final = ("EnergyMetersApi", 1)
"""Name and version, as the runtime's version announces them."""
ROWS_BEFORE_LAST: Final = PAGE_MAX - OWNER_METERS_MAX
"""Rows after which a page of readings ends with the account in hand."""


class MeterView(Struct, path="loam::energy::MeterView"):
    """A meter, and what its registers showed at the end of the last slot that it was read for; `last_seq` is
    0 until it is read."""

    meter: MeterId
    owner: AccountId
    zone: ZoneId
    kind: MeterKind
    fuel: Fuel
    capacity_w: u32
    key: DeviceKey
    retired_from: SlotId | None
    last_slot: SlotId
    last_seq: u32
    registers: Registers


class ReadingView(Struct, path="loam::energy::ReadingView"):
    """What a meter counted in a slot."""

    slot: SlotId
    reading: Reading


class MeterReading(Struct, path="loam::energy::MeterReading"):
    """A meter in one slot: what it counted, if that is known and kept; `is_missing` where it is to come."""

    meter: MeterId
    owner: AccountId
    reading: Reading | None
    is_missing: bool


class SlotReadings(Struct, path="loam::energy::SlotReadings"):
    """A page of a zone's meters in one slot, in the order of its roster.

    `received` of `meters` were read, as long as the slot is not settled; `next_place` is the place of the
    roster where the next page begins, None at the end.
    """

    zone: ZoneId
    slot: SlotId
    meters: u32
    received: u32
    rows: Annotated[tuple[MeterReading, ...], MaxLen(PAGE_MAX)]
    next_place: u32 | None


OwnMeters: TypeAlias = Annotated[tuple[MeterView, ...], MaxLen(OWNER_METERS_MAX)]


@dataclass(frozen=True, slots=True)
class MetersViews:
    """Readings of one instance of the meters."""

    meters: Meters

    def view_meter(self, meter: MeterId) -> MeterView | None:
        """Return a meter, None when there is none of this id."""
        found, last = self.meters.meters.get(meter), self.meters.last_registers.get(meter)
        if found is None or last is None:
            return None
        return MeterView(
            meter,
            found.owner,
            found.zone,
            found.kind,
            found.fuel,
            found.capacity_w,
            found.key,
            found.retired_from,
            last.slot,
            last.seq,
            last.registers,
        )

    def list_meters(self, who: AccountId) -> tuple[MeterView, ...]:
        """Return the meters of an account in the order of registration, at most 8."""
        found = (self.view_meter(meter) for meter in self.meters.meters_of.get(who))
        return tuple(meter for meter in found if meter is not None)

    def list_readings(self, meter: MeterId, first: int, limit: int) -> tuple[ReadingView, ...]:
        """Return what a meter counted in at most so many slots from one on, those of which that is kept."""
        end = min(first + min(limit, PAGE_MAX), U32_MAX + 1)
        found = ((slot, self.meters.readings.get(slot, meter)) for slot in range(first, end))
        return tuple(ReadingView(slot, reading) for slot, reading in found if reading is not None)

    def view_slot(self, zone: int, slot: int, place: int, limit: int) -> SlotReadings:
        """Return the meters of a zone in one slot, those of at most so many accounts from a place of the
        roster on; RefusedQuestion where the zone never had a meter."""
        meters, accounts = self.meters, self.meters.roster_length(zone)
        if accounts == 0:
            raise RefusedQuestion(f"zone {zone} has no meters")
        rows: list[MeterReading] = []
        end = min(place + min(limit, PAGE_MAX), accounts)
        while place < end and len(rows) <= ROWS_BEFORE_LAST:
            rows += self._read_member(zone, slot, meters.member_at(zone, place))
            place += 1
        return SlotReadings(
            zone,
            slot,
            meters.meter_counts.get(zone),
            meters.received.get((zone, slot)),
            tuple(rows),
            place if place < accounts else None,
        )

    def _read_member(self, zone: int, slot: int, who: AccountId) -> list[MeterReading]:
        rows: list[MeterReading] = []
        for meter in self.meters.meters_of.get(who):
            found = self.meters.meters.get(meter)
            if found is not None and found.zone == zone:
                reading = self.meters.readings.get(slot, meter)
                is_missing = reading is None and self.meters.is_missing(slot, meter)
                rows.append(MeterReading(meter, who, reading, is_missing))
        return rows


def meters_api(views: MetersViews) -> Api:
    """Return `EnergyMetersApi`, by JSON-RPC `energy_*`."""
    name, version = METERS_API
    methods = (
        ApiMethod("meter", (("meter", MeterId),), MeterView | None, views.view_meter, "A meter."),
        ApiMethod("meters", (("who", AccountId),), OwnMeters, views.list_meters, "The meters of an account."),
        ApiMethod(
            "readings",
            (("meter", MeterId), ("first", SlotId), ("limit", u32)),
            tuple[ReadingView, ...],
            views.list_readings,
            "What a meter counted in slots from one on, as long as readings are kept.",
        ),
        ApiMethod(
            "slot_readings",
            (("zone", ZoneId), ("slot", SlotId), ("place", u32), ("limit", u32)),
            SlotReadings,
            views.view_slot,
            "The meters of a zone in one slot: what they counted, and which are missing.",
            is_live=True,
        ),
    )
    return Api(name, version, methods, "Meters and their readings.", rpc="energy")
