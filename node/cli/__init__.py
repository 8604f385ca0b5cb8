"""The command line `loam`: Substrate's flags and subcommands, one module for each group of subcommands.

`entry` is the first file to read. It must not know how a chain works: it resolves settings and calls the
service.
"""

from node.cli.entry import main

__all__ = ["main"]
