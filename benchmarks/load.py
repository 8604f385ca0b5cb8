"""The load generator: accounts, signed transfers, and a WebSocket client that sends them in JSON-RPC batches.

Runs in a process of its own beside the node. Keys and signatures are made before the clock starts.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.extrinsic import seal_envelope, signed_message
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import encode_compact
from runtime.primitives.ss58 import encode_address
from runtime.primitives.types import AccountId

TRANSFER_KEEP_ALIVE = bytes([10, 3])
ENDOWMENT = 10**18
FRAME_MAX = 64 * 1024 * 1024


def make_accounts(count: int) -> list[Keypair]:
    """Return `count` key pairs, sr25519 and ed25519 in turn, the same in every run."""
    schemes = (Scheme.SR25519, Scheme.ED25519)
    return [
        Keypair.from_seed(blake2_256(b"load" + i.to_bytes(4, "big")), schemes[i % 2]) for i in range(count)
    ]


def make_spec(plain: dict[str, Any], accounts: Sequence[Keypair]) -> bytes:
    """Return a chain spec whose genesis endows the accounts, from a built-in one."""
    balances = plain["genesis"]["runtimeGenesis"]["config"]["balances"]["balances"]
    balances += [[encode_address(pair.account_id, 42), str(ENDOWMENT)] for pair in accounts]
    return json.dumps(plain).encode()


@dataclass(frozen=True, slots=True)
class Signing:
    """What every signed payload contains beside the call and the nonce."""

    spec_version: int
    transaction_version: int
    genesis: bytes


def sign_transfers(accounts: Sequence[Keypair], count: int, signing: Signing) -> list[str]:
    """Return `count` transfers as JSON-RPC hex strings: senders in turn, receivers over all accounts."""
    return sign_calls(accounts, [encode_transfer(accounts, i) for i in range(count)], signing)


def encode_transfer(accounts: Sequence[Keypair], number: int) -> bytes:
    """Return the call of one of many transfers, each of another amount."""
    dest = accounts[(number * 7919 + 1) % len(accounts)].account_id
    return TRANSFER_KEEP_ALIVE + b"\0" + dest + encode_compact(1_000 + number)


def sign_calls(
    accounts: Sequence[Keypair], calls: Sequence[bytes], signing: Signing, sent: int = 0
) -> list[str]:
    """Return calls as JSON-RPC hex strings, signed by the accounts in turn, who have sent so many before."""
    total = len(accounts)
    tail = (
        signing.spec_version.to_bytes(4, "little")
        + signing.transaction_version.to_bytes(4, "little")
        + signing.genesis * 2
    )
    signed: list[str] = []
    for i, call in enumerate(calls, sent):
        sender = accounts[i % total]
        extra = b"\0" + encode_compact(i // total) + b"\0"
        signature = sender.sign(signed_message(call + extra + tail))
        raw = seal_envelope(AccountId(sender.account_id), sender.scheme, signature, extra, call)
        signed.append("0x" + raw.hex())
    return signed


def make_batches(transfers: Sequence[str], size: int) -> list[bytes]:
    """Return JSON-RPC messages of `size` submissions each; 1 gives single calls."""
    calls = [
        {"jsonrpc": "2.0", "id": i, "method": "author_submitExtrinsic", "params": [raw]}
        for i, raw in enumerate(transfers)
    ]
    if size == 1:
        return [orjson.dumps(call) for call in calls]
    return [orjson.dumps(calls[i : i + size]) for i in range(0, len(calls), size)]


@dataclass(slots=True)
class Sent:
    """What the sender saw."""

    accepted: int = 0
    refused: int = 0
    first_error: str = ""


async def send_batches(url: str, batches: Sequence[bytes], window: int, seconds: float) -> Sent:
    """Send batches with at most `window` unanswered until all are sent or the time is over."""
    sent = Sent()
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, max_msg_size=FRAME_MAX, compress=0) as socket,
    ):
        end = time.perf_counter() + seconds
        position = outstanding = 0
        while outstanding or (position < len(batches) and time.perf_counter() < end):
            while outstanding < window and position < len(batches) and time.perf_counter() < end:
                await socket.send_bytes(batches[position])
                position += 1
                outstanding += 1
            if not outstanding:
                break
            answer = orjson.loads((await socket.receive()).data)
            outstanding -= 1
            for one in answer if isinstance(answer, list) else [answer]:
                if "result" in one:
                    sent.accepted += 1
                else:
                    sent.refused += 1
                    sent.first_error = sent.first_error or str(one)[:300]
    return sent


async def probe_health(url: str, period_s: float, latencies: list[float]) -> None:
    """Ask `system_health` over a connection of its own for ever, noting how long each answer took."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        while True:
            start = time.perf_counter()
            await socket.send_str('{"jsonrpc":"2.0","id":1,"method":"system_health","params":[]}')
            await socket.receive()
            latencies.append(time.perf_counter() - start)
            await asyncio.sleep(period_s)
