"""Whatever is called, read, traded and spent in any order: money is kept, every check of the state holds, a
failed call changes nothing, and nothing but a dispatch error comes out of a call."""

from random import Random  # noqa: TID251  # only the type; hypothesis seeds it
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.frame.dispatch import Weight
from runtime.primitives.arithmetic import U128_MAX
from tests.support.any_call import PEOPLE, AnyCall
from tests.support.chain import ALICE
from tests.support.fake_watt import MINIMUM, Trade
from tests.support.settlement import (
    MARKET_POT,
    NO_ZONE,
    OPERATOR,
    OTHER_ZONE,
    ZONE,
    Device,
    current_slot,
    energy_chain,
    give,
)

AMPLE = Weight(10**12, 10**9)
ENERGY_PALLETS = (29, 34, 35)
STEPS = 120
DEVICES_MAX = 5
AMOUNTS = (0, 1, 1_000, 10**9, 10**12, 10**15, 10**19, U128_MAX)
ENERGIES = (0, 5, 3_000, 11_000)


class AnyEnergy:
    """A market whose people do what they like; it knows how much money there must be."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.chain = energy_chain(AMPLE, epoch_slots=2)
        self.devices: list[Device] = []
        self.issued = self.chain.pallets.watt.total_issuance()
        self.draws = AnyCall(cast(Any, self.chain), rng, lambda spec: spec.pallet_index not in ENERGY_PALLETS)
        self.draws.by_name |= {
            "zone": lambda: rng.choice((ZONE, ZONE, OTHER_ZONE, NO_ZONE)),
            "slot": lambda: current_slot(self.chain) + 1 - rng.randrange(6),
            "first_slot": lambda: current_slot(self.chain) + rng.randrange(4),
            "epoch": lambda: self.chain.pallets.settlement.ledger.current_epoch() - rng.randrange(4),
            "amount": lambda: rng.choice(AMOUNTS),
            "meter": lambda: rng.choice([device.id for device in self.devices] or [bytes(32)]),
        }

    def step(self) -> None:
        chance = self.rng.random()
        if chance < 0.05 and len(self.devices) < DEVICES_MAX:
            self.register()
        elif chance < 0.2 and self.devices:
            self.read(self.rng.choice(self.devices))
        elif chance < 0.35:
            self.trade()
        elif chance < 0.4:
            self.spend(self.rng.choice(PEOPLE))
        else:
            self.call()
        if self.rng.random() < 0.35:
            self.chain.next_block(self.rng.randrange(1, 6))

    def register(self) -> None:
        zone = self.rng.choice((ZONE, OTHER_ZONE))
        device = Device(f"meter {len(self.devices)}", self.rng.choice(PEOPLE), zone)
        self.devices.append(device.register(self.chain))

    def read(self, device: Device) -> None:
        """Read a meter for some of the slots that it was not read for; it may be retired."""
        before, due = (device.slot, device.seq, device.registers), current_slot(self.chain) - 1 - device.slot
        readings = tuple(
            device.count(self.rng.choice(ENERGIES), self.rng.choice(ENERGIES))
            for _ in range(self.rng.randrange(min(60, due) + 1))
        )
        error = self.chain.dispatch(ALICE, self.chain.call("Meters.submit_readings", readings)).error
        if error is not None:
            device.slot, device.seq, device.registers = before

    def trade(self) -> None:
        """Let somebody have traded in a slot to come, with or without collateral."""
        zone, who = self.rng.choice((ZONE, OTHER_ZONE)), self.rng.choice(PEOPLE)
        slot, qty = current_slot(self.chain) + 1 + self.rng.randrange(2), self.rng.randrange(1, 9_000)
        market = self.chain.pallets.market
        if market.position_of(zone, slot, who) is not None:
            return
        if self.rng.random() < 0.5:
            market.trade(zone, slot, who, Trade(qty, 0))
            return
        self.chain.pallets.collateral.covers(who, (zone, slot), qty)
        market.trade(zone, slot, who, Trade(0, qty, qty * 3 * 10**9))
        give(self.chain, MARKET_POT, qty * 3 * 10**9)
        self.issued += qty * 3 * 10**9

    def spend(self, who: object) -> None:
        """Let somebody spend most of what is free, or all but the minimum."""
        watt, account = self.chain.pallets.watt, cast(Any, who)
        free = watt.free.get(account)
        left = max(min(free, MINIMUM), self.rng.choice((MINIMUM, MINIMUM + 10**9, free // 2)))
        if free > left:
            watt.free.put(account, left)
            self.issued -= free - left

    def call(self) -> None:
        origin, call = self.draws.step()
        before, events = self.chain.pending(), list(self.chain.state.events)
        post, error = self.chain.dispatch(origin, call)
        if error is None:
            assert post.actual_weight is None or post.actual_weight.fits(call.weight())
        else:
            assert self.chain.pending() == before
            assert self.chain.state.events == events


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(rng=st.randoms(use_true_random=True))
def test_no_sequence_of_events_breaks_the_state_or_makes_money(rng: Random) -> None:
    energy = AnyEnergy(rng)
    for _ in range(STEPS):
        energy.step()
        watt = energy.chain.pallets.watt
        assert watt.total_issuance() == energy.issued
        assert watt.free.get(OPERATOR) >= MINIMUM
    energy.chain.close_block()
