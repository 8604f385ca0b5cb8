"""Transactions through the real methods: each refusal has the code that clients key on, each status comes in
order."""

import asyncio

import pytest

from node.chain.branches import BlockInfo
from node.config import InstantSeal, IntervalSeal
from node.pool.transaction import compute_limits
from runtime.frame.dispatch import TokenReason
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.era import encode_era, mortal_era
from runtime.primitives.extrinsic import make_unsigned
from runtime.primitives.hashing import blake2_256
from runtime.primitives.ss58 import encode_address
from tests.support.chain import ALICE, FERDIE, keypair
from tests.support.node_chain import copy_block, make_block, open_chain, sign, transfer
from tests.support.node_rpc import SETTLE_TURNS, DevNode

INVALID = "Invalid Transaction"


def h(raw: bytes) -> str:
    return "0x" + raw.hex()


def remark(node: DevNode, uri: str = "//Alice", *, size: int = 2, **how: object) -> bytes:
    how.setdefault("nonce", 0)
    return sign(node.chain.api, keypair(uri), "System.remark", (b"x" * size,), **how)  # type: ignore[arg-type]  # as sign


def free(node: DevNode, who: bytes) -> int:
    found: int = node.chain.api.runtime.pallet("System").get_account(who).data.free  # type: ignore[attr-defined]  # System
    return found


async def submit_error(node: DevNode, raw: bytes) -> tuple[int, str, object]:
    return await node.fail("author_submitExtrinsic", h(raw))


async def test_bad_signature_is_refused_and_the_transaction_banned() -> None:
    async with DevNode() as node:
        raw = remark(node, good=False)
        assert await submit_error(node, raw) == (1010, INVALID, "Transaction has a bad signature")
        assert (await submit_error(node, raw))[0] == 1012
        node.clock.advance(31 * 60 * 1000)
        assert (await submit_error(node, raw))[0] == 1010
        await node.call("author_submitExtrinsic", h(remark(node)))


async def test_old_nonce_is_stale() -> None:
    async with DevNode() as node:
        await node.call("author_submitExtrinsic", h(remark(node)))
        await node.block()
        assert await submit_error(node, remark(node, size=3)) == (1010, INVALID, "Transaction is outdated")


async def test_wrong_genesis_or_version_is_a_bad_signature() -> None:
    async with DevNode() as node:
        right = remark(node)
        job = node.chain.api.signature_job(node.chain.api.decode_extrinsic(right))
        for position in range(len(job.message) - 32 - 8, len(job.message) - 32, 4):
            message = bytearray(job.message)
            message[position] ^= 1
            forged = right.replace(job.signature, keypair("//Alice").sign(bytes(message)))
            assert (await submit_error(node, forged))[2] == "Transaction has a bad signature"


@pytest.mark.parametrize(
    "raw", [b"", b"\0", b"\x04", b"\x04\xff", b"\xff" * 100, b"\x10\x84\0\0\0", b"\x01\0"]
)
async def test_garbage_is_an_invalid_format(raw: bytes) -> None:
    async with DevNode() as node:
        code, message, _ = await submit_error(node, raw)
        assert (code, message.startswith("Extrinsic has invalid format: ")) == (1001, True)


async def test_every_changed_or_missing_byte_is_refused_with_a_code() -> None:
    async with DevNode() as node:
        right = remark(node)
        for position in range(len(right)):
            spoiled = bytearray(right)
            spoiled[position] ^= 0x81
            for raw in (bytes(spoiled), right[:position]):
                assert (await submit_error(node, raw))[0] in {1001, 1010, 1011, 1012}
        await node.call("author_submitExtrinsic", h(right))


async def test_over_long_compact_and_unknown_call_are_invalid_formats() -> None:
    async with DevNode() as node:
        right = remark(node)
        tail = right[2:]
        length = len(tail)
        longer = (length << 2 | 2).to_bytes(4, "little") + tail
        assert (await submit_error(node, longer))[0] == 1001
        assert (await submit_error(node, make_unsigned(b"\xfa\xfa")))[0] == 1001


async def test_unsigned_transaction_has_no_validator_and_an_inherent_is_not_expected() -> None:
    async with DevNode() as node:
        code, message, data = await submit_error(node, make_unsigned(b"\0\0\0"))
        assert (code, message) == (1011, "Unknown Transaction Validity")
        assert isinstance(data, str)
        (inherent,) = node.chain.api.inherents({b"timstap0": bytes(8)})
        assert await submit_error(node, inherent) == (1010, INVALID, "Transaction call is not expected")


