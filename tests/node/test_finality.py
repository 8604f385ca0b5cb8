"""Finality of a lone authority: the engine's timing, the guard's rule and file, the signer, certificates."""

import asyncio
import errno
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from node.consensus.effects import (
    BlockImported,
    CertificateReceived,
    Finalize,
    SetTimer,
    SignVote,
    TimerFired,
    VoteSigned,
)
from node.consensus.guard import (
    KEY_STATE,
    RECORD,
    GuardRecord,
    GuardRefused,
    MaySign,
    MustNotSign,
    SignedBefore,
    judge,
)
from node.consensus.solo import WAITING_MAX, Solo
from node.driver.signer import GuardedSigner
from node.storage.guard import CopiedKeys, GuardFile
from node.storage.kv import CorruptionError, DiskFullError, WriteFailedError
from runtime.primitives.certificate import (
    Certificate,
    IndexedVote,
    InvalidCertificate,
    decode_certificate,
    encode_certificate,
    is_quorum,
    verify_certificate,
    vote_message,
)
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.scale import DecodeError
from runtime.primitives.statements import Position
from runtime.primitives.types import Hash

GENESIS = Hash(b"\1" * 32)
PAIRS = [Keypair.from_uri(f"//Vote{n}", Scheme.ED25519) for n in range(4)]
SET = [(pair.public, 1) for pair in PAIRS]


def block(number: int, authority: int | None = 0) -> BlockImported:
    return BlockImported(number, Hash(bytes([number % 256]) * 32), 0, authority)


def wanted(number: int = 5, view: int = 0, hash_: bytes = b"\2" * 32) -> Certificate:
    return Certificate(7, number, number, view, Hash(hash_), ())


def voted(*indices: int, base: Certificate | None = None) -> Certificate:
    base = wanted() if base is None else base
    message = vote_message(GENESIS, base)
    votes = tuple(IndexedVote(i, PAIRS[i % 4].sign(message)) for i in indices)
    return Certificate(base.set_id, base.instance, base.number, base.view, base.block_hash, votes)


# --- the engine


def test_block_is_voted_for_after_the_delay_and_not_before() -> None:
    engine = Solo(250)
    assert engine.start(0) == []
    assert engine.handle(block(1), 1000) == [SetTimer(1250)]
    assert engine.handle(TimerFired(), 1249) == [SetTimer(1250)]
    (effect,) = engine.handle(TimerFired(), 1250)
    assert isinstance(effect, SignVote)
    assert (effect.certificate.number, effect.authority) == (1, 0)
    assert engine.handle(TimerFired(), 1300) == []


def test_of_several_due_blocks_only_the_newest_is_voted_for() -> None:
    engine = Solo(250)
    for number in (1, 2, 3):
        assert engine.handle(block(number), number * 100) == [SetTimer(350)]
    vote, timer = engine.handle(TimerFired(), 450)
    assert isinstance(vote, SignVote)
    assert vote.certificate.number == 2
    assert timer == SetTimer(550)


def test_observer_and_final_blocks_ask_for_nothing() -> None:
    engine = Solo(0)
    assert engine.handle(block(1, None), 0) == []
    assert engine.handle(CertificateReceived(wanted(5)), 0) == [Finalize(wanted(5))]
    assert engine.handle(CertificateReceived(wanted(5)), 0) == []
    assert engine.handle(CertificateReceived(wanted(4)), 0) == []
    assert engine.handle(block(5), 0) == []
    assert engine.handle(block(6), 0) == [SetTimer(0)]


def test_refused_vote_leaves_later_blocks_their_turn() -> None:
    engine = Solo(0)
    engine.handle(block(1), 0)
    engine.handle(TimerFired(), 0)
    assert engine.handle(VoteSigned(None), 0) == []
    engine.handle(block(2), 1)
    (vote,) = engine.handle(TimerFired(), 1)
    assert isinstance(vote, SignVote)
    assert engine.handle(VoteSigned(vote.certificate), 1) == [Finalize(vote.certificate)]


def test_waiting_blocks_are_bounded() -> None:
    engine = Solo(10)
    for number in range(1, WAITING_MAX + 3):
        engine.handle(block(number), 0)
    (vote,) = engine.handle(TimerFired(), 10)
    assert isinstance(vote, SignVote)
    assert vote.certificate.number == WAITING_MAX + 2


# --- the guard's rule

