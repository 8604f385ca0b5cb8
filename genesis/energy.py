"""The energy market of the consortium: grid, market, meters, settlement, collateral, certificates.

Responsible for which pallet gives another what it asks for, and for the few answers that no pallet has: who
sits for a regulator, how loaded the grid is, who may set limits. Every rule is a pallet's.

The pallets are added in the order of a block's work: the grid's curtailments and alerts, then gates and
prices, at its start; fills and refunds, then slots and epochs that are due, in its idle time. So hooks run
after those of time, supervision and oracle, which are composed before; see docs/energy-market.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from genesis.energy_section import EnergyParameters, GenesisEnergy
from genesis.pots import (
    COLLATERAL_FUND,
    GRID_FUND,
    MARKET_POT,
    PENALTY_POT,
    SETTLEMENT_POT,
    TREASURY,
)
from pallets.certificates.certificates import Certificates, CertificatesConfig
from pallets.compliance.compliance import Compliance
from pallets.compliance.office import Role
from pallets.core.members import MemberClass, Members
from pallets.core.multisig import multi_account
from pallets.core.system import System
from pallets.core.timestamp import Timestamp
from pallets.energy_trading.grid import Grid, GridConfig
from pallets.energy_trading.market import Market
from pallets.energy_trading.market_config import MarketConfig
from pallets.energy_trading.market_types import Limits
from pallets.settlement.collateral import Collateral
from pallets.settlement.collateral_types import CollateralConfig
from pallets.settlement.meters import Meters
from pallets.settlement.meters_types import MetersConfig
from pallets.settlement.settlement import Settlement
from pallets.settlement.settlement_types import SettlementConfig, Tariff, TariffKind
from pallets.settlement.tariff import ON_PEAK_TICKS
from pallets.token.balances import Balances
from runtime.frame.dispatch import BadOrigin, Origin, RootOrigin, Weight, ensure_signed
from runtime.frame.feeds import Feeds, Fresh
from runtime.frame.fungibles import HoldableAsset
from runtime.frame.permissions import Activity, Permissions
from runtime.frame.runtime import RuntimeBuilder
from runtime.primitives.types import AccountId

UNIT: Final = 10**12
"""A GRID, and a baht of e-money."""
COUNCIL_CLASSES: Final = (MemberClass.GridOperator, MemberClass.Regulator)
"""Whose members decide on zones, lines, markets, tariffs and prices; none of it moves money."""
LOAD_FEED: Final = b"load/grid"
REGISTRATION_DEPOSIT: Final = 10 * UNIT
DEVICE_DEPOSIT: Final = 10 * UNIT
VERIFICATION_MS: Final = 5 * 365 * 86_400_000
DEFAULT_LIMITS: Final = Limits(1_000_000, 1_000_000, 1_000_000 * UNIT)
"""Of an account that registers: a MWh in one order and in one slot, a million baht ordered in a day."""
DEFAULT_TARIFF: Final = Tariff(
    TariffKind.TimeOfUse,
    feed_in_ticks=22_000,
    retail_ticks=ON_PEAK_TICKS,
    tolerance_permille=50,
    tolerance_min_wh=50,
    penalty_bps=0,
    has_netting=True,
)
"""Of zones without one of their own: what homes pay by time of use, and get for rooftop energy."""


@dataclass(frozen=True, slots=True)
class Foundation:
    """What the energy market stands on."""

    system: System
    clock: Timestamp
    currency: Balances
    watt: HoldableAsset
    members: Members
    compliance: Compliance
    feeds: Feeds
    hook_weight: Weight
    """What the hooks of market and settlement may use of a block, each."""


@dataclass(frozen=True, slots=True)
class Energy:
    """The pallets of the energy market."""

    grid: Grid
    market: Market
    meters: Meters
    settlement: Settlement
    collateral: Collateral
    certificates: Certificates

    def genesis(self, start: GenesisEnergy) -> None:
        """Write what the market starts with."""
        self.grid.genesis(start.zones, start.lines)
        self.market.genesis(start.markets)
        self.settlement.genesis(start.tariffs)
        self.certificates.genesis(start.issuers)


class Traded(NamedTuple):
    """What settlement stands on."""

    grid: Grid
    market: Market
    meters: Meters
    collateral: Collateral


@dataclass(frozen=True, slots=True)
class FeedLoad:
    """The load of the grid, as the oracle's providers agree on it, against a capacity."""

    feeds: Feeds
    capacity_mw: int

    def share_permille(self) -> int | None:
        """Return how much of the capacity is in use, None while nothing fresh is known."""
        match self.feeds.get(LOAD_FEED):
            case Fresh(value=load_mw):
                return max(0, load_mw) * 1_000 // self.capacity_mw
            case _:
                return None


@dataclass(frozen=True, slots=True)
class RegulatorSeats:
    """The consortium's members of the class Regulator; an officer's role is an office, no seat."""

    members: Members

    def is_regulator(self, who: AccountId) -> bool:
        """Tell whether an account is a regulator's seat."""
        return any(
            one.who == who and one.class_ is MemberClass.Regulator for one in self.members.members.get()
        )


