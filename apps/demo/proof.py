"""The figures once more, from events that are proven: what the auditor's program makes of a run.

Responsible for reading the blocks of a run with a proof of each block's events, under headers that lead to a
certified one, and for booking them as before. It believes nothing of a node but the authorities of genesis.
"""

from __future__ import annotations

from apps.audit.errors import AuditError
from apps.audit.witness import Trust, Witness
from apps.chain.client import Chain
from apps.clock import Clock
from apps.demo.cast import make_home
from apps.demo.ledger import make_ledger
from apps.demo.outcome import list_differences
from apps.demo.story import Check, Story

NAME = "events of the blocks, and those events proven under certified headers"


async def prove(url: str, trust: Trust, story: Story, clock: Clock) -> Check:
    """Compare the outcome of a run with what its proven events come to; a node needs the states of its
    blocks for it."""
    passage = story.passage
    homes = [make_home(name) for name in story.week.homes]
    ledger = make_ledger(story.week, passage.zone, homes, {})
    try:
        async with Chain.connect(url, clock=clock) as chain:
            witness = Witness(chain, trust, proves_events=True)
            async for block in witness.events(passage.first_block, passage.last_block):
                ledger.on_block(block.header.number, block.events)
    except AuditError as error:
        return Check(NAME, (str(error),))
    missing = [
        number
        for number in range(len(story.outcome.hours))
        if not ledger.is_settled(passage.first_slot + number)
    ]
    if missing:
        return Check(NAME, (f"no proven event settles hour {missing[0]}",))
    proven = ledger.make_outcome(passage.first_slot, len(story.outcome.hours))
    return Check(NAME, tuple(list_differences(proven, story.outcome)))
