"""An oracle as it would run: many gateways on one node, some of them faulty, for as long as somebody likes.

    python -m tests.networks.oracle_run --minutes 30 --providers 15

Each gateway is a process. The last three play a fault: one lies, one is dead, one is silent every other
minute. The price of the exchange that all ask changes now and then. Progress goes to stderr; the last line on
stdout is one JSON object of figures and of the limits that were broken, for which the exit code is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random  # noqa: TID251  # seeded
from typing import Any, Final, NamedTuple

from apps.chain.client import Chain
from apps.chain.sender import Sender
from genesis.oracle import BOND
from genesis.presets import dev_oracle_key
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.hashing import blake2_256
from tests.networks.endurance import quantile
from tests.processes.gateways import GatewayProcess, count_answers, make_rules, write_config
from tests.processes.running import RunningNode
from tests.support.chain import keypair
from tests.support.exchange import Exchange

KEY: Final = "price/energy"
WINDOW_MS: Final = 10_000
HEARTBEAT_MS: Final = 5_000
DEV_PROVIDERS: Final = ("Alice", "Bob", "Charlie", "Dave")
FAULTS: Final = ("lying", "dead", "flapping:60")
FRESH_PERMILLE_MIN: Final = 950
LATENCY_MAX_S: Final = 10.0
"""A change right after an answer waits for the next round, and then for a quorum."""
SETTLE_S: Final = 30.0
REPORT_S: Final = 60.0
START_MILLIBAHT: Final = 4_750
SPREAD_MILLIBAHT: Final = 40
CHANGE_MIN_S, CHANGE_MAX_S = 15.0, 35.0
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and with how many."""

    seconds: float = 1_800.0
    providers: int = 15
    seed: int = 1

    @property
    def quorum(self) -> int:
        """Two thirds and a bit, rounded up: 11 of 15."""
        return -(-67 * self.providers // 100)


class Change(NamedTuple):
    """A new price in ten thousandths, and when the exchange had it, in seconds of this process's clock."""

    value: int
    at_s: float


@dataclass
class Seen:
    """What a consumer sees at each best block."""

    blocks: int = 0
    fresh_blocks: int = 0
    windows: int = 0
    fresh_windows: int = 0
    stale_from: list[int] = field(default_factory=list)
    ages_ms: list[int] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    missed: int = 0
    strange: list[int] = field(default_factory=list)
    awaited: Change | None = None
    truths: set[int] = field(default_factory=set)
    updated_ms: int = 0
    window: int = 0

    def look(self, now_ms: int, told: Any) -> None:
        """Take a block's time and its feed."""
        number = now_ms // WINDOW_MS
        if self.window and number > self.window:
            for ended in range(self.window, number):
                is_fresh = (ended + 1) * WINDOW_MS - self.updated_ms <= WINDOW_MS
                self.windows += 1
                self.fresh_windows += is_fresh
                if not is_fresh:
                    self.stale_from.append(ended)
        self.window = number
        latest = told["latest"]
        self.blocks += 1
        self.fresh_blocks += told["state"].name == "Fresh"
        if latest is None:
            return
        self.updated_ms = latest["updated_ms"]
        self.ages_ms.append(now_ms - latest["measured_ms"])
        if latest["value"] not in self.truths:
            self.strange.append(latest["value"])
        if self.awaited is not None and latest["value"] == self.awaited.value:
            self.latencies_s.append(time.perf_counter() - self.awaited.at_s)
            self.awaited = None


async def set_up(chain: Chain, plan: Plan) -> list[tuple[str, Keypair]]:
    """Give the chain the plan's providers, and the feed the quorum; return their URIs and oracle keys."""
    people = [(f"//{name}", dev_oracle_key(name)) for name in DEV_PROVIDERS]
    people += [
        (uri, Keypair.from_uri(f"{uri}//oracle", Scheme.ED25519))
        for uri in (f"//Provider//{n}" for n in range(len(people), plan.providers))
    ]
    calls = []
    for uri, oracle_key in people[len(DEV_PROVIDERS) :]:
        who, endpoints = keypair(uri).account_id, blake2_256(uri.encode())
        calls.append(chain.call("Balances", "transfer_keep_alive", dest=who, value=2 * BOND))
        add = chain.call("Oracle", "add_provider", who=who, key=oracle_key.public, endpoints=endpoints)
        calls.append(chain.call("Sudo", "sudo", call=add))
    rules = make_rules(HEARTBEAT_MS, plan.quorum)
    feed = chain.call("Oracle", "set_feed", key=KEY.encode(), rules=rules)
    calls.append(chain.call("Sudo", "sudo", call=feed))
    outcome = await Sender(chain, keypair("//Alice")).send(chain.call("Utility", "batch_all", calls=calls))
    assert outcome.is_success, outcome.failure
    done = [one.value["sudo_result"].name for one in outcome.events if one.name == "Sudid"]
    assert done == ["Ok"] * (plan.providers - len(DEV_PROVIDERS) + 1), done
    return people


async def watch(chain: Chain, seen: Seen) -> None:
    """Look at the feed at every best block, as a consumer does."""
    async with chain.follow_best() as heads:
        async for _ in heads:
            block = await chain.best()
            now_ms = await chain.get("Timestamp", "Now", at=block.hash)
            seen.look(now_ms, await chain.ask("OracleApi", "feed", KEY, at=block.hash))


async def move_price(exchange: Exchange, seen: Seen, plan: Plan, end_s: float) -> None:
    """Change the price now and then, each time by more than the deviation, and to another value."""
    chance = Random(plan.seed)
    number = 0
    while time.perf_counter() < end_s - 2 * LATENCY_MAX_S:
        await asyncio.sleep(chance.uniform(CHANGE_MIN_S, CHANGE_MAX_S))
        if seen.awaited is not None:
            seen.missed += 1
        number += 1
        milli = START_MILLIBAHT + (SPREAD_MILLIBAHT if number % 2 else -SPREAD_MILLIBAHT)
        value = milli * 10 + number % 10
        seen.truths.add(value)
        exchange.price = f"{value / 10_000:.4f}"
        seen.awaited = Change(value, time.perf_counter())


async def tell_progress(seen: Seen, end_s: float) -> None:
    """Say now and then how it goes."""
    while True:
        await asyncio.sleep(REPORT_S)
        left = max(0.0, end_s - time.perf_counter())
        sys.stderr.write(
            f"{left:.0f} s left: {seen.fresh_windows} of {seen.windows} windows fresh,"
            f" {len(seen.latencies_s)} changes seen\n"
        )


def measure(pid: int) -> tuple[float, float]:
    """Return a process's resident memory in MiB and the CPU seconds that it has used."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1])
    return pages * PAGE_BYTES / 2**20, (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


async def run(plan: Plan, home: Path, node: RunningNode) -> dict[str, Any]:
    """Run the plan on a node; return the figures."""
    url = f"ws://127.0.0.1:{node.port}"
    seen = Seen(truths={START_MILLIBAHT * 10})
    async with Chain.connect(url) as chain, Exchange(f"{START_MILLIBAHT / 1000:.4f}") as exchange:
        people = await set_up(chain, plan)
        faulty = [uri for uri, _ in people[-len(FAULTS) :]]
        faults: dict[str, str] = dict(zip(faulty, FAULTS, strict=True))
        with ExitStack() as stack:
            gateways: dict[str, GatewayProcess] = {}
            for uri, oracle_key in people:
                folder = home / uri.replace("/", "_")
                text = write_config(folder, [url], exchange.url, key=KEY)
                text = text.replace("[sources.", f'oracle-key = "0x{oracle_key.public.hex()}"\n[sources.', 1)
                text = text.replace("interval-ms = 300", "interval-ms = 1000")
                flags = ("--fault", faults[uri]) if uri in faults else ()
                gateways[uri] = GatewayProcess(folder, uri, text, *flags)
                stack.callback(gateways[uri].stop)
            await _wait_fresh(chain)
            sys.stderr.write(f"{len(gateways)} gateways answer, quorum {plan.quorum}\n")
            await asyncio.sleep(SETTLE_S)
            end_s = time.perf_counter() + plan.seconds
            async with asyncio.TaskGroup() as group:
                side = [group.create_task(watch(chain, seen)), group.create_task(tell_progress(seen, end_s))]
                await move_price(exchange, seen, plan, end_s)
                await asyncio.sleep(max(0.0, end_s - time.perf_counter()))
                for task in side:
                    task.cancel()
            sizes = {uri: measure(one.process.pid) for uri, one in gateways.items()}
            return {**summarize(plan, seen), **await look_back(chain, gateways, faults), **weigh(sizes, node)}


async def _wait_fresh(chain: Chain) -> None:
    async with asyncio.timeout(120):
        async with chain.follow_best() as heads:
            async for _ in heads:
                if (await chain.ask("OracleApi", "feed", KEY))["state"].name == "Fresh":
                    return


def summarize(plan: Plan, seen: Seen) -> dict[str, Any]:
    """Return the figures of freshness and latency."""
    return {
        "providers": plan.providers,
        "quorum": plan.quorum,
        "seconds": round(plan.seconds),
        "windows": seen.windows,
        "fresh_windows_permille": 1000 * seen.fresh_windows // max(1, seen.windows),
        "fresh_blocks_permille": 1000 * seen.fresh_blocks // max(1, seen.blocks),
        "age_p50_ms": quantile(seen.ages_ms, 0.5),
        "age_max_ms": max(seen.ages_ms, default=0),
        "changes": len(seen.latencies_s),
        "changes_missed": seen.missed,
        "latency_p50_s": round(quantile(seen.latencies_s, 0.5), 2),
        "latency_p95_s": round(quantile(seen.latencies_s, 0.95), 2),
        "latency_max_s": round(max(seen.latencies_s, default=0.0), 2),
        "values_nobody_measured": len(seen.strange),
    }


async def look_back(
    chain: Chain, gateways: dict[str, GatewayProcess], faults: dict[str, str]
) -> dict[str, Any]:
    """Return what became of the providers."""
    people: dict[str, Any] = {}
    for uri, gateway in gateways.items():
        found = await chain.ask("OracleApi", "quality", gateway.account)
        strikes = None if found is None else sum(one["strikes"] for one in found["strikes"])
        people[uri] = "removed" if found is None else {"strikes": strikes, "score": found["score"]}
    honest = [people[uri] for uri in gateways if uri not in faults]
    _, failures = await count_answers(chain, next(iter(gateways.values())).account)
    return {
        "faulty": {faults[uri]: people[uri] for uri in faults},
        "honest_removed": honest.count("removed"),
        "honest_strikes_max": max((one["strikes"] for one in honest if one != "removed"), default=0),
        "calls_that_failed": len(failures),
    }


def weigh(sizes: dict[str, tuple[float, float]], node: RunningNode) -> dict[str, Any]:
    """Return memory and CPU time of gateways and node."""
    memory, cpu = measure(node.process.pid)
    return {
        "gateway_mib_max": round(max(one for one, _ in sizes.values())),
        "gateway_cpu_s_max": round(max(one for _, one in sizes.values()), 1),
        "node_mib": round(memory),
        "node_cpu_s": round(cpu, 1),
    }


def list_broken(figures: dict[str, Any]) -> list[str]:
    """Return the limits that were not kept."""
    broken = []
    if figures["fresh_windows_permille"] < FRESH_PERMILLE_MIN:
        broken.append(f"fresh_windows_permille {figures['fresh_windows_permille']} < {FRESH_PERMILLE_MIN}")
    if figures["latency_max_s"] > LATENCY_MAX_S:
        broken.append(f"latency_max_s {figures['latency_max_s']} > {LATENCY_MAX_S}")
    broken += [
        f"{name} {figures[name]} > 0"
        for name in ("values_nobody_measured", "honest_removed", "changes_missed")
        if figures[name]
    ]
    return broken


def run_plan(plan: Plan, home: Path) -> dict[str, Any]:
    """Start a node in a folder, run the plan on it, and return the figures with what was broken."""
    with RunningNode(home / "node", "--state-pruning", "archive", chain=("--dev",)) as node:
        figures = asyncio.run(run(plan, home, node))
    return {**figures, "broken": list_broken(figures)}


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tests.networks.oracle_run", description=__doc__)
    options.add_argument("--minutes", type=float, default=30.0)
    options.add_argument("--providers", type=int, default=15, choices=range(len(FAULTS) + 4, 32))
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--keep", type=Path, help="folder for data and logs, which is kept")
    given = options.parse_args()
    plan = Plan(given.minutes * 60, given.providers, given.seed)
    if given.keep is not None:
        given.keep.mkdir(parents=True)
        figures = run_plan(plan, given.keep)
    else:
        with tempfile.TemporaryDirectory(prefix="loam-oracle-") as folder:
            figures = run_plan(plan, Path(folder))
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.exit(1 if figures["broken"] else 0)


if __name__ == "__main__":
    main()
