"""A download of a state with the clock of a test, and the block that its peers serve."""

from node.sync.effects import PeerSaid, Tick
from node.sync.snapshot import SnapshotDownload, SnapshotLimits
from node.sync.snapshot_effects import ProofServed, SnapshotEffect, SnapshotInput
from tests.support.states import Served, begin, served_at

LIMITS = SnapshotLimits(parallel_max=3, chunk_entries=20, chunks_max=4, patience_ms=30_000)
NUMBER = 48
SIZE = 300


def served() -> Served:
    return served_at(NUMBER, SIZE)


class Fetching:
    """A download with a clock of the test, and what it has stored."""

    def __init__(self, limits: SnapshotLimits = LIMITS) -> None:
        self.download = SnapshotDownload(begin(), limits, 0)
        self.now_ms = 0
        self.stored: dict[bytes, bytes] = {}

    def give(self, *events: SnapshotInput) -> list[SnapshotEffect]:
        effects: list[SnapshotEffect] = []
        for event in events:
            effects += self.download.handle(event, self.now_ms)
        return effects

    def wait(self, ms: int) -> list[SnapshotEffect]:
        self.now_ms += ms
        return self.give(Tick())

    def find(self, final: int = 50, *peers: str) -> list[SnapshotEffect]:
        """Let peers come and the first serve the proof."""
        self.give(*(PeerSaid(peer, final) for peer in peers or ("a",)))
        return self.give(ProofServed(0, served().fragments, True))
