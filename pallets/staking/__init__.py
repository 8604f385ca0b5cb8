"""Staking: who secures the public chain, with what at stake, for what reward, and at what risk.

First file to read: `staking.py`. Nothing here knows how blocks are made or offences found.
Elections are pure functions that know no pallet; first file to read of them: `election.py`.
"""
