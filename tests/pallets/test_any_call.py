"""Whatever calls anybody makes in whatever order: the state stays consistent, value is conserved, a failed
call changes nothing, and nothing but a dispatch error comes out of a call."""

from random import Random  # noqa: TID251  # only the type; hypothesis seeds it

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.consortium import Consortium
from pallets.compliance.office import Role
from pallets.token import balances_events as money
from runtime.frame.call import Call, CallSpec
from runtime.frame.dispatch import ROOT
from runtime.frame.event import EventRecord
from runtime.frame.validity import TransactionError
from runtime.primitives.crypto import Scheme
from runtime.primitives.era import IMMORTAL, encode_era
from runtime.primitives.extrinsic import seal_envelope
from runtime.primitives.scale import encode_compact
from runtime.primitives.types import AccountId
from tests.support.any_call import AnyCall
from tests.support.chain import ALICE, BOB, CHARLIE, Chain, consortium_chain

LOCAL = Chain[Consortium]
STEPS = 120
SETTINGS = settings(max_examples=25)
SEEDS = st.randoms(use_true_random=True)


def breaks_the_rules(spec: CallSpec) -> bool:
    """Root may force the issuance away from the sum of the balances, and reserves away from what they are
    for: these two calls are there for that."""
    return spec.name in {"force_adjust_total_issuance", "force_unreserve"}


def furnished(rng: Random) -> tuple[LOCAL, AnyCall]:
    """Return a chain with officers and an asset for everybody, so that more calls find something to do."""
    chain = consortium_chain()
    for who in (ALICE, BOB):
        chain.ok(ROOT, "Compliance.register_officer", who, tuple(Role))
    chain.ok(ALICE, "Assets.create", 7, ALICE, 10)
    for who in (ALICE, BOB, CHARLIE):
        chain.ok(ALICE, "Assets.mint", 7, who, 1_000)
    chain.next_block()
    return chain, AnyCall(chain, rng, breaks_the_rules)


def issued(records: list[EventRecord]) -> int:
    """Return by how much the issuance grew, as the events tell it."""
    total = 0
    for record in records:
        match record.event:
            case money.Issued(amount=amount) | money.Deposit(amount=amount):
                total += amount
            case money.Rescinded(amount=amount) | money.Withdraw(amount=amount):
                total -= amount
            case money.Burned(amount=amount) | money.DustLost(amount=amount):
                total -= amount
            case _:
                pass
    return total


@SETTINGS
@given(rng=SEEDS)
def test_no_sequence_of_calls_breaks_the_state(rng: Random) -> None:
    chain, draws = furnished(rng)
    issuance = chain.pallets.balances.total_issuance
    for _ in range(STEPS):
        origin, call = draws.step()
        before, events, money_before = chain.pending(), list(chain.state.events), issuance.get()
        post, error = chain.dispatch(origin, call)
        if error is None:
            assert post.actual_weight is None or post.actual_weight.fits(call.weight())
            assert issuance.get() == money_before + issued(chain.state.events[len(events) :])
        else:
            assert chain.pending() == before
            assert chain.state.events == events
        if rng.random() < 0.1:
            chain.next_block()
    chain.close_block()


def forged(chain: LOCAL, who: AccountId, call: Call, tip: int) -> bytes:
    """Return a call signed by nobody in an account's name; the executive does not look at signatures."""
    nonce = chain.pallets.system.get_account(who).nonce
    extra = encode_era(IMMORTAL) + encode_compact(nonce) + encode_compact(tip)
    return seal_envelope(who, Scheme.SR25519, bytes(64), extra, call.encoded())


@pytest.mark.slow
@SETTINGS
@given(rng=SEEDS)
def test_no_sequence_of_extrinsics_breaks_the_state(rng: Random) -> None:
    chain, draws = furnished(rng)
    balances = chain.pallets.balances
    start, seen = balances.total_issuance.get(), len(chain.state.events)
    for _ in range(STEPS):
        who, call = draws.signed()
        extrinsic = chain.api.decode_extrinsic(forged(chain, who, call, rng.choice((0, 0, 5, 10**15))))
        before, events = chain.pending(), list(chain.state.events)
        try:
            chain.api.validate(extrinsic)
            applied = chain.apply(extrinsic)
        except TransactionError:
            assert chain.pending() == before
            assert chain.state.events == events
        else:
            verdict = type(chain.state.events[-1].event).__name__
            assert verdict == ("ExtrinsicSuccess" if applied.error is None else "ExtrinsicFailed")
    assert balances.total_issuance.get() == start + issued(chain.state.events[seen:])
    chain.close_block()
