"""Multisig: a shared account acts when enough signatories approve; who opens an operation pays for it."""

import pytest

from genesis.consortium import UNIT, Consortium
from pallets.core import weights
from pallets.core.multisig import SIGNATORIES_MAX, CallHash, Multisig, Operation, Timepoint, multi_account
from runtime.frame.call import Call
from runtime.frame.dispatch import (
    NO_WEIGHT,
    NOBODY,
    ROOT,
    BadOrigin,
    DispatchClass,
    Origin,
    Signed,
    TokenFailure,
    TokenReason,
    Weight,
)
from runtime.primitives.arithmetic import U64_MAX
from runtime.primitives.hashing import blake2_128_concat, blake2_256, twox64_concat, twox128
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, ENDOWMENT, FERDIE, Chain, error_value

LOCAL = Chain[Consortium]
NO_FUNDS = TokenFailure(TokenReason.FundsUnavailable)
A, B, C = sorted((ALICE, BOB, CHARLIE))
SHARED = multi_account((A, B, C), 2)
AMPLE = Weight(10**12, 10**9)


def multisig(chain: LOCAL) -> Multisig:
    found = chain.runtime.pallet("Multisig")
    assert isinstance(found, Multisig)
    return found


def others(who: AccountId) -> tuple[AccountId, ...]:
    return tuple(account for account in (A, B, C) if account != who)


def pay(chain: LOCAL, amount: int = UNIT) -> Call:
    return chain.call("Balances.transfer_keep_alive", FERDIE, amount)


def hash_of(call: Call) -> CallHash:
    return blake2_256(call.encoded())


def as_multi(
    chain: LOCAL,
    who: AccountId,
    call: Call,
    when: Timepoint | None,
    max_weight: Weight = AMPLE,
    threshold: int = 2,
) -> Call:
    return chain.call("Multisig.as_multi", threshold, others(who), when, call, max_weight)


def approve(chain: LOCAL, who: AccountId, call: Call, when: Timepoint | None, threshold: int = 2) -> Call:
    return chain.call("Multisig.approve_as_multi", threshold, others(who), when, hash_of(call), NO_WEIGHT)


def cancel(chain: LOCAL, who: AccountId, call: Call, when: Timepoint, threshold: int = 2) -> Call:
    return chain.call("Multisig.cancel_as_multi", threshold, others(who), when, hash_of(call))


def free(chain: LOCAL, who: AccountId) -> int:
    return chain.pallets.system.get_account(who).data.free


def reserved(chain: LOCAL, who: AccountId) -> int:
    return chain.pallets.balances.reserved_balance(who)


@pytest.fixture
def funded(chain: LOCAL) -> LOCAL:
    chain.ok(ALICE, "Balances.transfer_keep_alive", SHARED, 10 * UNIT)
    return chain


NOW = Timepoint(1, 1)


# --- the account


@pytest.mark.parametrize(
    ("signatories", "threshold", "expected"),
    [
        ((A, B, C), 2, "49daa32c7287890f38b7e1a8cd2961723d36d20baa0bf3b82e0c4bdda93b1c0a"),
        (
            tuple(sorted((BOB, CHARLIE))),
            1,
            "4000d9ad98fc40a33e47fd923a60990080e7ae741b0eb6feb2b5ac11e507450c",
        ),
    ],
)
def test_shared_account_is_substrates(
    signatories: tuple[AccountId, ...], threshold: int, expected: str
) -> None:
    # createKeyMulti of @polkadot/util-crypto 14.0.3
    assert multi_account(signatories, threshold).hex() == expected


# --- threshold 1


def test_threshold_1_acts_at_once_for_the_shared_account(chain: LOCAL) -> None:
    account = multi_account((A, B), 1)
    chain.ok(ALICE, "Balances.transfer_keep_alive", account, 10 * UNIT)
    call = chain.call("Multisig.as_multi_threshold_1", (B,), pay(chain))
    post = chain.assert_ok(A, call)
    assert free(chain, FERDIE) == UNIT
    assert free(chain, account) == 9 * UNIT
    assert post.actual_weight == call.weight()


