"""The whole state of a recent block is what it was, whatever later blocks changed."""

import random  # noqa: TID251  # seeded

import pytest

from node.storage.blocks import ARCHIVE
from node.storage.memory import MemoryKeyValue
from node.storage.states import StateDiscarded
from tests.node.storage.support import STATE_GENESIS, create_store, grow

BLOCKS = 12


@pytest.mark.parametrize("window", [ARCHIVE, 6])
def test_recent_state_is_that_of_its_block_by_every_key(window: int) -> None:
    dice = random.Random(7)
    store = create_store(MemoryKeyValue(), window)
    state = dict(STATE_GENESIS)
    states = [dict(state)]
    for _ in range(BLOCKS):
        changes: dict[bytes, bytes | None] = {}
        for _ in range(6):
            key = b"k%d" % dice.randrange(12)
            changes[key] = None if dice.random() < 0.4 else b"%d" % dice.randrange(100)
        grow(store, changes)
        state |= {key: value for key, value in changes.items() if value is not None}
        for key, value in changes.items():
            if value is None:
                state.pop(key, None)
        states.append(dict(state))
    views = [store.recent_state(number) for number in range(store.oldest_state(), BLOCKS + 1)]
    grow(store, {b"k1": b"later"})  # a view stands still
    every = dict.fromkeys(key for one in states for key in one)
    for view in views:
        for _ in view.load_steps(2):
            pass
        wanted = states[view.number]
        assert sorted(view.keys()) == sorted(wanted)
        assert {key: view.get(key) for key in every} == {key: wanted.get(key) for key in every}
        view.close()


def test_state_that_is_not_kept_or_not_final_is_refused() -> None:
    store = create_store(MemoryKeyValue(), 2)
    for _ in range(5):
        grow(store, {})
    for number in (2, 6):
        with pytest.raises(StateDiscarded):
            store.recent_state(number)


def test_loading_gives_others_their_turn() -> None:
    store = create_store(MemoryKeyValue())
    grow(store, {b"k%d" % n: b"v" for n in range(10)})
    grow(store, {})
    view = store.recent_state(0)
    seen = [len(view.replaced) for _ in view.load_steps(4)]
    assert seen == [0, 4, 8, 10]
    view.close()
