"""Messages: one form for each, limits at the limit and one above, and a typed error for all other bytes."""

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.network.errors import Penalty
from node.network.messages import (
    AGENT_MAX,
    BLOCKS_MAX,
    BODIES_MAX,
    CERTIFICATE_MAX,
    CONSENSUS_MAX,
    FRAGMENTS_MAX,
    HEADER_MAX,
    MIB,
    PEERS_MAX,
    RULES,
    STATE_ENTRIES_MAX,
    STATE_KEY_MAX,
    STATE_PROOF_MAX,
    STATE_VALUE_MAX,
    TRANSACTION_MAX,
    TRANSACTIONS_MAX,
    BlockData,
    BlocksRequest,
    BlocksResponse,
    Consensus,
    Goodbye,
    Introduction,
    Kind,
    Message,
    MessageError,
    PeersRequest,
    Ping,
    Record,
    Request,
    Response,
    StateRequest,
    StateResponse,
    Status,
    Transactions,
    WarpFragment,
    WarpRequest,
    WarpResponse,
    cut_blocks,
    decode_message,
    encode_message,
    get_kind,
)
from tests.node.network.records import messages

HASH = bytes(range(32))
VECTORS: list[tuple[Message, Kind, object]] = [
    (Introduction("loam", 30333, ("/a",)), Kind.INTRODUCTION, ["loam", 30333, ["/a"]]),
    (Goodbye(1, ()), Kind.GOODBYE, [1, []]),
    (Ping(2**32 - 1), Kind.PING, [2**32 - 1]),
    (Status(4, 7, HASH, 5, HASH), Kind.STATUS, [4, 7, HASH, 5, HASH]),
    (Transactions((b"a", b"b")), Kind.TRANSACTIONS, [[b"a", b"b"]]),
    (Consensus(b"v"), Kind.CONSENSUS, [b"v"]),
    (Request(9, BlocksRequest(1, 128, 3)), Kind.REQUEST, [9, [1, 1, 128, 3]]),
    (Request(9, BlocksRequest(HASH, 1, 1)), Kind.REQUEST, [9, [1, HASH, 1, 1]]),
    (Request(9, StateRequest(HASH, HASH, 1)), Kind.REQUEST, [9, [3, HASH, HASH, 1]]),
    (Request(9, WarpRequest(7)), Kind.REQUEST, [9, [5, 7]]),
    (
        Response(9, BlocksResponse((BlockData(HASH, b"h", (b"x",), None),))),
        Kind.RESPONSE,
        [9, [1, [[HASH, b"h", [b"x"], None]]]],
    ),
    (
        Response(9, StateResponse(((b"k", b"v"),), b"p")),
        Kind.RESPONSE,
        [9, [3, [[b"k", b"v"]], b"p"]],
    ),
    (
        Response(9, WarpResponse((WarpFragment(b"h", b"c"),), True)),
        Kind.RESPONSE,
        [9, [5, [[b"h", b"c"]], True]],
    ),
]


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=40)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


def pack(value: object) -> bytes:
    return msgpack.packb(value)


@pytest.mark.parametrize(("message", "kind", "form"), VECTORS)
def test_messages_are_msgpack_arrays_of_their_fields(message: Message, kind: Kind, form: object) -> None:
    assert get_kind(type(message)) is kind
    assert encode_message(message) == pack(form)
    assert decode_message(kind, pack(form)) == message


@given(messages)
def test_every_message_comes_back(message: Message) -> None:
    assert decode_message(get_kind(type(message)), encode_message(message)) == message


