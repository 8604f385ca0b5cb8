"""The download of a state, input by input, and at random among peers that stall, lie, spoil and vanish."""

import random  # noqa: TID251  # seeded
from collections.abc import Callable

import pytest

from node.sync.effects import Fault, Offence, PeerLeft, PeerSaid, Penalise, Tick
from node.sync.snapshot import (
    BEHIND_MAX,
    GRACE_MS,
    NUMBER_MIN,
    TARGETS_MAX,
    SnapshotDownload,
    SnapshotLimits,
)
from node.sync.snapshot_effects import (
    AskBody,
    AskChunk,
    AskProof,
    BodyServed,
    ChunkServed,
    Clear,
    Complete,
    Entries,
    GiveUp,
    ProofServed,
    RequestFailed,
    SnapshotEffect,
    SnapshotInput,
    Store,
    Stored,
)
from node.sync.standing import PAUSE_MS
from node.sync.warp import Fragment
from runtime.primitives.block import hash_header
from tests.support.fetching import LIMITS, NUMBER, SIZE, Fetching, served
from tests.support.states import BODY, SETS, Served, begin, make_fragment, make_header, served_at

FIRST, SECOND, LAST = served().fragments


def test_proof_is_asked_of_one_peer_and_then_everything_of_all() -> None:
    made = Fetching()
    assert made.give(PeerSaid("a", 50)) == [AskProof(0, "a", 0)]
    assert made.give(PeerSaid("b", 60), PeerSaid("c", 60), PeerSaid("d", 60)) == []
    effects = made.give(ProofServed(0, served().fragments, True))
    assert effects == [
        AskBody(1, "b", served().hash),
        AskChunk(2, "c", served().hash, bytes(32), 20),
        AskChunk(3, "d", served().hash, b"\x10" + bytes(31), 20),
    ]
    assert made.download.progress == (NUMBER, 0, 0, 0, 4)


def test_one_peer_serves_all_of_it() -> None:
    made = Fetching()
    effects = made.find()
    while not isinstance(effects[-1], Complete):
        effects = [one for effect in effects for one in answer(made, effect)]
    done = effects[-1]
    assert made.stored == served().state
    assert (done.block.header, done.block.hash, done.body) == (served().header, served().hash, BODY)
    assert [one.header.number for one in done.set_changes] == [5, 9]
    assert made.download.progress.entries >= SIZE
    assert made.download.progress.percent == 100
    assert made.give(Tick(), PeerSaid("late", 70), PeerLeft("a")) == [], "it is over"


def answer(made: Fetching, effect: SnapshotEffect, of: Served | None = None) -> list[SnapshotEffect]:
    """Answer as an honest peer and disk do."""
    block = served() if of is None else of
    match effect:
        case AskProof(request):
            return made.give(ProofServed(request, block.fragments, True))
        case AskChunk(request, _, _, start, length):
            return made.give(ChunkServed(request, *block.read(start, length)))
        case AskBody(request):
            return made.give(BodyServed(request, BODY))
        case Store(entries):
            made.stored |= dict(entries)
            return made.give(Stored())
        case Clear():
            made.stored.clear()
            return []
        case _:
            return []


def test_proof_may_come_in_several_answers() -> None:
    made = Fetching()
    made.give(PeerSaid("a", 50))
    first, second, last = served().fragments
    assert made.give(ProofServed(0, (first,), False)) == [AskProof(1, "a", 5)]
    assert made.give(ProofServed(1, (second,), False)) == [AskProof(2, "a", 9)]
    assert made.give(ProofServed(2, (last,), True)) == [AskBody(3, "a", served().hash)]


def test_block_that_announces_a_set_may_be_the_one_to_take() -> None:
    made = Fetching()
    made.give(PeerSaid("a", 50))
    header = make_header(40, SETS[1], served().tree.root)
    effects = made.give(ProofServed(0, (make_fragment(header, SETS[0]),), True))
    while not isinstance(effects[-1], Complete):
        effects = [one for effect in effects for one in answer(made, effect)]
    assert [one.header for one in effects[-1].set_changes] == [header]


