"""The state tree: one root hash over every storage entry, kept in memory and updated a block at a time.

A canonical bucketed 16-ary radix tree over blake3; the hashed form and the proofs are those of
tree_proof. This module is responsible for holding it, changing it fast and forking it; it knows no
storage layout, no disk and no block.

Cost is in hashes and in memory traffic, so: a bucket is one bytes object, ready to be hashed; a branch
keeps its hash input in one buffer and overwrites 32 bytes of it for each changed child; a batch is sorted
by path, so that every touched node is visited and hashed once. Invariants of the shape, on which the root
depends:

1. a node is empty (b""), a bucket of 1 to 16 entries ascending by path, or a branch over more than 16;
2. a branch at depth d has the entries with nibble n at place d of their path below child n;
3. `data` of a branch is its tag and the hashes of its children.

Forks. A branch is changed in place only by the tree whose token it carries, and `fork` gives both trees
new tokens, after which neither owns what they share; buckets are never changed, only replaced. So a
change on one side is never seen on the other, and a tree that is never forked never copies.
"""

from bisect import bisect_left
from collections.abc import Generator, Iterable
from typing import Final

from blake3 import blake3

from runtime.primitives.tree_proof import (
    BRANCH_CHILDREN,
    BUCKET_ENTRIES_MAX,
    DEPTH_MAX,
    EMPTY_HASH,
    ENTRY_BYTES,
    HASH_BYTES,
    TAG_BRANCH,
    TAG_BUCKET,
    Absent,
    Hash,
    InvalidProof,
    Present,
    ProofFault,
    compute_path,
    encode_proof,
    get_nibble,
    verify,
)

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

_EMPTY: Final = b""
_BUCKET_BYTES_MAX: Final = 1 + ENTRY_BYTES * BUCKET_ENTRIES_MAX
_CHILDREN: Final = tuple(range(BRANCH_CHILDREN))
_CHILD_HASH: Final = tuple(slice(1 + HASH_BYTES * n, 1 + HASH_BYTES * (n + 1)) for n in _CHILDREN)
_NEW_BRANCH_DATA: Final = TAG_BRANCH + EMPTY_HASH * BRANCH_CHILDREN


class _Owner:
    """A token of the right to change branches in place."""

    __slots__ = ()


class _Branch:
    """Sixteen children, and the bytes whose hash is this node's."""

    __slots__ = ("children", "data", "owner")

    def __init__(self, children: "list[_Node]", data: bytearray, owner: _Owner) -> None:
        self.children = children
        self.data = data
        self.owner = owner


_Node = _Branch | bytes


