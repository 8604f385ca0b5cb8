"""The oracle gateway: one provider's sources, measured, checked and answered on a chain round by round.

First file to read: `service.py`, which starts everything. Pure are `readings.py` (what sources say),
`choice.py` (the answer that they come to) and `rounds.py` (when it is due); `session.py` speaks to one node,
`journal.py` remembers what was sent.
"""
