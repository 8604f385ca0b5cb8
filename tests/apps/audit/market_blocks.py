"""The events of a real market's blocks, as the auditor reads them: bytes of the pallets, names of
metadata."""

from __future__ import annotations

from typing import Any

from apps.audit.witness import BlockEvents
from apps.chain.metadata import decode_metadata
from apps.chain.runtime import Runtime, Version
from runtime.frame.metadata import encode_metadata
from runtime.primitives.block import Digest, Header, PreRuntime
from runtime.primitives.types import ZERO_HASH
from tests.support.chain import Chain
from tests.support.energy import now_ms


class Recorder:
    """Closes the blocks of a chain and keeps what an auditor would get of each."""

    def __init__(self, chain: Chain[Any]) -> None:
        self.chain = chain
        self.runtime = runtime_of(chain)
        self.blocks: list[BlockEvents] = []

    def next_block(self, count: int = 1) -> None:
        """Close the open block and open the next."""
        for _ in range(count):
            number, time_ms = self.chain.number, now_ms(self.chain)
            self.chain.close_block()
            stored = self.chain.backend.entries.get(self.runtime.storage_key("System", "Events"))
            self.blocks.append(
                BlockEvents(header_of(number, time_ms), self.runtime, self.runtime.decode_events(stored))
            )
            self.chain.open_block()


def runtime_of(chain: Chain[Any]) -> Runtime:
    """Return what the client library makes of a composition's metadata."""
    raw = encode_metadata(chain.runtime, chain.api.apis.apis, 15)
    return Runtime(decode_metadata(raw), Version(1, 1))


def header_of(number: int, time_ms: int) -> Header:
    """Return a header that tells number and time."""
    digest = Digest((PreRuntime(b"TIME", time_ms.to_bytes(8, "little")),))
    return Header(ZERO_HASH, number, ZERO_HASH, ZERO_HASH, digest)
