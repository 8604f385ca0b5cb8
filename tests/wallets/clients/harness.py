"""Answers scenario requests on behalf of a Python wallet library: the twin of harness.mjs.

One scenario name per line on standard input, one JSON line per answer on standard output. It knows neither
the library nor the chain. It runs in the library's own environment, so it imports the standard library alone.
"""

import asyncio
import json
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping

Answer = dict[str, object]


def _write(answer: Answer) -> None:
    sys.stdout.write(json.dumps(answer, default=str) + "\n")
    sys.stdout.flush()


def _failure(scenario: str) -> Answer:
    return {"scenario": scenario, "ok": False, "detail": traceback.format_exc()}


def serve(scenarios: Mapping[str, Callable[[], object]]) -> None:
    """Answer requests until standard input ends; a scenario fails when it raises."""
    for line in sys.stdin:
        scenario = line.strip()
        try:
            _write({"scenario": scenario, "ok": True, "detail": scenarios[scenario]()})
        except Exception:  # noqa: BLE001 - whatever the library raises is the answer
            _write(_failure(scenario))


async def serve_async(scenarios: Mapping[str, Callable[[], Awaitable[object]]]) -> None:
    """Answer requests as `serve` does while the event loop keeps the library's connection alive."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        scenario = line.strip()
        try:
            _write({"scenario": scenario, "ok": True, "detail": await scenarios[scenario]()})
        except Exception:  # noqa: BLE001 - whatever the library raises is the answer
            _write(_failure(scenario))
