"""Making blocks: the intake of transactions into the pool, and the author that executes them into blocks.

First file to read: `author.py`. It must not know how blocks are stored, certified or sent.
"""
