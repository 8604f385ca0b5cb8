"""Bilateral contracts: two accounts agree on energy for a range of slots at a fixed price.

Responsible for proposing, accepting and terminating them. An accepted contract is a trade in each of its
slots: the buyer pays energy, fee and wheeling for all of them into the market's pot at once, both positions
have it, and the seller is owed the energy's value when the slot is settled.

Either side may terminate a contract for the slots whose gates are still open; the buyer is refunded exactly
what it paid for them. What is past its gate stands. A halt of the market cancels orders, not contracts.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import structs

from pallets.energy_trading import market_errors as errors
from pallets.energy_trading import market_events as events
from pallets.energy_trading.escrow import Escrow
from pallets.energy_trading.market_store import MarketStore
from pallets.energy_trading.market_types import (
    CONTRACT_SLOTS_MAX,
    CONTRACTS_MAX,
    PRICE_CAP_TICKS,
    Bilateral,
    Book,
    NewOrder,
    Phase,
    Position,
    SlotKey,
    Terms,
)
from pallets.energy_trading.order_books import OrderBooks
from pallets.energy_trading.order_desk import OrderDesk
from pallets.energy_trading.orders import Side
from pallets.energy_trading.units import compute_fee, compute_value
from runtime.primitives.arithmetic import U32_MAX
from runtime.primitives.types import AccountId


@dataclass(frozen=True, slots=True)
class BilateralDesk:
    """The contracts of one market instance."""

    store: MarketStore
    books: OrderBooks
    escrow: Escrow
    desk: OrderDesk

    def propose(self, contract: Bilateral) -> None:
        """Offer a contract to a partner, who may accept it until the gate of its first slot closes."""
        store, proposer = self.store, contract.proposer
        self.desk.ensure_trader(proposer)
        length = contract.last - contract.first + 1
        if contract.partner == proposer or not 1 <= length <= CONTRACT_SLOTS_MAX:
            raise store.error(errors.BadContract)
        self._ensure_tradable(contract)
        listed = store.contracts.get(proposer)
        number = store.next_contract_id.get()
        if len(listed) >= CONTRACTS_MAX or number == U32_MAX:
            raise store.error(errors.TooManyContracts)
        store.next_contract_id.put(number + 1)
        store.bilaterals.put(number, contract)
        store.contracts.put(proposer, (*listed, number))
        store.deposit(events.BilateralProposed(number, proposer, contract.partner))

    def accept(self, who: AccountId, number: int) -> int:
        """Accept a contract that was proposed to an account; return its number of slots."""
        store, contract = self.store, self._get(number)
        if who != contract.partner:
            raise store.error(errors.PartnerMismatch)
        if contract.is_active:
            raise store.error(errors.NothingToDo)
        self._ensure_tradable(contract)
        value = compute_value(contract.qty, contract.price) * len(contract.slots)
        for party in (contract.seller, contract.buyer):
            store.open_orders.put(party, self.desk.count_ordered(party, self.desk.ensure_party(party), value))
        paid = sum(self._trade((contract.zone, slot), contract) for slot in contract.slots)
        self.escrow.pay_in(contract.buyer, paid)
        store.bilaterals.put(number, structs.replace(contract, is_active=True))
        store.deposit(events.BilateralAccepted(number, paid))
        return len(contract.slots)

    def terminate(self, who: AccountId, number: int) -> int:
        """End a contract for one of the two, with refunds for its slots whose gates are open; return how many
        slots it has. Raises NotActive while the book of an open one is halting."""
        store, contract = self.store, self._get(number)
        if who not in {contract.seller, contract.buyer}:
            raise store.error(errors.PartnerMismatch)
        market, refunded = store.get_market(contract.zone), 0
        for slot in contract.slots if contract.is_active else ():
            key = (contract.zone, slot)
            book = store.books.get(key)
            if book is not None and book.phase is Phase.Halting and not store.is_gate_past(key, market):
                raise store.error(errors.NotActive)
            if store.is_before_gate(key, market):
                refunded += self._take_back(key, contract)
        self.escrow.refund(contract.buyer, refunded)
        store.bilaterals.remove(number)
        kept = tuple(one for one in store.contracts.get(contract.proposer) if one != number)
        if kept:
            store.contracts.put(contract.proposer, kept)
        else:
            store.contracts.remove(contract.proposer)
        store.deposit(events.BilateralTerminated(number, refunded))
        return len(contract.slots)

    def _get(self, number: int) -> Bilateral:
        contract = self.store.bilaterals.get(number)
        if contract is None:
            raise self.store.error(errors.UnknownContract)
        return contract

    def _ensure_tradable(self, contract: Bilateral) -> None:
        """Raise what an order would meet, in any of the slots: they are open from the first to the last."""
        store, zone = self.store, contract.zone
        market = store.get_market(zone)
        if store.config.zones.operator_of(zone) is None:
            raise store.error(errors.UnknownMarket)
        for party in (contract.seller, contract.buyer):
            participant = store.participants.get(party)
            if participant is None:
                raise store.error(errors.NotParticipant)
            self.desk.ensure_within_bands(market, participant, contract.qty, contract.price)
        for slot in (contract.first, contract.last):
            store.ensure_open((zone, slot), market)

    def _trade(self, key: SlotKey, contract: Bilateral) -> int:
        """Book a contract's energy in one slot; return what the buyer pays."""
        store = self.store
        store.ensure_before_gate(key, store.get_market(key[0]))
        book = self.books.open_book(key)
        for who, side in ((contract.seller, Side.SELL), (contract.buyer, Side.BUY)):
            participant = self.desk.ensure_trader(who)
            new = NewOrder(*key, side, contract.qty, PRICE_CAP_TICKS)
            position = self.desk.ensure_position(who, participant, new, book)
            book = self._shift(key, who, position, contract, book)
        store.books.put(key, book)
        return sum(_price(contract, book.terms))

    def _take_back(self, key: SlotKey, contract: Bilateral) -> int:
        """Undo a contract's energy in one slot; return what the buyer gets back."""
        store = self.store
        book = store.books.get(key)
        assert book is not None, "a contract's slot has a book"
        for who in (contract.seller, contract.buyer):
            position = store.positions.get(key, who)
            assert position is not None, "a contract's parties have a position"
            book = self._shift(key, who, position, contract, book, sign=-1)
        store.books.put(key, book)
        return sum(_price(contract, book.terms))

    def _shift(
        self, key: SlotKey, who: AccountId, position: Position, contract: Bilateral, book: Book, sign: int = 1
    ) -> Book:
        """Add a contract to a party's position and to the book, or take it away; return the book."""
        energy, fee, wheeling = (sign * one for one in _price(contract, book.terms))
        is_buyer = who == contract.buyer
        changed = structs.replace(
            position,
            traded_wh=position.traded_wh + sign * contract.qty,
            energy=position.energy + energy,
            charges=position.charges + (fee + wheeling if is_buyer else 0),
        )
        book = self.books.put_position(key, who, changed, book)
        if not is_buyer:
            return book
        return structs.replace(book, fees=book.fees + fee, wheeling=book.wheeling + wheeling)


def _price(contract: Bilateral, terms: Terms) -> tuple[int, int, int]:
    """Return energy, fee and wheeling of one slot of a contract."""
    qty, price = contract.qty, contract.price
    return (
        compute_value(qty, price),
        compute_fee(qty, price, terms.fee_bps),
        compute_value(qty, terms.wheeling),
    )
