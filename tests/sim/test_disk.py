"""The simulated disk forgets what was not synced, and never gives back a torn record."""

import pytest

from tests.sim.disk import Disk


def written(*payloads: bytes, synced: int) -> Disk:
    disk = Disk()
    for count, payload in enumerate(payloads):
        disk.write("guard", payload)
        if count < synced:
            disk.sync("guard")
    return disk


def test_synced_record_survives_and_replaces_the_one_before() -> None:
    disk = written(b"first", b"second", synced=2)
    disk.crash(0)
    assert disk.load("guard") == b"second"


@pytest.mark.parametrize("cut", range(8 + 6 + 2))
def test_record_torn_at_any_byte_gives_back_the_one_before(cut: int) -> None:
    disk = written(b"first", b"second", synced=1)
    assert disk.load("guard") == b"second"
    whole = 8 + len(b"second")
    expected = b"second" if cut >= whole else b"first"
    assert disk.load_after_crash(cut)[0][1][8:] == expected
    disk.crash(cut)
    assert disk.load("guard") == expected
    disk.write("guard", b"third")
    assert disk.load("guard") == b"third"


def test_of_several_unsynced_records_the_whole_ones_may_survive() -> None:
    disk = written(b"a", b"b", b"c", synced=1)
    disk.crash(9 + 5)
    assert disk.load("guard") == b"b"


def test_damaged_record_ends_the_file() -> None:
    disk = Disk()
    disk.write("guard", b"first")
    disk.sync("guard")
    disk._durable["guard"] = disk._durable["guard"][:-1] + b"?"
    assert disk.load("guard") is None


def test_nothing_written_or_wiped_is_nothing_read() -> None:
    disk = Disk()
    assert disk.load("guard") is None
    assert disk.unsynced_bytes() == 0
    disk.write("guard", b"x")
    disk.sync("guard")
    disk.wipe("guard")
    assert disk.load("guard") is None
