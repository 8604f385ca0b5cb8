"""The tree against its definition, its forks, its slices and its fixed roots."""

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from runtime.primitives.tree import EMPTY_HASH, Absent, Present, Tree, verify
from tests.runtime.primitives.tree_model import CROWDED_KEYS, POOL, compute_model_root, make_key

Change = tuple[bytes, bytes | None]

values = st.one_of(st.binary(max_size=3), st.sampled_from(POOL))
batches = st.lists(st.tuples(st.sampled_from(POOL), st.one_of(st.none(), values)), max_size=60)
fills = st.builds(lambda keys, value: [(key, value) for key in keys], st.permutations(POOL), values)
clears = st.builds(
    lambda keys, count: [(key, None) for key in keys[:count]], st.permutations(POOL), st.integers(0, 56)
)
updates = st.tuples(st.just("update"), st.integers(0, 3), st.one_of(batches, fills, clears))
steps = st.tuples(st.just("steps"), st.integers(0, 3), st.one_of(batches, fills, clears))
forks: st.SearchStrategy[tuple[str, int, list[Change]]] = st.tuples(
    st.just("fork"), st.integers(0, 3), st.just([])
)


def apply_to_dict(model: dict[bytes, bytes], changes: list[Change]) -> None:
    for key, value in changes:
        if value is None:
            model.pop(key, None)
        else:
            model[key] = value


def exhaust(generator: Generator[None, None, bytes]) -> tuple[int, bytes]:
    """Return the number of slices and the result."""
    results: list[bytes] = []

    def drive() -> Generator[None, None, None]:
        results.append((yield from generator))

    return sum(1 for _ in drive()), results[0]


@given(st.lists(st.one_of(updates, steps, forks), max_size=12))
def test_any_history_of_updates_and_forks_gives_the_roots_of_the_definition(
    history: list[tuple[str, int, list[Change]]],
) -> None:
    sides: list[tuple[Tree, dict[bytes, bytes]]] = [(Tree(), {})]
    for action, which, changes in history:
        tree, model = sides[which % len(sides)]
        if action == "fork":
            sides.append((tree.fork(), dict(model)))
            continue
        apply_to_dict(model, changes)
        root = tree.update(changes) if action == "update" else exhaust(tree.update_steps(changes, 7))[1]
        assert root == tree.root
        for other, content in sides:
            assert other.root == compute_model_root(content)
            assert len(other) == len(content)


@given(st.dictionaries(st.sampled_from(POOL), values))
def test_bulk_build_equals_updates_in_any_order(content: dict[bytes, bytes]) -> None:
    one_by_one = Tree()
    for key in sorted(content, reverse=True):
        one_by_one.update([(key, content[key])])
    built = Tree.from_items(content.items())
    assert built.root == one_by_one.root == compute_model_root(content)
    assert len(built) == len(one_by_one) == len(content)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 18, 28])
def test_keys_with_a_common_prefix_split_and_merge_at_sixteen(count: int) -> None:
    content = dict.fromkeys(CROWDED_KEYS[:count], b"v")
    grown = Tree()
    for key, value in content.items():
        grown.update([(key, value)])
    shrunk = Tree.from_items((key, b"v") for key in CROWDED_KEYS)
    for key in CROWDED_KEYS[count:]:
        shrunk.update([(key, None)])
    assert grown.root == shrunk.root == compute_model_root(content)
    assert len(grown) == len(shrunk) == count


def test_a_large_tree_equals_the_definition_after_mixed_batches() -> None:
    content = {make_key(number): make_key(number)[:2] for number in range(3000)}
    tree = Tree.from_items(content.items())
    stream = memoryview(blake3(b"choices").digest(length=6 * 700 * 3))
    for batch in range(6):
        choices = [bytes(stream[3 * at : 3 * at + 3]) for at in range(700 * batch, 700 * (batch + 1))]
        changes: list[Change] = [
            (make_key(int.from_bytes(choice[:2]) % 4000), choice if choice[2] & 1 else None)
            for choice in choices
        ]
        tree.update(changes)
        apply_to_dict(content, changes)
        assert tree.root == compute_model_root(content)
    tree.update([(key, None) for key in content])
    assert tree.root == EMPTY_HASH
    assert len(tree) == 0


