"""The command line `loam`: Substrate's flags and subcommands, one module for each group of subcommands.

First file to read: `root.py`, then `entry.py`. It must not know how a chain works: it resolves settings and
calls the service.
"""

import gc
import sys
from typing import Final, NoReturn

__all__ = ["main"]

INTERRUPTED = 1
COLLECT_AFTER: Final = 50_000
"""New objects between two collections. Loading and composing a runtime makes a great many, nearly all of
which stay, so that looking through them at each 700, as Python does by itself, finds nothing."""


def main() -> NoReturn:
    """Run the command of this process's arguments and exit."""
    gc.set_threshold(COLLECT_AFTER)
    try:
        from node.cli.entry import run  # noqa: PLC0415 (loading takes long enough to be interrupted)

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)
