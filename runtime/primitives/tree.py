"""The state tree: one root hash over every storage entry, kept in memory and updated a block at a time.

A canonical bucketed 16-ary radix tree over blake3; the hashed form and the proofs are those of
tree_proof. This module is responsible for holding it, changing it fast and forking it; it knows no
storage layout, no disk and no block.

Cost is in hashes and in memory traffic, so: a node *is* the bytes that are hashed, a bucket immutable ones,
a branch a buffer of which 32 bytes are overwritten for each changed child; a batch is sorted by path, so
that every touched node is visited and hashed once. Invariants of the shape, on which the root
depends:

1. a node is empty (its tag), a bucket of 1 to 16 entries ascending by path, or a branch over more than 16;
2. a branch at depth d has the entries with nibble n at place d of their path below child n;
3. the bytes of a branch are its tag and the hashes of its children.

Forks. A branch is changed in place only by the tree whose token it carries, and `fork` gives both trees
new tokens, after which neither owns what they share; buckets are never changed, only replaced. So a
change on one side is never seen on the other, and a tree that is never forked never copies.
"""

from bisect import bisect_right
from collections.abc import Generator, Iterable
from itertools import islice, pairwise
from struct import Struct
from typing import Final, final

from runtime.primitives.hashing import blake3
from runtime.primitives.tree_proof import (
    BRANCH_CHILDREN,
    BUCKET_ENTRIES_MAX,
    DEPTH_MAX,
    EMPTY_HASH,
    ENTRY_BYTES,
    HASH_BYTES,
    TAG_BRANCH,
    TAG_BUCKET,
    TAG_EMPTY,
    Absent,
    InvalidProof,
    Present,
    ProofFault,
    compute_path,
    encode_proof,
    get_nibble,
    verify,
)
from runtime.primitives.types import Hash

__all__ = [
    "BUCKET_ENTRIES_MAX",
    "DEPTH_MAX",
    "EMPTY_HASH",
    "Absent",
    "Hash",
    "InvalidProof",
    "Present",
    "ProofFault",
    "Tree",
    "compute_path",
    "verify",
]

_CHILD_HASH: Final = tuple(range(1, 1 + HASH_BYTES * BRANCH_CHILDREN, HASH_BYTES))
_EMPTY_BRANCH: Final = TAG_BRANCH + EMPTY_HASH * BRANCH_CHILDREN
_FULL_BUCKET_BYTES: Final = 1 + ENTRY_BYTES * BUCKET_ENTRIES_MAX
_UNSLICED: Final = 1 << 62
_SCAN_MAX: Final = 64  # entries: below, looking at each is faster than bisecting
_put_hash: Final = Struct(f"{HASH_BYTES}s").pack_into  # a third of the time of assigning a slice


class _Owner:
    """A token of the right to change branches in place."""

    __slots__ = ()


@final
class _Branch(bytearray):
    """A branch is the bytes whose hash is its own, and its sixteen children."""

    __slots__ = ("children", "owner")

    def __init__(self, hashed: bytes | bytearray, children: "list[_Node]", owner: _Owner) -> None:
        super().__init__(hashed)
        self.children = children
        self.owner = owner


_Node = _Branch | bytes


