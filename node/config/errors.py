"""What goes wrong in an operator's hands, and the exit code that scripts and service managers see.

It must not know where an error is found; the command line prints it as one sentence and ends with its code.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """The process's exit codes; a number never changes its meaning."""

    OK = 0
    ERROR = 1
    USAGE = 2
    CONFIG = 3
    DATABASE_CORRUPT = 4
    DATABASE_LOCKED = 5
    WRONG_GENESIS = 6
    KEY_MISSING = 7
    PORT_IN_USE = 8
    DISK_FULL = 9
    UNKNOWN_RUNTIME = 10
    DEVNET_FAILED = 11
    DISK_FAILING = 12


class OperatorError(Exception):
    """Something the operator can mend: `str()` is a sentence that says what and how."""

    exit_code = ExitCode.ERROR


class UsageError(OperatorError):
    """The command line asks for something impossible."""

    exit_code = ExitCode.USAGE


class ConfigError(OperatorError):
    """A configuration file, environment variable or chain specification is wrong."""

    exit_code = ExitCode.CONFIG


class StartError(OperatorError):
    """The node cannot start, or go on, for the reason its exit code names."""

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = exit_code
