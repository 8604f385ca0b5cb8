"""A fault of a pallet's code costs its transaction, not the block, not the node."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from node.config import InstantSeal, Seal
from runtime.primitives.scale import EncodeError
from runtime.primitives.types import AccountId
from tests.support.chain import FERDIE, keypair
from tests.support.node_chain import TRANSFER_AMOUNT, open_chain, sign, transfer
from tests.support.node_rpc import DevNode

BOB = AccountId(keypair("//Bob").account_id)


def free(node: DevNode, who: bytes) -> int:
    found: int = node.chain.api.runtime.pallet("System").get_account(who).data.free  # type: ignore[attr-defined]  # System
    return found


@contextmanager
def crashing(node: DevNode, call: str, fault: Exception) -> Iterator[None]:
    """Let a call write something and then fail as no rule of the chain says."""
    (spec,) = (
        spec for spec in node.chain.api.runtime.calls.specs.values() if f"{spec.pallet}.{spec.name}" == call
    )
    kept = spec.function

    def crash(origin: object, *args: object) -> None:
        kept(origin, *args)
        balances = node.chain.api.runtime.pallet("Balances")
        balances.deposit_creating(AccountId(FERDIE), 10**15)  # type: ignore[attr-defined]  # Balances
        raise fault

    spec.function = crash
    yield
    spec.function = kept


def exceed(node: DevNode) -> None:
    """Write what the type of an account's nonce cannot hold."""
    system = node.chain.api.runtime.pallet("System")
    info = system.get_account(FERDIE)  # type: ignore[attr-defined]  # System
    system.account.write(FERDIE, structs.replace(info, nonce=1 << 32))  # type: ignore[attr-defined]  # System


@contextmanager
def exceeding(node: DevNode, call: str) -> Iterator[None]:
    """Let a call write, with success, what shows to be no value of its type when the block ends."""
    (spec,) = (
        spec for spec in node.chain.api.runtime.calls.specs.values() if f"{spec.pallet}.{spec.name}" == call
    )
    kept = spec.function
    spec.function = lambda _origin, *_args: exceed(node)
    yield
    spec.function = kept


@pytest.mark.parametrize("count", [0, 1, 2, 9, 30])
async def test_transaction_that_writes_what_no_type_holds_is_found_and_dropped(count: int) -> None:
    async with DevNode() as node:
        api = node.chain.api
        good = [transfer(api, "//Alice", BOB, nonce=nonce, tip=9) for nonce in range(count // 2)]
        good += [transfer(api, "//Charlie", BOB, nonce=nonce) for nonce in range(count - count // 2)]
        bad = sign(api, keypair("//Bob"), "System.remark", (b"x",), nonce=0, tip=5)
        for raw in (*good, bad):
            await node.call("author_submitExtrinsic", "0x" + raw.hex())
        made: list[str] = []
        with exceeding(node, "System.remark"), capture_logs() as logs:
            for _ in range(count + 1):
                block = await node.call("chain_getBlock", await node.block())
                made += block["block"]["extrinsics"][1:]
        assert sorted(made) == sorted("0x" + raw.hex() for raw in good)
        (told,) = (record for record in logs if record["event"] == "transaction_crashed")
        assert (told["log_level"], told["call"]) == ("error", "System.remark")
        assert (await node.fail("author_submitExtrinsic", "0x" + bad.hex()))[0] == 1012, "it is banned"


async def test_block_that_cannot_be_sealed_without_transactions_is_an_error() -> None:
    async with DevNode() as node:
        author = node.host.author
        async with author.lock:
            author._open(node.clock.now_ms())
            exceed(node)
            with pytest.raises(EncodeError, match=r"System\.Account"):
                await author._seal()
        await node.block()


@pytest.mark.parametrize("fault", [TypeError("'in' on a map"), AssertionError("broken"), KeyError("x")])
async def test_crashing_transaction_is_dropped_and_the_block_goes_on(fault: Exception) -> None:
    async with DevNode() as node:
        api = node.chain.api
        before = transfer(api, "//Alice", BOB, nonce=0, tip=9)
        crash = sign(api, keypair("//Bob"), "System.remark", (b"x",), nonce=0, tip=5)
        behind = sign(api, keypair("//Bob"), "System.remark", (b"y",), nonce=1, tip=5)
        after = transfer(api, "//Charlie", BOB, nonce=0)
        for raw in (before, crash, behind, after):
            await node.call("author_submitExtrinsic", "0x" + raw.hex())
        ferdie = free(node, FERDIE)
        with crashing(node, "System.remark", fault), capture_logs() as logs:
            block = await node.block()
        body = (await node.call("chain_getBlock", block))["block"]["extrinsics"]
        assert body[1:] == ["0x" + before.hex(), "0x" + after.hex()]
        assert free(node, FERDIE) == ferdie, "what the call had written is gone"
        assert free(node, BOB) > 2 * TRANSFER_AMOUNT
        (told,) = (record for record in logs if record["event"] == "transaction_crashed")
        assert (told["log_level"], told["call"]) == ("error", "System.remark")
        assert (await node.fail("author_submitExtrinsic", "0x" + crash.hex()))[0] == 1012, "it is banned"
        assert node.host.pool.status.future == 1, "what stood behind it waits for another"


@pytest.mark.parametrize("seal", [InstantSeal()])
async def test_other_transactions_are_sealed_where_each_makes_a_block(seal: Seal) -> None:
    async with DevNode(seal=seal) as node:
        task = node._tasks.create_task(node.host.author.run_instant())
        node.running.append(task)
        api = node.chain.api
        crash = sign(api, keypair("//Bob"), "System.remark", (b"x",), nonce=0)
        with crashing(node, "System.remark", TypeError("planted")):
            await node.call("author_submitExtrinsic", "0x" + crash.hex())
            raw = transfer(api, "//Alice", BOB, nonce=0)
            subscription = await node.call("author_submitAndWatchExtrinsic", "0x" + raw.hex())
            results = await node.wait_results(subscription, 2)
        assert "inBlock" in results[1]


async def test_transaction_that_another_runtime_decoded_is_never_executed() -> None:
    """Its calls are bound to the state of that runtime, as after an upgrade, which its signature ends too."""
    other = open_chain()
    other.open_block(())
    raw = transfer(other.api, "//Alice", BOB, nonce=0)
    async with DevNode() as node:
        await node.call("author_submitExtrinsic", "0x" + raw.hex())
        pool = node.host.pool
        (pooled,) = pool.ready()
        assert node.host.intake.get_pooled(pooled.hash) is pooled.payload
        pool.remove_invalid([pooled.hash], 0)
        foreign = structs.replace(pooled, payload=other.api.decode_extrinsic(raw))
        pool.submit(foreign, 10**15)
        assert node.host.intake.get_pooled(pooled.hash) is None
        block = await node.block()
        assert len((await node.call("chain_getBlock", block))["block"]["extrinsics"]) == 1
        assert pooled.hash not in pool
