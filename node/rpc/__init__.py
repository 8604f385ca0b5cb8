"""JSON-RPC over HTTP and WebSocket.

First file to read: `methods.py` (how a method is declared), then `dispatch.py` (from a request to its
answer); the methods are in
`groups`. It must not know a pallet: what the runtime can do it learns from metadata and runtime APIs.
"""
