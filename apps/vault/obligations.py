"""What is due: requests of data subjects, breaches and retention periods, as the chain has them.

Responsible for reading them at a finalized block and for how near each is; lateness is judged by the chain's
clock, as the pallet does. It needs no vault: the chain knows the deadlines.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from apps.chain.client import Chain
from apps.chain.values import Value
from runtime.primitives.types import Hash

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
_WARN_MS: Final = {
    "request": 7 * DAY_MS,
    "erasure": 14 * DAY_MS,
    "breach": 24 * HOUR_MS,
    "retention": 7 * DAY_MS,
}
"""How long before a deadline it is near; their periods are 30 days, 90 days, 72 hours and a year and more."""


class Nearness(StrEnum):
    """How near a deadline is."""

    LATE = "late"
    NEAR = "near"
    OPEN = "open"


class Obligation(NamedTuple):
    """Something owed by a time. `id` is the chain's: a number, or the record's commitment where a retention
    period ends; `subject` is the account that asked."""

    what: str
    id: str
    detail: str
    due_ms: int
    left_ms: int
    nearness: Nearness
    subject: str | None = None

    def to_json(self) -> dict[str, object]:
        """Return the names and values of JSON."""
        return {
            "what": self.what,
            "id": self.id,
            "detail": self.detail,
            "dueMs": self.due_ms,
            "leftMs": self.left_ms,
            "nearness": str(self.nearness),
            "subject": self.subject,
        }


async def list_obligations(chain: Chain) -> list[Obligation]:
    """Return all that is owed at the last finalized block, the most urgent first; of retention periods those
    that are near their end, since each record may have one."""
    at = (await chain.finalized()).hash
    now = await chain.get("Timestamp", "Now", at=at)
    found = [
        *await _requests(chain, at, now),
        *await _breaches(chain, at, now),
        *await _retained(chain, at, now),
    ]
    return sorted(found, key=lambda one: (one.due_ms, one.what, one.id))


async def _requests(chain: Chain, at: Hash, now: int) -> list[Obligation]:
    found = []
    async for _, request in chain.entries("Privacy", "OpenDsr", at=at):
        value = await chain.get("Privacy", "Dsr", request, at=at)
        what = "erasure" if value["kind"].name == "Erase" else "request"
        detail = f"{value['kind'].name}, {'verified' if value['is_verified'] else 'not verified'}"
        found.append(_make(what, str(request), detail, value["due_ms"], now, f"0x{value['subject'].hex()}"))
    return found


async def _breaches(chain: Chain, at: Hash, now: int) -> list[Obligation]:
    return [
        _make("breach", str(keys[0]), value["state"].name, value["due_ms"], now)
        async for keys, value in chain.entries("Privacy", "Breach", at=at)
        if value["state"].name in {"Detected", "Assessed"}
    ]


async def _retained(chain: Chain, at: Hash, now: int) -> list[Obligation]:
    made = [
        _make("retention", f"0x{keys[0].hex()}", value["category"].name, value["due_ms"], now)
        async for keys, value in chain.entries("Privacy", "Retained", at=at)
    ]
    return [one for one in made if one.nearness is not Nearness.OPEN]


def _make(
    what: str, number: str, detail: str, due_ms: Value, now: int, subject: str | None = None
) -> Obligation:
    left = due_ms - now
    nearness = Nearness.LATE if left <= 0 else Nearness.NEAR if left <= _WARN_MS[what] else Nearness.OPEN
    return Obligation(what, number, detail, due_ms, left, nearness, subject)
