"""Meters: who owns which meter, and what each counted in each slot, by readings that the meter signed.

Responsible for registration by the operator of a zone, for judging readings, and for what stands in for a
missing one. It knows no price and no contract; settlement reaches it, and it settlement, through Protocols.

A reading is what the cumulative registers show at the end of a slot, signed with the meter's key for this
chain. Anybody may carry it. Readings of a meter follow one another without a gap, in slots and in numbers, so
no energy is left out and none is counted twice: a device that was off reports the slots it missed as
estimated. Whatever the carrier does, a meter's owner can neither invent nor hide energy without its key.

Accounts with meters stand in their zone's roster in the order of their first registration, for ever; slots
are settled in this order.

Invariant (checked by `try_state`): meters are listed with their owners and in the roster, no reading is later
than the last one, and readings received are as many as counted.
"""

from __future__ import annotations

from types import ModuleType
from typing import ClassVar, Final, NamedTuple

from msgspec import structs

from pallets.energy_trading.units import compute_slot, slot_start_ms
from pallets.settlement import meters_errors as errors
from pallets.settlement import meters_events as events
from pallets.settlement import weights
from pallets.settlement.meters_types import (
    DAWN_HOUR,
    DUSK_HOUR,
    HEADROOM_PERMILLE,
    NIGHT_EXPORT_MAX_WH,
    OWNER_METERS_MAX,
    READINGS_MAX,
    Change,
    DeviceKey,
    Fuel,
    LastRegister,
    Meter,
    MeteredEnergy,
    MeterId,
    MeterIds,
    MeterKind,
    MetersConfig,
    NewMeter,
    Quality,
    Reading,
    Readings,
    SignedReading,
    SlotId,
    ZoneId,
    reading_message,
)
from pallets.settlement.tariff import BANGKOK_MS, DAY_MS, HOUR_MS
from runtime.frame.call import call
from runtime.frame.dispatch import Origin, PalletError, Weight, ensure_signed, ensure_signed_or_root
from runtime.frame.pallet import Pallet, constant
from runtime.frame.storage import BLAKE2_128_CONCAT, TWOX_64_CONCAT, DoubleMap, Map, storage
from runtime.primitives.crypto import Scheme, verify
from runtime.primitives.scale import u32
from runtime.primitives.types import AccountId, Hash

WHOLE_PERMILLE: Final = 1_000


class _Judged(NamedTuple):
    """A reading that may be accepted: its meter, and what that counted in the slot."""

    meter: Meter
    import_wh: int
    export_wh: int


