"""Staking: bad input is refused, rewards are paid once, slashes stay within exposures, nothing is lost."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.staking import errors
from pallets.staking.slashing import Offence
from pallets.staking.types import Account, Controller, StakingLedger, Stash, UnlockChunk, ValidatorPrefs
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, PalletError
from runtime.primitives.extrinsic import AddressId
from tests.support.chain import Chain
from tests.support.staking import StakingChain, staking_chain, who

Staked = Chain[StakingChain]
OWNED = ((11, 1000), (21, 2000), (31, 500), (101, 2000), (5, 1000))
FRESH = (5, 1000)


@pytest.fixture
def chain() -> Staked:
    return staking_chain(balances=OWNED)


def refused(chain: Staked, error: type[PalletError], number: int, name: str, *args: Any) -> None:
    chain.noop(chain.pallets.staking.error(error), who(number), f"Staking.{name}", *args)


def address(number: int) -> AddressId:
    return AddressId(who(number))


def ledger(chain: Staked, number: int) -> StakingLedger:
    found = chain.pallets.staking.ledger.get(who(number))
    assert found is not None
    return found


def era(chain: Staked) -> int:
    active = chain.pallets.staking.active_era.get()
    assert active is not None
    return active.index


def to_era(chain: Staked, number: int) -> None:
    while era(chain) < number:
        chain.next_block()


def test_bond_takes_what_there_is_and_refuses_the_rest(chain: Staked) -> None:
    refused(chain, errors.AlreadyBonded, 11, "bond", 5, Stash())
    refused(chain, errors.InsufficientBond, 5, "bond", 0, Stash())
    refused(chain, errors.ControllerDeprecated, 5, "bond", 5, Controller())
    chain.noop(BadOrigin, ROOT, "Staking.bond", 5, Stash())
    chain.ok(who(5), "Staking.bond", 10**9, Stash())
    assert ledger(chain, 5).total == 1000


def test_account_that_controls_a_stake_cannot_become_a_stash(chain: Staked) -> None:
    chain.pallets.staking.ledger.put(who(5), ledger(chain, 11))
    refused(chain, errors.AlreadyPaired, 5, "bond", 5, Stash())
    refused(chain, errors.BadState, 5, "chill")
    chain.pallets.staking.ledger.remove(who(5))


def test_strangers_have_nothing_to_change(chain: Staked) -> None:
    refused(chain, errors.NotStash, 5, "bond_extra", 1)
    for name, args in (
        ("unbond", (1,)),
        ("rebond", (1,)),
        ("withdraw_unbonded", (0,)),
        ("validate", (ValidatorPrefs(),)),
        ("nominate", ((),)),
        ("chill", ()),
        ("set_payee", (Stash(),)),
        ("kick", ((),)),
    ):
        refused(chain, errors.NotController, 5, name, *args)
        chain.noop(BadOrigin, NOBODY, f"Staking.{name}", *args)
    refused(chain, errors.NotStash, 5, "reap_stash", who(5), 0)
    refused(chain, errors.FundedTarget, 5, "reap_stash", who(11), 9)


def test_unbonded_stake_waits_and_can_come_back(chain: Staked) -> None:
    refused(chain, errors.NoUnlockChunk, 101, "rebond", 5)
    chain.ok(who(101), "Staking.unbond", 200)
    assert ledger(chain, 101).unlocking == (UnlockChunk(200, 3),)
    chain.ok(who(101), "Staking.rebond", 50)
    assert (ledger(chain, 101).active, ledger(chain, 101).unlocking) == (350, (UnlockChunk(150, 3),))
    chain.ok(who(101), "Staking.withdraw_unbonded", 0)
    assert ledger(chain, 101).total == 500
    to_era(chain, 3)
    chain.ok(who(101), "Staking.withdraw_unbonded", 0)
    assert ledger(chain, 101).total == 350


def test_unlocking_has_a_limit(chain: Staked) -> None:
    full = tuple(UnlockChunk(1, 1000 + n) for n in range(32))
    chain.pallets.staking.ledgers.put(StakingLedger(who(101), 532, 500, full))
    refused(chain, errors.NoMoreChunks, 101, "unbond", 5)


def test_active_stake_stays_above_the_least_of_its_role(chain: Staked) -> None:
    chain.pallets.staking.min_nominator_bond.put(400)
    chain.pallets.staking.min_validator_bond.put(1_500)
    refused(chain, errors.InsufficientBond, 101, "unbond", 101)
    chain.ok(who(101), "Staking.unbond", 100)
    refused(chain, errors.InsufficientBond, 11, "validate", ValidatorPrefs())
    chain.pallets.staking.min_nominator_bond.put(600)
    refused(chain, errors.InsufficientBond, 101, "nominate", (address(11),))
    refused(chain, errors.CannotChillOther, 5, "chill_other", who(101))


def test_roles_are_limited(chain: Staked) -> None:
    staking = chain.pallets.staking
    chain.ok(who(5), "Staking.bond", 500, Stash())
    staking.min_commission.put(7)
    refused(chain, errors.CommissionTooLow, 5, "validate", ValidatorPrefs(6))
    staking.max_validators_count.put(3)
    staking.max_nominators_count.put(1)
    refused(chain, errors.TooManyValidators, 5, "validate", ValidatorPrefs(7))
    refused(chain, errors.TooManyNominators, 5, "nominate", (address(11),))
    refused(chain, errors.EmptyTargets, 101, "nominate", ())
    refused(chain, errors.TooManyTargets, 101, "nominate", tuple(map(address, range(17))))
    chain.ok(who(31), "Staking.validate", ValidatorPrefs(7, blocked=True))
    refused(chain, errors.BadTarget, 101, "nominate", (address(31),))
    chain.ok(who(101), "Staking.nominate", (address(11), address(11)))
    found = staking.nominators.get(who(101))
    assert found is not None
    assert found.targets == (who(11),)
    refused(chain, errors.NotStash, 5, "force_apply_min_commission", who(101))


def test_calls_of_root_are_roots(chain: Staked) -> None:
    for name, args in (
        ("set_validator_count", (1,)),
        ("increase_validator_count", (1,)),
        ("scale_validator_count", (1,)),
        ("force_no_eras", ()),
        ("force_new_era", ()),
        ("force_new_era_always", ()),
        ("set_invulnerables", ((),)),
        ("force_unstake", (who(11), 0)),
        ("cancel_deferred_slash", (0, (0,))),
        ("set_min_commission", (0,)),
    ):
        chain.noop(BadOrigin, who(11), f"Staking.{name}", *args)
    too_many = chain.pallets.staking.error(errors.TooManyValidators)
    chain.noop(too_many, ROOT, "Staking.set_validator_count", 1001)


def test_rewards_are_of_the_eras_exposure_and_paid_once(chain: Staked) -> None:
    staking, balances = chain.pallets.staking, chain.pallets.balances
    staking.eras.reward_by_ids(((who(11), 20),))
    chain.ok(who(101), "Staking.set_payee", Account(who(5)))
    to_era(chain, 1)
    staking.eras_validator_reward.put(0, 9_000)
    chain.ok(who(11), "Staking.unbond", 400)
    chain.ok(who(101), "Staking.bond_extra", 1_000)
    before = balances.total_balance(who(5))
    refused(chain, errors.InvalidPage, 5, "payout_stakers_by_page", who(11), 0, 1)
    chain.ok(who(5), "Staking.payout_stakers", who(11), 0)
    assert balances.total_balance(who(5)) - before == 1_000
    assert ledger(chain, 11).active == 600 + 8_000
    refused(chain, errors.AlreadyClaimed, 5, "payout_stakers", who(11), 0)
    refused(chain, errors.AlreadyClaimed, 5, "payout_stakers_by_page", who(11), 0, 0)
    refused(chain, errors.InvalidEraToReward, 5, "payout_stakers", who(11), 1)
    refused(chain, errors.InvalidEraToReward, 5, "payout_stakers", who(11), 99)
    refused(chain, errors.NotStash, 5, "payout_stakers", who(5), 0)


def test_forced_eras_and_none(chain: Staked) -> None:
    chain.ok(ROOT, "Staking.force_no_eras")
    chain.next_block(8)
    assert era(chain) == 0
    chain.ok(ROOT, "Staking.force_new_era")
    chain.next_block(2)
    assert era(chain) == 1


Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("extra", "unbond", "rebond", "withdraw", "offend", "pay", "next")),
        st.sampled_from((11, 21, 31, 101)),
        st.integers(1, 100),
    ),
    min_size=6,
    max_size=12,
)


@given(STEPS, st.sampled_from((0, 2)))
def test_nothing_is_lost_whatever_happens(steps: list[Step], defer: int) -> None:
    chain = staking_chain(defer=defer)
    staking = chain.pallets.staking
    for name, number, amount in steps:
        before = {n: ledger(chain, n).total if staking.bonded.contains(who(n)) else 0 for n in (11, 21, 101)}
        perform(chain, name, number, amount)
        if name == "offend":
            for one, total in before.items():
                found = staking.ledger.get(who(one))
                assert total - (0 if found is None else found.total) <= 1000, "more than the exposure"
        chain.api.try_state()  # issuance is the sum of balances, holds are the sums of ledgers


def perform(chain: Staked, name: str, number: int, amount: int) -> None:
    staking = chain.pallets.staking
    match name:
        case "offend":
            offence = Offence(who(number), amount * 10_000_000, (who(31),))
            staking.slashing.on_offence((offence,), chain.pallets.session.current_index.get())
        case "next":
            staking.eras.reward_by_ids(((who(number), amount),))
            chain.next_block(2)
        case "pay":
            chain.dispatch(who(31), chain.call("Staking.payout_stakers", who(number), max(0, era(chain) - 1)))
        case _:
            calls = {"extra": "bond_extra", "withdraw": "withdraw_unbonded"}
            call = chain.call(f"Staking.{calls.get(name, name)}", amount)
            chain.dispatch(who(number), call)
