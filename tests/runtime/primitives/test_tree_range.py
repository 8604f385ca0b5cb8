"""Chunks of the state: complete, true, in one form; every lie about one is refused by its rule."""

from collections.abc import Callable, Sequence

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from runtime.primitives.tree import (
    DEPTH_MAX,
    EMPTY_HASH,
    LOWEST_PATH,
    RANGE_ENTRIES_MAX,
    RANGE_PROOF_BYTES_MAX,
    InvalidRange,
    RangeFault,
    Tree,
    compute_path,
    verify_range,
)
from tests.runtime.primitives.tree_model import POOL, compute_model_root, make_key, make_model_range

Entry = tuple[bytes, bytes]
HIGHEST_PATH = b"\xff" * 32

keys = st.one_of(st.sampled_from(POOL), st.integers(0, 150).map(make_key))
contents = st.one_of(
    st.dictionaries(keys, st.one_of(st.binary(max_size=3), st.sampled_from(POOL))),
    st.integers(0, 150).map(lambda count: {make_key(number): b"v%d" % number for number in range(count)}),
)
starts = st.one_of(
    st.binary(min_size=32, max_size=32),
    keys.map(compute_path),
    keys.map(lambda key: (int.from_bytes(compute_path(key), "big") + 1).to_bytes(32, "big")),
    keys.map(lambda key: (int.from_bytes(compute_path(key), "big") - 1).to_bytes(32, "big")),
    st.integers(0, 32).flatmap(lambda kept: keys.map(lambda key: compute_path(key)[:kept].ljust(32, b"\0"))),
    st.sampled_from([LOWEST_PATH, HIGHEST_PATH]),
)


class State:
    """A map, its tree, and the chunks that a node would serve from both."""

    def __init__(self, content: dict[bytes, bytes]) -> None:
        self.content = content
        self.tree = Tree.from_items(content.items())
        self.keys = {compute_path(key): key for key in content}

    def serve(self, start: bytes, entries_max: int) -> tuple[list[Entry], bytes, bytes | None]:
        found, proof, next_start = self.tree.prove_range(start, entries_max)
        chunk = [(self.keys[entry[:32]], self.content[self.keys[entry[:32]]]) for entry in found]
        assert [entry[32:] for entry in found] == [blake3(value).digest() for _, value in chunk]
        return chunk, proof, next_start


def get_fault(root: bytes, start: bytes, entries: Sequence[Entry], proof: bytes) -> RangeFault | None:
    try:
        verify_range(root, start, entries, proof)
    except InvalidRange as refusal:
        return refusal.fault
    return None


def fill(count: int) -> dict[bytes, bytes]:
    return {make_key(number): b"value %d" % number for number in range(count)}


@given(contents, starts, st.integers(1, 60))
def test_a_chunk_is_that_of_the_definition_and_proves_itself(
    content: dict[bytes, bytes], start: bytes, entries_max: int
) -> None:
    served = State(content).serve(start, entries_max)
    assert served == make_model_range(content, start, entries_max)
    chunk, proof, next_start = served
    assert verify_range(compute_model_root(content), start, chunk, proof) == next_start
    assert len(proof) <= RANGE_PROOF_BYTES_MAX


@given(contents, st.lists(st.integers(1, 80), min_size=1, max_size=5))
def test_chunks_from_the_lowest_path_to_the_end_are_the_state(
    content: dict[bytes, bytes], limits: list[int]
) -> None:
    state = State(content)
    received: list[Entry] = []
    start: bytes | None = LOWEST_PATH
    turn = 0
    while start is not None:
        chunk, proof, _ = state.serve(start, limits[turn % len(limits)])
        received += chunk
        start = verify_range(state.tree.root, start, chunk, proof)
        turn += 1
    assert len(received) == len(content)
    assert dict(received) == content
    assert Tree.from_items(received).root == state.tree.root


