"""Pieces of messages and what waits to be sent: order, urgency, and what is lost when a queue is full."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.network.messages import MIB, RULES, Kind, MessageError
from node.network.queues import BOUNDS, URGENCIES, Bound, Queue, SendQueues, Urgency
from node.network.reassembly import MORE, PIECE, Piece, Reassembly, parse_piece, split_message


def feed(reassembly: Reassembly, frame: bytes, now_ms: int = 0) -> tuple[Kind, bytes] | None:
    piece = parse_piece(frame)
    data = reassembly.take(piece, RULES[piece.kind].size_max, now_ms)
    return None if data is None else (piece.kind, data)


def drain(queues: SendQueues) -> list[tuple[Kind, bytes]]:
    reassembly = Reassembly()
    found = []
    while (frame := queues.next_frame()) is not None:
        message = feed(reassembly, frame)
        if message is not None:
            found.append(message)
    return found


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 5])
def test_a_message_comes_back_from_its_pieces(size: int) -> None:
    data = bytes(i % 251 for i in range(size))
    frames = list(split_message(Kind.RESPONSE, data))
    assert len(frames) == max(-(-size // PIECE), 1)
    assert all(len(frame) == PIECE + 1 for frame in frames[:-1])
    reassembly = Reassembly()
    assert [feed(reassembly, frame) for frame in frames] == [
        *[None] * (len(frames) - 1),
        (Kind.RESPONSE, data),
    ]
    assert reassembly.get_oldest_ms() is None


def test_messages_of_other_kinds_may_come_between_pieces() -> None:
    first = list(split_message(Kind.RESPONSE, bytes(2 * PIECE)))
    second = list(split_message(Kind.CONSENSUS, b"\x01" * (PIECE + 1)))
    reassembly = Reassembly()
    order = [first[0], second[0], second[1], first[1]]
    assert [feed(reassembly, frame) for frame in order] == [
        None,
        None,
        (Kind.CONSENSUS, b"\x01" * (PIECE + 1)),
        (Kind.RESPONSE, bytes(2 * PIECE)),
    ]


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x00",
        bytes([max(Kind) + 1]),
        b"\x06",
        b"\x7f",
        b"\xff" + bytes(PIECE),
        bytes([Kind.RESPONSE]) + bytes(PIECE + 1),
        bytes([Kind.RESPONSE | MORE]),
        bytes([Kind.RESPONSE | MORE]) + bytes(PIECE - 1),
        bytes([Kind.RESPONSE | MORE]) + bytes(PIECE + 1),
    ],
)
def test_other_frames_are_no_pieces(frame: bytes) -> None:
    with pytest.raises(MessageError):
        parse_piece(frame)


def test_a_message_is_refused_as_soon_as_it_is_too_long() -> None:
    limit = RULES[Kind.CONSENSUS].size_max
    assert limit % PIECE
    reassembly = Reassembly()
    for _ in range(limit // PIECE):
        assert (
            reassembly.take(Piece(Kind.CONSENSUS, False, bytes(PIECE)), RULES[Kind.CONSENSUS].size_max, 0)
            is None
        )
    with pytest.raises(MessageError, match="at most"):
        reassembly.take(
            Piece(Kind.CONSENSUS, True, bytes(limit % PIECE + 1)), RULES[Kind.CONSENSUS].size_max, 0
        )
    assert reassembly.take(
        Piece(Kind.CONSENSUS, True, bytes(limit % PIECE)), RULES[Kind.CONSENSUS].size_max, 0
    ) == bytes(limit)


def test_short_kinds_have_no_pieces() -> None:
    with pytest.raises(MessageError):
        Reassembly().take(Piece(Kind.PING, False, bytes(PIECE)), 16, 0)


def test_a_full_message_that_announces_more_is_refused() -> None:
    limit = RULES[Kind.RESPONSE].size_max
    assert limit % PIECE == 0
    reassembly = Reassembly()
    for _ in range(limit // PIECE - 1):
        assert (
            reassembly.take(Piece(Kind.RESPONSE, False, bytes(PIECE)), RULES[Kind.RESPONSE].size_max, 0)
            is None
        )
    with pytest.raises(MessageError):
        reassembly.take(Piece(Kind.RESPONSE, False, bytes(PIECE)), RULES[Kind.RESPONSE].size_max, 0)
    assert reassembly.take(
        Piece(Kind.RESPONSE, True, bytes(PIECE)), RULES[Kind.RESPONSE].size_max, 0
    ) == bytes(limit)


def test_the_age_of_the_oldest_unfinished_message_is_known() -> None:
    reassembly = Reassembly()
    reassembly.take(Piece(Kind.RESPONSE, False, bytes(PIECE)), RULES[Kind.RESPONSE].size_max, 5)
    reassembly.take(Piece(Kind.TRANSACTIONS, False, bytes(PIECE)), RULES[Kind.TRANSACTIONS].size_max, 7)
    reassembly.take(Piece(Kind.RESPONSE, False, bytes(PIECE)), RULES[Kind.RESPONSE].size_max, 9)
    assert reassembly.get_oldest_ms() == 5
    reassembly.take(Piece(Kind.RESPONSE, True, b""), RULES[Kind.RESPONSE].size_max, 10)
    assert reassembly.get_oldest_ms() == 7


@given(st.lists(st.binary(max_size=4), max_size=30))
def test_any_frames_are_pieces_or_a_message_error(frames: list[bytes]) -> None:
    reassembly = Reassembly()
    for frame in frames:
        try:
            message = feed(reassembly, frame)
        except MessageError:
            continue
        assert message == (Kind(frame[0]), frame[1:])


def test_votes_go_first_and_between_the_pieces_of_a_block() -> None:
    queues = SendQueues()
    queues.put(Kind.TRANSACTIONS, b"t")
    queues.put(Kind.RESPONSE, bytes(3 * PIECE))
    first = queues.next_frame()
    assert first is not None
    assert first[0] == Kind.RESPONSE | MORE
    queues.put(Kind.STATUS, b"s")
    queues.put(Kind.CONSENSUS, b"v")
    frames = []
    while (frame := queues.next_frame()) is not None:
        frames.append(frame[0])
    assert frames == [
        Kind.CONSENSUS,
        Kind.STATUS,
        Kind.RESPONSE | MORE,
        Kind.RESPONSE,
        Kind.TRANSACTIONS,
    ]


def test_messages_of_one_class_keep_their_order() -> None:
    queues = SendQueues()
    sent = [(Kind.RESPONSE, bytes(PIECE + 1)), (Kind.REQUEST, b"r"), (Kind.RESPONSE, b"x")]
    for kind, data in sent:
        assert queues.put(kind, data) == 0
    assert drain(queues) == sent


def test_full_queue_of_votes_loses_the_oldest() -> None:
    queues = SendQueues()
    limit = BOUNDS[Urgency.CONSENSUS].messages_max
    votes = [number.to_bytes(4, "big") for number in range(limit + 1)]
    assert [queues.put(Kind.CONSENSUS, vote) for vote in votes] == [*[0] * limit, 1]
    assert drain(queues) == [(Kind.CONSENSUS, vote) for vote in votes[1:]]


def test_a_vote_that_is_being_sent_is_finished() -> None:
    queues = SendQueues()
    long = bytes(PIECE + 1)
    queues.put(Kind.CONSENSUS, long)
    first = queues.next_frame()
    assert first is not None
    for number in range(BOUNDS[Urgency.CONSENSUS].messages_max + 1):
        queues.put(Kind.CONSENSUS, number.to_bytes(4, "big"))
    reassembly = Reassembly()
    assert feed(reassembly, first) is None
    second = queues.next_frame()
    assert second is not None
    assert feed(reassembly, second) == (Kind.CONSENSUS, long)


def test_full_queue_of_transactions_takes_no_more() -> None:
    queues = SendQueues()
    limit = BOUNDS[Urgency.BULK].messages_max
    sent = [number.to_bytes(4, "big") for number in range(limit + 1)]
    assert [queues.put(Kind.TRANSACTIONS, data) for data in sent] == [*[0] * limit, 1]
    assert drain(queues) == [(Kind.TRANSACTIONS, data) for data in sent[:limit]]


@pytest.mark.parametrize(("drops_oldest", "kept"), [(True, [b"b", b"ccc"]), (False, [b"aaa", b"b"])])
def test_queues_are_bounded_in_bytes(drops_oldest: bool, kept: list[bytes]) -> None:
    queue = Queue(Bound(10, 4, drops_oldest))
    assert [queue.put(Kind.PING, data) for data in (b"aaa", b"b", b"ccc")] == [0, 0, 1]
    assert queue.put(Kind.PING, b"12345") == 1
    assert [queue.take()[1] for _ in range(len(queue))] == kept


def test_every_kind_has_a_class_and_every_class_holds_its_longest_message() -> None:
    assert set(URGENCIES) == set(Kind)
    for kind, urgency in URGENCIES.items():
        assert RULES[kind].size_max <= BOUNDS[urgency].bytes_max
    assert BOUNDS[Urgency.EXCHANGE].bytes_max == 64 * MIB
