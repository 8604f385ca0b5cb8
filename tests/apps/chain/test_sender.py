"""A call takes effect once or not at all, whatever happens to the connection and the node's pool."""

import asyncio

import pytest

from apps.chain.client import PERIOD, Chain, Signed
from apps.chain.errors import ConnectionLost, Expired, OutcomeUnknown, Refused, RpcFailure, Superseded
from apps.chain.sender import Sender
from apps.chain.values import Encoded
from tests.apps.chain.fake_node import until
from tests.apps.chain.ledger import Ledger, connected_to
from tests.support.chain import keypair

pytestmark = pytest.mark.net

ALICE_KEY = keypair("//Alice")


def remark(chain: Chain, text: bytes = b"hi") -> Encoded:
    return chain.call("System", "remark", remark=text)


async def test_a_call_ends_in_a_finalized_block() -> None:
    ledger = Ledger()
    async with connected_to(ledger) as chain:
        outcome = await Sender(chain, ALICE_KEY).send(remark(chain))
    assert outcome.is_success
    assert (outcome.block.number, outcome.extrinsic) == (2, 0)
    assert [event.name for event in outcome.events] == ["ExtrinsicSuccess"]


async def test_a_call_that_fails_has_its_error_by_name() -> None:
    ledger = Ledger("forget")
    async with connected_to(ledger) as chain:
        sending = asyncio.gather(Sender(chain, ALICE_KEY).send(remark(chain)))
        await until(lambda: bool(ledger.submitted))
        ledger.failing.update(ledger.submitted)
        (outcome,) = await sending
    assert outcome.failure is not None
    assert str(outcome.failure) == "Balances.InsufficientBalance"
    assert outcome.failure.docs


async def test_many_calls_of_one_account_have_nonces_in_order() -> None:
    ledger = Ledger()
    async with connected_to(ledger) as chain:
        sender = Sender(chain, ALICE_KEY, in_flight_max=8)
        outcomes = await asyncio.gather(*(sender.send(remark(chain, b"%d" % n)) for n in range(30)))
    assert sorted(outcome.block.number for outcome in outcomes) == list(range(2, 32))
    assert len(set(ledger.submitted)) == 30


@pytest.mark.parametrize(
    "script",
    [
        ("forget",),
        ("forget", "forget", "forget"),
        ("call_invalid", 1012),
        (1016, 1021, -32006),
        ("forget", 1010, 1013, 1014),
        ("call_invalid", "forget", 1012),
        (1013, 1012, 1010),
    ],
    ids=str,
)
async def test_the_same_bytes_are_submitted_until_they_come_in(script: tuple[str | int, ...]) -> None:
    ledger = Ledger(*script)
    async with connected_to(ledger) as chain:
        outcome = await Sender(chain, ALICE_KEY).send(remark(chain))
    assert outcome.is_success
    assert len(ledger.submitted) == len(script) + 1
    assert len(set(ledger.submitted)) == 1


async def test_what_came_in_unheard_is_found_and_not_sent_again() -> None:
    ledger = Ledger("include_and_hang_up")
    async with connected_to(ledger) as chain:
        sender = Sender(chain, ALICE_KEY)
        first = await sender.send(remark(chain))
        second = await sender.send(remark(chain))
    assert (first.block.number, second.block.number) == (2, 3)
    assert len(ledger.submitted) == 2


@pytest.mark.parametrize("code", [1001, 1010, 1011, 1012, 1014, -32602])
async def test_what_no_node_has_taken_is_refused_and_its_nonce_used_again(code: int) -> None:
    ledger = Ledger(code)
    async with connected_to(ledger) as chain:
        sender = Sender(chain, ALICE_KEY)
        with pytest.raises(Refused) as caught:
            await sender.send(remark(chain))
        assert isinstance(caught.value.failure, RpcFailure)
        assert caught.value.failure.code == code
        assert (await sender.send(remark(chain))).is_success
    assert ledger.nonces() == [0, 0]


async def test_a_transaction_whose_era_has_passed_expires_and_its_nonce_is_used_again() -> None:
    ledger = Ledger("leave_no_block")
    async with connected_to(ledger) as chain:
        sender = Sender(chain, ALICE_KEY)
        with pytest.raises(Expired):
            await sender.send(remark(chain))
        assert (await sender.send(remark(chain, b"later"))).is_success
    assert ledger.nonces() == [0, 0]


