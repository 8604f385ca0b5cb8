"""What agreement asks to be done to a chain, by its author, its importer and its reporter."""

from __future__ import annotations

from node.authoring.author import Author
from node.authoring.importer import Importer
from node.chain.branches import BlockInfo
from node.driver.reporting import OffenceReporter
from runtime.primitives.block import Block
from runtime.primitives.certificate import Certificate
from runtime.primitives.crypto import SignatureCheck
from runtime.primitives.evidence import Evidence
from runtime.primitives.types import Hash


class ChainWork:
    """Builds, imports and finalizes blocks of one chain."""

    def __init__(
        self, author: Author, importer: Importer, reporter: OffenceReporter, budget_s: float
    ) -> None:
        """`budget_s` is how long a block may take its author to execute."""
        self._budget_s = budget_s
        self._reporter = reporter
        self._author = author
        self._importer = importer

    async def fill(self, parent: Hash, time_ms: int) -> None:
        """Put transactions into the block that `build` will make, until cancelled."""
        await self._author.fill_on(parent, time_ms, self._budget_s)

    async def build(self, parent: Hash) -> BlockInfo:
        """Make a block on a parent, or return one on it that is known and best."""
        return await self._author.build_on(parent)

    async def import_block(self, block: Block, *, is_binding: bool) -> None:
        """Take a block in; InvalidBlock, UnknownBlock or BlockAhead, the last never for one that binds."""
        await self._importer.import_block(block.header, block.extrinsics, at_any_time=is_binding)

    async def finalize(self, certificate: Certificate, check: SignatureCheck) -> None:
        """Carry a certificate out, durably; `check` may remember signatures that it has found right."""
        await self._importer.finalize(certificate, check)

    def report(self, evidence: Evidence) -> None:
        """Bring the proof that an authority broke the protocol before the chain."""
        self._reporter.report(evidence)