@given(contents, starts, st.integers(1, 60), st.data())
def test_a_chunk_with_one_lie_is_refused(
    content: dict[bytes, bytes], start: bytes, entries_max: int, data: st.DataObject
) -> None:
    state = State(content)
    chunk, proof, _ = state.serve(start, entries_max)
    at = data.draw(st.integers(0, max(0, len(chunk) - 1)))
    lies: list[tuple[bytes, list[Entry], bytes]] = [
        (start, sorted([*chunk, (b"added", b"1")], key=lambda entry: compute_path(entry[0])), proof),
        (start, [*chunk, (b"added", b"1")], proof),
        (start, chunk, proof + b"\0"),
        (start, chunk, data.draw(st.binary(max_size=80).filter(lambda other: other != proof))),
    ]
    if proof:
        cut = data.draw(st.integers(0, len(proof) - 1))
        lies += [(start, chunk, proof[:cut]), (start, chunk, proof[:cut] + b"\0" + proof[cut:] + b"\0")]
    if chunk:
        key, value = chunk[at]
        lies += [
            (start, chunk[:at] + chunk[at + 1 :], proof),
            (start, [*chunk[:at], (key, value + b"\0"), *chunk[at + 1 :]], proof),
            (start, [*chunk[:at], (key + b"\0", value), *chunk[at + 1 :]], proof),
            (start, [*chunk[:at], chunk[at], *chunk[at:]], proof),
            (start, [*chunk[1:], chunk[0]] if len(chunk) > 1 else [], proof),
            (start, chunk[::-1] if len(chunk) > 1 else [], proof),
        ]
    for lie in lies:
        assert get_fault(state.tree.root, *lie) is not None, lie


@given(contents, starts, starts, st.integers(1, 60))
def test_a_chunk_moved_to_another_start_is_refused_where_that_hides_a_key(
    content: dict[bytes, bytes], start: bytes, moved: bytes, entries_max: int
) -> None:
    state = State(content)
    chunk, proof, next_start = state.serve(start, entries_max)
    try:
        accepted = verify_range(state.tree.root, moved, chunk, proof)
    except InvalidRange:
        return
    # Starts between the same two keys may share chunk and proof; then nothing is hidden.
    assert state.serve(moved, max(1, len(chunk))) == (chunk, proof, next_start)
    assert accepted == next_start


@given(contents, starts, st.integers(1, 40), keys, st.data())
def test_a_chunk_of_another_state_is_refused_unless_the_states_agree(
    content: dict[bytes, bytes], start: bytes, entries_max: int, key: bytes, data: st.DataObject
) -> None:
    state = State(content)
    other = State(dict(content) | {key: b"of the other state"})
    chunk, proof, _ = state.serve(start, entries_max)
    others_chunk, others_proof, _ = other.serve(start, entries_max)
    if other.content != content:
        assert get_fault(other.tree.root, start, chunk, proof) is not None
        assert get_fault(state.tree.root, start, others_chunk, others_proof) is not None
    for entries, shown in ((others_chunk, proof), (chunk, others_proof)):
        if (entries, shown) not in ((chunk, proof), (others_chunk, others_proof)):
            assert get_fault(state.tree.root, start, entries, shown) is not None


@given(contents, starts, st.integers(1, 40), st.integers(1, 40))
def test_proofs_of_two_chunks_cannot_be_swapped(
    content: dict[bytes, bytes], start: bytes, first: int, second: int
) -> None:
    state = State(content)
    chunk, proof, next_start = state.serve(start, first)
    if next_start is None:
        return
    following, following_proof, _ = state.serve(next_start, second)
    if proof != following_proof:
        assert get_fault(state.tree.root, start, chunk, following_proof) is not None
        assert get_fault(state.tree.root, next_start, following, proof) is not None
    assert get_fault(state.tree.root, start, following, following_proof) is not None
    assert get_fault(state.tree.root, next_start, chunk, proof) == RangeFault.ENTRY_BEFORE_START


