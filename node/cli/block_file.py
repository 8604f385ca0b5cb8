"""The file of `export-blocks`: Substrate's binary form, a u64 count and that many SCALE signed blocks.

A signed block is header, vector of extrinsics, optional justifications. Reading is bounded: one block at a
time, none larger than BLOCK_BYTES_MAX, whatever the file claims. It must not know what a block does.
"""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, TypeAlias

from node.config import OperatorError
from runtime.primitives.block import EngineId, Header, encode_header
from runtime.primitives.scale import DecodeError, codec, decode_compact, encode_compact

COUNT_BYTES = 8
BLOCKS_MAX = 2**32
BLOCK_BYTES_MAX = 32 * 1024 * 1024
READ_BYTES = 4 * 1024 * 1024

Justifications: TypeAlias = tuple[tuple[EngineId, bytes], ...]


class BlockFileError(OperatorError):
    """The file is not one of exported blocks; the message names the block where it goes wrong."""


class SignedBlock(NamedTuple):
    """A block as it travels in a file: extrinsics as full bytes, justifications by engine id."""

    header: Header
    extrinsics: tuple[bytes, ...]
    justifications: Justifications | None


_HEADER = codec(Header)
_JUSTIFICATIONS = codec(Justifications | None)


def encode_count(count: int) -> bytes:
    """Return the head of a file of `count` blocks."""
    return count.to_bytes(COUNT_BYTES, "little")


def encode_block(block: SignedBlock) -> bytes:
    """Return the SCALE bytes of a signed block; each extrinsic brings its own length prefix."""
    count = encode_compact(len(block.extrinsics))
    body = b"".join(block.extrinsics)
    return encode_header(block.header) + count + body + _JUSTIFICATIONS.encode(block.justifications)


def decode_block(data: bytes, pos: int) -> tuple[SignedBlock, int]:
    """Return the signed block that starts at `pos` and the position after it; DecodeError otherwise."""
    end = len(data)
    header, pos = _HEADER.decode_prefix(data, pos)
    count, pos = decode_compact(data, pos, end)
    if count > end - pos:
        raise DecodeError(f"{count} extrinsics in {end - pos} bytes")
    extrinsics = []
    for _ in range(count):
        start = pos
        length, pos = decode_compact(data, pos, end)
        pos += length
        if pos > end:
            raise DecodeError("an extrinsic is cut off")
        extrinsics.append(data[start:pos])
    justifications, pos = _JUSTIFICATIONS.decode_prefix(data, pos)
    return SignedBlock(header, tuple(extrinsics), justifications), pos


def read_count(file: BinaryIO) -> int:
    """Return the number of blocks that a file claims; raises BlockFileError."""
    head = file.read(COUNT_BYTES)
    if head[:1] == b"{":
        raise BlockFileError("this is an export in JSON; export it again with --binary")
    if len(head) < COUNT_BYTES:
        raise BlockFileError("the file is too short to be one of exported blocks")
    count = int.from_bytes(head, "little")
    if count > BLOCKS_MAX:
        raise BlockFileError(
            f"the file claims {count} blocks, which no chain has: it is not one of exported blocks"
        )
    return count


def read_blocks(file: BinaryIO, count: int) -> Iterator[SignedBlock]:
    """Yield `count` blocks; raises BlockFileError at the first that is malformed or cut off, or at more
    bytes.
    """
    buffer, pos, is_at_end = b"", 0, False
    for index in range(count):
        while len(buffer) - pos < BLOCK_BYTES_MAX and not is_at_end:
            piece = file.read(READ_BYTES)
            is_at_end = not piece
            buffer, pos = buffer[pos:] + piece, 0
        try:
            block, pos = decode_block(buffer, pos)
        except DecodeError as error:
            raise BlockFileError(f"block {index + 1} of {count} in the file is malformed: {error}") from error
        yield block
    if pos != len(buffer) or file.read(1):
        raise BlockFileError(f"the file goes on after its {count} blocks")
