"""The consortium runtime: which pallets make it up, in which order, with which configuration.

Also the runtime of the `dev` and `local` chains. Construction order is the dependency graph. Indices are
never reused: a pallet that goes leaves its index empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from genesis.assets import parse_assets, with_watt
from genesis.compliance import parse_compliance
from genesis.config import SpecError, as_account, as_amount, as_list, as_object
from genesis.energy import Energy, Foundation, add_energy
from genesis.energy_section import (
    NO_ZONES,
    PRODUCTION,
    EnergyParameters,
    GenesisEnergy,
    make_energy_section,
    parse_energy,
)
from genesis.oracle import BOND, parse_oracle
from genesis.pots import GRID_POTS, TREASURY, ensure_endowed, watt_pots
from genesis.proxy_types import ProxyType, allows, is_superset
from genesis.queries import QUERY_APIS, query_apis
from genesis.regulation import BASIC_LIMIT_THB, REQUIREMENTS, RETENTION, RULES, regulate
from genesis.reserve import RESERVE_SECTION, parse_reserve
from pallets.compliance.compliance import Compliance
from pallets.compliance.compliance_types import (
    NOBODY_ATTESTED,
    ComplianceConfig,
    GenesisCompliance,
    StandingListener,
    Tier,
)
from pallets.compliance.compliance_views import ComplianceViews
from pallets.compliance.monitoring import Monitoring
from pallets.compliance.monitoring_types import MonitoringConfig
from pallets.compliance.privacy import Privacy
from pallets.compliance.privacy_types import PrivacyConfig
from pallets.compliance.reports import Reports
from pallets.compliance.reports_types import ReportsConfig
from pallets.core import weights
from pallets.core.members import Member, MemberClass, Members, MembersConfig
from pallets.core.multisig import Multisig, MultisigConfig
from pallets.core.offences import Offences, OffencesConfig, OnOffence
from pallets.core.proxy import Proxy, ProxyConfig
from pallets.core.session import VOTE_KEY_TYPE, Session, SessionConfig, SessionKeys
from pallets.core.sudo import Sudo
from pallets.core.system import System, SystemConfig
from pallets.core.system_types import make_limits
from pallets.core.timestamp import Timestamp, TimestampConfig
from pallets.core.transaction_payment import (
    FeeDetails,
    RuntimeDispatchInfo,
    TransactionPayment,
    TransactionPaymentConfig,
)
from pallets.core.upgrades import Upgrades, UpgradesConfig
from pallets.core.utility import Utility
from pallets.oracle.oracle import Oracle
from pallets.oracle.types import GenesisFeed, GenesisProvider, OracleConfig
from pallets.token.asset_holds import AssetHolds, AssetHoldsConfig
from pallets.token.assets import Assets
from pallets.token.assets_types import AssetsConfig, GenesisAsset
from pallets.token.balances import Balances, BalancesConfig
from pallets.token.one_asset import OneAsset
from pallets.token.reserve import WattReserve
from pallets.token.reserve_types import NO_RESERVE, RESERVE_POT, GenesisReserve, WattReserveConfig
from runtime.frame.dispatch import Weight
from runtime.frame.oracle_api import oracle_api
from runtime.frame.runtime import RuntimeBuilder, RuntimeVersion
from runtime.frame.runtime_api import (
    RuntimeApi,
    account_nonce_api,
    transaction_payment_api,
    versioned,
)
from runtime.frame.state import State
from runtime.frame.validator_apis import SessionKeyType, offences_api, session_keys_api
from runtime.primitives.crypto import Scheme
from runtime.primitives.types import AccountId

SPEC_NAME = "loam-consortium"
SPEC_VERSION = 1
TRANSACTION_VERSION = 1
TOKEN_SYMBOL = "GRID"  # noqa: S105  # a currency's name, not a secret
TOKEN_DECIMALS = 12
UNIT = 10**TOKEN_DECIMALS
EXISTENTIAL_DEPOSIT = UNIT // 1000
WATT_ID = 1
"""The asset that stands for baht, one to one; with the native token's decimals."""
WATT_MINIMUM = UNIT // 100
WATT = GenesisAsset(
    WATT_ID,
    RESERVE_POT,
    is_sufficient=True,
    min_balance=WATT_MINIMUM,
    name=b"Watt",
    symbol=b"WATT",
    decimals=TOKEN_DECIMALS,
)
"""As every chain of this runtime has it: nobody's but the reserve's, which alone mints and burns."""
DEPOSIT_PER_ITEM = UNIT // 10
"""Reserved for one more entry in storage."""
DEPOSIT_PER_BYTE = UNIT // 1000
"""Reserved for one more byte in storage."""
BLOCK_LENGTH_MAX = 5 * 1024 * 1024
BLOCK_WEIGHT_MAX = Weight(2_000_000_000_000, (1 << 64) - 1)
"""Two seconds of reference time in a block of one second, since weights leave room for slower machines; no
limit on proof size, since nobody but the chain itself executes its blocks."""
NORMAL_PERCENT = 75
HOOK_WEIGHT = Weight(BLOCK_WEIGHT_MAX.ref_time // 4, BLOCK_WEIGHT_MAX.proof_size // 4)
"""What the hooks of the market, and those of settlement, may use: a quarter of a block each."""
FEE_PER_BYTE = 1_000
FEE_PER_REF_TIME_E6 = 1_000_000
"""One smallest unit for each picosecond."""

APIS = (
    ("Core", 5),
    ("Metadata", 2),
    ("TaggedTransactionQueue", 3),
    ("AccountNonceApi", 1),
    ("TransactionPaymentApi", 4),
    ("SessionKeys", 2),
    ("OffencesApi", 1),
    ("OracleApi", 1),
    *QUERY_APIS,
)
SESSION_KEY_TYPES = (SessionKeyType(VOTE_KEY_TYPE, Scheme.ED25519),)
ON_OFFENCE: Mapping[str, OnOffence] = MappingProxyType({"record": OnOffence.Record, "remove": OnOffence.Act})
"""What a chain spec may say of offenders; a consortium acts by removing the member."""


@dataclass(frozen=True, slots=True)
class ConsortiumGenesis:
    """What a chain of this runtime starts with; balances in smallest units."""

    balances: tuple[tuple[AccountId, int], ...]
    validators: tuple[tuple[AccountId, SessionKeys], ...]
    sudo: AccountId | None = None
    assets: tuple[GenesisAsset, ...] = ()
    classes: tuple[tuple[AccountId, MemberClass], ...] = ()
    """Of validators that are no technology companies."""
    on_offence: OnOffence = OnOffence.Record
    reserve: GenesisReserve = NO_RESERVE
    compliance: GenesisCompliance = NOBODY_ATTESTED
    feeds: tuple[GenesisFeed, ...] = ()
    providers: tuple[GenesisProvider, ...] = ()
    """Of the oracle; each has its bond among the balances."""
    energy: GenesisEnergy = NO_ZONES


DEFAULT_GENESIS: Mapping[str, Any] = MappingProxyType(
    {
        "balances": {"balances": []},
        "session": {"keys": []},
        "members": {"classes": []},
        "offences": {"onOffence": "record"},
        "sudo": {"key": None},
        "assets": {"assets": [], "metadata": [], "accounts": []},
        "wattReserve": {"attestors": [], "report": None},
        "compliance": {"officers": [], "attested": []},
        "oracle": {"feeds": [], "providers": []},
        "energy": make_energy_section(PRODUCTION),
    }
)
"""The configuration that a patch is laid over."""

VERSIONS = (SPEC_VERSION,)
"""Every spec version of this runtime that the program carries."""


FOREIGN_SESSION_KEYS = (
    *("babe", "aura", "im_online", "authority_discovery", "beefy", "mixnet", "nimbus", "vrf", "bcsv", "ftsv"),
    *("parachain_validator", "para_validator", "para_assignment"),
)
"""Session keys of other runtimes, passed over: tools such as zombienet give each validator all of them."""


def parse_genesis(config: Mapping[str, Any], path: str) -> ConsortiumGenesis:
    """Return the genesis of a chain spec's JSON configuration; SpecError naming the place when it is
    wrong."""
    sections = as_object(dict(config), path, tuple(DEFAULT_GENESIS))
    balances = as_object(sections.get("balances", {}), f"{path}.balances", ("balances",))
    session = as_object(sections.get("session", {}), f"{path}.session", ("keys",))
    sudo = as_object(sections.get("sudo", {}), f"{path}.sudo", ("key",)).get("key")
    feeds, providers = parse_oracle(sections.get("oracle", {}), f"{path}.oracle")
    return ConsortiumGenesis(
        as_list(balances.get("balances", []), f"{path}.balances.balances", _endowment),
        as_list(session.get("keys", []), f"{path}.session.keys", _validator),
        None if sudo is None else as_account(sudo, f"{path}.sudo.key"),
        parse_assets(sections.get("assets", {}), f"{path}.assets"),
        _parse_classes(sections.get("members", {}), f"{path}.members"),
        _parse_on_offence(sections.get("offences", {}), f"{path}.offences"),
        parse_reserve(sections.get(RESERVE_SECTION, {}), f"{path}.{RESERVE_SECTION}"),
        parse_compliance(sections.get("compliance", {}), f"{path}.compliance"),
        feeds,
        providers,
        parse_energy(sections.get("energy", {}), f"{path}.energy"),
    )


def _parse_on_offence(section: Any, path: str) -> OnOffence:
    wanted = as_object(section, path, ("onOffence",)).get("onOffence", "record")
    if not isinstance(wanted, str) or wanted not in ON_OFFENCE:
        raise SpecError(f"{path}.onOffence: expected one of {', '.join(ON_OFFENCE)}")
    return ON_OFFENCE[wanted]


def _parse_classes(section: Any, path: str) -> tuple[tuple[AccountId, MemberClass], ...]:
    members = as_object(section, path, ("classes",))
    return as_list(members.get("classes", []), f"{path}.classes", _member_class)


def _member_class(value: Any, path: str) -> tuple[AccountId, MemberClass]:
    if not isinstance(value, list) or len(value) != 2:
        raise SpecError(f"{path}: expected [address, class]")
    names = [each.name for each in MemberClass]
    if value[1] not in names:
        raise SpecError(f"{path}[1]: a class is one of {', '.join(names)}")
    return as_account(value[0], f"{path}[0]"), MemberClass[value[1]]


def _endowment(value: Any, path: str) -> tuple[AccountId, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise SpecError(f"{path}: expected [address, amount]")
    return as_account(value[0], f"{path}[0]"), as_amount(value[1], f"{path}[1]")


def _validator(value: Any, path: str) -> tuple[AccountId, SessionKeys]:
    if not isinstance(value, list) or len(value) != 3:
        raise SpecError(f"{path}: expected [account, validator, keys]")
    as_account(value[0], f"{path}[0]")
    keys = as_object(value[2], f"{path}[2]", ("grandpa", *FOREIGN_SESSION_KEYS))
    return as_account(value[1], f"{path}[1]"), SessionKeys(
        as_account(keys.get("grandpa"), f"{path}[2].grandpa")
    )


@dataclass(frozen=True, slots=True)
class ConsortiumParameters:
    """What differs between chains of this runtime: block time in milliseconds, SS58 prefix, how the energy
    market counts time, and what only development chains may have: a superuser, and blocks that set storage by
    hand."""

    block_time_ms: int = 1000
    ss58_prefix: int = 42
    energy: EnergyParameters = PRODUCTION
    has_sudo: bool = False
    takes_overrides: bool = False


def make_version(spec_version: int = SPEC_VERSION) -> RuntimeVersion:
    """Return the runtime version with the APIs it announces."""
    base = RuntimeVersion(SPEC_NAME, "loam", 1, spec_version, 0, (), TRANSACTION_VERSION, 1)
    return versioned(base, APIS)


@dataclass(frozen=True, slots=True)
class Supervision:
    """The pallets of regulators and data protection officers."""

    compliance: Compliance
    monitoring: Monitoring
    privacy: Privacy
    reports: Reports

    def views(self) -> ComplianceViews:
        """Return what screens read of them."""
        return ComplianceViews(self.compliance, self.monitoring, self.privacy, self.reports)


@dataclass(frozen=True, slots=True)
class Consortium:
    """The composed pallets by name, for genesis and tests; a node sees `api` only."""

    api: RuntimeApi
    system: System
    balances: Balances
    session: Session
    members: Members
    offences: Offences
    sudo: Sudo | None
    assets: Assets
    asset_holds: AssetHolds
    watt: OneAsset
    reserve: WattReserve
    supervision: Supervision
    oracle: Oracle
    energy: Energy


def compose(state: State, parameters: ConsortiumParameters, version: RuntimeVersion) -> Consortium:
    """Return the runtime over a state."""
    build = RuntimeBuilder(state)
    limits = make_limits(BLOCK_WEIGHT_MAX, BLOCK_LENGTH_MAX, NORMAL_PERCENT, weights.EXTRINSIC_BASE)
    system = build.add(
        System,
        index=0,
        name="System",
        config=SystemConfig(version, limits, ss58_prefix=parameters.ss58_prefix),
    )
    timestamp = TimestampConfig(minimum_period=parameters.block_time_ms // 2, system=system)
    clock = build.add(Timestamp, index=1, name="Timestamp", config=timestamp)
    build.add(Upgrades, index=7, name="Upgrades", config=UpgradesConfig(system))
    session, members, offences = _add_validators(build, system)
    balances = build.add(
        Balances, index=10, name="Balances", config=BalancesConfig(EXISTENTIAL_DEPOSIT, system)
    )
    sudo = _add_calls_within_calls(build, system, balances, has_sudo=parameters.has_sudo)
    payment = build.add(
        TransactionPayment,
        index=11,
        name="TransactionPayment",
        config=TransactionPaymentConfig(balances, system, session.author, FEE_PER_BYTE, FEE_PER_REF_TIME_E6),
    )
    assets, holds, watt = _add_assets(build, system, balances)
    reserve = build.add(WattReserve, index=21, name="WattReserve", config=WattReserveConfig(watt, clock))
    supervision = _add_supervision(build, system, clock, lambda: (energy.market,))
    oracle = OracleConfig(balances, clock, system, TREASURY, BOND)
    feeds = build.add(Oracle, index=26, name="Oracle", config=oracle)
    base = Foundation(system, clock, balances, watt, members, supervision.compliance, feeds, HOOK_WEIGHT)
    energy = add_energy(build, base, parameters.energy)
    check_compliance = regulate(build, supervision.compliance, supervision.monitoring, assets, WATT_ID)
    runtime = build.build(
        version,
        system,
        (*system.extensions(), payment.extension(), check_compliance),
        takes_overrides=parameters.takes_overrides,
    )
    extra = (
        account_nonce_api(system),
        transaction_payment_api(payment, RuntimeDispatchInfo, FeeDetails),
        session_keys_api(SESSION_KEY_TYPES),
        offences_api(offences),
        oracle_api(feeds),
        *query_apis(energy, supervision.views()),
    )
    return Consortium(
        RuntimeApi(runtime, session, extra),
        system,
        balances,
        session,
        members,
        offences,
        sudo,
        assets,
        holds,
        watt,
        reserve,
        supervision,
        feeds,
        energy,
    )


def _add_assets(
    build: RuntimeBuilder, system: System, balances: Balances
) -> tuple[Assets, AssetHolds, OneAsset]:
    """Add the assets and what is held of them; Assets asks for that when a call is made."""
    assets = build.add(
        Assets,
        index=12,
        name="Assets",
        config=AssetsConfig(
            balances,
            system,
            lambda: holds,
            asset_deposit=DEPOSIT_PER_ITEM + 190 * DEPOSIT_PER_BYTE,
            asset_account_deposit=DEPOSIT_PER_ITEM + 34 * DEPOSIT_PER_BYTE,
            metadata_deposit_base=DEPOSIT_PER_ITEM + 68 * DEPOSIT_PER_BYTE,
            metadata_deposit_per_byte=DEPOSIT_PER_BYTE,
            approval_deposit=DEPOSIT_PER_ITEM + 32 * DEPOSIT_PER_BYTE,
        ),
    )
    holds = build.add(AssetHolds, index=20, name="AssetHolds", config=AssetHoldsConfig(assets.ledger))
    return assets, holds, OneAsset(WATT_ID, assets, holds)


def _add_validators(build: RuntimeBuilder, system: System) -> tuple[Session, Members, Offences]:
    """Add the pallets of who certifies blocks. Session asks the two that stand on it, when a call is made."""
    session = build.add(
        Session,
        index=9,
        name="Session",
        config=SessionConfig(system, lambda: members, lambda: offences),
    )
    members = build.add(Members, index=6, name="Members", config=MembersConfig(session))
    offences = build.add(
        Offences, index=5, name="Offences", config=OffencesConfig(session, system, handler=members)
    )
    return session, members, offences


def _add_supervision(
    build: RuntimeBuilder,
    system: System,
    clock: Timestamp,
    listeners: Callable[[], Sequence[StandingListener]],
) -> Supervision:
    """Add the pallets that regulators and data protection officers work with. The first asks others that
    stand on it, when a call is made, and tells `listeners` who may have lost a right."""
    limits = {Tier.Basic: BASIC_LIMIT_THB * UNIT}
    compliance = build.add(
        Compliance,
        index=22,
        name="Compliance",
        config=ComplianceConfig(clock, lambda: privacy, lambda: reports, REQUIREMENTS, limits, listeners),
    )
    monitoring = build.add(
        Monitoring,
        index=23,
        name="Monitoring",
        config=MonitoringConfig(clock, system, compliance, lambda: reports, compliance),
    )
    privacy = build.add(
        Privacy,
        index=24,
        name="Privacy",
        config=PrivacyConfig(clock, system, compliance, lambda: reports),
    )
    reports = build.add(Reports, index=25, name="Reports", config=ReportsConfig(clock, system, compliance))
    return Supervision(compliance, monitoring, privacy, reports)


def _add_calls_within_calls(
    build: RuntimeBuilder, system: System, balances: Balances, *, has_sudo: bool
) -> Sudo | None:
    """Add the pallets whose calls make other calls."""
    build.add(Utility, index=2, name="Utility", config=None)
    multisig = MultisigConfig(
        balances, system, DEPOSIT_PER_ITEM + 88 * DEPOSIT_PER_BYTE, 32 * DEPOSIT_PER_BYTE
    )
    build.add(Multisig, index=3, name="Multisig", config=multisig)
    build.define("ProxyType", ProxyType)
    proxy = ProxyConfig(
        balances,
        system,
        allows,
        is_superset,
        proxy_deposit_base=DEPOSIT_PER_ITEM + 16 * DEPOSIT_PER_BYTE,
        proxy_deposit_factor=37 * DEPOSIT_PER_BYTE,
        announcement_deposit_base=DEPOSIT_PER_ITEM + 16 * DEPOSIT_PER_BYTE,
        announcement_deposit_factor=68 * DEPOSIT_PER_BYTE,
    )
    build.add(Proxy, index=4, name="Proxy", config=proxy)
    return build.add(Sudo, index=8, name="Sudo", config=None) if has_sudo else None


def write_genesis(chain: Consortium, genesis: ConsortiumGenesis) -> None:
    """Write the genesis state into the runtime's state; SpecError where an account that must have a balance
    has none."""
    chain.system.genesis()
    chain.balances.genesis(genesis.balances)
    grid, bonded = "genesis.balances.balances", BOND + EXISTENTIAL_DEPOSIT
    providers = {f"the provider {number}": one.who for number, one in enumerate(genesis.providers)}
    ensure_endowed(GRID_POTS, chain.balances.total_balance, EXISTENTIAL_DEPOSIT, grid)
    ensure_endowed(providers, chain.balances.total_balance, bonded, grid)
    chain.session.genesis(genesis.validators)
    classes = dict(genesis.classes)
    chain.members.genesis(
        tuple(
            Member(who, classes.get(who, MemberClass.Technology), keys.grandpa)
            for who, keys in genesis.validators
        )
    )
    chain.offences.genesis(genesis.on_offence)
    if chain.sudo is not None:
        chain.sudo.genesis(genesis.sudo)
    else:
        assert genesis.sudo is None, "only development chains have a superuser"
    chain.assets.genesis(with_watt(genesis.assets, WATT))
    pots = watt_pots(zone for zone, _ in genesis.energy.zones)
    watt = "genesis.assets.accounts"
    ensure_endowed(pots, chain.watt.total_balance, chain.watt.minimum_balance(), watt)
    chain.reserve.genesis(genesis.reserve)
    chain.supervision.compliance.genesis(genesis.compliance)
    chain.supervision.monitoring.genesis(RULES)
    chain.supervision.privacy.genesis(RETENTION)
    chain.oracle.genesis(genesis.feeds, genesis.providers)
    chain.energy.genesis(genesis.energy)
    chain.system.events.kill()
