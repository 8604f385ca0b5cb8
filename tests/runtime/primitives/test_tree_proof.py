"""Proofs: round trips, every byte matters, and one crafted proof for each rule of refusal."""

from collections.abc import Callable

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from runtime.primitives.tree import (
    BUCKET_ENTRIES_MAX,
    DEPTH_MAX,
    EMPTY_HASH,
    Absent,
    InvalidProof,
    Present,
    ProofFault,
    Tree,
    compute_path,
    verify,
)
from tests.runtime.primitives.tree_model import (
    CROWDED_KEYS,
    POOL,
    compute_model_root,
    make_key,
    make_model_proof,
)

values = st.one_of(st.binary(max_size=3), st.sampled_from(POOL))
contents = st.dictionaries(st.sampled_from(POOL), values)


def get_fault(root: bytes, key: bytes, proof: bytes) -> ProofFault | None:
    try:
        verify(root, key, proof)
    except InvalidProof as refusal:
        return refusal.fault
    return None


def hash_bucket(entries: list[bytes]) -> bytes:
    return blake3(b"\1" + b"".join(entries)).digest()


def make_entry(key: bytes, value: bytes) -> bytes:
    return blake3(key).digest() + blake3(value).digest()


@given(contents)
def test_proofs_are_those_of_the_definition_and_prove_what_is_held(content: dict[bytes, bytes]) -> None:
    tree = Tree.from_items(content.items())
    for key in POOL[::3]:
        proof = tree.prove(key, content.get(key))
        assert proof == make_model_proof(content, key)
        assert verify(compute_model_root(content), key, proof) == (
            Present(content[key]) if key in content else Absent()
        )


@pytest.mark.slow
@pytest.mark.parametrize("key", [POOL[0], CROWDED_KEYS[20], b"absent"])
@pytest.mark.parametrize("count", [0, 1, 16, 17, 18, len(POOL), 1000])
def test_every_changed_bit_is_refused(key: bytes, count: int) -> None:
    content = dict.fromkeys((POOL + tuple(map(make_key, range(28, 972))))[:count], b"some value")
    tree = Tree.from_items(content.items())
    proof = tree.prove(key, content.get(key))
    for place in range(len(proof)):
        for bit in range(8):
            changed = bytearray(proof)
            changed[place] ^= 1 << bit
            assert get_fault(tree.root, key, bytes(changed)) is not None, (place, bit)


@pytest.mark.slow
@pytest.mark.parametrize("present", [True, False])
def test_every_other_byte_at_every_place_is_refused(present: bool) -> None:
    content = dict.fromkeys(POOL[:20], b"v")
    key = POOL[3] if present else POOL[25]
    tree = Tree.from_items(content.items())
    proof = tree.prove(key, content.get(key))
    for place in range(len(proof)):
        for byte in range(256):
            if byte != proof[place]:
                changed = proof[:place] + bytes([byte]) + proof[place + 1 :]
                assert get_fault(tree.root, key, changed) is not None, (place, byte)


@pytest.mark.parametrize("key", [POOL[3], b"absent"])
def test_shortened_and_lengthened_proofs_are_refused(key: bytes) -> None:
    content = dict.fromkeys(POOL, b"v")
    tree = Tree.from_items(content.items())
    proof = tree.prove(key, content.get(key))
    for length in range(len(proof)):
        assert get_fault(tree.root, key, proof[:length]) is not None
    for tail in (b"\0", b"\xff", bytes(32), bytes(64)):
        assert get_fault(tree.root, key, proof + tail) is not None


@given(st.binary(max_size=300))
def test_any_bytes_give_a_typed_refusal(proof: bytes) -> None:
    assert get_fault(bytes(32), b"key", proof) is not None


@given(contents, st.data())
def test_a_proof_shows_nothing_about_another_key_or_root(
    content: dict[bytes, bytes], data: st.DataObject
) -> None:
    tree = Tree.from_items(content.items())
    key, other = data.draw(st.lists(st.sampled_from(POOL), min_size=2, max_size=2, unique=True))
    proof = tree.prove(key, content.get(key))
    later = dict(content) | {other: b"a new value"}
    assert get_fault(compute_model_root(later), key, proof) == ProofFault.ROOT_MISMATCH
    try:
        answer = verify(tree.root, other, proof)
    except InvalidProof:
        return
    # Two absent keys may share a place, and then their proof.
    assert answer == Absent()
    assert other not in content


