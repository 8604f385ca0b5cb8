"""Storage set by hand through the RPC layer: what is set, what is refused, and that the chain goes on."""

from typing import Any

import pytest

from node.chain.chain import Chain
from node.chain.events import Imported
from node.config import IntervalSeal
from runtime.frame.by_hand import OVERRIDE_BYTES_MAX, OVERRIDE_ENGINE, OVERRIDES_MAX
from runtime.frame.fungible import Preservation
from runtime.primitives.block import PreRuntime
from runtime.primitives.ss58 import encode_address
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, FERDIE
from tests.support.node_chain import copy_block, open_chain, snapshot, transfer
from tests.support.node_rpc import DevNode

pytestmark = pytest.mark.slow

PARAMS = -32602
BLOCK_ERROR = 8000
ALICE_ADDRESS = encode_address(ALICE, 42)
BOB_ADDRESS = encode_address(BOB, 42)
FERDIE_ADDRESS = encode_address(FERDIE, 42)
TOKENS = 10**15


def h(raw: bytes) -> str:
    return "0x" + raw.hex()


def pallet(chain: Chain, name: str) -> Any:
    return chain.api.runtime.pallet(name)


def item_key(node: DevNode, pallet_name: str, attribute: str, *keys: object) -> str:
    item = pallet(node.chain, pallet_name).items[attribute].item
    return h(item.raw_prefix(*keys) if keys else item.prefix)


def account_of(node: DevNode, who: bytes) -> Any:
    return pallet(node.chain, "System").get_account(who)


def rich(free: int, **members: object) -> dict[str, object]:
    return {"providers": 1, "data": {"free": free}} | members


def account(who: str, value: object) -> dict[str, object]:
    return {"System": {"Account": [[[who], value]]}}


# --- what is set


async def test_account_is_set_by_names_and_json_and_can_be_used_at_once() -> None:
    async with DevNode(check_state=False) as node:
        assert account_of(node, FERDIE).nonce == 0, "the live value is known before it is set"
        block = await node.call("dev_setStorage", account(FERDIE_ADDRESS, rich(TOKENS, nonce=3)))
        assert block == h(node.chain.head.hash)
        assert node.chain.head.number == 1
        info = account_of(node, FERDIE)
        assert (info.nonce, info.providers, info.data.free, info.data.reserved) == (3, 1, TOKENS, 0)
        raw = transfer(node.chain.api, "//Ferdie", BOB, nonce=3)
        await node.call("author_submitExtrinsic", h(raw))
        await node.block()
        assert account_of(node, FERDIE).nonce == 4


async def test_storage_and_proof_at_the_new_block_have_the_value_and_older_ones_do_not() -> None:
    async with DevNode() as node:
        key = item_key(node, "Session", "current_index")
        before = await node.block()
        block = await node.call("dev_setStorage", [[key, "0x07000000"]], before)
        assert await node.call("state_getStorage", key) == "0x07000000"
        assert await node.call("state_getStorage", key, block) == "0x07000000"
        assert await node.call("state_getStorage", key, before) is None
        root = (await node.call("chain_getHeader", block))["stateRoot"]
        assert root == h(node.chain.tree.root)
        after = await node.block(finalize=True)
        assert await node.call("state_getStorage", key, after) == "0x07000000"


async def test_null_removes_an_entry_and_a_later_pair_wins() -> None:
    async with DevNode() as node:
        key = item_key(node, "Session", "current_index")
        await node.call("dev_setStorage", [[key, "0x01000000"], [key, "0x02000000"]])
        assert await node.call("state_getStorage", key) == "0x02000000"
        await node.call("dev_setStorage", {"session": {"currentIndex": None}})
        assert await node.call("state_getStorage", key) is None


async def test_values_may_be_hex_numbers_or_text_of_numbers() -> None:
    async with DevNode() as node:
        for value, stored in ((9, 9), ("10", 10), ("0x0b000000", 11)):
            await node.call("dev_setStorage", {"Session": {"CurrentIndex": value}})
            assert pallet(node.chain, "Session").current_index.get() == stored


async def test_all_entries_of_a_map_are_removed_and_those_set_after_it_stay() -> None:
    async with DevNode(check_state=False) as node:
        accounts = pallet(node.chain, "System").account
        assert len(list(accounts.items())) > 2
        alice = [[encode_address(ALICE, 42)], rich(TOKENS)]
        await node.call("dev_setStorage", {"System": {"$removePrefix": ["Account"], "Account": [alice]}})
        assert [who for who, _ in accounts.items()] == [ALICE]


async def test_head_is_told_as_that_of_any_block_and_the_item_is_in_its_digest() -> None:
    async with DevNode() as node:
        heads = await node.call("chain_subscribeNewHeads")
        feed = await node.call("state_subscribeStorage", [key := item_key(node, "Session", "current_index")])
        block = await node.call("dev_setStorage", {"Session": {"CurrentIndex": 5}})
        assert int(node.results(heads)[-1]["number"], 16) == 1
        assert node.results(feed)[-1] == {"block": block, "changes": [[key, "0x05000000"]]}
        logs = node.chain.head.header.digest.logs
        engines = [item.field_0 for item in logs if isinstance(item, PreRuntime)]
        assert engines == [b"BABE", b"TIME", OVERRIDE_ENGINE]


