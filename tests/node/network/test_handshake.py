"""The handshake: two honest nodes agree, and everything else fails on the side that can tell."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.network import handshake
from node.network.cipher import CipherError, compute_ephemeral, compute_shared, derive_key
from node.network.handshake import (
    FIRST_LENGTH,
    HELLO_LENGTH,
    SECOND_LENGTH,
    THIRD_LENGTH,
    HandshakeError,
    Identity,
    OwnKeyError,
    ProofError,
    Session,
    VersionError,
    WrongGenesisError,
    WrongPeerError,
    answer,
    dial,
)
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.hashing import blake2_256

GENESIS = bytes(range(32))
ALICE = Identity(Keypair.from_seed(b"\x01" * 32, Scheme.ED25519), GENESIS)
BOB = Identity(Keypair.from_seed(b"\x02" * 32, Scheme.ED25519), GENESIS)
MALLORY = Identity(Keypair.from_seed(b"\x03" * 32, Scheme.ED25519), GENESIS)
DIAL_SECRET, ANSWER_SECRET, OTHER_SECRET = b"\x0a" * 32, b"\x0b" * 32, b"\x0c" * 32

# RFC 7748 §6.1 and the points of small order that libsodium and OpenSSL refuse.
SMALL_ORDER = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]


VECTOR_FIRST = (
    "4c4f414d0200000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1ff77ff4b10788bfdca62c"
    "a0bb160d427cf5762d85f2b5cad6807ec9c3febbde09"
)
VECTOR_SECOND = (
    "4c4f414d0200000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f73b2d8b76aa9b5366003"
    "2bc8f5d8bee3a3ae4e3b3a7fd49ade81f7347a34aa683eb618540f8544cae4eb13b3be9a1103e130b20619adc091c74d"
    "5a33c55aa52479892df7f7222b26741ee974d6537d6edd9875cfc9c063c3289726e9b810f48ac6cf9b233301784f9da9"
    "6228fbfe61267f9ca29fbb252f5e86f2a2eade82f02f2795cf70ea6255f63703cc0f3ba80ee0"
)
VECTOR_THIRD = (
    "32145966b4a9d4ea1e919ecac68f4e23af6423b2b97b3f980bc893b7adcaa6238aa92e3376b069e81e8ed318812b161d"
    "df2ccbe208877e7bbb8476e1551a252fb7d6e8a95d859fbc2644caa5da0fdec18d18ac3f7dc756ebc2ae77d501ff3a02"
    "87a1e55b5f073ca7fd0d27cb57fabfbd"
)
VECTOR_KEYS = (
    "cdb4db17ade3476d1caa959083ab5dc8b346b39f6cbd95276e5cd98d5c4abd92",
    "733ab14032264eaa8bc47d3f92d838bf9ac317938e318ab330933fb6f8490a07",
)


def shake(alice: Identity = ALICE, bob: Identity = BOB) -> tuple[list[bytes], Session, Session]:
    """Run a handshake and return its messages and the sessions of dialler and listener."""
    dialling = dial(alice, DIAL_SECRET, bob.keypair.public)
    answering = answer(bob, ANSWER_SECRET, dialling.hello)
    third, dialler = dialling.finish(answering.answer)
    return [dialling.hello, answering.answer, third], dialler, answering.finish(third)


def flip(message: bytes, position: int, mask: int) -> bytes:
    return message[:position] + bytes([message[position] ^ mask]) + message[position + 1 :]


def test_both_sides_know_each_other_and_share_two_different_keys() -> None:
    messages, dialler, listener = shake()
    assert [len(message) for message in messages] == [70, 182, 112]
    assert dialler.public == BOB.keypair.public
    assert listener.public == ALICE.keypair.public
    assert dialler.sending == listener.receiving
    assert dialler.receiving == listener.sending
    assert dialler.sending != dialler.receiving


def test_messages_and_keys_are_those_of_version_2() -> None:
    """The bytes on the wire: a change of any of these is a new version."""
    messages, dialler, _ = shake()
    assert messages[0].hex() == VECTOR_FIRST
    assert messages[1].hex() == VECTOR_SECOND
    assert messages[2].hex() == VECTOR_THIRD
    assert (dialler.sending.hex(), dialler.receiving.hex()) == VECTOR_KEYS


def test_shared_secret_is_that_of_rfc_7748() -> None:
    alice = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    bob = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
    assert (
        compute_ephemeral(alice).hex() == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    )
    assert compute_shared(alice, compute_ephemeral(bob)).hex() == shared
    assert compute_shared(bob, compute_ephemeral(alice)).hex() == shared


def test_other_ephemeral_keys_give_other_keys() -> None:
    _, first, _ = shake()
    dialling = dial(ALICE, OTHER_SECRET, BOB.keypair.public)
    _, second = dialling.finish(answer(BOB, ANSWER_SECRET, dialling.hello).answer)
    assert len({first.sending, first.receiving, second.sending, second.receiving}) == 4


@given(st.integers(0, FIRST_LENGTH - 1), st.integers(1, 255))
def test_a_changed_first_message_fails_at_the_dialler_or_before(position: int, mask: int) -> None:
    dialling = dial(ALICE, DIAL_SECRET, BOB.keypair.public)
    try:
        answering = answer(BOB, ANSWER_SECRET, flip(dialling.hello, position, mask))
    except VersionError:
        assert position < 6
        return
    assert position >= 6
    with pytest.raises(ProofError):
        dialling.finish(answering.answer)


@given(st.integers(0, SECOND_LENGTH - 1), st.integers(1, 255))
def test_a_changed_second_message_fails_at_the_dialler(position: int, mask: int) -> None:
    dialling = dial(ALICE, DIAL_SECRET, BOB.keypair.public)
    answering = answer(BOB, ANSWER_SECRET, dialling.hello)
    with pytest.raises(VersionError if position < 6 else ProofError):
        dialling.finish(flip(answering.answer, position, mask))


@given(st.integers(0, THIRD_LENGTH - 1), st.integers(1, 255))
def test_a_changed_third_message_fails_at_the_listener(position: int, mask: int) -> None:
    dialling = dial(ALICE, DIAL_SECRET, BOB.keypair.public)
    answering = answer(BOB, ANSWER_SECRET, dialling.hello)
    third, _ = dialling.finish(answering.answer)
    with pytest.raises(ProofError):
        answering.finish(flip(third, position, mask))


@given(st.integers(0, 2), st.integers(-3, 3).filter(bool))
def test_truncated_and_longer_messages_fail(which: int, extra: int) -> None:
    messages, _, _ = shake()
    message = messages[which]
    changed = message[:extra] if extra < 0 else message + bytes(extra)
    dialling = dial(ALICE, DIAL_SECRET, BOB.keypair.public)
    takers: list[Callable[[], object]] = [
        lambda: answer(BOB, ANSWER_SECRET, changed),
        lambda: dialling.finish(changed),
        lambda: answer(BOB, ANSWER_SECRET, dialling.hello).finish(changed),
    ]
    with pytest.raises(ProofError, match="bytes, not"):
        takers[which]()


@given(st.binary(max_size=400))
def test_any_bytes_fail_with_a_handshake_error(data: bytes) -> None:
    dialling = dial(ALICE, DIAL_SECRET, BOB.keypair.public)
    answering = answer(BOB, ANSWER_SECRET, dialling.hello)
    with pytest.raises(HandshakeError):
        answer(BOB, ANSWER_SECRET, data)
    with pytest.raises(HandshakeError):
        dialling.finish(data)
    with pytest.raises(HandshakeError):
        answering.finish(data)


@given(st.binary(min_size=182, max_size=182))
def test_any_proof_behind_a_right_hello_fails(data: bytes) -> None:
    dialling = dial(ALICE, DIAL_SECRET, BOB.keypair.public)
    answering = answer(BOB, ANSWER_SECRET, dialling.hello)
    with pytest.raises(ProofError):
        dialling.finish(answering.answer[:HELLO_LENGTH] + data[HELLO_LENGTH:])
    with pytest.raises(ProofError):
        answering.finish(data[:THIRD_LENGTH])


def test_another_genesis_is_told_on_both_sides_after_the_proofs() -> None:
    carol = Identity(BOB.keypair, bytes(32))
    dialling = dial(ALICE, DIAL_SECRET, BOB.keypair.public)
    answering = answer(carol, ANSWER_SECRET, dialling.hello)
    with pytest.raises(WrongGenesisError) as at_dialler:
        dialling.finish(answering.answer)
    assert at_dialler.value.public == BOB.keypair.public
    with pytest.raises(WrongGenesisError) as at_listener:
        answering.finish(at_dialler.value.reply)
    assert at_listener.value.public == ALICE.keypair.public


def test_a_genesis_rewritten_on_the_way_blames_nobody() -> None:
    """An attacker on the path that makes two right nodes look wrong to each other breaks the proofs."""
    dialling = dial(ALICE, DIAL_SECRET, BOB.keypair.public)
    forged = dialling.hello[:6] + bytes(32) + dialling.hello[38:]
    answering = answer(BOB, ANSWER_SECRET, forged)
    with pytest.raises(ProofError):
        dialling.finish(answering.answer)
    with pytest.raises(ProofError):
        dialling.finish(answering.answer[:6] + bytes(32) + answering.answer[38:])


def test_a_node_with_another_key_is_not_the_one_dialled_and_learns_nothing() -> None:
    dialling = dial(ALICE, DIAL_SECRET, BOB.keypair.public)
    with pytest.raises(WrongPeerError) as caught:
        dialling.finish(answer(MALLORY, ANSWER_SECRET, dialling.hello).answer)
    assert caught.value.public == MALLORY.keypair.public


def test_a_proof_with_a_claimed_key_fails() -> None:
    """Mallory claims Bob's key but signs with its own."""
    claimed = Keypair(Scheme.ED25519, BOB.keypair.public, None, _secret=MALLORY.keypair._secret)
    dialling = dial(ALICE, DIAL_SECRET, BOB.keypair.public)
    with pytest.raises(ProofError, match="signature"):
        dialling.finish(answer(Identity(claimed, GENESIS), ANSWER_SECRET, dialling.hello).answer)