def test_the_caller_cannot_prove_what_the_tree_does_not_hold() -> None:
    tree = Tree.from_items([(b"a", b"1")])
    for key, value in ((b"a", b"2"), (b"a", None), (b"b", b"1")):
        with pytest.raises(AssertionError, match="agree"):
            tree.prove(key, value)


def test_a_refusal_is_a_value_error_that_names_its_rule() -> None:
    with pytest.raises(ValueError, match="invalid state proof: truncated"):
        verify(bytes(32), b"key", b"")


def test_a_proof_at_ten_thousand_keys_stays_below_three_kilobytes() -> None:
    tree = Tree.from_items((make_key(number), bytes(80)) for number in range(10_000))
    sizes = [len(tree.prove(make_key(number), bytes(80))) for number in range(0, 10_000, 97)]
    assert max(sizes) < 3000
    assert len(tree.prove(b"absent", None)) < 3000


KEY = b"the key"
PATH = blake3(KEY).digest()
ENTRY = make_entry(KEY, b"value")
SIBLING = bytes(range(32))


def own_nibble(depth: int) -> int:
    return int(PATH.hex()[depth], 16)


def other_bit(depth: int) -> int:
    return 1 << (own_nibble(depth) ^ 1)


def level(bitmap: int, *siblings: bytes) -> bytes:
    return bitmap.to_bytes(2, "little") + b"".join(siblings)


def near(depth: int, *tails: int) -> list[bytes]:
    """Entries whose paths share `depth` bytes with the key's, ascending by the order of `tails`."""
    return [PATH[:depth] + bytes([tail]) * (32 - depth) + bytes(32) for tail in tails]


def fold(leaf: bytes, depth: int) -> bytes:
    """The root over branches that each hold the path's child and SIBLING beside it."""
    for place in range(depth - 1, -1, -1):
        children = [EMPTY_HASH] * 16
        children[own_nibble(place)] = leaf
        children[own_nibble(place) ^ 1] = SIBLING
        leaf = blake3(b"\2" + b"".join(children)).digest()
    return leaf


def levels(depth: int) -> bytes:
    return b"".join(level(other_bit(place), SIBLING) for place in range(depth))


def test_the_crafted_frame_itself_is_accepted() -> None:
    for depth in (0, 1, 7, DEPTH_MAX):
        root = fold(hash_bucket([ENTRY]), depth)
        proof = bytes([1, depth]) + levels(depth) + b"\0value"
        assert verify(root, KEY, proof) == Present(b"value")
    assert verify(EMPTY_HASH, KEY, bytes([0, 0, 0])) == Absent()
    assert verify(fold(EMPTY_HASH, 2), KEY, bytes([0, 2]) + levels(2) + b"\0") == Absent()


Case = Callable[[], tuple[bytes, bytes]]


def deep() -> tuple[bytes, bytes]:
    return bytes(32), bytes([1, DEPTH_MAX + 1]) + b"".join(level(1, SIBLING) for _ in range(65)) + b"\0value"


def own_child_listed() -> tuple[bytes, bytes]:
    hashes = [SIBLING, SIBLING]
    bitmap = other_bit(0) | 1 << own_nibble(0)
    return fold(hash_bucket([ENTRY]), 1), bytes([1, 1]) + level(bitmap, *hashes) + b"\0value"


def empty_sibling_listed() -> tuple[bytes, bytes]:
    bitmap = other_bit(0) | 1 << (own_nibble(0) ^ 2)
    pair = [SIBLING, EMPTY_HASH] if other_bit(0) < 1 << (own_nibble(0) ^ 2) else [EMPTY_HASH, SIBLING]
    return fold(hash_bucket([ENTRY]), 1), bytes([1, 1]) + level(bitmap, *pair) + b"\0value"


def branch_over_one_bucket() -> tuple[bytes, bytes]:
    children = [EMPTY_HASH] * 16
    children[own_nibble(0)] = hash_bucket([ENTRY])
    return blake3(b"\2" + b"".join(children)).digest(), bytes([1, 1]) + level(0) + b"\0value"


def branch_over_nothing() -> tuple[bytes, bytes]:
    return blake3(b"\2" + EMPTY_HASH * 16).digest(), bytes([0, 1]) + level(0) + b"\0"


def seventeen_with_own() -> tuple[bytes, bytes]:
    others = sorted(make_entry(make_key(number), b"") for number in range(16))
    return hash_bucket(sorted([*others, ENTRY])), bytes([1, 0, 16]) + b"".join(others) + b"value"


