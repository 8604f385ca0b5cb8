"""Free TCP ports for the nodes of a devnet.

A port found free may be taken before its node binds it; the node then says so and ends. It must not know what
a port is for.
"""

import socket
from collections.abc import Callable, Iterator
from typing import Final

from node.config import ExitCode, StartError

PORT_MAX: Final = 32_767
"""Above it Linux takes the near ends of outgoing connections from, the nodes' own among them."""
TRIES_MAX: Final = 2_000


class Ports:
    """Gives each port once."""

    def __init__(self, is_free: Callable[[int], bool] | None = None) -> None:
        self._is_free = is_free or probe
        self._given: set[int] = set()

    def claim(self, port: int, flag: str) -> int:
        """Return the port that somebody asked for by a flag; StartError when it is in use."""
        if port in self._given or not self._is_free(port):
            raise StartError(f"port {port} is in use; choose another with {flag}", ExitCode.PORT_IN_USE)
        self._given.add(port)
        return port

    def find(self, preferred: int) -> int:
        """Return the preferred port, or the nearest free one above it; StartError when there is none."""
        for port in _list_candidates(preferred):
            if port not in self._given and self._is_free(port):
                self._given.add(port)
                return port
        raise StartError(f"no port from {preferred} on is free", ExitCode.PORT_IN_USE)


def probe(port: int) -> bool:
    """Tell whether the port can be listened on now; waiting remains of closed connections do not count."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("0.0.0.0", port))  # noqa: S104  # bound for a moment, never listened on
        except OSError:
            return False
    return True


def _list_candidates(preferred: int) -> Iterator[int]:
    return iter(range(preferred, min(preferred + TRIES_MAX, PORT_MAX + 1)))
