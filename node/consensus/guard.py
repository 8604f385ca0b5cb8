"""The signing guard's rule: never two different messages at one position, never a step back.

A position is (instance, view, step), ordered as a tuple. Signing is allowed strictly above the last
position; the same bytes at the same position give the stored signature again; everything else is refused.
The record is made durable before the signature leaves the process, which is the business of whoever calls
`judge`. Source: cometbft spec/consensus/signing.md, privval.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple, TypeAlias

from runtime.primitives.certificate import Certificate
from runtime.primitives.scale import Length, MaxLen, Struct, codec, u8, u64
from runtime.primitives.statements import Position

MESSAGE_BYTES_MAX = 1024


class GuardRecord(Struct):
    """The last message signed with a key, and its signature."""

    instance: u64
    view: u64
    step: u8
    message: Annotated[bytes, MaxLen(MESSAGE_BYTES_MAX)]
    signature: Annotated[bytes, MaxLen(64)]

    @property
    def position(self) -> Position:
        """Where the message stands."""
        return Position(self.instance, self.view, self.step)


class GuardState(Struct):
    """What a validator must find again after any crash: the last message it signed, and the PREPAREs of the
    latest block that it saw prepared, without which it must not have committed."""

    last: GuardRecord
    prepared: Certificate | None


class KeyState(Struct):
    """The state of one key, as it stands on disk: of no use to another key. `magic` tells it from the state
    alone, which earlier releases stored."""

    magic: Annotated[bytes, Length(4)]
    key: Annotated[bytes, Length(32)]
    state: GuardState


class MaySign(NamedTuple):
    """Sign, make the record durable, then send."""


class SignedBefore(NamedTuple):
    """This very message was signed already."""

    signature: bytes


class MustNotSign(NamedTuple):
    """Signing could contradict an earlier signature."""

    reason: str


class GuardRefused(Exception):
    """The guard forbids the signature."""


Verdict: TypeAlias = MaySign | SignedBefore | MustNotSign

RECORD = codec(GuardRecord)
STATE = codec(GuardState)
KEY_STATE = codec(KeyState)
KEY_MAGIC: Final = b"gran"


def encode_unused(public: bytes) -> bytes:
    """Return the state of a key of which somebody knows that it has signed nothing: all stands above it."""
    return KEY_STATE.encode(KeyState(KEY_MAGIC, public, GuardState(GuardRecord(0, 0, 0, b"", b""), None)))


def judge(last: GuardRecord | None, position: Position, message: bytes) -> Verdict:
    """Tell whether a message may be signed after the last record."""
    if last is None or position > last.position:
        return MaySign()
    if position == last.position and message == last.message:
        return SignedBefore(last.signature)
    if position == last.position:
        return MustNotSign(f"another message was signed for {_shown(position)}")
    return MustNotSign(f"{_shown(position)} is below {_shown(last.position)}, which was signed already")


def _shown(position: Position) -> str:
    return f"instance {position.instance}, view {position.view}, step {position.step}"
