"""Positions of cleared slots as settlement reads them.

Responsible for listing them page by page in one order, and for handing a seller's receivable over once. The
order is that of the raw storage keys, so an account has the same place whoever asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from msgspec import structs

from pallets.energy_trading.market_store import MarketStore
from pallets.energy_trading.market_types import Position, SlotKey, SlotPosition
from pallets.energy_trading.orders import Side
from runtime.primitives.types import AccountId


def receivable_of(position: Position) -> int:
    """Return what a seller is still owed out of the pot."""
    return position.energy if position.side is Side.SELL and not position.is_handed_over else 0


def _as_settled(who: AccountId, position: Position) -> SlotPosition:
    """Return a position as settlement reads it."""
    bought = position.traded_wh if position.side is Side.BUY else 0
    return SlotPosition(who, bought, position.traded_wh - bought, receivable_of(position))


@dataclass(frozen=True, slots=True)
class Positions:
    """The positions of one market instance."""

    store: MarketStore

    def list_after(self, key: SlotKey, after: AccountId | None, limit: int) -> list[SlotPosition]:
        """Return at most so many positions of a slot after that of an account; fewer at the end."""
        positions = self.store.positions
        prefix = positions.raw_prefix(key)
        start = None if after is None else positions.raw_key((key, after))
        found: list[SlotPosition] = []
        for raw in islice(positions.raw_keys(prefix, start), limit):
            who = positions.decode_key(raw)[1]
            position = positions.get(key, who)
            assert position is not None, "a key that is listed has a value"
            found.append(_as_settled(who, position))
        return found

    def find(self, key: SlotKey, who: AccountId) -> SlotPosition | None:
        """Return an account's position in a slot, None when it has none."""
        position = self.store.positions.get(key, who)
        return None if position is None else _as_settled(who, position)

    def take_receivable(self, key: SlotKey, who: AccountId) -> int:
        """Return what a seller is owed for a slot, 0 the second time, and mark it as handed over."""
        position = self.store.positions.get(key, who)
        if position is None:
            return 0
        amount = receivable_of(position)
        if amount:
            self.store.positions.put(key, who, structs.replace(position, is_handed_over=True))
        return amount
