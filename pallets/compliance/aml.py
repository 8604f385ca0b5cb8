"""Rules against money laundering: which transfers of one sender a compliance officer must see.

Responsible for the rules and for the memory that they need of a sender; it decides nothing about a transfer
and knows no name.

Rules. *Single*: the amount reaches a threshold. *Structuring*: an amount below it, and the sum of the
sender's amounts below it in a rolling window reaches another threshold. *Velocity*: more transfers than so
many in a rolling window. *Counterparty*: more different receivers than so many in a rolling window. Windows
are half open: what is exactly a window old has left it.

The memory is bounded. Of velocity the last `velocity_count` times are enough, of receivers the latest
`RECEIVERS_MAX`, more than any rule counts. Amounts are kept up to
`AMOUNTS_MAX`; beyond, the two oldest become one at the younger one's time, so a sum may stay high for
longer than it should, and is never too low: no sender gets under the threshold by many small transfers.
"""

from enum import IntEnum
from typing import Final, NamedTuple

from runtime.primitives.arithmetic import U32_MAX, U128_MAX, Underflow, ensure_within
from runtime.primitives.types import AccountId

AMOUNTS_MAX: Final = 256
VELOCITY_MAX: Final = 256
"""The greatest `velocity_count`, as so many times are kept for each sender."""
RECEIVERS_MAX: Final = 64
"""So many different receivers are kept for each sender; a rule counts fewer."""


class Flag(IntEnum):
    """What a transfer is to be seen for; the numbers are those of storage."""

    SINGLE = 1
    STRUCTURING = 2
    VELOCITY = 3
    COUNTERPARTY = 4


class AmlError(ValueError):
    """Rules or transfers that cannot be judged."""


class BadRule(AmlError):
    """A threshold of nothing, a window of no length, or a count beyond what is remembered."""


class TimeRunsBackwards(AmlError):
    """A transfer is older than the sender's last."""


class AmlRules(NamedTuple):
    """Thresholds in the unit of amounts, windows in the unit of times."""

    single: int
    structuring: int
    structuring_window: int
    velocity_count: int
    velocity_window: int

    def ensure_valid(self) -> None:
        """Raise BadRule where a rule would flag everything or remember too much."""
        if min(self.single, self.structuring, self.structuring_window, self.velocity_window) < 1:
            raise BadRule("thresholds and windows are above zero")
        if not 1 <= self.velocity_count <= VELOCITY_MAX:
            raise BadRule(f"velocity counts 1 to {VELOCITY_MAX} transfers")
        ensure_within(max(self.structuring_window, self.velocity_window), U32_MAX)


class Memory(NamedTuple):
    """What is remembered of a sender: amounts below the single threshold with their times, and last times."""

    amounts: tuple[tuple[int, int], ...] = ()
    times: tuple[int, ...] = ()


def screen(memory: Memory, rules: AmlRules, time: int, amount: int) -> tuple[tuple[Flag, ...], Memory]:
    """Return the flags of a sender's next transfer, in their order, and the memory after it.

    Raises TimeRunsBackwards, BadRule, and Underflow or Overflow for amounts of nothing or outside u128.
    """
    rules.ensure_valid()
    ensure_within(amount, U128_MAX)
    if amount == 0:
        raise Underflow("a transfer of nothing")
    if memory.times and time < memory.times[-1]:
        raise TimeRunsBackwards(f"{time} is before {memory.times[-1]}")
    flags = []
    amounts = [one for one in memory.amounts if time - one[0] < rules.structuring_window]
    if amount >= rules.single:
        flags.append(Flag.SINGLE)
    else:
        amounts.append((time, amount))
        if sum(one for _, one in amounts) >= rules.structuring:
            flags.append(Flag.STRUCTURING)
    times = [one for one in memory.times if time - one < rules.velocity_window]
    if len(times) >= rules.velocity_count:
        flags.append(Flag.VELOCITY)
    times.append(time)
    return tuple(flags), Memory(_bound(amounts), tuple(times[-rules.velocity_count :]))


def meet(
    receivers: tuple[tuple[int, AccountId], ...], window: int, time: int, receiver: AccountId
) -> tuple[tuple[int, AccountId], ...]:
    """Return whom a sender has sent to in the window, each once with its last time, the latest last.

    `receivers` is what the same function returned at the sender's last transfer.
    """
    others = [one for one in receivers if one[1] != receiver and time - one[0] < window]
    return (*others[-(RECEIVERS_MAX - 1) :], (time, receiver))


def _bound(amounts: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    if len(amounts) > AMOUNTS_MAX:
        (_, oldest), (time, next_oldest), *younger = amounts
        amounts = [(time, oldest + next_oldest), *younger]
    return tuple(amounts)
