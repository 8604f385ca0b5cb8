"""Import: an invalid block is refused as InvalidBlock whatever is wrong with it, and leaves nothing."""

from collections.abc import Callable, Generator
from itertools import count, islice

import pytest

from node.chain.branches import BlockInfo
from node.chain.chain import Chain
from node.chain.errors import BlockAhead, UnknownBlock
from node.chain.events import Imported
from node.chain.execution import EXTRINSICS_PER_STEP, exhaust
from node.chain.importing import BlockImport
from node.storage.kv import ReadFailedError
from runtime.frame.executive import Applied, InvalidBlock
from runtime.frame.extension import Extrinsic
from runtime.primitives.block import (
    DIGEST_BYTES_MAX,
    DIGEST_ITEMS_MAX,
    Consensus,
    Digest,
    DigestItem,
    Header,
    Other,
    PreRuntime,
    RuntimeEnvironmentUpdated,
    Seal,
    compute_extrinsics_root,
)
from runtime.primitives.extrinsic import make_unsigned
from runtime.primitives.scale import encode_compact
from runtime.primitives.types import Hash
from tests.support.chain import BOB, keypair
from tests.support.node_chain import (
    body_of,
    certify,
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
        assert imported.best is not None
        assert self.target.tree.root == self.header.state_root
        return str(refused.value)


def with_body(header: Header, body: Body) -> Header:
    return remade(header, extrinsics_root=compute_extrinsics_root(body))


def test_known_block_is_not_imported_again() -> None:
    pair = Pair()
    assert copy_block(pair.source, pair.second.info, pair.target) is not None
    assert copy_block(pair.source, pair.second.info, pair.target) is None


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("limit", "beyond"),
    [
        ([Other(b"")] * DIGEST_ITEMS_MAX, Other(b"")),
        ([Other(bytes(DIGEST_BYTES_MAX - 8)), Consensus(b"LOAM", bytes(8))], Seal(b"LOAM", b"\0")),
    ],
    ids=["items", "bytes"],
)
def test_digest_has_a_limit_that_is_looked_at_first(limit: list[DigestItem], beyond: DigestItem) -> None:
    pair = Pair()
    pair.target.open_block(())
    header = remade(pair.header, parent_hash=Hash(bytes(32)), digest=Digest((*limit, beyond)))
    with pytest.raises(InvalidBlock, match="16 items or 65536 bytes"):
        pair.target.begin_import(header, ())
    with pytest.raises(UnknownBlock):
        pair.target.begin_import(remade(header, digest=Digest(tuple(limit))), ())
    assert pair.target.open is not None


def test_block_too_far_ahead_is_refused_for_now_and_may_come_again() -> None:
    pair = Pair()
    before = snapshot(pair.target)
    pair.target.open_block(())
    with pytest.raises(BlockAhead) as refused:
        pair.target.begin_import(pair.header, pair.body, time_max_ms=time_of(2) - 1)
    assert (refused.value.time_ms, refused.value.time_max_ms) == (time_of(2), time_of(2) - 1)
    assert pair.target.open is not None
    assert snapshot(pair.target) == before
    block = pair.target.begin_import(pair.header, pair.body, time_max_ms=time_of(2))
    assert block is not None
    with block:
        exhaust(block.decode_steps())
        exhaust(block.run_steps())
        assert exhaust(block.commit_steps()).best is not None


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
    apply = pair.target.api.apply

    def fail(extrinsic: Extrinsic) -> Applied:
        raise UnicodeDecodeError("utf-8", b"", 0, 0, "x") if kind is UnicodeDecodeError else kind("x")

    pair.target.api.apply = fail
    with pytest.raises(InvalidBlock, match=kind.__name__):
        pair.target.import_block(pair.header, pair.body, check_now)
    assert snapshot(pair.target) == before
    pair.target.api.apply = apply
    assert copy_block(pair.source, pair.second.info, pair.target) is not None


