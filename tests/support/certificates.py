"""A small chain with the Certificates pallet over meters that a test sets by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from genesis.consortium import (
    BLOCK_LENGTH_MAX,
    BLOCK_WEIGHT_MAX,
    EXISTENTIAL_DEPOSIT,
    NORMAL_PERCENT,
    UNIT,
    make_version,
)
from pallets.certificates.certificates import Certificates, CertificatesConfig
from pallets.core import weights
from pallets.core.session import Session, SessionConfig, SessionKeys
from pallets.core.system import System, SystemConfig
from pallets.core.system_types import make_limits
from pallets.core.timestamp import Timestamp, TimestampConfig
from pallets.token.balances import Balances, BalancesConfig
from runtime.frame.runtime import RuntimeBuilder
from runtime.frame.runtime_api import RuntimeApi
from runtime.frame.state import State
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, ENDOWMENT, NAMED, Chain

DEPOSIT = UNIT
VALID_MS = 60_000
ISSUER = ALICE


@dataclass
class HandMeters:
    """Meters whose owners and energy by slot a test writes down."""

    owners: dict[bytes, AccountId] = field(default_factory=dict)
    energy_wh: dict[tuple[bytes, int], int] = field(default_factory=dict)
    read_up_to: int = 10_000

    def owner_of(self, meter: bytes) -> AccountId | None:
        return self.owners.get(meter)

    def generated_wh(self, meter: bytes, first: int, last: int) -> int | None:
        if last > self.read_up_to:
            return None
        return sum(self.energy_wh.get((meter, slot), 0) for slot in range(first, last + 1))


@dataclass(frozen=True, slots=True)
class CertificatesChain:
    """The composed pallets, and the meters behind them."""

    api: RuntimeApi
    system: System
    balances: Balances
    session: Session
    certificates: Certificates
    meters: HandMeters


def compose_certificates(state: State) -> CertificatesChain:
    """Return the chain over a state."""
    build = RuntimeBuilder(state)
    version, meters = make_version(), HandMeters()
    limits = make_limits(BLOCK_WEIGHT_MAX, BLOCK_LENGTH_MAX, NORMAL_PERCENT, weights.EXTRINSIC_BASE)
    system = build.add(System, index=0, name="System", config=SystemConfig(version, limits))
    time = build.add(Timestamp, index=1, name="Timestamp", config=TimestampConfig(500, system))
    session = build.add(Session, index=9, name="Session", config=SessionConfig(system))
    balances = build.add(
        Balances, index=10, name="Balances", config=BalancesConfig(EXISTENTIAL_DEPOSIT, system)
    )
    config = CertificatesConfig(meters, balances, time.now.get, DEPOSIT, VALID_MS)
    certificates = build.add(Certificates, index=36, name="Certificates", config=config)
    runtime = build.build(version, system, system.extensions())
    return CertificatesChain(
        RuntimeApi(runtime, session, ()), system, balances, session, certificates, meters
    )


def write_certificates_genesis(chain: CertificatesChain) -> None:
    """Endow the named accounts; Alice is the issuer."""
    chain.system.genesis()
    chain.balances.genesis(tuple((who, ENDOWMENT) for who in NAMED))
    chain.session.genesis(((ALICE, SessionKeys(bytes(32))),))
    chain.certificates.genesis((ISSUER,))
    chain.system.events.kill()


def certificates_chain() -> Chain[CertificatesChain]:
    """Return a chain in block 1."""
    return Chain(compose_certificates, write_certificates_genesis)
