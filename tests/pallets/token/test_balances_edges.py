"""Balances at the edges where wallets and explorers look: the events and records are Substrate's."""

from genesis.consortium import Consortium
from runtime.frame.account import NEW_LOGIC_FLAG
from runtime.frame.dispatch import ROOT
from tests.support.chain import ALICE, BOB, FERDIE, Chain

LOCAL = Chain[Consortium]


# --- records


def test_account_without_native_balance_reads_as_upgraded(chain: LOCAL) -> None:
    assert chain.pallets.system.get_account(FERDIE).data.flags == NEW_LOGIC_FLAG
    chain.ok(ROOT, "Assets.force_create", 7, ALICE, True, 1)
    chain.ok(ALICE, "Assets.mint", 7, FERDIE, 1)
    assert chain.pallets.system.get_account(FERDIE).sufficients == 1
    chain.ok(BOB, "Balances.upgrade_accounts", (FERDIE,))
    assert chain.events() == []
