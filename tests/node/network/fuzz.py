"""Arbitrary and mutated bytes into everything that takes bytes of a peer or a file: typed errors or nothing.

    python -m tests.node.network.fuzz 1000000 [SEED]

Every input follows from the seed and its number, so a failure names all that is needed to repeat it.
"""

import sys
from collections.abc import Callable, Sequence
from hashlib import shake_128
from typing import NamedTuple

from node.network.frames import FrameError, FrameOpener, FrameSealer
from node.network.handshake import HandshakeError, Identity, answer, dial
from node.network.identity import PeerIdError, parse_peer_id
from node.network.messages import (
    RULES,
    BlockData,
    BlockRequest,
    BlockResponse,
    BlocksRequest,
    BlocksResponse,
    Consensus,
    Goodbye,
    Introduction,
    Kind,
    Message,
    MessageError,
    PeersRequest,
    PeersResponse,
    Ping,
    Pong,
    Refusal,
    Request,
    Response,
    StateRequest,
    StateResponse,
    Status,
    Transactions,
    WarpFragment,
    WarpRequest,
    WarpResponse,
    decode_message,
    encode_message,
    get_kind,
)
from node.network.multiaddr import MultiaddrError, parse_multiaddr
from node.network.peer_store import PeerStore, PeerStoreError, decode_peer_store
from node.network.reassembly import Reassembly, parse_piece
from tests.node.network.peers import make_address, make_key, make_peer

HASH = bytes(range(32))
KINDS = tuple(Kind)
MESSAGES: Sequence[Message] = (
    Introduction("loam", 30333, ("/ip4/127.0.0.1/tcp/1/ws",)),
    Goodbye(1, ("/x",)),
    Ping(7),
    Pong(2**32 - 1),
    Status(4, 7, HASH, 5, HASH),
    Transactions((b"one", b"two")),
    Consensus(b"vote"),
    Request(1, BlocksRequest(5, 128, 7)),
    Request(2, BlocksRequest(HASH, 1, 1)),
    Request(3, BlockRequest(HASH, 3)),
    Request(4, StateRequest(HASH, HASH, 10)),
    Request(5, WarpRequest(7)),
    Request(5, PeersRequest(32)),
    Response(1, BlocksResponse((BlockData(HASH, b"h", (b"x", b"y"), None),))),
    Response(2, BlockResponse(BlockData(HASH, None, None, b"j"))),
    Response(3, StateResponse(((b"k", b"v"),), b"proof")),
    Response(4, WarpResponse((WarpFragment(b"h", b"c"),), True)),
    Response(4, PeersResponse(("/x", "/y"))),
    Response(5, Refusal(1)),
)
# First bytes of msgpack's forms, and lengths that lie.
TOKENS = (
    b"\xc0", b"\xc1", b"\xc4\xff", b"\xc6\xff\xff\xff\xff", b"\xdc\xff\xff", b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff", b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", b"\xd9\x02\xc3\x28", b"\x91" * 9,
    b"\xcf" + b"\xff" * 8, b"\xd3\x80" + bytes(7), b"\xc7\x00\x01", b"\x90", b"\x80", b"\x00",
)  # fmt: skip
MUTATIONS_MAX = 4
EXPENSIVE_EVERY = 32
"""A handshake costs as much as a hundred messages."""
IDENTITY = Identity(make_key(1), HASH)
PEER_KEY = make_key(2)


class FuzzFailure(AssertionError):
    """An input that was not answered as it must be."""


class Dice:
    """Numbers that follow from a seed and the number of the input."""

    def __init__(self, seed: int, number: int) -> None:
        self._bytes = shake_128(b"%d:%d" % (seed, number)).digest(96)
        self._used = 0

    def roll(self, sides: int) -> int:
        """Return a number below `sides`, of at most two bytes."""
        start = self._used % (len(self._bytes) - 2)
        self._used += 2
        return int.from_bytes(self._bytes[start : start + 2], "little") % sides

    def take(self, length: int) -> bytes:
        return self._bytes[:length]


class Target(NamedTuple):
    """Something that takes bytes; it raises FuzzFailure, or whatever it must not let out."""

    name: str
    corpus: Sequence[bytes]
    take: Callable[[bytes], None]


def mutate(corpus: Sequence[bytes], dice: Dice) -> bytes:
    """Return random bytes, or an element of the corpus with a few changes."""
    if dice.roll(8) == 0:
        return dice.take(dice.roll(96))
    data = bytearray(corpus[dice.roll(len(corpus))])
    for _ in range(dice.roll(MUTATIONS_MAX) + 1):
        position = dice.roll(len(data) + 1)
        match dice.roll(6):
            case 0:
                data[position : position + 1] = bytes([dice.roll(256)])
            case 1:
                data[position:position] = TOKENS[dice.roll(len(TOKENS))]
            case 2:
                data[position : position + 1] = TOKENS[dice.roll(len(TOKENS))]
            case 3:
                del data[position:]
            case 4:
                del data[position : position + 1 + dice.roll(8)]
            case _:
                other = corpus[dice.roll(len(corpus))]
                data[position:] = other[dice.roll(len(other) + 1) :]
    return bytes(data)


