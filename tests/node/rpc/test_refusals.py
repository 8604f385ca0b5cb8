"""Every reason to refuse a transaction, as clients see it: code, message and data of the submission, the same
verdict from the runtime API and the dry run, and no trace in the pool."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from genesis.consortium import EXISTENTIAL_DEPOSIT as ED
from genesis.consortium import UNIT
from pallets.core.system import System
from pallets.token import balances_events as money
from runtime.frame.dispatch import TokenReason, TokenValue, Weight
from runtime.frame.event import Event
from runtime.primitives.crypto import Scheme
from runtime.primitives.era import IMMORTAL, Era, encode_era, mortal_era
from runtime.primitives.extrinsic import AddressId, make_unsigned, seal_envelope
from runtime.primitives.scale import encode_compact
from runtime.primitives.types import ZERO_HASH, AccountId
from tests.support.chain import ALICE, BOB, FERDIE, keypair
from tests.support.node_chain import sign, transfer
from tests.support.node_rpc import DevNode

INVALID, UNKNOWN = "Invalid Transaction", "Unknown Transaction Validity"
LONGEST = 1024 * 1024
"""Bytes of the longest extrinsic that a pool takes."""


def h(raw: bytes) -> str:
    return "0x" + raw.hex()


def remark(node: DevNode, uri: str = "//Alice", *, size: int = 2, **how: Any) -> bytes:
    how.setdefault("nonce", 0)
    return sign(node.chain.api, keypair(uri), "System.remark", (b"x" * size,), **how)


def system(node: DevNode) -> System:
    found = node.chain.api.runtime.pallet("System")
    assert isinstance(found, System)
    return found


# --- the cases


def forged(node: DevNode, spoil: Callable[[bytearray], None]) -> bytes:
    """Return a remark whose signature is over another payload."""
    right = remark(node)
    job = node.chain.api.signature_job(node.chain.api.decode_extrinsic(right))
    payload = bytearray(job.message)
    spoil(payload)
    return right.replace(job.signature, keypair("//Alice").sign(bytes(payload)))


def flip(at: int) -> Callable[[bytearray], None]:
    def spoil(payload: bytearray) -> None:
        payload[at] ^= 1

    return spoil


def unsigned_in_name(node: DevNode, who: AccountId, *, era: Era = IMMORTAL) -> bytes:
    call = node.chain.api.runtime.calls.make("System", "remark", b"hi").encoded()
    extra = encode_era(era) + encode_compact(0) + encode_compact(0)
    return seal_envelope(who, Scheme.SR25519, bytes(64), extra, call)


def from_address(node: DevNode, form: bytes) -> bytes:
    """Return a signed remark whose sender is written in another form."""
    right = remark(node)
    start = right.index(b"\x84") + 1
    body = b"\x84" + form + right[start + 33 :]
    return encode_compact(len(body)) + body


def as_multi(node: DevNode, weight: Weight) -> bytes:
    """Return an `as_multi` that weighs so much in all."""
    calls = node.chain.api.runtime.calls
    others = tuple(sorted((BOB, FERDIE)))
    inner = calls.make("System", "remark", b"hi")
    base = calls.make("Multisig", "as_multi", 2, others, None, inner, Weight(0, 0)).weight()
    args = (2, others, None, inner, weight.minus(base))
    return sign(node.chain.api, keypair("//Alice"), "Multisig.as_multi", args, nonce=0)


def heaviest(node: DevNode) -> Weight:
    found = system(node).config.limits[0].per_class.normal.max_extrinsic
    assert found is not None
    return found


def of_length(node: DevNode, length: int) -> bytes:
    size = length - 120
    nonce = system(node).get_account(ALICE).nonce
    while True:
        raw = remark(node, size=size, nonce=nonce)
        if len(raw) == length:
            return raw
        size += length - len(raw)


@dataclass(frozen=True)
class Refused:
    """What makes an extrinsic, what its submission is answered, and the runtime's TransactionValidityError.

    `late`: eight blocks have passed and Alice's first nonce is used. `dry`: what a dry run says instead.
    """

    make: Callable[[DevNode], bytes]
    error: tuple[int, str, str]
    verdict: bytes
    late: bool = False
    dry: bytes | None = None


def invalid(make: Callable[[DevNode], bytes], reason: int, text: str, **how: Any) -> Refused:
    return Refused(make, (1010, INVALID, text), bytes([0, reason]), **how)


def unknown(make: Callable[[DevNode], bytes], reason: int, text: str) -> Refused:
    return Refused(make, (1011, UNKNOWN, text), bytes([1, reason]))


STALE = "Transaction is outdated"
BAD_PROOF = "Transaction has a bad signature"
ANCIENT = "Transaction has an ancient birth block"
EXHAUSTS = "Transaction would exhaust the block limits"
PAYMENT = "Inability to pay some fees (e.g. account balance too low)"
CALL = "Transaction call is not expected"
LOOKUP = "CannotLookup"
VALIDATOR = "NoUnsignedValidator"
MANDATORY = "Transaction dispatch is mandatory; transactions must not be validated."
BAD_MANDATORY = b"\0\x08"
CASES = {
    "old nonce": invalid(remark, 3, STALE, late=True),
    "bad signature": invalid(lambda n: remark(n, good=False), 4, BAD_PROOF),
    "no signature": invalid(lambda n: unsigned_in_name(n, ALICE), 4, BAD_PROOF),
    "account of zeros": invalid(lambda n: unsigned_in_name(n, AccountId(ZERO_HASH)), 4, BAD_PROOF),
    "wrong spec version": invalid(lambda n: forged(n, flip(-72)), 4, BAD_PROOF),
    "wrong transaction version": invalid(lambda n: forged(n, flip(-68)), 4, BAD_PROOF),
    "wrong genesis": invalid(lambda n: forged(n, flip(-64)), 4, BAD_PROOF),
    "wrong birth block": invalid(lambda n: forged(n, flip(-32)), 4, BAD_PROOF),
    "expired era": invalid(lambda n: expired(n, 2), 4, BAD_PROOF, late=True),
    "unborn era": invalid(lambda n: unsigned_in_name(n, ALICE, era=mortal_era(64, 9)), 5, ANCIENT, late=True),
    "too heavy": invalid(lambda n: as_multi(n, heaviest(n).plus(Weight(1, 0))), 6, EXHAUSTS),
    "no account": invalid(lambda n: remark(n, "//Nobody"), 1, PAYMENT),
    "too high a tip": invalid(lambda n: remark(n, tip=1 << 120), 1, PAYMENT),
    "signed inherent": invalid(
        lambda n: sign(n.chain.api, keypair("//Alice"), "Timestamp.set", (7,), nonce=0),
        9,
        MANDATORY,
        dry=BAD_MANDATORY,
    ),
    "inherent": invalid(
        lambda n: n.chain.api.inherents({b"timstap0": bytes(8)})[0], 0, CALL, dry=BAD_MANDATORY
    ),
    "unsigned call": unknown(lambda _: make_unsigned(b"\0\0\0"), 1, VALIDATOR),
    "account index": unknown(lambda n: from_address(n, b"\1"), 0, LOOKUP),
    "raw address": unknown(lambda n: from_address(n, b"\2\x0cabc"), 0, LOOKUP),
    "address of 20 bytes": unknown(lambda n: from_address(n, b"\4" + bytes(20)), 0, LOOKUP),
}


def expired(node: DevNode, birth_number: int) -> bytes:
    """Return a remark whose era began in a block and ended four blocks later."""
    era = mortal_era(4, birth_number)
    call = node.chain.api.runtime.calls.make("System", "remark", b"hi").encoded()
    extra = encode_era(era) + encode_compact(1) + encode_compact(0)
    version, genesis, birth = node.chain.api.version, node.chain.hash_at(0), node.chain.hash_at(birth_number)
    assert genesis is not None
    assert birth is not None
    versions = version.spec_version.to_bytes(4, "little") + version.transaction_version.to_bytes(4, "little")
    payload = call + extra + versions + genesis + birth
    return seal_envelope(ALICE, Scheme.SR25519, keypair("//Alice").sign(payload), extra, call)


async def make(node: DevNode, case: Refused) -> bytes:
    """Return the extrinsic of a case, made when it is due."""
    if case.late:
        await node.call("author_submitExtrinsic", h(remark(node, size=3)))
        for _ in range(8):
            await node.block()
    return case.make(node)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
async def test_refusal_has_its_code_message_and_data(name: str) -> None:
    async with DevNode() as node:
        case = CASES[name]
        raw = await make(node, case)
        assert await node.fail("author_submitExtrinsic", h(raw)) == case.error
        assert (await node.fail("author_submitAndWatchExtrinsic", h(raw)))[0] in {case.error[0], 1012}
        assert await node.call("author_pendingExtrinsics") == []
        assert node.host.pool.status.ready == node.host.pool.status.future == 0
        assert node.notices == []
        assert await node.block()


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
async def test_runtime_api_and_dry_run_tell_the_same_verdict(name: str) -> None:
    async with DevNode() as node:
        case = CASES[name]
        raw = await make(node, case)
        dry = case.verdict if case.dry is None else case.dry
        assert await node.call("system_dryRun", h(raw)) == h(b"\1" + dry)
        argument = h(b"\2" + raw + node.chain.head.hash)
        answer = await node.send("state_call", "TaggedTransactionQueue_validate_transaction", argument)
        assert answer.get("result") == h(b"\1" + case.verdict)


async def test_extrinsics_are_taken_up_to_the_heaviest_and_the_longest() -> None:
    async with DevNode() as node:
        await node.call("author_submitExtrinsic", h(as_multi(node, heaviest(node))))
        await node.block()
        assert system(node).get_account(ALICE).nonce == 1
        dropped = (
            1016,
            "Immediately Dropped",
            "The transaction couldn't enter the pool because of the limit",
        )
        assert await node.fail("author_submitExtrinsic", h(of_length(node, LONGEST + 1))) == dropped
        await node.call("author_submitExtrinsic", h(of_length(node, LONGEST)))
        await node.block()
        assert system(node).get_account(ALICE).nonce == 2


async def test_banned_and_replaced_transactions_have_their_messages() -> None:
    async with DevNode() as node:
        bad = remark(node, good=False)
        await node.fail("author_submitExtrinsic", h(bad))
        banned = (1012, "Transaction is temporarily banned", None)
        assert await node.fail("author_submitExtrinsic", h(bad)) == banned
        await node.call("author_submitExtrinsic", h(remark(node, tip=5)))
        assert await node.fail("author_submitExtrinsic", h(remark(node, size=3, tip=5))) == (
            1014,
            "Priority is too low: (5 vs 5)",
            "The transaction has too low priority to replace another transaction already in the pool.",
        )


@pytest.mark.parametrize("form", [b"\1", b"\2\x0cabc", b"\4" + bytes(20)])
async def test_fee_does_not_depend_on_who_the_sender_is(form: bytes) -> None:
    """Not even on whether there is such an account: only length and weight count."""
    async with DevNode() as node:
        right = remark(node)
        raw = from_address(node, form)
        assert len(raw) < len(right)
        argument = h(raw + len(right).to_bytes(4, "little"))
        told = await node.call("state_call", "TransactionPaymentApi_query_info", argument)
        assert int.from_bytes(bytes.fromhex(told[-32:]), "little") == await fee_of(node, right)
        per_byte = node.chain.api.runtime.pallet("TransactionPayment").config.fee_per_byte
        assert await fee_of(node, right) - await fee_of(node, raw) == per_byte * (len(right) - len(raw))
        details = await node.call("payment_queryFeeDetails", h(raw))
        whole = await node.call("payment_queryFeeDetails", h(right))
        assert details["inclusionFee"]["baseFee"] == whole["inclusionFee"]["baseFee"]


# --- the edges of the existential deposit


async def applied(node: DevNode, raw: bytes) -> list[Event]:
    """Submit an extrinsic, make a block and return its events beside the inherent's."""
    await node.call("author_submitExtrinsic", h(raw))
    await node.block()
    records = system(node).events.get()
    return [record.event for record in records if getattr(record.phase, "field_0", 0) == 1]


