"""Timestamp: set once in each block, by its author alone, to what the digest says, and always forward."""

from collections.abc import Iterator

import pytest

from genesis.consortium import Consortium
from pallets.core.timestamp import INHERENT_ID, TIME_ENGINE, Timestamp
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, DispatchClass, Origin, Signed
from runtime.frame.executive import InvalidBlock
from runtime.primitives.block import Consensus, DigestItem, PreRuntime
from tests.support.chain import ALICE, BLOCK_TIME_MS, START_MS, Chain

LOCAL = Chain[Consortium]
FIRST = START_MS + BLOCK_TIME_MS


def time_item(now: int) -> DigestItem:
    return PreRuntime(TIME_ENGINE, now.to_bytes(8, "little"))


def timestamp(chain: LOCAL) -> Timestamp:
    found = chain.runtime.pallet("Timestamp")
    assert isinstance(found, Timestamp)
    return found


@pytest.fixture
def second(chain: LOCAL) -> Iterator[LOCAL]:
    """A chain in block 2, its time not yet set."""
    chain.close_block()
    chain.open_block((time_item(FIRST + 500),), inherents=False)
    yield chain
    if not timestamp(chain).did_update.get():
        chain.ok(NOBODY, "Timestamp.set", FIRST + 500)


def test_time_of_the_digest_is_taken_once(second: LOCAL) -> None:
    assert timestamp(second).now.get() == FIRST
    second.ok(NOBODY, "Timestamp.set", FIRST + 500)
    assert timestamp(second).now.get() == FIRST + 500
    second.noop(timestamp(second).TimestampAlreadySet, NOBODY, "Timestamp.set", FIRST + 500)


@pytest.mark.parametrize("origin", [ROOT, Signed(ALICE)])
def test_nobody_else_sets_the_time(second: LOCAL, origin: Origin) -> None:
    second.noop(BadOrigin, origin, "Timestamp.set", FIRST + 500)


@pytest.mark.parametrize("now", [0, 1, FIRST - 1, FIRST])
def test_time_moves_forward(chain: LOCAL, now: int) -> None:
    chain.close_block()
    chain.open_block((time_item(now),), inherents=False)
    chain.noop(timestamp(chain).TimestampTooEarly, NOBODY, "Timestamp.set", now)
    timestamp(chain).did_update.put(True)


def test_time_moves_by_a_millisecond_at_least(chain: LOCAL) -> None:
    chain.close_block()
    chain.open_block((time_item(FIRST + 1),), inherents=False)
    chain.ok(NOBODY, "Timestamp.set", FIRST + 1)


@pytest.mark.parametrize(
    "logs",
    [
        (),
        (time_item(FIRST + 501),),
        (time_item(FIRST + 500), time_item(FIRST + 500)),
        (time_item(FIRST + 499), time_item(FIRST + 500)),
        (PreRuntime(TIME_ENGINE, (FIRST + 500).to_bytes(9, "little")),),
        (PreRuntime(b"OTHR", (FIRST + 500).to_bytes(8, "little")),),
        (Consensus(TIME_ENGINE, (FIRST + 500).to_bytes(8, "little")),),
    ],
    ids=["none", "another", "twice", "two", "longer", "engine", "kind"],
)
def test_digest_must_hold_this_time_once(chain: LOCAL, logs: tuple[DigestItem, ...]) -> None:
    chain.close_block()
    chain.open_block(logs, inherents=False)
    chain.noop(timestamp(chain).TimestampMismatch, NOBODY, "Timestamp.set", FIRST + 500)
    timestamp(chain).did_update.put(True)


def test_items_of_others_beside_it_do_no_harm(chain: LOCAL) -> None:
    chain.close_block()
    chain.open_block((PreRuntime(b"OTHR", b""), time_item(FIRST + 9)), inherents=False)
    chain.ok(NOBODY, "Timestamp.set", FIRST + 9)


def test_block_without_its_time_is_invalid(chain: LOCAL) -> None:
    chain.close_block()
    chain.open_block((time_item(FIRST + 500),), inherents=False)
    with pytest.raises(InvalidBlock, match="block 2 has no timestamp"):
        chain.api.finalize_block()
    timestamp(chain).did_update.put(True)


def test_flag_is_lowered_for_the_next_block(chain: LOCAL) -> None:
    assert timestamp(chain).did_update.get()
    chain.close_block()
    assert not timestamp(chain).did_update.get()
    chain.open_block()


def test_first_time_of_a_chain_may_be_any(chain: LOCAL) -> None:
    chain.close_block()
    chain.open_block((time_item(0),), inherents=False)
    timestamp(chain).now.kill()
    chain.ok(NOBODY, "Timestamp.set", 0)


def test_inherent_is_made_of_the_authors_time(chain: LOCAL) -> None:
    call = timestamp(chain).create_inherent({INHERENT_ID: (1 << 40).to_bytes(8, "little")})
    assert call == chain.call("Timestamp.set", 1 << 40)
    assert call is not None
    assert timestamp(chain).is_inherent(call)
    assert call.info().class_ is DispatchClass.Mandatory
    assert timestamp(chain).create_inherent({b"other": bytes(8)}) is None
    assert not timestamp(chain).is_inherent(chain.call("System.remark", b""))


def test_half_the_block_time_is_what_wallets_read(chain: LOCAL) -> None:
    assert {c.name: c.value for c in timestamp(chain).constants()} == {"MinimumPeriod": BLOCK_TIME_MS // 2}
