"""Logs, metrics and the status line: what an operator sees of a running node.

First file to read: `logs.py`. It must not know who reports: every part of the node logs through
`structlog.get_logger("target")` and counts on the instruments of `metrics.py`.
"""
