"""Compositions and chain specifications: the only place where pallets meet.

First file to read: `consortium.py`. It must not know how a node runs a chain.
"""
