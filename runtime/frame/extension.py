"""Transaction extensions and the decoded extrinsic they look at.

An extension is a record of functions that a pallet supplies: what it adds to the extrinsic, what it adds to
the signed payload unseen, and what it does at validation, before and after dispatch. Their order is the
composition's and is part of the chain's format. Source: sp_runtime::traits::TransactionExtension
(SignedExtension before it).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runtime.frame.call import Call
from runtime.frame.dispatch import DispatchErrorValue, DispatchInfo, PostDispatchInfo
from runtime.frame.validity import ValidTransaction
from runtime.primitives.types import AccountId, Hash


class Extrinsic:
    """A decoded extrinsic: its bytes, its hash, who signed it, the extension values and the call.

    `extra` holds one value for each extension in order (None where it adds no bytes); `info` is the
    declared weight and class of the call, the extension-independent part of its cost. A signed one whose
    address names no account directly has no `signer`: it can be priced, and nothing else.
    """

    __slots__ = (
        "call",
        "call_start",
        "data",
        "extra",
        "extra_start",
        "hash",
        "info",
        "is_signed",
        "scheme",
        "signature",
        "signer",
    )

    def __init__(self, data: bytes, hash_: Hash, call: Call, info: DispatchInfo) -> None:
        self.data = data
        self.hash = hash_
        self.call = call
        self.info = info
        self.is_signed = False
        self.signer: AccountId | None = None
        self.scheme = 0
        self.signature = b""
        self.extra: tuple[Any, ...] = ()
        self.extra_start = 0
        self.call_start = 0

    @property
    def length(self) -> int:
        """Size in bytes, length prefix included, as fees and block length count it."""
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Extension:
    """One transaction extension.

    `extra` and `additional` are annotations of the bytes in the extrinsic and of the bytes only signed;
    `implied` gives the latter, as a constant or for an extrinsic. `validate` and `prepare` raise
    TransactionError to refuse; what `prepare` returns is handed to `settle` after the dispatch, which cannot
    fail. `index` among the composition's extensions is passed first, so that a function finds its own extra
    value. One that adds no byte anywhere may be unlisted: metadata says nothing of it, so that no wallet has
    to know it.
    """

    identifier: str
    extra: Any = None
    additional: Any = None
    implied: bytes | Callable[[int, Extrinsic], bytes] = b""
    validate: Callable[[int, Extrinsic], ValidTransaction | None] | None = None
    prepare: Callable[[int, Extrinsic], Any] | None = None
    settle: Callable[[Extrinsic, Any, PostDispatchInfo, DispatchErrorValue | None], None] | None = None
    is_listed: bool = True

    def __post_init__(self) -> None:
        """Refuse to hide an extension that changes what wallets must send or sign."""
        adds_nothing = self.extra is None and self.additional is None and self.implied == b""
        assert self.is_listed or adds_nothing, f"{self.identifier} adds bytes that wallets must know of"
