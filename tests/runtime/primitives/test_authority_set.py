"""A header names the authorities of the blocks behind it in one form."""

from collections.abc import Callable

import pytest

from runtime.primitives.authority_set import Authority, AuthoritySet, announce, announced_set, announces_set
from runtime.primitives.block import Consensus, Digest, DigestItem, Header, PreRuntime
from runtime.primitives.scale import DecodeError
from runtime.primitives.types import ZERO_HASH

SET = AuthoritySet(7, (Authority(b"\1" * 32, 1), Authority(b"\2" * 32, 3)))


def header(*items: DigestItem) -> Header:
    return Header(ZERO_HASH, 1, ZERO_HASH, ZERO_HASH, Digest((PreRuntime(b"TIME", bytes(8)), *items)))


def test_a_set_is_its_number_and_keys_with_weights() -> None:
    data = bytes.fromhex("070000000000000008") + b"\1" * 32 + b"\1" + bytes(7) + b"\2" * 32 + b"\3" + bytes(7)
    assert announce(SET) == Consensus(b"LOAM", data)


def test_what_a_header_announces_is_read_from_it() -> None:
    assert (announces_set(header()), announced_set(header())) == (False, None)
    assert (announces_set(header(announce(SET))), announced_set(header(announce(SET)))) == (True, SET)
    other = header(Consensus(b"LOAD", b""))
    assert (announces_set(other), announced_set(other)) == (False, None)


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"\0", lambda _: b""])
def test_other_bytes_are_no_set(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(DecodeError):
        announced_set(header(Consensus(b"LOAM", change(announce(SET).field_1))))
