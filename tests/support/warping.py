"""Chains whose authorities change, certified as their validators would, and what leads through them."""

from collections.abc import Sequence

from genesis.chain_spec import load_spec
from node.chain.branches import BlockInfo
from node.chain.chain import Chain
from node.storage.columns import parse_header_start
from node.storage.filling import Filling, FirstBlock
from node.storage.kv import KeyValue
from node.storage.memory import MemoryKeyValue
from node.sync.warp import Fragment
from runtime.primitives.authority_set import AuthoritySet
from runtime.primitives.certificate import (
    STEP_COMMIT,
    Certificate,
    IndexedVote,
    encode_certificate,
    vote_message,
)
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.types import Hash
from tests.support.chain import account, keypair
from tests.support.network import NAMES
from tests.support.node_chain import make_block, open_chain, sign

NEWCOMERS = ("Eve", "Ferdie", "George", "Heidi")
_KNOWN = [Keypair.from_uri(f"//{name}", Scheme.ED25519) for name in (*NAMES, *NEWCOMERS)]
PAIRS = {pair.public: pair for pair in _KNOWN}


def certify(
    genesis: Hash, current: AuthoritySet, number: int, block_hash: Hash, signers: Sequence[int] | None = None
) -> Certificate:
    """Return the certificate of a set for a block, with the votes of all or of some."""
    wanted = Certificate(current.set_id, number, number, 0, block_hash, ())
    message = vote_message(genesis, wanted, STEP_COMMIT)
    chosen = range(len(current.authorities)) if signers is None else signers
    votes = tuple(IndexedVote(index, PAIRS[current.authorities[index].key].sign(message)) for index in chosen)
    return Certificate(current.set_id, number, number, 0, block_hash, votes)


async def finalize(chain: Chain, info: BlockInfo) -> Certificate:
    """Make a block final by the set that decides it."""
    with chain.runtime_at(info.header.parent_hash) as api:
        current = api.authority_set()
    certificate = certify(chain.genesis_hash, current, info.number, info.hash)
    await chain.finalize(certificate)
    return certificate


async def grow_changing(chain: Chain, blocks: int, changes: Sequence[int] = ()) -> None:
    """Make and finalize blocks; in those of these numbers another member is let in, which the next announces
    or the one after it."""
    added = 0
    for _ in range(blocks):
        transactions = []
        if chain.head.number + 1 in changes:
            name, api = NEWCOMERS[added], chain.api
            vote_key = Keypair.from_uri(f"//{name}", Scheme.ED25519).public
            call = api.runtime.calls.make("Members", "add_member", account(f"//{name}"), 1, vote_key)
            transactions.append(sign(api, keypair("//Alice"), "Sudo.sudo", (call,), nonce=added))
            added += 1
        await finalize(chain, make_block(chain, *transactions).info)


async def changing_chain(
    blocks: int, changes: Sequence[int] = (), kv: KeyValue | None = None, window: int = 256
) -> Chain:
    """Return a chain of the local preset with so many final blocks."""
    chain = open_chain(kv, spec=load_spec("local"), window=window)
    await grow_changing(chain, blocks, changes)
    return chain


def copy_at(chain: Chain, number: int) -> KeyValue:
    """Return a database that begins with the state of a block of a chain."""
    genesis, block_hash, shown = chain.genesis_hash, chain.hash_at(number), fragment_at(chain, number)
    first, body = chain.store.header(genesis), chain.store.body(block_hash or b"")
    assert first is not None
    assert body is not None
    kv = MemoryKeyValue()
    filling = Filling(kv)
    with chain.store.state_at(number) as state:
        filling.add(state.iterate())
    milestones = list(chain.store.milestones(1, number + 1))
    facts = chain.store.facts
    filling.finish(
        facts, FirstBlock(first, ()), FirstBlock(shown.header, body, shown.certificate), milestones
    )
    return kv


def genesis_set(chain: Chain) -> AuthoritySet:
    """Return the authorities that a chain began with."""
    with chain.runtime_at(chain.genesis_hash) as api:
        return api.authority_set()


def fragment_at(chain: Chain, number: int) -> Fragment:
    """Return header and certificate of a final block."""
    block_hash = chain.hash_at(number)
    assert block_hash is not None
    header, certificate = chain.store.header(block_hash), chain.certificate(block_hash)
    assert header is not None
    assert certificate is not None
    return Fragment(header, encode_certificate(certificate))


def list_set_changes(chain: Chain) -> list[int]:
    """Return the numbers of the final blocks that announce authorities."""
    found = chain.store.milestones(1, chain.finalized.number + 1)
    return [parse_header_start(one.header)[1] for one in found]