async def test_a_transaction_is_not_given_up_before_its_era_has_passed() -> None:
    ledger = Ledger("leave_one_block", 1012)
    async with connected_to(ledger) as chain:
        outcome = await Sender(chain, ALICE_KEY).send(remark(chain))
    assert outcome.block.number == PERIOD
    assert ledger.nonces() == [0]


async def test_a_nonce_that_another_transaction_took_is_reported_and_the_chain_asked_again() -> None:
    ledger = Ledger("supersede")
    async with connected_to(ledger) as chain:
        sender = Sender(chain, ALICE_KEY)
        with pytest.raises(Superseded):
            await sender.send(remark(chain))
        assert (await sender.send(remark(chain))).is_success
    assert ledger.nonces() == [0, 3]


@pytest.mark.parametrize("method", ["accountNextIndex", "getFinalizedHead", "getHeader"])
async def test_a_connection_that_is_lost_while_signing_is_waited_for(method: str) -> None:
    ledger = Ledger()
    async with connected_to(ledger) as chain:
        ledger.hang_ups.add(method)
        assert (await Sender(chain, ALICE_KEY).send(remark(chain))).is_success
    assert ledger.nonces() == [0]


@pytest.mark.parametrize("method", ["getStorage", "getBlock", "getBlockHash", "getHeader"])
async def test_a_connection_that_is_lost_while_looking_up_is_waited_for(method: str) -> None:
    ledger = Ledger("include_and_hang_up", 1010, 1010)
    async with connected_to(ledger) as chain:
        sending = asyncio.gather(Sender(chain, ALICE_KEY).send(remark(chain)))
        await until(lambda: bool(ledger.submitted))
        ledger.hang_ups.add(method)
        (outcome,) = await sending
    assert outcome.is_success
    assert not ledger.hang_ups
    assert len(ledger.blocks) == 3


async def test_a_call_that_is_not_waited_for_takes_effect_and_leaves_no_gap() -> None:
    ledger = Ledger("forget", "forget")
    async with connected_to(ledger) as chain:
        sender = Sender(chain, ALICE_KEY)
        sending = asyncio.gather(sender.send(remark(chain, b"unheard")))
        await until(lambda: bool(ledger.submitted))
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert (await sender.send(remark(chain))).is_success
        await until(lambda: len(ledger.blocks) == 4)
    assert len(set(ledger.submitted)) == 2


async def test_who_waits_when_the_chain_is_left_is_told() -> None:
    ledger = Ledger("hold")
    async with connected_to(ledger) as chain:
        sending = asyncio.gather(Sender(chain, ALICE_KEY).send(remark(chain)), return_exceptions=True)
        await until(lambda: bool(ledger.submitted))
    assert [type(one) for one in await sending] == [ConnectionLost]


async def test_no_more_calls_than_the_limit_are_under_way() -> None:
    ledger = Ledger(*["forget"] * 4)
    async with connected_to(ledger, in_flight_max=64) as chain:
        sender = Sender(chain, ALICE_KEY, in_flight_max=2)
        await asyncio.gather(*(sender.send(remark(chain, b"%d" % n)) for n in range(4)))
    first_two = list(dict.fromkeys(ledger.submitted))[:2]
    assert set(ledger.submitted[:4]) == set(first_two)


# --- senders that end in between


async def noted(ledger: Ledger, *, calls: int = 1) -> list[Signed]:
    """Return what a sender noted that ended before it heard of any outcome."""
    kept: list[Signed] = []

    async def note(signed: Signed) -> None:
        kept.append(signed)

    async with connected_to(ledger) as chain:
        sender = Sender(chain, ALICE_KEY)
        sending = asyncio.gather(*(sender.send(remark(chain), note=note) for _ in range(calls)))
        await until(lambda: len(ledger.submitted) == calls)
        assert [f"0x{one.extrinsic.hex()}" for one in kept] == ledger.submitted  # noted before
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return kept


async def test_what_another_sender_has_signed_is_sent_on_and_its_nonce_not_used_again() -> None:
    ledger = Ledger("hold", "hold")
    kept = await noted(ledger, calls=2)
    async with connected_to(ledger) as chain:
        sender = Sender(chain, ALICE_KEY)
        outcomes = await asyncio.gather(*(sender.resume(one) for one in kept))
        assert all(outcome.is_success for outcome in outcomes)
        assert (await sender.send(remark(chain))).is_success
    assert ledger.nonces() == [0, 1, 2]


