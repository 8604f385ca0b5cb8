"""A state under a certified block of a chain of headers alone, and what an honest peer serves of it."""

from functools import cache
from typing import NamedTuple

from node.sync.snapshot_effects import Entries
from node.sync.warp import Fragment, WarpProof
from runtime.primitives.authority_set import Authority, AuthoritySet, announce
from runtime.primitives.block import (
    Digest,
    DigestItem,
    Header,
    compute_extrinsics_root,
    encode_header,
    hash_header,
)
from runtime.primitives.certificate import Certificate, encode_certificate
from runtime.primitives.tree import Tree, compute_path
from runtime.primitives.types import Hash
from tests.support.warping import PAIRS, certify

GENESIS = Hash(b"\7" * 32)
BODY = (b"inherent", b"transfer")
SETS = tuple(
    AuthoritySet(number, tuple(Authority(key, 1) for key in list(PAIRS)[number : number + 4]))
    for number in range(4)
)
"""Each set has three members of the one before."""


def make_header(
    number: int, announced: AuthoritySet | None = None, root: bytes = bytes(32), *items: DigestItem
) -> Header:
    logs = items
    if announced is not None:
        logs = (*items, announce(announced))
    extrinsics_root = compute_extrinsics_root(BODY)
    return Header(Hash(bytes([number % 256]) * 32), number, Hash(root), extrinsics_root, Digest(logs))


def certify_header(
    header: Header, current: AuthoritySet, signers: tuple[int, ...] = (0, 1, 2)
) -> Certificate:
    return certify(GENESIS, current, header.number, hash_header(header), signers)


def make_fragment(header: Header, current: AuthoritySet, signers: tuple[int, ...] = (0, 1, 2)) -> Fragment:
    return Fragment(encode_header(header), encode_certificate(certify_header(header, current, signers)))


def begin(
    number: int = 0, current: AuthoritySet = SETS[0], trusted: tuple[int, bytes] | None = None
) -> WarpProof:
    return WarpProof(GENESIS, number, current, trusted)


class Served(NamedTuple):
    """What one block's peer serves: the way to it, and its state."""

    header: Header
    fragments: tuple[Fragment, ...]
    state: dict[bytes, bytes]
    tree: Tree
    keys: dict[bytes, bytes]

    @property
    def hash(self) -> Hash:
        return hash_header(self.header)

    def read(self, start: bytes, count: int) -> tuple[Entries, bytes]:
        """Return the entries from a path on, with their proof."""
        found = self.tree.prove_range(start, count)
        keys = [self.keys[entry[:32]] for entry in found.entries]
        return tuple((key, self.state[key]) for key in keys), found.proof


@cache
def served_at(number: int, size: int, changes: tuple[int, ...] = (5, 9)) -> Served:
    """Return a block with a state of so many entries, behind set changes at these blocks."""
    state = {b"key %d" % n: b"value %d of %d" % (n, number) for n in range(size)}
    tree = Tree.from_items(state.items())
    passed = [place for place, change in enumerate(changes) if change < number]
    fragments = [make_fragment(make_header(changes[place], SETS[place + 1]), SETS[place]) for place in passed]
    header = make_header(number, None, tree.root)
    fragments.append(make_fragment(header, SETS[len(passed)]))
    keys = {compute_path(key): key for key in state}
    return Served(header, tuple(fragments), state, tree, keys)
