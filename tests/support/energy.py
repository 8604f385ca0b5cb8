"""A small chain with the energy market, for tests: System, Timestamp, Balances, a ledger of WATT and Market.

What the market asks of zones, permissions, collateral and regulators is answered by `World`, whose answers a
test may change. A slot is ten blocks of a second; its gate closes three blocks before it begins.
"""

from collections.abc import Iterable, Sequence
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
from pallets.core.upgrades import Upgrades, UpgradesConfig
from pallets.energy_trading.fills import Rationing
from pallets.energy_trading.grid import Grid, GridConfig
from pallets.energy_trading.grid_types import Line, OperatorKind, Zone, ZoneStatus
from pallets.energy_trading.market import Market
from pallets.energy_trading.market_config import MarketConfig
from pallets.energy_trading.market_types import (
    Limits,
    MarketKind,
    MarketParameters,
    SlotKey,
    Wire,
)
from pallets.token.asset_holds import AssetHolds, AssetHoldsConfig
from pallets.token.assets import Assets
from pallets.token.assets_types import AssetsConfig, GenesisAsset
from pallets.token.balances import Balances, BalancesConfig
from pallets.token.one_asset import OneAsset
from runtime.frame.account import pot_account
from runtime.frame.dispatch import BadOrigin, Origin, Signed, Weight, ensure_root
from runtime.frame.fungibles import HoldableAsset
from runtime.frame.permissions import Activity
from runtime.frame.runtime import RuntimeBuilder
from runtime.frame.runtime_api import RuntimeApi
from runtime.frame.state import MemoryBackend, State
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BLOCK_TIME_MS, BOB, CHARLIE, DAVE, EVE, START_MS, Chain, account
from tests.support.watt_ledger import MINIMUM, Watt

SLOT_MS = 10_000
GATE_MS = 3_000
ARCHIVE_MS = 30_000
HORIZON = 4
ZONE = 1
OPERATOR = account("//Operator")
REGULATORS = tuple(account(f"//Regulator{number}") for number in range(4))
OFFICER = account("//Officer")
MARKET_POT, TREASURY_POT = pot_account(b"market__"), pot_account(b"treasury")
GRID_FUND = pot_account(b"gridfund")
WATT_EACH = 10**9 * UNIT
WIDE = Limits(10**9, 10**9, 10**30)
PARAMETERS = MarketParameters(
    MarketKind.CallUniform,
    Rationing.PRO_RATA,
    k_permille=500,
    fee_bps=0,
    gate_ms=GATE_MS,
    horizon=HORIZON,
    qty_min=1,
    qty_max=10**9,
    price_min=0,
    price_max=1_000_000,
    price_step=1,
)
TRADERS = (ALICE, BOB, CHARLIE, DAVE, EVE)


class Refused(BadOrigin):
    """What a compliance pallet would raise."""


@dataclass
class World:
    """What other pallets would answer; tests change it before or after the chain is made."""

    wheeling: dict[int, int] = field(default_factory=lambda: {ZONE: 0})
    operators: dict[int, AccountId] = field(default_factory=lambda: {ZONE: OPERATOR})
    forbidden: dict[AccountId, None] = field(default_factory=dict)
    uncovered: dict[AccountId, int] = field(default_factory=dict)
    cleared: list[SlotKey] = field(default_factory=list)
    wires: tuple[Wire, ...] = ()
    flows: dict[int, tuple[list[int], int]] = field(default_factory=dict)
    curtailed: list[tuple[int, int, int, int]] = field(default_factory=list)
    forgotten: list[int] = field(default_factory=list)
    retired: dict[AccountId, None] = field(default_factory=dict)
    """Regulators that sit no more."""
    load: int | None = None
    uses_grid: bool = False
    """Whether the market asks the grid pallet for zones and lines."""
    uses_assets: bool = False
    """Whether WATT is an asset of the Assets pallet, with holds, instead of the small ledger's."""

    def operator_of(self, zone: int) -> AccountId | None:
        return self.operators.get(zone)

    def wheeling_of(self, zone: int) -> int:
        return self.wheeling[zone]

    def wheeling_pot(self, zone: int) -> AccountId:
        return pot_account(b"wheel_" + zone.to_bytes(2, "big"))

    def ensure(self, who: AccountId, activity: Activity) -> None:
        assert activity is Activity.Trade
        if who in self.forbidden:
            raise Refused

    def ensure_in_good_standing(self, who: AccountId) -> None:
        self.ensure(who, Activity.Trade)

    def covers(self, who: AccountId, key: SlotKey, sold_wh: int) -> bool:
        assert key[1] > 0
        return sold_wh <= self.uncovered.get(who, sold_wh)

    def is_regulator(self, who: AccountId) -> bool:
        return who in REGULATORS and who not in self.retired

    def wires_of(self, slot: int) -> tuple[Wire, ...]:
        assert slot > 0
        return self.wires

    def note_flows(self, slot: int, flows: Sequence[tuple[Wire, int]], rent: int) -> None:
        self.flows[slot] = ([flow for _, flow in flows], rent)

    def note_curtailed(self, zone: int, slot: int, permille: int, refunded: int) -> None:
        self.curtailed.append((zone, slot, permille, refunded))

    def forget_slot(self, slot: int) -> None:
        self.forgotten.append(slot)

    def share_permille(self) -> int | None:
        return self.load

    def on_cleared(self, zone: int, slot: int) -> None:
        self.cleared.append((zone, slot))


@dataclass(frozen=True, slots=True)
class EnergyChain:
    """The composed pallets."""

    api: RuntimeApi
    system: System
    timestamp: Timestamp
    balances: Balances
    session: Session
    watt: Watt
    assets: Assets
    asset: HoldableAsset
    grid: Grid
    market: Market
    world: World


