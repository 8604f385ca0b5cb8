"""The deterministic half of the chain: primitives and the pallet framework; it must not know the node."""
