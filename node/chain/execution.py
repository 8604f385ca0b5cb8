"""Executing one block in steps, on a runtime that stands on its parent.

Responsible for the order of a block's life in a runtime and for telling what is the block's fault from what
is not. It knows no tree, no store and no signature check: who drives it gets what is to be verified, and
decides about the block with all verdicts in. Between two steps an event loop may turn.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from runtime.frame.executive import InvalidBlock
from runtime.frame.extension import Extrinsic
from runtime.frame.runtime_api import RuntimeApi
from runtime.frame.state import Change
from runtime.frame.validity import TransactionError
from runtime.primitives.block import Header, PreRuntime, Seal
from runtime.primitives.extrinsic import SignatureJob
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import DecodeError
from runtime.primitives.types import Hash

T = TypeVar("T")

EXTRINSICS_PER_STEP = 25
"""Extrinsics decoded or executed in one step, about 1 ms of plain transfers."""
KEYS_PER_STEP = 250
"""Changed keys encoded or hashed in one step, about 1 ms."""
CONTENT_FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a runtime may raise beside its own errors when a block's content breaks an assumption of its code;
every node raises the same. Faults of storage, memory and the operating system are no such verdict."""

Known = Callable[[Hash], Extrinsic | None]
"""Looks up an extrinsic that the pool holds, decoded by the very runtime that executes the block."""


class Signed(NamedTuple):
    """A signed extrinsic of a block: its position, itself, and what is to be verified."""

    position: int
    extrinsic: Extrinsic
    job: SignatureJob


class Execution:
    """One block on a runtime; `decode_steps`, `run_steps` and `collect_steps` are exhausted in this order.

    All raise InvalidBlock when the block breaks a rule. The runtime's open block stays open: the caller
    commits its state or abandons it.
    """

    def __init__(
        self, api: RuntimeApi, header: Header, body: tuple[bytes, ...], known: Known | None = None
    ) -> None:
        """With `known`, the tags that the pool has to be told of are found out too."""
        self.api = api
        self.extrinsics: list[Extrinsic] = []
        self.tags: list[bytes] = []
        self._header = header
        self._body = body
        self._known = known
        self._foreign: set[int] = set()

    def decode_steps(self) -> Generator[list[Signed], None, None]:
        """Open the block and decode its extrinsics; yield the signed ones of each step."""
        header = self._header
        logs = tuple(item for item in header.digest.logs if isinstance(item, PreRuntime))
        with _judging():
            self.api.initialize_block(header.number, header.parent_hash, logs)
            for start in range(0, len(self._body), EXTRINSICS_PER_STEP):
                yield self._decode(start, self._body[start : start + EXTRINSICS_PER_STEP])

    def run_steps(self) -> Generator[None, None, None]:
        """Execute the extrinsics and close the block."""
        with _judging():
            for start in range(0, len(self.extrinsics), EXTRINSICS_PER_STEP):
                self._apply(start, self.extrinsics[start : start + EXTRINSICS_PER_STEP])
                yield
            made = self.api.finalize_block()
        if made != tuple(item for item in self._header.digest.logs if not isinstance(item, Seal)):
            raise InvalidBlock("the digest is not what the execution gives")
        yield

    def collect_steps(self) -> Generator[None, None, list[Change]]:
        """Return what the block changed, sorted by raw key; the runtime's block stays open."""
        with _judging():
            return (yield from self.api.state.collect_steps(KEYS_PER_STEP))

    def _decode(self, start: int, raws: Sequence[bytes]) -> list[Signed]:
        decode, prepare, known = self.api.decode_extrinsic, self.api.signature_job, self._known
        signed: list[Signed] = []
        for index, raw in enumerate(raws, start):
            hash_ = Hash(blake2_256(raw))
            extrinsic = None if known is None else known(hash_)
            try:
                if extrinsic is None:
                    extrinsic = decode(raw, hash_)
                    self._foreign.add(index)
                if extrinsic.signer is not None:
                    signed.append(Signed(index, extrinsic, prepare(extrinsic)))
            except (DecodeError, TransactionError) as error:
                raise _invalid(error, index) from error
            self.extrinsics.append(extrinsic)
        return signed

    def _apply(self, start: int, extrinsics: Sequence[Extrinsic]) -> None:
        apply, foreign = self.api.apply, self._foreign if self._known is not None else ()
        for index, extrinsic in enumerate(extrinsics, start):
            if index in foreign:
                self._note_tags(extrinsic)
            try:
                apply(extrinsic)
            except TransactionError as error:
                raise _invalid(error, index) from error

    def _note_tags(self, extrinsic: Extrinsic) -> None:
        """Find out what an extrinsic provides; that it cannot be said has no part in the block's verdict."""
        try:
            validity = self.api.validate(extrinsic)
        except (TransactionError, *CONTENT_FAULTS):
            return
        self.tags += validity.provides


def exhaust(steps: Generator[object, None, T]) -> T:
    """Run a generator to its end at once; return its result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


@contextmanager
def _judging() -> Iterator[None]:
    """Make a fault that a block's content caused a verdict on the block."""
    try:
        yield
    except CONTENT_FAULTS as fault:
        raise InvalidBlock(f"execution fails: {type(fault).__name__}: {fault!s:.200}") from fault


def _invalid(error: Exception, index: int) -> InvalidBlock:
    return InvalidBlock(f"{type(error).__name__}: {error}", index)
