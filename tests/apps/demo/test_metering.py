"""Meters sign what the pallet checks, and their registers only grow."""

from apps.demo.cast import make_home
from apps.demo.metering import READING_DOMAIN, Counter
from apps.demo.week import Use
from pallets.settlement import meters_types
from pallets.settlement.meters_types import Quality, Registers, SignedReading, reading_message
from runtime.primitives.crypto import Scheme, verify
from runtime.primitives.types import Hash

GENESIS = Hash(bytes(range(32)))


def test_the_domain_is_the_pallets() -> None:
    assert READING_DOMAIN == meters_types.READING_DOMAIN


def test_a_reading_is_signed_as_the_pallet_checks_it() -> None:
    home = make_home("h01")
    for device in (home.load, home.roof):
        counter = Counter(device, GENESIS)
        for slot, use in ((7, Use(100, 30)), (8, Use(0, 0)), (9, Use(5, 900))):
            found = counter.count(slot, use)
            registers = Registers(found["registers"]["import_wh"], found["registers"]["export_wh"])
            reading = SignedReading(
                meters_types.MeterId(Hash(device.id)), slot, found["seq"], registers, Quality.Good, bytes(64)
            )
            message = reading_message(GENESIS, reading)
            assert verify(Scheme.ED25519, device.key.public, found["signature"], message)
            assert not verify(Scheme.ED25519, device.key.public, found["signature"], message + b"\0")


def test_registers_are_cumulative_and_each_device_counts_its_own() -> None:
    home = make_home("h01")
    load, roof = Counter(home.load, GENESIS), Counter(home.roof, GENESIS)
    for counter in (load, roof):
        counter.count(7, Use(100, 30))
    shown = [counter.count(8, Use(1, 2)) for counter in (load, roof)]
    assert [one["registers"] for one in shown] == [
        {"import_wh": 101, "export_wh": 0},
        {"import_wh": 0, "export_wh": 32},
    ]
    assert [one["seq"] for one in shown] == [2, 2]


def test_homes_and_devices_have_keys_of_their_own() -> None:
    homes = [make_home(name) for name in ("h01", "h02")]
    keys = {key.public for home in homes for key in (home.key, home.load.key, home.roof.key)}
    assert len(keys) == 6
    assert len({device.id for home in homes for device in (home.load, home.roof)}) == 4
