"""Peers: who they are and where they are found; transport and messages join them here later.

First file to read: `identity.py`. It must not know what peers tell each other.
"""
