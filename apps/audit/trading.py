"""What was traded in a period, as securities and energy regulators have it.

Pure: events of blocks in, figures and rows out. A transaction is one trade of a continuous market, or what
one buyer's order got in an auction; its value is that of the energy, without fee, wheeling and VAT. It
counts in the period of its block. Fills that a halt takes back in the same period do not count; trades of a
continuous market stand. Contracts of two accounts come in a row of their own, for their events tell what
was paid, fee and wheeling included, and not how much energy.

Energy is in Wh, money in units of 10⁻¹² THB, prices in ticks of 0.0001 THB per kWh.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from apps.audit.plain import Record
from apps.audit.rows import GRID, MARKET
from apps.audit.witness import BlockEvents
from apps.chain.runtime import EventRecord
from apps.chain.values import Value
from pallets.energy_trading.units import MONEY_PER_THB, MONEY_PER_WH_TICK, compute_value

WH_PER_KWH: Final = 1_000
TICKS_PER_THB: Final = 10_000
PPM: Final = 1_000_000
BUY: Final = "BUY"


class Figures(NamedTuple):
    """Sums of trades."""

    transactions: int = 0
    energy_wh: int = 0
    value: int = 0
    fees: int = 0
    wheeling: int = 0

    def plus(self, other: Figures) -> Figures:
        """Return both together."""
        return Figures(*(one + two for one, two in zip(self, other, strict=True)))

    @property
    def average_ticks(self) -> int:
        """The average price, rounded down; 0 where nothing was traded."""
        return self.value // (self.energy_wh * MONEY_PER_WH_TICK) if self.energy_wh else 0

    def to_record(self) -> Record:
        """Return the sums by name, with the average price."""
        return {**self._asdict(), "average_ticks": self.average_ticks}

    def describe(self) -> str:
        """Return the sums for people; what is below a satang or a ten-thousandth is left out."""
        satang = self.value // (MONEY_PER_THB // 100)
        whole, ticks = divmod(self.average_ticks, TICKS_PER_THB)
        kwh, wh = divmod(self.energy_wh, WH_PER_KWH)
        energy = f"{kwh:,}.{wh:03}" if wh else f"{kwh:,}"
        return (
            f"{self.transactions:,} transactions, {energy} kWh, {satang // 100:,}.{satang % 100:02} THB,"
            f" {whole}.{ticks:04} THB/kWh on average"
        )


NOTHING: Final = Figures()


@dataclass(slots=True)
class _Grid:
    """What a zone's grid did beside trades."""

    settled_slots: int = 0
    wheeling_paid: int = 0
    fees_paid: int = 0
    grid_buys_wh: int = 0
    grid_sells_wh: int = 0
    netted_wh: int = 0
    penalties: int = 0
    curtailed_slots: int = 0
    curtailed_refunds: int = 0

    def to_record(self) -> Record:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Trading:
    """The trades of a period so far; memory grows with zones and with slots under way."""

    zones: dict[int, Figures] = field(default_factory=dict)
    accepted: int = 0
    paid: int = 0
    refunded: int = 0
    _grid: dict[int, _Grid] = field(default_factory=dict)
    _running: dict[tuple[int, int], Figures] = field(default_factory=dict)

    def add(self, block: BlockEvents) -> None:
        """Count the events of the next block."""
        for event in block.events:
            if event.pallet == MARKET:
                self._add_market(event)
            elif (event.pallet, event.name) == ("Settlement", "SlotSettled"):
                self._add_sums(self._grid_of(event.value["zone"]), event.value["sums"])
            elif (event.pallet, event.name) == (GRID, "Curtailed"):
                grid = self._grid_of(event.value["zone"])
                grid.curtailed_slots += 1
                grid.curtailed_refunds += event.value["refunded"]

    @property
    def total(self) -> Figures:
        """The sums over all zones."""
        total = NOTHING
        for figures in self._all().values():
            total = total.plus(figures)
        return total

    def sec_rows(self) -> list[Record]:
        """Return the quarter's rows: zones, their total, contracts."""
        return [
            *({"row": "zone", "zone": zone, **figures.to_record()} for zone, figures in self._all().items()),
            {"row": "total", **self.total.to_record()},
            {"row": "contracts", "accepted": self.accepted, "paid": self.paid, "refunded": self.refunded},
        ]

    def erc_rows(self, losses_ppm: Mapping[int, int]) -> list[Record]:
        """Return the month's rows, one for each zone; `losses_ppm` is what the grid loses of what flows."""
        figures = self._all()
        rows: list[Record] = []
        for zone in sorted({*figures, *self._grid}):
            traded, grid = figures.get(zone, NOTHING), self._grid.get(zone, _Grid())
            ppm = losses_ppm.get(zone, 0)
            losses = {"loss_ppm": ppm, "losses_wh": traded.energy_wh * ppm // PPM}
            rows.append({"row": "zone", "zone": zone, **traded.to_record(), **losses, **grid.to_record()})
        return rows

    def zones_seen(self) -> list[int]:
        """Return the zones of which there are rows."""
        return sorted({*self._all(), *self._grid})

    # --- leaves of the above

    def _all(self) -> dict[int, Figures]:
        """Return the sums of each zone, fills of slots under way included, in the order of zones."""
        found = dict(self.zones)
        for (zone, _), figures in self._running.items():
            found[zone] = found.get(zone, NOTHING).plus(figures)
        return dict(sorted(found.items()))

    def _add_market(self, event: EventRecord) -> None:
        value = event.value
        match event.name:
            case "TradeExecuted":
                self._add_trade(value)
            case "OrdersFilled":
                self._add_fills(value)
            case "SlotHalted":
                self._running.pop((value["zone"], value["slot"]), None)
            case "TradesSealed":
                done = self._running.pop((value["zone"], value["slot"]), NOTHING)
                self._count(value["zone"], done)
            case "SlotSettled":
                grid = self._grid_of(value["zone"])
                grid.settled_slots += 1
                grid.wheeling_paid += value["wheeling"]
                grid.fees_paid += value["fees"]
            case "BilateralAccepted":
                self.accepted += 1
                self.paid += value["paid"]
            case "BilateralTerminated":
                self.refunded += value["refunded"]
            case _:
                pass

    def _add_trade(self, value: Value) -> None:
        worth = compute_value(value["qty"], value["price"])
        self._count(value["zone"], Figures(1, value["qty"], worth, value["fee"], value["wheeling"]))

    def _add_fills(self, value: Value) -> None:
        key = (value["zone"], value["slot"])
        running = self._running.get(key, NOTHING)
        for row in value["rows"]:
            if row["side"].name == BUY:
                running = running.plus(Figures(1, row["qty"], row["energy"], row["fee"], row["wheeling"]))
        self._running[key] = running

    def _count(self, zone: int, figures: Figures) -> None:
        if figures != NOTHING:
            self.zones[zone] = self.zones.get(zone, NOTHING).plus(figures)

    def _grid_of(self, zone: int) -> _Grid:
        return self._grid.setdefault(zone, _Grid())

    def _add_sums(self, grid: _Grid, sums: Value) -> None:
        grid.grid_buys_wh += sums["grid_buys_wh"]
        grid.grid_sells_wh += sums["grid_sells_wh"]
        grid.netted_wh += sums["netted_wh"]
        grid.penalties += sums["penalties"]