def test_proof_goes_on_with_its_peer_and_begins_anew_with_another() -> None:
    made = Fetching()
    made.give(PeerSaid("a", 50), PeerSaid("b", 50))
    assert made.give(ProofServed(0, (FIRST,), False)) == [AskProof(1, "a", 5)]
    assert made.give(RequestFailed(1, Fault.BUSY)) == [AskProof(2, "b", 0)]
    assert made.give(RequestFailed(2, Fault.STALLED)) == []
    assert made.wait(PAUSE_MS) == [AskProof(3, "a", 0)]


def test_honest_peer_is_not_judged_by_what_old_keys_have_signed() -> None:
    made = Fetching()
    made.give(PeerSaid("thief", 60), PeerSaid("good", 50))
    stolen = make_fragment(make_header(4, SETS[3]), SETS[0])
    made.give(ProofServed(0, (stolen,), False), PeerLeft("thief"))
    effects = made.give(ProofServed(2, served().fragments, True))
    assert effects == [AskBody(3, "good", served().hash)]


def trusting(number: int, block_hash: bytes) -> Fetching:
    made = Fetching()
    made.download = SnapshotDownload(begin(trusted=(number, block_hash)), LIMITS, 0)
    return made


def test_proof_goes_through_the_trusted_block_or_is_left_without_blame() -> None:
    trusted = hash_header(make_header(9, SETS[2]))
    made = trusting(9, trusted)
    assert AskBody(1, "a", served().hash) in made.find()
    stolen = make_fragment(make_header(48, SETS[3]), SETS[0])
    for number, block_hash, fragments in (
        (9, trusted, (stolen,)),
        (9, bytes(32), served().fragments),
        (8, trusted, served().fragments),
        (NUMBER, served().hash, served().fragments),
        (70, trusted, served().fragments),
    ):
        made = trusting(number, block_hash)
        made.give(PeerSaid("a", 50), PeerSaid("b", 50))
        assert made.give(ProofServed(0, fragments, True)) == [AskProof(1, "b", 0)]
        effects = made.wait(LIMITS.patience_ms)
        assert effects == [GiveUp("no peer has shown a way through the trusted block")]


def test_chain_with_a_trusted_block_is_not_called_short_by_peers_below_it() -> None:
    made = trusting(9, hash_header(make_header(9, SETS[2])))
    made.give(PeerSaid("behind", NUMBER_MIN - 1))
    assert made.wait(GRACE_MS) == []
    assert made.give(PeerSaid("good", 50)) == [AskProof(0, "good", 0)]
    assert AskBody(1, "good", served().hash) in made.give(ProofServed(0, served().fragments, True))


def fragments_above(start: int, block: Served) -> list[Fragment]:
    """Return what leads from a block to another."""
    numbers = (5, 9, block.header.number)
    return [one for one, number in zip(block.fragments, numbers, strict=True) if number > start]


@pytest.mark.parametrize(
    ("fragments", "is_complete"),
    [
        ((SECOND, FIRST, LAST), True),
        ((FIRST, LAST), True),
        ((FIRST, FIRST, SECOND, LAST), True),
        ((FIRST, SECOND, make_fragment(served().header, SETS[2], (0, 1))), True),
        ((make_fragment(make_header(40), SETS[0]),), False),
        ((make_fragment(make_header(4), SETS[0]), FIRST, SECOND, LAST), True),
    ],
)
def test_peer_with_a_bad_proof_is_penalised_and_another_one_asked(
    fragments: tuple[Fragment, ...], is_complete: bool
) -> None:
    made = Fetching()
    made.give(PeerSaid("liar", 50), PeerSaid("good", 50))
    (penalty, ask) = made.give(ProofServed(0, fragments, is_complete))
    assert penalty == Penalise("liar", Offence.BAD_PROOF)
    assert isinstance(ask, AskProof)
    assert ask.peer == "good"
    rest = tuple(fragments_above(ask.start, served()))
    assert AskBody(2, "good", served().hash) in made.give(ProofServed(1, rest, True))


