"""What screens read of the grid: zones, lines, flows, alerts; it changes nothing.

Responsible for the shapes of these answers, for their bounds, and for the runtime API. The rent of a slot's
auctions it asks the market, as a Protocol. Energy is in Wh of one slot, prices are in ticks of 0.0001 THB per
kWh, money in units of 10⁻¹² THB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Protocol, TypeAlias

from pallets.energy_trading.grid import Grid
from pallets.energy_trading.grid_types import (
    ZONES_MAX,
    AlertLevel,
    Curtailment,
    OperatorKind,
    SlotId,
    Way,
    ZoneId,
    ZoneStatus,
)
from runtime.frame.api import PAGE_MAX, Api, ApiMethod
from runtime.primitives.scale import MaxLen, Struct, u32, u64, u128
from runtime.primitives.types import AccountId

GRID_API: Final = ("EnergyGridApi", 1)
"""Name and version, as the runtime's version announces them."""


class ZoneView(Struct, path="loam::energy::ZoneView"):
    """A zone of the grid, and since when its operator's alert stands, if any."""

    zone: ZoneId
    kind: OperatorKind
    operator: AccountId
    wheeling: u32
    loss_ppm: u32
    status: ZoneStatus
    alert: AlertLevel
    alert_since_ms: u64 | None


class FlowView(Struct, path="loam::energy::FlowView"):
    """A line in one slot: what fits, what auctions send over it, and what a kWh of that costs."""

    source: ZoneId
    target: ZoneId
    capacity: u64
    energy: u64
    wheeling: u32


class FlowsView(Struct, path="loam::energy::FlowsView"):
    """A page of the lines in one slot, of `count` in all, the congestion rent of the slot's auctions as long
    as these are kept, and the curtailments that are ordered for it."""

    slot: SlotId
    count: u32
    lines: Annotated[tuple[FlowView, ...], MaxLen(PAGE_MAX)]
    rent: u128
    curtailments: Annotated[tuple[Curtailment, ...], MaxLen(ZONES_MAX)]


class AlertView(Struct, path="loam::energy::AlertView"):
    """An alert that a zone's operator raised."""

    zone: ZoneId
    level: AlertLevel
    since_ms: u64


class AlertsView(Struct, path="loam::energy::AlertsView"):
    """The level of the whole grid's load, the alerts of zones, and the next curtailments that are ordered."""

    load: AlertLevel
    alerts: Annotated[tuple[AlertView, ...], MaxLen(ZONES_MAX)]
    curtailments: Annotated[tuple[Curtailment, ...], MaxLen(PAGE_MAX)]


Zones: TypeAlias = Annotated[tuple[ZoneView, ...], MaxLen(ZONES_MAX)]


class Auctions(Protocol):
    """What auctions of several zones paid."""

    def rent_of(self, slot: int) -> int:
        """Return the congestion rent of a slot's auctions, 0 once they are archived."""
        ...


@dataclass(frozen=True, slots=True)
class GridViews:
    """Readings of one grid instance."""

    grid: Grid
    auctions: Auctions

    def list_zones(self) -> tuple[ZoneView, ...]:
        """Return all zones in the order of their numbers."""
        return tuple(self._view_zone(zone) for zone in self.grid.zone_ids.get())

    def view_flows(self, slot: int, first: int, limit: int) -> FlowsView:
        """Return at most so many lines in a slot, from a place in their order on."""
        ways = self.grid.ways.get()
        energy = {(flow.source, flow.target): flow.energy for flow in self.grid.flow.get(slot)}
        wanted = ways[first : first + min(limit, PAGE_MAX)]
        ordered = tuple(one for one in self.grid.curtailments.get() if one.slot == slot)
        lines = tuple(self._view_flow(slot, way, energy.get(way, 0)) for way in wanted)
        return FlowsView(slot, len(ways), lines, self.auctions.rent_of(slot), ordered)

    def view_alerts(self) -> AlertsView:
        """Return what operators and the grid's load warn of."""
        found = ((zone, self.grid.alerts.get(zone)) for zone in self.grid.zone_ids.get())
        alerts = tuple(
            AlertView(zone, alert.level, alert.since_ms) for zone, alert in found if alert is not None
        )
        return AlertsView(self.grid.load_level.get(), alerts, self.grid.curtailments.get()[:PAGE_MAX])

    def _view_zone(self, number: int) -> ZoneView:
        zone, alert = self.grid.zones.get(number), self.grid.alerts.get(number)
        assert zone is not None, "a zone that is listed is stored"
        return ZoneView(
            number,
            zone.kind,
            zone.operator,
            zone.wheeling,
            zone.loss_ppm,
            zone.status,
            AlertLevel.Normal if alert is None else alert.level,
            None if alert is None else alert.since_ms,
        )

    def _view_flow(self, slot: int, way: Way, energy: int) -> FlowView:
        line, changed = self.grid.lines.get(way), self.grid.capacity.get(slot, way)
        assert line is not None, "a way that is listed has a line"
        capacity = line.capacity if changed is None else changed
        return FlowView(*way, capacity, energy, line.wheeling)


def grid_api(views: GridViews) -> Api:
    """Return `EnergyGridApi`, by JSON-RPC `energy_*`."""
    name, version = GRID_API
    methods = (
        ApiMethod("zones", (), Zones, views.list_zones, "The zones of the grid and who runs them."),
        ApiMethod(
            "flows",
            (("slot", SlotId), ("first", u32), ("limit", u32)),
            FlowsView,
            views.view_flows,
            "The lines in one slot from a place on: capacity and energy, rent, and curtailments.",
            is_live=True,
        ),
        ApiMethod(
            "alerts",
            (),
            AlertsView,
            views.view_alerts,
            "The level of the grid's load, alerts of zones, and curtailments that are ordered.",
            is_live=True,
        ),
    )
    return Api(name, version, methods, "Zones, lines, flows and alerts of the grid.", rpc="energy")
