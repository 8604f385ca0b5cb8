"""Why the pool refuses a transaction.

Each refusal is a type with its numbers; `code`, `message` and `data` are what Substrate's `author_*`
methods answer for the same refusal (sc-rpc-api, author/error.rs), since clients key on the code and people
on the text. Knows nothing of JSON-RPC itself, and nothing of validity: errors 1010 and 1011 belong to the
runtime's answer.
"""

from typing import ClassVar


class PoolError(Exception):
    """The pool does not take the transaction; nothing in the pool has changed."""

    code: ClassVar[int]

    def __init__(self, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.data = data


class TemporarilyBanned(PoolError):
    """The transaction was invalid, or expired, a short while ago."""

    code = 1012

    def __init__(self) -> None:
        super().__init__("Transaction is temporarily banned")


class AlreadyImported(PoolError):
    """The very same transaction is in the pool."""

    code = 1013

    def __init__(self, transaction: bytes) -> None:
        super().__init__("Transaction Already Imported", "0x" + transaction.hex())
        self.transaction = transaction


class TooLowPriority(PoolError):
    """Another transaction provides the same tag and pays as much or more, or is already in the open block."""

    code = 1014

    def __init__(self, old: int, new: int) -> None:
        super().__init__(
            f"Priority is too low: ({old} vs {new})",
            "The transaction has too low priority to replace another transaction already in the pool.",
        )
        self.old = old
        self.new = new


class CycleDetected(PoolError):
    """The transaction would replace one that it depends on."""

    code = 1015

    def __init__(self) -> None:
        super().__init__("Cycle Detected")


class ImmediatelyDropped(PoolError):
    """A limit of the pool is reached and nothing in it is worth less."""

    code = 1016

    def __init__(self, limit: str, maximum: int) -> None:
        super().__init__(
            "Immediately Dropped", "The transaction couldn't enter the pool because of the limit"
        )
        self.limit = limit
        self.maximum = maximum


class NoTagsProvided(PoolError):
    """The transaction provides no tag, so nothing identifies its place."""

    code = 1019

    def __init__(self) -> None:
        super().__init__(
            "No tags provided", "Transaction does not provide any tags, so the pool can't identify it"
        )


class FutureRejected(PoolError):
    """The transaction waits for another one, and this pool takes only what is ready."""

    code = 1021

    def __init__(self) -> None:
        super().__init__("The pool is not accepting future transactions")