async def test_fee_that_cannot_be_paid_is_refused_a_transfer_too_large_is_included_and_fails() -> None:
    async with DevNode() as node:
        poor = (1010, INVALID, "Inability to pay some fees (e.g. account balance too low)")
        assert await submit_error(node, remark(node, "//Nobody")) == poor
        assert await submit_error(node, remark(node, tip=1 << 120)) == poor
        before = free(node, ALICE)
        raw = transfer(node.chain.api, "//Alice", FERDIE, amount=1 << 100, nonce=0)
        info = await node.call("payment_queryInfo", h(raw))
        await node.call("author_submitExtrinsic", h(raw))
        await node.block()
        system = node.chain.api.runtime.pallet("System")
        names = [record.event for record in system.events.get()]  # type: ignore[attr-defined]  # System
        failed = [event for event in names if type(event).__name__ == "ExtrinsicFailed"]
        assert failed[0].dispatch_error.field_0 is TokenReason.FundsUnavailable
        assert free(node, ALICE) + int(info["partialFee"]) >= before  # Alice may also be the author
        assert await node.call("system_accountNextIndex", keypair_address("//Alice")) == 1


def keypair_address(uri: str) -> str:
    return encode_address(keypair(uri).account_id, 42)


async def test_era_that_begins_in_an_unknown_block_is_ancient_and_an_expired_one_a_bad_signature() -> None:
    async with DevNode() as node:
        for _ in range(3):
            await node.block()
        era = mortal_era(4, 3)
        raw = remark(node, era=era)
        unborn = raw.replace(encode_era(era), encode_era(mortal_era(4, 4)), 1)
        ancient = (1010, INVALID, "Transaction has an ancient birth block")
        assert await submit_error(node, unborn) == ancient
        for _ in range(5):
            await node.block()
        assert (await submit_error(node, raw))[2] == "Transaction has a bad signature"


async def test_transaction_leaves_the_pool_when_its_era_ends() -> None:
    async with DevNode() as node:
        await node.block()
        raw = remark(node, nonce=1, era=mortal_era(4, 1))
        watch = await node.call("author_submitAndWatchExtrinsic", h(raw))
        for _ in range(5):
            await node.block()
        assert (await node.wait_results(watch, 2))[0] == "future"
        assert len(await node.wait_results(watch, 2)) == 2
        assert node.host.pool.status.future == 0


async def test_gap_in_nonces_is_future_and_promoted() -> None:
    async with DevNode() as node:
        later = await node.call("author_submitAndWatchExtrinsic", h(remark(node, nonce=1)))
        assert await node.wait_results(later, 1) == ["future"]
        assert await node.call("author_pendingExtrinsics") == []
        assert await node.call("system_accountNextIndex", keypair_address("//Alice")) == 0
        await node.call("author_submitExtrinsic", h(remark(node)))
        assert await node.wait_results(later, 2) == ["future", "ready"]
        assert len(await node.call("author_pendingExtrinsics")) == 2
        assert await node.call("system_accountNextIndex", keypair_address("//Alice")) == 2
        block = await node.block()
        assert await node.wait_results(later, 3) == ["future", "ready", {"inBlock": block}]


async def test_statuses_lead_to_finalized_and_end() -> None:
    async with DevNode() as node:
        watch = await node.call("author_submitAndWatchExtrinsic", h(remark(node)))
        assert await node.wait_results(watch, 1) == ["ready"]
        block = await node.block(finalize=True)
        assert await node.wait_results(watch, 3) == ["ready", {"inBlock": block}, {"finalized": block}]
        assert len(node.table) == 0
        assert not await node.call("author_unwatchExtrinsic", watch)


async def test_unwatched_transaction_goes_on_silently() -> None:
    async with DevNode() as node:
        watch = await node.call("author_submitAndWatchExtrinsic", h(remark(node)))
        assert await node.call("author_unwatchExtrinsic", watch)
        await node.block(finalize=True)
        assert node.results(watch) == ["ready"]
        assert await node.call("system_accountNextIndex", keypair_address("//Alice")) == 1


async def test_same_transaction_again_is_already_imported() -> None:
    async with DevNode() as node:
        raw = remark(node)
        hash_ = await node.call("author_submitExtrinsic", h(raw))
        code, message, data = await submit_error(node, raw)
        assert (code, message) == (1013, "Transaction Already Imported")
        assert isinstance(data, str)
        assert hash_[2:] in data


async def test_replacement_needs_a_higher_tip() -> None:
    async with DevNode() as node:
        first = await node.call("author_submitAndWatchExtrinsic", h(remark(node, tip=5)))
        for tip in (5, 4, 0):
            code, message, _ = await submit_error(node, remark(node, size=3, tip=tip))
            assert (code, message.startswith("Priority is too low")) == (1014, True)
        better = await node.call("author_submitExtrinsic", h(remark(node, size=3, tip=6)))
        assert await node.wait_results(first, 2) == ["ready", {"usurped": better}]


async def test_full_pool_drops_immediately() -> None:
    async with DevNode(limits=compute_limits(pool_limit=1)) as node:
        await node.call("author_submitExtrinsic", h(remark(node, tip=9)))
        code, message, data = await submit_error(node, remark(node, "//Bob"))
        assert (code, message) == (1016, "Immediately Dropped")
        assert isinstance(data, str)


async def test_over_long_and_overweight_transactions_exhaust_the_block() -> None:
    async with DevNode() as node:
        code, _, _ = await submit_error(node, remark(node, size=1_100_000))
        assert code in {1010, 1016}
        assert await node.block()


