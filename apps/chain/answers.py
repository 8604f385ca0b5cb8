"""What a node's JSON says in hex: bytes, hashes and headers.

Pure. Responsible for refusing with an AnswerError whatever is not of the promised form. It knows no method.
"""

from __future__ import annotations

from typing import Any

from apps.chain.errors import AnswerError
from runtime.primitives.arithmetic import U32_MAX
from runtime.primitives.block import Digest, Header, decode_digest_item, is_digest_bounded
from runtime.primitives.scale import DecodeError
from runtime.primitives.types import Hash


def to_hex(data: bytes) -> str:
    """Return bytes as a node takes them."""
    return "0x" + data.hex()


def as_bytes(answer: Any) -> bytes:
    """Return the bytes of hex digits after 0x; AnswerError otherwise."""
    if isinstance(answer, str) and answer.startswith("0x"):
        try:
            return bytes.fromhex(answer[2:])
        except ValueError:
            pass
    raise AnswerError(f"bytes are hex digits after 0x, got {answer!r:.60}")


def as_hash(answer: Any) -> Hash:
    """Return the hash of 64 hex digits after 0x; AnswerError otherwise."""
    data = as_bytes(answer)
    if len(data) != 32:
        raise AnswerError(f"a hash has 32 bytes, got {len(data)}")
    return Hash(data)


def as_header(answer: Any) -> Header:
    """Return the header of a node's JSON; AnswerError when it is none."""
    try:
        number = int(answer["number"], 16)
        digest = Digest(tuple(decode_digest_item(as_bytes(item)) for item in answer["digest"]["logs"]))
        parent, state, body = (
            as_hash(answer[name]) for name in ("parentHash", "stateRoot", "extrinsicsRoot")
        )
    except (KeyError, TypeError, ValueError, DecodeError) as error:
        raise AnswerError("a header has five fields") from error
    if not 0 <= number <= U32_MAX or not is_digest_bounded(digest):
        raise AnswerError("a header has a number of 32 bits and a bounded digest")
    return Header(parent, number, state, body, digest)
