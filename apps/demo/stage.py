"""The connections of a run and who signs over them: a call by name, once in effect or an error that names it.

Responsible for one sender for each account, homes spread over the nodes, and for errors that say which
account could not do what. What is sent, and when, is not decided here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from apps.chain.client import Chain, Outcome
from apps.chain.errors import ClientError
from apps.chain.sender import Sender
from apps.chain.values import Encoded, Value
from apps.demo.errors import CallFailed
from runtime.primitives.crypto import Keypair
from runtime.primitives.scale import DecodeError


class Stage:
    """Chains of the same genesis, one for each node, and the senders on them."""

    def __init__(self, chains: Sequence[Chain]) -> None:
        assert chains, "a run needs a node"
        self.chains = tuple(chains)
        self._senders: dict[bytes, Sender] = {}
        self.last_block = 0
        """The number of the last block with a call that was sent."""

    @property
    def chain(self) -> Chain:
        """The first node's."""
        return self.chains[0]

    def call(self, pallet: str, name: str, /, **arguments: Value) -> Encoded:
        """Return a call."""
        return self.chain.call(pallet, name, **arguments)

    def batch(self, calls: Sequence[Encoded]) -> Encoded:
        """Return a call that makes several, all or none."""
        return self.call("Utility", "batch_all", calls=list(calls))

    async def send(self, key: Keypair, name: str, what: str, call: Encoded) -> Outcome:
        """Send a call and return its outcome in a finalized block; CallFailed when it takes no effect."""
        try:
            outcome = await self._sender(key).send(call)
        except (ClientError, DecodeError) as error:
            raise CallFailed(name, what, str(error)) from error
        if outcome.failure is not None:
            raise CallFailed(name, what, str(outcome.failure))
        self.last_block = max(self.last_block, outcome.block.number)
        return outcome

    async def send_all(self, calls: Sequence[tuple[Keypair, str, str, Encoded]]) -> list[Outcome]:
        """Send several calls of different accounts at once; CallFailed as soon as one takes no effect."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self.send(*one)) for one in calls]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    def _sender(self, key: Keypair) -> Sender:
        account = key.account_id
        if account not in self._senders:
            chain = self.chains[len(self._senders) % len(self.chains)]
            self._senders[account] = Sender(chain, key)
        return self._senders[account]
