"""The download of blocks, input by input, and at random among peers that stall, lie, spoil and vanish."""

import random  # noqa: TID251  # seeded
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import pytest
from msgspec import structs

from node.sync.downloads import BEHIND_MIN, Downloads, SyncLimits, has_flaw
from node.sync.effects import (
    Advanced,
    Ask,
    CertifiedBlock,
    Failed,
    Fault,
    Import,
    ImportEnded,
    Offence,
    PeerLeft,
    PeerSaid,
    Penalise,
    Served,
    SyncEffect,
    SyncInput,
    Tick,
)
from node.sync.standing import ABSENT_MAX, PAUSE_MAX_MS, PAUSE_MS
from runtime.primitives.block import Block, Digest, Header, hash_header
from runtime.primitives.certificate import Certificate
from runtime.primitives.types import Hash

LENGTH = 600
SIZE = 10
SMALL = SyncLimits(parallel_max=3, range_blocks=8, answer_bytes=100, ahead=1)


@cache
def make_chain(length: int = LENGTH, salt: int = 0) -> tuple[CertifiedBlock, ...]:
    """Return blocks 0 to `length` of a chain; another salt is another chain."""
    blocks: list[CertifiedBlock] = []
    parent = Hash(bytes([salt]) * 32)
    for number in range(length + 1):
        header = Header(parent, number, Hash(bytes(32)), Hash(bytes(32)), Digest(()))
        parent = hash_header(header)
        blocks.append(CertifiedBlock(Block(header, ()), Certificate(0, number, number, 0, parent, ()), SIZE))
    return tuple(blocks)


def cut(start: int, count: int, salt: int = 0) -> tuple[CertifiedBlock, ...]:
    return make_chain(LENGTH, salt)[start : start + count]


class Syncing:
    """Downloads with a clock of the test."""

    def __init__(self, limits: SyncLimits = SMALL, final: int = 0) -> None:
        self.downloads = Downloads(final, limits)
        self.now_ms = 0

    def give(self, *events: SyncInput) -> list[SyncEffect]:
        effects: list[SyncEffect] = []
        for event in events:
            effects += self.downloads.handle(event, self.now_ms)
        return effects

    def wait(self, ms: int) -> list[SyncEffect]:
        self.now_ms += ms
        return self.give(Tick())


def test_ranges_are_asked_of_as_many_peers_as_allowed_one_at_a_time() -> None:
    made = Syncing()
    asked = made.give(*(PeerSaid(f"p{n}", 100) for n in range(5)))
    assert asked == [Ask(0, "p0", 1, 8), Ask(1, "p1", 9, 8), Ask(2, "p2", 17, 8)]
    assert made.give(Tick(), PeerSaid("p0", 101)) == []


@pytest.mark.parametrize(("ahead", "is_asked"), [(BEHIND_MIN - 1, False), (BEHIND_MIN, True)])
def test_peers_a_little_ahead_are_left_to_agreement(ahead: int, is_asked: bool) -> None:
    made = Syncing(final=50)
    assert bool(made.give(PeerSaid("p", 50 + ahead))) is is_asked
    assert made.downloads.is_syncing is is_asked
    assert made.downloads.target == 50 + ahead


def test_what_comes_out_of_order_is_imported_in_order() -> None:
    made = Syncing()
    made.give(PeerSaid("a", 16), PeerSaid("b", 16))
    assert made.give(Served(1, cut(9, 8))) == []
    assert made.downloads.kept == (8, 8 * SIZE)
    assert made.give(Served(0, cut(1, 8))) == [Import(cut(1, 8))]
    assert made.give(*(Advanced(number) for number in range(1, 9))) == []
    assert made.give(ImportEnded(False)) == [Import(cut(9, 8))]
    made.give(Advanced(16), ImportEnded(False))
    assert made.downloads.kept == (0, 0)
    assert not made.downloads.is_syncing


def test_rest_of_a_short_answer_is_asked_for_again() -> None:
    made = Syncing()
    made.give(PeerSaid("a", 100))
    effects = made.give(Served(0, cut(1, 3)))
    assert effects == [Import(cut(1, 3)), Ask(1, "a", 4, 5)]


def test_waiting_range_is_cut_for_a_peer_that_has_its_beginning_only() -> None:
    made = Syncing()
    made.give(PeerSaid("liar", 100))
    made.give(Failed(0, Fault.STALLED), PeerLeft("liar"))
    assert made.give(PeerSaid("b", 5)) == [Ask(1, "b", 1, 5)]


