"""The transaction pool: ready and future transactions by nonce tags, and the signature workers."""