def test_block_far_below_what_its_peer_has_is_not_taken() -> None:
    made = Fetching()
    made.give(PeerSaid("old", NUMBER + BEHIND_MAX + 1), PeerSaid("good", NUMBER + BEHIND_MAX))
    effects = made.give(ProofServed(0, served().fragments, True))
    assert effects == [Penalise("old", Offence.OLD_OFFER), AskProof(1, "good", 0)]
    other = Fetching()
    assert AskBody(1, "a", served().hash) in other.find(NUMBER + BEHIND_MAX)


def test_peer_that_offers_nothing_is_left_alone_for_a_while() -> None:
    made = Fetching()
    made.give(PeerSaid("a", 50))
    assert made.give(ProofServed(0, (), True)) == []
    assert made.give(PeerSaid("b", 50)) == [AskProof(1, "b", 0)]
    assert made.wait(2 * PAUSE_MS) == []
    assert made.give(RequestFailed(1, Fault.GONE), PeerLeft("b")) == [AskProof(2, "a", 0)]


def spoil_value(entries: Entries, proof: bytes) -> tuple[Entries, bytes]:
    return ((entries[0][0], entries[0][1] + b"!"), *entries[1:]), proof


def leave_out(entries: Entries, proof: bytes) -> tuple[Entries, bytes]:
    return entries[:3] + entries[4:], proof


def truncate(entries: Entries, proof: bytes) -> tuple[Entries, bytes]:
    return entries[:-1], proof


def add_one(entries: Entries, proof: bytes) -> tuple[Entries, bytes]:
    return (*entries, (b"more", b"of it")), proof


def spoil_proof(entries: Entries, proof: bytes) -> tuple[Entries, bytes]:
    return entries, proof[:-1] + bytes([proof[-1] ^ 1])


def other_state(entries: Entries, proof: bytes) -> tuple[Entries, bytes]:
    del entries, proof
    return served_at(NUMBER + 1, SIZE).read(bytes(32), 10)


def other_place(entries: Entries, proof: bytes) -> tuple[Entries, bytes]:
    del entries, proof
    return served().read(b"\xf0" + bytes(31), 10)


def nothing(entries: Entries, proof: bytes) -> tuple[Entries, bytes]:
    del entries
    return (), proof


def too_many(entries: Entries, proof: bytes) -> tuple[Entries, bytes]:
    del entries, proof
    return served().read(bytes(32), LIMITS.chunk_entries + 1)


Spoil = Callable[[Entries, bytes], tuple[Entries, bytes]]
SPOILS: list[Spoil] = [
    spoil_value,
    leave_out,
    truncate,
    add_one,
    spoil_proof,
    other_state,
    other_place,
    nothing,
    too_many,
]


@pytest.mark.parametrize("spoil", SPOILS)
def test_peer_with_a_bad_chunk_is_penalised_and_nothing_of_it_stored(spoil: Spoil) -> None:
    made = Fetching()
    made.find(50, "good", "liar")
    chunk = spoil(*served().read(bytes(32), 20))
    effects = made.give(ChunkServed(2, *chunk))
    assert effects == [Penalise("liar", Offence.BAD_STATE)]
    assert made.give(BodyServed(1, BODY)) == [AskChunk(3, "good", served().hash, bytes(32), 20)]


def test_answer_after_its_peer_has_gone_is_ignored() -> None:
    made = Fetching()
    made.find(50, "a", "b")
    made.give(PeerLeft("b"))
    assert made.give(ChunkServed(2, *served().read(bytes(32), 20)), ProofServed(0, (), True)) == []
    assert made.give(RequestFailed(2, Fault.STALLED), BodyServed(9, BODY)) == []
    assert made.give(BodyServed(1, BODY)) == [AskChunk(3, "a", served().hash, bytes(32), 20)]