POSITIONS = st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 4))


@given(st.lists(st.tuples(POSITIONS, st.sampled_from([b"a", b"b"])), max_size=30))
def test_no_two_messages_are_ever_signed_at_one_position_nor_one_below(
    asked: list[tuple[tuple[int, int, int], bytes]],
) -> None:
    last: GuardRecord | None = None
    signed: dict[Position, bytes] = {}
    for place, message in asked:
        position = Position(*place)
        match judge(last, position, message):
            case MaySign():
                assert all(position > other for other in signed)
                signed[position] = message
                last = GuardRecord(*position, message, b"s" + message)
            case SignedBefore(signature):
                assert signed[position] == message
                assert signature == b"s" + message
            case MustNotSign():
                assert signed.get(position) != message or position < max(signed)


# --- the guard's file


def test_guard_file_gives_back_what_was_stored(tmp_path: Path) -> None:
    guard = GuardFile(tmp_path / "guard")
    assert guard.load() is None
    for record in (b"one", b"another record"):
        guard.store(record)
        assert GuardFile(tmp_path / "guard").load() == record
    assert [path.name for path in tmp_path.iterdir()] == ["guard"]


def test_every_flipped_bit_and_every_cut_of_the_guard_file_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "guard"
    GuardFile(path).store(RECORD.encode(GuardRecord(1, 0, 3, b"message", b"s" * 64)))
    whole = path.read_bytes()
    spoiled = [whole[:length] for length in range(len(whole))] + [bytes(4), bytes(len(whole))]
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        spoiled.append(bytes(flipped))
    for data in spoiled:
        path.write_bytes(data)
        with pytest.raises(CorruptionError):
            GuardFile(path).load()


def test_left_over_temporary_file_is_harmless(tmp_path: Path) -> None:
    (tmp_path / "guard.new").write_bytes(b"torn")
    guard = GuardFile(tmp_path / "guard")
    assert guard.load() is None
    guard.store(b"record")
    assert guard.load() == b"record"


# --- the keys that another node signs with


def test_copied_keys_are_named_once_each_for_people_to_read(tmp_path: Path) -> None:
    copied = CopiedKeys(tmp_path / "second-copy")
    assert copied.load() == ()
    for public in (b"\1" * 32, b"\2" * 32, b"\1" * 32):
        copied.add(public)
    assert copied.path.read_text() == f"0x{'01' * 32}\n0x{'02' * 32}\n"
    assert CopiedKeys(copied.path).load() == (b"\1" * 32, b"\2" * 32)
    assert [path.name for path in tmp_path.iterdir()] == ["second-copy"]


@pytest.mark.parametrize("text", [b"0x01", b"\xff" * 64, b"x" * 64, b"01" * 33, b"01" * 32 + b" 0x"])
def test_file_of_copied_keys_that_cannot_be_read_lets_nobody_sign(tmp_path: Path, text: bytes) -> None:
    copied = CopiedKeys(tmp_path / "second-copy")
    copied.path.write_bytes(text)
    for act in (copied.load, lambda: copied.add(b"\1" * 32)):
        with pytest.raises(CorruptionError, match="cannot be read"):
            act()
    assert copied.path.read_bytes() == text


# --- the signer


async def test_signer_signs_once_for_each_position_across_restarts(tmp_path: Path) -> None:
    signer = GuardedSigner(PAIRS[0], GENESIS, GuardFile(tmp_path / "guard"))
    first = await signer.sign(wanted(5), 0)
    verify_certificate(first, GENESIS, 7, SET[:1])
    for again in (signer, GuardedSigner(PAIRS[0], GENESIS, GuardFile(tmp_path / "guard"))):
        assert await again.sign(wanted(5), 0) == first
        for other, told in (
            (wanted(5, hash_=b"\3" * 32), "another message was signed for instance 5, view 0, step 3"),
            (wanted(4), "instance 4, view 0, step 3 is below instance 5, view 0, step 3, which was signed"),
            (wanted(1, view=9), "instance 1, view 9, step 3 is below instance 5, view 0, step 3"),
        ):
            with pytest.raises(GuardRefused, match=told):
                await again.sign(other, 0)
    await signer.sign(wanted(6), 0)


