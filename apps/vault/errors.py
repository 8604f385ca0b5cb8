"""What can go wrong with a vault; no message holds what is kept in it."""


class VaultError(Exception):
    """Base of everything that the vault raises beside CommitmentError and the client library's errors."""


class NotAVault(VaultError):
    """The folder holds no vault, not all of one, or parts of two."""


class AlreadyAVault(VaultError):
    """The folder holds a vault already."""


class UnknownVersion(VaultError):
    """A later release wrote the database."""


class WrongMasterKey(VaultError):
    """The key or passphrase is another vault's, an old one, or misspelt."""


class Damaged(VaultError):
    """What is stored was altered or is incomplete; nothing of it is shown."""


class StorageFault(VaultError):
    """The database refused: a full or failing disk, or damage."""


class Busy(VaultError):
    """Another program is sending the vault's calls."""


class UnknownRecord(VaultError):
    """There is no such record."""


class Erased(VaultError):
    """The record was erased; `tombstone` is the commitment to what is kept of that."""

    def __init__(self, tombstone: bytes) -> None:
        super().__init__(f"erased; the tombstone is 0x{tombstone.hex()}")
        self.tombstone = tombstone


class NothingToErase(VaultError):
    """The vault keeps nothing of the subject that may be erased."""


class BadInput(VaultError):
    """A subject, kind, purpose, reference, call or name is not in its form."""


class NotAllowed(VaultError):
    """The officer's role does not allow it."""


class Conflict(VaultError):
    """The request's key was used for another record."""


class WrongChain(VaultError):
    """The node is of another chain than the one that the vault has written to."""


class BadExport(VaultError):
    """An exported document proves nothing; the message says which part."""
