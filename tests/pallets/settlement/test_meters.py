"""Meters: readings count only as the meter signed them, in order, in time and within its capacity."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from pallets.settlement import meters_errors as errors
from pallets.settlement import meters_events as events
from pallets.settlement.meters import Meters
from pallets.settlement.meters_types import (
    NIGHT_EXPORT_MAX_WH,
    OWNER_METERS_MAX,
    READINGS_MAX,
    Fuel,
    MeteredEnergy,
    MeterKind,
    Quality,
    Reading,
    Registers,
    reading_message,
)
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, PalletError
from runtime.primitives.crypto import Scheme, verify
from runtime.primitives.types import Hash
from tests.support.chain import ALICE, BOB, CHARLIE, block_hash
from tests.support.settlement import (
    CORRECTION_SLOTS,
    NO_ZONE,
    OPERATOR,
    SLOT_BLOCKS,
    SLOT_MS,
    ZONE,
    Device,
    EnergyChain,
    current_slot,
    energy_chain,
    pass_slots,
    submit,
)

LIMIT_WH = 12_000
"""4 MW for nine seconds, and a fifth more."""


@pytest.fixture
def chain() -> Iterator[EnergyChain]:
    made = energy_chain()
    yield made
    made.close_block()


def meters(chain: EnergyChain) -> Meters:
    return chain.pallets.meters


def refuse(chain: EnergyChain, error: type[PalletError], *readings: object) -> None:
    chain.noop(meters(chain).error(error), BOB, "Meters.submit_readings", readings)


# --- registration


def test_operator_or_root_registers_a_meter(chain: EnergyChain) -> None:
    device, second = Device("a", ALICE), Device("b", ALICE)
    slot = current_slot(chain)
    chain.ok(OPERATOR, "Meters.register_meter", device.new(slot))
    assert chain.events() == [events.MeterRegistered(device.id, ALICE, ZONE, slot)]
    chain.ok(ROOT, "Meters.register_meter", second.new(slot + 3))
    assert meters(chain).meters_of.get(ALICE) == (device.id, second.id)
    assert meters(chain).roster_length(ZONE) == 1
    assert meters(chain).member_at(ZONE, 0) == ALICE
    assert meters(chain).place_of(ZONE, ALICE) == 0
    assert meters(chain).place_of(ZONE, BOB) is None


def test_registration_is_refused(chain: EnergyChain) -> None:
    device, slot = Device("a", ALICE), current_slot(chain)
    name, pallet = "Meters.register_meter", meters(chain)
    chain.noop(BadOrigin, NOBODY, name, device.new(slot))
    chain.noop(pallet.error(errors.NotYourMeter), ALICE, name, device.new(slot))
    chain.noop(pallet.error(errors.UnknownZone), OPERATOR, name, Device("x", ALICE, NO_ZONE).new(slot))
    chain.noop(pallet.error(errors.UnknownZone), ROOT, name, Device("x", ALICE, NO_ZONE).new(slot))
    chain.noop(pallet.error(errors.TooLate), OPERATOR, name, device.new(slot - 1))
    chain.noop(pallet.error(errors.NoCapacity), OPERATOR, name, device.new(slot, capacity_w=0))
    chain.ok(OPERATOR, name, device.new(slot))
    chain.noop(pallet.error(errors.MeterExists), OPERATOR, name, structs.replace(device.new(slot), owner=BOB))


def test_account_has_so_many_meters_and_not_one_more(chain: EnergyChain) -> None:
    for number in range(OWNER_METERS_MAX):
        Device(f"m{number}", ALICE).register(chain)
    more = Device("more", ALICE).new(current_slot(chain))
    chain.noop(meters(chain).error(errors.TooManyMeters), ROOT, "Meters.register_meter", more)


def test_a_new_key_signs_and_the_old_one_no_longer(chain: EnergyChain) -> None:
    device, other = Device("a", ALICE).register(chain), Device("other", ALICE)
    pass_slots(chain, 2)
    args = (device.id, other.pair.public)
    chain.noop(meters(chain).error(errors.NotYourMeter), ALICE, "Meters.rotate_key", *args)
    chain.noop(meters(chain).error(errors.UnknownMeter), ROOT, "Meters.rotate_key", other.id, args[1])
    chain.noop(BadOrigin, NOBODY, "Meters.rotate_key", *args)
    chain.ok(OPERATOR, "Meters.rotate_key", *args)
    assert chain.events() == [events.MeterKeyRotated(*args)]
    reading = device.count(10, 0)
    refuse(chain, errors.BadSignature, reading)
    device.pair = other.pair
    submit(chain, device.sign(reading.slot, reading.seq, reading.registers))


def test_a_retired_meter_is_read_no_more_and_removed_after_its_corrections(
    chain: EnergyChain,
) -> None:
    device, other = Device("a", ALICE).register(chain), Device("b", BOB).register(chain)
    pallet, slot, name = meters(chain), current_slot(chain), "Meters.retire_meter"
    chain.noop(pallet.error(errors.NotYourMeter), ALICE, name, device.id)
    chain.noop(pallet.error(errors.StillNeeded), ROOT, "Meters.remove_meter", device.id)
    chain.ok(OPERATOR, name, device.id)
    assert chain.events() == [events.MeterRetired(device.id, slot + 1)]
    chain.noop(pallet.error(errors.MeterRetired), ROOT, name, device.id)
    assert pallet.capacity_wh(ALICE) == 0
    pass_slots(chain, 2)
    submit(chain, other.count(5, 0))
    assert not pallet.is_complete(ZONE, slot)
    submit(chain, device.count(10, 0), other.count(5, 0))
    refuse(chain, errors.MeterRetired, device.sign(slot + 1, 2, device.registers))
    assert pallet.energy_of(slot + 1, ALICE, ZONE) == MeteredEnergy(0, 0, True, False)
    assert pallet.is_complete(ZONE, slot + 1)
    chain.noop(pallet.error(errors.StillNeeded), ROOT, "Meters.remove_meter", device.id)
    kept = slot + 1 + CORRECTION_SLOTS + 1
    chain.pallets.settlement.next_slot.put(ZONE, kept)
    chain.noop(pallet.error(errors.StillNeeded), ROOT, "Meters.remove_meter", device.id)
    chain.pallets.settlement.next_slot.put(ZONE, kept + 1)
    pallet.forget(slot, ALICE, ZONE)
    chain.noop(pallet.error(errors.NotYourMeter), ALICE, "Meters.remove_meter", device.id)
    chain.ok(OPERATOR, "Meters.remove_meter", device.id)
    assert chain.events() == [events.MeterRemoved(device.id)]
    assert pallet.meters_of.get(ALICE) == ()
    assert pallet.place_of(ZONE, ALICE) == 0


def test_removed_meters_leave_nothing_but_the_place_in_the_roster(chain: EnergyChain) -> None:
    devices = [Device(name, ALICE).register(chain) for name in "ab"]
    pallet = meters(chain)
    for device in devices:
        chain.ok(ROOT, "Meters.retire_meter", device.id)
    chain.pallets.settlement.next_slot.put(ZONE, current_slot(chain) + CORRECTION_SLOTS + 3)
    chain.ok(ROOT, "Meters.remove_meter", devices[0].id)
    assert pallet.meters_of.get(ALICE) == (devices[1].id,)
    chain.ok(ROOT, "Meters.remove_meter", devices[1].id)
    assert not pallet.meters_of.contains(ALICE)
    assert not list(pallet.meters.items())
    assert not list(pallet.last_registers.items())
    chain.noop(pallet.error(errors.UnknownMeter), ROOT, "Meters.remove_meter", devices[1].id)


# --- readings


def test_reading_counts_what_the_registers_gained(chain: EnergyChain) -> None:
    device = Device("a", ALICE).register(chain)
    first = device.slot + 1
    pass_slots(chain, 2)
    submit(chain, device.count(300, 0))
    assert chain.events() == [events.ReadingAccepted(device.id, first, 1, 300, 0, Quality.Good)]
    submit(chain, device.count(0, 45))
    assert meters(chain).readings.get(first, device.id) == Reading(300, 0, Quality.Good, exported_wh=500)
    assert meters(chain).energy_of(first + 1, ALICE, ZONE) == MeteredEnergy(0, 45, True, False)


def test_generation_of_slots_is_what_the_register_of_exports_gained(chain: EnergyChain) -> None:
    device = Device("a", ALICE).register(chain)
    first = device.slot + 1
    pass_slots(chain, 4)
    submit(chain, *(device.count(10, exported) for exported in (300, 0, 45)))
    pallet = meters(chain)
    assert pallet.owner_of(device.id) == ALICE
    assert pallet.owner_of(bytes(32)) is None
    for start, end, expected in ((0, 0, 300), (0, 1, 300), (1, 1, 0), (1, 2, 45), (0, 2, 345)):
        assert pallet.generated_wh(device.id, first + start, first + end) == expected
    for start, end in ((-1, 2), (0, 3)):
        assert pallet.generated_wh(device.id, first + start, first + end) is None
    assert pallet.generated_wh(bytes(32), first, first) is None


def test_what_stands_in_for_a_reading_generates_nothing(chain: EnergyChain) -> None:
    device = Device("a", ALICE).register(chain)
    slot = device.slot + 1
    pass_slots(chain)
    meters(chain).substitute(slot, ALICE, ZONE, 0, 500)
    assert meters(chain).energy_of(slot, ALICE, ZONE).export_wh == 500
    assert meters(chain).generated_wh(device.id, slot, slot) is None


def test_energy_is_what_all_meters_of_the_account_in_the_zone_counted(chain: EnergyChain) -> None:
    devices = [Device(name, ALICE).register(chain) for name in "ab"]
    Device("c", BOB).register(chain)
    Device("d", ALICE, 8).register(chain)
    slot = devices[0].slot + 1
    pass_slots(chain)
    submit(chain, devices[0].count(300, 1))
    assert meters(chain).energy_of(slot, ALICE, ZONE) == MeteredEnergy(300, 1, False, False)
    submit(chain, devices[1].count(20, 7))
    assert meters(chain).energy_of(slot, ALICE, ZONE) == MeteredEnergy(320, 8, True, False)
    assert not meters(chain).is_complete(ZONE, slot)


def test_before_its_first_slot_a_meter_lacks_no_reading(chain: EnergyChain) -> None:
    slot = current_slot(chain)
    Device("a", ALICE).register(chain, slot + 2)
    assert meters(chain).energy_of(slot + 1, ALICE, ZONE) == MeteredEnergy(0, 0, True, False)
    assert not meters(chain).energy_of(slot + 2, ALICE, ZONE).is_complete


def test_toy_fault_5_nobody_counts_for_a_meter_but_its_key(chain: EnergyChain) -> None:
    """Anyone may call generate for anyone: here the carrier's name does not matter, the meter's key does."""
    device, thief = Device("a", ALICE).register(chain), Device("a", ALICE)
    thief.pair = Device("thief", BOB).pair
    thief.slot = device.slot
    pass_slots(chain)
    refuse(chain, errors.BadSignature, thief.count(0, 5_000))
    unknown = Device("unknown", BOB)
    refuse(chain, errors.UnknownMeter, unknown.sign(device.slot + 1, 1, Registers(0, 0)))
    chain.ok(CHARLIE, "Meters.submit_readings", (device.count(0, 5_000),))
    assert meters(chain).energy_of(device.slot, ALICE, ZONE).export_wh == 5_000


def test_signature_covers_every_field_and_the_chain(chain: EnergyChain) -> None:
    device = Device("a", ALICE).register(chain)
    pass_slots(chain)
    reading = device.count(10, 20)
    wrong = [
        structs.replace(reading, registers=Registers(reading.registers.import_wh + 1, 520)),
        structs.replace(reading, registers=Registers(reading.registers.import_wh, 521)),
        structs.replace(reading, quality=Quality.Estimated),
        structs.replace(reading, signature=bytes(64)),
    ]
    for one in wrong:
        refuse(chain, errors.BadSignature, one)
    message = reading_message(block_hash(0), reading)
    assert verify(Scheme.ED25519, device.pair.public, reading.signature, message)
    for other in (
        reading_message(Hash(bytes(32)), reading),
        reading_message(block_hash(0), structs.replace(reading, slot=reading.slot + 1)),
        reading_message(block_hash(0), structs.replace(reading, seq=reading.seq + 1)),
        reading_message(block_hash(0), structs.replace(reading, meter=Hash(bytes(32)))),
    ):
        assert not verify(Scheme.ED25519, device.pair.public, reading.signature, other)
    submit(chain, reading)


def test_registers_do_not_run_backwards(chain: EnergyChain) -> None:
    device = Device("a", ALICE).register(chain)
    pass_slots(chain)
    slot, registers = device.slot + 1, device.registers
    for less in (
        Registers(registers.import_wh - 1, registers.export_wh),
        Registers(registers.import_wh, registers.export_wh - 1),
    ):
        refuse(chain, errors.RegisterNotMonotone, device.sign(slot, 1, less))
    submit(chain, device.sign(slot, 1, registers))


def test_numbers_and_slots_follow_one_another(chain: EnergyChain) -> None:
    device = Device("a", ALICE).register(chain)
    pass_slots(chain, 4)
    slot, registers = device.slot + 1, device.registers
    refuse(chain, errors.SequenceGap, device.sign(slot, 2, registers))
    refuse(chain, errors.SequenceGap, device.sign(slot + 1, 1, registers))
    refuse(chain, errors.SequenceGap, device.sign(slot + 1, 2, registers))
    submit(chain, device.sign(slot, 1, registers))


def test_a_reading_is_taken_once(chain: EnergyChain) -> None:
    device = Device("a", ALICE).register(chain)
    pass_slots(chain, 3)
    first, second = device.count(10, 0), device.count(10, 0)
    submit(chain, first, second)
    refuse(chain, errors.Duplicate, first)
    refuse(chain, errors.Duplicate, second)
    refuse(chain, errors.Duplicate, device.sign(second.slot + 1, second.seq, device.registers))
    refuse(chain, errors.Duplicate, device.sign(second.slot, second.seq + 1, device.registers))


def test_capacity_may_be_exceeded_by_a_fifth_and_not_by_a_wh_more(chain: EnergyChain) -> None:
    device = Device("a", ALICE).register(chain)
    pass_slots(chain, 3)
    slot, registers = device.slot + 1, device.registers
    for one in (Registers(LIMIT_WH + 1, 0), Registers(0, LIMIT_WH + 1)):
        more = Registers(registers.import_wh + one.import_wh, registers.export_wh + one.export_wh)
        refuse(chain, errors.CapacityExceeded, device.sign(slot, 1, more))
    submit(chain, device.count(LIMIT_WH, 0), device.count(0, LIMIT_WH))


def test_a_load_gives_no_energy(chain: EnergyChain) -> None:
    device = Device("a", ALICE)
    device.slot = current_slot(chain) - 1
    chain.ok(ROOT, "Meters.register_meter", device.new(device.slot + 1, MeterKind.Load))
    pass_slots(chain)
    registers = Registers(device.registers.import_wh, device.registers.export_wh + 1)
    refuse(chain, errors.CapacityExceeded, device.sign(device.slot + 1, 1, registers))
    submit(chain, device.count(1, 0))


def test_reading_comes_after_its_slot(chain: EnergyChain) -> None:
    device = Device("a", ALICE).register(chain, current_slot(chain) + 1)
    pass_slots(chain)
    reading = device.count(10, 0)
    while current_slot(chain) == reading.slot:
        refuse(chain, errors.FutureSlot, reading)
        chain.next_block()
    assert chain.pallets.time.now_ms() == (reading.slot + 1) * SLOT_MS
    submit(chain, reading)


def test_reading_comes_before_the_correction_window_ends(chain: EnergyChain) -> None:
    device = Device("a", ALICE).register(chain)
    reading = device.count(10, 0)
    pass_slots(chain, CORRECTION_SLOTS + 1)
    late = chain.state.mark()
    chain.pallets.time.timestamp.now.put((reading.slot + CORRECTION_SLOTS + 1) * SLOT_MS)
    refuse(chain, errors.TooLate, reading)
    chain.state.rollback(late)
    chain.pallets.time.timestamp.now.put((reading.slot + CORRECTION_SLOTS + 1) * SLOT_MS - 1)
    submit(chain, reading)


def test_reading_waits_while_its_slot_is_being_settled(chain: EnergyChain) -> None:
    device = Device("a", ALICE).register(chain)
    pass_slots(chain)
    settlement = chain.pallets.settlement
    progress = settlement.work._get_progress(ZONE)  # a slot that is begun
    settlement.settle_cursor.put(ZONE, progress)
    assert settlement.is_settling(ZONE, device.slot + 1)
    refuse(chain, errors.SlotSettling, device.count(10, 0))
    settlement.ledger.count_slot(progress.epoch, -1)
    settlement.settle_cursor.remove(ZONE)


# --- batches


def test_what_is_wrong_with_one_reading_does_not_touch_the_others(chain: EnergyChain) -> None:
    devices = [Device(name, ALICE).register(chain) for name in "abc"]
    pass_slots(chain)
    good, bad, also_good = (device.count(10, 0) for device in devices)
    bad = structs.replace(bad, signature=bytes(64))
    chain.ok(BOB, "Meters.submit_readings", (good, bad, also_good))
    rejected = events.ReadingRejected(bad.meter, bad.slot, errors.BadSignature.index)
    assert chain.events()[-1] == rejected
    assert [type(one) for one in chain.events()].count(events.ReadingAccepted) == 2
    assert meters(chain).received.get((ZONE, good.slot)) == 2


def test_a_batch_without_a_good_reading_fails_with_the_first_error(chain: EnergyChain) -> None:
    device = Device("a", ALICE).register(chain)
    pass_slots(chain)
    unsigned = structs.replace(device.count(10, 0), signature=bytes(64))
    refuse(chain, errors.UnknownMeter, structs.replace(unsigned, meter=Hash(bytes(32))), unsigned)
    refuse(chain, errors.BadSignature, unsigned, structs.replace(unsigned, meter=Hash(bytes(32))))
    refuse(chain, errors.NoReadings)
    chain.noop(BadOrigin, NOBODY, "Meters.submit_readings", (device.sign(1, 1, device.registers),))
    with pytest.raises(ValueError, match="64"):
        chain.call("Meters.submit_readings", (unsigned,) * (READINGS_MAX + 1))


# --- plausibility and substitution


@pytest.mark.parametrize(
    ("hour", "fuel", "export_wh", "is_flagged"),
    [
        (4, Fuel.Solar, NIGHT_EXPORT_MAX_WH + 1, True),
        (4, Fuel.Solar, NIGHT_EXPORT_MAX_WH, False),
        (4, Fuel.Wind, 5_000, False),
        (5, Fuel.Solar, 5_000, False),
        (19, Fuel.Solar, 5_000, False),
        (20, Fuel.Solar, 5_000, True),
    ],
)
def test_solar_energy_at_night_is_flagged_and_counts(
    chain: EnergyChain, hour: int, fuel: Fuel, export_wh: int, is_flagged: bool
) -> None:
    day = current_slot(chain) * SLOT_MS // 86_400_000 + 2
    slot = (day * 24 + hour - 7) * 3_600_000 // SLOT_MS
    device = Device("a", ALICE)
    device.slot = slot - 1
    chain.ok(ROOT, "Meters.register_meter", structs.replace(device.new(slot), fuel=fuel))
    chain.pallets.time.timestamp.now.put((slot + 1) * SLOT_MS)
    submit(chain, device.count(0, export_wh))
    assert (events.ReadingFlagged(device.id, slot, export_wh) in chain.events()) == is_flagged
    expected = Reading(0, export_wh, Quality.Good, is_flagged, device.registers.export_wh)
    assert meters(chain).readings.get(slot, device.id) == expected


def test_missing_reading_is_that_of_a_week_before(chain: EnergyChain) -> None:
    device = Device("a", ALICE).register(chain)
    first = device.slot + 1
    pass_slots(chain)
    submit(chain, device.count(70, 3))
    slot = first + chain.pallets.meters.config.pattern_slots
    assert meters(chain).substitute(slot, ALICE, ZONE, 500, 0) == MeteredEnergy(70, 3, True, True)
    assert events.ReadingSubstituted(device.id, slot, 70, 3) in chain.events()
    meters(chain).readings.remove(slot, device.id)


def test_without_a_week_before_the_contract_stands_in(chain: EnergyChain) -> None:
    devices = [Device(name, ALICE).register(chain) for name in "abc"]
    slot = devices[0].slot + 1
    pass_slots(chain)
    submit(chain, devices[1].count(120, 5))
    assert meters(chain).substitute(slot, ALICE, ZONE, 500, 0) == MeteredEnergy(500, 5, True, True)
    found = [meters(chain).readings.get(slot, device.id) for device in devices]
    assert found[0] == Reading(380, 0, Quality.Substituted)
    assert found[2] == Reading(0, 0, Quality.Substituted)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, LIMIT_WH), st.integers(0, LIMIT_WH)), min_size=1, max_size=6))
def test_energy_of_all_slots_is_what_the_registers_gained(counted: list[tuple[int, int]]) -> None:
    chain = energy_chain()
    device = Device("a", ALICE).register(chain)
    first, before = device.slot + 1, device.registers
    chain.pallets.time.timestamp.now.put((first + len(counted)) * SLOT_MS)
    submit(chain, *(device.count(*one) for one in counted))
    found = [meters(chain).energy_of(first + place, ALICE, ZONE) for place in range(len(counted))]
    assert sum(one.import_wh for one in found) == device.registers.import_wh - before.import_wh
    assert sum(one.export_wh for one in found) == device.registers.export_wh - before.export_wh


def test_slots_of_tests_are_whole_blocks() -> None:
    assert SLOT_BLOCKS * 1_000 == SLOT_MS
