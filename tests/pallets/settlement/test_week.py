"""A week of real homes through the pallets: the final balances of an independent script, to the unit.

The market is a stand-in that is told what the auction of `energy_trading` finds; meters, settlement and
netting are the pallets. Buyers pay into the market's pot when an hour clears, as they do through Market.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from pallets.energy_trading.fills import Rationing, clear, compute_payment
from pallets.energy_trading.levels import Order, Rules
from pallets.energy_trading.units import compute_value
from pallets.settlement.settlement_types import GridPrices
from pallets.settlement.tariff import OFF_PEAK_TICKS, ON_PEAK_TICKS
from runtime.frame.account import pot_account
from runtime.frame.dispatch import ROOT, Weight
from runtime.frame.fungible import Preservation
from tests.support.fake_watt import MINIMUM, Trade
from tests.support.settlement import (
    FUNDS,
    MARKET_POT,
    OPERATOR,
    PENALTY_POT,
    ZONE,
    Community,
    EnergyChain,
    energy_chain,
    give,
    net_all,
    person,
)
from tests.vectors.settlement import Hour, read_hours

WEEK = Path(__file__).parents[2] / "vectors" / "data" / "replay_homes15_week.json"
FEES_POT, WHEELING_POT = pot_account(b"lo/fees_"), pot_account(b"lo/wheel")
EPOCH_SLOTS = 24
AMPLE = Weight(10**12, 10**9)


class TradedWeek:
    """Homes that trade by yesterday's need, on a chain that settles by its hooks."""

    def __init__(self, document: dict[str, Any]) -> None:
        params = document["params"]
        self.homes: list[str] = list(document["final_balance"])
        self.rules = Rules(params["k_permille"], params["fee_bps"], params["wheeling_tick"])
        self.feed_in: int = params["feed_in_tick"]
        self.hours = read_hours()
        self.chain: EnergyChain = energy_chain(AMPLE, len(self.homes), EPOCH_SLOTS)
        for pot in (FEES_POT, WHEELING_POT):
            give(self.chain, pot, MINIMUM)
        self.community = Community(self.chain, len(self.homes))
        self.community.read(*((0, 0),) * len(self.homes))
        self.community.settle()

    def run_hour(self, number: int) -> None:
        hour, yesterday = self.hours[number], self.hours[number - 24]
        retail = ON_PEAK_TICKS if hour.is_on_peak else OFF_PEAK_TICKS
        self.chain.pallets.settlement.prices.put(
            (ZONE, self.community.slot), GridPrices(self.feed_in, retail)
        )
        self._trade(yesterday, retail)
        needs = [hour.net_wh(home) for home in self.homes]
        self.community.read(*((max(need, 0), max(-need, 0)) for need in needs))
        self.chain.next_block()
        assert self.chain.pallets.settlement.is_settled(ZONE, self.community.slot), "the hook has settled it"
        self.community.slot += 1

    def end(self) -> None:
        """Count nothing more and pay for the last hours."""
        for device in self.community.devices:
            self.chain.ok(ROOT, "Meters.retire_meter", device.id)
        self.community.read(*((0, 0),) * len(self.homes))
        net_all(self.chain)

    def _trade(self, yesterday: Hour, retail: int) -> None:
        needs = [yesterday.net_wh(home) for home in self.homes]
        buyers = [place for place, need in enumerate(needs) if need > 0]
        sellers = [place for place, need in enumerate(needs) if need < 0]
        bids = [Order(needs[place], retail) for place in buyers]
        offers = [Order(-needs[place], self.feed_in) for place in sellers]
        auction = clear(bids, offers, self.rules, Rationing.PRO_RATA)
        if auction.clearing is None:
            return
        price, watt = auction.clearing.price, self.chain.pallets.watt
        for place, order, fill in zip(buyers, bids, auction.bid_fills, strict=True):
            payment = compute_payment(order, fill, price, self.rules)
            parts = (
                (MARKET_POT, compute_value(fill, price)),
                (FEES_POT, payment.fee),
                (WHEELING_POT, payment.wheeling),
            )
            assert sum(amount for _, amount in parts) == payment.total
            for pot, amount in parts:
                watt.transfer(person(place), pot, amount, Preservation.PRESERVE)
            self.community.trade(place, fill, 0)
        for place, fill in zip(sellers, auction.offer_fills, strict=True):
            trade = Trade(0, fill, compute_value(fill, price))
            self.chain.pallets.market.trade(ZONE, self.community.slot, person(place), trade)


@pytest.mark.slow
def test_week_of_real_homes_ends_with_the_balances_of_the_script() -> None:
    document = json.loads(WEEK.read_text(encoding="utf-8"))
    week = TradedWeek(document)
    watt = week.chain.pallets.watt
    issued = watt.total_issuance()
    for number, *_ in document["slots"]:
        week.run_hour(number)
    week.end()
    found = {home: str(watt.free.get(person(place)) - FUNDS) for place, home in enumerate(week.homes)}
    assert found == document["final_balance"]
    assert watt.free.get(FEES_POT) - MINIMUM == int(document["fees"])
    assert watt.free.get(WHEELING_POT) - MINIMUM == int(document["wheeling"])
    assert watt.free.get(OPERATOR) - FUNDS == int(document["grid"])
    assert watt.free.get(PENALTY_POT) - MINIMUM == int(document["penalties"]) == 0
    assert watt.free.get(MARKET_POT) == MINIMUM
    assert watt.total_issuance() == issued
    assert len(list(week.chain.pallets.settlement.batches.items())) == 8
    week.chain.close_block()
