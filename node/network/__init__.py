"""The network of a chain's nodes: identities, sealed connections, messages with limits, peers, scores.

First file to read: `service.py`, whose `Network` is what others use. It must not know chains, pools and
engines: what they say to one another are bytes here.

Pure, each by itself: `handshake`, `frames`, `reassembly` (pieces of messages), `messages` (the table),
`limits`, `queues`, `slots`, `backoff`, `peer_store`, `subnets`, `identity`, `multiaddr`. At work with sockets
and clocks: `server` and `listener` (who comes), `dialling` and `planning` (whom to go to), `channel` and
`connection` (one peer), `book` (the peer store and its file).
"""
