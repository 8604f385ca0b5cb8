"""Clocks of simulated nodes: monotonic, and inverse to the time at which a timer is to fire."""

import pytest

from tests.sim.clock import LocalClock


@pytest.mark.parametrize("rate", [800, 999, 1000, 1001, 1250])
def test_timer_fires_when_its_clock_shows_the_time_and_not_before(rate: int) -> None:
    clock = LocalClock()
    clock.change(1_000, rate)
    for local_ms in range(1_000, 1_400, 7):
        when = clock.when(local_ms, 0)
        assert clock.read(when) >= local_ms
        assert clock.read(when - 1) < local_ms


def test_time_that_has_passed_is_now() -> None:
    assert LocalClock().when(5, now=90) == 90


def test_change_of_rate_moves_nothing_and_a_leap_goes_forward() -> None:
    clock = LocalClock()
    clock.change(1_000, 900)
    assert clock.read(1_000) == 1_000
    clock.change(2_000, 1_100, leap_ms=60_000)
    assert clock.read(2_000) == 1_900 + 60_000
    assert clock.read(3_000) == 61_900 + 1_100
