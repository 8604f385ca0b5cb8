"""Import: an invalid block is refused as InvalidBlock whatever is wrong with it, and leaves nothing."""

from collections.abc import Callable

import pytest

from node.chain.chain import Chain, UnknownBlock
from node.storage.kv import ReadFailedError
from runtime.frame.executive import InvalidBlock
from runtime.frame.extension import Extrinsic
from runtime.primitives.block import (
    Consensus,
    Digest,
    Header,
    Other,
    PreRuntime,
    RuntimeEnvironmentUpdated,
    Seal,
    compute_extrinsics_root,
)
from runtime.primitives.extrinsic import SignatureJob, make_unsigned
from runtime.primitives.scale import encode_compact
from runtime.primitives.types import Hash
from tests.support.chain import BOB, keypair
from tests.support.node_chain import (
    body_of,
    check_now,
    copy_block,
    logs_of,
    make_block,
    open_chain,
    remade,
    sign,
    snapshot,
    time_of,
    transfer,
)

Body = tuple[bytes, ...]


class Pair:
    """A source with blocks 1 and 2, and a target that has block 1; each test spoils block 2."""

    def __init__(self) -> None:
        self.source, self.target = open_chain(), open_chain()
        first = make_block(self.source)
        good = transfer(self.source.api, "//Alice", BOB, nonce=0)
        self.second = make_block(self.source, good)
        copy_block(self.source, first.info, self.target)
        self.header = self.second.info.header
        self.body = body_of(self.source, self.second.info)

    def signed(self, name: str = "System.remark", *, nonce: int = 0, good: bool = True) -> bytes:
        return sign(self.target.api, keypair("//Alice"), name, (b"hi",), nonce=nonce, good=good)

    def refuse(self, header: Header, body: Body) -> str:
        """Import a bad block and see that it is refused without trace; return the reason."""
        before = snapshot(self.target)
        with pytest.raises(InvalidBlock) as refused:
            self.target.import_block(header, body, check_now)
        assert snapshot(self.target) == before
        assert self.target.api.state.pending() == []
        assert not self.target.is_known(Hash(bytes(32)))
        imported = self.target.import_block(self.header, self.body, check_now)
        assert imported is not None
        assert imported.is_best
        assert self.target.tree.root == self.header.state_root
        return str(refused.value)


def with_body(header: Header, body: Body) -> Header:
    return remade(header, extrinsics_root=compute_extrinsics_root(body))


def test_known_block_is_not_imported_again() -> None:
    pair = Pair()
    assert copy_block(pair.source, pair.second.info, pair.target) is not None
    assert copy_block(pair.source, pair.second.info, pair.target) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state_root": Hash(bytes(32))}, "state root"),
        ({"extrinsics_root": Hash(bytes(32))}, "extrinsics"),
        ({"number": 3}, "number 3"),
        ({"number": 1}, "number 1"),
        ({"number": 0}, "number 0"),
        ({"number": (1 << 32) - 1}, "number 4294967295"),
        ({"digest": Digest(())}, "Mandatory"),
        ({"digest": Digest(logs_of(time_of(7)))}, "Mandatory"),
        ({"digest": Digest((*logs_of(time_of(2)), *logs_of(time_of(2))))}, "Mandatory"),
        ({"digest": Digest((PreRuntime(b"TIME", b""),))}, "Mandatory"),
        ({"digest": Digest((*logs_of(time_of(2)), RuntimeEnvironmentUpdated()))}, "digest"),
        ({"digest": Digest((*logs_of(time_of(2)), Consensus(b"LOAM", b"")))}, "digest"),
        ({"digest": Digest((*logs_of(time_of(2)), Other(b"x")))}, "digest"),
        ({"digest": Digest((Seal(b"LOAM", bytes(64)), *logs_of(time_of(2))))}, "seal"),
    ],
)
def test_wrong_header_is_refused(changes: dict[str, object], reason: str) -> None:
    pair = Pair()
    assert reason in pair.refuse(remade(pair.header, **changes), pair.body)


def test_malformed_author_digest_is_no_crash() -> None:
    pair = Pair()
    logs = (*logs_of(time_of(2)), PreRuntime(b"BABE", b"\2"))
    pair.refuse(remade(pair.header, digest=Digest(logs)), pair.body)


def test_unknown_parent_is_told_apart_from_invalid() -> None:
    pair = Pair()
    before = snapshot(pair.target)
    with pytest.raises(UnknownBlock):
        pair.target.import_block(remade(pair.header, parent_hash=Hash(b"\7" * 32)), pair.body, check_now)
    assert snapshot(pair.target) == before


def inherent(chain: Chain, number: int) -> bytes:
    return chain.api.inherents({b"timstap0": time_of(number).to_bytes(8, "little")})[0]


