"""The auditor against a node as a process: a day that ends, a report that is submitted and accepted, and both
checked."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from apps.audit.periods import start_of_day
from apps.chain.client import Chain
from apps.chain.sender import Sender
from node.keystore.files import write_private_file
from pallets.compliance.periods import end_of_period_ms
from tests.node.cli.running import Loam, Outcome
from tests.processes.running import RunningNode
from tests.support.chain import BOB, keypair

pytestmark = [pytest.mark.slow, pytest.mark.net]

DEV = ("--dev", "--state-pruning", "archive")
DAY = 73_000
"""Far ahead of every clock; a development chain travels there."""
UNIT = 10**12
LARGE = 150_000 * UNIT


class Auditor:
    """Runs commands that ask a node, and know its chain."""

    def __init__(self, loam: Loam, node: RunningNode) -> None:
        self.loam = loam
        self.node = node

    async def __call__(self, *arguments: str | Path) -> Outcome:
        where = ("--url", f"ws://127.0.0.1:{self.node.port}", "--chain", "dev", "--no-progress")
        return await asyncio.to_thread(self.loam, "audit", *arguments, *where)


async def travel(node: RunningNode, chain: Chain, day: int, sender: Sender) -> None:
    """Let the next block be of a day; return once one of it is final."""
    start_ms = start_of_day(day)
    node.rpc("dev_timeTravel", start_ms + 1_000)
    while True:  # a block that was open already has its time
        outcome = await sender.send(chain.call("System", "remark", remark="0x00"))
        if await chain.get("Timestamp", "Now", at=outcome.block.hash) >= start_ms:
            return


def give(chain: Chain, purpose: str) -> Any:
    return chain.call("Privacy", "give_consent", purpose=purpose, version=1, expires_ms=(1 << 64) - 1)


async def test_a_day_and_a_report_of_a_running_node(loam: Loam, tmp_path: Path) -> None:
    node = await asyncio.to_thread(RunningNode, tmp_path / "node", chain=DEV)
    try:
        async with Chain.connect(f"ws://127.0.0.1:{node.port}") as chain:
            audit = Auditor(loam, node)
            alice, bob = Sender(chain, keypair("//Alice")), Sender(chain, keypair("//Bob"))
            await travel(node, chain, DAY, alice)
            for sender, purpose in ((alice, "Research"), (bob, "Research"), (bob, "Sharing")):
                assert (await sender.send(give(chain, purpose))).is_success
            watt = chain.call("Assets", "transfer", id=1, target=BOB, amount=LARGE)
            flagged = await alice.send(watt)
            assert [one.name for one in flagged.events].count("TransferFlagged") == 1
            await travel(node, chain, DAY + 1, alice)
            await _check_day(audit, tmp_path)
            year = DAY + 400
            await travel(node, chain, year, alice)
            await _check_report(audit, chain, tmp_path, bob)
            await _check_file(audit)
    finally:
        await asyncio.to_thread(node.stop)


async def _check_day(audit: Auditor, folder: Path) -> None:
    proofs = folder / "proofs"
    done = await audit("day", str(DAY), "--proofs", proofs)
    assert done.code == 0, done
    assert f"Day {DAY} is right: 4 leaves" in done.out
    root = done.out.split()[-1]
    assert audit.loam("audit", "verify", proofs, "--root", root, "--rows", "4").code == 0
    text = await asyncio.to_thread(proofs.read_text)
    await asyncio.to_thread(proofs.write_text, text.replace('"place":2', '"place":3', 1))
    assert audit.loam("audit", "verify", proofs, "--root", root).code == 1
    assert (await audit("day", str(DAY + 1))).code == 2


async def _check_report(audit: Auditor, chain: Chain, folder: Path, officer: Sender) -> None:
    """Submit a year's record of processing, let it be accepted, and compare with a document that was
    changed."""
    secret, document = folder / "secret", folder / "ropa.json"
    await asyncio.to_thread(write_private_file, secret, b"//Alice\n")
    wanted = ("report", "pdpa", str(_year_of(DAY)))
    assert (await audit(*wanted, "--check")).code == 2
    done = await audit(*wanted, "--output", document, "--submit", "--secret-file", secret)
    assert done.code == 0, done
    again = await audit(*wanted, "--submit", "--secret-file", secret)
    assert (again.code, "submitted already, with the same root" in again.err) == (2, True)
    root = json.loads(await asyncio.to_thread(document.read_text))["root"]
    accept = chain.call("Reports", "accept_report", kind="PdpaRopa", period=_year_of(DAY), root=root)
    assert (await officer.send(accept)).is_success
    checked = await audit(*wanted, "--check", "--against", document)
    assert checked.code == 0, checked
    assert "The chain's report has the same rows and root; it is Accepted." in checked.err
    text = await asyncio.to_thread(document.read_text)
    await asyncio.to_thread(document.write_text, text.replace('"count":2', '"count":3', 1))
    wrong = await audit(*wanted, "--against", document)
    assert (wrong.code, "count: 3 instead of 2" in wrong.err) == (1, True)


async def _check_file(audit: Auditor) -> None:
    """The flag of a large transfer is in its month's file, beside the transfer."""
    year, month = _year_of(DAY), _month_of(DAY)
    done = await audit("report", "amlo", f"{year}-{month:02}")
    assert done.code == 0, done
    (flag,) = [line for line in done.out.splitlines() if '"row":"flag"' in line]
    assert json.loads(flag.rstrip(","))["amount"] == LARGE


def _year_of(day: int) -> int:
    return _first_of_months(day) // 12


def _month_of(day: int) -> int:
    return _first_of_months(day) % 12 + 1


def _first_of_months(day: int) -> int:
    """Return the month that a day lies in, counted from the year 0."""
    return next(
        month for month in range(12 * 2020, 12 * 2999) if end_of_period_ms(month, 1) > start_of_day(day)
    )