@dataclass(frozen=True, slots=True)
class TradePermissions:
    """Who may trade: whom Compliance lets, and who owes nothing.

    Before an order Compliance is asked by the guard in front of the call, which every way of making it
    passes; see `genesis.regulation`. Orders that wait when an account comes into arrears stand: they are paid
    for or covered already.
    """

    compliance: Permissions
    collateral: Collateral

    def ensure(self, who: AccountId, activity: Activity) -> None:
        """Raise what Compliance raises, or Suspended."""
        self.compliance.ensure(who, activity)
        if activity is Activity.Trade:
            self.ensure_in_good_standing(who)

    def ensure_in_good_standing(self, who: AccountId) -> None:
        """Raise Suspended where the account owes something."""
        self.collateral.ensure_in_good_standing(who)


def add_energy(build: RuntimeBuilder, base: Foundation, parameters: EnergyParameters) -> Energy:
    """Add the pallets; what a pallet asks of one that is added after it, it asks when a call is made."""
    slot_ms = parameters.slot_ms
    grid = build.add(
        Grid,
        index=27,
        name="Grid",
        config=GridConfig(
            base.watt,
            base.clock,
            FeedLoad(base.feeds, parameters.capacity_mw),
            lambda: market,
            for_council(base.members),
            GRID_FUND,
            slot_ms,
        ),
    )
    meters = build.add(
        Meters,
        index=29,
        name="Meters",
        config=MetersConfig(
            base.clock,
            base.system,
            grid,
            lambda: settlement,
            slot_ms,
            parameters.correction_slots,
            parameters.pattern_slots,
        ),
    )
    collateral = build.add(
        Collateral,
        index=35,
        name="Collateral",
        config=CollateralConfig(
            base.watt,
            base.clock,
            meters,
            lambda: settlement,
            COLLATERAL_FUND,
            slot_ms,
            parameters.margin_slots,
            ON_PEAK_TICKS,
        ),
    )
    market = _add_market(build, base, parameters, grid, collateral, lambda: settlement)
    settlement = _add_settlement(build, base, parameters, Traded(grid, market, meters, collateral))
    certificates = build.add(
        Certificates,
        index=36,
        name="Certificates",
        config=CertificatesConfig(meters, base.currency, base.clock.now_ms, DEVICE_DEPOSIT, VERIFICATION_MS),
    )
    return Energy(grid, market, meters, settlement, collateral, certificates)


def _add_market(
    build: RuntimeBuilder,
    base: Foundation,
    parameters: EnergyParameters,
    grid: Grid,
    collateral: Collateral,
    settlement: Callable[[], Settlement],
) -> Market:
    config = MarketConfig(
        asset=base.watt,
        currency=base.currency,
        clock=base.clock,
        permissions=TradePermissions(base.compliance, collateral),
        zones=grid,
        collateral=collateral,
        regulators=RegulatorSeats(base.members),
        governance=for_council(base.members),
        compliance=for_officers_of_licensing(base.compliance),
        listeners=lambda: (settlement(),),
        market_pot=MARKET_POT,
        treasury_pot=TREASURY,
        grid_fund=GRID_FUND,
        slot_ms=parameters.slot_ms,
        default_limits=DEFAULT_LIMITS,
        registration_deposit=REGISTRATION_DEPOSIT,
        hook_weight=base.hook_weight,
        regulators_needed=parameters.regulators_needed,
        gate_stagger_ms=parameters.gate_stagger_ms,
        archive_ms=parameters.archive_slots * parameters.slot_ms,
    )
    return build.add(Market, index=28, name="Market", config=config)


def _add_settlement(
    build: RuntimeBuilder, base: Foundation, parameters: EnergyParameters, traded: Traded
) -> Settlement:
    config = SettlementConfig(
        asset=base.watt,
        clock=base.clock,
        positions=traded.market,
        readings=traded.meters,
        zones=traded.grid,
        guarantees=traded.collateral,
        governance=for_council(base.members),
        market_pot=MARKET_POT,
        settlement_pot=SETTLEMENT_POT,
        penalty_pot=PENALTY_POT,
        slot_ms=parameters.slot_ms,
        deadline_slots=parameters.deadline_slots,
        correction_slots=parameters.correction_slots,
        epoch_slots=parameters.epoch_slots,
        epoch_offset_slots=parameters.epoch_offset_slots,
        default_tariff=DEFAULT_TARIFF,
        hook_weight=base.hook_weight,
    )
    return build.add(Settlement, index=34, name="Settlement", config=config)


def find_council(members: Members) -> AccountId | None:
    """Return the account that all members of `COUNCIL_CLASSES` share, from which more than two thirds of them
    must approve a call; None where a class has no member."""
    seats = [one for one in members.members.get() if one.class_ in COUNCIL_CLASSES]
    if {one.class_ for one in seats} != set(COUNCIL_CLASSES):
        return None
    return multi_account(tuple(sorted(one.who for one in seats)), len(seats) * 2 // 3 + 1)


def for_council(members: Members) -> Callable[[Origin], None]:
    """Return what raises BadOrigin unless the council's account signed, or Root calls."""

    def ensure(origin: Origin) -> None:
        if isinstance(origin, RootOrigin):
            return
        if ensure_signed(origin) != find_council(members):
            raise BadOrigin

    return ensure


def for_officers_of_licensing(compliance: Compliance) -> Callable[[Origin], None]:
    """Return what raises BadOrigin unless an officer of licensing signed, or Root calls."""

    def ensure(origin: Origin) -> None:
        if isinstance(origin, RootOrigin):
            return
        if not compliance.is_officer(ensure_signed(origin), Role.Licensing):
            raise BadOrigin

    return ensure
