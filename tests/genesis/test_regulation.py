"""Regulated calls are refused where their account lacks something, however wrapped; all else is open."""

from collections.abc import Iterator

import pytest

from genesis.consortium import UNIT, WATT_ID
from genesis.proxy_types import ProxyType
from genesis.regulation import FROZEN, ActivityGuard
from pallets.compliance import compliance_errors as errors
from pallets.compliance import monitoring_errors, monitoring_events, weights
from pallets.compliance.compliance_types import NEVER, Tier
from pallets.core.multisig import multi_account
from pallets.core.proxy import Proxy
from pallets.core.sudo import Sudo
from pallets.core.utility import Utility, derivative_account
from pallets.token import assets_errors
from pallets.token.weights import ASSETS_TRANSFER
from runtime.frame.call import Call
from runtime.frame.dispatch import ROOT, BadOrigin, CannotLookup, DispatchError, PalletError
from runtime.frame.fungible import Preservation
from runtime.frame.metadata import encode_metadata
from runtime.frame.permissions import Activity
from runtime.frame.validity import InvalidReason, InvalidTransaction
from runtime.primitives.extrinsic import Address20
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, FERDIE, keypair
from tests.support.supervision import (
    BASIC,
    LOCAL,
    OFFICER,
    PURSE,
    STRANGER,
    TRADER,
    TRADER_ID,
    compliance,
    freeze,
    supervised_chain,
    watt_of,
)

OTHER = 9
"""An asset that is no e-money."""


@pytest.fixture
def chain() -> Iterator[LOCAL]:
    made = supervised_chain()
    yield made
    made.close_block()


def error(chain: LOCAL, cls: type[PalletError]) -> DispatchError:
    return compliance(chain).error(cls)


def send(chain: LOCAL, amount: int = UNIT) -> Call:
    return chain.call("Assets.transfer", WATT_ID, FERDIE, amount)


def sends(chain: LOCAL) -> list[Call]:
    """Return a call of each kind by which an account sends its e-money."""
    return [
        send(chain),
        chain.call("Assets.transfer_keep_alive", WATT_ID, FERDIE, UNIT),
        chain.call("Assets.transfer_all", WATT_ID, FERDIE, False),
        chain.call("Assets.transfer_all", WATT_ID, FERDIE, True),
    ]


@pytest.mark.parametrize("kind", range(4))
def test_unknown_account_never_sends_watt(chain: LOCAL, kind: int) -> None:
    chain.assert_noop(STRANGER, sends(chain)[kind], error(chain, errors.TierTooLow))
    chain.assert_ok(TRADER, sends(chain)[kind])


def test_unknown_account_receives_watt(chain: LOCAL) -> None:
    chain.assert_ok(TRADER, chain.call("Assets.transfer", WATT_ID, STRANGER, UNIT))
    assert watt_of(chain, STRANGER) == PURSE + UNIT


def test_delegate_and_owner_must_both_be_known(chain: LOCAL) -> None:
    too_low = error(chain, errors.TierTooLow)
    for owner, delegate in ((STRANGER, TRADER), (TRADER, STRANGER), (TRADER, BASIC)):
        chain.ok(owner, "Assets.approve_transfer", WATT_ID, delegate, UNIT)
    chain.noop(too_low, TRADER, "Assets.transfer_approved", WATT_ID, STRANGER, FERDIE, UNIT)
    chain.noop(too_low, STRANGER, "Assets.transfer_approved", WATT_ID, TRADER, FERDIE, UNIT)
    chain.ok(BASIC, "Assets.transfer_approved", WATT_ID, TRADER, FERDIE, UNIT)
    assert watt_of(chain, FERDIE) == UNIT


def test_other_assets_the_native_token_and_remarks_are_open_to_everybody(chain: LOCAL) -> None:
    chain.ok(ROOT, "Assets.force_create", OTHER, STRANGER, True, 1)
    chain.ok(STRANGER, "Assets.mint", OTHER, STRANGER, 100)
    freeze(chain, STRANGER)
    chain.ok(STRANGER, "Assets.transfer", OTHER, FERDIE, 10)
    chain.ok(STRANGER, "Assets.transfer_all", OTHER, FERDIE, False)
    chain.ok(STRANGER, "Balances.transfer_keep_alive", FERDIE, UNIT)
    chain.ok(STRANGER, "System.remark", b"still here")


def wrapped(chain: LOCAL, call: Call) -> list[Call]:
    """Return calls of the stranger that make a call from an account of which nothing is attested, and fail
    as it does."""
    return [
        chain.call("Utility.batch_all", (call,)),
        chain.call("Utility.as_derivative", 0, call),
        chain.call("Utility.batch_all", (chain.call("Utility.as_derivative", 0, call),)),
        chain.call("Multisig.as_multi_threshold_1", (BASIC,), call),
    ]


