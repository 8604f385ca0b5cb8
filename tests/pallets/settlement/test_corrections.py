"""Corrections: a true reading after the settlement pays the difference, whatever the way to it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from pallets.energy_trading.units import compute_value
from pallets.settlement import meters_events, settlement_events
from pallets.settlement.corrections import correct
from pallets.settlement.imbalance import Delivery, Terms, settle
from tests.support.settlement import (
    CORRECTION_SLOTS,
    DEADLINE_SLOTS,
    OPERATOR,
    PATTERN_SLOTS,
    PENALTY_POT,
    PLAIN,
    ZONE,
    Community,
    Device,
    accrued,
    current_slot,
    energy_chain,
    pass_slots,
    person,
    set_tariff,
    submit,
)

WH = st.integers(0, 2_000)
TERMS = Terms(22_000, 57_982, 50, 50, 1_000, has_netting=True)
ALONE = TERMS._replace(has_netting=False)


@given(WH, WH, st.tuples(WH, WH), st.tuples(WH, WH), st.tuples(WH, WH), st.integers(-2_000, 2_000))
def test_correction_of_a_correction_is_one_correction(
    bought: int, sold: int, a: tuple[int, int], b: tuple[int, int], c: tuple[int, int], netted: int
) -> None:
    first, second, third = (Delivery(bought, sold, *energy) for energy in (a, b, c))
    steps = [correct(TERMS, first, second, netted), correct(TERMS, second, third, netted)]
    assert correct(TERMS, first, third, netted).net == sum(step.net for step in steps)
    assert correct(TERMS, first, first, netted) == (0, 0)


@given(WH, WH, st.tuples(WH, WH), st.tuples(WH, WH))
def test_without_netting_a_correction_leads_to_what_the_truth_would_have_cost(
    bought: int, sold: int, assumed: tuple[int, int], true: tuple[int, int]
) -> None:
    before, after = Delivery(bought, sold, *assumed), Delivery(bought, sold, *true)
    rows = [settle(ALONE, [delivery])[0][0] for delivery in (before, after)]
    assert rows[0].net + correct(ALONE, before, after, 0).net == rows[1].net


@pytest.mark.parametrize(
    ("assumed", "true", "expected"),
    [
        ((500, 0), (400, 0), compute_value(100, 22_000)),
        ((500, 0), (650, 0), -compute_value(150, 57_982)),
        ((600, 0), (450, 0), compute_value(100, 57_982) + compute_value(50, 22_000)),
    ],
)
def test_worked_examples(assumed: tuple[int, int], true: tuple[int, int], expected: int) -> None:
    """Bought 500 Wh: what was not taken is sold to the grid, what was taken beyond is bought from it."""
    terms = TERMS._replace(penalty_bps=0)
    assert correct(terms, Delivery(500, 0, *assumed), Delivery(500, 0, *true), 0).net == expected


def test_netted_energy_stays_netted() -> None:
    """Of 100 Wh short 40 came from the community; if only 30 were short, 10 of these go to the grid."""
    before, after = Delivery(0, 0, 100, 0), Delivery(0, 0, 30, 0)
    terms = TERMS._replace(penalty_bps=0)
    expected = compute_value(60, 57_982) + compute_value(10, 22_000)
    assert correct(terms, before, after, -40).net == expected


def test_late_reading_is_settled_with_the_grid() -> None:
    chain = energy_chain(people=2)
    set_tariff(chain, structs.replace(PLAIN, penalty_bps=1_000))
    chain.pallets.zones.loss_ppm = 10_000
    community = Community(chain, 2)
    community.trade(0, 1_000, 0)
    slot = community.slot
    community.read(None, (100, 0))
    pass_slots(chain, DEADLINE_SLOTS)
    community.settle()
    sums = [community.accrued(0), accrued(chain, OPERATOR), accrued(chain, PENALTY_POT)]
    assert sums[0] == -compute_value(10, 57_982) * 11 // 10
    late = community.devices[0].count(1_300, 0)
    chain.pallets.zones.is_in_service = False
    submit(chain, late)
    assert meters_events.ReadingCorrected(late.meter, slot, 1_300, 0) in chain.events()
    more, penalty = compute_value(303, 57_982), compute_value(303, 57_982) // 10
    assert settlement_events.CorrectionSettled(ZONE, slot, person(0), -more - penalty) in chain.events()
    assert community.accrued(0) == sums[0] - more - penalty
    assert accrued(chain, OPERATOR) == sums[1] + more
    assert accrued(chain, PENALTY_POT) == sums[2] + penalty
    chain.close_block()


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(WH, WH), min_size=2, max_size=4), st.integers(0, 2_000))
def test_late_readings_of_all_slots_cost_what_timely_ones_would_have(
    energies: list[tuple[int, int]], bought: int
) -> None:
    """Without netting; the meter was silent for some slots and then told the truth."""
    nets = []
    for is_late in (False, True):
        chain = energy_chain(people=1)
        set_tariff(chain, structs.replace(PLAIN, has_netting=False))
        community = Community(chain, 1)
        for energy in energies:
            community.trade(0, bought, 0)
            community.read(None if is_late else energy)
            if is_late:
                pass_slots(chain, DEADLINE_SLOTS)
            community.settle()
        if is_late:
            submit(chain, *(community.devices[0].count(*energy) for energy in energies))
        nets.append((community.accrued(0), accrued(chain, OPERATOR)))
        chain.close_block()
    assert nets[0] == nets[1]


def test_two_late_meters_of_an_account_cost_what_both_would_have_in_time() -> None:
    """The first correction leaves a surplus, the second turns it into a shortage."""
    nets = []
    for is_late in (False, True):
        chain = energy_chain(people=1)
        set_tariff(chain, structs.replace(PLAIN, has_netting=False, penalty_bps=1_000))
        community = Community(chain, 1)
        second = Device("second", person(0)).register(chain)
        community.trade(0, 1_000, 0)
        pass_slots(chain, 1 + (DEADLINE_SLOTS if is_late else 0))
        if is_late:
            community.settle()
        for device, import_wh in ((community.devices[0], 400), (second, 1_100)):
            submit(chain, device.count(import_wh, 0))
        if not is_late:
            community.settle()
        nets.append((community.accrued(0), accrued(chain, OPERATOR), accrued(chain, PENALTY_POT)))
        chain.close_block()
    assert nets[0] == nets[1]


def test_a_week_before_stands_in_before_the_contract() -> None:
    chain = energy_chain(people=1)
    community = Community(chain, 1)
    community.read((70, 3))
    community.settle()
    for _ in range(PATTERN_SLOTS - 1):
        community.read((1, 1))
        community.settle()
    community.trade(0, 500, 0)
    before = community.accrued(0)
    community.read(None)
    pass_slots(chain, DEADLINE_SLOTS)
    community.settle()
    assert community.accrued(0) - before == compute_value(500 - 67, 22_000)
    chain.close_block()


def test_exports_that_a_reading_proves_in_time_stay() -> None:
    chain = energy_chain(people=1)
    community, first = Community(chain, 1), current_slot(chain)
    community.trade(0, 0, 1_000, receivable=compute_value(1_000, 30_000))
    pass_slots(chain, DEADLINE_SLOTS + 1)
    community.settle()
    submit(chain, community.devices[0].count(0, 1_000))
    assert community.accrued(0) == compute_value(1_000, 30_000)
    for _ in range(CORRECTION_SLOTS + 1):
        assert chain.pallets.settlement.provisional.get((ZONE, first), person(0)) is not None
        pass_slots(chain)
        community.settle()
        told = chain.block_events()
        assert not any(isinstance(one, settlement_events.CorrectionSettled) for one in told)
    assert chain.pallets.settlement.provisional.get((ZONE, first), person(0)) is None
    chain.close_block()


@pytest.mark.parametrize("has_pattern", [False, True])
def test_exports_that_no_reading_proved_in_time_are_taken_back(has_pattern: bool) -> None:
    """A meter that falls silent sells nothing: what stood in for its exports ends with the time for
    corrections; what it was assumed to take stays."""
    chain = energy_chain(people=1)
    community, seller = Community(chain, 1), person(0)
    if has_pattern:
        for slot in range(PATTERN_SLOTS):
            community.read((5, 1_000) if slot == 0 else (0, 0))
            community.settle()
    before, first = community.accrued(0), community.slot
    community.trade(0, 0, 1_000, receivable=compute_value(1_000, 30_000))
    pass_slots(chain, DEADLINE_SLOTS + 1)
    community.settle()
    sold = compute_value(1_000, 30_000) - has_pattern * compute_value(5, 57_982)
    assert community.accrued(0) == before + sold
    for _ in range(CORRECTION_SLOTS):
        pass_slots(chain)
        community.settle()
    assert chain.pallets.settlement.provisional.get((ZONE, first), seller) is not None
    kept = community.accrued(0)
    pass_slots(chain)
    community.settle()
    taken = settlement_events.CorrectionSettled(ZONE, first, seller, -compute_value(1_000, 57_982))
    assert taken in chain.events()
    assert community.accrued(0) == kept - compute_value(1_000, 57_982)
    chain.close_block()
