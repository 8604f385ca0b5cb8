"""Peers: who they are and where they are found; transport and messages join them here later."""
