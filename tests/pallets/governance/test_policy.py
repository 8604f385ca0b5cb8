"""Policy: orders are bounded, proven, taken once and in sequence, and stopped by two of three regulators."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from genesis.consortium import BLOCK_LENGTH_MAX, BLOCK_WEIGHT_MAX, NORMAL_PERCENT, make_version
from pallets.core import weights
from pallets.core.session import Session, SessionConfig, SessionKeys
from pallets.core.system import System, SystemConfig
from pallets.core.system_types import make_limits
from pallets.core.timestamp import Timestamp, TimestampConfig
from pallets.governance.policy import PolicyOutbox
from pallets.governance.policy_inbox import PolicyInbox
from pallets.governance.policy_types import (
    ACKS_KEPT,
    LIFETIME_MAX_MS,
    MESSAGES_MAX,
    Halt,
    InboxConfig,
    Issuer,
    MarketFee,
    Message,
    OracleFeed,
    OutboxConfig,
    Outcome,
    Payload,
    PriceBand,
    Waiting,
    Wheeling,
    Zone,
    subject_of,
)
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, Origin, PalletOrigin, Pays, Signed, Weight
from runtime.frame.runtime import RuntimeBuilder
from runtime.frame.runtime_api import RuntimeApi
from runtime.frame.state import State
from runtime.primitives.arithmetic import Overflow
from runtime.primitives.hashing import twox64_concat, twox128
from runtime.primitives.scale import codec
from runtime.primitives.tree import Tree
from runtime.primitives.tree_proof import Absent, InvalidProof, Present, verify
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BLOCK_TIME_MS, BOB, CHARLIE, DAVE, START_MS, Chain

HERE, THERE = 7, 3
VETO_BLOCKS = 4
RELAYED = PalletOrigin(40, bytes([THERE]))
SEATS = (BOB, CHARLIE, DAVE)
FEE = MarketFee(50)
TARGET_WEIGHT = Weight(1_000, 10)


class Rules:
    """Root decides on policy; a bridge speaks for one chain; three regulators; a target that takes notes."""

    def __init__(self) -> None:
        self.applied: list[Payload] = []
        self.refusal: Exception | None = None
        self.half_way: Callable[[], None] = lambda: None

    def ensure_policy(self, origin: Origin) -> None:
        if origin != ROOT:
            raise BadOrigin

    def ensure_relayed(self, origin: Origin, chain: int) -> None:
        if origin != PalletOrigin(40, bytes([chain])):
            raise BadOrigin

    def ensure_regulator(self, origin: Origin) -> AccountId:
        if not isinstance(origin, Signed) or origin.who not in SEATS:
            raise BadOrigin
        return origin.who

    def apply_policy(self, payload: Payload) -> None:
        if self.refusal is not None:
            self.half_way()
            raise self.refusal
        self.applied.append(payload)


@dataclass
class Ends:
    api: RuntimeApi
    system: System
    outbox: PolicyOutbox
    inbox: PolicyInbox
    rules: Rules


def compose(state: State) -> Ends:
    build, version, rules = RuntimeBuilder(state), make_version(), Rules()
    limits = make_limits(BLOCK_WEIGHT_MAX, BLOCK_LENGTH_MAX, NORMAL_PERCENT, weights.EXTRINSIC_BASE)
    system = build.add(System, index=0, name="System", config=SystemConfig(version, limits))
    clock = build.add(Timestamp, index=1, name="Timestamp", config=TimestampConfig(500, system))
    session = build.add(Session, index=9, name="Session", config=SessionConfig(system))
    sending = OutboxConfig(clock, rules, rules)
    outbox = build.add(PolicyOutbox, index=30, name="PolicyOutbox", config=sending)
    veto_ms = VETO_BLOCKS * BLOCK_TIME_MS
    taking = InboxConfig(clock, rules, rules, rules, TARGET_WEIGHT, HERE, veto_ms)
    inbox = build.add(PolicyInbox, index=31, name="PolicyInbox", config=taking)
    runtime = build.build(version, system, system.extensions())
    return Ends(RuntimeApi(runtime, session, ()), system, outbox, inbox, rules)


def write_genesis(ends: Ends) -> None:
    ends.system.genesis()
    ends.api.runtime.pallet("Session").genesis(((ALICE, SessionKeys(bytes(32))),))  # type: ignore[attr-defined]  # it is Session
    ends.system.events.kill()


@pytest.fixture
def chain() -> Chain[Ends]:
    return Chain(compose, write_genesis)


def at(block: int) -> int:
    return START_MS + block * BLOCK_TIME_MS


def order(nonce: int, payload: Payload = FEE, not_before: int = 0, expires: int = 1_000) -> Message:
    return Message(HERE, nonce, payload, at(not_before), at(expires))


def receive(chain: Chain[Ends], message: Message) -> None:
    chain.ok(RELAYED, "PolicyInbox.receive", THERE, message)


def test_order_is_proven_by_the_state_it_lies_in_and_not_by_another(chain: Chain[Ends]) -> None:
    chain.ok(ROOT, "PolicyOutbox.send", THERE, PriceBand(2, 10, 90_000), at(5), at(50))
    assert chain.events() == [PolicyOutbox.Sent(THERE, 0)]
    empty = Tree.from_items(chain.backend.entries.items())
    chain.next_block()
    key = (
        twox128(b"PolicyOutbox")
        + twox128(b"Outbox")
        + twox64_concat(THERE.to_bytes(4, "little"))
        + twox64_concat(bytes(8))
    )
    value = codec(Message).encode(Message(THERE, 0, PriceBand(2, 10, 90_000), at(5), at(50)))
    tree = Tree.from_items(chain.backend.entries.items())
    proof = tree.prove(key, value)
    assert verify(chain.root(), key, proof) == Present(value)
    assert verify(bytes(empty.root), key, empty.prove(key, None)) == Absent()
    with pytest.raises(InvalidProof):
        verify(bytes(empty.root), key, proof)
    with pytest.raises(InvalidProof):
        verify(chain.root(), key, proof[:-1] + b"\1")


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        (MarketFee(1_000), MarketFee(1_001)),
        (Wheeling(1, 2, 100_000), Wheeling(1, 2, 100_001)),
        (Wheeling(1, 2, 0), Wheeling(1, 1, 0)),
        (PriceBand(1, 0, 100_000), PriceBand(1, 0, 100_001)),
        (PriceBand(1, 7, 7), PriceBand(1, 8, 7)),
        (Zone(1, 1_000, True), Zone(1, 1_001, True)),
    ],
)
def test_bounds_hold_at_both_ends(chain: Chain[Ends], within: Payload, beyond: Payload) -> None:
    chain.noop(chain.pallets.outbox.OutOfBounds, ROOT, "PolicyOutbox.send", THERE, beyond, 0, at(50))
    chain.ok(ROOT, "PolicyOutbox.send", THERE, within, 0, at(50))
    receive(chain, order(0, beyond))
    assert chain.events() == [PolicyInbox.Settled(THERE, 0, Outcome.Refused)]
    receive(chain, order(1, within))
    assert chain.pallets.inbox.waiting.get(THERE) == (1,)
    chain.close_block()


def test_only_the_policy_origin_sends_and_within_a_period(chain: Chain[Ends]) -> None:
    for origin in (Signed(ALICE), NOBODY, RELAYED):
        chain.noop(BadOrigin, origin, "PolicyOutbox.send", THERE, FEE, 0, at(50))
    now, wrong = at(1), chain.pallets.outbox.InvalidPeriod
    chain.noop(wrong, ROOT, "PolicyOutbox.send", THERE, FEE, 0, now)
    chain.noop(wrong, ROOT, "PolicyOutbox.send", THERE, FEE, at(9), at(9))
    chain.noop(wrong, ROOT, "PolicyOutbox.send", THERE, FEE, 0, now + LIFETIME_MAX_MS + 1)
    chain.ok(ROOT, "PolicyOutbox.send", THERE, FEE, 0, now + 1)
    chain.ok(ROOT, "PolicyOutbox.send", THERE, FEE, 0, now + LIFETIME_MAX_MS)


def test_acknowledged_order_makes_room_and_is_acknowledged_once(chain: Chain[Ends]) -> None:
    for _ in range(MESSAGES_MAX):
        chain.ok(ROOT, "PolicyOutbox.send", THERE, FEE, 0, at(50))
    chain.noop(chain.pallets.outbox.TooManyOpen, ROOT, "PolicyOutbox.send", THERE, FEE, 0, at(50))
    chain.ok(ROOT, "PolicyOutbox.send", 4, FEE, 0, at(50))
    acknowledge = "PolicyOutbox.acknowledge"
    for origin in (ROOT, Signed(ALICE), PalletOrigin(40, b"\4")):
        chain.noop(BadOrigin, origin, acknowledge, THERE, 5, Outcome.Applied)
    chain.noop(
        chain.pallets.outbox.UnknownMessage, RELAYED, acknowledge, THERE, MESSAGES_MAX, Outcome.Applied
    )
    chain.ok(RELAYED, acknowledge, THERE, 5, Outcome.Vetoed)
    assert chain.events() == [PolicyOutbox.Acknowledged(THERE, 5, Outcome.Vetoed)]
    chain.noop(chain.pallets.outbox.UnknownMessage, RELAYED, acknowledge, THERE, 5, Outcome.Applied)
    chain.ok(ROOT, "PolicyOutbox.send", THERE, FEE, 0, at(50))
    assert chain.events() == [PolicyOutbox.Sent(THERE, MESSAGES_MAX)]
    chain.ok(PalletOrigin(40, b"\4"), acknowledge, 4, 0, Outcome.Applied)
    assert not chain.pallets.outbox.open_count.contains(4)
    chain.close_block()


def test_order_is_carried_out_when_its_window_closes_and_not_before(chain: Chain[Ends]) -> None:
    receive(chain, order(0))
    closes = at(1 + VETO_BLOCKS)
    assert chain.events() == [PolicyInbox.Received(THERE, 0, closes)]
    assert chain.pallets.inbox.veto_window.get(THERE, 0) == Waiting(order(0), closes, ())
    chain.next_block(VETO_BLOCKS - 1)
    chain.noop(chain.pallets.inbox.TooEarly, ALICE, "PolicyInbox.apply", THERE, 0)
    chain.next_block()
    chain.noop(BadOrigin, NOBODY, "PolicyInbox.apply", THERE, 0)
    chain.noop(chain.pallets.inbox.WindowClosed, BOB, "PolicyInbox.veto", THERE, 0)
    assert chain.call("PolicyInbox.apply", THERE, 0).weight().ref_time >= TARGET_WEIGHT.ref_time
    assert chain.ok(ALICE, "PolicyInbox.apply", THERE, 0).pays_fee is Pays.No
    assert chain.events() == [PolicyInbox.Settled(THERE, 0, Outcome.Applied)]
    assert chain.pallets.rules.applied == [FEE]
    chain.noop(chain.pallets.inbox.UnknownMessage, ALICE, "PolicyInbox.apply", THERE, 0)
    assert chain.pallets.inbox.acks.get(THERE, 0) is Outcome.Applied
    chain.close_block()


def test_two_regulators_stop_an_order_and_one_does_not(chain: Chain[Ends]) -> None:
    veto = "PolicyInbox.veto"
    receive(chain, order(0))
    chain.noop(BadOrigin, ALICE, veto, THERE, 0)
    chain.noop(BadOrigin, ROOT, veto, THERE, 0)
    chain.noop(chain.pallets.inbox.UnknownMessage, BOB, veto, THERE, 1)
    chain.ok(BOB, veto, THERE, 0)
    assert chain.events() == [PolicyInbox.Objected(THERE, 0, BOB)]
    chain.noop(chain.pallets.inbox.AlreadyVetoed, BOB, veto, THERE, 0)
    chain.next_block()
    chain.ok(DAVE, veto, THERE, 0)
    assert chain.events()[1:] == [PolicyInbox.Settled(THERE, 0, Outcome.Vetoed)]
    chain.noop(chain.pallets.inbox.UnknownMessage, CHARLIE, veto, THERE, 0)
    receive(chain, order(1))
    chain.ok(BOB, veto, THERE, 1)
    chain.next_block(VETO_BLOCKS)
    chain.ok(ALICE, "PolicyInbox.apply", THERE, 1)
    assert chain.pallets.rules.applied == [FEE]


def test_order_comes_once_in_sequence_and_to_its_own_chain(chain: Chain[Ends]) -> None:
    take = "PolicyInbox.receive"
    for origin in (ROOT, Signed(ALICE), PalletOrigin(40, b"\4")):
        chain.noop(BadOrigin, origin, take, THERE, order(0))
    other = Message(HERE + 1, 0, FEE, 0, at(50))
    chain.noop(chain.pallets.inbox.WrongChain, RELAYED, take, THERE, other)
    chain.noop(chain.pallets.inbox.WrongNonce, RELAYED, take, THERE, order(1))
    receive(chain, order(0))
    chain.noop(chain.pallets.inbox.WrongNonce, RELAYED, take, THERE, order(0))
    chain.ok(PalletOrigin(40, b"\4"), take, 4, order(0))
    for nonce in range(1, MESSAGES_MAX):
        receive(chain, order(nonce))
    chain.noop(chain.pallets.inbox.TooManyWaiting, RELAYED, take, THERE, order(MESSAGES_MAX))
    chain.close_block()


def test_orders_about_the_same_thing_keep_their_sequence_and_others_pass(chain: Chain[Ends]) -> None:
    late, soon, halt = order(0, MarketFee(1), 20, 30), order(1, MarketFee(2), 0, 90), order(2, Halt(True))
    for message in (late, soon, halt):
        receive(chain, message)
    chain.next_block(VETO_BLOCKS)
    chain.noop(chain.pallets.inbox.TooEarly, ALICE, "PolicyInbox.apply", THERE, 0)
    chain.noop(chain.pallets.inbox.EarlierWaits, ALICE, "PolicyInbox.apply", THERE, 1)
    chain.ok(ALICE, "PolicyInbox.apply", THERE, 2)
    chain.next_block(30 - chain.number)
    chain.noop(chain.pallets.inbox.EarlierWaits, ALICE, "PolicyInbox.apply", THERE, 1)
    chain.next_block()
    chain.ok(ALICE, "PolicyInbox.apply", THERE, 1)
    assert chain.pallets.rules.applied == [Halt(True), MarketFee(2)]
    chain.ok(ALICE, "PolicyInbox.apply", THERE, 0)
    assert chain.events() == [PolicyInbox.Settled(THERE, 0, Outcome.Expired)]
    assert chain.pallets.rules.applied == [Halt(True), MarketFee(2)]


@pytest.mark.parametrize("refusal", [BadOrigin(), Overflow()])
def test_order_that_cannot_be_carried_out_does_not_stop_those_behind(
    chain: Chain[Ends], refusal: Exception
) -> None:
    chain.next_block()
    receive(chain, order(0, expires=1))
    assert chain.events() == [PolicyInbox.Settled(THERE, 0, Outcome.Expired)]
    receive(chain, order(1))
    receive(chain, order(2))
    chain.next_block(VETO_BLOCKS)
    rules, outbox = chain.pallets.rules, chain.pallets.outbox
    rules.refusal = refusal
    rules.half_way = lambda: outbox.next_nonce.put(9, 9)
    chain.ok(ALICE, "PolicyInbox.apply", THERE, 1)
    assert chain.events() == [PolicyInbox.Settled(THERE, 1, Outcome.Refused)]
    assert not outbox.next_nonce.contains(9), "what the target did before it refused is undone"
    rules.refusal = None
    chain.ok(ALICE, "PolicyInbox.apply", THERE, 2)
    assert chain.pallets.rules.applied == [FEE]


def test_so_many_outcomes_are_kept_and_no_more(chain: Chain[Ends]) -> None:
    chain.next_block()
    for nonce in range(ACKS_KEPT + 1):
        receive(chain, order(nonce, expires=1))
    inbox = chain.pallets.inbox
    assert [inbox.acks.contains(THERE, nonce) for nonce in (0, 1, ACKS_KEPT)] == [False, True, True]
    chain.close_block()


def test_subjects_tell_apart_what_orders_are_about() -> None:
    about: list[Payload] = [
        FEE,
        Halt(True),
        Wheeling(1, 2, 5),
        Wheeling(2, 1, 5),
        PriceBand(1, 0, 5),
        PriceBand(2, 0, 5),
        Zone(1, 5, True),
        OracleFeed(1, True),
        OracleFeed(2, True),
        Issuer(ALICE, True),
        Issuer(BOB, True),
    ]
    assert len({subject_of(payload) for payload in about}) == len(about)
    assert subject_of(Issuer(ALICE, False)) == subject_of(Issuer(ALICE, True))
    assert subject_of(Wheeling(1, 2, 6)) == subject_of(Wheeling(1, 2, 5))


def test_production_keeps_the_window_of_the_regulators() -> None:
    fields = InboxConfig.__dataclass_fields__
    assert (fields["veto_ms"].default, fields["vetoes_needed"].default) == (86_400_000, 2)
