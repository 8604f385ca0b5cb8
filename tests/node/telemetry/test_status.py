"""The lines that scripts grep have Substrate's words and order."""

import asyncio
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from node.telemetry.phrases import escape, render_line, shorten_hash
from node.telemetry.status import Status, describe, report_status

BEST, FINALIZED = bytes.fromhex("12ab" + "00" * 28 + "cdef"), bytes.fromhex("34cd" + "00" * 28 + "0123")
IDLE = Status(peers=0, best=7, best_hash=BEST, finalized=5, finalized_hash=FINALIZED)


def test_idle_line() -> None:
    event, fields = describe(IDLE, IDLE, 5)
    assert render_line(event, fields) == (
        "Idle (0 peers), best: #7 (0x12ab…cdef), finalized #5 (0x34cd…0123), ⬇ 0.0 kiB/s ⬆ 0.0 kiB/s"
    )


def test_syncing_line_has_speed_and_target() -> None:
    now = IDLE._replace(peers=4, best=34, sync_target=900, received_bytes=10_240, sent_bytes=5_120)
    event, fields = describe(now, IDLE, 5)
    assert render_line(event, fields) == (
        "Syncing 5.4 bps, target=#900 (4 peers), best: #34 (0x12ab…cdef), finalized #5 (0x34cd…0123),"
        " ⬇ 2.0 kiB/s ⬆ 1.0 kiB/s"
    )


def test_line_of_a_state_that_comes_has_its_block_once_there_is_one() -> None:
    fields = {"number": 64, "percent": 42, "entries": 9, "state_kib": 1, "download_kib": 2.0, "peers": 3}
    assert render_line("state_downloading", fields) == (
        "Warping 42 %, target=#64 (3 peers), 9 entries, ⬇ 2.0 kiB/s"
    )
    assert render_line("state_downloading", {**fields, "number": None}) == (
        "Warping, looking for a recent block (3 peers)"
    )


def test_speed_is_never_negative_after_a_revert() -> None:
    now = IDLE._replace(best=3, sync_target=900)
    assert describe(now, IDLE, 5)[1]["bps"] == 0


def test_block_lines() -> None:
    fields = {"number": 8, "hash": "0x" + BEST.hex(), "parent": FINALIZED, "took_ms": 3, "extrinsics": 2}
    assert render_line("block_imported", fields) == "Imported #8 (0x34cd…0123 → 0x12ab…cdef)"
    assert render_line("block_prepared", fields).startswith(
        "Prepared block for proposing at 8 (3 ms) hash: 0x12ab"
    )


def test_event_without_the_fields_of_its_phrase_is_shown_as_it_is() -> None:
    assert render_line("block_imported", {"number": 8}) == "block_imported number=8"


@pytest.mark.parametrize(
    ("text", "limit", "escaped"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("a\tb", 9, "a\\tb"), ("\x1b[0m", 9, "\\x1b[0m")],
)
def test_text_is_escaped_and_cut(text: str, limit: int, escaped: str) -> None:
    assert escape(text, limit) == escaped


def test_short_hashes_stay_whole() -> None:
    assert shorten_hash("0x1234") == "0x1234"
    assert shorten_hash(b"\x12") == "0x12"


async def test_status_is_reported_again_and_again() -> None:
    readings = iter(range(100))
    with capture_logs() as logs, suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await report_status(lambda: IDLE._replace(best=next(readings)), "dev", period_s=0.01)
    assert len(logs) >= 2
    assert logs[0]["event"] == "node_idle"
    assert logs[0]["chain"] == "dev"
    assert [entry["best"] for entry in logs] == list(range(1, len(logs) + 1))
