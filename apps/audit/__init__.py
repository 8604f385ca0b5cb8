"""The auditor: computes again, from blocks alone, what a chain and its reports say, and compares the roots.

First file to read: `witness.py`, which gets headers, events and values and says how far they are proven.
`day_log.py`, `rows.py`, `trading.py` and `supervision.py` are pure: events in, leaves and rows out.
`export.py`, `day.py` and `report.py` put the two together. Nothing here believes a node where it can check
it.
"""
