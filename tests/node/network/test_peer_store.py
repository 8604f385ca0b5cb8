"""The peer store: bounded against whoever fills it, fair in what it drops, the same after a restart."""

from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from node.network.errors import SCORE_MIN, Penalty
from node.network.limits import BANNED_BELOW
from node.network.peer_file import PeerFile
from node.network.peer_store import (
    BUCKET_MAX,
    CONFIGURED,
    FAILURES_MAX,
    KNOWN_MAX,
    PEER_ADDRESSES_MAX,
    REACHED_MAX,
    SCORES_MAX,
    SOURCE_MAX,
    PeerStore,
    PeerStoreError,
    decode_peer_store,
)
from tests.node.network.peers import make_address, make_peer

NOW_MS = 1_735_689_600_000
SEED = b"seed"
SOURCES = [f"203.0.{number}.0/24" for number in range(256)]


def fill(store: PeerStore, count: int, first: int = 0) -> int:
    """Add peers in subnets of their own, from many sources; return how many were taken."""
    numbers = range(first, first + count)
    return sum(store.add(make_address(number), SOURCES[number // 32 % 256]) for number in numbers)


def test_addresses_of_a_peer_are_kept_in_order_and_bounded() -> None:
    store = PeerStore()
    addresses = [make_address(1, port=port) for port in range(1, PEER_ADDRESSES_MAX + 2)]
    for address in addresses:
        assert store.add(address, SOURCES[0])
        assert store.add(address, SOURCES[0])
    assert store.get_addresses(make_peer(1)) == tuple(addresses[:PEER_ADDRESSES_MAX])
    assert store.get_addresses(make_peer(2)) == ()
    assert len(store) == 1


def test_the_book_is_bounded() -> None:
    store = PeerStore()
    assert fill(store, KNOWN_MAX + 1) == KNOWN_MAX
    assert len(store) == KNOWN_MAX


def test_one_subnet_fills_one_bucket() -> None:
    store = PeerStore()
    taken = [
        store.add(make_address(number, f"198.51.100.{number}"), SOURCES[number])
        for number in range(1, BUCKET_MAX + 2)
    ]
    assert taken == [*[True] * BUCKET_MAX, False]
    assert store.add(make_address(200), SOURCES[0])


def test_loopback_is_no_bucket() -> None:
    store = PeerStore()
    assert all(store.add(make_address(n, "127.0.0.1", n), "loopback") for n in range(1, BUCKET_MAX + 60))


def test_one_source_tells_of_a_bounded_number() -> None:
    store = PeerStore()
    taken = [store.add(make_address(number), SOURCES[0]) for number in range(SOURCE_MAX + 1)]
    assert taken == [*[True] * SOURCE_MAX, False]
    assert store.add(make_address(1000), SOURCES[1])
    assert store.add(make_address(1001), CONFIGURED)


def test_a_source_whose_peers_were_reached_may_tell_of_more() -> None:
    store = PeerStore()
    for number in range(SOURCE_MAX):
        store.add(make_address(number), SOURCES[0])
    store.on_reached(make_address(0), NOW_MS)
    assert store.add(make_address(1000), SOURCES[0])
    assert not store.add(make_address(1001), SOURCES[0])


def test_a_full_book_gives_up_hearsay_that_failed() -> None:
    store = PeerStore()
    fill(store, KNOWN_MAX)
    store.on_failed(make_address(7), is_wrong=False)
    store.on_failed(make_address(9), is_wrong=False)
    store.on_failed(make_address(9), is_wrong=False)
    assert store.add(make_address(5000), SOURCES[200])
    assert store.get_addresses(make_peer(9)) == ()
    assert store.add(make_address(5001), SOURCES[200])
    assert store.get_addresses(make_peer(7)) == ()
    assert not store.add(make_address(5002), SOURCES[200])


def test_hearsay_never_displaces_a_peer_that_was_reached() -> None:
    store = PeerStore()
    store.on_reached(make_address(0, "198.51.100.1"), NOW_MS)
    store.on_failed(make_address(0, "198.51.100.1"), is_wrong=False)
    for number in range(1, BUCKET_MAX):
        store.on_reached(make_address(number, f"198.51.100.{number + 1}"), NOW_MS)
    assert not store.add(make_address(99, "198.51.100.99"), SOURCES[0])
    assert len(store) == BUCKET_MAX


def test_reached_peers_are_bounded_and_the_one_that_failed_most_goes() -> None:
    store = PeerStore()
    for number in range(REACHED_MAX):
        store.on_reached(make_address(number), NOW_MS + number)
    store.on_failed(make_address(5), is_wrong=False)
    store.on_reached(make_address(REACHED_MAX), NOW_MS)
    assert len(store) == REACHED_MAX
    assert store.get_addresses(make_peer(5)) == ()
    store.on_reached(make_address(REACHED_MAX + 1), NOW_MS)
    assert store.get_addresses(make_peer(0)) == ()


def test_a_reached_peer_finds_room_in_a_full_book() -> None:
    store = PeerStore()
    fill(store, KNOWN_MAX)
    store.on_reached(make_address(5000), NOW_MS)
    assert len(store) == KNOWN_MAX
    assert store.get_addresses(make_peer(5000)) == (make_address(5000),)


def test_a_failed_address_is_tried_last_and_a_wrong_one_never() -> None:
    store = PeerStore()
    first, second = make_address(1, port=1), make_address(1, port=2)
    store.add(first, SOURCES[0])
    store.add(second, SOURCES[0])
    store.on_failed(first, is_wrong=False)
    assert store.get_addresses(make_peer(1)) == (second, first)
    store.on_failed(second, is_wrong=True)
    assert store.get_addresses(make_peer(1)) == (first,)
    store.on_failed(first, is_wrong=True)
    assert store.get_addresses(make_peer(1)) == ()


def test_a_peer_never_reached_is_forgotten_after_eight_failures() -> None:
    store = PeerStore()
    address = make_address(1)
    store.add(address, SOURCES[0])
    for _ in range(FAILURES_MAX - 1):
        store.on_failed(address, is_wrong=False)
    assert store.get_addresses(make_peer(1)) == (address,)
    store.on_failed(address, is_wrong=False)
    assert store.get_addresses(make_peer(1)) == ()
    store.on_failed(address, is_wrong=False)
    assert len(store) == 0


def test_a_peer_once_reached_is_kept_however_often_it_fails() -> None:
    store = PeerStore()
    address = make_address(1)
    store.on_reached(address, NOW_MS)
    for _ in range(3 * FAILURES_MAX):
        store.on_failed(address, is_wrong=False)
    assert store.get_addresses(make_peer(1)) == (address,)
    assert store.sample_reached(5, SEED) == []
    store.on_reached(address, NOW_MS)
    assert store.sample_reached(5, SEED) == [address]


def test_only_reached_peers_are_passed_on() -> None:
    store = PeerStore()
    fill(store, 10)
    assert store.sample_reached(5, SEED) == []
    for number in range(8):
        store.on_reached(make_address(number), NOW_MS)
    sample = store.sample_reached(5, SEED)
    assert len(set(sample)) == 5
    assert set(sample) <= {make_address(number) for number in range(8)}


def test_the_choice_prefers_fewer_failures_and_changes_with_the_seed() -> None:
    store = PeerStore()
    fill(store, 20)
    for number in range(10):
        store.on_failed(make_address(number), is_wrong=False)
    choices = [store.choose(10, set(), seed, NOW_MS) for seed in (b"a", b"b")]
    assert [set(choice) for choice in choices] == [{make_address(number) for number in range(10, 20)}] * 2
    assert choices[0] != choices[1]
    assert store.choose(10, set(), b"a", NOW_MS) == choices[0]
    assert len(store.choose(100, set(), SEED, NOW_MS)) == 20


def test_excluded_and_banned_peers_are_not_chosen() -> None:
    store = PeerStore()
    fill(store, 3)
    store.change_score(make_peer(1), SCORE_MIN, NOW_MS)
    assert store.choose(3, {make_peer(0)}, SEED, NOW_MS) == [make_address(2)]


def test_scores_add_up_to_a_ban_that_decays() -> None:
    store = PeerStore()
    peer = make_peer(1)
    for _ in range(2):
        store.change_score(peer, Penalty.BAD_MESSAGE.change, NOW_MS)
    assert not store.is_banned(peer, NOW_MS)
    assert store.change_score(peer, Penalty.BAD_MESSAGE.change, NOW_MS) == 3 * -(2**29) < BANNED_BELOW
    assert store.is_banned(peer, NOW_MS)
    assert store.is_banned(peer, NOW_MS + 1000)
    assert not store.is_banned(peer, NOW_MS + 60_000)
    assert store.get_score(peer, NOW_MS + 60_000) < 0
    assert store.get_score(make_peer(2), NOW_MS) == 0


def test_wrong_genesis_is_a_ban_of_69_seconds() -> None:
    store = PeerStore()
    store.change_score(make_peer(1), Penalty.WRONG_GENESIS.change, NOW_MS)
    assert store.is_banned(make_peer(1), NOW_MS + 68_999)
    assert not store.is_banned(make_peer(1), NOW_MS + 69_000)


def test_scores_are_forgotten_after_an_hour() -> None:
    store = PeerStore()
    store.change_score(make_peer(1), SCORE_MIN, NOW_MS)
    store.change_score(make_peer(2), -1, NOW_MS)
    assert store.get_score(make_peer(1), NOW_MS + 3_599_999) == 0
    assert store.get_score(make_peer(1), NOW_MS + 3_543_000) < 0
    before = store.encode()
    store.forget(NOW_MS + 999)
    assert store.encode() == before
    store.forget(NOW_MS + 3_543_000)
    assert store.get_score(make_peer(1), NOW_MS + 3_543_000) < 0
    store.forget(NOW_MS + 3_600_000)
    assert store.encode() == PeerStore().encode()


@given(st.integers(SCORE_MIN, -1), st.lists(st.integers(0, 70_000), max_size=20))
def test_scores_decay_the_same_however_often_they_are_brought_up_to_date(
    value: int, waits: list[int]
) -> None:
    store, left = PeerStore(), PeerStore()
    store.change_score(make_peer(1), value, NOW_MS)
    left.change_score(make_peer(1), value, NOW_MS)
    now_ms = NOW_MS
    for wait in waits:
        now_ms += wait
        store.forget(now_ms)
    assert store.get_score(make_peer(1), now_ms) == left.get_score(make_peer(1), now_ms)


def test_a_clock_that_was_set_back_does_not_keep_a_ban_for_ever() -> None:
    store = PeerStore()
    store.change_score(make_peer(1), SCORE_MIN, NOW_MS + 10**12)
    assert store.is_banned(make_peer(1), NOW_MS)
    store.forget(NOW_MS)
    assert not store.is_banned(make_peer(1), NOW_MS + 69_000)


def test_a_pardon_forgets_the_score() -> None:
    store = PeerStore()
    store.change_score(make_peer(1), SCORE_MIN, NOW_MS)
    store.clear_score(make_peer(1))
    store.clear_score(make_peer(2))
    assert store.get_score(make_peer(1), NOW_MS) == 0


def test_scores_are_bounded_and_bans_stay() -> None:
    store = PeerStore()
    store.change_score(make_peer(0), SCORE_MIN, NOW_MS)
    for number in range(1, SCORES_MAX + 1):
        store.change_score(make_peer(number), -number, NOW_MS)
    assert store.is_banned(make_peer(0), NOW_MS)
    assert store.get_score(make_peer(1), NOW_MS) == 0
    assert store.get_score(make_peer(2), NOW_MS) == -2


def make_store() -> PeerStore:
    store = PeerStore()
    fill(store, 20)
    store.on_reached(make_address(3, "2001:db8::1")._replace(protocol="ip6"), NOW_MS)
    store.on_failed(make_address(4), is_wrong=False)
    store.change_score(make_peer(1), SCORE_MIN, NOW_MS)
    store.change_score(make_peer(2), 128, NOW_MS)
    return store


def test_a_store_comes_back_from_its_bytes() -> None:
    store = make_store()
    again = decode_peer_store(store.encode())
    assert again.encode() == store.encode()
    assert again.is_banned(make_peer(1), NOW_MS + 1000)
    assert again.get_addresses(make_peer(3)) == store.get_addresses(make_peer(3))
    assert again.choose(20, set(), SEED, NOW_MS) == store.choose(20, set(), SEED, NOW_MS)


def test_a_full_store_comes_back_too() -> None:
    store = PeerStore()
    fill(store, KNOWN_MAX)
    for number in range(SCORES_MAX):
        store.change_score(make_peer(number), -5, NOW_MS)
    assert decode_peer_store(store.encode()).encode() == store.encode()


@given(st.binary(max_size=200))
def test_any_bytes_are_a_store_or_a_store_error(data: bytes) -> None:
    try:
        store = decode_peer_store(data)
    except PeerStoreError:
        return
    assert len(store) >= 0


@given(st.data())
def test_changed_bytes_are_a_store_or_a_store_error(data: st.DataObject) -> None:
    encoded = bytearray(make_store().encode())
    for _ in range(3):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        store = decode_peer_store(bytes(encoded))
    except PeerStoreError:
        return
    assert len(store) <= 20


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        (b"\x93\x01", b"\x93\x02", "format 2"),
        (make_peer(0).encode(), make_peer(50).encode(), "another peer"),
        (b"/ip4/1.0.0.1/", b"/ip4/1.0.0.x/", "IPv4"),
    ],
)
def test_other_stores_are_refused(old: bytes, new: bytes, match: str) -> None:
    store = PeerStore()
    store.add(make_address(0), CONFIGURED)
    encoded = store.encode()
    assert old in encoded
    with pytest.raises(PeerStoreError, match=match):
        decode_peer_store(encoded.replace(old, new, 1))


def test_the_file_gives_back_what_it_was_given(tmp_path: Path) -> None:
    file = PeerFile(tmp_path / "peers")
    assert len(file.load()) == 0
    store = make_store()
    assert file.store(store.encode())
    assert file.load().encode() == store.encode()
    assert file.store(PeerStore().encode())
    assert len(file.load()) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["peers"]
    assert (tmp_path / "peers").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "garbage", "directory"])
def test_a_damaged_file_is_an_empty_store_and_a_warning(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "peers"
    PeerFile(path).store(make_store().encode())
    data = path.read_bytes()
    match damage:
        case "flip":
            path.write_bytes(data[:30] + bytes([data[30] ^ 1]) + data[31:])
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case "empty":
            path.write_bytes(b"")
        case "garbage":
            path.write_bytes(b"\xff" * 100)
        case _:
            path.unlink()
            path.mkdir()
    with structlog.testing.capture_logs() as logs:
        assert len(PeerFile(path).load()) == 0
    assert [line["event"] for line in logs] == ["peer_store_damaged"]


def test_a_file_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        assert not PeerFile(tmp_path / "missing" / "peers").store(b"x")
    assert [line["event"] for line in logs] == ["peer_store_not_written"]
