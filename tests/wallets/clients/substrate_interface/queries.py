"""Scenarios that read with substrate-interface: metadata, constants, storage, headers and subscriptions."""

import threading
from collections.abc import Callable
from typing import Any

from substrateinterface import (  # type: ignore[import-not-found]  # lives in the client's own environment
    SubstrateInterface,
)

from tests.wallets.clients.substrate_interface.session import Session, blake2_256

PALLETS = {
    "System",
    "Timestamp",
    "Balances",
    "Assets",
    "TransactionPayment",
    "Utility",
    "Multisig",
    "Proxy",
    "Sudo",
}


def connect(session: Session) -> object:
    chain = session.open()
    try:
        assert chain.chain
        assert chain.name
        assert chain.version
        assert chain.ss58_format == 42
        assert chain.properties["ss58Format"] == 42
        assert chain.token_decimals is not None
        assert chain.token_symbol
        return {"chain": chain.chain, "name": chain.name, "version": chain.version}
    finally:
        chain.close()


def metadata(session: Session) -> object:
    chain = session.chain
    names = {pallet["name"] for pallet in chain.get_metadata_modules()}
    assert names >= PALLETS, PALLETS - names
    transfer = chain.get_metadata_call_function("Balances", "transfer_keep_alive").value
    assert [field["name"] for field in transfer["fields"]] == ["dest", "value"]
    assert transfer["docs"], "calls carry their documentation"
    assert chain.get_metadata_error("Balances", "InsufficientBalance").docs, (
        "errors carry their documentation"
    )
    assert chain.get_metadata_event("Balances", "Transfer") is not None
    assert chain.get_metadata_storage_function("System", "Account") is not None
    return sorted(names)


def constants(session: Session) -> object:
    chain = session.chain
    version = chain.get_constant("System", "Version").value
    told = chain.rpc_request("state_getRuntimeVersion", [])["result"]
    assert version["spec_name"] == told["specName"]
    assert version["spec_version"] == told["specVersion"] == chain.runtime_version
    assert version["transaction_version"] == told["transactionVersion"] == chain.transaction_version
    count = chain.get_constant("System", "BlockHashCount").value
    assert count >= 512
    assert count & (count - 1) == 0
    assert chain.get_constant("System", "SS58Prefix").value == 42
    assert session.deposit_minimum > 0
    return version["spec_version"]


def account_query(session: Session) -> None:
    for key in (session.main, session.stash, session.edwards):
        account = session.chain.query("System", "Account", [key.ss58_address]).value
        assert account["data"]["free"] > 100 * session.amount
        assert account["providers"] >= 1
    empty = session.chain.query("System", "Account", [session.recipient("nobody").ss58_address]).value
    assert empty["nonce"] == 0
    assert empty["data"]["free"] == 0
    assert session.chain.query("Timestamp", "Now").value > 1_600_000_000_000


def multi_query(session: Session) -> None:
    addresses = [k.ss58_address for k in (session.main, session.stash, session.recipient("nobody"))]
    keys = [session.chain.create_storage_key("System", "Account", [address]) for address in addresses]
    keys.append(session.chain.create_storage_key("Balances", "TotalIssuance"))
    *accounts, issuance = [value.value for _, value in session.chain.query_multi(keys)]
    assert [account["data"]["free"] > 0 for account in accounts] == [True, True, False]
    assert issuance > accounts[0]["data"]["free"]


def map_iteration(session: Session) -> object:
    block_hash = session.chain.get_chain_finalised_head()
    pages = {}
    for size in (3, 100):
        result = session.chain.query_map("System", "Account", page_size=size, block_hash=block_hash)
        pages[size] = [(address.value, account.value) for address, account in result]
    assert pages[3] == pages[100], "the size of a page does not matter"
    found = dict(pages[3])
    assert len(found) == len(pages[3]), "no account twice"
    assert {key.ss58_address for key in (session.main, session.stash, session.edwards)} <= found.keys()
    return len(found)


def storage_subscription(session: Session) -> None:
    recipient = session.recipient("subscription")
    key = session.chain.create_storage_key("System", "Account", [recipient.ss58_address])
    first_seen = threading.Event()
    seen: list[int] = []

    def sender() -> None:
        assert first_seen.wait(30)
        other = Session(session.endpoint, session.account)
        other.send_well(other.transfer(recipient.ss58_address), other.main)
        other.chain.close()

    def on_change(_key: Any, account: Any, _number: int, _id: Any) -> Any:
        seen.append(account.value["data"]["free"])
        first_seen.set()
        return seen if len(seen) == 2 else None

    thread = threading.Thread(target=sender)
    thread.start()
    session.chain.subscribe_storage([key], on_change)
    thread.join(30)
    assert seen[1] - seen[0] == session.amount


def runtime_version_subscription(session: Session) -> object:
    def on_version(message: Any, _number: int, _id: Any) -> Any:
        return message["params"]["result"]

    told = session.chain.rpc_request("state_subscribeRuntimeVersion", [], result_handler=on_version)
    version = session.chain.get_constant("System", "Version").value
    assert told["specVersion"] == version["spec_version"]
    assert told["specName"] == version["spec_name"]
    return told["specVersion"]


def header_hash(session: Session) -> object:
    headers: list[Any] = []

    def on_header(block: Any, _number: int, _id: Any) -> Any:
        headers.append(block["header"])
        return headers if len(headers) == 3 else None

    session.chain.subscribe_block_headers(on_header)
    for number in (0, *(header["number"] for header in headers)):
        told = session.chain.rpc_request("chain_getBlockHash", [number])["result"]
        assert _computed_hash(session, told) == told, number
    assert headers[1]["parentHash"] == session.chain.get_block_hash(headers[0]["number"])
    return headers[2]["number"]


def _computed_hash(session: Session, block_hash: str) -> str:
    """The library trusts hashes, so the header's SCALE bytes are put together with its codecs here."""
    header = session.chain.rpc_request("chain_getHeader", [block_hash])["result"]
    number = session.chain.encode_scale("Compact<u32>", int(header["number"], 16)).data
    logs = [bytes.fromhex(log[2:]) for log in header["digest"]["logs"]]
    count = session.chain.encode_scale("Compact<u32>", len(logs)).data
    roots = (bytes.fromhex(header[name][2:]) for name in ("parentHash", "stateRoot", "extrinsicsRoot"))
    parent, state, extrinsics = roots
    return blake2_256(parent + bytes(number) + state + extrinsics + bytes(count) + b"".join(logs))


def block_author(session: Session) -> object:
    """The author of a block, found in the digest and Session.Validators.

    The library takes every engine it does not know, such as that of the time, for an error of decoding.
    """
    head = session.chain.get_chain_finalised_head()
    block = session.chain.get_block(head, include_author=True, ignore_decoding_errors=True)
    assert block["author"] in session.chain.query("Session", "Validators").value
    return block["author"]


def over_http(session: Session) -> None:
    chain = SubstrateInterface(url=session.endpoint.replace("ws:", "http:"), auto_discover=False)
    account = chain.query("System", "Account", [session.stash.ss58_address]).value
    assert account["data"]["free"] == session.free(session.stash.ss58_address)
    chain.close()


SCENARIOS: dict[str, Callable[[Session], object]] = {
    scenario.__name__: scenario
    for scenario in (
        connect,
        metadata,
        constants,
        account_query,
        multi_query,
        map_iteration,
        storage_subscription,
        runtime_version_subscription,
        header_hash,
        block_author,
        over_http,
    )
}
