"""A list of accounts in bags by score, so that a bounded walk finds the heaviest without sorting all.

Responsible for the order alone: each bag is a linked list in the order of arrival, bags are walked from the
highest, and within a bag an account may be put in front of a lighter one. Every change touches a bounded
number of records. It knows no pallet: records are kept by whoever offers `Table`. Source: pallet_bags_list of
polkadot-stable2503, with its records.

Invariants (`check_state`): each bag's links lead from its head to its tail and back, no bag is empty, every
account is in the bag of its threshold, and every record is reached.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, Protocol, TypeVar

from runtime.primitives.scale import Struct, u64
from runtime.primitives.types import AccountId

SCORE_MAX: Final = 2**64 - 1
"""Scores are u64, and the last bag ends here."""

K_contra = TypeVar("K_contra", contravariant=True)
V = TypeVar("V")


class ListNode(Struct, path="pallet_bags_list::list::Node"):
    """An account in its bag, between its neighbours."""

    id: AccountId
    prev: AccountId | None
    next: AccountId | None
    bag_upper: u64
    score: u64


class Bag(Struct, path="pallet_bags_list::list::Bag"):
    """The ends of a bag."""

    head: AccountId | None
    tail: AccountId | None


class Table(Protocol[K_contra, V]):
    """Records by key; a map of a pallet's storage is one."""

    def get(self, key: K_contra, /) -> V | None:
        """Return the record, or None."""

    def put(self, key: K_contra, value: V, /) -> None:
        """Set the record."""

    def remove(self, key: K_contra, /) -> None:
        """Remove the record, if there is one."""


class ListError(Exception):
    """The list does not allow what is asked; a subclass says why."""


class Duplicate(ListError):
    """The account is in the list already."""


class NotHeavier(ListError):
    """The account to go in front has no greater score."""


class NotInSameBag(ListError):
    """The accounts are not in the same bag."""


class NodeNotFound(ListError):
    """The account is not in the list."""


def compute_thresholds(bags: int, lowest: int) -> tuple[int, ...]:
    """Return the upper ends of bags, strictly rising in a nearly constant ratio up to the largest score.

    The first bag holds scores up to `lowest`. The ratio is the least one in millionths that gets there.
    """
    assert bags > 1, "there are several bags"
    assert 0 < lowest <= SCORE_MAX - bags, "the bags have room"
    low, high = 1_000_000, 1_000_000 * SCORE_MAX
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _raise(lowest, middle, bags)[-1] >= SCORE_MAX else (middle + 1, high)
    found = _raise(lowest, low, bags)
    return tuple(min(value, SCORE_MAX - (bags - 1 - place)) for place, value in enumerate(found))


