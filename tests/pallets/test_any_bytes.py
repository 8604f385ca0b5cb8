"""Any bytes as an extrinsic: refused with a typed error, or one canonical reading that the runtime can judge
without harm; and the deepest nesting that decodes costs no more than its bytes."""

import sys
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesis.consortium import UNIT, Consortium
from genesis.proxy_types import ProxyType
from pallets.core.utility import BATCHED_CALLS_MAX
from runtime.frame.call import CALL_DEPTH_MAX, Call
from runtime.frame.dispatch import Signed, Weight
from runtime.frame.validity import TransactionError
from runtime.primitives.crypto import Scheme
from runtime.primitives.era import IMMORTAL, encode_era, mortal_era
from runtime.primitives.extrinsic import make_unsigned, seal_envelope
from runtime.primitives.scale import DecodeError, encode_compact
from tests.support.chain import ALICE, BOB, CHARLIE, Chain, consortium_chain

LOCAL = Chain[Consortium]
OTHERS = tuple(sorted((BOB, CHARLIE)))


@cache
def standing() -> LOCAL:
    """One chain for all examples: none of them may change it."""
    chain = consortium_chain()
    chain.next_block(3)
    return chain


def sealed(call: bytes, *, scheme: Scheme = Scheme.SR25519, mortal: bool = False) -> bytes:
    era = mortal_era(4, 3) if mortal else IMMORTAL
    extra = encode_era(era) + encode_compact(0) + encode_compact(0)
    return seal_envelope(ALICE, scheme, bytes(65 if scheme is Scheme.ECDSA else 64), extra, call)


@cache
def examples() -> tuple[bytes, ...]:
    chain = standing()
    pay = chain.call("Balances.transfer_keep_alive", BOB, UNIT)
    batch = chain.call("Utility.batch", (pay, chain.call("System.remark", b"hello")))
    many = chain.call("Multisig.as_multi", 2, OTHERS, None, batch, Weight(1, 2))
    named = chain.call("Assets.set_metadata", 1, b"Name", b"SYM", 12)
    proxied = chain.call("Proxy.proxy", BOB, ProxyType.Any, many)
    as_root = chain.call("Utility.dispatch_as", Signed(BOB), pay)
    calls = [call.encoded() for call in (pay, batch, many, named, proxied, as_root)]
    signed = [sealed(call, mortal=position % 2 == 0) for position, call in enumerate(calls)]
    return (*signed, sealed(calls[0], scheme=Scheme.ECDSA), make_unsigned(calls[0]))


def judge(raw: bytes) -> None:
    """Let the runtime read and judge an extrinsic; only typed errors may come out, and no change."""
    chain = standing()
    try:
        extrinsic = chain.api.decode_extrinsic(raw)
        call = extrinsic.call
        assert Call(call.spec, call.args).encoded() == raw[extrinsic.call_start :]
        if extrinsic.signer is not None:
            chain.api.signature_job(extrinsic)
        chain.api.validate(extrinsic)
    except (DecodeError, TransactionError):
        pass


@settings(max_examples=400)
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(raw: bytes) -> None:
    before = standing().pending()
    judge(raw)
    judge(encode_compact(len(raw)) + raw)
    judge(make_unsigned(raw))
    judge(sealed(raw))
    assert standing().pending() == before


@settings(max_examples=400)
@given(data=st.data())
def test_spoiled_extrinsics_are_refused_or_read(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(examples())))
    before = standing().pending()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        match data.draw(st.sampled_from(["flip", "drop", "insert", "splice"])):
            case "flip":
                raw[at] ^= data.draw(st.integers(1, 255))
            case "drop":
                del raw[at : at + data.draw(st.integers(1, 5))]
            case "insert":
                raw[at:at] = data.draw(st.binary(min_size=1, max_size=5))
            case _:
                other = data.draw(st.sampled_from(examples()))
                raw[at:] = other[at:]
        if not raw:
            break
    judge(bytes(raw))
    if raw:
        body = bytes(raw[2:])
        judge(encode_compact(len(body)) + body)
    assert standing().pending() == before