async def endow(node: DevNode, uri: str, amount: int, *, nonce: int) -> AccountId:
    """Give a new account so much of Alice's."""
    who = AccountId(keypair(uri).account_id)
    await applied(node, transfer(node.chain.api, "//Alice", who, amount=amount, nonce=nonce))
    assert system(node).get_account(who).data.free == amount
    return who


async def fee_of(node: DevNode, raw: bytes) -> int:
    return int((await node.call("payment_queryInfo", h(raw)))["partialFee"])


def verdict(found: list[Event]) -> object:
    """Return the error of the extrinsic whose events these are, None when it succeeded."""
    last = found[-1]
    assert isinstance(last, System.ExtrinsicSuccess | System.ExtrinsicFailed)
    return last.dispatch_error if isinstance(last, System.ExtrinsicFailed) else None


async def test_fee_and_tip_may_take_an_account_to_the_existential_deposit_and_no_further() -> None:
    async with DevNode() as node:
        poor = await endow(node, "//Poor", UNIT, nonce=0)
        tip = 0
        for _ in range(3):  # the tip's own length is part of the fee
            tip = UNIT - ED - await fee_of(node, remark(node, "//Poor", tip=tip))
        too_much = h(remark(node, "//Poor", tip=tip + 1))
        assert await node.fail("author_submitExtrinsic", too_much) == (1010, INVALID, PAYMENT)
        assert verdict(await applied(node, remark(node, "//Poor", tip=tip))) is None
        assert system(node).get_account(poor).data.free == ED


