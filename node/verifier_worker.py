"""The signature checker that runs in a process of its own, and the frames it speaks.

Reads frames of jobs from file descriptor 0, answers each with one byte for each job, and ends when the
other side closes. It knows nothing of transactions, blocks or the event loop, and imports only what
verifying needs, since its memory counts once for each core.

A job is (scheme, public, signature, message). Jobs travel in segments, a frame is `u32 length ‖ segments`,
and the answer to a frame is `u32 count ‖ u64 CPU time of this process in ns ‖ count bytes`, 1 where the
signature is valid. Both ends are the same program on the same machine; the length is checked all the same.
"""

import gc
import os
import signal
import struct
import time
from collections.abc import Sequence
from typing import Final

from runtime.primitives.crypto import verify

Job = tuple[int, bytes, bytes, bytes]
"""Scheme (variant index of MultiSignature), public key, signature, message."""

SEGMENT_JOBS_MAX: Final = 64
"""Jobs that are encoded, sent and lost together."""
KEY_BYTES_MAX: Final = 255
"""Longest public key or signature that a job may carry; the longest that can be valid is 65 bytes."""
MESSAGE_BYTES_MAX: Final = 64 * 1024
"""Longest message; what an extrinsic signs is at most 256 bytes."""
FRAME_JOBS_MAX: Final = 256
"""Jobs in one frame: about 13 ms of work, which urgent frames may have to wait for twice; smaller frames cost
the main process more for each signature."""
FRAME_BYTES_MAX: Final = FRAME_JOBS_MAX * (MESSAGE_BYTES_MAX + 2 * KEY_BYTES_MAX + 8)

NICENESS: Final = 5
"""Workers give way to the node's own process, which makes the blocks: where both want a core, it gets three
quarters of it. Without that, two busy workers took a seventh of the event loop's time on two cores."""

LENGTH: Final = struct.Struct("<I")
ANSWER: Final = struct.Struct("<IQ")

_LENGTHS: Final = [struct.Struct(f"<{count}I") for count in range(SEGMENT_JOBS_MAX + 1)]


def encode_segment(jobs: Sequence[Job]) -> bytes:
    """Return 1 … SEGMENT_JOBS_MAX jobs as bytes, column by column; raises ValueError on a field too long."""
    schemes, publics, signatures, messages = zip(*jobs, strict=True)
    lengths = tuple(map(len, messages))
    if max(lengths) > MESSAGE_BYTES_MAX:
        raise ValueError(f"a message has more than {MESSAGE_BYTES_MAX} bytes")
    count = len(schemes)
    return b"".join(
        (
            bytes((count,)),
            bytes(schemes),
            bytes(map(len, publics)),
            bytes(map(len, signatures)),
            _LENGTHS[count].pack(*lengths),
            *publics,
            *signatures,
            *messages,
        )
    )


def decode_segments(data: bytes) -> list[Job]:
    """Return the jobs of all segments in `data`."""
    jobs: list[Job] = []
    position = 0
    while position < len(data):
        count = data[position]
        schemes = position + 1
        lengths = schemes + 3 * count
        messages = _LENGTHS[count].unpack_from(data, lengths)
        position = lengths + 4 * count
        columns: list[list[bytes]] = []
        for column in (
            data[schemes + count : schemes + 2 * count],
            data[schemes + 2 * count : lengths],
            messages,
        ):
            values: list[bytes] = []
            for length in column:
                values.append(data[position : position + length])
                position += length
            columns.append(values)
        jobs += zip(data[schemes : schemes + count], *columns, strict=True)
    return jobs


def check_segments(data: bytes) -> bytes:
    """Return one byte for each job in `data`, 1 where the signature is valid."""
    return bytes([verify(*job) for job in decode_segments(data)])


def serve(descriptor: int) -> None:
    """Answer frames until the other side closes."""
    while header := _read_exactly(descriptor, LENGTH.size):
        (length,) = LENGTH.unpack(header)
        assert length <= FRAME_BYTES_MAX
        results = check_segments(_read_exactly(descriptor, length))
        answer = ANSWER.pack(len(results), time.process_time_ns()) + results
        while answer:
            answer = answer[os.write(descriptor, answer) :]


def main() -> None:
    """Serve descriptor 0. Signals to the terminal's group are the node's affair: it closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(NICENESS)
    gc.disable()  # nothing here makes cycles
    try:
        serve(0)
    except (BrokenPipeError, ConnectionResetError):
        return  # the node is gone, and nobody waits for the answer


def _read_exactly(descriptor: int, length: int) -> bytes:
    """Return so many bytes; nothing when the other side has closed."""
    parts: list[bytes] = []
    while length:
        part = os.read(descriptor, length)
        if not part:
            return b""
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
