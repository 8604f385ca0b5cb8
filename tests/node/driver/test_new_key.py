"""A key of which nobody knows what it signed: when it may sign, and that it never does once it was seen."""

from collections.abc import Container, Iterable

import pytest

from node.driver.new_key import DECISIONS, GENESIS_MS, PROOF_MS, WATCHED_MS, NewKey
from runtime.primitives.certificate import STEP_COMMIT, Certificate
from tests.support.consensus import A, certificate, committee

OTHERS = certificate(A, 0, STEP_COMMIT, (0, 1, 2))
OURS = certificate(A, 0, STEP_COMMIT, (0, 1, 3))
ME = 3
FOUR = committee()
STATUS_MS = 1_000
"""How often peers tell where they stand."""


def new_key() -> NewKey:
    return NewKey(is_watching=True)


def decide(
    key: NewKey, found: Certificate = OTHERS, speakers: Iterable[int] = (0, 1), *, is_past: bool = False
) -> bool:
    """Let some authorities speak and the instance be decided."""
    for speaker in speakers:
        key.hear_statement(speaker)
    return key.see(found, FOUR, ME, is_past=is_past)


def found_chain(key: NewKey, now_ms: int = 0) -> None:
    """Let as many peers as make a quorum with this key say that they are at genesis."""
    for peer in "ab":
        key.hear(peer, 1, 1, FOUR, now_ms)


# --- a chain that begins


def test_chain_that_begins_is_begun_with_as_many_peers_as_make_a_quorum_after_a_while() -> None:
    key = new_key()
    key.hear("a", 1, 1, FOUR, 0)
    key.hear("a", 1, 1, FOUR, 0)
    key.hear("b", 1, 1, FOUR, 500)
    assert not key.has_seen_enough(GENESIS_MS - 1)
    assert key.is_watching
    assert key.has_seen_enough(GENESIS_MS)
    assert not key.is_watching


def test_peer_that_comes_late_completes_the_quorum_at_once() -> None:
    """For that long the first one has not been contradicted."""
    key = new_key()
    key.hear("a", 1, 1, FOUR, 0)
    assert not key.has_seen_enough(2 * GENESIS_MS)
    key.hear("b", 1, 1, FOUR, 2 * GENESIS_MS)
    assert key.has_seen_enough(2 * GENESIS_MS)


def test_one_peer_less_lets_nobody_begin_so_soon() -> None:
    key = new_key()
    key.hear("a", 1, 1, FOUR, 0)
    assert not key.has_seen_enough(WATCHED_MS - 1)


def test_peers_beyond_genesis_let_nobody_begin() -> None:
    key = new_key()
    for peer in "abcdef":
        key.hear(peer, 2, 1, FOUR, 0)
        key.hear(peer, 1, 2, FOUR, 0)
    assert not key.has_seen_enough(PROOF_MS - 1)


def test_first_certificate_shows_that_who_speaks_of_genesis_lies() -> None:
    """All others of a quorum may lie: an honest peer sends what it has when it hears where the key stands."""
    key = new_key()
    found_chain(key)
    assert not decide(key, speakers=())
    key.hear("honest", 2, 2, FOUR, 0)
    assert not key.has_seen_enough(GENESIS_MS), "the chain has begun"
    key.hear("honest", 3, 2, FOUR, 0)
    for now_ms in range(0, 60_000, STATUS_MS):
        for peer in "abcdef":
            key.hear(peer, 1, 2, FOUR, now_ms)
        assert not key.has_seen_enough(now_ms), "the chain has begun, and none of these is as far"


def test_claim_to_be_further_holds_up_the_beginning_until_it_could_have_been_proven() -> None:
    key = new_key()
    found_chain(key)
    key.hear("liar", 9, 1, FOUR, GENESIS_MS - 1)
    found_chain(key, GENESIS_MS)
    begun_ms = None
    for now_ms in range(GENESIS_MS, 60_000, STATUS_MS):
        key.hear("liar", 9, 1, FOUR, now_ms)
        found_chain(key, now_ms)
        if key.has_seen_enough(now_ms):
            begun_ms = now_ms
            break
    assert begun_ms is not None
    assert PROOF_MS <= begun_ms <= PROOF_MS + 2 * GENESIS_MS


def test_peer_that_is_gone_is_no_part_of_the_quorum() -> None:
    key = new_key()
    found_chain(key)
    key.forget("b")
    key.forget("nobody")
    assert not key.has_seen_enough(WATCHED_MS - 1)