def _raise(lowest: int, ratio_millionths: int, bags: int) -> list[int]:
    values = [lowest]
    while len(values) < bags:
        last = values[-1]
        values.append(min(max(last * ratio_millionths // 1_000_000, last + 1), SCORE_MAX + bags))
    return values


class BagsList:
    """The list over its two tables. Thresholds rise strictly; a bag up to the largest score is implied."""

    def __init__(
        self,
        thresholds: Sequence[int],
        nodes: Table[AccountId, ListNode],
        bags: Table[int, Bag],
    ) -> None:
        ends = tuple(thresholds)
        assert all(low < high for low, high in pairwise(ends)), "thresholds rise"
        self.thresholds = ends if ends and ends[-1] == SCORE_MAX else (*ends, SCORE_MAX)
        self._nodes = nodes
        self._bags = bags

    def compute_bag(self, score: int) -> int:
        """Return the upper end of the bag of a score."""
        return self.thresholds[bisect_left(self.thresholds, score)]

    def contains(self, who: AccountId) -> bool:
        """Tell whether an account is in the list."""
        return self._nodes.get(who) is not None

    def get(self, who: AccountId) -> ListNode:
        """Return the record of an account; raises NodeNotFound."""
        node = self._nodes.get(who)
        if node is None:
            raise NodeNotFound(who.hex())
        return node

    def on_insert(self, who: AccountId, score: int) -> None:
        """Add an account as the last of its bag; raises Duplicate."""
        if self.contains(who):
            raise Duplicate(who.hex())
        self._append(who, score)

    def on_update(self, who: AccountId, score: int) -> tuple[int, int] | None:
        """Change a score; where the bag changes, the account becomes the last of the new one, and the ends of
        both are returned. Raises NodeNotFound.
        """
        node = self.get(who)
        entered = self.compute_bag(score)
        if entered == node.bag_upper:
            self._nodes.put(who, ListNode(who, node.prev, node.next, entered, score))
            return None
        self._unlink(node)
        self._append(who, score)
        return node.bag_upper, entered

    def on_remove(self, who: AccountId) -> None:
        """Take an account away; raises NodeNotFound."""
        self._unlink(self.get(who))
        self._nodes.remove(who)

    def put_in_front_of(self, lighter: AccountId, heavier: AccountId) -> None:
        """Put an account directly in front of a lighter one of its bag; raises NodeNotFound, NotInSameBag and
        NotHeavier.
        """
        below, above = self.get(lighter), self.get(heavier)
        if below.bag_upper != above.bag_upper:
            raise NotInSameBag(heavier.hex())
        if above.score <= below.score:
            raise NotHeavier(heavier.hex())
        self._unlink(above)
        before = self.get(lighter).prev
        self._nodes.put(heavier, ListNode(heavier, before, lighter, above.bag_upper, above.score))
        self._join(before, heavier, above.bag_upper)
        self._join(heavier, lighter, above.bag_upper)

    def iterate(self, after: AccountId | None = None) -> Iterator[AccountId]:
        """Yield accounts from the heaviest bag on, or what follows one; a read for each, and for each bag.

        Raises NodeNotFound at the first step when there is no such account. Do not change the list meanwhile.
        """
        upper = SCORE_MAX
        if after is not None:
            start = self.get(after)
            yield from self._follow(start.next)
            upper = start.bag_upper - 1
        for end in reversed(self.thresholds):
            bag = self._bags.get(end) if end <= upper else None
            if bag is not None:
                yield from self._follow(bag.head)

    def check_state(self, count: int) -> None:
        """Raise AssertionError unless the links are whole and lead to `count` accounts; walks all."""
        reached = 0
        for end in self.thresholds:
            bag = self._bags.get(end)
            if bag is None:
                continue
            assert bag.head is not None, "no bag is empty"
            before: AccountId | None = None
            for who in self._follow(bag.head):
                node = self.get(who)
                assert (node.id, node.prev, node.bag_upper) == (who, before, end), "links lead back"
                assert reached < count, "no more are reached than there are"
                before, reached = who, reached + 1
            assert bag.tail == before, "the links end at the tail"
        assert reached == count, "every account is reached"

    def _follow(self, who: AccountId | None) -> Iterator[AccountId]:
        while who is not None:
            yield who
            who = self.get(who).next

    def _append(self, who: AccountId, score: int) -> None:
        upper = self.compute_bag(score)
        bag = self._bags.get(upper)
        last = None if bag is None else bag.tail
        self._nodes.put(who, ListNode(who, last, None, upper, score))
        self._join(last, who, upper)
        self._join(who, None, upper)

    def _unlink(self, node: ListNode) -> None:
        self._join(node.prev, node.next, node.bag_upper)

    def _join(self, left: AccountId | None, right: AccountId | None, upper: int) -> None:
        """Make two accounts of a bag neighbours; None is its end."""
        if left is not None:
            node = self.get(left)
            self._nodes.put(left, ListNode(left, node.prev, right, upper, node.score))
        if right is not None:
            node = self.get(right)
            self._nodes.put(right, ListNode(right, left, node.next, upper, node.score))
        if left is not None and right is not None:
            return
        bag = self._bags.get(upper)
        if left is None and right is None:
            self._bags.remove(upper)
        elif left is None:
            self._bags.put(upper, Bag(right, right if bag is None else bag.tail))
        else:
            self._bags.put(upper, Bag(left if bag is None else bag.head, left))


class SortedVoters:
    """The list as staking uses it: updates and removals of accounts that are not in it change nothing, and
    stakes above the largest score count as that.
    """

    def __init__(self, bags: BagsList) -> None:
        self._bags = bags

    def on_insert(self, who: AccountId, stake: int) -> None:
        """Take up a staker; raises Duplicate."""
        self._bags.on_insert(who, min(stake, SCORE_MAX))

    def on_update(self, who: AccountId, stake: int) -> None:
        """Note another stake."""
        if self._bags.contains(who):
            self._bags.on_update(who, min(stake, SCORE_MAX))

    def on_remove(self, who: AccountId) -> None:
        """Forget a staker."""
        if self._bags.contains(who):
            self._bags.on_remove(who)

    def iterate(self) -> Iterator[AccountId]:
        """Yield the stakers, the heaviest bag first."""
        return self._bags.iterate()
