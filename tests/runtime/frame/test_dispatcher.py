"""Dispatch is all or nothing, filters hold for everyone but Root, and calls nest within limits."""

from typing import Any

import pytest

from genesis.consortium import UNIT, Consortium
from pallets.token import weights
from runtime.frame.call import CALL_DEPTH_MAX, CALLS_MAX, Call
from runtime.frame.dispatch import (
    NOBODY,
    ROOT,
    ArithmeticReason,
    ArithmeticValue,
    BadOrigin,
    NoOrigin,
    Origin,
    PalletOrigin,
    PostDispatchInfo,
    Signed,
    TokenFailure,
    TokenReason,
    Weight,
    with_filter,
)
from runtime.frame.dispatcher import Dispatched
from runtime.frame.extension import Extension
from runtime.frame.runtime import RuntimeBuilder
from runtime.primitives.arithmetic import DivisionByZero, Overflow, Underflow
from runtime.primitives.scale import DecodeError, encode_compact, u32
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, FERDIE, Chain, consortium_chain

LOCAL = Chain[Consortium]
NO_FUNDS = TokenFailure(TokenReason.FundsUnavailable)


@pytest.fixture
def chain() -> LOCAL:
    return consortium_chain()


def deny(call: Call) -> bool:
    return call.spec.pallet != "Balances"


def pay(chain: LOCAL) -> Call:
    return chain.call("Balances.transfer_keep_alive", FERDIE, UNIT)


def test_failed_call_leaves_no_change_and_no_event(chain: LOCAL) -> None:
    before = chain.pending()
    chain.assert_noop(BOB, chain.call("Utility.batch_all", (pay(chain), pay_all(chain))), NO_FUNDS)
    assert chain.pending() == before


def pay_all(chain: LOCAL) -> Call:
    return chain.call("Balances.transfer_keep_alive", FERDIE, 10**9 * UNIT)


@pytest.mark.parametrize("origin", [Signed(ALICE), NOBODY, PalletOrigin(9, b"")])
def test_base_filter_holds_for_everyone_but_root(chain: LOCAL, origin: Origin) -> None:
    filtered = chain.pallets.system.call_filtered
    chain.runtime.executive.dispatcher.guard(deny, filtered)
    chain.assert_noop(origin, pay(chain), filtered())
    # Root passes the filter; the call itself refuses Root.
    chain.assert_noop(ROOT, pay(chain), BadOrigin)


def test_base_filter_holds_for_extrinsics_and_inner_calls(chain: LOCAL) -> None:
    filtered = chain.pallets.system.call_filtered
    chain.runtime.executive.dispatcher.guard(deny, filtered)
    assert chain.submit("//Alice", pay(chain)).error == filtered().value()
    chain.noop(filtered(), ALICE, "Utility.batch_all", (pay(chain),))


def test_unfiltered_dispatch_ignores_every_filter(chain: LOCAL) -> None:
    dispatcher = chain.runtime.executive.dispatcher
    dispatcher.guard(deny, chain.pallets.system.call_filtered)
    assert dispatcher.dispatch_unfiltered(pay(chain), Signed(ALICE, (deny,))).error is None


def test_every_filter_of_an_origin_must_allow_the_call(chain: LOCAL) -> None:
    allow = with_filter(Signed(ALICE), lambda _: True)
    both = with_filter(allow, deny)
    chain.assert_ok(allow, pay(chain))
    chain.assert_noop(both, pay(chain), chain.pallets.system.call_filtered())


def test_root_and_nobody_carry_no_filters() -> None:
    assert with_filter(ROOT, deny) is ROOT
    assert isinstance(with_filter(NOBODY, deny), NoOrigin)
    assert with_filter(PalletOrigin(1, b""), deny) == PalletOrigin(1, b"", (deny,))


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Underflow(""), ArithmeticReason.Underflow),
        (Overflow(""), ArithmeticReason.Overflow),
        (DivisionByZero(""), ArithmeticReason.DivisionByZero),
    ],
)
def test_arithmetic_failure_becomes_a_dispatch_error(
    chain: LOCAL, failure: ArithmeticError, reason: ArithmeticReason
) -> None:
    def fail(*_: object) -> None:
        raise failure

    call = pay(chain)
    call.spec.function = fail
    assert chain.dispatch(ALICE, call).error == ArithmeticValue(reason)


