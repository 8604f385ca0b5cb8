"""A token that can be held, and a market's positions, as pallets: what settlement asks of others, in a page.

They stand in for Assets with holds and for Market, and keep their state where calls are rolled back.
"""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import structs

from runtime.frame.dispatch import TokenFailure, TokenReason
from runtime.frame.fungible import Preservation, Reason
from runtime.frame.fungibles import Spending
from runtime.frame.pallet import Pallet
from runtime.frame.storage import BLAKE2_128_CONCAT, TWOX_64_CONCAT, DoubleMap, Map, Value, storage
from runtime.primitives.scale import Struct, u8, u16, u32, u64, u128
from runtime.primitives.types import AccountId

MINIMUM = 10**10


class FakeWatt(Pallet[None]):
    """One asset: free and held balances."""

    free: Map[AccountId, u128] = storage(BLAKE2_128_CONCAT, default=0)
    held: DoubleMap[tuple[u8, u8], AccountId, u128] = storage(BLAKE2_128_CONCAT, BLAKE2_128_CONCAT, default=0)
    is_paused: Value[bool] = storage(default=False)
    refusers: Map[AccountId, bool] = storage(BLAKE2_128_CONCAT, default=False)

    def total_issuance(self) -> int:
        return sum(amount for _, amount in self.free.items()) + sum(amount for _, amount in self.held.items())

    def minimum_balance(self) -> int:
        return MINIMUM

    def total_balance(self, who: AccountId) -> int:
        return self.free.get(who) + sum(amount for (_, owner), amount in self.held.items() if owner == who)

    def reducible_balance(self, who: AccountId, preservation: Preservation) -> int:
        kept = 0 if preservation is Preservation.EXPENDABLE else MINIMUM
        return 0 if self.is_paused.get() else max(0, self.free.get(who) - kept)

    def can_receive(self, who: AccountId, amount: int) -> bool:
        exists = self.free.get(who) > 0
        return not self.is_paused.get() and not self.refusers.get(who) and (exists or amount >= MINIMUM)

    def transfer(self, source: AccountId, dest: AccountId, amount: int, preservation: Preservation) -> None:
        if amount > self.reducible_balance(source, preservation):
            raise TokenFailure(TokenReason.FundsUnavailable)
        self._ensure_receives(dest, amount)
        self.free.put(source, self.free.get(source) - amount)
        self.free.put(dest, self.free.get(dest) + amount)

    def hold(self, reason: Reason, who: AccountId, amount: int) -> None:
        if amount > self.reducible_balance(who, Preservation.PRESERVE):
            raise TokenFailure(TokenReason.FundsUnavailable)
        self.free.put(who, self.free.get(who) - amount)
        self._put_held(reason, who, self.balance_on_hold(reason, who) + amount)

    def release(self, reason: Reason, who: AccountId, amount: int) -> int:
        moved = min(amount, self.balance_on_hold(reason, who))
        self._put_held(reason, who, self.balance_on_hold(reason, who) - moved)
        self.free.put(who, self.free.get(who) + moved)
        return moved

    def balance_on_hold(self, reason: Reason, who: AccountId) -> int:
        return self.held.get((reason.pallet, reason.reason), who)

    def transfer_on_hold(self, reason: Reason, source: AccountId, dest: AccountId, amount: int) -> None:
        if amount > self.balance_on_hold(reason, source):
            raise TokenFailure(TokenReason.FundsUnavailable)
        self._ensure_receives(dest, amount)
        self._put_held(reason, source, self.balance_on_hold(reason, source) - amount)
        self.free.put(dest, self.free.get(dest) + amount)

    def spend_holds(self, reason: Reason, dest: AccountId, spendings: Sequence[Spending]) -> None:
        for who, paid, released in spendings:
            self.transfer_on_hold(reason, who, dest, paid)
            assert self.release(reason, who, released) == released

    def _ensure_receives(self, dest: AccountId, amount: int) -> None:
        if not self.can_receive(dest, amount):
            raise TokenFailure(TokenReason.CannotCreate)

    def _put_held(self, reason: Reason, who: AccountId, amount: int) -> None:
        if amount:
            self.held.put((reason.pallet, reason.reason), who, amount)
        else:
            self.held.remove((reason.pallet, reason.reason), who)


class Traded(Struct):
    """What an account traded in a slot."""

    who: AccountId
    bought_wh: u64
    sold_wh: u64
    receivable: u128


class Trade(NamedTuple):
    bought_wh: int
    sold_wh: int
    receivable: int = 0


class FakeMarket(Pallet[None]):
    """Positions of slots, which a test writes."""

    positions: DoubleMap[tuple[u16, u32], AccountId, Traded | None] = storage(
        TWOX_64_CONCAT, BLAKE2_128_CONCAT
    )
    unfinished: Map[tuple[u16, u32], bool] = storage(TWOX_64_CONCAT, default=False)
    settled: Value[u32] = storage(default=0)

    def trade(self, zone: int, slot: int, who: AccountId, trade: Trade) -> None:
        self.positions.put((zone, slot), who, Traded(who, *trade))

    def is_cleared(self, zone: int, slot: int) -> bool:
        return not self.unfinished.get((zone, slot))

    def iterate(self, zone: int, slot: int, after: AccountId | None, limit: int) -> list[Traded]:
        listed = [found for _, found in self.positions.items_of((zone, slot)) if found is not None]
        first = 0 if after is None else [found.who for found in listed].index(after) + 1
        return listed[first : first + limit]

    def position_of(self, zone: int, slot: int, who: AccountId) -> Traded | None:
        return self.positions.get((zone, slot), who)

    def take_receivable(self, zone: int, slot: int, who: AccountId) -> int:
        found = self.positions.get((zone, slot), who)
        if found is None:
            return 0
        self.positions.put((zone, slot), who, structs.replace(found, receivable=0))
        return found.receivable

    def on_settled(self, zone: int, slot: int) -> None:
        self.settled.put(self.settled.get() + 1)