async def test_block_is_final_when_it_is_asked_for() -> None:
    async with DevNode() as node:
        block = await node.call("dev_setStorage", {"Session": {"CurrentIndex": 5}})
        assert node.chain.finalized.number == 0
        assert await node.call("engine_finalizeBlock", block)
        assert h(node.chain.finalized.hash) == block


# --- the pool


async def test_transactions_stay_in_the_pool_and_go_into_the_next_block() -> None:
    async with DevNode() as node:
        sent = [transfer(node.chain.api, "//Alice", BOB, nonce=nonce) for nonce in (0, 1)]
        for raw in sent:
            await node.call("author_submitExtrinsic", h(raw))
        block = await node.call("dev_setStorage", {"Session": {"CurrentIndex": 5}})
        assert len((await node.call("chain_getBlock", block))["block"]["extrinsics"]) == 1, "the time alone"
        assert await node.call("author_pendingExtrinsics") == [h(raw) for raw in sent]
        after = await node.block()
        assert (await node.call("chain_getBlock", after))["block"]["extrinsics"][1:] == [h(r) for r in sent]


async def test_transactions_that_the_values_make_valid_or_void_are_judged_anew() -> None:
    async with DevNode(check_state=False) as node:
        waiting = transfer(node.chain.api, "//Alice", BOB, nonce=1)
        void = transfer(node.chain.api, "//Bob", ALICE, nonce=0)
        for raw in (waiting, void):
            await node.call("author_submitExtrinsic", h(raw))
        assert (node.host.pool.status.ready, node.host.pool.status.future) == (1, 1)
        alice, bob = encode_address(ALICE, 42), BOB_ADDRESS
        entries = [[[alice], rich(TOKENS, nonce=1)], [[bob], rich(TOKENS, nonce=1)]]
        await node.call("dev_setStorage", {"System": {"Account": entries}})
        assert await node.call("author_pendingExtrinsics") == [h(waiting)]
        await node.block()
        assert account_of(node, ALICE).nonce == 2


# --- what is refused, and changes nothing


BAD_VALUES: list[object] = [
    None,
    5,
    "0x",
    [],
    {},
    {"System": {}},
    [["0x00"]],
    [["0x00", "0x00", "0x00"]],
    [[None, "0x00"]],
    [["0x00", 5]],
    [["0x0", "0x00"]],
    [["0x" + "00" * 32, "0x00"]],
    [["0x", "0x00"]],
    [["0x3a636f6465", "0x00"]],
    [["0x3a686561707061676573", "0x00"]],
    [["0x" + "00" * 1025, "0x00"]],
    [["0x00", "0x" + "00" * (OVERRIDE_BYTES_MAX + 1)]],
    [["0x00", "0x00"]] * (OVERRIDES_MAX + 1),
    {"Nothing": {"Account": []}},
    {"System": []},
    {"System": {"Nothing": 1}},
    {"System": {"Code": "0x00"}},
    {"System": {"Account": {}}},
    {"System": {"Account": [[]]}},
    {"System": {"Account": [[BOB_ADDRESS, BOB_ADDRESS], {}]}},
    {"System": {"Account": [[["5Grw"], {}]]}},
    {"System": {"Account": [[["0x00"], {}]]}},
    {"System": {"Account": [[[BOB_ADDRESS, BOB_ADDRESS], {}]]}},
    account(BOB_ADDRESS, {"nonce": -1}),
    account(BOB_ADDRESS, {"nonce": 1 << 32}),
    account(BOB_ADDRESS, {"nonce": True}),
    account(BOB_ADDRESS, {"nonce": 1.5}),
    account(BOB_ADDRESS, {"nonce": "many"}),
    account(BOB_ADDRESS, {"none": 1}),
    account(BOB_ADDRESS, {"data": {"free": str(1 << 128)}}),
    account(BOB_ADDRESS, "0x00"),
    account(BOB_ADDRESS, "0x0"),
    account(BOB_ADDRESS, []),
    account(BOB_ADDRESS, 0),
    {"System": {"$removePrefix": "Account"}},
    {"System": {"$removePrefix": ["Nothing"]}},
    {"System": {"$removePrefix": [1]}},
    {"Session": {"CurrentIndex": [1]}},
    {"Session": {"CurrentIndex": "0x01"}},
    {"Session": {"Validators": ["0x00"]}},
]


@pytest.mark.slow
@pytest.mark.parametrize("values", BAD_VALUES, ids=range(len(BAD_VALUES)))
async def test_values_that_no_item_can_hold_are_refused_and_change_nothing(values: object) -> None:
    async with DevNode() as node:
        before = snapshot(node.chain)
        code, message, _ = await node.fail("dev_setStorage", values)
        assert (code, message.startswith("Invalid params: ")) == (PARAMS, True), message
        assert snapshot(node.chain) == before
        await node.block()


