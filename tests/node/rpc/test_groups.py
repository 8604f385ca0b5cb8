"""The method groups on a real chain: happy paths, bad parameters, states at older blocks, subscriptions and
proofs."""

import asyncio

import pytest

from node.rpc.methods import Method
from runtime.primitives.block import decode_header, hash_header
from runtime.primitives.certificate import decode_certificate, verify_certificate
from runtime.primitives.ss58 import encode_address
from runtime.primitives.tree import Absent, Present, verify
from tests.support.chain import ALICE, BOB
from tests.support.node_chain import AUTHORITY, transfer
from tests.support.node_rpc import DevNode

UNKNOWN_BLOCK = "0x" + "77" * 32
PARAMS = -32602
ALICE_ADDRESS = encode_address(ALICE, 42)


def h(raw: bytes) -> str:
    return "0x" + raw.hex()


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def account_key(node: DevNode, who: bytes) -> str:
    return h(node.chain.api.runtime.pallet("System").account.raw_key(who))  # type: ignore[attr-defined]  # System


async def send(node: DevNode, nonce: int, amount: int = 10**12) -> str:
    extrinsic = transfer(node.chain.api, "//Alice", BOB, amount=amount, nonce=nonce)
    sent: str = await node.call("author_submitExtrinsic", h(extrinsic))
    return sent


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("chain_getBlockHash", ["x"]),
        ("chain_getBlockHash", [-1]),
        ("chain_getBlockHash", [1 << 70]),
        ("chain_getHeader", ["0x00"]),
        ("chain_getBlock", [5]),
        ("state_getStorage", []),
        ("state_getStorage", ["0x0"]),
        ("state_getStorage", ["0x", "0x12"]),
        ("state_getKeysPaged", ["0x", -1]),
        ("state_getKeysPaged", ["0x", 1.5]),
        ("state_getKeysPaged", ["0x", True]),
        ("state_getKeysPaged", ["0x", 1 << 80]),
        ("state_queryStorageAt", [["0xzz"]]),
        ("state_queryStorageAt", [[1]]),
        ("state_getReadProof", ["0x"]),
        ("state_call", ["Core_version"]),
        ("system_accountNextIndex", ["5Grw"]),
        ("system_accountNextIndex", [7]),
        ("system_dryRun", ["zz"]),
        ("payment_queryInfo", [None]),
        ("author_submitExtrinsic", ["0x123"]),
        ("author_submitAndWatchExtrinsic", [{}]),
        ("engine_createBlock", [1, 2]),
        ("engine_createBlock", []),
        ("engine_finalizeBlock", ["0x"]),
        ("dev_newBlock", [{"count": "many"}]),
        ("dev_newBlock", [{"count": 0}]),
        ("dev_newBlock", [{"count": 10**9}]),
        ("dev_timeTravel", ["tomorrow"]),
        ("dev_timeTravel", [-1]),
        ("dev_timeTravel", [0]),
        ("dev_timeTravel", [1 << 53]),
        ("dev_timeTravel", [(1 << 64) - 1]),
        ("dev_timeTravel", [1 << 64]),
    ],
)
async def test_bad_parameters_are_told_and_change_nothing(name: str, params: list[object]) -> None:
    async with DevNode() as node:
        code, message, _ = await node.fail(name, *params)
        assert code in {PARAMS, 4002}, message
        assert node.chain.head.number == 0
        await node.block()


async def test_every_read_method_answers_on_a_fresh_chain() -> None:
    async with DevNode() as node:
        for name in (
            "chain_getBlockHash",
            "chain_getHeader",
            "chain_getBlock",
            "chain_getFinalizedHead",
            "state_getMetadata",
            "state_getRuntimeVersion",
            "system_name",
            "system_version",
            "system_chain",
            "system_chainType",
            "system_properties",
            "system_health",
            "system_peers",
            "system_syncState",
            "system_nodeRoles",
            "system_localPeerId",
            "system_localListenAddresses",
            "author_pendingExtrinsics",
        ):
            assert await node.call(name) is not None
        assert await node.call("system_accountNextIndex", ALICE_ADDRESS) == 0


async def test_chain_spec_group_says_what_the_older_methods_say() -> None:
    async with DevNode() as node:
        assert await node.call("chainSpec_v1_chainName") == await node.call("system_chain")
        assert await node.call("chainSpec_v1_genesisHash") == await node.call("chain_getBlockHash", 0)
        assert await node.call("chainSpec_v1_properties") == await node.call("system_properties")
        assert (await node.fail("chainSpec_v1_chainName", 1))[0] == PARAMS


