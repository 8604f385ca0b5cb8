"""A development chain over a store in memory, with blocks and signed transactions made by hand, for tests of
the node.

It knows no event loop and no RPC.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from genesis.chain_spec import ChainSpec, load_spec, read_spec_version
from node.chain.branches import BlockInfo
from node.chain.chain import Chain
from node.chain.events import Imported
from node.storage.blocks import BlockStore
from node.storage.columns import ChainFacts
from node.storage.kv import KeyValue
from node.storage.memory import MemoryKeyValue
from runtime.frame.extension import Extrinsic
from runtime.frame.runtime_api import RuntimeApi
from runtime.primitives.block import DigestItem, Header, PreRuntime, encode_header, hash_header
from runtime.primitives.certificate import STEP_COMMIT, Certificate, IndexedVote, vote_message
from runtime.primitives.crypto import Keypair, Scheme, verify
from runtime.primitives.era import IMMORTAL, Era, encode_era
from runtime.primitives.extrinsic import AddressId, SignatureJob, seal_envelope
from runtime.primitives.scale import encode_compact
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import keypair

START_MS = 1_735_689_600_000
BLOCK_MS = 1_000
AUTHORITY = Keypair.from_uri("//Alice", Scheme.ED25519)
TRANSFER_AMOUNT = 10**12


@cache
def _dev_spec() -> ChainSpec:
    return load_spec("dev")


def _genesis(spec: ChainSpec) -> tuple[Header, tuple[tuple[bytes, bytes], ...]]:
    state = spec.genesis_state()
    return spec.genesis_header(state), tuple(sorted(state.items()))


@cache
def _dev_genesis() -> tuple[Header, tuple[tuple[bytes, bytes], ...]]:
    """The genesis that nearly every test of the node starts from, made once."""
    return _genesis(_dev_spec())


def open_store(kv: KeyValue, spec: ChainSpec, window: int = 256) -> BlockStore:
    """Return the store of a chain, filled with its genesis when it is new."""
    header, state = _dev_genesis() if spec is _dev_spec() else _genesis(spec)
    genesis = hash_header(header)
    if next(kv.iterate(), None) is None:
        facts = ChainFacts(genesis, spec.id, window)
        return BlockStore.create(kv, encode_header(header), (), state, facts)
    return BlockStore(kv, window=window, genesis=genesis)


def open_chain(kv: KeyValue | None = None, *, window: int = 256, spec: ChainSpec | None = None) -> Chain:
    """Return the chain of the development preset on a key-value store, before any replay."""
    spec = _dev_spec() if spec is None else spec
    store = open_store(MemoryKeyValue() if kv is None else kv, spec, window)
    return Chain(store, spec.runtimes(), read_spec_version)


def time_of(number: int) -> int:
    return START_MS + number * BLOCK_MS


def logs_of(time_ms: int) -> tuple[DigestItem, ...]:
    return (PreRuntime(b"TIME", time_ms.to_bytes(8, "little")),)


def make_block(chain: Chain, *transactions: bytes, time_ms: int | None = None) -> Imported:
    """Author one block on the head with these transactions, all of which must be taken."""
    time_ms = time_of(chain.head.number + 1) if time_ms is None else time_ms
    block = chain.open_block(logs_of(time_ms))
    block.push_inherents({b"timstap0": time_ms.to_bytes(8, "little")})
    for raw in transactions:
        block.push(chain.api.decode_extrinsic(raw))
    return chain.seal()


def body_of(chain: Chain, info: BlockInfo) -> tuple[bytes, ...]:
    block = chain.block(info.hash)
    assert block is not None
    return block.extrinsics


def check_now(_extrinsic: Extrinsic, job: SignatureJob) -> bool:
    return verify(*job)


def copy_block(source: Chain, info: BlockInfo, target: Chain) -> Imported | None:
    """Import a block of one chain into another."""
    return target.import_block(info.header, body_of(source, info), check_now)


def sign(
    api: RuntimeApi,
    pair: Keypair,
    name: str,
    args: tuple[Any, ...],
    *,
    nonce: int,
    tip: int = 0,
    era: Era = IMMORTAL,
    good: bool = True,
) -> bytes:
    """Return the bytes of a signed extrinsic; `good=False` breaks its signature."""
    call = api.runtime.calls.make(*name.split("."), *args).encoded()
    extra = encode_era(era) + encode_compact(nonce) + encode_compact(tip)
    who = AccountId(pair.account_id)
    blank = bytes(65 if pair.scheme is Scheme.ECDSA else 64)
    job = api.signature_job(api.decode_extrinsic(seal_envelope(who, pair.scheme, blank, extra, call)))
    signature = pair.sign(job.message)
    if not good:
        signature = bytes([signature[0] ^ 1]) + signature[1:]
    return seal_envelope(who, pair.scheme, signature, extra, call)


def transfer(api: RuntimeApi, uri: str, to: bytes, amount: int = TRANSFER_AMOUNT, **how: Any) -> bytes:
    """Return a signed `Balances.transfer_allow_death` of a development account."""
    args = (AddressId(AccountId(to)), amount)
    return sign(api, keypair(uri), "Balances.transfer_allow_death", args, **how)


def certify(chain: Chain, info: BlockInfo, *, pair: Keypair = AUTHORITY, index: int = 0) -> Certificate:
    """Return a certificate of the development authority for a block."""
    wanted = Certificate(0, info.number, info.number, 0, info.hash, ())
    signature = pair.sign(vote_message(chain.genesis_hash, wanted, STEP_COMMIT))
    return Certificate(0, info.number, info.number, 0, info.hash, (IndexedVote(index, signature),))


def snapshot(chain: Chain) -> tuple[Hash, bytes, Mapping[bytes, bytes]]:
    """Return what must not change when a block is refused: head, tree root, state read through the head."""
    view = chain.view(chain.head.hash)
    state = {key: value for key in view.keys(b"") if (value := view.get(key)) is not None}
    view.close()
    return chain.head.hash, bytes(chain.tree.root), state


def remade(header: Header, **changes: Any) -> Header:
    """Return a header with some fields replaced."""
    fields = {name: getattr(header, name) for name in Header.__struct_fields__}
    return Header(**(fields | changes))
