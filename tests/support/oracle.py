"""A small chain with an oracle, for tests: System, Timestamp, Balances and Oracle, with four providers.

A block takes a second and a round ten. Block 1 is in a round that had begun before; `Panel.next_round` goes
to the first block of the next.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from genesis.consortium import (
    BLOCK_LENGTH_MAX,
    BLOCK_WEIGHT_MAX,
    EXISTENTIAL_DEPOSIT,
    NORMAL_PERCENT,
    UNIT,
    make_version,
)
from pallets.core import weights
from pallets.core.session import Session, SessionConfig, SessionKeys
from pallets.core.system import System, SystemConfig
from pallets.core.system_types import make_limits
from pallets.core.timestamp import Timestamp, TimestampConfig
from pallets.core.transaction_payment import TransactionPayment, TransactionPaymentConfig
from pallets.core.upgrades import Upgrades, UpgradesConfig
from pallets.oracle.oracle import Oracle
from pallets.oracle.rounds import round_at
from pallets.oracle.statement import SignedStatement, Statement, make_message
from pallets.oracle.types import (
    Answer,
    FeedRules,
    GenesisFeed,
    GenesisProvider,
    OracleConfig,
    ReportSignature,
    RoundValue,
)
from pallets.token.balances import Balances, BalancesConfig
from runtime.frame.account import pot_account
from runtime.frame.event import Event
from runtime.frame.oracle_api import oracle_api
from runtime.frame.runtime import RuntimeBuilder
from runtime.frame.runtime_api import RuntimeApi, account_nonce_api
from runtime.frame.state import MemoryBackend, State
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import ALICE, BLOCK_TIME_MS, BOB, CHARLIE, DAVE, EVE, START_MS, Chain, block_hash

ORACLE_INDEX = 26
BOND = 100 * UNIT
ENDOWMENT = 1_000 * UNIT
TREASURY = pot_account(b"treasury")
PROVIDERS = (ALICE, BOB, CHARLIE, DAVE)
HEARTBEAT_MS = 10_000
BLOCKS_PER_ROUND = HEARTBEAT_MS // BLOCK_TIME_MS
RULES = FeedRules(
    unit=b"THB/kWh",
    decimals=4,
    quorum=3,
    heartbeat_ms=HEARTBEAT_MS,
    fresh_ms=15_000,
    usable_ms=300_000,
    deviation_bps=50,
    outlier_ppm=50_000,
    least=0,
    greatest=1_000_000,
)
PRICE, LOAD = 0, 1
PRICE_KEY, LOAD_KEY = b"price/energy", b"load/grid"
FEEDS = (GenesisFeed(PRICE_KEY, RULES), GenesisFeed(LOAD_KEY, RULES))
ENDPOINTS = Hash(blake2_256(b"endpoints"))


@dataclass(frozen=True, slots=True)
class OracleChain:
    """The composed pallets."""

    api: RuntimeApi
    system: System
    balances: Balances
    session: Session
    oracle: Oracle


def statement_key(who: AccountId) -> Keypair:
    """Return the key that a provider of these tests signs statements with."""
    return Keypair.from_seed(blake2_256(b"statements of " + who), Scheme.ED25519)


def compose_oracle(state: State, bond: int = BOND) -> OracleChain:
    """Return the chain over a state."""
    build = RuntimeBuilder(state)
    version = make_version()
    limits = make_limits(BLOCK_WEIGHT_MAX, BLOCK_LENGTH_MAX, NORMAL_PERCENT, weights.EXTRINSIC_BASE)
    system = build.add(System, index=0, name="System", config=SystemConfig(version, limits))
    timestamp = build.add(
        Timestamp, index=1, name="Timestamp", config=TimestampConfig(minimum_period=500, system=system)
    )
    build.add(Upgrades, index=7, name="Upgrades", config=UpgradesConfig(system, 2))
    session = build.add(Session, index=9, name="Session", config=SessionConfig(system))
    balances = build.add(
        Balances, index=10, name="Balances", config=BalancesConfig(EXISTENTIAL_DEPOSIT, system)
    )
    payment = build.add(
        TransactionPayment,
        index=11,
        name="TransactionPayment",
        config=TransactionPaymentConfig(balances, system, session.author, 1_000, 1_000_000),
    )
    config = OracleConfig(balances, timestamp, system, TREASURY, bond)
    oracle = build.add(Oracle, index=ORACLE_INDEX, name="Oracle", config=config)
    runtime = build.build(version, system, (*system.extensions(), payment.extension()))
    extra = (account_nonce_api(system), oracle_api(oracle))
    return OracleChain(RuntimeApi(runtime, session, extra), system, balances, session, oracle)


def write_oracle_genesis(
    chain: OracleChain,
    feeds: Iterable[GenesisFeed] = FEEDS,
    providers: Iterable[AccountId] = PROVIDERS,
    others: Iterable[AccountId] = (EVE,),
) -> None:
    """Endow the providers and others, and add feeds and providers."""
    seats = tuple(GenesisProvider(who, statement_key(who).public, ENDPOINTS) for who in providers)
    people = ((one.who, ENDOWMENT) for one in seats)
    chain.system.genesis()
    chain.balances.genesis((*people, *((who, ENDOWMENT) for who in others), (TREASURY, EXISTENTIAL_DEPOSIT)))
    chain.session.genesis(((ALICE, SessionKeys(bytes(32))),))
    chain.oracle.genesis(tuple(feeds), seats)
    chain.system.events.kill()


def oracle_chain(
    feeds: Iterable[GenesisFeed] = FEEDS,
    providers: Iterable[AccountId] = PROVIDERS,
    others: Iterable[AccountId] = (EVE,),
    backend: MemoryBackend | None = None,
    bond: int = BOND,
) -> Chain[OracleChain]:
    """Return a chain in block 1."""
    return Chain(
        lambda state: compose_oracle(state, bond),
        lambda chain: write_oracle_genesis(chain, feeds, providers, others),
        backend,
    )


@dataclass
class Panel:
    """The providers of a chain as a test moves them."""

    chain: Chain[OracleChain] = field(default_factory=oracle_chain)

    @property
    def oracle(self) -> Oracle:
        return self.chain.pallets.oracle

    @property
    def now_ms(self) -> int:
        return START_MS + self.chain.number * BLOCK_TIME_MS

    @property
    def round(self) -> int:
        """The number of the open round."""
        return round_at(RULES, self.now_ms)

    def next_round(self, count: int = 1) -> None:
        """Go to the first block of the next round, or of a later one."""
        for _ in range(count):
            self.chain.next_block(BLOCKS_PER_ROUND - self.chain.number % BLOCKS_PER_ROUND)

    def answer(self, values: Mapping[AccountId, int], feed: int = PRICE, age_ms: int = 0) -> None:
        """Let providers answer a feed with values measured so long ago."""
        for who, value in values.items():
            self.chain.ok(who, "Oracle.submit", (Answer(feed, value, self.now_ms - age_ms),))

    def agree(self, *values: int, feed: int = PRICE) -> RoundValue:
        """Let the first providers answer a feed with these values; return its value at the block's end."""
        self.answer(dict(zip(PROVIDERS, values, strict=False)), feed)
        self.chain.next_block()
        found = self.oracle.value.get(feed)
        assert found is not None
        return found

    def statement(self, value: int, feed: int = PRICE, age_ms: int = 0) -> Statement:
        """Return a statement of the open round."""
        return Statement(feed, self.round, value, self.now_ms - age_ms)

    def report(self, statement: Statement, signers: Iterable[AccountId]) -> tuple[ReportSignature, ...]:
        """Return the signatures of a report."""
        return tuple(ReportSignature(who, sign(who, statement)) for who in signers)

    def block_events(self) -> list[Event]:
        """Return the oracle's events of the open block."""
        records = self.chain.state.events
        return [record.event for record in records if record.pallet == ORACLE_INDEX]

    def closing_events(self) -> list[Event]:
        """Close the block, open the next, and return the events that its end left."""
        mark = len(self.chain.state.events)
        self.chain.api.finalize_block()
        found = [record.event for record in self.chain.state.events[mark:] if record.pallet == ORACLE_INDEX]
        self.chain.api.try_state()
        self.chain.backend.apply(self.chain.state.drain())
        self.chain.open_block()
        return found


def sign(who: AccountId, statement: Statement) -> bytes:
    """Return a provider's signature of a statement on the chain of these tests."""
    return statement_key(who).sign(make_message(block_hash(0), statement))


def signed_statement(who: AccountId, statement: Statement) -> SignedStatement:
    """Return a statement with a provider's signature."""
    return SignedStatement(statement, sign(who, statement))