def test_other_extrinsics_than_the_headers_are_refused() -> None:
    made = Fetching()
    made.find(50, "liar", "b")
    effects = made.give(BodyServed(1, (*BODY, b"another")))
    assert effects == [Penalise("liar", Offence.BAD_BLOCK)]
    assert AskBody(3, "b", served().hash) in made.give(ChunkServed(2, *served().read(bytes(32), 20)))


@pytest.mark.parametrize(
    ("fault", "penalties"),
    [
        (Fault.DAMAGED, [Penalise("bad", Offence.BAD_STATE)]),
        (Fault.STALLED, []),
        (Fault.REFUSED, []),
        (Fault.BUSY, []),
        (Fault.GONE, []),
    ],
)
def test_what_failed_is_asked_of_another_peer(fault: Fault, penalties: list[SnapshotEffect]) -> None:
    made = Fetching()
    made.find(50, "a", "bad")
    assert made.give(RequestFailed(2, fault)) == penalties
    assert made.give(BodyServed(1, BODY)) == [AskChunk(3, "a", served().hash, bytes(32), 20)]


def test_busy_peer_is_asked_again_soon_and_one_that_has_not_the_state_never() -> None:
    made = Fetching()
    made.find(50, "a", "b")
    made.give(RequestFailed(1, Fault.BUSY), RequestFailed(2, Fault.REFUSED))
    assert made.wait(PAUSE_MS - 1) == []
    assert made.wait(1) == [AskBody(3, "a", served().hash)]
    assert made.wait(10 * PAUSE_MS) == []


def test_block_that_nobody_serves_any_more_gives_way_to_a_later_one() -> None:
    made = Fetching()
    made.find()
    made.give(BodyServed(1, BODY))
    store, ask = made.give(ChunkServed(2, *served().read(bytes(32), 20)))
    assert isinstance(store, Store)
    assert isinstance(ask, AskChunk)
    assert made.give(RequestFailed(3, Fault.REFUSED)) == [Clear()]
    made.give(Stored())
    assert made.download.progress == (None, 0, 0, 0, 1)
    effects = made.wait(PAUSE_MS)
    assert effects == [AskProof(4, "a", 9)]
    later = served_at(64, SIZE)
    assert made.give(ProofServed(4, later.fragments[-1:], True)) == [], "whoever is there is not so far"
    effects = made.give(PeerSaid("a", 64))
    while not isinstance(effects[-1], Complete):
        effects = [one for effect in effects for one in answer(made, effect, later)]
    assert made.stored == later.state
    assert [one.header.number for one in effects[-1].set_changes] == [5, 9]


def test_blocks_that_vanish_again_and_again_are_given_up() -> None:
    made, request = Fetching(), 0
    for tried in range(TARGETS_MAX):
        peer, number = f"peer{tried}", 10_000_000 + tried
        assert made.give(PeerSaid(peer, number)) == [AskProof(request, peer, 0)]
        fragment = make_fragment(make_header(number), SETS[0])
        assert isinstance(made.give(ProofServed(request, (fragment,), True))[-1], AskBody)
        assert made.give(RequestFailed(request + 1, Fault.REFUSED)) == [Clear()]
        made.give(PeerLeft(peer))
        request += 2
    made.give(PeerSaid("last", 20_000_000))
    fragment = make_fragment(make_header(20_000_000), SETS[0])
    assert isinstance(made.give(ProofServed(request, (fragment,), True))[-1], GiveUp)
    assert made.give(Tick()) == []


@pytest.mark.parametrize(("final", "is_short"), [(0, True), (NUMBER_MIN - 1, True), (NUMBER_MIN, False)])
def test_short_chain_is_given_up_once_others_might_have_come(final: int, is_short: bool) -> None:
    made = Fetching()
    made.wait(3_000)
    made.give(PeerSaid("a", final))
    assert made.wait(GRACE_MS - 1) == []
    effects = made.wait(1)
    assert bool(effects) is is_short
    if is_short:
        assert effects == [GiveUp(f"the chain has fewer than {NUMBER_MIN} blocks")]


