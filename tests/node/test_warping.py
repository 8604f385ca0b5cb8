"""What becomes of a new node that gets no state from peers: every block is executed, or it does not start."""

from functools import partial
from pathlib import Path

import pytest
from msgspec import structs

from node import warping
from node.clock import SystemClock
from node.config import Config, ExitCode, StartError
from node.storage.columns import ChainFacts
from node.storage.filling import is_filled
from node.storage.memory import MemoryKeyValue
from node.sync.snapshot import SnapshotLimits
from node.warping import Newcomer, fetch_state
from runtime.primitives.block import hash_header
from runtime.primitives.crypto import Keypair, Scheme
from tests.support.states import SETS, make_header

ALONE = Config(listen_addr=("/ip4/127.0.0.1/tcp/0/ws",), sync="warp")
TRUSTED = f"9:{'0f' * 32}"


async def fetch(directory: Path, config: Config, kv: MemoryKeyValue) -> bool:
    header = make_header(0)
    facts = ChainFacts(hash_header(header), "toy", 256)
    newcomer = Newcomer(header, SETS[0], facts, (), directory)
    return await fetch_state(
        config, newcomer, Keypair.from_seed(b"\1" * 32, Scheme.ED25519), kv, SystemClock()
    )


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warping, "SnapshotLimits", partial(SnapshotLimits, patience_ms=100))


async def test_node_without_peers_executes_every_block_in_the_end(tmp_path: Path) -> None:
    kv = MemoryKeyValue()
    assert await fetch(tmp_path, ALONE, kv) is False
    assert not is_filled(kv)


async def test_node_that_trusts_a_block_does_not_start_without_a_way_to_it(tmp_path: Path) -> None:
    kv = MemoryKeyValue()
    with pytest.raises(StartError, match="no peer") as caught:
        await fetch(tmp_path, structs.replace(ALONE, trusted_block=TRUSTED), kv)
    assert caught.value.exit_code == ExitCode.ERROR
    assert not is_filled(kv)


async def test_newcomer_says_that_it_is_at_genesis(tmp_path: Path) -> None:
    header = make_header(0)
    facts = ChainFacts(hash_header(header), "toy", 256)
    status = Newcomer(header, SETS[0], facts, (), tmp_path).describe()
    assert (status.best_number, status.finalized_number) == (0, 0)
    assert status.best_hash == status.finalized_hash == hash_header(header)
