"""Runs commands in this process and makes small databases for them; no node is started, no port opened."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest

from node.authoring.author import AUTHOR_ENGINE, AUTHOR_TAG, TIMESTAMP_INHERENT
from node.chain.rules import TIME_ENGINE
from node.cli.entry import run
from node.clock import SystemClock
from node.config import Config
from node.consensus.solo import Solo
from node.driver.finality import FinalityDriver
from node.driver.signer import GuardedSigner
from node.service import open_chain
from node.storage.guard import GuardFile
from runtime.primitives.block import DigestItem, PreRuntime
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.types import Hash

START_MS = 1_700_000_000_000


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


class Loam:
    """The command line with its output captured and the environment's settings taken away."""

    def __init__(self, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        for variable in os.environ:
            if variable.startswith("LOAM_"):
                monkeypatch.delenv(variable)
        monkeypatch.setenv("COLUMNS", "110")
        monkeypatch.setattr("node.cli.blocks.start_logs", lambda _: None)
        self._capfd = capfd

    def __call__(self, *arguments: str | Path) -> Outcome:
        """Run a command."""
        self._capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        out, err = self._capfd.readouterr()
        assert "Traceback" not in err
        return Outcome(code, out, err)

    def ok(self, *arguments: str | Path) -> str:
        """Run a command that must succeed; return its output."""
        outcome = self(*arguments)
        assert outcome.code == 0, outcome
        return outcome.out

    def fail(self, code: int, *arguments: str | Path) -> str:
        """Run a command that must fail with a code; return its error text."""
        outcome = self(*arguments)
        assert outcome.code == code, outcome
        assert "Error: " in outcome.err
        return outcome.err


def make_chain(
    base: Path,
    *,
    blocks: int,
    finalized: int,
    chain: str = "dev",
    digests: Mapping[int, DigestItem] = MappingProxyType({}),
) -> list[Hash]:
    """Make a dev chain's database with some blocks, the first of them finalized; return the hashes from
    block 1. `digests` are further digest items of blocks by number.
    """
    hashes = []
    with open_chain(Config(chain=chain, base_path=str(base))) as (_, opened):
        pair = Keypair.from_uri("//Alice", Scheme.ED25519)
        signer = GuardedSigner(pair, opened.genesis_hash, GuardFile(base / "chains" / "dev" / "guard"))
        driver = FinalityDriver(opened, Solo(250), signer, SystemClock(), opened.finalize)
        for number in range(1, blocks + 1):
            time_ms = START_MS + number * 1000
            logs = (
                PreRuntime(TIME_ENGINE, time_ms.to_bytes(8, "little")),
                PreRuntime(AUTHOR_ENGINE, bytes([AUTHOR_TAG]) + bytes(4) + number.to_bytes(8, "little")),
            )
            extra = (digests[number],) if number in digests else ()
            opened.open_block((*logs, *extra)).push_inherents(
                {TIMESTAMP_INHERENT: time_ms.to_bytes(8, "little")}
            )
            hashes.append(opened.seal().info.hash)
        if finalized:
            asyncio.run(driver.finalize_now(hashes[finalized - 1]))
        elif blocks:
            asyncio.run(opened.wait_stored(hashes[-1]))
    return hashes
