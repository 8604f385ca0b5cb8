"""What a chain answers when it cannot do what it was asked, beside InvalidBlock, the verdict on a block."""

from __future__ import annotations


class UnknownBlock(LookupError):
    """No block with this hash or number is known, or its state is not kept."""


class UnknownRuntime(Exception):
    """The chain has gone to a runtime version that this node does not carry."""

    def __init__(self, spec_name: str, spec_version: int) -> None:
        super().__init__(
            f"no {spec_name} runtime of version {spec_version} in this node; install a release with it"
        )
        self.spec_version = spec_version


class BlockAhead(Exception):
    """A block's time lies too far in the future. No verdict on the block: it may come again later."""

    def __init__(self, time_ms: int, time_max_ms: int) -> None:
        super().__init__(
            f"its time is {(time_ms - time_max_ms) / 1000:.3f} s beyond what this node's clock allows"
        )
        self.time_ms = time_ms
        self.time_max_ms = time_max_ms


class OffBestBranch(Exception):
    """A certificate is for a block on another branch than the best one, which has to give way first."""


class ConflictingCertificate(Exception):
    """A valid certificate contradicts one that was valid before it: authorities have signed both.

    More than a third of the authorities are faulty, and no node can tell which of the two to follow.
    """

    def __init__(self, number: int, certified: bytes, final: bytes) -> None:
        super().__init__(
            f"block {number} (0x{certified.hex()}) has a valid certificate against the final block"
            f" 0x{final.hex()}: authorities have signed for both"
        )
        self.number = number
        self.certified = certified
        self.final = final
