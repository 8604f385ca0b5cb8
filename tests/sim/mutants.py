"""Engines, drivers and checks with one fault each, which the simulator must find: is it any good?

Each fault is put in by subclass or by replacing a function for the time of a run; the product is untouched.
The list is that of protocols seen to break, and of rules that somebody may want to simplify away.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, Final, NamedTuple
from unittest.mock import patch

import node.consensus.checks as checks_module
import node.consensus.pbft as pbft_module
import node.consensus.tally as tally_module
import tests.sim.network as network_module
import tests.sim.node as node_module
from node.consensus.checks import SignatureCheck
from node.consensus.effects import PbftEffect, PbftInput, Report, Resume, SetTimer
from node.consensus.guard import GuardRecord, MaySign, SignedBefore, Verdict, judge
from node.consensus.pbft import Pbft, Times
from node.consensus.tally import Tally
from runtime.primitives.certificate import STEP_COMMIT, Certificate, IndexedVote
from runtime.primitives.committee import Committee, rotate
from runtime.primitives.evidence import Evidence
from runtime.primitives.statements import STEP_PREPARE, Claim, Position, Prepared, Statement, Value, Vote
from runtime.primitives.types import Hash
from tests.sim.blocks import Block
from tests.sim.checker import Violation
from tests.sim.network import Envelope
from tests.sim.node import Node
from tests.sim.simulation import Config, run

SEEDS_MAX: Final = 2_000


class Mutant(NamedTuple):
    """One fault, and where to look for it."""

    name: str
    fault: Callable[[], AbstractContextManager[Any]] = nullcontext
    config: Config = Config()
    profiles: tuple[str, ...] = ("random", "smart", "deaf")


class Kill(NamedTuple):
    """The seed that found a fault, and by which rule."""

    seeds: int
    rule: str
    profile: str


def kill(mutant: Mutant, seeds_max: int = SEEDS_MAX) -> Kill | None:
    """Return the first of so many seeds that finds the fault, None when none does."""
    with mutant.fault():
        for seed in range(1, seeds_max + 1):
            profile = mutant.profiles[seed % len(mutant.profiles)]
            try:
                run(seed, mutant.config._replace(profile=profile))
            except Violation as violation:
                return Kill(seed, violation.rule, profile)
    return None


def _replaced(target: Any, name: str, value: Any) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: patch.object(target, name, value)


# --- engines


class Forgetful(Pbft):
    """A view change forgets what was prepared."""

    def _claim(self, here: Any) -> list[PbftEffect]:
        here.prepared = None
        return super()._claim(here)


class Restless(Pbft):
    """The timer of a claimed view runs at once."""

    def _on_signed(self, here: Any, statement: Statement | None, now: int) -> list[PbftEffect]:
        effects = super()._on_signed(here, statement, now)
        if here.view_ends_ms is None:
            here.view_ends_ms = now + self._timeout(here.view)
        return effects


class Hasty(Pbft):
    """A leader that resumes view 0 asks for a timer that is due already, for ever."""

    def _commit_again(self, here: Any, prepared: Certificate) -> list[PbftEffect]:
        effects = super()._commit_again(here, prepared)
        here.building = None
        return effects


class Discreet(Pbft):
    """Evidence is not reported."""

    def handle(self, event: PbftInput, now: int) -> list[PbftEffect]:
        return [effect for effect in super().handle(event, now) if not isinstance(effect, Report)]


class Sleepy(Pbft):
    """The timer is set once for each view and not again."""

    def handle(self, event: PbftInput, now: int) -> list[PbftEffect]:
        effects = super().handle(event, now)
        is_late = self.view > 2
        return [effect for effect in effects if not (is_late and isinstance(effect, SetTimer))]


# --- counting


class SmallQuorum(Committee):
    """A quorum is 2f + 1."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.quorum = 2 * ((len(self.authorities) - 1) // 3) + 1


