"""When what happens to a devnet: late starts, perturbations and the end, by seconds or by finalized height.

Pure: it is told the time and the height, and tells what is due. It must not know how anything is done.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

from node.devnet.manifest import Manifest, Moment, Perturbation

Verb = Literal["start", "restart", "kill", "stop", "pause", "resume"]
REVERSAL: Final[Mapping[str, Verb]] = {"kill": "restart", "stop": "restart", "pause": "resume"}
"""What ends a perturbation that lasts for some time."""


class Action(NamedTuple):
    """One thing to do to one node."""

    verb: Verb
    node: str


class _Due(NamedTuple):
    moment: Moment
    action: Action
    lasts: Moment | None


class Schedule:
    """What is still to come; an empty one never ends."""

    def __init__(self, manifest: Manifest | None = None) -> None:
        self._end = None if manifest is None else manifest.duration
        load = None if manifest is None else manifest.load
        self._load = None if load is None else load.transfers_per_second
        self._timeout_s = 0.0 if manifest is None else manifest.timeout_seconds
        self._late = frozenset(() if manifest is None else (n.name for n in manifest.nodes if n.start_at))
        self._waiting = [] if manifest is None else list(_list_due(manifest))

    @property
    def transfers_per_second(self) -> float | None:
        """How many transfers the network is given to work on, None for no load."""
        return self._load

    def is_late(self, name: str) -> bool:
        """Tell whether a node starts by the schedule, not with the others."""
        return name in self._late

    def take_due(self, passed_s: float, height: int) -> tuple[Action, ...]:
        """Return what is due now, in the manifest's order, and forget it; what lasts will be reversed
        later.
        """
        due = [one for one in self._waiting if _is_reached(one.moment, passed_s, height)]
        self._waiting = [one for one in self._waiting if one not in due]
        for one in due:
            if one.lasts is not None:
                after = _add(one.lasts, passed_s, height)
                self._waiting.append(_Due(after, Action(REVERSAL[one.action.verb], one.action.node), None))
        return tuple(one.action for one in due)

    def is_over(self, passed_s: float, heights: Mapping[str, int]) -> bool:
        """Tell whether the devnet has done its work: nothing is to come and every running node is far
        enough.
        """
        if self._end is None or self._waiting:
            return False
        return bool(heights) and all(
            _is_reached(self._end, passed_s, height) and height >= 0 for height in heights.values()
        )

    def is_late_to_end(self, passed_s: float) -> bool:
        """Tell whether the end should have come."""
        return self._end is not None and passed_s >= self._timeout_s


def _list_due(manifest: Manifest) -> Iterable[_Due]:
    for node in manifest.nodes:
        if node.start_at is not None:
            yield _Due(node.start_at, Action("start", node.name), None)
    for one in manifest.perturbations:
        yield _Due(one.at, Action(_get_verb(one), one.node), one.lasts)


def _get_verb(perturbation: Perturbation) -> Verb:
    """A node is cut off from the network by pausing it: to the others the two are the same."""
    return "pause" if perturbation.action == "disconnect" else perturbation.action


def _is_reached(moment: Moment, passed_s: float, height: int) -> bool:
    if moment.height is not None:
        return height >= moment.height
    assert moment.seconds is not None, "a moment is one of both"
    return passed_s >= moment.seconds


def _add(span: Moment, passed_s: float, height: int) -> Moment:
    if span.height is not None:
        return Moment(height=height + span.height)
    assert span.seconds is not None, "a moment is one of both"
    return Moment(seconds=passed_s + span.seconds)
