"""The block in progress on the head: what the author executes into and the pool validates against.

Responsible for opening it and for the extrinsics that it holds. How it is sealed is the chain's business.
"""

from __future__ import annotations

from node.chain.branches import BlockInfo
from runtime.frame.extension import Extrinsic
from runtime.frame.runtime_api import RuntimeApi
from runtime.primitives.block import DigestItem


class OpenBlock:
    """The block in progress on the head."""

    def __init__(self, api: RuntimeApi, parent: BlockInfo, logs: tuple[DigestItem, ...]) -> None:
        self._api = api
        self.parent = parent
        self.extrinsics: list[Extrinsic] = []
        api.initialize_block(parent.number + 1, parent.hash, logs)

    @property
    def number(self) -> int:
        """The number that the block will have."""
        return self.parent.number + 1

    def push(self, extrinsic: Extrinsic) -> None:
        """Run an extrinsic and include it; TransactionError when it may not be included."""
        self._api.apply(extrinsic)
        self.extrinsics.append(extrinsic)

    def push_inherents(self, data: dict[bytes, bytes]) -> None:
        """Include the inherents that the runtime makes of the author's data."""
        for raw in self._api.inherents(data):
            self.push(self._api.decode_extrinsic(raw))
