"""How many certificates a device has earned: one for each MWh, with the rest carried over.

Responsible for the count and for each slot counting once. It knows neither who holds a certificate nor what
fuel a device burns.

Invariant: 1,000,000 · issued + remainder is all eligible Wh that were claimed.
"""

from typing import Final, NamedTuple

from runtime.primitives.arithmetic import U64_MAX, ensure_within

WH_PER_CERTIFICATE: Final = 1_000_000


class ClaimError(ValueError):
    """Energy that gives no certificate."""


class AlreadyClaimed(ClaimError):
    """The device has claimed this slot or a later one."""

    def __init__(self, slot: int, claimed_up_to: int) -> None:
        super().__init__(f"slot {slot} is not after {claimed_up_to}")
        self.slot, self.claimed_up_to = slot, claimed_up_to


class EmptyPeriod(ClaimError):
    """The last slot of a period is before its first."""


class Claims(NamedTuple):
    """What a device has claimed: up to which slot, and the Wh that made no whole certificate."""

    claimed_up_to: int | None = None
    remainder_wh: int = 0
    issued: int = 0


def claim(claims: Claims, first_slot: int, last_slot: int, eligible_wh: int) -> tuple[int, Claims]:
    """Return the certificates for the energy of a period and the claims after it.

    Both slots belong to the period, which begins after all that was claimed. Energy whose attribute a
    contract assigns to somebody else is not eligible; the caller leaves it out. Raises AlreadyClaimed,
    EmptyPeriod, and Underflow or Overflow outside u64.
    """
    ensure_within(eligible_wh, U64_MAX)
    if last_slot < first_slot:
        raise EmptyPeriod(f"slots {first_slot} to {last_slot}")
    if claims.claimed_up_to is not None and first_slot <= claims.claimed_up_to:
        raise AlreadyClaimed(first_slot, claims.claimed_up_to)
    issued, remainder_wh = divmod(claims.remainder_wh + eligible_wh, WH_PER_CERTIFICATE)
    return issued, Claims(last_slot, remainder_wh, claims.issued + issued)
