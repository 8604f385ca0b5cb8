"""A chain with Meters, Settlement and Collateral over a stand-in token and market."""

from collections.abc import Callable
from dataclasses import dataclass

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
from pallets.settlement.collateral import Collateral
from pallets.settlement.collateral_types import CollateralConfig
from pallets.settlement.meters import Meters
from pallets.settlement.meters_types import (
    READINGS_MAX,
    Fuel,
    MeterId,
    MeterKind,
    MetersConfig,
    NewMeter,
    Quality,
    Registers,
    SignedReading,
    reading_message,
)
from pallets.settlement.settlement import Settlement
from pallets.settlement.settlement_types import SettlementConfig, Tariff, TariffKind
from pallets.settlement.tariff import ON_PEAK_TICKS
from pallets.token.balances import Balances, BalancesConfig
from runtime.frame.account import pot_account
from runtime.frame.dispatch import ROOT, Origin, Weight, ensure_root
from runtime.frame.fungibles import HoldableAsset
from runtime.frame.runtime import RuntimeBuilder
from runtime.frame.runtime_api import RuntimeApi
from runtime.frame.state import MemoryBackend, State
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import ALICE, BLOCK_TIME_MS, NAMED, Chain, block_hash
from tests.support.fake_watt import MINIMUM, FakeMarket, FakeWatt, Trade

SLOT_MS = 9_000
SLOT_BLOCKS = SLOT_MS // BLOCK_TIME_MS
ZONE = 7
OTHER_ZONE = 8
NO_ZONE = 9
OPERATOR = AccountId(blake2_256(b"operator"))
MARKET_POT, SETTLEMENT_POT, PENALTY_POT, FUND_POT = (
    pot_account(name) for name in (b"lo/markt", b"lo/settl", b"lo/penal", b"lo/fund_")
)
POTS = (MARKET_POT, SETTLEMENT_POT, PENALTY_POT, FUND_POT)
FUNDS = 1_000_000 * UNIT
PATTERN_SLOTS = 14
CORRECTION_SLOTS = 30
DEADLINE_SLOTS = 4
EPOCH_SLOTS = 8
PLAIN = Tariff(TariffKind.Flat, 22_000, 57_982, 0, 0, 0, True)
CAPACITY_W = 4_000_000
"""So that a slot of nine seconds takes up to 12 kWh with the headroom."""


def person(number: int) -> AccountId:
    return AccountId(blake2_256(b"home" + number.to_bytes(4, "little")))


class FakeZones:
    """Zones of one operator."""

    def __init__(self) -> None:
        self.loss_ppm = 0
        self.is_in_service = True

    def operator_of(self, zone: int) -> AccountId | None:
        return OPERATOR if zone != NO_ZONE and self.is_in_service else None

    def loss_ppm_of(self, zone: int) -> int:
        return self.loss_ppm


class ChainTime:
    """The open block's time."""

    def __init__(self, timestamp: Timestamp) -> None:
        self.timestamp = timestamp

    def now_ms(self) -> int:
        return self.timestamp.now.get()


@dataclass(frozen=True, slots=True)
class Energy:
    """The composed pallets."""

    api: RuntimeApi
    system: System
    balances: Balances
    session: Session
    time: ChainTime
    watt: FakeWatt
    market: FakeMarket
    zones: FakeZones
    meters: Meters
    settlement: Settlement
    collateral: Collateral


EnergyChain = Chain[Energy]


def ensure_governance(origin: Origin) -> None:
    ensure_root(origin)


def add_core(build: RuntimeBuilder) -> tuple[System, Timestamp, Session, Balances]:
    version = make_version()
    limits = make_limits(BLOCK_WEIGHT_MAX, BLOCK_LENGTH_MAX, NORMAL_PERCENT, weights.EXTRINSIC_BASE)
    system = build.add(System, index=0, name="System", config=SystemConfig(version, limits))
    timestamp = build.add(
        Timestamp, index=1, name="Timestamp", config=TimestampConfig(minimum_period=500, system=system)
    )
    session = build.add(Session, index=9, name="Session", config=SessionConfig(system))
    balances = build.add(
        Balances, index=10, name="Balances", config=BalancesConfig(EXISTENTIAL_DEPOSIT, system)
    )
    return system, timestamp, session, balances


