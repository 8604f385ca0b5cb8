"""The node: everything with a clock, a disk or a socket; a chain is a RuntimeApi to it."""
