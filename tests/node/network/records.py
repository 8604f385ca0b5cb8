"""Messages of every kind within their limits, for tests that need any."""

from hypothesis import strategies as st

from node.network.messages import (
    BlockData,
    BlockRequest,
    BlockResponse,
    BlocksRequest,
    BlocksResponse,
    Consensus,
    Goodbye,
    Introduction,
    Message,
    PeersRequest,
    PeersResponse,
    Ping,
    Pong,
    Refusal,
    Request,
    Response,
    StateRequest,
    StateResponse,
    Status,
    Transactions,
    WarpFragment,
    WarpRequest,
    WarpResponse,
)

u8s = st.integers(0, 2**8 - 1)
u16s = st.integers(0, 2**16 - 1)
u32s = st.integers(0, 2**32 - 1)
hashes = st.binary(min_size=32, max_size=32)
some_bytes = st.binary(min_size=1, max_size=40)
addresses = st.lists(st.text(min_size=1, max_size=20), max_size=4).map(tuple)
fields = st.integers(1, 7)
maybe_bytes = st.none() | some_bytes
blocks = st.builds(
    BlockData, hashes, maybe_bytes, st.none() | st.lists(some_bytes, max_size=3).map(tuple), maybe_bytes
)
entries = st.lists(st.tuples(st.binary(max_size=40), st.binary(max_size=40)), max_size=3).map(tuple)
fragments = st.lists(st.builds(WarpFragment, some_bytes, some_bytes), max_size=3).map(tuple)
request_bodies = (
    st.builds(BlocksRequest, u32s | hashes, st.integers(1, 128), fields)
    | st.builds(BlockRequest, hashes, fields)
    | st.builds(StateRequest, hashes, hashes, st.integers(1, 4096))
    | st.builds(PeersRequest, st.integers(1, 32))
    | st.builds(WarpRequest, u32s)
)
response_bodies = (
    st.builds(BlocksResponse, st.lists(blocks, max_size=3).map(tuple))
    | st.builds(BlockResponse, blocks)
    | st.builds(StateResponse, entries, st.binary(max_size=40))
    | st.builds(PeersResponse, addresses)
    | st.builds(WarpResponse, fragments, st.booleans())
    | st.builds(Refusal, u8s)
)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Introduction, st.text(max_size=20), u16s, addresses),
    st.builds(Goodbye, u8s, addresses),
    st.builds(Ping, u32s),
    st.builds(Pong, u32s),
    st.builds(Status, u8s, u32s, hashes, u32s, hashes),
    st.builds(Transactions, st.lists(some_bytes, min_size=1, max_size=4).map(tuple)),
    st.builds(Consensus, some_bytes),
    st.builds(Request, u32s, request_bodies),
    st.builds(Response, u32s, response_bodies),
)