@pytest.mark.parametrize("kind", range(4))
def test_no_batch_derivative_or_multisig_leads_around_the_guard(chain: LOCAL, kind: int) -> None:
    shared = multi_account(tuple(sorted((STRANGER, BASIC))), 1)
    for who in (derivative_account(STRANGER, 0), shared):
        chain.ok(TRADER, "Assets.transfer", WATT_ID, who, 2 * UNIT)
    chain.assert_noop(STRANGER, wrapped(chain, send(chain))[kind], error(chain, errors.TierTooLow))


def test_batch_stops_at_a_refused_call(chain: LOCAL) -> None:
    chain.ok(STRANGER, "Utility.batch", (chain.call("System.remark", b""), send(chain)))
    refusal = error(chain, errors.TierTooLow).value()
    assert chain.events()[-1] == Utility.BatchInterrupted(1, refusal)
    chain.ok(STRANGER, "Utility.force_batch", (send(chain),))
    assert chain.events()[0] == Utility.ItemFailed(refusal)


def test_proxy_and_superuser_act_for_an_account_that_must_be_known_itself(chain: LOCAL) -> None:
    refusal = error(chain, errors.TierTooLow).value()
    chain.ok(STRANGER, "Proxy.add_proxy", TRADER, ProxyType.Any, 0)
    chain.ok(TRADER, "Proxy.proxy", STRANGER, None, send(chain))
    assert chain.events()[-1] == Proxy.ProxyExecuted(refusal)
    chain.ok(ALICE, "Sudo.sudo_as", STRANGER, send(chain))
    assert chain.events()[-1] == Sudo.SudoAsDone(refusal)
    chain.ok(TRADER, "Proxy.add_proxy", STRANGER, ProxyType.Any, 0)
    chain.ok(STRANGER, "Proxy.proxy", TRADER, None, send(chain))
    assert chain.events()[-1] == Proxy.ProxyExecuted(None)
    assert watt_of(chain, FERDIE) == UNIT


def test_root_passes(chain: LOCAL) -> None:
    # The guard lets Root through; the call itself wants a signer.
    chain.assert_noop(ROOT, send(chain), BadOrigin())


def test_frozen_account_sends_nothing_and_nobody_sends_it_anything(chain: LOCAL) -> None:
    freeze(chain, TRADER)
    chain.assert_noop(TRADER, send(chain), error(chain, errors.AccountFrozen))
    rejected = chain.pallets.supervision.monitoring.error(monitoring_errors.RuleRejected)
    chain.noop(rejected, BASIC, "Assets.transfer", WATT_ID, TRADER, UNIT)
    # What the market owes it goes no way that is guarded.
    chain.pallets.watt.transfer(BASIC, TRADER, UNIT, Preservation.PRESERVE)
    assert watt_of(chain, TRADER) == PURSE + UNIT


@pytest.mark.parametrize(("who", "lacking"), [(STRANGER, errors.TierTooLow), (TRADER, errors.AccountFrozen)])
def test_who_may_not_send_watt_gets_no_baht_for_it(
    chain: LOCAL, who: AccountId, lacking: type[PalletError]
) -> None:
    freeze(chain, TRADER)
    chain.noop(error(chain, lacking), who, "WattReserve.redeem", UNIT, bytes(32))


def test_baht_are_no_payment_between_people_and_yet_seen_by_the_rules(chain: LOCAL) -> None:
    chain.ok(BASIC, "WattReserve.redeem", 100_000 * UNIT, bytes(32))
    assert monitoring_events.TransferFlagged(0) in chain.events()
    assert not compliance(chain).sent_today.contains(BASIC)
    chain.assert_ok(BASIC, send(chain, 50_000 * UNIT))


# --- the daily limit


def test_basic_account_sends_as_much_in_a_day_as_its_limit_and_not_more(chain: LOCAL) -> None:
    chain.assert_ok(BASIC, send(chain, 50_000 * UNIT - 1))
    chain.assert_noop(BASIC, send(chain, 2), error(chain, errors.DailyLimitExceeded))
    everything = chain.call("Assets.transfer_all", WATT_ID, FERDIE, False)
    chain.assert_noop(BASIC, everything, error(chain, errors.DailyLimitExceeded))
    chain.assert_ok(BASIC, send(chain, 1))


def test_failed_transfer_does_not_count_towards_the_limit(chain: LOCAL) -> None:
    chain.ok(OFFICER, "Compliance.attest_kyc", TRADER, Tier.Enhanced, NEVER, 2 * PURSE)
    too_much = chain.call("Assets.transfer", WATT_ID, FERDIE, 2 * PURSE)
    assert chain.dispatch(TRADER, too_much).error is not None
    assert not compliance(chain).sent_today.contains(TRADER)


def test_limit_is_that_of_the_owner_of_the_money(chain: LOCAL) -> None:
    chain.ok(BASIC, "Assets.approve_transfer", WATT_ID, TRADER, PURSE)
    name = "Assets.transfer_approved"
    chain.noop(error(chain, errors.DailyLimitExceeded), TRADER, name, WATT_ID, BASIC, FERDIE, 50_001 * UNIT)
    chain.ok(TRADER, name, WATT_ID, BASIC, FERDIE, 50_000 * UNIT)
    chain.assert_noop(BASIC, send(chain, 1), error(chain, errors.DailyLimitExceeded))