@pytest.mark.parametrize(
    ("event", "penalties"),
    [
        (Served(0, ()), [Penalise("a", Offence.NOT_KEPT)]),
        (Served(0, cut(2, 8)), [Penalise("a", Offence.BAD_BLOCK)]),
        (Served(0, cut(1, 9)), [Penalise("a", Offence.BAD_BLOCK)]),
        (Failed(0, Fault.DAMAGED), [Penalise("a", Offence.BAD_BLOCK)]),
        (Failed(0, Fault.STALLED), []),
        (Failed(0, Fault.REFUSED), []),
        (Failed(0, Fault.BUSY), []),
        (Failed(0, Fault.GONE), []),
    ],
)
def test_range_that_failed_goes_to_another_peer(event: SyncInput, penalties: list[SyncEffect]) -> None:
    made = Syncing()
    made.give(PeerSaid("a", 100))
    assert made.give(event) == penalties
    assert made.give(PeerSaid("b", 100)) == [Ask(1, "b", 1, 8)]


def test_answer_longer_than_any_may_be_is_refused() -> None:
    made = Syncing()
    made.give(PeerSaid("a", 100))
    long = (cut(1, 1)[0]._replace(size=SMALL.answer_bytes + 1),)
    assert made.give(Served(0, long)) == [Penalise("a", Offence.BAD_BLOCK)]
    made.give(PeerSaid("b", 100))
    just = (cut(1, 1)[0]._replace(size=SMALL.answer_bytes),)
    assert Import(just) in made.give(Served(1, just))


def test_bad_block_costs_its_server_all_that_it_served() -> None:
    made = Syncing()
    made.give(PeerSaid("liar", 100), PeerSaid("good", 100))
    forged = cut(1, 8, salt=1)
    assert made.give(Served(0, forged)) == [Import(forged), Ask(2, "liar", 17, 8)]
    made.give(Served(2, cut(17, 8, salt=1)))
    made.give(Served(1, cut(9, 8)))
    effects = made.give(ImportEnded(True))
    assert effects == [Penalise("liar", Offence.BAD_BLOCK), Ask(3, "good", 1, 8)]
    assert made.downloads.kept == (8, 8 * SIZE), "those of the honest peer"
    assert made.give(PeerSaid("new", 100)) == [Ask(4, "new", 17, 8)]


def test_pauses_double_up_to_a_limit_while_all_peers_fail() -> None:
    made = Syncing()
    made.give(PeerSaid("a", 100))
    pauses = []
    for request in range(9):
        made.give(Failed(request, Fault.STALLED))
        waited = 0
        while not made.wait(PAUSE_MS):
            waited += PAUSE_MS
        pauses.append(waited + PAUSE_MS)
    assert pauses == [min(PAUSE_MS << n, PAUSE_MAX_MS) for n in range(9)]


def test_height_that_came_to_nothing_is_no_target() -> None:
    made = Syncing()
    made.give(PeerSaid("liar", 1_000_000))
    assert made.downloads.target == 1_000_000
    made.give(Served(0, ()))
    assert (made.downloads.target, made.downloads.is_syncing) == (0, False)
    made.give(PeerSaid("liar", 1_000_001))
    assert (made.downloads.target, made.downloads.is_syncing) == (0, False)
    made.give(PeerSaid("good", 20))
    assert made.downloads.target == 20


def test_peer_that_has_not_what_it_said_is_asked_when_it_says_so_again() -> None:
    made = Syncing()
    made.give(PeerSaid("a", 100), Served(0, ()))
    assert made.wait(PAUSE_MAX_MS) == []
    assert made.give(PeerSaid("a", 100)) == [Ask(1, "a", 1, 8)]


def test_one_stalled_request_leaves_the_target_and_a_second_one_does_not() -> None:
    made = Syncing()
    made.give(PeerSaid("a", 100), Failed(0, Fault.STALLED))
    assert made.downloads.target == 100
    assert made.wait(PAUSE_MS) == [Ask(1, "a", 1, 8)]
    made.give(Failed(1, Fault.STALLED))
    assert made.downloads.target == 0
    assert made.wait(2 * PAUSE_MS) == [Ask(2, "a", 1, 8)], "it is asked again all the same"
    made.give(Served(2, cut(1, 8)), Advanced(8), ImportEnded(False))
    assert made.downloads.target == 100


def test_peer_whose_final_block_goes_back_is_penalised() -> None:
    made = Syncing()
    made.give(PeerSaid("a", 100))
    assert made.give(PeerSaid("a", 99)) == [Penalise("a", Offence.WENT_BACK)]
    assert made.give(PeerSaid("a", 99)) == []


def test_going_and_coming_heals_no_fault() -> None:
    made = Syncing()
    made.give(PeerSaid("a", 100), Served(0, ()), PeerLeft("a"))
    assert made.give(PeerSaid("a", 100)) == []
    assert made.downloads.target == 0
    assert made.give(*(event for n in range(ABSENT_MAX) for event in vanish(made, f"x{n}"))) == []
    made.give(PeerLeft("a"))
    for n in range(ABSENT_MAX):
        for event in vanish(made, f"y{n}"):
            made.give(event)
    assert made.give(PeerSaid("a", 100)) != [], "too many have left since"


