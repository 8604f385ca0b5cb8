"""The node: everything with a clock, a disk or a socket; a chain is a `RuntimeApi` to it.

First file to read: `service.py`, which puts the others together. Only it and the command line know
compositions.
"""

__version__ = "0.1.0"
