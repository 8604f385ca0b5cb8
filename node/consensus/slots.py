"""Slots: who may make a block when, and whether a header keeps to it; by turns here, by lot in `lottery`.

Responsible for rules alone: clock, keys and the set of authorities are the caller's. Slot = milliseconds
since 1970 / length of a slot; by turns, author = index slot mod n of the set in the parent's state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from runtime.primitives.block import Digest, DigestItem, Header, PreRuntime, Seal, encode_header
from runtime.primitives.crypto import Scheme, verify

AUTHOR_ENGINE: Final = b"BABE"
SEAL_ENGINE: Final = b"LOAM"
_SECONDARY: Final = b"\x02"
_CLAIM_LENGTH: Final = 13


class HeaderError(Exception):
    """A header breaks a rule of slots."""


class NoClaimError(HeaderError):
    """No digest item tells slot and author, or it is malformed."""


class SeveralClaimsError(HeaderError):
    """More than one digest item tells slot and author."""


class NoSealError(HeaderError):
    """The last digest item is not the only seal."""


class StaleSlotError(HeaderError):
    """The slot is not after the parent's."""


class FutureSlotError(HeaderError):
    """The slot is further ahead of the clock than may be."""


class AuthorRangeError(HeaderError):
    """The set has no author of that index."""


class NotEligibleError(HeaderError):
    """The slot is another author's."""


class WrongSealError(HeaderError):
    """The seal is not the author's signature of the unsealed header."""


class Claim(NamedTuple):
    """Which slot a header takes, and as which index of the set."""

    author: int
    slot: int


class Equivocation(NamedTuple):
    """Two sealed headers of one author for one slot; `is_equivocation` convinces a third party."""

    author: bytes
    slot: int
    first: Header
    second: Header


def slot_at(unix_ms: int, slot_ms: int) -> int:
    """Return the slot of a time; ValueError where the time is negative or a slot shorter than 1 ms."""
    if unix_ms < 0 or slot_ms < 1:
        raise ValueError("a time is not negative, and a slot takes at least 1 ms")
    return unix_ms // slot_ms


def author_of(slot: int, count: int) -> int:
    """Return the index of a slot's author in a set of `count`; ValueError where the set is empty."""
    if count < 1:
        raise ValueError("a set has members")
    return slot % count


def encode_claim(claim: Claim) -> PreRuntime:
    """Return the digest item of a claim."""
    data = _SECONDARY + claim.author.to_bytes(4, "little") + claim.slot.to_bytes(8, "little")
    return PreRuntime(AUTHOR_ENGINE, data)


def find_claim(header: Header) -> Claim:
    """Return what a header claims; NoClaimError and SeveralClaimsError."""
    found = [
        item.field_1
        for item in header.digest.logs
        if isinstance(item, PreRuntime) and item.field_0 == AUTHOR_ENGINE
    ]
    if len(found) > 1:
        raise SeveralClaimsError("several claims to a slot")
    if not found or len(found[0]) != _CLAIM_LENGTH or found[0][:1] != _SECONDARY:
        raise NoClaimError("no claim to a slot, or one of another form")
    return Claim(int.from_bytes(found[0][1:5], "little"), int.from_bytes(found[0][5:], "little"))


def seal_header(header: Header, signature: bytes) -> Header:
    """Return an unsealed header with its seal: the ed25519 signature of its SCALE bytes."""
    return _with_logs(header, (*header.digest.logs, Seal(SEAL_ENGINE, signature)))


def split_seal(header: Header) -> tuple[Header, bytes]:
    """Return the unsealed header and the signature; NoSealError."""
    logs = header.digest.logs
    last = logs[-1] if logs else None
    if not isinstance(last, Seal) or last.field_0 != SEAL_ENGINE:
        raise NoSealError("the last digest item is no seal")
    if any(isinstance(item, Seal) for item in logs[:-1]):
        raise NoSealError("more than one seal")
    return _with_logs(header, logs[:-1]), last.field_1


Eligible: TypeAlias = Callable[[Header, Claim], object]
"""Who may take a slot; it raises a HeaderError where the claim's author, an index of the set, may not."""


def round_robin(count: int) -> Eligible:
    """Return the rule by which slots go round a set of so many."""

    def ensure_turn(header: Header, claim: Claim) -> None:
        del header
        if claim.author != author_of(claim.slot, count):
            raise NotEligibleError(f"author {claim.author} in slot {claim.slot}")

    return ensure_turn


def check_header(
    header: Header,
    parent_slot: int,
    now_slot: int,
    drift: int,
    authorities: Sequence[bytes],
    ensure_eligible: Eligible,
) -> Claim:
    """Return a header's claim once it keeps to the rules; a HeaderError of its kind otherwise.

    `authorities` are the ed25519 keys in the parent's state; `drift` counts slots ahead of `now_slot`; the
    last argument is `round_robin` or the draw of `lottery`.
    """
    claim = find_claim(header)
    unsealed, signature = split_seal(header)
    if claim.slot <= parent_slot:
        raise StaleSlotError(f"slot {claim.slot} upon slot {parent_slot}")
    if claim.slot > now_slot + drift:
        raise FutureSlotError(f"slot {claim.slot} in slot {now_slot}")
    if claim.author >= len(authorities):
        raise AuthorRangeError(f"author {claim.author} of {len(authorities)}")
    ensure_eligible(unsealed, claim)
    if not verify(Scheme.ED25519, authorities[claim.author], signature, encode_header(unsealed)):
        raise WrongSealError("the seal is not the author's")
    return claim


def is_equivocation(evidence: Equivocation) -> bool:
    """Tell whether evidence shows two different blocks sealed by one key for one slot; it never raises.

    One unsealed header with two signatures is no fault.
    """
    unsealed: list[bytes] = []
    for header in (evidence.first, evidence.second):
        try:
            bare, signature = split_seal(header)
            slot = find_claim(header).slot
        except HeaderError:
            return False
        message = encode_header(bare)
        if slot != evidence.slot or not verify(Scheme.ED25519, evidence.author, signature, message):
            return False
        unsealed.append(message)
    return unsealed[0] != unsealed[1]


def _with_logs(header: Header, logs: tuple[DigestItem, ...]) -> Header:
    digest = Digest(logs)
    return Header(header.parent_hash, header.number, header.state_root, header.extrinsics_root, digest)