def test_weight_used_never_exceeds_the_declared() -> None:
    declared = Weight(10, 10)
    assert Dispatched(PostDispatchInfo(), None).weight(declared) == declared
    assert Dispatched(PostDispatchInfo(Weight(5, 20)), None).weight(declared) == Weight(5, 10)


# --- guards


class Bouncer:
    """Lets one account through, and writes down who came."""

    weight = Weight(7, 3)

    def __init__(self, chain: LOCAL, guest: AccountId) -> None:
        self.guest = guest
        self.book = chain.pallets.system.number

    def ensure_allowed(self, call: Call, who: AccountId) -> None:
        """Refuse everybody but the guest."""
        self.book.put(self.book.get() + 1)
        if who != self.guest:
            raise NO_FUNDS


def guard(chain: LOCAL, name: str) -> Bouncer:
    """Put a bouncer in front of a call that lets Alice through."""
    pallet, method = name.split(".")
    found = next(s for s in chain.runtime.calls.specs.values() if (s.pallet, s.name) == (pallet, method))
    bouncer = Bouncer(chain, ALICE)
    chain.runtime.executive.dispatcher.guard_call(found, bouncer)
    return bouncer


def test_guard_refuses_with_its_own_error_and_what_it_wrote_is_undone(chain: LOCAL) -> None:
    bouncer = guard(chain, "Balances.transfer_keep_alive")
    before = bouncer.book.get()
    chain.assert_noop(BOB, pay(chain), NO_FUNDS)
    chain.assert_noop(BOB, chain.call("Utility.batch_all", (pay(chain),)), NO_FUNDS)
    chain.assert_noop(ALICE, pay_all(chain), NO_FUNDS)
    assert bouncer.book.get() == before
    chain.assert_ok(ALICE, pay(chain))
    assert bouncer.book.get() == before + 1


def test_guard_stands_in_front_of_unfiltered_dispatch_too(chain: LOCAL) -> None:
    guard(chain, "Balances.transfer_keep_alive")
    dispatch = chain.runtime.executive.dispatcher.dispatch_unfiltered
    assert dispatch(pay(chain), Signed(BOB)).error == NO_FUNDS.value()


@pytest.mark.parametrize("origin", [ROOT, NOBODY, PalletOrigin(9, b"")])
def test_guard_asks_about_accounts_alone(chain: LOCAL, origin: Origin) -> None:
    guard(chain, "Balances.transfer_keep_alive")
    chain.assert_noop(origin, pay(chain), BadOrigin)


def test_guard_leaves_other_calls_alone(chain: LOCAL) -> None:
    guard(chain, "Balances.transfer_keep_alive")
    chain.ok(BOB, "Balances.transfer_allow_death", FERDIE, UNIT)


def test_guard_is_part_of_declared_and_used_weight(chain: LOCAL) -> None:
    extra = Weight(7, 3)
    batch = chain.call("Utility.batch", (chain.call("System.remark", b""),))
    plain, used = batch.weight(), chain.assert_ok(ALICE, batch).actual_weight
    assert used is not None
    guard(chain, "Utility.batch")
    guard(chain, "Balances.transfer_keep_alive")
    again = chain.call("Utility.batch", (chain.call("System.remark", b""),))
    assert again.weight() == plain.plus(extra)
    assert chain.assert_ok(ALICE, again).actual_weight == used.plus(extra)
    info = pay(chain).info()
    assert info.weight == weights.BALANCES_TRANSFER_KEEP_ALIVE.plus(extra)


def test_call_has_one_guard(chain: LOCAL) -> None:
    guard(chain, "Balances.transfer_keep_alive")
    with pytest.raises(AssertionError, match="has a guard"):
        guard(chain, "Balances.transfer_keep_alive")


def test_guard_needs_a_call_that_exists(chain: LOCAL) -> None:
    with pytest.raises(KeyError, match=r"Balances\.vanish"):
        RuntimeBuilder(chain.state).guard("Balances", "vanish", Bouncer(chain, ALICE))


