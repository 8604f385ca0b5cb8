"""State at a block as a runtime reads it: finalized state on disk below, unfinalized changes above.

Responsible for layering; it knows neither pallets nor how blocks are written. A view is a `Backend` of a
runtime.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from typing import Protocol

from node.storage.blocks import BlockStore
from node.storage.states import StateAt

Layer = Mapping[bytes, bytes | None]
"""What one block changed: raw key → new value, None when deleted."""


class Closable(Protocol):
    """A view that may hold resources."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a raw key, or None."""
        ...

    def keys(self, prefix: bytes, after: bytes | None = None) -> Iterator[bytes]:
        """Yield raw keys with a prefix, ascending, strictly after `after`."""
        ...

    def close(self) -> None:
        """Let go of what the view holds."""
        ...


class LayeredView:
    """The state after an unfinalized block (or the last finalized one, without layers); always current below.

    Layers are in chain order. Disk may already hold the oldest of them: reading a layer first makes that
    harmless.
    """

    def __init__(self, store: BlockStore, layers: Sequence[Layer]) -> None:
        self._store = store
        self._layers = tuple(reversed(layers))

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a raw key, or None."""
        for layer in self._layers:
            if key in layer:
                return layer[key]
        return self._store.state_get(key)

    def keys(self, prefix: bytes, after: bytes | None = None) -> Iterator[bytes]:
        """Yield raw keys with a prefix, ascending, strictly after `after`."""
        changed: dict[bytes, bool] = {}
        for layer in self._layers:
            for key, value in layer.items():
                if key.startswith(prefix) and (after is None or key > after):
                    changed.setdefault(key, value is not None)
        fresh = sorted(key for key, present in changed.items() if present)
        flat = (key for key, _ in self._store.state_iter(prefix, after) if key not in changed)
        return merge(fresh, flat)

    def close(self) -> None:
        """Nothing to let go."""


class FinalizedView:
    """The state after an older finalized block; holds a snapshot until closed."""

    def __init__(self, state: StateAt) -> None:
        self._state = state

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a raw key, or None."""
        return self._state.get(key)

    def keys(self, prefix: bytes, after: bytes | None = None) -> Iterator[bytes]:
        """Yield raw keys with a prefix, ascending, strictly after `after`."""
        return (key for key, _ in self._state.iterate(prefix, after))

    def close(self) -> None:
        """Let go of the snapshot."""
        self._state.close()
