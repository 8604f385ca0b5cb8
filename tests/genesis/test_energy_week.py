"""A week of real homes through the whole runtime: the final balances of an independent script, to the unit.

Orders, readings, prices and registrations are calls of the composed chain: auctions, fees and wheeling are
Market's and Grid's, what was delivered is Meters', payments are Settlement's, guarantees Collateral's. An
hour of the data is a slot of three blocks.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from genesis.energy_section import TEST
from genesis.pots import MARKET_POT, PENALTY_POT, TREASURY
from pallets.energy_trading.grid_types import wheeling_pot_of
from pallets.energy_trading.orders import Side
from pallets.settlement.settlement_types import GridPrices, Tariff, TariffKind
from pallets.settlement.tariff import OFF_PEAK_TICKS, ON_PEAK_TICKS
from runtime.frame.dispatch import ROOT
from tests.support.chain import EVE
from tests.support.market import (
    FUNDS,
    LOCAL,
    MARKET,
    WHEELING_TICKS,
    ZONE,
    Device,
    current_slot,
    energy,
    home,
    join,
    market_chain,
    order,
    pass_slots,
    read,
)
from tests.vectors.settlement import Hour, read_hours

WEEK = Path(__file__).parents[1] / "vectors" / "data" / "replay_homes15_week.json"
TIMING = structs.replace(TEST, epoch_slots=24, epoch_offset_slots=3)
PLAIN = Tariff(TariffKind.Flat, 22_000, ON_PEAK_TICKS, 0, 0, 0, True)


class LivedWeek:
    """Homes that order by yesterday's need and are read when the hour is over."""

    def __init__(self, document: dict[str, Any]) -> None:
        params = document["params"]
        self.feed_in: int = params["feed_in_tick"]
        assert (params["wheeling_tick"], PLAIN.feed_in_ticks) == (WHEELING_TICKS, self.feed_in)
        self.homes: list[str] = list(document["final_balance"])
        self.hours = read_hours()
        rules = structs.replace(MARKET, k_permille=params["k_permille"], fee_bps=params["fee_bps"])
        self.chain: LOCAL = market_chain(len(self.homes), TIMING, rules)
        self.people = [home(place) for place in range(len(self.homes))]
        join(self.chain, *self.people)
        self.chain.ok(ROOT, "Settlement.set_tariff", ZONE, PLAIN)
        pass_slots(self.chain)
        first = current_slot(self.chain)
        self.devices = [
            Device(place, who).register(self.chain, first) for place, who in enumerate(self.people)
        ]
        self.counted: list[list[tuple[int, int]]] = [[(0, 0)] * len(self.homes)]
        """What meters counted in slots that are not read yet; nothing in the first one."""

    def run_hour(self, number: int) -> None:
        """Order for the next slot, and go to where that begins; read the one that is over then."""
        hour, yesterday = self.hours[number], self.hours[number - 24]
        retail = ON_PEAK_TICKS if hour.is_on_peak else OFF_PEAK_TICKS
        slot = current_slot(self.chain) + 1
        self.chain.ok(ROOT, "Settlement.set_prices", ZONE, slot, (GridPrices(self.feed_in, retail),))
        self._order(slot, yesterday, retail)
        needs = [hour.net_wh(name) for name in self.homes]
        self.counted.append([(max(need, 0), max(-need, 0)) for need in needs])
        self._pass_slot()

    def end(self) -> None:
        """Count nothing more, and pay for the last hours."""
        self._pass_slot()
        for device in self.devices:
            self.chain.ok(EVE, "Meters.retire_meter", device.id)
        self.counted.append([(0, 0)] * len(self.homes))
        self._pass_slot()
        pass_slots(self.chain, TIMING.epoch_slots + 2)

    def _order(self, slot: int, yesterday: Hour, retail: int) -> None:
        for who, name in zip(self.people, self.homes, strict=True):
            need = yesterday.net_wh(name)
            if need > 0:
                order(self.chain, who, slot, Side.BUY, need, retail)
            elif need < 0:
                order(self.chain, who, slot, Side.SELL, -need, self.feed_in)

    def _pass_slot(self) -> None:
        pass_slots(self.chain)
        read(self.chain, self.devices, self.counted.pop(0))


@pytest.mark.slow
def test_week_of_real_homes_through_the_real_market_ends_with_the_balances_of_the_script() -> None:
    document = json.loads(WEEK.read_text(encoding="utf-8"))
    week = LivedWeek(document)
    watt, market = week.chain.pallets.watt, energy(week.chain).market
    issued, minimum = watt.total_issuance(), watt.minimum_balance()
    operator = watt.total_balance(EVE)
    for number, *_ in document["slots"]:
        week.run_hour(number)
    week.end()
    found = {
        name: str(watt.total_balance(who) - FUNDS) for name, who in zip(week.homes, week.people, strict=True)
    }
    assert found == document["final_balance"]
    assert watt.total_balance(TREASURY) - minimum == int(document["fees"])
    assert watt.total_balance(wheeling_pot_of(ZONE)) - minimum == int(document["wheeling"])
    assert watt.total_balance(EVE) - operator == int(document["grid"])
    assert watt.total_balance(PENALTY_POT) - minimum == int(document["penalties"]) == 0
    assert watt.total_balance(MARKET_POT) == minimum
    assert watt.total_issuance() == issued
    assert not list(market.unclaimed.items())
    assert not list(market.orders.items())
    week.chain.close_block()
