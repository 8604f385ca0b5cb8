"""A block on its way into the chain: executed in steps, taken in at the end, or gone without a trace.

Responsible for the order of the steps and for undoing them. It knows neither store nor branches: what becomes
of an executed block is the chain's business. Between two steps an event loop may turn.

A block on the head is executed by the head's runtime, whose live values are warm, and changes the head's tree
in place. A block on another branch gets a runtime and a tree of its own, so that whoever looks at the head
sees nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, NamedTuple, Self, TypeVar

from node.chain.execution import KEYS_PER_STEP, Execution, Known, Signed, exhaust
from runtime.frame.executive import InvalidBlock
from runtime.frame.extension import Extrinsic
from runtime.frame.runtime_api import RuntimeApi
from runtime.frame.state import Change
from runtime.primitives.block import Block
from runtime.primitives.extrinsic import SignatureJob
from runtime.primitives.tree import Tree
from runtime.primitives.types import Hash

S = TypeVar("S")
T = TypeVar("T")

Check = Callable[[Extrinsic, SignatureJob], bool]
"""Tells whether a signature is right."""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a block is executed on."""

    api: RuntimeApi
    """A runtime that stands on the parent, with no block open."""
    tree_steps: Callable[[], Generator[None, None, Tree]]
    """Gives the tree of the parent's state."""
    ensure_live: Callable[[], object]
    """Raises UnknownBlock when the parent's branch has died meanwhile."""
    release: Callable[[], None]
    """Takes the runtime back, its block committed or abandoned."""


class Executed(NamedTuple):
    """A block that gives what its header says; `tree` has its root, `layer` is what it changed by raw key."""

    block: Block
    extrinsics: tuple[Extrinsic, ...]
    tags: tuple[bytes, ...]
    changes: list[Change]
    layer: Mapping[bytes, bytes | None]
    tree: Tree


class BlockImport(Generic[T]):
    """One block: exhaust `decode_steps`, `run_steps` and `commit_steps` in this order, inside the context.

    They raise InvalidBlock when the block breaks a rule, UnknownBlock when its branch has died. Whatever ends
    the context, an exception or somebody's change of mind: nothing has happened, or the block is in.
    """

    def __init__(
        self,
        block: Block,
        ground: Ground,
        accept_steps: Callable[[Executed], Generator[None, None, T]],
        known: Known | None,
    ) -> None:
        """`accept_steps` commits the runtime and takes the block in."""
        self._block = block
        self._ground = ground
        self._accept_steps = accept_steps
        self._execution = Execution(ground.api, block.header, block.extrinsics, known)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ground.api.state.abandon()
        self._ground.release()

    def decode_steps(self) -> Generator[list[Signed], None, None]:
        """Decode the extrinsics; yield what is to be verified before the block may be committed."""
        return _grounded(self._execution.decode_steps(), self._ground)

    def run_steps(self) -> Generator[None, None, None]:
        """Execute the extrinsics."""
        return _grounded(self._execution.run_steps(), self._ground)

    def commit_steps(self) -> Generator[None, None, T]:
        """Compare the state root and take the block in; the caller has all signatures verified."""
        return _grounded(self._commit_steps(), self._ground)

    def _commit_steps(self) -> Generator[None, None, T]:
        changes = yield from self._execution.collect_steps()
        yield
        layer = {change.key: change.new for change in changes}
        yield
        tree = yield from self._ground.tree_steps()
        try:
            hashed = [change.hashed for change in changes]
            root = yield from uninterrupted(tree.update_hashed_steps(hashed, KEYS_PER_STEP))
        except GeneratorExit:
            exhaust(_undo_steps(tree, changes))
            raise
        expected = self._block.header.state_root
        if root != expected:
            yield from uninterrupted(_undo_steps(tree, changes))
            raise InvalidBlock(f"state root is {root.hex()}, the header says {expected.hex()}")
        self._ground.ensure_live()
        extrinsics, tags = tuple(self._execution.extrinsics), tuple(self._execution.tags)
        executed = Executed(self._block, extrinsics, tags, changes, layer, tree)
        return (yield from uninterrupted(self._accept_steps(executed)))


def import_at_once(block: BlockImport[T], check: Check) -> T:
    """Import a block in one go; `check` is asked about each of its signatures."""
    with block:
        for signed in block.decode_steps():
            for one in signed:
                ensure_signed(one.position, is_right=check(one.extrinsic, one.job))
        exhaust(block.run_steps())
        return exhaust(block.commit_steps())


def ensure_signed(position: int, *, is_right: bool) -> None:
    """Raise InvalidBlock unless the signature of the extrinsic in this place is right."""
    if not is_right:
        raise InvalidBlock("bad signature", position)


def trust(_extrinsic: Extrinsic, _job: SignatureJob) -> bool:
    """Accept signatures of blocks that this node has checked before it stored them."""
    return True


def _undo_steps(tree: Tree, changes: list[Change]) -> Generator[None, None, Hash]:
    return tree.update_steps(((change.key, change.old) for change in changes), KEYS_PER_STEP)


def _grounded(steps: Generator[S, None, T], ground: Ground) -> Generator[S, None, T]:
    """Run steps whose verdict counts only as long as the parent's state can be read."""
    try:
        return (yield from steps)
    except InvalidBlock:
        ground.ensure_live()
        raise


def uninterrupted(steps: Generator[None, None, T]) -> Generator[None, None, T]:
    """Yield as `steps` does; when this is closed half-way, `steps` runs to its end first."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        try:
            yield
        except GeneratorExit:
            exhaust(steps)
            raise
