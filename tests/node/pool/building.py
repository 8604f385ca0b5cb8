"""Transactions for pool tests, and a check of every invariant of the pool by brute force."""

from node.pool.pool import Pool
from node.pool.queue import FUTURE, READY, TAKEN, Entry
from node.pool.transaction import LONGEVITY_MAX, PoolTransaction

ALICE = b"A" * 32
BOB = b"B" * 32
CHARLIE = b"C" * 32

_counter = 0


def tag(account: bytes, nonce: int) -> bytes:
    return account + nonce.to_bytes(4, "little")


def transaction(
    account: bytes = ALICE,
    nonce: int = 0,
    *,
    chain_nonce: int = 0,
    tip: int = 0,
    size: int = 100,
    longevity: int = LONGEVITY_MAX,
    name: bytes = b"",
) -> PoolTransaction:
    """What CheckNonce says of a transaction when the chain is at `chain_nonce`."""
    return tagged(
        name or account[:1] + b"%d tip %d size %d" % (nonce, tip, size),
        provides=(tag(account, nonce),),
        requires=() if nonce == chain_nonce else (tag(account, nonce - 1),),
        tip=tip,
        size=size,
        longevity=longevity,
        sender=account,
    )


def tagged(
    name: bytes,
    *,
    provides: tuple[bytes, ...],
    requires: tuple[bytes, ...] = (),
    tip: int = 0,
    size: int = 100,
    longevity: int = LONGEVITY_MAX,
    sender: bytes | None = None,
) -> PoolTransaction:
    return PoolTransaction(
        hash=name.ljust(32, b"."),
        data=bytes(size),
        sender=sender,
        provides=provides,
        requires=requires,
        priority=tip,
        longevity=longevity,
        propagate=True,
        payload=name,
    )


def names(transactions: list[PoolTransaction]) -> list[bytes]:
    return [tx.hash.rstrip(b".") for tx in transactions]


def check_invariants(pool: Pool) -> None:
    """Recompute from scratch what the graph keeps up to date."""
    graph = pool._graph
    entries = [*graph.ready.entries.values(), *graph.future.entries.values()]
    assert len({entry.key for entry in entries}) == len(entries)
    assert not set(graph.ready.entries) & set(graph.future.entries)
    assert not graph._log
    providers: dict[bytes, Entry] = {}
    future_providers: dict[bytes, Entry] = {}
    wanted: dict[bytes, set[object]] = {}
    senders: dict[bytes, int] = {}
    for entry in entries:
        tx = entry.tx
        target = future_providers if entry.state == FUTURE else providers
        for one in tx.provides:
            assert one not in target
            target[one] = entry
        for one in tx.requires:
            wanted.setdefault(one, set()).add(tx.hash)
        if tx.sender is not None:
            senders[tx.sender] = senders.get(tx.sender, 0) + 1
    assert providers == graph.providers
    assert future_providers == graph.future_providers
    assert wanted == {one: {entry.tx.hash for entry in others} for one, others in graph.wanted.items()}
    assert all(len(others) == len(wanted[one]) for one, others in graph.wanted.items())
    assert senders == graph._senders
    assert all(count <= pool.limits.per_sender for count in senders.values())
    assert all(entry.state in (READY, TAKEN) for entry in graph.ready.entries.values())
    assert all(entry.state == FUTURE and entry.missing for entry in graph.future.entries.values())
    assert all(not entry.missing for entry in graph.ready.entries.values() if entry.state == READY)
    for entry in entries:
        for one in entry.missing or ():
            assert one in entry.tx.requires
            assert one not in providers
    available = {
        entry.key
        for entry in graph.ready.entries.values()
        if entry.state == READY
        and all(one not in providers or providers[one].state == TAKEN for one in entry.tx.requires)
    }
    assert available == set(graph.available)
    assert available <= set(graph._heap)
    assert graph.taken_count == sum(entry.state == TAKEN for entry in entries)
    for queue in (graph.ready, graph.future):
        assert queue.bytes == sum(len(entry.tx.data) for entry in queue.entries.values())
        assert len(queue.entries) <= queue.count_max
        assert queue.bytes <= queue.bytes_max