class Meters(Pallet[MetersConfig]):
    """Meters and their readings."""

    declared_in: ClassVar[tuple[ModuleType, ...]] = (events, errors)

    meters: Map[MeterId, Meter | None] = storage(BLAKE2_128_CONCAT, docs="Registered meters.")
    meters_of: Map[AccountId, MeterIds] = storage(
        BLAKE2_128_CONCAT, default=(), docs="The meters of an account, in the order of registration."
    )
    readings: DoubleMap[SlotId, MeterId, Reading | None] = storage(
        TWOX_64_CONCAT, BLAKE2_128_CONCAT, docs="What meters counted, by slot, in Wh."
    )
    last_registers: Map[MeterId, LastRegister | None] = storage(
        BLAKE2_128_CONCAT, docs="The registers of a meter at its last reading."
    )
    received: Map[tuple[ZoneId, SlotId], u32] = storage(
        TWOX_64_CONCAT, default=0, docs="How many meters of a zone were read for a slot that is not settled."
    )
    meter_counts: Map[ZoneId, u32] = storage(TWOX_64_CONCAT, default=0, docs="How many meters a zone has.")
    certain_from: Map[ZoneId, SlotId] = storage(
        TWOX_64_CONCAT,
        default=0,
        docs="The first slot of a zone with the meters that it has now; earlier ones wait for the deadline.",
    )
    roster: Map[tuple[ZoneId, u32], AccountId | None] = storage(
        TWOX_64_CONCAT, docs="The accounts with meters in a zone, in the order in which they came."
    )
    roster_lengths: Map[ZoneId, u32] = storage(
        TWOX_64_CONCAT, default=0, docs="How many accounts a zone's roster has."
    )
    places: DoubleMap[ZoneId, AccountId, u32 | None] = storage(
        TWOX_64_CONCAT, BLAKE2_128_CONCAT, docs="The place of an account in a zone's roster."
    )

    @constant
    def slot_ms(self) -> u32:
        """The length of a slot, in milliseconds; slot n begins n times that after 1970 began."""
        return self.config.slot_ms

    @constant
    def correction_slots(self) -> u32:
        """How many slots after its own a reading is still taken."""
        return self.config.correction_slots

    @constant
    def owner_meters_max(self) -> u32:
        """The most meters of one account."""
        return OWNER_METERS_MAX

    @constant
    def readings_max(self) -> u32:
        """The most readings of one batch."""
        return READINGS_MAX

    # --- calls

    @call(0, weight=weights.METERS_REGISTER_METER)
    def register_meter(self, origin: Origin, new: NewMeter) -> None:
        """Register a meter for an account. For the operator of its zone, or Root.

        The registers are what it shows when its first slot begins, which is the current one or later.
        """
        who = ensure_signed_or_root(origin)
        self._ensure_registrable(who, new)
        listed = self.meters_of.get(new.owner)
        if len(listed) == OWNER_METERS_MAX:
            raise self.error(errors.TooManyMeters)
        self.meters_of.put(new.owner, (*listed, new.id))
        meter = Meter(new.owner, new.zone, new.kind, new.fuel, new.capacity_w, new.key)
        self.meters.put(new.id, meter)
        self.last_registers.put(new.id, LastRegister(new.first_slot - 1, 0, new.registers))
        self.meter_counts.put(new.zone, self.meter_counts.get(new.zone) + 1)
        self._enrol(new.zone, new.owner)
        self.deposit(events.MeterRegistered(new.id, new.owner, new.zone, new.first_slot))
        self.config.settlement().open_zone(new.zone)

    @call(1, weight=weights.METERS_ROTATE_KEY)
    def rotate_key(self, origin: Origin, meter: MeterId, key: DeviceKey) -> None:
        """Give a meter another ed25519 key. For the operator of its zone, or Root."""
        found = self._get_own(origin, meter)
        self.meters.put(meter, structs.replace(found, key=key))
        self.deposit(events.MeterKeyRotated(meter, key))

    def _readings_weight(self, batch: Readings) -> Weight:
        return weights.METERS_SUBMIT_READINGS.plus(
            weights.METERS_SUBMIT_READINGS_PER_READING.times(len(batch))
        )

    @call(2, weight=_readings_weight)
    def submit_readings(self, origin: Origin, batch: Readings) -> None:
        """Submit up to 64 readings that meters signed; anybody can.

        What is wrong with a reading does not touch the others; if none is right, the call fails with the
        error of the first.
        """
        ensure_signed(origin)
        refused: list[tuple[SignedReading, PalletError]] = []
        for reading in batch:
            try:
                judged = self._judge(reading)
            except PalletError as why:
                refused.append((reading, why))
                continue
            self._accept(reading, judged)
        if len(refused) == len(batch):
            raise refused[0][1] if refused else self.error(errors.NoReadings)
        for reading, error in refused:
            self.deposit(events.ReadingRejected(reading.meter, reading.slot, error.index))

    @call(3, weight=weights.METERS_RETIRE_METER)
    def retire_meter(self, origin: Origin, meter: MeterId) -> None:
        """Read a meter no more from the next slot on. For the operator of its zone, or Root."""
        found = self._get_own(origin, meter)
        if found.retired_from is not None:
            raise self.error(errors.MeterRetired)
        from_slot = self._current_slot() + 1
        self.meters.put(meter, structs.replace(found, retired_from=from_slot))
        self.meter_counts.put(found.zone, self.meter_counts.get(found.zone) - 1)
        self.certain_from.put(found.zone, from_slot)
        self.deposit(events.MeterRetired(meter, from_slot))

    @call(4, weight=weights.METERS_REMOVE_METER)
    def remove_meter(self, origin: Origin, meter: MeterId) -> None:
        """Remove a retired meter whose last readings are past correction. For the operator of its zone, or
        Root."""
        found = self._get_own(origin, meter)
        from_slot, kept = found.retired_from, self.config.correction_slots + 1
        if from_slot is None or not self.config.settlement().is_settled(found.zone, from_slot + kept):
            raise self.error(errors.StillNeeded)
        others = tuple(one for one in self.meters_of.get(found.owner) if one != meter)
        if others:
            self.meters_of.put(found.owner, others)
        else:
            self.meters_of.remove(found.owner)
        self.meters.remove(meter)
        self.last_registers.remove(meter)
        self.deposit(events.MeterRemoved(meter))

    # --- what settlement asks

    def energy_of(self, slot: int, who: AccountId, zone: int) -> MeteredEnergy:
        """Return what an account's meters in a zone counted in a slot."""
        import_wh = export_wh = 0
        is_complete, is_substituted = True, False
        for meter in self._meters_in(who, zone):
            reading = self.readings.get(slot, meter)
            if reading is None:
                is_complete = is_complete and not self.is_missing(slot, meter)
                continue
            import_wh += reading.import_wh
            export_wh += reading.export_wh
            is_substituted = is_substituted or reading.quality is Quality.Substituted
        return MeteredEnergy(import_wh, export_wh, is_complete, is_substituted)

    def substitute(self, slot: int, who: AccountId, zone: int, bought_wh: int, sold_wh: int) -> MeteredEnergy:
        """Put something in the place of each missing reading of an account and return what it then has.

        That is the reading of the same slot a week before; where there is none either, the first such meter
        gets what the contract leaves after the others.
        """
        known = self.energy_of(slot, who, zone)
        rest = Change(max(0, bought_wh - known.import_wh), max(0, sold_wh - known.export_wh))
        for meter in self._meters_in(who, zone):
            if self.readings.get(slot, meter) is not None or not self.is_missing(slot, meter):
                continue
            before = self._get_pattern(slot, meter)
            if before is None:
                import_wh, export_wh, rest = *rest, Change(0, 0)
            else:
                import_wh, export_wh = before.import_wh, before.export_wh
            self.readings.put(slot, meter, Reading(import_wh, export_wh, Quality.Substituted))
            self.deposit(events.ReadingSubstituted(meter, slot, import_wh, export_wh))
        return self.energy_of(slot, who, zone)

    def is_missing(self, slot: int, meter: MeterId) -> bool:
        """Tell whether a reading is to come that there is not: before its first slot a meter has none, nor
        when it is retired."""
        last, retired_from = self.last_registers.get(meter), self._get_meter(meter).retired_from
        assert last is not None, "a meter has registers"
        return last.slot < slot and (retired_from is None or slot < retired_from)

    def is_complete(self, zone: int, slot: int) -> bool:
        """Tell whether every meter of a zone was read for a slot, as far as that is certain."""
        is_certain = slot >= self.certain_from.get(zone)
        return is_certain and self.received.get((zone, slot)) == self.meter_counts.get(zone)

    def roster_length(self, zone: int) -> int:
        """Return how many accounts have meters in a zone."""
        return self.roster_lengths.get(zone)

    def member_at(self, zone: int, place: int) -> AccountId:
        """Return the account at a place of a zone's roster."""
        found = self.roster.get((zone, place))
        assert found is not None, "the roster has no gap"
        return found

    def place_of(self, zone: int, who: AccountId) -> int | None:
        """Return an account's place in a zone's roster, None when it has no meter there."""
        return self.places.get(zone, who)

    def forget_count(self, zone: int, slot: int) -> None:
        """Drop what is counted of a slot that is settled."""
        self.received.remove((zone, slot))

    def assumed_export_wh(self, slot: int, who: AccountId, zone: int) -> int:
        """Return what an account is assumed to have given in a slot in the place of readings that are
        missing."""
        found = (self.readings.get(slot, meter) for meter in self._meters_in(who, zone))
        return sum(one.export_wh for one in found if one is not None and one.exported_wh is None)

    def forget(self, slot: int, who: AccountId, zone: int) -> None:
        """Drop an account's readings of a slot that is past correction."""
        for meter in self._meters_in(who, zone):
            self.readings.remove(slot, meter)

    def capacity_wh(self, who: AccountId) -> int:
        """Return what an account's meters can take in one slot at their capacity, rounded up."""
        total_w = 0
        for meter in self.meters_of.get(who):
            found = self._get_meter(meter)
            total_w += found.capacity_w if found.retired_from is None else 0
        return -(-total_w * self.config.slot_ms // HOUR_MS)

    # --- what certificates ask

    def owner_of(self, meter: bytes) -> AccountId | None:
        """Return the owner of a meter, None when there is no such meter."""
        found = self.meters.get(MeterId(Hash(meter)))
        return None if found is None else found.owner

    def generated_wh(self, meter: bytes, first: int, last: int) -> int | None:
        """Return what a meter exported in slots, both included; None while a reading at an end is missing.

        Registers are cumulative and readings without a gap, so the two ends tell it. Readings past correction
        are gone, so a period can be asked for as long as its first slot can be corrected.
        """
        start = self.readings.get(first, MeterId(Hash(meter)))
        end = self.readings.get(last, MeterId(Hash(meter)))
        if start is None or end is None or start.exported_wh is None or end.exported_wh is None:
            return None
        return end.exported_wh - (start.exported_wh - start.export_wh)

    def try_state(self) -> None:
        """AssertionError unless meters, owners, rosters and readings agree."""
        counted: dict[int, int] = {}
        for meter, found in self.meters.items():
            assert found is not None
            assert meter in self.meters_of.get(found.owner), "a meter that its owner does not list"
            place = self.places.get(found.zone, found.owner)
            assert place is not None, "an owner that is not in the roster"
            assert self.roster.get((found.zone, place)) == found.owner, "a roster that is out of order"
            assert self.last_registers.contains(meter), "a meter without registers"
            counted[found.zone] = counted.get(found.zone, 0) + (found.retired_from is None)
        assert all(counted.get(zone, 0) == count for zone, count in self.meter_counts.items()), "a lost count"
        listed = sum(len(meters) for _, meters in self.meters_of.items())
        assert listed == sum(1 for _ in self.meters.items()), "a meter that is listed twice, or that is none"
        assert sum(length for _, length in self.roster_lengths.items()) == sum(1 for _ in self.roster.items())
        for (slot, meter), reading in self.readings.items():
            last = self.last_registers.get(meter)
            assert last is not None, "a reading of no meter"
            assert reading is not None
            assert slot <= last.slot or reading.quality is Quality.Substituted, "a reading after the last"

    # --- helpers

    def _ensure_registrable(self, who: AccountId | None, new: NewMeter) -> None:
        operator = self.config.zones.operator_of(new.zone)
        if operator is None:
            raise self.error(errors.UnknownZone)
        if who is not None and who != operator:
            raise self.error(errors.NotYourMeter)
        if self.meters.contains(new.id):
            raise self.error(errors.MeterExists)
        if new.capacity_w == 0:
            raise self.error(errors.NoCapacity)
        if new.first_slot < self._current_slot():
            raise self.error(errors.TooLate)

    def _enrol(self, zone: int, owner: AccountId) -> None:
        if self.places.contains(zone, owner):
            return
        place = self.roster_lengths.get(zone)
        self.places.put(zone, owner, place)
        self.roster.put((zone, place), owner)
        self.roster_lengths.put(zone, place + 1)

    def _get_meter(self, meter: MeterId) -> Meter:
        found = self.meters.get(meter)
        if found is None:
            raise self.error(errors.UnknownMeter)
        return found

    def _get_own(self, origin: Origin, meter: MeterId) -> Meter:
        """Return a meter for the operator of its zone or Root; UnknownMeter or NotYourMeter."""
        who = ensure_signed_or_root(origin)
        found = self._get_meter(meter)
        if who is not None and who != self.config.zones.operator_of(found.zone):
            raise self.error(errors.NotYourMeter)
        return found

    def _current_slot(self) -> int:
        return compute_slot(self.config.clock.now_ms(), self.config.slot_ms)

    def _meters_in(self, who: AccountId, zone: int) -> list[MeterId]:
        """Return an account's meters in a zone; the most are `OwnerMetersMax`."""
        return [meter for meter in self.meters_of.get(who) if self._get_meter(meter).zone == zone]

    def _get_pattern(self, slot: int, meter: MeterId) -> Reading | None:
        """Return the reading that a missing one is taken from, None when there is none."""
        earlier = slot - self.config.pattern_slots
        return self.readings.get(earlier, meter) if earlier >= 0 else None

    def _judge(self, reading: SignedReading) -> _Judged:
        """Return what a reading says; one of the pallet's errors when it may not be accepted."""
        meter = self._get_meter(reading.meter)
        last = self.last_registers.get(reading.meter)
        assert last is not None, "a meter has registers"
        self._ensure_timely(reading.slot)
        if reading.slot <= last.slot or reading.seq <= last.seq:
            raise self.error(errors.Duplicate)
        if (reading.slot, reading.seq) != (last.slot + 1, last.seq + 1):
            raise self.error(errors.SequenceGap)
        if meter.retired_from is not None and reading.slot >= meter.retired_from:
            raise self.error(errors.MeterRetired)
        import_wh = reading.registers.import_wh - last.registers.import_wh
        export_wh = reading.registers.export_wh - last.registers.export_wh
        if min(import_wh, export_wh) < 0:
            raise self.error(errors.RegisterNotMonotone)
        self._ensure_plausible(meter, import_wh, export_wh)
        if self.config.settlement().is_settling(meter.zone, reading.slot):
            raise self.error(errors.SlotSettling)
        message = reading_message(self.config.blocks.block_hash.get(0), reading)
        if not verify(Scheme.ED25519, meter.key, reading.signature, message):
            raise self.error(errors.BadSignature)
        return _Judged(meter, import_wh, export_wh)

    def _ensure_timely(self, slot: int) -> None:
        current = self._current_slot()
        if slot >= current:
            raise self.error(errors.FutureSlot)
        if slot + self.config.correction_slots < current:
            raise self.error(errors.TooLate)

    def _ensure_plausible(self, meter: Meter, import_wh: int, export_wh: int) -> None:
        most_wh = meter.capacity_w * self.config.slot_ms * HEADROOM_PERMILLE // (HOUR_MS * WHOLE_PERMILLE)
        if max(import_wh, export_wh) > most_wh or (meter.kind is MeterKind.Load and export_wh):
            raise self.error(errors.CapacityExceeded)

    def _accept(self, reading: SignedReading, judged: _Judged) -> None:
        meter, import_wh, export_wh = judged
        slot, settlement = reading.slot, self.config.settlement()
        before = self.readings.get(slot, reading.meter)
        is_flagged = meter.fuel is Fuel.Solar and export_wh > NIGHT_EXPORT_MAX_WH and self._is_night(slot)
        shown = reading.registers.export_wh
        accepted_as = Reading(import_wh, export_wh, reading.quality, is_flagged, shown)
        self.readings.put(slot, reading.meter, accepted_as)
        self.last_registers.put(reading.meter, LastRegister(slot, reading.seq, reading.registers))
        accepted = (reading.meter, slot, reading.seq, import_wh, export_wh, reading.quality)
        self.deposit(events.ReadingAccepted(*accepted))
        if is_flagged:
            self.deposit(events.ReadingFlagged(reading.meter, slot, export_wh))
        if before is not None:
            self.deposit(events.ReadingCorrected(reading.meter, slot, import_wh, export_wh))
            change = Change(import_wh - before.import_wh, export_wh - before.export_wh)
            settlement.correct(meter.zone, slot, meter.owner, change)
        else:
            key = (meter.zone, slot)
            self.received.put(key, self.received.get(key) + 1)

    def _is_night(self, slot: int) -> bool:
        """Tell whether the middle of a slot lies at night, local time."""
        middle_ms = slot_start_ms(slot, self.config.slot_ms) + self.config.slot_ms // 2
        hour = (middle_ms + BANGKOK_MS) % DAY_MS // HOUR_MS
        return not DAWN_HOUR <= hour < DUSK_HOUR
