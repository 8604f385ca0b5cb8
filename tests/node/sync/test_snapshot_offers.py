"""Peers that offer a true block which is not worth it, or serve one so slowly that nobody gets anywhere."""

from node.sync.effects import Fault, Offence, PeerSaid, Penalise, Tick
from node.sync.snapshot import GRACE_MS, NUMBER_MIN, TARGETS_MAX
from node.sync.snapshot_effects import (
    AskBody,
    AskChunk,
    AskProof,
    BodyServed,
    ChunkServed,
    Clear,
    GiveUp,
    ProofServed,
    RequestFailed,
    SnapshotEffect,
    Store,
    Stored,
)
from node.sync.standing import PAUSE_MS
from node.sync.warp import Fragment
from tests.support.fetching import LIMITS, Fetching, served
from tests.support.states import BODY, SETS, make_fragment, make_header

FIRST, _, _ = served().fragments


def offer(number: int) -> tuple[Fragment, ...]:
    """Return the way to a true block that no set change comes before, whose state nobody keeps any more."""
    return (make_fragment(make_header(number), SETS[0]),)


def test_block_too_low_to_be_worth_it_is_not_taken() -> None:
    for number, is_taken in ((NUMBER_MIN - 1, False), (NUMBER_MIN, True)):
        made = Fetching()
        made.give(PeerSaid("a", 50))
        effects = made.give(ProofServed(0, offer(number), True))
        assert [type(one) for one in effects] == [AskBody] * is_taken


def test_low_offer_of_whoever_comes_first_makes_no_chain_short() -> None:
    made = Fetching()
    made.give(PeerSaid("liar", 50), ProofServed(0, offer(5), True))
    assert made.wait(GRACE_MS) == [AskProof(1, "liar", 0)]
    assert made.give(PeerSaid("good", 50), ProofServed(1, offer(5), True)) == [AskProof(2, "good", 0)]
    assert AskBody(3, "good", served().hash) in made.give(ProofServed(2, served().fragments, True))


def test_who_offers_old_blocks_uses_up_no_tries() -> None:
    made = Fetching()
    old = offer(40)
    for tried in range(TARGETS_MAX + 1):
        peer = f"old{tried}"
        asked = made.give(PeerSaid(peer, 2_000))
        assert asked == [AskProof(tried, peer, 0)]
        assert made.give(ProofServed(tried, old, True)) == [Penalise(peer, Offence.OLD_OFFER)]
    assert made.give(PeerSaid("good", 50)) == [AskProof(TARGETS_MAX + 1, "good", 0)]


def test_way_that_leads_nowhere_new_is_no_progress() -> None:
    made = Fetching()
    made.give(PeerSaid("a", 50), PeerSaid("b", 50), ProofServed(0, (FIRST,), False))
    request = 1
    for _ in range(3):
        made.wait(LIMITS.patience_ms // 3 - 1)
        for _ in range(2):
            made.give(RequestFailed(request, Fault.BUSY), ProofServed(request + 1, (FIRST,), False))
            request += 2
    assert isinstance(made.wait(3)[-1], GiveUp)


def test_scraps_are_no_progress() -> None:
    made = Fetching()
    made.find(50, "drip")
    made.give(BodyServed(1, BODY))
    request, start = 2, bytes(32)
    effects: list[SnapshotEffect] = []
    for _ in range(20):
        if any(isinstance(one, GiveUp) for one in effects):
            break
        chunk = served().read(start, 1)
        made.give(ChunkServed(request, *chunk))
        effects = made.wait(10_000)
        for effect in effects:
            if isinstance(effect, AskChunk):
                request, start = effect.request, effect.start
    assert made.now_ms <= LIMITS.patience_ms + 10_000
    assert isinstance(effects[-1], GiveUp)


def test_old_block_that_only_its_peer_serves_a_little_at_a_time_gives_way() -> None:
    made = Fetching()
    made.give(PeerSaid("drip", 70), PeerSaid("good", 70))
    made.give(ProofServed(0, served().fragments, True), RequestFailed(2, Fault.REFUSED))
    assert made.give(BodyServed(1, BODY)) == [AskChunk(3, "drip", served().hash, bytes(32), 20)]
    chunk = served().read(bytes(32), 1)
    assert made.give(ChunkServed(3, *chunk)) == [Store(chunk[0])], "one scrap may be bad luck"
    made.give(Stored())
    (ask,) = made.wait(PAUSE_MS)
    assert isinstance(ask, AskChunk)
    assert made.give(ChunkServed(4, *served().read(ask.start, 1)))[-1] == Clear()
    assert made.give(Stored(), Tick()) == [AskProof(5, "good", 0)]
