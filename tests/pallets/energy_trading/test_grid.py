"""Grid: zones and lines by governance, capacities by operators until the gate, alerts and emergencies."""

from collections.abc import Iterator

import pytest
from msgspec import structs

from pallets.energy_trading.grid import Grid
from pallets.energy_trading.grid_types import (
    LINES_MAX,
    SLOTS_AT_ONCE_MAX,
    Alert,
    AlertLevel,
    Line,
    OperatorKind,
    Zone,
    ZoneStatus,
    level_of,
)
from pallets.energy_trading.market_types import Halt, Wire
from pallets.energy_trading.orders import Side
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, Origin
from tests.support.chain import ALICE, BOB, EVE, Chain
from tests.support.energy import (
    OPERATOR,
    EnergyChain,
    World,
    energy_chain,
    next_slot,
    now_ms,
    pass_gate_time,
)
from tests.support.watt_ledger import MINIMUM

Energy = Chain[EnergyChain]
ZONE = Zone(OperatorKind.MEA, OPERATOR, 5_000, 20_000, ZoneStatus.InService)
LINE = Line(1_000, 107)


@pytest.fixture
def energy() -> Iterator[Energy]:
    """Zones 1 (the operator's) and 2 (Eve's), a line from 1 to 2, and the market standing on them."""
    made = energy_chain(
        world=World({1: 0, 2: 0}, {1: OPERATOR, 2: EVE}, wires=(Wire(1, 2, 500, 9),), uses_grid=True)
    )
    yield made
    made.close_block()


def endow_pot(energy: Energy, zone: int) -> None:
    """Give the pot of a zone's wheeling the minimum balance."""
    energy.pallets.watt.mint_into(energy.pallets.grid.wheeling_pot(zone), MINIMUM)


def test_governance_adds_and_changes_zones(energy: Energy) -> None:
    grid = energy.pallets.grid
    energy.noop(BadOrigin, OPERATOR, "Grid.set_zone", 3, ZONE)
    for change in ({"wheeling": 1_000_001}, {"loss_ppm": 1_000_001}):
        energy.noop(grid.BadParameters, ROOT, "Grid.set_zone", 3, structs.replace(ZONE, **change))
    energy.noop(grid.PotMissing, ROOT, "Grid.set_zone", 3, ZONE)
    endow_pot(energy, 3)
    energy.ok(ROOT, "Grid.set_zone", 3, ZONE)
    assert energy.events() == [Grid.ZoneSet(3, ZONE)]
    assert (grid.operator_of(3), grid.wheeling_of(3), grid.loss_ppm_of(3)) == (OPERATOR, 5_000, 20_000)
    assert (grid.operator_of(9), grid.wheeling_of(9), grid.loss_ppm_of(9)) == (None, 0, 0)
    suspended = structs.replace(ZONE, status=ZoneStatus.Suspended)
    energy.ok(ROOT, "Grid.set_zone", 3, suspended)
    assert grid.operator_of(3) is None
    assert grid.zone_ids.get() == (1, 2, 3)


def test_so_many_zones_and_lines_and_no_more(energy: Energy) -> None:
    grid = energy.pallets.grid
    for number in range(3, 34):
        endow_pot(energy, number)
    for number in range(3, 33):
        energy.ok(ROOT, "Grid.set_zone", number, ZONE)
    energy.noop(grid.TooMany, ROOT, "Grid.set_zone", 33, ZONE)
    energy.ok(ROOT, "Grid.set_zone", 32, ZONE)
    ways = [
        (one, other)
        for one in range(1, 33)
        for other in range(1, 33)
        if one != other and (one, other) != (1, 2)
    ]
    for way in ways[: LINES_MAX - 1]:
        energy.ok(ROOT, "Grid.set_line", *way, LINE)
    energy.noop(grid.TooMany, ROOT, "Grid.set_line", *ways[LINES_MAX], LINE)
    energy.ok(ROOT, "Grid.set_line", *ways[0], LINE)


def test_line_joins_two_zones(energy: Energy) -> None:
    grid = energy.pallets.grid
    energy.noop(BadOrigin, OPERATOR, "Grid.set_line", 2, 1, LINE)
    energy.noop(grid.BadParameters, ROOT, "Grid.set_line", 1, 1, LINE)
    energy.noop(grid.BadParameters, ROOT, "Grid.set_line", 1, 2, Line(1, 1_000_001))
    energy.noop(grid.UnknownZone, ROOT, "Grid.set_line", 1, 3, LINE)
    energy.ok(ROOT, "Grid.set_line", 2, 1, LINE)
    assert energy.events() == [Grid.LineSet(2, 1, LINE)]
    assert grid.wires_of(next_slot(energy)) == [Wire(1, 2, 500, 9), Wire(2, 1, 1_000, 107)]


def test_operator_sets_capacities_of_its_lines_until_the_gate(energy: Energy) -> None:
    grid, slot = energy.pallets.grid, next_slot(energy, 2)
    energy.noop(grid.UnknownZone, OPERATOR, "Grid.set_capacity", 9, 2, (slot,), 7)
    energy.noop(grid.NotOperator, EVE, "Grid.set_capacity", 1, 2, (slot,), 7)
    energy.noop(grid.UnknownLine, EVE, "Grid.set_capacity", 2, 1, (slot,), 7)
    energy.noop(grid.TooMany, OPERATOR, "Grid.set_capacity", 1, 2, (slot,) * (SLOTS_AT_ONCE_MAX + 1), 7)
    energy.noop(grid.GatePassed, OPERATOR, "Grid.set_capacity", 1, 2, (slot, slot - 2), 7)
    energy.noop(grid.GatePassed, OPERATOR, "Grid.set_capacity", 1, 2, (slot + 1_000,), 7)
    energy.ok(OPERATOR, "Grid.set_capacity", 1, 2, (slot, slot + 1), 7)
    assert energy.events() == [Grid.CapacitySet(1, 2, (slot, slot + 1), 7)]
    assert grid.wires_of(slot) == grid.wires_of(slot + 1) == [Wire(1, 2, 7, 9)]
    assert grid.wires_of(slot + 2) == [Wire(1, 2, 500, 9)]
    energy.ok(OPERATOR, "Grid.set_capacity", 1, 2, (slot,), 0)
    assert grid.wires_of(slot) == []
    pass_gate_time(energy, slot)
    energy.noop(grid.GatePassed, OPERATOR, "Grid.set_capacity", 1, 2, (slot,), 7)


