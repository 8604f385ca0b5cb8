"""The client library: a chain as a program sees it that knows only an address and what metadata says.

First file to read: `client.py`. `metadata.py`, `dynamic.py` and `runtime.py` read and write bytes and know no
connection; `connection.py` carries JSON and knows no chain; `client.py` and `sender.py` put them together.
"""
