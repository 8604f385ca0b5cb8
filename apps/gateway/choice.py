"""From the readings of several sources to the one value that a provider answers with.

Pure. The rules are the feed's own, as the chain tells them: a reading outside the range is refused; of three
sources or more, one that is off their median by more than the outlier limit is; of two that contradict each
other, the one that contradicts the chain too. What is left has the element n // 2 as its value, and as its
moment, as on the chain.

A value that is off the chain's fresh one by more than the limit would be struck as an outlier if it is wrong,
and is the news that a market needs if it is right. So it is believed when a second source agrees, or when the
only one has said so several times in a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from apps.gateway.errors import FaultKind, SourceFault
from apps.gateway.feeds import FeedView
from apps.gateway.quantity import to_whole
from apps.gateway.readings import SourceState
from apps.gateway.settings import FeedSetting
from pallets.oracle.median import is_outlier

LANDING_MS: Final = 2_500
"""So late an answer may come into a block; if that is in the next round, it has to count there."""


class Choice(NamedTuple):
    """A value in the feed's smallest unit, when it was measured, and by how many sources."""

    value: int
    measured_ms: int
    sources: int


class Verdict(NamedTuple):
    """The choice, or none and why; and of each source that had a reading what is wrong with it, if
    anything."""

    choice: Choice | None
    reason: str
    judged: Mapping[str, SourceFault | None]


class _Candidate(NamedTuple):
    source: SourceState
    value: int
    measured_ms: int


def choose(view: FeedView, setting: FeedSetting, sources: Sequence[SourceState], chain_ms: int) -> Verdict:
    """Return what a provider answers a feed at a moment of the chain's time, which no measurement may be
    after."""
    judged: dict[str, SourceFault | None] = {}
    candidates = _collect(view, sources, chain_ms, judged)
    candidates = _drop_outliers(view, candidates, judged)
    if len(candidates) < setting.sources_min or not candidates:
        return Verdict(None, f"{len(candidates)} of at least {setting.sources_min} sources usable", judged)
    value = sorted(one.value for one in candidates)[len(candidates) // 2]
    if not _is_believed(view, setting, candidates, value, chain_ms):
        jump = SourceFault(FaultKind.JUMP, f"{value} while the chain has {view.fresh_value}")
        judged.update({one.source.name: jump for one in candidates})
        return Verdict(None, "a jump that nobody else confirms yet", judged)
    moments = sorted(one.measured_ms for one in candidates)
    return Verdict(Choice(value, moments[len(moments) // 2], len(candidates)), "", judged)


def _collect(
    view: FeedView, sources: Sequence[SourceState], chain_ms: int, judged: dict[str, SourceFault | None]
) -> list[_Candidate]:
    """Return the newest readings that count and are in range."""
    earliest_ms = view.earliest_at(chain_ms + LANDING_MS)
    found: list[_Candidate] = []
    for source in sources:
        readings = source.between(view.key, earliest_ms, chain_ms)
        if not readings:
            continue
        judged[source.name] = None
        try:
            value = _ensure_in_range(to_whole(readings[-1].number, view.decimals), view)
        except SourceFault as fault:
            judged[source.name] = fault
            continue
        found.append(_Candidate(source, value, readings[-1].measured_ms))
    return found


def _ensure_in_range(value: int, view: FeedView) -> int:
    if not view.least <= value <= view.greatest:
        raise SourceFault(FaultKind.OUT_OF_RANGE, f"{value} is not in {view.least} to {view.greatest}")
    return value


def _drop_outliers(
    view: FeedView, candidates: list[_Candidate], judged: dict[str, SourceFault | None]
) -> list[_Candidate]:
    if len(candidates) < 2:
        return candidates
    values = sorted(one.value for one in candidates)
    centre: int | None = values[len(values) // 2]
    if len(candidates) == 2:
        if not is_outlier(values[0], values[1], view.outlier_ppm):
            return candidates
        centre = view.fresh_value
    kept: list[_Candidate] = []
    for one in candidates:
        if centre is not None and not is_outlier(one.value, centre, view.outlier_ppm):
            kept.append(one)
        else:
            other = "the other source" if centre is None else str(centre)
            judged[one.source.name] = SourceFault(FaultKind.OUTLIER, f"{one.value} against {other}")
    return kept


def _is_believed(
    view: FeedView, setting: FeedSetting, candidates: list[_Candidate], value: int, chain_ms: int
) -> bool:
    """Tell whether a value is near the chain's, or confirmed."""
    known = view.fresh_value
    if known is None or not is_outlier(value, known, view.outlier_ppm):
        return True
    if sum(not is_outlier(one.value, value, view.outlier_ppm) for one in candidates) > 1:
        return True
    recent = candidates[0].source.between(view.key, 0, chain_ms)[-setting.confirm :]
    return len(recent) == setting.confirm and all(
        is_outlier(to_whole(one.number, view.decimals), known, view.outlier_ppm) for one in recent
    )