class Tree:
    """A map from raw storage keys to value hashes, with a root that depends on nothing but the map."""

    __slots__ = ("_owner", "_root_hash", "_root_node", "_size", "_updating")

    def __init__(self) -> None:
        self._root_node: _Node = TAG_EMPTY
        self._root_hash = Hash(EMPTY_HASH)
        self._size = 0
        self._owner = _Owner()
        self._updating = False

    @classmethod
    def from_items(cls, items: Iterable[tuple[bytes, bytes]]) -> "Tree":
        """Build the tree of a whole state, of which each key comes once; far cheaper than updates."""
        entries = [blake3(key).digest() + blake3(value).digest() for key, value in items]
        entries.sort()
        assert all(a[:HASH_BYTES] < b[:HASH_BYTES] for a, b in pairwise(entries)), "keys are distinct"
        tree = cls()
        tree._root_node = _build(entries, 0, len(entries), 0, tree._owner)
        tree._root_hash = Hash(blake3(tree._root_node).digest())
        tree._size = len(entries)
        return tree

    @property
    def root(self) -> Hash:
        """The hash that commits to every entry."""
        assert not self._updating, "no update is under way"
        return self._root_hash

    def __len__(self) -> int:
        return self._size

    def update(self, changes: Iterable[tuple[bytes, bytes | None]]) -> Hash:
        """Put the values of raw keys, delete where the value is None, and return the new root.

        Of several changes to one key the last counts; deleting an absent key changes nothing.
        """
        for _ in self.update_steps(changes, _UNSLICED):
            pass
        return self._root_hash

    def update_steps(
        self, changes: Iterable[tuple[bytes, bytes | None]], per_step: int
    ) -> Generator[None, None, Hash]:
        """Do what `update` does in slices of `per_step` keys, yielding after each.

        The result equals that of `update`. From the first changed node to the end of the generator the tree
        answers nothing and cannot be forked, and an abandoned update leaves it so; a caller that may abandon
        one makes it on a fork.
        """
        assert per_step > 0, "a step makes progress"
        pending = dict(changes)
        items = iter(pending.items())
        entries: list[bytes] = []
        for _ in range(0, len(pending), per_step):
            entries += sorted(
                blake3(key).digest() if value is None else blake3(key).digest() + blake3(value).digest()
                for key, value in islice(items, per_step)
            )
            yield
        entries.sort()  # runs in order are only merged
        yield
        assert not self._updating, "no update is under way"
        self._updating = True
        edit = _Edit(entries, self._owner)
        for start in range(0, len(entries), per_step):
            self._root_node = edit.apply(self._root_node, 0, start, min(start + per_step, len(entries)))
            yield
        self._size += edit.growth
        self._root_hash = Hash(blake3(self._root_node).digest())
        self._updating = False
        return self._root_hash

    def fork(self) -> "Tree":
        """Return a tree with the same content; changes to either are never seen in the other. O(1).

        What the two share is kept once; each side copies a branch when it first changes it.
        """
        assert not self._updating, "no update is under way"
        twin = Tree()
        twin._root_node = self._root_node
        twin._root_hash = self._root_hash
        twin._size = self._size
        self._owner = _Owner()
        return twin

    def get_value_hash(self, key: bytes) -> Hash | None:
        """Return blake3 of the value at a raw key, None if there is no such key."""
        path = compute_path(key)
        return _get_value_hash(self._descend(path)[0], path)

    def prove(self, key: bytes, value: bytes | None) -> bytes:
        """Return the proof that `verify` accepts for this root: the key holds `value`, or is absent if None.

        The caller states what the flat state holds; a statement that contradicts the tree is a broken
        invariant.
        """
        path = compute_path(key)
        bucket, branches = self._descend(path)
        assert _get_value_hash(bucket, path) == (None if value is None else blake3(value).digest()), (
            "flat state and tree agree"
        )
        return encode_proof(path, branches, bucket, value)

    def _descend(self, path: bytes) -> tuple[bytes, list[_Branch]]:
        """Return the bucket where a path belongs and the branches above it, root first."""
        assert not self._updating, "no update is under way"
        node = self._root_node
        branches: list[_Branch] = []
        while isinstance(node, _Branch):
            branches.append(node)
            node = node.children[get_nibble(path, len(branches) - 1)]
        return node, branches