def test_peer_that_goes_on_is_no_part_of_it_either() -> None:
    """Though it is not believed: claims without a certificate were heard for too long."""
    key = new_key()
    key.hear("liar", 9, 1, FOUR, 0)
    found_chain(key, PROOF_MS)
    key.hear("b", 2, 1, FOUR, PROOF_MS)
    key.hear("a", 1, 1, FOUR, PROOF_MS)
    assert not key.has_seen_enough(PROOF_MS + WATCHED_MS - 1)
    assert key.has_seen_enough(PROOF_MS + WATCHED_MS)


# --- its own signature


def test_own_signature_in_any_certificate_ends_it_for_good() -> None:
    key = new_key()
    assert not decide(key)
    assert decide(key, OURS, is_past=True)
    assert not key.has_seen_enough(WATCHED_MS)
    found_chain(key)
    assert not key.has_seen_enough(WATCHED_MS)


def test_observer_of_the_set_is_in_no_certificate() -> None:
    assert not new_key().see(OURS, FOUR, None, is_past=False)


# --- decisions


def test_enough_decisions_without_it_let_it_sign() -> None:
    key = new_key()
    for _ in range(DECISIONS):
        assert not key.has_seen_enough(0)
        assert not decide(key)
    assert key.has_seen_enough(0)
    assert not key.has_seen_enough(0)


def test_decisions_of_the_past_are_looked_at_and_prove_nothing_of_the_present() -> None:
    key = new_key()
    for _ in range(3 * DECISIONS):
        assert not decide(key, is_past=True)
    assert not key.has_seen_enough(0)


@pytest.mark.parametrize("speakers", [(), (0,), (0, 0, 0)])
def test_certificates_that_come_one_by_one_are_no_decisions_of_the_present(speakers: tuple[int, ...]) -> None:
    """As they come to a node whose database is a few blocks old, from a peer that helps it."""
    key = new_key()
    for _ in range(3 * DECISIONS):
        assert not decide(key, speakers=speakers)
    assert not key.has_seen_enough(0)


def test_who_spoke_in_one_instance_says_nothing_in_the_next() -> None:
    key = new_key()
    for speaker in (0, 1, 2) * DECISIONS:
        assert not decide(key, speakers=(speaker,))
    assert not key.has_seen_enough(0)


# --- time


def test_time_counts_from_the_first_peer_that_is_no_further() -> None:
    key = new_key()
    key.hear("a", 9, 4, FOUR, 1_000)
    assert not key.has_seen_enough(1_000 + WATCHED_MS)
    assert not decide(key, is_past=True)
    key.hear("a", 9, 9, FOUR, 5_000)
    assert not key.has_seen_enough(5_000 + WATCHED_MS - 1)
    key.hear("b", 10, 9, FOUR, 6_000)
    key.hear("a", 9, 9, FOUR, 7_000)
    assert not key.has_seen_enough(7_000 + WATCHED_MS - 1)
    assert key.has_seen_enough(7_000 + WATCHED_MS)


def test_time_begins_anew_with_a_certificate_of_the_past_and_not_with_a_decision() -> None:
    """Whoever sent it is further than the peer that was as far as this node."""
    for is_past in (True, False):
        key = new_key()
        key.hear("a", 4, 4, FOUR, 0)
        assert not decide(key, is_past=is_past)
        assert key.has_seen_enough(WATCHED_MS) is not is_past
        key.hear("a", 5, 5, FOUR, WATCHED_MS)
        assert key.has_seen_enough(2 * WATCHED_MS) is is_past


def listen(key: NewKey, liars: int, certificates: Container[int] = ()) -> int | None:
    """Let an honest peer say each second that it is as far, and liars that they are further, others each
    time; at some times there are certificates of the past. Return when within two minutes the key may sign.
    """
    for second, now_ms in enumerate(range(0, 120_000, STATUS_MS)):
        key.hear("honest", 4, 4, FOUR, now_ms)
        if now_ms in certificates:
            assert not decide(key, is_past=True)
        for liar in range(liars):
            key.hear(f"liar {liar + second * liars}", 1_000 + second, 4, FOUR, now_ms)
        if key.has_seen_enough(now_ms):
            return now_ms
    return None


def test_claims_without_a_certificate_keep_no_key_from_signing_for_ever() -> None:
    assert listen(new_key(), 0) == WATCHED_MS
    for liars in (1, 20):
        assert listen(new_key(), liars) == PROOF_MS + WATCHED_MS


def test_claims_count_as_long_as_certificates_come() -> None:
    """While a node catches up it sees that there is a present which it is not in."""
    last = PROOF_MS - STATUS_MS
    assert listen(new_key(), 1, [last]) == last + PROOF_MS + WATCHED_MS
    assert listen(new_key(), 1, range(0, 120_000, last)) is None


def test_key_with_a_record_asks_nothing() -> None:
    key = NewKey(is_watching=False)
    assert not decide(key, OURS, is_past=True)
    found_chain(key)
    assert not key.has_seen_enough(10**9)
