"""Staking: who secures the public chain, with what at stake, for what reward, and at what risk.

First file to read: `staking.py`. Nothing here knows how blocks are made or offences found.
"""