async def test_new_account_needs_the_existential_deposit() -> None:
    async with DevNode() as node:
        stranger = AccountId(keypair("//Stranger").account_id)
        small = transfer(node.chain.api, "//Alice", stranger, amount=ED - 1, nonce=0)
        assert verdict(await applied(node, small)) == TokenValue(TokenReason.BelowMinimum)
        enough = transfer(node.chain.api, "//Alice", stranger, amount=ED, nonce=1)
        found = await applied(node, enough)
        assert verdict(found) is None
        assert money.Endowed(stranger, ED) in found


async def test_sender_that_would_fall_below_is_kept_or_reaped_as_the_call_says() -> None:
    async with DevNode() as node:
        who = await endow(node, "//Poor", UNIT, nonce=0)
        keep = sign_transfer(node, "transfer_keep_alive", UNIT, nonce=0)
        fee = await fee_of(node, keep)
        left = UNIT - fee - (ED - 1)  # after the fee, this leaves one unit less than the deposit
        kept = await applied(node, sign_transfer(node, "transfer_keep_alive", left, nonce=0))
        assert verdict(kept) == TokenValue(TokenReason.NotExpendable)
        rest = system(node).get_account(who).data.free
        fee = await fee_of(node, sign_transfer(node, "transfer_allow_death", rest, nonce=1))
        gone = await applied(node, sign_transfer(node, "transfer_allow_death", rest - fee - 7, nonce=1))
        assert verdict(gone) is None
        assert {System.KilledAccount(who), money.DustLost(who, 7)} <= set(gone)
        assert not system(node).exists(who)
        again = remark(node, "//Poor", nonce=2)
        assert await node.fail("author_submitExtrinsic", h(again)) == (1010, INVALID, PAYMENT)


def sign_transfer(node: DevNode, name: str, amount: int, *, nonce: int) -> bytes:
    args = (AddressId(FERDIE), amount)
    return sign(node.chain.api, keypair("//Poor"), f"Balances.{name}", args, nonce=nonce)
