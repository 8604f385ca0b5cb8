"""A day of the audit log is right, or it is not, or it cannot be checked, whatever a node says."""

from pathlib import Path
from typing import Any

import pytest

from apps.audit.day import DayResult, check_day
from apps.audit.day_log import PALLETS, DayLog, Seal, ensure_equal
from apps.audit.errors import Differs, Unchecked
from apps.audit.periods import start_of_day
from apps.audit.row_proof import decode_proof, ensure_proven
from apps.audit.spool import Spool
from apps.audit.witness import Trust
from node.chain.chain import Chain
from pallets.compliance.compliance_types import LicenceKind
from pallets.compliance.office import MINUTE_MS
from pallets.compliance.reports import encode_leaf
from runtime.primitives.block import encode_header
from runtime.primitives.hashing import twox128
from runtime.primitives.row_tree import hash_row
from runtime.primitives.types import ZERO_HASH, Hash
from tests.apps.audit.scene import (
    DAY,
    DAY_MS,
    Lie,
    hash_at,
    ignore,
    make_caller,
    make_chain,
    move_in_time,
    watched,
)
from tests.support.chain import ALICE
from tests.support.node_chain import START_MS, certify, make_block, open_chain

pytestmark = pytest.mark.slow

EVENTS = "0x" + (twox128(b"System") + twox128(b"Events")).hex()


async def check(chain: Chain, lie: Lie, day: int = DAY, trust: Trust | None = None) -> DayResult:
    async with watched(chain, lie, trust=trust, proves_events=False) as witness:
        return await check_day(witness, day, ignore)


def about(chain: Chain, number: int) -> str:
    return "0x" + hash_at(chain, number).hex()


def change_events(chain: Chain, number: int, change: Any) -> Lie:
    """Return a lie about the events of one block."""

    def lie(method: str, params: list[Any], result: Any) -> Any:
        if method == "state_getStorage" and params == [EVENTS, about(chain, number)]:
            return "0x" + change(bytes.fromhex(result[2:])).hex()
        return result

    return lie


def swap_events(chain: Chain, number: int, other: int) -> Lie:
    """Return a lie that shows the events of one block in the place of another one's."""
    view = chain.view(hash_at(chain, other))
    stored = view.get(bytes.fromhex(EVENTS[2:]))
    view.close()
    assert stored is not None
    return change_events(chain, number, lambda _: stored)


async def test_every_day_that_is_over_gives_the_root_that_the_chain_keeps(tmp_path: Path) -> None:
    async with watched(await make_chain()) as witness:
        done: list[int] = []
        with Spool(tmp_path) as spool:
            first = await check_day(witness, DAY, done.append, spool)
            assert (first.first, first.last, first.seal.leaves) == (1, 5, 4)
            assert done == list(range(1, 6))
            proofs = [decode_proof(line) for line in spool.proofs()]
        assert len(proofs) == 4
        for proof in proofs:
            ensure_proven(proof, first.seal.root)
        second = await check_day(witness, DAY + 1, ignore)
        assert (second.first, second.last, second.seal.leaves) == (5, 7, 2)
        assert second.seal.head != first.seal.head


async def test_a_day_that_is_not_over_or_never_was_cannot_be_checked() -> None:
    chain = await make_chain()
    async with watched(chain) as witness:
        for day, reason in ((DAY + 2, "not over"), (DAY + 30, "not over"), (DAY - 1, "no block")):
            with pytest.raises(Unchecked, match=reason):
                await check_day(witness, day, ignore)


async def test_an_event_that_is_changed_is_found_and_named() -> None:
    chain = await make_chain()
    changed = change_events(chain, 4, lambda data: data.replace(b"\x17\x05", b"\x17\x06", 1))
    with pytest.raises(Differs, match=r"the chain's log has the root .* event \d+ of block 4"):
        await check(chain, changed)


async def test_events_that_are_left_out_are_found_and_named() -> None:
    chain = await make_chain()
    empty = change_events(chain, 4, lambda _: b"\0")
    with pytest.raises(Differs, match=r"has 4 leaves, its blocks have 3; .* event 0 of block 4"):
        await check(chain, empty)


async def test_an_event_that_is_added_is_found() -> None:
    chain = await make_chain()
    donor = ""

    def lie(method: str, params: list[Any], result: Any) -> Any:
        nonlocal donor
        if method == "state_getStorage" and params == [EVENTS, about(chain, 2)]:
            donor = result
        if method == "state_getStorage" and params == [EVENTS, about(chain, 3)]:
            return donor or result
        return result

    with pytest.raises(Differs, match=r"has 4 leaves, its blocks have 7; .* of block 3"):
        await check(chain, lie)