def vanish(made: Syncing, peer: str) -> Sequence[SyncInput]:
    """Let a peer come, go back on its word, and leave."""
    made.give(PeerSaid(peer, 2), PeerSaid(peer, 1))
    return (PeerLeft(peer),)


def test_answers_after_all_are_of_no_effect() -> None:
    made = Syncing()
    made.give(PeerSaid("a", 100))
    assert made.give(Failed(7, Fault.STALLED), Served(7, cut(1, 8))) == []
    made.give(PeerLeft("a"))
    assert made.give(Served(0, cut(1, 8)), Failed(0, Fault.GONE), PeerLeft("b")) == []


def test_blocks_that_became_final_meanwhile_are_left_out() -> None:
    made = Syncing()
    made.give(PeerSaid("a", 100), Advanced(5))
    assert made.give(Served(0, cut(1, 8)))[0] == Import(cut(6, 3))
    made = Syncing()
    made.give(PeerSaid("a", 100), Advanced(8))
    assert made.give(Served(0, cut(1, 8))) == [Ask(1, "a", 9, 8)]


def test_import_that_ends_early_without_a_fault_is_tried_again_later() -> None:
    made = Syncing()
    made.give(PeerSaid("a", 100), Served(0, cut(1, 8)))
    assert made.give(Advanced(3)) == []
    assert made.downloads.kept == (5, 5 * SIZE)
    assert made.give(ImportEnded(False), Served(1, cut(9, 8))) == []
    assert made.wait(PAUSE_MS - 1) == []
    assert made.wait(1) == [Ask(2, "a", 4, 5)]


def test_room_is_left_for_the_first_range_until_it_is_final() -> None:
    """Of the room for four answers the later ranges get three, so that the first can be asked for again."""
    made = Syncing()
    made.give(*(PeerSaid(f"p{n}", 500) for n in range(3)))
    later = [tuple(each._replace(size=12) for each in cut(start, 8)) for start in (9, 17)]
    assert made.give(Served(1, later[0])) == [Ask(3, "p1", 25, 8)]
    assert made.give(Served(2, later[1])) == [], "four answers are kept or on their way"
    tiny = tuple(each._replace(size=1) for each in cut(1, 8, salt=1))
    assert made.give(Served(0, tiny)) == [Import(tiny)], "there is room, but not for a later range"
    assert made.give(ImportEnded(True)) == [Penalise("p0", Offence.BAD_BLOCK), Ask(4, "p2", 1, 8)]


def other_certificate(blocks: tuple[CertifiedBlock, ...]) -> tuple[CertifiedBlock, ...]:
    first = blocks[0]._replace(certificate=structs.replace(blocks[0].certificate, number=99))
    return (first, *blocks[1:])


@pytest.mark.parametrize(
    ("spoil", "is_flawed"),
    [
        (lambda blocks: blocks, False),
        (lambda blocks: blocks[:1], False),
        (lambda blocks: (*blocks[:4], *cut(5, 4, salt=1)), True),
        (lambda blocks: (*blocks[:3], *blocks[4:]), True),
        (lambda blocks: (*blocks, *cut(9, 1)), True),
        (lambda blocks: blocks[::-1], True),
        (lambda blocks: blocks[1:], True),
        (other_certificate, True),
        (lambda blocks: (blocks[0]._replace(certificate=cut(1, 1, salt=1)[0].certificate),), True),
    ],
)
def test_flaws_that_need_no_state_are_found(
    spoil: Callable[[tuple[CertifiedBlock, ...]], tuple[CertifiedBlock, ...]], is_flawed: bool
) -> None:
    assert has_flaw(1, 8, spoil(cut(1, 8))) is is_flawed


# --- at random

KINDS = ("stalls", "lies", "spoils", "forges", "vanishes", "shortens", "refuses", "flickers")
TIMEOUT_MS = 20_000


