"""Utility: batches stop, fail or go on as their names say; derived accounts keep the caller's limits."""

import pytest

from genesis.consortium import UNIT, Consortium
from pallets.core.utility import (
    BATCHED_CALLS_MAX,
    Utility,
    derivative_account,
)
from runtime.frame.call import Call
from runtime.frame.dispatch import (
    NOBODY,
    ROOT,
    BadOrigin,
    BadOriginValue,
    DispatchClass,
    DispatchError,
    Origin,
    PalletOrigin,
    Signed,
    TokenFailure,
    TokenReason,
    Weight,
)
from tests.support.chain import ALICE, BOB, CHARLIE, FERDIE, Chain, error_value

LOCAL = Chain[Consortium]
NO_FUNDS = TokenFailure(TokenReason.FundsUnavailable)
DERIVED_OF_ALICE = [
    (0, "799239e4ab0a3de63582363422f344346eb55bee62885a84a0c8aaf5aa564995"),
    (1, "f81356d1fe5954303680a6ef99d48f22bf3cd232274d7a471d3cf7c65f65f653"),
    (65_535, "eec98fc520137149878da36db636a08501a95482dfaca2867f9bbe95cc94d86f"),
]
"""Accounts that `createKeyDerived` of @polkadot/util-crypto 14.0.3 derives of //Alice."""
BATCHES = ("Utility.batch", "Utility.batch_all", "Utility.force_batch")


def utility(chain: LOCAL) -> Utility:
    found = chain.runtime.pallet("Utility")
    assert isinstance(found, Utility)
    return found


def pay(chain: LOCAL, amount: int = UNIT) -> Call:
    return chain.call("Balances.transfer_keep_alive", FERDIE, amount)


def too_much(chain: LOCAL) -> Call:
    return pay(chain, 10**9 * UNIT)


def free(chain: LOCAL, who: bytes) -> int:
    return chain.pallets.system.get_account(who).data.free  # type: ignore[arg-type]  # 32 bytes


@pytest.mark.parametrize("name", BATCHES)
def test_batch_makes_every_call_in_order_and_completes(chain: LOCAL, name: str) -> None:
    chain.ok(ALICE, name, (pay(chain, 1 * UNIT), pay(chain, 2 * UNIT)))
    assert free(chain, FERDIE) == 3 * UNIT
    events = chain.events()
    assert [type(e) for e in events].count(Utility.ItemCompleted) == 2
    assert events[-1] == Utility.BatchCompleted()


@pytest.mark.parametrize("name", BATCHES)
def test_empty_batch_completes_as_an_operational_call(chain: LOCAL, name: str) -> None:
    chain.ok(ALICE, name, ())
    assert chain.events() == [Utility.BatchCompleted()]
    assert chain.call(name, ()).info().class_ is DispatchClass.Operational


def test_batch_stops_at_the_first_failure_and_keeps_what_came_before(chain: LOCAL) -> None:
    chain.ok(ALICE, "Utility.batch", (pay(chain), too_much(chain), pay(chain)))
    assert free(chain, FERDIE) == UNIT
    assert chain.events()[-1] == Utility.BatchInterrupted(1, error_value(NO_FUNDS))


def test_batch_all_fails_as_its_failing_call_and_changes_nothing(chain: LOCAL) -> None:
    chain.noop(NO_FUNDS, ALICE, "Utility.batch_all", (pay(chain), too_much(chain)))
    assert free(chain, FERDIE) == 0


def test_force_batch_goes_on_after_failures(chain: LOCAL) -> None:
    chain.ok(ALICE, "Utility.force_batch", (too_much(chain), pay(chain)))
    assert free(chain, FERDIE) == UNIT
    events = chain.events()
    assert events[0] == Utility.ItemFailed(error_value(NO_FUNDS))
    assert events[-2:] == [Utility.ItemCompleted(), Utility.BatchCompletedWithErrors()]


@pytest.mark.parametrize("name", BATCHES)
def test_batch_refuses_the_none_origin(chain: LOCAL, name: str) -> None:
    chain.noop(BadOrigin, NOBODY, name, ())


@pytest.mark.parametrize("name", BATCHES)
def test_batch_takes_the_limit_of_calls_and_not_one_more(chain: LOCAL, name: str) -> None:
    remark = chain.call("System.remark", b"")
    chain.ok(ALICE, name, (remark,) * BATCHED_CALLS_MAX)
    chain.noop(utility(chain).TooManyCalls, ALICE, name, (remark,) * (BATCHED_CALLS_MAX + 1))


def test_limit_of_calls_is_polkadots_and_a_constant(chain: LOCAL) -> None:
    found = {c.name: c.value for c in utility(chain).constants()}
    assert found == {"batched_calls_limit": 10_922}


