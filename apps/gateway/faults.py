"""Faults on purpose: a gateway that lies, is silent, or is silent by turns, for tests and demonstrations.

A network that never saw a liar has not been tested. Each of these costs a real provider its bond, so a
gateway that plays one says so in its logs, its health and its metrics.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from apps.gateway.errors import ConfigFault
from apps.gateway.feeds import FeedView
from apps.gateway.rounds import Answer
from apps.gateway.settings import Fault

LIE_PERCENT: Final = 150
PERIOD_DEFAULT_MS: Final = 60_000


def parse_fault(text: str) -> Fault:
    """Return the fault of `lying`, `dead`, `flapping` or `flapping:SECONDS`; ConfigFault."""
    name, colon, period = text.partition(":")
    match name:
        case "lying" if not colon:
            return Fault("lying")
        case "dead" if not colon:
            return Fault("dead")
        case "flapping" if not colon or (
            period.isascii() and period.isdecimal() and 0 < int(period[:6]) < 86_400
        ):
            return Fault("flapping", int(period) * 1_000 if colon else PERIOD_DEFAULT_MS)
        case _:
            raise ConfigFault(
                "--fault", f"expected lying, dead, flapping or flapping:SECONDS, got {text!r:.40}"
            )


def is_silent(fault: Fault | None, now_ms: int) -> bool:
    """Tell whether a gateway answers nothing at a moment; one that flaps begins with answering."""
    match fault:
        case Fault(kind="dead"):
            return True
        case Fault(kind="flapping", period_ms=period_ms):
            return now_ms // period_ms % 2 == 1
        case _:
            return False


def distort(fault: Fault | None, answers: Iterable[Answer], views: dict[str, FeedView]) -> tuple[Answer, ...]:
    """Return the answers as a liar gives them: half as much again, or less where the range ends before."""
    if fault is None or fault.kind != "lying":
        return tuple(answers)
    return tuple(one._replace(value=_lie(one.value, views[one.key])) for one in answers)


def _lie(value: int, view: FeedView) -> int:
    told = value * LIE_PERCENT // 100 if value else view.greatest // 2
    if view.least <= told <= view.greatest:
        return told
    return view.least if value > (view.least + view.greatest) // 2 else view.greatest