async def test_errors_name_the_place() -> None:
    async with DevNode() as node:
        for values, told in (
            (account(BOB_ADDRESS, {"data": {"free": "x"}}), "System.Account[0].data.free must be an integer"),
            ({"Nothing": {}}, "Invalid params: 'Nothing' is no pallet of this chain"),
            ({"System": {"Nothing": 1}}, "System.Nothing is no storage item of System; it has Account,"),
            ([["0x3a636f6465", None]], ":code is not set by hand"),
        ):
            message = (await node.fail("dev_setStorage", values))[1]
            assert told in message, message


@pytest.mark.parametrize(
    "values",
    [
        {"Timestamp": {"DidUpdate": True}},
        {"Timestamp": {"Now": str((1 << 64) - 1)}},
        {"System": {"LastRuntimeUpgrade": None}},
        {"Upgrades": {"Scheduled": {"spec_version": 1, "number": 1}}},
        {"Upgrades": {"Scheduled": {"spec_version": 1, "number": 2}}},
        {"Upgrades": {"Scheduled": {"spec_version": 2, "number": 1}}},
        {"Upgrades": {"Scheduled": {"spec_version": 2, "number": 2}}},
    ],
)
async def test_values_after_which_no_block_could_be_made_are_refused(values: object) -> None:
    async with DevNode() as node:
        before = snapshot(node.chain)
        code, message, _ = await node.fail("dev_setStorage", values)
        assert (code, "the chain could not go on" in message) == (PARAMS, True), message
        assert snapshot(node.chain) == before
        await node.block()


KEYS = [[[BOB_ADDRESS], {"grandpa": "0x" + "11" * 32}]]


@pytest.mark.parametrize(
    ("session", "left"),
    [
        ({"Validators": []}, 0),
        ({"$removePrefix": ["NextKeys"]}, 0),
        ({"Validators": [ALICE_ADDRESS, BOB_ADDRESS], "NextKeys": KEYS}, 2),
    ],
)
async def test_number_of_authorities_is_not_set_by_hand(session: object, left: int) -> None:
    async with DevNode(check_state=False, seal=IntervalSeal(None)) as node:
        before = snapshot(node.chain)
        code, message, _ = await node.fail("dev_setStorage", {"Session": session})
        assert (code, f"there would be {left} authorities, not 1" in message) == (PARAMS, True), message
        assert snapshot(node.chain) == before
        await node.block(finalize=True)


async def test_key_of_the_authority_can_be_set_by_hand() -> None:
    async with DevNode(check_state=False) as node:  # the members stay as they were
        keys = {"Validators": [BOB_ADDRESS], "NextKeys": KEYS}
        await node.call("dev_setStorage", {"Session": keys})
        (authority,) = node.chain.api.authority_set().authorities
        assert authority.key == bytes([0x11]) * 32
        await node.block()


async def test_node_that_checks_its_state_refuses_values_that_do_not_add_up() -> None:
    values = account(FERDIE_ADDRESS, rich(TOKENS))
    async with DevNode(check_state=True) as node:
        assert "could not go on" in (await node.fail("dev_setStorage", values))[1]
        await node.block()
    async with DevNode(check_state=False) as node:
        await node.call("dev_setStorage", values)
        assert node.chain.head.number == 1


async def test_values_are_set_on_the_best_block_only() -> None:
    async with DevNode() as node:
        first = await node.block()
        await node.block()
        values = {"Session": {"CurrentIndex": 5}}
        assert (await node.fail("dev_setStorage", values, first))[0] == BLOCK_ERROR
        assert (await node.fail("dev_setStorage", values, "0x" + "77" * 32))[0] == BLOCK_ERROR
        assert (await node.fail("dev_setStorage", values, "0x00"))[0] == PARAMS
        assert node.chain.head.number == 2


async def test_more_entries_to_remove_than_one_block_can_set_are_refused() -> None:
    async with DevNode(check_state=False) as node:
        for start in range(3):
            some = [h(bytes([start]) + number.to_bytes(31, "big")) for number in range(340)]
            entries = [[[who], rich(TOKENS)] for who in some]
            await node.call("dev_setStorage", {"System": {"Account": entries}})
        message = (await node.fail("dev_setStorage", {"System": {"$removePrefix": ["Account"]}}))[1]
        assert f"more than {OVERRIDES_MAX} values" in message
        await node.block()


# --- the same on every node


async def test_another_node_gets_the_same_state_from_the_block() -> None:
    other = open_chain()
    async with DevNode(check_state=False) as node:
        imported: list[Imported] = []
        node.chain.on_imported(imported.append)
        await node.call("dev_setStorage", account(FERDIE_ADDRESS, rich(TOKENS)))
        raw = transfer(node.chain.api, "//Ferdie", BOB, nonce=0)
        await node.call("author_submitExtrinsic", h(raw))
        await node.block()
        for block in imported:
            copy_block(node.chain, block.info, other)
        assert snapshot(other) == snapshot(node.chain)
        balances = pallet(other, "Balances")
        assert balances.reducible_balance(AccountId(FERDIE), Preservation.EXPENDABLE) < TOKENS
