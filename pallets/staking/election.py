"""An election that can be held in one go or in pieces, over many blocks.

Responsible for choosing the method and for counting the work. Its progress is a pure function of the snapshot
and of the units granted so far, however they were divided: a node that starts again grants the same and is
where it was. It knows no storage.
"""

from collections.abc import Iterator
from enum import Enum

from pallets.staking.balancing import Balancing, run_balancing
from pallets.staking.election_graph import PERBILL, Graph, Outcome, Snapshot
from pallets.staking.phragmen import run_phragmen
from pallets.staking.phragmms import run_phragmms


class Method(Enum):
    """How seats are given."""

    PHRAGMEN = "seq_phragmen"
    PHRAGMMS = "phragmms"


class Election:
    """An election under way: grant it units until it is done, then ask for the outcome.

    A unit is the visit of an edge or of a candidate. A piece of work, at most one pass over all candidates or
    voters, is finished once begun, and what it takes beyond the units granted is taken off the next grant.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        seats: int,
        method: Method = Method.PHRAGMEN,
        balancing: Balancing | None = None,
        accuracy: int = PERBILL,
    ) -> None:
        assert seats >= 0, "seats are a natural number"
        self._graph = Graph(snapshot)
        self._accuracy = accuracy
        self._work = _work(self._graph, seats, method, balancing, accuracy)
        self._granted = 0
        self._spent = 0
        self._is_done = False

    @property
    def units_granted(self) -> int:
        """All units granted so far: with the snapshot it determines where the election is."""
        return self._granted

    @property
    def units_spent(self) -> int:
        """The visits made so far."""
        return self._spent

    @property
    def is_done(self) -> bool:
        """Whether the outcome is known."""
        return self._is_done

    def step(self, budget_units: int) -> bool:
        """Work for so many units more, and return whether the election is done."""
        assert budget_units >= 0, "units are granted, not taken back"
        self._granted += budget_units
        while not self._is_done and self._spent < self._granted:
            units = next(self._work, None)
            if units is None:
                self._is_done = True
            else:
                self._spent += units
        return self._is_done

    def finish(self) -> None:
        """Do all work that is left, at whatever cost."""
        while not self._is_done:
            self.step(max(self._spent - self._granted, 0) + 1_000_000)

    def outcome(self) -> Outcome:
        """Return the outcome of an election that is done."""
        assert self._is_done, "the election is done"
        return self._graph.collect_outcome(self._accuracy)


def elect(
    snapshot: Snapshot,
    seats: int,
    method: Method = Method.PHRAGMEN,
    balancing: Balancing | None = None,
    accuracy: int = PERBILL,
) -> Outcome:
    """Hold an election in one go; fewer win where there are fewer candidates."""
    election = Election(snapshot, seats, method, balancing, accuracy)
    election.finish()
    return election.outcome()


def _work(
    graph: Graph, seats: int, method: Method, balancing: Balancing | None, accuracy: int
) -> Iterator[int]:
    match method:
        case Method.PHRAGMEN:
            yield from run_phragmen(graph, seats)
            if balancing is not None:
                yield from run_balancing(graph, balancing)
        case Method.PHRAGMMS:
            yield from run_phragmms(graph, seats, balancing, accuracy)
