"""The rows of a slot's trades: one for each order that got something, in pages of fixed size, with the root
of a Merkle tree over all of them.

Responsible for pages that do not depend on how many rows came at once, and for taking the last ones back when
a halt unwinds them. It knows no money and no price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import structs

from pallets.energy_trading.market_store import MarketStore
from pallets.energy_trading.market_types import ROW_PAGE, Progress, Row, SlotKey
from runtime.primitives.row_tree import append_row, compute_root
from runtime.primitives.scale import codec
from runtime.primitives.types import Hash

_ROW = codec(Row)


@dataclass(frozen=True, slots=True)
class TradeRows:
    """Rows of one market instance."""

    store: MarketStore

    def append(self, key: SlotKey, progress: Progress, rows: Sequence[Row]) -> Progress:
        """Store more rows and return the progress that counts them, not yet stored."""
        trades = self.store.trades
        count, peaks = progress.rows, progress.peaks
        for row in rows:
            peaks = append_row(peaks, count, _ROW.encode(row))
            count += 1
        at, left = progress.rows, tuple(rows)
        while left:
            number, used = divmod(at, ROW_PAGE)
            taken = left[: ROW_PAGE - used]
            trades.put((*key, number), (*trades.get((*key, number)), *taken))
            at, left = at + len(taken), left[len(taken) :]
        return structs.replace(progress, rows=count, peaks=peaks)

    def take_last(self, key: SlotKey, progress: Progress, rows_max: int) -> tuple[Sequence[Row], Progress]:
        """Remove the last rows, at most so many and of one page; return them and the progress without."""
        number = (progress.rows - 1) // ROW_PAGE
        page = self.store.trades.get((*key, number))
        taken, kept = page[-rows_max:], page[:-rows_max]
        if kept:
            self.store.trades.put((*key, number), kept)
        else:
            self.store.trades.remove((*key, number))
        return taken, structs.replace(progress, rows=progress.rows - len(taken), peaks=())

    def drop(self, key: SlotKey, first: int, pages_max: int) -> int | None:
        """Remove rows of a slot, whose root stays, from a page on; return where to go on, None at the end."""
        for number in range(first, first + pages_max):
            if not self.store.trades.contains((*key, number)):
                return None
            self.store.trades.remove((*key, number))
        following = first + pages_max
        return following if self.store.trades.contains((*key, following)) else None


def compute_rows_root(store: MarketStore, key: SlotKey) -> Hash:
    """Return the root of all rows of a slot, from the rows themselves; linear in them."""
    rows: list[bytes] = []
    number = 0
    while page := store.trades.get((*key, number)):
        rows += [_ROW.encode(row) for row in page]
        number += 1
    return compute_root(rows)
