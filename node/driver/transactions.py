"""Transactions between peers: each is told once to every peer that does not have it.

Responsible for who knows what, in bounded memory, and for handing in what peers tell without letting one of
them fill the queue. What comes before its time, as reports of offences do where this node is a block behind,
is handed in again when there is a new block: nobody tells it a second time. It must not know what a
transaction says; whether it is good is the intake's verdict.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import structlog

from node.authoring.intake import Intake
from node.chain.events import NewBest
from node.network.errors import Penalty
from node.network.handlers import PeerInfo
from node.network.identity import PeerId
from node.network.messages import TRANSACTION_MAX, TRANSACTIONS_MAX, Transactions
from node.network.service import Network
from node.pool.errors import PoolError
from node.tasks import OwnTasks
from runtime.frame.validity import InvalidReason, InvalidTransaction
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import DecodeError

FLUSH_S: Final = 0.05
"""How long transactions wait for company before they are told to peers."""
KNOWN_MAX: Final = 32_768
"""Hashes remembered for each peer; then the older half is forgotten, and told again at worst."""
WAITING_MAX: Final = 8_192
"""Transactions of one peer that may wait for their verdict; more are dropped."""
GREETING_MAX: Final = 2_048
"""Waiting transactions told to a peer that comes."""
BYTES_AT_ONCE: Final = 1 << 20
EARLY_MAX: Final = 16
"""Transactions of one peer that wait for their time; the oldest go first."""
EARLY_TRIES: Final = 32
"""Times that one of them is handed in again: whoever reports an offence of a later block has long been heard
by others."""
EARLY_PAUSE_S: Final = 0.5
"""Between two of them, for blocks come fast while a node catches up."""

log = structlog.get_logger("p2p")


class Known:
    """The latest hashes one peer is known to have."""

    def __init__(self) -> None:
        self._young: dict[bytes, None] = {}
        self._old: dict[bytes, None] = {}

    def __contains__(self, transaction: bytes) -> bool:
        return transaction in self._young or transaction in self._old

    def add(self, transaction: bytes) -> bool:
        """Note a hash; tell whether it is new."""
        if transaction in self:
            return False
        self._young[transaction] = None
        if len(self._young) >= KNOWN_MAX // 2:
            self._old, self._young = self._young, {}
        return True


class _Early(NamedTuple):
    """A transaction that came before its time, and how often it may still be handed in."""

    data: bytes
    tries: int


class TransactionGossip:
    """One chain's transactions, in and out."""

    def __init__(self, network: Network, intake: Intake, tasks: OwnTasks) -> None:
        self._network = network
        self._intake = intake
        self._tasks = tasks
        self._known: dict[PeerId, Known] = {}
        self._included = Known()
        self._waiting: dict[PeerId, int] = {}
        self._early: dict[PeerId, deque[_Early]] = {}
        self._is_retrying = False
        self._fresh: list[tuple[bytes, bytes]] = []
        self._arrived = asyncio.Event()
        intake.on_admitted = self._on_admitted
        intake.chain.on_best(self._on_best)
        network.on_message(Transactions, self._on_transactions)
        network.on_connected(self._on_connected)
        network.on_disconnected(self._on_disconnected)

    async def run(self) -> None:
        """Tell peers what is new, for ever."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(FLUSH_S)
            self._arrived.clear()
            fresh, self._fresh = self._fresh, []
            for peer in tuple(self._known):
                self._tell(peer, fresh)
                await asyncio.sleep(0)

    def _on_admitted(self, transaction: bytes, data: bytes) -> None:
        if self._known:
            self._fresh.append((transaction, data))
            self._arrived.set()

    def _on_best(self, best: NewBest) -> None:
        """Note what a block has brought before the peers told it: decoding it again would lead nowhere."""
        for block in best.enacted:
            for transaction in block.extrinsics:
                self._included.add(transaction)
        if self._early and not self._is_retrying:
            self._is_retrying = True
            self._tasks.start(self._retry())

    def _on_connected(self, info: PeerInfo) -> None:
        self._known[info.peer] = Known()
        ready = list(self._intake.pool.ready())[:GREETING_MAX]
        self._tell(info.peer, [(one.hash, one.data) for one in ready if one.propagate])

    def _on_disconnected(self, peer: PeerId) -> None:
        self._known.pop(peer, None)
        self._waiting.pop(peer, None)
        self._early.pop(peer, None)

    def _tell(self, peer: PeerId, transactions: Iterable[tuple[bytes, bytes]]) -> None:
        known = self._known.get(peer)
        if known is None:
            return
        for batch in _pack([data for hash_, data in transactions if known.add(hash_)]):
            self._network.send(peer, Transactions(tuple(batch)))

    def _on_transactions(self, peer: PeerId, message: Transactions) -> None:
        known = self._known.get(peer)
        if known is None:
            return
        waiting = self._waiting.get(peer, 0)
        if waiting >= WAITING_MAX:
            log.debug("transactions_dropped", peer=peer, count=len(message.transactions))
            return
        fresh: list[bytes] = []
        for data in message.transactions:
            hash_ = blake2_256(data)
            known.add(hash_)
            if hash_ not in self._included:
                fresh.append(data)
        if fresh:
            self._waiting[peer] = waiting + len(fresh)
            self._tasks.start(self._submit(peer, fresh))

    async def _submit(self, peer: PeerId, transactions: list[bytes]) -> None:
        outcomes = await self._intake.submit(transactions)
        if peer in self._waiting:
            self._waiting[peer] -= len(transactions)
        self._judge(peer, outcomes)
        told = zip(transactions, outcomes, strict=True)
        self._keep(peer, [_Early(data, EARLY_TRIES) for data, outcome in told if _is_early(outcome)])

    async def _retry(self) -> None:
        """Hand in what came before its time, a moment after a new block."""
        await asyncio.sleep(EARLY_PAUSE_S)
        self._is_retrying = False
        early, self._early = self._early, {}
        for peer, kept in early.items():
            outcomes = await self._intake.submit([one.data for one in kept])
            self._judge(peer, outcomes)
            told = zip(kept, outcomes, strict=True)
            self._keep(peer, [_Early(one.data, one.tries - 1) for one, outcome in told if _is_early(outcome)])

    def _judge(self, peer: PeerId, outcomes: Sequence[object]) -> None:
        if any(isinstance(outcome, Exception) and _is_fault(outcome) for outcome in outcomes):
            self._network.report(peer, Penalty.BAD_TRANSACTION)

    def _keep(self, peer: PeerId, early: Iterable[_Early]) -> None:
        left = [one for one in early if one.tries > 0]
        if left and peer in self._known:
            self._early.setdefault(peer, deque(maxlen=EARLY_MAX)).extend(left)


def _is_early(outcome: object) -> bool:
    """Tell whether a transaction may be good in a later block."""
    return isinstance(outcome, InvalidTransaction) and outcome.reason is InvalidReason.Future


def _is_fault(refusal: Exception) -> bool:
    """Tell whether no honest peer passes such a transaction on: it is no matter of time or of a full pool."""
    if isinstance(refusal, PoolError):
        return False
    if isinstance(refusal, InvalidTransaction):
        return refusal.reason is InvalidReason.BadProof
    return isinstance(refusal, DecodeError)


def _pack(transactions: list[bytes]) -> Iterable[list[bytes]]:
    """Cut transactions into messages of bounded length and count."""
    batch: list[bytes] = []
    size = 0
    for data in transactions:
        if len(data) > TRANSACTION_MAX:
            continue
        if batch and (size + len(data) > BYTES_AT_ONCE or len(batch) >= TRANSACTIONS_MAX):
            yield batch
            batch, size = [], 0
        batch.append(data)
        size += len(data)
    if batch:
        yield batch
