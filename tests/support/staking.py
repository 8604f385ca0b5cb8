"""A small chain with staking and rotating sessions, and an election and a sorted list to stand in."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from genesis.consortium import BLOCK_LENGTH_MAX, BLOCK_WEIGHT_MAX, NORMAL_PERCENT, make_version
from pallets.core import weights
from pallets.core.system import System, SystemConfig
from pallets.core.system_types import make_limits
from pallets.core.timestamp import Timestamp, TimestampConfig
from pallets.staking.config import Snapshot, StakingConfig, Support
from pallets.staking.inflation import CurveParameters
from pallets.staking.rotation import RotationConfig, Session
from pallets.staking.staking import Staking
from pallets.staking.types import SessionKeys
from pallets.token.balances import Balances, BalancesConfig
from runtime.frame.account import pot_account
from runtime.frame.dispatch import ensure_root
from runtime.frame.runtime import RuntimeBuilder
from runtime.frame.runtime_api import RuntimeApi
from runtime.frame.state import MemoryBackend, State
from runtime.primitives.authority_set import Authority, AuthoritySet
from runtime.primitives.committee import LeaderRule, rotate
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId
from tests.support.chain import Chain

TREASURY = pot_account(b"py/trsry")
CURVE = CurveParameters(25_000, 100_000, 500_000, 50_000, 40)


def who(number: int) -> AccountId:
    """Return the account of a number; larger numbers come first in order, as in the published cases."""
    return AccountId((2**32 - 1 - number).to_bytes(4, "big") + bytes(28))


def keys_of(account: AccountId) -> SessionKeys:
    return SessionKeys(blake2_256(b"gran" + account), blake2_256(b"babe" + account))


class StakedList:
    """Stakers by stake, the heaviest first."""

    def __init__(self) -> None:
        self.stakes: dict[AccountId, int] = {}

    def on_insert(self, who: AccountId, stake: int) -> None:
        assert who not in self.stakes
        self.stakes[who] = stake

    def on_update(self, who: AccountId, stake: int) -> None:
        if who in self.stakes:
            self.stakes[who] = stake

    def on_remove(self, who: AccountId) -> None:
        self.stakes.pop(who, None)

    def iterate(self) -> Iterator[AccountId]:
        yield from sorted(self.stakes, key=lambda one: (-self.stakes[one], one))


@dataclass
class Election:
    """Sequential Phragmén with exact fractions; fails when told to."""

    fails: bool = False
    held: list[Snapshot] = field(default_factory=list)

    def ready(self) -> bool:
        return not self.fails

    def elect(self, seats: int, snapshot: Snapshot) -> tuple[Support, ...] | None:
        self.held.append(snapshot)
        loads: dict[AccountId, Fraction] = {voter.who: Fraction(0) for voter in snapshot.voters}
        edges: dict[AccountId, dict[AccountId, Fraction]] = {}
        backers = {
            one: [voter for voter in snapshot.voters if one in voter.targets] for one in snapshot.targets
        }
        while len(edges) < seats:
            scores = {
                one: (1 + sum(loads[v.who] * v.stake for v in found)) / Fraction(sum(v.stake for v in found))
                for one, found in backers.items()
                if one not in edges and found
            }
            if not scores:
                break
            winner = min(scores, key=lambda one: scores[one])
            edges[winner] = {}
            for voter in backers[winner]:
                edges[winner][voter.who] = scores[winner] - loads[voter.who]
                loads[voter.who] = scores[winner]
        shares: dict[AccountId, dict[AccountId, int]] = {winner: {} for winner in edges}
        for voter in snapshot.voters:
            own = {
                one: int(voter.stake * edge[voter.who] / loads[voter.who])
                for one, edge in edges.items()
                if voter.who in edge
            }
            if own:
                own[min(own, key=lambda one: own[one])] += voter.stake - sum(own.values())
            for one, value in own.items():
                shares[one][voter.who] = value
        return tuple(Support(one, tuple(found.items())) for one, found in shares.items())


class Nobody:
    @property
    def leader(self) -> LeaderRule:
        return rotate

    def authority_set(self) -> AuthoritySet:
        return AuthoritySet(0, (Authority(bytes(32), 1),))


@dataclass(frozen=True, slots=True)
class StakingChain:
    """The composed pallets."""

    api: RuntimeApi
    system: System
    balances: Balances
    staking: Staking
    session: Session
    election: Election


def compose_staking(
    state: State,
    *,
    deposit: int = 1,
    defer: int = 0,
    page_size: int = 64,
    history_depth: int = 80,
    period: int = 1,
) -> StakingChain:
    """Return the chain over a state: three sessions to an era, three eras of bonding."""
    build, version, held = RuntimeBuilder(state), make_version(), Election()
    limits = make_limits(BLOCK_WEIGHT_MAX, BLOCK_LENGTH_MAX, NORMAL_PERCENT, weights.EXTRINSIC_BASE)
    system = build.add(System, index=0, name="System", config=SystemConfig(version, limits))
    clock = build.add(Timestamp, index=1, name="Timestamp", config=TimestampConfig(500, system))
    balances = build.add(Balances, index=2, name="Balances", config=BalancesConfig(deposit, system))
    stage = _Sessions()
    config = StakingConfig(
        balances,
        clock,
        held,
        StakedList(),
        lambda: stage,
        TREASURY,
        ensure_root,
        CURVE,
        sessions_per_era=3,
        bonding_duration=3,
        slash_defer_duration=defer,
        history_depth=history_depth,
        max_exposure_page_size=page_size,
    )
    staking = build.add(Staking, index=6, name="Staking", config=config)
    rotation = RotationConfig(system, staking.eras, period, lambda *_: None)
    session = build.add(Session, index=7, name="Session", config=rotation)
    stage.session = session
    runtime = build.build(version, system, system.extensions())
    return StakingChain(RuntimeApi(runtime, Nobody(), ()), system, balances, staking, session, held)


class _Sessions:
    session: Session

    def report_offence(self, validator: AccountId, severity: int) -> None:
        self.session.report_offence(validator, severity)

    def prune_historical_up_to(self, first_kept: int) -> None:
        """Nothing is kept of past sessions here."""


def staking_chain(
    validators: tuple[tuple[int, int], ...] = ((11, 1000), (21, 1000), (31, 500)),
    nominators: tuple[tuple[int, int, tuple[int, ...]], ...] = ((101, 500, (11, 21)),),
    *,
    balances: tuple[tuple[int, int], ...] = ((11, 1000), (21, 2000), (31, 500), (101, 2000)),
    seats: int = 2,
    defer: int = 0,
    deposit: int = 1,
    **rest: int,
) -> Chain[StakingChain]:
    """Return a chain in block 1; the balances are what can be staked, the existential deposit is beside."""

    def write(chain: StakingChain) -> None:
        chain.system.genesis()
        owned = tuple((who(one), amount + deposit) for one, amount in balances)
        chain.balances.genesis((*owned, (TREASURY, 10**6)))
        chain.staking.genesis(
            tuple((who(one), stake) for one, stake in validators),
            tuple((who(one), stake, tuple(map(who, targets))) for one, stake, targets in nominators),
            validator_count=seats,
        )
        chain.session.genesis(tuple((who(one), keys_of(who(one))) for one, _ in validators))

    return Chain(
        lambda state: compose_staking(state, defer=defer, deposit=deposit, **rest), write, MemoryBackend()
    )