async def test_a_seal_that_is_left_out_is_found() -> None:
    chain = await make_chain()
    with pytest.raises(Differs, match=f"block 5 is the first after day {DAY} and does not end it"):
        await check(chain, change_events(chain, 5, lambda _: b"\0"))
    with pytest.raises(Differs, match=r"block 5 is the first of day .* and does not end the day before"):
        await check(chain, change_events(chain, 5, lambda _: b"\0"), DAY + 1)


async def test_a_root_that_the_state_does_not_have_is_found() -> None:
    chain = await make_chain()

    def lie(method: str, params: list[Any], result: Any) -> Any:
        if method == "state_getReadProof":
            proof = result["proof"][0]
            return {**result, "proof": [proof[:-2] + ("00" if proof[-2:] != "00" else "01")]}
        return result

    with pytest.raises(Differs, match=r"proof of a value behind block 7 is wrong: .*root mismatch"):
        await check(chain, lie)


async def test_a_proof_of_another_value_is_none() -> None:
    chain = await make_chain()
    async with watched(chain) as witness:
        other = await witness.chain.connection.request("state_getReadProof", [EVENTS], about(chain, 7))

    def lie(method: str, params: list[Any], result: Any) -> Any:
        return other if method == "state_getReadProof" else result

    chain = await make_chain()
    with pytest.raises(Differs, match="proof of a value behind block 7 is wrong"):
        await check(chain, lie)


async def test_a_header_that_is_changed_is_found() -> None:
    chain = await make_chain()

    def lie(method: str, params: list[Any], result: Any) -> Any:
        if method == "chain_getHeader" and result["number"] == "0x3":
            return {**result, "stateRoot": "0x" + "00" * 32}
        return result

    with pytest.raises(Differs, match="block 3 is not 0x"):
        await check(chain, lie)


async def test_a_certificate_for_another_block_is_found() -> None:
    chain = await make_chain()

    def lie(method: str, params: list[Any], result: Any) -> Any:
        if method == "chain_proveFinality" and params == [5]:
            header = chain.header(hash_at(chain, 5))
            assert header is not None
            forged = encode_header(header).replace(header.state_root, bytes(32))
            return {**result, "headers": ["0x" + forged.hex()]}
        return result

    with pytest.raises(Differs, match="certificate for block 5 is for another block"):
        await check(chain, lie)


async def test_a_missing_block_cannot_be_checked() -> None:
    chain = await make_chain()

    def lie(method: str, params: list[Any], result: Any) -> Any:
        return None if method == "chain_getBlockHash" and params == [3] else result

    with pytest.raises(Unchecked, match="no block 3: ask one that has the chain's whole history"):
        await check(chain, lie)


async def test_states_that_are_not_kept_cannot_be_checked_and_where_to_ask_is_said() -> None:
    chain = await make_chain(window=2)
    with pytest.raises(Unchecked, match=r"--state-pruning archive"):
        await check(chain, lambda _, __, result: result)


async def test_a_node_that_lies_about_when_a_block_was_is_found() -> None:
    """It shows another header while the end of the day is looked for, so that the day would end a block
    early."""
    chain = await make_chain()
    with pytest.raises(Differs, match="block 4 is of another time than the node said"):
        await check(chain, move_in_time(chain, 4, START_MS + DAY_MS))


async def test_a_day_that_ends_twice_is_found() -> None:
    chain = await make_chain()
    with pytest.raises(Differs, match="block 3 ends a day of the log that is not over"):
        await check(chain, swap_events(chain, 3, 5))


async def test_a_day_that_ends_as_another_one_is_found() -> None:
    chain = await make_chain()
    with pytest.raises(Differs, match=f"block 5 is the first after day {DAY} and does not end it"):
        await check(chain, swap_events(chain, 5, 7))


async def test_a_node_of_another_chain_or_with_other_metadata_is_refused() -> None:
    chain = await make_chain(blocks=1)
    with pytest.raises(Differs, match="another chain"):
        await check(chain, lambda _, __, result: result, trust=Trust(Hash(bytes(32))))
    chain = await make_chain()
    async with watched(chain) as witness:
        known = dict(witness.trust.metadata)
        trust = witness.trust

    def lie(method: str, params: list[Any], result: Any) -> Any:
        if method == "state_call" and params[0] == "Metadata_metadata_at_version":
            return result.replace(b"CaseOpened".hex(), b"CaseClosee".hex(), 1)
        return result

    assert known
    with pytest.raises(Differs, match="metadata of version 1 is not that of this program"):
        await check(await make_chain(), lie, trust=trust)