@given(st.binary(min_size=32, max_size=32), st.lists(st.tuples(st.binary(), st.binary())), st.binary())
def test_any_bytes_give_a_typed_refusal(start: bytes, entries: list[Entry], proof: bytes) -> None:
    assert get_fault(bytes(32), start, entries, proof) is not None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "skipped", "entries_max"), [(1, 0, 1), (16, 3, 5), (17, 1, 3), (17, 4, 60), (40, 20, 7)]
)
def test_every_changed_bit_of_a_proof_is_refused(count: int, skipped: int, entries_max: int) -> None:
    state = State(fill(count))
    start = sorted(state.keys)[skipped]
    chunk, proof, _ = state.serve(start, entries_max)
    assert proof
    for place in range(len(proof)):
        for bit in range(8):
            changed = bytearray(proof)
            changed[place] ^= 1 << bit
            assert get_fault(state.tree.root, start, chunk, bytes(changed)) is not None, (place, bit)


def test_the_empty_state_is_one_empty_chunk_without_a_proof() -> None:
    assert Tree().prove_range(LOWEST_PATH, 1) == ([], b"", None)
    assert verify_range(EMPTY_HASH, LOWEST_PATH, [], b"") is None
    assert get_fault(EMPTY_HASH, LOWEST_PATH, [], b"\0") == RangeFault.TRAILING_BYTES
    assert get_fault(Tree.from_items([(b"a", b"1")]).root, LOWEST_PATH, [], b"") == RangeFault.ROOT_MISMATCH


def test_one_key_is_found_at_its_path_and_not_behind_it() -> None:
    state = State({b"a": b"1"})
    path = compute_path(b"a")
    behind = (int.from_bytes(path, "big") + 1).to_bytes(32, "big")
    for start in (LOWEST_PATH, path):
        assert state.serve(start, 1) == ([(b"a", b"1")], b"\0", None)
        assert verify_range(state.tree.root, start, [(b"a", b"1")], b"\0") is None
        # A chunk that says that nothing is left is refused for as long as something is.
        entry = path + blake3(b"1").digest()
        assert get_fault(state.tree.root, start, [], b"\1" + entry) is not None
    chunk, proof, next_start = state.serve(behind, 1)
    assert (chunk, next_start) == ([], None)
    assert verify_range(state.tree.root, behind, chunk, proof) is None


def test_a_chunk_that_ends_at_the_last_entry_says_so() -> None:
    state = State(fill(40))
    for entries_max in (39, 40, 41):
        chunk, proof, next_start = state.serve(LOWEST_PATH, entries_max)
        assert (next_start is None) == (entries_max >= 40)
        assert verify_range(state.tree.root, LOWEST_PATH, chunk, proof) == next_start


def test_an_entry_of_the_chunk_cannot_be_hidden_in_the_proof() -> None:
    """The lie that matters: a key left out of the entries, and its hashes kept in the proof for the root."""
    state = State(fill(16))
    path, entry = sorted((compute_path(key), key) for key in state.content)[7]
    hidden = path + blake3(state.content[entry]).digest()
    chunk, _, _ = state.serve(LOWEST_PATH, 16)
    without = [held for held in chunk if held[0] != entry]
    assert get_fault(state.tree.root, LOWEST_PATH, without, b"\1" + hidden) == RangeFault.COVERED_ENTRY_LISTED


def test_limits_of_entries_and_bytes_come_before_all_work() -> None:
    entries: list[Entry] = [(b"", b"")] * RANGE_ENTRIES_MAX
    assert get_fault(bytes(32), LOWEST_PATH, entries, b"") == RangeFault.ENTRIES_UNSORTED
    assert get_fault(bytes(32), LOWEST_PATH, [*entries, (b"", b"")], b"") == RangeFault.TOO_MANY_ENTRIES
    proof = bytes(RANGE_PROOF_BYTES_MAX)
    assert get_fault(bytes(32), LOWEST_PATH, entries, proof) == RangeFault.ENTRIES_UNSORTED
    assert get_fault(bytes(32), LOWEST_PATH, entries, proof + b"\0") == RangeFault.TOO_LONG


