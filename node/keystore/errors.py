"""The keystore's error: a sentence for the operator that never contains a secret."""

from node.config import ExitCode, OperatorError


class KeystoreError(OperatorError):
    """A key is missing, locked, malformed, or lies where others can read it."""

    exit_code = ExitCode.KEY_MISSING
