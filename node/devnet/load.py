"""Transfers that a devnet is given to work on, at a steady rate, from the accounts that everybody knows.

Each sender stays with one node while that runs, since its nonces must arrive in order. What cannot be sent in
its time is left out, not made up for. It must not know why.
"""

import asyncio
import os
from collections.abc import Sequence
from typing import Final

from genesis.presets import DEV_SS58_PREFIX, dev_accounts
from node.devnet.observing import Observer
from node.devnet.records import NodeRecord
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.extrinsic import seal_envelope, signed_message
from runtime.primitives.scale import encode_compact
from runtime.primitives.ss58 import encode_address
from runtime.primitives.types import AccountId

TRANSFER_KEEP_ALIVE: Final = bytes((10, 3))
"""`Balances.transfer_keep_alive` of the consortium runtime, genesis/consortium.py."""
AMOUNT: Final = 10**10
"""Ten existential deposits, so that each receiver lives."""
EACH_MAX: Final = 25
"""Transfers of one sender at once: a pool holds 64 of a sender, and two turns fall into one block."""
ID_ADDRESS: Final = b"\0"
IMMORTAL: Final = b"\0"
NO_TIP: Final = b"\0"


class _Sender:
    """An account with what it knows of its nonce at the node that it sends to."""

    def __init__(self, uri: str) -> None:
        self.pair = Keypair.from_uri(uri, Scheme.SR25519)
        self.address = encode_address(self.pair.account_id, DEV_SS58_PREFIX)
        self.node = ""
        self.nonce: int | None = None


class Load:
    """Sends transfers as they are due; `accepted` and `refused` count what pools have said."""

    def __init__(self, per_second: float, observer: Observer) -> None:
        self.accepted = self.refused = 0
        self._per_second = per_second
        self._observer = observer
        self._due = 0
        self._tail: bytes | None = None
        self._senders = [_Sender(one.uri) for one in dev_accounts() if one.scheme is Scheme.SR25519]

    async def send_due(self, passed_s: float, nodes: Sequence[NodeRecord]) -> None:
        """Send what has become due since the last time to the nodes that run."""
        due, self._due = int(passed_s * self._per_second) - self._due, int(passed_s * self._per_second)
        if not nodes or due <= 0:
            return
        if self._tail is None:
            self._tail = await self._observer.get_signed_tail(nodes[0])
            return
        sends = []
        for number, sender in enumerate(self._senders):
            count = min(EACH_MAX, compute_share(due, number, len(self._senders)))
            if count:
                sends.append(self._send(sender, nodes[number % len(nodes)], count, self._tail))
        await asyncio.gather(*sends)

    async def _send(self, sender: _Sender, node: NodeRecord, count: int, tail: bytes) -> None:
        if sender.node != node.name or sender.nonce is None:
            sender.node, sender.nonce = node.name, await self._observer.get_next_nonce(node, sender.address)
        if sender.nonce is None:
            return
        extrinsics = await asyncio.to_thread(make_transfers, sender.pair, sender.nonce, count, tail)
        taken = await self._observer.submit(node, extrinsics)
        self.accepted += sum(taken)
        self.refused += len(taken) - sum(taken)
        sender.nonce = sender.nonce + count if all(taken) else None


def compute_share(total: int, number: int, senders: int) -> int:
    """Return how much of a whole falls to one of the senders; the shares add up to the whole."""
    return (total * (number + 1)) // senders - (total * number) // senders


def make_transfers(pair: Keypair, nonce: int, count: int, tail: bytes) -> list[bytes]:
    """Return signed transfers to new accounts, with consecutive nonces; `tail` is what they sign besides."""
    return [_make_transfer(pair, nonce + number, tail) for number in range(count)]


def _make_transfer(pair: Keypair, nonce: int, tail: bytes) -> bytes:
    call = TRANSFER_KEEP_ALIVE + ID_ADDRESS + os.urandom(32) + encode_compact(AMOUNT)
    extra = IMMORTAL + encode_compact(nonce) + NO_TIP
    signature = pair.sign(signed_message(call + extra + tail))
    return seal_envelope(AccountId(pair.account_id), pair.scheme, signature, extra, call)
