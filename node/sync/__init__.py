"""Catching up with a chain: what to ask of whom, in which order to import, whom to believe.

Sans-IO: objects that take inputs and return effects; the driver has the clock, the network and the chain.
First file to read: `downloads.py`, the object that decides.
"""
