"""Scenarios of the transaction path with substrate-interface: events, fees, nonces, refusals."""

import threading
import time
from collections.abc import Callable
from typing import Any

from substrateinterface.exceptions import (  # type: ignore[import-not-found]  # lives in the client's environment
    SubstrateRequestException,
)

from tests.wallets.clients.substrate_interface.session import ERA_PERIOD, Session, blake2_256


def _refused(session: Session, extrinsic: Any) -> dict[str, Any]:
    try:
        session.chain.submit_extrinsic(extrinsic)
    except SubstrateRequestException as refusal:
        error: dict[str, Any] = refusal.args[0]
        return error
    raise AssertionError("the transaction was accepted")


def _transfer_from(session: Session, signer: Any, scenario: str, scheme: str) -> object:
    recipient = session.recipient(scenario).ss58_address
    before = session.free(recipient)
    receipt = session.send(session.transfer(recipient), signer)
    assert receipt.finalized
    assert receipt.is_success, receipt.error_message
    assert session.free(recipient) - before == session.amount
    included = session.included(receipt).value
    assert included["era"] != "00", "the era is mortal"
    assert included["address"] == signer.ss58_address
    assert list(included["signature"]) == [scheme]
    return receipt.block_hash


def transfer_sr25519(session: Session) -> object:
    return _transfer_from(session, session.main, "sr25519", "Sr25519")


def transfer_ed25519(session: Session) -> object:
    return _transfer_from(session, session.edwards, "ed25519", "Ed25519")


def events(session: Session) -> None:
    recipient = session.recipient("events").ss58_address
    receipt = session.send_well(session.transfer(recipient), session.main)
    sender = session.main.ss58_address
    moved = {"from": sender, "to": recipient, "amount": session.amount}
    assert session.event(receipt, "Balances", "Transfer") == moved
    paid = session.event(receipt, "TransactionPayment", "TransactionFeePaid")
    assert paid["who"] == sender
    assert paid["actual_fee"] > 0
    assert paid["tip"] == 0
    info = session.event(receipt, "System", "ExtrinsicSuccess")["dispatch_info"]
    assert info["class"] == "Normal"
    assert info["pays_fee"] == "Yes"
    assert info["weight"]["ref_time"] > 0


def module_error(session: Session) -> object:
    absent = session.call("Assets", "transfer", id=4_000_000_000, target=session.stash.ss58_address, amount=1)
    receipt = session.send(absent, session.main)
    assert not receipt.is_success
    assert (receipt.error_message["type"], receipt.error_message["name"]) == ("Module", "Unknown")
    assert receipt.error_message["docs"], "the error explains itself"
    nobody = session.recipient("nobody").ss58_address
    stranger = session.call("Proxy", "remove_proxy", delegate=nobody, proxy_type="Any", delay=0)
    receipt = session.send(stranger, session.main)
    assert receipt.error_message["name"] == "NotFound"
    return receipt.error_message


def fee(session: Session) -> object:
    """Fees follow the fullness of blocks; the fee told holds for the next block, so try until that is met.

    The stash pays: the main account may be a validator's, which earns the fees of its blocks.
    """
    call = session.transfer(session.recipient("fee").ss58_address)
    while True:
        best = session.chain.get_chain_head()
        told = session.chain.get_payment_info(call, session.stash)["partialFee"]
        before = session.free(session.stash.ss58_address)
        receipt = session.send_well(call, session.stash, era="00")
        paid = receipt.total_fee_amount
        assert before - session.free(session.stash.ss58_address) == session.amount + paid
        if session.chain.get_block_header(receipt.block_hash)["header"]["parentHash"] == best:
            assert told == paid, "the fee told equals the fee charged"
            return paid


def tip(session: Session) -> None:
    call = session.transfer(session.recipient("tip").ss58_address)
    receipt = session.send_well(call, session.main, tip=session.deposit_minimum)
    paid = session.event(receipt, "TransactionPayment", "TransactionFeePaid")
    assert paid["tip"] == session.deposit_minimum
    assert paid["actual_fee"] > paid["tip"], "the fee contains the tip"


