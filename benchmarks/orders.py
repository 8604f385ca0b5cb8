"""Orders of the energy market through a real node, beside plain transfers: accepted, filled and refunded.

`python -m benchmarks.orders` starts one authority, or with `--validators` several, on a chain whose accounts
have WATT, an identity and licences, and `ZONES` zones with an auction in every slot. All accounts register;
then the node gets pre-signed transfers for some seconds, and then pre-signed orders for as long, bids and
offers around one price, slot after slot, so that gates close while later slots still take orders. The line
has the rates and processor times of both, those of orders until the last one is filled or refunded and its
slot cleared, and how they compare with and without the processor time of empty blocks. A run fails in which
an order that was sent did not reach its book, in which one is left, or in which a slot has no price.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.load import (
    Signing,
    encode_transfer,
    make_accounts,
    make_batches,
    make_spec,
    send_batches,
    sign_calls,
)
from benchmarks.measure import Meter, progress, report
from benchmarks.throughput import Watch, call, drained, follow, running_nodes, until_up
from genesis.chain_spec import load_spec, parse_spec
from node.clock import SystemClock
from pallets.energy_trading.grid_types import wheeling_pot_of
from runtime.primitives.block import hash_header
from runtime.primitives.crypto import Keypair
from runtime.primitives.hashing import twox128
from runtime.primitives.ss58 import encode_address

ZONES: Final = 8
SLOT_MS: Final = 10_000
QUICK_SLOT_MS: Final = 4_000
GATE_MS: Final = 2_000
BOOK_ORDERS: Final = 4_000
"""Orders for each slot of a zone; a book holds 4,096."""
SLOTS_AHEAD: Final = {1: 2, 4: 6}
"""Slots between the one that runs when sending begins and the first that gets orders, by validators."""
WATT_EACH: Final = 10**18
SATANG: Final = 10**10
COLLATERAL: Final = WATT_EACH // 10
QTY_WH: Final = 100
MIDDLE_TICKS: Final = 40_000
SPREAD_TICKS: Final = 10_000
SIGNED_PER_SECOND: Final = {1: 8_000, 4: 2_500}
"""Calls to sign for each second of sending, by validators: more than the node takes."""
SIGNING_MS: Final = 0.1
"""What signing one order takes at most."""
BATCH: Final = 100
WINDOW: Final = 20
CLEAR_S: Final = 120.0
IDLE_BLOCKS: Final = 8

REGISTER: Final = bytes([28, 0])
SUBMIT_ORDER: Final = bytes([28, 3])
DEPOSIT_COLLATERAL: Final = bytes([35, 0, 1])


def market_spec(preset: str, accounts: Sequence[Keypair], slot_ms: int) -> bytes:
    """Return a chain spec whose accounts can trade in every zone."""
    plain = load_spec(preset).to_json(raw=False)
    config = plain["genesis"]["runtimeGenesis"]["config"]
    addresses = [encode_address(pair.account_id, 42) for pair in accounts]
    pots = [encode_address(wheeling_pot_of(zone), 42) for zone in range(2, ZONES + 1)]
    config["assets"]["accounts"] += [[1, address, WATT_EACH] for address in addresses]
    config["assets"]["accounts"] += [[1, pot, SATANG] for pot in pots]
    config["wattReserve"]["report"]["satang"] += len(addresses) * WATT_EACH // SATANG + len(pots)
    both = ["Trading", "Generation"]
    config["compliance"]["attested"] += [[address, "Enhanced", both] for address in addresses]
    energy = config["energy"]
    _, kind, operator, wheeling, loss = energy["zones"][0]
    rules = energy["markets"][0][1] | {"gateMs": GATE_MS}
    zones = range(1, ZONES + 1)
    energy |= {
        "slotMs": slot_ms,
        "gateStaggerMs": 200,
        "zones": [[zone, kind, operator, wheeling, loss] for zone in zones],
        "markets": [[zone, rules] for zone in zones],
    }
    config["energy"] = energy
    return make_spec(plain, accounts)


def encode_order(number: int, first_slot: int, book_orders: int) -> bytes:
    """Return the call of one of many orders: zone after zone, slot after slot; odd accounts sell.

    Prices are around one by a fixed pattern, so that about half of each book is in the money.
    """
    zone = number // 2 % ZONES + 1
    slot = first_slot + number // (ZONES * book_orders)
    limit = MIDDLE_TICKS - SPREAD_TICKS + number * 7919 % (2 * SPREAD_TICKS)
    return b"".join(
        (
            SUBMIT_ORDER,
            zone.to_bytes(2, "little"),
            slot.to_bytes(4, "little"),
            bytes([number % 2]),
            (QTY_WH + number % 900).to_bytes(8, "little"),
            (limit + (SPREAD_TICKS if number % 2 == 0 else 0)).to_bytes(4, "little"),
            b"\0",
        )
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--accounts", type=int, default=4_000)
    options.add_argument("--seconds", type=float, default=20.0)
    options.add_argument("--validators", type=int, default=1, choices=(1, 4), help="who agree on blocks")
    options.add_argument("--quick", action="store_true", help="a few orders: does everything work?")
    chosen = options.parse_args()
    assert chosen.accounts % 2 == 0, "as many buyers as sellers"
    accounts = make_accounts(chosen.accounts)
    preset = "dev" if chosen.validators == 1 else "local"
    raw_spec = market_spec(preset, accounts, QUICK_SLOT_MS if chosen.quick else SLOT_MS)
    spec = parse_spec(raw_spec)
    genesis = hash_header(spec.genesis_header(spec.genesis_state()))
    del spec
    gc.collect()
    gc.freeze()
    with tempfile.TemporaryDirectory(prefix="loam-bench-") as directory:
        path = Path(directory) / "spec.json"
        path.write_bytes(raw_spec)
        with running_nodes(path, Path(directory), chosen.validators) as (pids, url):
            load = Load(url, Watch(pids), accounts, Signing(1, 1, genesis))
            figures = asyncio.run(load.measure(chosen))
    report("orders", accounts=chosen.accounts, validators=chosen.validators, **figures)


class Load:
    """What is sent to one node, and what it says."""

    def __init__(self, url: str, watch: Watch, accounts: Sequence[Keypair], signing: Signing) -> None:
        self.url = url
        self.watch = watch
        self.accounts = accounts
        self.signing = signing
        self.sent = 0

    async def measure(self, chosen: argparse.Namespace) -> dict[str, Any]:
        """Register everybody, then send transfers and then orders; return the figures."""
        await until_up(self.url)
        count = 1_000 if chosen.quick else int(SIGNED_PER_SECOND[chosen.validators] * chosen.seconds)
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(follow(self.url, self.watch))
            deposit = DEPOSIT_COLLATERAL + COLLATERAL.to_bytes(16, "little")
            for joining in (REGISTER, deposit):
                await self._send(self._sign([joining] * len(self.accounts)), CLEAR_S)
            progress(f"orders: signing {count} transfers")
            transfers = [encode_transfer(self.accounts, number) for number in range(count)]
            figures = await self._measure_transfers(self._sign(transfers), chosen.seconds)
            figures |= await self._measure_orders(count, chosen)
            idle_cores = await self._measure_idle()
            following.cancel()
        return figures | compare(figures, idle_cores)

    def _sign(self, calls: list[bytes]) -> list[str]:
        return sign_calls(self.accounts, calls, self.signing, self.sent)

    async def _send(self, signed: list[str], seconds: float) -> int:
        """Send until the time is over and all that is sent is in final blocks; return how many that are."""
        sent = await send_batches(self.url, make_batches(signed, BATCH), WINDOW, seconds)
        assert not sent.refused, sent.first_error
        await self.watch.until_final(await drained(self.url, self.watch))
        self.sent += sent.accepted
        return sent.accepted

    async def _measure_transfers(self, signed: list[str], seconds: float) -> dict[str, Any]:
        progress("orders: sending transfers")
        meter, start = Meter(*self.watch.pids), time.perf_counter()
        count = await self._send(signed, seconds)
        used, took = meter.read(), time.perf_counter() - start
        return {
            "transfers": count,
            "transfers_per_s": round(count / took),
            "transfers_took_s": round(took, 2),
            "cpu_us_per_transfer": round(used.watched_s / count * 1e6, 1),
            "foreign_cores_of_transfers": round(max(0.0, used.foreign_cores), 2),
        }

    async def _measure_idle(self) -> float:
        """Return the processor time that the nodes use in a second without transactions."""
        meter = Meter(*self.watch.pids)
        await self.watch.until_final(self.watch.finalized + IDLE_BLOCKS)
        used = meter.read()
        return used.watched_s / used.wall_s

    async def _measure_orders(self, count: int, chosen: argparse.Namespace) -> dict[str, Any]:
        slot_ms, book_orders = (QUICK_SLOT_MS, 50) if chosen.quick else (SLOT_MS, BOOK_ORDERS)
        first = int(SystemClock().now_ms() + count * SIGNING_MS) // slot_ms + 1
        progress(f"orders: signing {count} orders")
        slot = first + SLOTS_AHEAD[chosen.validators]
        signed = self._sign([encode_order(number, slot, book_orders) for number in range(count)])
        await asyncio.sleep(max(0.0, (first * slot_ms - SystemClock().now_ms()) / 1_000))
        progress("orders: sending orders")
        meter, start = Meter(*self.watch.pids), time.perf_counter()
        accepted = await self._send(signed, chosen.seconds)
        took = time.perf_counter() - start
        placed = int.from_bytes(await self._get("NextOrderId"), "little")
        assert placed == accepted, f"{accepted} orders sent, {placed} placed: the others came after a gate"
        await self._until_cleared()
        used, cleared = meter.read(), time.perf_counter() - start
        slots = -(-accepted // (ZONES * book_orders))
        prices = len(await self._list("Clearings"))
        assert prices >= (slots - 1) * ZONES + 1, f"{prices} auctions in {slots} slots of {ZONES} zones"
        return {
            "orders": accepted,
            "orders_per_s": round(accepted / took),
            "cleared_after_s": round(cleared, 2),
            "auctions": prices,
            "cpu_us_per_order": round(used.watched_s / accepted * 1e6, 1),
            "foreign_cores": used.foreign_cores,
        }

    async def _until_cleared(self) -> None:
        """Return when no order is left: each is filled, or its money is back."""
        end = time.perf_counter() + CLEAR_S
        while await self._list("Orders", 1):
            if time.perf_counter() > end:
                raise TimeoutError("orders are left")
            await self.watch.until_final(self.watch.finalized + 1)

    async def _get(self, item: str) -> bytes:
        value = await call(self.url, "state_getStorage", "0x" + market_key(item).hex())
        return b"" if value is None else bytes.fromhex(value[2:])

    async def _list(self, item: str, count_max: int = 1_000) -> list[str]:
        """Return the keys of a map, the first so many."""
        keys: list[str] = await call(
            self.url, "state_getKeysPaged", "0x" + market_key(item).hex(), count_max, None
        )
        return keys


def compare(figures: dict[str, Any], idle_cores: float) -> dict[str, Any]:
    """Return how an order's processor time stands to a transfer's, as measured and without that of empty
    blocks: while books wait for their gates the nodes use it whether there are orders or not."""
    order, transfer = figures["cpu_us_per_order"], figures["cpu_us_per_transfer"]
    idle_us = idle_cores * 1e6
    order_alone = order - idle_us * figures["cleared_after_s"] / figures["orders"]
    transfer_alone = transfer - idle_us * figures["transfers_took_s"] / figures["transfers"]
    return {
        "cpu_of_orders_to_transfers": round(order / transfer, 2),
        "idle_cores": round(idle_cores, 3),
        "cpu_above_idle_of_orders_to_transfers": round(order_alone / transfer_alone, 2),
    }


def market_key(item: str) -> bytes:
    """Return how the keys of an item of the market begin."""
    return twox128(b"Market") + twox128(item.encode())


if __name__ == "__main__":
    main()
