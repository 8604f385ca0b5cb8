"""The energy market: units, the call auction, the continuous book and congestion between zones.

First file to read: `clearing.py`, the rule of the call auction. Nothing here knows who an account is, what a
meter measured or how money moves.
"""
