"""A consortium chain with the whole energy market: one zone, slots of three blocks, homes with meters.

Zone 1 has an operator with a licence, an open auction and the default tariff. Homes are attested, have both
licences, GRID and WATT.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from msgspec import structs

from genesis.consortium import (
    UNIT,
    WATT,
    Consortium,
    ConsortiumParameters,
    compose,
    make_version,
    write_genesis,
)
from genesis.energy import Energy
from genesis.energy_section import TEST, EnergyParameters, GenesisEnergy
from genesis.presets import DEV_MARKET
from pallets.compliance.compliance_types import GenesisCompliance, LicenceKind, Tier
from pallets.compliance.office import Purpose, Role
from pallets.core.members import MemberClass
from pallets.energy_trading.grid_types import OperatorKind, Zone, ZoneStatus
from pallets.energy_trading.market_types import MarketParameters
from pallets.energy_trading.orders import Side
from pallets.settlement.collateral_types import Guarantee
from pallets.settlement.meters_types import (
    Fuel,
    MeterId,
    MeterKind,
    NewMeter,
    Quality,
    Registers,
    SignedReading,
    reading_message,
)
from pallets.token.reserve_types import SATANG, GenesisReserve, ReserveReport
from runtime.frame.state import MemoryBackend
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import (
    ALICE,
    BOB,
    ENDOWMENT,
    EVE,
    NAMED,
    WATT_POTS,
    Chain,
    account,
    block_hash,
    genesis_of,
)

LOCAL = Chain[Consortium]
ZONE: Final = 1
OPERATOR = EVE
OFFICERS = (ALICE, BOB)
REGULATORS = tuple(account(f"//Regulator{number}") for number in range(3))
FUNDS: Final = 100_000 * UNIT
"""What each home has of WATT."""
COLLATERAL: Final = 1_000 * UNIT
GATE_MS: Final = 1_000
WHEELING_TICKS: Final = 2_000
CAPACITY_W: Final = 400_000_000
"""So that a slot of three seconds takes what a home takes in an hour."""
MARKET = structs.replace(DEV_MARKET, gate_ms=GATE_MS, qty_min=1)
BOTH_LICENCES = (LicenceKind.Trading, LicenceKind.Generation)


def home(number: int) -> AccountId:
    return AccountId(blake2_256(b"home" + number.to_bytes(4, "little")))


def market_chain(
    homes: int = 2,
    parameters: EnergyParameters = TEST,
    market: MarketParameters = MARKET,
    backend: MemoryBackend | None = None,
) -> LOCAL:
    """Return a chain in block 1 whose superuser is Alice, operator Eve, and officers Alice and Bob."""
    people = tuple(home(number) for number in range(homes))
    attested = (
        *((who, Tier.Enhanced, BOTH_LICENCES) for who in (*people, *NAMED[1:4])),
        (OPERATOR, Tier.Enhanced, (LicenceKind.Grid,)),
    )
    holders = (*((who, FUNDS) for who in (*people, *NAMED)), *WATT_POTS)
    covered = sum(amount for _, amount in holders) // SATANG
    zone = Zone(OperatorKind.MEA, OPERATOR, WHEELING_TICKS, 0, ZoneStatus.InService)
    base = genesis_of(*((who, ENDOWMENT) for who in (*people, *NAMED, *REGULATORS)))
    genesis = replace(
        base,
        assets=(replace(WATT, holders=holders),),
        reserve=GenesisReserve((), ReserveReport(0, b"Bank", covered, 0, Hash(bytes(32)))),
        compliance=GenesisCompliance(tuple((who, tuple(Role)) for who in OFFICERS), attested),
        energy=GenesisEnergy(((ZONE, zone),), (), ((ZONE, market),), (), (ALICE,)),
    )
    timing = ConsortiumParameters(has_sudo=True, energy=parameters)
    return Chain(
        lambda state: compose(state, timing, make_version()),
        lambda chain: write_genesis(chain, genesis),
        backend,
    )


def energy(chain: LOCAL) -> Energy:
    return chain.pallets.energy


def current_slot(chain: LOCAL) -> int:
    return energy(chain).market.store.current_slot()


def pass_slots(chain: LOCAL, count: int = 1) -> None:
    """Go to the first block of a later slot."""
    target = current_slot(chain) + count
    while current_slot(chain) < target:
        chain.next_block()


def seat_regulators(chain: LOCAL) -> None:
    """Let three members of the consortium be regulators."""
    pallet = chain.pallets.members
    seats = tuple(
        structs.replace(pallet.members.get()[0], who=who, class_=MemberClass.Regulator) for who in REGULATORS
    )
    pallet.members.put((*pallet.members.get(), *seats))


def join(chain: LOCAL, *people: AccountId) -> None:
    """Register accounts with the market, with collateral for what they sell and consent to be read."""
    for who in people:
        chain.ok(who, "Market.register_participant")
        chain.ok(who, "Collateral.deposit_collateral", Guarantee.Collateral, COLLATERAL)
        chain.ok(who, "Privacy.give_consent", Purpose.MeterPublication, 1, None)


def order(chain: LOCAL, who: AccountId, slot: int, side: Side, qty: int, limit: int) -> None:
    chain.ok(who, "Market.submit_order", ZONE, slot, side, qty, limit, 0)


class Device:
    """A meter with its key, that counts and signs."""

    def __init__(self, number: int, owner: AccountId) -> None:
        name = number.to_bytes(4, "little")
        self.id = MeterId(Hash(blake2_256(b"meter" + name)))
        self.owner = owner
        self.pair = Keypair.from_seed(blake2_256(b"key of meter" + name), Scheme.ED25519)
        self.registers = Registers(0, 0)
        self.slot = 0
        self.seq = 0

    def new(self, first_slot: int) -> NewMeter:
        parts = (self.id, self.owner, ZONE, MeterKind.Prosumer, Fuel.Solar, CAPACITY_W, self.pair.public)
        return NewMeter(*parts, self.registers, first_slot)

    def register(self, chain: LOCAL, first_slot: int) -> "Device":
        self.slot = first_slot - 1
        chain.ok(OPERATOR, "Meters.register_meter", self.new(first_slot))
        return self

    def count(self, import_wh: int, export_wh: int) -> SignedReading:
        """Return the reading of the next slot."""
        self.slot += 1
        self.seq += 1
        self.registers = Registers(self.registers.import_wh + import_wh, self.registers.export_wh + export_wh)
        unsigned = SignedReading(self.id, self.slot, self.seq, self.registers, Quality.Good, bytes(64))
        signature = self.pair.sign(reading_message(block_hash(0), unsigned))
        return structs.replace(unsigned, signature=signature)


def submit(chain: LOCAL, readings: Iterable[SignedReading]) -> None:
    chain.ok(ALICE, "Meters.submit_readings", tuple(readings))


def read(chain: LOCAL, devices: Sequence[Device], energies: Sequence[tuple[int, int]]) -> None:
    """Submit what each meter took and gave in its next slot."""
    submit(chain, [device.count(*one) for device, one in zip(devices, energies, strict=True)])
