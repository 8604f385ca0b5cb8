"""One substrate-interface connection with its accounts, and how scenarios send transactions."""

import hashlib
from typing import Any

from substrateinterface import (  # type: ignore[import-not-found]  # lives in the client's own environment
    Keypair,
    KeypairType,
    SubstrateInterface,
)

DEV_SEED = bytes.fromhex("fac7959dbfe72f052e5a0c3c8d6530f202b02fd8f9f5ca3580ec8deb7797479e")
ERA_PERIOD = 64


def blake2_256(data: bytes) -> str:
    """The 0x-hex blake2b-256 digest of the bytes."""
    return "0x" + hashlib.blake2b(data, digest_size=32).hexdigest()


def sr25519(uri: str) -> Any:
    """The sr25519 key pair of a derivation path below the development mnemonic."""
    return Keypair.create_from_uri(uri, ss58_format=42)


def ed25519(name: str) -> Any:
    """The ed25519 key pair of //name, derived here because the library does it for sr25519 only."""
    junction = bytes([len(name) << 2]) + name.encode()
    tag = b"Ed25519HDKD"
    parts = bytes([len(tag) << 2]) + tag + DEV_SEED + junction.ljust(32, b"\0")
    seed = hashlib.blake2b(parts, digest_size=32).digest()
    return Keypair.create_from_seed(seed, ss58_format=42, crypto_type=KeypairType.ED25519)


class Session:
    def __init__(self, endpoint: str, account: str) -> None:
        self.endpoint = endpoint
        self.account = account
        self.chain = self.open()
        self.main = sr25519(f"//{account}")
        self.stash = sr25519(f"//{account}//stash")
        self.edwards = ed25519(account)
        self.sudo = sr25519("//Alice")
        self.deposit_minimum = self.chain.get_constant("Balances", "ExistentialDeposit").value
        self.amount = self.deposit_minimum * 1000

    def open(self) -> Any:
        return SubstrateInterface(url=self.endpoint, auto_discover=False, use_remote_preset=False)

    def recipient(self, scenario: str) -> Any:
        """An account that only the named scenario of this client uses."""
        return sr25519(f"//wallet//{self.account}//{scenario}")

    def free(self, address: str, block_hash: str | None = None) -> int:
        account = self.chain.query("System", "Account", [address], block_hash=block_hash)
        return int(account.value["data"]["free"])

    def call(self, pallet: str, name: str, **arguments: Any) -> Any:
        return self.chain.compose_call(pallet, name, arguments)

    def transfer(self, address: str, amount: int | None = None) -> Any:
        value = self.amount if amount is None else amount
        return self.call("Balances", "transfer_keep_alive", dest=address, value=value)

    def next_index(self, address: str) -> int:
        return int(self.chain.rpc_request("system_accountNextIndex", [address])["result"])

    def sign(self, call: Any, signer: Any, **options: Any) -> Any:
        options.setdefault("era", {"period": ERA_PERIOD})
        return self.chain.create_signed_extrinsic(call, signer, **options)

    def send(self, call: Any, signer: Any, **options: Any) -> Any:
        """Send and wait for finality."""
        return self.chain.submit_extrinsic(self.sign(call, signer, **options), wait_for_finalization=True)

    def send_well(self, call: Any, signer: Any, **options: Any) -> Any:
        """Send, wait for inclusion alone, and insist that the dispatch succeeded."""
        extrinsic = self.sign(call, signer, **options)
        receipt = self.chain.submit_extrinsic(extrinsic, wait_for_inclusion=True)
        assert receipt.is_success, receipt.error_message
        return receipt

    def events(self, receipt: Any, pallet: str, name: str) -> list[Any]:
        """The attributes of each event of that name among the transaction's events."""
        events = [record.value["event"] for record in receipt.triggered_events]
        return [e["attributes"] for e in events if (e["module_id"], e["event_id"]) == (pallet, name)]

    def event(self, receipt: Any, pallet: str, name: str) -> Any:
        (attributes,) = self.events(receipt, pallet, name)
        return attributes

    def included(self, receipt: Any) -> Any:
        """The transaction as it stands in its block."""
        return self.chain.get_block(receipt.block_hash)["extrinsics"][receipt.extrinsic_idx]