async def test_every_scheme_signs_transactions() -> None:
    async with DevNode() as node:
        for scheme in Scheme:
            pair = Keypair.from_uri("//Schemes", scheme)
            raw = transfer(node.chain.api, "//Alice", pair.account_id, nonce=int(scheme), amount=10**12)
            await node.call("author_submitExtrinsic", h(raw))
        await node.block()
        for scheme in Scheme:
            pair = Keypair.from_uri("//Schemes", scheme)
            raw = sign(node.chain.api, pair, "System.remark", (b"hello",), nonce=0)
            await node.call("author_submitExtrinsic", h(raw))
        await node.block()
        assert await node.call("author_pendingExtrinsics") == []


async def test_batch_of_submissions_gets_one_answer_for_each() -> None:
    async with DevNode() as node:
        raws = [remark(node, nonce=n) for n in range(3)] + [b"\0", remark(node, nonce=1)]
        outcomes = await node.host.intake.submit(raws)
        assert [isinstance(o, Exception) for o in outcomes] == [False, False, False, True, True]
        assert len(await node.call("author_pendingExtrinsics")) == 3


async def test_removed_transaction_is_gone_and_banned_and_its_watcher_told() -> None:
    async with DevNode() as node:
        raws = [remark(node), remark(node, nonce=1), remark(node, "//Bob")]
        watch = await node.call("author_submitAndWatchExtrinsic", h(raws[0]))
        hashes = [h(blake2_256(raw)) for raw in raws]
        for raw in raws[1:]:
            await node.call("author_submitExtrinsic", h(raw))
        unknown = {"hash": "0x" + "11" * 32}
        wanted = [{"extrinsic": h(raws[2])}, unknown, {"hash": hashes[1]}, {"extrinsic": h(raws[0])}]
        assert await node.call("author_removeExtrinsic", [*wanted, *wanted]) == hashes[::-1]
        assert await node.call("author_pendingExtrinsics") == []
        assert (await node.wait_results(watch, 2))[-1] == "invalid"
        assert {(await submit_error(node, raw))[0] for raw in raws} == {1012}
        await node.block()
        assert await node.call("author_removeExtrinsic", []) == []


async def test_transaction_removed_from_the_open_block_does_not_get_into_it() -> None:
    async with DevNode(seal=IntervalSeal(10_000)) as node:
        author = asyncio.ensure_future(node.host.author.run_interval(10_000))  # noqa: TID251  # ended below
        gone = await node.call("author_submitExtrinsic", h(remark(node)))
        kept = await node.call("author_submitExtrinsic", h(remark(node, "//Bob")))
        for _ in range(SETTLE_TURNS):
            if node.host.pool.status.taken == 2:
                break
            await asyncio.sleep(0)
        assert node.host.pool.status.taken == 2
        assert await node.call("author_removeExtrinsic", [{"hash": gone}]) == [gone]
        author.cancel()
        with pytest.raises(asyncio.CancelledError):
            await author
        await node.block()
        block = await node.call("chain_getBlock")
        hashes = [h(blake2_256(bytes.fromhex(raw[2:]))) for raw in block["block"]["extrinsics"]]
        assert kept in hashes
        assert gone not in hashes


@pytest.mark.parametrize(
    "entry", [{}, {"hash": "0x00"}, {"hash": "0x" + "00" * 32, "extrinsic": "0x"}, "0x", 1]
)
async def test_removal_needs_a_hash_or_an_extrinsic(entry: object) -> None:
    async with DevNode() as node:
        assert (await node.fail("author_removeExtrinsic", [entry]))[0] == -32602


async def test_transactions_of_a_retracted_block_return_to_the_pool() -> None:
    async with DevNode() as node:
        other = open_chain()
        for _ in range(2):
            make_block(other)
        watch = await node.call("author_submitAndWatchExtrinsic", h(remark(node)))
        block = await node.block()
        for number in (1, 2):
            hash_ = other.hash_at(number)
            assert hash_ is not None
            header = other.header(hash_)
            assert header is not None
            copy_block(other, BlockInfo(number, hash_, header), node.chain)
        node.host.author.stand_by()
        found = await node.wait_results(watch, 3)
        assert found[:3] == ["ready", {"inBlock": block}, {"retracted": block}]
        assert len(await node.call("author_pendingExtrinsics")) == 1
        again = await node.block(finalize=True)
        found = await node.wait_results(watch, 5)
        assert found[-2:] == [{"inBlock": again}, {"finalized": again}]


async def test_instant_sealing_makes_a_block_for_each_arrival_and_none_without() -> None:
    async with DevNode(seal=InstantSeal()) as node:
        author = asyncio.ensure_future(node.host.author.run_instant())  # noqa: TID251  # ended below
        for nonce in range(3):
            watch = await node.call("author_submitAndWatchExtrinsic", h(remark(node, nonce=nonce)))
            found = await node.wait_results(watch, 2)
            assert [*found[1]] == ["inBlock"]
            assert node.chain.head.number == nonce + 1
        author.cancel()
        with pytest.raises(asyncio.CancelledError):
            await author
