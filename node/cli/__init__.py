"""The command line `loam`: Substrate's flags and subcommands, one module for each group of subcommands.

First file to read: `root.py`, then `entry.py`. It must not know how a chain works: it resolves settings and
calls the service.
"""

import sys
from typing import NoReturn

__all__ = ["main"]

INTERRUPTED = 1


def main() -> NoReturn:
    """Run the command of this process's arguments and exit."""
    try:
        from node.cli.entry import run  # noqa: PLC0415 (loading takes long enough to be interrupted)

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)