def test_line_from_a_suspended_zone_takes_nothing(energy: Energy) -> None:
    zone = Zone(OperatorKind.PEA, EVE, 0, 0, ZoneStatus.Suspended)
    energy.ok(ROOT, "Grid.set_zone", 2, zone)
    assert energy.pallets.grid.wires_of(next_slot(energy)) == []


def test_capacities_and_flows_of_an_archived_slot_are_removed(energy: Energy) -> None:
    grid, slot = energy.pallets.grid, next_slot(energy, 2)
    energy.ok(OPERATOR, "Grid.set_capacity", 1, 2, (slot, slot + 1), 7)
    grid.note_flows(slot, [(Wire(1, 2, 7, 9), 5)], 0)
    grid.forget_slot(slot)
    assert [key for key, _ in grid.capacity.items()] == [(slot + 1, (1, 2))]
    assert not list(grid.flow.items())


@pytest.mark.parametrize(
    ("share", "level"), [(0, 0), (799, 0), (800, 1), (899, 1), (900, 2), (969, 2), (970, 3), (1_200, 3)]
)
def test_levels_of_the_load(share: int, level: int) -> None:
    assert level_of(share) is AlertLevel(level)


def test_operator_raises_and_clears_an_alert(energy: Energy) -> None:
    grid = energy.pallets.grid
    energy.noop(grid.NotOperator, ALICE, "Grid.raise_alert", 1, AlertLevel.Advisory)
    energy.noop(grid.UnknownZone, OPERATOR, "Grid.raise_alert", 9, AlertLevel.Advisory)
    energy.noop(grid.BadParameters, OPERATOR, "Grid.raise_alert", 1, AlertLevel.Normal)
    energy.noop(grid.NoAlert, OPERATOR, "Grid.clear_alert", 1)
    energy.ok(OPERATOR, "Grid.raise_alert", 1, AlertLevel.Advisory)
    assert energy.events() == [Grid.AlertRaised(1, AlertLevel.Advisory)]
    assert grid.alerts.get(1) == Alert(AlertLevel.Advisory, now_ms(energy))
    energy.noop(grid.NotOperator, ALICE, "Grid.clear_alert", 1)
    energy.ok(OPERATOR, "Grid.clear_alert", 1)
    assert energy.events() == [Grid.AlertCleared(1)]


def halts(energy: Energy) -> list[Halt]:
    found = [energy.pallets.market.markets.get(zone) for zone in (1, 2)]
    return [market.halt for market in found if market is not None]


def test_emergency_of_a_zone_halts_its_market_alone(energy: Energy) -> None:
    energy.ok(OPERATOR, "Grid.raise_alert", 1, AlertLevel.CurtailFlexible)
    assert halts(energy) == [Halt.No, Halt.No]
    energy.ok(OPERATOR, "Grid.raise_alert", 1, AlertLevel.Emergency)
    assert halts(energy) == [Halt.Emergency, Halt.No]
    energy.ok(OPERATOR, "Grid.clear_alert", 1)
    assert halts(energy) == [Halt.Emergency, Halt.No]


def test_load_above_97_percent_halts_every_market(energy: Energy) -> None:
    world, slot = energy.pallets.world, next_slot(energy, 2)
    energy.ok(BOB, "Market.submit_order", 1, slot, Side.BUY, 10, 10, 0)
    seen = []
    for share in (None, 850, 860, 930, None, 969, 970, 100):
        world.load = share
        energy.next_block(2)
        seen.append(energy.pallets.grid.load_level.get())
    assert seen == [0, 1, 1, 2, 2, 2, 3, 0]
    assert halts(energy) == [Halt.Emergency, Halt.Emergency]
    assert not list(energy.pallets.market.orders.items())


def test_change_of_the_load_is_told_once(energy: Energy) -> None:
    energy.pallets.world.load = 850
    told = []
    for _ in range(6):
        energy.next_block()
        told += [event for event in energy.block_events() if isinstance(event, Grid.LoadChanged)]
    assert told == [Grid.LoadChanged(AlertLevel.Advisory, 850)]


@pytest.mark.parametrize("origin", [ROOT, NOBODY])
def test_calls_of_operators_are_for_signers(energy: Energy, origin: Origin) -> None:
    energy.noop(BadOrigin, origin, "Grid.set_capacity", 1, 2, (), 7)
    energy.noop(BadOrigin, origin, "Grid.raise_alert", 1, AlertLevel.Advisory)
    energy.noop(BadOrigin, origin, "Grid.clear_alert", 1)


def test_rent_is_paid_out_by_governance(energy: Energy) -> None:
    energy.noop(BadOrigin, OPERATOR, "Grid.claim_rent", OPERATOR, 1)
    energy.noop(energy.pallets.grid.InsufficientFunds, ROOT, "Grid.claim_rent", OPERATOR, 1)
