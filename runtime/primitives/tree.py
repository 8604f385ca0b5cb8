"""The state tree: one root hash over every storage entry, kept in memory and updated a block at a time.

A canonical bucketed 16-ary radix tree over blake3; the hashed form and the proofs are those of
tree_proof. This module is responsible for holding it, changing it fast and forking it; it knows no
storage layout, no disk and no block.

Cost is in hashes and in memory traffic, so: a node *is* the bytes that are hashed, a bucket immutable ones,
a branch a buffer of which 32 bytes are overwritten for each changed child; a batch is sorted by path, so
that a node which many changes touch is visited and hashed once; one hasher, taken back to its start, does
all hashes of a batch, a third cheaper than one for each. Invariants of the shape, on which the root depends:

1. a node is empty (its tag), a bucket of 1 to 16 entries ascending by path, or a branch over more than 16;
2. a branch at depth d has the entries with nibble n at place d of their path below child n;
3. the bytes of a branch are its tag and the hashes of its children.

Forks. A branch is changed in place only by the tree whose token it carries, and `fork` gives both trees
new tokens, after which neither owns what they share; buckets are never changed, only replaced. So a
change on one side is never seen on the other, and a tree that is never forked never copies.
"""

from collections.abc import Generator, Iterable, Sequence
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
    find_end,
    get_nibble,
    verify,
)
from runtime.primitives.tree_range import (
    LOWEST_PATH,
    RANGE_ENTRIES_MAX,
    RANGE_PROOF_BYTES_MAX,
    WHOLE,
    Coverage,
    InvalidRange,
    Place,
    RangeFault,
    RangeProof,
    Subtree,
    encode_cut_branch,
    encode_cut_bucket,
    get_next_start,
    verify_range,
)
from runtime.primitives.types import Hash

__all__ = [
    "BUCKET_ENTRIES_MAX",
    "DEPTH_MAX",
    "EMPTY_HASH",
    "LOWEST_PATH",
    "RANGE_ENTRIES_MAX",
    "RANGE_PROOF_BYTES_MAX",
    "Absent",
    "Hash",
    "InvalidProof",
    "InvalidRange",
    "Present",
    "ProofFault",
    "RangeFault",
    "RangeProof",
    "Tree",
    "compute_path",
    "verify",
    "verify_range",
]