async def test_a_block_that_the_auditor_names_is_enough() -> None:
    chain = await make_chain()
    trust = Trust(block=(7, hash_at(chain, 7)))
    async with watched(chain, trust=trust) as witness:
        assert (await check_day(witness, DAY, ignore)).seal.leaves == 4
    chain = await make_chain()
    with pytest.raises(Differs, match="block 7 is not 0x"):
        await check(chain, lambda _, __, result: result, trust=Trust(block=(7, hash_at(chain, 6))))


async def test_without_anything_to_trust_the_node_s_word_is_said_to_be_one() -> None:
    async with watched(await make_chain(), trust=Trust()) as witness:
        assert (await check_day(witness, DAY, ignore)).seal.leaves == 4
        assert "the node's word" in witness.trust.describe()


async def test_what_falls_due_in_the_first_block_of_a_day_is_of_the_day_before(tmp_path: Path) -> None:
    """A block begins before it has its own time: a licence that ran out yesterday is told of before the
    seal."""
    chain = open_chain(window=0)
    call = make_caller(chain)
    midnight = start_of_day(DAY + 1)
    expires = midnight - 20 * MINUTE_MS
    issue = call("//Alice", "Compliance.issue_licence", ALICE, LicenceKind.Trading, expires, bytes(32))
    for time_ms, transactions in (
        (START_MS + 1_000, [issue]),
        (midnight - MINUTE_MS, []),
        (midnight + 1_000, []),
        (midnight + DAY_MS, []),
    ):
        made = make_block(chain, *transactions, time_ms=time_ms)
        await chain.finalize(certify(chain, made.info))
    async with watched(chain) as witness:
        with Spool(tmp_path) as spool:
            first = await check_day(witness, DAY, ignore, spool)
            leaves = [leaf for leaf in spool.rows() if isinstance(leaf, bytes)]
        second = await check_day(witness, DAY + 1, ignore)
    assert [int.from_bytes(leaf[:4], "little") for leaf in leaves] == [1, 3]
    assert (first.last, first.seal.leaves, second.seal.leaves) == (3, 2, 0)


# --- the log itself


def test_the_log_notes_every_pallet_of_supervision() -> None:
    assert {"Compliance", "Monitoring", "Privacy", "Reports"} == PALLETS


def test_a_leaf_is_that_of_the_pallet() -> None:
    log = DayLog()
    leaf = encode_leaf(7, 23, b"\4\0\0\0\0")
    log.add(7, leaf)
    assert log.seal.root == hash_row(leaf)


@pytest.mark.parametrize(
    "leaves",
    [
        [(1, b"a"), (1, b"c"), (2, b"b")],
        [(1, b"a"), (1, b"b"), (2, b"c"), (2, b"c")],
        [(1, b"a"), (1, b"b")],
        [(1, b"a"), (1, b"b"), (2, b"d")],
        [],
    ],
)
def test_any_other_leaves_are_another_day(leaves: list[tuple[int, bytes]]) -> None:
    right, other = DayLog(), DayLog()
    for number, leaf in ((1, b"a"), (1, b"b"), (2, b"c")):
        right.add(number, leaf)
    for number, leaf in leaves:
        other.add(number, leaf)
    with pytest.raises(Differs):
        ensure_equal(DAY, other.seal, right.seal)
    ensure_equal(DAY, right.seal, right.seal)


def test_a_day_after_another_one_than_the_chain_s_is_found() -> None:
    one, two = DayLog(), DayLog(Hash(b"\1" * 32))
    one.add(1, b"a")
    two.add(1, b"a")
    assert one.seal[:2] == two.seal[:2]
    with pytest.raises(Differs, match="does not go on from the day before"):
        ensure_equal(DAY, two.seal, one.seal)


def test_the_head_behind_each_block_is_known() -> None:
    log = DayLog()
    heads = [log.head]
    for number, leaf in ((2, b"a"), (2, b"b"), (5, b"c")):
        log.add(number, leaf)
        heads.append(log.head)
    assert [log.head_at(number) for number in (0, 1, 2, 4, 5, 9)] == [
        *(heads[0], heads[0], heads[2], heads[2], heads[3], heads[3])
    ]
    assert log.seal == Seal(log.seal.root, 3, heads[3])
    assert heads[0] == ZERO_HASH
