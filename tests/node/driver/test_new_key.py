"""A key of which nobody knows what it signed: when it may sign, and that it never does once it was seen."""

from node.driver.new_key import DECISIONS, WATCHED_MS, NewKey
from runtime.primitives.certificate import STEP_COMMIT
from tests.support.consensus import A, certificate, committee

OTHERS = certificate(A, 0, STEP_COMMIT, (0, 1, 2))
OURS = certificate(A, 0, STEP_COMMIT, (0, 1, 3))
ME = 3


def new_key() -> NewKey:
    return NewKey(is_watching=True)


def test_chain_that_begins_is_begun_with_as_many_peers_as_make_a_quorum() -> None:
    key = new_key()
    assert not key.hear("a", 1, 1, committee(), 0)
    assert not key.hear("a", 1, 1, committee(), 0)
    assert key.hear("b", 1, 1, committee(), 0)
    assert not key.is_watching


def test_peers_beyond_genesis_let_nobody_begin() -> None:
    key = new_key()
    assert not any(key.hear(peer, 2, 1, committee(), 0) for peer in "abcdef")
    assert not any(key.hear(peer, 1, 2, committee(), 0) for peer in "abcdef")
    assert key.is_watching


def test_own_signature_in_any_certificate_ends_it_for_good() -> None:
    key = new_key()
    assert not key.see(OTHERS, ME, is_past=False)
    assert key.see(OURS, ME, is_past=True)
    assert not key.has_seen_enough(WATCHED_MS)
    assert not key.hear("a", 1, 1, committee(), 0)


def test_enough_decisions_without_it_let_it_sign() -> None:
    key = new_key()
    for _ in range(DECISIONS):
        assert not key.has_seen_enough(0)
        assert not key.see(OTHERS, ME, is_past=False)
    assert key.has_seen_enough(0)
    assert not key.has_seen_enough(0)


def test_decisions_of_the_past_are_looked_at_and_prove_nothing_of_the_present() -> None:
    key = new_key()
    for _ in range(3 * DECISIONS):
        assert not key.see(OTHERS, ME, is_past=True)
    assert not key.has_seen_enough(0)


def test_time_counts_from_the_first_peer_that_is_no_further() -> None:
    key = new_key()
    key.hear("a", 9, 4, committee(), 1_000)
    assert not key.has_seen_enough(1_000 + WATCHED_MS)
    key.hear("a", 9, 9, committee(), 5_000)
    assert not key.has_seen_enough(5_000 + WATCHED_MS - 1)
    key.hear("b", 10, 9, committee(), 6_000)
    key.hear("a", 9, 9, committee(), 7_000)
    assert not key.has_seen_enough(7_000 + WATCHED_MS - 1)
    assert key.has_seen_enough(7_000 + WATCHED_MS)


def test_observer_of_the_set_is_in_no_certificate() -> None:
    key = new_key()
    assert not key.see(OURS, None, is_past=False)


def test_key_with_a_record_asks_nothing() -> None:
    key = NewKey(is_watching=False)
    assert not key.see(OURS, ME, is_past=True)
    assert not key.hear("a", 1, 1, committee(), 0)
    assert not key.has_seen_enough(10**9)