_CHILD_HASH: Final = tuple(range(1, 1 + HASH_BYTES * BRANCH_CHILDREN, HASH_BYTES))
_EMPTY_BRANCH: Final = TAG_BRANCH + EMPTY_HASH * BRANCH_CHILDREN
_FULL_BUCKET_BYTES: Final = 1 + ENTRY_BYTES * BUCKET_ENTRIES_MAX
_UNSLICED: Final = 1 << 62
_FEW: Final = 8  # changes below a branch that are made one by one rather than child by child
_SORT_SPEED: Final = 8  # how many keys are sorted while one is changed
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
        entries = sorted(_hash_changes(items))
        assert all(a[:HASH_BYTES] < b[:HASH_BYTES] for a, b in pairwise(entries)), "keys are distinct"
        tree = cls()
        tree._root_node = _Edit(entries, tree._owner).build(entries, 0, len(entries), 0)
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
        hashed: list[bytes] = []
        for _ in range(0, len(pending), per_step):
            hashed += _hash_changes(islice(items, per_step))
            yield
        return (yield from self.update_hashed_steps(hashed, per_step))

    def update_hashed(self, hashed: Sequence[bytes]) -> Hash:
        """Make changes that are hashed already, and return the new root; see `update_hashed_steps`."""
        for _ in self.update_hashed_steps(hashed, _UNSLICED):
            pass
        return self._root_hash

    def update_hashed_steps(self, hashed: Sequence[bytes], per_step: int) -> Generator[None, None, Hash]:
        """Do what `update_steps` does with changes that are hashed already, each key once.

        A change is blake3 of the key and, unless the key is deleted, of the value.
        """
        assert per_step > 0, "a step makes progress"
        assert {HASH_BYTES, ENTRY_BYTES}.issuperset(map(len, hashed)), "paths and entries"
        changes: list[bytes] = []
        for start in range(0, len(hashed), per_step * _SORT_SPEED):
            changes += sorted(hashed[start : start + per_step * _SORT_SPEED])
            yield
        changes.sort()  # runs in order are only merged
        yield
        assert not self._updating, "no update is under way"
        self._updating = True
        edit = _Edit(changes, self._owner)
        for start in range(0, len(changes), per_step):
            self._root_node = edit.apply(self._root_node, 0, start, min(start + per_step, len(changes)))
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

    def prove_range(self, start: bytes, entries_max: int) -> RangeProof:
        """Return the next entries from a path on, at most so many, and the proof for `verify_range`.

        The tree holds hashes: the caller finds the keys and values, and asks again for fewer entries if they
        are too many bytes for its message. An empty chunk says that nothing is left.
        """
        assert len(start) == HASH_BYTES, "a start is a path"
        assert 1 <= entries_max <= RANGE_ENTRIES_MAX, "a chunk makes progress and can be verified"
        found = self._get_entries_from(start, entries_max + 1)
        entries = found[:entries_max]
        coverage = Coverage.of(start, entries)
        proof: list[bytes] = []
        pending: list[tuple[_Node, Subtree]] = []
        if coverage.locate(WHOLE) is Place.CUT:
            pending.append((self._root_node, WHOLE))
        while pending:
            node, subtree = pending.pop()
            if isinstance(node, _Branch):
                proof.append(encode_cut_branch(coverage, subtree, node))
                pending += [
                    (node.children[nibble], subtree.get_child(nibble))
                    for nibble in reversed(coverage.get_cut_children(subtree))
                ]
            else:
                proof.append(encode_cut_bucket(coverage, _get_entries(node)))
        next_start = get_next_start(coverage) if len(found) > entries_max else None
        return RangeProof(entries, b"".join(proof), next_start)

    def _get_entries_from(self, path: bytes, count: int) -> list[bytes]:
        """Return the first `count` entries from a path on, ascending; fewer if there are no more."""
        bucket, branches = self._descend(path)
        entries = _get_entries(bucket[_find_place(bucket, path) - 1 :])
        pending: list[_Node] = []
        for depth, branch in enumerate(branches):
            pending += reversed(branch.children[get_nibble(path, depth) + 1 :])
        while pending and len(entries) < count:
            node = pending.pop()
            if isinstance(node, _Branch):
                pending += reversed(node.children)
            else:
                entries += _get_entries(node)
        return entries[:count]

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

    __slots__ = ("changes", "digest", "growth", "owner", "reset", "update")

    def __init__(self, changes: list[bytes], owner: _Owner) -> None:
        self.changes = changes
        self.owner = owner
        self.growth = 0
        hasher = blake3()
        self.reset, self.update, self.digest = hasher.reset, hasher.update, hasher.digest

    def apply(self, node: _Node, depth: int, start: int, end: int) -> _Node:
        """Return the node at `depth` after the changes from `start` up to `end`, all below it."""
        if type(node) is _Branch:
            return self._change_branch(node, depth, start, end)
        if end - start == 1:
            return self._change_entry(node, depth, self.changes[start])
        return self._change_bucket(node, depth, start, end)

    def _change_branch(self, branch: _Branch, depth: int, start: int, end: int) -> _Node:
        if branch.owner is not self.owner:
            branch = _Branch(branch, branch.children.copy(), self.owner)
        growth_before = self.growth
        if end - start > _FEW:
            self._change_children(branch, depth, start, end)
        else:
            self._change_each(branch, depth, start, end)
        # Only a branch that lost entries can have become too small to be one.
        return _merge(branch) if self.growth < growth_before else branch

    def _change_children(self, branch: _Branch, depth: int, start: int, end: int) -> None:
        """Make many changes below a branch, those below one child together."""
        changes, children = self.changes, branch.children
        place, shift = depth >> 1, 0 if depth & 1 else 4
        while start < end:
            after = find_end(changes, start, end, depth)
            nibble = changes[start][place] >> shift & 15
            child = children[nibble] = self.apply(children[nibble], depth + 1, start, after)
            self.reset()
            self.update(child)
            _put_hash(branch, _CHILD_HASH[nibble], self.digest())
            start = after

    def _change_each(self, branch: _Branch, depth: int, start: int, end: int) -> None:
        """Make a few changes below a branch one by one; a child that two of them share is hashed twice."""
        children, reset, update, digest = branch.children, self.reset, self.update, self.digest
        place, shift = depth >> 1, 0 if depth & 1 else 4
        for change in self.changes[start:end]:
            nibble = change[place] >> shift & 15
            child = children[nibble]
            if type(child) is not _Branch:
                # By far the most frequent change, a new value for one key, is made without another call.
                # A value may be the key of another entry: its hash is then found, but off an entry's start.
                at = child.find(change[:HASH_BYTES])
                if at % ENTRY_BYTES == 1 and len(change) == ENTRY_BYTES:
                    child = b"".join((child[:at], change, child[at + ENTRY_BYTES :]))
                else:
                    child = self._change_entry(child, depth + 1, change)
            else:
                child = self._change_branch(child, depth + 1, start, start + 1)
            children[nibble] = child
            reset()
            update(child)
            _put_hash(branch, _CHILD_HASH[nibble], digest())
            start += 1

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
        return self.build(entries, 0, len(entries), depth)

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
        return self.build(sorted(entries.values()), 0, len(entries), depth)

    def build(self, entries: list[bytes], start: int, end: int, depth: int) -> _Node:
        """Return the node at `depth` over the ascending entries from `start` up to `end`."""
        if end - start <= BUCKET_ENTRIES_MAX:
            return TAG_BUCKET + b"".join(entries[start:end]) if start < end else TAG_EMPTY
        branch = _Branch(_EMPTY_BRANCH, [TAG_EMPTY] * BRANCH_CHILDREN, self.owner)
        place, shift = depth >> 1, 0 if depth & 1 else 4
        while start < end:
            nibble = entries[start][place] >> shift & 15
            after = find_end(entries, start, end, depth)
            child = branch.children[nibble] = self.build(entries, start, after, depth + 1)
            self.reset()
            self.update(child)
            _put_hash(branch, _CHILD_HASH[nibble], self.digest())
            start = after
        return branch


def _hash_changes(changes: Iterable[tuple[bytes, bytes | None]]) -> list[bytes]:
    """Return the entry of each key and value, the bare path where there is no value."""
    hasher = blake3()
    reset, update, digest = hasher.reset, hasher.update, hasher.digest
    hashed: list[bytes] = []
    for key, value in changes:
        reset()
        update(key)
        path = digest()
        if value is None:
            hashed.append(path)
        else:
            reset()
            update(value)
            hashed.append(path + digest())
    return hashed


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