def test_a_caller_asks_for_what_can_be_verified() -> None:
    tree = Tree.from_items([(b"a", b"1")])
    for start, entries_max in ((LOWEST_PATH, 0), (LOWEST_PATH, RANGE_ENTRIES_MAX + 1), (b"", 1)):
        with pytest.raises(AssertionError):
            tree.prove_range(start, entries_max)
    assert tree.prove_range(LOWEST_PATH, RANGE_ENTRIES_MAX).next_start is None
    with pytest.raises(AssertionError):
        verify_range(tree.root, b"", [], b"")


def test_a_refusal_is_a_value_error_that_names_its_rule() -> None:
    with pytest.raises(ValueError, match="invalid state range: truncated"):
        verify_range(bytes(32), b"\1" * 32, [], b"")


SIBLING = bytes(range(32))
SEVENTEEN = fill(17)
BY_PATH = sorted(SEVENTEEN.items(), key=lambda entry: compute_path(entry[0]))
TREE = Tree.from_items(SEVENTEEN.items())
SIXTEEN = sorted(fill(16).items(), key=lambda entry: compute_path(entry[0]))
BUCKET_ROOT = Tree.from_items(SIXTEEN).root
KEY, VALUE = BY_PATH[8]
PATH = compute_path(KEY)


def number(path: bytes) -> int:
    return int.from_bytes(path, "big")


def nibble_of(entry: Entry) -> int:
    return compute_path(entry[0])[0] >> 4


def hashed(entries: Sequence[Entry]) -> list[bytes]:
    return [compute_path(key) + blake3(value).digest() for key, value in entries]


def bucket(listed: Sequence[bytes]) -> bytes:
    return bytes([len(listed)]) + b"".join(listed)


def hash_bucket(entries: Sequence[bytes]) -> bytes:
    return blake3(b"\1" + b"".join(entries)).digest() if entries else EMPTY_HASH


def branch(children: dict[int, bytes]) -> bytes:
    bitmap = sum(1 << nibble for nibble in children)
    return b"\xff" + bitmap.to_bytes(2, "little") + b"".join(children[nibble] for nibble in sorted(children))


def hash_branch(children: dict[int, bytes]) -> bytes:
    hashes = [children.get(nibble, EMPTY_HASH) for nibble in range(16)]
    return blake3(b"\2" + b"".join(hashes)).digest()


def outside(nibble: int) -> list[Entry]:
    return [entry for entry in BY_PATH if nibble_of(entry) == nibble]


Case = tuple[bytes, bytes, list[Entry], bytes]


def chunk_reversed() -> Case:
    return hash_bucket(hashed(SIXTEEN[:2])), LOWEST_PATH, SIXTEEN[:2][::-1], bucket([])


def chunk_with_a_key_twice() -> Case:
    twice = [SIXTEEN[0], SIXTEEN[0]]
    return hash_bucket(hashed(twice)), LOWEST_PATH, twice, bucket([])


def chunk_before_its_start() -> Case:
    start = (number(PATH) + 1).to_bytes(32, "big")
    return hash_bucket(hashed([(KEY, VALUE)])), start, [(KEY, VALUE)], bucket([])


def nothing_where_a_mark_is_due() -> Case:
    return BUCKET_ROOT, LOWEST_PATH, SIXTEEN, b""


def half_a_bitmap() -> Case:
    return TREE.root, LOWEST_PATH, BY_PATH, b"\xff\0"


def hashes_missing() -> Case:
    return hash_branch({15: SIBLING}), LOWEST_PATH, BY_PATH[:1], branch({15: SIBLING})[:-1]


def listed_entry_missing() -> Case:
    return BUCKET_ROOT, LOWEST_PATH, SIXTEEN[:15], bucket(hashed(SIXTEEN[15:]))[:-1]


