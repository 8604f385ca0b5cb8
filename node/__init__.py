"""The node: everything with a clock, a disk or a socket; a chain is a RuntimeApi to it."""

__version__ = "0.1.0"
