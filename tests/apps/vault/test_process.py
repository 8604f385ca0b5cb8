"""The vault with a node: evidence attested, an erasure asked for, done, confirmed and proven offline."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from apps.chain.client import Chain
from apps.chain.sender import Sender
from apps.vault.export import check_export
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.ss58 import encode_address
from tests.processes.running import ROOT, RunningNode, run_loam
from tests.support.chain import keypair

pytestmark = [pytest.mark.slow, pytest.mark.net]
UNIT = 10**12
SUBJECT = Keypair.from_uri("//Somchai", Scheme.SR25519)
ADDRESS = encode_address(SUBJECT.account_id, 42)
RECORDS = f"/v1/subjects/{ADDRESS}"
EVIDENCE = {"name": "สมชาย ใจดี", "citizen": "1-1018-00123-45-6"}
OFFICER = "//Bob"
"""An officer of every role on development chains; Alice is Root there."""


class Vault:
    """A vault in a folder with a token for each of two officers, and the service when it runs."""

    def __init__(self, base: Path, node_port: int) -> None:
        self.base = base
        self.chain = f"ws://127.0.0.1:{node_port}"
        self.options = ["--vault", str(base / "vault"), "--master-key-file", str(base / "master.key")]
        signer = base / "signer"
        signer.write_text(OFFICER)
        signer.chmod(0o600)
        self.signing = ["--chain", self.chain, "--signer-file", str(signer)]
        self.public = self.run("init", *self.options)[0].rpartition(" ")[2]
        self.tokens = {
            role: self.run("officer", "add", role, "--role", role, *self.options)[0]
            for role in ("identity", "privacy")
        }
        self.url = ""

    def run(self, *arguments: str) -> list[str]:
        """Run a command that must succeed; return its lines."""
        ended = run_loam("vault", *arguments)
        assert ended.code == 0, ended.lines
        return ended.lines

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run the service."""
        command = [
            sys.executable,
            "-m",
            "node",
            "vault",
            "serve",
            "--port",
            "0",
            *self.options,
            *self.signing,
        ]
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=subprocess.PIPE)
        assert process.stderr is not None
        try:
            self.url = ""
            while not self.url:
                line = (await process.stderr.readline()).decode()
                assert line, "the service ended"
                if "answers on" in line:
                    self.url = line.split()[4]
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            rest = await process.stderr.read()
            assert await process.wait() in {0, -9}, rest
            self.log = rest.decode()

    async def ask(self, method: str, path: str, role: str, **given: Any) -> Any:
        """Return the JSON that the service answers."""
        headers = {
            "Authorization": f"Bearer {self.tokens[role]}",
            "Loam-Purpose": "subject-request",
            **given.pop("headers", {}),
        }
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, headers=headers, **given) as answer,
        ):
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def wait_for_calls(self, states: dict[str, int]) -> None:
        """Return once the calls are in these states."""
        async with asyncio.timeout(60):
            while True:
                if (await self.ask("GET", "/v1/status", "privacy"))["calls"] == states:
                    return
                await asyncio.sleep(0.3)  # under the officer's rate


async def set_up(chain: Chain, vault: Vault) -> Sender:
    """Make the vault's key known, give the subject coins; return the subject's sender."""
    root = Sender(chain, keypair("//Alice"))
    key = chain.call("Privacy", "set_vault_key", key=vault.public)
    assert (await root.send(chain.call("Sudo", "sudo", call=key))).is_success
    gift = chain.call("Balances", "transfer_keep_alive", dest=SUBJECT.account_id, value=100 * UNIT)
    assert (await root.send(gift)).is_success
    return Sender(chain, SUBJECT)