def test_liar_alone_is_no_reason_to_call_the_chain_short() -> None:
    made = Fetching()
    made.give(PeerSaid("liar", 1_000), ProofServed(0, (SECOND,), True))
    assert made.wait(GRACE_MS) == [AskProof(1, "liar", 0)]
    assert made.give(RequestFailed(1, Fault.STALLED), PeerSaid("good", 50)) == [AskProof(2, "good", 0)]


def test_nothing_at_all_is_given_up_in_time() -> None:
    made = Fetching()
    assert made.wait(LIMITS.patience_ms - 1) == []
    assert isinstance(made.wait(1)[-1], GiveUp)


def test_patience_begins_anew_with_whatever_comes() -> None:
    made = Fetching()
    made.wait(LIMITS.patience_ms - 1)
    made.find(50, "a", "b")
    assert made.wait(LIMITS.patience_ms - 1) == []
    chunk = made.give(ChunkServed(2, *served().read(bytes(32), 20)))
    assert isinstance(chunk[0], Store)
    assert not any(isinstance(one, GiveUp) for one in made.wait(LIMITS.patience_ms - 1))
    assert isinstance(made.wait(1)[-1], GiveUp)


@pytest.mark.parametrize("field", ["entries_max", "bytes_max"])
def test_state_larger_than_may_be_fetched_is_given_up(field: str) -> None:
    chunk = served().read(bytes(32), 20)
    size = {"entries_max": 20, "bytes_max": sum(len(k) + len(v) for k, v in chunk[0])}[field]
    for limit, is_over in ((size, False), (size - 1, True)):
        made = Fetching(SnapshotLimits(chunk_entries=20, **{field: limit}))
        made.find(50, "a", "b")
        effects = made.give(ChunkServed(2, *chunk))
        assert isinstance(effects[-1], GiveUp) is is_over


def test_no_more_is_asked_for_than_can_be_stored() -> None:
    made = Fetching(SnapshotLimits(parallel_max=9, chunk_entries=20, chunks_max=2))
    effects = made.find(50, "a", "b", "c", "d")
    assert [type(one) for one in effects] == [AskBody, AskChunk], "extrinsics count as one"
    assert [type(one) for one in made.give(BodyServed(1, BODY))] == [AskChunk]
    (store,) = made.give(ChunkServed(2, *served().read(bytes(32), 20)))
    assert isinstance(store, Store), "and nothing is asked for"
    assert [type(one) for one in made.give(Stored())] == [AskChunk]


def test_peer_that_serves_in_small_pieces_is_slow_but_no_liar() -> None:
    made = Fetching()
    made.find(50, "a", "drip")
    effects = made.give(ChunkServed(2, *served().read(bytes(32), 1)))
    assert [type(one) for one in effects] == [Store]
    assert made.wait(PAUSE_MS - 1) == []
    assert [type(one) for one in made.wait(1)] == [AskChunk]


def test_peer_that_serves_well_is_forgiven() -> None:
    made = Fetching()
    made.find()
    for request in (1, 2):
        made.give(RequestFailed(request, Fault.STALLED))
        made.wait(2 * PAUSE_MS)
    made.give(BodyServed(3, BODY))
    made.give(ChunkServed(4, *served().read(bytes(32), 20)), RequestFailed(5, Fault.BUSY))
    assert made.wait(PAUSE_MS - 1) == []
    assert [type(one) for one in made.wait(1)] == [AskChunk]


# --- at random


