"""The load of a devnet: steady, signed as wallets sign, with nonces that every pool can follow."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest

from genesis.consortium import SPEC_VERSION, TRANSACTION_VERSION
from node.devnet.load import EACH_MAX, Load, compute_share, make_transfers
from node.devnet.observing import Observer
from node.devnet.records import NodeRecord
from pallets.token.balances import Balances
from runtime.primitives.crypto import Keypair, Scheme, verify
from runtime.primitives.extrinsic import AddressId, open_envelope
from runtime.primitives.scale import decode_compact
from tests.node.devnet.fakes import make_node
from tests.support.chain import block_hash, consortium_chain

TAIL = bytes(72)
SENDERS = 12


class Pools(Observer):
    """Nodes that count what they are sent; `broken` ones refuse everything, `silent` ones tell no nonce."""

    def __init__(self) -> None:
        self.sent: defaultdict[str, list[bytes]] = defaultdict(list)
        self.asked = 0
        self.broken: tuple[str, ...] = ()
        self.silent: tuple[str, ...] = ()

    async def submit(self, node: NodeRecord, extrinsics: Sequence[bytes]) -> list[bool]:
        self.sent[node.name] += extrinsics
        return [node.name not in self.broken] * len(extrinsics)

    async def get_next_nonce(self, node: NodeRecord, address: str) -> int | None:
        self.asked += 1
        return None if node.name in self.silent else 5

    async def get_signed_tail(self, node: NodeRecord) -> bytes | None:
        return TAIL


@pytest.fixture
def nodes(tmp_path: Path) -> list[NodeRecord]:
    return [make_node(tmp_path, "Alice"), make_node(tmp_path, "Bob")]


def list_nonces(extrinsics: Sequence[bytes]) -> dict[bytes, list[int]]:
    """Return the nonces by sender, in the order in which they came."""
    found: defaultdict[bytes, list[int]] = defaultdict(list)
    for raw in extrinsics:
        envelope = open_envelope(raw)
        assert isinstance(envelope.address, AddressId)
        nonce, _ = decode_compact(raw, envelope.body + 1, len(raw))  # behind the era
        found[bytes(envelope.address.field_0)].append(nonce)
    return found


@pytest.mark.parametrize("total", [0, 1, 5, 12, 13, 100])
def test_shares_add_up(total: int) -> None:
    shares = [compute_share(total, number, SENDERS) for number in range(SENDERS)]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1


async def test_transfers_come_at_the_rate_and_are_not_made_up_for(nodes: list[NodeRecord]) -> None:
    pools = Pools()
    load = Load(24, pools)
    await load.send_due(0.5, nodes)  # learns what is to be signed
    await load.send_due(1.0, nodes)
    assert load.accepted == 12
    await load.send_due(1.0, nodes)
    await load.send_due(2.0, [])
    await load.send_due(2.5, nodes)
    assert (load.accepted, load.refused) == (24, 0)
    await load.send_due(1000, nodes)
    assert load.accepted == 24 + SENDERS * EACH_MAX


async def test_each_sender_keeps_its_node_and_counts_its_nonces(nodes: list[NodeRecord]) -> None:
    pools = Pools()
    load = Load(24, pools)
    for passed_s in (0.5, 1.0, 1.5, 2.0):
        await load.send_due(passed_s, nodes)
    alice, bob = list_nonces(pools.sent["Alice"]), list_nonces(pools.sent["Bob"])
    assert len(alice) == len(bob) == SENDERS // 2
    assert not alice.keys() & bob.keys()
    assert all(nonces == [5, 6, 7] for nonces in (*alice.values(), *bob.values()))
    assert pools.asked == SENDERS


async def test_nonce_is_asked_for_again_after_a_refusal_and_at_another_node(nodes: list[NodeRecord]) -> None:
    pools = Pools()
    load = Load(24, pools)
    await load.send_due(0.5, nodes)
    pools.broken = ("Bob",)
    await load.send_due(1.0, nodes)
    assert (load.accepted, load.refused) == (6, 6)
    pools.broken = ()
    await load.send_due(1.5, nodes)
    assert pools.asked == SENDERS + 6
    await load.send_due(2.0, nodes[:1])
    assert pools.asked == SENDERS + 12
    assert len(list_nonces(pools.sent["Alice"])) == SENDERS


async def test_sender_waits_for_a_node_that_tells_no_nonce(nodes: list[NodeRecord]) -> None:
    pools = Pools()
    pools.silent = ("Bob",)
    load = Load(24, pools)
    await load.send_due(0.5, nodes)
    await load.send_due(1.0, nodes)
    assert (load.accepted, load.refused) == (6, 0)
    assert pools.sent["Bob"] == []


def test_transfers_are_what_the_runtime_takes() -> None:
    pair = Keypair.from_uri("//Alice", Scheme.SR25519)
    chain = consortium_chain()
    version = SPEC_VERSION.to_bytes(4, "little") + TRANSACTION_VERSION.to_bytes(4, "little")
    assert make_transfers(pair, 0, 0, TAIL) == []
    raws = make_transfers(pair, 0, 2, version + block_hash(0) * 2)
    assert len({raw[-38:] for raw in raws}) == 2  # to different receivers
    for raw in raws:
        extrinsic = chain.api.decode_extrinsic(raw)
        assert verify(*chain.api.signature_job(extrinsic))
        chain.api.validate(extrinsic)
        assert chain.apply(extrinsic).error is None
        assert any(isinstance(event, Balances.Transfer) for event in chain.events())