def test_threshold_1_fails_as_its_call_and_refunds_unused_weight(chain: LOCAL) -> None:
    chain.noop(NO_FUNDS, A, "Multisig.as_multi_threshold_1", (B,), pay(chain))
    nested = chain.call("Utility.batch_all", (pay(chain), pay(chain)))
    call = chain.call("Multisig.as_multi_threshold_1", (B,), nested)
    result = chain.dispatch(A, call)
    assert result.post.actual_weight is not None
    assert result.post.actual_weight.ref_time < call.weight().ref_time


def test_threshold_1_drops_the_filters_of_the_signer(chain: LOCAL) -> None:
    account = multi_account((A, B), 1)
    chain.ok(ALICE, "Balances.transfer_keep_alive", account, 10 * UNIT)
    narrow = Signed(A, (lambda c: c.spec.pallet == "Multisig",))
    chain.ok(narrow, "Multisig.as_multi_threshold_1", (B,), pay(chain))


def test_threshold_1_has_the_class_of_its_call(chain: LOCAL) -> None:
    inherent = chain.call("Timestamp.set", 1)
    call = chain.call("Multisig.as_multi_threshold_1", (B,), inherent)
    assert call.info().class_ is DispatchClass.Mandatory


# --- opening, approving, executing


def test_first_approval_opens_the_operation_and_reserves_the_deposit(funded: LOCAL) -> None:
    call = pay(funded)
    post = funded.assert_ok(A, approve(funded, A, call, None))
    config = multisig(funded).config
    deposit = config.deposit_base + 2 * config.deposit_factor
    assert multisig(funded).multisigs.get(SHARED, hash_of(call)) == Operation(NOW, deposit, A, (A,))
    assert reserved(funded, A) == deposit
    assert funded.events()[-1] == Multisig.NewMultisig(A, SHARED, hash_of(call))
    assert post.actual_weight is not None
    assert post.actual_weight.ref_time < AMPLE.ref_time


def test_timepoint_is_block_and_extrinsic_of_the_first_approval(funded: LOCAL) -> None:
    funded.next_block(2)
    call = pay(funded)
    funded.submit("//Bob", funded.call("System.remark", b""))
    applied = funded.submit(
        "//Alice", funded.call("Multisig.approve_as_multi", 2, others(ALICE), None, hash_of(call), NO_WEIGHT)
    )
    assert applied.error is None
    operation = multisig(funded).multisigs.get(SHARED, hash_of(call))
    assert operation is not None
    # The inherent is extrinsic 0 and the remark extrinsic 1.
    assert operation.when == Timepoint(3, 2)


def test_last_approval_makes_the_call_and_returns_the_deposit(funded: LOCAL) -> None:
    call = pay(funded)
    when = open_at(funded, call)
    last = as_multi(funded, B, call, when)
    post = funded.assert_ok(B, last)
    assert free(funded, FERDIE) == UNIT
    assert reserved(funded, A) == 0
    assert multisig(funded).multisigs.get(SHARED, hash_of(call)) is None
    assert funded.events()[-1] == Multisig.MultisigExecuted(B, when, SHARED, hash_of(call), None)
    assert post.actual_weight is not None
    assert post.actual_weight.ref_time < last.weight().ref_time
    assert post.actual_weight.ref_time > call.weight().ref_time


def open_at(chain: LOCAL, call: Call, threshold: int = 2, who: AccountId = A) -> Timepoint:
    chain.assert_ok(who, approve(chain, who, call, None, threshold))
    account = multi_account((A, B, C), threshold)
    operation = multisig(chain).multisigs.get(account, hash_of(call))
    assert operation is not None
    return operation.when


def test_as_multi_can_open_an_operation_without_making_the_call(funded: LOCAL) -> None:
    call = pay(funded)
    funded.assert_ok(A, as_multi(funded, A, call, None))
    assert multisig(funded).multisigs.contains(SHARED, hash_of(call))
    assert free(funded, FERDIE) == 0


