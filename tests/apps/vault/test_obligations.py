"""What is owed is what the chain has open, judged by the chain's clock."""

import pytest

from apps.vault.obligations import DAY_MS, HOUR_MS, Nearness, Obligation, list_obligations
from tests.apps.chain.ledger import Ledger, connected_to
from tests.apps.vault.making import BOB
from tests.apps.vault.owing import NOW, Owing

pytestmark = pytest.mark.net


async def listed(ledger: Ledger) -> list[Obligation]:
    async with connected_to(ledger) as chain:
        return await list_obligations(chain)


@pytest.mark.parametrize(
    ("kind", "what", "near_ms"),
    [
        ("Erase", "erasure", 14 * DAY_MS),
        ("Access", "request", 7 * DAY_MS),
        ("Rectify", "request", 7 * DAY_MS),
    ],
)
@pytest.mark.parametrize("offset", [-1, 0, 1])
async def test_a_request_is_near_and_late_at_exact_times(
    kind: str, what: str, near_ms: int, offset: int
) -> None:
    ledger = Owing()
    ledger.request(3, kind, NOW + near_ms + offset)
    ledger.request(4, kind, NOW + offset, subject=BOB)
    late, near = await listed(ledger)
    assert (late.what, late.id, late.left_ms, late.subject) == (what, "4", offset, f"0x{BOB.hex()}")
    assert late.nearness is (Nearness.LATE if offset <= 0 else Nearness.NEAR)
    assert (near.id, near.detail) == ("3", f"{kind}, verified")
    assert near.nearness is (Nearness.NEAR if offset <= 0 else Nearness.OPEN)


async def test_what_is_answered_notified_or_closed_is_not_owed() -> None:
    ledger = Owing()
    ledger.request(1, "Access", NOW, is_open=False)
    for number, state in enumerate(("Notified", "Closed")):
        ledger.breach(number, state, NOW)
    assert await listed(ledger) == []


async def test_the_most_urgent_comes_first_and_retention_only_when_near() -> None:
    ledger = Owing()
    ledger.request(1, "Access", NOW + 30 * DAY_MS)
    ledger.breach(2, "Detected", NOW + 25 * HOUR_MS)
    ledger.breach(3, "Assessed", NOW + 23 * HOUR_MS)
    ledger.retain(b"\1" * 32, NOW + 6 * DAY_MS)
    ledger.retain(b"\2" * 32, NOW + 8 * DAY_MS)
    ledger.retain(b"\3" * 32, NOW - 1)
    found = await listed(ledger)
    assert [(one.what, one.id[:4], str(one.nearness)) for one in found] == [
        ("retention", "0x03", "late"),
        ("breach", "3", "near"),
        ("breach", "2", "open"),
        ("retention", "0x01", "near"),
        ("request", "1", "open"),
    ]


async def test_a_chain_without_anything_owes_nothing() -> None:
    assert await listed(Owing()) == []