def test_own_key_is_recognised_on_both_sides() -> None:
    dialling = dial(ALICE, DIAL_SECRET, ALICE.keypair.public)
    answering = answer(ALICE, ANSWER_SECRET, dialling.hello)
    with pytest.raises(OwnKeyError):
        dialling.finish(answering.answer)
    # A dialler that does not mind, with a copy of our key.
    heard = blake2_256(
        handshake._compute_transcript(dialling.hello, answering.answer[:HELLO_LENGTH])
        + answering.answer[HELLO_LENGTH:]
    )
    shared = compute_shared(DIAL_SECRET, compute_ephemeral(ANSWER_SECRET))
    with pytest.raises(OwnKeyError):
        answering.finish(handshake._seal_proof(shared, heard, b"dialler", ALICE.keypair))


def test_reflected_messages_fail() -> None:
    dialling = dial(ALICE, DIAL_SECRET, BOB.keypair.public)
    answering = answer(BOB, ANSWER_SECRET, dialling.hello)
    with pytest.raises(ProofError, match="our own ephemeral"):
        dialling.finish(dialling.hello + answering.answer[HELLO_LENGTH:])
    with pytest.raises(ProofError):
        answering.finish(answering.answer[HELLO_LENGTH:])
    with pytest.raises(ProofError, match="our own ephemeral"):
        answer(BOB, ANSWER_SECRET, answering.answer[:HELLO_LENGTH])


