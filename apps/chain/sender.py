"""Calls of one account, many at a time, each in effect once or not at all.

A transaction is signed once and submitted until its fate is known: lost connections, restarted nodes and full
pools only mean that the same bytes are submitted again. They cannot take effect twice, since they have one
nonce; and what happened meanwhile is found in the finalized blocks, once the account's nonce there has
passed. It ends in one of three ways: an outcome in a finalized block; Refused, only while no node can have
it; Expired or Superseded, only when the finalized chain says so. A node that keeps too few states cannot say
what became of it: then it ends with OutcomeUnknown.

One sender for each account: of two, one's transactions supersede the other's. A program that has to end in
between keeps each transaction by `note` before it is submitted, and gives it to `resume` when it starts
again.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from apps.chain.client import PERIOD, BlockRef, Chain, Outcome, Signed
from apps.chain.connection import Json
from apps.chain.errors import (
    AnswerError,
    ClientError,
    ConnectionLost,
    Expired,
    OutcomeUnknown,
    Refused,
    RequestTimeout,
    RpcFailure,
    SubscriptionOverflow,
    Superseded,
)
from apps.chain.values import Encoded
from runtime.primitives.crypto import Keypair
from runtime.primitives.scale import DecodeError
from runtime.primitives.types import AccountId

RETRY_S: Final = 0.5
WATCH_S: Final = 60.0
"""A pool that says nothing for so long is not waited for."""
IN_FLIGHT_MAX: Final = 64
ALREADY_IMPORTED: Final = 1013
_BUSY: Final = frozenset({1016, 1021, -32006, -32009})
"""The pool is full or takes nothing that waits, too many subscriptions, too many requests: all pass."""
_NO_STATE: Final = 4003
"""The node does not know a block, or its state any more."""
DISCARDED_MAX: Final = 3
"""So often in a row it is no coincidence of a node that was exchanged for another."""
_PASSING: Final = (ConnectionLost, RequestTimeout, SubscriptionOverflow)
_LOOK_UP_FAULTS: Final = (*_PASSING, RpcFailure, AnswerError)

Note: TypeAlias = Callable[[Signed], Awaitable[None]]
"""Keeps a signed transaction; durable when it returns."""


class Sender:
    """Signs and sends for one account."""

    def __init__(
        self, chain: Chain, signer: Keypair, *, period: int = PERIOD, in_flight_max: int = IN_FLIGHT_MAX
    ) -> None:
        self.account = AccountId(signer.account_id)
        self._chain = chain
        self._signer = signer
        self._period = period
        self._slots = asyncio.Semaphore(in_flight_max)
        self._signing = asyncio.Lock()
        self._next: int | None = None
        self._unused: list[int] = []

    async def send(self, call: Encoded, *, tip: int = 0, note: Note | None = None) -> Outcome:
        """Return what became of a call in a finalized block, its failure included; TransactionFailed when it
        has not come in and cannot any more. Waits while too many are under way, or no node answers. A call
        that is not waited for any more is on its way all the same: its nonce must not be missing."""
        await self._slots.acquire()
        try:
            signed = await self._sign(call, tip)
        except BaseException:
            self._slots.release()
            raise
        if note is not None:
            await self._keep(signed, note)
        return await self._start(signed, is_known=False)

    async def resume(self, signed: Signed) -> Outcome:
        """Return what becomes of a transaction that an earlier sender of the account has noted, as `send`
        does. All of them are resumed before the first call is sent."""
        await self._slots.acquire()
        try:
            async with self._signing:
                while self._next is None:
                    try:
                        self._next = await self._chain.next_nonce(self.account)
                    except _PASSING:
                        await self._chain.clock.sleep(RETRY_S)
                self._next = max(self._next, signed.nonce + 1)
        except BaseException:
            self._slots.release()
            raise
        return await self._start(signed, is_known=True)

    async def _keep(self, signed: Signed, note: Note) -> None:
        try:
            await note(signed)
        except BaseException:
            heapq.heappush(self._unused, signed.nonce)
            self._slots.release()
            raise

    async def _start(self, signed: Signed, *, is_known: bool) -> Outcome:
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._chain.start(self._deliver(signed, outcome, is_known=is_known))
        return await outcome

    async def _deliver(self, signed: Signed, outcome: asyncio.Future[Outcome], *, is_known: bool) -> None:
        end: ClientError | DecodeError = ConnectionLost("the chain was left before the outcome was known")
        try:
            found = await _Delivery(self._chain, self.account, signed, is_known=is_known).run()
            if not outcome.done():
                outcome.set_result(found)
        except Superseded as error:
            end = error
            self._next = None  # somebody else signs for the account, so the chain is asked again
        except (Refused, Expired) as error:
            end = error
            heapq.heappush(self._unused, signed.nonce)  # later ones wait for it: the next call takes it
        except (ClientError, DecodeError) as error:
            end = error
        finally:
            self._slots.release()
            if not outcome.done():
                outcome.set_exception(end)

    async def _sign(self, call: Encoded, tip: int) -> Signed:
        async with self._signing:
            while True:
                try:
                    return await self._sign_next(call, tip)
                except _PASSING:
                    await self._chain.clock.sleep(RETRY_S)

    async def _sign_next(self, call: Encoded, tip: int) -> Signed:
        if self._next is None:
            self._next = await self._chain.next_nonce(self.account)
            self._unused.clear()
        if self._unused:
            await self._drop_used()
        nonce = self._unused[0] if self._unused else self._next
        signed = await self._chain.sign(call, self._signer, nonce=nonce, tip=tip, period=self._period)
        if self._unused:
            heapq.heappop(self._unused)
        else:
            self._next += 1
        return signed

    async def _drop_used(self) -> None:
        """Forget nonces that somebody else has used meanwhile, which is why a call with them was refused."""
        assert self._next is not None, "nonces that were given back come before the next"
        used = await self._chain.next_nonce(self.account)
        while self._unused and self._unused[0] < used:
            heapq.heappop(self._unused)
        self._next = max(self._next, used)


class _Delivery:
    """One transaction on its way."""

    def __init__(self, chain: Chain, account: AccountId, signed: Signed, *, is_known: bool) -> None:
        self._chain = chain
        self._account = account
        self._signed = signed
        self._searched = signed.born
        self._may_be_known = is_known
        self._discarded = 0

    async def run(self) -> Outcome:
        """Submit until the fate is known."""
        while True:
            await self._submit()
            try:
                outcome = await self._look_up()
            except _LOOK_UP_FAULTS:
                outcome = None
            if outcome is not None:
                return outcome
            await self._chain.clock.sleep(RETRY_S)

    async def _submit(self) -> None:
        """Submit and wait until the transaction is final, or nothing more is to be learnt from the pool."""
        try:
            async with self._chain.watch(self._signed.extrinsic) as statuses:
                self._may_be_known = True
                async with asyncio.timeout(WATCH_S):
                    async for status in statuses:
                        if _is_end(status):
                            return
        except RpcFailure as failure:
            if failure.code == ALREADY_IMPORTED:
                self._may_be_known = True
            elif not self._may_be_known and failure.code not in _BUSY:
                raise Refused(failure) from failure
        except TimeoutError:
            return
        except _PASSING:
            self._may_be_known = True

    async def _look_up(self) -> Outcome | None:
        """Return the outcome if a finalized block has it, None while one still may."""
        chain, signed = self._chain, self._signed
        now = await chain.finalized()
        account = await chain.get("System", "Account", self._account, at=now.hash)
        if account["nonce"] <= signed.nonce:
            self._searched = now.number
            if now.number >= signed.dies - 1:
                raise Expired(f"no block before {signed.dies} has the transaction {signed.hash.hex()}")
            return None
        for number in range(self._searched + 1, min(now.number + 1, signed.dies)):
            block = await chain.block_hash(number)
            if block is None:
                raise AnswerError(f"the node does not know its finalized block {number}")
            outcome = await self._look_into(await chain.ref(block))
            if outcome is not None:
                return outcome
            self._searched = number
        raise Superseded(f"another transaction has the nonce {signed.nonce}")

    async def _look_into(self, block: BlockRef) -> Outcome | None:
        """Return the outcome if a block has it; OutcomeUnknown where its state is gone for good."""
        try:
            outcome = await self._chain.outcome(block, self._signed.extrinsic)
        except RpcFailure as failure:
            self._discarded = self._discarded + 1 if failure.code == _NO_STATE else 0
            if self._discarded < DISCARDED_MAX:
                raise
            raise OutcomeUnknown(
                f"the node keeps no state of block {block.number}, in which {self._signed.hash.hex()} may be"
            ) from failure
        self._discarded = 0
        return outcome


def _is_end(status: Json) -> bool:
    """Tell whether a status is the last that a pool gives."""
    if isinstance(status, dict):
        return not status.keys().isdisjoint({"finalized", "finalityTimeout", "usurped"})
    return status in {"dropped", "invalid"}