def test_the_examples_themselves_are_read() -> None:
    for raw in examples():
        assert standing().api.decode_extrinsic(raw).data == raw


# --- nesting


def heads(chain: LOCAL) -> dict[str, bytes]:
    """Return what each call that makes another writes before the other's bytes."""
    inner = chain.call("System.remark", b"")
    size = len(inner.encoded())
    calls = {
        "batch": chain.call("Utility.batch", (inner,)),
        "batch_all": chain.call("Utility.batch_all", (inner,)),
        "force_batch": chain.call("Utility.force_batch", (inner,)),
        "derivative": chain.call("Utility.as_derivative", 0, inner),
        "proxy": chain.call("Proxy.proxy", BOB, None, inner),
        "announced": chain.call("Proxy.proxy_announced", BOB, BOB, None, inner),
        "multisig": chain.call("Multisig.as_multi_threshold_1", OTHERS, inner),
        "sudo": chain.call("Sudo.sudo", inner),
        "sudo_as": chain.call("Sudo.sudo_as", BOB, inner),
        "dispatch_as": chain.call("Utility.dispatch_as", Signed(BOB), inner),
    }
    return {name: call.encoded()[:-size] for name, call in calls.items()}


KINDS = (
    *("batch", "batch_all", "force_batch", "derivative", "proxy"),
    *("announced", "multisig", "sudo", "sudo_as", "dispatch_as"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_that_makes_another_nests_to_the_limit(kind: str) -> None:
    chain = consortium_chain()
    head = heads(chain)[kind]
    remark = chain.call("System.remark", b"").encoded()
    deepest = head * (CALL_DEPTH_MAX - 1) + remark
    call = chain.runtime.calls.codec.decode(deepest)
    assert call.encoded() == deepest
    chain.dispatch(ALICE, call)
    with pytest.raises(DecodeError, match="nest deeper"):
        chain.runtime.calls.codec.decode(head + deepest)
    with pytest.raises(DecodeError, match="nest deeper"):
        chain.runtime.calls.codec.decode(head * 100_000 + remark)
    chain.close_block()


@settings(max_examples=150)
@given(kinds=st.lists(st.sampled_from(KINDS), max_size=CALL_DEPTH_MAX + 3))
def test_mixed_nesting_is_read_and_dispatched_or_refused(kinds: list[str]) -> None:
    chain = standing()
    parts = heads(chain)
    raw = b"".join(parts[kind] for kind in kinds) + chain.call("System.remark", b"").encoded()
    mark = chain.state.mark()
    if len(kinds) >= CALL_DEPTH_MAX:
        with pytest.raises(DecodeError, match="nest deeper"):
            chain.api.decode_extrinsic(sealed(raw))
        return
    extrinsic = chain.api.decode_extrinsic(sealed(raw))
    chain.dispatch(ALICE, extrinsic.call)
    chain.state.rollback(mark)


def test_widest_and_deepest_call_costs_what_its_bytes_cost() -> None:
    """Many calls in as many levels as may be take little more work than the same calls in one batch."""
    chain = consortium_chain()
    remark = chain.call("System.remark", b"").encoded()
    head = heads(chain)["batch"][:2]
    levels = CALL_DEPTH_MAX - 1
    each = BATCHED_CALLS_MAX // levels
    flat = head + encode_compact(each * levels) + remark * (each * levels)
    deep = head + encode_compact(each) + remark * each
    for _ in range(levels - 1):
        deep = head + encode_compact(each + 1) + remark * each + deep

    def work_of(raw: bytes) -> int:
        """Return how many functions are called to read an extrinsic and to make its call."""
        count = 0

        def note(_frame: object, event: str, _argument: object) -> None:
            nonlocal count
            count += event == "call"

        sys.setprofile(note)
        try:
            chain.dispatch(ALICE, chain.api.decode_extrinsic(sealed(raw)).call)
        finally:
            sys.setprofile(None)
        return count

    assert work_of(deep) < work_of(flat) * 5 // 4
