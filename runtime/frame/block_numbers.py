"""The number of the open block, as a Protocol for pallets that reckon in blocks.

It knows no pallet; a composition fills it in with System.
"""

from __future__ import annotations

from typing import Protocol


class BlockNumbers(Protocol):
    """Where the number of the open block is read."""

    def current_number(self) -> int:
        """Return the number of the open block."""
        ...
