"""What an auditor says of a run becomes one of its checks, whatever goes wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from apps.audit.errors import AuditError, Differs, Unchecked
from apps.audit.witness import Trust
from apps.chain.client import Chain
from apps.chain.runtime import EventRecord
from apps.clock import SystemClock
from apps.demo import proof
from apps.demo.cast import make_home
from apps.demo.story import Story
from tests.apps.demo.stories import WEEK, make_story
from tests.apps.demo.test_ledger import retell

HOURS = 12
STORY = make_story(HOURS, WEEK.skip(30))


class FakeHeader:
    number = 3


class FakeBlock:
    header = FakeHeader()

    def __init__(self, events: tuple[EventRecord, ...]) -> None:
        self.events = events


def witness(
    monkeypatch: pytest.MonkeyPatch, events: list[EventRecord], error: AuditError | None = None
) -> None:
    class FakeWitness:
        def __init__(self, chain: object, trust: Trust, *, proves_events: bool) -> None:
            assert proves_events

        async def events(self, first: int, last: int) -> AsyncIterator[Any]:
            assert (first, last) == (STORY.passage.first_block, STORY.passage.last_block)
            yield FakeBlock(tuple(events))
            if error is not None:
                raise error

    @asynccontextmanager
    async def connect(url: str, **_: object) -> AsyncIterator[None]:
        yield

    monkeypatch.setattr(proof, "Witness", FakeWitness)
    monkeypatch.setattr(Chain, "connect", connect)


def events_of(story: Story) -> list[EventRecord]:
    return retell(story, [make_home(name) for name in story.week.homes])


async def prove() -> tuple[str, ...]:
    return (await proof.prove("ws://x", Trust(), STORY, SystemClock())).differences


async def test_proven_events_that_come_to_the_outcome_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    witness(monkeypatch, events_of(STORY))
    assert await prove() == ()


async def test_a_missing_event_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    events = events_of(STORY)
    events.remove(next(one for one in events if one.name == "ImbalanceCharged"))
    witness(monkeypatch, events)
    (found,) = await prove()
    assert found.startswith("hour 0: ")


async def test_an_hour_that_nothing_settles_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    witness(monkeypatch, events_of(STORY)[:-1])
    assert await prove() == ("no proven event settles hour 11",)


@pytest.mark.parametrize("error", [Differs("the node lies"), Unchecked("the state is gone")])
async def test_what_the_auditor_cannot_prove_is_no_success(
    error: AuditError, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness(monkeypatch, events_of(STORY), error)
    assert await prove() == (str(error),)