async def test_log_rules_add_up_and_go_back_to_the_first() -> None:
    async with DevNode(reloadable=True) as node:
        rules = node.log_filter
        assert rules is not None
        await node.call("system_addLogFilter", "rpc=debug,sync=trace")
        await node.call("system_addLogFilter", "rpc=error")
        assert (rules.get_level("rpc"), rules.get_level("sync"), rules.get_level("x")) == (40, 0, 20)
        for wrong in ("rpc=loud", "a b=info", ",".join(f"t{n}=info" for n in range(300)), 7, None):
            assert (await node.fail("system_addLogFilter", wrong))[0] == PARAMS
        assert rules.get_level("sync") == 0
        await node.call("system_resetLogFilter")
        assert (rules.get_level("rpc"), rules.get_level("sync")) == (20, 20)


async def test_log_rules_that_were_compiled_in_cannot_be_changed() -> None:
    async with DevNode() as node:
        for name, params in (("system_addLogFilter", ["rpc=debug"]), ("system_resetLogFilter", [])):
            assert "--enable-log-reloading" in str((await node.fail(name, *params))[2])


async def test_methods_for_developers_are_marked_and_unsafe() -> None:
    async with DevNode() as node:
        marked = {entry.name for entry in node.methods if isinstance(entry, Method) and entry.dev}
        assert marked == {name for name in node.methods.names() if name.startswith(("dev_", "engine_"))}
        assert all(entry.unsafe for entry in node.methods if entry.name in marked)
        document = await node.call("rpc.discover")
        tags = {item["name"]: [tag["name"] for tag in item["tags"]] for item in document["methods"]}
        assert all(tags[name] == ["unsafe", "dev"] for name in marked)


async def test_blocks_by_number_hash_and_list() -> None:
    async with DevNode() as node:
        first, second = await node.block(), await node.block()
        assert await node.call("chain_getBlockHash") == second
        assert await node.call("chain_getBlockHash", [1, 2, 3]) == [first, second, None]
        assert await node.call("chain_getBlockHash", "0x1") == first
        header = await node.call("chain_getHeader", second)
        assert (header["number"], header["parentHash"]) == ("0x2", first)
        block = await node.call("chain_getBlock", first)
        assert len(block["block"]["extrinsics"]) == 1
        assert block["justifications"] is None
        for name in ("chain_getHeader", "chain_getBlock"):
            assert await node.call(name, UNKNOWN_BLOCK) is None