def too_many_to_list() -> Case:
    return hash_bucket(hashed(BY_PATH)), PATH, [], bucket(hashed(BY_PATH))


def mark_below_the_branch_mark() -> Case:
    return BUCKET_ROOT, LOWEST_PATH, SIXTEEN, b"\xfe"


def covered_child_as_a_hash() -> Case:
    """A whole subtree of the chunk is left out, and its true hash given for it."""
    hidden = next(
        nibble_of(entry) for entry in BY_PATH if nibble_of(entry) not in {0, nibble_of(BY_PATH[-1])}
    )
    chunk = [entry for entry in BY_PATH if nibble_of(entry) != hidden]
    last = nibble_of(chunk[-1])
    assert hidden < last
    proof = branch({hidden: hash_bucket(hashed(outside(hidden)))}) + bucket([])
    return TREE.root, LOWEST_PATH, chunk, proof


def rest_of_the_state_as_hashes() -> Case:
    """The chunk that says that nothing is left, before a subtree."""
    start = bytes([nibble_of(BY_PATH[-1]) << 4]) + bytes(31)
    before = {nibble_of(entry): hash_bucket(hashed(outside(nibble_of(entry)))) for entry in BY_PATH}
    return TREE.root, start, [], branch(before)


def cut_child_as_a_hash() -> Case:
    last = nibble_of(BY_PATH[-1])
    return TREE.root, LOWEST_PATH, BY_PATH, branch({last: SIBLING}) + bucket([])


def empty_child_as_a_hash() -> Case:
    start = compute_path(BY_PATH[-1][0])
    shown = {nibble_of(entry): hash_bucket(hashed(outside(nibble_of(entry)))) for entry in BY_PATH}
    last = nibble_of(BY_PATH[-1])
    del shown[last]
    empty = next(nibble for nibble in range(last) if nibble not in shown)
    rest = bucket(hashed(outside(last)[:-1]))
    assert get_fault(TREE.root, start, BY_PATH[-1:], branch(shown) + rest) is None
    return TREE.root, start, BY_PATH[-1:], branch(shown | {empty: EMPTY_HASH}) + rest


def branch_over_one_bucket() -> Case:
    root = hash_branch({nibble_of((KEY, VALUE)): hash_bucket(hashed([(KEY, VALUE)]))})
    return root, LOWEST_PATH, [(KEY, VALUE)], branch({}) + bucket([])


def branch_over_sixteen_seen_entries() -> Case:
    chosen = [*SIXTEEN]
    groups = {nibble_of(entry): [e for e in chosen if nibble_of(e) == nibble_of(entry)] for entry in chosen}
    root = hash_branch({nibble: hash_bucket(hashed(group)) for nibble, group in groups.items()})
    return root, LOWEST_PATH, chosen, branch({}) + bucket([])


def seventeen_with_the_listed() -> Case:
    return hash_bucket(hashed(BY_PATH)), LOWEST_PATH, BY_PATH[:9], bucket(hashed(BY_PATH[9:]))


def seventeen_in_the_chunk() -> Case:
    return hash_bucket(hashed(BY_PATH)), LOWEST_PATH, BY_PATH, bucket([])


def covered_entry_in_the_proof() -> Case:
    chunk = SIXTEEN[:7] + SIXTEEN[8:]
    return BUCKET_ROOT, LOWEST_PATH, chunk, bucket(hashed(SIXTEEN[7:8]))


def entry_at_the_start_in_the_proof() -> Case:
    return BUCKET_ROOT, compute_path(SIXTEEN[7][0]), SIXTEEN[8:], bucket(hashed(SIXTEEN[:8]))


def last_entry_in_the_proof_of_nothing_left() -> Case:
    return BUCKET_ROOT, compute_path(SIXTEEN[15][0]), [], bucket(hashed(SIXTEEN))