async def test_votes_at_once_leave_the_highest_in_the_file(tmp_path: Path) -> None:
    guard = GuardFile(tmp_path / "guard")
    signer = GuardedSigner(PAIRS[0], GENESIS, guard)
    await asyncio.gather(*(signer.sign(wanted(number), 0) for number in range(1, 9)))
    stored = guard.load()
    assert stored is not None
    named = KEY_STATE.decode(stored)
    assert (named.key, named.state.last.instance) == (PAIRS[0].public, 8)


def test_record_that_does_not_decode_is_damage(tmp_path: Path) -> None:
    guard = GuardFile(tmp_path / "guard")
    guard.store(b"no record")
    with pytest.raises(CorruptionError):
        GuardedSigner(PAIRS[0], GENESIS, guard)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFullError),
        (errno.EDQUOT, DiskFullError),
        (errno.EFBIG, DiskFullError),
        (errno.EIO, WriteFailedError),
    ],
)
async def test_signature_that_could_not_be_recorded_never_leaves(
    number: int, kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    signer = GuardedSigner(PAIRS[0], GENESIS, GuardFile(tmp_path / "guard"))
    monkeypatch.setattr("node.storage.guard.os.fsync", fail)
    for _ in range(2):
        with pytest.raises(kind, match=re.escape(f"{tmp_path / 'guard'}: {os.strerror(number)}")):
            await signer.sign(wanted(5), 0)
    assert not (tmp_path / "guard").exists()


# --- certificates


def check(certificate: Certificate, count: int = 4) -> None:
    verify_certificate(certificate, GENESIS, 7, SET[:count])


@pytest.mark.parametrize(
    ("count", "quorum"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (21, 15), (100, 67)]
)
def test_quorum_is_more_than_two_thirds(count: int, quorum: int) -> None:
    assert is_quorum(quorum, count)
    assert not is_quorum(quorum - 1, count)


def test_quorum_certifies_and_one_vote_less_does_not() -> None:
    check(voted(0, 1, 3))
    for indices in ((), (0,), (1, 2)):
        with pytest.raises(InvalidCertificate, match="no quorum"):
            check(voted(*indices))


@pytest.mark.parametrize("indices", [(0, 0, 1), (1, 0, 2), (0, 1, 1), (2, 1, 0)])
def test_votes_stand_in_ascending_order_without_repetition(indices: tuple[int, ...]) -> None:
    with pytest.raises(InvalidCertificate, match="ascending"):
        check(voted(*indices))


def test_index_beyond_the_set_is_refused_at_the_limit() -> None:
    with pytest.raises(InvalidCertificate, match="no authority 4"):
        check(voted(0, 1, 4))
    with pytest.raises(InvalidCertificate, match="no authority 3"):
        check(voted(0, 1, 3), count=3)


@pytest.mark.parametrize(
    "changes",
    [
        {"set_id": 8},
        {"instance": 6},
        {"number": 6},
        {"view": 1},
        {"block_hash": Hash(b"\4" * 32)},
    ],
)
def test_every_field_is_signed(changes: dict[str, object]) -> None:
    right = voted(0, 1, 2)
    with pytest.raises(InvalidCertificate):
        check(structs.replace(right, **changes))


def test_certificate_of_another_chain_or_step_is_refused() -> None:
    with pytest.raises(InvalidCertificate):
        verify_certificate(voted(0, 1, 2), Hash(b"\2" * 32), 7, SET)
    base = wanted()
    votes = tuple(IndexedVote(i, PAIRS[i].sign(vote_message(GENESIS, base, 2))) for i in range(3))
    with pytest.raises(InvalidCertificate, match="signature"):
        check(Certificate(7, 5, 5, 0, base.block_hash, votes))


def test_one_bad_signature_spoils_a_certificate_that_has_a_quorum_without_it() -> None:
    right = voted(0, 1, 2, 3)
    votes = (*right.votes[:3], IndexedVote(3, right.votes[0].signature))
    with pytest.raises(InvalidCertificate, match="authority 3"):
        check(Certificate(7, 5, 5, 0, right.block_hash, votes))


def test_empty_set_certifies_nothing() -> None:
    with pytest.raises(InvalidCertificate):
        check(voted(), count=0)


def test_certificate_bytes_have_one_form() -> None:
    right = voted(0, 1, 2)
    data = encode_certificate(right)
    assert decode_certificate(data) == right
    for spoiled in (data + b"\0", data[:-1], b""):
        with pytest.raises(DecodeError):
            decode_certificate(spoiled)