def take_message(data: bytes) -> None:
    """Decode under every kind: what is taken has this one form."""
    kind = KINDS[data[0] % len(KINDS)] if data else Kind.PING
    body = data[1:]
    try:
        message = decode_message(kind, body)
    except MessageError:
        return
    if encode_message(message) != body or get_kind(type(message)) is not kind:
        raise FuzzFailure("a message has two forms")


def take_frames(data: bytes) -> None:
    """Cut the bytes into frames and put them together."""
    reassembly = Reassembly()
    for start in range(0, len(data), 40):
        try:
            piece = parse_piece(data[start : start + 40])
            whole = reassembly.take(piece, RULES[piece.kind].size_max, 0)
            if whole is not None:
                decode_message(piece.kind, whole)
        except MessageError:
            continue


def take_sealed(data: bytes) -> None:
    """Nothing opens but what was sealed."""
    opener = FrameOpener(HASH)
    try:
        plaintext = opener.open(data)
    except FrameError:
        return
    if data != SEALED or plaintext != b"plaintext":
        raise FuzzFailure("a forged frame opens")


def take_handshake(data: bytes) -> None:
    """Both ends take any message at any step; nobody but the real peer gets through."""
    try:
        answering = answer(IDENTITY, HASH, data)
    except HandshakeError:
        pass
    else:
        try:
            answering.finish(data[:112])
        except HandshakeError:
            pass
        else:
            raise FuzzFailure("a forged dialler gets through")
    dialling = dial(IDENTITY, b"\x07" * 32, PEER_KEY.public)
    try:
        dialling.finish(data)
    except HandshakeError:
        return
    if data != HANDSHAKE[1]:
        raise FuzzFailure("a forged listener gets through")


def take_text(data: bytes) -> None:
    """Addresses and ids in any text."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        address = parse_multiaddr(text)
    except MultiaddrError:
        pass
    else:
        if parse_multiaddr(str(address)) != address:
            raise FuzzFailure("an address has two forms")
    try:
        parse_peer_id(text)
    except PeerIdError:
        return


def take_store(data: bytes) -> None:
    """A file of peers."""
    try:
        store = decode_peer_store(data)
    except PeerStoreError:
        return
    if decode_peer_store(store.encode()).encode() != store.encode():
        raise FuzzFailure("a store changes by being stored")


def make_handshake() -> tuple[bytes, bytes]:
    """Return the first two messages of a handshake with fixed secrets."""
    first = dial(IDENTITY, b"\x07" * 32, PEER_KEY.public).hello
    return first, answer(Identity(PEER_KEY, HASH), b"\x08" * 32, first).answer


def make_store() -> bytes:
    """Return a small store."""
    store = PeerStore()
    for number in range(3):
        store.add(make_address(number), "loopback")
        store.change_score(make_peer(number), -number, 1)
    return store.encode()


SEALED = FrameSealer(HASH).seal(b"plaintext")
HANDSHAKE = make_handshake()
ENCODED = tuple(encode_message(message) for message in MESSAGES)
TAGGED = tuple(  # the first byte is the place of the kind among all
    bytes([KINDS.index(get_kind(type(message)))]) + data
    for message, data in zip(MESSAGES, ENCODED, strict=True)
)
CHEAP = (
    Target("message", TAGGED, take_message),
    Target("message", TAGGED, take_message),
    Target("frames", (bytes(range(1, 11)) * 8, *(bytes([9]) + data for data in ENCODED)), take_frames),
    Target("sealed", (SEALED,), take_sealed),
    Target("text", (str(make_address(1)).encode(), b"/dns/localhost/tcp/1/ws"), take_text),
    Target("store", (make_store(),), take_store),
)
EXPENSIVE = Target("handshake", HANDSHAKE, take_handshake)


def run(count: int, seed: int) -> dict[str, int]:
    """Feed `count` inputs and return how many each target took; raises FuzzFailure naming the input."""
    fed: dict[str, int] = {}
    for number in range(count):
        target = CHEAP[number % len(CHEAP)] if number % EXPENSIVE_EVERY else EXPENSIVE
        data = mutate(target.corpus, Dice(seed, number))
        fed[target.name] = fed.get(target.name, 0) + 1
        try:
            target.take(data)
        except Exception as error:
            error.add_note(f"seed {seed}, input {number}, target {target.name}: {data.hex()}")
            raise
    return fed


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:3]]
    counts = run(arguments[0] if arguments else 100_000, arguments[1] if len(arguments) > 1 else 0)
    sys.stdout.write("".join(f"{name}: {count} inputs\n" for name, count in sorted(counts.items())))