BODIES: dict[str, tuple[Callable[[Pair], Body], str]] = {
    "no timestamp": (lambda p: p.body[1:], "timestamp"),
    "nothing": (lambda _: (), "timestamp"),
    "two timestamps": (lambda p: (p.body[0], p.body[0]), "BadMandatory"),
    "timestamp of the parent": (lambda p: (inherent(p.target, 1),), "BadMandatory"),
    "timestamp that is not the digest's": (lambda p: (inherent(p.target, 3),), "BadMandatory"),
    "timestamp after a transaction": (lambda p: (p.body[1], p.body[0]), "Call"),
    "timestamp signed by an account": (
        lambda p: (
            p.body[0],
            sign(p.target.api, keypair("//Alice"), "Timestamp.set", (time_of(2),), nonce=0),
        ),
        "Mandatory",
    ),
    "bad signature": (lambda p: (p.body[0], p.signed(good=False)), "bad signature"),
    "nonce ahead": (lambda p: (p.body[0], p.signed(nonce=1)), "Future"),
    "the same transaction twice": (lambda p: (*p.body, p.body[1]), "Stale"),
    "garbage": (lambda p: (p.body[0], b"\xff\xff\xff\xff"), "DecodeError"),
    "empty extrinsic": (lambda p: (p.body[0], b""), "DecodeError"),
    "zero length": (lambda p: (p.body[0], b"\0"), "DecodeError"),
    "trailing byte": (lambda p: (p.body[0], p.body[1] + b"\0"), "DecodeError"),
    "length in a longer form": (lambda p: (b"\xa1\0" + p.body[0][1:],), "DecodeError"),
    "unknown call": (lambda p: (p.body[0], make_unsigned(b"\xfe\xfe")), "DecodeError"),
    "unsigned transaction": (
        lambda p: (p.body[0], make_unsigned(b"\0\0" + encode_compact(0))),
        "NoUnsignedValidator",
    ),
}


@pytest.mark.parametrize("case", BODIES)
def test_wrong_body_is_refused(case: str) -> None:
    make, reason = BODIES[case]
    pair = Pair()
    body = make(pair)
    assert reason in pair.refuse(with_body(pair.header, body), body)


@pytest.mark.parametrize(
    "kind",
    [
        AssertionError,
        KeyError,
        IndexError,
        OverflowError,
        RecursionError,
        TypeError,
        ValueError,
        AttributeError,
        ZeroDivisionError,
        UnicodeDecodeError,
    ],
)
def test_exception_from_the_content_of_a_block_makes_it_invalid(kind: type[Exception]) -> None:
    pair = Pair()
    before = snapshot(pair.target)

    def check(_extrinsic: Extrinsic, _job: SignatureJob) -> bool:
        raise UnicodeDecodeError("utf-8", b"", 0, 0, "x") if kind is UnicodeDecodeError else kind("x")

    with pytest.raises(InvalidBlock, match=kind.__name__):
        pair.target.import_block(pair.header, pair.body, check)
    assert snapshot(pair.target) == before
    assert copy_block(pair.source, pair.second.info, pair.target) is not None


def test_fault_of_the_disk_is_no_verdict_on_a_block() -> None:
    pair = Pair()

    def check(_extrinsic: Extrinsic, _job: SignatureJob) -> bool:
        raise ReadFailedError("no descriptors")

    with pytest.raises(ReadFailedError):
        pair.target.import_block(pair.header, pair.body, check)


def test_deeply_nested_call_is_refused() -> None:
    pair = Pair()
    call = b"\2\0\4" * 200 + b"\0\0\0"
    body = (pair.body[0], make_unsigned(call))
    assert "nest" in pair.refuse(with_body(pair.header, body), body)


def test_invalid_block_on_a_side_branch_brings_the_head_back() -> None:
    pair = Pair()
    assert copy_block(pair.source, pair.second.info, pair.target) is not None
    before = snapshot(pair.target)
    bad = remade(pair.header, state_root=Hash(b"\1" * 32))
    with pytest.raises(InvalidBlock):
        pair.target.import_block(bad, pair.body, check_now)
    assert snapshot(pair.target) == before


def test_author_that_meets_a_refused_transaction_makes_a_block_that_others_accept() -> None:
    """What a refused transaction would have weighed is not part of the block."""
    source, target = open_chain(), open_chain()
    block = source.open_block(logs_of(time_of(1)))
    block.push_inherents({b"timstap0": time_of(1).to_bytes(8, "little")})
    rich = transfer(source.api, "//Alice", BOB, amount=1 << 100, nonce=0, tip=1 << 100)
    with pytest.raises(Exception, match="Payment"):
        block.push(source.api.decode_extrinsic(rich))
    made = source.seal()
    assert copy_block(source, made.info, target) is not None