async def test_finalized_block_shows_its_certificate() -> None:
    async with DevNode() as node:
        first = await node.block()
        second = await node.block(finalize=True)
        assert await node.call("chain_getFinalizedHead") == second
        ((engine, certificate),) = (await node.call("chain_getBlock", second))["justifications"]
        assert bytes(engine) == b"LOAM"
        assert node.chain.certificate(node.chain.finalized.hash) is not None
        assert len(certificate) > 64
        assert (await node.call("chain_getBlock", first))["justifications"] is None


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("engine_createBlock", [True, False]),
        ("dev_newBlock", []),
        ("dev_setStorage", [{"Session": {"CurrentIndex": 5}}]),
    ],
)
async def test_block_that_is_one_too_many_above_the_final_one_is_refused_until_some_are_final(
    name: str, params: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.storage.blocks.UNFINALIZED_MAX", 3)
    async with DevNode() as node:
        *_, block = [await node.block() for _ in range(3)]
        for _ in range(2):
            code, message, _ = await node.fail(name, *params)
            assert (code, "3 blocks above the finalized one" in message) == (8000, True), message
        assert await node.call("engine_finalizeBlock", block)
        await node.call(name, *params)
        assert node.chain.head.number == 4


async def test_finalizing_again_or_an_unknown_or_older_block_is_an_error_and_no_end() -> None:
    async with DevNode() as node:
        first = await node.block()
        second = await node.block(finalize=True)
        assert await node.call("engine_finalizeBlock", second)
        for block, told in (
            (UNKNOWN_BLOCK, f"no block has the hash {UNKNOWN_BLOCK}"),
            ("0x" + node.chain.genesis_hash.hex(), "the genesis block is final from the start"),
        ):
            code, message, _ = await node.fail("engine_finalizeBlock", block)
            assert (code, message) == (8000, f"block cannot be finalized: {told}")
        assert (await node.fail("engine_finalizeBlock", first))[0] == 4000
        third = await node.block(finalize=True)
        assert await node.call("chain_getFinalizedHead") == third


async def test_block_without_transactions_must_be_asked_for() -> None:
    async with DevNode() as node:
        assert (await node.fail("engine_createBlock", False, False))[0] == 6000
        assert (await node.fail("engine_createBlock", True, False, UNKNOWN_BLOCK))[0] == 8000
        await send(node, 0)
        assert await node.call("engine_createBlock", False, False)


async def test_time_travel_moves_the_next_block_and_never_back() -> None:
    async with DevNode() as node:
        target = node.clock.now_ms() + 86_400_000
        assert await node.call("dev_timeTravel", target) == target
        await node.block()
        now = node.chain.api.runtime.pallet("Timestamp").now  # type: ignore[attr-defined]  # Timestamp
        reached = now.get()
        assert reached >= target
        await node.call("dev_timeTravel", 1)
        await node.block()
        assert now.get() == reached + 1


async def test_state_at_older_blocks_is_that_of_their_time() -> None:
    async with DevNode() as node:
        key = account_key(node, BOB)
        blocks, values = [], []
        for nonce in range(3):
            await send(node, nonce)
            blocks.append(await node.block(finalize=nonce == 1))
            values.append(await node.call("state_getStorage", key))
        assert len(set(values)) == 3
        for block, value in zip(blocks, values, strict=True):
            assert await node.call("state_getStorage", key, block) == value
            assert await node.call("state_getStorageSize", key, block) == len(raw(value))
            (change,) = await node.call("state_queryStorageAt", [key], block)
            assert change == {"block": block, "changes": [[key, value]]}
        history = await node.call("state_queryStorage", [key], blocks[0], blocks[2])
        assert [entry["changes"][0][1] for entry in history] == values
        listed = await node.call("state_getKeysPaged", key[:66], 1000, None, blocks[0])
        assert key in listed
        assert listed == sorted(listed)
        half = await node.call("state_getKeysPaged", key[:66], 2)
        rest = await node.call("state_getKeysPaged", key[:66], 1000, half[-1])
        assert half + rest == await node.call("state_getKeysPaged", key[:66], 1000)


async def test_state_of_unknown_and_pruned_blocks_has_the_texts_that_clients_parse() -> None:
    async with DevNode(window=2) as node:
        key = account_key(node, BOB)
        old = await node.block(finalize=True)
        for _ in range(4):
            await node.block(finalize=True)
        discarded = f"Client error: Api called for an unknown Block: State already discarded for {old}"
        unknown = f"Client error: UnknownBlock: Header was not found: {UNKNOWN_BLOCK}"
        for name, params in (
            ("state_getStorage", [key]),
            ("state_getKeysPaged", ["0x", 1, None]),
            ("state_queryStorageAt", [[key]]),
            ("state_getReadProof", [[key]]),
            ("state_getMetadata", []),
            ("state_getRuntimeVersion", []),
            ("state_call", ["Core_version", "0x"]),
        ):
            assert (await node.fail(name, *params, old))[:2] == (4003, discarded)
            assert (await node.fail(name, *params, UNKNOWN_BLOCK))[:2] == (4003, unknown)
        assert await node.call("chain_getBlock", old) is not None


async def test_runtime_calls_with_bad_names_or_data_are_client_errors() -> None:
    async with DevNode() as node:
        assert await node.call("state_call", "Core_version", "0x")
        for name, data in (
            ("Core_nothing", "0x"),
            ("", "0x"),
            ("AccountNonceApi_account_nonce", "0x"),
            ("AccountNonceApi_account_nonce", "0x" + "00" * 33),
            ("Metadata_metadata_at_version", "0x0f"),
            ("TransactionPaymentApi_query_info", "0xff"),
            ("TaggedTransactionQueue_validate_transaction", "0x00"),
        ):
            code, message, _ = await node.fail("state_call", name, data)
            assert (code, message.startswith("Client error: ")) == (4003, True), message


async def test_dry_run_tells_the_outcome_and_leaves_no_trace() -> None:
    async with DevNode() as node:
        await node.block()
        good = transfer(node.chain.api, "//Alice", BOB, nonce=0)
        failing = transfer(node.chain.api, "//Alice", BOB, amount=1 << 110, nonce=0)
        stale = transfer(node.chain.api, "//Alice", BOB, nonce=5)
        forged = transfer(node.chain.api, "//Alice", BOB, nonce=0, good=False)
        before = await node.call("state_getStorage", account_key(node, BOB))
        assert await node.call("system_dryRun", h(good)) == "0x0000"
        assert (await node.call("system_dryRun", h(failing))).startswith("0x0001")
        assert await node.call("system_dryRun", h(stale)) == "0x010002"
        assert await node.call("system_dryRun", h(forged)) == "0x010004"
        assert (await node.fail("system_dryRun", "0x00"))[0] == 1001
        assert await node.call("state_getStorage", account_key(node, BOB)) == before
        await node.call("author_submitExtrinsic", h(good))
        await node.block()


# --- subscriptions


async def test_heads_come_in_order_without_a_gap() -> None:
    async with DevNode() as node:
        best = await node.call("chain_subscribeNewHeads")
        every = await node.call("chain_subscribeAllHeads")
        final = await node.call("chain_subscribeFinalizedHeads")
        for number in range(5):
            await node.block(finalize=number in {1, 4})
        for subscription in (best, every, final):
            numbers = [int(head["number"], 16) for head in node.results(subscription)]
            assert numbers == list(range(6))
        assert await node.call("chain_unsubscribeNewHeads", best)
        await node.block()
        assert len(node.results(best)) == 6


async def test_storage_subscription_sends_the_value_now_and_each_change() -> None:
    async with DevNode() as node:
        watched, still = account_key(node, BOB), h(b"still")
        feed = await node.call("state_subscribeStorage", [watched, still])
        await node.block()
        await send(node, 0)
        block = await node.block()
        value = await node.call("state_getStorage", watched)
        first, second = node.results(feed)
        assert [key for key, _ in first["changes"]] == [watched, still]
        assert second == {"block": block, "changes": [[watched, value]]}


async def test_runtime_version_is_sent_once_at_the_start() -> None:
    async with DevNode() as node:
        feed = await node.call("state_subscribeRuntimeVersion")
        await node.block()
        assert node.results(feed) == [await node.call("state_getRuntimeVersion")]


# --- proofs


async def test_proofs_hold_against_the_header_at_head_and_at_older_blocks_while_sealing_goes_on() -> None:
    async with DevNode() as node:
        keys = [account_key(node, BOB), account_key(node, ALICE), h(b"absent"), "0x"]
        blocks = []
        for nonce in range(4):
            await send(node, nonce)
            blocks.append(await node.block(finalize=nonce == 1))

        async def seal() -> None:
            for _ in range(4):
                await node.block()

        async def prove(block: str) -> None:
            answer = await node.call("state_getReadProof", keys, block)
            root = raw((await node.call("chain_getHeader", answer["at"]))["stateRoot"])
            assert answer["at"] == block
            for key, proof in zip(keys, answer["proof"], strict=True):
                value = await node.call("state_getStorage", key, block)
                expected = Absent() if value is None else Present(raw(value))
                assert verify(root, raw(key), raw(proof)) == expected

        await asyncio.gather(seal(), *(prove(block) for block in blocks * 2))


async def test_finality_of_a_block_is_proven_by_the_next_certificate_and_the_headers_up_to_it() -> None:
    async with DevNode() as node:
        for _ in range(3):
            await node.block()
        assert await node.call("chain_proveFinality", 1) is None
        await node.call("engine_finalizeBlock", await node.call("chain_getBlockHash", 2))
        proof = await node.call("chain_proveFinality", 1)
        headers = [decode_header(raw(each)) for each in proof["headers"]]
        assert [header.number for header in headers] == [1, 2]
        assert headers[1].parent_hash == hash_header(headers[0])
        certificate = decode_certificate(raw(proof["certificate"]))
        assert (certificate.number, certificate.block_hash) == (2, hash_header(headers[1]))
        verify_certificate(certificate, node.chain.genesis_hash, 0, [(AUTHORITY.public, 1)])
        assert (await node.call("chain_proveFinality", 2))["headers"] == proof["headers"][1:]
        assert await node.call("chain_proveFinality", 3) is None
        assert await node.call("chain_proveFinality", 10**6) is None
        assert (await node.fail("chain_proveFinality", -1))[0] == PARAMS
