"""Which errors an operator can understand, and the exit code of each.

The errors of chains, specs and databases are looked up only where their modules are loaded: a command that
never touched a database cannot have failed in one, and `loam --help` stays quick.
"""

import errno
import sys
from typing import NamedTuple

from node.config import ExitCode, OperatorError

# Module, class, exit code; the first match counts, so special cases stand before their bases.
KNOWN_ERRORS = (
    ("node.storage.kv", "DiskFullError", ExitCode.DISK_FULL),
    ("node.storage.kv", "LockedError", ExitCode.DATABASE_LOCKED),
    ("node.storage.kv", "WrongGenesisError", ExitCode.WRONG_GENESIS),
    ("node.storage.kv", "MissingError", ExitCode.CONFIG),
    ("node.storage.blocks", "PruningMismatchError", ExitCode.CONFIG),
    ("node.storage.kv", "CorruptionError", ExitCode.DATABASE_CORRUPT),
    ("node.storage.kv", "WriteFailedError", ExitCode.DISK_FAILING),
    ("node.storage.kv", "ReadFailedError", ExitCode.DISK_FAILING),
    ("node.storage.kv", "StorageError", ExitCode.ERROR),
    ("node.chain.errors", "UnknownRuntime", ExitCode.UNKNOWN_RUNTIME),
    ("node.chain.errors", "UnknownBlock", ExitCode.ERROR),
    ("apps.vault.errors", "NotAVault", ExitCode.CONFIG),
    ("apps.vault.errors", "WrongMasterKey", ExitCode.KEY_MISSING),
    ("apps.vault.errors", "Damaged", ExitCode.DATABASE_CORRUPT),
    ("apps.vault.errors", "BadInput", ExitCode.USAGE),
    ("apps.vault.errors", "VaultError", ExitCode.ERROR),
    ("apps.chain.errors", "ClientError", ExitCode.ERROR),
    ("pallets.compliance.commitment", "CommitmentError", ExitCode.USAGE),
    ("genesis.config", "SpecError", ExitCode.CONFIG),
    ("apps.gateway.errors", "ConfigFault", ExitCode.CONFIG),
    ("apps.gateway.errors", "JournalFault", ExitCode.ERROR),
    ("apps.demo.publish", "OutputRefused", ExitCode.USAGE),
    ("apps.demo.publish", "NoPlotter", ExitCode.USAGE),
    ("apps.demo.week", "WeekError", ExitCode.ERROR),
    ("apps.demo.errors", "DemoError", ExitCode.ERROR),
    ("runtime.frame.declarations", "DeclarationError", ExitCode.ERROR),
    ("runtime.primitives.keys", "UriError", ExitCode.USAGE),
    ("runtime.primitives.ss58", "Ss58Error", ExitCode.USAGE),
)
ADVICE = {
    ExitCode.DATABASE_CORRUPT: "The database is damaged: put back a copy that `loam db backup` made, or begin"
    " anew with `loam purge-chain`; a vault's records from a copy that `loam vault backup` made.",
    ExitCode.WRONG_GENESIS: "Remove the old chain's database with `loam purge-chain`, or take another"
    " --base-path.",
    ExitCode.DISK_FULL: "Free some space and start again; nothing that was final is lost.",
    ExitCode.DISK_FAILING: "The disk refused to read or write: look at the system's log, move the data to a"
    " whole disk where this one is failing, and start again; nothing that was final is lost.",
}
"""What the operator can do next, where the error itself does not say."""
ERRNO_CODES = {
    errno.ENOSPC: ExitCode.DISK_FULL,
    errno.EDQUOT: ExitCode.DISK_FULL,
    errno.EFBIG: ExitCode.DISK_FULL,
    errno.EIO: ExitCode.DISK_FAILING,
    errno.EADDRINUSE: ExitCode.PORT_IN_USE,
}


class Explained(NamedTuple):
    """What the operator reads, and the process's exit code."""

    code: ExitCode
    message: str


def explain_error(error: BaseException) -> Explained | None:
    """Return code and sentence of an error that is nobody's bug, or None."""
    if isinstance(error, BaseExceptionGroup):
        explained = [explain_error(inner) for inner in error.exceptions]
        return explained[0] if len(explained) == 1 else None
    if isinstance(error, OperatorError):
        return Explained(error.exit_code, str(error))
    for module, name, code in KNOWN_ERRORS:
        known = getattr(sys.modules.get(module), name, None)
        if known is not None and isinstance(error, known):
            return Explained(code, str(error))
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Explained(
            ERRNO_CODES.get(error.errno or 0, ExitCode.ERROR), f"{where}{error.strerror or error}"
        )
    return None
