"""What wallets rely on, line by line: names and aliases, tolerances, shapes and texts of Substrate's RPC."""

import json

import pytest

from node.pool import errors as pool_errors
from node.rpc.groups.author import refusal_error
from node.rpc.methods import Subscription, Unsubscription
from runtime.frame.validity import (
    InvalidReason,
    InvalidTransaction,
    TransactionError,
    UnknownReason,
    UnknownTransaction,
)
from runtime.primitives.extrinsic import make_unsigned
from runtime.primitives.scale import codec, u32
from runtime.primitives.ss58 import encode_address
from tests.support.chain import ALICE, BOB, keypair
from tests.support.node_chain import sign, transfer
from tests.support.node_rpc import DevNode

ALIASES = {
    "system_accountNextIndex": ["account_nextIndex"],
    "system_dryRun": ["system_dryRunAt"],
    "chain_getBlockHash": ["chain_getHead"],
    "chain_getFinalizedHead": ["chain_getFinalisedHead"],
    "chain_subscribeNewHeads": ["chain_subscribeNewHead", "subscribe_newHead"],
    "chain_subscribeFinalizedHeads": ["chain_subscribeFinalisedHeads"],
    "chain_subscribeAllHeads": [],
    "state_getRuntimeVersion": ["chain_getRuntimeVersion"],
    "state_subscribeRuntimeVersion": ["chain_subscribeRuntimeVersion"],
    "state_getStorage": ["state_getStorageAt"],
    "state_getStorageHash": ["state_getStorageHashAt"],
    "state_getStorageSize": ["state_getStorageSizeAt"],
    "state_getKeysPaged": ["state_getKeysPagedAt"],
    "state_call": ["state_callAt"],
}
OTHERS = (
    "rpc_methods",
    "system_chain",
    "system_properties",
    "system_name",
    "system_version",
    "system_chainType",
    "system_health",
    "system_peers",
    "system_syncState",
    "system_nodeRoles",
    "system_localPeerId",
    "system_localListenAddresses",
    "chain_getHeader",
    "chain_getBlock",
    "state_getMetadata",
    "state_queryStorageAt",
    "state_queryStorage",
    "state_subscribeStorage",
    "state_getKeys",
    "state_getPairs",
    "state_getReadProof",
    "payment_queryInfo",
    "payment_queryFeeDetails",
    "author_submitExtrinsic",
    "author_submitAndWatchExtrinsic",
    "author_unwatchExtrinsic",
    "author_pendingExtrinsics",
    "author_insertKey",
    "author_hasKey",
    "author_hasSessionKeys",
    "author_rotateKeys",
    "author_rotateKeysWithOwner",
    "author_removeExtrinsic",
    "chainSpec_v1_chainName",
    "chainSpec_v1_genesisHash",
    "chainSpec_v1_properties",
)
NOTICES = {
    "chain_subscribeNewHeads": ("chain_newHead", "chain_unsubscribeNewHeads"),
    "chain_subscribeAllHeads": ("chain_allHead", "chain_unsubscribeAllHeads"),
    "chain_subscribeFinalizedHeads": ("chain_finalizedHead", "chain_unsubscribeFinalizedHeads"),
    "state_subscribeStorage": ("state_storage", "state_unsubscribeStorage"),
    "state_subscribeRuntimeVersion": ("state_runtimeVersion", "state_unsubscribeRuntimeVersion"),
    "author_submitAndWatchExtrinsic": ("author_extrinsicUpdate", "author_unwatchExtrinsic"),
}


def h(raw: bytes) -> str:
    return "0x" + raw.hex()


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def account_key(node: DevNode, who: bytes) -> bytes:
    key: bytes = node.chain.api.runtime.pallet("System").account.raw_key(who)  # type: ignore[attr-defined]  # System
    return key


# --- names


async def test_every_method_and_alias_is_listed_and_the_aliases_are_the_method() -> None:
    async with DevNode() as node:
        listed = (await node.call("rpc_methods"))["methods"]
        assert {*ALIASES, *OTHERS} <= set(listed)
        for name, aliases in ALIASES.items():
            assert set(aliases) <= set(listed)
            for alias in aliases:
                assert node.methods.find(alias) is node.methods.find(name)


