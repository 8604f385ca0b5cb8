"""Trying out blocks that are not made: whether the chain could go on after values were set by hand.

Responsible for running blocks without transactions on a runtime beside the head's, and for saying in one
sentence what would go wrong. It must not know what was set, nor who asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from node.chain.chain import Chain
from node.chain.execution import CONTENT_FAULTS
from runtime.frame.dispatch import DispatchError
from runtime.frame.executive import InvalidBlock
from runtime.frame.validity import TransactionError
from runtime.primitives.block import DigestItem

CODE_KEY: Final = b":code"


class Unbuildable(Exception):
    """A block like this cannot be made, or none after it."""


class Plan(NamedTuple):
    """A block to try out: its digest and the author's data for its inherents."""

    logs: tuple[DigestItem, ...]
    inherents: dict[bytes, bytes]


def rehearse(chain: Chain, plans: Sequence[Plan], *, checks_state: bool) -> None:
    """Return if these blocks can be made on the head one after another, all by one runtime version, and leave
    as many authorities as there were; Unbuildable otherwise.

    With `checks_state` the stored data of every pallet must be consistent after each of them.
    """
    head = chain.head
    with chain.runtime_at(head.hash) as api:
        authorities = len(api.authority_set().authorities)
        try:
            for number, plan in enumerate(plans, head.number + 1):
                api.initialize_block(number, head.hash, plan.logs)
                for raw in api.inherents(plan.inherents):
                    api.apply(api.decode_extrinsic(raw))
                api.finalize_block()
                if checks_state:
                    api.try_state()
            left = len(api.authority_set().authorities)
            changed = {change.key for change in api.state.pending()}
        except InvalidBlock as error:
            raise Unbuildable(str(error)) from error
        except TransactionError as error:
            raise Unbuildable(f"its inherents fail: {error}") from error
        except DispatchError as error:
            raise Unbuildable(f"a hook fails: {error!r:.200}") from error
        except CONTENT_FAULTS as error:
            raise Unbuildable(f"it fails: {type(error).__name__}: {error!s:.200}") from error
    if left != authorities:
        raise Unbuildable(f"there would be {left} authorities, not {authorities}")
    if CODE_KEY in changed:
        raise Unbuildable("another runtime version would take over at once")
