"""The same load against anvil, an Ethereum development node, for comparison."""
