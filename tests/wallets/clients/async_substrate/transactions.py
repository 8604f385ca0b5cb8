"""Scenarios of the transaction path with async-substrate-interface: events, fees, nonces, refusals."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from async_substrate_interface.errors import (  # type: ignore[import-not-found]  # lives in the client's environment
    SubstrateRequestException,
)

from tests.wallets.clients.async_substrate.session import Session, blake2_256


async def _transfer_from(session: Session, signer: Any, scenario: str, scheme: str) -> object:
    recipient = session.recipient(scenario).ss58_address
    before = await session.free(recipient)
    receipt = await session.send(await session.transfer(recipient), signer)
    assert receipt.finalized
    assert await receipt.is_success, await receipt.error_message
    assert await session.free(recipient) - before == session.amount
    included = await session.included(receipt)
    assert included["era"] != "00", "the era is mortal"
    assert included["address"] == signer.ss58_address
    assert list(included["signature"]) == [scheme]
    return receipt.block_hash


async def transfer_sr25519(session: Session) -> object:
    return await _transfer_from(session, session.main, "sr25519", "Sr25519")


async def transfer_ed25519(session: Session) -> object:
    return await _transfer_from(session, session.edwards, "ed25519", "Ed25519")


async def events(session: Session) -> None:
    recipient = session.recipient("events").ss58_address
    receipt = await session.send_well(await session.transfer(recipient), session.main)
    sender = session.main.ss58_address
    moved = {"from": sender, "to": recipient, "amount": session.amount}
    assert await session.event(receipt, "Balances", "Transfer") == moved
    paid = await session.event(receipt, "TransactionPayment", "TransactionFeePaid")
    assert paid["who"] == sender
    assert paid["actual_fee"] > 0
    assert paid["tip"] == 0
    info = (await session.event(receipt, "System", "ExtrinsicSuccess"))["dispatch_info"]
    assert info["class"] == "Normal"
    assert info["pays_fee"] == "Yes"
    assert info["weight"]["ref_time"] > 0


async def module_error(session: Session) -> object:
    stash = session.stash.ss58_address
    absent = await session.call("Assets", "transfer", id=4_000_000_000, target=stash, amount=1)
    receipt = await session.send(absent, session.main)
    assert not await receipt.is_success
    error = await receipt.error_message
    assert (error["type"], error["name"]) == ("Module", "Unknown")
    assert error["docs"], "the error explains itself"
    nobody = session.recipient("nobody").ss58_address
    stranger = await session.call("Proxy", "remove_proxy", delegate=nobody, proxy_type="Any", delay=0)
    receipt = await session.send(stranger, session.main)
    assert (await receipt.error_message)["name"] == "NotFound"
    return error


async def fee(session: Session) -> object:
    """Fees follow the fullness of blocks; the fee told holds for the next block, so try until that is met.

    The stash pays: the main account may be a validator's, which earns the fees of its blocks.
    """
    call = await session.transfer(session.recipient("fee").ss58_address)
    while True:
        best = await session.chain.get_chain_head()
        told = (await session.chain.get_payment_info(call, session.stash, era={"period": 64}))["partial_fee"]
        before = await session.free(session.stash.ss58_address)
        receipt = await session.send_well(call, session.stash)
        paid = await receipt.total_fee_amount
        assert before - await session.free(session.stash.ss58_address) == session.amount + paid
        if (await session.chain.get_block_header(receipt.block_hash))["header"]["parentHash"] == best:
            assert told == paid, "the fee told equals the fee charged"
            return paid


async def tip(session: Session) -> None:
    call = await session.transfer(session.recipient("tip").ss58_address)
    receipt = await session.send_well(call, session.main, tip=session.deposit_minimum)
    paid = await session.event(receipt, "TransactionPayment", "TransactionFeePaid")
    assert paid["tip"] == session.deposit_minimum
    assert paid["actual_fee"] > paid["tip"], "the fee contains the tip"


async def nonce_from_pool(session: Session) -> None:
    recipient = session.recipient("nonce").ss58_address
    address = session.main.ss58_address
    before = await session.free(recipient)
    first = await session.chain.get_account_next_index(address, use_cache=False)
    extrinsic = await session.sign(await session.transfer(recipient), session.main, nonce=first)
    await session.chain.submit_extrinsic(extrinsic)
    second = await session.chain.get_account_next_index(address, use_cache=False)
    assert second == first + 1
    await session.send_well(await session.transfer(recipient), session.main, nonce=second)
    assert await session.free(recipient) - before == 2 * session.amount


async def concurrent_transfers(session: Session) -> None:
    """Several coroutines send for one account at once; the library counts the nonces up itself."""
    recipient = session.recipient("concurrent").ss58_address
    before = await session.free(recipient)
    session.chain.clear_nonce_cache_for_account(session.stash.ss58_address)
    calls = [await session.transfer(recipient) for _ in range(3)]
    receipts = await asyncio.gather(*(session.send(call, session.stash) for call in calls))
    assert all([await receipt.is_success for receipt in receipts])
    assert await session.free(recipient) - before == 3 * session.amount


async def historical_query(session: Session) -> None:
    recipient = session.recipient("history").ss58_address
    receipt = await session.send_well(await session.transfer(recipient), session.main)
    header = (await session.chain.get_block_header(receipt.block_hash))["header"]
    before = await session.free(recipient, header["parentHash"])
    assert await session.free(recipient, receipt.block_hash) - before == session.amount


async def extrinsic_hash(session: Session) -> object:
    extrinsic = await session.sign(
        await session.transfer(session.recipient("hash").ss58_address), session.main
    )
    receipt = await session.chain.submit_extrinsic(extrinsic)
    computed = blake2_256(bytes(extrinsic.data.data))
    assert receipt.extrinsic_hash == computed == "0x" + extrinsic.extrinsic_hash.hex()
    while True:
        block = await session.chain.get_block(finalized_only=True)
        if computed in {"0x" + e.extrinsic_hash.hex() for e in block["extrinsics"] if e.extrinsic_hash}:
            return computed
        await asyncio.sleep(0.2)


async def long_payload(session: Session) -> None:
    remark = b"\x5a" * 300
    call = await session.call("System", "remark_with_event", remark="0x" + remark.hex())
    receipt = await session.send_well(call, session.main)
    remarked = await session.event(receipt, "System", "Remarked")
    assert remarked == {"sender": session.main.ss58_address, "hash": blake2_256(remark)}


async def immortal(session: Session) -> None:
    call = await session.transfer(session.recipient("immortal").ss58_address)
    receipt = await session.send_well(call, session.main, era="00")
    assert (await session.included(receipt))["era"] == "00"


async def _refusal(session: Session, signer: Any, **options: Any) -> str:
    """Send twice, since a transaction refused once is banned: for the whole answer and for what is raised."""
    first, second = [
        await session.sign(await session.transfer(session.stash.ss58_address, amount), signer, **options)
        for amount in (session.amount, session.amount + 1)
    ]
    session.chain.clear_nonce_cache_for_account(signer.ss58_address)
    payload = session.chain.make_payload("send", "author_submitExtrinsic", [str(first.data)])
    answer = (await session.chain._make_rpc_request([payload]))["send"][0]["error"]
    assert answer["code"] == 1010
    refused: object = None
    try:
        await session.chain.submit_extrinsic(second)
    except SubstrateRequestException as refusal:
        refused = refusal.args[0]
    assert refused == answer["message"]
    data: str = answer["data"]
    return data


async def stale_nonce(session: Session) -> None:
    if await session.chain.get_account_nonce(session.main.ss58_address) == 0:
        await session.send_well(await session.transfer(session.stash.ss58_address), session.main)
    assert "outdated" in await _refusal(session, session.main, nonce=0)


async def bad_signature(session: Session) -> None:
    forged = b"\x01" + b"\x55" * 63 + b"\x85"
    assert "bad signature" in await _refusal(session, session.main, signature=forged)


async def unfunded(session: Session) -> None:
    assert "fees" in await _refusal(session, session.recipient("nobody"))


SCENARIOS: dict[str, Callable[[Session], Awaitable[object]]] = {
    scenario.__name__: scenario
    for scenario in (
        transfer_sr25519,
        transfer_ed25519,
        events,
        module_error,
        fee,
        tip,
        nonce_from_pool,
        concurrent_transfers,
        historical_query,
        extrinsic_hash,
        long_payload,
        immortal,
        stale_nonce,
        bad_signature,
        unfunded,
    )
}
