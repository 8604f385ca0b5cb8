"""Balances keeps no record of an account that does not exist, whatever is done with nothing."""

import pytest

from runtime.frame.dispatch import ROOT, Signed
from tests.support.chain import ALICE, FERDIE, consortium_chain


@pytest.mark.parametrize("keep_alive", [False, True])
def test_burning_nothing_leaves_no_record_of_an_account_that_does_not_exist(keep_alive: bool) -> None:
    chain = consortium_chain()
    before = {change.key for change in chain.pending()}
    chain.ok(Signed(FERDIE), "Balances.burn", 0, keep_alive)
    assert not chain.pallets.system.exists(FERDIE)
    chain.close_block()
    key = chain.pallets.system.account.raw_key(FERDIE)
    assert key not in before
    assert key not in chain.backend.entries


@pytest.mark.parametrize("amount", [0, 1])
def test_setting_a_balance_below_the_deposit_leaves_no_record(amount: int) -> None:
    chain = consortium_chain()
    chain.ok(ROOT, "Balances.force_set_balance", FERDIE, amount)
    assert not chain.pallets.system.exists(FERDIE)
    chain.close_block()


def test_setting_a_balance_of_zero_reaps_the_account() -> None:
    chain = consortium_chain()
    chain.ok(ROOT, "Balances.force_set_balance", ALICE, 0)
    assert not chain.pallets.system.exists(ALICE)
    chain.close_block()