async def test_from_evidence_to_an_erasure_that_anybody_can_verify(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node", chain=("--dev",)) as node:
        vault = await asyncio.to_thread(Vault, tmp_path, node.port)
        async with Chain.connect(vault.chain) as chain, vault.serving():
            subject = await set_up(chain, vault)
            body = {"record": EVIDENCE, "call": "file_kyc", "arguments": {"country": "TH"}}
            key = {"Idempotency-Key": "onboarding-1"}
            put = await vault.ask("POST", f"{RECORDS}/records/identity", "identity", json=body, headers=key)
            attest = {"call": "attest_kyc", "arguments": {"tier": "Basic", "expires_ms": 2**60}}
            await vault.ask("POST", f"{RECORDS}/calls", "identity", json=attest)
            await vault.wait_for_calls({"done": 2})
            kyc = await chain.get("Compliance", "Kyc", SUBJECT.account_id)
            assert (kyc["tier"].name, kyc["evidence"].hex()) == ("Basic", put["commitment"][2:])

            filed = await subject.send(chain.call("Privacy", "file_dsr", kind="Erase", text=bytes(32)))
            request = next(one.value["request"] for one in filed.events if one.name == "DsrFiled")
            due = await vault.ask("GET", "/v1/due", "privacy")
            assert [(one["what"], one["id"], one["nearness"]) for one in due] == [
                ("erasure", str(request), "open")
            ]
            assert 89 * 86_400_000 < due[0]["leftMs"] <= 90 * 86_400_000
            before = await vault.ask("GET", f"{RECORDS}/export", "privacy")

            verify = {"call": "verify_dsr", "arguments": {"request": request}}
            await vault.ask("POST", f"{RECORDS}/calls", "privacy", json=verify)
            erased = await vault.ask("POST", f"{RECORDS}/erase", "privacy", json={"request": request})
            await vault.wait_for_calls({"done": 4})
            found = await chain.get("Privacy", "Dsr", request)
            assert (found["state"].name, found["answer"].hex()) == ("Fulfilled", erased["tombstone"][2:])
            assert await vault.ask("GET", "/v1/due", "privacy") == []
            after = await vault.ask("GET", f"{RECORDS}/export", "privacy")

        checked = check_export(json.dumps(before).encode())
        assert (checked.records, checked.loose, len(checked.blocks)) == (1, 0, 1)
        checked = check_export(json.dumps(after).encode())
        assert (checked.records, checked.erasures, checked.loose) == (0, 1, 0)
        path = tmp_path / "after.json"
        path.write_text(json.dumps(after))
        told = await asyncio.to_thread(vault.run, "verify", str(path), "--chain", vault.chain)
        assert "0 records and 1 erasures" in told[0]
        assert "Nothing is due." in await asyncio.to_thread(vault.run, "due", "--chain", vault.chain)
    assert not [word for word in ("สมชาย", SUBJECT.account_id.hex(), ADDRESS) if word in vault.log]
    assert "Nothing" not in await asyncio.to_thread(vault.run, "verify", str(path))  # without a node


async def test_a_service_that_is_killed_while_it_sends_makes_each_call_once(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node", chain=("--dev",)) as node:
        vault = await asyncio.to_thread(Vault, tmp_path, node.port)
        async with Chain.connect(vault.chain) as chain:
            await set_up(chain, vault)
            async with vault.serving() as process:
                for number in range(6):
                    body = {
                        "record": {"deed": number},
                        "call": "issue_licence",
                        "arguments": {"kind": "Trading", "expires_ms": 2**60},
                    }
                    key = {"Idempotency-Key": f"licence-{number}"}
                    await vault.ask("POST", f"{RECORDS}/records/licence", "identity", json=body, headers=key)
                await vault.ask("GET", "/v1/status", "privacy")
                process.kill()
            async with vault.serving():
                await vault.wait_for_calls({"done": 6})
                exported = await vault.ask("GET", f"{RECORDS}/export", "privacy")
            licences = [value async for _, value in chain.entries("Compliance", "Licence")]
            deeds = [one["deed"].hex() for one in licences if one["holder"] == SUBJECT.account_id]
            wanted = sorted(one["commitment"][2:] for one in exported["records"])
            assert sorted(deeds) == wanted
            assert check_export(json.dumps(exported).encode()).loose == 0