class NowSource:
    """The time of the block as the market asks for it."""

    def __init__(self, timestamp: Timestamp) -> None:
        self.timestamp = timestamp

    def now_ms(self) -> int:
        return self.timestamp.now.get()


def for_officer(origin: Origin) -> None:
    """BadOrigin unless the compliance officer signed."""
    if not isinstance(origin, Signed) or origin.who != OFFICER:
        raise BadOrigin


def compose_energy(state: State, world: World, hook_weight: Weight | None = None) -> EnergyChain:
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
    clock = NowSource(timestamp)
    watt = build.add(Watt, index=20, name="Watt", config=None)
    assets, one_asset = _add_assets(build, system, balances)
    asset = one_asset if world.uses_assets else watt
    grid = build.add(
        Grid,
        index=27,
        name="Grid",
        config=GridConfig(
            asset, clock, world, lambda: market, ensure_root, GRID_FUND, SLOT_MS, load_blocks=2
        ),
    )
    config = MarketConfig(
        asset=asset,
        currency=balances,
        clock=clock,
        permissions=world,
        zones=grid if world.uses_grid else world,
        collateral=world,
        regulators=world,
        governance=ensure_root,
        compliance=for_officer,
        listeners=lambda: (world,),
        market_pot=MARKET_POT,
        treasury_pot=TREASURY_POT,
        grid_fund=GRID_FUND,
        slot_ms=SLOT_MS,
        default_limits=WIDE,
        registration_deposit=UNIT,
        hook_weight=hook_weight or Weight(500_000_000_000, 1 << 63),
        gate_stagger_ms=0,
        archive_ms=ARCHIVE_MS,
    )
    market = build.add(Market, index=28, name="Market", config=config)
    runtime = build.build(version, system, system.extensions())
    return EnergyChain(
        RuntimeApi(runtime, session, ()),
        system,
        timestamp,
        balances,
        session,
        watt,
        assets,
        asset,
        grid,
        market,
        world,
    )


def _add_assets(build: RuntimeBuilder, system: System, balances: Balances) -> tuple[Assets, OneAsset]:
    """Add the Assets pallet with its holds; return it and its asset 1."""
    assets = build.add(
        Assets,
        index=12,
        name="Assets",
        config=AssetsConfig(balances, system, lambda: holds, 1, 1, 1, 1, 1),
    )
    holds = build.add(AssetHolds, index=21, name="AssetHolds", config=AssetHoldsConfig(assets.ledger))
    return assets, OneAsset(1, assets, holds)


def write_energy_genesis(
    chain: EnergyChain,
    parameters: Iterable[tuple[int, MarketParameters]] = ((ZONE, PARAMETERS),),
    more: Iterable[AccountId] = (),
) -> None:
    """Endow traders and pots, register the traders, open the markets."""
    world, traders = chain.world, (*TRADERS, *more)
    chain.system.genesis()
    chain.balances.genesis(tuple((who, 1_000 * UNIT) for who in (*traders, OPERATOR, *REGULATORS)))
    chain.session.genesis(((ALICE, SessionKeys(bytes(32))),))
    pots = (MARKET_POT, TREASURY_POT, GRID_FUND, *(world.wheeling_pot(zone) for zone in world.operators))
    holders = (*((who, WATT_EACH) for who in traders), *((pot, MINIMUM) for pot in pots))
    if world.uses_assets:
        owner = pot_account(b"reserve_")
        chain.assets.genesis(
            (GenesisAsset(1, owner, True, MINIMUM, b"Watt", b"WATT", 12, holders=holders),)  # a record
        )
    else:
        chain.watt.genesis(holders)
    zones = [
        (zone, Zone(OperatorKind.PEA, who, world.wheeling[zone], 0, ZoneStatus.InService))
        for zone, who in world.operators.items()
    ]
    lines = [((wire.source, wire.target), Line(wire.capacity, wire.wheeling)) for wire in world.wires]
    chain.grid.genesis(tuple(zones), tuple(lines))
    chain.market.genesis(tuple(parameters))
    for who in traders:
        chain.market.register_participant(Signed(who))
    chain.system.events.kill()


def energy_chain(
    parameters: MarketParameters = PARAMETERS,
    world: World | None = None,
    *,
    more: Iterable[AccountId] = (),
    hook_weight: Weight | None = None,
    backend: MemoryBackend | None = None,
) -> Chain[EnergyChain]:
    """Return a chain in block 1 with a market in every zone of the world."""
    used = World() if world is None else world
    return Chain(
        lambda state: compose_energy(state, used, hook_weight),
        lambda chain: write_energy_genesis(chain, [(zone, parameters) for zone in used.operators], more),
        backend,
    )


def now_ms(chain: Chain[EnergyChain]) -> int:
    """Return the open block's time."""
    return START_MS + chain.number * BLOCK_TIME_MS


def next_slot(chain: Chain[EnergyChain], ahead: int = 1) -> int:
    """Return the slot that begins so many slots from now."""
    return now_ms(chain) // SLOT_MS + ahead


def pass_gate_time(chain: Chain[EnergyChain], slot: int) -> None:
    """Go on until the first block that takes no more orders of a slot."""
    while now_ms(chain) < slot * SLOT_MS - GATE_MS:
        chain.next_block()


def pass_gate(chain: Chain[EnergyChain], slot: int) -> None:
    """Go on until the block whose beginning closes the gate of a slot."""
    pass_gate_time(chain, slot)
    chain.next_block()