@pytest.mark.parametrize("name", BATCHES)
def test_weight_of_a_batch_exceeds_the_sum_of_its_calls(chain: LOCAL, name: str) -> None:
    inner = pay(chain)
    one, two = (chain.call(name, (inner,) * count).weight() for count in (1, 2))
    assert one.ref_time > inner.weight().ref_time
    assert two.ref_time > one.ref_time + inner.weight().ref_time
    assert two.proof_size == 2 * inner.weight().proof_size


def test_weight_of_a_batch_saturates(chain: LOCAL) -> None:
    most = 2**64 - 1
    heavy = chain.call("Utility.with_weight", pay(chain), Weight(most, most))
    assert chain.call("Utility.batch", (heavy, heavy)).weight() == Weight(most, most)


@pytest.mark.parametrize("name", ["Utility.batch", "Utility.force_batch"])
def test_unused_weight_of_inner_calls_is_given_back(chain: LOCAL, name: str) -> None:
    nested = chain.call("Utility.batch", (too_much(chain), *(pay(chain),) * 5))
    call = chain.call(name, (nested,))
    post = chain.assert_ok(ALICE, call)
    assert post.actual_weight is not None
    assert post.actual_weight.ref_time < call.weight().ref_time - 4 * pay(chain).weight().ref_time


def test_interrupted_batch_pays_for_the_calls_it_made(chain: LOCAL) -> None:
    post = chain.ok(ALICE, "Utility.batch", (pay(chain), too_much(chain), pay(chain)))
    assert post.actual_weight == chain.call("Utility.batch", (pay(chain), too_much(chain))).weight()


def test_failed_batch_all_pays_for_the_calls_it_made(chain: LOCAL) -> None:
    result = chain.dispatch(ALICE, chain.call("Utility.batch_all", (pay(chain), too_much(chain), pay(chain))))
    expected = chain.call("Utility.batch_all", (pay(chain), too_much(chain))).weight()
    assert result.post.actual_weight == expected


@pytest.mark.parametrize("name", BATCHES)
def test_batch_is_normal_as_soon_as_one_call_is(chain: LOCAL, name: str) -> None:
    inherent = chain.call("Timestamp.set", 1)
    assert inherent.info().class_ is DispatchClass.Mandatory
    assert chain.call(name, (pay(chain),)).info().class_ is DispatchClass.Normal
    assert chain.call(name, (inherent, pay(chain), inherent)).info().class_ is DispatchClass.Normal
    assert chain.call(name, (inherent,)).info().class_ is DispatchClass.Operational
    assert chain.call(name, (chain.call(name, ()), inherent)).info().class_ is DispatchClass.Operational


def test_batch_of_inherents_fails_inside(chain: LOCAL) -> None:
    chain.noop(BadOrigin, ALICE, "Utility.batch_all", (chain.call("Timestamp.set", 1),))


def test_batch_all_may_not_nest_at_any_depth_but_in_a_batch(chain: LOCAL) -> None:
    filtered = chain.pallets.system.call_filtered()
    inner = chain.call("Utility.batch_all", ())
    chain.noop(filtered, ALICE, "Utility.batch_all", (inner,))
    wrapped = chain.call("Utility.as_derivative", 0, inner)
    chain.noop(filtered, ALICE, "Utility.batch_all", (wrapped,))
    chain.ok(ALICE, "Utility.batch", (inner,))


def test_root_may_nest_batch_all(chain: LOCAL) -> None:
    chain.ok(ROOT, "Utility.batch_all", (chain.call("Utility.batch_all", ()),))


def test_root_batches_make_root_calls(chain: LOCAL) -> None:
    force = chain.call("Balances.force_set_balance", FERDIE, 7 * UNIT)
    chain.noop(BadOrigin, ALICE, "Utility.batch_all", (force,))
    chain.ok(ROOT, "Utility.batch_all", (force,))
    assert free(chain, FERDIE) == 7 * UNIT


def test_batch_keeps_the_filters_of_its_origin(chain: LOCAL) -> None:
    call = chain.call("Utility.batch", (pay(chain),))
    result = chain.dispatch(Signed(ALICE, (lambda c: c.spec.pallet != "Balances",)), call)
    assert result.error is None
    assert chain.events() == [Utility.BatchInterrupted(0, chain.pallets.system.call_filtered().value())]


def test_filters_of_pallet_origins_count_too(chain: LOCAL) -> None:
    origin = PalletOrigin(200, b"", (lambda _: False,))
    chain.noop(chain.pallets.system.call_filtered(), origin, "Utility.batch", ())
    inner = chain.call("Utility.batch_all", (chain.call("Utility.batch_all", ()),))
    chain.assert_noop(PalletOrigin(200, b""), inner, chain.pallets.system.call_filtered())


# --- derivative accounts


@pytest.mark.parametrize(("index", "expected"), DERIVED_OF_ALICE)
def test_derivative_account_is_substrates(index: int, expected: str) -> None:
    assert derivative_account(ALICE, index).hex() == expected


