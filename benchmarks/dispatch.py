"""The way of a transfer inside one process, stage by stage, by state size; signatures are not checked here.

`python -m benchmarks.dispatch [ACCOUNTS…]` prints one JSON line per number of accounts: microseconds of
processor time for each transfer of a block of TRANSFERS, the least of BLOCKS blocks. Every transfer must
succeed, the tree must have the root of the state, and the pallets' checks must hold at the end.
"""

import gc
import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

from benchmarks.load import Signing, make_accounts, sign_transfers
from benchmarks.measure import Meter, measure_us, progress, report
from benchmarks.transfers import Machine
from node.pool.pool import Pool
from node.pool.transaction import PoolTransaction, compute_limits
from runtime.frame.extension import Extrinsic
from runtime.primitives.block import compute_extrinsics_root
from runtime.primitives.tree import Tree
from runtime.primitives.types import Hash

T = TypeVar("T")
SIZES: Final = (10_000, 100_000)
TRANSFERS: Final = 10_000
BLOCKS: Final = 3
TAKEN_AT_ONCE: Final = 25
GENESIS: Final = Hash(b"\7" * 32)


class Stages:
    """The costs of one block's stages, in order."""

    def __init__(self, transfers: int) -> None:
        self.us: dict[str, float] = {}
        self._transfers = transfers

    def run(self, name: str, act: Callable[[], T]) -> T:
        """Do one stage and note what it cost for each transfer."""
        made: list[T] = []
        self.us[name] = round(measure_us(lambda: made.append(act()), self._transfers), 2)
        return made[0]


def make_pool(transfers: int) -> Pool:
    return Pool(compute_limits(pool_limit=2 * transfers, pool_kbytes=1 << 20, per_sender=transfers))


def fill(machine: Machine, pool: Pool, extrinsics: list[Extrinsic], number: int) -> None:
    """Validate and admit."""
    for extrinsic in extrinsics:
        valid = machine.api.validate(extrinsic)
        pool.submit(
            PoolTransaction(
                hash=extrinsic.hash,
                data=extrinsic.data,
                sender=extrinsic.signer,
                provides=valid.provides,
                requires=valid.requires,
                priority=valid.priority,
                longevity=valid.longevity,
                propagate=valid.propagate,
                payload=extrinsic,
            ),
            number,
        )


def take_all(pool: Pool) -> list[PoolTransaction]:
    taken: list[PoolTransaction] = []
    while chunk := pool.take(TAKEN_AT_ONCE):
        taken += chunk
    return taken


def apply_all(machine: Machine, taken: list[PoolTransaction]) -> None:
    for transaction in taken:
        assert isinstance(transaction.payload, Extrinsic)
        assert machine.api.apply(transaction.payload).error is None


def run_block(machine: Machine, number: int, raws: list[bytes]) -> Stages:
    """Take transfers from bytes to a block's root; return what each stage cost."""
    api, state = machine.api, machine.state
    machine.open_block(number, GENESIS)
    stages, pool = Stages(len(raws)), make_pool(len(raws))
    extrinsics = stages.run("decode", lambda: [api.decode_extrinsic(raw) for raw in raws])
    stages.run("signing_payload", lambda: [api.signature_job(extrinsic) for extrinsic in extrinsics])
    stages.run("validate_and_admit", lambda: fill(machine, pool, extrinsics, number))
    taken = stages.run("take", lambda: take_all(pool))
    assert len(taken) == len(raws)
    stages.run("apply", lambda: apply_all(machine, taken))
    stages.run("finalize", api.finalize_block)
    changes = stages.run("drain", state.drain)
    stages.run("tree", lambda: machine.tree.update_hashed([change.hashed for change in changes]))
    stages.run("extrinsics_root", lambda: compute_extrinsics_root(tuple(raws)))
    hashes = [transaction.hash for transaction in taken]
    stages.run("leave_pool", lambda: pool.on_block_included(bytes(32), number, hashes))
    assert not pool.status.ready
    machine.backend.apply(changes)
    gc.collect()
    return stages


def run(size: int, transfers: int) -> dict[str, Any]:
    progress(f"dispatch: {size} accounts")
    accounts = make_accounts(size)
    machine = Machine(accounts)
    signed = sign_transfers(accounts, transfers * BLOCKS, Signing(1, 1, GENESIS))
    raws = [bytes.fromhex(text[2:]) for text in signed]
    gc.collect()
    gc.freeze()
    gc.disable()  # as the node does while it runs
    meter = Meter()
    blocks = [
        run_block(machine, number + 1, raws[number * transfers : (number + 1) * transfers])
        for number in range(BLOCKS)
    ]
    used = meter.read()
    gc.enable()
    assert machine.tree.root == Tree.from_items(machine.backend.entries.items()).root
    machine.api.try_state()
    least = {name: min(block.us[name] for block in blocks) for name in blocks[0].us}
    return {
        "accounts": size,
        "transfers": transfers,
        "us_per_transfer": least,
        "us_per_transfer_sum": round(sum(least.values()), 2),
        "foreign_cores": used.foreign_cores,
    }


def main() -> None:
    sizes = [int(argument) for argument in sys.argv[1:]] or list(SIZES)
    for size in sizes:
        report("dispatch", **run(size, min(TRANSFERS, size)))


if __name__ == "__main__":
    main()
