"""A day of the audit log checked: its leaves from blocks, its root from the state.

Responsible for where a day begins and ends, and, when it differs, for finding the first block that does. The
chain's root is proven against a final header, so that the events need no proof of their own: others give
another root.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from apps.audit.day_log import LOG_PALLET, DayLog, Seal, ensure_equal, find_seal, leaves_of
from apps.audit.errors import Differs, Unchecked
from apps.audit.finality import time_of
from apps.audit.periods import start_of_day
from apps.audit.spool import Spool
from apps.audit.witness import BlockEvents, Witness
from runtime.primitives.block import Header
from runtime.primitives.types import ZERO_HASH, Hash

Advance = Callable[[int], None]
"""Told how many blocks are done."""


class DayResult(NamedTuple):
    """A day that is right: its blocks, the last one being the first after it, and its seal."""

    day: int
    first: int
    last: int
    seal: Seal


class _Bounds(NamedTuple):
    """The first block of a day and the first one after it."""

    day: int
    first: int
    last: int

    def ensure_in_time(self, header: Header) -> None:
        """Raise Differs unless a block lies on the right side of both ends."""
        start, end, time_ms = start_of_day(self.day), start_of_day(self.day + 1), time_of(header)
        if header.number < self.first:
            is_right = time_ms < start
        elif header.number < self.last:
            is_right = start <= time_ms < end
        else:
            is_right = time_ms >= end
        if not is_right:
            raise Differs(f"block {header.number} is of another time than the node said")


async def find_day(witness: Witness, day: int) -> _Bounds:
    """Return where a day lies; Unchecked when it is not over, or no block is of it."""
    first = await witness.first_from(start_of_day(day))
    last = await witness.first_from(start_of_day(day + 1))
    if first is None or last is None:
        raise Unchecked(
            f"day {day} is not over on the final chain: its root comes with the first block after it"
        )
    if first == last:
        raise Unchecked(f"no block is of day {day}")
    return _Bounds(day, first, last)


async def check_day(witness: Witness, day: int, advance: Advance, spool: Spool | None = None) -> DayResult:
    """Return a day once its blocks give the root that the chain keeps; Differs or Unchecked otherwise. The
    leaves go to the spool."""
    bounds = await find_day(witness, day)
    head = await witness.finalized()
    kept = await witness.value(head, LOG_PALLET, "AuditRoot", day)
    if kept is None:
        raise Differs(f"the chain keeps no root of day {day}, although blocks are of it")
    sealed = Seal(Hash(kept["root"]), kept["leaves"], Hash(kept["head"]))
    log = DayLog()
    start = max(bounds.first - 1, 1)
    async for block in witness.events(start, bounds.last):
        number = block.header.number
        bounds.ensure_in_time(block.header)
        if number >= bounds.first:
            part = _part(bounds, block)
            if number == bounds.first:
                log = DayLog(await _head_before(witness, head, block))
            for leaf in leaves_of(block.runtime, number, block.events, part=part):
                log.add(number, leaf)
                if spool is not None:
                    spool.append(leaf)
        advance(number - start + 1)
    try:
        ensure_equal(day, log.seal, sealed)
    except Differs as error:
        raise Differs(f"{error}; {await _locate(witness, bounds, log)}") from error
    return DayResult(day, bounds.first, bounds.last, sealed)


def _part(bounds: _Bounds, block: BlockEvents) -> slice:
    """Return which of a block's events are of the day."""
    number, place = block.header.number, find_seal(block.events)
    if number == bounds.first and place is None and number > 1:
        raise Differs(f"block {number} is the first of day {bounds.day} and does not end the day before")
    if number == bounds.first:
        return slice(0 if place is None else place + 1, None)
    if number < bounds.last and place is not None:
        raise Differs(f"block {number} ends a day of the log that is not over")
    if number == bounds.last and (place is None or block.events[place].value["day"] != bounds.day):
        raise Differs(f"block {number} is the first after day {bounds.day} and does not end it")
    return slice(0, place)


async def _head_before(witness: Witness, head: Header, block: BlockEvents) -> Hash:
    """Return the hash chain's head at the end of the day before, which the log kept with that day's root."""
    place = find_seal(block.events)
    if place is None:
        return ZERO_HASH
    before = block.events[place].value["day"]
    kept = await witness.value(head, LOG_PALLET, "AuditRoot", before)
    if kept is None:
        raise Differs(f"the chain keeps no root of day {before}, which block {block.header.number} ended")
    return Hash(kept["head"])


async def _locate(witness: Witness, bounds: _Bounds, log: DayLog) -> str:
    """Return what the first block is whose events do not give the head that its state has, as far as the node
    has states."""
    low, high = bounds.first, bounds.last
    try:
        while low < high:
            middle = (low + high) // 2
            if await _agrees(witness, log, middle):
                low = middle + 1
            else:
                high = middle
        return await _compare(witness, low)
    except Unchecked as error:
        return f"which block it is cannot be told: {error}"


async def _agrees(witness: Witness, log: DayLog, number: int) -> bool:
    found = await witness.value(await witness.anchor(number), LOG_PALLET, "AuditHead")
    return Hash(found) == log.head_at(number)


async def _compare(witness: Witness, number: int) -> str:
    """Return the first event of a block in which what the node says is not what it can prove."""
    header = await witness.anchor(number)
    runtime = await witness.runtime_of(header)
    told = await witness.events_of(header, runtime, proves=False)
    proven = await witness.events_of(header, runtime, proves=True)
    pairs = enumerate(zip(told.events, proven.events, strict=False))
    place = next((one for one, (left, right) in pairs if left != right), None)
    if place is None and len(told.events) == len(proven.events):
        return f"block {number} is the first that differs, and its events are those that it can prove"
    if place is None:
        place = min(len(told.events), len(proven.events))
    right = (
        f"{proven.events[place].pallet}.{proven.events[place].name}" if place < len(proven.events) else "none"
    )
    return f"the first row that differs is event {place} of block {number}: proven is {right}"