async def test_notices_have_the_method_names_that_clients_match() -> None:
    async with DevNode() as node:
        for name, (notice, ends) in NOTICES.items():
            entry = node.methods.find(name)
            assert isinstance(entry, Subscription)
            assert entry.notification == notice
            ender = node.methods.find(ends)
            assert isinstance(ender, Unsubscription)
            assert ender.subscription == name


async def test_params_may_be_missing_null_empty_or_end_in_nulls() -> None:
    async with DevNode() as node:
        for name in ("chain_getBlockHash", "chain_getHeader", "chain_getBlock", "state_getRuntimeVersion"):
            expected = await node.call(name)
            for params in ("", ',"params":null', ',"params":[]', ',"params":[null]', ',"params":[null,null]'):
                body = f'{{"jsonrpc":"2.0","id":0,"method":"{name}"{params}}}'.encode()
                answer = json.loads(await node.send_raw(body) or b"")
                assert answer == {"jsonrpc": "2.0", "result": expected, "id": 0}


async def test_result_is_present_when_it_is_null() -> None:
    async with DevNode() as node:
        for name, params in (
            ("chain_getHeader", [h(bytes(32))]),
            ("chain_getBlock", [h(bytes(32))]),
            ("chain_getBlockHash", [99]),
            ("state_getStorage", ["0x00"]),
            ("state_getStorageHash", ["0x00"]),
            ("state_getStorageSize", ["0x00"]),
        ):
            answer = await node.send(name, *params)
            assert answer["result"] is None
            assert "error" not in answer


# --- chain, state


async def test_block_hash_takes_numbers_hex_numbers_and_lists_of_both() -> None:
    async with DevNode() as node:
        first, second = await node.block(), await node.block()
        genesis = h(node.chain.genesis_hash)
        for number in (1, "0x1", "0x01", "0x0000000000000001"):
            assert await node.call("chain_getBlockHash", number) == first
        assert await node.call("chain_getBlockHash", ["0x0", 1, "0x2", 3]) == [genesis, first, second, None]
        assert await node.call("chain_getBlockHash", []) == []
        assert await node.call("chain_getHead") == second


async def test_header_is_substrates_json() -> None:
    async with DevNode() as node:
        for _ in range(16):
            await node.block()
        header = await node.call("chain_getHeader")
        assert set(header) == {"parentHash", "number", "stateRoot", "extrinsicsRoot", "digest"}
        assert header["number"] == "0x10"
        assert [log[:12] for log in header["digest"]["logs"]] == ["0x0642414245", "0x0654494d45"]
        block = await node.call("chain_getBlock")
        assert set(block) == {"block", "justifications"}
        assert block["block"]["header"] == header


async def test_runtime_version_is_substrates_json() -> None:
    async with DevNode() as node:
        version = await node.call("state_getRuntimeVersion")
        assert set(version) == {
            "specName",
            "implName",
            "authoringVersion",
            "specVersion",
            "implVersion",
            "apis",
            "transactionVersion",
            "systemVersion",
            "stateVersion",
        }
        assert ["0xdf6acb689907609b", 5] in version["apis"]


async def test_keys_start_strictly_after_the_start_key_which_may_be_the_prefix() -> None:
    async with DevNode() as node:
        prefix = h(account_key(node, ALICE)[:32])
        keys = await node.call("state_getKeysPaged", prefix, 1000)
        assert keys == sorted(keys)
        assert await node.call("state_getKeysPaged", prefix, 1000, prefix) == keys
        assert await node.call("state_getKeysPaged", prefix, 1000, keys[0]) == keys[1:]
        assert await node.call("state_getKeysPaged", prefix, 1000, None, None) == keys
        every = await node.call("state_getKeysPaged", None, 1000)
        assert set(keys) < set(every)
        code, message, _ = await node.fail("state_getKeysPaged", prefix, 1001)
        assert (code, message) == (4002, "count exceeds maximum value. value: 1001, max: 1000")


async def test_queried_keys_come_back_as_they_were_sent_absent_ones_with_null() -> None:
    async with DevNode() as node:
        key = account_key(node, ALICE)
        value = await node.call("state_getStorage", h(key))
        texts = [h(key), key.hex(), "0x" + key.hex().upper(), h(key), "0x00"]
        (answer,) = await node.call("state_queryStorageAt", texts, None)
        assert answer["block"] == await node.call("chain_getBlockHash")
        assert answer["changes"] == [*([text, value] for text in texts[:4]), ["0x00", None]]
        for text in ("0x0", "0xzz", "0x 00", "xx"):
            assert (await node.fail("state_queryStorageAt", [text]))[0] == -32602


