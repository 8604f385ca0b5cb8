"""A composed runtime over a state in memory with many endowed accounts, for benchmarks inside one process.

It makes and loses no blocks of a real chain: no store, no finality, no pool.
"""

from collections.abc import Sequence
from dataclasses import replace

from genesis.consortium import (
    ConsortiumParameters,
    compose,
    make_version,
    write_genesis,
)
from pallets.core.session import SessionKeys
from pallets.core.timestamp import INHERENT_ID
from runtime.frame.state import MemoryBackend, State
from runtime.primitives.block import PreRuntime
from runtime.primitives.crypto import Keypair
from runtime.primitives.tree import Tree
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import genesis_of

ENDOWMENT = 10**18
START_MS = 1_700_000_000_000
VALIDATOR = AccountId(b"\1" * 32)


class Machine:
    """A runtime with its state, and the tree over it."""

    def __init__(self, accounts: Sequence[Keypair]) -> None:
        self.backend = MemoryBackend()
        self.state = State(self.backend)
        chain = compose(self.state, ConsortiumParameters(has_sudo=True), make_version())
        self.api = chain.api
        people = ((AccountId(pair.account_id), ENDOWMENT) for pair in accounts)
        validators = ((VALIDATOR, SessionKeys(bytes(32))),)
        write_genesis(chain, replace(genesis_of(*people), validators=validators, sudo=VALIDATOR))
        self.backend.apply(self.state.drain())
        self.tree = Tree.from_items(self.backend.entries.items())

    def open_block(self, number: int, parent: Hash) -> None:
        """Open a block and apply its timestamp."""
        now = (START_MS + number * 1_000).to_bytes(8, "little")
        logs = (PreRuntime(b"BABE", b"\2" + bytes(12)), PreRuntime(b"TIME", now))
        self.api.initialize_block(number, parent, logs)
        for raw in self.api.inherents({INHERENT_ID: now}):
            assert self.api.apply(self.api.decode_extrinsic(raw)).error is None
