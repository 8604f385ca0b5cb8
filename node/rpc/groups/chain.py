"""`chain_*`: blocks, headers, hashes, and subscriptions to heads."""

from __future__ import annotations

from typing import Annotated

from node.chain.branches import BlockInfo
from node.chain.events import Imported, NewBest
from node.rpc.groups.context import ChainContext, block_json, header_json, hex_of
from node.rpc.methods import method, subscription
from node.rpc.params import BlockNumber, Bound, Hash32
from node.rpc.subscriptions import Publisher, Sink
from runtime.primitives.block import encode_header
from runtime.primitives.certificate import encode_certificate
from runtime.primitives.types import Hash

NUMBERS_MAX = 100
PROOF_HEADERS_MAX = 1024
"""Headers up to the next certificate: as many blocks as may wait for one."""


class ChainMethods:
    """The methods of one chain."""

    def __init__(self, context: ChainContext) -> None:
        self._chain = context.chain
        self._best = Publisher()
        self._all = Publisher()
        self._finalized = Publisher()
        context.chain.on_imported(self._on_imported)
        context.chain.on_best(self._on_best)
        context.chain.on_finalized(self._on_finalized)

    @method("chain_getBlockHash", aliases=["chain_getHead"])
    def block_hash(
        self, number: BlockNumber | Annotated[list[BlockNumber], Bound(NUMBERS_MAX)] | None = None
    ) -> str | list[str | None] | None:
        """Hash of the best block, of the best chain's block of a number, or of several."""
        if isinstance(number, list):
            return [self._hash_at(one) for one in number]
        return hex_of(self._chain.head.hash) if number is None else self._hash_at(number)

    @method("chain_getHeader")
    def header(self, hash: Hash32 | None = None) -> dict[str, object] | None:  # noqa: A002  # Substrate's name
        """Header of a block, by default of the best one; null when the block is unknown."""
        found = self._chain.header(self._chain.head.hash if hash is None else Hash(hash))
        return None if found is None else header_json(found)

    @method("chain_getBlock")
    def block(self, hash: Hash32 | None = None) -> dict[str, object] | None:  # noqa: A002  # Substrate's name
        """Header, extrinsics and justifications of a block; null when the block is unknown."""
        wanted = self._chain.head.hash if hash is None else Hash(hash)
        found = self._chain.block(wanted)
        if found is None:
            return None
        certificate = self._chain.certificate(wanted)
        return block_json(found, None if certificate is None else encode_certificate(certificate))

    @method("chain_getFinalizedHead", aliases=["chain_getFinalisedHead"])
    def finalized_head(self) -> str:
        """Hash of the last finalized block."""
        return hex_of(self._chain.finalized.hash)

    @method("chain_proveFinality", listed=False)  # wallets complain of methods that Substrate lacks
    def prove_finality(self, number: BlockNumber) -> dict[str, object] | None:
        """Certificate that covers a block, and the headers from that block up to the certified one, in SCALE;
        null while it is not final, and for a block that this node never had.
        """
        headers: list[str] = []
        for each in range(number, min(number + PROOF_HEADERS_MAX, self._chain.finalized.number + 1)):
            block_hash = self._chain.hash_at(each)
            header = None if block_hash is None else self._chain.header(block_hash)
            if block_hash is None or header is None:
                return None
            headers.append(hex_of(encode_header(header)))
            certificate = self._chain.certificate(block_hash)
            if certificate is not None:
                return {"certificate": hex_of(encode_certificate(certificate)), "headers": headers}
        return None

    @subscription(
        "chain_subscribeNewHeads",
        aliases=["chain_subscribeNewHead", "subscribe_newHead"],
        unsubscribe=["chain_unsubscribeNewHeads", "chain_unsubscribeNewHead", "unsubscribe_newHead"],
        notification="chain_newHead",
    )
    def subscribe_new_heads(self, sink: Sink) -> None:
        """The best header now, then each new best one."""
        sink.send(header_json(self._chain.head.header))
        self._best.add(sink)

    @subscription(
        "chain_subscribeAllHeads",
        unsubscribe=["chain_unsubscribeAllHeads"],
        notification="chain_allHead",
    )
    def subscribe_all_heads(self, sink: Sink) -> None:
        """The best header now, then the header of every imported block."""
        sink.send(header_json(self._chain.head.header))
        self._all.add(sink)

    @subscription(
        "chain_subscribeFinalizedHeads",
        aliases=["chain_subscribeFinalisedHeads"],
        unsubscribe=["chain_unsubscribeFinalizedHeads", "chain_unsubscribeFinalisedHeads"],
        notification="chain_finalizedHead",
    )
    def subscribe_finalized_heads(self, sink: Sink) -> None:
        """The last finalized header now, then each one that follows."""
        sink.send(header_json(self._chain.finalized.header))
        self._finalized.add(sink)

    def _hash_at(self, number: int) -> str | None:
        found = self._chain.hash_at(number)
        return None if found is None else hex_of(found)

    def _on_imported(self, imported: Imported) -> None:
        self._all.publish(header_json(imported.info.header))

    def _on_best(self, best: NewBest) -> None:
        self._best.publish(header_json(best.info.header))

    def _on_finalized(self, info: BlockInfo) -> None:
        self._finalized.publish(header_json(info.header))