class World:
    """Peers around a download: some honest, some not; time passes, and everybody comes and goes."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.made = Fetching()
        self.open: list[AskProof | AskChunk | AskBody] = []
        self.writes: list[Store | Clear] = []
        self.last: Complete | GiveUp | None = None
        self.kinds = {"good": "honest", "fair": "honest"}
        for kind in ("stalls", "refuses", "busy", "spoils", "proves", "drips", "body", "boasts"):
            if self.dice.random() < 0.6:
                self.kinds[kind] = kind
        self.block = served()
        self.here: dict[str, None] = {}

    def take(self, effects: list[SnapshotEffect]) -> None:
        for effect in effects:
            match effect:
                case AskProof() | AskChunk() | AskBody():
                    self.open.append(effect)
                case Store() | Clear():
                    self.writes.append(effect)
                case Penalise(peer, _):
                    assert self.kinds[peer] in {"spoils", "proves", "body", "boasts"}, effect
                case Complete() | GiveUp():
                    self.last = effect
        asked = [one.peer for one in self.open]
        assert len(asked) == len(set(asked)) <= LIMITS.parallel_max
        chunks = sum(isinstance(one, AskChunk) for one in self.open)
        stores = sum(isinstance(one, Store) for one in self.writes)
        assert chunks + stores <= LIMITS.chunks_max

    def step(self) -> None:
        made, dice = self.made, self.dice
        match dice.randrange(6):
            case 0:
                peer = dice.choice(sorted(self.kinds))
                if peer not in self.here:
                    self.here[peer] = None
                claim = 1_000_000 if self.kinds[peer] == "boasts" else self.block.header.number + 3
                self.take(made.give(PeerSaid(peer, claim)))
            case 1 if self.here and dice.random() < 0.15:
                peer = dice.choice(sorted(self.here))
                del self.here[peer]
                self.open = [one for one in self.open if one.peer != peer]
                self.take(made.give(PeerLeft(peer)))
            case 2 if self.writes:
                write = self.writes.pop(0)
                if isinstance(write, Clear):
                    made.stored.clear()
                else:
                    made.stored |= dict(write.entries)
                    self.take(made.give(Stored()))
            case 3:
                self.take(made.wait(dice.randrange(300)))
            case _ if self.open:
                ask = self.open.pop(dice.randrange(len(self.open)))
                self.take(made.give(self.reply(ask)))
            case _:
                pass

    def reply(self, ask: AskProof | AskChunk | AskBody) -> SnapshotInput:
        kind = self.kinds[ask.peer]
        if kind == "stalls":
            return RequestFailed(ask.request, Fault.STALLED)
        if kind == "busy":
            return RequestFailed(ask.request, Fault.BUSY)
        if kind == "refuses" or not (isinstance(ask, AskProof) or ask.block_hash == self.block.hash):
            return RequestFailed(ask.request, Fault.REFUSED)
        match ask:
            case AskProof(request, _, start):
                found = fragments_above(start, self.block)
                if kind == "proves":
                    found = [*found[:-1], make_fragment(self.block.header, SETS[2], (0, 1))]
                return ProofServed(request, tuple(found), True)
            case AskChunk(request, _, _, start, length):
                chunk = self.block.read(start, 1 if kind == "drips" else length)
                if kind == "spoils" and len(chunk[0]) > 4 and chunk[1]:
                    chunk = self.dice.choice([spoil_value, leave_out, truncate, spoil_proof])(*chunk)
                return ChunkServed(request, *chunk)
            case AskBody(request):
                return BodyServed(request, (b"other",) if kind == "body" else BODY)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_state_arrives_whole_whoever_lies_while_somebody_is_honest(seed: int) -> None:
    world = World(seed)
    moves = 0
    while world.last is None:
        world.step()
        moves += 1
        if moves == 150 and seed % 2:
            world.block = served_at(64, SIZE)  # the first one is not kept any more
        assert moves < 60_000, world.made.download.progress
    assert isinstance(world.last, Complete)
    assert world.writes == []
    number = world.last.block.header.number
    assert world.made.stored == served_at(number, SIZE).state
    assert world.last.body == BODY
    assert [one.header.number for one in world.last.set_changes] == [5, 9]