def test_a_proof_relayed_into_another_handshake_fails() -> None:
    """Mallory between the two passes Bob's proof on to a handshake of its own."""
    alice = dial(ALICE, DIAL_SECRET, BOB.keypair.public)
    mallory = dial(MALLORY, OTHER_SECRET, BOB.keypair.public)
    to_mallory = answer(BOB, ANSWER_SECRET, mallory.hello)
    with pytest.raises(ProofError):
        alice.finish(to_mallory.answer)
    own_hello = dial(MALLORY, OTHER_SECRET, BOB.keypair.public).hello
    with pytest.raises(ProofError):
        alice.finish(own_hello + to_mallory.answer[HELLO_LENGTH:])


def test_replayed_messages_fail_against_fresh_ephemeral_keys() -> None:
    messages, _, _ = shake()
    again = answer(BOB, OTHER_SECRET, messages[0])
    with pytest.raises(ProofError):
        again.finish(messages[2])
    with pytest.raises(ProofError):
        dial(ALICE, OTHER_SECRET, BOB.keypair.public).finish(messages[1])


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_ephemeral_keys_of_small_order_are_refused(point: bytes) -> None:
    with pytest.raises(CipherError):
        compute_shared(DIAL_SECRET, point)
    dialling = dial(ALICE, DIAL_SECRET, BOB.keypair.public)
    answering = answer(BOB, ANSWER_SECRET, dialling.hello)
    with pytest.raises(ProofError, match="small order"):
        answer(BOB, ANSWER_SECRET, dialling.hello[:38] + point)
    with pytest.raises(ProofError, match="small order"):
        dialling.finish(answering.answer[:38] + point + answering.answer[HELLO_LENGTH:])


@pytest.mark.parametrize(
    ("change", "match"), [(b"HTTP\x01\x00", "another protocol"), (b"LOAM\x01\x00", "version 1, we speak 2")]
)
def test_other_protocols_and_versions_are_told(change: bytes, match: str) -> None:
    dialling = dial(ALICE, DIAL_SECRET, BOB.keypair.public)
    with pytest.raises(VersionError, match=match):
        answer(BOB, ANSWER_SECRET, change + dialling.hello[6:])


def test_keys_differ_by_label_and_transcript() -> None:
    shared = bytes(range(32))
    keys = {derive_key(shared, transcript, label) for transcript in (b"a", b"b") for label in (b"x", b"y")}
    assert len(keys) == 4