@given(st.sampled_from(Kind), st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_message_error(kind: Kind, data: bytes) -> None:
    try:
        message = decode_message(kind, data)
    except MessageError:
        return
    assert encode_message(message) == data


@given(messages, st.data())
def test_a_changed_message_is_another_message_or_an_error(message: Message, data: st.DataObject) -> None:
    encoded = bytearray(encode_message(message))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    kind = get_kind(type(message))
    try:
        changed = decode_message(kind, bytes(encoded))
    except MessageError:
        return
    assert encode_message(changed) == encoded


@given(st.sampled_from(Kind), values)
def test_any_msgpack_is_a_message_or_a_message_error(kind: Kind, value: object) -> None:
    data = pack(value)
    try:
        message = decode_message(kind, data)
    except MessageError:
        return
    assert encode_message(message) == data


@given(messages, st.binary(min_size=1, max_size=5))
def test_trailing_bytes_are_refused(message: Message, tail: bytes) -> None:
    with pytest.raises(MessageError):
        decode_message(get_kind(type(message)), encode_message(message) + tail)


@given(messages, st.data())
def test_truncated_messages_are_refused(message: Message, data: st.DataObject) -> None:
    encoded = encode_message(message)
    with pytest.raises(MessageError):
        decode_message(get_kind(type(message)), encoded[: data.draw(st.integers(0, len(encoded) - 1))])


HOSTILE = [
    b"",
    b"\xc1",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\x91\xdd\xff\xff\xff\xff",
    b"\x91\xc6\xff\xff\xff\xff",
    b"\x91\xdb\xff\xff\xff\xff",
    b"\x91" * 1000,
    b"\x81" * 1000,
    b"\x91\xc7\xff\x01" + bytes(255),
    b"\x93\xa4\xff\xff\xff\xff\x00\x90",
]


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("data", HOSTILE)
def test_hostile_bytes_are_refused(kind: Kind, data: bytes) -> None:
    with pytest.raises(MessageError):
        decode_message(kind, data)


@pytest.mark.parametrize("kind", [Kind.REQUEST, Kind.RESPONSE, Kind.TRANSACTIONS])
def test_deep_nesting_is_refused(kind: Kind) -> None:
    with pytest.raises(MessageError):
        decode_message(kind, b"\x91" * RULES[kind].size_max)


WRONG = [
    (Kind.PING, [-1]),
    (Kind.PING, [1.0]),
    (Kind.PING, [True]),
    (Kind.PING, [1, 2]),
    (Kind.PING, []),
    (Kind.PING, {"nonce": 1}),
    (Kind.INTRODUCTION, ["x" * (AGENT_MAX + 1), 0, []]),
    (Kind.INTRODUCTION, ["x", 65536, []]),
    (Kind.INTRODUCTION, ["x", 0, [""]]),
    (Kind.INTRODUCTION, ["x", 0, ["/"] * 9]),
    (Kind.GOODBYE, [256, []]),
    (Kind.GOODBYE, [1, ["/"] * (PEERS_MAX + 1)]),
    (Kind.STATUS, [4, 2**32, HASH, 5, HASH]),
    (Kind.STATUS, [4, 1, HASH[1:], 5, HASH]),
    (Kind.STATUS, [4, 1, HASH + b"x", 5, HASH]),
    (Kind.STATUS, [4, 1, HASH.hex(), 5, HASH]),
    (Kind.TRANSACTIONS, [[]]),
    (Kind.TRANSACTIONS, [[b""]]),
    (Kind.TRANSACTIONS, [[b"x"] * (TRANSACTIONS_MAX + 1)]),
    (Kind.TRANSACTIONS, [[bytes(TRANSACTION_MAX + 1)]]),
    (Kind.CONSENSUS, [b""]),
    (Kind.CONSENSUS, [bytes(CONSENSUS_MAX + 1)]),
    (Kind.REQUEST, [1, [0]]),
    (Kind.REQUEST, [1, [6, 1]]),
    (Kind.REQUEST, [1, [5, -1]]),
    (Kind.REQUEST, [1, [5, 2**32]]),
    (Kind.REQUEST, [1, [1, 1, 0, 3]]),
    (Kind.REQUEST, [1, [1, 1, BLOCKS_MAX + 1, 3]]),
    (Kind.REQUEST, [1, [1, 1, 1, 0]]),
    (Kind.REQUEST, [1, [1, 1, 1, 8]]),
    (Kind.REQUEST, [1, [1, -1, 1, 1]]),
    (Kind.REQUEST, [1, [1, HASH[1:], 1, 1]]),
    (Kind.REQUEST, [1, [3, HASH, bytes(31), 1]]),
    (Kind.REQUEST, [1, [3, HASH, bytes(33), 1]]),
    (Kind.REQUEST, [1, [3, HASH, HASH, STATE_ENTRIES_MAX + 1]]),
    (Kind.REQUEST, [1, [4, PEERS_MAX + 1]]),
    (Kind.REQUEST, [2**32, [4, 1]]),
    (Kind.RESPONSE, [1, [1, [[HASH, None, None, None]] * (BLOCKS_MAX + 1)]]),
    (Kind.RESPONSE, [1, [3, [[b"k"]], b""]]),
    (Kind.RESPONSE, [1, [3, [[b"k", b"v", b"w"]], b""]]),
    (Kind.RESPONSE, [1, [3, [[b"", b""]] * (STATE_ENTRIES_MAX + 1), b""]]),
    (Kind.RESPONSE, [1, [3, [[bytes(STATE_KEY_MAX + 1), b"v"]], b""]]),
    (Kind.RESPONSE, [1, [3, [[b"k", bytes(STATE_VALUE_MAX + 1)]], b""]]),
    (Kind.RESPONSE, [1, [3, [], bytes(STATE_PROOF_MAX + 1)]]),
    (Kind.RESPONSE, [1, [5, [[b"h", b"c"]] * (FRAGMENTS_MAX + 1), True]]),
    (Kind.RESPONSE, [1, [5, [[b"", b"c"]], True]]),
    (Kind.RESPONSE, [1, [5, [[b"h", b""]], True]]),
]


@pytest.mark.parametrize(("kind", "form"), WRONG)
def test_records_outside_their_limits_are_refused(kind: Kind, form: object) -> None:
    with pytest.raises(MessageError):
        decode_message(kind, pack(form))


AT_LIMIT: list[Message] = [
    Introduction("x" * AGENT_MAX, 65535, ("/" * 512,) * 8),
    Goodbye(255, ("/" * 512,) * PEERS_MAX),
    Transactions((bytes(TRANSACTION_MAX),)),
    Transactions((b"x",) * TRANSACTIONS_MAX),
    Consensus(bytes(CONSENSUS_MAX)),
    Request(2**32 - 1, BlocksRequest(2**32 - 1, BLOCKS_MAX, 7)),
    Request(1, StateRequest(HASH, HASH, STATE_ENTRIES_MAX)),
    Request(1, WarpRequest(2**32 - 1)),
    Request(1, PeersRequest(PEERS_MAX)),
    Response(1, BlocksResponse((BlockData(HASH, None, None, None),) * BLOCKS_MAX)),
    Response(1, StateResponse(((b"", b""),) * STATE_ENTRIES_MAX, bytes(STATE_PROOF_MAX))),
    Response(1, StateResponse(((bytes(STATE_KEY_MAX), bytes(STATE_VALUE_MAX)),), bytes(STATE_PROOF_MAX))),
    Response(
        1, WarpResponse((WarpFragment(bytes(HEADER_MAX), bytes(CERTIFICATE_MAX)),) * FRAGMENTS_MAX, True)
    ),
]


@pytest.mark.parametrize("message", AT_LIMIT)
def test_records_at_their_limits_are_taken(message: Message) -> None:
    assert decode_message(get_kind(type(message)), encode_message(message)) == message


@pytest.mark.parametrize(
    "data", [b"\x91\xcc\x01", b"\x91\xd0\x01", b"\xdc\x00\x01\x01", b"\x91\xcf" + bytes(7) + b"\x01"]
)
def test_longer_forms_of_a_message_are_refused(data: bytes) -> None:
    assert decode_message(Kind.PING, b"\x91\x01") == Ping(1)
    with pytest.raises(MessageError, match="canonical"):
        decode_message(Kind.PING, data)


@pytest.mark.parametrize("kind", Kind)
def test_messages_above_the_size_of_their_kind_are_not_decoded(kind: Kind) -> None:
    with pytest.raises(MessageError, match="has at most"):
        decode_message(kind, bytes(RULES[kind].size_max + 1))


def test_a_message_error_costs_a_bad_message() -> None:
    with pytest.raises(MessageError) as caught:
        decode_message(Kind.PING, b"")
    assert caught.value.penalty is Penalty.BAD_MESSAGE


def test_every_kind_has_a_record_and_a_minute_holds_its_longest_message() -> None:
    assert list(RULES) == list(Kind)
    for rule in RULES.values():
        assert issubclass(rule.record, Record)
        assert rule.size_max <= rule.bytes_per_minute
        assert rule.count_per_minute >= 1


def test_a_message_above_its_size_is_not_sent() -> None:
    too_long = Transactions((bytes(TRANSACTION_MAX), bytes(TRANSACTION_MAX)))
    with pytest.raises(AssertionError, match="too long"):
        encode_message(too_long)


def test_limits_are_those_promised() -> None:
    assert BLOCKS_MAX == 128
    assert BODIES_MAX == 8 * MIB
    assert CONSENSUS_MAX == 512 * 1024
    assert RULES[Kind.RESPONSE].size_max == 16 * MIB


def make_block(*sizes: int) -> BlockData:
    return BlockData(HASH, b"h", tuple(map(bytes, sizes)), None)


def test_blocks_are_cut_above_eight_mebibytes_of_bodies() -> None:
    block = make_block(MIB)
    assert cut_blocks((block,) * 8) == (block,) * 8
    assert cut_blocks((block,) * 9) == (block,) * 8
    assert cut_blocks((*(block,) * 7, make_block(MIB, 1), block)) == (block,) * 7


def test_one_block_is_never_cut() -> None:
    whole = make_block(*[MIB] * 9)
    assert cut_blocks((whole, make_block(1))) == (whole,)
    assert cut_blocks(()) == ()
    headers = (BlockData(HASH, b"h", None, None),) * 128
    assert cut_blocks(headers) == headers