async def test_what_came_in_meanwhile_is_found_by_the_next_sender() -> None:
    ledger = Ledger("hold", 1012)
    (signed,) = await noted(ledger)
    ledger.add(ledger.submitted[0])
    async with connected_to(ledger) as chain:
        outcome = await Sender(chain, ALICE_KEY).resume(signed)
    assert (outcome.block.number, len(set(ledger.submitted))) == (2, 1)


async def test_what_expired_meanwhile_is_said_to_be_and_its_nonce_used_again() -> None:
    ledger = Ledger("hold", 1010)
    (signed,) = await noted(ledger)
    ledger.blocks += [[] for _ in range(PERIOD + 1 - len(ledger.blocks))]
    async with connected_to(ledger) as chain:
        sender = Sender(chain, ALICE_KEY)
        with pytest.raises(Expired):
            await sender.resume(signed)
        assert (await sender.send(remark(chain, b"later"))).is_success
    assert ledger.nonces() == [0, 0]


async def test_what_cannot_be_noted_is_not_sent_and_its_nonce_used_again() -> None:
    async def note(_: Signed) -> None:
        raise OSError("no space")

    ledger = Ledger()
    async with connected_to(ledger) as chain:
        sender = Sender(chain, ALICE_KEY, in_flight_max=1)
        for _ in range(3):
            with pytest.raises(OSError, match="no space"):
                await sender.send(remark(chain), note=note)
        assert ledger.submitted == []
        assert (await sender.send(remark(chain))).is_success
    assert ledger.nonces() == [0]


async def test_a_call_is_noted_after_it_is_signed_and_before_it_is_sent() -> None:
    ledger = Ledger()
    noted: list[tuple[Signed, int]] = []

    async def note(signed: Signed) -> None:
        noted.append((signed, len(ledger.submitted)))

    async with connected_to(ledger) as chain:
        outcome = await Sender(chain, ALICE_KEY).send(remark(chain), note=note)
    assert outcome.is_success
    assert [(f"0x{signed.extrinsic.hex()}", sent) for signed, sent in noted] == [(ledger.submitted[0], 0)]


@pytest.mark.parametrize(
    "script",
    [("include",), ("forget",), (1012, 1010), (1013,), ("call_invalid",)],
    ids=str,
)
async def test_a_call_of_an_earlier_sender_is_gone_on_with(script: tuple[str | int, ...]) -> None:
    ledger = Ledger(*script)
    async with connected_to(ledger) as chain:
        signed = await chain.sign(remark(chain), ALICE_KEY, nonce=0)
        sender = Sender(chain, ALICE_KEY)
        outcome = await sender.resume(signed)
        assert outcome.is_success
        assert set(ledger.submitted) == {f"0x{signed.extrinsic.hex()}"}
        assert (await sender.send(remark(chain))).is_success
    assert ledger.nonces() == [0, 1]


async def test_a_refused_nonce_that_somebody_else_used_is_not_tried_for_ever() -> None:
    ledger = Ledger(1010)
    async with connected_to(ledger) as chain:
        sender = Sender(chain, ALICE_KEY)
        with pytest.raises(Refused):
            await sender.send(remark(chain))
        for _ in range(3):
            ledger.add("0x00")
        assert (await sender.send(remark(chain))).is_success
    assert ledger.nonces() == [0, 3]


async def test_a_connection_that_is_lost_while_resuming_is_waited_for() -> None:
    ledger = Ledger()
    ledger.hang_ups.add("accountNextIndex")
    async with connected_to(ledger) as chain:
        signed = await chain.sign(remark(chain), ALICE_KEY, nonce=0)
        assert (await Sender(chain, ALICE_KEY).resume(signed)).is_success


async def test_an_outcome_whose_state_is_discarded_is_unknown_and_not_waited_for() -> None:
    ledger = Ledger("include_and_discard")
    async with connected_to(ledger) as chain:
        sender = Sender(chain, ALICE_KEY)
        with pytest.raises(OutcomeUnknown, match="no state of block 2"):
            await sender.send(remark(chain))
        ledger.discarded_below = 0
        assert (await sender.send(remark(chain))).is_success
    assert ledger.nonces() == [0, 1]


async def test_a_state_that_is_discarded_for_a_moment_only_is_read_again() -> None:
    ledger = Ledger("include_and_discard")
    ledger.discards_to_tell = 2
    async with connected_to(ledger) as chain:
        assert (await Sender(chain, ALICE_KEY).send(remark(chain))).block.number == 2