def test_fault_of_the_disk_is_no_verdict_on_a_block() -> None:
    pair = Pair()

    def fail(extrinsic: Extrinsic) -> Applied:
        raise ReadFailedError("no descriptors")

    pair.target.api.apply = fail
    with pytest.raises(ReadFailedError):
        pair.target.import_block(pair.header, pair.body, check_now)


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


# --- in steps


def steps_of(block: BlockImport[Imported]) -> Generator[object, None, None]:
    """Yield at every step of an import."""
    yield from block.decode_steps()
    yield from block.run_steps()
    yield from block.commit_steps()


def big_pair() -> Pair:
    """A second block with several steps' worth of transactions."""
    pair = Pair()
    pair.source = open_chain()
    make_block(pair.source)
    raws = [transfer(pair.source.api, "//Alice", BOB, nonce=n) for n in range(2 * EXTRINSICS_PER_STEP)]
    pair.second = make_block(pair.source, *raws)
    pair.header, pair.body = pair.second.info.header, body_of(pair.source, pair.second.info)
    return pair


def begin(pair: Pair) -> BlockImport[Imported]:
    block = pair.target.begin_import(pair.header, pair.body)
    assert block is not None
    return block


def test_step_is_a_bounded_number_of_extrinsics() -> None:
    pair = big_pair()
    with begin(pair) as block:
        assert [len(signed) for signed in block.decode_steps()] == [24, 25, 1]
        assert sum(1 for _ in block.run_steps()) == 4


@pytest.mark.parametrize("is_aside", [False, True], ids=["on the head", "on another branch"])
def test_import_that_is_given_up_at_any_step_leaves_no_trace(*, is_aside: bool) -> None:
    pair = big_pair()
    if is_aside:
        make_block(pair.target, time_ms=time_of(2) + 1)
        make_block(pair.target)
    before = snapshot(pair.target)
    steps_taken = 0
    for steps_taken in count():
        with begin(pair) as block:
            steps = steps_of(block)
            if sum(1 for _ in islice(steps, steps_taken)) < steps_taken:
                break  # this time it came to its end
            steps.close()
        if pair.target.is_known(pair.second.info.hash):
            break  # too late: all that is left is to tidy up
        assert snapshot(pair.target) == before
        assert pair.target.api.state.pending() == []
    assert steps_taken > 10
    assert pair.target.is_known(pair.second.info.hash)
    assert (pair.target.head == pair.second.info) is not is_aside


def test_block_on_another_branch_is_not_seen_at_the_head_while_it_is_executed() -> None:
    pair = big_pair()
    make_block(pair.target, time_ms=time_of(2) + 1)
    following = make_block(pair.target)
    before = snapshot(pair.target)
    block_in_progress = pair.target.open_block(logs_of(time_of(4)))
    changes = pair.target.api.state.pending()
    with begin(pair) as block:
        for _ in steps_of(block):
            assert snapshot(pair.target) == before
            assert pair.target.api.state.pending() == changes
    assert pair.target.open is block_in_progress
    assert pair.target.head == following.info
    block_in_progress.push_inherents({b"timstap0": time_of(4).to_bytes(8, "little")})
    assert pair.target.seal().best is not None


async def run_and_finalize(block: BlockImport[Imported], at: int, chain: Chain, final: BlockInfo) -> None:
    """Run an import, and at one of its steps finalize another block."""
    for number, _ in enumerate(steps_of(block)):
        if number == at:
            await chain.finalize(certify(chain, final))


@pytest.mark.parametrize("is_good", [True, False])
async def test_block_whose_branch_dies_meanwhile_gets_no_verdict(*, is_good: bool) -> None:
    for dies_at in (0, 3, 6, 9):
        pair = big_pair()
        rival = make_block(pair.target, time_ms=time_of(2) + 1)
        if not is_good:
            pair.header = remade(pair.header, state_root=Hash(bytes(32)))
        with begin(pair) as block, pytest.raises(UnknownBlock):
            await run_and_finalize(block, dies_at, pair.target, rival.info)
        assert pair.target.head == rival.info
        assert pair.target.tree.root == rival.info.header.state_root
        assert not pair.target.is_known(pair.second.info.hash)
