"""Any parameters to any method of a real chain: a result or an error that says what is wrong."""

import asyncio
from random import Random  # noqa: TID251  # only the type; hypothesis seeds it
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.chain import ALICE, BOB
from tests.support.node_chain import transfer
from tests.support.node_rpc import DevNode

CALLS = 200
UNFORESEEN = "failed; the node's log has the reason"
"""What the dispatcher says of a handler that raised what it should not."""

API_NAMES = (
    "Core_version",
    "Metadata_metadata_versions",
    "Metadata_metadata_at_version",
    "AccountNonceApi_account_nonce",
    "TransactionPaymentApi_query_info",
    "TransactionPaymentApi_query_fee_details",
    "TaggedTransactionQueue_validate_transaction",
)


class AnyParams:
    """Draws parameters that are sometimes right."""

    def __init__(self, node: DevNode, rng: Random) -> None:
        self.node = node
        self.rng = rng
        signed = transfer(node.chain.api, "//Alice", BOB, nonce=0)
        head = node.chain.head.hash
        self.known: tuple[Any, ...] = (
            *("0x" + raw.hex() for raw in (head, signed, b"\2" + signed + head, signed + b"\0\0\0\0")),
            *("0x" + raw.hex() for raw in (b"", bytes(32), ALICE, b":code", b"\x26\xaa\x39\x4e")),
            "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
            *API_NAMES,
            *(0, 1, 2, 1001, -1, 2**31, 2**32, 2**53, 2**64 - 1, "0x0", "0x1", "0xffffffff"),
            *(None, True, False, "", "0x", "0xzz", "0x1", 1.5, "\u0661", "x" * 300),
        )

    def params(self, name: str) -> list[Any]:
        """Draw parameters of a method, sometimes one too few or too many."""
        entry = self.node.methods.find(name)
        assert entry is not None
        count = len(entry.params.fields) + self.rng.choice((-1, 0, 0, 0, 0, 0, 1))
        return [self.value(2) for _ in range(count)]

    def value(self, depth: int) -> Any:
        """Draw one parameter."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.7 or depth == 0:
            return rng.choice(self.known)
        if kind < 0.8:
            return "0x" + rng.randbytes(rng.randrange(80)).hex()
        if kind < 0.95:
            return [self.value(depth - 1) for _ in range(rng.randrange(4))]
        return {rng.choice(("key", "hash", "keys", "x")): self.value(depth - 1)}


@settings(max_examples=5)
@given(rng=st.randoms(use_true_random=True))
def test_any_parameters_get_a_result_or_a_reason(rng: Random) -> None:
    async def run() -> None:
        async with DevNode() as node:
            await node.block()
            draws = AnyParams(node, rng)
            names = node.methods.names()
            for _ in range(CALLS):
                name = rng.choice(names)
                params = draws.params(name)
                answer = await node.send(name, *params)
                assert UNFORESEEN not in str(answer.get("error")), (name, params, answer)
            assert await node.block()

    asyncio.run(run())