@pytest.mark.parametrize("count", [4, len(POOL)])
def test_an_entry_is_not_mistaken_for_a_value_that_equals_its_key(count: int) -> None:
    # blake3 of each value is then the path of another key, and may stand in the same bucket.
    for step in (1, 2, count - 1):
        content = {POOL[at]: POOL[(at + step) % count] for at in range(count)}
        tree = Tree.from_items(content.items())
        for key in POOL[: count + 2]:
            for value in (b"new", None):
                side = tree.fork()
                changed = dict(content)
                apply_to_dict(changed, [(key, value)])
                assert side.update([(key, value)]) == compute_model_root(changed)
                assert len(side) == len(changed)


def test_a_value_that_equals_an_absent_key_does_not_make_it_present() -> None:
    tree = Tree.from_items([(POOL[0], POOL[1])])
    assert tree.get_value_hash(POOL[1]) is None
    assert verify(tree.root, POOL[1], tree.prove(POOL[1], None)) == Absent()


def test_value_hashes_can_be_read_back() -> None:
    tree = Tree.from_items((key, key + b"!") for key in POOL)
    for key in POOL:
        assert tree.get_value_hash(key) == blake3(key + b"!").digest()
    assert tree.get_value_hash(b"other") is None
    assert Tree().get_value_hash(b"") is None


def test_the_last_change_of_a_key_in_a_batch_counts() -> None:
    tree = Tree()
    root = tree.update([(b"a", b"1"), (b"b", b"2"), (b"a", None), (b"b", b"3")])
    assert root == compute_model_root({b"b": b"3"})


def test_an_empty_batch_and_a_deletion_of_nothing_change_nothing() -> None:
    tree = Tree.from_items((key, b"v") for key in POOL)
    before = tree.root
    assert tree.update([]) == before
    assert tree.update([(b"missing", None), (b"also missing", None)]) == before
    assert len(tree) == len(POOL)


def test_empty_keys_and_values_are_entries_like_others() -> None:
    tree = Tree.from_items([(b"", b"")])
    assert tree.root == compute_model_root({b"": b""}) != EMPTY_HASH
    assert verify(tree.root, b"", tree.prove(b"", b"")) == Present(b"")


def test_repeated_keys_are_refused_by_the_bulk_build() -> None:
    with pytest.raises(AssertionError, match="distinct"):
        Tree.from_items([(b"a", b"1"), (b"b", b"2"), (b"a", b"1")])


