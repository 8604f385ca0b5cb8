"""Sudo: the superuser acts as Root or as anybody, pays nothing, and nobody else can."""

from collections.abc import Callable

import pytest

from genesis.consortium import UNIT, Consortium, ConsortiumParameters, compose, make_version, write_genesis
from pallets.core.sudo import Sudo
from runtime.frame.call import Call
from runtime.frame.dispatch import (
    NOBODY,
    ROOT,
    BadOrigin,
    BadOriginValue,
    CannotLookup,
    DispatchClass,
    Pays,
    Weight,
)
from runtime.frame.state import MemoryBackend, State
from runtime.primitives.extrinsic import AddressRaw
from runtime.primitives.hashing import twox128
from tests.support.chain import ALICE, BOB, FERDIE, Chain, genesis_of

LOCAL = Chain[Consortium]


def sudo(chain: LOCAL) -> Sudo:
    assert chain.pallets.sudo is not None
    return chain.pallets.sudo


def force(chain: LOCAL) -> Call:
    return chain.call("Balances.force_set_balance", FERDIE, UNIT)


def free(chain: LOCAL, who: bytes) -> int:
    return chain.pallets.system.get_account(who).data.free  # type: ignore[arg-type]  # 32 bytes


CALLS: list[Callable[[LOCAL], Call]] = [
    lambda chain: chain.call("Sudo.sudo", force(chain)),
    lambda chain: chain.call("Sudo.sudo_unchecked_weight", force(chain), Weight(1, 1)),
    lambda chain: chain.call("Sudo.set_key", BOB),
    lambda chain: chain.call("Sudo.sudo_as", BOB, chain.call("System.remark", b"")),
    lambda chain: chain.call("Sudo.remove_key"),
]


@pytest.mark.parametrize("make", CALLS)
def test_only_the_superuser_may_call(chain: LOCAL, make: Callable[[LOCAL], Call]) -> None:
    chain.assert_noop(BOB, make(chain), sudo(chain).RequireSudo)
    chain.assert_noop(NOBODY, make(chain), BadOrigin)
    assert chain.assert_ok(ALICE, make(chain)).pays_fee is Pays.No


@pytest.mark.parametrize("make", CALLS)
def test_root_needs_no_key(chain: LOCAL, make: Callable[[LOCAL], Call]) -> None:
    chain.assert_ok(ROOT, make(chain))


def test_superuser_acts_as_root(chain: LOCAL) -> None:
    chain.ok(ALICE, "Sudo.sudo", force(chain))
    assert free(chain, FERDIE) == UNIT
    assert chain.events()[-1] == Sudo.Sudid(None)


def test_failure_of_the_call_is_reported_and_rolled_back(chain: LOCAL) -> None:
    transfer = chain.call("Balances.transfer_keep_alive", FERDIE, UNIT)
    batch = chain.call("Utility.batch_all", (force(chain), transfer))
    chain.ok(ALICE, "Sudo.sudo", batch)
    assert chain.events() == [Sudo.Sudid(BadOriginValue())]
    assert free(chain, FERDIE) == 0


def test_unchecked_weight_counts_as_given(chain: LOCAL) -> None:
    call = chain.call("Sudo.sudo_unchecked_weight", force(chain), Weight(7, 8))
    assert call.weight() == Weight(7, 8)
    chain.assert_ok(ALICE, call)
    assert chain.events()[-1] == Sudo.Sudid(None)
    assert free(chain, FERDIE) == UNIT


@pytest.mark.parametrize("make", [CALLS[0], CALLS[3]])
def test_weight_is_above_that_of_the_call(chain: LOCAL, make: Callable[[LOCAL], Call]) -> None:
    call = make(chain)
    assert call.weight().ref_time > call.args[-1].weight().ref_time


def test_class_is_that_of_the_call(chain: LOCAL) -> None:
    inherent = chain.call("Timestamp.set", 1)
    for call in (
        chain.call("Sudo.sudo", inherent),
        chain.call("Sudo.sudo_unchecked_weight", inherent, Weight(1, 1)),
        chain.call("Sudo.sudo_as", BOB, inherent),
    ):
        assert call.info().class_ is DispatchClass.Mandatory


def test_superuser_acts_as_anybody(chain: LOCAL) -> None:
    before = free(chain, BOB)
    transfer = chain.call("Balances.transfer_keep_alive", FERDIE, UNIT)
    chain.ok(ALICE, "Sudo.sudo_as", BOB, transfer)
    assert (free(chain, BOB), free(chain, FERDIE)) == (before - UNIT, UNIT)
    assert chain.events()[-1] == Sudo.SudoAsDone(None)
    chain.ok(ALICE, "Sudo.sudo_as", BOB, force(chain))
    assert chain.events() == [Sudo.SudoAsDone(BadOriginValue())]


def test_filters_do_not_hold_for_the_superuser(chain: LOCAL) -> None:
    system = chain.pallets.system
    chain.runtime.executive.dispatcher.guard(lambda c: c.spec.pallet == "Sudo", system.call_filtered)
    chain.ok(ALICE, "Sudo.sudo", force(chain))
    assert free(chain, FERDIE) == UNIT
    chain.ok(ALICE, "Sudo.sudo_as", BOB, chain.call("Balances.transfer_keep_alive", FERDIE, UNIT))
    assert free(chain, FERDIE) == 2 * UNIT


def test_key_goes_to_another_account(chain: LOCAL) -> None:
    chain.ok(ALICE, "Sudo.set_key", BOB)
    assert chain.events() == [Sudo.KeyChanged(ALICE, BOB)]
    chain.noop(sudo(chain).RequireSudo, ALICE, "Sudo.sudo", force(chain))
    chain.ok(BOB, "Sudo.sudo", force(chain))


@pytest.mark.parametrize("name", ["Sudo.set_key", "Sudo.sudo_as"])
def test_addresses_must_name_an_account(chain: LOCAL, name: str) -> None:
    args = () if name == "Sudo.set_key" else (force(chain),)
    chain.noop(CannotLookup, ALICE, name, AddressRaw(b"x"), *args)


def test_removed_key_is_gone_for_ever(chain: LOCAL) -> None:
    chain.ok(ALICE, "Sudo.remove_key")
    assert chain.events() == [Sudo.KeyRemoved()]
    chain.noop(sudo(chain).RequireSudo, ALICE, "Sudo.set_key", ALICE)


def test_superuser_pays_no_fee(chain: LOCAL) -> None:
    before = free(chain, ALICE)
    assert chain.submit("//Alice", chain.call("Sudo.sudo", force(chain))).error is None
    assert free(chain, ALICE) == before


def test_key_is_stored_where_wallets_read_it(chain: LOCAL) -> None:
    assert chain.backend.entries[twox128(b"Sudo") + twox128(b"Key")] == ALICE


def test_chains_without_superuser_do_not_have_the_pallet() -> None:
    state = State(MemoryBackend())
    found = compose(state, ConsortiumParameters(), make_version())
    assert found.sudo is None
    assert all(pallet.name != "Sudo" for pallet in found.api.runtime.pallets)
    with pytest.raises(AssertionError, match="superuser"):
        write_genesis(found, genesis_of((ALICE, UNIT)))
