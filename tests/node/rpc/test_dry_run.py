"""Dry runs through the RPC layer: outcome and difference are those of the block that would be made, and
nothing stays."""

import asyncio
from typing import Any

import pytest

from runtime.primitives.extrinsic import AddressId
from runtime.primitives.ss58 import encode_address
from tests.support.chain import ALICE, BOB
from tests.support.node_chain import snapshot, transfer
from tests.support.node_rpc import DevNode

PARAMS = -32602
ALICE_ADDRESS = encode_address(ALICE, 42)
AMOUNT = 10**12


def h(raw: bytes) -> str:
    return "0x" + raw.hex()


def call_of(node: DevNode, name: str, *args: object) -> str:
    return h(node.chain.api.runtime.calls.make(*name.split("."), *args).encoded())


def give(node: DevNode, amount: int = AMOUNT) -> str:
    return call_of(node, "Balances.transfer_allow_death", AddressId(BOB), amount)


def key_of(node: DevNode, who: bytes) -> str:
    return h(node.chain.api.runtime.pallet("System").account.raw_key(who))  # type: ignore[attr-defined]  # System


def free_in(value: str) -> int:
    return int.from_bytes(bytes.fromhex(value[2:])[16:32], "little")


def diff(answer: dict[str, Any]) -> dict[str, tuple[str | None, str | None]]:
    assert list(answer) == ["outcome", "storageDiff"]
    keys = [key for key, _, _ in answer["storageDiff"]]
    assert keys == sorted(keys)
    return {key: (old, new) for key, old, new in answer["storageDiff"]}


async def test_extrinsic_has_the_outcome_and_the_difference_of_its_block_and_nothing_stays() -> None:
    async with DevNode() as node:
        await node.block()
        before = snapshot(node.chain)
        raw = h(transfer(node.chain.api, "//Alice", BOB, nonce=0))
        answer = await node.call("dev_dryRun", {"extrinsic": raw, "raw": True})
        assert answer["outcome"] == {"ok": {"ok": None}}
        assert snapshot(node.chain) == before
        assert await node.call("author_pendingExtrinsics") == []
        changed = diff(answer)
        for who in (ALICE, BOB):
            assert changed[key_of(node, who)][0] == await node.call("state_getStorage", key_of(node, who))
        await node.call("author_submitExtrinsic", raw)
        await node.block()
        assert changed[key_of(node, BOB)][1] == await node.call("state_getStorage", key_of(node, BOB))
        assert str(changed[key_of(node, ALICE)][1]).startswith("0x01000000"), "its nonce is counted"


async def test_call_is_made_as_if_the_address_had_signed_it_without_fee_and_nonce() -> None:
    async with DevNode() as node:
        call = give(node)
        for address in (ALICE_ADDRESS, h(ALICE)):
            answer = await node.call("dev_dryRun", {"extrinsic": {"call": call, "address": address}})
            assert answer["outcome"] == {"ok": {"ok": None}}
            changed = diff(answer)
            assert set(changed) == {key_of(node, ALICE), key_of(node, BOB)}
            old, new = changed[key_of(node, BOB)]
            assert old is not None
            assert new is not None
            assert free_in(new) - free_in(old) == AMOUNT


async def test_failing_call_says_why_and_changes_nothing() -> None:
    async with DevNode() as node:
        remark = node.chain.api.runtime.calls.make("System", "remark", b"x")
        for call, error in (
            (give(node, 1 << 110), {"token": "FundsUnavailable"}),
            (call_of(node, "Sudo.sudo", remark), {"module": {"index": 8, "error": "0x00000000"}}),
            (call_of(node, "Timestamp.set", 1), {"badOrigin": None}),
        ):
            answer = await node.call("dev_dryRun", {"extrinsic": {"call": call, "address": h(BOB)}})
            assert answer == {"outcome": {"ok": {"err": error}}, "storageDiff": []}


async def test_extrinsic_that_fails_pays_its_fee_and_one_that_may_not_be_included_does_nothing() -> None:
    async with DevNode() as node:
        api = node.chain.api
        failing = await node.call(
            "dev_dryRun", {"extrinsic": h(transfer(api, "//Alice", BOB, 1 << 110, nonce=0))}
        )
        assert "err" in failing["outcome"]["ok"]
        assert key_of(node, ALICE) in diff(failing)
        for raw, reason in (
            (transfer(api, "//Alice", BOB, nonce=5), "future"),
            (transfer(api, "//Alice", BOB, nonce=0, good=False), "badProof"),
        ):
            answer = await node.call("dev_dryRun", {"extrinsic": h(raw)})
            assert answer == {"outcome": {"err": {"invalid": {reason: None}}}, "storageDiff": []}


async def test_runs_at_older_blocks_on_their_state() -> None:
    async with DevNode() as node:
        first = await node.block()
        raw = h(transfer(node.chain.api, "//Alice", BOB, nonce=0))
        await node.call("author_submitExtrinsic", raw)
        await node.block()
        stale = {"err": {"invalid": {"stale": None}}}
        assert (await node.call("dev_dryRun", {"extrinsic": raw}))["outcome"] == stale
        for at in (first, 1, 0):
            answer = await node.call("dev_dryRun", {"extrinsic": raw, "at": at})
            assert answer["outcome"] == {"ok": {"ok": None}}, at
        assert (await node.fail("dev_dryRun", {"extrinsic": raw, "at": "0x" + "77" * 32}))[0] == 4003
        assert (await node.fail("dev_dryRun", {"extrinsic": raw, "at": 3}))[0] == 8000


