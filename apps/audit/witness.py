"""What a node tells of its chain, and how far that is proven.

Responsible for asking and for checking every answer against the one thing that is believed: the authorities
of genesis, a block that the auditor names, or, if there is neither, the node's word for what is final. From
there headers are linked by hashes, and values and events are proven against the state root of their header.
What the node alone can say is said so (`Trust.describe`).

Metadata, by which bytes are read, is the node's; with a chain specification it is compared with the
program's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from apps.audit.errors import Differs, Unchecked
from apps.audit.finality import (
    FinalityProof,
    ensure_certified,
    ensure_child,
    read_proof,
    time_of,
)
from apps.chain.answers import as_bytes, as_header, to_hex
from apps.chain.client import Chain
from apps.chain.errors import AnswerError, RpcFailure
from apps.chain.metadata import Metadata, decode_metadata
from apps.chain.runtime import EventRecord, Runtime
from apps.chain.values import Value
from runtime.primitives.authority_set import AuthoritySet, announced_set
from runtime.primitives.block import Header, hash_header
from runtime.primitives.tree_proof import Absent, InvalidProof, verify
from runtime.primitives.types import Hash

PAGE: Final = 64
"""Blocks that are asked for at once, and whose events are in memory."""
WALK_BLOCKS: Final = 20_000
"""Blocks that the node walks back at once, some seconds, in which it does nothing else."""
_DISCARDED: Final = "discarded"


@dataclass(frozen=True, slots=True)
class Trust:
    """What is believed. `authorities` are those of genesis; `block` is number and hash of a final block;
    `metadata` are raw bytes by spec version, of runtimes that the auditor carries."""

    genesis: Hash | None = None
    authorities: AuthoritySet | None = None
    block: tuple[int, Hash] | None = None
    metadata: Mapping[int, bytes] = field(default_factory=lambda: MappingProxyType({}))

    def describe(self) -> str:
        """Return on what all that is shown stands."""
        if self.block is not None:
            return f"the block that you named, {self.block[0]}"
        if self.authorities is not None:
            return "certificates of the chain's authorities since genesis"
        return "the node's word for which blocks are final: give --chain or --trusted-block to check that too"


class BlockEvents(NamedTuple):
    """The events of one block, the header that they are of, and the runtime that made them."""

    header: Header
    runtime: Runtime
    events: tuple[EventRecord, ...]


class Witness:
    """A chain as an auditor sees it, through one node."""

    def __init__(
        self, chain: Chain, trust: Trust, *, proves_events: bool, walk_blocks: int = WALK_BLOCKS
    ) -> None:
        """Events are proven only where that is asked for: the node walks back over all later blocks for the
        first of them, and from there on from one to the next."""
        self._walk_blocks = walk_blocks
        self.chain = chain
        self.trust = trust
        self.proves_events = proves_events
        self._known = {number: decode_metadata(data) for number, data in trust.metadata.items()}
        self._sets: list[tuple[int, AuthoritySet]] = []
        if trust.authorities is not None:
            self._sets.append((0, trust.authorities))
        if trust.genesis is not None and chain.genesis != trust.genesis:
            raise Differs(f"the node is of another chain: its genesis is 0x{chain.genesis.hex()}")

    # --- headers

    async def finalized(self) -> Header:
        """Return the header of the last block that is shown to be final."""
        if self.trust.block is not None:
            return await self.header_of(self.trust.block[0])
        return await self.anchor((await self.chain.finalized()).number)

    async def anchor(self, number: int) -> Header:
        """Return the header of a final block; Differs when it is not shown to be final, Unchecked when it is
        above all that are."""
        block = self.trust.block
        if block is not None and number > block[0]:
            raise Unchecked(f"block {number} is above the block that you named, {block[0]}")
        if block is None and self._sets:
            return await self._certified(number)
        if number > (await self.chain.finalized()).number:
            raise Unchecked(f"block {number} is not final yet")
        header = await self.header_of(number)
        if block is not None:
            await self._ensure_below(header, block[0])
        return header

    async def header_of(self, number: int) -> Header:
        """Return the header that the node has under a number; that of the named block must have its hash."""
        block_hash = await self.chain.block_hash(number)
        if block_hash is None:
            raise Unchecked(f"the node has no block {number}: ask one that has the chain's whole history")
        answer = await self.chain.connection.request("chain_getHeader", to_hex(block_hash))
        if answer is None:
            raise Unchecked(f"the node has no header of block {number}: ask one that has the whole history")
        header = as_header(answer)
        wanted = self.trust.block
        expected = wanted[1] if wanted is not None and wanted[0] == number else block_hash
        if hash_header(header) != expected or header.number != number:
            raise Differs(f"the node's block {number} is not 0x{expected.hex()}")
        return header

    async def headers(self, first: int, last: int) -> AsyncIterator[tuple[Header, ...]]:
        """Yield the headers from one number to another in pages, each linked to the one before it. Once all
        came, they are known to be final; Differs otherwise."""
        anchor = await self.anchor(last)
        previous: Hash | None = None
        for start in range(first, last + 1, PAGE):
            numbers = range(start, min(start + PAGE, last + 1))
            page = await asyncio.gather(*map(self.header_of, numbers))
            for header in page:
                if previous is not None:
                    ensure_child(previous, header, header.number)
                previous = hash_header(header)
            if page[-1].number == last and previous != hash_header(anchor):
                raise Differs(f"the headers up to block {last} are not those of the final chain")
            yield tuple(page)

    async def first_from(self, time_ms: int) -> int | None:
        """Return the first final block of at least a time, None while there is none. The node's word: who
        uses it compares the times of the linked headers."""
        low, high = 1, (await self.finalized()).number
        if high < 1 or time_of(await self.header_of(high)) < time_ms:
            return None
        while low < high:
            middle = (low + high) // 2
            if time_of(await self.header_of(middle)) >= time_ms:
                high = middle
            else:
                low = middle + 1
        return low

    # --- events and values

    async def events(self, first: int, last: int) -> AsyncIterator[BlockEvents]:
        """Yield the events of each block from one number to another."""
        if self.proves_events:
            await self._approach(first)
        async for page in self.headers(first, last):
            runtimes = await self._runtimes(page)
            read = (self.events_of(one, runtime) for one, runtime in zip(page, runtimes, strict=True))
            for found in await asyncio.gather(*read):
                yield found

    async def events_of(self, header: Header, runtime: Runtime, *, proves: bool | None = None) -> BlockEvents:
        """Return the events of a block, proven if that is asked for."""
        key = runtime.storage_key("System", "Events")
        if self.proves_events if proves is None else proves:
            stored = await self._proven(header, key)
        else:
            stored = await self._told(header, key)
        return BlockEvents(header, runtime, runtime.decode_events(stored))

    async def value(self, header: Header, pallet: str, item: str, *keys: Value) -> Value:
        """Return a proven value of the state behind a block."""
        runtime = await self.runtime_at(header.number, hash_header(header))
        stored = await self._proven(header, runtime.storage_key(pallet, item, *keys))
        return runtime.decode_value(pallet, item, stored)

    async def runtime_at(self, number: int, block: Hash) -> Runtime:
        """Return the runtime that reads the state behind a block."""
        try:
            runtime = await self.chain.runtime_at(block)
        except RpcFailure as failure:
            raise _explain(failure, number) from failure
        self._ensure_known(runtime.version.spec_version, runtime.metadata)
        return runtime

    async def runtime_of(self, header: Header) -> Runtime:
        """Return the runtime that executed a block, which its parent's state names."""
        if header.number == 0:
            return await self.runtime_at(0, hash_header(header))
        return await self.runtime_at(header.number - 1, header.parent_hash)

    # --- leaves of the above

    async def _approach(self, first: int) -> None:
        """Let the node walk back to a block in steps, between which it serves others."""
        number = (await self.chain.finalized()).number - self._walk_blocks
        key = self.chain.runtime.storage_key("System", "Events")
        while number > first:
            await self._proven(await self.header_of(number), key)
            number -= self._walk_blocks

    async def _runtimes(self, page: tuple[Header, ...]) -> list[Runtime]:
        """Return the runtime of each block; where it is the same at both ends it is in between."""
        first, last = await asyncio.gather(self.runtime_of(page[0]), self.runtime_of(page[-1]))
        if first is last:
            return [first] * len(page)
        return await asyncio.gather(*map(self.runtime_of, page))

    def _ensure_known(self, version: int, metadata: Metadata) -> None:
        known = self._known.get(version)
        if known is not None and known != metadata:
            raise Differs(f"the node's metadata of version {version} is not that of this program")

    async def _told(self, header: Header, key: bytes) -> bytes | None:
        answer = await self._ask(header, "state_getStorage", to_hex(key))
        return None if answer is None else as_bytes(answer)

    async def _proven(self, header: Header, key: bytes) -> bytes | None:
        answer = await self._ask(header, "state_getReadProof", [to_hex(key)])
        try:
            (proof,) = map(as_bytes, answer["proof"])
        except (TypeError, KeyError, ValueError) as error:
            raise AnswerError("a read proof of one key has one part") from error
        try:
            found = verify(header.state_root, key, proof)
        except InvalidProof as error:
            raise Differs(
                f"the node's proof of a value behind block {header.number} is wrong: {error}"
            ) from error
        return None if isinstance(found, Absent) else found.value

    async def _ask(self, header: Header, method: str, *params: Any) -> Any:
        try:
            return await self.chain.connection.request(method, *params, to_hex(hash_header(header)))
        except RpcFailure as failure:
            raise _explain(failure, header.number) from failure

    async def _ensure_below(self, header: Header, number: int) -> None:
        """Raise Differs unless the named block, whose hash `header_of` compares, descends from a header."""
        previous = hash_header(header)
        for start in range(header.number + 1, number + 1, PAGE):
            numbers = range(start, min(start + PAGE, number + 1))
            for following in await asyncio.gather(*map(self.header_of, numbers)):
                ensure_child(previous, following, following.number)
                previous = hash_header(following)

    # --- certificates

    async def _certified(self, number: int) -> Header:
        proof = await self._finality(number)
        while proof.certificate.set_id > self._sets[-1][1].set_id:
            await self._follow_sets(proof)
        current = next(one for start, one in reversed(self._sets) if start < proof.certificate.number)
        ensure_certified(self.chain.genesis, proof, current)
        return proof.headers[0]

    async def _follow_sets(self, proof: FinalityProof) -> None:
        """Learn the next set from the header that announces it: the last one that the current set
        certified."""
        start, current = self._sets[-1]
        low, high = start + 1, proof.certificate.number
        while low < high:  # the least block that a later set certified
            middle = (low + high) // 2
            if (await self._finality(middle)).certificate.set_id > current.set_id:
                high = middle
            else:
                low = middle + 1
        announcing = await self._finality(low - 1) if low - 1 > start else None
        if announcing is None:
            raise Differs(f"no block announces the authorities of block {low}")
        ensure_certified(self.chain.genesis, announcing, current)
        header = announcing.headers[-1]
        following = announced_set(header)
        if following is None or following.set_id <= current.set_id or not following.authorities:
            raise Differs(f"block {header.number} announces no authorities, and those of the next are others")
        self._sets.append((header.number, following))

    async def _finality(self, number: int) -> FinalityProof:
        answer = await self.chain.connection.request("chain_proveFinality", number)
        if answer is None:
            raise Unchecked(
                f"the node does not show that block {number} is final: it is not yet, or was never here"
            )
        proof = read_proof(answer)
        if proof.headers[0].number != number:
            raise Differs(f"the node's proof for block {number} is for another block")
        return proof


def _explain(failure: RpcFailure, number: int) -> Exception:
    """Return why there is no answer: a state that is not kept can be had elsewhere."""
    text = f"{failure.message} {failure.data or ''}"
    if _DISCARDED not in text and "unknown" not in text.lower():
        return failure
    reason = failure.data or failure.message
    return Unchecked(f"block {number}: {reason}; ask a node that runs with --state-pruning archive")
