"""The energy market in a storm: anything that anybody may call, in any order. After each block the state of
every pallet is consistent, no money came or went, and in the end every slot and epoch is dealt with."""

import random  # noqa: TID251  # seeded
from collections.abc import Callable
from typing import Any, Final

import pytest
from msgspec import structs

from genesis.consortium import UNIT, WATT_ID
from genesis.energy_section import TEST
from pallets.compliance.office import Purpose
from pallets.energy_trading.market_types import MarketKind
from pallets.energy_trading.orders import Side
from pallets.settlement.collateral_types import Guarantee
from pallets.settlement.meters_types import SignedReading
from pallets.settlement.settlement_types import Tariff, TariffKind
from runtime.frame.dispatch import ROOT, Origin
from runtime.primitives.types import AccountId
from tests.support.chain import BOB
from tests.support.market import (
    LOCAL,
    MARKET,
    OPERATOR,
    ZONE,
    Device,
    current_slot,
    energy,
    home,
    market_chain,
)

TIMING: Final = structs.replace(
    TEST,
    deadline_slots=2,
    correction_slots=12,
    pattern_slots=4,
    epoch_slots=4,
    epoch_offset_slots=1,
    margin_slots=2,
    archive_slots=6,
)
PEOPLE: Final = tuple(home(number) for number in range(6))
PRICES: Final = (20_000, 30_000, 45_000, 60_000, 100_000)
AMOUNTS: Final = (1, UNIT, 20 * UNIT, 1_000 * UNIT)


class Storm:
    """Random calls of one seed on a chain of poor and rich homes."""

    def __init__(self, seed: int, kind: MarketKind) -> None:
        self.random = random.Random(seed)
        self.chain: LOCAL = market_chain(len(PEOPLE), TIMING, structs.replace(MARKET, kind=kind))
        self.devices: list[Device] = []
        first = current_slot(self.chain)
        for number, who in enumerate(PEOPLE):
            self.chain.ok(who, "Market.register_participant")
            self.chain.ok(who, "Privacy.give_consent", Purpose.MeterPublication, 1, None)
            if number % 2:
                self.chain.ok(who, "Collateral.deposit_collateral", Guarantee.Collateral, 50 * UNIT)
            if number % 3 == 0:
                self.chain.ok(who, "Assets.transfer_all", WATT_ID, BOB, True)
            self.devices.append(Device(number, who).register(self.chain, first))
        self.moves: tuple[Callable[[AccountId, int], None], ...] = (
            *(self.order,) * 4,
            *(self.read,) * 3,
            *(self.guarantee, self.pay, self.govern, self.tidy),
        )

    def do(self, origin: Origin | AccountId, name: str, *args: Any) -> None:
        self.chain.dispatch(origin, self.chain.call(name, *args))

    def order(self, who: AccountId, slot: int) -> None:
        pick = self.random.choice
        side, size = pick(list(Side)), pick([1, 10, 500, 3_000])
        self.do(who, "Market.submit_order", ZONE, slot, side, size, pick(PRICES), 0)
        for number in energy(self.chain).market.open_orders.get(who).ids[:1]:
            if pick([False, False, True]):
                self.do(who, "Market.cancel_order", number)

    def read(self, who: AccountId, slot: int) -> None:
        """Submit what most meters counted up to the last slot that is over; some say nothing for long."""
        meters, batch = energy(self.chain).meters, list[SignedReading]()
        for number, device in enumerate(self.devices):
            last = meters.last_registers.get(device.id)
            assert last is not None
            device.slot, device.seq, device.registers = last.slot, last.seq, last.registers
            is_heard = self.random.random() < (0.1 if number == 1 else 0.8)
            while is_heard and device.slot < current_slot(self.chain) - 1 and len(batch) < 60:
                batch.append(device.count(self.random.choice([0, 900]), self.random.choice([0, 4_000])))
        self.do(who, "Meters.submit_readings", tuple(batch))

    def guarantee(self, who: AccountId, slot: int) -> None:
        pick = self.random.choice
        name = pick(["deposit", "withdraw"])
        self.do(who, f"Collateral.{name}_collateral", pick(list(Guarantee)), pick(AMOUNTS))
        self.do(BOB, "Collateral.margin_call", who)
        self.do(BOB, "Collateral.release_requirement", who, ZONE, slot - 4)

    def pay(self, who: AccountId, slot: int) -> None:
        pick = self.random.choice
        self.do(BOB, "Collateral.contribute_default_fund", pick(AMOUNTS))
        self.do(pick([who, OPERATOR]), "Assets.transfer_all", WATT_ID, BOB, pick([False, True]))
        self.do(BOB, "Assets.transfer", WATT_ID, pick([who, OPERATOR]), pick(AMOUNTS))
        for (debtor, epoch), debt in list(energy(self.chain).collateral.arrears.items())[:1]:
            self.do(BOB, "Collateral.liquidate", debtor, epoch)
            self.do(BOB, "Collateral.pay_arrears", debtor, epoch, pick([1, debt.total]))
        for (epoch, receiver), _ in list(energy(self.chain).collateral.cuts.items())[:2]:
            self.do(who, "Collateral.claim_recovery", receiver, epoch)

    def govern(self, who: AccountId, slot: int) -> None:
        pick = self.random.choice
        kind, bps = pick(list(TariffKind)), pick([0, 1_000])
        tariff = Tariff(kind, pick([0, 22_000]), 57_982, 50, 50, bps, pick([False, True]))
        self.do(ROOT, "Settlement.set_tariff", ZONE, tariff)
        self.do(OPERATOR, "Grid.curtail", ZONE, slot, pick([0, 333, 999]))
        self.do(OPERATOR, pick(["Market.halt_market", "Market.resume_market"]), ZONE)
        self.do(OPERATOR, "Market.resume_market", ZONE)

    def tidy(self, who: AccountId, slot: int) -> None:
        settlement = energy(self.chain).settlement
        self.do(who, "Settlement.settle_page", ZONE, settlement.next_slot.get(ZONE))
        self.do(who, "Settlement.net_page", settlement.next_epoch.get() or 0)
        self.do(who, "Settlement.claim", self.random.choice(PEOPLE))

    def blow(self) -> None:
        """Make the calls of one block and close it, which checks the state of every pallet."""
        for _ in range(self.random.randrange(9)):
            slot = current_slot(self.chain) + self.random.randrange(4)
            self.random.choice(self.moves)(self.random.choice(PEOPLE), slot)
        self.chain.next_block()


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(MarketKind))
def test_no_order_of_calls_makes_money_or_stops_the_market(kind: MarketKind) -> None:
    storm = Storm(1, kind)
    chain, settlement = storm.chain, energy(storm.chain).settlement
    issued = chain.pallets.watt.total_issuance()
    for _ in range(60):
        storm.blow()
        assert chain.pallets.watt.total_issuance() == issued
    assert list(settlement.batches.items()), "no epoch was netted"
    chain.next_block(TIMING.slot_ms // 1_000 * (TIMING.deadline_slots + TIMING.epoch_slots + 2))
    upcoming, epoch = settlement.next_slot.get(ZONE), settlement.next_epoch.get()
    assert upcoming is not None
    assert upcoming >= current_slot(chain) - TIMING.deadline_slots - 1
    assert epoch is not None
    assert epoch >= settlement.ledger.current_epoch() - 1
    chain.close_block()