# --- state_call


async def test_state_call_takes_data_with_0x_without_and_empty() -> None:
    async with DevNode() as node:
        version = await node.call("state_call", "Core_version", "0x")
        for params in (["Core_version", ""], ["Core_version", "0x", None], ["Core_version", "", None]):
            assert await node.call("state_call", *params) == version
        (constant,) = [
            one for one in node.chain.api.runtime.pallet("System").constants() if one.name == "Version"
        ]
        assert raw(version) == codec(type(constant.value)).encode(constant.value)
        nonce = await node.call("state_call", "AccountNonceApi_account_nonce", ALICE.hex())
        assert nonce == await node.call("state_callAt", "AccountNonceApi_account_nonce", h(ALICE), None)
        assert nonce == "0x00000000"


async def test_unknown_function_has_the_text_that_clients_key_on() -> None:
    async with DevNode() as node:
        for name in ("Metadata_metadata_at_versions", "Core_nothing", "x"):
            text = f"Client error: Execution failed: Other: Exported method {name} is not found"
            assert (await node.fail("state_call", name, "0x"))[:2] == (4003, text)


async def test_metadata_by_version_is_optional_and_by_name_is_not() -> None:
    async with DevNode() as node:

        async def ask(name: str, data: str = "0x") -> bytes:
            return raw(await node.call("state_call", f"Metadata_{name}", data))

        versions = codec(tuple[u32, ...]).decode(await ask("metadata_versions"))
        assert {14, 15} <= set(versions)
        for version in versions:
            made = codec(bytes | None).decode(await ask("metadata_at_version", f"{version:02x}000000"))
            assert made is not None
            assert made[:5] == b"meta" + bytes([version])
        for unknown in ("00000000", "63000000", "ffffffff"):
            assert await ask("metadata_at_version", unknown) == b"\0"
        plain = codec(bytes).decode(await ask("metadata"))
        assert plain == raw(await node.call("state_getMetadata"))
        assert plain[4] == 14


@pytest.mark.parametrize("fake", [b"\0", b"\1"])
async def test_fee_queries_take_placeholder_signatures_and_agree(fake: bytes) -> None:
    async with DevNode() as node:
        signed = transfer(node.chain.api, "//Alice", BOB, nonce=0, tip=7)
        job = node.chain.api.signature_job(node.chain.api.decode_extrinsic(signed))
        extrinsic = signed.replace(job.signature, fake * 64)
        info = await node.call("payment_queryInfo", h(extrinsic))
        assert set(info) == {"weight", "class", "partialFee"}
        assert type(info["weight"]) is int
        assert info["class"] == "normal"
        assert info["partialFee"] == str(int(info["partialFee"]))
        argument = h(extrinsic + len(extrinsic).to_bytes(4, "little"))
        fee = raw(await node.call("state_call", "TransactionPaymentApi_query_info", argument))
        assert int.from_bytes(fee[-16:], "little") == int(info["partialFee"])
        assert fee[-17] == 0
        details = (await node.call("payment_queryFeeDetails", h(extrinsic)))["inclusionFee"]
        assert set(details) == {"baseFee", "lenFee", "adjustedWeightFee"}
        assert sum(int(part, 16) for part in details.values()) == int(info["partialFee"])
        parts = raw(await node.call("state_call", "TransactionPaymentApi_query_fee_details", argument))
        assert (parts[0], len(parts)) == (1, 1 + 3 * 16 + 16)
        assert parts[-16:] == bytes(16)  # the tip, which Substrate leaves out of its answer too


async def test_validity_has_the_codes_that_clients_decode() -> None:
    async with DevNode() as node:
        await node.block()
        head = raw(await node.call("chain_getBlockHash"))

        async def validate(extrinsic: bytes) -> bytes:
            argument = h(b"\2" + extrinsic + head)
            return raw(await node.call("state_call", "TaggedTransactionQueue_validate_transaction", argument))

        def remark(**how: object) -> bytes:
            args = (node.chain.api, keypair("//Alice"), "System.remark", (b"x",))
            return sign(*args, **how)  # type: ignore[arg-type]  # as sign

        good = await validate(remark(nonce=0))
        assert (good[0], good[-1]) == (0, 1)
        assert (await validate(remark(nonce=3)))[0] == 0
        assert await validate(remark(nonce=0, good=False)) == b"\1\0\4"
        assert await validate(remark(nonce=0, tip=1 << 120)) == b"\1\0\1"
        assert await validate(make_unsigned(b"\0\0\0")) == b"\1\1\1"
        await node.call("author_submitExtrinsic", h(remark(nonce=0)))
        await node.block()
        head = raw(await node.call("chain_getBlockHash"))
        assert await validate(remark(nonce=0)) == b"\1\0\3"