@pytest.mark.parametrize("per_step", [1, 2, 99, 1000])
def test_slices_are_bounded_and_end_in_the_root_of_one_update(per_step: int) -> None:
    content = {make_key(number): b"old" for number in range(500)}
    changes: list[Change] = [(make_key(number), b"new" if number % 3 else None) for number in range(400, 600)]
    whole, sliced = Tree.from_items(content.items()), Tree.from_items(content.items())
    count, root = exhaust(sliced.update_steps(changes, per_step))
    assert root == sliced.root == whole.update(changes)
    hashing = changing = -(-len(changes) // per_step)
    sorting = -(-len(changes) // (8 * per_step)) + 1
    assert count == hashing + sorting + changing


def test_a_tree_between_slices_gives_no_root_no_proof_no_fork_and_no_second_update() -> None:
    tree = Tree.from_items((key, b"v") for key in POOL)
    steps = tree.update_steps([(key, b"w") for key in POOL], 30)
    for _ in range(4):  # two slices are hashed, sorted and then merged: nothing is changed yet
        next(steps)
    assert tree.root == compute_model_root(dict.fromkeys(POOL, b"v"))
    next(steps)
    with pytest.raises(AssertionError):
        _ = tree.root
    with pytest.raises(AssertionError):
        tree.prove(POOL[0], b"v")
    with pytest.raises(AssertionError):
        tree.get_value_hash(POOL[0])
    with pytest.raises(AssertionError):
        tree.fork()
    with pytest.raises(AssertionError):
        tree.update([(b"a", b"b")])
    exhaust(steps)
    assert tree.root == compute_model_root(dict.fromkeys(POOL, b"w"))


def test_a_step_must_make_progress() -> None:
    with pytest.raises(AssertionError, match="progress"):
        next(Tree().update_steps([], 0))


def test_bad_types_in_a_batch_leave_the_tree_as_it_was() -> None:
    tree = Tree.from_items((key, b"v") for key in POOL)
    before = tree.root
    with pytest.raises(TypeError):
        tree.update([(POOL[0], b"w"), (POOL[1], "text")])  # type: ignore[list-item]  # the error is the test
    assert tree.root == before
    assert tree.update([(POOL[0], b"v")]) == before


def test_an_abandoned_update_of_a_fork_leaves_the_original_whole() -> None:
    tree = Tree.from_items((key, b"v") for key in POOL)
    steps = tree.fork().update_steps([(key, b"w") for key in POOL], 10)
    for _ in range(8):
        next(steps)
    steps.close()
    assert tree.root == compute_model_root(dict.fromkeys(POOL, b"v"))
    assert tree.update([(POOL[0], b"x")]) == compute_model_root(dict.fromkeys(POOL, b"v") | {POOL[0]: b"x"})


def test_a_chain_of_forks_keeps_every_state_readable() -> None:
    content: dict[bytes, bytes] = {}
    kept = [(Tree(), content)]
    for block in range(12):
        tree = kept[-1][0].fork()
        content = dict(content)
        changes: list[Change] = [(key, bytes([block])) for key in POOL[block * 3 : block * 3 + 20]]
        tree.update(changes)
        apply_to_dict(content, changes)
        kept.append((tree, content))
    for tree, held in kept:
        assert tree.root == compute_model_root(held)
        for key in POOL[::5]:
            answer = verify(tree.root, key, tree.prove(key, held.get(key)))
            assert answer == (Present(held[key]) if key in held else Absent())


GOLDEN_ROOTS = {
    0: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
    1: "5ab6dac0916a0fde8c47ff1ed2b68d1108a05591f4f196d6c053ed03ee68a33e",
    16: "089c9504e9326bbaca6a71fe50edcce24aade84b30c7f6d919c306b9e8893017",
    17: "db7daa442eb0bf0a147a5a0f551780a23f3448f50801a641ea386e550bfa57fb",
    1000: "03c80a04dbdae24d1329059fc30bafbf581fd2ab33e0a05ae533c6087cad297f",
}


@pytest.mark.parametrize("count", GOLDEN_ROOTS)
def test_roots_are_these_fixed_bytes(count: int) -> None:
    tree = Tree.from_items((b"key %d" % number, b"value %d" % number) for number in range(count))
    assert tree.root.hex() == GOLDEN_ROOTS[count]


def test_the_documentation_gives_the_same_roots() -> None:
    page = (Path(__file__).parents[3] / "docs" / "state-tree.md").read_text(encoding="utf-8")
    for count, root in GOLDEN_ROOTS.items():
        assert f"| {count} | `{root}` |" in page


SCRIPT = """
from runtime.primitives.tree import Tree
keys = {b"key %d" % n for n in range(1000)}
tree = Tree()
for start in range(5):
    tree.update([(k, b"value" + k[3:]) for k in keys if len(k) != start])
    tree.update([(k, None) for k in keys if len(k) == start])
tree.update([(k, b"value" + k[3:]) for k in keys])
print(tree.root.hex())
"""


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_roots_do_not_depend_on_the_hash_seed(seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == GOLDEN_ROOTS[1000]
