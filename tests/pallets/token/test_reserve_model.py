"""WattReserve under random histories, bad input among them: there is never more WATT than the reserve covers,
and what is redeemed is paid, refunded or still held."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from genesis.consortium import WATT_ID
from pallets.token.reserve_types import SATANG
from runtime.frame.dispatch import ROOT
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE, FERDIE
from tests.support.watt import COVER, HELD, watt_chain

PEOPLE = (ALICE, BOB, CHARLIE, DAVE, EVE, FERDIE)
WHO = st.sampled_from(PEOPLE)
ATTESTOR = st.sampled_from((ALICE, ALICE, BOB, BOB, CHARLIE, EVE))
AMOUNT = st.one_of(
    st.sampled_from((SATANG, 100 * SATANG, HELD - SATANG, HELD, 3 * HELD)),
    st.integers(0, 4 * HELD // SATANG).map(lambda satang: satang * SATANG),
    st.integers(0, 4 * HELD),
)
NUMBER = st.integers(0, 6)
HASH = st.sampled_from([Hash(bytes([byte]) * 32) for byte in (1, 2)])


class Reserve(RuleBasedStateMachine):
    """Calls of the pallet by anybody; the model knows what reports and payouts should leave as cover."""

    @initialize()
    def start(self) -> None:
        self.chain = watt_chain()
        self.reported, self.paid = COVER // SATANG, 0
        """Satang of the latest report that counts, and what was paid out since."""

    def attempt(self, who: Any, name: str, *args: Any) -> bool:
        """Make a call that may fail, and leave nothing behind then; tell whether it succeeded."""
        call = self.chain.call(name, *args)
        before, events = self.chain.pending(), len(self.chain.state.events)
        if self.chain.dispatch(who, call).error is None:
            return True
        assert self.chain.pending() == before
        assert len(self.chain.state.events) == events
        return False

    @property
    def supply(self) -> int:
        return self.chain.pallets.watt.total_issuance()

    @rule(who=ATTESTOR, step=st.integers(-1, 2), satang=AMOUNT.map(lambda units: units // SATANG))
    def report(self, who: AccountId, step: int, satang: int) -> None:
        reserve = self.chain.pallets.reserve
        latest = reserve.latest.get()
        assert latest is not None
        count, paid = reserve.report_count.get(), reserve.paid_satang.get()
        fields = (latest.report.as_of + step, b"Bank", satang, paid, Hash(bytes(32)))
        self.attempt(who, "WattReserve.report_reserve", *fields)
        if self.attempt(ALICE if who != ALICE else BOB, "WattReserve.report_reserve", *fields):
            assert step > 0
        if reserve.report_count.get() > count:
            self.reported, self.paid = satang, 0

    @rule(who=ATTESTOR, beneficiary=WHO, amount=AMOUNT, payment=HASH)
    def request(self, who: AccountId, beneficiary: AccountId, amount: int, payment: Hash) -> None:
        if self.attempt(who, "WattReserve.request_mint", beneficiary, amount, payment):
            assert amount % SATANG == 0 < amount

    @rule(who=ATTESTOR, number=NUMBER)
    def approve(self, who: AccountId, number: int) -> None:
        before = self.supply
        if self.attempt(who, "WattReserve.approve_mint", number):
            assert self.supply <= (self.reported - self.paid) * SATANG or self.supply == before
        else:
            assert self.supply == before

    @rule(who=ATTESTOR, number=NUMBER)
    def reject(self, who: AccountId, number: int) -> None:
        before = self.supply
        self.attempt(who, "WattReserve.reject_mint", number)
        assert self.supply == before

    @rule(who=WHO, amount=AMOUNT, payout=HASH)
    def redeem(self, who: AccountId, amount: int, payout: Hash) -> None:
        watt = self.chain.pallets.watt
        total = watt.total_balance(who)
        if self.attempt(who, "WattReserve.redeem", amount, payout):
            assert amount % SATANG == 0 < amount
        assert watt.total_balance(who) == total

    @rule(who=ATTESTOR, number=NUMBER, reference=HASH)
    def confirm(self, who: AccountId, number: int, reference: Hash) -> None:
        found = self.chain.pallets.reserve.redemptions.get(number)
        before = self.supply
        self.attempt(who, "WattReserve.confirm_payout", number, reference)
        burnt = before - self.supply
        if burnt:
            assert found is not None
            assert (burnt, found.reference) == (found.amount, reference)
            self.paid += burnt // SATANG

    @rule(who=ATTESTOR, number=NUMBER)
    def refuse(self, who: AccountId, number: int) -> None:
        found = self.chain.pallets.reserve.redemptions.get(number)
        held = self.chain.pallets.asset_holds.total_on_hold(WATT_ID, DAVE if found is None else found.who)
        if self.attempt(who, "WattReserve.reject_redeem", number):
            assert found is not None
            assert self.chain.pallets.asset_holds.total_on_hold(WATT_ID, found.who) == held - found.amount

    @rule(who=WHO, dest=WHO, amount=AMOUNT)
    def transfer(self, who: AccountId, dest: AccountId, amount: int) -> None:
        before = self.supply
        self.attempt(who, "Assets.transfer", WATT_ID, dest, amount)
        assert self.supply == before

    @rule(who=WHO, amount=AMOUNT)
    def forge(self, who: AccountId, amount: int) -> None:
        for name in ("Assets.mint", "Assets.burn"):
            assert not self.attempt(who, name, WATT_ID, who, amount)

    @rule(name=st.sampled_from(("pause", "resume", "resume")))
    def pause(self, name: str) -> None:
        assert self.attempt(ROOT, f"WattReserve.{name}")

    @rule(cap=AMOUNT)
    def cap(self, cap: int) -> None:
        assert self.attempt(ROOT, "WattReserve.set_mint_cap", 4 * cap)

    @rule(board=st.permutations(PEOPLE).map(lambda people: tuple(people[:3])))
    def change_attestors(self, board: tuple[AccountId, ...]) -> None:
        assert self.attempt(ROOT, "WattReserve.set_attestors", board)
        self.attempt(ROOT, "WattReserve.set_attestors", (ALICE, BOB, CHARLIE))

    @rule()
    def pass_time(self) -> None:
        self.chain.next_block()

    @invariant()
    def reserve_covers_watt(self) -> None:
        if hasattr(self, "chain"):
            self.chain.api.try_state()
            covered = max(0, self.reported - self.paid) * SATANG
            assert self.chain.pallets.reserve.covered() == covered
            assert self.supply <= covered + self.chain.pallets.reserve.shortfall.get()


Reserve.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


TestReserve = pytest.mark.slow(Reserve.TestCase)