def seventeen_others() -> tuple[bytes, bytes]:
    others = sorted(make_entry(make_key(number), b"") for number in range(17))
    return hash_bucket(others), bytes([0, 0, 17]) + b"".join(others)


def unsorted() -> tuple[bytes, bytes]:
    others = near(1, 9, 8)
    return fold(hash_bucket(others), 1), bytes([0, 1]) + levels(1) + b"\2" + b"".join(others)


def duplicate() -> tuple[bytes, bytes]:
    others = near(1, 9, 9)
    return fold(hash_bucket(others), 1), bytes([0, 1]) + levels(1) + b"\2" + b"".join(others)


def own_entry_among_absent() -> tuple[bytes, bytes]:
    return hash_bucket([ENTRY]), bytes([0, 0, 1]) + ENTRY


def own_entry_twice() -> tuple[bytes, bytes]:
    return hash_bucket([ENTRY, ENTRY]), bytes([1, 0, 1]) + ENTRY + b"value"


def misplaced() -> tuple[bytes, bytes]:
    stranger = bytes([PATH[0] ^ 0x10]) + bytes(63)
    return fold(hash_bucket([stranger]), 1), bytes([0, 1]) + levels(1) + b"\1" + stranger


def misplaced_by_a_low_nibble() -> tuple[bytes, bytes]:
    stranger = bytes([PATH[0] ^ 0x01]) + bytes(63)
    return fold(hash_bucket([stranger]), 2), bytes([0, 2]) + levels(2) + b"\1" + stranger


def trailing() -> tuple[bytes, bytes]:
    return EMPTY_HASH, bytes([0, 0, 0, 0])


def longer_value() -> tuple[bytes, bytes]:
    return hash_bucket([ENTRY]), bytes([1, 0, 0]) + b"value!"


def unknown_kind() -> tuple[bytes, bytes]:
    return hash_bucket([ENTRY]), bytes([2, 0, 0]) + b"value"


def missing_siblings() -> tuple[bytes, bytes]:
    return fold(hash_bucket([ENTRY]), 1), bytes([1, 1]) + level(other_bit(0)) + SIBLING[:31]


def missing_bitmap() -> tuple[bytes, bytes]:
    return fold(hash_bucket([ENTRY]), 1), bytes([1, 1, 1])


def missing_level() -> tuple[bytes, bytes]:
    return fold(hash_bucket([ENTRY]), 2), bytes([1, 2]) + levels(1)


def missing_count() -> tuple[bytes, bytes]:
    return EMPTY_HASH, bytes([0, 0])


def missing_entry() -> tuple[bytes, bytes]:
    return hash_bucket(near(1, 9)), bytes([0, 0, 1]) + near(1, 9)[0][:63]


def branch_passed_off_as_bucket() -> tuple[bytes, bytes]:
    others = sorted(make_entry(make_key(number), b"") for number in range(8))
    return blake3(b"\2" + b"".join(others)).digest(), bytes([0, 0, 8]) + b"".join(others)


def untagged_bucket() -> tuple[bytes, bytes]:
    return blake3(ENTRY).digest(), bytes([1, 0, 0]) + b"value"


CASES: list[tuple[Case, ProofFault]] = [
    (deep, ProofFault.TOO_DEEP),
    (own_child_listed, ProofFault.OWN_CHILD_LISTED),
    (empty_sibling_listed, ProofFault.EMPTY_SIBLING_LISTED),
    (branch_over_one_bucket, ProofFault.BRANCH_UNMERGED),
    (branch_over_nothing, ProofFault.BRANCH_UNMERGED),
    (seventeen_with_own, ProofFault.BUCKET_UNSPLIT),
    (seventeen_others, ProofFault.BUCKET_UNSPLIT),
    (unsorted, ProofFault.ENTRIES_UNSORTED),
    (duplicate, ProofFault.ENTRIES_UNSORTED),
    (own_entry_among_absent, ProofFault.OWN_ENTRY_LISTED),
    (own_entry_twice, ProofFault.OWN_ENTRY_LISTED),
    (misplaced, ProofFault.ENTRY_MISPLACED),
    (misplaced_by_a_low_nibble, ProofFault.ENTRY_MISPLACED),
    (trailing, ProofFault.TRAILING_BYTES),
    (longer_value, ProofFault.ROOT_MISMATCH),
    (unknown_kind, ProofFault.UNKNOWN_KIND),
    (missing_siblings, ProofFault.TRUNCATED),
    (missing_bitmap, ProofFault.TRUNCATED),
    (missing_level, ProofFault.TRUNCATED),
    (missing_count, ProofFault.TRUNCATED),
    (missing_entry, ProofFault.TRUNCATED),
    (branch_passed_off_as_bucket, ProofFault.ROOT_MISMATCH),
    (untagged_bucket, ProofFault.ROOT_MISMATCH),
]


