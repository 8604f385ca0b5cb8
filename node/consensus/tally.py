"""The votes and claims of one instance, counted as they come, in bounded memory.

Responsible for who said what: each authority counts once for a view and step, whatever it repeats, and what
contradicts itself is found here (`evidence`). It must not know what follows from a count. Votes of past views
count on: a decision may come of any view.

Of each authority at most `STATEMENTS_MAX` votes and claims are kept; beyond, those of its lowest views go,
but never its highest COMMIT, which an honest one repeats until the instance is decided. So a flood harms the
count of its own author alone.
"""

from __future__ import annotations

from typing import Final, TypeAlias, TypeVar

from node.consensus.messages import ViewChange
from runtime.primitives.certificate import STEP_COMMIT, Certificate, IndexedVote
from runtime.primitives.committee import Committee
from runtime.primitives.evidence import Evidence, find_amnesia
from runtime.primitives.statements import STEP_VIEW_CHANGE, Claim, Value, Vote

STATEMENTS_MAX: Final = 96

_Key = TypeVar("_Key")
_Kept = TypeVar("_Kept")

Place: TypeAlias = tuple[int, int]
"""View and step."""


class Tally:
    """What the authorities of one committee said about one instance."""

    def __init__(self, committee: Committee, instance: int) -> None:
        self._committee = committee
        self._instance = instance
        self._said: list[dict[Place, Vote | ViewChange]] = [{} for _ in range(len(committee))]
        self._groups: dict[tuple[int, int, Value], dict[int, Vote]] = {}
        self._changes: dict[int, dict[int, ViewChange]] = {}
        self._views = [0] * len(committee)
        self._reached: dict[int, int] = {}
        self._reported = [False] * len(committee)

    def add_vote(self, vote: Vote) -> Evidence | None:
        """Count a vote; return the proof when it contradicts what its author said before."""
        said = self._said[vote.index]
        place = (vote.view, vote.step)
        earlier = said.get(place)
        if isinstance(earlier, Vote):
            return self._report(vote.index, None if earlier.value == vote.value else Evidence(earlier, vote))
        self._keep(vote.index, place, vote)
        if place in said:
            self._groups.setdefault((*place, vote.value), {})[vote.index] = vote
        if vote.step != STEP_COMMIT:
            return None
        claims = (one.claim for one in said.values() if isinstance(one, ViewChange))
        return self._report(vote.index, find_amnesia([vote], claims))

    def add_change(self, change: ViewChange) -> Evidence | None:
        """Count a view change; return the proof when it contradicts what its author said before."""
        claim = change.claim
        said = self._said[claim.index]
        place = (claim.view, STEP_VIEW_CHANGE)
        earlier = said.get(place)
        if isinstance(earlier, ViewChange):
            same = earlier.claim.prepared == claim.prepared
            return self._report(claim.index, None if same else Evidence(earlier.claim, claim))
        self._keep(claim.index, place, change)
        if place in said:
            self._changes.setdefault(claim.view, {})[claim.index] = change
        return self._report(claim.index, find_amnesia(_commits_in(said), [claim]))

    def add_claim(self, claim: Claim) -> Evidence | None:
        """Note how far the author of a claim in a justification is; return the proof when it contradicts what
        its author said before.
        """
        self._raise_view(claim.index, claim.view)
        said = self._said[claim.index]
        earlier = said.get((claim.view, STEP_VIEW_CHANGE))
        if isinstance(earlier, ViewChange) and earlier.claim.prepared != claim.prepared:
            return self._report(claim.index, Evidence(earlier.claim, claim))
        return self._report(claim.index, find_amnesia(_commits_in(said), [claim]))

    def add_offence(self, evidence: Evidence) -> Evidence | None:
        """Note what needs no second statement to be wrong; return it unless its author is known already."""
        return self._report(evidence.first.index, evidence)

    def voters(self, view: int, step: int, value: Value) -> list[int]:
        """Return who voted for a value at a step of a view, ascending."""
        return sorted(self._groups.get((view, step, value), ()))

    def has_quorum(self, view: int, step: int, value: Value) -> bool:
        """Tell whether a quorum voted for a value at a step of a view."""
        group = self._groups.get((view, step, value), {})
        return self._committee.is_quorum(self._committee.weigh(group))

    def certificate(self, view: int, step: int, value: Value) -> Certificate:
        """Return the certificate of all votes for a value at a step of a view."""
        group = self._groups[view, step, value]
        votes = tuple(IndexedVote(index, group[index].signature) for index in sorted(group))
        return Certificate(self._committee.set_id, self._instance, value.number, view, value.hash, votes)

    def changes_to(self, view: int) -> list[ViewChange]:
        """Return the view changes to a view, by authority."""
        found = self._changes.get(view, {})
        return [found[index] for index in sorted(found)]

    def has_change_quorum(self, view: int) -> bool:
        """Tell whether a quorum wants exactly this view."""
        return self._committee.is_quorum(self._committee.weigh(self._changes.get(view, {})))

    def joint_view(self) -> int:
        """Return the highest view that more than f have reached: an honest one among them had a reason."""
        return self._reached_by(self._committee.faulty + 1)

    def quorum_view(self) -> int:
        """Return the highest view that a quorum has reached."""
        return self._reached_by(self._committee.quorum)

    def _reached_by(self, weight: int) -> int:
        """Return the highest view that authorities of at least this weight have reached."""
        known = self._reached.get(weight)
        if known is None:
            known = self._reached[weight] = self._find_reached(weight)
        return known

    def _find_reached(self, weight: int) -> int:
        for index in sorted(range(len(self._views)), key=lambda each: (-self._views[each], each)):
            weight -= self._committee.authorities[index][1]
            if weight <= 0:
                return self._views[index]
        return 0

    def _raise_view(self, index: int, view: int) -> None:
        if view > self._views[index]:
            self._views[index] = view
            self._reached.clear()

    def _report(self, index: int, found: Evidence | None) -> Evidence | None:
        """Let one proof against each authority through: more would be reported for no use."""
        if found is None or self._reported[index]:
            return None
        self._reported[index] = True
        return found

    def _keep(self, index: int, place: Place, statement: Vote | ViewChange) -> None:
        said = self._said[index]
        said[place] = statement
        self._raise_view(index, place[0])
        if len(said) <= STATEMENTS_MAX:
            return
        commit = max((at for at in said if at[1] == STEP_COMMIT), default=None)
        lowest = min(at for at in said if at != commit)
        dropped = said.pop(lowest)
        if isinstance(dropped, ViewChange):
            _take_out(self._changes, lowest[0], index)
        else:
            _take_out(self._groups, (*lowest, dropped.value), index)


def _commits_in(said: dict[Place, Vote | ViewChange]) -> list[Vote]:
    return [one for one in said.values() if isinstance(one, Vote) and one.step == STEP_COMMIT]


def _take_out(groups: dict[_Key, dict[int, _Kept]], key: _Key, index: int) -> None:
    group = groups.get(key)
    if group is not None:
        group.pop(index, None)
        if not group:
            del groups[key]