# --- orders, of which a remark with an event stands for placing one and a remark for taking it back


@pytest.fixture
def market(chain: LOCAL) -> LOCAL:
    specs = {spec.name: spec for spec in chain.runtime.calls.specs.values() if spec.pallet == "System"}
    guard = ActivityGuard(compliance(chain), Activity.Trade)
    chain.runtime.executive.dispatcher.guard_call(specs["remark_with_event"], guard)
    return chain


@pytest.mark.parametrize(("who", "lacking"), [(STRANGER, errors.TierTooLow), (BASIC, errors.LicenceMissing)])
def test_who_is_not_known_or_has_no_licence_never_gains_energy(
    market: LOCAL, who: AccountId, lacking: type[PalletError]
) -> None:
    order = market.call("System.remark_with_event", b"buy 100 Wh")
    market.assert_noop(who, order, error(market, lacking))
    market.assert_noop(who, market.call("Utility.batch_all", (order,)), error(market, lacking))
    market.assert_ok(TRADER, order)


def test_revoked_licence_stops_new_orders_at_once_and_leaves_refunds_possible(market: LOCAL) -> None:
    order = market.call("System.remark_with_event", b"buy 100 Wh")
    market.assert_ok(TRADER, order)
    market.ok(OFFICER, "Compliance.revoke_licence", TRADER_ID)
    market.assert_noop(TRADER, order, error(market, errors.LicenceMissing))
    market.ok(TRADER, "System.remark", b"cancel")
    market.ok(BASIC, "Assets.transfer", WATT_ID, TRADER, UNIT)


# --- as transactions


def test_refused_call_costs_fee_and_nonce_and_names_its_reason(chain: LOCAL) -> None:
    before = chain.pallets.system.get_account(STRANGER)
    applied = chain.submit("//Eve", send(chain))
    after = chain.pallets.system.get_account(STRANGER)
    assert applied.error == error(chain, errors.TierTooLow).value()
    assert after.nonce == before.nonce + 1
    assert after.data.free < before.data.free
    assert watt_of(chain, STRANGER) == PURSE


def test_pool_refuses_a_regulated_call_of_a_frozen_account_and_no_other(chain: LOCAL) -> None:
    freeze(chain, TRADER)
    pair = keypair("//Charlie")
    with pytest.raises(InvalidTransaction) as refused:
        chain.api.validate(chain.sign(pair, send(chain)))
    assert (refused.value.reason, refused.value.custom) == (InvalidReason.Custom, FROZEN)
    assert refused.value.message() == "Custom error: 1"
    chain.api.validate(chain.sign(pair, chain.call("System.remark", b"")))
    chain.api.validate(chain.sign(pair, chain.call("Assets.transfer", OTHER, FERDIE, 1)))
    chain.api.validate(chain.sign(keypair("//Eve"), send(chain)))


def test_pool_refuses_a_frozen_account_whatever_else_is_wrong_with_its_call(chain: LOCAL) -> None:
    freeze(chain, FERDIE)
    nowhere = Address20(bytes(20))
    calls = (
        chain.call("Assets.transfer_all", WATT_ID, BASIC, False),
        chain.call("Assets.transfer", WATT_ID, nowhere, UNIT),
        chain.call("Assets.transfer_approved", WATT_ID, nowhere, nowhere, UNIT),
    )
    for call in calls:
        with pytest.raises(InvalidTransaction):
            chain.api.validate(chain.sign(keypair("//Ferdie"), call))


def test_call_that_names_no_account_fails_as_it_would_without_a_guard(chain: LOCAL) -> None:
    nowhere = chain.call("Assets.transfer", WATT_ID, Address20(bytes(20)), UNIT)
    chain.assert_noop(TRADER, nowhere, CannotLookup())
    chain.assert_noop(TRADER, chain.call("Assets.transfer", OTHER, FERDIE, UNIT), unknown_asset(chain))


def unknown_asset(chain: LOCAL) -> DispatchError:
    return chain.pallets.assets.error(assets_errors.Unknown)


def test_block_takes_a_regulated_call_of_a_frozen_account_for_its_fee(chain: LOCAL) -> None:
    freeze(chain, TRADER)
    applied = chain.apply(chain.sign(keypair("//Charlie"), send(chain)))
    assert applied.error == error(chain, errors.AccountFrozen).value()


def test_extension_adds_no_byte_and_no_wallet_hears_of_it(chain: LOCAL) -> None:
    names = [extension.identifier for extension in chain.runtime.extensions]
    assert names[-1] == "CheckCompliance"
    for version in (14, 15):
        assert b"CheckCompliance" not in encode_metadata(chain.runtime, (), version)
    listed = encode_metadata(chain.runtime, (), 14)
    assert all(name.encode() in listed for name in names[:-1])


def test_guard_is_part_of_the_weight_of_its_call(chain: LOCAL) -> None:
    assert send(chain).weight() == ASSETS_TRANSFER.plus(weights.COMPLIANCE_SEND).plus(
        weights.MONITORING_SCREEN
    )
