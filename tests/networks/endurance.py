"""Four validators under load, disturbed one at a time in turn for as long as somebody likes.

    python -m tests.networks.endurance --minutes 10 --rate 50     # pauses, kills, restarts in order
    python -m tests.networks.endurance --kills 30                 # nothing but kill -9, of anybody

What is done when follows from `--seed`. Progress goes to stderr; the last line on stdout is one JSON object
of figures and of the limits that were broken, for which the exit code is 1. A pause stands for being cut off
as well: to the others both are the same.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random  # noqa: TID251  # seeded
from typing import Any, Final, Literal, NamedTuple

import aiohttp

from node.clock import SystemClock
from node.devnet.control import Control, is_running, read_tail
from node.devnet.load import Load
from node.devnet.observing import Observer
from node.devnet.records import DevnetRecord, NodeRecord
from node.devnet.state_file import StateFile
from tests.networks.heads import Heads, call, get_hashes, list_intervals, merge_earliest
from tests.processes.devnet import running_devnet

Action = Literal["pause", "kill", "restart"]

BACK_MAX_S: Final = 20.0
IMPORT_MAX_S: Final = 5.0
INTERVAL_P50_MAX_S: Final = 1.2
INTERVAL_P99_MAX_S: Final = 5.0
LOAD_TURN_S: Final = 0.25
SETTLE_S: Final = 10.0
NEVER_S: Final = 120.0
"""After this a node that is not back never comes back."""
EVIL = re.compile(r"authority_misbehaved|second_copy|guard_missing|Traceback")
"""What no log of an honest network has."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how much and what; `kills` 0 means every kind of perturbation for `seconds`."""

    seconds: float = 600.0
    kills: int = 0
    rate: float = 50.0
    pause_s: float = 10.0
    gap_s: float = 5.0
    seed: int = 1
    validators: int = 4


DEFAULTS: Final = Plan()


class Return(NamedTuple):
    """A perturbation: seconds from its end until the node had a new block, and was with the others."""

    node: str
    action: Action
    import_s: float
    back_s: float


@dataclass
class Run:
    """A network that runs, and what has been seen of it."""

    plan: Plan
    nodes: Sequence[NodeRecord]
    state: StateFile
    control: Control
    heads: dict[str, Heads]
    session: aiohttp.ClientSession
    returns: list[Return] = field(default_factory=list)
    down: set[str] = field(default_factory=set)

    async def wait_begun(self) -> None:
        """Wait until all nodes have a first block final; what it took them is no interval of blocks."""
        await self._until(lambda: all(heads.final for heads in self.heads.values()), "no block is final")

    async def disturb(self, name: str, action: Action) -> None:
        """Do one thing to a node and wait until it is where the others are."""
        self.down.add(name)
        before = self.heads[name].best
        if action == "pause":
            await asyncio.to_thread(self.control.pause, name)
            await asyncio.sleep(self.plan.pause_s)
            started = time.perf_counter()
            await asyncio.to_thread(self.control.resume, name)
        else:
            await asyncio.to_thread(self.control.kill if action == "kill" else self.control.stop, name)
            started = time.perf_counter()
            await asyncio.to_thread(self.control.start, name)
        self.down.discard(name)
        await self._until(lambda: self.heads[name].best > before, f"{name} imports nothing after {action}")
        imported = self.heads[name].imported_at if action == "pause" else time.perf_counter()
        await self._until(lambda: self._is_with_others(name), f"{name} is not back after {action}")
        back = time.perf_counter() - started
        self.returns.append(Return(name, action, max(0.0, imported - started), back))
        told = f"{action} {name}: back in {back:.1f} s, first block in {imported - started:.1f} s"
        sys.stderr.write(f"{told}, at #{self.heads[name].final}\n")

    def _ensure_up(self) -> None:
        """AssertionError with the end of its log when a node has ended that nobody has ended."""
        for node in self.state.load().nodes:
            if node.wanted == "running" and not is_running(node):
                raise AssertionError("\n".join([f"{node.name} has ended", *read_tail(Path(node.log), 20)]))

    def _is_with_others(self, name: str) -> bool:
        highest = max(heads.final for heads in self.heads.values())
        return self.heads[name].final >= highest - 1

    async def _until(self, is_so: Callable[[], bool], complaint: str) -> None:
        end = time.perf_counter() + NEVER_S
        while not is_so():
            if time.perf_counter() > end:
                raise AssertionError(f"{complaint} within {NEVER_S:.0f} s")
            self._ensure_up()
            await asyncio.sleep(0.02)


async def disturb_in_turn(run: Run) -> None:
    """Disturb one validator after another until the time is over, each round in another order."""
    chance = Random(run.plan.seed)
    end = time.perf_counter() + run.plan.seconds
    actions: tuple[Action, ...] = ("pause", "kill", "restart")
    names = [node.name for node in run.nodes]
    for number in range(10**6):
        if number % len(names) == 0:
            chance.shuffle(names)
        if time.perf_counter() >= end:
            return
        await run.disturb(names[number % len(names)], actions[number % len(actions)])
        await asyncio.sleep(run.plan.gap_s)


async def kill_again_and_again(run: Run) -> None:
    """Kill anybody, as often as is wished, at any moment of a block's way."""
    chance = Random(run.plan.seed)
    for _ in range(run.plan.kills):
        await asyncio.sleep(run.plan.gap_s * chance.random())
        await run.disturb(chance.choice(run.nodes).name, "kill")


async def run_load(run: Run, load: Load) -> None:
    """Send transfers for ever, to nodes that are up."""
    started = time.perf_counter()
    while True:
        up = [node for node in run.nodes if node.name not in run.down]
        await load.send_due(time.perf_counter() - started, up)
        await asyncio.sleep(LOAD_TURN_S)


