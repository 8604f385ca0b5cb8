"""Scenarios that read with async-substrate-interface: metadata, constants, storage, subscriptions."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.wallets.clients.async_substrate.session import Session, blake2_256

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


async def connect(session: Session) -> object:
    chain = await session.open()
    try:
        properties = await chain.properties
        assert properties["ss58Format"] == 42
        assert await chain.token_decimals is not None
        assert await chain.token_symbol
        assert await chain.name
        assert await chain.version
        return properties
    finally:
        await chain.close()


async def metadata(session: Session) -> object:
    chain = session.chain
    names = {pallet["name"] for pallet in await chain.get_metadata_modules()}
    assert names >= PALLETS, PALLETS - names
    transfer = (await chain.get_metadata_call_function("Balances", "transfer_keep_alive")).value
    assert [field["name"] for field in transfer["fields"]] == ["dest", "value"]
    assert transfer["docs"], "calls carry their documentation"
    assert (await chain.get_metadata_error("Balances", "InsufficientBalance")).docs
    functions = await chain.get_metadata_runtime_call_functions()
    told = {(str(function["api"]), str(function["method"])) for function in functions}
    assert {
        ("AccountNonceApi", "account_nonce"),
        ("TransactionPaymentApi", "query_info"),
        ("Core", "version"),
    } <= told
    return sorted(names)


async def constants(session: Session) -> object:
    async def constant(pallet: str, name: str) -> Any:
        return (await session.chain.get_constant(pallet, name)).value

    version = await constant("System", "Version")
    told = (await session.chain.rpc_request("state_getRuntimeVersion", []))["result"]
    assert version["spec_name"] == told["specName"]
    assert version["spec_version"] == told["specVersion"]
    assert version["transaction_version"] == told["transactionVersion"]
    count = await constant("System", "BlockHashCount")
    assert count >= 512
    assert count & (count - 1) == 0
    assert await constant("System", "SS58Prefix") == 42
    assert await constant("Balances", "ExistentialDeposit") > 0
    return version["spec_version"]


async def account_query(session: Session) -> None:
    for key in (session.main, session.stash, session.edwards):
        account = await session.query("System", "Account", key.ss58_address)
        assert account["data"]["free"] > 100 * session.amount
        assert account["providers"] >= 1
    empty = await session.query("System", "Account", session.recipient("nobody").ss58_address)
    assert empty["nonce"] == 0
    assert empty["data"]["free"] == 0
    assert await session.query("Timestamp", "Now") > 1_600_000_000_000


async def multi_query(session: Session) -> None:
    addresses = [k.ss58_address for k in (session.main, session.stash, session.recipient("nobody"))]
    keys = [await session.chain.create_storage_key("System", "Account", [address]) for address in addresses]
    keys.append(await session.chain.create_storage_key("Balances", "TotalIssuance"))
    *accounts, issuance = [value for _, value in await session.chain.query_multi(keys)]
    assert [account["data"]["free"] > 0 for account in accounts] == [True, True, False]
    assert issuance > accounts[0]["data"]["free"]


async def map_iteration(session: Session) -> object:
    block_hash = await session.chain.get_chain_finalised_head()
    pages: dict[int, list[Any]] = {}
    for size in (3, 100):
        result = await session.chain.query_map("System", "Account", page_size=size, block_hash=block_hash)
        pages[size] = [(address, account) async for address, account in result]
    assert repr(pages[3]) == repr(pages[100]), "the size of a page does not matter"
    found = {getattr(address, "value", address) for address, _ in pages[3]}
    assert len(found) == len(pages[3]), "no account twice"
    assert {key.ss58_address for key in (session.main, session.stash, session.edwards)} <= found
    return len(found)


async def storage_subscription(session: Session) -> None:
    """The library fails on the default of an absent account and on a handler that ends its subscription.

    So the watched account exists, and the subscription is cancelled instead.
    """
    watched = session.edwards.ss58_address
    key = await session.chain.create_storage_key("System", "Account", [watched])
    seen: asyncio.Queue[int] = asyncio.Queue()

    async def on_change(_key: Any, account: Any, _id: str) -> None:
        seen.put_nowait(account["data"]["free"])

    async with asyncio.TaskGroup() as tasks:
        subscription = tasks.create_task(session.chain.subscribe_storage([key], on_change))
        before = await seen.get()
        await session.send_well(await session.transfer(watched), session.main)
        after = await seen.get()
        subscription.cancel()
    assert after - before == session.amount


async def runtime_version_subscription(session: Session) -> object:
    async def on_version(message: dict[str, Any], _id: str) -> tuple[Any, bool]:
        return message, "params" in message

    payload = session.chain.make_payload("subscribe", "state_subscribeRuntimeVersion", [])
    answers = await session.chain._make_rpc_request([payload], result_handler=on_version)
    told = answers["subscribe"][-1]["params"]["result"]
    version = (await session.chain.get_constant("System", "Version")).value
    assert told["specVersion"] == version["spec_version"]
    assert told["specName"] == version["spec_name"]
    return told["specVersion"]


async def header_hash(session: Session) -> object:
    headers: list[Any] = []

    async def on_header(block: Any) -> Any:
        headers.append(block["header"])
        return headers if len(headers) == 3 else None

    await session.chain.subscribe_block_headers(on_header)
    for number in (0, *(header["number"] for header in headers)):
        told = (await session.chain.rpc_request("chain_getBlockHash", [number]))["result"]
        assert await _computed_hash(session, told) == told, number
    assert headers[1]["parentHash"] == await session.chain.get_block_hash(headers[0]["number"])
    return headers[2]["number"]


async def _computed_hash(session: Session, block_hash: str) -> str:
    """The library trusts hashes, so the header's SCALE bytes are put together with its codecs here."""
    header = (await session.chain.rpc_request("chain_getHeader", [block_hash]))["result"]
    logs = [bytes.fromhex(log[2:]) for log in header["digest"]["logs"]]
    number, count = [
        bytes(await session.chain.encode_scale("Compact<u32>", value))
        for value in (int(header["number"], 16), len(logs))
    ]
    parent, state, extrinsics = [
        bytes.fromhex(header[k][2:]) for k in ("parentHash", "stateRoot", "extrinsicsRoot")
    ]
    return blake2_256(parent + number + state + extrinsics + count + b"".join(logs))


async def runtime_calls(session: Session) -> object:
    """Several calls in one JSON-RPC batch, all at one block."""
    address = session.main.ss58_address
    nonce, version = await session.chain.runtime_calls(
        [("AccountNonceApi", "account_nonce", [address]), ("Core", "version", None)]
    )
    assert nonce == (await session.query("System", "Account", address))["nonce"]
    assert (
        version["spec_version"]
        == (await session.chain.get_constant("System", "Version")).value["spec_version"]
    )
    return nonce


async def block_author(session: Session) -> object:
    """The author of a block, found in the digest and Session.Validators.

    The library takes every engine it does not know, such as that of the time, for an error of decoding.
    """
    head = await session.chain.get_chain_finalised_head()
    block = await session.chain.get_block(head, include_author=True, ignore_decoding_errors=True)
    assert block["author"] in await session.query("Session", "Validators")
    return block["author"]


SCENARIOS: dict[str, Callable[[Session], Awaitable[object]]] = {
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
        runtime_calls,
        block_author,
    )
}
