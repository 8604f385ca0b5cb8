"""A database that is filled far from genesis: killed anywhere it is unfilled or whole, and goes on then."""

import pytest

from node.storage.blocks import BlockStore, NotFilledError
from node.storage.columns import BlockRef, ChainFacts, Column, compute_block_hash, encode_number
from node.storage.filling import Filling, FirstBlock, Milestone, is_filled
from node.storage.kv import Batch, ClosedError, CorruptionError, KeyValue, WriteFailedError
from node.storage.memory import MemoryKeyValue
from node.storage.states import StateDiscarded
from node.storage.verify import cut_back_to_good, walk
from tests.node.storage.support import (
    GENESIS,
    GENESIS_HEADER,
    STATE_GENESIS,
    create_store,
    grow,
    make_body,
    make_header,
)
from tests.node.storage.test_failing_writes import FailingKeyValue

NUMBER = 40
FACTS = ChainFacts(GENESIS, "toy", 4)
HEADER = make_header(b"\7" * 32, NUMBER)
HASH = compute_block_hash(HEADER)
FIRST = FirstBlock(HEADER, make_body(NUMBER), b"certificate")
STATE = [(b"key %d" % n, b"value %d" % n) for n in range(10)]
MILESTONES = [Milestone(make_header(b"\5" * 32, n), b"certificate %d" % n) for n in (3, 17)]
WRITES = 3


def fill(kv: KeyValue) -> None:
    filling = Filling(kv)
    filling.add(STATE[:6])
    filling.add(STATE[6:])
    filling.finish(FACTS, FirstBlock(GENESIS_HEADER, ()), FIRST, MILESTONES)


def filled() -> tuple[MemoryKeyValue, BlockStore]:
    kv = MemoryKeyValue()
    fill(kv)
    return kv, BlockStore(kv, genesis=GENESIS, window=4)


def test_store_begins_with_the_block_and_the_genesis_and_nothing_between() -> None:
    _, store = filled()
    assert store.finalized() == BlockRef(NUMBER, HASH)
    assert (store.first_block, store.oldest_state()) == (NUMBER, NUMBER)
    assert store.gap() == range(1, NUMBER)
    assert list(store.state_iter()) == STATE
    assert [store.hash_by_number(n) for n in (0, 1, NUMBER - 1, NUMBER)] == [GENESIS, None, None, HASH]
    assert (store.header(HASH), store.body(HASH)) == (HEADER, make_body(NUMBER))
    assert store.justification(HASH) == b"certificate"
    assert (store.header(GENESIS), store.body(GENESIS)) == (GENESIS_HEADER, ())
    assert store.leaves() == [BlockRef(NUMBER, HASH)]


def test_store_goes_on_above_the_block_and_never_below() -> None:
    _, store = filled()
    grow(store, {b"key 1": None})
    grow(store, {b"key 2": b"other"})
    with store.state_at(NUMBER) as state:
        assert list(state.iterate()) == STATE
    with pytest.raises(StateDiscarded):
        store.state_at(NUMBER - 1)
    with pytest.raises(StateDiscarded):
        store.revert(3)
    assert store.revert(2).result() == BlockRef(NUMBER, HASH)
    assert list(store.state_iter()) == STATE


def test_walk_passes_over_the_gap_and_nothing_else() -> None:
    kv, store = filled()
    for _ in range(3):
        grow(store, {b"x": b"y"})
    walked = list(walk(store, 0, NUMBER + 3, lambda *_: True))
    assert [one.number for one in walked] == [0, *range(NUMBER, NUMBER + 4)]
    assert all(one.fault is None for one in walked)
    assert cut_back_to_good(store, lambda *_: True) is None
    kv.write([(Column.CANONICAL + encode_number(NUMBER + 1), None)], sync=True)
    faults = [one.number for one in walk(store, 0, NUMBER + 3, lambda *_: True) if one.fault]
    assert faults[0] == NUMBER + 1