@pytest.mark.parametrize(("case", "fault"), CASES, ids=[case.__name__ for case, _ in CASES])
def test_a_proof_that_breaks_one_rule_is_refused_by_that_rule(case: Case, fault: ProofFault) -> None:
    root, proof = case()
    assert get_fault(root, KEY, proof) == fault


def test_every_rule_has_a_crafted_proof() -> None:
    assert {fault for _, fault in CASES} == set(ProofFault)


def test_sixteen_entries_are_accepted_with_and_without_the_key() -> None:
    numbers = range(BUCKET_ENTRIES_MAX)
    others = sorted(make_entry(make_key(number), b"") for number in numbers)
    proof = bytes([0, 0, 16]) + b"".join(others)
    assert verify(hash_bucket(others), KEY, proof) == Absent()
    fifteen = others[:15]
    proof = bytes([1, 0, 15]) + b"".join(fifteen) + b"value"
    assert verify(hash_bucket(sorted([*fifteen, ENTRY])), KEY, proof) == Present(b"value")


def test_a_value_made_of_node_bytes_is_only_a_value() -> None:
    """A value whose hash is a node hash does not let anybody descend into it."""
    inner = Tree.from_items([(b"stolen", b"1")])
    value = b"\1" + make_entry(b"stolen", b"1")
    assert blake3(value).digest() == inner.root
    tree = Tree.from_items([(KEY, value)])
    for kind in (0, 1):
        for depth in (0, 1):
            crafted = bytes([kind, depth]) + levels(depth) + b"\0" + (b"1" if kind else b"")
            assert get_fault(tree.root, b"stolen", crafted) is not None


GOLDEN_ROOT = "db7daa442eb0bf0a147a5a0f551780a23f3448f50801a641ea386e550bfa57fb"
GOLDEN_PROOF = (
    "01015afb01b4d775d8c3ab5957dbdbe2b28233f5655b9fc968259ea927df9cc8f049b3a6a728401ac4e1497e5fcdfbb96bdc"
    "ab1158ef6d63917323e5ae63bdaa2daa2680e8b30f200980d3a747c31ed6e234e78a15786b93b15eb712ac1f4b3449b01fb8"
    "9df378837f9072603b787afbf85301d708064162c6c74a3dfcbc6527fa37e764c4ee5df0f30f56f861de96850cd297665d44"
    "87f7a7c0ed4117a8bc5a60f5d00448cce518e6f39ef8193429f66fd3a58abcd768d9bd307cddd47395e2aedb079c645db07d"
    "ac107aed75c7eb063fe746d29587cca27651d5543a4c8e2273093f414e818a1365ac88003a85ff0fc0b768464a1b067ebd9c"
    "f1f978592ae962f0a797f64c839b9af10544375555cf7a0ff2f8be210e7bc26185f0c0045efc16e3f356e66d88cca0495ace"
    "6497b919bcdfcbc00370445ea00405c925b20571a2661b86ffe00643053d3365681050e02b47936e66f86e29a2b8ee949a1a"
    "b2dd152b4a4601086f45e4a13d1a8ea3d433579efaa7180731cac3d81133cc40ba2613a4526c21b6741c472a9d2a7b75f5ba"
    "ac1d750868e5ba9cf7e670addd0ec4b3a84de16cb476616c75652033"
)


def test_a_proof_is_these_fixed_bytes() -> None:
    content = {b"key %d" % number: b"value %d" % number for number in range(17)}
    tree = Tree.from_items(content.items())
    assert tree.root.hex() == GOLDEN_ROOT
    assert tree.prove(b"key 3", b"value 3").hex() == GOLDEN_PROOF
    assert verify(bytes.fromhex(GOLDEN_ROOT), b"key 3", bytes.fromhex(GOLDEN_PROOF)) == Present(b"value 3")
    assert compute_path(b"key 3") == blake3(b"key 3").digest()