AddAsset = Callable[[RuntimeBuilder, System, Balances], HoldableAsset]


def compose_energy(
    state: State, hook_weight: Weight, epoch_slots: int, add_asset: AddAsset | None = None
) -> Energy:
    """Return the chain; its money is the stand-in's unless another asset is added."""
    build = RuntimeBuilder(state)
    system, timestamp, session, balances = add_core(build)
    watt = build.add(FakeWatt, index=40, name="FakeWatt", config=None)
    asset = watt if add_asset is None else add_asset(build, system, balances)
    market = build.add(FakeMarket, index=28, name="Market", config=None)
    time, zones = ChainTime(timestamp), FakeZones()
    read = MetersConfig(time, system, zones, lambda: settlement, SLOT_MS, CORRECTION_SLOTS, PATTERN_SLOTS)
    meters = build.add(Meters, index=29, name="Meters", config=read)
    collateral = build.add(
        Collateral,
        index=35,
        name="Collateral",
        config=CollateralConfig(asset, time, meters, lambda: settlement, FUND_POT, SLOT_MS, 2, ON_PEAK_TICKS),
    )
    settlement = build.add(
        Settlement,
        index=34,
        name="Settlement",
        config=SettlementConfig(
            asset,
            time,
            market,
            meters,
            zones,
            collateral,
            ensure_governance,
            MARKET_POT,
            SETTLEMENT_POT,
            PENALTY_POT,
            SLOT_MS,
            DEADLINE_SLOTS,
            CORRECTION_SLOTS,
            epoch_slots,
            epoch_offset_slots=3,
            default_tariff=PLAIN,
            hook_weight=hook_weight,
        ),
    )
    runtime = build.build(make_version(), system, system.extensions())
    return Energy(
        RuntimeApi(runtime, session, ()),
        system,
        balances,
        session,
        time,
        watt,
        market,
        zones,
        meters,
        settlement,
        collateral,
    )


def write_energy_genesis(chain: Energy, people: int) -> None:
    """Endow the named accounts, the operator and so many homes; pots get the minimum."""
    chain.system.genesis()
    chain.balances.genesis(tuple((who, UNIT) for who in NAMED))
    chain.session.genesis(((ALICE, SessionKeys(bytes(32))),))
    for who in (*NAMED, OPERATOR, *(person(number) for number in range(people))):
        chain.watt.free.put(who, FUNDS)
    for pot in POTS:
        chain.watt.free.put(pot, MINIMUM)
    chain.system.events.kill()


IDLE_HOOKS = Weight(0, 0)
"""Slots are settled and epochs netted by calls only."""


def energy_chain(
    hook_weight: Weight = IDLE_HOOKS,
    people: int = 0,
    epoch_slots: int = EPOCH_SLOTS,
    backend: MemoryBackend | None = None,
) -> EnergyChain:
    return Chain(
        lambda state: compose_energy(state, hook_weight, epoch_slots),
        lambda chain: write_energy_genesis(chain, people),
        backend,
    )


# --- time


def current_slot(chain: EnergyChain) -> int:
    return chain.pallets.time.now_ms() // SLOT_MS


def pass_slots(chain: EnergyChain, count: int = 1) -> None:
    """Let blocks pass until the slot is so many later."""
    target = current_slot(chain) + count
    while current_slot(chain) < target:
        chain.next_block()


def set_tariff(chain: EnergyChain, tariff: Tariff, zone: int = ZONE) -> None:
    """Set a zone's tariff and let its first slot begin."""
    chain.ok(ROOT, "Settlement.set_tariff", zone, tariff)
    pass_slots(chain)


# --- meters


