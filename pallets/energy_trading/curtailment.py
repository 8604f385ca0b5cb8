"""Curtailment: every position of a cleared slot is scaled down, and what buyers paid too much comes back.

Responsible for doing it a few positions at a time, with the same end however the steps are cut. Who curtails
which slot by how much is the grid's business.

Of the energy bought, and as much sold, `permille` stays, rounded down, and is shared by both sides in
proportion to what each position has: floor, and the Wh that remain one each in the order of the storage keys.
A seller's receivable shrinks with its energy, rounded down. Buyers get back what sellers lose, each in
proportion to the energy it paid for and does not get, with its fee and wheeling. Where all pay one price, as
in an auction, that is the price of every Wh exactly; where prices differ, less than a Wh's worth for each
position may stay in the pot, and goes to the treasury with the slot's fees.

The positions are read five times: counted, measured, sellers, buyers weighed, buyers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import structs

from pallets.energy_trading.escrow import Escrow
from pallets.energy_trading.levels import WHOLE_PERMILLE
from pallets.energy_trading.market_store import MarketStore
from pallets.energy_trading.market_types import Book, Curtailing, CurtailStage, Phase, Position, SlotKey
from pallets.energy_trading.order_books import OrderBooks
from pallets.energy_trading.orders import Side
from pallets.energy_trading.positions import Positions
from pallets.energy_trading.units import compute_value
from runtime.primitives.arithmetic import Rounding, mul_div
from runtime.primitives.proportion import Proportion, measure, share, start_sharing
from runtime.primitives.types import AccountId


@dataclass(frozen=True, slots=True)
class Curtailment:
    """The scaling of positions in one market instance."""

    store: MarketStore
    books: OrderBooks
    escrow: Escrow
    positions: Positions

    def start(self, key: SlotKey, book: Book, permille: int) -> None:
        """Begin to scale the positions of a cleared slot down to so many permille."""
        self.store.books.put(key, structs.replace(book, phase=Phase.Curtailing))
        self.store.curtailing.put(key, Curtailing(permille, CurtailStage.Count))
        zone, slot = key
        self.store.work_queue.put(zone, (*self.store.work_queue.get(zone), slot))

    def work(self, key: SlotKey, positions_max: int) -> int:
        """Go on with up to so many positions, and return how many, a change of stage counting for one."""
        done = 0
        while done < positions_max:
            state = self.store.curtailing.get(key)
            if state is None:
                break
            page = [one.who for one in self.positions.list_after(key, state.after, positions_max - done)]
            if page:
                for who in page:
                    state = self._visit(key, who, state)
                self.store.curtailing.put(key, structs.replace(state, after=page[-1]))
            else:
                self._end_stage(key, state)
            done += max(1, len(page))
        return done

    def _visit(self, key: SlotKey, who: AccountId, state: Curtailing) -> Curtailing:
        position = self.store.positions.get(key, who)
        assert position is not None, "a position that is listed is there"
        is_buyer = position.side is Side.BUY
        match state.stage:
            case CurtailStage.Count:
                bought = position.traded_wh if is_buyer else 0
                return structs.replace(state, total=state.total + bought)
            case CurtailStage.Measure:
                return _measure(state, position)
            case CurtailStage.Sellers:
                return state if is_buyer else self._sell_less(key, who, position, state)
            case CurtailStage.WeighBuyers:
                return _weigh(state, position) if is_buyer else state
            case CurtailStage.Buyers:
                return self._buy_less(key, who, position, state) if is_buyer else state

    def _end_stage(self, key: SlotKey, state: Curtailing) -> None:
        """Go on to the next reading of the positions, or end."""
        match state.stage:
            case CurtailStage.Count:
                sharing = start_sharing(_kept(state), state.total)
                left, unmeasured = sharing.left_over, sharing.unmeasured
                state = structs.replace(
                    state,
                    buy_left=left,
                    sell_left=left,
                    buy_unmeasured=unmeasured,
                    sell_unmeasured=unmeasured,
                )
            case CurtailStage.Measure:
                state = structs.replace(state, buy_weigh_left=state.buy_left)
            case CurtailStage.Buyers:
                self._finish(key, state)
                return
            case _:
                pass
        self.store.curtailing.put(
            key, structs.replace(state, stage=CurtailStage(state.stage + 1), after=None)
        )

    def _finish(self, key: SlotKey, state: Curtailing) -> None:
        store, (zone, slot) = self.store, key
        book = store.books.get(key)
        assert book is not None, "a slot that is curtailed has a book"
        store.curtailing.remove(key)
        store.work_queue.put(zone, tuple(one for one in store.work_queue.get(zone) if one != slot))
        store.books.put(key, structs.replace(book, phase=Phase.Cleared))
        store.config.zones.note_curtailed(zone, slot, state.permille, state.refunded)

    def _sell_less(self, key: SlotKey, who: AccountId, position: Position, state: Curtailing) -> Curtailing:
        kept, left = _share(state, position, state.sell_left)
        energy = mul_div(position.energy, kept, position.traded_wh, Rounding.DOWN)
        lost = position.energy - energy
        changed = structs.replace(position, traded_wh=kept, energy=energy)
        self._put(key, who, changed, lambda book: structs.replace(book, energy=book.energy + lost))
        return structs.replace(state, sell_left=left, lost=state.lost + lost)

    def _buy_less(self, key: SlotKey, who: AccountId, position: Position, state: Curtailing) -> Curtailing:
        book = self.store.books.get(key)
        assert book is not None, "a slot that is curtailed has a book"
        kept, left = _share(state, position, state.buy_left)
        energy = _paid_for_cut(position, kept)
        if state.weighed > state.lost:
            energy = mul_div(energy, state.lost, state.weighed, Rounding.DOWN)
        wheeling_rate, cut = book.terms.wheeling, position.traded_wh - kept
        fees = position.charges - compute_value(position.traded_wh, wheeling_rate)
        fee = mul_div(fees, cut, position.traded_wh, Rounding.DOWN)
        wheeling = compute_value(cut, wheeling_rate)
        changed = structs.replace(
            position,
            traded_wh=kept,
            energy=position.energy - energy,
            charges=position.charges - fee - wheeling,
        )
        self._put(
            key,
            who,
            changed,
            lambda book: structs.replace(
                book, energy=book.energy - energy, fees=book.fees - fee, wheeling=book.wheeling - wheeling
            ),
        )
        self.escrow.refund(who, energy + fee + wheeling)
        return structs.replace(state, buy_left=left, refunded=state.refunded + energy + fee + wheeling)

    def _put(self, key: SlotKey, who: AccountId, changed: Position, shift: Callable[[Book], Book]) -> None:
        book = self.store.books.get(key)
        assert book is not None, "a slot that is curtailed has a book"
        self.store.books.put(key, self.books.put_position(key, who, changed, shift(book)))


def _kept(state: Curtailing) -> int:
    """Return the Wh that stay of all that is bought."""
    return state.total * state.permille // WHOLE_PERMILLE


def _measure(state: Curtailing, position: Position) -> Curtailing:
    is_buyer = position.side is Side.BUY
    unmeasured = state.buy_unmeasured if is_buyer else state.sell_unmeasured
    left = state.buy_left if is_buyer else state.sell_left
    found = measure(Proportion(_kept(state), state.total, unmeasured, left), [position.traded_wh])
    if is_buyer:
        return structs.replace(state, buy_unmeasured=found.unmeasured, buy_left=found.left_over)
    return structs.replace(state, sell_unmeasured=found.unmeasured, sell_left=found.left_over)


def _share(state: Curtailing, position: Position, left: int) -> tuple[int, int]:
    """Return the Wh that stay of a position, and how many remain for those to come."""
    shares, found = share(Proportion(_kept(state), state.total, 0, left), [position.traded_wh])
    return shares[0], found.left_over


def _paid_for_cut(position: Position, kept: int) -> int:
    return mul_div(position.energy, position.traded_wh - kept, position.traded_wh, Rounding.DOWN)


def _weigh(state: Curtailing, position: Position) -> Curtailing:
    kept, left = _share(state, position, state.buy_weigh_left)
    return structs.replace(state, buy_weigh_left=left, weighed=state.weighed + _paid_for_cut(position, kept))