@dataclass
class World:
    """An engine among peers of given kinds, in which time passes and answers come as a seed says."""

    seed: int
    limits: SyncLimits
    final: int = 0
    now_ms: int = 0
    due: list[tuple[int, int, SyncInput]] = field(default_factory=list)
    importing: list[CertifiedBlock] = field(default_factory=list)
    asked: dict[int, tuple[str, int]] = field(default_factory=dict)
    blamed: list[str] = field(default_factory=list)
    order: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.downloads = Downloads(0, self.limits)
        kinds = self.random.choices(KINDS, k=self.random.randint(0, 9))
        self.kinds = {f"{kind}{n}": kind for n, kind in enumerate(kinds)}
        self.kinds["honest"] = "honest"

    def later(self, delay_ms: int, event: SyncInput) -> None:
        self.order += 1
        self.due.append((self.now_ms + delay_ms, self.order, event))

    def say_all(self) -> None:
        for peer, kind in self.kinds.items():
            claim = {"lies": 10**9, "stalls": LENGTH + 50}.get(kind, LENGTH)
            if kind == "flickers":
                claim = self.random.randint(0, 2 * LENGTH)
            self.give(PeerSaid(peer, claim))
            if kind in {"vanishes", "lies"} and self.random.random() < 0.3:
                self.asked = {request: one for request, one in self.asked.items() if one[0] != peer}
                self.give(PeerLeft(peer))

    def give(self, event: SyncInput) -> None:
        for effect in self.downloads.handle(event, self.now_ms):
            match effect:
                case Ask():
                    self.on_ask(effect)
                case Import(blocks):
                    self.on_import(blocks)
                case Penalise(peer, _):
                    self.blamed.append(peer)
        self.check()

    def on_ask(self, ask: Ask) -> None:
        assert ask.peer not in [peer for peer, _ in self.asked.values()], "one request to a peer"
        assert 1 <= ask.length <= self.limits.range_blocks
        self.asked[ask.request] = (ask.peer, ask.length)
        assert len(self.asked) <= self.limits.parallel_max
        delay, answer = self.answer(self.kinds[ask.peer], ask)
        self.later(delay, answer)

    def answer(self, kind: str, ask: Ask) -> tuple[int, SyncInput]:
        quick, request = self.random.randint(1, 400), ask.request
        blocks = tuple(
            each._replace(size=self.random.randint(1, self.limits.answer_bytes // ask.length))
            for each in cut(ask.start, ask.length)
        )
        match kind:
            case "stalls" | "vanishes":
                return TIMEOUT_MS, Failed(request, Fault.STALLED)
            case "lies":
                return quick, Served(request, ())
            case "spoils":
                return quick, Served(request, blocks[1:] or cut(ask.start, 1, salt=2))
            case "forges":
                return quick, Served(request, cut(ask.start, ask.length, salt=1))
            case "shortens" | "flickers":
                return quick, Served(request, blocks[:1])
            case "refuses":
                return quick, Failed(request, self.random.choice([Fault.REFUSED, Fault.BUSY, Fault.DAMAGED]))
            case _:
                return quick, Served(request, blocks)

    def on_import(self, blocks: tuple[CertifiedBlock, ...]) -> None:
        assert not self.importing, "one import at a time"
        assert blocks[0].block.header.number == self.final + 1, "imported in order"
        self.importing = list(blocks)

    def check(self) -> None:
        blocks, size = self.downloads.kept
        assert blocks <= self.limits.kept_blocks
        assert size + len(self.asked) * self.limits.answer_bytes <= self.limits.kept_bytes

    def work(self) -> None:
        """Carry out one block of what is imported."""
        if not self.importing:
            return
        one = self.importing.pop(0)
        number = one.block.header.number
        if one.certificate.block_hash != make_chain()[number].certificate.block_hash:
            self.importing = []
            self.give(ImportEnded(True))
            return
        self.final = number
        self.give(Advanced(number))
        if not self.importing:
            self.give(ImportEnded(False))

    def run(self, limit_ms: int) -> None:
        while self.final <= LENGTH - BEHIND_MIN and self.now_ms < limit_ms:
            if self.now_ms % 2_000 == 0:
                self.say_all()
            self.now_ms += 50
            ripe = sorted(each for each in self.due if each[0] <= self.now_ms)
            self.due = [each for each in self.due if each[0] > self.now_ms]
            for _, _, event in ripe:
                assert isinstance(event, Served | Failed)
                self.asked.pop(event.request, None)
                self.give(event)
            for _ in range(self.random.randint(0, 4)):
                self.work()
            if self.now_ms % 500 == 0:
                self.give(Tick())


def run_world(seed: int) -> World:
    limits = SyncLimits(
        parallel_max=seed % 5 + 1,
        range_blocks=(1, 8, 64)[seed % 3],
        answer_bytes=1_000,
        ahead=(1, 3, 12)[seed // 3 % 3],
    )
    world = World(seed, limits)
    world.run(limit_ms=1_200_000)
    return world


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_chain_is_caught_up_with_among_peers_that_fail_in_every_way(seed: int) -> None:
    world = run_world(seed)
    assert world.final > LENGTH - BEHIND_MIN, f"block {world.final} after {world.now_ms} ms"
    assert "honest" not in world.blamed
    stalls = {peer for peer, kind in world.kinds.items() if kind in {"stalls", "shortens"}}
    assert not stalls & set(world.blamed)
