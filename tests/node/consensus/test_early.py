"""Messages for later instances wait in bounded number, at the expense of who sent them."""

import pytest
from msgspec import structs

from node.consensus.early import INSTANCES_AHEAD, MESSAGES_MAX, EarlyMessages, instance_of
from node.consensus.messages import Proposal, ViewChange
from runtime.primitives.statements import Vote
from tests.support.consensus import INSTANCE, change, prepare, proposal


def ahead(by: int, view: int = 0) -> Vote:
    return structs.replace(prepare(0, view=view), instance=INSTANCE + by)


@pytest.mark.parametrize("message", [prepare(0), change(0), proposal()])
def test_instance_of_each_kind_of_message(message: Vote | ViewChange | Proposal) -> None:
    assert instance_of(message) == INSTANCE


@pytest.mark.parametrize(
    ("by", "is_kept"),
    [(-1, False), (0, False), (1, True), (INSTANCES_AHEAD, True), (INSTANCES_AHEAD + 1, False)],
)
def test_only_the_next_instances_are_kept(by: int, is_kept: bool) -> None:
    early: EarlyMessages[str] = EarlyMessages()
    assert early.keep("a", ahead(by), INSTANCE) is is_kept
    assert early.take(INSTANCE + by) == ([("a", ahead(by))] if is_kept else [])


def test_instance_gets_its_own_messages_in_order_and_earlier_ones_are_forgotten() -> None:
    early: EarlyMessages[str] = EarlyMessages()
    for view in range(3):
        early.keep("a", ahead(1, view), INSTANCE)
        early.keep("b", ahead(2, view), INSTANCE)
    assert early.take(INSTANCE + 2) == [("b", ahead(2, view)) for view in range(3)]
    assert early.take(INSTANCE + 1) == []


def test_flood_of_one_peer_pushes_out_its_own_messages_only() -> None:
    early: EarlyMessages[str] = EarlyMessages()
    early.keep("honest", ahead(1), INSTANCE)
    for view in range(MESSAGES_MAX + 1):
        early.keep("flooding", ahead(1, view), INSTANCE)
    kept = early.take(INSTANCE + 1)
    assert kept[0] == ("honest", ahead(1))
    assert [message for _, message in kept[1:]] == [ahead(1, view) for view in range(1, MESSAGES_MAX + 1)]


def test_peer_that_is_gone_leaves_nothing() -> None:
    early: EarlyMessages[str] = EarlyMessages()
    early.keep("a", ahead(1), INSTANCE)
    early.keep("b", ahead(1), INSTANCE)
    early.forget("a")
    early.forget("c")
    assert early.take(INSTANCE + 1) == [("b", ahead(1))]
