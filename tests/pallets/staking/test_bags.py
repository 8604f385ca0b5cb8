"""A list in bags is the same as plain lists of each bag, and refuses what the bags do not allow."""

from collections.abc import Callable
from itertools import islice, pairwise
from random import Random  # noqa: TID251 - seeded
from typing import Generic, TypeVar

import pytest

from pallets.staking.bags import (
    SCORE_MAX,
    Bag,
    BagsList,
    Duplicate,
    ListError,
    ListNode,
    NodeNotFound,
    NotHeavier,
    NotInSameBag,
    SortedVoters,
    compute_thresholds,
)
from pallets.staking.config import SortedList
from runtime.primitives.types import AccountId

K = TypeVar("K")
V = TypeVar("V")
ENDS = (10, 20, 1_000)


class Records(Generic[K, V]):
    def __init__(self) -> None:
        self.rows: dict[K, V] = {}

    def get(self, key: K, /) -> V | None:
        return self.rows.get(key)

    def put(self, key: K, value: V, /) -> None:
        self.rows[key] = value

    def remove(self, key: K, /) -> None:
        self.rows.pop(key, None)


def who(number: int) -> AccountId:
    return AccountId(number.to_bytes(32, "big"))


def make() -> tuple[BagsList, Records[AccountId, ListNode], Records[int, Bag]]:
    nodes, bags = Records[AccountId, ListNode](), Records[int, Bag]()
    return BagsList(ENDS, nodes, bags), nodes, bags


def filled(*scores: int) -> BagsList:
    found, _, _ = make()
    for number, score in enumerate(scores):
        found.on_insert(who(number), score)
    return found


def test_list_equals_plain_lists_after_any_changes() -> None:
    generator = Random(11)
    found, nodes, bags = make()
    model: dict[int, list[AccountId]] = {end: [] for end in found.thresholds}
    scores: dict[AccountId, int] = {}
    for _ in range(1_500):
        name, other = who(generator.randrange(12)), who(generator.randrange(12))
        score = generator.choice((0, 1, 10, 11, 20, 21, 1_000, 1_001, SCORE_MAX))
        home = model[found.compute_bag(scores.get(name, 0))]
        match generator.randrange(4):
            case 0 if name not in scores:
                found.on_insert(name, score)
                scores[name] = score
                model[found.compute_bag(score)].append(name)
            case 1 if name in scores:
                moved = found.on_update(name, score)
                left, entered = found.compute_bag(scores[name]), found.compute_bag(score)
                assert moved == (None if left == entered else (left, entered))
                scores[name] = score
                if moved:
                    home.remove(name)
                    model[entered].append(name)
            case 2 if name in scores and generator.random() < 0.4:
                found.on_remove(name)
                del scores[name]
                home.remove(name)
            case 3 if other in home and name in home and scores[name] > scores[other]:
                found.put_in_front_of(other, name)
                home.remove(name)
                home.insert(home.index(other), name)
        expected = [name for end in sorted(model, reverse=True) for name in model[end]]
        assert list(found.iterate()) == expected
        if expected:
            place = generator.randrange(len(expected))
            assert list(found.iterate(expected[place])) == expected[place + 1 :]
        found.check_state(len(scores))
        assert set(bags.rows) == {end for end, names in model.items() if names}
        assert {name: node.score for name, node in nodes.rows.items()} == scores


def test_a_bounded_walk_takes_the_heaviest() -> None:
    found = filled(5, 500, 15, SCORE_MAX, 7)
    assert list(islice(found.iterate(), 3)) == [who(3), who(1), who(2)]


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda found: found.on_insert(who(0), 1), Duplicate),
        (lambda found: found.on_update(who(9), 1), NodeNotFound),
        (lambda found: found.on_remove(who(9)), NodeNotFound),
        (lambda found: list(found.iterate(who(9))), NodeNotFound),
        (lambda found: found.put_in_front_of(who(0), who(9)), NodeNotFound),
        (lambda found: found.put_in_front_of(who(9), who(0)), NodeNotFound),
        (lambda found: found.put_in_front_of(who(0), who(2)), NotInSameBag),
        (lambda found: found.put_in_front_of(who(1), who(0)), NotHeavier),
        (lambda found: found.put_in_front_of(who(0), who(0)), NotHeavier),
    ],
)
def test_refusals_have_their_names_and_change_nothing(
    act: Callable[[BagsList], object], error: type[ListError]
) -> None:
    found = filled(5, 6, 15)
    with pytest.raises(error):
        act(found)
    assert list(found.iterate()) == [who(2), who(0), who(1)]
    found.check_state(3)


@pytest.mark.parametrize(("bags", "lowest"), [(2, 1), (64, 1), (200, 10**12), (200, SCORE_MAX - 200)])
def test_thresholds_rise_to_the_largest_score(bags: int, lowest: int) -> None:
    found = compute_thresholds(bags, lowest)
    assert len(found) == bags
    assert (found[0], found[-1]) == (lowest, SCORE_MAX)
    assert all(low < high for low, high in pairwise(found))


def test_thresholds_that_do_not_rise_are_misuse() -> None:
    with pytest.raises(AssertionError, match="rise"):
        BagsList((10, 10), Records(), Records())


def test_damaged_links_are_found() -> None:
    found, nodes, bags = make()
    for number in range(3):
        found.on_insert(who(number), 5)
    node = nodes.rows[who(1)]
    nodes.rows[who(1)] = ListNode(node.id, None, node.next, node.bag_upper, node.score)
    with pytest.raises(AssertionError, match="lead back"):
        found.check_state(3)
    nodes.rows[who(1)] = node
    bags.rows[10] = Bag(who(0), who(1))
    with pytest.raises(AssertionError, match="tail"):
        found.check_state(3)
    bags.rows[10] = Bag(who(0), who(2))
    with pytest.raises(AssertionError, match="every account"):
        found.check_state(4)


def test_staking_may_name_accounts_that_are_not_listed_and_any_stake() -> None:
    found, _, _ = make()
    voters: SortedList = SortedVoters(found)
    voters.on_update(who(1), 5)
    voters.on_remove(who(1))
    assert list(voters.iterate()) == []
    voters.on_insert(who(1), 5)
    voters.on_insert(who(2), 2**100)
    assert list(voters.iterate()) == [who(2), who(1)]
    voters.on_update(who(1), 2**100)
    voters.on_update(who(2), 15)
    assert list(voters.iterate()) == [who(1), who(2)]
    assert found.get(who(1)).score == SCORE_MAX
    voters.on_remove(who(1))
    found.check_state(1)
