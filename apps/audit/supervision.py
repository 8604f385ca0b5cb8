"""What supervision did in a period, as the offices against money laundering and for data protection have it.

Pure: events of blocks in, rows out. Whom a case is about no event tells, and so no row does; a flag stands
beside the movement that it is about, which is the next one of the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from apps.audit.finality import time_of
from apps.audit.plain import Record, to_fields
from apps.audit.witness import BlockEvents
from apps.chain.runtime import EventRecord

WATT_ID: Final = 1
"""The asset that stands for baht, as every chain of this runtime has it."""
_FILE: Final = frozenset(
    {
        *(("Monitoring", name) for name in ("CaseOpened", "CaseReviewed", "CaseClosed")),
        *(("Monitoring", name) for name in ("RuleSet", "RuleRemoved", "TransferCleared")),
        *(("Compliance", name) for name in ("AccountFrozen", "AccountThawed")),
    }
)
_DETAILS: Final = ("purpose", "kind", "category", "action", "risk")
"""Fields of which a record of processing counts each value by itself; none names anybody."""


@dataclass(slots=True)
class LaunderingFile:
    """Flags, cases, freezes and rules of a month."""

    rows: list[Record] = field(default_factory=list)

    def add(self, block: BlockEvents) -> None:
        """Take the events of the next block."""
        number, time_ms = block.header.number, time_of(block.header)
        for place, event in enumerate(block.events):
            where = {"block": number, "event": place, "extrinsic": event.extrinsic, "time_ms": time_ms}
            if (event.pallet, event.name) == ("Monitoring", "TransferFlagged"):
                moved = _movement_after(block.events, place)
                self.rows.append({"row": "flag", **where, **to_fields(event.value), **moved})
            elif (event.pallet, event.name) in _FILE:
                self.rows.append({"row": event.name, **where, **to_fields(event.value)})


@dataclass(slots=True)
class ProcessingRecord:
    """How often personal data were asked for, consented to, erased or breached in a year."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, block: BlockEvents) -> None:
        """Count the events of the next block."""
        for event in block.events:
            if event.pallet == "Privacy":
                key = event.name, _detail(event)
                self.counts[key] = self.counts.get(key, 0) + 1

    @property
    def rows(self) -> list[Record]:
        """The counts in the order of their names."""
        return [
            {"row": "count", "event": name, "detail": detail, "count": count}
            for (name, detail), count in sorted(self.counts.items())
        ]


def _movement_after(events: tuple[EventRecord, ...], place: int) -> Record:
    """Return sender, receiver and amount of the movement that a flag at a place is about."""
    extrinsic = events[place].extrinsic
    for event in events[place + 1 :]:
        if event.extrinsic != extrinsic:
            break
        if (event.pallet, event.name) == ("Assets", "Transferred") and event.value["asset_id"] == WATT_ID:
            fields = to_fields(event.value)
            return {"sender": fields["from"], "receiver": fields["to"], "amount": fields["amount"]}
        if (event.pallet, event.name) == ("WattReserve", "RedemptionRequested"):
            fields = to_fields(event.value)
            return {"sender": fields["who"], "receiver": None, "amount": fields["amount"]}
    return {"sender": None, "receiver": None, "amount": None}


def _detail(event: EventRecord) -> str:
    fields = to_fields(event.value)
    return ", ".join(f"{name} {fields[name]}" for name in _DETAILS if name in fields)
