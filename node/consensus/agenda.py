"""The order in which an engine's effects are performed, the same in the node and in the simulator.

Responsible for three rules. Effects are performed in the order in which the engine gave them. What follows
from a signature comes before what was to be done after it: the engine takes its answer before any other
input. What was to be done after a decision is of an instance that is over, and is not done at all. It must
not know how anything is done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from node.consensus.effects import Decide, PbftEffect


class Agenda:
    """Effects that wait; false when there are none."""

    def __init__(self, effects: Iterable[PbftEffect] = ()) -> None:
        self._left = deque(effects)

    def __len__(self) -> int:
        return len(self._left)

    def add(self, effects: Iterable[PbftEffect]) -> None:
        """Put the effects of another input behind those that wait."""
        self._left.extend(effects)

    def answer(self, effects: Sequence[PbftEffect]) -> None:
        """Put what follows from a signature before those that wait."""
        self._left.extendleft(reversed(effects))

    def take(self) -> PbftEffect:
        """Return the effect to perform now; with a decision all others go."""
        effect = self._left.popleft()
        if isinstance(effect, Decide):
            self._left.clear()
        return effect
