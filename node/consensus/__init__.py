"""Sans-IO engines and the signing guard.

First file to read: `effects.py`, the inputs and effects of every engine. Nothing here knows a clock, a file
or a socket.
"""
