"""`chainSpec_v1_*`: what a chain is called, where it begins, and its properties.

Source: the JSON-RPC interface specification of the Polkadot projects, group chainSpec.
"""

from __future__ import annotations

from node.rpc.groups.context import ChainContext, hex_of
from node.rpc.methods import method


class ChainSpecMethods:
    """The methods of one chain."""

    def __init__(self, context: ChainContext) -> None:
        self._context = context

    @method("chainSpec_v1_chainName")
    def chain_name(self) -> str:
        """Name of the chain, for people."""
        return self._context.name

    @method("chainSpec_v1_genesisHash")
    def genesis_hash(self) -> str:
        """Hash of block 0."""
        return hex_of(self._context.chain.genesis_hash)

    @method("chainSpec_v1_properties")
    def properties(self) -> dict[str, object]:
        """Token symbol and decimals, and the SS58 prefix."""
        return dict(self._context.properties)