def test_first_block_that_is_damaged_cannot_be_cut_away() -> None:
    kv, store = filled()
    kv.write([(Column.HEADER + encode_number(NUMBER) + HASH, b"other")], sync=True)
    with pytest.raises(CorruptionError):
        cut_back_to_good(store, lambda *_: True)


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("failing", range(1, WRITES + 1))
def test_filling_killed_at_any_write_leaves_it_unfilled_or_whole(failing: int, is_done: bool) -> None:
    kv = MemoryKeyValue()
    with pytest.raises(WriteFailedError):
        fill(FailingKeyValue(kv, failing, is_done=is_done))
    if failing == WRITES and is_done:
        assert BlockStore(kv).finalized().number == NUMBER
        return
    assert not is_filled(kv)
    with pytest.raises(NotFilledError):
        BlockStore(kv)
    store = create_store(kv)  # every block is executed instead
    assert list(store.state_iter()) == STATE_GENESIS
    assert (store.first_block, store.gap()) == (0, range(1, 0))
    assert list(store.milestones(0, 100)) == []


def test_filling_that_begins_anew_keeps_nothing_of_the_one_before() -> None:
    kv = MemoryKeyValue()
    Filling(kv).add([(b"old", b"value")])
    fill(kv)
    assert list(BlockStore(kv).state_iter()) == STATE
    other = MemoryKeyValue()
    filling = Filling(other)
    filling.add([(b"old", b"value")])
    filling.clear()
    assert list(other.keys()) == []


class SyncNotingKeyValue(MemoryKeyValue):
    """Notes which writes were to survive power loss."""

    def __init__(self) -> None:
        super().__init__()
        self.syncs: list[bool] = []

    def write(self, batch: Batch, *, sync: bool) -> None:
        super().write(batch, sync=sync)
        self.syncs.append(sync)


def test_every_write_survives_power_loss() -> None:
    kv = SyncNotingKeyValue()
    Filling(kv).add(STATE)
    fill(kv)
    assert kv.syncs == [True] * (2 + WRITES), "the second filling clears what the first one left"


def test_filled_database_is_not_filled_again() -> None:
    kv, _ = filled()
    with pytest.raises(AssertionError):
        Filling(kv)


def test_clearing_that_fails_is_told() -> None:
    kv = MemoryKeyValue()
    Filling(kv).add([(b"old", b"value")])
    failing = FailingKeyValue(kv, 1, is_done=False)
    with pytest.raises(WriteFailedError):
        Filling(failing)
    with pytest.raises(ClosedError):
        Filling(failing)


def test_milestones_are_those_given_and_those_made_later() -> None:
    kv, store = filled()
    assert list(store.milestones(0, 100)) == MILESTONES
    assert list(store.milestones(4, 17)) == []
    assert list(store.milestones(3, 18)) == MILESTONES
    for marked in (False, True, False):
        number, parent = store.finalized()
        header = make_header(parent, number + 1)
        block_hash = compute_block_hash(header)
        store.insert_block(block_hash, header, ()).result()
        store.finalize(number + 1, block_hash, b"c", {}, is_milestone=marked).result()
    made = store.hash_by_number(NUMBER + 2)
    assert made is not None
    header_made = store.header(made)
    assert header_made is not None
    assert list(store.milestones(18, 100)) == [Milestone(header_made, b"c")]
    assert store.marked() == NUMBER + 3
    assert not store.header(compute_block_hash(MILESTONES[0].header)), "they are no blocks of the chain"
    store.revert(2).result()
    assert (list(store.milestones(18, 100)), store.marked()) == ([], NUMBER + 1)
    reopened = BlockStore(kv)
    assert list(reopened.milestones(0, 100)) == MILESTONES


def test_milestones_can_be_marked_later() -> None:
    store = create_store(MemoryKeyValue())
    for _ in range(3):
        grow(store, {})
    block_hash = store.hash_by_number(2)
    assert block_hash is not None
    store.mark([BlockRef(2, block_hash)], 3)
    (found,) = store.milestones(1, 4)
    assert compute_block_hash(found.header) == block_hash
    assert (found.justification, store.marked()) == (b"certificate 2", 3)


def test_damaged_milestone_is_not_returned() -> None:
    kv, store = filled()
    key = Column.HEADER + encode_number(3) + compute_block_hash(MILESTONES[0].header)
    kv.write([(key, MILESTONES[1].header)], sync=True)
    with pytest.raises(CorruptionError):
        list(store.milestones(0, 100))
    kv.write([(key, None)], sync=True)
    with pytest.raises(CorruptionError, match="missing"):
        list(store.milestones(0, 100))
