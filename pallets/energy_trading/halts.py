"""Halts: who may stop a zone's market and let it go on.

Responsible for the operator's word, for counting regulators' votes, and for emergencies of the grid. What a
halt does to books is `slot_life.py`'s.

Votes for a halt and for resuming are counted apart, and stand until the market is halted or resumed, or the
regulator is none any more. A vote
for a halt of a market that regulators halted already, or for resuming one that runs, is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from pallets.energy_trading import market_errors as errors
from pallets.energy_trading import market_events as events
from pallets.energy_trading.market_store import MarketStore
from pallets.energy_trading.market_types import Halt, Market, Voters, ZoneId
from pallets.energy_trading.slot_life import SlotLife
from runtime.frame.storage import Map
from runtime.primitives.types import AccountId


@dataclass(frozen=True, slots=True)
class Halts:
    """Halts of one market instance."""

    store: MarketStore
    life: SlotLife
    votes: Map[tuple[ZoneId, bool], Voters]

    def ask_halt(self, who: AccountId, zone: int) -> None:
        """Halt a market for its operator, or count a regulator's vote; raises MarketHalted where it is."""
        market = self.store.get_market(zone)
        if self._is_operator(who, zone):
            if market.is_halted:
                raise self.store.error(errors.MarketHalted)
            self._halt(zone, market, Halt.Operator)
            return
        if market.halt is Halt.Regulators:
            raise self.store.error(errors.MarketHalted)
        if self._vote(who, zone, is_halt=True):
            self._halt(zone, market, Halt.Regulators)

    def ask_resume(self, who: AccountId, zone: int) -> None:
        """Resume a market for its operator, or count a regulator's vote; raises NotHalted where it runs."""
        market = self.store.get_market(zone)
        if not market.is_halted:
            raise self.store.error(errors.NotHalted)
        is_operators = market.halt is not Halt.Regulators and self._is_operator(who, zone)
        if is_operators or self._vote(who, zone, is_halt=False):
            self._resume(zone, market)

    def halt_for_emergency(self, zone: int) -> bool:
        """Halt a market for the grid's sake; False where there is none or it is halted already."""
        market = self.store.markets.get(zone)
        if market is None or market.is_halted:
            return False
        self._halt(zone, market, Halt.Emergency)
        return True

    def _is_operator(self, who: AccountId, zone: int) -> bool:
        return self.store.config.zones.operator_of(zone) == who

    def _vote(self, who: AccountId, zone: int, *, is_halt: bool) -> bool:
        """Count a regulator's vote; tell whether there are enough."""
        if not self.store.config.regulators.is_regulator(who):
            raise self.store.error(errors.NotOperator)
        is_regulator = self.store.config.regulators.is_regulator
        votes = tuple(one for one in self.votes.get((zone, is_halt)) if is_regulator(one))
        if who in votes:
            raise self.store.error(errors.AlreadyVoted)
        self.votes.put((zone, is_halt), (*votes, who))
        self.store.deposit(events.HaltVoted(zone, who, len(votes) + 1))
        return len(votes) + 1 >= self.store.config.regulators_needed

    def _halt(self, zone: int, market: Market, halt: Halt) -> None:
        self._forget_votes(zone)
        self.store.markets.put(zone, structs.replace(market, halt=halt))
        if not market.is_halted:
            self.life.halt(zone)
        self.store.deposit(events.MarketHalted(zone))

    def _resume(self, zone: int, market: Market) -> None:
        self._forget_votes(zone)
        self.store.markets.put(zone, structs.replace(market, halt=Halt.No))
        self.store.deposit(events.MarketResumed(zone))

    def _forget_votes(self, zone: int) -> None:
        for is_halt in (False, True):
            self.votes.remove((zone, is_halt))
