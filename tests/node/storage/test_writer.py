"""The writer keeps order, holds back a caller who is too quick, and stops for good at the first failure."""

from collections.abc import Callable
from threading import Event, get_ident

import pytest

from node.storage.kv import ClosedError, DiskFullError, WriteFailedError
from node.storage.writer import IN_FLIGHT_MAX, Writer

TIMEOUT_SECONDS = 10


def test_production_limit_is_two_blocks() -> None:
    assert IN_FLIGHT_MAX == 4


def test_jobs_run_in_order_in_one_other_thread() -> None:
    writer = Writer(in_flight_max=2)
    seen: list[tuple[int, int]] = []

    def make_job(number: int) -> Callable[[], None]:
        return lambda: seen.append((number, get_ident()))

    for future in [writer.submit("count", make_job(number)) for number in range(50)]:
        future.result(TIMEOUT_SECONDS)
    assert [number for number, _ in seen] == list(range(50))
    threads = {thread for _, thread in seen}
    assert len(threads) == 1
    assert get_ident() not in threads
    writer.close()
    writer.close()


def test_room_is_told_when_a_job_ends() -> None:
    writer, gate = Writer(in_flight_max=2), Event()
    assert writer.room().done()
    writer.submit("first", lambda: gate.wait(TIMEOUT_SECONDS))
    assert writer.room().done()
    writer.submit("second", lambda: None)
    rooms = [writer.room(), writer.room()]
    assert not any(room.done() for room in rooms)
    rooms[0].cancel()
    gate.set()
    assert rooms[1].result(TIMEOUT_SECONDS) is None
    writer.close()


def test_result_of_a_job_is_the_futures() -> None:
    writer = Writer()
    assert writer.submit("answer", lambda: 42).result(TIMEOUT_SECONDS) == 42
    writer.close()


def test_after_a_failure_nothing_runs_and_the_failure_is_told() -> None:
    writer, gate, ran = Writer(), Event(), Event()
    failure = DiskFullError("full")

    def fail() -> None:
        gate.wait(TIMEOUT_SECONDS)
        raise failure

    failed = writer.submit("write block 7", fail)
    queued = writer.submit("write block 8", ran.set)
    gate.set()
    assert failed.exception(TIMEOUT_SECONDS) is failure
    refused = queued.exception(TIMEOUT_SECONDS)
    assert isinstance(refused, ClosedError)
    assert refused.failure is failure
    with pytest.raises(ClosedError, match="write block 7") as caught:
        writer.submit("write block 9", ran.set)
    assert caught.value.failure is failure
    assert not ran.is_set()
    writer.close()


def test_first_failure_is_the_one_that_is_kept() -> None:
    writer = Writer()
    writer.submit("first", lambda: (_ for _ in ()).throw(WriteFailedError("first"))).exception()
    for _ in range(2):
        with pytest.raises(ClosedError) as caught:
            writer.submit("later", lambda: None)
        assert str(caught.value.failure) == "first"
    writer.close()


def test_failure_is_told_to_who_only_waits_for_one() -> None:
    writer, failure = Writer(), WriteFailedError("first")

    def fail() -> None:
        raise failure

    broken = writer.broken()
    assert not broken.cancel()
    writer.submit("good", lambda: None).result(TIMEOUT_SECONDS)
    assert not broken.done()
    writer.submit("bad", fail).exception(TIMEOUT_SECONDS)
    assert broken.exception(TIMEOUT_SECONDS) is failure
    assert writer.broken().exception(TIMEOUT_SECONDS) is failure
    writer.close()


def test_writer_that_is_closed_has_not_failed() -> None:
    writer = Writer()
    writer.submit("good", lambda: None)
    writer.close()
    assert not writer.broken().done()