class Device:
    """A meter with its key, that counts and signs."""

    def __init__(self, name: str, owner: AccountId, zone: int = ZONE) -> None:
        self.id = MeterId(Hash(blake2_256(name.encode())))
        self.owner = owner
        self.zone = zone
        self.pair = Keypair.from_seed(blake2_256(b"key of " + name.encode()), Scheme.ED25519)
        self.registers = Registers(1_000, 500)
        self.slot = 0
        self.seq = 0

    def new(
        self, first_slot: int, kind: MeterKind = MeterKind.Prosumer, capacity_w: int = CAPACITY_W
    ) -> NewMeter:
        return NewMeter(
            self.id,
            self.owner,
            self.zone,
            kind,
            Fuel.Solar,
            capacity_w,
            self.pair.public,
            self.registers,
            first_slot,
        )

    def register(self, chain: EnergyChain, first_slot: int | None = None) -> "Device":
        self.slot = (current_slot(chain) if first_slot is None else first_slot) - 1
        chain.ok(ROOT, "Meters.register_meter", self.new(self.slot + 1))
        return self

    def sign(
        self, slot: int, seq: int, registers: Registers, quality: Quality = Quality.Good
    ) -> SignedReading:
        unsigned = SignedReading(self.id, slot, seq, registers, quality, bytes(64))
        signature = self.pair.sign(reading_message(block_hash(0), unsigned))
        return SignedReading(self.id, slot, seq, registers, quality, signature)

    def count(self, import_wh: int, export_wh: int) -> SignedReading:
        """Return the reading of the next slot."""
        self.slot += 1
        self.seq += 1
        self.registers = Registers(self.registers.import_wh + import_wh, self.registers.export_wh + export_wh)
        return self.sign(self.slot, self.seq, self.registers)


def submit(chain: EnergyChain, *readings: SignedReading) -> None:
    chain.ok(ALICE, "Meters.submit_readings", readings)


# --- a community


class Community:
    """Homes with a meter each, that trade and are read slot by slot."""

    def __init__(self, chain: EnergyChain, homes: int, zone: int = ZONE) -> None:
        self.chain = chain
        self.zone = zone
        self.devices = [Device(f"meter {n} of {zone}", person(n), zone).register(chain) for n in range(homes)]
        self.slot = current_slot(chain)
        """The slot that is settled next."""

    def trade(self, number: int, bought_wh: int, sold_wh: int, receivable: int = 0) -> None:
        """Let a home have traded in the slot; what a seller is owed lies in the market's pot."""
        self.chain.pallets.market.trade(
            self.zone, self.slot, person(number), Trade(bought_wh, sold_wh, receivable)
        )
        give(self.chain, MARKET_POT, receivable)

    def read(self, *energies: tuple[int, int] | None) -> None:
        """End the slot and submit what each home's meter counted; None for a meter that is silent."""
        while current_slot(self.chain) <= self.slot:
            self.chain.next_block()
        readings = [
            device.count(*energy)
            for device, energy in zip(self.devices, energies, strict=True)
            if energy is not None
        ]
        for first in range(0, len(readings), READINGS_MAX):
            submit(self.chain, *readings[first : first + READINGS_MAX])

    def settle(self) -> None:
        """Settle the slot by calls."""
        settlement = self.chain.pallets.settlement
        while not settlement.is_settled(self.zone, self.slot):
            self.chain.ok(ALICE, "Settlement.settle_page", self.zone, self.slot)
        self.slot += 1

    def accrued(self, number: int) -> int:
        return accrued(self.chain, person(number))


def accrued(chain: EnergyChain, who: AccountId) -> int:
    """Return what an account is to receive in all epochs that are not netted."""
    return sum(amount for (_, found), amount in chain.pallets.settlement.accrual.items() if found == who)


def give(chain: EnergyChain, who: AccountId, amount: int) -> None:
    watt = chain.pallets.watt
    watt.free.put(who, watt.free.get(who) + amount)


def net_all(chain: EnergyChain) -> None:
    """Let the open epoch end and net all that are over, by calls."""
    settlement = chain.pallets.settlement
    epoch = settlement.ledger.current_epoch()
    while settlement.ledger.current_epoch() == epoch:
        chain.next_block()
    while (due := settlement.netter.due_epoch()) is not None:
        chain.ok(ALICE, "Settlement.net_page", due)
