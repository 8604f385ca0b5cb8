"""Gateways beside a development node: as tasks of the test, or as processes that can be killed."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from apps.chain.client import Chain
from apps.chain.sender import Sender
from apps.clock import SystemClock
from apps.gateway.config import parse_config
from apps.gateway.service import Secrets, run_gateway
from apps.gateway.status import Status
from runtime.primitives.crypto import Keypair
from runtime.primitives.types import AccountId
from tests.processes.running import ROOT, free_port
from tests.support.chain import keypair

KEY = "test/price"
POLL_S = 0.05
WAIT_S = 60.0
STOP_S = 15.0


def make_rules(heartbeat_ms: int, quorum: int) -> dict[str, Any]:
    """Return the rules of a price that is fresh for two heartbeats."""
    return {
        "unit": b"THB/kWh",
        "decimals": 4,
        "quorum": quorum,
        "heartbeat_ms": heartbeat_ms,
        "fresh_ms": heartbeat_ms * 2,
        "usable_ms": 300_000,
        "deviation_bps": 50,
        "outlier_ppm": 50_000,
        "least": 0,
        "greatest": 1_000_000,
    }


async def add_feed(chain: Chain, key: str, heartbeat_ms: int, quorum: int) -> int:
    """Let Alice, who may do everything on a development chain, add a feed; return its number."""
    rules = make_rules(heartbeat_ms, quorum)
    await as_root(chain, chain.call("Oracle", "set_feed", key=key.encode(), rules=rules))
    found: int = await chain.get("Oracle", "FeedOf", key.encode())
    return found


async def as_root(chain: Chain, call: Any) -> None:
    """Let Alice make a call as root."""
    outcome = await Sender(chain, keypair("//Alice")).send(chain.call("Sudo", "sudo", call=call))
    assert outcome.is_success, outcome.failure
    (done,) = [one.value for one in outcome.events if one.name == "Sudid"]
    assert done["sudo_result"].name == "Ok", done


def write_config(
    folder: Path, nodes: Iterable[str], exchange: str, *, key: str = KEY, extra: str = "", values: str = ""
) -> str:
    """Return a configuration with one source, whose text can be added to at two places."""
    listed = ", ".join(f'"{node}"' for node in nodes)
    return f"""
nodes = [{listed}]
state = "{folder}/state"
stall-ms = 4000
{extra}
[provider]
account = {{ file = "{folder}/secret" }}
[sources.exchange]
kind = "http"
url = "{exchange}"
interval-ms = 300
requests-per-minute = 600
[sources.exchange.values."{key}"]
at = "/price"
{values}
"""


@asynccontextmanager
async def answering(text: str, signer: Keypair) -> AsyncIterator[Status]:
    """Run a gateway as a task for as long as the context lasts; give its status."""
    stop = asyncio.Event()
    ready: asyncio.Future[Status] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as group:
        group.create_task(
            run_gateway(
                parse_config(text, Path("/")),
                Secrets(signer, {}),
                SystemClock(),
                lambda: 1.0,
                stop,
                lambda status, _: ready.set_result(status),
            )
        )
        yield await ready
        stop.set()


class GatewayProcess:
    """`loam gateway` as a process of its own."""

    def __init__(self, folder: Path, uri: str, text: str, *flags: str) -> None:
        """Write its configuration, and start it."""
        folder.mkdir(parents=True, exist_ok=True)
        secret = folder / "secret"
        secret.write_text(uri)
        secret.chmod(0o600)
        self.port = free_port()
        self.log = folder / "log"
        (folder / "gateway.toml").write_text(f"port = {self.port}\n{text}")
        self.account = AccountId(keypair(uri).account_id)
        self._command = [sys.executable, "-m", "node", "gateway", "-c", str(folder / "gateway.toml"), *flags]
        self.start()

    def start(self) -> None:
        """Start it, for the first time or after its end."""
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self._command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_S)

    def stop(self) -> int:
        """End it politely; return its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(STOP_S)

    def health(self) -> dict[str, Any] | None:
        """Return what it says of itself, None while it says nothing."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as response:
                found: dict[str, Any] = json.loads(response.read())
        except urllib.error.HTTPError as error:
            found = json.loads(error.read())
        except OSError:
            return None
        return found


async def count_answers(
    chain: Chain, account: AccountId, start: int = 1
) -> tuple[Counter[tuple[int, int]], list[str]]:
    """Return how often an account answered each (feed, round) in final blocks from one on, and the errors of
    all calls of anybody that failed."""
    heartbeats: dict[int, int] = {}
    answered: Counter[tuple[int, int]] = Counter()
    failures: list[str] = []
    for number in range(start, (await chain.finalized()).number + 1):
        block = await chain.block_hash(number)
        assert block is not None
        for event in await chain.events(block):
            if event.name == "ExtrinsicFailed":
                failures.append(str(chain.runtime.describe_failure(event.value["dispatch_error"])))
            if (event.pallet, event.name) != ("Oracle", "Submitted") or event.value["provider"] != account:
                continue
            now_ms = await chain.get("Timestamp", "Now", at=block)
            for feed in (answer["feed"] for answer in event.value["answers"]):
                if feed not in heartbeats:
                    rules = (await chain.get("Oracle", "Feed", feed))["rules"]
                    heartbeats[feed] = rules["heartbeat_ms"]
                answered[feed, now_ms // heartbeats[feed]] += 1
    return answered, failures


async def until_so(condition: Callable[[], bool]) -> None:
    """Return once a condition holds."""
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110  # what is waited for knows no event
            await asyncio.sleep(POLL_S)