class _Edit:
    """One batch of changes: entries to put and bare paths to delete, ascending, each path once."""

    __slots__ = ("changes", "growth", "owner")

    def __init__(self, changes: list[bytes], owner: _Owner) -> None:
        self.changes = changes
        self.owner = owner
        self.growth = 0

    def apply(self, node: _Node, depth: int, start: int, end: int) -> _Node:
        """Return the node at `depth` after the changes from `start` up to `end`, all below it."""
        if type(node) is _Branch:
            return self._change_branch(node, depth, start, end)
        return self._change_bucket(node, depth, start, end)

    def _change_branch(self, branch: _Branch, depth: int, start: int, end: int) -> _Node:
        if branch.owner is not self.owner:
            branch = _Branch(branch, branch.children.copy(), self.owner)
        changes, children = self.changes, branch.children
        place, shift = depth >> 1, 0 if depth & 1 else 4
        growth_before = self.growth
        while start < end:
            change = changes[start]
            nibble = change[place] >> shift & 15
            after = start + 1
            while after < end and changes[after][place] >> shift & 15 == nibble:
                after += 1
            child = children[nibble]
            if type(child) is _Branch:
                child = self._change_branch(child, depth + 1, start, after)
            elif after - start > 1:
                child = self._change_bucket(child, depth + 1, start, after)
            else:
                # By far the most frequent change, a new value for one key, is made without another call.
                # Not found leaves an empty head. A value may be the key of another entry: its hash is then
                # found, but off an entry's start.
                head, _, tail = child.rpartition(change[:HASH_BYTES])
                if len(head) % ENTRY_BYTES == 1 and len(change) == ENTRY_BYTES:
                    child = b"".join((head, change, tail[HASH_BYTES:]))
                else:
                    child = self._change_entry(child, depth + 1, change)
            children[nibble] = child
            _put_hash(branch, _CHILD_HASH[nibble], blake3(child).digest())
            start = after
        # Only a branch that lost entries can have become too small to be one.
        return _merge(branch) if self.growth < growth_before else branch

    def _change_entry(self, bucket: bytes, depth: int, change: bytes) -> _Node:
        """Change a bucket at one path."""
        path = change[:HASH_BYTES]
        at = _find_place(bucket, path)
        held = bucket.startswith(path, at)
        put = len(change) == ENTRY_BYTES
        self.growth += put - held
        if not put:
            if not held:
                return bucket
            return bucket[:at] + bucket[at + ENTRY_BYTES :] if len(bucket) > 1 + ENTRY_BYTES else TAG_EMPTY
        if held or len(bucket) < _FULL_BUCKET_BYTES:
            return b"".join((TAG_BUCKET, bucket[1:at], change, bucket[at + ENTRY_BYTES * held :]))
        entries = _get_entries(bucket)
        entries.insert(at // ENTRY_BYTES, change)
        return _build(entries, 0, len(entries), depth, self.owner)

    def _change_bucket(self, bucket: bytes, depth: int, start: int, end: int) -> _Node:
        """Change a bucket at any number of paths."""
        old = _get_entries(bucket)
        entries = {entry[:HASH_BYTES]: entry for entry in old}
        for change in self.changes[start:end]:
            if len(change) == ENTRY_BYTES:
                entries[change[:HASH_BYTES]] = change
            else:
                entries.pop(change, None)
        self.growth += len(entries) - len(old)
        return _build(sorted(entries.values()), 0, len(entries), depth, self.owner)


def _build(entries: list[bytes], start: int, end: int, depth: int, owner: _Owner) -> _Node:
    """Return the node at `depth` over the ascending entries from `start` up to `end`."""
    if end - start <= BUCKET_ENTRIES_MAX:
        return TAG_BUCKET + b"".join(entries[start:end]) if start < end else TAG_EMPTY
    branch = _Branch(_EMPTY_BRANCH, [TAG_EMPTY] * BRANCH_CHILDREN, owner)
    place, shift = depth >> 1, 0 if depth & 1 else 4
    while start < end:
        nibble = entries[start][place] >> shift & 15
        if end - start > _SCAN_MAX:
            after = bisect_right(entries, nibble, start, end, key=lambda entry: entry[place] >> shift & 15)
        else:
            after = start + 1
            while after < end and entries[after][place] >> shift & 15 == nibble:
                after += 1
        child = branch.children[nibble] = _build(entries, start, after, depth + 1, owner)
        _put_hash(branch, _CHILD_HASH[nibble], blake3(child).digest())
        start = after
    return branch


def _merge(branch: _Branch) -> _Node:
    """Return the bucket that replaces a branch if its entries fit into one, else the branch."""
    buckets: list[bytes] = []
    entries = 0
    for child in branch.children:
        if isinstance(child, _Branch):
            return branch
        entries += len(child) // ENTRY_BYTES
        if entries > BUCKET_ENTRIES_MAX:
            return branch
        buckets.append(child[1:])
    return TAG_BUCKET + b"".join(buckets) if entries else TAG_EMPTY


def _get_entries(bucket: bytes) -> list[bytes]:
    return [bucket[at : at + ENTRY_BYTES] for at in range(1, len(bucket), ENTRY_BYTES)]


def _find_place(bucket: bytes, path: bytes) -> int:
    """Return where the entry of a path begins in a bucket, or would begin."""
    low, high = 0, len(bucket) // ENTRY_BYTES
    while low < high:
        middle = (low + high) // 2
        at = 1 + ENTRY_BYTES * middle
        if bucket[at : at + HASH_BYTES] < path:
            low = middle + 1
        else:
            high = middle
    return 1 + ENTRY_BYTES * low


def _get_value_hash(bucket: bytes, path: bytes) -> Hash | None:
    at = _find_place(bucket, path)
    return Hash(bucket[at + HASH_BYTES : at + ENTRY_BYTES]) if bucket.startswith(path, at) else None
