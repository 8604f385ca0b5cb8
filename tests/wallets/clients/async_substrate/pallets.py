"""Scenarios of Utility, Multisig, Proxy, Assets and Sudo with async-substrate-interface."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from tests.wallets.clients.async_substrate.session import Session

ABSENT_ASSET = 4_000_000_000
WEIGHT = {"ref_time": 1_000_000_000, "proof_size": 100_000}
OK = ("Ok", {"Ok": ()}, {"Ok": None})


async def batch_all(session: Session) -> None:
    recipients = [session.recipient(f"batch//{number}").ss58_address for number in (1, 2)]
    before = [await session.free(address) for address in recipients]
    calls = [await session.transfer(address) for address in recipients]
    receipt = await session.send_well(await session.call("Utility", "batch_all", calls=calls), session.main)
    assert len(await session.events(receipt, "Utility", "ItemCompleted")) == 2
    assert len(await session.events(receipt, "Utility", "BatchCompleted")) == 1
    gains = [await session.free(address) - old for address, old in zip(recipients, before, strict=True)]
    assert gains == [session.amount] * 2


async def batch_interrupted(session: Session) -> None:
    recipient = session.recipient("interrupted").ss58_address
    before = await session.free(recipient)
    absent = await session.call("Assets", "transfer", id=ABSENT_ASSET, target=recipient, amount=1)
    calls = [await session.transfer(recipient), absent, await session.transfer(recipient)]
    receipt = await session.send_well(await session.call("Utility", "batch", calls=calls), session.main)
    interrupted = await session.event(receipt, "Utility", "BatchInterrupted")
    assert interrupted["index"] == 1
    module = interrupted["error"]["Module"]
    runtime = await session.chain.init_runtime()
    error = runtime.metadata.get_module_error(module["index"], int(module["error"][2:4], 16))
    assert error.name == "Unknown"
    assert await session.free(recipient) - before == session.amount


async def multisig(session: Session) -> None:
    signers = (session.main, session.stash, session.edwards)
    addresses = [signer.ss58_address for signer in signers]
    account = session.chain.generate_multisig_account(addresses, 2)
    await session.send_well(await session.transfer(account.ss58_address, 3 * session.amount), session.main)
    recipient = session.recipient("multisig").ss58_address
    before = await session.free(recipient)
    inner = await session.transfer(recipient)
    call_hash = "0x" + inner.call_hash.hex()

    def others(signer: Any) -> list[str]:
        rest = sorted(other.public_key for other in signers if other is not signer)
        return ["0x" + key.hex() for key in rest]

    async def approve(signer: Any, when: Any) -> Any:
        rest = others(signer)
        call = await session.call(
            "Multisig",
            "as_multi",
            threshold=2,
            other_signatories=rest,
            maybe_timepoint=when,
            call=inner,
            max_weight=WEIGHT,
        )
        return await session.send_well(call, signer)

    opened = await session.event(await approve(session.main, None), "Multisig", "NewMultisig")
    assert opened["multisig"] == account.ss58_address, "the client computes the address"
    assert opened["call_hash"] == call_hash
    open_ = await session.query("Multisig", "Multisigs", account.ss58_address, call_hash)
    assert open_["approvals"] == [session.main.ss58_address]
    receipt = await approve(session.stash, open_["when"])
    assert (await session.event(receipt, "Multisig", "MultisigExecuted"))["result"] in OK
    assert await session.free(recipient) - before == session.amount


async def proxy(session: Session) -> None:
    main, stash = session.main.ss58_address, session.stash.ss58_address
    recipient = session.recipient("proxy").ss58_address
    before = await session.free(recipient)
    definition = {"delegate": main, "proxy_type": "Any", "delay": 0}
    await session.send_well(await session.call("Proxy", "add_proxy", **definition), session.stash)
    proxies, _ = await session.query("Proxy", "Proxies", stash)
    assert proxies[0]["delegate"] == main
    inner = await session.transfer(recipient)
    used = await session.call("Proxy", "proxy", real=stash, force_proxy_type=None, call=inner)
    receipt = await session.send_well(used, session.main)
    assert (await session.event(receipt, "Proxy", "ProxyExecuted"))["result"] in OK
    assert (await session.event(receipt, "Balances", "Transfer"))["from"] == stash
    assert await session.free(recipient) - before == session.amount
    await session.send_well(await session.call("Proxy", "remove_proxy", **definition), session.stash)
    assert (await session.query("Proxy", "Proxies", stash))[1] == 0, "the deposit is given back"


async def assets(session: Session) -> None:
    main, stash = session.main.ss58_address, session.stash.ss58_address
    identity = 1_000_000 + secrets.randbelow(1_000_000_000)

    async def run(name: str, **arguments: Any) -> Any:
        return await session.send_well(
            await session.call("Assets", name, id=identity, **arguments), session.main
        )

    created = await run("create", admin=main, min_balance=10)
    assert (await session.event(created, "Assets", "Created"))["asset_id"] == identity
    minted = await run("mint", beneficiary=main, amount=1_000_000)
    assert (await session.event(minted, "Assets", "Issued"))["amount"] == 1_000_000
    moved = await run("transfer", target=stash, amount=1234)
    assert (await session.event(moved, "Assets", "Transferred"))["amount"] == 1234
    details = await session.query("Assets", "Asset", identity)
    assert (details["supply"], details["owner"], details["accounts"]) == (1_000_000, main, 2)
    balances = [(await session.query("Assets", "Account", identity, who))["balance"] for who in (main, stash)]
    assert balances == [1_000_000 - 1234, 1234]
    entries = await session.chain.query_map("Assets", "Account", [identity])
    holders = {getattr(key, "value", key) async for key, _ in entries}
    assert holders == {main, stash}, "a double map is listed by its first key"


async def sudo(session: Session) -> None:
    assert await session.query("Sudo", "Key") == session.sudo.ss58_address
    recipient = session.recipient("sudo").ss58_address
    inner = await session.call("Balances", "force_set_balance", who=recipient, new_free=7 * session.amount)
    session.chain.clear_nonce_cache_for_account(session.sudo.ss58_address)
    receipt = await session.send_well(await session.call("Sudo", "sudo", call=inner), session.sudo)
    assert (await session.event(receipt, "Sudo", "Sudid"))["sudo_result"] in OK
    assert await session.free(recipient) == 7 * session.amount
    refused = await session.send(await session.call("Sudo", "sudo", call=inner), session.main)
    assert (await refused.error_message)["name"] in ("RequireSudo", "BadOrigin")


SCENARIOS: dict[str, Callable[[Session], Awaitable[object]]] = {
    scenario.__name__: scenario for scenario in (batch_all, batch_interrupted, multisig, proxy, assets, sudo)
}