def nonce_from_pool(session: Session) -> None:
    recipient = session.recipient("nonce").ss58_address
    address = session.main.ss58_address
    before = session.free(recipient)
    first = session.next_index(address)
    call = session.transfer(recipient)
    session.chain.submit_extrinsic(session.sign(call, session.main, nonce=first))
    second = session.next_index(address)
    assert second == first + 1
    session.send_well(call, session.main, nonce=second)
    assert session.free(recipient) - before == 2 * session.amount


def historical_query(session: Session) -> None:
    recipient = session.recipient("history").ss58_address
    receipt = session.send_well(session.transfer(recipient), session.main)
    header = session.chain.get_block_header(receipt.block_hash)["header"]
    before = session.free(recipient, header["parentHash"])
    assert session.free(recipient, receipt.block_hash) - before == session.amount
    session.chain.init_runtime()


def extrinsic_hash(session: Session) -> object:
    extrinsic = session.sign(session.transfer(session.recipient("hash").ss58_address), session.main)
    receipt = session.chain.submit_extrinsic(extrinsic)
    computed = blake2_256(bytes(extrinsic.data.data))
    assert receipt.extrinsic_hash == computed == "0x" + extrinsic.extrinsic_hash.hex()
    while True:
        block = session.chain.get_block()
        if computed in {"0x" + e.extrinsic_hash.hex() for e in block["extrinsics"] if e.extrinsic_hash}:
            return computed
        time.sleep(0.2)


def long_payload(session: Session) -> None:
    remark = b"\x5a" * 300
    call = session.call("System", "remark_with_event", remark="0x" + remark.hex())
    receipt = session.send_well(call, session.main)
    remarked = session.event(receipt, "System", "Remarked")
    assert remarked == {"sender": session.main.ss58_address, "hash": blake2_256(remark)}


def immortal(session: Session) -> None:
    call = session.transfer(session.recipient("immortal").ss58_address)
    assert session.included(session.send_well(call, session.main, era="00")).value["era"] == "00"


def mortal_era_of_short_period(session: Session) -> None:
    call = session.transfer(session.recipient("short").ss58_address)
    included = session.included(session.send_well(call, session.main, era={"period": ERA_PERIOD // 16}))
    assert included.value["era"][0] == ERA_PERIOD // 16


def stale_nonce(session: Session) -> None:
    if session.chain.get_account_nonce(session.main.ss58_address) == 0:
        session.send_well(session.transfer(session.stash.ss58_address), session.main)
    error = _refused(
        session, session.sign(session.transfer(session.stash.ss58_address), session.main, nonce=0)
    )
    assert error["code"] == 1010
    assert "outdated" in error["data"]


def bad_signature(session: Session) -> None:
    call = session.transfer(session.stash.ss58_address)
    extrinsic = session.sign(call, session.main, signature=b"\x01" + b"\x55" * 63 + b"\x85")
    error = _refused(session, extrinsic)
    assert error["code"] == 1010
    assert "bad signature" in error["data"]


def unfunded(session: Session) -> None:
    error = _refused(
        session, session.sign(session.transfer(session.stash.ss58_address), session.recipient("nobody"))
    )
    assert error["code"] == 1010
    assert "fees" in error["data"]


def two_connections(session: Session) -> None:
    """Two connections of one program send at the same time and both see their transaction final.

    They are opened one after the other: types that the library makes are classes which all its connections
    share, and one thread may look for a class while another one makes it.
    """
    signers = {"main": session.main, "stash": session.stash}
    others = {name: Session(session.endpoint, session.account) for name in signers}
    calls = {name: other.transfer(session.recipient("pair").ss58_address) for name, other in others.items()}
    done: list[str] = []

    def send(name: str) -> None:
        receipt = others[name].send(calls[name], signers[name])
        if receipt.is_success and receipt.finalized:
            done.append(name)

    threads = [threading.Thread(target=send, args=(name,)) for name in signers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for other in others.values():
        other.chain.close()
    assert sorted(done) == sorted(signers)


SCENARIOS: dict[str, Callable[[Session], object]] = {
    scenario.__name__: scenario
    for scenario in (
        transfer_sr25519,
        transfer_ed25519,
        events,
        module_error,
        fee,
        tip,
        nonce_from_pool,
        historical_query,
        extrinsic_hash,
        long_payload,
        immortal,
        mortal_era_of_short_period,
        stale_nonce,
        bad_signature,
        unfunded,
        two_connections,
    )
}
