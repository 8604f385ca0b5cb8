"""Scenarios of Utility, Multisig, Proxy, Assets and Sudo with substrate-interface."""

import secrets
from collections.abc import Callable

from tests.wallets.clients.substrate_interface.session import Session

ABSENT_ASSET = 4_000_000_000


def batch_all(session: Session) -> None:
    recipients = [session.recipient(f"batch//{number}").ss58_address for number in (1, 2)]
    before = [session.free(address) for address in recipients]
    batch = session.call("Utility", "batch_all", calls=[session.transfer(address) for address in recipients])
    receipt = session.send_well(batch, session.main)
    assert len(session.events(receipt, "Utility", "ItemCompleted")) == 2
    assert len(session.events(receipt, "Utility", "BatchCompleted")) == 1
    assert [session.free(address) - old for address, old in zip(recipients, before, strict=True)] == [
        session.amount
    ] * 2


def batch_interrupted(session: Session) -> None:
    recipient = session.recipient("interrupted").ss58_address
    before = session.free(recipient)
    absent = session.call("Assets", "transfer", id=ABSENT_ASSET, target=recipient, amount=1)
    calls = [session.transfer(recipient), absent, session.transfer(recipient)]
    receipt = session.send_well(session.call("Utility", "batch", calls=calls), session.main)
    interrupted = session.event(receipt, "Utility", "BatchInterrupted")
    assert interrupted["index"] == 1
    module = interrupted["error"]["Module"]
    error = session.chain.metadata.get_module_error(module["index"], int(module["error"][2:4], 16))
    assert error.name == "Unknown"
    assert session.free(recipient) - before == session.amount


def multisig(session: Session) -> None:
    chain = session.chain
    signers = (session.main, session.stash, session.edwards)
    account = chain.generate_multisig_account([signer.ss58_address for signer in signers], 2)
    session.send_well(session.transfer(account.ss58_address, 3 * session.amount), session.main)
    recipient = session.recipient("multisig").ss58_address
    before = session.free(recipient)
    call = session.transfer(recipient)
    weight = {"ref_time": 1_000_000_000, "proof_size": 100_000}

    approval = chain.create_multisig_extrinsic(call, session.main, account, max_weight=weight)
    receipt = chain.submit_extrinsic(approval, wait_for_inclusion=True)
    assert receipt.is_success, receipt.error_message
    opened = session.event(receipt, "Multisig", "NewMultisig")
    assert opened["multisig"] == account.ss58_address, "the client computes the address"
    assert opened["call_hash"] == "0x" + call.call_hash.hex()
    open_ = chain.query("Multisig", "Multisigs", [account.ss58_address, "0x" + call.call_hash.hex()]).value
    assert open_["approvals"] == [session.main.ss58_address]

    final = chain.create_multisig_extrinsic(call, session.stash, account, max_weight=weight)
    receipt = chain.submit_extrinsic(final, wait_for_inclusion=True)
    assert receipt.is_success, receipt.error_message
    assert session.event(receipt, "Multisig", "MultisigExecuted")["result"] in (
        "Ok",
        {"Ok": ()},
        {"Ok": None},
    )
    assert session.free(recipient) - before == session.amount


def proxy(session: Session) -> None:
    main, stash = session.main.ss58_address, session.stash.ss58_address
    recipient = session.recipient("proxy").ss58_address
    before = session.free(recipient)
    definition = {"delegate": main, "proxy_type": "Any", "delay": 0}
    session.send_well(session.call("Proxy", "add_proxy", **definition), session.stash)
    proxies, _ = session.chain.query("Proxy", "Proxies", [stash]).value
    assert proxies[0]["delegate"] == main
    inner = session.transfer(recipient)
    used = session.call("Proxy", "proxy", real=stash, force_proxy_type=None, call=inner)
    receipt = session.send_well(used, session.main)
    assert session.event(receipt, "Proxy", "ProxyExecuted")["result"] in ("Ok", {"Ok": ()}, {"Ok": None})
    assert session.event(receipt, "Balances", "Transfer")["from"] == stash
    assert session.free(recipient) - before == session.amount
    session.send_well(session.call("Proxy", "remove_proxy", **definition), session.stash)
    assert session.chain.query("Proxy", "Proxies", [stash]).value[1] == 0, "the deposit is given back"


def assets(session: Session) -> None:
    main, stash = session.main.ss58_address, session.stash.ss58_address
    identity = 1_000_000 + secrets.randbelow(1_000_000_000)
    created = session.send_well(
        session.call("Assets", "create", id=identity, admin=main, min_balance=10), session.main
    )
    assert session.event(created, "Assets", "Created")["asset_id"] == identity
    mint = session.call("Assets", "mint", id=identity, beneficiary=main, amount=1_000_000)
    assert session.event(session.send_well(mint, session.main), "Assets", "Issued")["amount"] == 1_000_000
    moved = session.send_well(
        session.call("Assets", "transfer", id=identity, target=stash, amount=1234), session.main
    )
    assert session.event(moved, "Assets", "Transferred")["amount"] == 1234
    details = session.chain.query("Assets", "Asset", [identity]).value
    assert (details["supply"], details["owner"], details["accounts"]) == (1_000_000, main, 2)
    balances = [
        session.chain.query("Assets", "Account", [identity, who]).value["balance"] for who in (main, stash)
    ]
    assert balances == [1_000_000 - 1234, 1234]
    holders = {key.value for key, _ in session.chain.query_map("Assets", "Account", [identity])}
    assert holders == {main, stash}, "a double map is listed by its first key"


def sudo(session: Session) -> None:
    assert session.chain.query("Sudo", "Key").value == session.sudo.ss58_address
    recipient = session.recipient("sudo").ss58_address
    inner = session.call("Balances", "force_set_balance", who=recipient, new_free=7 * session.amount)
    receipt = session.send_well(session.call("Sudo", "sudo", call=inner), session.sudo)
    assert session.event(receipt, "Sudo", "Sudid")["sudo_result"] in ("Ok", {"Ok": ()}, {"Ok": None})
    assert session.free(recipient) == 7 * session.amount
    refused = session.send(session.call("Sudo", "sudo", call=inner), session.main)
    assert refused.error_message["name"] in ("RequireSudo", "BadOrigin")


SCENARIOS: dict[str, Callable[[Session], object]] = {
    scenario.__name__: scenario for scenario in (batch_all, batch_interrupted, multisig, proxy, assets, sudo)
}