def stranger_after() -> Case:
    own = nibble_of((KEY, VALUE))
    stranger = bytes([PATH[0] + 0x10]) + bytes(63)
    root = hash_branch({0: SIBLING, own: hash_bucket([*hashed([(KEY, VALUE)]), stranger])})
    return root, PATH, [(KEY, VALUE)], branch({0: SIBLING}) + bucket([stranger])


def listed_reversed() -> Case:
    listed = hashed([*SIXTEEN[:3], *SIXTEEN[4:]])
    return BUCKET_ROOT, compute_path(SIXTEEN[3][0]), SIXTEEN[3:4], bucket(listed[::-1])


def listed_twice() -> Case:
    entry = hashed(SIXTEEN[:1])[0]
    return hash_bucket([entry, entry]), HIGHEST_PATH, [], bucket([entry, entry])


def bytes_behind() -> Case:
    return BUCKET_ROOT, LOWEST_PATH, SIXTEEN, bucket([]) + b"\0"


def bytes_where_nothing_is_cut() -> Case:
    return EMPTY_HASH, LOWEST_PATH, [], bucket([])


def other_value() -> Case:
    return BUCKET_ROOT, LOWEST_PATH, [*SIXTEEN[:15], (SIXTEEN[15][0], b"")], bucket([])


def bucket_passed_off_as_a_branch() -> Case:
    root = blake3(b"\1" + EMPTY_HASH * 15 + SIBLING).digest()
    return root, LOWEST_PATH, BY_PATH[:1], branch({15: SIBLING}) + bucket([])


def one_entry_over_the_limit() -> Case:
    return BUCKET_ROOT, LOWEST_PATH, [(b"", b"")] * (RANGE_ENTRIES_MAX + 1), bucket([])


def one_byte_over_the_limit() -> Case:
    return BUCKET_ROOT, LOWEST_PATH, SIXTEEN, bytes(RANGE_PROOF_BYTES_MAX + 1)


CASES: list[tuple[Callable[[], Case], RangeFault]] = [
    (one_entry_over_the_limit, RangeFault.TOO_MANY_ENTRIES),
    (one_byte_over_the_limit, RangeFault.TOO_LONG),
    (chunk_reversed, RangeFault.ENTRIES_UNSORTED),
    (chunk_with_a_key_twice, RangeFault.ENTRIES_UNSORTED),
    (chunk_before_its_start, RangeFault.ENTRY_BEFORE_START),
    (nothing_where_a_mark_is_due, RangeFault.TRUNCATED),
    (half_a_bitmap, RangeFault.TRUNCATED),
    (hashes_missing, RangeFault.TRUNCATED),
    (listed_entry_missing, RangeFault.TRUNCATED),
    (too_many_to_list, RangeFault.UNKNOWN_KIND),
    (mark_below_the_branch_mark, RangeFault.UNKNOWN_KIND),
    (covered_child_as_a_hash, RangeFault.COVERED_CHILD_LISTED),
    (rest_of_the_state_as_hashes, RangeFault.COVERED_CHILD_LISTED),
    (cut_child_as_a_hash, RangeFault.COVERED_CHILD_LISTED),
    (empty_child_as_a_hash, RangeFault.EMPTY_CHILD_LISTED),
    (branch_over_one_bucket, RangeFault.BRANCH_UNMERGED),
    (branch_over_sixteen_seen_entries, RangeFault.BRANCH_UNMERGED),
    (seventeen_with_the_listed, RangeFault.BUCKET_UNSPLIT),
    (seventeen_in_the_chunk, RangeFault.BUCKET_UNSPLIT),
    (covered_entry_in_the_proof, RangeFault.COVERED_ENTRY_LISTED),
    (entry_at_the_start_in_the_proof, RangeFault.COVERED_ENTRY_LISTED),
    (last_entry_in_the_proof_of_nothing_left, RangeFault.COVERED_ENTRY_LISTED),
    (stranger_after, RangeFault.ENTRY_MISPLACED),
    (listed_reversed, RangeFault.ENTRIES_UNSORTED),
    (listed_twice, RangeFault.ENTRIES_UNSORTED),
    (bytes_behind, RangeFault.TRAILING_BYTES),
    (bytes_where_nothing_is_cut, RangeFault.TRAILING_BYTES),
    (other_value, RangeFault.ROOT_MISMATCH),
    (bucket_passed_off_as_a_branch, RangeFault.ROOT_MISMATCH),
]