@pytest.mark.parametrize("adds", [{"extra": u32}, {"additional": u32}, {"implied": b"x"}])
def test_extension_that_adds_bytes_cannot_be_kept_from_wallets(adds: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match="wallets must know"):
        Extension("Secret", is_listed=False, **adds)


# --- calls within calls


def nested(chain: LOCAL, depth: int) -> bytes:
    """Return the bytes of `depth` calls, each in the one before."""
    remark = chain.call("System.remark", b"").encoded()
    head = chain.call("Utility.as_derivative", 0, chain.call("System.remark", b"")).encoded()[: -len(remark)]
    return head * (depth - 1) + remark


def test_calls_nest_to_the_limit_and_no_deeper(chain: LOCAL) -> None:
    codec = chain.runtime.calls.codec
    call = codec.decode(nested(chain, CALL_DEPTH_MAX))
    chain.assert_ok(ALICE, call)
    with pytest.raises(DecodeError, match="nest deeper"):
        codec.decode(nested(chain, CALL_DEPTH_MAX + 1))
    # The refusal leaves the decoder usable.
    codec.decode(nested(chain, CALL_DEPTH_MAX))


def test_one_call_consists_of_a_limited_number_of_calls(chain: LOCAL) -> None:
    codec = chain.runtime.calls.codec
    remark = chain.call("System.remark", b"").encoded()
    head = chain.call("Utility.batch", ()).encoded()[:2]
    half = CALLS_MAX // 2

    def batch(count: int) -> bytes:
        return head + encode_compact(count) + remark * count

    def pair(first: int, second: int) -> bytes:
        return head + encode_compact(2) + batch(first) + batch(second)

    codec.decode(pair(half, half - 3))
    with pytest.raises(DecodeError, match="more than"):
        codec.decode(pair(half, half - 2))
    codec.decode(pair(half, half - 3))


def test_calls_within_calls_are_weighed_once_each(chain: LOCAL) -> None:
    """However deep they lie: every level above asks for their weight and their class."""
    remark = chain.call("System.remark", b"")
    weighed: list[bytes] = []

    def weigh(text: bytes) -> Weight:
        weighed.append(text)
        return Weight(1, 1)

    remark.spec.weigh = weigh
    head = chain.call("Utility.batch", ()).encoded()[:2]
    body = head + encode_compact(3) + remark.encoded() * 3
    for _ in range(CALL_DEPTH_MAX - 2):
        body = head + encode_compact(4) + remark.encoded() * 3 + body
    call = chain.runtime.calls.codec.decode(body)
    count = 3 * (CALL_DEPTH_MAX - 1)
    assert call.info().weight.proof_size == count
    chain.assert_ok(ALICE, call)
    assert len(weighed) == count


def test_decoded_call_knows_its_bytes_and_length(chain: LOCAL) -> None:
    inner = pay(chain)
    outer = chain.call("Utility.batch", (inner, inner))
    raw = outer.encoded()
    decoded = chain.runtime.calls.codec.decode(raw)
    assert (decoded.encoded(), decoded.encoded_length()) == (raw, len(raw))
    first = decoded.args[0][0]
    assert (first.encoded(), first.encoded_length()) == (inner.encoded(), len(inner.encoded()))


# --- weights


def test_weights_saturate_at_u64() -> None:
    most = 2**64 - 1
    assert Weight(most, 1).plus(Weight(1, 1)) == Weight(most, 2)
    assert Weight(1, most).plus(Weight(1, 1)) == Weight(2, most)
    assert Weight(2**63, 2**63).times(2) == Weight(most, most)
    assert Weight(2**63 - 1, 3).times(2) == Weight(most - 1, 6)
    assert Weight(1, 5).minus(Weight(2, 2)) == Weight(0, 3)


def test_weights_compare_by_dimension() -> None:
    assert Weight(1, 5).most(Weight(2, 2)) == Weight(2, 5)
    assert Weight(1, 5).least(Weight(2, 2)) == Weight(1, 2)
    assert not Weight(1, 5).fits(Weight(2, 2))
    assert not Weight(5, 1).fits(Weight(2, 2))
    assert Weight(2, 2).fits(Weight(2, 2))
