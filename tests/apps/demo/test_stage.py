"""A call takes effect, or an error names the account and what it could not do."""

from typing import Any, cast

import pytest

from apps.chain.client import BlockRef, Chain, Outcome
from apps.chain.errors import Refused, RpcFailure
from apps.chain.runtime import DispatchFailure
from apps.chain.values import Encoded
from apps.demo import stage as staging
from apps.demo.cast import make_key
from apps.demo.errors import CallFailed
from apps.demo.stage import Stage
from runtime.primitives.crypto import Keypair
from runtime.primitives.types import Hash

CALL = Encoded(1, b"\x01")
KEYS = [make_key(uri) for uri in ("//Alice", "//Bob", "//Charlie")]
DONE = Outcome(BlockRef(7, Hash(bytes(32))), 1, (), None)
FAILED = DONE._replace(failure=DispatchFailure("Market", "GateClosed", ""))


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> dict[bytes, Any]:
    """What becomes of the calls of an account."""
    ends: dict[bytes, Any] = {}

    class FakeSender:
        def __init__(self, chain: str, key: Keypair) -> None:
            self.chain = chain
            self.account = key.account_id
            ends.setdefault(b"chains", []).append(chain)

        async def send(self, call: Encoded) -> Outcome:
            assert call == CALL
            end = ends.get(self.account, DONE)
            if isinstance(end, Exception):
                raise end
            return cast("Outcome", end)

    monkeypatch.setattr(staging, "Sender", FakeSender)
    return ends


def make_stage() -> Stage:
    return Stage([cast("Chain", "first"), cast("Chain", "second")])


async def test_accounts_have_a_sender_each_spread_over_the_nodes(ends: dict[bytes, Any]) -> None:
    stage = make_stage()
    for key in (*KEYS, *KEYS):
        assert await stage.send(key, "x", "do", CALL) == DONE
    assert ends[b"chains"] == ["first", "second", "first"]
    assert stage.last_block == 7


async def test_a_call_that_fails_names_account_deed_and_error(ends: dict[bytes, Any]) -> None:
    ends[KEYS[0].account_id] = FAILED
    with pytest.raises(CallFailed, match=r"h01 could not place an order: Market\.GateClosed"):
        await make_stage().send(KEYS[0], "h01", "place an order", CALL)


async def test_a_call_that_no_block_takes_is_named_too(ends: dict[bytes, Any]) -> None:
    ends[KEYS[0].account_id] = Refused(RpcFailure(1010, "Invalid Transaction"))
    with pytest.raises(CallFailed, match=r"h01 could not place an order: .*Invalid Transaction"):
        await make_stage().send(KEYS[0], "h01", "place an order", CALL)


async def test_of_several_calls_the_one_that_fails_is_named(ends: dict[bytes, Any]) -> None:
    calls = [(key, f"h0{place}", "ask", CALL) for place, key in enumerate(KEYS)]
    assert await make_stage().send_all(calls) == [DONE] * 3
    ends[KEYS[1].account_id] = FAILED
    with pytest.raises(CallFailed, match="h01 could not ask"):
        await make_stage().send_all(calls)