def test_approvals_collect_sorted_until_the_threshold(funded: LOCAL) -> None:
    account = multi_account((A, B, C), 3)
    funded.ok(ALICE, "Balances.transfer_keep_alive", account, 10 * UNIT)
    call = pay(funded)
    when = open_at(funded, call, 3, C)
    post = funded.assert_ok(A, as_multi(funded, A, call, when, threshold=3))
    assert funded.events() == [Multisig.MultisigApproval(A, when, account, hash_of(call))]
    assert post.actual_weight is not None
    operation = multisig(funded).multisigs.get(account, hash_of(call))
    assert operation is not None
    assert operation.approvals == (A, C)
    assert operation.depositor == C
    funded.assert_ok(B, as_multi(funded, B, call, when, threshold=3))
    assert free(funded, FERDIE) == UNIT
    assert reserved(funded, C) == 0


def test_call_that_fails_leaves_the_operation_done(funded: LOCAL) -> None:
    call = pay(funded, 10**9 * UNIT)
    when = open_at(funded, call)
    funded.assert_ok(B, as_multi(funded, B, call, when))
    executed = Multisig.MultisigExecuted(B, when, SHARED, hash_of(call), error_value(NO_FUNDS))
    assert funded.events()[-1] == executed
    assert not multisig(funded).multisigs.contains(SHARED, hash_of(call))
    assert reserved(funded, A) == 0


def test_approvals_by_hash_beyond_the_threshold_are_refused_and_as_multi_still_executes(
    funded: LOCAL,
) -> None:
    call = pay(funded)
    when = open_at(funded, call)
    funded.assert_ok(B, approve(funded, B, call, when))
    funded.assert_noop(C, approve(funded, C, call, when), multisig(funded).AlreadyApproved)
    # Somebody who has approved already may execute.
    funded.assert_ok(A, as_multi(funded, A, call, when))
    assert free(funded, FERDIE) == UNIT


def test_operations_of_the_same_call_by_other_thresholds_are_apart(funded: LOCAL) -> None:
    call = pay(funded)
    open_at(funded, call, 2)
    open_at(funded, call, 3)
    assert multisig(funded).multisigs.contains(multi_account((A, B, C), 3), hash_of(call))


def test_multisig_call_within_its_own_execution_finds_no_open_operation(funded: LOCAL) -> None:
    pallet = multisig(funded)
    call = pay(funded)
    when = open_at(funded, call)
    funded.assert_ok(B, as_multi(funded, B, call, when))
    funded.assert_noop(C, cancel(funded, A, call, when), pallet.SenderInSignatories)
    funded.assert_noop(A, cancel(funded, A, call, when), pallet.NotFound)


# --- errors


def test_same_signatory_cannot_approve_twice(funded: LOCAL) -> None:
    call = pay(funded)
    when = open_at(funded, call)
    error = multisig(funded).AlreadyApproved
    funded.assert_noop(A, approve(funded, A, call, when), error)
    funded.assert_noop(A, as_multi(funded, A, call, when), error)


def test_later_approvals_need_the_right_timepoint(funded: LOCAL) -> None:
    call = pay(funded)
    when = open_at(funded, call)
    wrong = Timepoint(when.height, when.index + 1)
    for make in (approve, as_multi):
        funded.assert_noop(B, make(funded, B, call, None), multisig(funded).NoTimepoint)
        funded.assert_noop(B, make(funded, B, call, wrong), multisig(funded).WrongTimepoint)


def test_first_approval_takes_no_timepoint(funded: LOCAL) -> None:
    call = pay(funded)
    for make in (approve, as_multi):
        funded.assert_noop(A, make(funded, A, call, NOW), multisig(funded).UnexpectedTimepoint)


