"""Random chains, forks, finalizations, reverts and reopenings agree with a plain model of them."""

from concurrent.futures import Future

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from node.storage.blocks import ARCHIVE, BlockStore, Finality
from node.storage.columns import BlockRef, compute_block_hash
from node.storage.memory import MemoryKeyValue
from node.storage.state_cache import ENTRY_BYTES
from node.storage.states import StateDiscarded
from node.storage.verify import walk
from tests.node.storage.support import GENESIS, STATE_GENESIS, create_store, make_body, make_header

State = dict[bytes, bytes]
ALPHABET = st.sampled_from([b"", b"\x00", b"\x00\x01", b"\xff", b"a", b"b"])
KEYS = st.builds(lambda *parts: b"k" + b"".join(parts), ALPHABET, ALPHABET, ALPHABET)
CHANGES = st.dictionaries(KEYS, st.one_of(st.none(), st.binary(max_size=4)), max_size=12)
UNFINALIZED_ENOUGH = 12


def apply(state: State, changes: dict[bytes, bytes | None]) -> State:
    merged = {**state, **changes}
    return {key: value for key, value in merged.items() if value is not None}


class ChainMachine(RuleBasedStateMachine):
    """The model: finalized blocks with the state after each, and the unfinalized ones with their parents."""

    def __init__(self) -> None:
        super().__init__()
        self.kv = MemoryKeyValue()
        self.chain: list[BlockRef] = [BlockRef(0, GENESIS)]
        self.states: list[State] = [dict(STATE_GENESIS)]
        self.above: dict[bytes, tuple[int, bytes]] = {}
        self.oldest = 0
        self.salt = 0
        self.last_insert: Future[None] = Future()
        self.last_insert.set_result(None)
        self.store = create_store(self.kv)

    @initialize(window=st.sampled_from([ARCHIVE, 1, 2, 5]))
    def choose_window(self, window: int) -> None:
        self.window = window
        self.store.close()
        self.kv = MemoryKeyValue()
        create_store(self.kv, window=window)
        self.reopen(1000)

    @precondition(lambda self: len(self.above) < UNFINALIZED_ENOUGH)
    @rule(index=st.integers(0, 20))
    def insert(self, index: int) -> None:
        parents = [self.chain[-1].hash, *self.above]
        parent = parents[index % len(parents)]
        number = self.above[parent][0] + 1 if parent in self.above else self.chain[-1].number + 1
        block_hash, header = self.make_header(parent, number)
        self.last_insert = self.store.insert_block(block_hash, header, make_body(number))
        assert self.store.header(block_hash) == header
        assert self.store.body(block_hash) == make_body(number)
        assert self.store.number_by_hash(block_hash) == number
        self.above[block_hash] = (number, parent)

    @precondition(lambda self: self.candidates())
    @rule(changes=CHANGES, index=st.integers(0, 20), is_known=st.booleans())
    def finalize(self, changes: dict[bytes, bytes | None], index: int, is_known: bool) -> None:
        candidates = self.candidates()
        block_hash = candidates[index % len(candidates)]
        number = self.above[block_hash][0]
        old = {key: self.states[-1].get(key) for key in changes} if is_known else None
        dead = self.store.finalize(number, block_hash, b"j%d" % number, changes, old).result()
        kept = {block_hash}
        for child, (_, parent) in sorted(self.above.items(), key=lambda item: item[1][0]):
            if parent in kept:
                kept.add(child)
        assert {block.hash for block in dead} == self.above.keys() - kept
        assert all(self.store.header(block.hash) is None for block in dead)
        self.above = {child: self.above[child] for child in self.above if child in kept}
        del self.above[block_hash]
        self.extend(BlockRef(number, block_hash), changes)

    @rule(changes=CHANGES)
    def append(self, changes: dict[bytes, bytes | None]) -> None:
        number = self.chain[-1].number + 1
        block_hash, header = self.make_header(self.chain[-1].hash, number)
        block = BlockRef(number, block_hash)
        self.store.append(header, make_body(number), Finality(block, None, changes), sync=False).result()
        self.above.clear()
        self.extend(block, changes)

    @rule(count=st.integers(0, 4))
    def revert(self, count: int) -> None:
        target = self.chain[-1].number - count
        if target < self.oldest:
            try:
                self.store.revert(count)
            except StateDiscarded:
                return
            raise AssertionError("reverted below the kept states")
        assert self.store.revert(count).result() == self.chain[target]
        gone = self.chain[target + 1 :]
        del self.chain[target + 1 :], self.states[target + 1 :]
        self.above.clear()
        assert all(self.store.header(block.hash) is None for block in gone)

    @rule(entries=st.sampled_from([0, 2, 1000]))
    def reopen(self, entries: int) -> None:
        self.last_insert.result()
        cache_bytes = entries * ENTRY_BYTES
        self.store = BlockStore(self.kv, window=self.window, genesis=GENESIS, cache_bytes=cache_bytes)
        assert dict(self.store.load_state()) == self.states[-1]

    @invariant()
    def chain_and_forks_agree(self) -> None:
        store = self.store
        assert store.finalized() == self.chain[-1]
        assert [store.hash_by_number(n) for n in range(len(self.chain))] == [b.hash for b in self.chain]
        assert store.hash_by_number(len(self.chain)) is None
        assert {b.hash: (b.number, b.parent) for b in store.unfinalized()} == self.above
        parents = {parent for _, parent in self.above.values()}
        leaves = [BlockRef(n, h) for h, (n, _) in self.above.items() if h not in parents]
        assert store.leaves() == (sorted(leaves, reverse=True) or [self.chain[-1]])
        assert all(walked.fault is None for walked in walk(store, 0, len(self.chain) - 1, lambda *_: True))

    @invariant()
    def every_kept_state_agrees(self) -> None:
        assert self.store.oldest_state() == self.oldest
        assert dict(self.store.state_iter()) == self.states[-1]
        for key in {key for state in self.states for key in state}:
            assert self.store.state_get(key) == self.states[-1].get(key)
        for number, state in enumerate(self.states):
            if number >= self.oldest:
                self.compare_state(number, state)
            else:
                self.ensure_discarded(number)

    def compare_state(self, number: int, state: State) -> None:
        with self.store.state_at(number) as view:
            assert list(view.iterate()) == sorted(state.items())
            assert list(view.iterate(b"k\x00", b"k\x00\x01")) == [
                (key, value)
                for key, value in sorted(state.items())
                if key[:2] == b"k\x00" and key > b"k\x00\x01"
            ]
            for key in self.states[-1].keys() | state.keys():
                assert view.get(key) == state.get(key)

    def ensure_discarded(self, number: int) -> None:
        try:
            self.store.state_at(number)
        except StateDiscarded:
            return
        raise AssertionError(f"the state of block {number} is served")

    def candidates(self) -> list[bytes]:
        return [child for child, (_, parent) in self.above.items() if parent == self.chain[-1].hash]

    def extend(self, block: BlockRef, changes: dict[bytes, bytes | None]) -> None:
        self.chain.append(block)
        self.states.append(apply(self.states[-1], changes))
        if self.window != ARCHIVE:
            self.oldest = max(self.oldest, block.number - self.window)

    def make_header(self, parent: bytes, number: int) -> tuple[bytes, bytes]:
        self.salt += 1
        header = make_header(parent, number, b"%d" % self.salt)
        return compute_block_hash(header), header


TestChain = ChainMachine.TestCase
TestChain.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
