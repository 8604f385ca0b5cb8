"""Eras: the window of blocks in which an extrinsic may be included, in one or two bytes; knows no chain.

A mortal era is a period (a power of two from 4 to 65,536) and a phase in it. At a given block number it
stands for the window from `birth` to `death`, and the signer commits to the hash of the birth block, so a
window that has passed makes the signature wrong rather than the era. Phases of periods above 4,096 are
quantised, since only twelve bits of the two bytes carry them. Source: sp-runtime `generic::Era`.
"""

from typing import NamedTuple

from runtime.primitives.arithmetic import U64_MAX

PERIOD_MIN = 4
PERIOD_MAX = 65_536
PHASES_MAX = 4_096
"""A phase is stored in 12 bits: sp-runtime `generic::Era`."""


class EraError(ValueError):
    """The period, the phase or the bytes are not those of an era."""


class Era(NamedTuple):
    """Period and phase in blocks; period 0 with phase 0 means immortal."""

    period: int
    phase: int

    @property
    def is_immortal(self) -> bool:
        """Whether the extrinsic never expires."""
        return self.period == 0

    def birth(self, number: int) -> int:
        """Return the first block of the window that holds `number`; 0 if immortal."""
        if self.is_immortal:
            return 0
        return (max(number, self.phase) - self.phase) // self.period * self.period + self.phase

    def death(self, number: int) -> int:
        """Return the first block after the window that holds `number`; the largest u64 if immortal."""
        if self.is_immortal:
            return U64_MAX
        return self.birth(number) + self.period


IMMORTAL = Era(0, 0)


def mortal_era(period: int, number: int) -> Era:
    """Return the era that covers block `number`; the period becomes a power of two from 4 to 65,536."""
    assert period >= 0, "a period is a natural number"
    assert number >= 0, "a block number is a natural number"
    rounded = 1 << max(period - 1, 0).bit_length()
    bounded = min(max(rounded, PERIOD_MIN), PERIOD_MAX)
    quantum = _quantum(bounded)
    return Era(bounded, number % bounded // quantum * quantum)


def encode_era(era: Era) -> bytes:
    """Return the one byte of an immortal or the two of a mortal era; raises EraError if it has none."""
    if era == IMMORTAL:
        return b"\x00"
    period, phase = era
    if not PERIOD_MIN <= period <= PERIOD_MAX or period & (period - 1):
        raise EraError(f"period {period} is not a power of two from {PERIOD_MIN} to {PERIOD_MAX}")
    quantum = _quantum(period)
    if not 0 <= phase < period or phase % quantum:
        raise EraError(f"phase {phase} is not a multiple of {quantum} below {period}")
    return (period.bit_length() - 2 | phase // quantum << 4).to_bytes(2, "little")


def decode_era(data: bytes, pos: int) -> tuple[Era, int]:
    """Return the era at `pos` and the position after it; raises EraError on any other bytes."""
    if pos >= len(data):
        raise EraError("no bytes left for the era")
    if data[pos] == 0:
        return IMMORTAL, pos + 1
    if pos + 2 > len(data):
        raise EraError("a mortal era takes two bytes")
    bits = data[pos] | data[pos + 1] << 8
    period = 2 << (bits & 15)
    phase = (bits >> 4) * _quantum(period)
    if period < PERIOD_MIN:
        raise EraError(f"period {period} is below {PERIOD_MIN}")
    if phase >= period:
        raise EraError(f"phase {phase} is not below period {period}")
    return Era(period, phase), pos + 2


def _quantum(period: int) -> int:
    return max(period // PHASES_MAX, 1)