def test_call_heavier_than_allowed_is_not_made(funded: LOCAL) -> None:
    call = pay(funded)
    when = open_at(funded, call)
    exact = call.weight()
    light = Weight(exact.ref_time - 1, exact.proof_size)
    small = Weight(exact.ref_time, exact.proof_size - 1)
    for limit in (light, small):
        funded.assert_noop(B, as_multi(funded, B, call, when, limit), multisig(funded).MaxWeightTooLow)
    funded.assert_ok(B, as_multi(funded, B, call, when, exact))


def test_depositor_must_afford_the_deposit(funded: LOCAL) -> None:
    call = pay(funded)
    funded.ok(ROOT, "Balances.force_set_balance", A, UNIT // 10)
    error = funded.pallets.balances.InsufficientBalance
    funded.assert_noop(A, approve(funded, A, call, None), error)
    funded.assert_noop(A, as_multi(funded, A, call, None), error)


def calls_of(chain: LOCAL, threshold: int, listed: tuple[AccountId, ...]) -> list[Call]:
    call = pay(chain)
    return [
        chain.call("Multisig.as_multi", threshold, listed, None, call, AMPLE),
        chain.call("Multisig.approve_as_multi", threshold, listed, None, hash_of(call), AMPLE),
        chain.call("Multisig.cancel_as_multi", threshold, listed, NOW, hash_of(call)),
    ]


@pytest.mark.parametrize("threshold", [0, 1])
def test_threshold_below_2_is_refused(chain: LOCAL, threshold: int) -> None:
    for call in calls_of(chain, threshold, (B, C)):
        chain.assert_noop(A, call, multisig(chain).MinimumThreshold)


def test_lists_of_signatories_are_checked(chain: LOCAL) -> None:
    pallet = multisig(chain)
    many = tuple(AccountId(i.to_bytes(32, "big")) for i in range(1, SIGNATORIES_MAX + 1))
    cases = [
        ((), pallet.TooFewSignatories),
        (many, pallet.TooManySignatories),
        ((C, B), pallet.SignatoriesOutOfOrder),
        ((B, B), pallet.SignatoriesOutOfOrder),
        ((A, B), pallet.SenderInSignatories),
    ]
    for listed, error in cases:
        for call in calls_of(chain, 2, listed):
            chain.assert_noop(A, call, error)
        chain.noop(error, A, "Multisig.as_multi_threshold_1", listed, pay(chain))


def test_as_many_signatories_as_the_limit_are_fine(chain: LOCAL) -> None:
    most = tuple(AccountId(i.to_bytes(32, "big")) for i in range(1, SIGNATORIES_MAX))
    call = pay(chain)
    chain.ok(A, "Multisig.approve_as_multi", 2, most, None, hash_of(call), AMPLE)


@pytest.mark.parametrize("origin", [ROOT, NOBODY])
def test_calls_are_for_signers(chain: LOCAL, origin: Origin) -> None:
    for call in calls_of(chain, 2, (B, C)):
        chain.assert_noop(origin, call, BadOrigin)
    chain.noop(BadOrigin, origin, "Multisig.as_multi_threshold_1", (B,), pay(chain))


# --- cancelling


def test_depositor_cancels_and_gets_the_deposit_back(funded: LOCAL) -> None:
    call = pay(funded)
    when = open_at(funded, call)
    funded.assert_ok(A, cancel(funded, A, call, when))
    assert reserved(funded, A) == 0
    assert not multisig(funded).multisigs.contains(SHARED, hash_of(call))
    assert funded.events()[-1] == Multisig.MultisigCancelled(A, when, SHARED, hash_of(call))


def test_only_the_depositor_cancels_and_only_what_is_open(funded: LOCAL) -> None:
    pallet = multisig(funded)
    call = pay(funded)
    funded.assert_noop(A, cancel(funded, A, call, NOW), pallet.NotFound)
    when = open_at(funded, call)
    funded.assert_noop(B, cancel(funded, B, call, when), pallet.NotOwner)
    later = Timepoint(when.height + 1, when.index)
    funded.assert_noop(A, cancel(funded, A, call, later), pallet.WrongTimepoint)


# --- weights, storage, constants


def test_weight_grows_with_signatories_size_and_allowed_weight(chain: LOCAL) -> None:
    def weigh(listed: tuple[AccountId, ...], call: Call, limit: Weight) -> Weight:
        return chain.call("Multisig.as_multi", 2, listed, None, call, limit).weight()

    base = weigh((B,), pay(chain), NO_WEIGHT)
    assert weigh((B, C), pay(chain), NO_WEIGHT).ref_time > base.ref_time
    assert weigh((B,), chain.call("System.remark", bytes(1000)), NO_WEIGHT).ref_time > base.ref_time
    assert weigh((B,), pay(chain), AMPLE) == base.plus(AMPLE)


def create_weight(count: int, size: int) -> Weight:
    by_count = weights.MULTISIG_AS_MULTI_CREATE_PER_SIGNATORY.times(count)
    by_size = weights.MULTISIG_AS_MULTI_CREATE_PER_BYTE.times(size)
    return weights.MULTISIG_AS_MULTI_CREATE.plus(by_count).plus(by_size)


def approve_weight(count: int, size: int) -> Weight:
    by_count = weights.MULTISIG_AS_MULTI_APPROVE_PER_SIGNATORY.times(count)
    by_size = weights.MULTISIG_AS_MULTI_APPROVE_PER_BYTE.times(size)
    return weights.MULTISIG_AS_MULTI_APPROVE.plus(by_count).plus(by_size)


@pytest.mark.parametrize("by_hash", [True, False])
def test_each_step_uses_the_weight_of_what_it_does(chain: LOCAL, by_hash: bool) -> None:
    call, when = pay(chain), Timepoint(1, 1)
    size = 0 if by_hash else call.encoded_length()
    first = approve(chain, A, call, None, 3) if by_hash else as_multi(chain, A, call, None, threshold=3)
    second = approve(chain, B, call, when, 3) if by_hash else as_multi(chain, B, call, when, threshold=3)
    assert chain.assert_ok(A, first).actual_weight == create_weight(2, size)
    assert chain.assert_ok(B, second).actual_weight == approve_weight(2, size)
    if by_hash:
        assert first.weight() == create_weight(2, 0).most(approve_weight(2, 0))


@pytest.mark.parametrize("allowed", [NO_WEIGHT, Weight(1, 0), Weight(0, 1), AMPLE, Weight(U64_MAX, U64_MAX)])
def test_weight_of_approving_counts_the_allowed_weight_until_it_is_given_back(
    chain: LOCAL, allowed: Weight
) -> None:
    call = chain.call("Multisig.approve_as_multi", 2, (B, C), None, bytes(32), allowed)
    assert call.weight() == create_weight(2, 0).most(approve_weight(2, 0)).plus(allowed)
    assert chain.assert_ok(A, call).actual_weight == create_weight(2, 0)


def test_operation_is_stored_where_and_how_wallets_read_it(funded: LOCAL) -> None:
    call = pay(funded)
    open_at(funded, call)
    funded.close_block()
    prefix = twox128(b"Multisig") + twox128(b"Multisigs")
    key = prefix + twox64_concat(SHARED) + blake2_128_concat(hash_of(call))
    raw = funded.backend.entries[key]
    deposit = reserved(funded, A)
    when = (1).to_bytes(4, "little") + multisig_index(raw)
    assert raw == when + deposit.to_bytes(16, "little") + A + b"\x04" + A
    funded.open_block()


def multisig_index(raw: bytes) -> bytes:
    return raw[4:8]


def test_constants_are_those_of_the_composition(chain: LOCAL) -> None:
    found = {c.name: c.value for c in multisig(chain).constants()}
    config = multisig(chain).config
    assert found == {
        "DepositBase": config.deposit_base,
        "DepositFactor": config.deposit_factor,
        "MaxSignatories": 100,
    }
    assert config.deposit_base < ENDOWMENT
