"""Dialling a peer: a WebSocket to its address, and our side of the handshake; knows no slots, no scores."""

import secrets
from typing import Final, NoReturn

import aiohttp

from node.network.channel import Wire
from node.network.cipher import TAG_LENGTH
from node.network.frames import PLAINTEXT_MAX
from node.network.handshake import Identity, Session, WrongGenesisError, dial
from node.network.identity import parse_peer_id
from node.network.multiaddr import Multiaddr

SECRET_LENGTH: Final = 32
SOCKET_MESSAGE_MAX: Final = PLAINTEXT_MAX + TAG_LENGTH + 1
"""aiohttp refuses messages of exactly its maximum."""


class DialError(Exception):
    """Nobody who speaks our protocol answered at the address."""


def make_client() -> aiohttp.ClientSession:
    """Return the client for all dials of one network; whoever makes it closes it."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_redirect)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        trace_configs=[trace],
    )


async def dial_peer(
    client: aiohttp.ClientSession, identity: Identity, address: Multiaddr
) -> tuple[Wire, Session]:
    """Connect to an address with a peer id and return the socket and the session.

    The caller sets the deadline. Raises DialError, ConnectionOverError or HandshakeError.
    """
    assert address.peer is not None
    host = f"[{address.host}]" if address.protocol == "ip6" else address.host
    try:
        socket = await client.ws_connect(
            f"ws://{host}:{address.port}/",
            autoping=False,
            compress=0,
            max_msg_size=SOCKET_MESSAGE_MAX,
        )
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise DialError(str(error) or type(error).__name__) from error
    peername = socket.get_extra_info("peername")
    # aiohttp gives the transport of a dialled WebSocket to nobody, and without it a stalled one never ends.
    wire = Wire(socket, socket._writer.transport, str(peername[0]) if peername else "")
    try:
        return wire, await _shake_hands(wire, identity, parse_peer_id(address.peer))
    except BaseException:
        await wire.close()
        raise


async def _shake_hands(wire: Wire, identity: Identity, expected: bytes) -> Session:
    dialling = dial(identity, secrets.token_bytes(SECRET_LENGTH), expected)
    await wire.send(dialling.hello)
    try:
        third, session = dialling.finish(await wire.receive())
    except WrongGenesisError as error:
        await wire.send(error.reply)  # the peer learns it too, and who we are
        raise
    await wire.send(third)
    return session


async def _refuse_redirect(*_: object) -> NoReturn:
    """A peer may not send us to another server."""
    raise DialError("the peer redirects")
