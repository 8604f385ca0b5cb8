"""Rules against money laundering: thresholds, half-open windows, a memory that never lets anybody under."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.compliance import aml
from pallets.compliance.aml import (
    AMOUNTS_MAX,
    VELOCITY_MAX,
    AmlRules,
    BadRule,
    Flag,
    Memory,
    TimeRunsBackwards,
    screen,
)
from runtime.primitives.arithmetic import U128_MAX, Overflow, Underflow

RULES = AmlRules(100, 100, 60, 3, 10)
TRANSFERS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 120)), max_size=30)


def run(rules: AmlRules, transfers: list[tuple[int, int]]) -> list[tuple[Flag, ...]]:
    memory, now, flags = Memory(), 0, []
    for step, amount in transfers:
        now += step
        found, memory = screen(memory, rules, now, amount)
        flags.append(found)
    return flags


def search(rules: AmlRules, transfers: list[tuple[int, int]]) -> list[tuple[Flag, ...]]:
    """Every rule by a search through all transfers so far."""
    seen: list[tuple[int, int]] = []
    now, flags = 0, []
    for step, amount in transfers:
        now += step
        seen.append((now, amount))
        small = sum(one for time, one in seen if one < rules.single and now - time < rules.structuring_window)
        recent = sum(now - time < rules.velocity_window for time, _ in seen)
        found = []
        if amount >= rules.single:
            found.append(Flag.SINGLE)
        elif small >= rules.structuring:
            found.append(Flag.STRUCTURING)
        if recent > rules.velocity_count:
            found.append(Flag.VELOCITY)
        flags.append(tuple(found))
    return flags


@given(TRANSFERS)
def test_flags_are_those_of_a_search_through_all_transfers(transfers: list[tuple[int, int]]) -> None:
    assert run(RULES, transfers) == search(RULES, transfers)


@given(TRANSFERS)
def test_short_memory_flags_whatever_a_long_one_does(transfers: list[tuple[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aml, "AMOUNTS_MAX", 3)
        found = run(RULES, transfers)
    for flags, exact in zip(found, search(RULES, transfers), strict=True):
        assert set(exact) <= set(flags)


def test_memory_of_amounts_has_a_limit() -> None:
    rules = AmlRules(100, 10**9, 10**6, 1, 1)
    memory = Memory()
    for time in range(AMOUNTS_MAX):
        _, memory = screen(memory, rules, time, 2)
    assert len(memory.amounts) == AMOUNTS_MAX
    _, memory = screen(memory, rules, AMOUNTS_MAX, 2)
    assert len(memory.amounts) == AMOUNTS_MAX
    assert memory.amounts[0] == (1, 4)


@pytest.mark.parametrize(("amount", "flags"), [(99, ()), (100, (Flag.SINGLE,)), (101, (Flag.SINGLE,))])
def test_single_amount_is_flagged_from_the_threshold_on(amount: int, flags: tuple[Flag, ...]) -> None:
    assert run(RULES, [(0, amount)]) == [flags]


@pytest.mark.parametrize(("step", "flags"), [(59, (Flag.STRUCTURING,)), (60, ())])
def test_what_is_a_window_old_has_left_it(step: int, flags: tuple[Flag, ...]) -> None:
    assert run(RULES, [(0, 50), (step, 50)])[1] == flags


def test_large_amounts_do_not_count_as_small_ones() -> None:
    assert run(RULES, [(0, 100), (20, 99)]) == [(Flag.SINGLE,), ()]


def test_fourth_transfer_in_the_window_is_too_fast() -> None:
    assert run(RULES, [(0, 1), (3, 1), (3, 1), (3, 1)])[3] == (Flag.VELOCITY,)
    assert run(RULES, [(0, 1), (3, 1), (3, 1), (4, 1)])[3] == ()


@pytest.mark.parametrize(
    ("rules", "time", "amount", "error"),
    [
        (RULES._replace(single=0), 0, 1, BadRule),
        (RULES._replace(structuring=0), 0, 1, BadRule),
        (RULES._replace(structuring_window=0), 0, 1, BadRule),
        (RULES._replace(velocity_window=0), 0, 1, BadRule),
        (RULES._replace(velocity_count=0), 0, 1, BadRule),
        (RULES._replace(velocity_count=VELOCITY_MAX + 1), 0, 1, BadRule),
        (RULES._replace(velocity_window=2**32), 0, 1, Overflow),
        (RULES, 4, 1, TimeRunsBackwards),
        (RULES, 5, 0, Underflow),
        (RULES, 5, -1, Underflow),
        (RULES, 5, U128_MAX + 1, Overflow),
    ],
)
def test_what_cannot_be_judged_is_refused(
    rules: AmlRules, time: int, amount: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        screen(Memory((), (5,)), rules, time, amount)


def test_velocity_up_to_its_limit_is_remembered() -> None:
    rules = RULES._replace(velocity_count=VELOCITY_MAX, velocity_window=10**6)
    found = run(rules, [(0, 1)] * (VELOCITY_MAX + 1))
    assert [Flag.VELOCITY in flags for flags in found[-2:]] == [False, True]
