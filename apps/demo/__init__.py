"""The demonstration: a week of fifteen real homes on a chain of their own, and what came of it as a page.

First file to read: `week.py`, what was measured; `replay.py` computes what should come of it, `play.py` lets
it happen on a chain, `ledger.py` reads from blocks what did happen. Tables, plots and the page know only
`outcome.py`, whoever filled it.
"""