async def endure(plan: Plan, base: Path) -> dict[str, Any]:
    """Run the plan on the devnet in a folder; return the figures."""
    state = StateFile(base)
    record = state.load()
    heads = {node.name: Heads(node.name, node.rpc_port) for node in record.nodes}
    async with aiohttp.ClientSession() as session, Observer() as observer:
        run = Run(plan, record.nodes, state, Control(state, SystemClock()), heads, session)
        load = Load(plan.rate, observer)
        started = time.perf_counter()
        async with _in_background(*(one.run(session) for one in heads.values())):
            await run.wait_begun()
            async with _in_background(run_load(run, load)):
                await (kill_again_and_again(run) if plan.kills else disturb_in_turn(run))
            await asyncio.sleep(SETTLE_S)
        took = time.perf_counter() - started
        return {**summarize(run, took), **await compare(run), "sent": load.accepted, "refused": load.refused}


@asynccontextmanager
async def _in_background(*coroutines: Any) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in coroutines]
        yield
        for task in tasks:
            task.cancel()


def summarize(run: Run, took_s: float) -> dict[str, Any]:
    """Return the figures of time."""
    final_at = merge_earliest([heads.final_at for heads in run.heads.values()])
    intervals = list_intervals({number: at for number, at in final_at.items() if number})
    return {
        "validators": len(run.nodes),
        "seconds": round(took_s),
        "rate": run.plan.rate,
        "perturbations": len(run.returns),
        "back_max_s": round(max((one.back_s for one in run.returns), default=0), 2),
        "back_p50_s": round(quantile([one.back_s for one in run.returns], 0.5), 2),
        "import_max_s": round(max((one.import_s for one in run.returns), default=0), 2),
        "interval_p50_s": round(quantile(intervals, 0.5), 2),
        "interval_p99_s": round(quantile(intervals, 0.99), 2),
        "interval_max_s": round(max(intervals), 2),
    }


async def compare(run: Run) -> dict[str, Any]:
    """Return what the nodes' chains say: forks, final blocks that were lost, transfers that are final."""
    height = min(heads.final for heads in run.heads.values())
    chains = {name: await get_hashes(run.session, heads.url, height) for name, heads in run.heads.items()}
    first = chains[run.nodes[0].name]
    forks = sum(len({chain[number] for chain in chains.values()}) != 1 for number in range(height + 1))
    lost = sum(
        number <= height and chains[name][number] != block_hash
        for name, heads in run.heads.items()
        for number, block_hash in heads.announced.items()
    )
    url = next(iter(run.heads.values())).url
    transfers = 0
    for block_hash in first[1:]:
        block = await call(run.session, url, "chain_getBlock", block_hash)
        transfers += len(block["block"]["extrinsics"]) - 1
    return {
        "height": height,
        "announced": sum(len(heads.announced) for heads in run.heads.values()),
        "forks": forks + sum(len(heads.contradictions) for heads in run.heads.values()),
        "lost_final": lost,
        "final": transfers,
    }


def list_misbehaviour(record: DevnetRecord) -> list[str]:
    """Return lines of the logs that tell of a double signature, a lost guard or a crash."""
    logs = (line for node in record.nodes for line in Path(node.log).read_text().splitlines())
    return [line for line in logs if EVIL.search(line)][:10]


def list_broken(figures: dict[str, Any], plan: Plan) -> list[str]:
    """Return the limits that were not kept."""
    limits: dict[str, float] = {"forks": 0, "lost_final": 0}
    limits |= {"back_max_s": BACK_MAX_S, "interval_p99_s": INTERVAL_P99_MAX_S}
    if plan.kills:
        limits["import_max_s"] = IMPORT_MAX_S
    else:
        limits["interval_p50_s"] = INTERVAL_P50_MAX_S
    broken = [f"{name} {figures[name]} > {limit}" for name, limit in limits.items() if figures[name] > limit]
    return broken + [f"log: {line}" for line in figures["misbehaviour"]]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of the values lies; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def run_plan(plan: Plan, home: Path) -> dict[str, Any]:
    """Start a devnet in a folder, run the plan on it, end it, and return the figures with what was broken."""
    base = home / "network"
    with running_devnet(home, "-n", str(plan.validators), "--base-path", str(base)) as devnet:
        figures = asyncio.run(endure(plan, base))
        assert devnet.process.poll() is None, devnet.read_errors()
        figures["misbehaviour"] = list_misbehaviour(StateFile(base).load())
    return {**figures, "broken": list_broken(figures, plan)}


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m tests.networks.endurance", description=__doc__)
    options.add_argument("--minutes", type=float, default=DEFAULTS.seconds / 60)
    options.add_argument("--kills", type=int, default=DEFAULTS.kills, help="kill -9 so many times instead")
    options.add_argument("--rate", type=float, default=DEFAULTS.rate, help="transfers per second")
    options.add_argument("--pause", type=float, default=DEFAULTS.pause_s, help="seconds that a pause lasts")
    options.add_argument("--seed", type=int, default=DEFAULTS.seed)
    options.add_argument("--keep", type=Path, help="folder for data and logs, which is kept")
    given = options.parse_args()
    plan = Plan(given.minutes * 60, given.kills, given.rate, given.pause, seed=given.seed)
    if given.keep is not None:
        given.keep.mkdir(parents=True)
        figures = run_plan(plan, given.keep)
    else:
        with tempfile.TemporaryDirectory(prefix="loam-endurance-") as folder:
            figures = run_plan(plan, Path(folder))
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.exit(1 if figures["broken"] else 0)


if __name__ == "__main__":
    main()
