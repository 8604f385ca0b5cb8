"""The client library: a chain as a program sees it that knows only an address and what metadata says.

First file to read: `metadata.py`, then `dynamic.py`; they read and write bytes and know no connection.
"""
