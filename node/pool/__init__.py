"""The transaction pool: ready and future transactions by nonce tags.

First file to read: `pool.py`. It must not know what a transaction does, nor check a signature.
"""
