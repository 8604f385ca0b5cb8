"""What a node says in hex is of the promised form, or refused."""

from typing import Any

import pytest

from apps.chain.answers import as_bytes, as_hash, as_header, to_hex
from apps.chain.errors import AnswerError
from node.rpc.groups.context import header_json
from runtime.primitives.authority_set import AuthoritySet, announce
from runtime.primitives.block import Digest, Header, PreRuntime
from runtime.primitives.types import Hash

HEADER = Header(
    Hash(b"\1" * 32),
    0xFFFF_FFFF,
    Hash(b"\2" * 32),
    Hash(b"\3" * 32),
    Digest((PreRuntime(b"TIME", bytes(8)), announce(AuthoritySet(1, ())))),
)


def test_bytes_are_those_that_were_written() -> None:
    for data in (b"", b"\0", bytes(range(32))):
        assert as_bytes(to_hex(data)) == data
    assert as_hash(to_hex(bytes(range(32)))) == bytes(range(32))


@pytest.mark.parametrize("answer", [None, 1, "", "00", "0xg0", "0x0", b"0x00", ["0x00"]])
def test_what_is_no_hex_is_refused(answer: Any) -> None:
    with pytest.raises(AnswerError):
        as_bytes(answer)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_hash_has_32_bytes(length: int) -> None:
    with pytest.raises(AnswerError):
        as_hash(to_hex(bytes(length)))


def test_a_header_s_json_gives_the_header() -> None:
    assert as_header(header_json(HEADER)) == HEADER


@pytest.mark.parametrize(
    "change",
    [
        {"number": "x"},
        {"number": None},
        {"number": "-0x1"},
        {"number": "0x100000000"},
        {"stateRoot": "0x12"},
        {"digest": {"logs": ["0x0000"] * 17}},
        {"parentHash": "0x12zz"},
        {"parentHash": "12"},
        {"digest": {}},
        {"digest": {"logs": ["0xff"]}},
        {"digest": {"logs": [1]}},
    ],
)
def test_what_is_no_header_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(AnswerError):
        as_header({**header_json(HEADER), **change})