async def test_pool_and_blocks_in_progress_go_on_beside_dry_runs() -> None:
    async with DevNode() as node:
        raws = [h(transfer(node.chain.api, "//Alice", BOB, nonce=nonce)) for nonce in range(4)]
        for raw in raws:
            await node.call("author_submitExtrinsic", raw)
        made, *answers = await asyncio.gather(
            node.block(), *(node.call("dev_dryRun", {"extrinsic": raws[0]}) for _ in range(5))
        )
        assert len(answers) == 5
        assert len((await node.call("chain_getBlock", made))["block"]["extrinsics"]) == 5


async def test_call_that_crashes_is_an_error_of_the_call() -> None:
    async with DevNode() as node:
        (spec,) = (s for s in node.chain.api.runtime.calls.specs.values() if s.name == "transfer_allow_death")
        before = snapshot(node.chain)
        with node.chain.runtime_at(node.chain.head.hash) as api:
            (lent,) = (s for s in api.runtime.calls.specs.values() if s.name == "transfer_allow_death")

        def crash(*_: object) -> None:
            raise TypeError("planted")

        kept, lent.function = lent.function, crash
        extrinsic = {"call": give(node), "address": h(ALICE)}
        code, message, _ = await node.fail("dev_dryRun", {"extrinsic": extrinsic})
        lent.function = kept
        assert spec is not lent
        assert (code, "Execution failed: TypeError: planted" in message) == (4003, True)
        assert snapshot(node.chain) == before
        assert "ok" in (await node.call("dev_dryRun", {"extrinsic": extrinsic}))["outcome"]


async def test_call_that_writes_what_no_type_holds_is_an_error_of_the_call() -> None:
    async with DevNode(check_state=False) as node:
        full = {"providers": 1, "data": {"free": 10**15, "reserved": str((1 << 128) - 1)}}
        await node.call("dev_setStorage", {"System": {"Account": [[[encode_address(ALICE, 42)], full]]}})
        before = snapshot(node.chain)
        call = node.chain.api.runtime.calls.make("Assets", "create", 99, AddressId(ALICE), 1).encoded()
        extrinsic = {"call": h(call), "address": h(ALICE)}
        code, message, _ = await node.fail("dev_dryRun", {"extrinsic": extrinsic})
        assert (code, "Execution failed: EncodeError: System.Account" in message) == (4003, True), message
        assert snapshot(node.chain) == before


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "`extrinsic` is missing"),
        ({"extrinsic": None}, "`extrinsic` is missing"),
        ({"raw": True}, "`extrinsic` is missing"),
        ({"extrinsic": "0x00", "html": True}, "`html` is not supported"),
        ({"extrinsic": "0x00", "raw": False}, "`raw` must be true or absent"),
        ({"hrmp": {"2000": []}}, "`hrmp` is not supported"),
        ({"dmp": [{"sentAt": 1, "msg": "0x"}]}, "`dmp` is not supported"),
        ({"ump": {"1000": ["0x"]}, "extrinsic": "0x00"}, "`ump` is not supported"),
        ({"extrinsic": {"call": "0x00"}}, "address"),
        ({"extrinsic": {"call": "0x00", "address": "5Grw"}}, "SS58 address"),
        ({"extrinsic": {"call": "0x00", "address": "0x00"}}, "32 bytes"),
        ({"extrinsic": {"call": "0x00", "address": "0x" + "zz" * 32}}, "SS58 address"),
        ({"extrinsic": {"call": 5, "address": ALICE_ADDRESS}}, "call"),
        ({"extrinsic": 5}, "extrinsic"),
        ({"extrinsic": "0x0"}, "extrinsic"),
        ({"extrinsic": "0x00", "at": -1}, "at"),
        ({"extrinsic": "0x00", "at": "0x00"}, "at"),
        ({"extrinsic": "0x00", "more": 1}, "more"),
        ("0x00", "must be an object"),
        (None, "must be an object"),
    ],
)
async def test_what_cannot_be_run_is_told(options: object, told: str) -> None:
    async with DevNode() as node:
        code, message, _ = await node.fail("dev_dryRun", options)
        assert (code, told in message) == (PARAMS, True), message
        assert (await node.fail("dev_dryRun"))[0] == PARAMS


async def test_bytes_that_are_no_extrinsic_or_no_call_are_told() -> None:
    async with DevNode() as node:
        for extrinsic, what in (
            ("0x", "Extrinsic"),
            ("0x0001", "Extrinsic"),
            ({"call": "0x", "address": ALICE_ADDRESS}, "Call"),
            ({"call": "0xffff", "address": ALICE_ADDRESS}, "Call"),
            ({"call": give(node) + "00", "address": ALICE_ADDRESS}, "Call"),
        ):
            code, message, _ = await node.fail("dev_dryRun", {"extrinsic": extrinsic})
            assert (code, message.startswith(f"{what} has invalid format")) == (1001, True), message