async def test_nonce_of_the_runtime_leaves_the_pool_out_and_the_index_counts_it() -> None:
    async with DevNode() as node:
        await node.call("author_submitExtrinsic", h(transfer(node.chain.api, "//Alice", BOB, nonce=0)))
        assert await node.call("state_call", "AccountNonceApi_account_nonce", h(ALICE)) == "0x00000000"
        for prefix in (42, 0, 4242):
            assert await node.call("system_accountNextIndex", encode_address(ALICE, prefix)) == 1
        assert (await node.fail("account_nextIndex", h(ALICE)))[0] == -32602


# --- system


async def test_properties_health_and_type_have_the_members_that_clients_read() -> None:
    async with DevNode() as node:
        assert set(await node.call("system_properties")) == {"ss58Format", "tokenDecimals", "tokenSymbol"}
        assert set(await node.call("system_health")) == {"peers", "isSyncing", "shouldHavePeers"}
        assert await node.call("system_chainType") == "Development"


# --- refusals


INVALID = {
    InvalidReason.Stale: "Transaction is outdated",
    InvalidReason.BadProof: "Transaction has a bad signature",
    InvalidReason.Payment: "Inability to pay some fees (e.g. account balance too low)",
    InvalidReason.Future: "Transaction will be valid in the future",
    InvalidReason.AncientBirthBlock: "Transaction has an ancient birth block",
    InvalidReason.ExhaustsResources: "Transaction would exhaust the block limits",
    InvalidReason.Call: "Transaction call is not expected",
    InvalidReason.BadSigner: "Invalid signing address",
}
TOO_LOW = "The transaction has too low priority to replace another transaction already in the pool."
LIMIT = "The transaction couldn't enter the pool because of the limit"
NO_TAGS = "Transaction does not provide any tags, so the pool can't identify it"
FULL = pool_errors.ImmediatelyDropped("pool_limit", 1)
REFUSALS: list[tuple[TransactionError | pool_errors.PoolError, int, str, str | None]] = [
    *((InvalidTransaction(reason), 1010, "Invalid Transaction", text) for reason, text in INVALID.items()),
    (InvalidTransaction(InvalidReason.Custom, 9), 1010, "Invalid Transaction", "Custom error: 9"),
    (UnknownTransaction(UnknownReason.CannotLookup), 1011, "Unknown Transaction Validity", "CannotLookup"),
    (
        UnknownTransaction(UnknownReason.NoUnsignedValidator),
        1011,
        "Unknown Transaction Validity",
        "NoUnsignedValidator",
    ),
    (UnknownTransaction(UnknownReason.Custom, 9), 1011, "Unknown Transaction Validity", "Custom(9)"),
    (pool_errors.TemporarilyBanned(), 1012, "Transaction is temporarily banned", None),
    (pool_errors.AlreadyImported(b"\7" * 32), 1013, "Transaction Already Imported", "0x" + "07" * 32),
    (pool_errors.TooLowPriority(5, 4), 1014, "Priority is too low: (5 vs 4)", TOO_LOW),
    (pool_errors.CycleDetected(), 1015, "Cycle Detected", None),
    (FULL, 1016, "Immediately Dropped", LIMIT),
    (pool_errors.NoTagsProvided(), 1019, "No tags provided", NO_TAGS),
    (pool_errors.FutureRejected(), 1021, "The pool is not accepting future transactions", None),
]


@pytest.mark.parametrize(("refusal", "code", "message", "data"), REFUSALS, ids=lambda value: str(value)[:30])
def test_refusal_has_the_code_message_and_data_of_substrate(
    refusal: TransactionError | pool_errors.PoolError, code: int, message: str, data: str | None
) -> None:
    error = refusal_error(refusal)
    assert (error.code, error.message, error.data) == (code, message, data)