def test_as_derivative_acts_for_the_derived_account(chain: LOCAL) -> None:
    derived = derivative_account(BOB, 7)
    chain.ok(BOB, "Balances.transfer_keep_alive", derived, 5 * UNIT)
    post = chain.ok(BOB, "Utility.as_derivative", 7, pay(chain, 2 * UNIT))
    assert post.actual_weight == chain.call("Utility.as_derivative", 7, pay(chain)).weight()
    assert (free(chain, derived), free(chain, FERDIE)) == (3 * UNIT, 2 * UNIT)


def test_as_derivative_fails_as_its_call(chain: LOCAL) -> None:
    chain.noop(NO_FUNDS, BOB, "Utility.as_derivative", 7, pay(chain))
    nested = chain.call("Utility.batch_all", (pay(chain), pay(chain)))
    call = chain.call("Utility.as_derivative", 7, nested)
    result = chain.dispatch(BOB, call)
    assert result.post.actual_weight is not None
    assert result.post.actual_weight.ref_time < call.weight().ref_time


@pytest.mark.parametrize("origin", [ROOT, NOBODY])
def test_as_derivative_is_for_signers(chain: LOCAL, origin: Signed) -> None:
    chain.noop(BadOrigin, origin, "Utility.as_derivative", 0, pay(chain))


def test_as_derivative_keeps_the_filters_of_the_signer(chain: LOCAL) -> None:
    derived = derivative_account(BOB, 7)
    chain.ok(BOB, "Balances.transfer_keep_alive", derived, 5 * UNIT)
    call = chain.call("Utility.as_derivative", 7, pay(chain, 2 * UNIT))
    narrow = Signed(BOB, (lambda c: c.spec.pallet == "Utility",))
    chain.assert_noop(narrow, call, chain.pallets.system.call_filtered())


# --- calls of Root


def test_dispatch_as_is_for_root(chain: LOCAL) -> None:
    chain.noop(BadOrigin, ALICE, "Utility.dispatch_as", Signed(BOB), pay(chain))


@pytest.mark.parametrize(
    ("as_origin", "name", "args"),
    [
        (Signed(BOB), "Balances.transfer_keep_alive", (FERDIE, UNIT)),
        (ROOT, "Balances.force_set_balance", (FERDIE, UNIT)),
    ],
)
def test_dispatch_as_takes_any_origin(
    chain: LOCAL, as_origin: Origin, name: str, args: tuple[object, ...]
) -> None:
    chain.ok(ROOT, "Utility.dispatch_as", as_origin, chain.call(name, *args))
    assert chain.events()[-1] == Utility.DispatchedAs(None)
    assert free(chain, FERDIE) == UNIT


def test_dispatch_as_reports_the_error_of_its_call(chain: LOCAL) -> None:
    chain.ok(ROOT, "Utility.dispatch_as", NOBODY, pay(chain))
    assert chain.events() == [Utility.DispatchedAs(BadOriginValue())]


def test_with_weight_is_for_root_and_counts_the_given_weight(chain: LOCAL) -> None:
    force = chain.call("Balances.force_set_balance", FERDIE, UNIT)
    call = chain.call("Utility.with_weight", force, Weight(5, 6))
    assert call.weight() == Weight(5, 6)
    chain.assert_noop(ALICE, call, BadOrigin)
    chain.assert_ok(ROOT, call)
    assert free(chain, FERDIE) == UNIT


def test_with_weight_fails_as_its_call(chain: LOCAL) -> None:
    chain.noop(BadOrigin, ROOT, "Utility.with_weight", pay(chain), Weight(5, 6))


# --- as extrinsics


def test_batch_as_an_extrinsic_refunds_what_it_did_not_use(chain: LOCAL) -> None:
    fees: list[int] = []
    for calls in ((pay(chain), too_much(chain), pay(chain)), (pay(chain), pay(chain), pay(chain))):
        spent = -free(chain, FERDIE) - free(chain, CHARLIE)
        assert chain.submit("//Charlie", chain.call("Utility.batch", calls)).error is None
        fees.append(-free(chain, FERDIE) - free(chain, CHARLIE) - spent)
    assert 0 < fees[0] < fees[1]


def test_failed_batch_all_charges_only_the_fee(chain: LOCAL) -> None:
    before = free(chain, CHARLIE)
    applied = chain.submit("//Charlie", chain.call("Utility.batch_all", (pay(chain), too_much(chain))))
    assert applied.error == error_value(NO_FUNDS)
    assert free(chain, FERDIE) == 0
    assert 0 < before - free(chain, CHARLIE) < UNIT


def test_dispatch_errors_keep_their_value() -> None:
    assert DispatchError(error_value(NO_FUNDS)).value() == NO_FUNDS.value()
