"""Wall time is in milliseconds, monotonic time never goes back, and the manual clock obeys."""

import time

from node.clock import Clock, SystemClock
from tests.support.clock import ManualClock


def test_system_clock_tells_wall_time_in_milliseconds() -> None:
    before = time.time_ns() // 1_000_000
    assert before <= SystemClock().now_ms() <= time.time_ns() // 1_000_000


def test_system_clock_is_monotonic() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(100)]
    assert readings == sorted(readings)


def test_manual_clock_moves_only_when_told() -> None:
    manual = ManualClock(now_ms=1_000)
    clock: Clock = manual
    assert (clock.now_ms(), clock.monotonic()) == (1_000, 0)
    manual.advance(1_500)
    assert (clock.now_ms(), clock.monotonic()) == (2_500, 1.5)


def test_setting_the_wall_leaves_monotonic_time_alone() -> None:
    clock = ManualClock()
    clock.advance(10)
    clock.set_wall(0)
    assert (clock.now_ms(), clock.monotonic()) == (0, 0.01)
