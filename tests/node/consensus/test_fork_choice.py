"""The choice between chains: weights, ties, finality that is never reverted, and bounds."""

from __future__ import annotations

import pytest

from node.consensus.fork_choice import (
    BelowFinalizedError,
    ForkChoice,
    Path,
    Place,
    TreeFullError,
    UnknownBlockError,
    UnknownParentError,
    WrongNumberError,
)
from runtime.primitives.types import Hash


def name(number: int) -> Hash:
    return Hash(bytes([number]) * 32)


def place(number: int, own: int, parent: int) -> Place:
    return Place(number, name(own), name(parent))


def tree(depth_max: int = 8, blocks_max: int = 16) -> ForkChoice:
    return ForkChoice(place(10, 1, 0), depth_max, blocks_max)


def test_the_longer_chain_wins_and_tells_the_way() -> None:
    choice = tree()
    assert choice.import_header(place(11, 2, 1)) == Path([], [name(2)])
    assert choice.import_header(place(11, 3, 1)) == Path([], [])
    assert choice.import_header(place(12, 4, 3)) == Path([name(2)], [name(3), name(4)])
    assert choice.best == place(12, 4, 3)


def test_primary_slots_outweigh_a_longer_chain_of_secondary_ones() -> None:
    choice = tree()
    choice.import_header(place(11, 2, 1), 0)
    choice.import_header(place(12, 3, 2), 0)
    assert choice.best.hash == name(3)
    choice.import_header(place(11, 4, 1), 1)
    assert choice.best.hash == name(4)


@pytest.mark.parametrize(("first", "second", "syncing", "best"), [(3, 2, 0, 3), (3, 2, 1, 2), (2, 3, 1, 2)])
def test_ties_keep_the_first_seen_and_the_lower_hash_while_syncing(
    first: int, second: int, syncing: int, best: int
) -> None:
    choice = tree()
    for own in (first, second):
        choice.import_header(place(11, own, 1), is_syncing=bool(syncing))
    assert choice.best.hash == name(best)


def test_a_known_block_changes_nothing() -> None:
    choice = tree()
    choice.import_header(place(11, 2, 1))
    assert choice.import_header(place(11, 2, 1), 5) == Path([], [])
    assert choice.import_header(place(10, 1, 0)) == Path([], [])
    assert len(choice) == 1


def test_finality_leaves_a_longer_chain_for_the_decided_one() -> None:
    choice = tree()
    for block in (place(11, 2, 1), place(12, 3, 2), place(13, 4, 3), place(11, 5, 1), place(12, 6, 5)):
        choice.import_header(block)
    done = choice.finalize(name(5))
    assert (done.final, done.dead) == ([name(5)], [name(2), name(3), name(4)])
    assert done.path == Path([name(4), name(3), name(2)], [name(5), name(6)])
    assert (choice.root.hash, choice.best.hash, len(choice)) == (name(5), name(6), 1)


def test_finality_below_the_best_block_moves_nothing() -> None:
    choice = tree()
    for block in (place(11, 2, 1), place(12, 3, 2), place(13, 4, 3)):
        choice.import_header(block)
    done = choice.finalize(name(3))
    assert done == ([name(2), name(3)], [], Path([], []))
    assert choice.is_above(name(4), name(3))
    assert choice.finalize(name(3)).final == []
    done = choice.finalize(name(4))
    assert (done.final, choice.best.hash, len(choice)) == ([name(4)], name(4), 0)
    assert choice.import_header(place(14, 5, 4)) == Path([], [name(5)])


def test_finalized_blocks_are_never_reverted() -> None:
    choice = tree()
    choice.import_header(place(11, 2, 1))
    choice.import_header(place(11, 3, 1))
    choice.finalize(name(2))
    with pytest.raises(BelowFinalizedError):
        choice.import_header(place(11, 4, 1), 100)
    with pytest.raises(UnknownParentError):
        choice.import_header(place(12, 4, 3), 100)
    with pytest.raises(UnknownBlockError):
        choice.finalize(name(3))
    assert (choice.best.hash, choice.is_above(name(3), name(2))) == (name(2), False)


def test_bad_headers_and_bounds_are_refused_by_name() -> None:
    choice = tree(blocks_max=1)
    with pytest.raises(WrongNumberError):
        choice.import_header(place(12, 2, 1))
    with pytest.raises(ValueError, match="below zero"):
        choice.import_header(place(11, 2, 1), -1)
    choice.import_header(place(11, 2, 1))
    with pytest.raises(TreeFullError):
        choice.import_header(place(12, 3, 2))
    choice.finalize(name(2))
    assert choice.import_header(place(12, 3, 2)).enacted == [name(3)]
    with pytest.raises(ValueError, match="at least one"):
        tree(depth_max=0)


def test_authors_wait_while_finality_stalls() -> None:
    choice = tree(depth_max=2)
    seen: list[bool] = []
    for own in (2, 3):
        choice.import_header(place(9 + own, own, own - 1))
        seen.append(choice.may_author)
    choice.finalize(name(2))
    seen.append(choice.may_author)
    assert seen == [True, False, True]
