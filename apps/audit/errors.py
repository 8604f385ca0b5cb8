"""The two ways in which an audit does not end well; the command line gives each an exit code of its own."""


class AuditError(Exception):
    """Base of the two; `str()` is a sentence for the auditor."""


class Differs(AuditError):
    """What was computed or proven is another thing than what was claimed."""


class Unchecked(AuditError):
    """Nothing could be shown either way; the sentence says what would help."""
