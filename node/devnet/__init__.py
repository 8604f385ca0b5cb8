"""A network of several nodes on this machine: planned, started, watched, disturbed and stopped as processes.

First file to read: `supervisor.py`, then `records.py`. It must not know how a node works: nodes are command
lines, process ids and RPC ports to it.
"""
