"""What can go wrong in a run, each a sentence that names who, what and where."""


class DemoError(Exception):
    """Base of what ends a run."""


class CallFailed(DemoError):
    """A call that must take effect did not."""

    def __init__(self, who: str, what: str, why: str) -> None:
        super().__init__(f"{who} could not {what}: {why}")


class TooSlow(DemoError):
    """The machine did not keep up with the compressed time."""


class Stalled(DemoError):
    """The nodes agree on no block any more."""


class Missing(DemoError):
    """The chain lacks something that a run needs."""