@pytest.mark.parametrize(("case", "fault"), CASES, ids=[case.__name__ for case, _ in CASES])
def test_a_chunk_that_breaks_one_rule_is_refused_by_that_rule(
    case: Callable[[], Case], fault: RangeFault
) -> None:
    assert get_fault(*case()) == fault


def test_every_rule_has_a_crafted_chunk() -> None:
    assert {fault for _, fault in CASES} == set(RangeFault)


def test_a_proof_opens_no_more_than_the_nibbles_of_a_path() -> None:
    """The deepest tree there could be: full branches down to a single path, and one level more."""
    root = hash_bucket(hashed([(KEY, VALUE)]))
    levels = []
    for depth in reversed(range(DEPTH_MAX)):
        own = int(PATH.hex()[depth], 16)
        others = dict.fromkeys(set(range(16)) - {own}, SIBLING)
        levels.append(branch(others))
        root = hash_branch(others | {own: root})
    proof = b"".join(reversed(levels))
    assert len(proof) < RANGE_PROOF_BYTES_MAX
    after = (number(PATH) + 1).to_bytes(32, "big")
    assert verify_range(root, PATH, [(KEY, VALUE)], proof) == after
    assert get_fault(root, PATH, [(KEY, VALUE)], proof + bucket([])) == RangeFault.TRAILING_BYTES
    assert get_fault(root, PATH, [(KEY, VALUE)], proof + levels[0]) == RangeFault.TRAILING_BYTES


GOLDEN_START = "50" + "00" * 31
GOLDEN_NEXT_START = "b3d4f2e17961cfd87a2a1c2c3de16e0e6683d8f22b9c83549623904406dde520"
GOLDEN_PROOF = (
    "ff1bf0f8e952769fb94ca2976022d95d2589b675f9c2dd0490fb7722cc234640a8cc9301b4d775d8c3ab5957dbdbe2b28233"
    "f5655b9fc968259ea927df9cc8f049b3a6a728401ac4e1497e5fcdfbb96bdcab1158ef6d63917323e5ae63bdaa2daa2680e8"
    "b30f200980d3a747c31ed6e234e78a15786b93b15eb712ac1f4b3449b01fb84e818a1365ac88003a85ff0fc0b768464a1b06"
    "7ebd9cf1f978592ae962f0a797f64c839b9af10544375555cf7a0ff2f8be210e7bc26185f0c0045efc16e3f356e66d88cca0"
    "495ace6497b919bcdfcbc00370445ea00405c925b20571a2661b86ffe00643053d3365681050e02b47936e66f86e29a2b8ee"
    "949a1ab2dd152b4a4601b8d76b428996cf5744fdbb2cbfbaba787bfc0ab4acd2d21278fcb8a2310e6d97205309818bda254b"
    "58b28671cccd12ab48907ae562a6ec5303976b067ab6d50d"
)


def test_the_proof_of_a_chunk_is_these_fixed_bytes() -> None:
    state = State({b"key %d" % index: b"value %d" % index for index in range(17)})
    chunk, proof, next_start = state.serve(bytes.fromhex(GOLDEN_START), 4)
    assert [key for key, _ in chunk] == [b"key 7", b"key 11", b"key 6", b"key 4"]
    assert proof.hex() == GOLDEN_PROOF
    assert next_start == bytes.fromhex(GOLDEN_NEXT_START)
    assert verify_range(state.tree.root, bytes.fromhex(GOLDEN_START), chunk, proof) == next_start
