"""From the vault to the chain: sends the calls that are queued, each once, and keeps the proofs.

Responsible for the order: first what an earlier run has signed, then what is queued, one after the other. A
proof is fetched from the block in which the call took effect, and verified before it is kept, so that it
holds for ever. It opens no record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

import structlog

from apps.chain.answers import as_bytes, as_header, to_hex
from apps.chain.client import BlockRef, Chain, Outcome, Signed
from apps.chain.errors import AnswerError, Expired, Refused, RpcFailure, Superseded, UnknownName
from apps.chain.sender import Sender
from apps.chain.values import Encoded
from apps.vault.calls import CALLS, CONFIRM_ERASURE, Facts
from apps.vault.errors import BadInput, Conflict
from apps.vault.outbox import Anchor, Submission
from apps.vault.vault import Vault
from runtime.primitives.block import encode_header, hash_header
from runtime.primitives.crypto import Keypair
from runtime.primitives.scale import EncodeError
from runtime.primitives.tree_proof import InvalidProof, Present, verify

log = structlog.get_logger("vault")
ERASURE: bytes = b"loam-erasure"

T = TypeVar("T")


def make_tombstone_message(genesis: bytes, request: int, tombstone: bytes) -> bytes:
    """Return what the vault signs when it has erased what a request asks for, as `confirm_erasure` says."""
    return ERASURE + genesis + request.to_bytes(4, "little") + tombstone


class ChainLink:
    """The vault's officer on a chain: one account, which no other program uses at the same time."""

    def __init__(self, vault: Vault, chain: Chain, signer: Keypair, executor: Executor) -> None:
        """`executor` runs what waits for the disk."""
        self._vault = vault
        self._chain = chain
        self._signer = signer
        self._executor = executor

    async def deliver(self) -> int:
        """Bring all calls that wait to their end; return how many took effect. Raises WrongChain, Busy where
        another program is at it, and what the client library raises when the node answers nonsense."""
        with self._vault.delivering():
            await self._run(partial(self._vault.bind_chain, self._chain.genesis))
            waiting = await self._run(self._pending)
            sender = Sender(self._chain, self._signer)  # asks for the account's nonce anew
            delivered = 0
            for one in sorted(waiting, key=lambda one: one.state != "signed"):
                delivered += await self._deliver_one(one, sender)
            return delivered

    # --- one call

    async def _deliver_one(self, one: Submission, sender: Sender) -> bool:
        if one.state == "signed" and one.signer != sender.account:
            log.error("signed_by_another", submission=one.id)  # only its own account's nonce tells its fate
            return False
        try:
            outcome = await self._send(one, sender)
        except Conflict:
            return False
        except (Expired, Superseded) as error:
            await self._change(partial(self._vault.outbox.mark_lapsed, one.id, type(error).__name__))
            return False
        except (BadInput, Refused, EncodeError, UnknownName) as error:
            await self._fail(one, str(error))
            return False
        if outcome.failure is not None:
            await self._fail(one, str(outcome.failure))
            return False
        anchor = await self._anchor(one, outcome)
        await self._change(partial(self._vault.outbox.mark_done, one.id, anchor))
        log.info("call_finalized", call=one.call, submission=one.id, number=outcome.block.number)
        return True

    async def _send(self, one: Submission, sender: Sender) -> Outcome:
        if one.state == "signed" and one.signed is not None:
            return await sender.resume(one.signed)
        await self._ensure_subject(one)

        async def note(signed: Signed) -> None:
            await self._change(partial(self._vault.outbox.mark_signed, one.id, sender.account, signed))

        return await sender.send(self._make_call(one), note=note)

    async def _ensure_subject(self, one: Submission) -> None:
        """BadInput unless the request that a call names, if any, is the subject's: a slip in a number would
        confirm to one person that the data of another are erased."""
        if "request" not in one.facts.arguments:
            return
        found = await self._chain.get("Privacy", "Dsr", one.facts.arguments["request"])
        if found is None or found["subject"] != one.facts.subject:
            raise BadInput("the request is another account's, or there is none of this number")

    def _make_call(self, one: Submission) -> Encoded:
        call = CALLS[one.call]
        facts = one.facts
        if one.call == CONFIRM_ERASURE:
            request = facts.arguments["request"]
            message = make_tombstone_message(self._chain.genesis, request, facts.commitment)
            facts = Facts(
                facts.subject,
                facts.commitment,
                {**facts.arguments, "signature": self._vault.sign_erasure(message)},
            )
        return self._chain.call(call.pallet, call.name, **call.build(facts))

    async def _fail(self, one: Submission, why: str) -> None:
        await self._change(partial(self._vault.outbox.mark_failed, one.id, why))
        log.error("call_failed", call=one.call, submission=one.id, why=why[:200])

    # --- proofs

    async def _anchor(self, one: Submission, outcome: Outcome) -> Anchor | None:
        call = CALLS[one.call]
        if call.locate is None:
            return None
        runtime = await self._chain.runtime_at(outcome.block.hash)
        try:
            pallet, item, keys = call.locate(one.facts, outcome.events)
            key = runtime.storage_key(pallet, item, *keys)
            return await self._prove(Anchor(one.facts.commitment, pallet, item, key, b"", b""), outcome.block)
        except (RpcFailure, UnknownName, EncodeError) as error:
            # Such as state that is pruned: the call has taken effect all the same.
            log.warning("no_proof", submission=one.id, error=type(error).__name__)
            return None

    async def _prove(self, anchor: Anchor, block: BlockRef) -> Anchor | None:
        """Return the anchor with its proof, None where a later call of the block has replaced the value."""
        request = self._chain.connection.request
        answer = await request("state_getReadProof", [to_hex(anchor.storage_key)], to_hex(block.hash))
        read = as_header(await request("chain_getHeader", to_hex(block.hash)))
        try:
            proof = as_bytes(answer["proof"][0])
            found = verify(read.state_root, anchor.storage_key, proof)
        except (TypeError, KeyError, IndexError, InvalidProof) as error:
            raise AnswerError("the node's proof is none") from error
        if hash_header(read) != block.hash or not isinstance(found, Present):
            raise AnswerError("the node's proof is of another block, or of nothing")
        if anchor.commitment not in found.value:
            return None
        return anchor._replace(header=encode_header(read), proof=proof)

    # --- the vault, off the event loop

    def _pending(self) -> list[Submission]:
        with self._vault.reading():
            return self._vault.outbox.pending()

    async def _change(self, change: Callable[[], None]) -> None:
        def work() -> None:
            with self._vault.work():
                change()

        await self._run(work)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)