class Tree:
    """A map from raw storage keys to value hashes, with a root that depends on nothing but the map."""

    __slots__ = ("_owner", "_root_hash", "_root_node", "_size", "_updating")

    def __init__(self) -> None:
        self._root_node: _Node = _EMPTY
        self._root_hash = Hash(EMPTY_HASH)
        self._size = 0
        self._owner = _Owner()
        self._updating = False

    @classmethod
    def from_items(cls, items: Iterable[tuple[bytes, bytes]]) -> "Tree":
        """Build the tree of a whole state; the keys are distinct."""
        entries = [blake3(key).digest() + blake3(value).digest() for key, value in items]
        entries.sort()
        paths = [entry[:HASH_BYTES] for entry in entries]
        assert all(map(bytes.__lt__, paths, paths[1:])), "keys are distinct"
        tree = cls()
        tree._root_node = _build(entries, 0, len(entries), 0, tree._owner)
        tree._root_hash = _hash_node(tree._root_node)
        tree._size = len(entries)
        return tree

    @property
    def root(self) -> Hash:
        """The hash that commits to every entry."""
        assert not self._updating, "the tree is between updates"
        return self._root_hash

    def __len__(self) -> int:
        return self._size

    def update(self, changes: Iterable[tuple[bytes, bytes | None]]) -> Hash:
        """Put the values of raw keys, delete where the value is None, and return the new root.

        Of several changes to one key the last counts; deleting an absent key changes nothing.
        """
        pending = dict(changes)
        for _ in self.update_steps(pending.items(), len(pending) + 1):
            pass
        return self._root_hash

    def update_steps(
        self, changes: Iterable[tuple[bytes, bytes | None]], per_step: int
    ) -> Generator[None, None, Hash]:
        """Do what `update` does in slices of `per_step` keys, yielding after each.

        The result equals that of `update`. Until the generator is exhausted the tree answers nothing and
        cannot be forked; a caller that may abandon an update makes it on a fork.
        """
        assert per_step > 0, "a step makes progress"
        pending = list(dict(changes).items())
        entries: list[bytes] = []
        for start in range(0, len(pending), per_step):
            entries += [
                blake3(key).digest() if value is None else blake3(key).digest() + blake3(value).digest()
                for key, value in pending[start : start + per_step]
            ]
            yield
        entries.sort()
        assert not self._updating, "one update at a time"
        self._updating = True
        edit = _Edit(entries, self._owner)
        for start in range(0, len(entries), per_step):
            self._root_node = edit.apply(self._root_node, 0, start, min(start + per_step, len(entries)))
            yield
        self._size += edit.growth
        self._root_hash = _hash_node(self._root_node)
        self._updating = False
        return self._root_hash

    def fork(self) -> "Tree":
        """Return a tree with the same content; changes to either are never seen in the other. O(1)."""
        assert not self._updating, "the tree is between updates"
        twin = Tree()
        twin._root_node = self._root_node
        twin._root_hash = self._root_hash
        twin._size = self._size
        self._owner = _Owner()
        return twin

    def get_value_hash(self, key: bytes) -> Hash | None:
        """Return blake3 of the value at a raw key, None if there is no such key."""
        path = compute_path(key)
        bucket, _ = self._descend(path)
        start = _find_entry(bucket, path)
        return None if start is None else Hash(bucket[start + HASH_BYTES : start + ENTRY_BYTES])

    def prove(self, key: bytes, value: bytes | None) -> bytes:
        """Return the proof that `verify` accepts for this root: the key holds `value`, or is absent if None.

        The caller states what the flat state holds; a statement that contradicts the tree is a broken
        invariant.
        """
        path = compute_path(key)
        bucket, branches = self._descend(path)
        start = _find_entry(bucket, path)
        held = None if start is None else bucket[start + HASH_BYTES : start + ENTRY_BYTES]
        assert held == (None if value is None else blake3(value).digest()), "flat state and tree agree"
        return encode_proof(path, [branch.data for branch in branches], bucket, value)

    def _descend(self, path: bytes) -> tuple[bytes, list[_Branch]]:
        """Return the bucket where a path belongs and the branches above it, root first."""
        assert not self._updating, "the tree is between updates"
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
        if isinstance(node, _Branch):
            return self._change_branch(node, depth, start, end)
        if end - start == 1:
            return self._change_entry(node, depth, self.changes[start])
        return self._change_bucket(node, depth, self.changes[start:end])

    def _change_branch(self, branch: _Branch, depth: int, start: int, end: int) -> _Node:
        owner = self.owner
        if branch.owner is not owner:
            branch = _Branch(branch.children.copy(), branch.data.copy(), owner)
        changes, children, data = self.changes, branch.children, branch.data
        place, shift = depth >> 1, 0 if depth & 1 else 4
        shrunk = False
        while start < end:
            nibble = changes[start][place] >> shift & 15
            after = start + 1
            while after < end and changes[after][place] >> shift & 15 == nibble:
                after += 1
            old = children[nibble]
            new = self.apply(old, depth + 1, start, after)
            start = after
            children[nibble] = new
            data[_CHILD_HASH[nibble]] = _hash_node(new)
            if isinstance(new, bytes) and (isinstance(old, _Branch) or len(new) < len(old)):
                shrunk = True
        return _merge(branch) if shrunk else branch

    def _change_entry(self, bucket: bytes, depth: int, change: bytes) -> _Node:
        """Change a bucket at one path."""
        start = _find_entry(bucket, change[:HASH_BYTES])
        if start is None:
            return self._change_bucket(bucket, depth, [change])
        if len(change) == ENTRY_BYTES:
            return bucket[:start] + change + bucket[start + ENTRY_BYTES :]
        self.growth -= 1
        rest = bucket[:start] + bucket[start + ENTRY_BYTES :]
        return rest if len(rest) > 1 else _EMPTY

    def _change_bucket(self, bucket: bytes, depth: int, changes: list[bytes]) -> _Node:
        """Change a bucket at any number of paths."""
        old = [bucket[start : start + ENTRY_BYTES] for start in range(1, len(bucket), ENTRY_BYTES)]
        entries = {entry[:HASH_BYTES]: entry for entry in old}
        for change in changes:
            if len(change) == ENTRY_BYTES:
                entries[change[:HASH_BYTES]] = change
            else:
                entries.pop(change, None)
        self.growth += len(entries) - len(old)
        return _build(sorted(entries.values()), 0, len(entries), depth, self.owner)


def _build(entries: list[bytes], start: int, end: int, depth: int, owner: _Owner) -> _Node:
    """Return the node at `depth` over the ascending entries from `start` up to `end`."""
    if start == end:
        return _EMPTY
    if end - start <= BUCKET_ENTRIES_MAX:
        return TAG_BUCKET + b"".join(entries[start:end])
    children: list[_Node] = []
    data = bytearray(_NEW_BRANCH_DATA)
    place = depth >> 1
    prefix = entries[start][:place]
    first = 0 if depth & 1 == 0 else entries[start][place] & 0xF0
    step = 1 if depth & 1 else 16
    for nibble in _CHILDREN:
        if nibble == BRANCH_CHILDREN - 1:
            after = end
        else:
            after = bisect_left(entries, prefix + bytes((first + step * (nibble + 1),)), start, end)
        child = _build(entries, start, after, depth + 1, owner)
        children.append(child)
        if child:
            data[_CHILD_HASH[nibble]] = _hash_node(child)
        start = after
    return _Branch(children, data, owner)


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
    return TAG_BUCKET + b"".join(buckets) if entries else _EMPTY


def _hash_node(node: _Node) -> Hash:
    if isinstance(node, _Branch):
        return Hash(blake3(node.data).digest())
    return Hash(blake3(node).digest() if node else EMPTY_HASH)


def _find_entry(bucket: bytes, path: bytes) -> int | None:
    """Return where the entry of a path begins in a bucket."""
    start = bucket.find(path)
    # A value may be another entry's key, so the path can also stand where a value hash does.
    while start >= 0 and start % ENTRY_BYTES != 1:
        start = bucket.find(path, start + 1)
    return None if start < 0 else start
