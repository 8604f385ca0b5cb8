"""Messages from pieces: a long message comes in several frames, with those of other kinds in between.

Sans-IO. The first byte of a frame is the kind, with the highest bit set where more pieces follow. All pieces
but the last have one length, so a message has as few frames as it can and none is empty for nothing. It must
not know encryption nor what messages say.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from node.network.frames import PLAINTEXT_MAX
from node.network.messages import Kind, MessageError

PIECE: Final = PLAINTEXT_MAX - 1
"""Bytes of a piece."""
MORE: Final = 0x80


class Piece(NamedTuple):
    """One frame of a message, without its encryption."""

    kind: Kind
    is_last: bool
    data: bytes


class Reassembly:
    """The unfinished messages of one connection, at most one of each kind."""

    def __init__(self) -> None:
        self._unfinished: dict[Kind, tuple[bytearray, int]] = {}

    def take(self, piece: Piece, size_max: int, now_ms: int) -> bytes | None:
        """Add a piece; return the message when it is whole; raises MessageError when it is too long."""
        held, since_ms = self._unfinished.get(piece.kind) or (bytearray(), now_ms)
        size = len(held) + len(piece.data)
        if size > size_max or (size == size_max and not piece.is_last):
            raise MessageError(f"{piece.kind.name.lower()} has at most {size_max} bytes")
        if piece.is_last:
            self._unfinished.pop(piece.kind, None)
            return bytes(held + piece.data) if held else piece.data
        held += piece.data
        self._unfinished[piece.kind] = (held, since_ms)
        return None

    def get_oldest_ms(self) -> int | None:
        """Return when the first piece of the oldest unfinished message came."""
        return min((since_ms for _, since_ms in self._unfinished.values()), default=None)


def parse_piece(plaintext: bytes) -> Piece:
    """Return the piece that a frame holds; raises MessageError."""
    if not plaintext:
        raise MessageError("a frame is empty")
    number = plaintext[0] & ~MORE
    if number not in _NUMBERS:
        raise MessageError(f"there is no message of kind {number}")
    is_last = not plaintext[0] & MORE
    if len(plaintext) > PIECE + 1 or (not is_last and len(plaintext) != PIECE + 1):
        raise MessageError(f"a piece has {PIECE} bytes, the last one at most as many")
    return Piece(Kind(number), is_last, plaintext[1:])


def split_message(kind: Kind, data: bytes) -> Iterator[bytes]:
    """Yield the frames of a message, in order."""
    last = max(len(data) - 1, 0) // PIECE * PIECE
    for start in range(0, last, PIECE):
        yield bytes([kind | MORE]) + data[start : start + PIECE]
    yield bytes([kind]) + data[last:]


_NUMBERS: Final = frozenset(Kind)