class Repeating(Tally):
    """Votes count as often as they come."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._counts: dict[tuple[int, int, Value], int] = {}

    def add_vote(self, vote: Vote) -> Evidence | None:
        key = (vote.view, vote.step, vote.value)
        self._counts[key] = self._counts.get(key, 0) + 1
        return super().add_vote(vote)

    def has_quorum(self, view: int, step: int, value: Value) -> bool:
        return self._committee.is_quorum(self._counts.get((view, step, value), 0))


class AcrossViews(Tally):
    """PREPAREs of all views count together."""

    def has_quorum(self, view: int, step: int, value: Value) -> bool:
        return self._committee.is_quorum(len(self._collect(view, step, value)))

    def certificate(self, view: int, step: int, value: Value) -> Certificate:
        group = self._collect(view, step, value)
        votes = tuple(IndexedVote(index, group[index].signature) for index in sorted(group))
        return Certificate(self._committee.set_id, self._instance, value.number, view, value.hash, votes)

    def _collect(self, view: int, step: int, value: Value) -> dict[int, Vote]:
        found: dict[int, Vote] = {}
        for (other_view, other_step, other), group in self._groups.items():
            is_same = other_view == view or step == STEP_PREPARE
            if other == value and other_step == step and is_same:
                found.update(group)
        return found


class WeakPrepares(Tally):
    """One more than f PREPAREs are enough."""

    def has_quorum(self, view: int, step: int, value: Value) -> bool:
        group = self._groups.get((view, step, value), {})
        is_enough = self._committee.is_weak if step == STEP_PREPARE else self._committee.is_quorum
        return is_enough(self._committee.weigh(group))


class WeakChanges(Tally):
    """One more than f view changes justify a leader."""

    def has_change_quorum(self, view: int) -> bool:
        return self._committee.is_weak(self._committee.weigh(self._changes.get(view, {})))


# --- drivers


class Volatile(Node):
    """Neither guard nor prepared certificate is on disk."""

    def sync(self) -> None:
        pass


class Careless(Node):
    """A COMMIT goes out before its PREPAREs are durable, and a restart does not notice."""

    def _persist(self, prepared: Certificate) -> None:
        pass

    def _where(self, instance: int, prepared: Certificate | None) -> tuple[Resume | None, bool]:
        guard = self.guard
        if guard is None or guard.instance != instance:
            return None, False
        return Resume(guard.view + (guard.step > STEP_COMMIT), prepared), False


class FromZero(Node):
    """A restart begins in view 0 with nothing prepared."""

    def _where(self, instance: int, prepared: Certificate | None) -> tuple[Resume | None, bool]:
        return None, False


class Unhelpful(Node):
    """Who is behind is not told."""

    def _help(self, envelope: Envelope, source: int) -> None:
        pass


class Picky(Node):
    """Taste counts against what a quorum has prepared."""

    def _is_valid(self, block: Block, value: Value, *, is_binding: bool) -> bool:
        return super()._is_valid(block, value, is_binding=False)


class FirstSet(Node):
    """The first set decides for ever."""

    @property
    def set_id(self) -> int:
        return 0


class Gullible(Node):
    """Any block is valid."""

    def _is_valid(self, block: Block, value: Value, *, is_binding: bool) -> bool:
        return True


# --- functions


def _get_lowest(claims: Iterable[Claim]) -> Prepared | None:
    prepared = [claim.prepared for claim in claims if claim.prepared is not None]
    return min(prepared, key=lambda each: each.view, default=None)


def _get_nothing(claims: Iterable[Claim]) -> Prepared | None:
    return None


def _check_claims_alone(
    claims: Iterable[Claim], view: int, instance: int, committee: Committee
) -> list[SignatureCheck]:
    """Look at each claim and at nothing that makes them a justification."""
    return [checks_module._check_claim(claim, instance, committee) for claim in claims]


def _accept_prepared(*_: object) -> list[SignatureCheck]:
    return []


def _check_claim_only(claim: Claim, instance: int, committee: Committee) -> SignatureCheck:
    return checks_module._check_statement(claim, instance, committee)


def _judge_same_place(last: GuardRecord | None, position: Position, message: bytes) -> Verdict:
    verdict = judge(last, position, message)
    is_same_place = last is not None and position == last.position
    return MaySign() if is_same_place and not isinstance(verdict, SignedBefore) else verdict


def _judge_never(last: GuardRecord | None, position: Position, message: bytes) -> Verdict:
    return MaySign()


def _find_too_much(commits: Iterable[Vote], claims: Iterable[Claim]) -> Evidence | None:
    known = list(commits)
    for claim in claims:
        for commit in known:
            if claim.view > commit.view and (claim.prepared is None or claim.prepared.view <= commit.view):
                return Evidence(commit, claim)
    return None


def _verify_nothing(*_: object) -> None:
    return None


def _check_without_signatures(self: Envelope, committee: Committee, verify: object) -> bool:
    return _CHECK(self, committee, lambda *_: True)


_CHECK = Envelope._check


@contextmanager
def _lowest_binds() -> Iterator[None]:
    with (
        patch.object(checks_module, "get_highest", _get_lowest),
        patch.object(pbft_module, "get_highest", _get_lowest),
    ):
        yield


def _make_small(genesis: Hash, set_id: int, authorities: list[tuple[bytes, int]]) -> Committee:
    return SmallQuorum(genesis, set_id, authorities, rotate)


_NEVER: Final = Times(view_max=1 << 40)
_LONG: Final = Config(outage_ms=150_000)

MUTANTS: Final = (
    Mutant("view change forgets what was prepared", config=Config(make_engine=Forgetful)),
    Mutant("quorum of 2f + 1", config=Config(nodes=6, make_committee=_make_small)),
    Mutant("guard and prepared block not on disk", config=Config(node_type=Volatile)),
    Mutant("repeated votes counted", _replaced(pbft_module, "Tally", Repeating)),
    Mutant("PREPAREs counted across views", _replaced(pbft_module, "Tally", AcrossViews)),
    Mutant("lowest instead of highest prepared view", _lowest_binds),
    Mutant(
        "prepared claim accepted without its certificate",
        _replaced(checks_module, "_check_prepared", _accept_prepared),
    ),
    Mutant(
        "claims of a proposal not checked", _replaced(checks_module, "_check_claims", _check_claims_alone)
    ),
    Mutant("no joining of f + 1", _replaced(Tally, "joint_view", lambda _: 0), _LONG, profiles=("outage",)),
    Mutant("no catch-up", config=Config(node_type=Unhelpful)),
    Mutant("COMMIT before the PREPAREs are durable", config=Config(node_type=Careless)),
    Mutant("restart in view 0", config=Config(node_type=FromZero)),
    Mutant(
        "prepared in the claimed view accepted", _replaced(checks_module, "_check_claim", _check_claim_only)
    ),
    Mutant(
        "leader proposes afresh over a prepared block", _replaced(pbft_module, "get_highest", _get_nothing)
    ),
    Mutant(
        "timer without a bound",
        config=_LONG._replace(make_engine=partial(Pbft, _NEVER)),
        profiles=("outage",),
    ),
    Mutant("timer of a claimed view does not wait", config=Config(make_engine=Restless)),
    Mutant("timer for a time that has passed", config=Config(make_engine=Hasty)),
    Mutant("guard signs twice at one position", _replaced(node_module, "judge", _judge_same_place)),
    Mutant("no guard", _replaced(node_module, "judge", _judge_never)),
    Mutant("f + 1 PREPAREs are enough", _replaced(pbft_module, "Tally", WeakPrepares)),
    Mutant("f + 1 view changes are enough", _replaced(pbft_module, "Tally", WeakChanges)),
    Mutant("taste counts against a prepared block", config=Config(node_type=Picky)),
    Mutant("any block is valid", config=Config(node_type=Gullible)),
    Mutant("evidence is not reported", config=Config(make_engine=Discreet)),
    Mutant("evidence against the correct", _replaced(tally_module, "find_amnesia", _find_too_much)),
    Mutant("first set decides for ever", config=Config(node_type=FirstSet), profiles=("sets",)),
    Mutant("signatures not verified", _replaced(Envelope, "_check", _check_without_signatures)),
    Mutant("certificates not verified", _replaced(network_module, "verify_certificate", _verify_nothing)),
    Mutant("statements kept without a bound", _replaced(tally_module, "STATEMENTS_MAX", 1 << 30)),
    Mutant("timer not set anew in higher views", config=Config(make_engine=Sleepy)),
)
