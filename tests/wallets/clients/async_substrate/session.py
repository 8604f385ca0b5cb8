"""One async-substrate-interface connection with its accounts, and how scenarios send transactions."""

import hashlib
from typing import Any

from async_substrate_interface import (  # type: ignore[import-not-found]  # lives in the client's own environment
    AsyncSubstrateInterface,
)

from tests.wallets.clients.async_substrate.keys import Ed25519Pair, Sr25519Pair

ERA_PERIOD = 64


def blake2_256(data: bytes) -> str:
    """The 0x-hex blake2b-256 digest of the bytes."""
    return "0x" + hashlib.blake2b(data, digest_size=32).hexdigest()


class Session:
    """`connect` completes it; every scenario runs after that."""

    def __init__(self, endpoint: str, account: str) -> None:
        self.endpoint = endpoint
        self.account = account
        self.chain: Any = None
        self.amount = 0
        self.main = Sr25519Pair(f"//{account}")
        self.stash = Sr25519Pair(f"//{account}//stash")
        self.edwards = Ed25519Pair(f"//{account}")
        self.sudo = Sr25519Pair("//Alice")

    async def open(self) -> Any:
        chain = AsyncSubstrateInterface(self.endpoint, ss58_format=42, max_retries=1, ws_shutdown_timer=None)
        await chain.initialize()
        return chain

    async def connect(self) -> None:
        if self.chain is None:
            chain = await self.open()
            self.deposit_minimum = (await chain.get_constant("Balances", "ExistentialDeposit")).value
            self.amount = self.deposit_minimum * 1000
            self.chain = chain

    def recipient(self, scenario: str) -> Sr25519Pair:
        """An account that only the named scenario of this client uses."""
        return Sr25519Pair(f"//wallet//{self.account}//{scenario}")

    async def query(self, pallet: str, item: str, *keys: Any, block_hash: str | None = None) -> Any:
        return (await self.chain.query(pallet, item, list(keys), block_hash=block_hash)).value

    async def free(self, address: str, block_hash: str | None = None) -> int:
        account = await self.query("System", "Account", address, block_hash=block_hash)
        return int(account["data"]["free"])

    async def call(self, pallet: str, name: str, **arguments: Any) -> Any:
        return await self.chain.compose_call(pallet, name, arguments)

    async def transfer(self, address: str, amount: int | None = None) -> Any:
        value = self.amount if amount is None else amount
        return await self.call("Balances", "transfer_keep_alive", dest=address, value=value)

    async def sign(self, call: Any, signer: Any, **options: Any) -> Any:
        options.setdefault("era", {"period": ERA_PERIOD})
        return await self.chain.create_signed_extrinsic(call, signer, **options)

    async def send(self, call: Any, signer: Any, **options: Any) -> Any:
        """Send and wait for finality."""
        extrinsic = await self.sign(call, signer, **options)
        return await self.chain.submit_extrinsic(extrinsic, wait_for_finalization=True)

    async def send_well(self, call: Any, signer: Any, **options: Any) -> Any:
        """Send, wait for inclusion alone, and insist that the dispatch succeeded."""
        extrinsic = await self.sign(call, signer, **options)
        receipt = await self.chain.submit_extrinsic(extrinsic, wait_for_inclusion=True)
        assert await receipt.is_success, await receipt.error_message
        return receipt

    async def events(self, receipt: Any, pallet: str, name: str) -> list[Any]:
        """The attributes of each event of that name among the transaction's events."""
        events = [record["event"] for record in await receipt.triggered_events]
        return [e["attributes"] for e in events if (e["module_id"], e["event_id"]) == (pallet, name)]

    async def event(self, receipt: Any, pallet: str, name: str) -> Any:
        (attributes,) = await self.events(receipt, pallet, name)
        return attributes

    async def included(self, receipt: Any) -> Any:
        """The transaction as it stands in its block."""
        block = await self.chain.get_block(receipt.block_hash)
        return block["extrinsics"][await receipt.extrinsic_idx].value
