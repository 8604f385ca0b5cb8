"""The block numbers above the last final one, in ranges: waiting, being asked for, served, or being imported.

Responsible for order and bounds: ranges follow one another without a gap, the first begins behind the last
final block, and no more blocks are planned than may be kept. It must not know peers beyond their names, nor
why a range failed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from node.sync.effects import CertifiedBlock, Peer


@dataclass(slots=True)
class Range:
    """Some numbers, and how far they are: asked for while `request` is set, served once it has `blocks`."""

    start: int
    end: int
    """The number behind the last one."""
    request: int | None = None
    server: Peer | None = None
    blocks: list[CertifiedBlock] = field(default_factory=list)
    size: int = 0
    """The bytes of the blocks."""

    @property
    def is_waiting(self) -> bool:
        """Whether nobody has been asked, or whoever was did not serve."""
        return self.request is None and not self.blocks

    def reset(self) -> None:
        """Let it wait again."""
        self.request, self.server = None, None
        self.blocks, self.size = [], 0

    def skip_to(self, number: int) -> None:
        """Leave out what is below a number."""
        if number > self.start:
            skipped = number - self.start
            self.size -= sum(one.size for one in self.blocks[:skipped])
            del self.blocks[:skipped]
            self.start = min(number, self.end)


class Ranges:
    """See the module."""

    def __init__(self, final: int, blocks_max: int) -> None:
        """`blocks_max` is how many numbers are planned at once."""
        self._final = final
        self._blocks_max = blocks_max
        self._ranges: list[Range] = []

    @property
    def final(self) -> int:
        """The last final block."""
        return self._final

    @property
    def kept_bytes(self) -> int:
        """The bytes of blocks that were served and are not final yet."""
        return sum(each.size for each in self._ranges)

    @property
    def kept_blocks(self) -> int:
        """The number of these blocks."""
        return sum(len(each.blocks) for each in self._ranges)

    def advance(self, final: int) -> None:
        """Leave out what has become final."""
        self._final = max(self._final, final)
        for each in self._ranges:
            if each.start > self._final:
                break
            each.skip_to(self._final + 1)
        self._ranges = [each for each in self._ranges if each.start < each.end]

    def get_front(self) -> Range | None:
        """Return the range that is imported next, None where none is planned."""
        return self._ranges[0] if self._ranges else None

    def find_asked(self, request: int) -> Range | None:
        """Return the range of a request, None where it is no longer wanted."""
        return next((each for each in self._ranges if each.request == request), None)

    def reserve(self, highest: int, count: int, *, only_front: bool) -> Range | None:
        """Return the first range that somebody with blocks up to `highest` can serve, at most `count` long.

        With `only_front` it is the first of all or none. None where there is nothing to ask such a one.
        """
        for index, each in enumerate(self._ranges):
            if each.start > highest or (only_front and index):
                return None
            if each.is_waiting:
                self._cut(index, min(highest + 1, each.start + count))
                return each
        if only_front and self._ranges:
            return None
        start = self._ranges[-1].end if self._ranges else self._final + 1
        end = min(highest, start + count - 1, self._final + self._blocks_max) + 1
        if start >= end:
            return None
        self._ranges.append(Range(start, end))
        return self._ranges[-1]

    def fill(self, found: Range, server: Peer, blocks: tuple[CertifiedBlock, ...]) -> None:
        """Give a range what its request brought: a prefix, from where the request began; the rest waits."""
        index = self._ranges.index(found)
        start = blocks[0].block.header.number
        found.request, found.server = None, server
        found.blocks = list(blocks[found.start - start :])
        found.size = sum(one.size for one in found.blocks)
        if found.blocks:
            self._cut(index, found.start + len(found.blocks))

    def drop_served_by(self, peer: Peer) -> None:
        """Let all wait again that a peer has served."""
        for each in self._ranges:
            if each.server == peer:
                each.reset()

    def _cut(self, index: int, end: int) -> None:
        """Make two ranges of one, the second of which waits."""
        first = self._ranges[index]
        if first.start < end < first.end:
            self._ranges.insert(index + 1, Range(end, first.end))
            first.end = end
